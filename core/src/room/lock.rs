//! Locking: one person edits, or nobody; those who view stay.

use serde::Serialize;

use super::request::{Answer, Caller};
use super::{MemberKey, Room, refusal};
use crate::document::Lock;
use crate::ids::UnixMillis;
use crate::protocol::outbound::{LockState, write_json};
use crate::protocol::{ErrorCode, InboundError, LockRequest, close};

#[derive(Serialize)]
struct Locked<'a> {
    document_id: &'a str,
    locked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockState<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    editors_closed: Option<usize>,
}

impl Room {
    /// `PUT …/lock`: the caller holds it, instead of whoever did. Answered as `request` when it is durable.
    ///
    /// # Errors
    /// There is no such document.
    pub fn answer_lock(
        &mut self,
        now: UnixMillis,
        request: u64,
        caller: Caller<'_>,
        wanted: LockRequest,
    ) -> Result<(), InboundError> {
        self.check_exists()?;
        let LockRequest { reason, expires_in } = wanted;
        let ends = |seconds: u64| UnixMillis(now.0.saturating_add(seconds.saturating_mul(1_000)));
        let lock = Lock { holder: caller.user_id.into(), reason, since: now, expires_at: expires_in.map(ends) };
        let message = refusal::locked(&lock);
        self.entry.lock = Some(lock);
        self.record_entry();
        let is_shut_out = |key: &MemberKey| {
            let member = self.members.get(*key);
            member.is_some_and(|member| member.edits && *member.user.user_id != *caller.user_id)
        };
        let shut_out: Vec<MemberKey> = self.members.keys().into_iter().filter(is_shut_out).collect();
        for key in &shut_out {
            let code = ErrorCode::DocumentLocked;
            self.close_when_durable(now, *key, code, &message, close::DOCUMENT_LOCKED, code.name());
        }
        self.answer_lock_state(now, request, Some(shut_out.len()));
        Ok(())
    }

    /// `DELETE …/lock`: also where there is none. Answered as `request` when it is durable.
    ///
    /// # Errors
    /// There is no such document.
    pub fn answer_unlock(&mut self, now: UnixMillis, request: u64) -> Result<(), InboundError> {
        self.check_exists()?;
        if self.entry.lock.take().is_some() {
            self.record_entry();
        }
        self.answer_lock_state(now, request, None);
        Ok(())
    }

    fn answer_lock_state(&mut self, now: UnixMillis, request: u64, editors_closed: Option<usize>) {
        let lock = self.entry.lock_in_force(now).map(LockState::of);
        let document_id = self.document.id().as_str();
        let mut body = Vec::new();
        write_json(&mut body, &Locked { document_id, locked: lock.is_some(), lock, editors_closed });
        self.answers
            .push_back((self.records, Answer { request, body: Ok(body.into()), version: None, created: false }));
    }

    /// What is known of the document beside its texts is a record of its own.
    fn record_entry(&mut self) {
        self.entry_is_new = true;
        self.records += 1;
    }
}

//! Tokens that run out while their connection is open: who is warned when, and what a new token changes.
//!
//! A core cannot check a token. What a connection shows is handed out by `take_renewals`, and comes back, checked, by
//! `renew`.

use bytes::Bytes;

use super::bilingual::TranslationRights;
use super::counters::Sent;
use super::{MemberKey, Room, frame};
use crate::ids::UnixMillis;
use crate::limits::GrantedLimits;
use crate::protocol::outbound::{ErrorMessage, Metadata, Refreshed};
use crate::protocol::{BearerToken, ErrorCode, InboundError, Severity};
use crate::websocket::CloseCode;

/// How long before its token expires a connection is told.
const WARNING_SECONDS: u32 = 60;
const EXPIRED_MESSAGE: &str = "the token has expired: reconnect with a new one";
const REVOKED_MESSAGE: &str = "the token was revoked: log in again, then reconnect with a new one";

/// Until when a connection's token is good, in Unix seconds; 8 bytes, and no timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// From when on it is to be warned; the end of time once it was.
    warns_at: u32,
    /// From when on the token is not accepted any more.
    ends_at: u32,
}

/// What is to be done about a connection's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is to be told how many seconds are left.
    Warning(u32),
    /// It is to be closed.
    End,
}

impl Expiry {
    /// For connections without a token.
    pub const NEVER: Self = Self { warns_at: u32::MAX, ends_at: u32::MAX };

    /// Of a token that expires at `exp` and is accepted until `ends_at`, in Unix seconds. Beyond the year 2106 is never.
    #[must_use]
    pub fn new(exp: u64, ends_at: u64) -> Self {
        let second = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
        let warns_at = match second(exp) {
            u32::MAX => u32::MAX,
            exp => exp.saturating_sub(WARNING_SECONDS),
        };
        Self { warns_at, ends_at: second(ends_at) }
    }

    /// When there will be something to do.
    pub(super) fn next(self) -> u32 {
        self.warns_at.min(self.ends_at)
    }

    /// What there is to do by now; once each.
    pub(super) fn take_due(&mut self, now: UnixMillis) -> Option<Due> {
        let second = second_of(now);
        if self.ends_at != u32::MAX && second >= self.ends_at {
            *self = Self::NEVER;
            return Some(Due::End);
        }
        if self.warns_at == u32::MAX || second < self.warns_at {
            return None;
        }
        self.warns_at = u32::MAX;
        Some(Due::Warning(self.ends_at - second))
    }
}

fn second_of(now: UnixMillis) -> u32 {
    u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX)
}

/// A token that a connection shows in the place of the one it came with; to be checked.
#[derive(Clone, Debug)]
pub struct RenewalRequest {
    /// The token.
    pub token: BearerToken<Box<str>>,
    /// What the message that brought it is called.
    pub correlation_id: Option<Box<str>>,
}

/// What a good token says.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Whose it is.
    pub user_id: Box<str>,
    /// When it expires, as the connection is told.
    pub expires_at: UnixMillis,
    /// When that has consequences.
    pub expiry: Expiry,
    /// Whether it permits to edit. Who has only viewed so far goes on so.
    pub edits: bool,
    /// Whether it permits to go where a session does not admit them.
    pub is_admin: bool,
    /// What it permits to do with translations in a document.
    pub translates: TranslationRights,
    /// What it grants instead of the server's limits.
    pub granted: GrantedLimits,
}

impl RenewalRequest {
    pub(super) fn new(token: BearerToken<&str>, correlation_id: Option<&str>) -> Self {
        Self { token: BearerToken(token.0.into()), correlation_id: correlation_id.map(Into::into) }
    }

    /// What became of it: the renewal, if it is of the same user.
    pub(super) fn judged(
        &self,
        renewal: Result<Renewal, InboundError>,
        user_id: &str,
    ) -> Result<Renewal, InboundError> {
        let own = renewal.and_then(|renewal| if *renewal.user_id == *user_id { Ok(renewal) } else { Err(not_own()) });
        own.map_err(|error| InboundError { correlation_id: self.correlation_id.as_deref().map(str::to_owned), ..error })
    }

    /// What its connection is told when it was accepted.
    pub(super) fn accepted_frame(&self, now: UnixMillis, expires_at: UnixMillis, can_edit: Option<bool>) -> Bytes {
        let metadata = Metadata::of_server(now, self.correlation_id.as_deref());
        frame("auth.refreshed", &Refreshed { expires_at, can_edit }, &metadata)
    }
}

fn not_own() -> InboundError {
    InboundError {
        code: ErrorCode::Forbidden,
        message: "the token is another user's: reconnect to be somebody else".to_owned(),
        field: Some("payload.token".to_owned()),
        expected: Some("a token with the `sub` of this connection".to_owned()),
        correlation_id: None,
    }
}

/// The message for what is due.
pub(super) fn due_frame(now: UnixMillis, due: Due) -> Bytes {
    let metadata = Metadata::of_server(now, None);
    match due {
        Due::Warning(seconds) => {
            let message = format!(
                "the token expires, and this connection is closed in {seconds} s: send auth.refresh with a new one, or reconnect"
            );
            let error = ErrorMessage::new(ErrorCode::TokenExpiring, &message, Severity::Warning);
            frame("system.error", &error, &metadata)
        }
        Due::End => {
            let error = ErrorMessage::new(ErrorCode::Unauthenticated, EXPIRED_MESSAGE, Severity::Critical);
            frame("system.error", &error, &metadata)
        }
    }
}

/// The message for who has a token that was revoked.
pub(super) fn revoked_frame(now: UnixMillis) -> Bytes {
    let error = ErrorMessage::new(ErrorCode::Unauthenticated, REVOKED_MESSAGE, Severity::Critical);
    frame("system.error", &error, &Metadata::of_server(now, None))
}

/// The close after [`Due::End`], and where the token was revoked.
pub(super) const INVALID_CLOSE: (CloseCode, &str) = (CloseCode::POLICY_VIOLATION, ErrorCode::Unauthenticated.name());

impl Room {
    /// Tokens that members have shown since this was asked last.
    pub fn take_renewals(&mut self) -> Vec<RenewalRequest> {
        std::mem::take(&mut self.renewals)
    }

    pub(super) fn ask_for_renewal(&mut self, token: BearerToken<&str>, correlation_id: Option<&str>) {
        self.renewals.push(RenewalRequest::new(token, correlation_id));
    }

    /// A member's token was revoked: it is told, and closed.
    pub fn revoke(&mut self, now: UnixMillis, key: MemberKey) {
        if self.is_heard(key) {
            self.members.send(key, 0, revoked_frame(now));
            self.config.counters.count_sent(Sent::Error, 1);
            self.members.close(key, INVALID_CLOSE.0, INVALID_CLOSE.1);
        }
    }

    /// A member's new token was checked; whether it goes by it. Whoever may no longer edit is a viewer from here on.
    pub fn renew(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        request: &RenewalRequest,
        renewal: Result<Renewal, InboundError>,
    ) -> bool {
        let Some(member) = self.members.get_mut(key) else { return false };
        let renewal = match request.judged(renewal, &member.user.user_id) {
            Ok(renewal) => renewal,
            Err(error) => {
                self.refuse(now, key, &error);
                return false;
            }
        };
        (member.expiry, member.granted) = (renewal.expiry, renewal.granted);
        member.is_admin = renewal.is_admin;
        let (person, loses_edit) = (member.person, member.edits && !renewal.edits);
        member.edits &= renewal.edits;
        let can_edit = member.edits;
        self.tokens_due = self.tokens_due.min(renewal.expiry.next());
        if loses_edit {
            let role_changed = self.members.people.stop_editing(person);
            self.note_counts(role_changed);
        }
        self.members.send(key, 0, request.accepted_frame(now, renewal.expires_at, Some(can_edit)));
        self.config.counters.count_sent(Sent::Refreshed, 1);
        self.renew_translating(now, key, renewal.translates);
        self.close_if_stranger(now, key);
        true
    }

    /// Warns those whose token expires soon, and closes those whose token has.
    pub(super) fn tend_tokens(&mut self, now: UnixMillis) {
        if second_of(now) < self.tokens_due {
            return;
        }
        let mut next = u32::MAX;
        let mut due = Vec::new();
        for member in self.members.iter_mut() {
            due.extend(member.expiry.take_due(now).map(|due| (member.key, due)));
            next = next.min(member.expiry.next());
        }
        self.tokens_due = next;
        for (key, due) in due.into_iter().filter(|(key, _)| self.is_heard(*key)).collect::<Vec<_>>() {
            self.members.send(key, 0, due_frame(now, due));
            self.config.counters.count_sent(Sent::Error, 1);
            if due == Due::End {
                self.members.close(key, INVALID_CLOSE.0, INVALID_CLOSE.1);
            }
        }
    }
}

//! The document's session: implicit with the first who comes, explicit while somebody has planned it, over when it is
//! ended.

use std::collections::HashSet;

use serde::Serialize;

use super::counters::Sent;
use super::member::Joining;
use super::outbox::Class;
use super::people::Person;
use super::presence::LISTED_MAX;
use super::request::Answer;
use super::{JoinRefusal, MemberKey, Record, Room, User, frame, refusal};
use crate::document::{Session, SessionPlan, SessionSettings};
use crate::ids::{DocumentId, UnixMillis};
use crate::protocol::outbound::{Metadata, SessionEnded, write_json};
use crate::protocol::{ErrorCode, InboundError, close};
use crate::websocket::CloseCode;

/// The reason in the close frames of a session that was ended.
const ENDED_REASON: &str = "SESSION_ENDED";

/// A session that somebody creates.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Who.
    pub creator: User,
    /// The session's name, should the document have none yet: `sess_…`.
    pub session_id: Box<str>,
    /// Who takes part, beside the creator.
    pub participants: Vec<Box<str>>,
    /// How it is held.
    pub settings: SessionSettings,
    /// How long it lasts.
    pub lasts_ms: u64,
    /// Where its document is edited.
    pub websocket_url: &'a str,
}

/// A session as lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// What its document is called; `None` where nobody said.
    pub document_title: Option<Box<str>>,
    /// How many people are in the document.
    pub participant_count: usize,
    /// When somebody did something last.
    pub last_activity: UnixMillis,
}

/// Which sessions somebody wants to know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only the one of that name.
    pub session_id: Option<Box<str>>,
    /// Only the one of that document.
    pub document_id: Option<DocumentId>,
    /// Only those that this user is in, created, or is to take part in.
    pub user_id: Option<Box<str>>,
    /// Only those that this user may know of; all without.
    pub for_user: Option<Box<str>>,
}

impl SessionFilter {
    /// Whether a session is wanted, where `is_here` says who is in its document.
    pub fn wants(&self, session: &Session, is_here: impl Fn(&str) -> bool) -> bool {
        let concerns = |user_id: &str| session.concerns(user_id) || is_here(user_id);
        self.session_id.as_ref().is_none_or(|id| *id == session.session_id)
            && self.document_id.as_ref().is_none_or(|id| *id == session.document_id)
            && self.user_id.as_ref().is_none_or(|user_id| concerns(user_id))
            && self.for_user.as_ref().is_none_or(|user_id| session.admits(user_id, false) || concerns(user_id))
    }
}

/// The answer of `POST /api/sessions`.
#[derive(Serialize)]
struct SessionCreated<'a> {
    session_id: &'a str,
    websocket_url: &'a str,
    expires_at: UnixMillis,
    participants: Vec<Participant<'a>>,
}

#[derive(Serialize)]
struct Participant<'a> {
    user_id: &'a str,
    display_name: &'a str,
    role: &'static str,
    joined_at: UnixMillis,
}

impl<'a> Participant<'a> {
    fn of(person: &'a Person) -> Self {
        Self {
            user_id: &person.user.user_id,
            display_name: &person.user.display_name,
            role: person.role(),
            joined_at: person.here_since,
        }
    }
}

/// The answer of `DELETE /api/sessions/{session_id}`.
#[derive(Serialize)]
struct SessionTerminated {
    message: &'static str,
    final_save_completed: bool,
    participants_notified: usize,
}

impl Room {
    /// `POST /api/sessions`: answered as `request` when it is durable. An implicit session is taken over with those who
    /// are here, but for those whom it no longer admits: they are closed.
    ///
    /// # Errors
    /// There is an explicit session already.
    pub fn answer_session(&mut self, now: UnixMillis, request: u64, new: NewSession<'_>) -> Result<(), InboundError> {
        self.expire_session(now);
        if let Some(plan) = self.session.as_ref().and_then(|session| session.plan.as_ref()) {
            return Err(exists(plan));
        }
        let NewSession { creator, session_id, participants, settings, lasts_ms, websocket_url } = new;
        let expires_at = now.plus(lasts_ms);
        let created_by = creator.user_id.clone();
        let plan = SessionPlan { created_by: created_by.clone(), created_at: now, expires_at, participants, settings };
        let document_id = self.document.id().clone();
        let session = self.session.get_or_insert_with(|| Session {
            session_id,
            document_id,
            started_at: now,
            started_by: created_by.clone(),
            plan: None,
        });
        session.plan = Some(Box::new(plan));
        let name = session.session_id.clone();
        self.note_session();
        let staying = self.close_strangers(now);
        let mut body = Vec::new();
        let answer = SessionCreated {
            session_id: &name,
            websocket_url,
            expires_at,
            participants: self.participants(now, &creator, &staying),
        };
        write_json(&mut body, &answer);
        self.answers.push_back((self.records, Answer { request, body: Ok(body.into()), version: None, created: true }));
        Ok(())
    }

    /// `DELETE /api/sessions/{session_id}`: answered as `request` when all is durable. Everybody is told and closed.
    ///
    /// # Errors
    /// There is no such session here, or it is somebody else's.
    pub fn answer_session_end(
        &mut self,
        now: UnixMillis,
        request: u64,
        session_id: &str,
        user_id: &str,
        is_admin: bool,
    ) -> Result<(), InboundError> {
        self.expire_session(now);
        let Some(session) = self.session.as_ref().filter(|session| *session.session_id == *session_id) else {
            return Err(session_unknown());
        };
        if !is_admin && !session.belongs_to(user_id) {
            return Err(not_yours());
        }
        let session_id = session.session_id.clone();
        self.save_finally(now, user_id);
        self.session = None;
        self.note_session();
        let participants_notified = self.tell_ended(now, &session_id, user_id);
        self.end_visits(now, |_| true);
        let mut body = Vec::new();
        let message = "Session terminated successfully";
        write_json(&mut body, &SessionTerminated { message, final_save_completed: true, participants_notified });
        self.answers
            .push_back((self.records, Answer { request, body: Ok(body.into()), version: None, created: false }));
        Ok(())
    }

    /// The session, if anybody is in it or has planned it, and it is wanted: the newest, so it is to be told of when
    /// [`Self::version_gate`] is open.
    #[must_use]
    pub fn session_summary(&self, now: UnixMillis, filter: &SessionFilter) -> Option<SessionSummary> {
        let session = self.session.as_ref()?;
        let people = &self.members.people;
        let is_planned = session.plan.as_ref().is_some_and(|plan| now < plan.expires_at);
        let is_active = is_planned || !people.is_empty();
        let is_wanted = is_active && filter.wants(session, |user_id| people.find(user_id).is_some());
        let last = people.iter().map(|person| person.active_at).max();
        let last = last.max(self.last_activity).unwrap_or(session.started_at);
        is_wanted.then(|| SessionSummary {
            session: session.clone(),
            document_title: self.entry.properties.get("title").map(Into::into),
            participant_count: people.len(),
            last_activity: last.max(session.started_at),
        })
    }

    /// Whether the session may be joined.
    pub(super) fn check_admitted(&mut self, now: UnixMillis, joining: &Joining) -> Result<(), JoinRefusal> {
        self.expire_session(now);
        let Some(session) = &self.session else { return Ok(()) };
        let user_id = &joining.user.user_id;
        if !session.admits(user_id, joining.is_admin) {
            return Err(refusal::not_admitted());
        }
        let Some(max) = session.plan.as_ref().and_then(|plan| plan.settings.participants_max) else { return Ok(()) };
        let people = &self.members.people;
        let is_here = people.find(user_id).is_some_and(|(_, person)| person.is_connected());
        if is_here || people.connected() < max as usize { Ok(()) } else { Err(refusal::session_is_full(max)) }
    }

    /// Whether somebody without a connection may take part.
    pub(super) fn check_taking_part(
        &mut self,
        now: UnixMillis,
        user_id: &str,
        is_admin: bool,
    ) -> Result<(), InboundError> {
        self.expire_session(now);
        if self.session.as_ref().is_none_or(|session| session.admits(user_id, is_admin)) {
            return Ok(());
        }
        let JoinRefusal { code, message, .. } = refusal::not_admitted();
        Err(InboundError { code, message, field: None, expected: None, correlation_id: None })
    }

    /// An explicit session whose time is over is an implicit one again.
    pub(super) fn expire_session(&mut self, now: UnixMillis) {
        let Some(session) = &mut self.session else { return };
        if session.plan.as_ref().is_some_and(|plan| plan.expires_at <= now) {
            session.plan = None;
            self.note_session();
            self.forget_unused_session();
        }
    }

    /// A document that nobody has changed is not stored, and neither is its session when nobody is here any more: else
    /// each name that was ever opened would leave one behind.
    pub(super) fn forget_unused_session(&mut self) {
        let is_unused = self.members.people.is_empty() && !self.entry.exists && !self.is_closing;
        if is_unused && self.session.as_ref().is_some_and(|session| session.plan.is_none()) {
            self.session = None;
            self.note_session();
        }
    }

    /// The first who comes opens an implicit session.
    pub(super) fn ensure_session(&mut self, now: UnixMillis, joining: &Joining) {
        if self.session.is_some() {
            return;
        }
        self.session = Some(Session {
            session_id: joining.session_id.clone(),
            document_id: self.document.id().clone(),
            started_at: now,
            started_by: joining.user.user_id.clone(),
            plan: None,
        });
        self.note_session();
    }

    /// The session has changed, and is to be stored.
    fn note_session(&mut self) {
        self.session_is_new = true;
        self.records += 1;
    }

    /// Hands out the session as it is by now, if it has changed.
    pub(super) fn take_session_record(&mut self, each: &mut impl FnMut(Record<'_>)) {
        if std::mem::take(&mut self.session_is_new) {
            each(self.session.as_ref().map_or(Record::SessionEnded, Record::Session));
        }
    }

    /// Closes those whom the session does not admit, and those who are too many for it: first the creator stays, then who
    /// was asked to take part, then who came first. The numbers of those who stay.
    fn close_strangers(&mut self, now: UnixMillis) -> HashSet<usize> {
        let Some(session) = self.session.clone() else { return HashSet::new() };
        let Some(plan) = &session.plan else { return HashSet::new() };
        let open = self.members.iter().filter(|member| !member.outbox.is_closing());
        let admitted = open.filter(|member| session.admits(&member.user.user_id, member.is_admin));
        let admitted: Vec<(MemberKey, usize)> = admitted.map(|member| (member.key, member.person)).collect();
        let rank = |number: usize| {
            let person = self.members.people.get(number)?;
            let user_id = &*person.user.user_id;
            let is_creator = *plan.created_by == *user_id;
            Some((!is_creator, !plan.names(user_id), person.here_since, user_id.to_owned()))
        };
        let mut people: Vec<usize> = admitted.iter().map(|(_, person)| *person).collect();
        people.sort_by_cached_key(|person| rank(*person));
        people.dedup();
        people.truncate(plan.settings.participants_max.map_or(usize::MAX, |max| max as usize));
        let staying: HashSet<usize> = people.into_iter().collect();
        let stays: HashSet<MemberKey> =
            admitted.into_iter().filter(|(_, person)| staying.contains(person)).map(|(key, _)| key).collect();
        let open = self.members.iter().filter(|member| !member.outbox.is_closing());
        let strangers: Vec<MemberKey> = open.map(|member| member.key).filter(|key| !stays.contains(key)).collect();
        strangers.into_iter().for_each(|key| self.close_stranger(now, key));
        self.end_visits(now, |user_id| !session.admits(user_id, false));
        staying
    }

    /// Closes somebody whom the session does not admit with their new token.
    pub(super) fn close_if_stranger(&mut self, now: UnixMillis, key: MemberKey) {
        let (Some(session), Some(member)) = (&self.session, self.members.get(key)) else { return };
        if !session.admits(&member.user.user_id, member.is_admin) {
            self.close_stranger(now, key);
        }
    }

    fn close_stranger(&mut self, now: UnixMillis, key: MemberKey) {
        let JoinRefusal { code, message, .. } = refusal::not_admitted();
        self.close_with_error(now, key, code, &message, close::UNAUTHORIZED, code.name());
    }

    /// Who takes part by now: the creator, and those who were here before.
    fn participants<'a>(
        &'a self,
        now: UnixMillis,
        creator: &'a User,
        staying: &HashSet<usize>,
    ) -> Vec<Participant<'a>> {
        let known = self.members.people.find(&creator.user_id);
        let first = Participant {
            user_id: &creator.user_id,
            display_name: &creator.display_name,
            role: "editor",
            joined_at: known.map_or(now, |(_, person)| person.here_since),
        };
        let others = staying.iter().filter_map(|number| self.members.people.get(*number));
        let mut others: Vec<&Person> = others.filter(|person| person.user.user_id != creator.user_id).collect();
        others.sort_by_key(|person| (person.here_since, &*person.user.user_id));
        others.truncate(LISTED_MAX - 1);
        std::iter::once(first).chain(others.into_iter().map(Participant::of)).collect()
    }

    /// Tells everybody that the session is over, and closes them. How many people that were.
    fn tell_ended(&mut self, now: UnixMillis, session_id: &str, ended_by: &str) -> usize {
        let open = self.members.iter().filter(|member| !member.outbox.is_closing());
        let (keys, people): (Vec<MemberKey>, HashSet<usize>) = open.map(|member| (member.key, member.person)).unzip();
        let ended = SessionEnded { session_id, document_id: self.document.id().as_str(), ended_by };
        let frame = frame("session.ended", &ended, &Metadata::of_user(now, ended_by, session_id));
        let told = self.members.broadcast(self.records, Class::Answer, |_| true, |_| [frame.clone()].into());
        self.config.counters.count_sent(Sent::SessionEnded, told);
        for key in keys {
            self.members.close(key, CloseCode::NORMAL, ENDED_REASON);
        }
        people.len()
    }
}

fn exists(plan: &SessionPlan) -> InboundError {
    InboundError {
        code: ErrorCode::SessionExists,
        message: format!(
            "the document has a session until {}: join it, or let its creator end it first",
            plan.expires_at
        ),
        field: Some("document_id".to_owned()),
        expected: Some("a document without an explicit session".to_owned()),
        correlation_id: None,
    }
}

/// There is no such session.
#[must_use]
pub fn session_unknown() -> InboundError {
    InboundError {
        code: ErrorCode::SessionNotFound,
        message: "there is no live session of that id: it has ended, or nobody is in it any more".to_owned(),
        field: Some("session_id".to_owned()),
        expected: Some("the id of a live session".to_owned()),
        correlation_id: None,
    }
}

fn not_yours() -> InboundError {
    InboundError {
        code: ErrorCode::Forbidden,
        message: "only its creator may end a session, or somebody with document:admin".to_owned(),
        field: None,
        expected: None,
        correlation_id: None,
    }
}

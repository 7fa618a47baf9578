//! The sessions of a core's documents: those that were planned, whether their document is open or not, and lists of them.
//!
//! What is known here follows from the records on their way to the disk, and is read from there at the start. An implicit
//! session is known where its document is open, and listed while somebody is there.

use std::collections::HashMap;
use std::rc::Rc;

use jddb_core::document::Session;
use jddb_core::ids::{DocumentId, UnixMillis};
use jddb_core::room::{SessionFilter, SessionSummary};

use super::core::{Core, now};
use super::message::{ListSessions, ListedSession};
use super::rooms::{RoomCell, Slot};

/// The most sessions of the whole server that are planned at one time; each core has an equal share.
const PLANNED_SESSIONS_MAX: usize = 10_000;

/// The sessions of a core that were planned.
pub(super) type PlannedSessions = HashMap<DocumentId, Planned>;

/// A session that was planned.
pub(super) struct Planned {
    session: Session,
    /// Whether its document exists: only of one that does a session is kept which nobody plans or is in.
    is_written: bool,
}

/// A list that shows what is not on the disk yet.
pub(super) struct WaitingList {
    asked: ListSessions,
    sessions: Vec<ListedSession>,
    /// What has to be durable of which rooms.
    gates: Vec<(Rc<RoomCell>, u64)>,
}

impl WaitingList {
    fn is_durable(&self) -> bool {
        self.gates.iter().all(|(cell, gate)| cell.room.borrow().durable_records() >= *gate)
    }

    fn answer(self) {
        // Whoever asked may have gone.
        let _ = self.asked.reply.send(self.sessions);
    }
}

impl Core {
    /// Learns from the disk what was planned, before anybody is served; or after it has failed, what of that is kept.
    pub(super) fn recall_sessions(&self) {
        self.planned_sessions.borrow_mut().clear();
        let is_own = |id: &DocumentId| self.shared.core_of(id) == self.index;
        match self.shared.store.load_planned_sessions(is_own) {
            Ok(sessions) => {
                let known = sessions.into_iter().map(|session| {
                    let is_written = self.is_written(&session.document_id);
                    (session.document_id.clone(), Planned { session, is_written })
                });
                self.planned_sessions.borrow_mut().extend(known);
            }
            Err(error) => {
                tracing::error!(%error, "the sessions cannot be read; documents have theirs when they are opened")
            }
        }
    }

    /// Whether a document exists, as far as the disk says.
    fn is_written(&self, document_id: &DocumentId) -> bool {
        let entry = self.shared.store.load_entry(document_id).unwrap_or_else(|error| {
            tracing::error!(document = %document_id, %error, "what is known of a document cannot be read");
            None
        });
        entry.is_some_and(|entry| entry.exists)
    }

    /// Whether one more can be planned.
    pub(super) fn has_room_for_session(&self) -> bool {
        self.planned_sessions.borrow().len() < PLANNED_SESSIONS_MAX.div_ceil(self.shared.inboxes.len())
    }

    /// A session is stored as it is by now, of a document that exists or does not.
    pub(super) fn note_session(&self, session: &Session, is_written: bool) {
        let mut planned = self.planned_sessions.borrow_mut();
        if session.plan.is_some() {
            planned.insert(session.document_id.clone(), Planned { session: session.clone(), is_written });
        } else {
            planned.remove(&session.document_id);
        }
    }

    /// A document exists from now on, if it did not.
    pub(super) fn note_written(&self, document_id: &DocumentId) {
        let mut planned = self.planned_sessions.borrow_mut();
        planned.get_mut(document_id).into_iter().for_each(|planned| planned.is_written = true);
    }

    /// A document has no session any more.
    pub(super) fn forget_session(&self, document_id: &DocumentId) {
        self.planned_sessions.borrow_mut().remove(document_id);
    }

    /// Ends the plans whose time is over of documents that are not open, and with them the sessions of those that nobody
    /// has changed; an open one sees to it itself.
    pub(super) fn expire_sessions(&self) {
        let now = now();
        let slots = self.slots.borrow();
        let is_over = |planned: &Planned| planned.session.plan.as_ref().is_none_or(|plan| plan.expires_at <= now);
        let over: Vec<Planned> = self
            .planned_sessions
            .borrow_mut()
            .extract_if(|id, planned| is_over(planned) && !slots.contains_key(id))
            .map(|(_, planned)| planned)
            .collect();
        drop(slots);
        if over.is_empty() || self.shared.store.poisoned() {
            return;
        }
        let mut batch = self.batch.borrow_mut();
        let store = &self.shared.store;
        for Planned { session, is_written } in over {
            if is_written {
                batch.push(store.encode_plan(&Session { plan: None, ..session }));
            } else {
                store.encode_session_end(&session.document_id).into_iter().for_each(|record| batch.push(record));
            }
        }
        let submitted = batch.submit();
        drop(batch);
        if submitted.is_err() {
            self.storage_failed();
        }
    }

    /// Tells which sessions there are, when all is durable that shows or hides one.
    pub(super) fn list_sessions(&self, asked: ListSessions) {
        let (sessions, gates) = (self.listed_sessions(&asked), self.gates_of_sessions(&asked.filter));
        let list = WaitingList { asked, sessions, gates };
        if list.is_durable() {
            return list.answer();
        }
        let mut lists = self.waiting_lists.borrow_mut();
        // While the disk stands still people give up, and ask again: as many wait as requests do.
        lists.retain(|list| !list.asked.reply.is_closed());
        lists.push(list);
    }

    /// Tells of sessions what has become durable.
    pub(super) fn answer_lists(&self) {
        let durable: Vec<WaitingList> =
            self.waiting_lists.borrow_mut().extract_if(.., |list| list.is_durable()).collect();
        durable.into_iter().for_each(WaitingList::answer);
    }

    /// The disk has failed: what is listed is what it keeps.
    pub(super) fn list_what_is_kept(&self) {
        self.recall_sessions();
        let lists = self.waiting_lists.take();
        lists.into_iter().for_each(|list| self.list_sessions(list.asked));
    }

    /// What is not durable of the documents whose sessions are wanted, open or deleted.
    fn gates_of_sessions(&self, filter: &SessionFilter) -> Vec<(Rc<RoomCell>, u64)> {
        let mut cells = self.open_cells();
        cells.retain(|cell| filter.document_id.as_ref().is_none_or(|id| *id == cell.document_id));
        let gate = |cell: Rc<RoomCell>| {
            let (gate, durable) = (cell.room.borrow().version_gate(), cell.room.borrow().durable_records());
            (gate > durable).then_some((cell, gate))
        };
        cells.into_iter().filter_map(gate).collect()
    }

    /// The sessions there are by now.
    fn listed_sessions(&self, asked: &ListSessions) -> Vec<ListedSession> {
        let ListSessions { filter, identity, reply: _ } = asked;
        let now = now();
        let slots = self.slots.borrow();
        let covers = |id: &DocumentId| identity.covers(id.as_str());
        let of_slot = |(id, slot): (&DocumentId, &Slot)| match slot {
            // What is wanted first: a token may name hundreds of documents.
            Slot::Open(cell) => cell.room.borrow().session_summary(now, filter).filter(|_| covers(id)),
            Slot::Loading(_) | Slot::Leaving(..) => None,
        };
        let open = slots.iter().filter_map(of_slot).map(|summary| ListedSession { summary, is_open: true });
        let mut sessions: Vec<ListedSession> = open.collect();
        let planned = self.planned_sessions.borrow();
        let is_closed = |id: &DocumentId| !matches!(slots.get(id), Some(Slot::Open(_) | Slot::Leaving(..)));
        let closed = planned.iter().filter(|(id, _)| is_closed(id));
        let listed = closed.filter_map(|(id, planned)| of_closed(&planned.session, now, filter).filter(|_| covers(id)));
        sessions.extend(listed);
        sessions
    }
}

/// A planned session whose document is not open, so that nobody is in it.
fn of_closed(session: &Session, now: UnixMillis, filter: &SessionFilter) -> Option<ListedSession> {
    let plan = session.plan.as_ref().filter(|plan| now < plan.expires_at)?;
    let is_wanted = filter.wants(session, |_| false);
    is_wanted.then(|| ListedSession {
        summary: SessionSummary {
            session: session.clone(),
            document_title: None,
            participant_count: 0,
            last_activity: plan.created_at.max(session.started_at),
        },
        is_open: false,
    })
}

#[cfg(test)]
mod tests {
    use jddb_core::document::{SessionPlan, SessionSettings};

    use super::*;

    #[test]
    fn a_plan_is_listed_until_its_time_is_over() {
        let plan = SessionPlan {
            created_by: "ada".into(),
            created_at: UnixMillis(1_000),
            expires_at: UnixMillis(9_000),
            participants: Vec::new(),
            settings: SessionSettings::default(),
        };
        let session = Session {
            session_id: "sess_1".into(),
            document_id: DocumentId::new("jd_1").unwrap(),
            started_at: UnixMillis(500),
            started_by: "ada".into(),
            plan: Some(Box::new(plan)),
        };
        let listed = |session: &Session, now| of_closed(session, UnixMillis(now), &SessionFilter::default());
        assert_eq!(listed(&session, 8_999).unwrap().summary.last_activity, UnixMillis(1_000));
        assert!(listed(&session, 9_000).is_none());
        assert!(listed(&Session { plan: None, ..session }, 8_999).is_none());
    }
}

//! Presence by HTTP: somebody is here without a connection, until they say that they are elsewhere, or nothing for
//! long enough.
//!
//! A visit counts as the connection of a viewer or an editor does for everybody who looks at who is here. It is no
//! connection: it is sent nothing, and takes no place among a document's editors.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::member::{Dialect, Marked};
use super::people::Person;
use super::request::Answer;
use super::{Room, User};
use crate::document::ChangeRef;
use crate::ids::{PositionEncoding, UnixMillis};
use crate::protocol::outbound::write_json;
use crate::protocol::{ErrorCode, InboundError, PresenceUpdate};

/// A user's presence by HTTP.
#[derive(Debug)]
pub(super) struct Visit {
    /// Which of their user's visits it is.
    pub(super) number: u64,
    /// What its cursor is called among all that are shown.
    pub(super) pointer: u64,
    /// Whether it counts as an editor's.
    pub(super) edits: bool,
    /// What they say that they are doing.
    pub(super) activity: Option<Box<str>>,
    pub(super) cursor: Option<Marked>,
    pub(super) selection: Option<Marked>,
    /// When they last did something.
    pub(super) active_at: UnixMillis,
    /// When it is over if nothing more is heard of them, by the room's time.
    pub(super) expires_at: Duration,
}

/// Somebody who is here by HTTP from now on, or still.
#[derive(Clone, Debug)]
pub struct Visitor<'a> {
    /// Who.
    pub user: Rc<User>,
    /// Whether it is them who say so: what somebody else knows of them stands back behind what is known here.
    pub is_caller: bool,
    /// Whether no session keeps them out.
    pub is_admin: bool,
    /// Whether they count as an editor.
    pub edits: bool,
    /// Which of their visits it is; higher than those before it.
    pub number: u64,
    /// How they count positions.
    pub encoding: PositionEncoding,
    /// What they are doing.
    pub update: &'a PresenceUpdate,
}

/// The answer of `PUT /api/presence/{user_id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PresenceUpdated {
    /// Always true: what is not updated is an error.
    pub updated: bool,
    /// Whether anybody with a connection to the document was told something.
    pub broadcast_sent: bool,
    /// How many people are in the document.
    pub active_users_in_document: usize,
}

impl PresenceUpdated {
    /// Somebody is in no document.
    pub const NOWHERE: Self = Self { updated: true, broadcast_sent: false, active_users_in_document: 0 };

    /// As JSON.
    #[must_use]
    pub fn to_json(self) -> Vec<u8> {
        let mut body = Vec::new();
        write_json(&mut body, &self);
        body
    }
}

impl Visit {
    /// Moves what it shows through a change; its user's own one moves it as their own.
    pub(super) fn follow(&mut self, change: ChangeRef<'_>, own: bool) {
        for marked in [&mut self.cursor, &mut self.selection].into_iter().flatten() {
            *marked = marked.after(change, own);
        }
    }
}

impl Room {
    /// `PUT /api/presence/{user_id}`: answered as `request`, when the version that the positions are in is durable.
    ///
    /// # Errors
    /// A position is not in the text; nothing was changed then.
    pub fn answer_visit(&mut self, now: UnixMillis, request: u64, visitor: &Visitor<'_>) -> Result<(), InboundError> {
        self.check_taking_part(now, &visitor.user.user_id, visitor.is_admin)?;
        let (cursor, selection) = self.places_of(visitor)?;
        let told_before = self.presence.told;
        self.visit(now, visitor, cursor, selection);
        let user_id = &visitor.user.user_id;
        if let Some((_, person)) = self.members.people.find(user_id)
            && let Some(visit) = &person.visit
        {
            let pointer = visit.pointer;
            cursor.into_iter().for_each(|cursor| self.show_visit(now, user_id, pointer, cursor, false));
            selection.into_iter().for_each(|selection| self.show_visit(now, user_id, pointer, selection, true));
        }
        let answer = PresenceUpdated {
            updated: true,
            broadcast_sent: self.presence.told > told_before,
            active_users_in_document: self.members.people.len(),
        };
        self.answers.push_back((
            self.version_gate(),
            Answer { request, body: Ok(answer.to_json().into()), version: None, created: false },
        ));
        Ok(())
    }

    /// A user is elsewhere: their visit is over, unless it is a later one than that. Whether anybody was told so.
    pub fn end_visit(&mut self, now: UnixMillis, user_id: &str, number: u64) -> bool {
        let told_before = self.presence.told;
        let found = self.members.people.find(user_id);
        let ends = |visit: &Visit| visit.number <= number;
        if let Some((person, _)) = found.filter(|(_, person)| person.visit.as_deref().is_some_and(ends)) {
            self.forget_visit(now, person);
        }
        self.presence.told > told_before
    }

    /// Ends the visits of which nothing has been heard for too long.
    pub(super) fn expire_visits(&mut self, now: UnixMillis, at: Duration) {
        if self.members.people.visits() == 0 {
            return;
        }
        let is_over = |person: &Person| person.visit.as_ref().is_some_and(|visit| visit.expires_at <= at);
        self.end_visits_where(now, is_over);
    }

    /// Ends the visits of these users.
    pub(super) fn end_visits(&mut self, now: UnixMillis, of: impl Fn(&str) -> bool) {
        self.end_visits_where(now, |person| person.visit.is_some() && of(&person.user.user_id));
    }

    fn end_visits_where(&mut self, now: UnixMillis, is_over: impl Fn(&Person) -> bool) {
        let people = self.members.people.iter_mut();
        let over = people.filter(|(_, person)| is_over(person));
        let mut over: Vec<(Box<str>, usize)> =
            over.map(|(number, person)| (person.user.user_id.clone(), number)).collect();
        // By name, so that it is the same order whoever came first.
        over.sort();
        over.into_iter().for_each(|(_, person)| self.forget_visit(now, person));
    }

    fn forget_visit(&mut self, now: UnixMillis, person: usize) {
        let (gone, shift) = self.members.people.end_visit(person);
        self.has_gone(now, gone, shift);
    }

    fn visit(&mut self, now: UnixMillis, visitor: &Visitor<'_>, cursor: Option<Marked>, selection: Option<Marked>) {
        let Visitor { user, is_caller, is_admin: _, edits, number, encoding: _, update } = visitor;
        let acts = update.is_active;
        let known = self.members.people.find(&user.user_id).map(|(_, person)| person);
        let before = known.and_then(|person| person.visit.as_ref());
        // One that was overtaken by a later one of the same user changes nothing.
        if before.is_some_and(|before| before.number > *number) {
            return;
        }
        let user = known.filter(|_| !is_caller).map_or_else(|| Rc::clone(user), |person| Rc::clone(&person.user));
        let active_at = before.filter(|_| !acts).map_or(now, |before| before.active_at);
        let pointer = before.map(|before| before.pointer);
        let visit = Visit {
            number: *number,
            pointer: pointer.unwrap_or_else(|| self.members.next_number()),
            edits: *edits,
            activity: update.activity.clone(),
            cursor,
            selection,
            active_at,
            expires_at: self.clock.at(now) + Duration::from_millis(self.config.visit_ms),
        };
        let (person, shift) = self.members.people.visit(now, &user, visit);
        self.has_come(now, person, shift, acts);
        if !acts {
            self.has_rested(now, person);
        }
    }

    /// Where a visitor's cursor and selection are.
    fn places_of(&self, visitor: &Visitor<'_>) -> Result<(Option<Marked>, Option<Marked>), InboundError> {
        let Visitor { encoding, update, .. } = visitor;
        let lengths = self.document.sections().iter().map(|section| section.text().len_in(*encoding) as u64);
        let length: u64 = lengths.sum();
        let dialect = Dialect { encoding: *encoding, over_document: true };
        let place = |field: &str, range: (u64, u64)| {
            if range.1 > length {
                let expected = format!("a position in the text, 0 to {length}");
                let error = InboundError::invalid(field.to_owned(), expected);
                return Err(InboundError { code: ErrorCode::InvalidPosition, ..error });
            }
            self.find_range(range, None, None, dialect, |_| false)
        };
        let cursor = update.cursor.map(|position| place("cursor_position", (position, position))).transpose()?;
        let name = |range: (u64, u64)| if range.0 > length { "selection.start" } else { "selection.end" };
        let selection = update.selection.map(|range| place(name(range), range)).transpose()?;
        Ok((cursor.flatten(), selection.flatten()))
    }
}

//! The people in a document: a user is here with their first connection or visit, and gone with the last.

use std::rc::Rc;
use std::time::Duration;

use hashbrown::HashMap;
use slab::Slab;

use super::member::User;
use super::presence::Status;
use super::visit::Visit;
use crate::ids::UnixMillis;

/// A user with at least one connection, or with a visit.
#[derive(Debug)]
pub(super) struct Person {
    /// A number that no other has, who was here before them or comes after them.
    pub(super) serial: u64,
    /// As the newest connection or visit describes them.
    pub(super) user: Rc<User>,
    /// Since when they are here.
    pub(super) here_since: UnixMillis,
    /// When they last did something, by whichever way.
    pub(super) active_at: UnixMillis,
    /// The same by the room's time.
    pub(super) acted_at: Duration,
    /// Whether they have done nothing for so long that the others were told.
    pub(super) is_idle: bool,
    /// Whether the others were told of them by name; who only views in a crowd is merely counted.
    pub(super) is_listed: bool,
    /// Their presence by HTTP.
    pub(super) visit: Option<Box<Visit>>,
    connections: usize,
    editing: usize,
}

impl Person {
    fn new(serial: u64, now: UnixMillis, user: Rc<User>) -> Self {
        Self {
            serial,
            user,
            here_since: now,
            active_at: now,
            acted_at: Duration::ZERO,
            is_idle: false,
            is_listed: false,
            visit: None,
            connections: 0,
            editing: 0,
        }
    }

    /// Whether they edit, by one of their connections or by HTTP.
    pub(super) fn edits(&self) -> bool {
        self.has_editing_connection() || self.visit.as_ref().is_some_and(|visit| visit.edits)
    }

    /// `editor` or `viewer`.
    pub(super) fn role(&self) -> &'static str {
        if self.edits() { "editor" } else { "viewer" }
    }

    /// What others see of them.
    pub(super) const fn status(&self) -> Status {
        if self.is_idle { Status::Idle } else { Status::Active }
    }

    /// Whether they have a connection.
    pub(super) const fn is_connected(&self) -> bool {
        self.connections > 0
    }

    const fn has_editing_connection(&self) -> bool {
        self.editing > 0
    }

    const fn is_here(&self) -> bool {
        self.is_connected() || self.visit.is_some()
    }
}

/// What the coming or going of a connection or a visit meant for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// It was the first of them, or the last.
    pub(super) alone: bool,
    /// It made an editor of a viewer, or a viewer of an editor.
    pub(super) role_changed: bool,
}

/// The users who are here, each once.
#[derive(Debug, Default)]
pub(super) struct People {
    slab: Slab<Person>,
    numbers: HashMap<Box<str>, usize>,
    /// Users who edit.
    editors: usize,
    /// Users with a connection.
    connected: usize,
    /// Users with an editing connection.
    connected_editors: usize,
    /// Users with a visit.
    visits: usize,
    /// How many have come so far.
    come: u64,
}

impl People {
    /// How many users are here.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nobody is here.
    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// How many of them are editing.
    pub(super) const fn editors(&self) -> usize {
        self.editors
    }

    /// How many have a connection.
    pub(super) const fn connected(&self) -> usize {
        self.connected
    }

    /// How many have an editing connection.
    pub(super) const fn connected_editors(&self) -> usize {
        self.connected_editors
    }

    /// How many have a visit.
    pub(super) const fn visits(&self) -> usize {
        self.visits
    }

    /// A user by their number, which their members know.
    pub(super) fn get(&self, number: usize) -> Option<&Person> {
        self.slab.get(number)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Person> {
        self.slab.get_mut(number)
    }

    /// A user by their name, with their number.
    pub(super) fn find(&self, user_id: &str) -> Option<(usize, &Person)> {
        let number = *self.numbers.get(user_id)?;
        Some((number, &self.slab[number]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Person> {
        self.slab.iter().map(|(_, person)| person)
    }

    /// All of them, each with their number.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Person)> {
        self.slab.iter_mut()
    }

    /// Whether the user has an editing connection here.
    pub(super) fn has_editor(&self, user_id: &str) -> bool {
        self.find(user_id).is_some_and(|(_, person)| person.has_editing_connection())
    }

    /// A connection of the user has come: the number of the user, and what it meant.
    pub(super) fn come(&mut self, now: UnixMillis, user: &Rc<User>, edits: bool) -> (usize, Shift) {
        let number = self.number_of(now, user);
        let (_, shift) = self.change(number, |person| {
            person.user = Rc::clone(user);
            person.connections += 1;
            person.editing += usize::from(edits);
        });
        (number, shift)
    }

    /// A connection of a user may no longer edit; whether that made a viewer of them.
    pub(super) fn stop_editing(&mut self, number: usize) -> bool {
        self.change(number, |person| person.editing -= 1).1.role_changed
    }

    /// A connection of a user has gone; the user too, if nothing else keeps them here.
    pub(super) fn go(&mut self, number: usize, edits: bool) -> (Option<Person>, Shift) {
        self.change(number, |person| {
            person.connections -= 1;
            person.editing -= usize::from(edits);
        })
    }

    /// A user is here by HTTP, in the place of their visit before if there was one.
    pub(super) fn visit(&mut self, now: UnixMillis, user: &Rc<User>, visit: Visit) -> (usize, Shift) {
        let number = self.number_of(now, user);
        let (_, shift) = self.change(number, |person| person.visit = Some(Box::new(visit)));
        (number, shift)
    }

    /// A visit is over; the user goes too, if no connection keeps them here.
    pub(super) fn end_visit(&mut self, number: usize) -> (Option<Person>, Shift) {
        self.change(number, |person| person.visit = None)
    }

    fn number_of(&mut self, now: UnixMillis, user: &Rc<User>) -> usize {
        if let Some(number) = self.numbers.get(&*user.user_id) {
            return *number;
        }
        self.come += 1;
        let number = self.slab.insert(Person::new(self.come, now, Rc::clone(user)));
        self.numbers.insert(user.user_id.clone(), number);
        number
    }

    /// Changes what keeps a user here, and what is counted of it. The user is handed back if nothing does any more.
    fn change(&mut self, number: usize, change: impl FnOnce(&mut Person)) -> (Option<Person>, Shift) {
        let Some(person) = self.slab.get_mut(number) else {
            return (None, Shift { alone: false, role_changed: false });
        };
        let (was_here, edited) = (person.is_here(), person.edits());
        self.editors -= usize::from(edited);
        self.connected -= usize::from(person.is_connected());
        self.connected_editors -= usize::from(person.has_editing_connection());
        self.visits -= usize::from(person.visit.is_some());
        change(person);
        let (is_here, edits) = (person.is_here(), person.edits());
        self.editors += usize::from(edits);
        self.connected += usize::from(person.is_connected());
        self.connected_editors += usize::from(person.has_editing_connection());
        self.visits += usize::from(person.visit.is_some());
        let shift = Shift { alone: was_here != is_here, role_changed: edited != edits };
        if is_here {
            return (None, shift);
        }
        let person = self.slab.remove(number);
        self.numbers.remove(&*person.user.user_id);
        if self.slab.is_empty() {
            *self = Self::default();
        }
        (Some(person), shift)
    }
}

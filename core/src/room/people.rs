//! The people behind the connections: a user is here with the first one and gone with the last.

use std::rc::Rc;

use hashbrown::HashMap;
use slab::Slab;

use super::member::User;
use crate::ids::UnixMillis;

/// A user with at least one connection.
#[derive(Debug)]
pub(super) struct Person {
    /// As the newest connection describes them.
    pub(super) user: Rc<User>,
    /// When they last did something, on whichever connection.
    pub(super) active_at: UnixMillis,
    /// Whether they have done nothing for so long that the others were told.
    pub(super) is_idle: bool,
    /// Whether the others were told of them by name; who only views in a crowd is merely counted.
    pub(super) is_listed: bool,
    connections: usize,
    editing: usize,
}

impl Person {
    /// Whether one of their connections may edit.
    pub(super) const fn edits(&self) -> bool {
        self.editing > 0
    }
}

/// What a connection's coming or going meant for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// It was the first, or the last.
    pub(super) alone: bool,
    /// It made an editor of a viewer, or a viewer of an editor.
    pub(super) role_changed: bool,
}

/// The users who are here, each once.
#[derive(Debug, Default)]
pub(super) struct People {
    slab: Slab<Person>,
    numbers: HashMap<Box<str>, usize>,
    /// Users with an editing connection.
    editors: usize,
}

impl People {
    /// How many users are here.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many of them are editing.
    pub(super) const fn editors(&self) -> usize {
        self.editors
    }

    /// A user by their number, which their members know.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Person> {
        self.slab.get_mut(number)
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
        self.numbers.get(user_id).is_some_and(|number| self.slab[*number].edits())
    }

    /// A connection of the user has come: the number of the user, and what it meant.
    pub(super) fn come(&mut self, now: UnixMillis, user: &Rc<User>, edits: bool) -> (usize, Shift) {
        let user = Rc::clone(user);
        let number = match self.numbers.get(&*user.user_id) {
            Some(number) => {
                self.slab[*number].user = user;
                *number
            }
            None => {
                let person =
                    Person { user, active_at: now, is_idle: false, is_listed: false, connections: 0, editing: 0 };
                let name = person.user.user_id.clone();
                let number = self.slab.insert(person);
                self.numbers.insert(name, number);
                number
            }
        };
        let person = &mut self.slab[number];
        let shift = Shift { alone: person.connections == 0, role_changed: edits && person.editing == 0 };
        person.connections += 1;
        person.editing += usize::from(edits);
        self.editors += usize::from(shift.role_changed);
        (number, shift)
    }

    /// A connection of a user has gone; the user too, if it was the last.
    pub(super) fn go(&mut self, number: usize, edits: bool) -> (Option<Person>, Shift) {
        let Some(person) = self.slab.get_mut(number) else {
            return (None, Shift { alone: false, role_changed: false });
        };
        person.connections -= 1;
        person.editing -= usize::from(edits);
        let shift = Shift { alone: person.connections == 0, role_changed: edits && person.editing == 0 };
        self.editors -= usize::from(shift.role_changed);
        if !shift.alone {
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

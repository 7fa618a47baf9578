//! Where the newest of each kind is in the queue of a connection that is behind.

use hashbrown::HashMap;

use super::outbox::Class;

/// Frames without content are taken out of a queue once there are so many, and they are most of it.
const VACANT_MIN: usize = 64;

/// What only the newest of is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PointerKey {
    /// The cursor of the member of that number.
    Cursor(u64),
    /// The selection of the member of that number.
    Selection(u64),
    /// The presence of the person of that number.
    Person(u64),
    /// How many people are here.
    Crowd,
    /// What is suggested for the segment at the connection's own cursor.
    Suggestion,
}

impl PointerKey {
    /// The cursor, or the selection, that is called `number` among all that are shown.
    pub(super) const fn shown(number: u64, is_selection: bool) -> Self {
        if is_selection { Self::Selection(number) } else { Self::Cursor(number) }
    }
}

/// The newest frame of each kind, by its place in the queue.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    /// How many frames have left, so that places need not be counted anew.
    gone: u64,
    newest: HashMap<PointerKey, u64>,
    /// The newest state, from which the client learns who is here.
    state: Option<u64>,
    /// Frames in the queue that have become nothing.
    pub(super) vacant: usize,
}

impl Pointers {
    /// What is known of a queue of these.
    pub(super) fn of(classes: impl Iterator<Item = Class>) -> Self {
        let mut found = Self::default();
        for (index, class) in classes.enumerate() {
            match class {
                Class::Pointer(key) | Class::Presence { key, .. } => drop(found.note(key, index)),
                Class::Suggestion => drop(found.note(PointerKey::Suggestion, index)),
                Class::State { .. } => found.note_state(index),
                Class::Vacant => found.vacant += 1,
                Class::Answer | Class::Change { .. } | Class::Excerpt => {}
            }
        }
        found
    }

    /// The frame that comes to be at `index` of the queue is the newest of its kind; where the one before it is.
    pub(super) fn note(&mut self, key: PointerKey, index: usize) -> Option<usize> {
        let older = self.newest.insert(key, self.gone + index as u64)?;
        usize::try_from(older.checked_sub(self.gone)?).ok()
    }

    /// Nothing of the kind waits any more.
    pub(super) fn forget(&mut self, key: PointerKey) {
        self.newest.remove(&key);
    }

    /// A state comes to be at `index` of the queue.
    pub(super) const fn note_state(&mut self, index: usize) {
        self.state = Some(self.gone + index as u64);
    }

    /// Whether a state comes after the frame at `index`.
    pub(super) fn precedes_state(&self, index: usize) -> bool {
        self.state > Some(self.gone + index as u64)
    }

    /// A frame has left the queue's front.
    pub(super) fn popped(&mut self, is_vacant: bool) {
        self.gone += 1;
        self.vacant -= usize::from(is_vacant);
    }

    /// Whether most of a queue of that length is vacant.
    pub(super) const fn is_sparse(&self, length: usize) -> bool {
        self.vacant > VACANT_MIN && self.vacant * 2 > length
    }
}

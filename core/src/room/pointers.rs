//! Where the newest cursors are in the queue of a connection that is behind.

use hashbrown::HashMap;

use super::outbox::Class;

/// Frames without content are taken out of a queue once there are so many, and they are most of it.
const VACANT_MIN: usize = 64;

/// Whose cursor it is, or whose selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PointerKey {
    /// The number of the member.
    pub(super) number: u64,
    pub(super) is_selection: bool,
}

/// The newest frame of each cursor and selection, by its place in the queue.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    /// How many frames have left, so that places need not be counted anew.
    gone: u64,
    newest: HashMap<PointerKey, u64>,
    /// Frames in the queue that have become nothing.
    pub(super) vacant: usize,
}

impl Pointers {
    /// The frame that comes to be at `index` of the queue is the newest of its kind; where the one before it is.
    pub(super) fn note(&mut self, key: PointerKey, index: usize) -> Option<usize> {
        let older = self.newest.insert(key, self.gone + index as u64)?;
        usize::try_from(older.checked_sub(self.gone)?).ok()
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

    /// The queue is another one now.
    pub(super) fn find(&mut self, classes: impl Iterator<Item = Class>) {
        *self = Self::default();
        for (index, class) in classes.enumerate() {
            match class {
                Class::Pointer(key) => drop(self.newest.insert(key, index as u64)),
                Class::Vacant => self.vacant += 1,
                Class::Answer | Class::Change { .. } | Class::State { .. } | Class::Excerpt => {}
            }
        }
    }
}

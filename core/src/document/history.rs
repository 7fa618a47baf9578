//! The recent changes of a document, against which late ones are transformed.

use std::collections::VecDeque;

use super::change::{Change, SectionChange};
use crate::ids::Version;

/// The changes after [`History::floor`], in order, bounded by number and by bytes; but the newest is
/// always kept, since it is still to be sent and stored.
#[derive(Clone, Debug)]
pub struct History {
    changes: VecDeque<Change>,
    floor: Version,
    bytes: usize,
    versions_max: usize,
    bytes_max: usize,
}

/// Why a version cannot be a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseError {
    /// It is older than the history kept; the oldest base is given.
    TooOld(Version),
    /// It does not exist: it lies in the future, or in a gap of the numbering.
    Unknown,
}

impl History {
    /// An empty history after `floor`.
    pub(super) const fn new(floor: Version, versions_max: usize, bytes_max: usize) -> Self {
        Self { changes: VecDeque::new(), floor, bytes: 0, versions_max, bytes_max }
    }

    /// The oldest version that can be a base.
    #[must_use]
    pub const fn floor(&self) -> Version {
        self.floor
    }

    /// The newest change, if any is kept.
    #[must_use]
    pub fn last(&self) -> Option<&Change> {
        self.changes.back()
    }

    /// Memory held, in bytes, texts included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes after `base`, oldest first.
    ///
    /// # Errors
    /// `base` is older than what is kept, or no version of this document.
    pub fn since(&self, base: Version) -> Result<impl DoubleEndedIterator<Item = &Change> + Clone, BaseError> {
        if base < self.floor {
            return Err(BaseError::TooOld(self.floor));
        }
        let after = self.changes.partition_point(|change| change.version <= base);
        let exists = base == self.floor || (after > 0 && self.changes[after - 1].version == base);
        if exists { Ok(self.changes.range(after..)) } else { Err(BaseError::Unknown) }
    }

    /// Appends the newest change; forgets the oldest ones beyond the bounds.
    pub(super) fn push(&mut self, change: Change) {
        debug_assert!(change.version > self.last().map_or(self.floor, |last| last.version));
        self.bytes += bytes_of(&change);
        self.changes.push_back(change);
        while self.changes.len() > 1 && (self.changes.len() > self.versions_max || self.bytes > self.bytes_max) {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= bytes_of(&oldest);
            self.floor = oldest.version;
        }
    }
}

/// What a change costs in memory, roughly: its record, its names, its texts and its edits.
fn bytes_of(change: &Change) -> usize {
    let name = |name: &Option<Box<str>>| name.as_ref().map_or(0, |name| name.len());
    let names = change.user_id.len() + name(&change.origin.client_id) + name(&change.origin.correlation_id);
    let sections = change.sections.iter().map(|made| {
        let texts = made.deleted.len() + made.operation.text().len();
        size_of::<SectionChange>() + texts + size_of_val(made.operation.edits())
    });
    size_of::<Change>() + names + sections.sum::<usize>()
}

//! The way to the disk of a thread that waits there for what it writes.

use crossbeam::sync::Parker;
use jddb_storage::{CommitBatch, CommitHandle, EncodedRecord, Waker};

/// What is written at once of what may be there in part.
const RECORDS_PER_PART: usize = 10_000;

/// The disk takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unwritten;

/// A lane of the commit thread whose owner waits until what it has written is on disk.
pub(crate) struct WaitingLane {
    commit: CommitHandle,
    parker: Parker,
    sequence: u64,
}

/// What wakes the owner of such a lane.
pub(crate) fn waker(parker: &Parker) -> Waker {
    let unparker = parker.unparker().clone();
    Box::new(move || unparker.unpark())
}

impl WaitingLane {
    /// Takes a lane over, whose [`waker`] wakes `parker`.
    pub(crate) const fn new(commit: CommitHandle, parker: Parker) -> Self {
        Self { commit, parker, sequence: 0 }
    }

    /// Writes all of it, a part at a time, and waits until it is on disk.
    ///
    /// # Errors
    /// The disk takes no writes, now or any more; some of it may be there.
    pub(crate) fn write_in_parts(&mut self, mut records: Vec<EncodedRecord>) -> Result<(), Unwritten> {
        loop {
            let rest = records.split_off(records.len().min(RECORDS_PER_PART));
            self.write(records)?;
            if rest.is_empty() {
                return Ok(());
            }
            records = rest;
        }
    }

    /// Writes all of it at once, however much it is, and waits until it is on disk. Whatever happens, all of it is there then,
    /// or nothing.
    ///
    /// # Errors
    /// The disk takes no writes, now or any more; it may be there all the same.
    pub(crate) fn write(&mut self, records: Vec<EncodedRecord>) -> Result<(), Unwritten> {
        if self.commit.poisoned() {
            return Err(Unwritten);
        }
        if records.is_empty() {
            return Ok(());
        }
        self.sequence += 1;
        // There is room: nothing of ours is under way.
        self.commit.submit(CommitBatch { sequence: self.sequence, records }).map_err(|_| Unwritten)?;
        while self.commit.durable() < self.sequence {
            if self.commit.poisoned() {
                return Err(Unwritten);
            }
            self.parker.park();
        }
        Ok(())
    }
}

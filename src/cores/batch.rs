//! What a core has to be made durable.

use std::collections::VecDeque;
use std::rc::Rc;

use jddb_storage::{CommitBatch, CommitHandle, EncodedRecord, RefusalReason};

use super::rooms::RoomCell;

/// The most bytes that wait for the commit thread to take them. Beyond that the core reads no more.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// How many of a room's records are in a batch or in one before it.
struct Mark {
    cell: Rc<RoomCell>,
    records: u64,
}

/// The records of a core on their way to the disk.
pub(super) struct Batch {
    commit: CommitHandle,
    records: Vec<EncodedRecord>,
    bytes: usize,
    marks: Vec<Mark>,
    sequence: u64,
    in_flight: VecDeque<(u64, Vec<Mark>)>,
}

/// The disk has failed; nothing will ever be durable again.
#[derive(Debug)]
pub(super) struct StorageFailed;

impl Batch {
    pub(super) const fn new(commit: CommitHandle) -> Self {
        Self { commit, records: Vec::new(), bytes: 0, marks: Vec::new(), sequence: 0, in_flight: VecDeque::new() }
    }

    pub(super) fn push(&mut self, record: EncodedRecord) {
        self.bytes += record.bytes();
        self.records.push(record);
    }

    /// All that was pushed so far holds the first `records` records of a room.
    pub(super) fn mark(&mut self, cell: &Rc<RoomCell>, records: u64) {
        self.marks.push(Mark { cell: Rc::clone(cell), records });
    }

    /// Whether so much waits that nothing more should be taken in.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > WAITING_BYTES_MAX
    }

    /// Whether everything pushed is durable.
    pub(super) fn is_settled(&self) -> bool {
        self.records.is_empty() && self.in_flight.is_empty()
    }

    /// Hands what was pushed to the commit thread. If that has no room it stays here, and is handed over
    /// with what comes after it.
    pub(super) fn submit(&mut self) -> Result<(), StorageFailed> {
        if self.records.is_empty() {
            return Ok(());
        }
        let batch = CommitBatch { sequence: self.sequence + 1, records: std::mem::take(&mut self.records) };
        match self.commit.submit(batch) {
            Ok(()) => {
                self.sequence += 1;
                self.bytes = 0;
                self.in_flight.push_back((self.sequence, std::mem::take(&mut self.marks)));
                Ok(())
            }
            Err(refused) => {
                self.records = refused.batch.records;
                match refused.reason {
                    RefusalReason::Full => Ok(()),
                    RefusalReason::Poisoned | RefusalReason::Stopped => Err(StorageFailed),
                }
            }
        }
    }

    /// Tells each room what of it has become durable, and then hands it to `then`.
    pub(super) fn settle(&mut self, mut then: impl FnMut(Rc<RoomCell>)) -> Result<(), StorageFailed> {
        let durable = self.commit.durable();
        while let Some((_, marks)) = self.in_flight.pop_front_if(|(sequence, _)| *sequence <= durable) {
            for mark in marks {
                mark.cell.room.borrow_mut().durable(mark.records);
                then(mark.cell);
            }
        }
        if self.commit.poisoned() { Err(StorageFailed) } else { Ok(()) }
    }

    /// Forgets what will never be durable.
    pub(super) fn abandon(&mut self) {
        self.records.clear();
        self.marks.clear();
        self.in_flight.clear();
        self.bytes = 0;
    }
}

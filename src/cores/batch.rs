//! What a core has to be made durable.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use jddb_core::ids::Version;
use jddb_storage::{CommitBatch, CommitFigures, CommitHandle, EncodedRecord, RefusalReason};

use super::rooms::RoomCell;

/// The most bytes that wait for the disk. Beyond that the core takes in no more.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// How much of a room is in a batch or in one before it.
struct Mark {
    cell: Rc<RoomCell>,
    records: u64,
    version: Version,
    taken_in: TakenIn,
}

/// The changes of one turn of a room.
#[derive(Clone, Copy)]
pub(super) struct TakenIn {
    /// When the oldest of them was read from its socket.
    pub(super) at: Duration,
    /// How many they are.
    pub(super) changes: u64,
}

/// A batch that the commit thread has.
struct InFlight {
    sequence: u64,
    bytes: usize,
    marks: Vec<Mark>,
}

/// The records of a core on their way to the disk.
pub(super) struct Batch {
    commit: CommitHandle,
    records: Vec<EncodedRecord>,
    marks: Vec<Mark>,
    sequence: u64,
    in_flight: VecDeque<InFlight>,
    /// Bytes of `records`.
    bytes: usize,
    /// Bytes of all batches in flight.
    bytes_in_flight: usize,
}

/// The disk has failed; nothing will ever be durable again.
#[derive(Debug)]
pub(super) struct StorageFailed;

impl Batch {
    pub(super) const fn new(commit: CommitHandle) -> Self {
        Self {
            commit,
            records: Vec::new(),
            marks: Vec::new(),
            sequence: 0,
            in_flight: VecDeque::new(),
            bytes: 0,
            bytes_in_flight: 0,
        }
    }

    pub(super) fn push(&mut self, record: EncodedRecord) {
        self.bytes += record.bytes();
        self.records.push(record);
    }

    /// All that was pushed so far holds the first `records` records of a room, up to `version` of its document.
    pub(super) fn mark(&mut self, cell: &Rc<RoomCell>, records: u64, version: Version, taken_in: TakenIn) {
        self.marks.push(Mark { cell: Rc::clone(cell), records, version, taken_in });
    }

    /// Bytes that wait for the disk.
    pub(super) const fn waiting_bytes(&self) -> usize {
        self.bytes + self.bytes_in_flight
    }

    /// What has been committed so far, of all cores.
    pub(super) fn commit_figures(&self) -> CommitFigures {
        self.commit.figures()
    }

    /// Whether so much waits that nothing more should be taken in.
    pub(super) const fn is_full(&self) -> bool {
        self.waiting_bytes() > WAITING_BYTES_MAX
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
                let bytes = std::mem::take(&mut self.bytes);
                self.bytes_in_flight += bytes;
                let marks = std::mem::take(&mut self.marks);
                self.in_flight.push_back(InFlight { sequence: self.sequence, bytes, marks });
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

    /// Tells each room what of it has become durable, and then hands it to `then`, with the changes among that.
    pub(super) fn settle(&mut self, mut then: impl FnMut(Rc<RoomCell>, TakenIn)) -> Result<(), StorageFailed> {
        let durable = self.commit.durable();
        while let Some(batch) = self.in_flight.pop_front_if(|batch| batch.sequence <= durable) {
            self.bytes_in_flight -= batch.bytes;
            for mark in batch.marks {
                mark.cell.room.borrow_mut().durable(mark.records);
                mark.cell.durable_version.set(mark.version);
                then(mark.cell, mark.taken_in);
            }
        }
        if self.commit.poisoned() { Err(StorageFailed) } else { Ok(()) }
    }

    /// Forgets what will never be durable.
    pub(super) fn abandon(&mut self) {
        self.records.clear();
        self.marks.clear();
        self.in_flight.clear();
        (self.bytes, self.bytes_in_flight) = (0, 0);
    }
}

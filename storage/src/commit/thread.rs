//! The loop of the commit thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Builder, JoinHandle};

use crossbeam::sync::Parker;
use rocksdb::WriteBatch;

use super::lane::Shared;
use super::{CommitBatch, Waker};
use crate::clock;
use crate::error::WriteError;

/// When a group is large enough: no further batches are added to one of so many bytes. A group can
/// exceed it by one batch of each core. It bounds the memory and the time of one synced write.
pub const GROUP_BYTES_MAX: usize = 4 << 20;

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, wakers: Vec<Waker>, parker: Parker) -> io::Result<JoinHandle<()>> {
    let thread = CommitThread { shared, wakers };
    Builder::new().name("commit".to_owned()).spawn(move || thread.run(&parker))
}

struct CommitThread {
    shared: Arc<Shared>,
    wakers: Vec<Waker>,
}

/// What becomes durable with one sync.
struct Group {
    write: WriteBatch,
    records: usize,
    bytes: usize,
    /// The highest sequence of each core in this group.
    sequences: Vec<Option<u64>>,
}

impl CommitThread {
    fn run(&self, parker: &Parker) {
        let _guard = PoisonOnPanic(self);
        loop {
            // Asked before the queues are emptied: what they hold after it is all there will ever be.
            let closed = self.shared.closed();
            match self.take_group() {
                None if closed => return,
                None => parker.park(),
                Some(group) => {
                    if let Err(error) = self.commit(group) {
                        return self.fail(&error);
                    }
                }
            }
        }
    }

    /// Takes a batch of each core in turn until there are no more or enough.
    fn take_group(&self) -> Option<Group> {
        let cores = self.shared.lanes.len();
        let mut group = Group { write: WriteBatch::default(), records: 0, bytes: 0, sequences: vec![None; cores] };
        loop {
            let mut took = false;
            for (core, lane) in self.shared.lanes.iter().enumerate() {
                if let Some(batch) = lane.queue.pop() {
                    self.add(&mut group, core, &batch);
                    took = true;
                }
            }
            if !took || group.bytes >= GROUP_BYTES_MAX {
                return group.sequences.iter().any(Option::is_some).then_some(group);
            }
        }
    }

    fn add(&self, group: &mut Group, core: usize, batch: &CommitBatch) {
        for record in &batch.records {
            self.shared.store.add(&mut group.write, record);
            group.bytes += record.bytes();
        }
        group.records += batch.records.len();
        let before = group.sequences[core].replace(batch.sequence);
        assert!(before.is_none_or(|before| before < batch.sequence), "a core's sequences go up");
    }

    /// Makes a group durable, and says so only then.
    fn commit(&self, group: Group) -> Result<(), WriteError> {
        if group.records > 0 {
            let (result, took) = clock::timed(|| self.shared.store.write_synced(group.write));
            result?;
            self.shared.statistics.committed(group.records, group.bytes, took);
        }
        let cores = self.shared.lanes.iter().zip(&group.sequences).zip(&self.wakers);
        for ((lane, sequence), wake) in cores {
            if let Some(sequence) = *sequence {
                let before = lane.durable.swap(sequence, Ordering::Release);
                assert!(before < sequence, "a core's sequences go up");
            }
            let has_room = lane.was_full.swap(false, Ordering::SeqCst);
            if sequence.is_some() || has_room {
                wake();
            }
        }
        Ok(())
    }

    fn fail(&self, error: &WriteError) {
        self.shared.statistics.failed();
        tracing::error!(
            %error,
            "commit failed: nothing is written from now on; check space and health of the disk, then start \
             the server again. What was acknowledged is durable; what was not is dropped"
        );
        self.poison();
    }

    /// Poisons the store and tells every core.
    fn poison(&self) {
        self.shared.store.poison();
        for wake in &self.wakers {
            wake();
        }
    }
}

/// A thread that is gone commits nothing either: the cores must hear of it.
struct PoisonOnPanic<'a>(&'a CommitThread);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison();
        }
    }
}

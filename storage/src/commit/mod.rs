//! Group commit: one thread makes what all cores submit durable.
//!
//! While one group is being synced the next one gathers, so that the number of syncs does not grow with
//! the number of changes. What is published as durable was synced before, always: the sequence is
//! stored after the synced write has returned.
//!
//! A failed write or sync poisons the store. The kernel drops pages that it could not write and reports
//! that once only, so a second sync that succeeds proves nothing ("fsyncgate"); only a start, which reads
//! what is really there, may write again.

mod lane;
mod statistics;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam::sync::Parker;

use crate::record::EncodedRecord;
use crate::store::Store;
use lane::Shared;
pub use statistics::{CommitFigures, CommitStatistics};
pub use thread::GROUP_BYTES_MAX;

/// Tells a core that its durable sequence has moved, or that the store is poisoned. It runs on the commit
/// thread, so it must neither block nor panic.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// What a core wants to have durable, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBatch {
    /// The core's own number for it, from 1 on, higher than all it submitted before.
    pub sequence: u64,
    /// The records: all of them become durable, or none.
    pub records: Vec<EncodedRecord>,
}

/// A batch that was not taken. Nothing of it will become durable unless it is submitted again.
#[derive(Debug, thiserror::Error)]
#[error("commit refused: {reason}")]
pub struct Refused {
    /// The batch, given back.
    pub batch: CommitBatch,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// The disk does not keep up. The core's waker is called when there is room.
    #[error("the commit queue is full")]
    Full,
    /// A write failed; only another start writes again.
    #[error("the store takes no writes since a write failed")]
    Poisoned,
    /// The committer has been stopped.
    #[error("the committer has stopped")]
    Stopped,
}

/// A core's way to the commit thread.
#[derive(Debug)]
pub struct CommitHandle {
    shared: Arc<Shared>,
    core: usize,
}

impl CommitHandle {
    /// Hands a batch over; never blocks. Batches of one core become durable in the order of submission.
    ///
    /// # Errors
    /// The batch comes back if the queue is full, the store is poisoned, or the committer has stopped.
    /// A batch taken just before the store is poisoned is dropped: its sequence is never published.
    pub fn submit(&self, batch: CommitBatch) -> Result<(), Refused> {
        self.shared.submit(self.core, batch)
    }

    /// The highest sequence of this core that is durable, with all below it; 0 at the beginning.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.shared.lanes[self.core].durable.load(Ordering::Acquire)
    }

    /// What has been committed so far, of all cores.
    #[must_use]
    pub fn figures(&self) -> CommitFigures {
        self.shared.statistics.figures()
    }

    /// Whether a commit has failed: nothing more will become durable.
    #[must_use]
    pub fn poisoned(&self) -> bool {
        self.shared.store.poisoned()
    }
}

/// The commit thread.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the commit thread for as many cores as there are `wakers`, with room for `queue_batches`
    /// batches of each.
    ///
    /// # Errors
    /// The thread cannot be started.
    ///
    /// # Panics
    /// `queue_batches` is 0.
    pub fn start(store: Arc<Store>, wakers: Vec<Waker>, queue_batches: usize) -> io::Result<(Vec<CommitHandle>, Self)> {
        let parker = Parker::new();
        let shared = Arc::new(Shared::new(store, wakers.len(), queue_batches, parker.unparker().clone()));
        let handles = (0..wakers.len()).map(|core| CommitHandle { shared: Arc::clone(&shared), core }).collect();
        let thread = thread::start(Arc::clone(&shared), wakers, parker)?;
        Ok((handles, Self { shared, thread: Some(thread) }))
    }

    /// What has been committed so far, readable from any thread.
    #[must_use]
    pub fn statistics(&self) -> Arc<CommitStatistics> {
        Arc::clone(&self.shared.statistics)
    }

    /// Makes what was submitted durable, then ends the thread. What is submitted from now on is refused.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.stop();
        if thread.join().is_err() {
            tracing::error!("the commit thread panicked; the store takes no writes");
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shut_down();
    }
}

//! What the cores and the commit thread share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use crossbeam::utils::CachePadded;

use super::{CommitBatch, CommitStatistics, RefusalReason, Refused};
use crate::store::Store;

/// One core's side. Each is on cache lines of its own: cores do not slow each other down.
pub(super) struct Lane {
    pub(super) queue: ArrayQueue<CommitBatch>,
    pub(super) durable: AtomicU64,
    /// Calls of `submit` that may still put a batch into the queue.
    submitting: AtomicUsize,
    /// A batch was refused for lack of room, and the core waits to hear that there is some.
    pub(super) was_full: AtomicBool,
}

pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) lanes: Box<[CachePadded<Lane>]>,
    pub(super) statistics: Arc<CommitStatistics>,
    stopping: AtomicBool,
    unparker: Unparker,
}

impl Shared {
    pub(super) fn new(store: Arc<Store>, cores: usize, queue_batches: usize, unparker: Unparker) -> Self {
        let lane = || Lane {
            queue: ArrayQueue::new(queue_batches),
            durable: AtomicU64::new(0),
            submitting: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
        };
        Self {
            store,
            lanes: (0..cores).map(|_| CachePadded::new(lane())).collect(),
            statistics: Arc::default(),
            stopping: AtomicBool::new(false),
            unparker,
        }
    }

    pub(super) fn submit(&self, core: usize, batch: CommitBatch) -> Result<(), Refused> {
        let lane = &self.lanes[core];
        // Counted before the question whether the thread is stopping, which asks in the opposite order:
        // one of the two sees the other, so no batch gets into a queue that nobody empties any more.
        lane.submitting.fetch_add(1, Ordering::SeqCst);
        let result = self.try_push(lane, batch);
        lane.submitting.fetch_sub(1, Ordering::SeqCst);
        self.unparker.unpark();
        result
    }

    fn try_push(&self, lane: &Lane, batch: CommitBatch) -> Result<(), Refused> {
        if self.store.poisoned() {
            return Err(Refused { batch, reason: RefusalReason::Poisoned });
        }
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Refused { batch, reason: RefusalReason::Stopped });
        }
        lane.queue.push(batch).or_else(|batch| {
            // Said first, then tried once more: else the thread could empty the queue in between and
            // never learn that somebody waits for it.
            lane.was_full.store(true, Ordering::SeqCst);
            lane.queue.push(batch).map_err(|batch| Refused { batch, reason: RefusalReason::Full })
        })
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.unparker.unpark();
    }

    /// Whether no batch can get into a queue any more.
    pub(super) fn closed(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
            && self.lanes.iter().all(|lane| lane.submitting.load(Ordering::SeqCst) == 0)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("cores", &self.lanes.len()).finish_non_exhaustive()
    }
}

//! Figures of the commit thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters that the commit thread writes and anybody reads. All count from the start.
#[derive(Debug, Default)]
pub struct CommitStatistics {
    commits: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    sync_us_sum: AtomicU64,
    sync_us_max: AtomicU64,
    failures: AtomicU64,
}

/// The counters at one moment; each is exact, but they may be of slightly different moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitFigures {
    /// Synced writes that succeeded, each of one group.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of these records, keys included.
    pub bytes: u64,
    /// Time of the synced writes in all, in microseconds.
    pub sync_us_sum: u64,
    /// Time of the longest one, in microseconds.
    pub sync_us_max: u64,
    /// Writes that failed: 0, or 1 and the store is poisoned.
    pub failures: u64,
}

impl CommitStatistics {
    /// The counters now.
    #[must_use]
    pub fn figures(&self) -> CommitFigures {
        CommitFigures {
            commits: self.commits.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            sync_us_sum: self.sync_us_sum.load(Ordering::Relaxed),
            sync_us_max: self.sync_us_max.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    pub(super) fn committed(&self, records: usize, bytes: usize, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.sync_us_sum.fetch_add(took_us, Ordering::Relaxed);
        self.sync_us_max.fetch_max(took_us, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

//! What all requests of one core need.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::config::IdPattern;
use crate::metrics::CoreMetrics;
use crate::shared::Shared;

/// How long a document's core may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Old versions that are read from disk at the same time.
const VERSION_READS_MAX: usize = 2;

/// What all requests of one core need.
#[derive(Debug)]
pub(super) struct Site {
    /// What all cores share.
    pub(super) shared: Arc<Shared>,
    /// The number of this core.
    pub(super) core: usize,
    /// The rule for document ids: a clone of this core's own, since its scratch memory is not to be shared.
    pub(super) id_pattern: IdPattern,
    /// Turns true when the server stops.
    pub(super) drain: watch::Receiver<bool>,
    /// How long a document's core may take to answer.
    pub(super) answer_timeout: Duration,
    /// One permit for each old version that is being read.
    pub(super) version_reads: Arc<Semaphore>,
}

impl Site {
    pub(super) fn new(shared: Arc<Shared>, core: usize, drain: watch::Receiver<bool>) -> Self {
        let id_pattern = shared.config.documents.id_pattern.clone();
        let version_reads = Arc::new(Semaphore::new(VERSION_READS_MAX));
        Self { shared, core, id_pattern, drain, answer_timeout: ANSWER_TIMEOUT, version_reads }
    }

    /// What this core counts.
    pub(super) fn metrics(&self) -> &CoreMetrics {
        &self.shared.metrics[self.core]
    }

    /// Whether the server is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire) || *self.drain.borrow()
    }
}

//! The limits in force on one core, and what they refused there.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;
use std::time::Duration;

use jddb_core::limits::{ConnectionLimit, LimitMode, RefusalCounts};

use crate::config::Limits;

/// The time between two log lines about refusals.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What the two halves of a core, its HTTP front and its documents, go by, and where both count what they refuse.
/// Only the core's own thread sees it.
#[derive(Debug)]
pub struct LimitsInForce {
    limits: RefCell<Arc<Limits>>,
    refusals: Cell<RefusalCounts>,
    /// What the log was told last, and when.
    logged: Cell<(RefusalCounts, Option<Duration>)>,
}

impl LimitsInForce {
    /// These limits, until there are others.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits: RefCell::new(Arc::new(limits)), refusals: Cell::default(), logged: Cell::default() }
    }

    /// The limits. Not to be held over an `await`.
    pub fn get(&self) -> Ref<'_, Limits> {
        Ref::map(self.limits.borrow(), |limits| &**limits)
    }

    /// Other limits from now on.
    pub fn set(&self, limits: Arc<Limits>) {
        self.limits.replace(limits);
    }

    /// Counts a connection that was refused, or would have been.
    pub fn count_connection(&self, limit: ConnectionLimit) {
        let mut refusals = self.refusals.get();
        refusals.count_connection(limit);
        self.refusals.set(refusals);
    }

    /// Counts an HTTP request that was refused, or would have been.
    pub fn count_request(&self) {
        self.count(RefusalCounts { request_rate: 1, ..RefusalCounts::default() });
    }

    /// Counts what a room refused, or would have.
    pub fn count(&self, refused: RefusalCounts) {
        if !refused.is_zero() {
            self.refusals.set(self.refusals.get().plus(refused));
        }
    }

    /// What was refused since the start, or would have been.
    #[must_use]
    pub const fn refusals(&self) -> RefusalCounts {
        self.refusals.get()
    }

    /// Tells the log where something was refused since it was told last, and not too often.
    pub(super) fn log(&self, core: usize, now: Duration) {
        let (told, told_at) = self.logged.get();
        let refusals = self.refusals();
        if refusals == told || told_at.is_some_and(|told_at| now.saturating_sub(told_at) < LOG_INTERVAL) {
            return;
        }
        self.logged.set((refusals, Some(now)));
        match self.get().mode {
            LimitMode::Enforce => tracing::info!(core, "beyond a limit and refused, since the start: {refusals}"),
            LimitMode::Observe => tracing::info!(core, "beyond a limit and let through, since the start: {refusals}"),
        }
    }
}

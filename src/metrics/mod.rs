//! Figures of how the server is doing.
//!
//! Each core counts for itself: a [`Counter`] is written by one thread only, so counting is a load and a store, and
//! whoever wants to know adds up what all cores have counted. [`Sample`] is all of it at one moment, as
//! [`Family`]s with names, units and words of help; `report` makes `monitoring.metrics` of two of them. Whatever
//! else wants to show the figures reads the same families.
//!
//! To count something new: add a [`Figure`], and say in [`Figure::info`] what it is.

mod figure;
mod histogram;
mod process;
mod report;
mod sample;

use std::sync::Arc;

use jddb_core::protocol::ErrorCode;
use jddb_core::room::{Counter, Counters};

pub use figure::{Figure, Group, Info, Kind};
pub use histogram::{Distribution, Histogram};
pub use process::Process;
pub use report::write_metrics;
pub use sample::{Family, Sample, Value};

/// What one core counts.
#[derive(Debug)]
pub struct CoreMetrics {
    /// What is said in its rooms, and to its watchers.
    pub messages: Arc<Counters>,
    /// Connections that were refused by its front, by [`ErrorCode`].
    pub refused: [Counter; ErrorCode::ALL.len()],
    /// For each change: the time from the moment when the oldest change of its turn was read from its socket until
    /// the acknowledgements of the turn, and with strict durability the others' copies, were written to theirs.
    pub acknowledged: Histogram,
    /// For each turn of a room: the time from the moment when the oldest message in it was read from its socket until
    /// all that need not wait for the disk was written.
    pub turns: Histogram,
    figures: [Counter; Figure::ALL.len()],
}

impl Default for CoreMetrics {
    fn default() -> Self {
        Self {
            messages: Arc::default(),
            refused: std::array::from_fn(|_| Counter::default()),
            acknowledged: Histogram::default(),
            turns: Histogram::default(),
            figures: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl CoreMetrics {
    /// The counter of a figure.
    #[must_use]
    pub const fn of(&self, figure: Figure) -> &Counter {
        &self.figures[figure as usize]
    }

    /// A connection was refused.
    pub fn count_refusal(&self, code: ErrorCode) {
        self.refused[code as usize].add(1);
    }
}

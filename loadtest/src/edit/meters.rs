//! What a worker counts.

use crate::clock::Nanos;
use crate::errors::Errors;
use crate::failure::Failure;
use crate::histogram::Latencies;

/// The measured part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its first moment.
    pub(crate) from: Nanos,
    /// The first moment after it.
    pub(crate) to: Nanos,
}

impl Window {
    /// A window that nothing falls into, until the run is planned.
    pub(crate) const NEVER: Self = Self { from: Nanos(u64::MAX), to: Nanos(0) };

    /// Whether `at` is in it.
    pub(crate) fn contains(&self, at: Nanos) -> bool {
        self.from <= at && at < self.to
    }
}

/// Counts of one worker, or of all. "Measured" changes are those meant to be sent within the window, however late
/// they were sent, acknowledged or delivered.
#[derive(Debug)]
pub(crate) struct Tally {
    /// From the intended send time to the receiver's reading, of measured changes.
    pub(crate) delivery: Latencies,
    /// From the intended send time to the sender's reading of its acknowledgement, of measured changes.
    pub(crate) ack: Latencies,
    /// How late the generator itself sent, when nothing of the editor's was in flight.
    pub(crate) lag: Latencies,
    /// Deliveries read while the clock was in the window, of whichever change.
    pub(crate) received: u64,
    /// Measured changes the schedule asked for.
    pub(crate) scheduled: u64,
    /// Measured changes sent.
    pub(crate) sent: u64,
    /// Measured changes acknowledged.
    pub(crate) acked: u64,
    /// Measured changes refused with an error.
    pub(crate) refused: u64,
    /// Deliveries the acknowledged measured changes must have.
    pub(crate) expected: u64,
    /// Versions skipped without a word on some connection.
    pub(crate) gaps: u64,
    /// Versions that came after a later one.
    pub(crate) disorder: u64,
    /// Times the server replaced changes by the whole state, because a connection was too slow for them.
    pub(crate) resyncs: u64,
    /// Editors that have not seen their document's last acknowledged version at the end.
    pub(crate) behind: u64,
    /// The copies that editors kept, if they did.
    pub(crate) copies: Vec<Copied>,
    /// What went wrong.
    pub(crate) errors: Errors,
}

/// An editor's copy of its document in the end.
#[derive(Debug)]
pub(crate) struct Copied {
    /// The number of the document.
    pub(crate) document: usize,
    /// The version of the copy.
    pub(crate) version: u64,
    /// The text of the section that everybody edits.
    pub(crate) text: String,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            delivery: Latencies::new()?,
            ack: Latencies::new()?,
            lag: Latencies::new()?,
            received: 0,
            scheduled: 0,
            sent: 0,
            acked: 0,
            refused: 0,
            expected: 0,
            gaps: 0,
            disorder: 0,
            resyncs: 0,
            behind: 0,
            copies: Vec::new(),
            errors: Errors::default(),
        })
    }

    /// Adds another worker's counts.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), Failure> {
        let Self {
            delivery,
            ack,
            lag,
            received,
            scheduled,
            sent,
            acked,
            refused,
            expected,
            gaps,
            disorder,
            resyncs,
            behind,
            copies,
            errors,
        } = other;
        self.delivery.merge(&delivery)?;
        self.ack.merge(&ack)?;
        self.lag.merge(&lag)?;
        self.received += received;
        self.scheduled += scheduled;
        self.sent += sent;
        self.acked += acked;
        self.refused += refused;
        self.expected += expected;
        self.gaps += gaps;
        self.disorder += disorder;
        self.resyncs += resyncs;
        self.behind += behind;
        self.copies.extend(copies);
        self.errors.merge(errors);
        Ok(())
    }

    /// Deliveries of acknowledged changes that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.delivery.count())
    }

    /// Measured changes that were neither acknowledged nor refused in time, unsent ones included.
    pub(crate) fn unfinished(&self) -> u64 {
        self.scheduled.saturating_sub(self.acked + self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_includes_its_start_only() {
        let window = Window { from: Nanos(5), to: Nanos(9) };
        let inside: Vec<u64> = (0..12).filter(|&at| window.contains(Nanos(at))).collect();
        assert_eq!(inside, [5, 6, 7, 8]);
        assert!(!Window::NEVER.contains(Nanos(5)));
    }

    #[test]
    fn merged_tallies_add_up() {
        let mut one = Tally::new().unwrap();
        let mut two = Tally::new().unwrap();
        (one.expected, two.expected) = (10, 5);
        (one.scheduled, two.scheduled, two.acked, two.refused) = (3, 3, 2, 1);
        (0..12).for_each(|_| two.delivery.record(1_000));
        one.merge(two).unwrap();
        assert_eq!(one.lost(), 3);
        assert_eq!(one.unfinished(), 3);
    }
}

//! The least speed of a transfer: what tells a large body from a slow client.

use std::time::Duration;

use crate::config::Http;

/// Bytes that have to be moved in a time, or the rest where less is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bytes: usize,
    time: Duration,
}

impl Pace {
    /// The pace in force.
    pub(crate) fn new(config: &Http) -> Self {
        Self { bytes: config.progress_bytes, time: Duration::from_secs(config.progress_seconds) }
    }

    /// The bytes that have to be moved.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A transfer under way. It is given up when nothing is left of its time; whoever moves enough gets the whole time again.
#[derive(Debug)]
pub(crate) struct Progress {
    pace: Pace,
    since: Duration,
    moved: usize,
}

impl Progress {
    /// A transfer that begins at `now`.
    pub(crate) const fn begin(pace: Pace, now: Duration) -> Self {
        Self { pace, since: now, moved: 0 }
    }

    /// `bytes` more have been moved at `now`.
    pub(crate) fn moved(&mut self, bytes: usize, now: Duration) {
        self.moved += bytes;
        if self.moved >= self.pace.bytes {
            *self = Self::begin(self.pace, now);
        }
    }

    /// The time that is left at `now`.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        (self.since + self.pace.time).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { bytes: 16_384, time: Duration::from_secs(10) };

    /// When a transfer that moves `bytes` in each of so many seconds is given up.
    fn given_up_at(bytes: usize, seconds: u64) -> Option<u64> {
        let mut progress = Progress::begin(PACE, Duration::ZERO);
        (1..=seconds).find(|&second| {
            let now = Duration::from_secs(second);
            let is_over = progress.left(now).is_zero();
            progress.moved(bytes, now);
            is_over
        })
    }

    #[test]
    fn who_moves_enough_may_go_on_for_long() {
        assert_eq!(given_up_at(1_639, 100_000), Some(10), "the tenth second's bytes come too late");
        assert_eq!(given_up_at(1_821, 100_000), None);
        assert_eq!(given_up_at(1 << 20, 100_000), None);
    }

    #[test]
    fn who_does_not_is_given_up_and_a_drip_buys_no_time() {
        for bytes in [0, 1, 1_000] {
            assert_eq!(given_up_at(bytes, 100), Some(10), "{bytes}");
        }
    }

    #[test]
    fn each_time_is_counted_from_when_enough_was_moved() {
        let mut progress = Progress::begin(PACE, Duration::from_secs(100));
        progress.moved(16_383, Duration::from_secs(104));
        assert_eq!(progress.left(Duration::from_secs(105)), Duration::from_secs(5));
        progress.moved(1, Duration::from_secs(105));
        assert_eq!(progress.left(Duration::from_secs(105)), Duration::from_secs(10));
        assert_eq!(progress.left(Duration::from_secs(120)), Duration::ZERO);
    }
}

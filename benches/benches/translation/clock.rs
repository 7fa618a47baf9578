//! How long calls take, one by one: percentiles are what a user waits for, and Criterion has none.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "this file reads the clock")]
pub(crate) fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = call();
    (result, start.elapsed())
}

/// The durations of many calls, from the shortest to the longest.
pub(crate) struct Durations(Vec<Duration>);

impl Durations {
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort();
        Self(durations)
    }

    /// In milliseconds: what so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
    }
}

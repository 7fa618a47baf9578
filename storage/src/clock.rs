//! The only reader of the clock in this crate: how long something took, for the statistics.

use std::time::{Duration, Instant};

/// Runs `work`, and says how long it took by a clock that never goes back.
#[expect(clippy::disallowed_methods, reason = "a duration for the statistics; nothing is decided by it")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

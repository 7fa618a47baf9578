//! The one place that reads the clocks; everywhere else the time is an argument.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 (UTC), for what people and other machines read. May go back when the clock is set.
#[must_use]
pub fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 (UTC), as tokens count.
#[must_use]
pub fn now_unix_seconds() -> u64 {
    now_unix_ms() / 1000
}

/// Time since this was first asked in this process, for measuring spans. Never goes back, on whatever thread.
#[must_use]
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_tell_plausible_times() {
        const YEAR_2025_MS: u64 = 1_735_689_600_000;
        const YEAR_2100_MS: u64 = 4_102_444_800_000;
        assert!((YEAR_2025_MS..YEAR_2100_MS).contains(&now_unix_ms()));
        let earlier = monotonic();
        std::thread::sleep(Duration::from_millis(2));
        assert!(monotonic() - earlier >= Duration::from_millis(2));
    }
}

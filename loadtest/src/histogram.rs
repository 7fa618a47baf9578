//! Latencies: recorded in nanoseconds at three significant digits, told in milliseconds.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::failure::Failure;

/// Shorter ones are counted as this long. It is also the finest step: a larger one would cost short latencies their
/// third digit.
const SHORTEST_NS: u64 = 1;
/// Longer ones are counted as this long: ten minutes, beyond any run's patience.
const LONGEST_NS: u64 = 600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
const NANOS_PER_MILLISECOND: f64 = 1e6;

/// A set of latencies of bounded size, whatever their number.
#[derive(Debug)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
}

/// What a set of latencies says, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    /// How many were recorded.
    pub(crate) count: u64,
    /// Half of them were no longer than this.
    pub(crate) p50_ms: f64,
    /// 90 % were no longer than this.
    pub(crate) p90_ms: f64,
    /// 99 % were no longer than this.
    pub(crate) p99_ms: f64,
    /// 99.9 % were no longer than this.
    pub(crate) p999_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Latencies {
    /// An empty set.
    pub(crate) fn new() -> Result<Self, Failure> {
        Histogram::new_with_bounds(SHORTEST_NS, LONGEST_NS, SIGNIFICANT_DIGITS)
            .map(|histogram| Self { histogram })
            .map_err(|error| Failure::run("latency histogram", error))
    }

    /// Adds one latency.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.histogram.saturating_record(nanos.max(SHORTEST_NS));
    }

    /// Adds all of `other`'s.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), Failure> {
        self.histogram.add(&other.histogram).map_err(|error| Failure::run("latency histogram", error))
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that the fraction `quantile` (0 to 1) did not exceed, in milliseconds; 0 when empty.
    fn quantile_ms(&self, quantile: f64) -> f64 {
        millis(self.histogram.value_at_quantile(quantile))
    }

    /// The figures to print.
    pub(crate) fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.count(),
            p50_ms: self.quantile_ms(0.5),
            p90_ms: self.quantile_ms(0.9),
            p99_ms: self.quantile_ms(0.99),
            p999_ms: self.quantile_ms(0.999),
            max_ms: millis(self.histogram.max()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "below ten minutes, a nanosecond count is exact in an f64")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / NANOS_PER_MILLISECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new().unwrap();
        values.into_iter().for_each(|value| latencies.record(value * 1_000));
        latencies
    }

    /// Equal to three significant digits.
    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= expected / 500.0, "{actual} is not {expected}");
    }

    #[test]
    fn percentiles_of_one_to_ten_thousand_microseconds() {
        let summary = of(1..=10_000).summary();
        assert_eq!(summary.count, 10_000);
        near(summary.p50_ms, 5.0);
        near(summary.p90_ms, 9.0);
        near(summary.p99_ms, 9.9);
        near(summary.p999_ms, 9.99);
        near(summary.max_ms, 10.0);
    }

    #[test]
    fn one_slow_in_a_hundred_shows_at_the_top_only() {
        let summary = of((0..990).map(|_| 100).chain((0..10).map(|_| 50_000))).summary();
        near(summary.p50_ms, 0.1);
        near(summary.p99_ms, 0.1);
        near(summary.p999_ms, 50.0);
    }

    #[test]
    fn merging_is_as_recording_together() {
        let mut halves = of(1..=500);
        halves.merge(&of(501..=1_000)).unwrap();
        assert_eq!(halves.summary(), of(1..=1_000).summary());
    }

    #[test]
    fn nothing_recorded_is_zero_and_extremes_are_kept_in_range() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.summary().max_ms, 0.0);
        latencies.record(0);
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 2);
        near(latencies.summary().max_ms, 600_000.0);
    }
}

//! Times by their size: cheap to count, exact to an eighth.

use std::time::Duration;

use jddb_core::room::Counter;

/// Buckets of one doubling.
const PER_DOUBLING: usize = 8;
/// The longest time that is told apart is 2^36 microseconds, 19 hours.
const BUCKETS: usize = (36 - 2) * PER_DOUBLING;

/// How many times fell into each bucket. One thread counts, and any may read.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[Counter]>,
    sum_us: Counter,
}

/// What a [`Histogram`] held at one moment, or several of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    buckets: Vec<u64>,
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| Counter::default()).collect(), sum_us: Counter::default() }
    }
}

impl Histogram {
    /// Counts a time, `count` times.
    pub fn record(&self, time: Duration, count: u64) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(us)].add(count);
        self.sum_us.add(us.saturating_mul(count));
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], sum_us: 0 }
    }
}

impl Distribution {
    /// Adds what a histogram holds by now.
    pub fn add(&mut self, histogram: &Histogram) {
        self.buckets.iter_mut().zip(&histogram.buckets).for_each(|(sum, bucket)| *sum += bucket.get());
        self.sum_us += histogram.sum_us.get();
    }

    /// What came between `earlier` and this.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let buckets = self.buckets.iter().zip(&earlier.buckets).map(|(now, then)| now.saturating_sub(*then)).collect();
        Self { buckets, sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }

    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All times added up, in microseconds.
    #[must_use]
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The time, in microseconds, that `share` of all times do not exceed, at most an eighth too large; `None` of none.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let count = self.count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the count")]
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        self.buckets.iter().enumerate().find_map(|(bucket, times)| {
            seen += times;
            (seen >= rank).then(|| longest_of(bucket))
        })
    }
}

fn bucket_of(us: u64) -> usize {
    if us < PER_DOUBLING as u64 {
        return usize::try_from(us).unwrap_or(0);
    }
    let doubling = us.ilog2();
    let eighth = usize::try_from((us >> (doubling - 3)) & 7).unwrap_or(0);
    ((doubling as usize - 2) * PER_DOUBLING + eighth).min(BUCKETS - 1)
}

/// The longest time that falls into a bucket, in microseconds.
fn longest_of(bucket: usize) -> u64 {
    if bucket < PER_DOUBLING {
        return bucket as u64;
    }
    let (doubling, eighth) = (bucket / PER_DOUBLING + 2, bucket % PER_DOUBLING);
    (((PER_DOUBLING + eighth + 1) as u64) << (doubling - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_that_says_so() {
        let mut before = 0;
        for us in
            (0..100_000).chain((17..36).flat_map(|exponent| [(1 << exponent) - 1, 1 << exponent, 3 << (exponent - 1)]))
        {
            let longest = longest_of(bucket_of(us));
            assert!(longest >= us && longest - us <= us / 8, "{us} is shown as {longest}");
            if us < 100_000 {
                assert!(bucket_of(us) >= before);
                before = bucket_of(us);
            }
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_of_what_came_between() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_secs(5), 100);
        let mut earlier = Distribution::default();
        earlier.add(&histogram);
        (1..=100).for_each(|ms| histogram.record(Duration::from_millis(ms), 1));
        let mut now = Distribution::default();
        now.add(&histogram);
        let between = now.since(&earlier);
        assert_eq!((between.count(), between.sum_us()), (100, 5_050_000));
        let check = |share: f64, expected: u64| {
            let found = between.quantile_us(share).unwrap();
            assert!((expected..=expected + expected / 8).contains(&found), "{share}: {found}, not {expected}");
        };
        check(0.5, 50_000);
        check(0.99, 99_000);
        check(1.0, 100_000);
        assert_eq!(now.since(&now).quantile_us(0.5), None);
    }
}

//! A sliding window: what happened within the last so many milliseconds.

use std::collections::VecDeque;

/// So many runs are kept exactly, and about as many more coarsely: 16 KiB at most.
const EXACT_RUNS_MAX: u32 = 1024;

/// A moment in milliseconds since no moment in particular. It wraps around, so two of them can be compared only
/// while they are less than 24 days apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick(pub(super) u32);

impl Tick {
    /// The moment of a clock in milliseconds that never goes back.
    #[expect(clippy::cast_possible_truncation, reason = "a moment wraps around")]
    pub(super) const fn at(now_ms: u64) -> Self {
        Self(now_ms as u32)
    }

    /// Milliseconds from `earlier` until now; negative if it is later.
    const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// The next moment that is a multiple of `grain`, or this one.
    const fn rounded_up(self, grain: u32) -> Self {
        let end = self.0.wrapping_add(grain - 1);
        Self(end - end % grain)
    }
}

/// What happened at one moment.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: Tick,
    weight: u32,
}

/// What happened within the last `SPAN_MS` milliseconds: what is that old exactly has left it.
///
/// It is exact while it has few runs, as it has for any limit below [`EXACT_RUNS_MAX`]. With more, moments are rounded
/// up to a coarser grain, so that memory stays bounded: what happens then leaves the window up to a grain too late,
/// and never too early.
#[derive(Debug, Default)]
pub(super) struct Window<const SPAN_MS: u32> {
    /// Oldest first.
    runs: VecDeque<Run>,
    /// The sum of their weights.
    weight: u64,
}

impl<const SPAN_MS: u32> Window<SPAN_MS> {
    /// Forgets what is too old at `now`.
    pub(super) fn slide(&mut self, now: Tick) {
        while let Some(run) = self.runs.pop_front_if(|run| now.since(run.at) >= SPAN_MS.cast_signed()) {
            self.weight -= u64::from(run.weight);
        }
    }

    /// What is in it, since it was slid last.
    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }

    /// Milliseconds from `now` until `weight` more fits below `limit`; 0 if it does now. The window was slid to `now`.
    pub(super) fn wait(&self, now: Tick, weight: u32, limit: u32) -> u32 {
        if weight == 0 || limit == 0 {
            return 0;
        }
        let mut left = self.weight + u64::from(weight);
        if left <= u64::from(limit) {
            return 0;
        }
        let makes_room = self.runs.iter().find(|run| {
            left -= u64::from(run.weight);
            left <= u64::from(limit)
        });
        makes_room.map_or(0, |run| SPAN_MS.saturating_sub_signed(now.since(run.at)))
    }

    /// Takes in what happens at `now`.
    pub(super) fn add(&mut self, now: Tick, weight: u32) {
        if weight == 0 {
            return;
        }
        let is_exact = self.runs.len() < EXACT_RUNS_MAX as usize;
        let at = now.rounded_up(if is_exact { 1 } else { SPAN_MS.div_ceil(EXACT_RUNS_MAX) });
        self.weight += u64::from(weight);
        if let Some(last) = self.runs.back_mut()
            && last.at.since(at) >= 0
            && let Some(sum) = last.weight.checked_add(weight)
        {
            last.weight = sum;
            return;
        }
        self.runs.push_back(Run { at, weight });
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_never_goes_back_even_where_moments_wrap_around() {
        for grain in [1, 59, 60, 1000] {
            for tick in [0, 1, 58, 59, 60, u32::MAX - 1000, u32::MAX - 59, u32::MAX - 1, u32::MAX] {
                let ahead = Tick(tick).rounded_up(grain).since(Tick(tick));
                assert!((0..grain.cast_signed()).contains(&ahead), "{tick} by {grain}: {ahead}");
            }
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_limit() {
        // Moments wrap around half-way.
        let tick = |ms: u32| Tick((u32::MAX - 150_000).wrapping_add(ms));
        let mut window = Window::<60_000>::default();
        for ms in 0..300_000 {
            window.slide(tick(ms));
            window.add(tick(ms), 3);
            assert!(window.runs.len() <= 2 * EXACT_RUNS_MAX as usize, "{} runs at {ms}", window.runs.len());
            let least = u64::from(3 * (ms + 1).min(60_000));
            let most = u64::from(3 * (ms + 1).min(60_000 + 60));
            assert!((least..=most).contains(&window.weight()), "{} at {ms}", window.weight());
        }
        window.slide(tick(360_060));
        assert!(window.is_empty() && window.weight() == 0);
    }
}

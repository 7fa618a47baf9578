//! A room's own time, by which presence goes: the wall clock may be set, and nobody comes, goes or falls asleep by that.

use std::time::Duration;

use crate::ids::UnixMillis;

/// Being ahead by so little is not worth a look at everybody.
const AHEAD_MAX: Duration = Duration::from_secs(1);

/// How long the room has been there. What happens has the time of the wall clock, and every second or so a clock that never
/// goes back says what that was worth.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// What both said last.
    told: Option<(UnixMillis, Duration)>,
    /// The room's time then.
    passed: Duration,
}

impl Clock {
    /// The room's time when the wall clock says `now`. If that was set since [`Self::tell`], it is as late as the wall clock
    /// went forward, or as early as that call where it went back.
    pub(super) fn at(&self, now: UnixMillis) -> Duration {
        let since = self.told.map_or(0, |(told, _)| now.since(told));
        self.passed + Duration::from_millis(since)
    }

    /// Both clocks say so; `at` never goes back. The room's time, and whether [`Self::at`] may have been ahead of it.
    pub(super) fn tell(&mut self, now: UnixMillis, at: Duration) -> (Duration, bool) {
        let guessed = self.at(now);
        let (_, before) = self.told.unwrap_or((now, at));
        self.passed += at.saturating_sub(before);
        self.told = Some((now, at.max(before)));
        (self.passed, guessed > self.passed + AHEAD_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn check(clock: &Clock, now: u64, milliseconds: u64) {
        assert_eq!(clock.at(UnixMillis(now)), Duration::from_millis(milliseconds), "at {now}");
    }

    fn tell(clock: &mut Clock, now: u64, at: u64) -> (u64, bool) {
        let (passed, is_ahead) = clock.tell(UnixMillis(now), Duration::from_millis(at));
        (u64::try_from(passed.as_millis()).unwrap(), is_ahead)
    }

    #[test]
    fn time_passes_as_it_does_whatever_the_wall_clock_says() {
        let mut clock = Clock::default();
        check(&clock, DAY_MS, 0);
        assert_eq!(tell(&mut clock, DAY_MS, 5_000), (0, false));
        check(&clock, DAY_MS + 700, 700);
        assert_eq!(tell(&mut clock, DAY_MS + 1_000, 6_000), (1_000, false));
        // It is set back, and then forward.
        check(&clock, 50, 1_000);
        assert_eq!(tell(&mut clock, 100, 7_000), (2_000, false));
        check(&clock, 150, 2_050);
        check(&clock, DAY_MS, 2_000 + DAY_MS - 100);
        assert_eq!(tell(&mut clock, DAY_MS, 8_000), (3_000, true));
        check(&clock, DAY_MS + 10, 3_010);
        assert_eq!(tell(&mut clock, DAY_MS + 900, 8_000), (3_000, false), "a little is nothing");
    }
}

//! The rates of one connection.

use super::window::{Tick, Window};
use super::{RateLimit, RateLimits};
use crate::ids::UnixMillis;

const SECOND_MS: u32 = 1_000;
const MINUTE_MS: u32 = 60 * SECOND_MS;

/// What is remembered of how often one connection speaks: nothing before it has spoken and after it has been silent for
/// a minute ([`Self::release`]); with the default limits at most 3 KiB.
#[derive(Debug, Default)]
pub struct Rates {
    windows: Option<Box<Windows>>,
}

// There is one for each connection, and most connections are silent.
const _: () = assert!(size_of::<Rates>() == 8);

/// A message that somebody wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As how many messages it counts.
    pub weight: u32,
    /// It counts a second only, not a minute.
    pub burst_only: bool,
    /// It is a large one.
    pub is_large: bool,
}

/// A message was one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit; that with the longest wait where there are several.
    pub limit: RateLimit,
    /// Whole seconds after which it would be accepted, if nothing else is sent meanwhile.
    pub retry_after: u64,
    /// Attempts within the limit's time, accepted or not, this one included.
    pub current: u64,
    /// How many the limit allows.
    pub allowed: u32,
    /// There were so many refusals that the connection is to be closed.
    pub closes: bool,
}

#[derive(Debug, Default)]
struct Windows {
    /// When somebody asked last, by a clock that may go back.
    asked_at: UnixMillis,
    /// The same by one that does not: while the other goes back this one stands still.
    tick: Tick,
    messages: Attempts<MINUTE_MS>,
    burst: Attempts<SECOND_MS>,
    large: Attempts<SECOND_MS>,
    refusals: Window<MINUTE_MS>,
}

/// What was tried within a time.
#[derive(Debug, Default)]
struct Attempts<const SPAN_MS: u32> {
    accepted: Window<SPAN_MS>,
    refused: Window<SPAN_MS>,
}

impl Rates {
    /// Whether a message may be taken in at `now`; it counts as accepted or as refused from then on.
    ///
    /// What weighs more than a limit allows at all counts as all that it allows, so that it is accepted after a pause.
    ///
    /// # Errors
    /// It is one too many.
    pub fn admit(&mut self, now: UnixMillis, limits: &RateLimits, attempt: Attempt) -> Result<(), Exceeded> {
        if limits.are_off() {
            return Ok(());
        }
        let windows = self.windows.get_or_insert_default();
        windows.slide(now);
        let Some((limit, wait_ms)) = windows.longest_wait(limits, attempt) else {
            windows.accept(limits, attempt);
            return Ok(());
        };
        let closes = windows.refuse(limits, attempt);
        let (current, allowed) = match limit {
            RateLimit::MessageRate => (windows.messages.current(), limits.messages_per_minute),
            RateLimit::BurstRate => (windows.burst.current(), limits.burst_per_second),
            RateLimit::LargeMessage => (windows.large.current(), limits.large_messages_per_second),
        };
        Err(Exceeded { limit, retry_after: wait_ms.div_ceil(SECOND_MS).into(), current, allowed, closes })
    }

    /// Gives the memory back if nothing at all happened within the last minute.
    pub fn release(&mut self, now: UnixMillis) {
        if let Some(windows) = &mut self.windows {
            windows.slide(now);
            if windows.is_empty() {
                self.windows = None;
            }
        }
    }
}

impl Windows {
    /// Moves on to `now`.
    fn slide(&mut self, now: UnixMillis) {
        let elapsed = now.since(self.asked_at);
        match u32::try_from(elapsed) {
            // Moments are rounded up by less than a second.
            Ok(elapsed) if elapsed < MINUTE_MS + SECOND_MS => {
                self.asked_at = now;
                self.tick = Tick(self.tick.0.wrapping_add(elapsed));
                self.messages.slide(self.tick);
                self.burst.slide(self.tick);
                self.large.slide(self.tick);
                self.refusals.slide(self.tick);
            }
            _ => *self = Self { asked_at: now, ..Self::default() },
        }
    }

    /// The limit that has to be waited for the longest, and how long in milliseconds; `None` if the attempt fits.
    fn longest_wait(&self, limits: &RateLimits, attempt: Attempt) -> Option<(RateLimit, u32)> {
        let Weights { messages, burst, large } = Weights::of(limits, attempt);
        let waits = [
            (RateLimit::MessageRate, self.messages.accepted.wait(self.tick, messages, limits.messages_per_minute)),
            (RateLimit::BurstRate, self.burst.accepted.wait(self.tick, burst, limits.burst_per_second)),
            (RateLimit::LargeMessage, self.large.accepted.wait(self.tick, large, limits.large_messages_per_second)),
        ];
        let waited_for = waits.into_iter().filter(|(_, wait_ms)| *wait_ms > 0);
        // Of equal ones the first.
        waited_for.reduce(|longest, other| if other.1 > longest.1 { other } else { longest })
    }

    fn accept(&mut self, limits: &RateLimits, attempt: Attempt) {
        let Weights { messages, burst, large } = Weights::of(limits, attempt);
        self.messages.accepted.add(self.tick, messages);
        self.burst.accepted.add(self.tick, burst);
        self.large.accepted.add(self.tick, large);
    }

    /// Whether there were so many refusals that the connection is to be closed. They are counted anew then.
    fn refuse(&mut self, limits: &RateLimits, attempt: Attempt) -> bool {
        let Weights { messages, burst, large } = Weights::of(limits, attempt);
        self.messages.refused.add(self.tick, messages);
        self.burst.refused.add(self.tick, burst);
        self.large.refused.add(self.tick, large);
        self.refusals.add(self.tick, 1);
        let closes = limits.refusals_per_minute != 0 && self.refusals.weight() >= limits.refusals_per_minute.into();
        if closes {
            self.refusals = Window::default();
        }
        closes
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.burst.is_empty() && self.large.is_empty() && self.refusals.is_empty()
    }
}

impl<const SPAN_MS: u32> Attempts<SPAN_MS> {
    fn slide(&mut self, now: Tick) {
        self.accepted.slide(now);
        self.refused.slide(now);
    }

    const fn current(&self) -> u64 {
        self.accepted.weight() + self.refused.weight()
    }

    fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.refused.is_empty()
    }
}

/// What an attempt weighs in each window; 0 where it does not count, or nothing is limited.
struct Weights {
    messages: u32,
    burst: u32,
    large: u32,
}

impl Weights {
    fn of(limits: &RateLimits, attempt: Attempt) -> Self {
        let Attempt { weight, burst_only, is_large } = attempt;
        Self {
            messages: if burst_only { 0 } else { weight.min(limits.messages_per_minute) },
            burst: weight.min(limits.burst_per_second),
            large: u32::from(is_large).min(limits.large_messages_per_second),
        }
    }
}

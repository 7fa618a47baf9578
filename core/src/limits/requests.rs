//! How often one caller asks over HTTP.

use super::window::{Tick, Window};

const MINUTE_MS: u32 = 60_000;

/// The requests of one caller that were accepted within the last minute, by a clock that never goes back. Refused ones
/// do not count.
///
/// To be asked at least once in 24 days, or forgotten: moments are compared with one another.
#[derive(Debug, Default)]
pub struct Requests {
    accepted: Window<MINUTE_MS>,
}

/// How a caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests accepted in any minute.
    pub limit: u32,
    /// So many more would be accepted now.
    pub remaining: u32,
    /// Milliseconds after which it is one more, if nothing else is asked meanwhile; 0 if it is all of the limit now.
    pub wait_ms: u32,
}

impl Requests {
    /// Whether one more request is accepted at `now_ms`, and how its caller stands after it. A limit of 0 is none.
    pub fn admit(&mut self, now_ms: u64, limit: u32) -> (bool, Standing) {
        self.slide(now_ms);
        let now = Tick::at(now_ms);
        let accepts = self.accepted.wait(now, 1, limit) == 0;
        if accepts && limit != 0 {
            self.accepted.add(now, 1);
        }
        (accepts, self.standing(now, limit))
    }

    /// How the caller stands at `now_ms`, without another request.
    pub fn look(&mut self, now_ms: u64, limit: u32) -> Standing {
        self.slide(now_ms);
        self.standing(Tick::at(now_ms), limit)
    }

    /// Forgets what is too old at `now_ms`, as every question does.
    pub fn slide(&mut self, now_ms: u64) {
        self.accepted.slide(Tick::at(now_ms));
    }

    fn standing(&self, now: Tick, limit: u32) -> Standing {
        let accepted = u32::try_from(self.accepted.weight()).unwrap_or(u32::MAX);
        let remaining = limit.saturating_sub(accepted);
        let wait_ms = if remaining == limit { 0 } else { self.accepted.wait(now, remaining + 1, limit) };
        Standing { limit, remaining, wait_ms }
    }
}

impl Standing {
    /// How a caller stands that has not asked within the last minute.
    #[must_use]
    pub const fn fresh(limit: u32) -> Self {
        Self { limit, remaining: limit, wait_ms: 0 }
    }
}

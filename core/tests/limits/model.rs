//! What the rates have to be, said as plainly as can be and at whatever cost.

use jddb_core::limits::{Attempt, Exceeded, RateLimit, RateLimits};

const LIMITS: [RateLimit; 3] = [RateLimit::MessageRate, RateLimit::BurstRate, RateLimit::LargeMessage];

/// All that was tried, in order: when in milliseconds, what, and whether it was accepted.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) tried: Vec<(u64, Attempt, bool)>,
    /// Refusals before this one have closed a connection already.
    pub(crate) refused_from: usize,
}

impl Model {
    pub(crate) fn admit(&mut self, now: u64, limits: &RateLimits, attempt: Attempt) -> Result<(), Exceeded> {
        let waits = LIMITS.map(|limit| (limit, self.wait(now, limits, limit, attempt)));
        let longest = waits.iter().map(|(_, wait)| *wait).max().unwrap_or(0);
        self.tried.push((now, attempt, longest == 0));
        let Some((limit, _)) = waits.into_iter().find(|(_, wait)| *wait == longest && longest > 0) else {
            return Ok(());
        };
        let recent = self.tried[self.refused_from..].iter().filter(|(at, _, accepted)| !accepted && at + 60_000 > now);
        let closes = limits.refusals_per_minute > 0 && recent.count() as u64 >= u64::from(limits.refusals_per_minute);
        if closes {
            self.refused_from = self.tried.len();
        }
        let current = self.within(now, limits, limit, |_| true);
        Err(Exceeded { limit, retry_after: longest.div_ceil(1_000), current, allowed: allowed(limits, limit), closes })
    }

    /// The sum of what counts for a limit in its time before `now`.
    pub(crate) fn within(&self, now: u64, limits: &RateLimits, limit: RateLimit, only: impl Fn(bool) -> bool) -> u64 {
        let recent = self.tried.iter().filter(|(at, _, accepted)| at + span(limit) > now && only(*accepted));
        recent.map(|(_, attempt, _)| weight(limits, limit, *attempt)).sum()
    }

    /// Milliseconds after which the attempt fits below a limit, if nothing else happens.
    fn wait(&self, now: u64, limits: &RateLimits, limit: RateLimit, attempt: Attempt) -> u64 {
        let weight = weight(limits, limit, attempt);
        let fits =
            |at: u64| self.within(at, limits, limit, |accepted| accepted) + weight <= u64::from(allowed(limits, limit));
        if weight == 0 || fits(now) {
            return 0;
        }
        // Room is made only when something leaves the window.
        let leaves = self.tried.iter().map(|(at, _, _)| at + span(limit)).filter(|at| *at > now);
        leaves.filter(|at| fits(*at)).min().unwrap() - now
    }
}

pub(crate) fn span(limit: RateLimit) -> u64 {
    if limit == RateLimit::MessageRate { 60_000 } else { 1_000 }
}

pub(crate) fn allowed(limits: &RateLimits, limit: RateLimit) -> u32 {
    match limit {
        RateLimit::MessageRate => limits.messages_per_minute,
        RateLimit::BurstRate => limits.burst_per_second,
        RateLimit::LargeMessage => limits.large_messages_per_second,
    }
}

fn weight(limits: &RateLimits, limit: RateLimit, attempt: Attempt) -> u64 {
    let weight = match limit {
        RateLimit::MessageRate if attempt.burst_only => 0,
        RateLimit::MessageRate | RateLimit::BurstRate => attempt.weight,
        RateLimit::LargeMessage => attempt.is_large.into(),
    };
    weight.min(allowed(limits, limit)).into()
}

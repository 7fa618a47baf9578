//! Limits too high to remember every message: never more than they allow, and hardly less.

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{Attempt, RateLimits, Rates};
use proptest::prelude::*;

use super::{ONE, START};

/// By how much a message may be remembered too long, in milliseconds.
const GRAIN: u64 = 59;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn wide_windows_are_kept_to_and_used(
        per_minute in 1_025_u32..4_000,
        weights in prop::collection::vec((0_u64..120, 1_u32..40), 1_500),
    ) {
        let limits = RateLimits { messages_per_minute: per_minute, ..RateLimits::OFF };
        let mut rates = Rates::default();
        let mut accepted: Vec<(u64, u32)> = Vec::new();
        let mut now = START.0;
        let mut refused = 0;
        for (pause, weight) in weights {
            now += pause;
            let since = |span: u64| {
                let recent = accepted.iter().rev().take_while(|(at, _)| at + span > now);
                recent.map(|(_, weight)| u64::from(*weight)).sum::<u64>() + u64::from(weight)
            };
            let limit = u64::from(per_minute);
            match rates.admit(UnixMillis(now), &limits, Attempt { weight, ..ONE }) {
                Ok(()) => {
                    prop_assert!(since(60_000) <= limit);
                    accepted.push((now, weight));
                }
                Err(exceeded) => {
                    prop_assert!(since(60_000 + GRAIN) > limit, "refused for no reason");
                    prop_assert_eq!(exceeded.allowed, per_minute);
                    refused += 1;
                }
            }
        }
        prop_assert!(refused > 0, "the limit was never met");
    }
}

//! Random attempts at random moments: every verdict is the model's, and no window ever holds too much.

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{Attempt, RateLimit, RateLimits, Rates};
use proptest::prelude::*;

use super::model::{Model, allowed, span};
use super::{DEFAULTS, ONE, START};

fn limits() -> impl Strategy<Value = RateLimits> {
    (0_u32..9, 0_u32..5, 0_u32..3, 0_u32..7).prop_map(|(minute, burst, large, refusals)| RateLimits {
        messages_per_minute: minute,
        burst_per_second: burst,
        large_message_bytes: 10_240,
        large_messages_per_second: large,
        refusals_per_minute: refusals,
    })
}

fn attempts() -> impl Strategy<Value = Vec<(u64, Attempt)>> {
    let pause = prop_oneof![
        6 => Just(0_u64),
        4 => 1_u64..400,
        2 => prop::sample::select(vec![998_u64, 999, 1_000, 1_001]),
        2 => 1_000_u64..20_000,
        1 => prop::sample::select(vec![58_999_u64, 59_000, 59_999, 60_000, 60_001, 61_000, 5_000_000_000]),
    ];
    let attempt = (1_u32..12, prop::bool::weighted(0.2), prop::bool::weighted(0.3))
        .prop_map(|(weight, burst_only, is_large)| Attempt { weight: weight.max(8) - 7, burst_only, is_large });
    prop::collection::vec((pause, attempt), 1..120)
}

/// A window ends with what was accepted last in it, so these are all there are.
fn check_windows(model: &Model, limits: &RateLimits) {
    for limit in [RateLimit::MessageRate, RateLimit::BurstRate, RateLimit::LargeMessage] {
        for (end, (at, _, _)) in model.tried.iter().enumerate() {
            let until = Model { tried: model.tried[..=end].to_vec(), ..Model::default() };
            let held = until.within(*at, limits, limit, |accepted| accepted);
            let most = u64::from(allowed(limits, limit));
            assert!(held <= most, "{held} for {limit:?} in the {} ms to {at}", span(limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_verdict_is_the_models(limits in limits(), attempts in attempts()) {
        let (mut rates, mut model) = (Rates::default(), Model::default());
        let mut now = START.0;
        for (pause, attempt) in attempts {
            now += pause;
            prop_assert_eq!(rates.admit(UnixMillis(now), &limits, attempt), model.admit(now, &limits, attempt));
        }
        check_windows(&model, &limits);
    }

    /// Giving memory back between any two attempts changes nothing, and neither does a change of limits there and back.
    #[test]
    fn what_happens_in_between_changes_no_verdict(attempts in attempts(), breaks in prop::collection::vec(0_usize..4, 120)) {
        let (mut rates, mut plain) = (Rates::default(), Rates::default());
        let mut now = START.0;
        for ((pause, attempt), kind) in attempts.into_iter().zip(breaks) {
            now += pause / 2;
            if kind == 0 {
                rates.release(UnixMillis(now));
            }
            now += pause - pause / 2;
            let at = UnixMillis(now);
            prop_assert_eq!(rates.admit(at, &DEFAULTS, attempt), plain.admit(at, &DEFAULTS, attempt));
        }
    }
}

#[test]
fn the_references_example_is_said_as_it_stands_there() {
    let mut rates = Rates::default();
    let mut now = START;
    for _ in 0..100 {
        rates.admit(now, &DEFAULTS, ONE).unwrap();
        now = now.plus(100);
    }
    let refused = (0..5).map(|_| rates.admit(now, &DEFAULTS, ONE).unwrap_err()).last().unwrap();
    assert_eq!(refused.limit.name(), "message_rate");
    assert_eq!(refused.limit.rate(refused.current), "105 messages/minute");
    assert_eq!(refused.limit.rate(refused.allowed.into()), "100 messages/minute");
    assert_eq!(refused.retry_after, 50);
    assert!(rates.admit(now.plus(50_000), &DEFAULTS, ONE).is_ok());
}

#[test]
fn what_weighs_more_than_a_window_holds_takes_all_of_it() {
    let mut rates = Rates::default();
    let batch = Attempt { weight: 100, ..ONE };
    rates.admit(START, &DEFAULTS, batch).unwrap();
    let refused = rates.admit(START.plus(999), &DEFAULTS, ONE).unwrap_err();
    assert_eq!((refused.limit, refused.current, refused.retry_after), (RateLimit::MessageRate, 101, 60));
    assert!(rates.admit(START.plus(60_000), &DEFAULTS, batch).is_ok());
}

#[test]
fn the_twentieth_refusal_within_a_minute_closes() {
    let mut rates = Rates::default();
    (0..10).for_each(|_| rates.admit(START, &DEFAULTS, ONE).unwrap());
    let closes = |rates: &mut Rates, at: u64| rates.admit(START.plus(at), &DEFAULTS, ONE).unwrap_err().closes;
    // The window of accepted messages is kept full, so that every other attempt is refused.
    for ms in 0..19 {
        assert!(!closes(&mut rates, ms));
    }
    assert!(closes(&mut rates, 999));
    assert!(!closes(&mut rates, 999), "they are counted anew");
}

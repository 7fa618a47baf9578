//! Clocks that are set while somebody speaks.

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{RateLimit, Rates};
use proptest::prelude::*;

use super::model::{Model, allowed};
use super::{DEFAULTS, ONE, START};

#[test]
fn nobody_is_locked_out_when_the_clock_goes_back() {
    let mut rates = Rates::default();
    for second in 0..10 {
        (0..10).for_each(|_| rates.admit(START.plus(second * 1_000), &DEFAULTS, ONE).unwrap());
    }
    let back = UnixMillis(START.0 - 3_600_000);
    assert_eq!(rates.admit(back, &DEFAULTS, ONE).unwrap_err().retry_after, 51);
    assert!(rates.admit(back.plus(51_000), &DEFAULTS, ONE).is_ok());
}

#[test]
fn memory_comes_back_when_the_clock_has_gone_back() {
    let mut rates = Rates::default();
    rates.admit(START, &DEFAULTS, ONE).unwrap();
    let back = UnixMillis(START.0 - 3_600_000);
    rates.release(back);
    assert!(!format!("{rates:?}").contains("None"), "the minute is not over");
    rates.release(back.plus(60_000));
    assert_eq!(format!("{rates:?}"), "Rates { windows: None }");
}

proptest! {
    /// However often the clock goes back: in no minute and no second of real time is too much accepted.
    #[test]
    fn a_clock_that_goes_back_lets_nothing_through(
        steps in prop::collection::vec((0_u64..700, prop::option::weighted(0.1, 1_u64..100_000)), 1..400),
    ) {
        let (mut rates, mut accepted) = (Rates::default(), Model::default());
        let (mut real, mut behind) = (START.0, 0);
        for (pause, back) in steps {
            real += pause;
            behind += back.unwrap_or(0);
            let verdict = rates.admit(UnixMillis(real - behind), &DEFAULTS, ONE);
            accepted.tried.push((real, ONE, verdict.is_ok()));
            for limit in [RateLimit::MessageRate, RateLimit::BurstRate] {
                let held = accepted.within(real, &DEFAULTS, limit, |accepted| accepted);
                prop_assert!(held <= u64::from(allowed(&DEFAULTS, limit)), "{} for {:?}", held, limit);
            }
        }
    }
}

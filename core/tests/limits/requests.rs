//! HTTP requests of one caller.

use std::collections::VecDeque;

use jddb_core::limits::{Requests, Standing};
use proptest::prelude::*;

proptest! {
    /// In no minute is more accepted than the limit, nothing is refused that would fit, and what is promised holds, while
    /// the limit changes as it likes.
    #[test]
    fn never_too_many_and_never_too_few(
        start in any::<u32>(),
        steps in prop::collection::vec((0_u64..30_000, 1_u32..6), 1..200),
    ) {
        let (mut requests, mut accepted) = (Requests::default(), VecDeque::new());
        let mut now = u64::from(start);
        for (pause, limit) in steps {
            // Most requests come close together.
            now += if pause < 20_000 { pause % 7 } else { pause };
            accepted.retain(|at: &u64| at + 60_000 > now);
            let fits = accepted.len() < limit as usize;
            let (accepts, standing) = requests.admit(now, limit);
            prop_assert_eq!(accepts, fits);
            if accepts {
                accepted.push_back(now);
            }
            let left = (limit as usize).saturating_sub(accepted.len());
            prop_assert_eq!((standing.limit, standing.remaining as usize), (limit, left));
            prop_assert_eq!(requests.look(now, limit), standing);
            let then = now + u64::from(standing.wait_ms);
            let more = accepted.iter().filter(|at| **at + 60_000 > then).count();
            prop_assert!(left == limit as usize || (limit as usize).saturating_sub(more) > left, "{:?}", standing);
        }
    }
}

#[test]
fn the_references_headers_hold_figure_for_figure() {
    let mut requests = Requests::default();
    let standings: Vec<Standing> = (0..50).map(|_| requests.admit(1_000, 1_000).1).collect();
    assert_eq!(standings.last(), Some(&Standing { limit: 1_000, remaining: 950, wait_ms: 60_000 }));
}

#[test]
fn no_limit_is_no_limit_and_costs_no_memory() {
    let mut requests = Requests::default();
    assert!((0..10_000).all(|now| requests.admit(now, 0).0));
    assert_eq!(requests.look(10_000, 5), Standing::fresh(5));
}

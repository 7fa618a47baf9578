//! Whole lives of a document, each from a seed: replicas end equal, and every change is made exactly once.
//!
//! `JDDB_SEEDS` says how many are run; `JDDB_SEED` runs that one alone, which a failure names.

#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jddb_core::sim::{Failure, Situation, Tally, check};

/// Schedules of an ordinary run.
const SEEDS: u64 = 100_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// Runs the seeds below `end` on all cores, until one of them fails.
fn run(end: u64) -> Result<Tally, Box<Failure>> {
    let next = AtomicU64::new(0);
    let result = Mutex::new(Ok(Tally::default()));
    let work = || {
        let mut tally = Tally::default();
        let failed = loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break None;
            }
            match check(seed) {
                Ok(more) => tally.add(&more),
                Err(failure) => break Some(failure),
            }
        };
        let mut result = result.lock().unwrap();
        if let Some(failure) = failed {
            // The others need not go on.
            next.store(end, Ordering::Relaxed);
            *result = Err(failure);
        } else if let Ok(all) = result.as_mut() {
            all.add(&tally);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    result.into_inner().unwrap()
}

#[test]
fn replicas_end_equal_and_every_change_is_made_exactly_once() {
    if let Some(seed) = setting("JDDB_SEED") {
        check(seed).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let seeds = setting("JDDB_SEEDS").unwrap_or(SEEDS);
    let tally = run(seeds).unwrap_or_else(|failure| {
        let seed = failure.seed();
        panic!("{failure}\nrepeat it with JDDB_SEED={seed} and the name of the test, or make simulate ARGS=\"--seed {seed}\"")
    });
    println!("{tally}");
    // What is never met with is never tested.
    for situation in Situation::ALL {
        let met = tally.of(situation);
        assert!(met >= seeds / 1_000, "{situation:?} was met with {met} times in {seeds} schedules");
    }
}

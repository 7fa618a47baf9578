//! The search for a case that breaks a property: seeded, and shrinking what it finds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::draft::{Case, Shape};

/// Small, fast and good enough: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound` (> 0).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from((u128::from(self.next()) * bound as u128) >> 64).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Tries `property` on `count` cases, or on that of the environment's `JDDB_SEED` alone, which a failure
/// names. The first case that fails is made smaller as long as it fails, and shown.
pub(crate) fn check(count: u64, shape: Shape, property: impl Fn(&Case) -> Result<(), String>) {
    // A panic in the code under test is a failure like any other.
    let why = |case: &Case| match catch_unwind(AssertUnwindSafe(|| property(case))) {
        Ok(result) => result.err(),
        Err(_) => Some("a panic, shown above".to_owned()),
    };
    let only = std::env::var("JDDB_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        let case = Case::random(&mut Random::new(seed), shape);
        if why(&case).is_some() {
            let case = shrink(case, |case| why(case).is_some());
            panic!("JDDB_SEED={seed} of {count}\n{case:#?}\n{}", why(&case).unwrap_or_default());
        }
    }
}

/// The smallest case near `case` that still fails.
fn shrink(mut case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    loop {
        let smaller = case.smaller().find(|smaller| fails(smaller));
        match smaller {
            Some(smaller) => case = smaller,
            None => return case,
        }
    }
}

/// Whether two things are equal, and if not, what they are.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}\n   found {found:?}\nexpected {expected:?}")) }
}

mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_shrunk_to_its_reason() {
        let fails = |case: &Case| case.drafts[1].entries.iter().any(|entry| entry.deletes >= 2);
        let found = (0..100).map(|seed| Case::random(&mut Random::new(seed), Shape::dense(2))).find(fails).unwrap();
        let case = shrink(found, fails);
        assert!(case.base.is_empty() && case.drafts[0].entries.is_empty());
        let [entry] = case.drafts[1].entries.as_slice() else { panic!("one entry is left: {case:?}") };
        assert_eq!((entry.gap, entry.text, entry.deletes), (0, "", 2));
    }
}

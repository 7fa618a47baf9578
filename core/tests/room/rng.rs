//! Chance that can be repeated.

/// SplitMix64: enough for tests, and a seed of one number.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Up to `characters_max` characters, of one to four bytes and one or two units.
    pub(crate) fn text(&mut self, characters_max: usize) -> String {
        const CHARACTERS: [char; 8] = ['a', 'b', '"', ' ', 'é', '€', '😀', '\u{10ffff}'];
        (0..self.below(characters_max + 1)).map(|_| *self.pick(&CHARACTERS)).collect()
    }
}

/// Runs `run` for each seed from 0 on, as many as `count` or the environment's `JDDB_SEEDS`; or for that of
/// `JDDB_SEED` alone, which a failure names.
pub(crate) fn for_seeds(count: u64, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let setting = |name: &str| std::env::var(name).ok().map(|number| number.parse().unwrap());
    if let Some(seed) = setting("JDDB_SEED") {
        return run(seed);
    }
    for seed in 0..setting("JDDB_SEEDS").unwrap_or(count) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("repeat it with JDDB_SEED={seed} and the name of the test");
            std::panic::resume_unwind(panic);
        }
    }
}

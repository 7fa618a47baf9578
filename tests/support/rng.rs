//! Random numbers from a printed seed (SplitMix64; Steele, Lea and Flood, 2014).

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// From the seed in `JDDB_TEST_SEED`, else a new one; printed, so that a failure can be repeated.
    pub(crate) fn from_environment(test: &str) -> Self {
        let given = std::env::var("JDDB_TEST_SEED").ok().map(|seed| seed.parse().expect("JDDB_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).expect("the system has random numbers");
            u64::from_le_bytes(bytes)
        });
        eprintln!("{test}: JDDB_TEST_SEED={seed}");
        Self(seed)
    }

    /// One of its own for somebody else.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize fits");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }
}

//! Chance that can be repeated.

/// SplitMix64: enough here, and a seed of one number.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) const fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }
}

/// The choices within one event: a number read digit by digit, each digit in the base that is asked for. A
/// smaller number makes simpler choices, and 0 the simplest ones throughout, which is how an event shrinks;
/// and it does so without an influence on the events after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// Choices of their own for what is decided later; the simplest ones again, if these are.
    pub(super) const fn other(self) -> Self {
        Self(self.0.rotate_left(32))
    }

    /// Below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = (end as u64).max(1);
        let digit = self.0 % end;
        self.0 /= end;
        usize::try_from(digit).unwrap_or(0)
    }

    /// Not the simplest choice, so false when there is nothing left to choose.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Up to `characters_max` characters, of one to four bytes and one or two units.
    pub(super) fn text(&mut self, characters_max: usize) -> String {
        const CHARACTERS: [char; 8] = ['a', 'b', '😀', 'é', '\u{301}', '\r', '\n', '"'];
        (0..self.below(characters_max + 1)).map(|_| self.pick(&CHARACTERS)).collect()
    }
}

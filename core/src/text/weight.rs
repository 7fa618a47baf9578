//! What units count as in each position encoding.

use std::ops::{AddAssign, SubAssign};

use crate::ids::PositionEncoding;

/// What a stretch of units counts as in each encoding. Of a surrogate pair, which is one code point and
/// four bytes, the first half counts as one and as three, the second as none and as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Code units of UTF-16.
    pub(super) units: usize,
    /// Bytes of UTF-8 beyond one a unit; none where all is ASCII.
    pub(super) extra: usize,
    /// Surrogate pairs.
    pub(super) pairs: usize,
}

impl Weight {
    /// The weight of `count` units, each of which is ASCII.
    pub(super) const fn ascii(count: usize) -> Self {
        Self { units: count, extra: 0, pairs: 0 }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self { units: self.units + other.units, extra: self.extra + other.extra, pairs: self.pairs + other.pairs }
    }

    pub(super) const fn in_encoding(self, encoding: PositionEncoding) -> usize {
        match encoding {
            PositionEncoding::Utf8 => self.units + self.extra,
            PositionEncoding::Utf16 => self.units,
            PositionEncoding::Utf32 => self.units - self.pairs,
        }
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl SubAssign for Weight {
    fn sub_assign(&mut self, other: Self) {
        self.units -= other.units;
        self.extra -= other.extra;
        self.pairs -= other.pairs;
    }
}

/// One UTF-16 code unit, in one byte or two.
pub(super) trait Unit: Copy + Default {
    /// What the units count as.
    fn weigh(units: &[Self]) -> Weight;
}

impl Unit for u8 {
    #[inline]
    fn weigh(units: &[Self]) -> Weight {
        let extra = match units {
            // As good as every edit.
            [unit] => usize::from(*unit >> 7),
            _ => count(units, |unit| unit >= 0x80),
        };
        Weight { extra, ..Weight::ascii(units.len()) }
    }
}

impl Unit for u16 {
    #[inline]
    fn weigh(units: &[Self]) -> Weight {
        if let [0..0x80] = units {
            return Weight::ascii(1);
        }
        let (from_two, from_three) = (count(units, |unit| unit >= 0x80), count(units, |unit| unit >= 0x800));
        let pairs = count(units, |unit| unit & 0xFC00 == 0xDC00);
        Weight { units: units.len(), extra: from_two + from_three - 2 * pairs, pairs }
    }
}

/// How many units are such that they count. In stretches, each counted in a byte, so that the compiler
/// can take many units at a time.
fn count<T: Unit>(units: &[T], counts: impl Fn(T) -> bool) -> usize {
    let stretch = |units: &[T]| units.iter().map(|&unit| u8::from(counts(unit))).sum::<u8>();
    units.chunks(u8::MAX.into()).map(|units| usize::from(stretch(units))).sum()
}

/// Adds to `seen` what the first of `units` count as, as few of them as make it `enough`; whether they do.
pub(super) fn weigh_until<T: Unit>(units: &[T], seen: &mut Weight, enough: impl Fn(Weight) -> bool) -> bool {
    let mut rest = units;
    // Many at a time first: a stretch is weighed much faster than its units one by one.
    for stretch in [128, 16, 1] {
        while let Some(units) = rest.get(..stretch) {
            let with = seen.plus(T::weigh(units));
            if enough(with) {
                break;
            }
            *seen = with;
            rest = &rest[stretch..];
        }
    }
    let last = &rest[..rest.len().min(1)];
    *seen += T::weigh(last);
    !last.is_empty()
}

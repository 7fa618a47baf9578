//! A leaf: up to 2 KiB of units that lie together, with a gap among them where the last edit was.

use super::weight::{Unit, Weight, weigh_until};

/// The most that a leaf holds. Small under test, so that seams are everywhere.
const LEAF_BYTES_MAX: usize = if cfg!(test) { 8 } else { 2048 };
/// A leaf grows to a multiple of so many bytes.
const LEAF_BYTES_STEP: usize = if cfg!(test) { 2 } else { 16 };

// Counts of a leaf are kept in 16 bits, and a unit is up to three bytes of UTF-8.
const _: () = assert!(3 * LEAF_BYTES_MAX <= u16::MAX as usize);

/// Units that lie together. Those of the last edit are at the gap, so that the next key moves none.
#[derive(Clone, Debug)]
pub(super) struct Leaf<T> {
    /// The units, and the gap: `slots.len() - len` of them, from `gap` on. `gap ≤ len ≤ slots.len()`.
    slots: Box<[T]>,
    gap: u16,
    len: u16,
    extra: u16,
    pairs: u16,
}

impl<T: Unit> Leaf<T> {
    pub(super) const UNITS_MAX: usize = LEAF_BYTES_MAX / size_of::<T>();
    /// A leaf of no more than this is joined to its neighbour if both fit in one.
    pub(super) const UNITS_FEW: usize = Self::UNITS_MAX / 4;
    /// What leaves are filled to where there is much to fill them with: room for some edits.
    const UNITS_FILL: usize = Self::UNITS_MAX * 3 / 4;

    /// A leaf of at most `UNITS_MAX` units.
    fn new<S: Unit>(units: &[S]) -> Self
    where
        T: From<S>,
    {
        let slots = units.iter().map(|&unit| unit.into()).collect();
        let mut leaf = Self { slots, gap: short(units.len()), len: 0, extra: 0, pairs: 0 };
        leaf.set_weight(S::weigh(units));
        leaf
    }

    /// Cuts units into leaves of equal size, each with room to grow.
    pub(super) fn cut<S: Unit>(units: &[S]) -> impl Iterator<Item = Self>
    where
        T: From<S>,
    {
        let count = units.len().div_ceil(Self::UNITS_FILL);
        (0..count).map(move |i| Self::new(&units[i * units.len() / count..(i + 1) * units.len() / count]))
    }

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) const fn weight(&self) -> Weight {
        Weight { units: self.len as usize, extra: self.extra as usize, pairs: self.pairs as usize }
    }

    pub(super) const fn is_small(&self) -> bool {
        self.len() <= Self::UNITS_FEW
    }

    pub(super) const fn has_room_for(&self, count: usize) -> bool {
        self.len() + count <= Self::UNITS_MAX
    }

    /// The units before the gap and those after it.
    pub(super) fn parts(&self) -> [&[T]; 2] {
        [&self.slots[..usize::from(self.gap)], &self.slots[self.gap_end()..]]
    }

    pub(super) fn get(&self, at: usize) -> T {
        let in_front = at < usize::from(self.gap);
        self.slots[if in_front { at } else { at + self.slots.len() - self.len() }]
    }

    /// What the units from `from` to `to` count as.
    pub(super) fn weigh(&self, from: usize, to: usize) -> Weight {
        let [front, back] = self.parts();
        let cut = |units: &[T], start: usize| {
            let place = |at: usize| at.saturating_sub(start).min(units.len());
            T::weigh(&units[place(from)..place(to)])
        };
        cut(front, 0).plus(cut(back, front.len()))
    }

    /// Adds to `seen` what the first units count as, as few of them as make it `enough`.
    pub(super) fn weigh_until(&self, seen: &mut Weight, enough: impl Fn(Weight) -> bool) {
        let [front, back] = self.parts();
        if !weigh_until(front, seen, &enough) {
            weigh_until(back, seen, enough);
        }
    }

    /// Puts `units`, for which there is room, before the one at `at`; gives what they count as.
    // Always inlined: what is weighed stays in registers, and a key waits for no store to be read back.
    #[inline(always)]
    pub(super) fn insert<S: Unit>(&mut self, at: usize, units: &[S]) -> Weight
    where
        T: From<S>,
    {
        self.place(at, units);
        let weight = S::weigh(units);
        self.set_weight(self.weight().plus(weight));
        weight
    }

    /// Puts `units` before the one at `at`, without counting them.
    fn place<S: Unit>(&mut self, at: usize, units: &[S])
    where
        T: From<S>,
    {
        self.open(at, units.len());
        match units {
            &[unit] => self.slots[at] = unit.into(),
            _ => self.slots[at..at + units.len()].iter_mut().zip(units).for_each(|(slot, &unit)| *slot = unit.into()),
        }
        self.gap = short(at + units.len());
    }

    /// Puts one ASCII `unit` at `at`, if that is where the gap is; whether it is.
    #[inline]
    pub(super) fn type_key(&mut self, at: usize, unit: T) -> bool {
        let here = at == usize::from(self.gap) && self.len() < self.slots.len();
        if here {
            self.slots[at] = unit;
            self.gap += 1;
            self.len += 1;
        }
        here
    }

    /// Takes out the units from `from` to `to`, hands them to `removed`, gives what they count as.
    #[inline(always)]
    pub(super) fn remove(&mut self, from: usize, to: usize, removed: impl FnOnce(&[T])) -> Weight {
        // A backspace takes what is before the gap, and nothing has to move.
        let cut_from = if to == usize::from(self.gap) { from } else { self.move_gap(from) };
        let cut = &self.slots[cut_from..cut_from + to - from];
        // Of a pair whose halves are in two leaves, the second half has nothing extra.
        let ascii = self.extra == 0 && self.pairs == 0;
        let weight = if ascii { Weight::ascii(cut.len()) } else { T::weigh(cut) };
        removed(cut);
        self.gap = short(from);
        let mut left = self.weight();
        left -= weight;
        self.set_weight(left);
        self.shrink();
        weight
    }

    /// Takes the units of `other` over, which have to fit, behind those that are here.
    pub(super) fn append(&mut self, other: &Self) {
        for part in other.parts() {
            self.insert(self.len(), part);
        }
    }

    /// Gives memory back where less than three quarters of it are in use.
    #[inline]
    fn shrink(&mut self) {
        if self.len() < self.slots.len() / 4 * 3 {
            self.resize(self.len());
        }
    }

    #[inline]
    fn gap_end(&self) -> usize {
        usize::from(self.gap) + self.slots.len() - self.len()
    }

    /// Moves the gap to `at` and makes room in it for `count` units.
    fn open(&mut self, at: usize, count: usize) {
        self.move_gap(at);
        if self.len() + count > self.slots.len() {
            self.resize(self.len() + count);
        }
    }

    /// Moves the gap to the units from `to` on, and gives the slot of the first of them.
    fn move_gap(&mut self, to: usize) -> usize {
        let (gap, end) = (usize::from(self.gap), self.gap_end());
        if to < gap {
            self.slots.copy_within(to..gap, end - (gap - to));
        } else if to > gap {
            self.slots.copy_within(end..end + (to - gap), gap);
        }
        self.gap = short(to);
        self.gap_end()
    }

    /// Makes the gap as large as `needed` units in all want it. Growth is in small steps: that they are
    /// many costs a typist little, but room that stays empty would cost each text in memory.
    #[cold]
    fn resize(&mut self, needed: usize) {
        let step = LEAF_BYTES_STEP / size_of::<T>();
        let size = (needed + needed / 8).next_multiple_of(step).min(Self::UNITS_MAX);
        let [front, back] = self.parts();
        let mut slots = Vec::with_capacity(size);
        slots.extend_from_slice(front);
        slots.resize(size - back.len(), T::default());
        slots.extend_from_slice(back);
        self.slots = slots.into_boxed_slice();
    }

    fn set_weight(&mut self, weight: Weight) {
        self.len = short(weight.units);
        self.extra = short(weight.extra);
        self.pairs = short(weight.pairs);
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!((1..=Self::UNITS_MAX).contains(&self.len()), "{} units in a leaf", self.len());
        assert!(self.gap <= self.len && self.len() <= self.slots.len() && self.slots.len() <= Self::UNITS_MAX);
        assert_eq!(self.weight(), T::weigh(&self.parts().concat()));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no count of a leaf exceeds 16 bits, see above")]
const fn short(count: usize) -> u16 {
    count as u16
}

//! A sequence of units in leaves of a few KiB, so that an edit moves little memory.

use std::cell::Cell;

/// The most units of one leaf. Small under test, so that seams are everywhere.
const LEAF_UNITS_MAX: usize = if cfg!(test) { 4 } else { 2048 };
/// A leaf shorter than this is joined to its neighbour if both fit in one.
const LEAF_UNITS_FEW: usize = LEAF_UNITS_MAX / 4;

/// What a stretch of units counts as in each encoding. A surrogate pair counts where its first half is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) utf8: usize,
    pub(super) utf16: usize,
    pub(super) utf32: usize,
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self { utf8: self.utf8 + other.utf8, utf16: self.utf16 + other.utf16, utf32: self.utf32 + other.utf32 }
    }

    fn minus(self, other: Self) -> Self {
        Self { utf8: self.utf8 - other.utf8, utf16: self.utf16 - other.utf16, utf32: self.utf32 - other.utf32 }
    }
}

/// One UTF-16 code unit, in one byte or two.
pub(super) trait Unit: Copy {
    /// What the units count as; without branches, so that the compiler can take many at a time.
    fn weigh(units: &[Self]) -> Weight;
}

impl Unit for u8 {
    fn weigh(units: &[Self]) -> Weight {
        let two_bytes = units.iter().filter(|&&unit| unit >= 0x80).count();
        Weight { utf8: units.len() + two_bytes, utf16: units.len(), utf32: units.len() }
    }
}

impl Unit for u16 {
    fn weigh(units: &[Self]) -> Weight {
        let count = |counts: fn(Self) -> bool| units.iter().filter(|&&unit| counts(unit)).count();
        let (from_two, from_three) = (count(|unit| unit >= 0x80), count(|unit| unit >= 0x800));
        let low_surrogates = count(|unit| unit & 0xFC00 == 0xDC00);
        let high_surrogates = count(|unit| unit & 0xFC00 == 0xD800);
        Weight {
            utf8: units.len() + from_two + from_three + high_surrogates - 3 * low_surrogates,
            utf16: units.len(),
            utf32: units.len() - low_surrogates,
        }
    }
}

#[derive(Clone, Debug)]
struct Leaf<T> {
    units: Vec<T>,
    weight: Weight,
}

impl<T: Unit> Leaf<T> {
    fn new(units: &[T]) -> Self {
        Self { units: units.to_vec(), weight: T::weigh(units) }
    }

    fn len(&self) -> usize {
        self.units.len()
    }
}

/// Units in order, cut into leaves; no leaf is empty.
#[derive(Clone, Debug)]
pub(super) struct Leaves<T> {
    leaves: Vec<Leaf<T>>,
    weight: Weight,
    /// A leaf and the position of its first unit: edits are near one another.
    finger: Cell<(usize, usize)>,
}

impl<T> Default for Leaves<T> {
    fn default() -> Self {
        Self { leaves: Vec::new(), weight: Weight::default(), finger: Cell::new((0, 0)) }
    }
}

impl<T: Unit> Leaves<T> {
    pub(super) fn len(&self) -> usize {
        self.weight.utf16
    }

    /// What all units count as.
    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.leaves.iter().map(|leaf| leaf.units.as_slice())
    }

    pub(super) fn map<U: Unit>(&self, map: impl Fn(T) -> U) -> Leaves<U> {
        let map_leaf = |leaf: &Leaf<T>| {
            let units = leaf.units.iter().map(|&unit| map(unit)).collect();
            Leaf { units, weight: leaf.weight }
        };
        let leaves = self.leaves.iter().map(map_leaf).collect();
        Leaves { leaves, weight: self.weight, finger: self.finger.clone() }
    }

    /// The unit at `position`, which must exist.
    pub(super) fn get(&self, position: usize) -> T {
        let (leaf, start) = self.locate(position);
        self.leaves[leaf].units[position - start]
    }

    /// What the units from the start on count as, as few of them as measure `target` or more; all, if
    /// even they do not.
    pub(super) fn seek(&self, target: usize, measure: impl Fn(Weight) -> usize) -> Weight {
        let mut seen = Weight::default();
        for leaf in &self.leaves {
            if measure(seen.plus(leaf.weight)) < target {
                seen = seen.plus(leaf.weight);
                continue;
            }
            for unit in &leaf.units {
                if measure(seen) >= target {
                    break;
                }
                seen = seen.plus(T::weigh(std::slice::from_ref(unit)));
            }
            break;
        }
        seen
    }

    /// What the units from `from` to `to` count as.
    pub(super) fn weigh(&self, from: usize, to: usize) -> Weight {
        let mut weight = Weight::default();
        let (mut leaf, mut start) = self.locate(from);
        let mut at = from;
        while at < to {
            let units = &self.leaves[leaf].units;
            let end = (start + units.len()).min(to);
            weight = weight.plus(T::weigh(&units[at - start..end - start]));
            start += units.len();
            leaf += 1;
            at = end;
        }
        weight
    }

    /// Replaces `deleted` units from `position` on; hands the old ones to `removed`, in order.
    pub(super) fn splice(&mut self, position: usize, deleted: usize, inserted: &[T], removed: impl FnMut(&[T])) {
        self.remove(position, deleted, removed);
        if !inserted.is_empty() {
            self.insert(position, inserted);
        }
    }

    /// The leaf that holds the unit at `position` and where that leaf begins; at the end of all units
    /// the number of leaves and the length.
    fn locate(&self, position: usize) -> (usize, usize) {
        let (mut leaf, mut start) = self.finger.get();
        while position < start {
            leaf -= 1;
            start -= self.leaves[leaf].len();
        }
        while leaf < self.leaves.len() && position >= start + self.leaves[leaf].len() {
            start += self.leaves[leaf].len();
            leaf += 1;
        }
        self.finger.set((leaf, start));
        (leaf, start)
    }

    fn remove(&mut self, position: usize, count: usize, mut removed: impl FnMut(&[T])) {
        if count == 0 {
            return;
        }
        let (first, start) = self.locate(position);
        let (mut at, mut from, mut left) = (first, position - start, count);
        while left > 0 {
            let leaf = &mut self.leaves[at];
            let to = (from + left).min(leaf.len());
            let cut = &leaf.units[from..to];
            let weight = T::weigh(cut);
            removed(cut);
            leaf.units.drain(from..to);
            leaf.weight = leaf.weight.minus(weight);
            self.weight = self.weight.minus(weight);
            left -= to - from;
            from = 0;
            at += 1;
        }
        // Of the leaves that were cut only the first and the last one can have units left.
        let emptied_from = first + usize::from(!self.leaves[first].units.is_empty());
        let emptied_to = at - usize::from(!self.leaves[at - 1].units.is_empty());
        if emptied_from < emptied_to {
            self.leaves.drain(emptied_from..emptied_to);
        }
        self.join_small(position);
    }

    /// Joins the leaf at `position` with the one before it where both are small.
    fn join_small(&mut self, position: usize) {
        let (at, start) = self.locate(position);
        if at == 0 || at == self.leaves.len() {
            return;
        }
        let (before, here) = (self.leaves[at - 1].len(), self.leaves[at].len());
        if before.min(here) <= LEAF_UNITS_FEW && before + here <= LEAF_UNITS_MAX {
            self.finger.set((at - 1, start - before));
            let leaf = self.leaves.remove(at);
            let joined = &mut self.leaves[at - 1];
            joined.units.extend_from_slice(&leaf.units);
            joined.weight = joined.weight.plus(leaf.weight);
        }
    }

    fn insert(&mut self, position: usize, inserted: &[T]) {
        let (mut at, mut start) = self.locate(position);
        // At a seam the leaf before it is the one that a typist is filling.
        if position == start && at > 0 {
            at -= 1;
            start -= self.leaves[at].len();
        }
        self.finger.set((at, start));
        let weight = T::weigh(inserted);
        self.weight = self.weight.plus(weight);
        let from = position - start;
        match self.leaves.get_mut(at) {
            Some(leaf) if leaf.len() + inserted.len() <= LEAF_UNITS_MAX => {
                leaf.units.splice(from..from, inserted.iter().copied());
                leaf.weight = leaf.weight.plus(weight);
            }
            Some(leaf) => {
                let units = [&leaf.units[..from], inserted, &leaf.units[from..]].concat();
                self.leaves.splice(at..=at, cut(&units));
            }
            None => {
                self.leaves.extend(cut(inserted));
            }
        }
    }
}

/// Cuts units into leaves of equal size, each with room to grow.
fn cut<T: Unit>(units: &[T]) -> impl Iterator<Item = Leaf<T>> + '_ {
    let count = units.len().div_ceil(LEAF_UNITS_MAX * 3 / 4).max(1);
    units.chunks(units.len().div_ceil(count)).map(Leaf::new)
}

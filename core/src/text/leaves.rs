//! A sequence of units in leaves, so that an edit moves little memory, with sums over blocks of
//! leaves, so that a place in megabytes is found in a few steps.

use std::cell::Cell;
use std::ops::Range;

use super::leaf::Leaf;
use super::weight::{Unit, Weight};

/// So many leaves are a block. Small under test, as leaves are.
const BLOCK_LEAVES: usize = if cfg!(test) { 3 } else { 8 };
/// So many blocks are a large one.
const LARGE_BLOCKS: usize = if cfg!(test) { 2 } else { 16 };
/// The leaves of what there are sums of.
const SUM_LEAVES: [usize; 2] = [BLOCK_LEAVES, LARGE_BLOCKS * BLOCK_LEAVES];

/// Units in order, cut into leaves. No leaf is empty, and of two neighbours at most one is small.
#[derive(Clone, Debug)]
pub(super) struct Leaves<T> {
    leaves: Vec<Leaf<T>>,
    /// What the leaves of each block, and of each large one, count as. The last one, if it is not full, has
    /// no sum: a short text needs none.
    sums: [Vec<Weight>; 2],
    weight: Weight,
    finger: Cell<Place>,
}

/// A leaf and the position of its first unit; behind the last unit, the number of leaves and the length.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    leaf: usize,
    start: usize,
}

impl<T> Default for Leaves<T> {
    fn default() -> Self {
        Self { leaves: Vec::new(), sums: Default::default(), weight: Weight::default(), finger: Cell::default() }
    }
}

impl<T: Unit> Leaves<T> {
    pub(super) const fn len(&self) -> usize {
        self.weight.units
    }

    /// What all units count as.
    pub(super) const fn weight(&self) -> Weight {
        self.weight
    }

    /// All units in order, in parts of which none is empty.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[T]> {
        self.leaves.iter().flat_map(Leaf::parts).filter(|part| !part.is_empty())
    }

    /// The units of `range` in order, in parts.
    pub(super) fn parts_of(&self, range: Range<usize>) -> impl Iterator<Item = &[T]> {
        let Place { leaf, start } = self.locate(range.start);
        let mut seen = start;
        self.leaves[leaf..].iter().flat_map(Leaf::parts).map_while(move |part| {
            let within = |position: usize| position.saturating_sub(seen).min(part.len());
            let (from, to) = (within(range.start), within(range.end));
            let goes_on = seen < range.end;
            seen += part.len();
            goes_on.then(|| &part[from..to])
        })
    }

    /// The same units, each in a larger type.
    pub(super) fn widen<U: Unit + From<T>>(&self) -> Leaves<U> {
        let mut wide = Leaves { weight: self.weight, ..Leaves::default() };
        for leaf in &self.leaves {
            wide.leaves.extend(Leaf::cut(&leaf.parts().concat()));
        }
        wide.sum_from(0);
        wide
    }

    /// The unit at `position`, which must exist.
    pub(super) fn get(&self, position: usize) -> T {
        let Place { leaf, start } = self.locate(position);
        self.leaves[leaf].get(position - start)
    }

    /// What the units from the start on count as, as few of them as are `enough`; all, if even they are not.
    pub(super) fn weigh_until(&self, enough: impl Fn(Weight) -> bool) -> Weight {
        if enough(Weight::default()) {
            return Weight::default();
        }
        let (leaf, mut seen) = self.skip(|seen| !enough(seen));
        if let Some(leaf) = self.leaves.get(leaf) {
            leaf.weigh_until(&mut seen, enough);
        }
        seen
    }

    /// What the units before `position` count as.
    pub(super) fn weigh_to(&self, position: usize) -> Weight {
        let (leaf, seen) = self.skip(|seen| seen.units <= position);
        let within = self.leaves.get(leaf).map(|leaf| leaf.weigh(0, position - seen.units));
        seen.plus(within.unwrap_or_default())
    }

    /// What the units of `range` count as.
    pub(super) fn weigh(&self, range: Range<usize>) -> Weight {
        let Place { leaf, mut start } = self.locate(range.start);
        let mut weight = Weight::default();
        for leaf in &self.leaves[leaf..] {
            if start >= range.end {
                break;
            }
            let (from, to) = (range.start.saturating_sub(start), (range.end - start).min(leaf.len()));
            weight += if to - from == leaf.len() { leaf.weight() } else { leaf.weigh(from, to) };
            start += leaf.len();
        }
        weight
    }

    /// The place of the unit at `position`; the end, if there is none.
    #[inline]
    fn locate(&self, position: usize) -> Place {
        let finger = self.finger.get();
        match self.leaves.get(finger.leaf) {
            Some(leaf) if position.wrapping_sub(finger.start) < leaf.len() => finger,
            _ => self.find(|end| end <= position),
        }
    }

    /// The place where units are inserted at `position`: at a seam the leaf before it, which a typist is
    /// filling, or the one of the last edit.
    #[inline]
    fn locate_gap(&self, position: usize) -> Place {
        let finger = self.finger.get();
        match self.leaves.get(finger.leaf) {
            Some(leaf) if position.wrapping_sub(finger.start) <= leaf.len() => finger,
            _ => self.find(|end| end < position),
        }
    }

    /// The first place whose leaf does not end `before`; it becomes the finger.
    #[inline]
    fn find(&self, before: impl Fn(usize) -> bool) -> Place {
        let (leaf, seen) = self.skip(|seen| before(seen.units));
        let place = Place { leaf, start: seen.units };
        self.finger.set(place);
        place
    }

    /// Goes over large blocks, blocks and leaves as long as what was seen `goes_on`; gives the leaf where
    /// that ends and what is before it.
    #[inline]
    fn skip(&self, goes_on: impl Fn(Weight) -> bool) -> (usize, Weight) {
        let (mut leaf, mut seen) = (0, Weight::default());
        let mut take = |part: Weight, leaves: usize| {
            let with = seen.plus(part);
            let taken = goes_on(with);
            if taken {
                seen = with;
                leaf += leaves;
            }
            taken
        };
        let [blocks, large] = &self.sums;
        let passed = large.iter().take_while(|sum| take(**sum, SUM_LEAVES[1])).count() * LARGE_BLOCKS;
        let passed = blocks[passed..].iter().take_while(|sum| take(**sum, SUM_LEAVES[0])).count() + passed;
        let _ = self.leaves[passed * BLOCK_LEAVES..].iter().take_while(|leaf| take(leaf.weight(), 1)).count();
        (leaf, seen)
    }

    /// Takes out `count` units, of which there is at least one, from `position` on; hands them to `removed`, in order.
    pub(super) fn remove(&mut self, position: usize, count: usize, removed: impl FnMut(&[T])) {
        let Place { leaf: at, start } = self.locate(position);
        let from = position - start;
        let leaf = &mut self.leaves[at];
        if from + count > leaf.len() || count == leaf.len() {
            self.remove_across(at, from, count, removed);
            self.join_around(at);
            return;
        }
        let weight = leaf.remove(from, from + count, removed);
        let small = leaf.is_small();
        self.weight -= weight;
        self.sums_of(at).for_each(|sum| *sum -= weight);
        if small {
            self.join_around(at);
        }
    }

    /// Removes `count` units, all of a leaf or those of several, from unit `from` of leaf `first` on.
    #[cold]
    fn remove_across(&mut self, first: usize, from: usize, count: usize, mut removed: impl FnMut(&[T])) {
        let (mut at, mut from, mut left) = (first, from, count);
        let mut emptied = first + usize::from(from > 0)..first;
        while left > 0 {
            let leaf = &mut self.leaves[at];
            let to = (from + left).min(leaf.len());
            if to - from == leaf.len() {
                leaf.parts().into_iter().for_each(&mut removed);
                self.weight -= leaf.weight();
                emptied.end = at + 1;
            } else {
                self.weight -= leaf.remove(from, to, &mut removed);
            }
            left -= to - from;
            from = 0;
            at += 1;
        }
        if !emptied.is_empty() {
            self.leaves.drain(emptied);
        }
        self.sum_from(first);
    }

    /// Joins leaves where two neighbours are small, after leaf `at` and the one behind it have lost units.
    #[cold]
    fn join_around(&mut self, at: usize) {
        let mut first = at.saturating_sub(1);
        while first <= at + 1 {
            if !self.join(first) {
                first += 1;
            }
        }
    }

    /// Joins leaf `at` and the next one where one of them is small and both fit in one.
    fn join(&mut self, at: usize) -> bool {
        let Some([first, second]) = self.leaves.get_mut(at..at + 2) else { return false };
        if !(first.is_small() || second.is_small()) || !first.has_room_for(second.len()) {
            return false;
        }
        let mut finger = self.finger.get();
        if finger.leaf > at {
            finger.start -= if finger.leaf == at + 1 { first.len() } else { 0 };
            finger.leaf -= 1;
            self.finger.set(finger);
        }
        first.append(second);
        self.leaves.remove(at + 1);
        self.sum_from(at);
        true
    }

    /// Puts one ASCII `unit` at `position`, if the last edit of its leaf was there and there is room; whether it
    /// is. That is what [`Self::insert`] does, too, but most edits are keys, typed one behind the other.
    #[inline]
    pub(super) fn type_key(&mut self, position: usize, unit: T) -> bool {
        let Place { leaf: at, start } = self.locate_gap(position);
        let leaf = self.leaves.get_mut(at);
        let typed = leaf.is_some_and(|leaf| leaf.type_key(position - start, unit));
        if typed {
            self.weight.units += 1;
            self.sums_of(at).for_each(|sum| sum.units += 1);
        }
        typed
    }

    /// Puts `inserted`, which is not empty, at `position`.
    pub(super) fn insert<S: Unit>(&mut self, position: usize, inserted: &[S])
    where
        T: From<S>,
    {
        let place = self.locate_gap(position);
        match self.leaves.get_mut(place.leaf) {
            Some(leaf) if leaf.has_room_for(inserted.len()) => {
                let weight = leaf.insert(position - place.start, inserted);
                self.weight += weight;
                self.sums_of(place.leaf).for_each(|sum| *sum += weight);
            }
            Some(_) | None => self.insert_leaves(place, position - place.start, inserted),
        }
    }

    /// Inserts at unit `from` of a leaf that has no room for so much, or behind all leaves.
    #[cold]
    fn insert_leaves<S: Unit>(&mut self, place: Place, from: usize, inserted: &[S])
    where
        T: From<S>,
    {
        let Place { leaf: at, start } = place;
        let len = self.leaves.get(at).map_or(0, Leaf::len);
        if from < len {
            self.insert_inside(at, from, inserted);
            return;
        }
        // Here a typist goes on: the leaf stays full, and the text goes behind it.
        let next = at + usize::from(len > 0);
        self.finger.set(Place { leaf: next, start: start + len });
        match self.leaves.get_mut(next) {
            Some(leaf) if leaf.has_room_for(inserted.len()) => {
                self.weight += leaf.insert(0, inserted);
                self.sum_from(next);
            }
            Some(_) | None => self.replace_leaves(next..next, Leaf::cut(inserted)),
        }
    }

    /// Inserts between the units of leaf `at`, which has no room.
    fn insert_inside<S: Unit>(&mut self, at: usize, from: usize, inserted: &[S])
    where
        T: From<S>,
    {
        let mut units = self.leaves[at].parts().concat();
        if inserted.len() <= Leaf::<T>::UNITS_FEW {
            units.splice(from..from, inserted.iter().map(|&unit| unit.into()));
            self.replace_leaves(at..at + 1, Leaf::cut(&units));
            return;
        }
        // What may be megabytes is cut where it is.
        let (head, tail) = units.split_at(from);
        let count = self.leaves.len();
        self.replace_leaves(at..at + 1, Leaf::cut(head).chain(Leaf::cut(inserted)).chain(Leaf::cut(tail)));
        let last = at + self.leaves.len() - count;
        self.join_around(last.saturating_sub(1));
        self.join_around(at);
    }

    fn replace_leaves(&mut self, old: Range<usize>, new: impl Iterator<Item = Leaf<T>>) {
        let Range { start, end } = old;
        let behind = self.leaves.len() - end;
        self.weight -= weigh_leaves(&self.leaves[start..end]);
        self.leaves.splice(start..end, new);
        self.weight += weigh_leaves(&self.leaves[start..self.leaves.len() - behind]);
        self.sum_from(start);
    }

    /// The sums that leaf `at` is part of.
    #[inline]
    fn sums_of(&mut self, at: usize) -> impl Iterator<Item = &mut Weight> {
        self.sums.iter_mut().zip(SUM_LEAVES).filter_map(move |(sums, leaves)| sums.get_mut(at / leaves))
    }

    /// Sums up the blocks again from those of leaf `at` on.
    fn sum_from(&mut self, at: usize) {
        let [blocks, large] = &mut self.sums;
        blocks.truncate(at / SUM_LEAVES[0]);
        blocks.extend(self.leaves[blocks.len() * BLOCK_LEAVES..].chunks_exact(BLOCK_LEAVES).map(weigh_leaves));
        large.truncate(at / SUM_LEAVES[1]);
        large.extend(blocks[large.len() * LARGE_BLOCKS..].chunks_exact(LARGE_BLOCKS).map(weigh_all));
    }

    /// Panics where something that has to be true of the structure is not.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.leaves.iter().for_each(Leaf::check);
        assert_eq!(self.weight, weigh_leaves(&self.leaves));
        for (sums, leaves) in self.sums.iter().zip(SUM_LEAVES) {
            assert!(self.leaves.chunks_exact(leaves).map(weigh_leaves).eq(sums.iter().copied()));
        }
        let Place { leaf, start } = self.finger.get();
        assert_eq!(weigh_leaves(&self.leaves[..leaf]).units, start, "the finger is not where it should be");
        for pair in self.leaves.windows(2) {
            assert!(!pair[0].is_small() || !pair[1].is_small(), "two small leaves are neighbours");
        }
    }
}

fn weigh_leaves<T: Unit>(leaves: &[Leaf<T>]) -> Weight {
    leaves.iter().fold(Weight::default(), |sum, leaf| sum.plus(leaf.weight()))
}

fn weigh_all(weights: &[Weight]) -> Weight {
    weights.iter().fold(Weight::default(), |sum, &weight| sum.plus(weight))
}

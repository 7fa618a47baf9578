//! A sequence of units in leaves, so that an edit moves little memory, with sums over blocks of
//! leaves, so that a place in megabytes is found in a few steps.

use std::cell::Cell;
use std::ops::Range;

use super::leaf::Leaf;
use super::weight::{Unit, Weight};

/// So many leaves are a block. Small under test, as leaves are.
const BLOCK_LEAVES: usize = if cfg!(test) { 3 } else { 64 };

/// Units in order, cut into leaves. No leaf is empty, and of two neighbours at most one is small.
#[derive(Clone, Debug)]
pub(super) struct Leaves<T> {
    leaves: Vec<Leaf<T>>,
    /// What the leaves of each block count as. The last block, if it is not full, has none: a text below
    /// a hundred KiB needs no sums.
    sums: Vec<Weight>,
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
        Self { leaves: Vec::new(), sums: Vec::new(), weight: Weight::default(), finger: Cell::default() }
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
        let (leaf, mut seen) = self.skip(0, Weight::default(), |seen| !enough(seen));
        if let Some(leaf) = self.leaves.get(leaf) {
            leaf.weigh_until(&mut seen, enough);
        }
        seen
    }

    /// What the units before `position` count as.
    pub(super) fn weigh_to(&self, position: usize) -> Weight {
        let (leaf, seen) = self.skip(0, Weight::default(), |seen| seen.units <= position);
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
            _ => self.find(position, |end| end <= position),
        }
    }

    /// The place where units are inserted at `position`: at a seam the leaf before it, which a typist is
    /// filling, or the one of the last edit.
    #[inline]
    fn locate_gap(&self, position: usize) -> Place {
        let finger = self.finger.get();
        match self.leaves.get(finger.leaf) {
            Some(leaf) if position.wrapping_sub(finger.start) <= leaf.len() => finger,
            _ => self.find(position, |end| end < position),
        }
    }

    /// The first place whose leaf does not end `before`; it becomes the finger.
    #[inline]
    fn find(&self, position: usize, before: impl Fn(usize) -> bool) -> Place {
        let finger = self.finger.get();
        // Not `≤`: at the very end, the finger may be behind all leaves.
        let from = if finger.start < position { finger } else { Place::default() };
        let seen = Weight { units: from.start, ..Weight::default() };
        let (leaf, seen) = self.skip(from.leaf, seen, |seen| before(seen.units));
        let place = Place { leaf, start: seen.units };
        self.finger.set(place);
        place
    }

    /// Goes from a leaf on, before which there is `seen`, over blocks and leaves as long as what was seen
    /// `goes_on`.
    #[inline]
    fn skip(&self, leaf: usize, seen: Weight, goes_on: impl Fn(Weight) -> bool) -> (usize, Weight) {
        let (mut leaf, mut seen) = (leaf, seen);
        loop {
            while leaf.is_multiple_of(BLOCK_LEAVES)
                && let Some(&sum) = self.sums.get(leaf / BLOCK_LEAVES)
                && goes_on(seen.plus(sum))
            {
                seen += sum;
                leaf += BLOCK_LEAVES;
            }
            match self.leaves.get(leaf).map(|leaf| seen.plus(leaf.weight())) {
                Some(with) if goes_on(with) => seen = with,
                Some(_) | None => return (leaf, seen),
            }
            leaf += 1;
        }
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
        if let Some(sum) = self.sums.get_mut(at / BLOCK_LEAVES) {
            *sum -= weight;
        }
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
                if let Some(sum) = self.sums.get_mut(place.leaf / BLOCK_LEAVES) {
                    *sum += weight;
                }
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
            let mut units = self.leaves[at].parts().concat();
            units.splice(from..from, inserted.iter().map(|&unit| unit.into()));
            self.replace_leaves(at..at + 1, Leaf::cut(&units));
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

    fn replace_leaves(&mut self, old: Range<usize>, new: impl ExactSizeIterator<Item = Leaf<T>>) {
        let (first, count) = (old.start, new.len());
        self.weight -= weigh_leaves(&self.leaves[old.clone()]);
        self.leaves.splice(old, new);
        self.weight += weigh_leaves(&self.leaves[first..first + count]);
        self.sum_from(first);
    }

    /// Sums up the blocks again from that of leaf `at` on.
    fn sum_from(&mut self, at: usize) {
        self.sums.truncate(at / BLOCK_LEAVES);
        let rest = self.leaves[self.sums.len() * BLOCK_LEAVES..].chunks_exact(BLOCK_LEAVES);
        self.sums.extend(rest.map(weigh_leaves));
    }

    /// Panics where something that has to be true of the structure is not.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.leaves.iter().for_each(Leaf::check);
        assert_eq!(self.weight, weigh_leaves(&self.leaves));
        assert!(self.leaves.chunks_exact(BLOCK_LEAVES).map(weigh_leaves).eq(self.sums.iter().copied()));
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

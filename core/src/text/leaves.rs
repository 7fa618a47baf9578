//! A sequence of units in leaves of a few KiB, so that an edit moves little memory.

use std::cell::Cell;

/// The most units of one leaf. Small under test, so that seams are everywhere.
const LEAF_UNITS_MAX: usize = if cfg!(test) { 4 } else { 2048 };
/// A leaf shorter than this is joined to its neighbour if both fit in one.
const LEAF_UNITS_FEW: usize = LEAF_UNITS_MAX / 4;

/// Units in order, cut into leaves; no leaf is empty.
#[derive(Clone, Debug)]
pub(super) struct Leaves<T> {
    leaves: Vec<Vec<T>>,
    len: usize,
    /// A leaf and the position of its first unit: edits are near one another.
    finger: Cell<(usize, usize)>,
}

impl<T> Default for Leaves<T> {
    fn default() -> Self {
        Self { leaves: Vec::new(), len: 0, finger: Cell::new((0, 0)) }
    }
}

impl<T: Copy> Leaves<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.leaves.iter().map(Vec::as_slice)
    }

    pub(super) fn map<U: Copy>(&self, map: impl Fn(T) -> U) -> Leaves<U> {
        let leaves = self.leaves.iter().map(|leaf| leaf.iter().map(|&unit| map(unit)).collect());
        Leaves { leaves: leaves.collect(), len: self.len, finger: self.finger.clone() }
    }

    /// The unit at `position`, which must exist.
    pub(super) fn get(&self, position: usize) -> T {
        let (leaf, start) = self.locate(position);
        self.leaves[leaf][position - start]
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
        let mut left = count;
        while left > 0 {
            let (at, start) = self.locate(position);
            let leaf = &mut self.leaves[at];
            let from = position - start;
            let to = (from + left).min(leaf.len());
            removed(&leaf[from..to]);
            leaf.drain(from..to);
            left -= to - from;
            self.len -= to - from;
            if leaf.is_empty() {
                self.leaves.remove(at);
            }
        }
        if count > 0 {
            self.join_small(position);
        }
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
            self.leaves[at - 1].extend_from_slice(&leaf);
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
        self.len += inserted.len();
        match self.leaves.get_mut(at) {
            Some(leaf) if leaf.len() + inserted.len() <= LEAF_UNITS_MAX => {
                let from = position - start;
                leaf.splice(from..from, inserted.iter().copied());
            }
            Some(leaf) => {
                let tail = leaf.split_off(position - start);
                let head = std::mem::take(leaf);
                let units = [head.as_slice(), inserted, tail.as_slice()].concat();
                self.leaves.splice(at..=at, cut(&units));
            }
            None => {
                self.leaves.extend(cut(inserted));
            }
        }
    }
}

/// Cuts units into leaves of equal size, each with room to grow.
fn cut<T: Copy>(units: &[T]) -> impl Iterator<Item = Vec<T>> + '_ {
    let count = units.len().div_ceil(LEAF_UNITS_MAX * 3 / 4).max(1);
    units.chunks(units.len().div_ceil(count)).map(<[T]>::to_vec)
}

//! An operation unit by unit: the slow and obvious way to do everything, which shares nothing with the engine.

/// What an operation does: whether it deletes each unit, and what it puts into each gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naive {
    deleted: Vec<bool>,
    /// One text a gap: before each unit, and after the last.
    inserted: Vec<Vec<u16>>,
}

/// A position, how many units are deleted there, and the units that are put in before them.
pub type NaiveEdit = (usize, usize, Vec<u16>);

/// The text of UTF-16 code units, which must be whole characters.
///
/// # Panics
/// A surrogate stands alone.
#[must_use]
pub fn text_of(units: &[u16]) -> String {
    String::from_utf16(units).expect("no surrogate stands alone")
}

/// Whether a position (≤ length) lies between the two halves of a surrogate pair.
#[must_use]
pub fn splits_pair(text: &[u16], position: usize) -> bool {
    text.get(position).is_some_and(|unit| (0xDC00..0xE000).contains(unit))
}

impl Naive {
    /// The operation with those edits on a text of `length` units; `None` if one of them lies outside of it.
    pub fn new(length: usize, edits: impl IntoIterator<Item = NaiveEdit>) -> Option<Self> {
        let mut made = Self { deleted: vec![false; length], inserted: vec![Vec::new(); length + 1] };
        for (position, deleted, inserted) in edits {
            made.inserted.get_mut(position)?.extend(inserted);
            made.deleted.get_mut(position..position.checked_add(deleted)?)?.fill(true);
        }
        Some(made)
    }

    /// The canonical edits: as few as there can be, each as far to the left as it can be.
    #[must_use]
    pub fn edits(&self) -> Vec<NaiveEdit> {
        let mut edits: Vec<NaiveEdit> = Vec::new();
        for (gap, text) in self.inserted.iter().enumerate() {
            let deletes = self.deleted.get(gap) == Some(&true);
            match edits.last_mut() {
                Some((position, deleted, _)) if deletes && text.is_empty() && *position + *deleted == gap => {
                    *deleted += 1
                }
                _ if deletes || !text.is_empty() => edits.push((gap, usize::from(deletes), text.clone())),
                _ => {}
            }
        }
        edits
    }

    /// Whether it could be applied to `text` without splitting a character.
    #[must_use]
    pub fn splits_nothing(&self, text: &[u16]) -> bool {
        self.edits().iter().all(|&(from, count, _)| !splits_pair(text, from) && !splits_pair(text, from + count))
    }

    /// The text after it.
    #[must_use]
    pub fn apply(&self, text: &[u16]) -> Vec<u16> {
        let mut after = Vec::new();
        for (gap, inserted) in self.inserted.iter().enumerate() {
            after.extend(inserted);
            after.extend(text.get(gap).filter(|_| !self.deleted[gap]));
        }
        after
    }

    /// What it deletes from `text`.
    #[must_use]
    pub fn cut(&self, text: &[u16]) -> Vec<u16> {
        let units = text.iter().zip(&self.deleted);
        units.filter(|(_, deleted)| **deleted).map(|(unit, _)| *unit).collect()
    }

    /// Where a gap is afterwards: left of what was put into that very gap, or (`right`) right of it.
    #[must_use]
    pub fn map_gap(&self, gap: usize, right: bool) -> usize {
        let kept = self.deleted[..gap].iter().filter(|deleted| !**deleted).count();
        let before: usize = self.inserted[..gap].iter().map(Vec::len).sum();
        kept + before + if right { self.inserted[gap].len() } else { 0 }
    }

    /// The same intention after `other`; `first`: it was ordered before `other`, so its text stays left.
    #[must_use]
    pub fn over(&self, other: &Self, first: bool) -> Self {
        let grown: usize = other.inserted.iter().map(Vec::len).sum();
        let kept = other.deleted.iter().filter(|deleted| !**deleted).count();
        let mut moved = Self { deleted: vec![false; kept + grown], inserted: vec![Vec::new(); kept + grown + 1] };
        for (gap, text) in self.inserted.iter().enumerate() {
            moved.inserted[other.map_gap(gap, !first)].extend(text);
            if self.deleted.get(gap) == Some(&true) && !other.deleted[gap] {
                moved.deleted[other.map_gap(gap, true)] = true;
            }
        }
        moved
    }

    /// What takes it back: an edit's deleted text comes back where the edit begins.
    #[must_use]
    pub fn inverse(&self, text: &[u16]) -> Self {
        let length = self.apply(text).len();
        let mut inverse = Self { deleted: vec![false; length], inserted: vec![Vec::new(); length + 1] };
        let (mut grown, mut shrunk) = (0, 0);
        for (position, deleted, inserted) in self.edits() {
            let now = position + grown - shrunk;
            inverse.inserted[now].extend(&text[position..position + deleted]);
            inverse.deleted[now..now + inserted.len()].fill(true);
            grown += inserted.len();
            shrunk += deleted;
        }
        inverse
    }
}

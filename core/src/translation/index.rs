//! The index of a translation memory's source texts: sealed parts, and what was removed of them.

use std::sync::Arc;

use super::fold::Folded;
use super::sealed::Sealed;
use super::{SEGMENTS_MAX, SourceId};

/// Parts of about the same size, by powers of this, become one when there are so many.
const FAN: usize = 8;

/// Parts of together so many texts are merged at once, which takes some milliseconds.
const MERGED_AT_ONCE_MAX: usize = if cfg!(test) { 20 } else { 4096 };

/// So many parts at most, each of which every look-up goes through: more are merged, however long it takes.
pub(super) const PARTS_MAX: usize = if cfg!(test) { 16 } else { 64 };

/// Why a text cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The text is indexed already, as this source.
    #[error("the text is indexed already, as source {}", .0.0)]
    Present(SourceId),
    /// There are [`SEGMENTS_MAX`] texts.
    #[error("there are {SEGMENTS_MAX} texts, which is all that an index holds")]
    Full,
}

/// Source texts by their folded forms, for one language pair and scope. Each text is in it once, whatever
/// the number of its translations.
///
/// It is a value made of shared parts that never change: a clone costs some dozens of reference counts.
/// The intended use: one thread owns the index that changes, and publishes a clone after each change or batch
/// of changes; whoever looks up takes the clone that is published, and keeps it for as long as it
/// looks. No look-up waits for a change, and none sees half of one. Merges of large parts
/// ([`Self::merge_due`]) are values too, which any thread may carry out.
#[derive(Clone, Debug, Default)]
pub struct Index {
    parts: Vec<Part>,
}

/// A sealed part, less what was removed since.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) sealed: Arc<Sealed>,
    /// A bit for each position, set where the text was removed. Empty: none was.
    removed: Arc<[u64]>,
    removed_count: usize,
}

impl Part {
    fn new(sealed: Sealed) -> Self {
        Self { sealed: Arc::new(sealed), removed: Arc::default(), removed_count: 0 }
    }

    fn len(&self) -> usize {
        self.sealed.len() - self.removed_count
    }

    pub(super) fn is_removed(&self, position: u32) -> bool {
        self.removed.get(position as usize / 64).is_some_and(|bits| bits >> (position % 64) & 1 == 1)
    }

    fn find(&self, text: &Folded, classes: &[u8]) -> Option<u32> {
        self.sealed.find(text, classes).filter(|&position| !self.is_removed(position))
    }

    /// Copies the bits, an eighth of a byte a text, so that others who hold them see no change.
    fn remove(&mut self, position: u32) {
        let mut bits = self.removed.to_vec();
        bits.resize(self.sealed.len().div_ceil(64), 0);
        bits[position as usize / 64] |= 1 << (position % 64);
        self.removed = bits.into();
        self.removed_count += 1;
    }

    /// The size by powers of [`FAN`].
    fn level(&self) -> u32 {
        self.len().max(1).ilog(FAN)
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.sealed, &other.sealed)
    }

    fn texts(&self) -> impl Iterator<Item = (SourceId, String)> {
        let positions = (0_u32..).take(self.sealed.len()).filter(|&position| !self.is_removed(position));
        positions.map(|position| (self.sealed.source(position), self.sealed.text(position)))
    }
}

/// Parts that are to become one.
#[derive(Clone, Debug)]
pub struct Merge {
    parts: Vec<Part>,
}

/// Parts and the one that they have become.
#[derive(Debug)]
pub struct Merged {
    parts: Vec<Part>,
    merged: Part,
}

impl Merge {
    /// How many texts are looked at, some microseconds each.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Makes one part of them, without what was removed.
    #[must_use]
    pub fn run(self) -> Merged {
        let texts: Vec<(SourceId, String)> = self.parts.iter().flat_map(Part::texts).collect();
        let sealed = Sealed::new(texts.iter().map(|(source, text)| (*source, text.as_str())));
        Merged { parts: self.parts, merged: Part::new(sealed) }
    }
}

impl Index {
    /// An index of many texts at once: what a server starts with.
    ///
    /// # Errors
    /// If one of them is given twice, or there are too many.
    pub fn build<'a>(texts: impl IntoIterator<Item = (SourceId, &'a Folded)>) -> Result<Self, IndexError> {
        Self::of(Sealed::new(texts.into_iter().map(|(source, text)| (source, text.as_str()))))
    }

    /// An index of these texts.
    pub(super) fn of(sealed: Sealed) -> Result<Self, IndexError> {
        if sealed.len() > SEGMENTS_MAX {
            return Err(IndexError::Full);
        }
        if let Some(position) = sealed.repeated() {
            return Err(IndexError::Present(sealed.source(position)));
        }
        Ok(Self { parts: vec![Part::new(sealed)] })
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that it takes, besides a byte for each character of the texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.sealed.bytes() + size_of_val(&*part.removed)).sum()
    }

    /// The source of this text.
    #[must_use]
    pub fn find(&self, text: &Folded) -> Option<SourceId> {
        let classes = text.classes();
        self.parts.iter().find_map(|part| Some(part.sealed.source(part.find(text, &classes)?)))
    }

    /// Adds a text.
    ///
    /// # Errors
    /// If it is indexed already, or there are too many.
    pub fn insert(&mut self, source: SourceId, text: &Folded) -> Result<(), IndexError> {
        if let Some(present) = self.find(text) {
            return Err(IndexError::Present(present));
        }
        if self.len() >= SEGMENTS_MAX {
            return Err(IndexError::Full);
        }
        self.parts.push(Part::new(Sealed::new([(source, text.as_str())])));
        while let Some(merge) =
            self.due().filter(|merge| merge.texts() <= MERGED_AT_ONCE_MAX || self.parts.len() > PARTS_MAX)
        {
            self.install(merge.run());
        }
        Ok(())
    }

    /// Takes a text out, and says which source it was.
    pub fn remove(&mut self, text: &Folded) -> Option<SourceId> {
        let classes = text.classes();
        let (index, position) =
            self.parts.iter().enumerate().find_map(|(index, part)| Some((index, part.find(text, &classes)?)))?;
        let part = &mut self.parts[index];
        let source = part.sealed.source(position);
        part.remove(position);
        if part.len() == 0 {
            self.parts.remove(index);
        }
        Some(source)
    }

    /// Parts that should become one: to be carried out by whoever has the time, and then
    /// [installed](Self::install). What is small has been merged at once.
    #[must_use]
    pub fn merge_due(&self) -> Option<Merge> {
        self.due()
    }

    fn due(&self) -> Option<Merge> {
        if let Some(part) = self.parts.iter().find(|part| part.removed_count > part.len()) {
            return Some(Merge { parts: vec![part.clone()] });
        }
        let of_level = |level| self.parts.iter().filter(move |part| part.level() == level);
        let level = (0..=SEGMENTS_MAX.ilog(FAN)).find(|&level| of_level(level).count() >= FAN)?;
        Some(Merge { parts: of_level(level).cloned().collect() })
    }

    /// Puts a merged part in the place of those that it was made of, and takes out of it what was removed of
    /// them meanwhile. Where one of them is gone itself nothing happens, and `false` is returned.
    pub fn install(&mut self, merged: Merged) -> bool {
        let Merged { parts, merged: mut part } = merged;
        let now = |then: &Part| self.parts.iter().find(|part| part.is_same(then)).cloned();
        let Some(current) = parts.iter().map(now).collect::<Option<Vec<Part>>>() else { return false };
        for (then, now) in parts.iter().zip(&current) {
            for position in (0_u32..).take(now.sealed.len()) {
                if now.is_removed(position) && !then.is_removed(position) {
                    let (classes, special) = (now.sealed.classes(position), now.sealed.special(position));
                    if let Some(position) = part.sealed.find_classes(classes, special) {
                        part.remove(position);
                    }
                }
            }
        }
        self.parts.retain(|part| !parts.iter().any(|merged| merged.is_same(part)));
        if part.len() > 0 {
            self.parts.push(part);
        }
        true
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

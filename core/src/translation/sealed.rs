//! A part of an index that never changes: texts by length, with what is counted of them.

use std::collections::HashMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::SourceId;
use super::alphabet::{character, class, is_own};
use super::bounds::{LETTERS, bigram_bytes};
use super::fold::Folded;
use super::placeables::number_form;

/// All texts of one length. What belongs to them lies together, in the order of their positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// In characters.
    pub(super) length: usize,
    /// The position of the first text, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Where their classes, coarse and fine counts begin.
    pub(super) classes: usize,
    pub(super) coarse: usize,
    pub(super) fine: usize,
}

impl Group {
    /// The position of the text of a number within the group.
    #[expect(clippy::cast_possible_truncation, reason = "an index refuses more texts than an u32 counts")]
    pub(super) const fn position(&self, number: u32) -> u32 {
        self.first as u32 + number
    }

    /// The shortest.
    pub(super) const fn first(length: usize) -> Self {
        Self { length, first: 0, count: 0, classes: 0, coarse: 0, fine: 0 }
    }

    /// Where those begin whose length comes next.
    pub(super) const fn after(&self, length: usize) -> Self {
        let (coarse, fine) = bigram_bytes(self.length);
        Self {
            length,
            first: self.first + self.count,
            count: 0,
            classes: self.classes + self.count * self.length,
            coarse: self.coarse + self.count * coarse,
            fine: self.fine + self.count * fine,
        }
    }
}

/// Texts that never change. A text is named by its position: they are ordered by length.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    /// By length.
    pub(super) groups: Vec<Group>,
    pub(super) classes: Vec<u8>,
    pub(super) letters: Vec<u8>,
    pub(super) coarse: Vec<u8>,
    pub(super) fine: Vec<u8>,
    pub(super) sources: Vec<SourceId>,
    /// The texts of which classes alone do not tell the characters.
    pub(super) special: HashMap<u32, Box<str>>,
    /// Positions, by the hash of the classes.
    pub(super) by_text: HashTable<u32>,
    /// Positions of texts with numbers, by the hash of their form without.
    pub(super) by_number_form: HashTable<u32>,
    /// The position of a text that was given twice.
    pub(super) repeated: Option<u32>,
}

impl Sealed {
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(super) fn source(&self, position: u32) -> SourceId {
        self.sources[position as usize]
    }

    /// The text with all its characters, if its classes do not tell them.
    pub(super) fn special(&self, position: u32) -> Option<&str> {
        self.special.get(&position).map(AsRef::as_ref)
    }

    fn group_of(&self, position: u32) -> &Group {
        let after = self.groups.partition_point(|group| group.first <= position as usize);
        &self.groups[after - 1]
    }

    /// The classes of a text.
    pub(super) fn classes(&self, position: u32) -> &[u8] {
        let group = self.group_of(position);
        self.text_in(group, position as usize - group.first)
    }

    /// The classes of the text of a number within its group.
    pub(super) fn text_in(&self, group: &Group, number: usize) -> &[u8] {
        &self.classes[group.classes + number * group.length..][..group.length]
    }

    /// The text, folded.
    pub(super) fn text(&self, position: u32) -> String {
        self.special(position)
            .map_or_else(|| self.classes(position).iter().copied().map(character).collect(), str::to_owned)
    }

    pub(super) fn letters_in(&self, group: &Group) -> &[u8] {
        &self.letters[group.first * LETTERS..][..group.count * LETTERS]
    }

    pub(super) fn coarse_in(&self, group: &Group) -> &[u8] {
        &self.coarse[group.coarse..][..group.count * bigram_bytes(group.length).0]
    }

    pub(super) fn fine_in(&self, group: &Group) -> &[u8] {
        &self.fine[group.fine..][..group.count * bigram_bytes(group.length).1]
    }

    /// Where a text is.
    pub(super) fn find(&self, text: &Folded, classes: &[u8]) -> Option<u32> {
        let special = !classes.iter().copied().all(is_own);
        self.find_classes(classes, special.then_some(text.as_str()))
    }

    /// Where a text is: by its classes, and by itself where these do not tell its characters.
    pub(super) fn find_classes(&self, classes: &[u8], special: Option<&str>) -> Option<u32> {
        let is_it = |&other: &u32| self.classes(other) == classes && self.special(other) == special;
        self.by_text.find(xxh3_64(classes), is_it).copied()
    }

    /// A text that is there more than once.
    pub(super) const fn repeated(&self) -> Option<u32> {
        self.repeated
    }

    /// Texts that are equal to one but for their numbers, and it itself. Where its classes do not
    /// tell its characters they are compared too, without digits and their separators.
    pub(super) fn find_number_form<'a>(&'a self, text: &'a str, classes: &[u8]) -> impl Iterator<Item = u32> + 'a {
        let form = number_form(classes);
        let special = !classes.iter().copied().all(is_own);
        self.by_number_form.iter_hash(xxh3_64(&form)).copied().filter(move |&position| {
            let other = self.special(position);
            number_form(self.classes(position)) == form
                && other.is_some() == special
                && other.is_none_or(|other| shared(other).eq(shared(text)))
        })
    }

    /// What it takes in memory besides the texts, which take a byte a character.
    pub(super) fn bytes(&self) -> usize {
        let special: usize = self.special.values().map(|text| text.len() + 24 + 1).sum();
        self.letters.capacity()
            + self.coarse.capacity()
            + self.fine.capacity()
            + self.sources.capacity() * size_of::<SourceId>()
            + self.groups.capacity() * size_of::<Group>()
            + self.by_text.allocation_size()
            + self.by_number_form.allocation_size()
            + special
    }
}

/// The characters that share their class with others.
fn shared(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|&c| !is_own(class(c)))
}

/// There are at most `SEGMENTS_MAX` texts in an index.
#[expect(clippy::cast_possible_truncation, reason = "an index refuses more texts than an u32 counts")]
pub(super) const fn narrow(position: usize) -> u32 {
    position as u32
}

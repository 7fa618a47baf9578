//! A part of an index that never changes: texts by length, with what is counted of them.

use std::collections::HashMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use super::SourceId;
use super::alphabet::{character, class, is_own, push_classes};
use super::bounds::{LETTERS, bigram_bytes, count_bigrams_twice, letters};
use super::fold::Folded;
use super::placeables::{has_number, number_form};

/// All texts of one length. What belongs to them lies together, in the order of their positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// In characters.
    pub(super) length: usize,
    /// The position of the first text, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Where their classes, coarse and fine counts begin.
    classes: usize,
    coarse: usize,
    fine: usize,
}

impl Group {
    /// The position of the text of a number within the group.
    #[expect(clippy::cast_possible_truncation, reason = "an index refuses more texts than an u32 counts")]
    pub(super) const fn position(&self, number: u32) -> u32 {
        self.first as u32 + number
    }

    /// Where those begin whose length comes next.
    const fn after(&self, length: usize) -> Self {
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
    groups: Vec<Group>,
    classes: Vec<u8>,
    letters: Vec<u8>,
    coarse: Vec<u8>,
    fine: Vec<u8>,
    sources: Vec<SourceId>,
    /// The texts of which classes alone do not tell the characters.
    special: HashMap<u32, Box<str>>,
    /// Positions, by the hash of the classes.
    by_text: HashTable<u32>,
    /// Positions of texts with numbers, by the hash of their form without.
    by_number_form: HashTable<u32>,
    /// The position of a text that was given twice.
    repeated: Option<u32>,
}

impl Sealed {
    /// Takes texts, each once.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (SourceId, &'a str)>) -> Self {
        let mut texts: Vec<(usize, SourceId, &str)> =
            texts.into_iter().map(|(source, text)| (text.chars().count(), source, text)).collect();
        texts.sort_unstable_by_key(|(length, source, _)| (*length, *source));
        let mut sealed = Self::default();
        sealed.reserve(&texts);
        for (length, source, text) in texts {
            sealed.push(length, source, text);
        }
        sealed.hash();
        sealed
    }

    /// To the byte: what is doubled as it grows may be half empty.
    fn reserve(&mut self, texts: &[(usize, SourceId, &str)]) {
        let (mut classes, mut coarse, mut fine) = (0, 0, 0);
        for (length, ..) in texts {
            let bytes = bigram_bytes(*length);
            classes += length;
            coarse += bytes.0;
            fine += bytes.1;
        }
        self.classes.reserve_exact(classes);
        self.letters.reserve_exact(texts.len() * LETTERS);
        self.coarse.reserve_exact(coarse);
        self.fine.reserve_exact(fine);
        self.sources.reserve_exact(texts.len());
    }

    fn push(&mut self, length: usize, source: SourceId, text: &str) {
        let position = self.sources.len();
        let start = self.classes.len();
        push_classes(text, &mut self.classes);
        let classes = &self.classes[start..];
        if !classes.iter().fold(true, |own, &class| own & is_own(class)) {
            self.special.insert(narrow(position), text.into());
        }
        self.letters.extend(letters(classes));
        let (coarse, fine) = bigram_bytes(length);
        let starts = (self.coarse.len(), self.fine.len());
        self.coarse.resize(starts.0 + coarse, 0);
        self.fine.resize(starts.1 + fine, 0);
        count_bigrams_twice(classes, &mut self.coarse[starts.0..], &mut self.fine[starts.1..]);
        self.sources.push(source);
        match self.groups.last_mut() {
            Some(group) if group.length == length => group.count += 1,
            last => {
                let empty = Group { length, first: 0, count: 0, classes: 0, coarse: 0, fine: 0 };
                let group = last.map_or(empty, |last| last.after(length));
                self.groups.push(Group { count: 1, ..group });
            }
        }
    }

    fn hash(&mut self) {
        let mut by_text = HashTable::with_capacity(self.sources.len());
        let (mut number_forms, mut repeated) = (Vec::new(), None);
        for group in &self.groups {
            for number in 0..narrow(group.count) {
                let (position, classes) = (group.position(number), self.text_in(group, number as usize));
                let hash = xxh3_64(classes);
                let is_it =
                    |&other: &u32| self.classes(other) == classes && self.special(other) == self.special(position);
                match by_text.entry(hash, is_it, |&other| xxh3_64(self.classes(other))) {
                    Entry::Occupied(_) => repeated = repeated.or(Some(position)),
                    Entry::Vacant(place) => drop(place.insert(position)),
                }
                if has_number(classes) {
                    number_forms.push((xxh3_64(&number_form(classes)), position));
                }
            }
        }
        let mut by_number_form = HashTable::with_capacity(number_forms.len());
        for (hash, position) in number_forms {
            by_number_form.insert_unique(hash, position, |&other| xxh3_64(&number_form(self.classes(other))));
        }
        (self.by_text, self.by_number_form, self.repeated) = (by_text, by_number_form, repeated);
    }

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
const fn narrow(position: usize) -> u32 {
    position as u32
}

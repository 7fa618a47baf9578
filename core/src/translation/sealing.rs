//! How a part of an index is made. Where everything lies is known from the lengths of the texts alone; so each stretch of them
//! is filled in by itself, by as many threads as there are.

use std::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use super::SourceId;
use super::alphabet::{is_own, push_classes};
use super::bounds::{LETTERS, bigram_bytes, count_bigrams_twice, letters};
use super::placeables::{has_number, number_form};
use super::sealed::{Group, Sealed, narrow};

/// Many texts are filled in as so many jobs: enough to keep a machine's processors busy to the end.
const JOBS: usize = 32;
/// Fewer texts than twice these are one job.
const TEXTS_PER_JOB_MIN: usize = if cfg!(test) { 3 } else { 2_048 };
/// So many texts are fetched from memory at once, where each lies by itself.
const TEXTS_FETCHED: usize = if cfg!(test) { 2 } else { 16 };
/// What a processor fetches from memory at once, in bytes.
const CACHE_LINE: usize = 64;

/// A part of the work, which any thread may do.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does one job after the other.
pub fn one_by_one(jobs: Vec<Job<'_>>) {
    jobs.into_iter().for_each(|job| job());
}

/// A text that is to be sealed, by its length and then its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    length: u32,
    source: SourceId,
    /// Which it is of those that were given.
    number: u32,
}

/// Texts at their places, by their lengths. What stands there comes after.
#[derive(Debug)]
pub(super) struct Sealing {
    places: Vec<Place>,
    groups: Vec<Group>,
    /// Where what comes after the last text would begin.
    end: Group,
}

/// Some texts in a row, and where they are filled in.
struct Stretch<'a> {
    places: &'a [Place],
    /// The position of the first of them.
    first: usize,
    classes: &'a mut [u8],
    letters: &'a mut [u8],
    coarse: &'a mut [u8],
    fine: &'a mut [u8],
    /// Of the classes of each.
    hashes: &'a mut [u64],
    found: &'a mut Found,
}

/// What some texts have and most have not.
#[derive(Debug, Default)]
struct Found {
    special: Vec<(u32, Box<str>)>,
    /// The hashes of the forms without numbers.
    number_forms: Vec<(u64, u32)>,
}

impl Sealing {
    /// Texts, each once, by their lengths in characters.
    pub(super) fn new(lengths: impl IntoIterator<Item = (usize, SourceId)>) -> Self {
        let place =
            |(number, (length, source)): (usize, _)| Place { length: narrow(length), source, number: narrow(number) };
        let mut places: Vec<Place> = lengths.into_iter().enumerate().map(place).collect();
        places.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for of_length in places.chunk_by(|one, next| one.length == next.length) {
            let length = of_length[0].length as usize;
            let group = groups.last().map_or_else(|| Group::first(length), |last| last.after(length));
            groups.push(Group { count: of_length.len(), ..group });
        }
        let end = groups.last().map_or_else(|| Group::first(0), |last| last.after(0));
        Self { places, groups, end }
    }

    /// The part, where `text_of` is the text that was given as the one of that number, and `folded` makes its folded form. `run`
    /// does all jobs to their end.
    pub(super) fn finish<'t, T: AsRef<str>>(
        self,
        text_of: &(impl Fn(usize) -> &'t str + Sync),
        folded: &(impl Fn(&'t str) -> T + Sync),
        run: impl FnOnce(Vec<Job<'_>>),
    ) -> Sealed {
        let Self { places, groups, end } = self;
        let (mut classes, mut letters) = (vec![0; end.classes], vec![0; places.len() * LETTERS]);
        let (mut coarse, mut fine) = (vec![0; end.coarse], vec![0; end.fine]);
        let mut hashes = vec![0; places.len()];
        let per_job = places.len().div_ceil(JOBS).max(TEXTS_PER_JOB_MIN);
        let mut found: Vec<Found> = places.chunks(per_job).map(|_| Found::default()).collect();
        let mut rest = Stretch {
            places: &places,
            first: 0,
            classes: &mut classes,
            letters: &mut letters,
            coarse: &mut coarse,
            fine: &mut fine,
            hashes: &mut hashes,
            found: &mut Found::default(),
        };
        let mut jobs: Vec<Job<'_>> = Vec::with_capacity(found.len());
        for found in &mut found {
            let (stretch, others) = rest.split(per_job, found);
            rest = others;
            jobs.push(Box::new(move || stretch.fill(text_of, folded)));
        }
        run(jobs);
        let sources = places.iter().map(|place| place.source).collect();
        drop(places);
        let special = found.iter_mut().flat_map(|found| found.special.drain(..)).collect();
        let mut sealed = Sealed { groups, classes, letters, coarse, fine, sources, special, ..Sealed::default() };
        sealed.hash(&hashes, found.into_iter().flat_map(|found| found.number_forms).collect());
        sealed
    }
}

impl<'a> Stretch<'a> {
    /// The first texts, and the others.
    fn split(self, count: usize, found: &'a mut Found) -> (Self, Self) {
        let (places, others) = self.places.split_at(count.min(self.places.len()));
        let bytes = |of: fn(usize) -> usize| places.iter().map(|place| of(place.length as usize)).sum();
        let (classes, other_classes) = self.classes.split_at_mut(bytes(|length| length));
        let (coarse, other_coarse) = self.coarse.split_at_mut(bytes(|length| bigram_bytes(length).0));
        let (fine, other_fine) = self.fine.split_at_mut(bytes(|length| bigram_bytes(length).1));
        let (letters, other_letters) = self.letters.split_at_mut(places.len() * LETTERS);
        let (hashes, other_hashes) = self.hashes.split_at_mut(places.len());
        let after = Self {
            places: others,
            first: self.first + places.len(),
            classes: other_classes,
            letters: other_letters,
            coarse: other_coarse,
            fine: other_fine,
            hashes: other_hashes,
            found: self.found,
        };
        (Self { places, first: self.first, classes, letters, coarse, fine, hashes, found }, after)
    }

    fn fill<'t, T: AsRef<str>>(self, text_of: &impl Fn(usize) -> &'t str, folded: &impl Fn(&'t str) -> T) {
        let Self { places, first, classes, letters: rows, coarse, fine, hashes, found } = self;
        let (mut rows, mut hashes) = (rows.chunks_exact_mut(LETTERS), hashes.iter_mut());
        let (mut classes, mut coarse, mut fine) = (classes, coarse, fine);
        let mut text_classes = Vec::new();
        let mut positions = first..;
        for places in places.chunks(TEXTS_FETCHED) {
            let mut texts = [""; TEXTS_FETCHED];
            texts.iter_mut().zip(places).for_each(|(text, place)| *text = text_of(place.number as usize));
            fetch(&texts);
            for ((place, text), position) in places.iter().zip(texts).zip(positions.by_ref()) {
                let text = folded(text);
                text_classes.clear();
                push_classes(text.as_ref(), &mut text_classes);
                let length = place.length as usize;
                let (coarse_bytes, fine_bytes) = bigram_bytes(length);
                take(&mut classes, length).copy_from_slice(&text_classes);
                count_bigrams_twice(&text_classes, take(&mut coarse, coarse_bytes), take(&mut fine, fine_bytes));
                rows.next().into_iter().for_each(|row| row.copy_from_slice(&letters(&text_classes)));
                hashes.next().into_iter().for_each(|hash| *hash = xxh3_64(&text_classes));
                if !text_classes.iter().fold(true, |own, &class| own & is_own(class)) {
                    found.special.push((narrow(position), text.as_ref().into()));
                }
                if has_number(&text_classes) {
                    found.number_forms.push((xxh3_64(&number_form(&text_classes)), narrow(position)));
                }
            }
        }
    }
}

/// Has texts fetched from memory, all at the same time: a processor waits for several as long as for one.
fn fetch(texts: &[&str]) {
    let lines = texts.iter().flat_map(|text| text.as_bytes().iter().step_by(CACHE_LINE));
    black_box(lines.fold(0, |read, byte| read ^ byte));
}

/// The first so many bytes, which are no longer there then.
fn take<'a>(bytes: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let (taken, others) = std::mem::take(bytes).split_at_mut(count);
    *bytes = others;
    taken
}

impl Sealed {
    /// Takes texts, each once.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (SourceId, &'a str)>) -> Self {
        let texts: Vec<(SourceId, &str)> = texts.into_iter().collect();
        let lengths = texts.iter().map(|(source, text)| (text.chars().count(), *source));
        Sealing::new(lengths).finish(&|number| texts[number].1, &|text| text, one_by_one)
    }

    /// Makes what texts are found by: from the hashes of their classes, and those of the forms without numbers.
    fn hash(&mut self, hashes: &[u64], number_forms: Vec<(u64, u32)>) {
        let mut by_text = HashTable::with_capacity(self.sources.len());
        let mut repeated = None;
        for (position, &hash) in (0..).zip(hashes) {
            let is_it = |&other: &u32| {
                hashes[other as usize] == hash
                    && self.classes(other) == self.classes(position)
                    && self.special(other) == self.special(position)
            };
            match by_text.entry(hash, is_it, |&other| hashes[other as usize]) {
                Entry::Occupied(_) => repeated = repeated.or(Some(position)),
                Entry::Vacant(place) => drop(place.insert(position)),
            }
        }
        let mut by_number_form = HashTable::with_capacity(number_forms.len());
        for (hash, position) in number_forms {
            by_number_form.insert_unique(hash, position, |&other| xxh3_64(&number_form(self.classes(other))));
        }
        (self.by_text, self.by_number_form, self.repeated) = (by_text, by_number_form, repeated);
    }
}

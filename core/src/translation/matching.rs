//! Looking a text up: what is equal to it, equal but for numbers, or similar.

use super::bounds::{Counts, Longer, bigram_bytes};
use super::fold::Folded;
use super::hits::{Best, Hit};
use super::index::{Index, Part};
use super::levenshtein::{LANES, Pattern, Workspace, distances};
use super::placeables::{has_number, number_form};
use super::sealed::Group;
use super::{HITS_MAX, SIMILARITY_MIN, SourceId};

/// How thoroughly is looked for similar texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For suggestions while somebody types. Texts whose edits are single characters all over may be missed
    /// where they are about as far as is allowed. Texts of less than [`FAST_CHARS_MIN`] characters are looked
    /// up exhaustively.
    Fast,
    /// Every text that is similar enough is found.
    Exhaustive,
}

/// In shorter texts an edit is often a character by itself, and being exhaustive costs little.
pub const FAST_CHARS_MIN: usize = 32;

/// Letters and bigrams tell texts of less characters apart better than letters alone.
const BIGRAMS_CHARS_MAX: usize = 128;

/// Texts that are equal but for numbers are compared up to so many.
const NUMBER_FORMS_MAX: usize = 256;

/// What is wrong with a [`Search`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The least similarity is out of range.
    #[error("the least similarity must be a number from {SIMILARITY_MIN} to 1")]
    Similarity,
    /// The number of texts is out of range.
    #[error("the number of texts wanted must be from 1 to {HITS_MAX}")]
    Wanted,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    mode: Mode,
    min_similarity: f64,
    wanted: usize,
}

impl Search {
    /// The most similar texts, up to `wanted` of them, that are at least so similar.
    ///
    /// # Errors
    /// If `min_similarity` is not from [`SIMILARITY_MIN`] to 1, or `wanted` not from 1 to [`HITS_MAX`].
    pub fn new(mode: Mode, min_similarity: f64, wanted: usize) -> Result<Self, SearchError> {
        if !(SIMILARITY_MIN..=1.0).contains(&min_similarity) {
            return Err(SearchError::Similarity);
        }
        if !(1..=HITS_MAX).contains(&wanted) {
            return Err(SearchError::Wanted);
        }
        Ok(Self { mode, min_similarity, wanted })
    }
}

/// A text prepared to be looked up, in as many indices as there are scopes.
#[derive(Debug)]
pub struct Query {
    text: Folded,
    pattern: Pattern,
    counts: Counts,
}

impl Query {
    /// Prepares a text.
    #[must_use]
    pub fn new(text: Folded) -> Self {
        let pattern = Pattern::new(&text);
        let counts = Counts::new(pattern.classes());
        Self { text, pattern, counts }
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &Folded {
        &self.text
    }

    /// Whether a text may be at least so similar, or equal but for numbers, however similar: it is not, if this says so. What
    /// costs little, for one text.
    #[must_use]
    pub fn may_be_like(&self, text: &Folded, min_similarity: f64) -> bool {
        self.may_be_similar(text, min_similarity) || self.is_equal_but_for_numbers(text)
    }

    fn may_be_similar(&self, text: &Folded, min_similarity: f64) -> bool {
        let longer = self.pattern.len().max(text.chars());
        let Some(limit) = Best::new(SIMILARITY_MIN.max(min_similarity), 1).limit(longer) else { return false };
        if self.pattern.len().abs_diff(text.chars()) > limit {
            return false;
        }
        let classes = text.classes();
        let [distance, ..] = distances(&self.pattern, &[&classes; LANES], limit, &mut Workspace::default());
        distance.is_some()
    }

    fn is_equal_but_for_numbers(&self, text: &Folded) -> bool {
        has_number(text.as_str().as_bytes()) && number_form(&text.classes()) == number_form(self.pattern.classes())
    }
}

/// After work like that of counting for so many texts the thread is asked whether others should go first: some tens of
/// microseconds.
const WORK_BETWEEN_PAUSES: usize = 1_024;
/// The work of comparing some texts, in that of counting for one.
const WORK_OF_COMPARING: usize = 64;

/// Memory that look-ups work in: a thread that looks up keeps one.
#[derive(Debug, Default)]
pub struct Scratch {
    workspace: Workspace,
    found: Vec<u32>,
    /// What is done between parts of a look-up.
    pause: Option<fn()>,
    /// The work since that was done last.
    work: usize,
}

impl Scratch {
    /// Memory for a thread that does something between parts of a look-up, some tens of microseconds each: such as to let
    /// others have the processor, who have little to do and are waited for.
    #[must_use]
    pub fn with_pauses(pause: fn()) -> Self {
        Self { pause: Some(pause), ..Self::default() }
    }

    fn worked(&mut self, work: usize) {
        self.work += work;
        if self.work >= WORK_BETWEEN_PAUSES {
            self.work = 0;
            if let Some(pause) = self.pause {
                pause();
            }
        }
    }
}

/// How a text is like the one that was looked up, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To the character.
    Raw,
    /// In their folded forms.
    Folded,
    /// But for numbers.
    Numbers,
    /// Similar.
    Fuzzy,
}

/// A text that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// How it is like the one that was looked up. An index does not know texts as they were written, so it
    /// says [`Level::Folded`] of what is equal; see [`Self::level_of`].
    pub level: Level,
    /// Which, and how similar.
    pub hit: Hit,
}

impl Match {
    /// A text that is equal to the one that was looked up, in its folded form.
    pub(super) fn equal(source: SourceId, text: &Folded) -> Self {
        Self { level: Level::Folded, hit: hit(source, 0, text.chars()) }
    }

    /// The level of an entry of this source, from both texts as they were written.
    #[must_use]
    pub fn level_of(&self, asked: &str, source: &str) -> Level {
        if self.level == Level::Folded && asked == source { Level::Raw } else { self.level }
    }
}

impl Index {
    /// The most similar texts, the most similar first.
    #[must_use]
    pub fn search(&self, query: &Query, search: &Search, scratch: &mut Scratch) -> Vec<Hit> {
        let mut best = Best::new(search.min_similarity, search.wanted);
        let exhaustive = search.mode == Mode::Exhaustive || query.pattern.len() < FAST_CHARS_MIN;
        for part in self.parts() {
            Looking { part, query, exhaustive, best: &mut best, scratch }.part();
        }
        best.into_hits()
    }

    /// What is found, in the order of levels and then of similarity: the text itself, those that are equal but
    /// for numbers, however similar, then the similar ones.
    #[must_use]
    pub fn look_up(&self, query: &Query, search: &Search, scratch: &mut Scratch) -> Vec<Match> {
        let numbers = self.equal_but_for_numbers(query, scratch);
        let hits = self.search(query, search, scratch);
        let is_numbers = |source: SourceId| numbers.iter().any(|hit| hit.source == source);
        let level = |hit: &Hit| if hit.distance == 0 { Level::Folded } else { Level::Fuzzy };
        let others = hits.iter().filter(|hit| !is_numbers(hit.source));
        let mut matches: Vec<Match> = others.map(|&hit| Match { level: level(&hit), hit }).collect();
        matches.extend(numbers.iter().map(|&hit| Match { level: Level::Numbers, hit }));
        matches.sort_by_key(|found| found.level);
        matches.truncate(search.wanted);
        matches
    }

    /// The texts that have other numbers and are equal else, the most similar first.
    fn equal_but_for_numbers(&self, query: &Query, scratch: &mut Scratch) -> Vec<Hit> {
        let asked = query.pattern.classes();
        let mut best = Best::new(0.0, HITS_MAX);
        let found = self.parts().iter().flat_map(|part| {
            let positions = part.sealed.find_number_form(query.text.as_str(), asked);
            positions.filter(|&position| !part.is_removed(position)).map(move |position| (part, position))
        });
        for (part, position) in found.take(NUMBER_FORMS_MAX) {
            let text = part.sealed.classes(position);
            let longer = text.len().max(asked.len());
            let limit = best.limit(longer).unwrap_or(0);
            let [distance, ..] = distances(&query.pattern, &[text; LANES], limit, &mut scratch.workspace);
            let Some(distance @ 1..) = distance else { continue };
            best.insert(hit(part.sealed.source(position), distance as usize, longer));
        }
        best.into_hits()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no text is longer than TEXT_CHARS_MAX")]
const fn hit(source: SourceId, distance: usize, longer: usize) -> Hit {
    Hit { source, distance: distance as u32, longer: longer as u32 }
}

/// A look-up in one part.
struct Looking<'a> {
    part: &'a Part,
    query: &'a Query,
    exhaustive: bool,
    best: &'a mut Best,
    scratch: &'a mut Scratch,
}

impl Looking<'_> {
    /// Goes through the texts from the nearest length to both sides, as far as one may still be found there. The
    /// best come early so, and the more there are of them, the less is left to look at.
    fn part(&mut self) {
        let length = self.query.pattern.len();
        let groups = self.part.sealed.groups();
        let (shorter, longer) = groups.split_at(groups.partition_point(|group| group.length < length));
        let (mut shorter, mut longer) = (shorter.iter().rev().peekable(), longer.iter().peekable());
        loop {
            let near = |group: &&Group| {
                let limit = self.best.limit(length.max(group.length));
                limit.is_some_and(|limit| length.abs_diff(group.length) <= limit)
            };
            let below = shorter.peek().copied().filter(near);
            let above = longer.peek().copied().filter(near);
            let group = match (below, above) {
                (Some(below), Some(above)) if length - below.length < above.length - length => shorter.next(),
                (_, Some(_)) => longer.next(),
                (Some(_), None) => shorter.next(),
                (None, None) => return,
            };
            if let Some(group) = group {
                self.group(group);
            }
        }
    }

    /// Goes through the texts of one length.
    fn group(&mut self, group: &Group) {
        let length = self.query.pattern.len();
        let longer = if length >= group.length { Longer::Asked } else { Longer::Kept };
        let both = length.max(group.length);
        let Some(limit) = self.best.limit(both) else { return };
        self.scratch.found.clear();
        if self.exhaustive {
            self.not_excluded(group, longer, limit);
        } else {
            self.likely(group, longer, limit);
        }
        self.scratch.worked(group.count);
        let found = std::mem::take(&mut self.scratch.found);
        for batch in found.chunks(LANES) {
            let Some(limit) = self.best.limit(both) else { break };
            // Fewer than the lanes: the rest of them do the last one again.
            let texts =
                std::array::from_fn(|lane| self.part.sealed.text_in(group, batch[lane.min(batch.len() - 1)] as usize));
            let distances = distances(&self.query.pattern, &texts, limit, &mut self.scratch.workspace);
            for (&number, distance) in batch.iter().zip(distances) {
                let Some(distance) = distance else { continue };
                let position = group.position(number);
                let special = self.part.sealed.special(position);
                let distance = special.map_or(distance as usize, |text| self.query.pattern.distance_to(text));
                let near = self.best.limit(both).is_some_and(|limit| distance <= limit);
                if near && !self.part.is_removed(position) {
                    self.best.insert(hit(self.part.sealed.source(position), distance, both));
                }
            }
            self.scratch.worked(WORK_OF_COMPARING);
        }
        self.scratch.found = found;
    }

    /// The texts that no bound excludes.
    fn not_excluded(&mut self, group: &Group, longer: Longer, limit: usize) {
        let (counts, found) = (&self.query.counts, &mut self.scratch.found);
        counts.by_letters(self.part.sealed.letters_in(group), longer, limit, found);
        if group.length < BIGRAMS_CHARS_MAX {
            let (coarse, _) = bigram_bytes(group.length);
            counts.retain_by_bigrams(self.part.sealed.coarse_in(group), coarse, longer, 2 * limit, found);
        }
    }

    /// The texts that have hardly more than one bigram too many for each edit: 1.05, and four, which are two
    /// edits far from each other. By this all of the real queries' hits are found.
    fn likely(&mut self, group: &Group, longer: Longer, limit: usize) {
        let (counts, found) = (&self.query.counts, &mut self.scratch.found);
        let (coarse, fine) = bigram_bytes(group.length);
        let limit = limit * 105 / 100 + 4;
        counts.by_bigrams(self.part.sealed.coarse_in(group), coarse, longer, limit, found);
        if fine > 0 {
            counts.retain_by_bigrams(self.part.sealed.fine_in(group), fine, longer, limit, found);
        }
    }
}

//! Which translations are old: those of the sentences that have become others.
//!
//! The translation of a sentence is the one with its numbers in the other section as that was when both were looked at last. Its
//! place goes along with what has happened there since, and what is there then is told; nothing, if it was deleted. Who has
//! changed it at least as late as its source is ahead.

use std::collections::BTreeMap;
use std::ops::Range;

use super::budget::{Budget, TooMuch};
use super::changed::{ChangedSentence, SourceChange, source_change};
use super::hunks::{Hunks, Stretch};
use super::lines::{Block, Lines, PARAGRAPH_UNITS_MAX, Walk};
use super::pairing::Pair;
use super::place::{Followed, SegmentAt};
use super::sentences::Paragraph;
use crate::document::Document;
use crate::ids::{Version, utf16_len};
use crate::text::Text;

/// So much is looked at at once for something that is no white space, in UTF-16 code units.
const LOOK_UNITS: u32 = 32;

/// What has happened to a section since it was looked at last: the stretches, and the lines that they were in.
pub(super) type Happened = BTreeMap<usize, (Hunks, Vec<Block>)>;

/// The translations that are old since the document was looked at last.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// What has become of each source.
    sources: BTreeMap<usize, SourceChange>,
    pairs: Vec<StalePair>,
}

/// Those of one pair of sections.
#[derive(Debug)]
pub(super) struct StalePair {
    pub(super) pair: Pair,
    /// In order.
    pub(super) segments: Vec<StaleSegment>,
    /// There may be others.
    pub(super) is_whole: bool,
}

/// A translation that is old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StaleSegment {
    /// The number of its sentence among those that have changed.
    change: usize,
    pub(super) target: SegmentAt,
    pub(super) text: Box<str>,
}

/// The translations of changed sentences: which sentence, and something that is in its translation.
type Places = Vec<(usize, u32)>;

/// Where translations are that may be old, as long as the lines of the document are those from before.
pub(super) struct Sought {
    sources: BTreeMap<usize, SourceChange>,
    places: Vec<(Pair, Option<Places>)>,
    budget: Budget,
}

impl Sought {
    /// Begins with what has happened, `lines` being those of a section before that.
    pub(super) fn new<'a>(
        document: &Document,
        lines: impl Fn(usize) -> Option<&'a Lines>,
        pairs: &[Pair],
        happened: &Happened,
    ) -> Self {
        let mut budget = Budget::default();
        let (mut sources, mut places) = (BTreeMap::new(), Vec::new());
        let text = |section: usize| document.sections()[section].text();
        for pair in pairs {
            let (Some(target), Some((hunks, blocks))) = (pair.target, happened.get(&pair.source)) else { continue };
            let change = sources.entry(pair.source).or_insert_with(|| match lines(pair.source) {
                Some(lines) => source_change(pair.source, lines, (hunks, blocks), text(pair.source), &mut budget),
                None => SourceChange::Unknown,
            });
            let found = match change {
                SourceChange::Sentences(changed) if changed.is_empty() => continue,
                SourceChange::Sentences(changed) => lines(target).and_then(|lines| {
                    let none = Hunks::default();
                    let hunks = happened.get(&target).map_or(&none, |(hunks, _)| hunks);
                    places_of(changed, lines, hunks, text(target), &mut budget).ok()
                }),
                SourceChange::Unknown => None,
            };
            places.push((*pair, found));
        }
        Self { sources, places, budget }
    }

    /// Goes on when what is `followed` is how it is.
    pub(super) fn find(mut self, document: &Document, followed: &Followed, happened: &Happened) -> Stale {
        let mut pairs = Vec::new();
        for (pair, places) in self.places {
            let (Some(target), Some(change)) = (pair.target, self.sources.get(&pair.source)) else { continue };
            let lines = followed.get(&target);
            let found = match (change, places, lines) {
                (SourceChange::Sentences(changed), Some(places), Some(lines)) => {
                    let hunks = happened.get(&target).map(|(hunks, _)| hunks);
                    let text = document.sections()[target].text();
                    segments_at(target, changed, &places, (lines, hunks), text, &mut self.budget).ok()
                }
                _ => None,
            };
            match found {
                Some(segments) => pairs.push(StalePair { pair, segments, is_whole: false }),
                None => pairs.extend(StalePair::whole(document, followed, pair)),
            }
        }
        Stale { sources: self.sources, pairs }
    }
}

impl Stale {
    /// Nobody knows what has happened: all translations may be old.
    pub(super) fn whole(document: &Document, followed: &Followed, pairs: &[Pair]) -> Self {
        let pairs = pairs.iter().filter_map(|pair| StalePair::whole(document, followed, *pair));
        Self { sources: BTreeMap::new(), pairs: pairs.collect() }
    }

    /// Those of a pair, if there may be any.
    pub(super) fn of(&self, pair: Pair) -> Option<&StalePair> {
        self.pairs.iter().find(|stale| stale.pair == pair)
    }

    /// What has become of the source of one of them.
    pub(super) fn change_of(&self, pair: Pair, segment: &StaleSegment) -> Option<&ChangedSentence> {
        match self.sources.get(&pair.source)? {
            SourceChange::Sentences(changed) => changed.get(segment.change),
            SourceChange::Unknown => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.iter().all(|pair| pair.segments.is_empty() && !pair.is_whole)
    }
}

impl StalePair {
    /// All of the translation may be old, if there is any.
    fn whole(document: &Document, followed: &Followed, pair: Pair) -> Option<Self> {
        let target = pair.target?;
        let has_text = || !document.sections()[target].text().is_empty();
        let is_there = followed.get(&target).map_or_else(has_text, Lines::have_content);
        is_there.then_some(Self { pair, segments: Vec::new(), is_whole: true })
    }
}

/// Finds the translations of changed sentences in a section whose lines are those from before.
fn places_of(
    changed: &[ChangedSentence],
    lines: &Lines,
    hunks: &Hunks,
    now: &Text,
    budget: &mut Budget,
) -> Result<Places, TooMuch> {
    if hunks.is_forgotten() {
        return Err(TooMuch);
    }
    let mut walk = lines.walk();
    let mut found = Places::new();
    let mut indices = (0..changed.len()).peekable();
    while let Some(first) = indices.next() {
        let paragraph = changed[first].paragraph;
        let Some(line) = walk.paragraph(paragraph) else { break };
        if line.units > PARAGRAPH_UNITS_MAX {
            return Err(TooMuch);
        }
        let old = hunks.old_text(line.start..line.start + line.units, now, budget)?;
        let sentences = lines.sentences_of(&old, line.start);
        let mut index = Some(first);
        while let Some(at) = index {
            if let Some((range, _)) = sentences.get(changed[at].sentence) {
                found.extend(place_of(&range, hunks, now, budget)?.map(|place| (at, place)));
            }
            index = indices.next_if(|index| changed[*index].paragraph == paragraph);
        }
    }
    Ok(found)
}

/// Where something is of what was in a place: the first of it that is still there, else what came for it.
fn place_of(old: &Range<u32>, hunks: &Hunks, now: &Text, budget: &mut Budget) -> Result<Option<u32>, TooMuch> {
    let mut replaced = None;
    for stretch in hunks.stretches(old.clone()) {
        match stretch {
            Stretch::Kept(new) => {
                if let Some(place) = first_visible(new, now, budget)? {
                    return Ok(Some(place));
                }
            }
            Stretch::Gone { hunk, .. } if replaced.is_none() => {
                replaced = first_visible(hunk.new.clone(), now, budget)?;
            }
            Stretch::Gone { .. } => {}
        }
    }
    Ok(replaced)
}

/// The first character of a part of a text that is no white space.
fn first_visible(range: Range<u32>, now: &Text, budget: &mut Budget) -> Result<Option<u32>, TooMuch> {
    for from in range.clone().step_by(LOOK_UNITS as usize) {
        let to = range.end.min(from + LOOK_UNITS);
        budget.spend((to - from) as usize)?;
        let look = now.slice(from as usize..to as usize);
        if let Some(at) = look.find(|character: char| !character.is_whitespace()) {
            return Ok(Some(from + u32::try_from(utf16_len(&look[..at])).unwrap_or(0)));
        }
    }
    Ok(None)
}

/// The segments that are at those places now, but for those that were changed at least as late as their source.
fn segments_at(
    target: usize,
    changed: &[ChangedSentence],
    places: &[(usize, u32)],
    (lines, hunks): (&Lines, Option<&Hunks>),
    now: &Text,
    budget: &mut Budget,
) -> Result<Vec<StaleSegment>, TooMuch> {
    let mut walk: Walk<'_> = lines.walk();
    let mut known: Option<(usize, Paragraph)> = None;
    let mut found: Vec<StaleSegment> = Vec::new();
    for (change, place) in places {
        let line = walk.line(*place);
        if known.as_ref().is_none_or(|(known, _)| *known != line.line) {
            budget.spend(line.units as usize)?;
            if line.units > PARAGRAPH_UNITS_MAX {
                return Err(TooMuch);
            }
            known = Some((line.line, lines.sentences(now, &line)));
        }
        let mut here = known.iter().flat_map(|(_, sentences)| sentences.iter()).enumerate();
        let Some((sentence, (range, text))) = here.find(|(_, (range, _))| range.end > *place) else { continue };
        let at = SegmentAt { section: target, paragraph: line.paragraph, sentence, range: range.clone() };
        let is_ahead = hunks.is_some_and(|hunks| is_ahead(&range, hunks, changed[*change].version));
        if !is_ahead && found.last().is_none_or(|last| last.target != at) {
            found.push(StaleSegment { change: *change, target: at, text: text.into() });
        }
    }
    Ok(found)
}

/// Whether all that a change did in a segment came with the last change of its source or later.
fn is_ahead(segment: &Range<u32>, hunks: &Hunks, source: Version) -> bool {
    let hunks = hunks.as_slice();
    let first = hunks.partition_point(|hunk| hunk.new.end <= segment.start);
    let mut within = hunks[first..].iter().take_while(|hunk| hunk.new.start < segment.end);
    within.any(|hunk| hunk.versions[0] >= source)
}

//! Which sentences of a section have become others, and what: what a translation is held against.
//!
//! Sentences are the same if they are equal once folded, in whichever paragraph they are by now. So nothing has changed where a
//! paragraph is split or joined between sentences; a sentence that is cut in two, or is one with the next, is another one.

use std::ops::Range;

use gix_imara_diff::{Algorithm, Diff, InternedInput};

use super::budget::{Budget, TooMuch};
use super::hunks::Hunks;
use super::lines::{Block, Lines, PARAGRAPH_UNITS_MAX};
use super::place::SegmentAt;
use crate::document::changed as differing;
use crate::ids::{Version, utf16_len};
use crate::text::Text;
use crate::translation::{ends_line, fold};

/// Changed sentences are held against those that came in their place, each against each, where there are no more pairs of them.
const PAIRS_MAX: usize = 1 << 12;

/// What has become of a section that is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::room) enum SourceChange {
    /// These sentences are others, in order.
    Sentences(Vec<ChangedSentence>),
    /// It cannot be said: too much has changed, or too long a paragraph.
    Unknown,
}

/// A sentence that is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::room) struct ChangedSentence {
    /// The number of the paragraph it was in, from 0.
    pub(in crate::room) paragraph: usize,
    /// The number it had there, from 0.
    pub(in crate::room) sentence: usize,
    /// What it was.
    pub(in crate::room) previous: Box<str>,
    /// What it is, if it was not deleted.
    pub(in crate::room) now: Option<(SegmentAt, Box<str>)>,
    /// The newest version that touched it.
    pub(in crate::room) version: Version,
}

/// What has become of the text of a section by these stretches, `lines` being how it was before, and `blocks` those of them that
/// they were in.
pub(super) fn source_change(
    section: usize,
    lines: &Lines,
    (hunks, blocks): (&Hunks, &[Block]),
    now: &Text,
    budget: &mut Budget,
) -> SourceChange {
    if hunks.is_forgotten() {
        return SourceChange::Unknown;
    }
    let mut found = Vec::new();
    // The paragraphs that there are, and were, before a block.
    let (mut more, mut less) = (0, 0);
    for block in joined(blocks) {
        let read = budget.spend(block.new.len()).and_then(|()| {
            let old = hunks.old_text(block.old.clone(), now, budget)?;
            let before = numbered(lines, &old, block.paragraph, block.old.start)?;
            let text = now.slice(block.new.start as usize..block.new.end as usize);
            Ok((before, numbered(lines, &text, block.paragraph + more - less, block.new.start)?))
        });
        let Ok(((before, paragraphs_before), (after, paragraphs))) = read else { return SourceChange::Unknown };
        (more, less) = (more + paragraphs, less + paragraphs_before);
        find_changed(section, hunks, &before, &after, &mut found);
    }
    SourceChange::Sentences(found)
}

/// Blocks that follow one another as one.
fn joined(blocks: &[Block]) -> impl Iterator<Item = Block> {
    blocks.chunk_by(|one, next| one.lines.end == next.lines.start).filter_map(|blocks| {
        let ([first, ..], [.., last]) = (blocks, blocks) else { return None };
        Some(Block {
            lines: first.lines.start..last.lines.end,
            old: first.old.start..last.old.end,
            new: first.new.start..last.new.end,
            hunks: first.hunks.start..last.hunks.end,
            paragraph: first.paragraph,
        })
    })
}

/// A sentence with its numbers, and as it is compared.
struct Numbered {
    paragraph: usize,
    sentence: usize,
    range: Range<u32>,
    text: Box<str>,
    folded: String,
}

/// The sentences of whole lines that begin at `start`, `paragraph` being the number of the first one of them that has any, and
/// how many have.
fn numbered(lines: &Lines, text: &str, paragraph: usize, start: u32) -> Result<(Vec<Numbered>, usize), TooMuch> {
    let (mut found, mut paragraphs, mut start) = (Vec::new(), 0, start);
    for line in text.split_inclusive(ends_line) {
        let units = u32::try_from(utf16_len(line)).unwrap_or(u32::MAX);
        if line.chars().any(|character| !character.is_whitespace()) {
            if units > PARAGRAPH_UNITS_MAX {
                return Err(TooMuch);
            }
            let sentences = lines.sentences_of(line, start);
            found.extend(sentences.iter().enumerate().map(|(sentence, (range, text))| {
                let folded = fold(text);
                Numbered { paragraph: paragraph + paragraphs, sentence, range, text: text.into(), folded }
            }));
            paragraphs += 1;
        }
        start += units;
    }
    Ok((found, paragraphs))
}

fn find_changed(
    section: usize,
    hunks: &Hunks,
    before: &[Numbered],
    after: &[Numbered],
    found: &mut Vec<ChangedSentence>,
) {
    let newest = hunks.as_slice().iter().map(|hunk| hunk.versions[1]).max();
    let mut input = InternedInput::default();
    input.update_before(before.iter().map(|one| one.folded.as_str()));
    input.update_after(after.iter().map(|one| one.folded.as_str()));
    for differing in Diff::compute(Algorithm::Myers, &input).hunks() {
        let range = |range: Range<u32>| range.start as usize..range.end as usize;
        let (before, after) = (&before[range(differing.before)], &after[range(differing.after)]);
        for (one, became) in before.iter().zip(became(before, after)) {
            let now = became.map(|now| {
                let Numbered { paragraph, sentence, .. } = *now;
                (SegmentAt { section, paragraph, sentence, range: now.range.clone() }, now.text.clone())
            });
            let version = match hunks.touching(&one.range) {
                // What is around it made it end elsewhere.
                [] => newest,
                touching => touching.iter().map(|hunk| hunk.versions[1]).max(),
            };
            let version = version.unwrap_or_default();
            let Numbered { paragraph, sentence, .. } = *one;
            found.push(ChangedSentence { paragraph, sentence, previous: one.text.clone(), now, version });
        }
    }
}

/// What each of some sentences has become, in order, if it was not deleted: those belong together that begin and end most alike.
fn became<'a>(before: &[Numbered], after: &'a [Numbered]) -> Vec<Option<&'a Numbered>> {
    let width = after.len() + 1;
    if before.len() * after.len() > PAIRS_MAX || before.len() == 1 && after.len() == 1 {
        return (0..before.len()).map(|index| after.get(index)).collect();
    }
    // Of each place in the one and in the other, how much is alike from there on at best.
    let mut best = vec![0; (before.len() + 1) * width];
    let alike = |one: usize, other: usize| alike(&before[one].folded, &after[other].folded);
    for one in (0..before.len()).rev() {
        for other in (0..after.len()).rev() {
            let at = one * width + other;
            let together = best[at + width + 1] + alike(one, other);
            best[at] = together.max(best[at + 1]).max(best[at + width]);
        }
    }
    let mut other = 0;
    let next = |one: usize| {
        while other < after.len() {
            let at = one * width + other;
            if best[at] == best[at + width] {
                return None;
            }
            other += 1;
            if best[at] != best[at + 1] {
                return Some(&after[other - 1]);
            }
        }
        None
    };
    (0..before.len()).map(next).collect()
}

/// How much two texts have in common at their ends, and something for being there.
fn alike(one: &str, other: &str) -> usize {
    let (start, end, _) = differing(one, other);
    1 + start + one.len() - end
}

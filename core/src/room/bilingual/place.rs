//! The segment at a cursor, and the one that is its counterpart: sentence n of paragraph n.
//!
//! Paragraphs are the lines of a section with something in them, sentences those of
//! [`segments`](crate::translation::segments). What a translation has more of than its source belongs to the source's last
//! sentence.

use std::collections::BTreeMap;
use std::ops::Range;

use super::lines::{LineAt, Lines};
use super::pairing::Pair;
use super::sentences::Paragraph;
use crate::document::Document;
use crate::room::member::Marked;
use crate::text::Text;
use crate::translation::TEXT_CHARS_MAX;

/// The lines of the sections that are followed.
pub(super) type Followed = BTreeMap<usize, Lines>;

/// A segment's place in a section, in UTF-16 code units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::room) struct SegmentAt {
    /// Which section.
    pub(in crate::room) section: usize,
    /// The number of its paragraph, from 0.
    pub(in crate::room) paragraph: usize,
    /// Its number there, from 0.
    pub(in crate::room) sentence: usize,
    /// Where it is.
    pub(in crate::room) range: Range<u32>,
}

/// A segment that is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) at: SegmentAt,
    pub(super) text: Box<str>,
    /// The segments around it in its paragraph.
    pub(super) previous: Option<Box<str>>,
    pub(super) next: Option<Box<str>>,
    /// Its translation, where there is one.
    pub(super) counterpart: Option<SegmentAt>,
}

/// What is at a position of a section: its line, the sentences of that, and the number of the one that the position is in or at
/// the end of, else of the next one, which there need not be.
pub(super) struct Here {
    pub(super) line: LineAt,
    pub(super) sentences: Paragraph,
    pub(super) sentence: usize,
}

impl Here {
    pub(super) fn of(text: &Text, lines: &Lines, position: u32) -> Self {
        let line = lines.at(position);
        let sentences = lines.sentences(text, &line);
        let sentence = sentences.ended_before(position);
        Self { line, sentences, sentence }
    }
}

/// A sentence that can be looked up, with those around it in its paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) sentence: usize,
    pub(super) range: Range<u32>,
    pub(super) text: Box<str>,
    pub(super) previous: Option<Box<str>>,
    pub(super) next: Option<Box<str>>,
}

impl Around {
    /// The sentence of that number, or the last one.
    pub(super) fn of(sentences: &Paragraph, sentence: usize) -> Option<Self> {
        let sentence = sentence.min(sentences.len().checked_sub(1)?);
        let looked_up = |index: usize| sentences.get(index).filter(|(_, text)| is_looked_up(text));
        let text_of = |index: usize| looked_up(index).map(|(_, text)| text.into());
        let (range, text) = looked_up(sentence).map(|(range, text)| (range, text.into()))?;
        let (previous, next) = (sentence.checked_sub(1).and_then(text_of), text_of(sentence + 1));
        Some(Self { sentence, range, text, previous, next })
    }
}

/// The segment at a cursor: the one it is in or at the end of, else the next of its line, else the last. In a translation it is
/// the segment that is to be translated there.
pub(super) fn segment_at(document: &Document, followed: &Followed, pairs: &[Pair], cursor: Marked) -> Option<Segment> {
    let pair = pairs.iter().find(|pair| pair.source == cursor.section || pair.target == Some(cursor.section))?;
    let text = |section: usize| document.sections()[section].text();
    let Here { line, sentences: here, sentence } =
        Here::of(text(cursor.section), followed.get(&cursor.section)?, cursor.start);
    let (line, sentences) = if pair.source == cursor.section {
        (line, here)
    } else {
        let lines = followed.get(&pair.source)?;
        let line = lines.paragraph(line.paragraph)?;
        (line, lines.sentences(text(pair.source), &line))
    };
    let Around { sentence, range, text, previous, next } = Around::of(&sentences, sentence)?;
    let (section, paragraph) = (pair.source, line.paragraph);
    Some(Segment {
        text,
        previous,
        next,
        counterpart: counterpart(document, followed, *pair, paragraph, sentence),
        at: SegmentAt { section, paragraph, sentence, range },
    })
}

/// The segment that is the translation of one with those numbers.
pub(super) fn counterpart(
    document: &Document,
    followed: &Followed,
    pair: Pair,
    paragraph: usize,
    sentence: usize,
) -> Option<SegmentAt> {
    sentence_at(document, followed, pair.target?, paragraph, sentence)
}

/// The sentence of a section that has those numbers.
pub(super) fn sentence_at(
    document: &Document,
    followed: &Followed,
    section: usize,
    paragraph: usize,
    sentence: usize,
) -> Option<SegmentAt> {
    sentence_with_text(document, followed, section, paragraph, sentence).map(|(at, _)| at)
}

/// The same with its text.
pub(super) fn sentence_with_text(
    document: &Document,
    followed: &Followed,
    section: usize,
    paragraph: usize,
    sentence: usize,
) -> Option<(SegmentAt, Box<str>)> {
    let lines = followed.get(&section)?;
    let found = lines.sentences(document.sections()[section].text(), &lines.paragraph(paragraph)?);
    let (range, text) = found.get(sentence)?;
    Some((SegmentAt { section, paragraph, sentence, range }, text.into()))
}

/// Whether the memory takes a text of that length.
fn is_looked_up(text: &str) -> bool {
    // What takes most bytes is four times as long.
    text.len() <= TEXT_CHARS_MAX || text.chars().count() <= TEXT_CHARS_MAX
}

//! The sentences of paragraphs. Whoever types changes one at a time, and many look at it: to find where its sentences end takes far
//! longer than to remember it.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use hashbrown::HashMap;

use crate::ids::utf16_len;
use crate::translation::segments;

/// So much text of a section's paragraphs is remembered, in bytes, and one more. When there is more, all of it is forgotten.
pub const SENTENCES_REMEMBERED_BYTES_MAX: usize = 64 << 10;

/// A sentence, and where it is in its paragraph, in UTF-16 code units.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sentence {
    range: Range<u32>,
    text: Box<str>,
}

/// The sentences of a line, and where that begins in its section.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    start: u32,
    sentences: Rc<[Sentence]>,
}

/// The paragraphs that were read last.
#[derive(Debug, Default)]
pub(super) struct Remembered(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    by_text: HashMap<Box<str>, Rc<[Sentence]>>,
    bytes: usize,
}

impl Paragraph {
    /// One without any.
    pub(super) fn empty(start: u32) -> Self {
        Self { start, sentences: Rc::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.sentences.len()
    }

    /// Where the sentence of that number is, in UTF-16 code units of the section, and its text.
    pub(super) fn get(&self, number: usize) -> Option<(Range<u32>, &str)> {
        let Sentence { range, text } = self.sentences.get(number)?;
        Some((self.start + range.start..self.start + range.end, text))
    }

    /// How many of them end before a position of the section.
    pub(super) fn ended_before(&self, position: u32) -> usize {
        self.sentences.partition_point(|sentence| self.start + sentence.range.end < position)
    }

    /// All of them, as [`Self::get`] gives them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Range<u32>, &str)> {
        (0..self.len()).filter_map(|number| self.get(number))
    }
}

impl Remembered {
    /// The sentences of a line that begins at `start`.
    pub(super) fn paragraph(&self, line: &str, start: u32) -> Paragraph {
        let mut known = self.0.borrow_mut();
        let sentences = match known.by_text.get(line) {
            Some(sentences) => Rc::clone(sentences),
            None => known.read(line),
        };
        Paragraph { start, sentences }
    }
}

impl Known {
    fn read(&mut self, line: &str) -> Rc<[Sentence]> {
        if self.bytes > SENTENCES_REMEMBERED_BYTES_MAX {
            *self = Self::default();
        }
        let sentences: Rc<[Sentence]> = sentences_of(line).into();
        self.bytes += line.len();
        self.by_text.insert(line.into(), Rc::clone(&sentences));
        sentences
    }
}

fn sentences_of(line: &str) -> Vec<Sentence> {
    let (mut bytes, mut units) = (0, 0);
    let units_to = |place: usize, bytes: &mut usize, units: &mut u32| {
        *units += u32::try_from(utf16_len(&line[*bytes..place])).unwrap_or(0);
        *bytes = place;
        *units
    };
    let sentence = |place: Range<usize>| {
        let from = units_to(place.start, &mut bytes, &mut units);
        let to = units_to(place.end, &mut bytes, &mut units);
        Sentence { range: from..to, text: line[place].into() }
    };
    segments(line).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(paragraph: &Paragraph) -> Vec<(Range<u32>, &str)> {
        paragraph.iter().collect()
    }

    #[test]
    fn a_paragraph_that_is_known_is_where_it_is_now() {
        let remembered = Remembered::default();
        let line = "\u{1F600} is it. Is it?\n";
        for start in [0, 7] {
            let paragraph = remembered.paragraph(line, start);
            let expected = [(start..start + 9, "\u{1F600} is it."), (start + 10..start + 16, "Is it?")];
            assert_eq!(told(&paragraph), expected);
            assert_eq!(paragraph.get(2), None);
            for (position, count) in [(0, 0), (9, 0), (10, 1), (16, 1), (17, 2)] {
                assert_eq!(paragraph.ended_before(start + position), count, "{position}");
            }
        }
    }

    #[test]
    fn not_more_is_remembered_than_may_be() {
        let remembered = Remembered::default();
        let line = |number: usize| format!("{} {number}.", "a".repeat(1_000));
        for number in 0..3 * SENTENCES_REMEMBERED_BYTES_MAX / 1_000 {
            let line = line(number);
            assert_eq!(told(&remembered.paragraph(&line, 0)), [(0..u32::try_from(line.len()).unwrap(), &*line)]);
            let known = remembered.0.borrow();
            let bytes: usize = known.by_text.keys().map(|text| text.len()).sum();
            assert!(bytes <= SENTENCES_REMEMBERED_BYTES_MAX + line.len(), "{bytes}");
            assert_eq!(bytes, known.bytes);
            assert!(known.by_text.contains_key(&*line), "the newest one is");
        }
    }
}

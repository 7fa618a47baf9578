//! The lines of a section, kept while it changes, so that a paragraph is found by its number and a place by its paragraph
//! without reading what is before it.

use std::ops::Range;

use super::hunks::Hunk;
use super::sentences::{Paragraph, Remembered};
use crate::text::Text;
use crate::translation::ends_line;

/// The most lines of a section that is followed. One with more is followed no longer.
pub const LINES_MAX: usize = 1 << 16;
/// The longest paragraph that is looked at for its sentences, in UTF-16 code units. A longer one has none.
pub const PARAGRAPH_UNITS_MAX: u32 = 16 << 10;
/// So much of a line is looked at at once for something that is no white space, in UTF-16 code units.
const LOOK_UNITS: usize = 256;

/// The lines of a text: each with its end, the last one without.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// The sentences of some of them.
    remembered: Remembered,
}

/// A line's length in UTF-16 code units, which takes 31 bits, and whether there is nothing in it but white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line(u32);

impl Line {
    const BLANK: u32 = 1 << 31;

    const fn new(units: u32, is_blank: bool) -> Self {
        Self(units | if is_blank { Self::BLANK } else { 0 })
    }

    const fn units(self) -> u32 {
        self.0 & !Self::BLANK
    }

    const fn is_blank(self) -> bool {
        self.0 & Self::BLANK != 0
    }
}

/// One line, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineAt {
    /// The lines before it.
    pub(super) line: usize,
    /// The paragraphs before it: lines with something in them.
    pub(super) paragraph: usize,
    /// Where it begins.
    pub(super) start: u32,
    /// Its length, with its end.
    pub(super) units: u32,
    /// There is nothing in it.
    pub(super) is_blank: bool,
}

/// Lines that are others than before, together with what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Which they were.
    pub(super) lines: Range<usize>,
    /// The paragraphs before them.
    pub(super) paragraph: usize,
    /// Where they were.
    pub(super) old: Range<u32>,
    /// Where what came in their place is.
    pub(super) new: Range<u32>,
    /// The hunks in them.
    pub(super) hunks: Range<usize>,
}

impl Lines {
    /// Those of a text; `None` if there are more than [`LINES_MAX`].
    pub(super) fn of(text: &Text) -> Option<Self> {
        let mut splitter = Splitter::default();
        text.for_each_str(|part| splitter.push(part));
        let lines = splitter.finish();
        (lines.len() <= LINES_MAX).then_some(Self { lines, remembered: Remembered::default() })
    }

    /// The line that a position is in, the last one beyond the end.
    pub(super) fn at(&self, position: u32) -> LineAt {
        self.walk().line(position)
    }

    /// The paragraph of that number.
    pub(super) fn paragraph(&self, number: usize) -> Option<LineAt> {
        self.walk().paragraph(number)
    }

    /// Goes through them once.
    pub(super) fn walk(&self) -> Walk<'_> {
        let at = LineAt { line: 0, paragraph: 0, start: 0, units: 0, is_blank: true };
        Walk { lines: &self.lines, at }
    }

    /// The sentences of a line of the text that these are the lines of; of one that is too long there are none.
    pub(super) fn sentences(&self, text: &Text, line: &LineAt) -> Paragraph {
        if line.is_blank || line.units > PARAGRAPH_UNITS_MAX {
            return Paragraph::empty(line.start);
        }
        self.sentences_of(&text.slice(line.start as usize..(line.start + line.units) as usize), line.start)
    }

    /// The sentences of what is, or was, a line of the section, and begins at `start`.
    pub(super) fn sentences_of(&self, line: &str, start: u32) -> Paragraph {
        self.remembered.paragraph(line, start)
    }

    /// Whether there is anything in them.
    pub(super) fn have_content(&self) -> bool {
        self.lines.iter().any(|line| !line.is_blank())
    }

    /// The lines that are touched by hunks, together where they are the same.
    pub(super) fn blocks(&self, hunks: &[Hunk]) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut walk = self.walk();
        let mut shift = 0;
        for (index, hunk) in hunks.iter().enumerate() {
            let first = walk.line(hunk.old.start);
            let last = walk.line(hunk.old.end);
            let end = last.start + last.units;
            let moved = |position: u32, shift: i64| u32::try_from(i64::from(position) + shift).unwrap_or(0);
            match blocks.last_mut() {
                Some(block) if first.line < block.lines.end => {
                    (block.lines.end, block.old.end) = (last.line + 1, end);
                    (block.new.end, block.hunks.end) = (moved(end, hunk.shift()), index + 1);
                }
                Some(_) | None => blocks.push(Block {
                    lines: first.line..last.line + 1,
                    paragraph: first.paragraph,
                    old: first.start..end,
                    new: moved(first.start, shift)..moved(end, hunk.shift()),
                    hunks: index..index + 1,
                }),
            }
            shift = hunk.shift();
        }
        blocks
    }

    /// Becomes the lines of the text as it is now, by what has changed; false if these are too many.
    pub(super) fn update(&mut self, blocks: &[Block], hunks: &[Hunk], now: &Text) -> bool {
        for block in blocks.iter().rev() {
            let new = block.new.start as usize..block.new.end as usize;
            // An end of a line that was deleted was that of another one than the last.
            if let [line] = &mut self.lines[block.lines.clone()]
                && !hunks[block.hunks.clone()].iter().any(|hunk| brings_lines(hunk, now))
            {
                *line = Line::new(block.new.end - block.new.start, is_blank(now, new));
                continue;
            }
            let is_last = block.lines.end == self.lines.len();
            let mut splitter = Splitter::default();
            splitter.push(&now.slice(new));
            let mut lines = splitter.finish();
            if !is_last {
                // It ends where its last line does, as before.
                lines.pop();
            }
            self.lines.splice(block.lines.clone(), lines);
        }
        self.lines.len() <= LINES_MAX
    }
}

/// Whether what it has put in ends a line.
fn brings_lines(hunk: &Hunk, now: &Text) -> bool {
    now.slice(hunk.new.start as usize..hunk.new.end as usize).contains(ends_line)
}

/// Whether there is nothing but white space in a part of a text. Mostly its first characters say so; half a pair of surrogates
/// is none either.
fn is_blank(text: &Text, range: Range<usize>) -> bool {
    let mut looks = range.clone().step_by(LOOK_UNITS).map(|from| text.slice(from..range.end.min(from + LOOK_UNITS)));
    looks.all(|look| look.chars().all(char::is_whitespace))
}

impl LineAt {
    /// The line behind this one.
    fn before(self, line: usize, next: Line) -> Self {
        Self {
            line,
            paragraph: self.paragraph + usize::from(!self.is_blank),
            start: self.start + self.units,
            units: next.units(),
            is_blank: next.is_blank(),
        }
    }
}

/// Goes through lines once.
pub(super) struct Walk<'a> {
    lines: &'a [Line],
    at: LineAt,
}

impl Walk<'_> {
    /// The line that a position is in, which is not before the last one that was asked for.
    pub(super) fn line(&mut self, position: u32) -> LineAt {
        self.go(|at| position < at.start + at.units)
    }

    /// The paragraph of that number, which is not before the last one that was asked for.
    pub(super) fn paragraph(&mut self, number: usize) -> Option<LineAt> {
        let found = self.go(|at| at.paragraph == number && !at.is_blank);
        (found.paragraph == number && !found.is_blank).then_some(found)
    }

    /// The first line from here on that is `wanted`, or the last one.
    fn go(&mut self, wanted: impl Fn(&LineAt) -> bool) -> LineAt {
        if self.at.line == 0 && self.at.units == 0 {
            self.at = self.at.before(0, self.lines.first().copied().unwrap_or_default());
        }
        while !wanted(&self.at)
            && let Some(next) = self.lines.get(self.at.line + 1)
        {
            self.at = self.at.before(self.at.line + 1, *next);
        }
        self.at
    }
}

/// Cuts a text that comes in parts.
#[derive(Default)]
struct Splitter {
    lines: Vec<Line>,
    units: u32,
    has_content: bool,
}

impl Splitter {
    fn push(&mut self, part: &str) {
        for character in part.chars() {
            self.units += if character.len_utf16() == 2 { 2 } else { 1 };
            self.has_content |= !character.is_whitespace();
            // More than are kept need not be known.
            if ends_line(character) && self.lines.len() <= LINES_MAX {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push(Line::new(self.units, !self.has_content));
        (self.units, self.has_content) = (0, false);
    }

    fn finish(mut self) -> Vec<Line> {
        self.end_line();
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Version;

    /// Every replacement in a small text, against cutting all of it anew.
    #[test]
    fn lines_that_are_followed_are_those_of_the_text() {
        let before = "a\n\nb c\n \nd\u{2028}";
        let places: Vec<usize> = before.char_indices().map(|(place, _)| place).chain([before.len()]).collect();
        let units = |text: &str| u32::try_from(text.encode_utf16().count()).unwrap();
        for (index, &from) in places.iter().enumerate() {
            for &to in &places[index..] {
                for content in ["", "x", " ", "\n", "x\ny", "\n\n"] {
                    let after = format!("{}{content}{}", &before[..from], &before[to..]);
                    let start = units(&before[..from]);
                    let (old, new) = (start..units(&before[..to]), start..start + units(content));
                    let hunk = Hunk { old, new, text: before[from..to].to_owned(), versions: [Version(1); 2] };
                    let mut lines = Lines::of(&Text::from(before)).unwrap();
                    let blocks = lines.blocks(std::slice::from_ref(&hunk));
                    assert!(lines.update(&blocks, &[hunk], &Text::from(&*after)));
                    assert_eq!(lines.lines, Lines::of(&Text::from(&*after)).unwrap().lines, "{from}..{to} {content:?}");
                }
            }
        }
    }
}

//! A text with its tags (`seg`), as words and as it is.

use std::fmt::Write as _;

use jddb_core::translation::TEXT_CHARS_MAX;
use quick_xml::escape::partial_escape;

use crate::escape::escape_attribute;
use crate::xml::{ReadError, Tag, is_character};

/// The longest text with its tags, in bytes. What is longer is passed over, with its unit.
const SEGMENT_BYTES_MAX: usize = 64 << 10;
/// What stands for a character that XML cannot hold: its number in hexadecimal digits follows.
const CHARACTER_TYPE: &str = "x-cp-";

/// A text: its words, and with its tags where it has some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) words: String,
    pub(super) markup: Option<String>,
    /// It is longer than what can be kept, and not all here.
    pub(super) is_too_long: bool,
}

/// A text being read.
#[derive(Debug, Default)]
pub(super) struct SegmentBuilder {
    words: String,
    markup: String,
    /// The elements that are open.
    open: Vec<Open>,
    has_tags: bool,
    is_too_long: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    name: &'static str,
    /// Where its beginning ends in the text with tags, if nothing has followed yet.
    begins_at: usize,
    /// What is in it is another format's code.
    is_code: bool,
}

impl SegmentBuilder {
    /// An element begins.
    ///
    /// # Errors
    /// It is not one that a text may have.
    pub(super) fn begin(&mut self, tag: &Tag<'_>) -> Result<(), ReadError> {
        const NAMES: [&str; 7] = ["bpt", "ept", "it", "ph", "ut", "hi", "sub"];
        let Some(name) = NAMES.into_iter().find(|name| *name == tag.name()) else {
            let what = format!("no tag of a text: expected {}; a < itself is written &lt;", NAMES.join(", "));
            return Err(tag.malformed(what));
        };
        let is_words = !self.is_in_code();
        let from = self.markup.len();
        let _ = write!(self.markup, "<{name}");
        let mut kind = String::new();
        for attribute in tag.attributes() {
            let (key, value) = attribute?;
            let _ = write!(self.markup, " {key}=\"{}\"", escape_attribute(&value));
            if key == "type" {
                kind = value.into_owned();
            }
        }
        self.markup.push('>');
        let character = kind.strip_prefix(CHARACTER_TYPE).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let character =
            character.and_then(char::from_u32).filter(|character| name == "ph" && !is_character(*character));
        match character {
            Some(character) if is_words => self.words.push(character),
            _ => self.has_tags = true,
        }
        if kind == "lb" && is_words && character.is_none() {
            self.words.push(' ');
        }
        self.bound(from);
        self.open.push(Open { name, begins_at: self.markup.len(), is_code: name != "hi" });
        Ok(())
    }

    /// The innermost element ends; false if none is open.
    pub(super) fn end(&mut self) -> bool {
        let Some(Open { name, begins_at, .. }) = self.open.pop() else { return false };
        if self.is_too_long {
            return true;
        }
        if self.markup.len() == begins_at {
            self.markup.pop();
            self.markup.push_str("/>");
        } else {
            let _ = write!(self.markup, "</{name}>");
        }
        true
    }

    /// Text.
    pub(super) fn text(&mut self, text: &str) {
        if self.is_too_long {
            return;
        }
        let from = self.markup.len();
        self.markup.push_str(&partial_escape(text));
        if !self.is_in_code() {
            self.words.push_str(text);
        }
        self.bound(from);
    }

    /// What was read.
    pub(super) fn finish(self) -> Segment {
        let Self { words, markup, has_tags, is_too_long, open: _ } = self;
        Segment { words, markup: has_tags.then_some(markup), is_too_long }
    }

    fn is_in_code(&self) -> bool {
        self.open.iter().any(|open| open.is_code)
    }

    /// Lets go of what is too long, and of what follows.
    fn bound(&mut self, from: usize) {
        if self.is_too_long || self.markup.len() > SEGMENT_BYTES_MAX || self.words.len() > 16 * TEXT_CHARS_MAX {
            self.is_too_long = true;
            self.words.clear();
            self.markup.truncate(from);
        }
    }
}

/// A text without tags, as it is written.
pub(super) fn write_words(into: &mut String, words: &str) {
    let mut rest = words;
    while let Some(at) = rest.find(|character| !is_character(character)) {
        into.push_str(&partial_escape(&rest[..at]));
        let mut characters = rest[at..].chars();
        let number = characters.next().map_or(0, u32::from);
        let _ = write!(into, "<ph type=\"{CHARACTER_TYPE}{number:04X}\"/>");
        rest = characters.as_str();
    }
    into.push_str(&partial_escape(rest));
}

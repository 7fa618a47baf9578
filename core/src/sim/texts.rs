//! A document as plain as can be: a list of names, each with a list of UTF-16 code units.

use std::rc::Rc;

use super::delta::Delta;
use crate::ids::PositionEncoding;

/// The name of a section.
pub(super) type Name = Rc<str>;

/// Sections in the order of their creation, each a list of UTF-16 code units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) sections: Vec<(Name, Rc<Vec<u16>>)>,
}

/// A number that is no place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// It lies behind the end.
    BeyondEnd,
    /// It lies inside a character that begins at this unit.
    Inside(usize),
}

impl Texts {
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|(section, _)| **section == *name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Rc<Vec<u16>>> {
        self.index(name).map(|index| &self.sections[index].1)
    }

    /// Applies a change to the section of that name, which is created if it is not there.
    pub(super) fn apply(&mut self, name: &Name, delta: &Delta) {
        let index = self.index(name).unwrap_or_else(|| {
            self.sections.push((Name::clone(name), Rc::default()));
            self.sections.len() - 1
        });
        let text = &mut self.sections[index].1;
        *text = Rc::new(delta.apply(text));
    }

    /// All texts one after the other.
    pub(super) fn joined(&self) -> Vec<u16> {
        self.sections.iter().flat_map(|(_, text)| text.iter().copied()).collect()
    }

    /// Where a section begins in the whole document.
    pub(super) fn start(&self, section: usize, encoding: PositionEncoding) -> u64 {
        self.sections[..section].iter().map(|(_, text)| length_in(text, encoding)).sum()
    }

    /// CRC-32 over every section's name, U+0000, text, U+0000 in UTF-8, in order.
    pub(super) fn checksum(&self) -> u32 {
        let one = |(name, text): &(Name, Rc<Vec<u16>>)| format!("{name}\0{}\0", string_of(text));
        crc32fast::hash(self.sections.iter().map(one).collect::<String>().as_bytes())
    }
}

pub(super) fn string_of(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

pub(super) fn units_of(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// How many units of an encoding a list of UTF-16 code units is.
pub(super) fn length_in(units: &[u16], encoding: PositionEncoding) -> u64 {
    let characters = char::decode_utf16(units.iter().copied()).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER));
    let length: usize = match encoding {
        PositionEncoding::Utf16 => units.len(),
        PositionEncoding::Utf32 => characters.count(),
        PositionEncoding::Utf8 => characters.map(char::len_utf8).sum(),
    };
    length as u64
}

/// The place in UTF-16 code units of a place in an encoding.
pub(super) fn place_of(units: &[u16], place: u64, encoding: PositionEncoding) -> Result<usize, Misplaced> {
    let (mut utf16, mut seen) = (0, 0);
    for character in char::decode_utf16(units.iter().copied()) {
        if seen == place {
            return Ok(utf16);
        }
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        let size = match encoding {
            PositionEncoding::Utf16 => character.len_utf16(),
            PositionEncoding::Utf32 => 1,
            PositionEncoding::Utf8 => character.len_utf8(),
        } as u64;
        if seen + size > place {
            return Err(Misplaced::Inside(utf16));
        }
        utf16 += character.len_utf16();
        seen += size;
    }
    if seen == place { Ok(utf16) } else { Err(Misplaced::BeyondEnd) }
}

/// The places between characters, the start and the end among them.
pub(super) fn boundaries(units: &[u16]) -> Vec<usize> {
    let inside = |place: &usize| units.get(*place).is_some_and(|unit| (0xDC00..0xE000).contains(unit));
    (0..=units.len()).filter(|place| !inside(place)).collect()
}

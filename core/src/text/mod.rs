//! One section's text.
//!
//! A [`Text`] is addressed in UTF-16 code units, as browsers count. It keeps one byte a unit while
//! all of it is Latin-1 (English and French are) and two from the first wider character on.
//! It never holds a lone surrogate: [`Text::splice`] requires boundaries, callers check them
//! with [`Text::is_boundary`].

mod leaves;

use crate::ids::PositionEncoding;
use leaves::{Leaves, Weight};

/// A text in UTF-16 code units.
#[derive(Clone, Debug)]
pub struct Text {
    units: Units,
}

#[derive(Clone, Debug)]
enum Units {
    Latin1(Leaves<u8>),
    Wide(Leaves<u16>),
}

/// Why a position does not exist in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionError {
    /// It lies beyond the end; `length` is the text's length in the asker's encoding.
    BeyondEnd {
        /// The text's length in the asker's encoding.
        length: usize,
    },
    /// It lies inside a surrogate pair or a UTF-8 sequence that starts at `boundary` (UTF-16).
    InsideCharacter {
        /// Where the character begins, in UTF-16 code units.
        boundary: usize,
    },
}

impl Default for Text {
    fn default() -> Self {
        Self { units: Units::Latin1(Leaves::default()) }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut made = Self::default();
        made.splice(0, 0, text, &mut String::new());
        made
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut result = Ok(());
        self.for_each_str(|part| {
            if result.is_ok() {
                result = f.write_str(part);
            }
        });
        result
    }
}

impl Text {
    /// Length in UTF-16 code units.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.units {
            Units::Latin1(leaves) => leaves.len(),
            Units::Wide(leaves) => leaves.len(),
        }
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length in units of `encoding`; constant time.
    #[must_use]
    pub fn len_in(&self, encoding: PositionEncoding) -> usize {
        measure(self.weight(), encoding)
    }

    /// Whether some character takes two UTF-16 code units.
    #[must_use]
    pub fn has_pairs(&self) -> bool {
        let weight = self.weight();
        weight.utf32 < weight.utf16
    }

    /// The bytes of UTF-8 that the units from `from` to `to` take (both boundaries within the text).
    #[must_use]
    pub fn utf8_len_of(&self, from: usize, to: usize) -> usize {
        match &self.units {
            Units::Latin1(leaves) => leaves.weigh(from, to).utf8,
            Units::Wide(leaves) => leaves.weigh(from, to).utf8,
        }
    }

    /// Whether `position` (≤ length) does not split a surrogate pair.
    #[must_use]
    pub fn is_boundary(&self, position: usize) -> bool {
        match &self.units {
            Units::Wide(leaves) if position < leaves.len() && self.has_pairs() => {
                !is_low_surrogate(leaves.get(position))
            }
            Units::Wide(_) | Units::Latin1(_) => true,
        }
    }

    /// Replaces `deleted` units from `position` on by `inserted`; what was there is appended to `removed`.
    ///
    /// # Panics
    /// The range lies outside the text. That it splits no surrogate pair is asserted too, since a lone
    /// surrogate could not be written to any client.
    pub fn splice(&mut self, position: usize, deleted: usize, inserted: &str, removed: &mut String) {
        assert!(position + deleted <= self.len(), "splice outside the text");
        assert!(self.is_boundary(position) && self.is_boundary(position + deleted), "splice inside a surrogate pair");
        if !inserted.is_ascii() && !inserted.chars().all(|c| u32::from(c) < 0x100) {
            self.widen();
        }
        match &mut self.units {
            Units::Latin1(leaves) => {
                // A typed key is a few units: no allocation for it.
                let units: smallvec::SmallVec<[u8; 32]> = inserted.chars().map(latin1).collect();
                leaves.splice(position, deleted, &units, |part| push_latin1(part, removed));
            }
            Units::Wide(leaves) => {
                let units: smallvec::SmallVec<[u16; 32]> = inserted.encode_utf16().collect();
                let mut cut = Utf16Decoder::default();
                leaves.splice(position, deleted, &units, |part| cut.push(part, removed));
            }
        }
    }

    /// The position in UTF-16 code units of `position` counted in `encoding`.
    ///
    /// # Errors
    /// The position is beyond the end or inside a character.
    pub fn utf16_position(&self, position: usize, encoding: PositionEncoding) -> Result<usize, PositionError> {
        let length = self.len_in(encoding);
        if position > length {
            return Err(PositionError::BeyondEnd { length });
        }
        if encoding == PositionEncoding::Utf16 || length == self.len() {
            let inside = !self.is_boundary(position);
            return if inside { Err(PositionError::InsideCharacter { boundary: position - 1 }) } else { Ok(position) };
        }
        let seen = self.seek(position, |weight| measure(weight, encoding));
        if measure(seen, encoding) > position {
            return Err(PositionError::InsideCharacter { boundary: seen.utf16 - 1 });
        }
        // The pair's first half counts for both; the place is behind the second one.
        Ok(if self.is_boundary(seen.utf16) { seen.utf16 } else { seen.utf16 + 1 })
    }

    /// `position` (UTF-16, a boundary within the text) counted in `encoding`.
    #[must_use]
    pub fn position_in(&self, position: usize, encoding: PositionEncoding) -> usize {
        if encoding == PositionEncoding::Utf16 || self.len_in(encoding) == self.len() {
            return position;
        }
        measure(self.seek(position, |weight| weight.utf16), encoding)
    }

    /// Hands out the whole text in order, in parts of a few KiB.
    pub fn for_each_str(&self, mut each: impl FnMut(&str)) {
        let mut part = String::new();
        match &self.units {
            Units::Latin1(leaves) => leaves.iter().for_each(|leaf| {
                part.clear();
                push_latin1(leaf, &mut part);
                each(&part);
            }),
            Units::Wide(leaves) => {
                let mut decoder = Utf16Decoder::default();
                leaves.iter().for_each(|leaf| {
                    part.clear();
                    decoder.push(leaf, &mut part);
                    each(&part);
                });
            }
        }
    }

    fn weight(&self) -> Weight {
        match &self.units {
            Units::Latin1(leaves) => leaves.weight(),
            Units::Wide(leaves) => leaves.weight(),
        }
    }

    fn seek(&self, target: usize, measure: impl Fn(Weight) -> usize) -> Weight {
        match &self.units {
            Units::Latin1(leaves) => leaves.seek(target, measure),
            Units::Wide(leaves) => leaves.seek(target, measure),
        }
    }

    fn widen(&mut self) {
        if let Units::Latin1(leaves) = &self.units {
            self.units = Units::Wide(leaves.map(u16::from));
        }
    }
}

fn measure(weight: Weight, encoding: PositionEncoding) -> usize {
    match encoding {
        PositionEncoding::Utf8 => weight.utf8,
        PositionEncoding::Utf16 => weight.utf16,
        PositionEncoding::Utf32 => weight.utf32,
    }
}

/// Joins UTF-16 that comes in parts, a pair possibly split between two of them.
#[derive(Default)]
struct Utf16Decoder {
    high: Option<u16>,
}

impl Utf16Decoder {
    fn push(&mut self, units: &[u16], out: &mut String) {
        let mut units = units;
        if let (Some(high), [low, rest @ ..]) = (self.high, units) {
            out.extend(char::decode_utf16([high, *low]).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            self.high = None;
            units = rest;
        }
        if let [rest @ .., last] = units
            && (0xD800..0xDC00).contains(last)
        {
            self.high = Some(*last);
            units = rest;
        }
        let characters = char::decode_utf16(units.iter().copied());
        out.extend(characters.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
}

fn is_low_surrogate(unit: u16) -> bool {
    (0xDC00..0xE000).contains(&unit)
}

/// Appends Latin-1; ASCII, which nearly all of it is, as it stands.
fn push_latin1(units: &[u8], out: &mut String) {
    match std::str::from_utf8(units) {
        Ok(ascii) if units.is_ascii() => out.push_str(ascii),
        Ok(_) | Err(_) => out.extend(units.iter().map(|&unit| char::from(unit))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller has seen that every character is below 0x100")]
fn latin1(character: char) -> u8 {
    u32::from(character) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_edits(start: &str, edits: &[(usize, usize, &str)], expected: &str) {
        let mut text = Text::from(start);
        for &(position, deleted, inserted) in edits {
            text.splice(position, deleted, inserted, &mut String::new());
        }
        assert_eq!(text.to_string(), expected);
        assert_eq!(text.len(), expected.encode_utf16().count());
    }

    #[test]
    fn edits() {
        check_edits("", &[(0, 0, "Hello")], "Hello");
        check_edits("Hello", &[(5, 0, " world"), (0, 5, "Bonjour")], "Bonjour world");
        check_edits("été", &[(3, 0, "\u{20AC}"), (0, 1, "E")], "Et\u{E9}\u{20AC}");
        check_edits("a\u{1F600}b", &[(1, 2, "")], "ab");
    }

    #[test]
    fn boundaries() {
        let text = Text::from("a\u{1F600}b");
        let boundaries: Vec<bool> = (0..=4).map(|p| text.is_boundary(p)).collect();
        assert_eq!(boundaries, [true, true, false, true, true]);
    }

    /// The text as its characters: the slow and obvious way to do everything.
    fn naive_position(text: &str, from: PositionEncoding, to: PositionEncoding, position: usize) -> Option<usize> {
        let mut prefix = String::new();
        for character in text.chars().map(Some).chain([None]) {
            if from.length_of(&prefix) == position {
                return Some(to.length_of(&prefix));
            }
            prefix.extend(character);
        }
        None
    }

    proptest! {
        #[test]
        fn splice_equals_string_replace(
            start in "[aé\u{20AC}\u{1F600}]{0,12}",
            edits in prop::collection::vec((0_usize..20, 0_usize..6, "[bè\u{20AC}\u{1F601}]{0,5}"), 0..12),
        ) {
            let mut text = Text::from(start.as_str());
            let mut model: Vec<char> = start.chars().collect();
            for (position, deleted, inserted) in edits {
                let from = position.min(model.len());
                let to = (from + deleted).min(model.len());
                let units = |part: &[char]| part.iter().map(|c| c.len_utf16()).sum::<usize>();
                let (position, length) = (units(&model[..from]), units(&model[from..to]));
                let mut removed = String::new();
                text.splice(position, length, &inserted, &mut removed);
                let expected: String = model.splice(from..to, inserted.chars()).collect();
                prop_assert_eq!(removed, expected);
            }
            let model: String = model.into_iter().collect();
            prop_assert_eq!(&text.to_string(), &model);
            for encoding in PositionEncoding::ALL {
                prop_assert_eq!(text.len_in(encoding), encoding.length_of(&model));
                for position in 0..=encoding.length_of(&model) + 1 {
                    let expected = naive_position(&model, encoding, PositionEncoding::Utf16, position);
                    prop_assert_eq!(text.utf16_position(position, encoding).ok(), expected);
                    if let Some(utf16) = expected {
                        prop_assert_eq!(text.position_in(utf16, encoding), position);
                    }
                }
            }
        }
    }
}

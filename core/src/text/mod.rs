//! One section's text.
//!
//! A [`Text`] is addressed in UTF-16 code units, as browsers count. It keeps one byte a unit while
//! all of it is Latin-1 (English and French are) and two from the first wider character on.
//! It never holds a lone surrogate: [`Text::splice`] requires boundaries, callers check them
//! with [`Text::is_boundary`].

//!
//! Between the units of UTF-16 and the other encodings it converts at the edge: positions of clients
//! that count otherwise, and text that goes in and out as `str`.

mod convert;
mod leaf;
mod leaves;
#[cfg(test)]
mod tests;
mod weight;

use std::ops::Range;

use crate::ids::PositionEncoding;
use convert::{Utf16Decoder, is_latin1, latin1, push_latin1, utf16};
use leaves::Leaves;
use weight::Weight;

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
    pub const fn len(&self) -> usize {
        self.weight().units
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length in units of `encoding`; constant time.
    #[must_use]
    pub const fn len_in(&self, encoding: PositionEncoding) -> usize {
        self.weight().in_encoding(encoding)
    }

    /// Whether some character takes two UTF-16 code units.
    #[must_use]
    pub const fn has_pairs(&self) -> bool {
        self.weight().pairs > 0
    }

    /// The bytes of UTF-8 that it takes.
    #[must_use]
    pub fn utf8_len(&self) -> usize {
        self.utf8_len_of(0, self.len())
    }

    /// The bytes of UTF-8 that the units from `from` to `to` take (both boundaries within the text).
    #[must_use]
    pub fn utf8_len_of(&self, from: usize, to: usize) -> usize {
        let extra = match &self.units {
            _ if self.counts_alike(PositionEncoding::Utf8) => 0,
            Units::Latin1(leaves) => leaves.weigh(from..to).extra,
            Units::Wide(leaves) => leaves.weigh(from..to).extra,
        };
        to - from + extra
    }

    /// Whether `position` (≤ length) does not split a surrogate pair.
    #[must_use]
    pub fn is_boundary(&self, position: usize) -> bool {
        match &self.units {
            Units::Wide(leaves) if self.has_pairs() && position < leaves.len() => {
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
        let within = position.checked_add(deleted).is_some_and(|end| end <= self.len());
        assert!(within, "splice outside the text");
        let whole = self.is_boundary(position) && (deleted == 0 || self.is_boundary(position + deleted));
        assert!(whole, "splice inside a surrogate pair");
        if deleted > 0 {
            self.remove(position, deleted, removed);
        }
        if !inserted.is_empty() {
            self.insert(position, inserted);
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
        if self.counts_alike(encoding) {
            let inside = !self.is_boundary(position);
            return if inside { Err(PositionError::InsideCharacter { boundary: position - 1 }) } else { Ok(position) };
        }
        let reached = |seen: Weight| seen.in_encoding(encoding) >= position;
        let seen = match &self.units {
            Units::Latin1(leaves) => leaves.weigh_until(reached),
            Units::Wide(leaves) => leaves.weigh_until(reached),
        };
        let inside_pair = !self.is_boundary(seen.units);
        if seen.in_encoding(encoding) > position || (inside_pair && encoding == PositionEncoding::Utf8) {
            return Err(PositionError::InsideCharacter { boundary: seen.units - 1 });
        }
        // As a code point a pair counts at its first half; the place is behind the second one.
        Ok(seen.units + usize::from(inside_pair))
    }

    /// `position` (UTF-16, a boundary within the text) counted in `encoding`.
    #[must_use]
    pub fn position_in(&self, position: usize, encoding: PositionEncoding) -> usize {
        let before = match &self.units {
            _ if self.counts_alike(encoding) => return position,
            Units::Latin1(leaves) => leaves.weigh_to(position),
            Units::Wide(leaves) => leaves.weigh_to(position),
        };
        before.in_encoding(encoding)
    }

    /// Appends the whole text to `out`.
    pub fn append_to(&self, out: &mut String) {
        out.reserve(self.utf8_len());
        match &self.units {
            Units::Latin1(leaves) => leaves.parts().for_each(|part| push_latin1(part, out)),
            Units::Wide(leaves) => {
                let mut decoder = Utf16Decoder::default();
                leaves.parts().for_each(|part| decoder.push(part, out));
            }
        }
    }

    /// The text from one boundary to another.
    ///
    /// # Panics
    /// The range lies outside the text.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> String {
        assert!(range.start <= range.end && range.end <= self.len(), "a slice outside the text");
        let mut sliced = String::with_capacity(range.len());
        match &self.units {
            Units::Latin1(leaves) => leaves.parts_of(range).for_each(|part| push_latin1(part, &mut sliced)),
            Units::Wide(leaves) => {
                let mut decoder = Utf16Decoder::default();
                leaves.parts_of(range).for_each(|part| decoder.push(part, &mut sliced));
            }
        }
        sliced
    }

    /// Hands out the whole text in order, in parts of a few KiB.
    pub fn for_each_str(&self, mut each: impl FnMut(&str)) {
        let mut decoded = String::new();
        match &self.units {
            Units::Latin1(leaves) => leaves.parts().for_each(|part| {
                decoded.clear();
                push_latin1(part, &mut decoded);
                each(&decoded);
            }),
            Units::Wide(leaves) => {
                let mut decoder = Utf16Decoder::default();
                leaves.parts().for_each(|part| {
                    decoded.clear();
                    decoder.push(part, &mut decoded);
                    each(&decoded);
                });
            }
        }
    }

    fn remove(&mut self, position: usize, count: usize, removed: &mut String) {
        match &mut self.units {
            Units::Latin1(leaves) => leaves.remove(position, count, |part| push_latin1(part, removed)),
            Units::Wide(leaves) => {
                let mut decoder = Utf16Decoder::default();
                leaves.remove(position, count, |part| decoder.push(part, removed));
            }
        }
    }

    fn insert(&mut self, position: usize, text: &str) {
        match text.as_bytes() {
            &[key @ 0..0x80] => {
                let typed = match &mut self.units {
                    Units::Latin1(leaves) => leaves.type_key(position, key),
                    Units::Wide(leaves) => leaves.type_key(position, key.into()),
                };
                if !typed {
                    self.insert_latin1(position, &[key]);
                }
            }
            ascii if ascii.is_ascii() => self.insert_latin1(position, ascii),
            _ if is_latin1(text) => self.insert_latin1(position, &latin1(text)),
            _ => self.widened().insert(position, &utf16(text)),
        }
    }

    fn insert_latin1(&mut self, position: usize, units: &[u8]) {
        match &mut self.units {
            Units::Latin1(leaves) => leaves.insert(position, units),
            Units::Wide(leaves) => leaves.insert(position, units),
        }
    }

    /// The units, from now on in two bytes each.
    fn widened(&mut self) -> &mut Leaves<u16> {
        if let Units::Latin1(leaves) = &self.units {
            self.units = Units::Wide(leaves.widen());
        }
        match &mut self.units {
            Units::Wide(leaves) => leaves,
            Units::Latin1(_) => unreachable!("widened above"),
        }
    }

    const fn weight(&self) -> Weight {
        match &self.units {
            Units::Latin1(leaves) => leaves.weight(),
            Units::Wide(leaves) => leaves.weight(),
        }
    }

    /// Whether positions in `encoding` are those in UTF-16.
    fn counts_alike(&self, encoding: PositionEncoding) -> bool {
        encoding == PositionEncoding::Utf16 || self.len_in(encoding) == self.len()
    }
}

const fn is_low_surrogate(unit: u16) -> bool {
    unit & 0xFC00 == 0xDC00
}

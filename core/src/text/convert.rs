//! Text on its way in, from UTF-8 to units, and out.

use smallvec::SmallVec;

use super::weight::Unit;

/// So many units are put together without an allocation: a typed key is one or two.
const UNITS_INLINE: usize = 32;
/// So many bytes are looked at together.
const STRIDE: usize = 16;
/// What in UTF-8 the characters from U+0100 on begin with, or a byte above that.
const WIDE_FROM: u8 = 0xC4;

/// Units that were made of a `str`.
type Made<T> = SmallVec<[T; UNITS_INLINE]>;

/// Whether every character of a text is below U+0100.
pub(super) fn is_latin1(text: &str) -> bool {
    text.bytes().fold(0, u8::max) < WIDE_FROM
}

/// A text in Latin-1, which it has to be.
pub(super) fn latin1(text: &str) -> Made<u8> {
    encode(text, |character, units| {
        units[0] = u8::try_from(character).unwrap_or(b'?');
        1
    })
}

/// A text in UTF-16.
pub(super) fn utf16(text: &str) -> Made<u16> {
    encode(text, |character, units| character.encode_utf16(units).len())
}

/// The units of `text`; `write` writes those of one character, and says how many they are.
fn encode<T: Unit + From<u8>>(text: &str, write: impl Fn(char, &mut [T]) -> usize) -> Made<T> {
    let mut made = Made::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // ASCII as it stands, which also most of other texts is, and then a few characters of any kind.
        let mut units = [T::default(); 2 * STRIDE];
        for ascii in rest.as_bytes().chunks_exact(STRIDE).take_while(|stride| stride.is_ascii()) {
            units.iter_mut().zip(ascii).for_each(|(unit, &byte)| *unit = byte.into());
            made.extend_from_slice(&units[..STRIDE]);
            rest = &rest[STRIDE..];
        }
        let mut characters = rest.chars();
        let count =
            characters.by_ref().take(STRIDE).fold(0, |count, character| count + write(character, &mut units[count..]));
        made.extend_from_slice(&units[..count]);
        rest = characters.as_str();
    }
    made
}

/// Appends Latin-1; ASCII, which nearly all of it is, as it stands.
#[inline]
pub(super) fn push_latin1(units: &[u8], out: &mut String) {
    match units {
        [unit] => out.push(char::from(*unit)),
        _ => push_latin1_run(units, out),
    }
}

fn push_latin1_run(units: &[u8], out: &mut String) {
    for stretch in units.chunks(STRETCH) {
        if !push_ascii(stretch, out) {
            out.extend(stretch.iter().map(|&unit| char::from(unit)));
        }
    }
}

/// So many units are written together where all of them are ASCII.
const STRETCH: usize = 256;

/// Appends ASCII; does nothing, and says so, if it is none.
fn push_ascii(units: &[u8], out: &mut String) -> bool {
    let ascii = if units.is_ascii() { simdutf8::basic::from_utf8(units).ok() } else { None };
    ascii.map(|ascii| out.push_str(ascii)).is_some()
}

/// Joins UTF-16 that comes in parts, a pair possibly split between two of them.
#[derive(Default)]
pub(super) struct Utf16Decoder {
    high: Option<u16>,
}

impl Utf16Decoder {
    #[inline]
    pub(super) fn push(&mut self, units: &[u16], out: &mut String) {
        match units {
            &[unit @ 0..0x80] => out.push(char::from(low_byte(unit))),
            _ => units.chunks(STRETCH).for_each(|stretch| self.push_stretch(stretch, out)),
        }
    }

    fn push_stretch(&mut self, units: &[u16], out: &mut String) {
        let mut narrow = [0; STRETCH];
        let highest = units.iter().fold(0, |highest, &unit| highest | unit);
        if highest < 0x80 {
            narrow.iter_mut().zip(units).for_each(|(byte, &unit)| *byte = low_byte(unit));
            push_ascii(&narrow[..units.len()], out);
            return;
        }
        let mut units = units;
        if let (Some(high), [low, rest @ ..]) = (self.high.take(), units) {
            push_utf16(&[high, *low], out);
            units = rest;
        }
        if let [rest @ .., last] = units
            && last & 0xFC00 == 0xD800
        {
            self.high = Some(*last);
            units = rest;
        }
        push_utf16(units, out);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is asked of ASCII only")]
const fn low_byte(unit: u16) -> u8 {
    unit as u8
}

/// Appends UTF-16 without halves of pairs at its ends.
fn push_utf16(units: &[u16], out: &mut String) {
    let characters = char::decode_utf16(units.iter().copied());
    out.extend(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

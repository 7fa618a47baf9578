//! The folded form of a text: what two texts share that a translator would call the same.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::TEXT_CHARS_MAX;
use super::alphabet::push_classes;

/// Why a text can neither be indexed nor looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// There is nothing in it but white space.
    #[error("the text is empty")]
    Empty,
    /// It is longer than [`TEXT_CHARS_MAX`].
    #[error("the text is longer than {TEXT_CHARS_MAX} characters")]
    TooLong,
}

/// A text in its folded form, with its length: what is indexed, compared and looked up.
///
/// Folding is: Unicode NFC; curly quotes, guillemets, dashes and no-break spaces as their ASCII
/// counterparts; lower case; each run of white space one space, none at the ends. It is idempotent,
/// and independent of any language.
///
/// ```
/// # use jddb_core::translation::Folded;
/// assert_eq!(Folded::new("  «Chef\u{A0}» – L’Équipe ").unwrap().as_str(), "\"chef \" - l'équipe");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folded {
    text: Box<str>,
    /// In Unicode scalar values, `1..=TEXT_CHARS_MAX`.
    chars: usize,
}

impl Folded {
    /// Folds a text.
    ///
    /// # Errors
    /// If nothing but white space is in it, or more than [`TEXT_CHARS_MAX`] characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        // A character has four bytes at most, and no fold of one is shorter than a third of it; so what
        // is far too long is not folded at all.
        if text.len() > 16 * TEXT_CHARS_MAX {
            return Err(TextError::TooLong);
        }
        let text = fold(text);
        let chars = text.chars().count();
        match chars {
            0 => Err(TextError::Empty),
            1..=TEXT_CHARS_MAX => Ok(Self { text: text.into_boxed_str(), chars }),
            _ => Err(TextError::TooLong),
        }
    }

    /// The folded text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length in Unicode scalar values, from 1 to [`TEXT_CHARS_MAX`].
    #[must_use]
    pub const fn chars(&self) -> usize {
        self.chars
    }

    /// The classes of its characters.
    pub(super) fn classes(&self) -> Vec<u8> {
        let mut classes = Vec::with_capacity(self.chars);
        push_classes(&self.text, &mut classes);
        classes
    }
}

/// The ASCII counterpart of a quote, guillemet or dash.
pub(super) const fn ascii_counterpart(c: char) -> char {
    match c {
        '\u{2018}'..='\u{201B}' | '\u{2039}' | '\u{203A}' => '\'',
        '\u{201C}'..='\u{201F}' | '\u{AB}' | '\u{BB}' => '"',
        // Hyphens and dashes of every width, the no-break hyphen among them, and the minus sign.
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
}

pub(super) fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// The folded form of a text of any length.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        let is_plain = is_collapsed(text.as_bytes());
        let lower = text.to_ascii_lowercase();
        return if is_plain { lower } else { collapse(lower.chars(), lower.len()) };
    }
    fold_latin(text).unwrap_or_else(|| fold_any(text))
}

/// The same of a text of which every character stands for itself, whatever is around it: ASCII, the Latin letters of English and
/// French, and their punctuation. `None` if another is in it.
fn fold_latin(text: &str) -> Option<String> {
    let mut folded = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        let c = match c {
            '\t'..='\r' | ' ' | '\u{A0}' | '\u{202F}' => {
                space = true;
                continue;
            }
            '\0'..='\x7F' => c.to_ascii_lowercase(),
            '×' => c,
            'À'..='Þ' => char::from(u8::try_from(c).ok()? + (b'a' - b'A')),
            '\u{A1}'..='ÿ' | '\u{2010}'..='\u{201F}' | '\u{2039}' | '\u{203A}' | '•' | '…' => ascii_counterpart(c),
            'Œ' | 'œ' => 'œ',
            _ => return None,
        };
        if space && !folded.is_empty() {
            folded.push(' ');
        }
        space = false;
        folded.push(c);
    }
    Some(folded)
}

fn fold_any(text: &str) -> String {
    // As a whole, since the lower case of a sigma depends on what stands around it.
    let lower = composed(text).to_lowercase();
    let folded = collapse(lower.chars().map(ascii_counterpart), lower.len());
    // The lower case of some letters is decomposed (İ), and may compose with what follows.
    match composed(&folded) {
        Cow::Borrowed(_) => folded,
        Cow::Owned(composed) => composed,
    }
}

/// Whether there is no white space in ASCII but single spaces between other characters. Without a branch a byte.
pub(super) fn is_collapsed(ascii: &[u8]) -> bool {
    let ([first, ..], [.., last]) = (ascii, ascii) else { return true };
    let others = ascii.iter().fold(false, |found, byte| found | matches!(byte, b'\t'..=b'\r'));
    let pairs = ascii.iter().zip(&ascii[1..]);
    let doubled = pairs.fold(false, |found, (one, next)| found | ((*one == b' ') & (*next == b' ')));
    !others && !doubled && *first != b' ' && *last != b' '
}

/// White space collapsed; what Unicode calls so, which includes every no-break space.
fn collapse(chars: impl Iterator<Item = char>, capacity: usize) -> String {
    let mut collapsed = String::with_capacity(capacity);
    let mut space = false;
    for c in chars {
        if c.is_whitespace() {
            space = true;
            continue;
        }
        if space && !collapsed.is_empty() {
            collapsed.push(' ');
        }
        space = false;
        collapsed.push(c);
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_translator_calls_the_same() {
        let check = |text: &str, folded: &str| assert_eq!(fold(text), folded, "{text:?}");
        check("The Incumbent", "the incumbent");
        check("  a \t\n b\u{A0}\u{202F}c\u{2007}", "a b c");
        check("l’« équipe » ‘x’ “y” „z‟ ‹w›", "l'\" équipe \" 'x' \"y\" \"z\" 'w'");
        check("1998–1999 — co\u{2011}op −5", "1998-1999 - co-op -5");
        check("E\u{301}QUIPE", "équipe");
        check("ŒUVRE ÎLE Ÿ", "œuvre île ÿ");
        check("ΟΔΟΣ", "οδος");
        check("İ", "i\u{307}");
        check("STRASSE straße", "strasse straße");
        check("\u{1F600} \u{FB01}", "\u{1F600} \u{FB01}");
        // Singletons of NFC: the ohm and the angstrom sign are letters.
        check("\u{2126}\u{212B}", "ωå");
        check("a\u{323}\u{307} a\u{307}\u{323}", "ạ\u{307} ạ\u{307}");
    }

    /// Each character by itself and among others, against the way of all texts.
    #[test]
    fn latin_texts_are_folded_as_all_are() {
        let mut folded = 0;
        for c in '\0'..=char::MAX {
            for text in [String::from(c), format!("{c}{c}"), format!("A{c} {c}É{c}\u{A0}")] {
                if let Some(latin) = fold_latin(&text) {
                    assert_eq!(latin, fold_any(&text), "{text:?}");
                    folded += 1;
                }
            }
        }
        assert_eq!(folded % 3, 0, "what stands around a character is no matter");
        assert!(folded > 3 * 240, "{folded}");
    }

    #[test]
    fn empty_and_huge() {
        for empty in ["", " ", "\u{A0}\u{2003}\r\n"] {
            assert_eq!(Folded::new(empty), Err(TextError::Empty));
        }
        for c in ["a", "é", "\u{1F600}", "e\u{301}"] {
            assert_eq!(Folded::new(&c.repeat(TEXT_CHARS_MAX)).map(|f| f.chars()), Ok(TEXT_CHARS_MAX));
            assert_eq!(Folded::new(&c.repeat(TEXT_CHARS_MAX + 1)), Err(TextError::TooLong));
        }
        assert_eq!(Folded::new(&" ".repeat(17 * TEXT_CHARS_MAX)), Err(TextError::TooLong));
    }

    /// Characters that compose, change their length with their case, or are folded.
    fn awkward() -> impl Strategy<Value = String> {
        let some = "[A-Ca-c \\u{A0}\\u{202F}ÀéÎŒßẞİıΣσςΐǰŉＡ\\u{300}-\\u{345}\\u{1100}-\\u{1112}\\u{1161}-\\u{1175}\\u{11A8}\\u{AC00}\\u{2126}\\u{212A}\\u{212B}\\u{1F88}-\\u{1F8F}\\u{2010}-\\u{201F}«»\\u{1F600}]{0,12}";
        prop_oneof![some, any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn folding_again_changes_nothing(text in awkward()) {
            let once = fold(&text);
            prop_assert_eq!(&fold(&once), &once);
            prop_assert!(unicode_normalization::is_nfc(&once));
            prop_assert!(!once.contains("  ") && once.trim() == once);
        }

        #[test]
        fn the_short_way_is_right(text in "[A-Ca-c \\u{A0}\\u{202F}×ÀßàÞþÿÎŒœµª½…•«»\\u{2010}-\\u{201F}\\t]{0,12}") {
            prop_assert_eq!(fold_latin(&text), Some(fold_any(&text)));
        }

        #[test]
        fn canonically_equal_texts_fold_alike(text in awkward()) {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&decomposed), fold(&text));
        }

        #[test]
        fn case_and_space_make_no_difference(text in "[a-zéàçœ' -]{0,20}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text));
            prop_assert_eq!(fold(&text.replace(' ', " \u{A0}\n")), fold(&text));
            prop_assert_eq!(fold(&text.replace('\'', "’").replace('-', "\u{2011}")), fold(&text));
        }
    }
}

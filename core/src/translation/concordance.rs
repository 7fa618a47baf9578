//! Concordance: entries in whose texts a phrase stands, whatever its case, quotes, dashes and spaces.

use super::fold::fold;
use super::{Entry, Folded, TextError};

/// From the most frequent on: letters of English and French. What is not among them is rarer.
const FREQUENT: &[u8] = b"esiantrulodcmpvhgfbqyxwjkz";
/// Non-ASCII characters whose folded form is ASCII and no quote, dash or space: the signs for kelvin and a dotted capital I.
const BECOME_ASCII: [&[u8]; 2] = ["\u{212A}".as_bytes(), "\u{130}".as_bytes()];

/// Which of an entry's texts are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The text that is translated.
    Source,
    /// Its translation.
    Target,
    /// Either.
    #[default]
    Both,
}

/// A phrase that is looked for in texts.
#[derive(Clone, Debug)]
pub struct Phrase {
    folded: Folded,
    /// The longest part of it that is written the same in texts of any fold but for its case; may be empty.
    run: Box<[u8]>,
    /// The place in it of its rarest letter.
    rarest: usize,
}

impl Phrase {
    /// A phrase.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = Folded::new(text)?;
        let runs = folded.as_str().split(|character: char| !character.is_ascii_alphanumeric());
        let run: Box<[u8]> = runs.max_by_key(|run| run.len()).unwrap_or_default().as_bytes().into();
        let rarity = |byte: u8| FREQUENT.iter().position(|&letter| letter == byte).unwrap_or(FREQUENT.len());
        let rarest = (0..run.len()).max_by_key(|&place| rarity(run[place])).unwrap_or(0);
        Ok(Self { folded, run, rarest })
    }

    /// Whether it stands in one of the texts.
    #[must_use]
    pub fn is_of(&self, entry: &Entry, side: Side) -> bool {
        (side != Side::Target && self.is_in(&entry.source_text))
            || (side != Side::Source && self.is_in(&entry.translated_text))
    }

    /// Whether it stands in a text, both folded.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.may_be_in(text.as_bytes()) && fold(text).contains(self.folded.as_str())
    }

    /// Whether its run is in a text, which takes a hundredth of folding that.
    fn may_be_in(&self, text: &[u8]) -> bool {
        let Some(&letter) = self.run.get(self.rarest) else { return true };
        let is_here = |place: usize| {
            let start = place.checked_sub(self.rarest);
            let there = start.and_then(|start| text.get(start..start + self.run.len()));
            there.is_some_and(|there| there.eq_ignore_ascii_case(&self.run))
        };
        let mut places = memchr::memchr2_iter(letter, letter.to_ascii_uppercase(), text);
        places.any(is_here) || BECOME_ASCII.iter().any(|other| memchr::memmem::find(text, other).is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_phrase_is_found_however_it_is_written() {
        for (phrase, text) in [
            ("strategic planning", "Leads  STRATEGIC\u{a0}planning here"),
            ("l'équipe", "Gère L’E\u{301}quipe"),
            ("\"a\" - b", "«a» – B"),
            ("k", "300 \u{212A}"),
            ("i\u{307}s", "\u{130}S"),
            ("é", "É"),
            ("3.5", "about 3.5 units"),
            ("...", "and so on..."),
        ] {
            assert!(Phrase::new(phrase).unwrap().is_in(text), "{phrase:?} in {text:?}");
        }
        for (phrase, text) in [("plan", "pla n"), ("é", "e"), ("ab", "aab".get(..2).unwrap()), ("x", ""), ("abc", "ab")]
        {
            assert!(!Phrase::new(phrase).unwrap().is_in(text), "{phrase:?} in {text:?}");
        }
        assert_eq!(Phrase::new(" \n").map(|_| ()), Err(TextError::Empty));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// It is in a text exactly if its folded form is in that of the text.
        #[test]
        fn as_if_all_was_folded(phrase in "[aAbBkKéÉ’' \u{212A}İı-]{1,4}", text in "([aAbBkKéÉ’' \u{212A}İıσΣ–-]|\\PC){0,12}") {
            let Ok(made) = Phrase::new(&phrase) else { return Ok(()) };
            prop_assert_eq!(made.is_in(&text), fold(&text).contains(made.folded.as_str()));
        }
    }
}

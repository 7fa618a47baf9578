//! Sentences in two languages, and what is asked about them.
//!
//! The languages are made up: what matters is that lengths, the frequencies of words and how much sentences have in common are
//! like those of a real memory, that no two sentences are equal, and that the same seed makes the same ones anywhere.

use clap::ValueEnum;
use serde::Serialize;

use crate::schedule::mix;

/// The words of a sentence: so many at least, and fewer than this more.
const WORDS_MIN: u64 = 6;
const WORDS_RANGE: u64 = 20;
/// How many words there are in the vocabulary, a power of two. Those of low rank are frequent.
const VOCABULARY: u64 = 4_096;
/// A syllable is so many bits of a word's code.
const SYLLABLE_BITS: u32 = 6;
/// The word that a sentence has alone, which is longer than all in the vocabulary.
const OWN_SYLLABLES: u32 = 5;
/// Spreads the numbers of sentences over their own words; odd, so that no two share one.
const SPREAD: u64 = 0x2545_F491;
/// Letters that a typist mistook, in a row.
const MISTAKEN: usize = 3;

/// The most sentences of a memory: the codes of their own words.
pub(super) const ENTRIES_MAX: u64 = 1 << (SYLLABLE_BITS * OWN_SYLLABLES);

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A text that is in the memory.
    Exact,
    /// One that is, but for letters somebody mistook.
    Fuzzy,
    /// One that is not there, nor one like it, though all of its words are.
    New,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub(super) const ALL: [Self; 3] = [Self::Exact, Self::Fuzzy, Self::New];

    /// As it is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fuzzy => "fuzzy",
            Self::New => "new",
        }
    }
}

/// A text, and its translation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) source: String,
    pub(super) target: String,
}

/// What somebody asks, and the translation that has to be found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Where the text is in the memory, or was until somebody mistook letters.
    pub(super) translation: Option<String>,
}

/// The sentences of a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corpus {
    pub(super) seed: u64,
    /// How many of them are in the memory.
    pub(super) entries: u64,
}

struct Letters {
    onsets: [&'static str; 16],
    vowels: [&'static str; 4],
}

const ENGLISH: Letters = Letters {
    onsets: ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl"],
    vowels: ["a", "e", "i", "o"],
};

const FRENCH: Letters = Letters {
    onsets: ["b", "ch", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "ç", "qu", "pr"],
    vowels: ["a", "é", "i", "ou"],
};

impl Corpus {
    /// The sentence of this number with its translation.
    pub(super) fn pair(&self, number: u64) -> Pair {
        Pair { source: self.sentence(number, &ENGLISH), target: self.sentence(number, &FRENCH) }
    }

    /// What is asked by such a chance.
    pub(super) fn question(&self, kind: Kind, chance: u64) -> Question {
        let any = |chance: u64| mix(chance) % self.entries;
        let number = any(chance);
        let translation = || Some(self.sentence(number, &FRENCH));
        let text = self.sentence(number, &ENGLISH);
        match kind {
            Kind::Exact => Question { kind, text, translation: translation() },
            Kind::Fuzzy => Question { kind, text: mistake(&text, chance), translation: translation() },
            Kind::New => {
                // Its own word is nobody else's.
                let text = self.sentence(self.entries + chance % (ENTRIES_MAX - self.entries), &ENGLISH);
                Question { kind, text, translation: None }
            }
        }
    }

    fn sentence(&self, number: u64, letters: &Letters) -> String {
        let chance = mix(self.seed ^ mix(number));
        let words = WORDS_MIN + chance % WORDS_RANGE;
        let place = (chance >> 32) % words;
        let mut text = String::with_capacity(256);
        for index in 0..words {
            if index > 0 {
                text.push(' ');
            }
            if index == place {
                letters.write(&mut text, number.wrapping_mul(SPREAD) % ENTRIES_MAX, OWN_SYLLABLES);
            } else {
                // The square makes the words of low rank frequent.
                let drawn = mix(chance ^ index) % VOCABULARY;
                let rank = drawn * drawn / VOCABULARY;
                letters.write(&mut text, rank, if rank < 64 { 1 } else { 2 + u32::from(rank % 2 == 1) });
            }
        }
        text.push('.');
        text
    }
}

impl Letters {
    fn write(&self, text: &mut String, mut code: u64, syllables: u32) {
        for _ in 0..syllables {
            let (onset, vowel) = (code >> 2 & 15, code & 3);
            // Both are below the lengths of their tables.
            text.push_str(self.onsets.get(usize::try_from(onset).unwrap_or(0)).unwrap_or(&"b"));
            text.push_str(self.vowels.get(usize::try_from(vowel).unwrap_or(0)).unwrap_or(&"a"));
            code >>= SYLLABLE_BITS;
        }
    }
}

/// The text with some letters mistaken, one after the other.
fn mistake(text: &str, chance: u64) -> String {
    let letters = text.chars().filter(char::is_ascii_lowercase).count();
    let places = u64::try_from(letters.saturating_sub(MISTAKEN)).unwrap_or(0) + 1;
    let first = usize::try_from(chance % places).unwrap_or(0);
    let mut seen = 0;
    let mistaken = text.chars().map(|letter| {
        if !letter.is_ascii_lowercase() {
            return letter;
        }
        seen += 1;
        match (first..first + MISTAKEN).contains(&(seen - 1)) {
            true if letter == 'x' => 'w',
            true => 'x',
            false => letter,
        }
    });
    mistaken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const CORPUS: Corpus = Corpus { seed: 7, entries: 5_000 };

    #[test]
    fn sentences_differ_and_are_the_same_anywhere() {
        let pairs: Vec<Pair> = (0..5_000).map(|number| CORPUS.pair(number)).collect();
        for side in [|pair: &Pair| pair.source.clone(), |pair: &Pair| pair.target.clone()] {
            assert_eq!(pairs.iter().map(side).collect::<HashSet<_>>().len(), 5_000);
        }
        assert_eq!(CORPUS.pair(42), Corpus { entries: 100, ..CORPUS }.pair(42));
        assert_ne!(CORPUS.pair(42), Corpus { seed: 8, ..CORPUS }.pair(42));
        let letters: usize = pairs.iter().map(|pair| pair.source.len()).sum();
        assert!((50..150).contains(&(letters / 5_000)), "{letters}");
    }

    #[test]
    fn questions_are_of_their_kind() {
        let known: HashSet<String> = (0..5_000).map(|number| CORPUS.pair(number).source).collect();
        for chance in 0..1_000 {
            let [exact, fuzzy, new] = Kind::ALL.map(|kind| CORPUS.question(kind, mix(chance)));
            assert!(known.contains(&exact.text) && exact.translation.is_some());
            assert_eq!(fuzzy.translation, exact.translation);
            let mistaken = exact.text.chars().zip(fuzzy.text.chars()).filter(|(one, other)| one != other).count();
            assert_eq!((fuzzy.text.chars().count(), mistaken), (exact.text.chars().count(), MISTAKEN));
            assert!(!known.contains(&fuzzy.text) && !known.contains(&new.text) && new.translation.is_none());
        }
        assert_eq!(mistake("a, x.", 0), "x, w.");
    }
}

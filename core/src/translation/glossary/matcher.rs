//! Where terms are in a text, found in one pass.
//!
//! All terms are one automaton (Aho-Corasick), which reads the folded text once, however many terms there are.
//! What it finds counts where it begins and ends with a word; so `l'` and `d'` before it are no matter, and a
//! plural or possessive ending after it is accepted.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::super::TEXT_CHARS_MAX;
use super::super::fold::{TextError, ascii_counterpart, composed, is_collapsed};
use super::super::language::Language;

/// States so near the start have a table of all their transitions: a text is mostly in these, and a step from them is then one look
/// instead of a search. A level more takes memory and gains nothing (16,242 terms: 3.1 MB, with 4 levels 4.0).
const DENSE_DEPTH: usize = 3;

/// The language of terms, for what may be added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inflection {
    /// Plurals and possessives.
    English,
    /// Gender and number: of the last word, of the first, or of all.
    French,
    /// Terms stand as they are.
    None,
}

impl Inflection {
    /// That of a language.
    pub(super) fn of(language: Language) -> Self {
        match language {
            Language::ENGLISH => Self::English,
            Language::FRENCH => Self::French,
            _ => Self::None,
        }
    }

    /// What may follow a term and still be it, the longest first. What is irregular is given as a variant.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::English => &["es'", "'s", "s'", "es", "s"],
            Self::French => &["es", "s", "x", "e"],
            Self::None => &[],
        }
    }

    /// The end of a word that another one takes the place of in the plural.
    const fn plural(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::English => Some(("y", "ies")),
            Self::French => Some(("al", "aux")),
            Self::None => None,
        }
    }

    /// A folded term, with its words in the plural where that is not at its end, or changes it.
    fn forms(self, term: &str) -> Vec<String> {
        let mut forms = vec![term.to_owned()];
        if let Some((singular, plural)) = self.plural()
            && let Some(stem) = term.strip_suffix(singular)
        {
            forms.push(format!("{stem}{plural}"));
        }
        if let (Self::French, Some((first, rest))) = (self, term.split_once(' ')) {
            forms.push(format!("{first}s {rest}"));
            if rest.contains(' ') {
                forms.push(term.replace(' ', "s "));
            }
        }
        forms
    }
}

/// There are more terms than an automaton can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// One of those that are looked for, in all its wordings.
#[derive(Clone, Debug)]
pub(super) struct Sought<'a> {
    /// Its wordings.
    pub(super) texts: Vec<&'a str>,
    /// Whether they must be written with the same capitals: `CAN`, say, which is not `can`.
    pub(super) case_matters: bool,
}

/// What is looked for by one pattern.
#[derive(Clone, Debug)]
struct Pattern {
    /// Of which term it is, by its place among them.
    term: usize,
    /// How it has to be written, where its case matters.
    written: Option<Box<str>>,
}

/// Terms that are looked for together.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
    inflection: Inflection,
}

impl Matcher {
    /// Makes an automaton of terms: some microseconds each, and some hundred bytes.
    pub(super) fn new<'a>(
        terms: impl IntoIterator<Item = Sought<'a>>,
        inflection: Inflection,
    ) -> Result<Self, TooMany> {
        let (mut texts, mut patterns) = (Vec::new(), Vec::new());
        for (place, Sought { texts: wordings, case_matters }) in terms.into_iter().enumerate() {
            for aligned in wordings.into_iter().map(Aligned::of) {
                // Where case matters the words inside stand as they are, too.
                let forms = if case_matters { vec![aligned.folded] } else { inflection.forms(&aligned.folded) };
                let written = case_matters.then(|| aligned.written.into_boxed_str());
                patterns.extend(forms.iter().map(|_| Pattern { term: place, written: written.clone() }));
                texts.extend(forms);
            }
        }
        // An automaton of all transitions would take some hundred megabytes.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .dense_depth(DENSE_DEPTH)
            .build(&texts)
            .map_err(|_too_large| TooMany)?;
        Ok(Self { automaton, patterns, inflection })
    }

    /// Each place of each term in a text, those inside of others too: from where to where, and which term, by its place.
    pub(super) fn find_in<'a>(&'a self, text: &'a Aligned) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        self.automaton.find_overlapping_iter(&text.folded).filter_map(|matched| {
            let pattern = &self.patterns[matched.pattern().as_usize()];
            let end = self.end_of_term(text, matched.start(), matched.end(), pattern)?;
            Some((matched.start(), end, pattern.term))
        })
    }

    /// Where a term ends that was found, with what is added to it; `None` if it is no word there, or not written as
    /// it has to be.
    fn end_of_term(&self, text: &Aligned, start: usize, end: usize, pattern: &Pattern) -> Option<usize> {
        let (before, after) = (&text.folded[..start], &text.folded[end..]);
        // Where the term itself ends with a sign (`GBA+`) a word may follow.
        let in_word = |one: Option<char>, other: Option<char>| {
            one.is_some_and(char::is_alphanumeric) && other.is_some_and(char::is_alphanumeric)
        };
        let term = &text.folded[start..end];
        if in_word(before.chars().next_back(), term.chars().next()) {
            return None;
        }
        if pattern.written.as_deref().is_some_and(|written| written != text.written_at(start, end)) {
            return None;
        }
        // Mostly nothing is added.
        if after.starts_with([' ', ',', '.']) {
            return Some(end);
        }
        let mut endings = self.inflection.endings().iter();
        let ends = |rest: &str| !rest.starts_with(char::is_alphanumeric);
        let added = endings.find(|ending| after.strip_prefix(**ending).is_some_and(ends));
        let is_word = !in_word(term.chars().next_back(), after.chars().next());
        added.map(|ending| end + ending.len()).or_else(|| is_word.then_some(end))
    }
}

/// A text, folded, with where each byte of it is written.
#[derive(Debug)]
pub(super) struct Aligned {
    /// In NFC, with white space collapsed and quotes and dashes as ASCII.
    pub(super) written: String,
    /// In lower case too.
    pub(super) folded: String,
    /// For each byte of `folded`, and for its end, where its character begins in `written`; nothing where these are the same.
    places: Vec<usize>,
    /// How many characters are written.
    pub(super) chars: usize,
}

impl Aligned {
    /// A text that is looked through.
    pub(super) fn new(text: &str) -> Result<Self, TextError> {
        if text.len() > 16 * TEXT_CHARS_MAX {
            return Err(TextError::TooLong);
        }
        let aligned = Self::of(text);
        match aligned.chars {
            0 => Err(TextError::Empty),
            1..=TEXT_CHARS_MAX => Ok(aligned),
            _ => Err(TextError::TooLong),
        }
    }

    /// Any text, of whichever length.
    pub(super) fn of(text: &str) -> Self {
        if text.is_ascii() && is_collapsed(text.as_bytes()) {
            let (written, folded) = (text.to_owned(), text.to_ascii_lowercase());
            return Self { written, folded, places: Vec::new(), chars: text.len() };
        }
        Self::of_characters(text)
    }

    fn of_characters(text: &str) -> Self {
        let (mut written, mut folded) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
        let mut places = Vec::with_capacity(text.len() + 1);
        let mut chars = 0;
        let mut space = false;
        for c in composed(text).chars() {
            if c.is_whitespace() {
                space = !written.is_empty();
                continue;
            }
            for c in space.then_some(' ').into_iter().chain([ascii_counterpart(c)]) {
                // Nearly all are their own lower case, or an ASCII letter.
                match c {
                    '\0'..='\x7F' => folded.push(c.to_ascii_lowercase()),
                    _ => folded.extend(c.to_lowercase()),
                }
                places.resize(folded.len(), written.len());
                written.push(c);
                chars += 1;
            }
            space = false;
        }
        places.push(written.len());
        Self { written, folded, places, chars }
    }

    /// How a part of the folded text is written.
    pub(super) fn written_at(&self, start: usize, end: usize) -> &str {
        let place = |folded: usize| self.places.get(folded).copied().unwrap_or(folded);
        &self.written[place(start)..place(end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of ASCII are copied where nothing is to be done, as if each character had been looked at.
    #[test]
    fn plain_texts_are_aligned_as_all_are() {
        const LETTERS: [char; 6] = ['a', 'B', ' ', '\t', '\'', '\u{B}'];
        for number in 0..LETTERS.len().pow(6) {
            let digits = (0..6).map(|place| LETTERS[number / LETTERS.len().pow(place) % LETTERS.len()]);
            let text: String = digits.collect();
            let text = &text[..number % 7];
            let (aligned, expected) = (Aligned::of(text), Aligned::of_characters(text));
            assert_eq!((&*aligned.written, &*aligned.folded), (&*expected.written, &*expected.folded), "{text:?}");
            assert_eq!(aligned.chars, expected.chars, "{text:?}");
            for start in 0..aligned.folded.len() {
                for end in start..=aligned.folded.len() {
                    assert_eq!(aligned.written_at(start, end), expected.written_at(start, end), "{text:?}");
                }
            }
        }
    }
}

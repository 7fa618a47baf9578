//! From a text to what is translated at a time: its sentences, and its lines where they are none.
//!
//! Sentences end where UAX #29 (Unicode Text Segmentation) has them end, but not after what only looks like an end: an
//! abbreviation of English or French, a letter that stands for a name, or the number of an item.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

/// After which no sentence ends, in lower case and without the full stop.
const ABBREVIATIONS: &[&str] = &[
    "al", "approx", "c.-à-d", "cf", "dept", "div", "dr", "dre", "e.g", "ex", "gov", "govt", "hon", "i.e", "inc", "jr",
    "l'hon", "ltd", "ltée", "mlle", "mm", "mme", "mr", "mrs", "ms", "n.b", "nb", "prof", "ref", "réf", "sr", "st",
    "ste", "tel", "tél", "vs",
];
/// After which no sentence ends where a number follows.
const NUMBERED: &[&str] = &[
    "app", "art", "ch", "fig", "mt", "n", "no", "nos", "p", "par", "para", "pp", "s", "sec", "sect", "ss", "v", "vol",
];

/// The segments of a text, in order, as places in it: nothing of them is white space at an end, and none is empty.
pub fn segments(text: &str) -> impl Iterator<Item = Range<usize>> {
    lines(text).flat_map(move |line| sentences(text, line)).filter_map(move |segment| trimmed(text, segment))
}

/// Whether a line ends with that character, and with it a sentence.
#[must_use]
pub const fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What no sentence goes beyond.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive(ends_line).map(move |line| {
        let begun = start;
        start += line.len();
        begun..start
    })
}

fn sentences(text: &str, line: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut bounds = text[line.clone()].split_sentence_bound_indices().map(move |(at, sentence)| {
        let start = line.start + at;
        start..start + sentence.len()
    });
    std::iter::from_fn(move || {
        let mut sentence = bounds.next()?;
        while !is_end(&text[sentence.clone()], text[sentence.end..line.end].starts_with(char::is_numeric))
            && let Some(more) = bounds.next()
        {
            sentence.end = more.end;
        }
        Some(sentence)
    })
}

/// Whether a sentence can end as this one does.
fn is_end(sentence: &str, before_number: bool) -> bool {
    let sentence = sentence.trim_end();
    let Some(before) = sentence.strip_suffix('.') else { return true };
    let opening = ['(', '[', '«', '“', '"', '\u{a0}'];
    let begins = |word: &str| word.trim_start_matches(opening).to_lowercase();
    let mut words = before.rsplit(char::is_whitespace);
    let last = begins(words.next().unwrap_or_default());
    let is_item = words.all(str::is_empty) && last.chars().all(char::is_numeric);
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic);
    let is_listed = |list: &[&str]| list.binary_search(&last.as_str()).is_ok();
    let goes_on = is_item || is_initial || is_listed(ABBREVIATIONS) || (before_number && is_listed(NUMBERED));
    !goes_on
}

fn trimmed(text: &str, segment: Range<usize>) -> Option<Range<usize>> {
    let inner = &text[segment.clone()];
    let start = segment.start + (inner.len() - inner.trim_start().len());
    let kept = inner.trim();
    (!kept.is_empty()).then(|| start..start + kept.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = segments(text).map(|place| &text[place]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn abbreviations_are_in_order() {
        assert!(ABBREVIATIONS.is_sorted() && NUMBERED.is_sorted());
    }

    #[test]
    fn sentences_and_lines_are_segments() {
        check("", &[]);
        check(" \n\r\n\t", &[]);
        check("Key duties", &["Key duties"]);
        check("One. Two! Three?  Four", &["One.", "Two!", "Three?", "Four"]);
        check("One\nTwo\r\nThree\u{2028}Four", &["One", "Two", "Three", "Four"]);
        check("Il gère 3,5 M$ par an. Il relève du directeur.", &["Il gère 3,5 M$ par an.", "Il relève du directeur."]);
        check("See section 3.2.1 for details. Then stop.", &["See section 3.2.1 for details.", "Then stop."]);
    }

    #[test]
    fn what_only_looks_like_an_end_is_none() {
        check("Dr. Smith and Mme. Roy. Both.", &["Dr. Smith and Mme. Roy.", "Both."]);
        check("J. K. Rowling writes. She does.", &["J. K. Rowling writes.", "She does."]);
        check("1. Manages staff.\n2. Reports.", &["1. Manages staff.", "2. Reports."]);
        check(
            "Outils (p. ex. Excel, p.\u{a0}ex. Word). Autres.",
            &["Outils (p. ex. Excel, p.\u{a0}ex. Word).", "Autres."],
        );
        check("Tools, e.g. Excel. Others.", &["Tools, e.g. Excel.", "Others."]);
        check("He reports to Dr.", &["He reports to Dr."]);
        check("In 2024. Then", &["In 2024.", "Then"]);
        check("Form no. 3 is used. No. Never.", &["Form no. 3 is used.", "No.", "Never."]);
    }

    proptest! {
        /// Nothing but white space is left out, and nothing comes twice.
        #[test]
        fn all_of_a_text_is_in_them(text in "([A-Za-z.!?é «»0-9\n\r]|\\PC|Dr\\. |p\\. ex\\. |\u{2029}){0,60}") {
            let mut before = 0;
            for place in segments(&text) {
                prop_assert!(text[before..place.start].trim().is_empty());
                prop_assert!(!text[place.clone()].is_empty() && text[place.clone()].trim().len() == place.len());
                before = place.end;
            }
            prop_assert!(text[before..].trim().is_empty());
        }
    }
}

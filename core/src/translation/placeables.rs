//! Placeables: the numbers in texts, which are put in for one another.
//!
//! A number is a run of ASCII digits, with full stops and commas in it where digits follow: `5`, `1,234.5`,
//! `4.1.2`. Spaces end it, but for those that group digits by three in a translation (`1 234,5`).

use std::collections::HashMap;
use std::ops::Range;

/// What stands for a number in a number form; not in any folded text.
const NUMBER: u8 = 0x0A;

/// Whether there is a number in it.
pub(super) fn has_number(classes: &[u8]) -> bool {
    classes.iter().any(u8::is_ascii_digit)
}

/// The text with a mark for each number.
pub(super) fn number_form(classes: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(classes.len());
    let mut after = 0;
    for number in numbers(classes, &[]) {
        form.extend(&classes[after..number.start]);
        form.push(NUMBER);
        after = number.end;
    }
    form.extend(&classes[after..]);
    form
}

/// What may stand between groups of three digits: a space, with and without break, and a narrow one.
const GROUPING: &[&str] = &[" ", "\u{A0}", "\u{202F}"];

/// Where numbers are in a text, with such between groups of their digits.
fn numbers<'a>(text: &'a [u8], grouping: &'a [&str]) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].iter().position(u8::is_ascii_digit)?;
        at = end_of(text, start, grouping);
        Some(start..at)
    })
}

/// The end of the number that begins here.
fn end_of(text: &[u8], start: usize, grouping: &[&str]) -> usize {
    let digits = |from: usize| text.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let group = |end: usize| {
        let mut lengths =
            grouping.iter().filter(|space| text[end..].starts_with(space.as_bytes())).map(|space| space.len());
        lengths.find(|length| digits(end + length) == 3)
    };
    let mut end = start + digits(start);
    if end - start <= 3 {
        while let Some(length) = group(end) {
            end += length + 3;
        }
    }
    while matches!(text.get(end), Some(b'.' | b',')) && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    end
}

/// The translation of a text that is equal to the source but for numbers: each number that differs is put in
/// for that of the source, written as the translation writes it (`1,234.5` and `1 234,5`).
///
/// `None` where that is not certain: a number is not found in the translation, or it is there for two
/// different ones, or nothing tells how to write the new one.
#[must_use]
pub fn substitute(source: &str, asked: &str, translation: &str) -> Option<String> {
    let (source, asked) = (written(source), written(asked));
    if source.len() != asked.len() {
        return None;
    }
    let spaced = put_in(&source, &asked, translation, GROUPING);
    // `5 100` may be two numbers after all.
    spaced.or_else(|| put_in(&source, &asked, translation, &[]))
}

/// The numbers of a text, as they are written.
fn written(text: &str) -> Vec<&str> {
    numbers(text.as_bytes(), &[]).map(|number| &text[number]).collect()
}

/// A number's digits, by which it is found however it is written.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

fn put_in(source: &[&str], asked: &[&str], translation: &str, grouping: &[&str]) -> Option<String> {
    let places: Vec<Range<usize>> = numbers(translation.as_bytes(), grouping).collect();
    let mut places_of: HashMap<String, Vec<Range<usize>>> = HashMap::new();
    for place in places {
        places_of.entry(digits(&translation[place.clone()])).or_default().push(place);
    }
    let mut pairs_of: HashMap<String, Vec<(&str, &str)>> = HashMap::new();
    for (&source, &asked) in source.iter().zip(asked) {
        pairs_of.entry(digits(source)).or_default().push((source, asked));
    }
    let mut changes = Vec::new();
    for (number, pairs) in pairs_of {
        if pairs.iter().all(|(source, asked)| source == asked) {
            continue;
        }
        let places = places_of.get(&number)?;
        let alike = pairs.iter().all(|pair| pair.1 == pairs[0].1);
        if !alike && pairs.len() != places.len() {
            return None;
        }
        for (index, place) in places.iter().enumerate() {
            let (source, asked) = pairs[if alike { 0 } else { index }];
            changes.push((place.clone(), written_alike(source, asked, &translation[place.clone()])?));
        }
    }
    changes.sort_by_key(|(place, _)| place.start);
    let mut text = translation.to_owned();
    for (place, number) in changes.into_iter().rev() {
        text.replace_range(place, &number);
    }
    Some(text)
}

/// What is between the digits of a number.
fn separators(number: &str) -> Vec<&str> {
    number.split(|c: char| c.is_ascii_digit()).filter(|separator| !separator.is_empty()).collect()
}

/// A number as the translation would write it, which writes `source` as `translated`.
fn written_alike(source: &str, asked: &str, translated: &str) -> Option<String> {
    if source == translated {
        return Some(asked.to_owned());
    }
    let (from, to) = (separators(source), separators(translated));
    if from.len() != to.len() {
        return None;
    }
    let mut text = String::with_capacity(asked.len());
    for c in asked.chars() {
        if c.is_ascii_digit() {
            text.push(c);
            continue;
        }
        let mut as_written = from.iter().zip(&to).filter(|(from, _)| from.starts_with(c)).map(|(_, to)| *to);
        let first = as_written.next()?;
        if as_written.any(|other| other != first) {
            return None;
        }
        text.push_str(first);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let check = |text: &str, form: &str| {
            assert_eq!(String::from_utf8(number_form(text.as_bytes())).unwrap(), form.replace('#', "\n"), "{text}");
        };
        check("section 5(1), 4.1.2 and 1,234.5.", "section #(#), # and #.");
        check("1998-1999", "#-#");
        check("10 000", "# #");
        check("5,", "#,");
        check("no number", "no number");
        check("covid19b2", "covid#b#");
    }

    fn check(source: &str, asked: &str, translation: &str, expected: Option<&str>) {
        assert_eq!(substitute(source, asked, translation).as_deref(), expected, "{source} / {asked} / {translation}");
    }

    #[test]
    fn numbers_are_put_in() {
        check("section 5(1)", "section 12(4)", "l'article 5(1)", Some("l'article 12(4)"));
        check("1 of 2", "2 of 1", "2 sur 1 (au 1)", Some("1 sur 2 (au 2)"));
        check("at 1.5 %", "at 12.75 %", "à 1,5 %", Some("à 12,75 %"));
        check("$1,234.50", "$2,000,000.25", "1 234,50 $", Some("2 000 000,25 $"));
        check("$1,234", "$9,876", "1\u{202F}234 $", Some("9\u{202F}876 $"));
        check("a 7", "a 1,234", "un 7", Some("un 1,234"));
        check("in 1998 and 2001", "in 1998 and 2002", "en 1998 et 2001, 3", Some("en 1998 et 2002, 3"));
        check("5 of 100", "6 of 200", "5 100", Some("6 200"));
        check("5 and 5", "6 and 7", "5 et 5", Some("6 et 7"));
        check("5 and 5", "6 and 6", "5", Some("6"));
        check("no number", "no number", "aucun 3", Some("aucun 3"));
    }

    #[test]
    fn what_is_not_certain_is_left() {
        // Written out, or not there.
        check("2 years", "3 years", "deux ans", None);
        // Which of both is it?
        check("5 and 5", "6 and 7", "5", None);
        // How are thousands of it written?
        check("$1.50", "$1,000.50", "1,50 $", None);
        check("1000 units", "2000 units", "1 000 unités", None);
        check("1", "1 2", "1", None);
    }

    proptest! {
        #[test]
        fn plain_numbers_in_any_order(
            numbers in prop::collection::hash_map(10_u32..99_999, 0_u32..99_999, 1..8),
            rotation in 0_usize..8,
        ) {
            let text = |numbers: &[u32]| numbers.iter().map(|n| format!("n{n};")).collect::<String>();
            let source: Vec<u32> = numbers.keys().copied().collect();
            let asked: Vec<u32> = numbers.values().copied().collect();
            let rotated = |numbers: &[u32]| {
                let mut numbers = numbers.to_vec();
                let by = rotation % numbers.len();
                numbers.rotate_left(by);
                text(&numbers)
            };
            let found = substitute(&text(&source), &text(&asked), &rotated(&source));
            prop_assert_eq!(found, Some(rotated(&asked)));
        }

        #[test]
        fn nothing_panics(source in "[0-9., é\u{A0}]{0,16}", asked in "[0-9., é]{0,16}", translation in "[0-9., é\u{A0}\u{202F}]{0,24}") {
            if let Some(text) = substitute(&source, &asked, &translation) {
                prop_assert_eq!(substitute(&source, &source, &translation), Some(translation));
                prop_assert!(text.len() <= 24 * 3 + 24 * 24);
            }
        }
    }
}

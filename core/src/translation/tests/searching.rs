//! Fast against exhaustive against brute force.

use proptest::prelude::*;

use super::{by_similarity, distance, folded, of_one_class, similarity, text};
use crate::translation::{
    FAST_CHARS_MIN, Folded, HITS_MAX, Hit, Index, IndexError, Level, Mode, Query, Scratch, Search, SearchError,
    SourceId, TEXT_CHARS_MAX, TextError,
};

fn search(index: &Index, asked: &Folded, mode: Mode, least: f64, wanted: usize) -> Vec<Hit> {
    let search = Search::new(mode, least, wanted).unwrap();
    index.search(&Query::new(asked.clone()), &search, &mut Scratch::default())
}

fn build(texts: &[(SourceId, Folded)]) -> Index {
    Index::build(texts.iter().map(|(source, text)| (*source, text))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn exhaustive_is_brute_force(
        texts in prop::collection::vec(text(), 1..60),
        asked in text(),
        least in prop_oneof![Just(0.5), Just(0.7), Just(1.0), 0.5..1.0],
        wanted in 1_usize..12,
    ) {
        let texts = folded(texts);
        let Ok(asked) = Folded::new(&asked) else { return Ok(()) };
        let found = search(&build(&texts), &asked, Mode::Exhaustive, least, wanted);
        for hit in &found {
            let (_, text) = &texts[hit.source.0 as usize];
            prop_assert_eq!(distance(text.as_str(), asked.as_str()), hit.distance as usize);
            prop_assert_eq!(text.chars().max(asked.chars()), hit.longer as usize);
        }
        let mut expected = by_similarity(&texts, &asked);
        expected.retain(|&pair| similarity(pair) >= least);
        expected.truncate(wanted);
        let found: Vec<f64> = found.iter().map(Hit::similarity).collect();
        prop_assert_eq!(found, expected.into_iter().map(similarity).collect::<Vec<f64>>());
    }

    /// What fast finds is true, in order, and never better than exhaustive; the same where the text is short,
    /// and an equal text always.
    #[test]
    fn fast_finds_nothing_false(
        texts in prop::collection::vec(text(), 1..60),
        asked in text(),
        wanted in 1_usize..12,
    ) {
        let texts = folded(texts);
        let Ok(asked) = Folded::new(&asked) else { return Ok(()) };
        let index = build(&texts);
        let fast = search(&index, &asked, Mode::Fast, 0.6, wanted);
        let all = search(&index, &asked, Mode::Exhaustive, 0.6, wanted);
        prop_assert!(fast.len() <= all.len());
        for (fast, all) in fast.iter().zip(&all) {
            prop_assert!(fast.similarity() <= all.similarity());
            let (_, text) = &texts[fast.source.0 as usize];
            prop_assert_eq!(distance(text.as_str(), asked.as_str()), fast.distance as usize);
        }
        prop_assert!(fast.is_sorted_by(|one, other| one.similarity() >= other.similarity()));
        if asked.chars() < FAST_CHARS_MIN {
            prop_assert_eq!(&fast, &all);
        }
        let equal = texts.iter().find(|(_, text)| *text == asked).map(|(source, _)| *source);
        prop_assert_eq!(index.find(&asked), equal);
        prop_assert_eq!(fast.first().filter(|hit| hit.distance == 0).map(|hit| hit.source), equal);
    }

    /// The whole order: equal, equal but for numbers however far, then the similar ones.
    #[test]
    fn levels_come_in_their_order(
        texts in prop::collection::vec("[ab]{0,2}[1-3]{1,3}[ab ]{0,3}[1-3]?", 1..40),
        asked in "[ab]{0,2}[1-3]{1,3}[ab ]{0,3}[1-3]?",
        wanted in 1_usize..20,
    ) {
        let texts = folded(texts);
        let asked = Folded::new(&asked).unwrap();
        let look_up = Search::new(Mode::Fast, 0.9, wanted).unwrap();
        let query = Query::new(asked.clone());
        let found = build(&texts).look_up(&query, &look_up, &mut Scratch::default());
        prop_assert!(found.is_sorted_by_key(|found| found.level));
        let form = |text: &Folded| {
            let mut form = String::new();
            for c in text.as_str().chars().map(|c| if c.is_ascii_digit() { '#' } else { c }) {
                if c != '#' || !form.ends_with('#') {
                    form.push(c);
                }
            }
            form
        };
        let alike = texts.iter().filter(|(_, text)| form(text) == form(&asked)).count();
        let levels = found.iter().filter(|found| found.level != Level::Fuzzy).count();
        prop_assert_eq!(levels, alike.min(wanted));
        for found in &found {
            let (_, text) = &texts[found.hit.source.0 as usize];
            let expected = match found.level {
                Level::Folded => *text == asked,
                Level::Numbers => *text != asked && form(text) == form(&asked),
                _ => form(text) != form(&asked) && found.hit.similarity() >= 0.9,
            };
            prop_assert!(expected, "{:?} of {:?}", found, text);
            prop_assert!(query.may_be_like(text, 0.9), "{:?}", text);
            prop_assert_eq!(distance(text.as_str(), asked.as_str()), found.hit.distance as usize);
        }
    }
}

#[test]
fn what_may_be_like_is_what_would_be_found() {
    let query = Query::new(Folded::new("abcdefghij").unwrap());
    for (text, least, expected) in [
        ("abcdefghix", 0.9, true),
        ("abcdefghxy", 0.9, false),
        ("abcdefghxy", 0.8, true),
        ("abcdefghijk", 0.9, true),
        ("abcdefghijklmnopqrst", 0.5, true),
        ("abcdefghijklmnopqrstu", 0.5, false),
    ] {
        let text = Folded::new(text).unwrap();
        assert_eq!(query.may_be_like(&text, least), expected, "{text:?} {least}");
    }
}

#[test]
fn the_raw_level_is_told_from_the_texts() {
    let text = Folded::new("A b").unwrap();
    let index = build(&[(SourceId(0), text.clone())]);
    let look_up = Search::new(Mode::Fast, 0.7, 5).unwrap();
    let found = index.look_up(&Query::new(text), &look_up, &mut Scratch::default())[0];
    assert_eq!(found.level_of("A b", "A b"), Level::Raw);
    assert_eq!(found.level_of("A b", "a b"), Level::Folded);
    assert!(Level::Raw < Level::Folded && Level::Folded < Level::Numbers && Level::Numbers < Level::Fuzzy);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for least in [0.49, 1.01, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Search::new(Mode::Fast, least, 5), Err(SearchError::Similarity));
    }
    for wanted in [0, HITS_MAX + 1] {
        assert_eq!(Search::new(Mode::Fast, 0.7, wanted), Err(SearchError::Wanted));
    }
    let text = Folded::new("a").unwrap();
    let twice = [(SourceId(1), &text), (SourceId(2), &text)];
    assert!(matches!(Index::build(twice), Err(IndexError::Present(_))));
    assert_eq!(Folded::new(&"a".repeat(TEXT_CHARS_MAX + 1)), Err(TextError::TooLong));
}

/// The longest texts, and one of characters that share their classes: they cost time, never more.
#[test]
fn the_longest_texts() {
    let long = |c: &str, d: &str| Folded::new(&(c.repeat(TEXT_CHARS_MAX - 2) + d)).unwrap();
    for letters in ["a", "\u{4E2D}"] {
        let text = long(letters, "xy");
        let index = build(&[(SourceId(3), text.clone()), (SourceId(4), Folded::new("a").unwrap())]);
        let asked = long(letters, "yx");
        let found = search(&index, &asked, Mode::Exhaustive, 0.5, 5);
        assert_eq!(found, [Hit { source: SourceId(3), distance: 2, longer: 4096 }]);
    }
}

#[test]
fn an_empty_index_finds_nothing() {
    let index = Index::default();
    assert_eq!(search(&index, &Folded::new("a").unwrap(), Mode::Exhaustive, 0.5, 5), []);
    assert!(index.is_empty());
}

/// Numbers are put in for one another, characters of one class are not.
#[test]
fn number_forms_are_of_characters() {
    let letters: Vec<char> = of_one_class().chars().collect();
    let text = |letter: char, number: u32| Folded::new(&format!("{letter}{number}")).unwrap();
    let index = build(&[(SourceId(0), text(letters[0], 1)), (SourceId(1), text(letters[1], 1))]);
    let look_up = Search::new(Mode::Fast, 0.5, 5).unwrap();
    let found = index.look_up(&Query::new(text(letters[0], 2)), &look_up, &mut Scratch::default());
    let found: Vec<_> = found.iter().map(|found| (found.hit.source, found.level)).collect();
    assert_eq!(found, [(SourceId(0), Level::Numbers)]);
}

/// Single characters all over, which fast would not find in a longer text.
#[test]
fn fast_is_exhaustive_for_short_texts() {
    let text = "abcdefghijklmnopqrstuvwxyz(;!)";
    let changed: String = text.chars().enumerate().map(|(at, c)| if at % 3 == 1 { '_' } else { c }).collect();
    let index = build(&[(SourceId(0), Folded::new(text).unwrap())]);
    let found = search(&index, &Folded::new(&changed).unwrap(), Mode::Fast, 0.65, 5);
    assert_eq!(found, [Hit { source: SourceId(0), distance: 10, longer: 30 }]);
}

#[test]
fn long_look_ups_pause() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PAUSES: AtomicUsize = AtomicUsize::new(0);
    let texts: Vec<(SourceId, Folded)> =
        (0..4_000).map(|number| (SourceId(number), Folded::new(&format!("text number {number}")).unwrap())).collect();
    let index = Index::build(texts.iter().map(|(source, text)| (*source, text))).unwrap();
    let query = Query::new(Folded::new("text number 77").unwrap());
    let search = Search::new(Mode::Exhaustive, 0.7, 5).unwrap();
    let hits = index.search(&query, &search, &mut Scratch::default());
    let mut scratch = Scratch::with_pauses(|| {
        PAUSES.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(index.search(&query, &search, &mut scratch), hits);
    assert!(PAUSES.load(Ordering::Relaxed) >= 1, "{PAUSES:?}");
}

//! The index against looking at every text, in small dense worlds; on real text it is in `core/tests`.

mod searching;
mod updating;

use proptest::prelude::*;

use super::alphabet::class;
use super::{Folded, SourceId};

/// The Levenshtein distance by its definition.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, c) in one.chars().enumerate() {
        let mut next = vec![row + 1];
        for (column, d) in other.iter().enumerate() {
            let changed = last[column] + usize::from(c != *d);
            next.push(changed.min(last[column + 1] + 1).min(next[column] + 1));
        }
        last = next;
    }
    last[other.len()]
}

/// Every text's distance and the longer length, the most similar first.
fn by_similarity(texts: &[(SourceId, Folded)], asked: &Folded) -> Vec<(usize, usize)> {
    let of = |text: &Folded| (distance(text.as_str(), asked.as_str()), text.chars().max(asked.chars()));
    let mut found: Vec<(usize, usize)> = texts.iter().map(|(_, text)| of(text)).collect();
    found.sort_by(|one, other| (one.0 * other.1).cmp(&(other.0 * one.1)));
    found
}

#[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
fn similarity((distance, longer): (usize, usize)) -> f64 {
    1.0 - distance as f64 / longer as f64
}

/// A text of some length that repeats a short piece, with changes: many of them are near each other.
fn near<L: Strategy<Value = usize>>(lengths: L, letters: &str) -> impl Strategy<Value = String> + use<L> {
    let letters: Vec<char> = letters.chars().collect();
    let letter = prop::sample::select(letters);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, letter), 0..14);
    (lengths, 0..3_usize, changes).prop_map(|(length, start, changes)| {
        let mut text: Vec<char> = "the unit of a pay".chars().cycle().skip(start * 5).take(length).collect();
        for (place, kind, letter) in changes {
            let place = place.index(text.len());
            match kind {
                0 => text[place] = letter,
                1 => text.insert(place, letter),
                _ if text.len() > 1 => drop(text.remove(place)),
                _ => {}
            }
        }
        text.into_iter().collect()
    })
}

/// Lengths where words of 64 rows, sizes of counts and modes change, and short ones.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![1..12_usize, 28..36_usize, 60..70_usize, 125..132_usize, 158..162_usize]
}

/// Different characters of one class, which only comparing characters tells apart.
fn of_one_class() -> String {
    ('\u{4E00}'..'\u{9000}').filter(|&c| class(c) == class('\u{4E2D}')).take(4).collect()
}

/// Texts that are dense in edits, some of characters that share their class.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => near(lengths(), &of_one_class()),
        6 => near(lengths(), "ab t0é"),
        2 => near(lengths(), "αβ\u{4E2D}\u{1F600}œ"),
        2 => "[ab]{1,9}",
        1 => "[ab1-3 ]{1,70}",
        1 => "[α-ω\u{4E00}-\u{4E40}]{1,40}",
    ]
}

/// What can be indexed of them, each once.
fn folded(texts: Vec<String>) -> Vec<(SourceId, Folded)> {
    let mut folded: Vec<Folded> = texts.iter().filter_map(|text| Folded::new(text).ok()).collect();
    folded.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    folded.dedup();
    (0..).map(SourceId).zip(folded).collect()
}

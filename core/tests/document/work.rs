//! The largest work that submissions can make. How long each takes is measured in `benches/benches/document.rs`;
//! here it has to come out right, and a quadratic way of doing it would hold up the whole test run.

use jddb_core::document::{Document, DocumentLimits, SentChange, Submission};
use jddb_core::ids::PositionEncoding;

use super::support::{NOW, delete, empty, id, insert, replace, submission, submit};

fn one_section(text: &str) -> Document {
    let mut document = empty();
    submit(&mut document, Some(0), &[insert(0, text)]);
    document
}

#[test]
fn a_megabyte_is_pasted_and_four_are_deleted_at_once() {
    for part in ["x", "é\u{20AC}", "\u{1F600}"] {
        let megabyte = part.repeat((1 << 20) / part.len());
        let units = PositionEncoding::Utf16.length_of(&megabyte) as u64;
        let mut document = one_section("");
        for _ in 0..4 {
            submit(&mut document, None, &[insert(0, &megabyte)]);
        }
        submit(&mut document, None, &[delete(0, 4 * units)]);
        assert!(document.sections()[0].text().is_empty());
    }
}

#[test]
fn a_paste_from_an_old_base_is_not_copied_for_every_version() {
    let mut document = one_section("abc");
    for version in 1..10_000 {
        submit(&mut document, Some(version), &[insert(0, "x")]);
    }
    let megabyte = "x".repeat(1 << 20);
    submit(&mut document, Some(1), &[insert(3, &megabyte)]);
    assert_eq!(document.sections()[0].text().len(), 3 + 9_999 + megabyte.len());
}

#[test]
fn a_thousand_changes_over_a_thousand_batches_of_a_thousand() {
    let mut document = one_section(&"ab".repeat(4000));
    let batch: Vec<SentChange<'_>> = (0..1000).map(|place| replace(4 * place, 1, "x")).collect();
    for _ in 0..40 {
        submit(&mut document, None, &batch);
    }
    for _ in 0..40 {
        submit(&mut document, Some(1), &batch);
    }
    // Each of them puts in its thousand; what it replaces is gone after the first.
    assert_eq!(document.sections()[0].text().len(), 8_000 + 40 * 1_000);
    let mut document = one_section(&"ab".repeat(4000));
    for version in 1..=1000 {
        submit(&mut document, Some(version), &[replace(4 * version, 1, "x")]);
    }
    submit(&mut document, Some(1), &batch);
    assert_eq!(document.version().0, 1_002);
}

/// The wire allows a thousand; whoever embeds the core need not.
#[test]
fn a_batch_of_a_hundred_thousand_places_over_ten_of_them() {
    const PLACES: usize = 100_000;
    let limits = DocumentLimits { history_bytes_max: 64 << 20, ..DocumentLimits::default() };
    let mut document = Document::new(id(), limits);
    submit(&mut document, Some(0), &[insert(0, &"ab".repeat(PLACES))]);
    let batch: Vec<SentChange<'_>> = (0..PLACES as u64).map(|place| replace(2 * place, 1, "xy")).collect();
    for _ in 0..11 {
        submit(&mut document, Some(1), &batch);
    }
    // What a batch replaces is gone after the first; its text stands behind those that came before.
    let text = document.sections()[0].text().to_string();
    assert_eq!(text, format!("{}b", "xy".repeat(11)).repeat(PLACES));
}

#[test]
fn a_deletion_that_falls_into_ten_thousand_pieces() {
    // From left to right the last piece is cut; from right to left all that were cut before move.
    let left_to_right = |version: u64| 3 * (version - 1) + 1;
    let right_to_left = |version: u64| 20_000 - 2 * version;
    for place in [left_to_right as fn(u64) -> u64, right_to_left] {
        let mut document = one_section(&"ab".repeat(10_000));
        for version in 1..10_000 {
            submit(&mut document, Some(version), &[insert(place(version), "x")]);
        }
        submit(&mut document, Some(1), &[delete(0, 20_000)]);
        assert_eq!(document.sections()[0].text().to_string(), "x".repeat(9_999));
    }
}

#[test]
fn a_thousand_places_in_a_long_text_of_wide_characters() {
    let text = "aé\u{20AC}\u{1F600}".repeat(250_000);
    for encoding in [PositionEncoding::Utf8, PositionEncoding::Utf32] {
        let mut document = one_section(&text);
        submit(&mut document, None, &[insert(0, "x")]);
        for base in [1, 2] {
            // At version 2 there is one letter more.
            let end = encoding.length_of(&text) as u64 + base - 1;
            let places = (0..1000).map(|place| if place % 2 == 0 { end } else { 0 });
            let changes: Vec<SentChange<'_>> = places.map(|place| insert(place, "y")).collect();
            document.submit(NOW, &Submission { encoding, ..submission(Some(base), &changes) }).unwrap();
        }
    }
}

#[test]
fn inserts_at_one_place_are_many_and_long() {
    let mut document = one_section("abc");
    let content = "é".repeat(1000);
    let changes: Vec<SentChange<'_>> = (0..1000).map(|_| insert(1, &content)).collect();
    submit(&mut document, Some(1), &changes);
    assert_eq!(document.sections()[0].text().len(), 3 + 1_000 * 1_000);
}

//! Texts with leaves of their real size (the tests within the module have tiny ones), against lists of
//! characters; and of megabytes, where anything quadratic would show.

use jddb_core::ids::PositionEncoding;
use jddb_core::text::Text;
use proptest::prelude::*;

/// The units and bytes of UTF-8 of some characters.
fn lengths(characters: &[char]) -> (usize, usize) {
    characters.iter().fold((0, 0), |(units, bytes), c| (units + c.len_utf16(), bytes + c.len_utf8()))
}

/// Replaces characters in both, and compares what is deleted and where positions come to lie.
fn edit(text: &mut Text, model: &mut Vec<char>, from: usize, count: usize, inserted: &str) {
    let (position, bytes) = lengths(&model[..from]);
    let (deleted, deleted_bytes) = lengths(&model[from..from + count]);
    assert_eq!(text.utf16_position(from, PositionEncoding::Utf32), Ok(position));
    assert_eq!(text.utf16_position(bytes, PositionEncoding::Utf8), Ok(position));
    assert_eq!(text.position_in(position, PositionEncoding::Utf32), from);
    assert_eq!(text.position_in(position, PositionEncoding::Utf8), bytes);
    assert_eq!(text.utf8_len_of(position, position + deleted), deleted_bytes);
    let expected: String = model.splice(from..from + count, inserted.chars()).collect();
    let mut removed = String::new();
    text.splice(position, deleted, inserted, &mut removed);
    assert_eq!(removed, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn fifty_kilobytes(
        piece in prop_oneof!["[a-z ]{1,20}", "[a-zé ]{1,20}", "[a-z\u{301}\u{20AC}\u{1F600}]{1,20}"],
        edits in prop::collection::vec((0_usize..50_000, 0_u32..13, 0_u32..13, 0_usize..3), 0..40),
    ) {
        let mut model: Vec<char> = piece.chars().cycle().take(40_000).collect();
        let mut text = Text::from(model.iter().collect::<String>().as_str());
        let mut at = 0;
        for (place, deleted, inserted, near) in edits {
            // Two of three edits are near the last one.
            at = if near == 0 { place } else { at + place % 7 };
            let from = at.min(model.len());
            let count = ((1 << deleted) - 1).min(model.len() - from);
            let inserted: String = piece.chars().cycle().skip(place % 5).take((1 << inserted) - 1).collect();
            edit(&mut text, &mut model, from, count, &inserted);
        }
        prop_assert_eq!(text.len(), lengths(&model).0);
        prop_assert!(text.to_string() == model.into_iter().collect::<String>());
    }
}

const MEGABYTES: usize = 10 << 20;

fn large() -> (Text, String) {
    let whole = "0123456789abcdef".repeat(MEGABYTES / 16);
    (Text::from(whole.as_str()), whole)
}

#[test]
fn megabytes_right_to_left() {
    let (mut text, whole) = large();
    let mut removed = String::new();
    for part in (0..10_000).rev() {
        text.splice(part * 1_024, 1_000, "", &mut removed);
    }
    assert_eq!(removed.len(), 10_000_000);
    let kept = |part: usize| &whole[part * 1_024 + 1_000..(part + 1) * 1_024];
    let expected: String = (0..10_000).map(kept).chain([&whole[10_000 * 1_024..]]).collect();
    assert!(text.to_string() == expected);
}

#[test]
fn megabytes_at_random() {
    let (mut text, mut model) = large();
    let (mut state, mut removed) = (1_usize, String::new());
    for _ in 0..1_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (from, count) = ((state >> 20) % (MEGABYTES / 2), (state >> 50) % 5_000);
        removed.clear();
        text.splice(from, count, "a piece of text", &mut removed);
        assert!(removed == model[from..from + count]);
        model.replace_range(from..from + count, "a piece of text");
    }
    assert!(text.to_string() == model);
}

#[test]
fn megabytes_at_once() {
    let (mut text, whole) = large();
    let mut removed = String::new();
    text.splice(777, 0, &whole, &mut removed);
    text.splice(0, 777, "\u{1F600}", &mut removed);
    assert_eq!(text.len_in(PositionEncoding::Utf8), 2 * MEGABYTES - 777 + 4);
    assert_eq!(text.utf16_position(MEGABYTES + 3, PositionEncoding::Utf8), Ok(MEGABYTES + 1));
    text.splice(0, 2, "", &mut removed);
    text.splice(0, text.len(), "", &mut removed);
    assert!(text.is_empty());
    assert!(removed == [&whole[..777], "\u{1F600}", &whole, &whole[777..]].concat());
}

/// A leaf's worth put in and taken out again and again, at the place that costs most.
#[test]
fn megabytes_to_and_fro() {
    let (mut text, whole) = large();
    let (piece, mut removed) = ("x".repeat(2_000), String::new());
    for _ in 0..2_000 {
        removed.clear();
        text.splice(1_000, 0, &piece, &mut removed);
        text.splice(1_000, 2_000, "", &mut removed);
        assert!(removed == piece);
    }
    assert!(text.to_string() == whole);
}

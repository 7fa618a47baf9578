//! Texts against the slow and obvious way to do everything: a list of characters.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

fn check_edits(start: &str, edits: &[(usize, usize, &str)], expected: &str) {
    let mut text = Text::from(start);
    for &(position, deleted, inserted) in edits {
        text.splice(position, deleted, inserted, &mut String::new());
        check(&text);
    }
    assert_eq!(text.to_string(), expected);
    assert_eq!(text.len(), expected.encode_utf16().count());
}

/// Panics where something is not as it has to be inside, or a surrogate stands alone.
fn check(text: &Text) {
    match &text.units {
        Units::Latin1(leaves) => leaves.check(),
        Units::Wide(leaves) => {
            leaves.check();
            let units: Vec<u16> = leaves.parts().flatten().copied().collect();
            assert!(String::from_utf16(&units).is_ok(), "a lone surrogate in {units:04x?}");
        }
    }
}

#[test]
fn edits() {
    check_edits("", &[(0, 0, "Hello")], "Hello");
    check_edits("Hello", &[(5, 0, " world"), (0, 5, "Bonjour")], "Bonjour world");
    check_edits("été", &[(3, 0, "\u{20AC}"), (0, 1, "E")], "Et\u{E9}\u{20AC}");
    check_edits("a\u{1F600}b", &[(1, 2, "")], "ab");
    check_edits("abc", &[(0, 3, ""), (0, 0, "d"), (0, 1, "")], "");
}

#[test]
fn boundaries() {
    let text = Text::from("a\u{1F600}b");
    let boundaries: Vec<bool> = (0..=4).map(|p| text.is_boundary(p)).collect();
    assert_eq!(boundaries, [true, true, false, true, true]);
}

#[test]
fn positions_inside_characters() {
    let text = Text::from("a\u{1F600}\u{20AC}");
    let inside = |boundary| Err(PositionError::InsideCharacter { boundary });
    let utf8: Vec<_> = (0..=8).map(|position| text.utf16_position(position, PositionEncoding::Utf8)).collect();
    assert_eq!(utf8, [Ok(0), Ok(1), inside(1), inside(1), inside(1), Ok(3), inside(3), inside(3), Ok(4)]);
    assert_eq!(text.utf16_position(2, PositionEncoding::Utf16), inside(1));
    let beyond = Err(PositionError::BeyondEnd { length: 3 });
    assert_eq!(text.utf16_position(4, PositionEncoding::Utf32), beyond);
}

/// The first and the last character of each length in some encoding, alone and among others.
#[test]
fn characters_of_each_length() {
    for character in "\0\u{7F}\u{80}\u{FF}\u{100}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}".chars() {
        for whole in [character.to_string(), format!("a long text with {character} within"), format!("a{character}€")]
        {
            let text = Text::from(whole.as_str());
            check(&text);
            assert_eq!(text.to_string(), whole);
            for encoding in PositionEncoding::ALL {
                assert_eq!(text.len_in(encoding), encoding.length_of(&whole), "{character:?} in {}", encoding.name());
            }
        }
    }
}

#[test]
#[should_panic(expected = "outside the text")]
fn range_outside() {
    Text::from("abc").splice(2, 2, "", &mut String::new());
}

#[test]
#[should_panic(expected = "outside the text")]
fn range_that_overflows() {
    Text::from("abc").splice(2, usize::MAX, "", &mut String::new());
}

#[test]
#[should_panic(expected = "inside a surrogate pair")]
fn start_inside_a_pair() {
    Text::from("\u{1F600}").splice(1, 0, "x", &mut String::new());
}

#[test]
#[should_panic(expected = "inside a surrogate pair")]
fn end_inside_a_pair() {
    Text::from("\u{1F600}").splice(0, 1, "", &mut String::new());
}

/// Each key in front of the last one; then keys removed one by one from the front, the back, and the middle.
#[test]
fn one_by_one() {
    for character in ["x", "é", "\u{20AC}", "\u{1F600}"] {
        let units = character.encode_utf16().count();
        for take in [|_| 0, |length| length, |length| length / 2] {
            let mut text = Text::default();
            let mut removed = String::new();
            for count in 0..200 {
                text.splice(take(count) * units, 0, character, &mut removed);
                check(&text);
            }
            assert_eq!(text.to_string(), character.repeat(200));
            for count in (0..200).rev() {
                text.splice(take(count) * units, units, "", &mut removed);
                check(&text);
            }
            assert_eq!(removed, character.repeat(200));
            assert!(text.is_empty());
        }
    }
}

/// Deletions that leave little of each leaf, and then the rest of each joined to others.
#[test]
fn what_is_left_is_joined() {
    let mut text = Text::from("0123456789abcdef".repeat(64).as_str());
    for kept in 0..512 {
        text.splice(kept, 1, "", &mut String::new());
        check(&text);
    }
    assert_eq!(text.to_string(), "13579bdf".repeat(64));
}

/// Leaves of 8, 8 and 2 units, of which a deletion leaves 7, 2 and 2: the last two are joined.
#[test]
fn what_is_behind_a_deletion_is_joined() {
    let mut text = Text::from("abcdefghijklmnopqr");
    for (position, deleted, inserted) in [(3, 0, "--"), (11, 0, "--"), (18, 4, ""), (7, 7, "")] {
        text.splice(position, deleted, inserted, &mut String::new());
        check(&text);
    }
    assert_eq!(text.to_string(), "abc--deklmn");
}

#[test]
fn parts_are_the_text() {
    let whole = "a\u{1F600}é\u{20AC}".repeat(50);
    let text = Text::from(whole.as_str());
    let mut joined = String::new();
    text.for_each_str(|part| joined.push_str(part));
    let mut appended = "before ".to_owned();
    text.append_to(&mut appended);
    assert_eq!(appended, format!("before {joined}"));
    assert_eq!(joined, whole);
}

#[test]
fn slices_are_parts_of_the_text() {
    for whole in ["", "0123456789abcdef0123456789", "a\u{1F600}é\u{20AC}bc\u{1F600}\u{1F600}d"] {
        let text = Text::from(whole);
        let places: Vec<(usize, usize)> =
            places(&whole.chars().collect::<Vec<_>>()).iter().map(|[utf16, _, utf8]| (*utf16, *utf8)).collect();
        for (index, (from, start)) in places.iter().enumerate() {
            for (to, end) in &places[index..] {
                assert_eq!(text.slice(*from..*to), whole[*start..*end]);
            }
        }
    }
}

#[test]
fn empty_text_is_small() {
    fn assert_send<T: Send>() {}
    assert_send::<Text>();
    assert!(size_of::<Text>() <= 128, "{} bytes", size_of::<Text>());
}

/// What the characters before each of them, and before the end, count as in each encoding.
fn places(model: &[char]) -> Vec<[usize; 3]> {
    let mut place = [0; 3];
    let mut places = vec![place];
    for character in model {
        let lengths = [character.len_utf16(), 1, character.len_utf8()];
        place.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length);
        places.push(place);
    }
    places
}

/// Checks conversions at and around the place of one character.
fn check_place(text: &Text, places: &[[usize; 3]], at: usize) -> TestCaseResult {
    let [utf16, ..] = places[at];
    prop_assert!(text.is_boundary(utf16));
    for (index, encoding) in PositionEncoding::ALL.into_iter().enumerate() {
        let here = places[at][index];
        prop_assert_eq!(text.utf16_position(here, encoding), Ok(utf16));
        prop_assert_eq!(text.position_in(utf16, encoding), here);
        let length = places[places.len() - 1];
        prop_assert_eq!(text.len_in(encoding), length[index]);
        let beyond = Err(PositionError::BeyondEnd { length: length[index] });
        prop_assert_eq!(text.utf16_position(length[index] + 1, encoding), beyond);
        for inside in here + 1..places.get(at + 1).map_or(here, |next| next[index]) {
            let expected = Err(PositionError::InsideCharacter { boundary: utf16 });
            prop_assert_eq!(text.utf16_position(inside, encoding), expected);
        }
    }
    Ok(())
}

/// One edit of both, at `from` characters and over `count`; what is deleted has to be equal.
fn edit(text: &mut Text, model: &mut Vec<char>, from: usize, count: usize, inserted: &str) -> TestCaseResult {
    let from = from.min(model.len());
    let to = (from + count).min(model.len());
    let units = |part: &[char]| part.iter().map(|c| c.len_utf16()).sum::<usize>();
    let (position, length) = (units(&model[..from]), units(&model[from..to]));
    let expected: String = model.splice(from..to, inserted.chars()).collect();
    prop_assert_eq!(text.utf8_len_of(position, position + length), expected.len());
    let mut removed = String::from("€");
    text.splice(position, length, inserted, &mut removed);
    prop_assert_eq!(removed.strip_prefix('€'), Some(expected.as_str()));
    check(text);
    Ok(())
}

proptest! {
    /// Small and dense: after each edit, every place.
    #[test]
    fn few_characters(
        start in "[ae\u{301}é\u{20AC}\u{1F600}]{0,16}",
        edits in prop::collection::vec((0_usize..20, 0_usize..8, "[bè\u{301}\u{20AC}\u{1F601}]{0,5}"), 0..24),
    ) {
        let mut text = Text::from(start.as_str());
        let mut model: Vec<char> = start.chars().collect();
        for (position, deleted, inserted) in edits {
            edit(&mut text, &mut model, position, deleted, &inserted)?;
            prop_assert_eq!(text.to_string(), model.iter().collect::<String>());
            let places = places(&model);
            for at in 0..places.len() {
                check_place(&text, &places, at)?;
            }
            prop_assert_eq!(text.has_pairs(), model.iter().any(|c| c.len_utf16() == 2));
        }
    }

    /// Edits near one another, as people make them, and some far away: fingers, gaps and joins.
    #[test]
    fn typing(
        narrow in prop::bool::ANY,
        edits in prop::collection::vec((0_usize..12, -3_isize..4, 0_usize..4, 0_usize..5), 0..400),
    ) {
        let mut text = Text::default();
        let mut model: Vec<char> = Vec::new();
        let mut cursor = 0;
        for (jump, step, deleted, inserted) in edits {
            cursor = if jump == 0 { model.len() * deleted / 3 } else { cursor.saturating_add_signed(step) };
            let typed = if narrow { "aébc" } else { "a\u{20AC}\u{1F600}é" };
            let typed: String = typed.chars().cycle().skip(cursor % 4).take(inserted).collect();
            cursor = cursor.min(model.len());
            edit(&mut text, &mut model, cursor, if inserted > 1 { 0 } else { deleted }, &typed)?;
            cursor += inserted;
        }
        prop_assert_eq!(text.to_string(), model.iter().collect::<String>());
        let places = places(&model);
        for at in (0..places.len()).step_by(7) {
            check_place(&text, &places, at)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// 50 KB, with edits of any size: blocks of leaves come and go.
    #[test]
    fn many_characters(
        piece in "[ae\u{301}é\u{20AC}\u{1F600}]{1,40}",
        edits in prop::collection::vec((0_usize..50_000, 0_u32..13, 0_u32..13), 0..24),
    ) {
        let mut model: Vec<char> = piece.chars().cycle().take(25_000).collect();
        let mut text = Text::from(model.iter().collect::<String>().as_str());
        check(&text);
        for (position, deleted, inserted) in edits {
            let from = position % (model.len() + 1);
            let inserted: String = piece.chars().cycle().take((1 << inserted) - 1).collect();
            edit(&mut text, &mut model, from, (1 << deleted) - 1, &inserted)?;
            let places = places(&model);
            for at in [0, from, from / 2, model.len() / 2, model.len()] {
                check_place(&text, &places, at.min(model.len()))?;
            }
        }
        prop_assert!(text.to_string() == model.into_iter().collect::<String>());
    }
}

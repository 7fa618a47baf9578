//! The cases that the protocol names, one by one.

use jddb_core::document::{Document, Move, MoveReason, Rejection, SentChange, Submission, Submitted, VERSIONS_SKIPPED};
use jddb_core::ids::{PositionEncoding, Version};

use super::support::{
    NOW, delete, document, empty, insert, moves, refuse, refuse_all, replace, section, submission, submit, texts,
    transformed, within,
};

/// `first` and then `second`, both made against "abcdefgh" at version 1.
fn check(first: SentChange<'_>, second: SentChange<'_>, expected: &str) {
    let mut document = document(&[("body", "abcdefgh")]);
    submit(&mut document, Some(1), &[first]);
    submit(&mut document, Some(1), &[second]);
    assert_eq!(texts(&document), expected);
    assert_eq!(document.version(), Version(3), "even an empty result takes a version");
}

#[test]
fn of_two_inserts_at_one_position_the_first_stays_left() {
    check(insert(2, "X"), insert(2, "Y"), "abXYcdefgh");
}

#[test]
fn an_insert_at_the_start_at_the_end_and_inside_of_a_concurrent_delete() {
    check(delete(2, 3), insert(2, "Y"), "abYfgh");
    check(delete(2, 3), insert(5, "Y"), "abYfgh");
    check(delete(2, 3), insert(4, "Y"), "abYfgh");
    check(insert(2, "X"), delete(2, 3), "abXfgh");
    check(insert(4, "X"), delete(2, 3), "abXfgh");
    check(insert(5, "X"), delete(2, 3), "abXfgh");
}

#[test]
fn a_delete_and_an_insert_at_the_start_of_a_concurrent_replace() {
    check(replace(2, 3, "X"), delete(2, 3), "abXfgh");
    check(replace(2, 3, "X"), delete(1, 2), "aXfgh");
    check(replace(2, 3, "X"), insert(2, "Y"), "abXYfgh");
    check(insert(2, "X"), replace(2, 3, "Y"), "abXYfgh");
    check(insert(3, "X"), replace(2, 3, "Y"), "abYXfgh");
}

#[test]
fn deletes_that_overlap_nest_touch_and_are_the_same() {
    check(delete(1, 4), delete(3, 4), "ah");
    check(delete(1, 6), delete(3, 2), "ah");
    check(delete(3, 2), delete(1, 6), "ah");
    check(delete(3, 2), delete(3, 2), "abcfgh");
    check(delete(1, 2), delete(3, 2), "afgh");
    check(delete(3, 0), delete(3, 0), "abcdefgh");
}

#[test]
fn a_replace_against_a_replace() {
    check(replace(2, 3, "X"), replace(2, 3, "Y"), "abXYfgh");
    check(replace(1, 4, "X"), replace(3, 4, "Y"), "aXYh");
    check(replace(3, 4, "X"), replace(1, 4, "Y"), "aYXh");
    check(replace(2, 0, "X"), replace(2, 0, "Y"), "abXYcdefgh");
}

#[test]
fn a_change_that_others_made_empty_is_a_version_all_the_same() {
    let mut document = document(&[("body", "abcdef")]);
    submit(&mut document, Some(1), &[delete(1, 4)]);
    let submitted = submit(&mut document, Some(1), &[delete(2, 2)]);
    assert!(matches!(submitted, Submitted::Applied { version: Version(3), transformed: true, .. }));
    let change = document.history().last().unwrap().to_change();
    assert_eq!((change.version, change.sections[0].operation.is_empty()), (Version(3), true));
    assert_eq!((texts(&document).as_str(), document.version()), ("af", Version(3)));
}

#[test]
fn a_batch_refers_to_its_base() {
    let check = |changes: &[SentChange<'_>], expected: &str| {
        let mut document = document(&[("body", "abcdefgh")]);
        submit(&mut document, Some(1), changes);
        assert_eq!((texts(&document).as_str(), document.version()), (expected, Version(2)));
    };
    check(&[insert(2, "X"), insert(2, "Y"), insert(1, "Z")], "aZbXYcdefgh");
    check(&[delete(1, 4), delete(3, 3), delete(2, 1)], "agh");
    check(&[delete(1, 4), insert(3, "X")], "aXfgh");
    check(&[insert(1, "X"), delete(1, 4), insert(5, "Y")], "aXYfgh");
    check(&[replace(1, 4, "X"), replace(3, 4, "Y")], "aXYh");
}

#[test]
fn an_insert_inside_a_deletion_of_its_batch_keeps_its_place_among_what_was_deleted() {
    let mut document = document(&[("body", "abcdefgh")]);
    submit(&mut document, Some(1), &[delete(1, 6), insert(4, "X")]);
    submit(&mut document, Some(1), &[insert(2, "l"), insert(6, "r")]);
    assert_eq!(texts(&document), "alXrh");
}

#[test]
fn positions_at_the_length_and_past_it_at_the_base() {
    let mut document = document(&[("body", "abc")]);
    submit(&mut document, Some(1), &[delete(0, 3)]);
    submit(&mut document, Some(1), &[insert(3, "X")]);
    assert_eq!(texts(&document), "X");
    let refused = refuse(&mut document, Some(1), &[insert(0, ""), insert(4, "X")]);
    let expected = "0 to 3, the length at the base version, counted in utf-16".to_owned();
    assert_eq!(refused, Rejection::InvalidPosition { index: 1, field: "position", expected });
    let refused = refuse(&mut document, Some(1), &[delete(1, 3)]);
    let expected = "0 to 2, what follows the position at the base version, counted in utf-16".to_owned();
    assert_eq!(refused, Rejection::InvalidPosition { index: 0, field: "length", expected });
    for (position, length) in [(u64::MAX, 0), (u64::MAX, u64::MAX), (1 << 32, 1), ((1 << 32) + 1, 1)] {
        let refused = refuse(&mut document, Some(1), &[delete(position, length)]);
        assert!(matches!(refused, Rejection::InvalidPosition { field: "position", .. }), "{refused:?}");
    }
    for length in [u64::MAX, u64::MAX - 1, 1 << 32, (1 << 32) - 1] {
        let refused = refuse(&mut document, Some(1), &[within("body", delete(1, length))]);
        assert!(matches!(refused, Rejection::InvalidPosition { field: "length", .. }), "{refused:?}");
    }
}

#[test]
fn without_a_base_positions_are_clamped() {
    let mut document = document(&[("body", "ab\u{1F600}"), ("x", "")]);
    assert!(transformed(&submit(&mut document, None, &[insert(u64::MAX, "1")])));
    assert_eq!(texts(&document), "ab\u{1F600}1|");
    assert!(transformed(&submit(&mut document, None, &[insert(3, "2")])));
    assert_eq!(texts(&document), "ab2\u{1F600}1|");
    assert!(transformed(&submit(&mut document, None, &[delete(1, u64::MAX)])));
    assert_eq!(texts(&document), "a|");
    assert!(!transformed(&submit(&mut document, None, &[within("x", insert(0, "3"))])));
    // Nobody moved them: the flag tells of it, and no reason is made up.
    assert_eq!(moves(submit(&mut document, None, &[insert(99, "4")])), []);
}

#[test]
fn a_surrogate_pair_is_not_split_by_a_position_nor_by_an_end() {
    let mut document = document(&[("body", "a\u{1F600}b")]);
    submit(&mut document, Some(1), &[insert(0, "é")]);
    for base in [1, 2] {
        let position = base;
        for (index, field, changes) in [
            (1, "position", [insert(0, "x"), insert(position + 1, "y")]),
            (0, "position", [delete(position + 1, 1), insert(position + 1, "")]),
            (1, "length", [delete(0, 0), delete(0, position + 1)]),
        ] {
            let refused = refuse(&mut document, Some(base), &changes);
            let Rejection::InvalidPosition { index: at, field: named, expected } = refused else {
                panic!("{refused:?}")
            };
            assert_eq!((at, named), (index, field), "{expected}");
            assert!(expected.contains("between two characters, counted in utf-16"), "{expected}");
        }
    }
    // Two halves that are deleted by two changes are both inside.
    let refused = refuse(&mut document, Some(1), &[delete(1, 1), delete(2, 1)]);
    assert!(matches!(refused, Rejection::InvalidPosition { index: 0, field: "length", .. }), "{refused:?}");
    // Where the pair is gone there is no inside.
    submit(&mut document, Some(2), &[delete(2, 2)]);
    submit(&mut document, Some(2), &[insert(3, "!")]);
    assert_eq!(texts(&document), "éa!b");
}

#[test]
fn positions_count_in_the_senders_encoding() {
    let cases = [(PositionEncoding::Utf16, 4), (PositionEncoding::Utf32, 3), (PositionEncoding::Utf8, 7)];
    for (encoding, position) in cases {
        let mut document = document(&[("body", "aé\u{1F600}b")]);
        submit(&mut document, Some(1), &[replace(0, 2, "\u{20AC}\u{1F601}")]);
        let changes = [insert(position, "X")];
        let submitted = document.submit(NOW, &Submission { encoding, ..submission(Some(1), &changes) });
        assert_eq!(texts(&document), "\u{20AC}\u{1F601}\u{1F600}Xb");
        let there = encoding.length_of("\u{20AC}\u{1F601}\u{1F600}") as u64;
        let moved = moves(submitted.unwrap()).into_iter().map(|moved| moved.transformed_position);
        assert_eq!(moved.collect::<Vec<_>>(), if there == position { vec![] } else { vec![there] });
        for inside in (4..7).filter(|_| encoding == PositionEncoding::Utf8) {
            let changes = [insert(0, "x"), delete(1, inside - 1)];
            let refused = refuse_all(&mut document, &Submission { encoding, ..submission(Some(1), &changes) });
            let expected = "a length that ends between two characters, counted in utf-8".to_owned();
            assert_eq!(refused, Rejection::InvalidPosition { index: 1, field: "length", expected });
        }
    }
}

#[test]
fn seams_belong_to_the_earliest_section() {
    let sections = [("a", ""), ("b", "12"), ("c", ""), ("d", "34"), ("e", "")];
    let check = |change: SentChange<'_>, expected: &str| {
        let mut document = document(&sections);
        submit(&mut document, Some(1), &[change]);
        assert_eq!(texts(&document), expected);
    };
    check(insert(0, "X"), "X|12||34|");
    check(insert(1, "X"), "|1X2||34|");
    check(insert(2, "X"), "|12X||34|");
    check(insert(4, "X"), "|12||34X|");
    check(delete(1, 2), "|1||4|");
    check(delete(0, 4), "||||");
    check(replace(0, 1, "X"), "|X2||34|");
    check(replace(2, 1, "X"), "|12||X4|");
    check(replace(1, 3, "X"), "|1X|||");
    check(replace(2, 0, "X"), "|12X||34|");
    check(within("c", insert(0, "X")), "|12|X|34|");
}

#[test]
fn only_an_insert_makes_a_section() {
    let mut document = empty();
    for change in [delete(0, 0), replace(0, 0, "x"), within("a", delete(0, 0)), within("a", replace(0, 0, "x"))] {
        let refused = refuse(&mut document, Some(0), &[change]);
        assert!(matches!(refused, Rejection::UnknownSection { index: 0, .. }), "{refused:?}");
    }
    submit(&mut document, Some(0), &[within("a", insert(0, ""))]);
    assert_eq!(document.history().last().unwrap().to_change().sections[0].created, Some(section("a")));
    submit(&mut document, Some(0), &[within("b", insert(0, "x")), within("b", insert(0, "y"))]);
    assert_eq!(texts(&document), "|xy");
    // It is there now, though it was not at the base.
    submit(&mut document, Some(0), &[within("b", insert(0, "z"))]);
    assert_eq!(texts(&document), "|xyz");
    let refused = refuse(&mut document, Some(0), &[within("b", insert(1, "z"))]);
    let expected = "0 to 0, the length at the base version, counted in utf-16".to_owned();
    assert_eq!(refused, Rejection::InvalidPosition { index: 0, field: "position", expected });
}

#[test]
fn a_document_without_sections_gets_a_body() {
    let mut document = empty();
    submit(&mut document, None, &[insert(5, "Hello ")]);
    submit(&mut document, Some(0), &[insert(0, "World")]);
    assert_eq!(document.sections()[0].name(), &section("body"));
    assert_eq!(texts(&document), "Hello World");
}

#[test]
fn bases_that_are_none() {
    let mut document = document(&[("body", "abc")]);
    let current = Version(1);
    let refused = refuse(&mut document, Some(2), &[insert(0, "x")]);
    assert_eq!(refused, Rejection::VersionUnknown { base: Version(2), current });
    let refused = refuse(&mut document, Some(u64::MAX), &[insert(0, "x")]);
    assert_eq!(refused, Rejection::VersionUnknown { base: Version(u64::MAX), current });
    document.skip_versions(VERSIONS_SKIPPED);
    submit(&mut document, Some(1), &[insert(3, "d")]);
    let current = Version(1 + VERSIONS_SKIPPED + 1);
    assert_eq!(document.version(), current);
    for base in [2, VERSIONS_SKIPPED, VERSIONS_SKIPPED + 1] {
        let refused = refuse(&mut document, Some(base), &[insert(0, "x")]);
        assert_eq!(refused, Rejection::VersionUnknown { base: Version(base), current });
    }
    submit(&mut document, Some(1), &[insert(3, "e")]);
    assert_eq!((texts(&document).as_str(), document.version()), ("abcde", current.next()));
    // Once, whatever the change after it is.
    document.skip_versions(VERSIONS_SKIPPED);
    submit(&mut document, None, &[delete(0, 1), insert(2, "x"), within("scope", insert(0, "y"))]);
    submit(&mut document, None, &[insert(0, "z")]);
    assert_eq!(document.version(), Version(2 * VERSIONS_SKIPPED + 5));
}

#[test]
fn a_conflict_is_refused_where_that_was_asked() {
    let mut document = document(&[("body", "abc"), ("x", "")]);
    let changes = [insert(0, "x")];
    let sent = Submission { reject_conflicts: true, ..submission(Some(1), &changes) };
    submit(&mut document, Some(1), &[within("x", insert(0, "y"))]);
    let expected = Rejection::VersionConflict { base: Version(1), current: Version(2) };
    assert_eq!(refuse_all(&mut document, &sent), expected);
    let sent = Submission { base: Some(Version(2)), ..sent };
    assert!(document.submit(NOW, &sent).is_ok());
}

#[test]
fn line_ends_and_nul_are_text_like_any_other() {
    let mut document = document(&[("body", "a\r\n\0b")]);
    submit(&mut document, Some(1), &[insert(2, "\0"), delete(3, 1)]);
    assert_eq!(texts(&document), "a\r\0\nb");
    let change = document.history().last().unwrap().to_change();
    let deleted = &change.sections[0].deleted;
    assert_eq!(deleted, "\0");
}

/// A document of 2,000 units in three sections, cut at these places, at version 41.
fn at_version_41(cut: [usize; 2]) -> Document {
    let text = "x".repeat(2000);
    let (one, two) = (cut[0], cut[1]);
    let mut document = document(&[("a", &text[..one]), ("b", &text[one..two]), ("c", &text[two..])]);
    for _ in 1..41 {
        submit(&mut document, None, &[insert(0, "")]);
    }
    assert_eq!(document.version(), Version(41));
    document
}

#[test]
fn the_references_example() {
    let content = "Additional responsibility: ";
    assert_eq!(content.len(), 27);
    // Where the section of position 1250 begins, and which it is.
    let layouts = [
        ([300, 600], ("c", 600), 25),
        ([1000, 1500], ("b", 1000), 0),
        ([800, 1000], ("c", 1000), 0),
        ([810, 1250], ("b", 810), 15),
        ([1300, 1600], ("a", 0), 25),
        ([825, 825], ("c", 825), 0),
        ([0, 0], ("c", 0), 25),
        ([1250, 1250], ("a", 0), 25),
    ];
    for (cut, (name, start), deleted_here) in layouts {
        let mut document = at_version_41(cut);
        let changes = [insert(1250, content), delete(800, 25)];
        let Submitted::Applied { version, transformed, moves } = submit(&mut document, Some(41), &changes) else {
            panic!("a duplicate")
        };
        assert_eq!((version, transformed), (Version(42), false));
        let expected = Move {
            original_position: 1250,
            transformed_position: 1225,
            section: Some((section(name), 1250 - start - deleted_here)),
            reason: MoveReason::PriorDeletion,
        };
        assert_eq!(moves, [expected], "{cut:?}");
        assert_eq!(texts(&document).replace('|', "").find(content), Some(1225));
    }
}

#[test]
fn reasons_and_their_order() {
    let reasons = |between: &[SentChange<'_>], changes: &[SentChange<'_>]| -> Vec<Option<(u64, u64, MoveReason)>> {
        let mut document = document(&[("a", "0123456789"), ("b", "0123456789")]);
        for change in between {
            submit(&mut document, Some(1), std::slice::from_ref(change));
        }
        let moves = moves(submit(&mut document, Some(1), changes));
        moves.into_iter().map(|m| Some((m.original_position, m.transformed_position, m.reason))).collect()
    };
    use MoveReason::{ConcurrentDeletion, ConcurrentInsertion, PriorDeletion, PriorInsertion};
    let check = |between: &[SentChange<'_>], changes: &[SentChange<'_>], expected: &[(u64, u64, MoveReason)]| {
        let expected: Vec<_> = expected.iter().copied().map(Some).collect();
        assert_eq!(reasons(between, changes), expected, "{between:?} {changes:?}");
    };
    check(&[delete(0, 1)], &[insert(5, "x")], &[(5, 4, ConcurrentDeletion)]);
    check(&[insert(0, "y")], &[insert(5, "x")], &[(5, 6, ConcurrentInsertion)]);
    check(&[insert(5, "y")], &[insert(5, "x")], &[(5, 6, ConcurrentInsertion)]);
    check(&[insert(5, "y")], &[delete(5, 1)], &[(5, 6, ConcurrentInsertion)]);
    check(&[delete(5, 1)], &[insert(5, "x")], &[]);
    check(&[insert(6, "y")], &[insert(5, "x")], &[]);
    check(&[], &[delete(0, 2), insert(5, "x")], &[(5, 3, PriorDeletion)]);
    check(&[], &[insert(0, "yy"), insert(5, "x")], &[(5, 7, PriorInsertion)]);
    check(&[], &[insert(5, "yy"), insert(5, "x")], &[(5, 7, PriorInsertion)]);
    check(&[], &[insert(5, "x"), insert(5, "yy")], &[(5, 6, PriorInsertion)]);
    check(&[], &[insert(5, "x"), delete(5, 2)], &[(5, 6, PriorInsertion)]);
    check(&[], &[replace(5, 2, "x")], &[]);
    check(&[], &[delete(3, 4), insert(5, "x")], &[(5, 3, PriorDeletion)]);
    check(&[], &[delete(3, 4), delete(5, 4)], &[(5, 3, PriorDeletion)]);
    // Several at once: the first in the order of the protocol.
    let all = [insert(1, "yyy"), delete(2, 1)];
    check(
        &all,
        &[delete(0, 1), insert(1, "z"), insert(5, "x")],
        &[(1, 3, ConcurrentInsertion), (5, 7, ConcurrentDeletion)],
    );
    check(
        &[insert(0, "yyyyy")],
        &[delete(0, 1), insert(5, "x")],
        &[(0, 5, ConcurrentInsertion), (5, 9, ConcurrentInsertion)],
    );
    check(&[], &[delete(0, 1), insert(2, "yy"), insert(5, "x")], &[(2, 1, PriorDeletion), (5, 6, PriorDeletion)]);
    // Two places that somebody else's deletion made one: the texts follow one another.
    check(
        &[delete(2, 6)],
        &[insert(3, "xx"), insert(5, "yy")],
        &[(3, 2, ConcurrentDeletion), (5, 4, ConcurrentDeletion)],
    );
    // Over the whole document what happened in earlier sections counts; within one it does not.
    check(&[insert(0, "y")], &[insert(15, "x")], &[(15, 16, ConcurrentInsertion)]);
    check(&[insert(0, "y")], &[within("b", insert(5, "x"))], &[]);
    check(&[within("b", insert(0, "y"))], &[within("a", insert(5, "x"))], &[]);
    check(&[], &[within("a", delete(0, 2)), insert(15, "x")], &[(15, 13, PriorDeletion)]);
}

#[test]
fn a_change_that_others_moved_was_transformed_and_says_so() {
    let check = |between: SentChange<'_>, change: SentChange<'_>, expected: bool| {
        let mut document = document(&[("a", "0123"), ("b", "0123")]);
        submit(&mut document, Some(1), std::slice::from_ref(&between));
        let submitted = submit(&mut document, Some(1), std::slice::from_ref(&change));
        assert_eq!(transformed(&submitted), expected, "{between:?} {change:?}");
        assert_eq!(document.history().last().unwrap().transformed(), expected);
    };
    check(insert(0, "y"), insert(2, "x"), true);
    check(insert(3, "y"), insert(2, "x"), false);
    check(delete(2, 1), delete(2, 1), true);
    // It counted over the whole document, and that has another place for it now.
    check(insert(0, "y"), insert(6, "x"), true);
    check(insert(0, "y"), within("b", insert(2, "x")), false);
    check(insert(8, "y"), insert(6, "x"), false);
}

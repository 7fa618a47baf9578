//! The cases that have names.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jddb_core::ot::{Edit, Operation, OperationBuilder, Order, Selection, compose, compose_all, transform};
use jddb_core::text::Text;

/// Positions, lengths and texts, in order, as an operation.
fn operation(edits: &[(u32, u32, &str)]) -> Operation {
    let mut builder = OperationBuilder::default();
    for &(position, deleted, text) in edits {
        builder.insert(position, text);
        builder.delete(position, deleted);
    }
    builder.finish()
}

fn apply(text: &str, operations: &[&Operation]) -> String {
    let mut text = Text::from(text);
    for operation in operations {
        operation.apply(&mut text);
    }
    text.to_string()
}

/// `first` and `second` were made against `base`; both ways round must give `expected`.
fn check_on(base: &str, first: &[(u32, u32, &str)], second: &[(u32, u32, &str)], expected: &str) {
    let (first, second) = (operation(first), operation(second));
    let server = apply(base, &[&first, &transform(&second, &first, Order::Second)]);
    let client = apply(base, &[&second, &transform(&first, &second, Order::First)]);
    assert_eq!((server.as_str(), client.as_str()), (expected, expected));
}

fn check(first: &[(u32, u32, &str)], second: &[(u32, u32, &str)], expected: &str) {
    check_on("abcdefgh", first, second, expected);
}

#[test]
fn inserts_at_one_position_keep_the_order_of_the_server() {
    check(&[(2, 0, "X")], &[(2, 0, "Y")], "abXYcdefgh");
    check(&[(0, 0, "X")], &[(0, 0, "Y")], "XYabcdefgh");
    check(&[(8, 0, "X")], &[(8, 0, "Y")], "abcdefghXY");
    check_on("", &[(0, 0, "X")], &[(0, 0, "Y")], "XY");
}

#[test]
fn insert_at_the_start_inside_and_at_the_end_of_a_concurrent_delete() {
    check(&[(2, 3, "")], &[(2, 0, "Y")], "abYfgh");
    check(&[(2, 3, "")], &[(3, 0, "Y")], "abYfgh");
    check(&[(2, 3, "")], &[(5, 0, "Y")], "abYfgh");
    check(&[(2, 0, "X")], &[(2, 3, "")], "abXfgh");
    check(&[(3, 0, "X")], &[(2, 3, "")], "abXfgh");
    check(&[(5, 0, "X")], &[(2, 3, "")], "abXfgh");
}

#[test]
fn a_delete_is_split_around_an_insert_inside_it() {
    let moved = transform(&operation(&[(2, 3, "")]), &operation(&[(3, 0, "XY")]), Order::Second);
    assert_eq!(moved, operation(&[(2, 1, ""), (5, 2, "")]));
    // The text of a replace stands where its range begins.
    let moved = transform(&operation(&[(2, 3, "Z")]), &operation(&[(3, 0, "XY")]), Order::Second);
    assert_eq!(moved, operation(&[(2, 1, "Z"), (5, 2, "")]));
}

#[test]
fn edits_at_the_start_of_a_concurrent_replace() {
    check(&[(2, 3, "X")], &[(2, 0, "Y")], "abXYfgh");
    check(&[(2, 0, "X")], &[(2, 3, "Y")], "abXYfgh");
    check(&[(2, 3, "X")], &[(2, 1, "")], "abXfgh");
    check(&[(2, 1, "")], &[(2, 3, "Y")], "abYfgh");
    // Its text stays left, and what it deletes has moved behind the other's text: two edits.
    let moved = transform(&operation(&[(2, 3, "X")]), &operation(&[(2, 0, "Y")]), Order::First);
    assert_eq!(moved, operation(&[(2, 0, "X"), (3, 3, "")]));
}

#[test]
fn deletes_overlapping_nested_identical_and_touching() {
    check(&[(1, 4, "")], &[(3, 4, "")], "ah");
    check(&[(3, 4, "")], &[(1, 4, "")], "ah");
    check(&[(1, 6, "")], &[(3, 2, "")], "ah");
    check(&[(3, 2, "")], &[(1, 6, "")], "ah");
    check(&[(3, 2, "")], &[(3, 2, "")], "abcfgh");
    check(&[(1, 2, "")], &[(3, 2, "")], "afgh");
    check(&[(3, 2, "")], &[(1, 2, "")], "afgh");
}

#[test]
fn a_delete_of_what_is_deleted_already_is_nothing() {
    for other in [&[(3, 2, "")][..], &[(2, 4, "")], &[(2, 4, "X")], &[(3, 1, ""), (4, 1, "X")]] {
        let moved = transform(&operation(&[(3, 2, "")]), &operation(other), Order::Second);
        assert!(moved.is_empty() && moved == Operation::default());
    }
}

#[test]
fn replace_against_replace() {
    check(&[(2, 3, "X")], &[(2, 3, "Y")], "abXYfgh");
    check(&[(1, 4, "X")], &[(3, 4, "Y")], "aXYh");
    check(&[(3, 4, "X")], &[(1, 4, "Y")], "aYXh");
    check(&[(1, 6, "X")], &[(3, 2, "Y")], "aXYh");
    check(&[(1, 2, "X")], &[(3, 2, "Y")], "aXYfgh");
}

#[test]
fn a_batch_keeps_an_insert_strictly_inside_its_own_deletion() {
    check(&[(1, 2, ""), (3, 2, "X")], &[(2, 0, "Y")], "aYXfgh");
    check(&[(1, 2, ""), (3, 2, "X")], &[(4, 0, "Y")], "aXYfgh");
}

#[test]
fn a_line_break_of_two_units_is_two_characters() {
    check_on("a\r\nb", &[(2, 0, "X")], &[(1, 2, "")], "aXb");
    check_on("a\0b", &[(1, 1, "\0\0")], &[(1, 0, "\0")], "a\0\0\0b");
}

#[test]
fn what_begins_or_ends_inside_a_pair_or_beyond_the_text_does_not_fit() {
    let base = Text::from("a\u{1F600}b");
    for fitting in [(0, 4, ""), (1, 2, "X"), (4, 0, "X"), (3, 1, "")] {
        assert!(operation(&[fitting]).fits(&base), "{fitting:?}");
    }
    for unfit in [(2, 0, "X"), (2, 1, ""), (1, 1, ""), (0, 2, "X"), (3, 2, ""), (5, 0, "X")] {
        assert!(!operation(&[unfit]).fits(&base), "{unfit:?}");
    }
    assert!(!operation(&[(0, 1, ""), (1, 1, "X")]).fits(&base), "the second edit is looked at too");
}

#[test]
fn a_position_inside_a_pair_fits_once_the_pair_is_gone() {
    // So characters are looked at after the transformation, where they are.
    let inside = operation(&[(2, 0, "X")]);
    let base = Text::from("a\u{1F600}b");
    assert!(!inside.fits(&base));
    let deletion = operation(&[(1, 2, "")]);
    let mut after = base;
    deletion.apply(&mut after);
    let moved = transform(&inside, &deletion, Order::Second);
    assert!(moved.fits(&after));
    assert_eq!(moved, operation(&[(1, 0, "X")]));
}

#[test]
fn a_composed_text_stands_directly_behind_the_unit_to_its_left() {
    let check = |first: &[(u32, u32, &str)], second: &[(u32, u32, &str)], expected: &[(u32, u32, &str)]| {
        assert_eq!(compose(&operation(first), &operation(second)), operation(expected));
    };
    // Before what was deleted there, also where that is several edits.
    check(&[(2, 3, "")], &[(2, 0, "X")], &[(2, 3, "X")]);
    check(&[(2, 2, ""), (4, 2, "Y")], &[(2, 0, "X")], &[(2, 2, "X"), (4, 2, "Y")]);
    check(&[(2, 2, ""), (4, 2, "Y")], &[(3, 0, "X")], &[(2, 2, ""), (4, 2, "YX")]);
    check(&[(2, 2, "Y")], &[(2, 0, "X")], &[(2, 2, "XY")]);
    check(&[(2, 2, "YZ")], &[(3, 0, "X")], &[(2, 2, "YXZ")]);
    // What was inserted and is deleted vanishes, and what it stood between is deleted as one.
    check(&[(2, 1, "Y"), (4, 1, "")], &[(2, 2, "")], &[(2, 3, "")]);
    check(&[(2, 0, "Y")], &[(2, 1, "")], &[]);
    check(&[(2, 0, "Y")], &[(1, 3, "X")], &[(1, 2, "X")]);
}

#[test]
fn typing_is_one_edit() {
    let keys: Vec<Operation> = (0..5).map(|key| operation(&[(2 + key, 0, "\u{20AC}")])).collect();
    assert_eq!(compose_all(&keys), operation(&[(2, 0, "€€€€€")]));
    let backspaces: Vec<Operation> = (0..3).map(|key| operation(&[(6 - key, 1, "")])).collect();
    assert_eq!(compose_all(&backspaces), operation(&[(4, 3, "")]));
    let deletes: Vec<Operation> = (0..3).map(|_| operation(&[(4, 1, "")])).collect();
    assert_eq!(compose_all(&deletes), operation(&[(4, 3, "")]));
    assert_eq!(compose_all(keys.iter().chain(&backspaces)), operation(&[(2, 0, "€€")]));
}

#[test]
#[should_panic(expected = "splits a surrogate pair")]
fn composing_refuses_to_split_a_pair_at_its_end() {
    let _ = compose(&operation(&[(2, 0, "\u{1F600}")]), &operation(&[(3, 1, "")]));
}

#[test]
#[should_panic(expected = "splits a surrogate pair")]
fn composing_refuses_to_split_a_pair_in_its_middle() {
    let _ = compose(&operation(&[(2, 0, "\u{1F600}")]), &operation(&[(3, 0, "X")]));
}

#[test]
fn cursors_and_selections() {
    let check = |(start, end): (u32, u32), edit: (u32, u32, &str), own: bool, expected: (u32, u32)| {
        let moved = Selection { start, end }.after(operation(&[edit]).edits(), own);
        assert_eq!((moved.start, moved.end), expected);
    };
    check((3, 3), (3, 0, "XX"), true, (5, 5));
    check((3, 3), (3, 0, "XX"), false, (3, 3));
    for own in [false, true] {
        check((3, 6), (3, 0, "XX"), own, (5, 8));
        check((3, 6), (6, 0, "XX"), own, (3, 6));
        check((3, 6), (4, 0, "XX"), own, (3, 8));
        check((3, 6), (2, 5, ""), own, (2, 2));
        check((3, 6), (3, 3, "XX"), own, (5, 5));
        check((3, 6), (5, 3, "XX"), own, (3, 7));
    }
}

#[test]
fn a_megabyte_is_pasted() {
    let text = "Gérer des équipes \u{1F600}. ".repeat(50_000);
    let paste = operation(&[(3, 2, &text)]);
    let units = u32::try_from(text.encode_utf16().count()).unwrap();
    assert_eq!(paste.edits(), [Edit { position: 3, deleted: 2, inserted: units, text_start: 0 }]);
    let moved = transform(&paste, &operation(&[(0, 0, "X")]), Order::Second);
    assert_eq!((moved.edits()[0].position, moved.text()), (4, text.as_str()));
    let trimmed = compose(&paste, &operation(&[(3 + units - 5, 5, "")]));
    assert_eq!(trimmed.text().len(), text.len() - "\u{1F600}. ".len() - " ".len());
}

/// `count` edits of a batch, close together.
fn batch(count: u32, offset: u32, text: &str) -> Operation {
    let edits: Vec<_> = (0..count).map(|index| (3 * index + offset, index % 3, text)).collect();
    operation(&edits)
}

#[test]
fn batches_of_100_000_take_linear_time() {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let (first, second) = (batch(100_000, 0, "x"), batch(100_000, 1, "y"));
        let base = Text::from("abc".repeat(100_001).as_str());
        // Ten times over: what is quadratic takes minutes, what is linear a tenth of a second.
        for _ in 0..10 {
            let second_moved = transform(&second, &first, Order::Second);
            let first_moved = transform(&first, &second, Order::First);
            let (mut server, mut client) = (base.clone(), base.clone());
            let server_way = compose(&first, &second_moved);
            let client_way = compose(&second, &first_moved);
            let deleted = server_way.apply(&mut server);
            client_way.apply(&mut client);
            assert_eq!(server.to_string(), client.to_string());
            server_way.invert(&deleted).apply(&mut server);
            assert_eq!(server.to_string(), base.to_string());
        }
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(30)).expect("a batch against a batch takes linear time");
}

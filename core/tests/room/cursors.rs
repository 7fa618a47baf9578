//! Cursors and selections: told to the others, and moved through every later change.

use jddb_core::ids::PositionEncoding;
use jddb_core::room::{Dialect, MemberKey};
use serde_json::{Value, json};

use crate::support::{House, change, guest, insert, message};

/// `cursor_position` and `selection` of ada, as somebody new is told.
fn shown(house: &mut House) -> (Value, Value) {
    let viewer = house.join(guest("viewer").viewing());
    house.sync();
    let read = house.read(viewer);
    house.leave(viewer);
    let editors = read[0]["payload"]["active_editors"].as_array().unwrap();
    let ada = editors.iter().find(|editor| editor["user_id"] == "ada").unwrap();
    (ada["cursor_position"].clone(), ada["selection"].clone())
}

/// Ada's cursor and selection (start, end) after a change that she (`own`) or ben makes.
fn check(sent: (u64, u64), own: bool, payload: Value, expected: (u64, u64)) {
    let mut house = House::holding(&[("body", "0123456789")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    let (start, end) = sent;
    let is_cursor = start == end;
    house.say(
        ada,
        if is_cursor {
            message("cursor.position", json!({"position": start}))
        } else {
            message("selection.change", json!({"start": start, "end": end}))
        },
    );
    house.say(if own { ada } else { ben }, change(payload.clone()));
    let (cursor, selection) = shown(&mut house);
    let (start, end) = expected;
    let seen = if is_cursor { cursor == json!(start) } else { selection == json!({"start": start, "end": end}) };
    assert!(seen, "{sent:?} after {payload}: {cursor} {selection}, expected {expected:?}");
}

#[test]
fn a_cursor_moves_right_by_its_own_inserts_and_stays_left_of_others() {
    let insert = |position: u64| json!({"operation": "insert", "position": position, "content": "xy"});
    check((5, 5), false, insert(4), (7, 7));
    check((5, 5), false, insert(5), (5, 5));
    check((5, 5), true, insert(5), (7, 7));
    check((5, 5), false, insert(6), (5, 5));
    check((5, 5), false, json!({"operation": "delete", "position": 3, "length": 4}), (3, 3));
    check((5, 5), false, json!({"operation": "delete", "position": 0, "length": 2}), (3, 3));
    check((5, 5), true, json!({"operation": "replace", "position": 5, "length": 1, "content": "xy"}), (7, 7));
}

#[test]
fn a_selection_does_not_grow_at_its_edges() {
    let insert = |position: u64| json!({"operation": "insert", "position": position, "content": "xy"});
    for own in [false, true] {
        check((3, 6), own, insert(3), (5, 8));
        check((3, 6), own, insert(6), (3, 6));
        check((3, 6), own, insert(4), (3, 8));
        check((3, 6), own, json!({"operation": "delete", "position": 5, "length": 3}), (3, 5));
        check((3, 6), own, json!({"operation": "delete", "position": 2, "length": 6}), (2, 2));
    }
}

#[test]
fn the_others_are_told_with_the_version() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    let cursor = json!({
        "type": "cursor.position", "payload": {"position": 4},
        "metadata": {"client_id": "client_abc123", "correlation_id": "p1"},
    });
    house.say(ada, cursor.to_string());
    house.say(ada, message("selection.change", json!({"start": 1, "end": 3, "section": "body"})));
    let read = house.read(ben);
    assert_eq!(read[0]["payload"], json!({"position": 4, "section": "body", "version": 1}));
    assert_eq!(
        read[0]["metadata"],
        json!({"timestamp": "2025-09-21T12:45:30.123Z", "user_id": "ada", "session_id": "sess_1",
               "client_id": "client_abc123", "version": 1, "correlation_id": "p1"})
    );
    assert_eq!(read[1]["payload"], json!({"start": 1, "end": 3, "section": "body", "version": 1}));
    house.check(ada, &[]);
}

#[test]
fn a_cursor_is_never_told_before_its_version() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.say(ada, insert(10, "x"));
    house.say(ada, message("cursor.position", json!({"position": 11})));
    house.turn();
    house.check_now(ben, &[]);
    house.check(ben, &["insert 10x v2", "cursor 11 v2"]);
    // Whoever made the version is sent nothing of it that could hold the cursor back.
    house.say(ben, insert(10, "y"));
    house.say(ada, message("cursor.position", json!({"position": 0})));
    house.check_now(ben, &[]);
    house.check(ben, &["cursor 0 v3"]);
}

/// What ben is told of a cursor that ada sent for version 1, when `changes` came since.
fn check_base(dialect: Dialect, position: u64, changes: &[(bool, Value)], expected: u64) {
    let mut house = House::holding(&[("body", "0123é56789")]);
    let (ada, ben) = (house.settle(guest("ada").speaking(dialect)), house.settle(guest("ben").speaking(dialect)));
    let as_ada = |payload: &Value| {
        json!({"type": "document.change", "payload": payload, "metadata": {"client_id": "c", "correlation_id": "1"}})
            .to_string()
    };
    for (own, payload) in changes {
        house.say(if *own { ada } else { ben }, as_ada(payload));
    }
    house.sync();
    house.read(ben);
    let cursor = json!({"type": "cursor.position", "payload": {"position": position, "base_version": 1}, "metadata": {"client_id": "c"}});
    house.say(ada, cursor.to_string());
    assert_eq!(house.read(ben)[0]["payload"]["position"], expected, "{dialect:?} {position} {changes:?}");
}

#[test]
fn a_position_for_an_older_version_is_moved_through_what_came_since() {
    let delete = json!({"operation": "delete", "position": 0, "length": 4});
    let insert = json!({"operation": "insert", "position": 4, "content": "xy"});
    for encoding in PositionEncoding::ALL {
        for over_document in [false, true] {
            let dialect = Dialect { encoding, over_document };
            // `é` has two bytes of UTF-8.
            let wide = u64::from(encoding == PositionEncoding::Utf8);
            check_base(dialect, 10 + wide, &[(false, delete.clone())], 6 + wide);
            check_base(dialect, 5 + wide, &[(false, delete.clone())], 1 + wide);
            check_base(dialect, 4, &[(false, insert.clone())], 4);
            check_base(dialect, 4, &[(true, insert.clone())], 6);
            check_base(dialect, 99, &[(false, insert.clone())], 12 + wide);
        }
    }
}

#[test]
fn positions_between_the_halves_of_a_character_move_left() {
    let mut house = House::holding(&[("body", "a😀b")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.say(ada, message("cursor.position", json!({"position": 2})));
    house.check(ben, &["cursor 1 v1"]);
    house.say(ben, insert(4, "c"));
    house.say(ada, message("cursor.position", json!({"position": 2, "base_version": 1})));
    house.check(ben, &["cursor 1 v2"]);
}

fn two_sections() -> House {
    House::holding(&[("first", "0123é"), ("second", "abcdef")])
}

/// Positions over the whole document find their section; every dialect is told in its own way.
#[test]
fn each_dialect_is_told_in_its_own_way() {
    let told = |house: &mut House, key: MemberKey| {
        let read = house.read(key);
        (read[0]["payload"].clone(), read[1]["payload"].clone())
    };
    for encoding in PositionEncoding::ALL {
        let mut house = two_sections();
        let ada = house.settle(guest("ada"));
        let section = house.settle(guest("ben").speaking(Dialect { encoding, over_document: false }));
        let document = house.settle(guest("cleo").speaking(Dialect { encoding, over_document: true }));
        house.read(section);
        house.say(ada, message("cursor.position", json!({"position": 7})));
        house.say(ada, message("selection.change", json!({"start": 1, "end": 3, "section": "second"})));
        let start = encoding.length_of("0123é");
        let (cursor, selection) = told(&mut house, section);
        assert_eq!(cursor, json!({"position": 2, "section": "second", "version": 2, "document_position": start + 2}));
        assert_eq!(
            selection,
            json!({"start": 1, "end": 3, "section": "second", "version": 2, "document_start": start + 1, "document_end": start + 3})
        );
        let (cursor, selection) = told(&mut house, document);
        assert_eq!(cursor, json!({"position": start + 2, "section": "second", "version": 2, "section_position": 2}));
        assert_eq!(
            selection,
            json!({"start": start + 1, "end": start + 3, "section": "second", "version": 2, "section_start": 1, "section_end": 3})
        );
    }
}

#[test]
fn a_seam_belongs_to_the_earlier_section() {
    let mut house = two_sections();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.say(ada, message("cursor.position", json!({"position": 5})));
    assert_eq!(house.read(ben)[0]["payload"]["section"], "first");
}

#[test]
fn without_a_text_there_is_no_place_and_an_unknown_section_is_an_error() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, message("cursor.position", json!({"position": 0})));
    house.check(ben, &[]);
    house.check(ada, &[]);
    house.say(ada, message("selection.change", json!({"start": 0, "end": 0, "section": "nowhere"})));
    assert_eq!(house.read(ada)[0]["payload"]["details"]["field"], "payload.section");
}

//! `POST …/changes` and `GET …/state`, as far as the room is concerned.

use jddb_core::ids::PositionEncoding;
use jddb_core::protocol::ErrorCode;
use jddb_core::room::Caller;
use serde_json::{Value, json};

use crate::support::{House, guest, insert, message};

const CALLER: Caller<'_> = Caller {
    user_id: "user_123",
    is_admin: false,
    encoding: PositionEncoding::Utf16,
    idempotency_key: None,
    if_match: None,
};

/// Version 41 with a text of 2,000 units.
fn at_41() -> House {
    let mut house = House::holding(&[("general_accountability", &"x".repeat(1_960))]);
    let ada = house.settle(guest("ada"));
    for _ in 0..40 {
        house.say(ada, insert(0, "y"));
    }
    house.sync();
    house.leave(ada);
    assert_eq!(house.version(), 41);
    house
}

/// The reference's own example.
fn example() -> Value {
    json!({
        "changes": [
            {
                "operation": "insert", "position": 1250, "content": "Additional responsibility: ",
                "metadata": {"user_id": "user_123", "timestamp": "2025-09-21T12:45:30Z", "client_id": "client_abc123"},
            },
            {
                "operation": "delete", "position": 800, "length": 25,
                "metadata": {"user_id": "user_123", "timestamp": "2025-09-21T12:45:32Z", "client_id": "client_abc123"},
            },
        ],
        "base_version": 41,
        "conflict_resolution": "operational_transform",
    })
}

fn answer(house: &mut House, caller: Caller<'_>, body: &Value) -> Value {
    let version = house.version();
    house.post(1, caller, body).unwrap();
    let mut answers = house.answers();
    assert_eq!(answers.is_empty(), house.version() > version, "the answer to what is new waits for the disk");
    house.sync();
    answers.extend(house.answers());
    assert_eq!(answers.len(), 1);
    answers.remove(0).1
}

#[test]
fn the_references_example_figure_for_figure() {
    let mut house = at_41();
    let ben = house.settle(guest("ben"));
    assert_eq!(
        answer(&mut house, CALLER, &example()),
        json!({
            "applied_changes": 2, "new_version": 42, "conflicts_resolved": 1,
            "operational_transforms": [{
                "original_position": 1250, "transformed_position": 1225, "reason": "prior_deletion",
                "section": "general_accountability", "section_position": 1225,
            }],
        })
    );
    let read = house.read(ben);
    let parts: Vec<_> = read.iter().map(|part| (&part["payload"]["operation"], &part["payload"]["position"])).collect();
    assert_eq!(parts, [(&json!("insert"), &json!(1250)), (&json!("delete"), &json!(800))]);
    assert_eq!(
        (&read[0]["metadata"]["user_id"], &read[0]["metadata"]["client_id"]),
        (&json!("user_123"), &json!("client_abc123"))
    );
    assert_eq!(&house.sections()[0].1[1225..1252], "Additional responsibility: ");
}

#[test]
fn a_change_in_between_is_a_conflict_that_moves_it_or_refuses_it() {
    let mut house = at_41();
    let ben = house.settle(guest("ben"));
    house.say(ben, insert(0, "0123456789"));
    let mut body = example();
    body["conflict_resolution"] = json!("reject");
    let refused = house.post(1, CALLER, &body).unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::VersionConflict, Some("base_version")));
    let answered = answer(&mut house, CALLER, &example());
    assert_eq!((&answered["new_version"], &answered["conflicts_resolved"]), (&json!(43), &json!(2)));
    let moves = answered["operational_transforms"].as_array().unwrap();
    assert_eq!(moves[0]["transformed_position"], 1235);
    assert_eq!((&moves[1]["transformed_position"], &moves[1]["reason"]), (&json!(810), &json!("concurrent_insertion")));
}

#[test]
fn the_author_is_the_caller_unless_an_admin_says_otherwise() {
    let body = |users: [Option<&str>; 2]| {
        let changes = users
            .map(|user| json!({"operation": "insert", "position": 0, "content": "x", "metadata": {"user_id": user}}));
        json!({"changes": changes})
    };
    let check = |is_admin: bool, users: [Option<&str>; 2], expected: Result<&str, (ErrorCode, &str)>| {
        let mut house = House::new();
        let posted = house.post(1, Caller { is_admin, ..CALLER }, &body(users));
        house.sync();
        match expected {
            Ok(author) => assert_eq!(&*house.disk.changes[0].user_id, author, "{users:?}"),
            Err((code, field)) => {
                let refused = posted.unwrap_err();
                assert_eq!((refused.code, refused.field.as_deref()), (code, Some(field)), "{users:?}");
                assert_eq!(house.version(), 0);
            }
        }
    };
    check(false, [None, None], Ok("user_123"));
    check(false, [Some("user_123"), None], Ok("user_123"));
    check(false, [Some("other"), Some("other")], Err((ErrorCode::Forbidden, "changes[0].metadata.user_id")));
    check(true, [Some("other"), Some("other")], Ok("other"));
    check(true, [Some("other"), Some("third")], Err((ErrorCode::ValidationError, "changes")));
    check(true, [Some("other"), None], Ok("other"));
}

#[test]
fn an_idempotency_key_makes_a_resend_harmless() {
    let mut house = at_41();
    let caller = Caller { idempotency_key: Some("key_1"), ..CALLER };
    let first = answer(&mut house, caller, &example());
    house.restart();
    let second = answer(&mut house, caller, &example());
    assert_eq!((&first["new_version"], &second["new_version"]), (&json!(42), &json!(42)));
    assert_eq!(house.version(), 42);
    let mut other = example();
    other["changes"][0]["content"] = json!("something else");
    let refused = house.post(1, caller, &other).unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::ValidationError, Some("Idempotency-Key")));
    let long = "k".repeat(129);
    let refused = house.post(1, Caller { idempotency_key: Some(&long), ..CALLER }, &example()).unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::ValidationError, Some("Idempotency-Key")));
}

#[test]
fn a_name_in_the_body_joins_the_table_of_the_websocket() {
    let mut house = House::new();
    let ada = house.settle(guest("user_123"));
    house.say(ada, crate::support::named_insert("c1", 0, "x"));
    house.sync();
    let body = json!({
        "changes": [{"operation": "insert", "position": 0, "content": "x"}],
        "client_id": "client_abc123", "correlation_id": "c1",
    });
    assert_eq!(answer(&mut house, CALLER, &body)["new_version"], 1);
    let body = json!({"changes": [{
        "operation": "insert", "position": 0, "content": "x",
        "metadata": {"client_id": "client_abc123", "correlation_id": "c1"},
    }]});
    assert_eq!(answer(&mut house, CALLER, &body)["new_version"], 1);
}

#[test]
fn a_wrong_body_is_refused_and_nothing_is_changed() {
    let check = |body: &str, code: ErrorCode, field: Option<&str>| {
        let mut house = House::new();
        let mut bytes = body.as_bytes().to_vec();
        let mut parser = jddb_core::protocol::Parser::default();
        let refused = house.room.answer_changes(house.now, 1, CALLER, &mut bytes, &mut parser).unwrap_err();
        assert_eq!((refused.code, refused.field.as_deref()), (code, field), "{body}");
        house.sync();
        assert_eq!((house.version(), house.answers().len()), (0, 0));
    };
    use ErrorCode::{InvalidPosition, ValidationError, VersionUnknown};
    check("", ValidationError, None);
    check("[]", ValidationError, None);
    check("{}", ValidationError, Some("changes"));
    check(r#"{"changes": {}}"#, ValidationError, Some("changes"));
    check(r#"{"changes": []}"#, ValidationError, Some("changes"));
    check(r#"{"changes": [{}]}"#, ValidationError, Some("changes[0].operation"));
    check(
        r#"{"changes": [{"operation": "delete", "position": 0, "length": 1}]}"#,
        ValidationError,
        Some("changes[0].section"),
    );
    let insert = r#"{"operation": "insert", "position": 5, "content": "x"}"#;
    check(&format!(r#"{{"changes": [{insert}], "base_version": 0}}"#), InvalidPosition, Some("changes[0].position"));
    check(&format!(r#"{{"changes": [{insert}], "base_version": 1}}"#), VersionUnknown, Some("base_version"));
    let metadata = r#"{"operation": "insert", "position": 0, "content": "x", "metadata": {"user_id": 5}}"#;
    check(&format!(r#"{{"changes": [{metadata}]}}"#), ValidationError, Some("changes[0].metadata.user_id"));
    let many = [insert; 1_001].join(",");
    check(&format!(r#"{{"changes": [{many}]}}"#), ValidationError, Some("changes"));
}

#[test]
fn the_state_is_the_references() {
    let mut house = House::holding(&[("first", "é😀"), ("second", "text")]);
    let ada = house.settle(guest("ada"));
    house.say(ada, message("cursor.position", json!({"position": 3, "section": "first"})));
    house.room.answer_state(house.now, 1, PositionEncoding::Utf8, true);
    house.room.answer_state(house.now, 2, PositionEncoding::Utf32, false);
    let answers = house.answers();
    let keys: Vec<_> = answers[0].1.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["active_editors", "content", "document_id", "metadata", "version"]);
    assert_eq!(answers[0].1["content"], json!({"sections": {"first": "é😀", "second": "text"}}));
    assert_eq!(answers[0].1["active_editors"][0]["cursor_position"], 6);
    assert_eq!(answers[1].1["active_editors"][0]["cursor_position"], 2);
    assert!(answers[1].1["metadata"].is_null());
}

//! Messages that are refused: what is said of them, and when it is enough.

use serde_json::{Value, json};

use crate::support::{House, Plan, brief, guest, insert, message};

/// The one error that a message leads to: its code, its field, its correlation id.
fn check(payload: Value, code: &str, field: &str) {
    let mut house = House::holding(&[("body", "0123456789")]);
    let ada = house.settle(guest("ada"));
    let text = json!({"type": "document.change", "payload": payload, "metadata": {"correlation_id": "c1"}}).to_string();
    house.say(ada, &text);
    let read = house.read(ada);
    assert_eq!(read.len(), 1, "{text} gave {read:?}");
    let error = &read[0]["payload"];
    assert_eq!((&error["error_code"], &error["severity"]), (&json!(code), &json!("error")), "{text}");
    assert_eq!(error["details"]["field"], field, "{text}");
    assert!(error["details"]["expected"].as_str().is_some_and(|expected| !expected.is_empty()), "{text}: {error}");
    assert_eq!(read[0]["metadata"]["correlation_id"], "c1", "{text}");
    assert_eq!(house.version(), 1);
}

#[test]
fn every_error_names_the_field_and_the_message() {
    let delete = |position: u64, length: u64| json!({"operation": "delete", "position": position, "length": length, "base_version": 1});
    check(json!({"operation": "delete", "position": 0}), "VALIDATION_ERROR", "payload.length");
    check(delete(11, 0), "INVALID_POSITION", "payload.position");
    check(delete(9, 2), "INVALID_POSITION", "payload.length");
    let mut named = delete(0, 1);
    named["section"] = json!("nowhere");
    check(named, "VALIDATION_ERROR", "payload.section");
    let insert = |base: u64| json!({"operation": "insert", "position": 0, "content": "x", "base_version": base});
    check(insert(2), "VERSION_UNKNOWN", "payload.base_version");
    let mut conflicting = insert(0);
    conflicting["conflict_resolution"] = json!("reject");
    check(conflicting, "VERSION_CONFLICT", "payload.base_version");
    let batch = json!({"base_version": 1, "changes": [
        {"operation": "insert", "position": 0, "content": "x"},
        {"operation": "insert", "position": 11, "content": "x"},
    ]});
    check(batch, "INVALID_POSITION", "payload.changes[1].position");
    check(json!({"changes": []}), "VALIDATION_ERROR", "payload.changes");
}

#[test]
fn a_base_that_is_too_old_is_told_from_one_that_is_not_there() {
    let mut plan = Plan::default();
    plan.document.history_versions_max = 2;
    let mut house = House::with(plan);
    let ada = house.settle(guest("ada"));
    for _ in 0..4 {
        house.say(ada, insert(0, "x"));
    }
    house.say(
        ada,
        crate::support::change(json!({"operation": "insert", "position": 0, "content": "x", "base_version": 1})),
    );
    assert!(house.read(ada).is_empty(), "a refusal shows a version, and waits for it as all else does");
    house.sync();
    let error = &house.read(ada)[0]["payload"];
    assert_eq!(
        (&error["error_code"], &error["details"]["expected"]),
        (&json!("VERSION_TOO_OLD"), &json!("2 or newer"))
    );
    assert!(error["message"].as_str().unwrap().contains("sync.request"));
}

#[test]
fn a_text_that_would_be_too_large_is_refused() {
    let mut plan = Plan::default();
    plan.document.section_bytes_max = 10;
    let mut house = House::with(plan);
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "0123456789"));
    house.say(ada, insert(0, "x"));
    house.sync();
    let error = &house.read(ada)[0]["payload"];
    assert_eq!(
        (&error["error_code"], &error["details"]["field"]),
        (&json!("DOCUMENT_TOO_LARGE"), &json!("payload.content"))
    );
}

#[test]
fn ten_malformed_messages_in_a_row_close_the_connection() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    for _ in 0..9 {
        house.say(ada, "nonsense");
    }
    house.say(ada, message("system.heartbeat", json!({})));
    for _ in 0..9 {
        house.say(ada, r#"{"type": "nonsense", "payload": {}}"#);
    }
    assert_eq!(house.read(ada).len(), 19);
    house.say(ada, "{}");
    let read = house.read(ada);
    assert_eq!(read.iter().map(brief).collect::<Vec<_>>(), ["error VALIDATION_ERROR", "close 4000"]);
    assert_eq!(read[0]["payload"]["severity"], "critical");
    house.say(ada, insert(0, "x"));
    house.check(ada, &[]);
    assert_eq!(house.version(), 0);
}

#[test]
fn the_tenth_of_an_array_ends_it() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let mut envelopes = vec![json!({}); 20];
    envelopes
        .push(json!({"type": "document.change", "payload": {"operation": "insert", "position": 0, "content": "x"}}));
    house.say(ada, json!(envelopes).to_string());
    let read = house.read(ada);
    assert_eq!((read.len(), brief(&read[10])), (11, "close 4000".to_owned()));
    assert_eq!(house.version(), 0);
}

#[test]
fn what_is_well_formed_but_not_permitted_closes_nobody() {
    let mut house = House::holding(&[("body", "text")]);
    let ada = house.settle(guest("ada").viewing());
    for _ in 0..30 {
        house.say(ada, insert(0, "x"));
    }
    assert!(house.read(ada).iter().all(|message| brief(message) == "error FORBIDDEN"));
    assert!(!house.room.member(ada).unwrap().outbox().is_closing());
}

#[test]
fn a_message_beyond_the_size_limit_is_refused_unread() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, &"x".repeat(64 << 10)));
    let error = &house.read(ada)[0]["payload"];
    assert_eq!(error["error_code"], "MESSAGE_TOO_LARGE");
    assert_eq!(error["details"]["expected"], "at most 65536 bytes");
}

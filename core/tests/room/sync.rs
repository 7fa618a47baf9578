//! `sync.request`: the changes since a version, or the whole state.

use jddb_core::ids::PositionEncoding;
use jddb_core::room::Dialect;
use serde_json::{Value, json};

use crate::support::{House, Plan, guest, insert, message, named_insert};

/// A document with much text and three versions after it, and a reader.
fn house() -> (House, jddb_core::room::MemberKey) {
    let mut house = House::holding(&[("body", &"0123456789".repeat(200)), ("scope", "scope")]);
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, message("document.change", json!({"operation": "delete", "position": 2000, "length": 3})));
    house.say(
        ada,
        message("document.change", json!({"operation": "insert", "position": 0, "content": "y", "section": "scope"})),
    );
    house.sync();
    let ben = house.settle(guest("ben"));
    (house, ben)
}

fn ask(house: &mut House, key: jddb_core::room::MemberKey, payload: Value) -> Value {
    let request = json!({"type": "sync.request", "payload": payload, "metadata": {"correlation_id": "s1"}});
    house.say(key, request.to_string());
    let read = house.read(key);
    assert_eq!((read.len(), &read[0]["type"]), (1, &json!("sync.response")));
    assert_eq!(read[0]["metadata"]["correlation_id"], "s1");
    assert_eq!(read[0]["payload"]["current_version"], house.version());
    read[0]["payload"].clone()
}

fn is_full(payload: &Value) -> bool {
    let full = !payload["full_document_state"].is_null();
    assert_eq!(full, payload["full_document_state"]["sections"].is_object());
    assert!(!full || payload["changes_since_version"] == json!([]));
    full
}

#[test]
fn the_changes_come_in_order_with_what_a_client_knows_its_own_by() {
    let (mut house, ben) = house();
    let payload = ask(&mut house, ben, json!({"last_known_version": 2}));
    assert_eq!(payload["full_document_state"], Value::Null);
    let time = "2025-09-21T12:45:30.123Z";
    assert_eq!(
        payload["changes_since_version"],
        json!([
            {"version": 3, "operation": "insert", "position": 0, "content": "x", "section": "body", "document_position": 0,
             "user_id": "ada", "timestamp": time, "client_id": "client_abc123", "correlation_id": "c1"},
            {"version": 4, "operation": "delete", "position": 0, "length": 2, "section": "scope", "document_position": 2001,
             "part": 1, "parts": 2, "user_id": "ada", "timestamp": time},
            {"version": 4, "operation": "delete", "position": 2000, "length": 1, "section": "body", "document_position": 2000,
             "part": 2, "parts": 2, "user_id": "ada", "timestamp": time},
            {"version": 5, "operation": "insert", "position": 0, "content": "y", "section": "scope", "document_position": 2000,
             "user_id": "ada", "timestamp": time},
        ])
    );
}

#[test]
fn sections_filter_the_changes_and_the_state() {
    let (mut house, ben) = house();
    let payload = ask(&mut house, ben, json!({"last_known_version": 2, "sections": ["scope"]}));
    let versions: Vec<_> =
        payload["changes_since_version"].as_array().unwrap().iter().map(|part| &part["version"]).collect();
    assert_eq!(versions, [4, 5]);
    let payload = ask(&mut house, ben, json!({"full": true, "sections": ["scope", "nowhere"]}));
    assert_eq!(payload["full_document_state"], json!({"sections": {"scope": "yope"}}));
    let payload = ask(&mut house, ben, json!({"last_known_version": 2, "sections": []}));
    assert_eq!(payload["changes_since_version"], json!([]));
}

#[test]
fn the_full_state_is_given_when_asked_for_and_when_there_is_no_other_way() {
    let (mut house, ben) = house();
    assert!(!is_full(&ask(&mut house, ben, json!({"last_known_version": 5}))));
    assert!(!is_full(&ask(&mut house, ben, json!({"last_known_version": 3, "full": false}))));
    assert!(is_full(&ask(&mut house, ben, json!({"last_known_version": 5, "full": true}))));
    assert!(is_full(&ask(&mut house, ben, json!({"full": true}))));
    assert!(is_full(&ask(&mut house, ben, json!({}))), "no version is known");
    assert!(is_full(&ask(&mut house, ben, json!({"last_known_version": null}))));
    assert!(is_full(&ask(&mut house, ben, json!({"last_known_version": 6}))), "from the future");
    assert!(is_full(&ask(&mut house, ben, json!({"last_known_version": u64::MAX}))));
}

#[test]
fn the_full_state_is_given_when_the_version_is_too_old() {
    let mut plan = Plan::default();
    plan.document.history_versions_max = 2;
    let mut house = House::with(plan).filled(&[("body", &"0123456789".repeat(200))]);
    let ada = house.settle(guest("ada"));
    for _ in 0..3 {
        house.say(ada, insert(0, "x"));
    }
    house.sync();
    assert!(!is_full(&ask(&mut house, ada, json!({"last_known_version": 2}))));
    assert!(is_full(&ask(&mut house, ada, json!({"last_known_version": 1}))));
}

#[test]
fn the_full_state_is_given_when_it_is_smaller() {
    let mut house = House::holding(&[("body", "short")]);
    let ada = house.settle(guest("ada"));
    for _ in 0..8 {
        house.say(ada, insert(0, "a"));
    }
    house.sync();
    assert!(!is_full(&ask(&mut house, ada, json!({"last_known_version": 1}))), "a short list is as good");
    for _ in 0..8 {
        house.say(ada, insert(0, "x"));
    }
    house.sync();
    assert!(is_full(&ask(&mut house, ada, json!({"last_known_version": 1}))));
    let payload = ask(&mut house, ada, json!({"last_known_version": 1, "full": false}));
    assert_eq!(payload["changes_since_version"].as_array().map(Vec::len), Some(16), "the list is asked for");
}

#[test]
fn other_encodings_than_the_logs_get_the_full_state() {
    let (mut house, _) = house();
    for encoding in [PositionEncoding::Utf32, PositionEncoding::Utf8] {
        let cleo = house.settle(guest("cleo").speaking(Dialect { encoding, over_document: false }));
        assert!(is_full(&ask(&mut house, cleo, json!({"last_known_version": 4}))));
        assert!(!is_full(&ask(&mut house, cleo, json!({"last_known_version": 5}))), "nothing has to be converted");
        house.leave(cleo);
    }
}

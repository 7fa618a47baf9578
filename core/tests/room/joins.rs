//! Coming in: the state, what follows it, and who may not.

use jddb_core::protocol::{ErrorCode, close};
use jddb_core::room::{Dialect, Durability, JoinRefusal, refusal_frames};
use jddb_core::websocket::{CloseCode, encode_close};
use serde_json::json;

use crate::support::{DOCUMENT, House, LIMITS, Plan, START, brief, guest, insert, message, named_insert};

#[test]
fn the_state_is_as_the_protocol_says() {
    let mut house = House::holding(&[("general_accountability", "Manages"), ("nature_and_scope", "The position")]);
    let ada = house.join(guest("ada"));
    house.say(ada, message("cursor.position", json!({"position": 3, "section": "nature_and_scope"})));
    house.say(ada, message("selection.change", json!({"start": 0, "end": 7, "section": "general_accountability"})));
    house.read(ada);
    let ben = house.join(guest("ben").viewing());
    let state = &house.read(ben)[0];
    let metadata = &state["metadata"];
    assert_eq!(
        *metadata,
        json!({"timestamp": "2025-09-21T12:45:30.123Z", "session_id": "sess_1", "version": 1}),
        "the server's own message names no user"
    );
    assert_eq!(
        state["payload"],
        json!({
            "document_id": DOCUMENT,
            "version": 2,
            "content": {"sections": {"general_accountability": "Manages", "nature_and_scope": "The position"}},
            "metadata": {
                "last_modified": "2025-09-21T12:45:30.123Z", "last_modified_by": "writer", "word_count": 3,
                "language": null, "translation_status": null,
            },
            "active_editors": [{
                "user_id": "ada", "display_name": "ADA", "color": "#51cf66",
                "cursor_position": 10, "selection": {"start": 0, "end": 7},
                "section": "nature_and_scope", "section_position": 3,
                "last_activity": "2025-09-21T12:45:30.123Z",
            }],
            "session_id": "sess_1", "connection_id": "conn_3", "position_encoding": "utf-16",
            "limits": LIMITS,
        })
    );
}

#[test]
fn whoever_joins_between_a_change_and_its_sync_neither_misses_it_nor_gets_it_twice() {
    let check = |durability| {
        let mut house = House::with(Plan { durability, ..Plan::default() });
        let ada = house.settle(guest("ada"));
        house.say(ada, insert(0, "x"));
        house.turn();
        let ben = house.join(guest("ben"));
        if durability == Durability::Strict {
            house.check_now(ben, &[]);
        }
        house.say(ada, insert(1, "y"));
        house.check(ben, &["state v1", "insert 1y v2"]);
    };
    check(Durability::Strict);
    check(Durability::Fast);
}

#[test]
fn the_first_state_waits_for_the_session_to_be_durable() {
    let mut house = House::new();
    let ada = house.join(guest("ada"));
    house.check_now(ada, &[]);
    house.check(ada, &["state v0"]);
    let session = house.disk.session.clone().unwrap();
    assert_eq!((&*session.session_id, &*session.started_by, session.started_at), ("sess_1", "ada", START));
    house.restart();
    let ben = house.join(guest("ben"));
    assert_eq!(house.read(ben)[0]["payload"]["session_id"], "sess_1", "the session goes on");
}

#[test]
fn greeting_on_join_lets_changes_acks_and_errors_through_until_document_join() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let ben = house.join(guest("ben").on_join());
    house.check(ada, &["ben joined"]);
    house.say(ada, insert(0, "x"));
    house.say(ada, message("cursor.position", json!({"position": 1})));
    house.say(ada, message("document.save", json!({})));
    let cleo = house.join(guest("cleo"));
    house.check(ben, &["insert 0x v1"]);
    house.say(ben, named_insert("c1", 1, "y"));
    house.say(ben, "{}");
    house.say(ben, message("document.save", json!({})));
    house.check(ben, &["ack c1 v2", "error VALIDATION_ERROR", "save v2"]);
    house.leave(cleo);
    house.say(ben, message("document.join", json!({"document_id": DOCUMENT})));
    house.say(ada, message("cursor.position", json!({"position": 1})));
    house.check(ben, &["state v2", "cursor 1 v2"]);
}

#[test]
fn whoever_waits_for_document_join_counts_as_an_editor() {
    let mut house = House::new();
    let ada = house.join(guest("ada").on_join());
    let ben = house.join(guest("ben"));
    house.sync();
    let state = &house.read(ben)[0];
    let editors: Vec<_> =
        state["payload"]["active_editors"].as_array().unwrap().iter().map(|e| &e["user_id"]).collect();
    assert_eq!(editors, ["ada", "ben"]);
    house.check(ada, &[]);
}

#[test]
fn document_join_answers_with_a_fresh_state() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    let join = json!({
        "type": "document.join", "payload": {"document_id": DOCUMENT}, "metadata": {"correlation_id": "j1"},
    });
    house.say(ada, join.to_string());
    house.say(ada, message("document.join", json!({})));
    house.sync();
    let read = house.read(ada);
    assert_eq!(read.iter().map(brief).collect::<Vec<_>>(), ["state v1", "state v1"]);
    assert_eq!(read[0]["metadata"]["correlation_id"], "j1");
    assert_eq!(read[0]["payload"]["content"]["sections"]["body"], "x");
}

#[test]
fn another_documents_id_is_an_error() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, message("document.join", json!({"document_id": "jd_6"})));
    let error = &house.read(ada)[0]["payload"];
    assert_eq!(error["error_code"], "VALIDATION_ERROR");
    assert_eq!(error["details"]["field"], "payload.document_id");
    assert_eq!(error["details"]["expected"], "jd_12345, the document of this connection");
}

#[test]
fn the_51st_editor_is_refused_but_no_viewer_and_no_second_connection() {
    let mut house = House::new();
    let editors: Vec<_> = (0..50).map(|index| house.join(guest(&format!("user_{index}")))).collect();
    let refused = house.try_join(guest("one_more")).unwrap_err();
    assert_eq!((refused.code, refused.close), (ErrorCode::RateLimitExceeded, close::RATE_LIMITED));
    assert_eq!((refused.limit_type, refused.retry_after), (Some("document_editors"), Some(60)));
    assert!(refused.message.contains("50 people") && refused.message.contains("?mode=view"), "{}", refused.message);
    let [error, close] = refusal_frames(START, &refused, || panic!("nobody is sent away for good"));
    let error: serde_json::Value = serde_json::from_slice(&error[4..]).unwrap();
    assert_eq!(error["type"], "system.error");
    assert_eq!(error["payload"]["severity"], "critical");
    assert_eq!(error["payload"]["limit_type"], "document_editors");
    assert_eq!(error["payload"]["retry_after"], 60);
    assert_eq!(close[2..4], 4000_u16.to_be_bytes());
    assert!(house.try_join(guest("user_7")).is_ok(), "their second connection is no further editor");
    assert!(house.try_join(guest("one_more").viewing()).is_ok());
    assert!(house.try_join(guest("one_more")).is_err(), "having a viewing connection does not make an editor");
    house.leave(editors[7]);
    assert!(house.try_join(guest("one_more")).is_err(), "the other connection of user_7 still edits");
    house.leave(editors[8]);
    assert!(house.try_join(guest("one_more")).is_ok());
    assert_eq!(house.room.member_count(), 51);
}

#[test]
fn whom_a_stopping_server_refuses_is_told_when_to_come_back() {
    let refused = JoinRefusal {
        code: ErrorCode::ShuttingDown,
        message: "the server is stopping".to_owned(),
        field: None,
        expected: None,
        limit_type: None,
        close: CloseCode::GOING_AWAY,
        retry_after: None,
    };
    let [_, close] = refusal_frames(START, &refused, || 1234);
    assert_eq!(close, encode_close(CloseCode::GOING_AWAY, "SHUTTING_DOWN retry_ms=1234"));
}

#[test]
fn a_refused_editor_opens_no_session_and_is_announced_to_nobody() {
    let mut plan = Plan::default();
    plan.limits.document_editors = 0;
    let mut house = House::with(plan);
    assert!(house.try_join(guest("ada")).is_err());
    house.sync();
    assert!(house.disk.session.is_none() && house.room.is_idle());
}

#[test]
fn viewers_may_not_change_anything() {
    let mut house = House::holding(&[("body", "text")]);
    let ada = house.settle(guest("ada").viewing());
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, message("document.save", json!({})));
    let read = house.read(ada);
    for error in &read {
        assert_eq!(error["payload"]["error_code"], "FORBIDDEN");
        assert_eq!(error["payload"]["details"]["field"], "type");
        assert_eq!(error["payload"]["severity"], "error");
    }
    assert_eq!((read.len(), &read[0]["metadata"]["correlation_id"]), (2, &json!("c1")));
    assert_eq!(house.version(), 1);
}

#[test]
fn a_key_stands_for_nobody_after_its_member_has_left() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.leave(ada);
    let ben = house.settle(guest("ben").speaking(Dialect::default()));
    assert_eq!(ada.index(), ben.index(), "the place is used again");
    assert!(house.room.member(ada).is_none());
    house.say(ada, insert(0, "x"));
    house.leave(ada);
    assert_eq!((house.version(), house.room.member_count()), (0, 1));
}

//! Messages that are wrong in themselves, or ask for what cannot be.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::{Bystander, change, closed_with, stays_open};

async fn attacker(home: &Home, server: &Server) -> Socket {
    Socket::joined(server.port(), "shared", &home.token("attacker")).await.0
}

/// Sends a text and checks the error; `field` is `details.field`, empty where there is none.
async fn refused(socket: &mut Socket, text: &str, code: &str, field: &str) -> Value {
    socket.send_text(text);
    let error = socket.error(code).await;
    assert_eq!(error["details"]["field"].as_str().unwrap_or_default(), field, "{text}: {error}");
    assert_ne!(error["severity"], "critical", "{text}: {error}");
    error
}

#[tokio::test]
async fn malformed_messages_are_answered_and_the_connection_stays_open() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut socket = attacker(&home, &server).await;
    let insert = |position: &str| {
        format!(
            r#"{{"type":"document.change","payload":{{"operation":"insert","position":{position},"content":"x"}}}}"#
        )
    };
    let deep = "[".repeat(100_000);
    let cases: [(&str, &str, &str); 18] = [
        ("", "VALIDATION_ERROR", ""),
        ("hello", "VALIDATION_ERROR", ""),
        ("{", "VALIDATION_ERROR", ""),
        (&deep, "VALIDATION_ERROR", ""),
        ("null", "VALIDATION_ERROR", ""),
        ("[]", "VALIDATION_ERROR", ""),
        ("{}", "VALIDATION_ERROR", "type"),
        (r#"{"type": 5, "payload": {}}"#, "VALIDATION_ERROR", "type"),
        (r#"{"type": "document.save"}"#, "VALIDATION_ERROR", "payload"),
        (r#"{"type": "document.destroy", "payload": {}}"#, "UNKNOWN_MESSAGE_TYPE", "type"),
        (&insert("-1"), "VALIDATION_ERROR", "payload.position"),
        (&insert("0.5"), "VALIDATION_ERROR", "payload.position"),
        (&insert("1e300"), "VALIDATION_ERROR", "payload.position"),
        (&insert("\"0\""), "VALIDATION_ERROR", "payload.position"),
        (
            r#"{"type":"document.change","payload":{"operation":"insert","position":0,"content":"\ud800"}}"#,
            "VALIDATION_ERROR",
            "",
        ),
        (r#"{"type":"document.save","type":"document.save","payload":{}}"#, "VALIDATION_ERROR", "type"),
        (
            r#"{"type":"cursor.position","payload":{"position":0,"section":"no/name"}}"#,
            "VALIDATION_ERROR",
            "payload.section",
        ),
        (
            r#"{"type":"document.change","payload":{"operation":"replace","position":0,"content":"x"}}"#,
            "VALIDATION_ERROR",
            "payload.length",
        ),
    ];
    for (text, code, field) in cases {
        refused(&mut socket, text, code, field).await;
        // A good one in between: only ten wrong ones in a row close the connection.
        stays_open(&mut socket).await;
    }
    let with_name = r#"{"type": "nonsense", "payload": {}, "metadata": {"correlation_id": "corr_1"}}"#;
    socket.send_text(with_name);
    let error = socket.next("system.error").await;
    assert_eq!(error["metadata"]["correlation_id"], "corr_1", "{error}");
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn an_array_of_messages_is_taken_one_by_one() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut socket = attacker(&home, &server).await;
    let heartbeat = json!({"type": "system.heartbeat", "payload": {}});
    socket.send(&json!([heartbeat, {"type": "nonsense", "payload": {}}, heartbeat]));
    for kind in ["system.heartbeat", "system.error", "system.heartbeat"] {
        assert_eq!(socket.message().await["type"], kind);
    }
    socket.send(&json!(vec![heartbeat; 65]));
    socket.error("VALIDATION_ERROR").await;
    stays_open(&mut socket).await;
}

#[tokio::test]
async fn ten_malformed_messages_in_a_row_close_the_connection() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut socket = attacker(&home, &server).await;
    for _ in 0..9 {
        socket.send_text("{}");
        socket.error("VALIDATION_ERROR").await;
    }
    stays_open(&mut socket).await;
    for _ in 0..10 {
        socket.send_text("{}");
    }
    let messages = closed_with(&mut socket, 4000).await;
    assert_eq!(messages.len(), 10, "each is answered: {messages:?}");
    assert_eq!(messages[9]["payload"]["severity"], "critical", "{messages:?}");
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn changes_that_cannot_be_are_refused_with_the_reason() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut socket = attacker(&home, &server).await;
    let section = "body";
    let cases: [(Value, &str, &str); 8] = [
        (
            json!({"operation": "insert", "position": 2, "content": "x", "base_version": 1}),
            "INVALID_POSITION",
            "payload.position",
        ),
        (
            json!({"operation": "delete", "position": 0, "length": 2, "base_version": 1}),
            "INVALID_POSITION",
            "payload.length",
        ),
        (
            json!({"operation": "insert", "position": u64::MAX, "content": "x", "base_version": 1}),
            "INVALID_POSITION",
            "payload.position",
        ),
        (
            json!({"operation": "delete", "position": 1, "length": u64::MAX, "base_version": 1, "section": section}),
            "INVALID_POSITION",
            "payload.length",
        ),
        (
            json!({"changes": [
            {"operation": "insert", "position": 0, "content": "x"}, {"operation": "insert", "position": 9, "content": "x"},
        ], "base_version": 1}),
            "INVALID_POSITION",
            "payload.changes[1].position",
        ),
        (
            json!({"operation": "insert", "position": 0, "content": "x", "base_version": 99}),
            "VERSION_UNKNOWN",
            "payload.base_version",
        ),
        (
            json!({"operation": "delete", "position": 0, "length": 0, "section": "nowhere"}),
            "VALIDATION_ERROR",
            "payload.section",
        ),
        (
            json!({"operation": "insert", "position": 0, "content": "x", "section": "1st"}),
            "VALIDATION_ERROR",
            "payload.section",
        ),
    ];
    for (payload, code, field) in cases {
        let error = refused(&mut socket, &change(payload).to_string(), code, field).await;
        assert!(code == "VERSION_UNKNOWN" || error["details"]["expected"].is_string(), "{error}");
    }
    // None of them used up its name: a good change may have it.
    socket.send(&change(json!({"operation": "insert", "position": 1, "content": "ok", "base_version": 1})));
    let ack = socket.next("document.ack").await;
    assert_eq!(ack["payload"]["version"], 2, "{ack}");
    let (version, sections) = http::state(server.port(), "shared", &home.token("attacker")).await;
    assert_eq!((version, &sections), (2, &json!({"body": "bok"})));
    let received = bystander.client.socket().next("document.change").await;
    assert_eq!(received["payload"]["content"], "ok", "{received}");
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let home = Home::new();
    let start = home.start().env("JDDB_LIMITS__MESSAGE_BYTES", "65536").env("JDDB_LIMITS__SECTION_BYTES", "40000");
    let server = start.env("JDDB_LIMITS__SECTIONS", "2").ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut socket = attacker(&home, &server).await;
    let insert = |length: usize, section: &str| {
        change(json!({"operation": "insert", "position": 0, "content": "x".repeat(length), "section": section}))
    };
    refused(&mut socket, &insert(40_001, "other").to_string(), "DOCUMENT_TOO_LARGE", "payload.content").await;
    socket.send(&insert(10, "second"));
    socket.next("document.ack").await;
    let mut third = insert(10, "third");
    third["metadata"]["correlation_id"] = "bad.2".into();
    refused(&mut socket, &third.to_string(), "DOCUMENT_TOO_LARGE", "payload.content").await;
    stays_open(&mut socket).await;
    socket.send(&insert(70_000, "other"));
    closed_with(&mut socket, 1009).await;
    let received = bystander.client.socket().next("document.change").await;
    assert_eq!(received["payload"]["section"], "second", "{received}");
}

#[tokio::test]
async fn viewers_change_nothing() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let viewer = home.token_with("viewer", "document:read", &[]);
    let editor = home.token("editor");
    for target in
        [format!("/ws/document/shared?token={viewer}"), format!("/ws/document/shared?mode=view&token={editor}")]
    {
        let mut socket = Socket::open(server.port(), &target).await;
        assert_eq!(socket.message().await["type"], "document.state");
        socket.send(&change(json!({"operation": "insert", "position": 0, "content": "x"})));
        let error = socket.error("FORBIDDEN").await;
        assert_eq!(error["severity"], "error", "{error}");
        stays_open(&mut socket).await;
        bystander.goes_on_undisturbed().await;
    }
    // A viewer makes no document either.
    let mut socket = Socket::document(server.port(), "nobody_wrote_this", &viewer).await;
    let messages = closed_with(&mut socket, 4004).await;
    assert_eq!(messages[0]["payload"]["error_code"], "DOCUMENT_NOT_FOUND", "{messages:?}");
}

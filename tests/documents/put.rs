//! `PUT` and restore: one version each, of which editors hear like of any other.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::{ask, insertion, put};

#[tokio::test]
async fn it_creates_and_then_needs_the_version_it_replaces() {
    let home = Home::new();
    let server = home.start().env("JDDB_DOCUMENTS__CREATE_ON_OPEN", "false").ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    put(port, "jd_1", &token, "If-Match: \"1\"\r\n", "x").await.error(404, "DOCUMENT_NOT_FOUND");
    // As text, since a map of ours would sort the sections.
    let body = r#"{
        "sections": {"second": "two words", "first": ""},
        "metadata": {"title": "Director", "language": "en", "translation_status": "in_progress", "classification": "EX-01"}
    }"#;
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let request = http::request_with("PUT", "/api/documents/jd_1", Some(&token), &head, None);
    let created = http::exchange(port, &[&*request, body.as_bytes()].concat()).await;
    assert_eq!((created.status, created.header("etag")), (201, Some("\"1\"")));
    assert_eq!(created.header("location"), Some("/api/documents/jd_1/state"));
    assert_eq!(created.json(), json!({"document_id": "jd_1", "version": 1, "created": true}));

    let state = http::get(port, "/api/documents/jd_1/state", &token).await;
    assert_eq!((state.header("etag"), state.header("cache-control")), (Some("\"1\""), Some("no-store")));
    let text = String::from_utf8_lossy(&state.body).into_owned();
    assert!(text.contains(r#"{"sections":{"second":"two words","first":""}}"#), "in the order given: {text}");
    let mut metadata = state.ok()["metadata"].clone();
    assert!(metadata["last_modified"].take().is_string());
    let expected = json!({
        "last_modified": null, "last_modified_by": "ada", "word_count": 2, "language": "en",
        "translation_status": "in_progress", "title": "Director", "classification": "EX-01",
    });
    assert_eq!(metadata, expected);
    let (_socket, joined) = Socket::joined(port, "jd_1", &token).await;
    assert_eq!(joined["metadata"]["title"], "Director", "over the WebSocket the same: {joined}");

    let refused = put(port, "jd_1", &token, "", "x").await.error(409, "VERSION_CONFLICT");
    assert_eq!(refused["details"], json!({"field": "If-Match", "expected": "\"1\""}));
    put(port, "jd_1", &token, "If-Match: \"0\", \"2\"\r\n", "x").await.error(409, "VERSION_CONFLICT");
    let replaced = put(port, "jd_1", &token, "If-Match: \"1\"\r\n", "x").await;
    assert_eq!(replaced.ok(), json!({"document_id": "jd_1", "version": 2, "created": false}));
    let state = http::get(port, "/api/documents/jd_1/state", &token).await.ok();
    assert_eq!(state["content"]["sections"], json!({"second": "", "first": "", "body": "x"}));
    assert_eq!(state["metadata"]["title"], "Director", "metadata stays where none is given: {state}");
    assert_eq!(put(port, "jd_1", &token, "If-Match: *\r\n", "x").await.ok()["version"], 3, "the same is a version too");

    let known = http::request_with("GET", "/api/documents/jd_1/state", Some(&token), "If-None-Match: \"3\"\r\n", None);
    let known = http::exchange(port, &known).await;
    assert_eq!((known.status, known.header("etag")), (200, Some("\"3\"")), "it tells more than the version's text");

    let changes = async |tag: &str| {
        let headers = format!("If-Match: {tag}\r\n");
        ask(port, "POST", ("jd_1", "/changes"), &token, &headers, Some(&insertion("y"))).await
    };
    changes("\"2\"").await.error(409, "VERSION_CONFLICT");
    assert_eq!(changes("\"3\"").await.ok()["new_version"], 4);
}

#[tokio::test]
async fn a_put_that_is_sent_again_is_done_once() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    let headers = "If-Match: \"1\"\r\nIdempotency-Key: k\r\n";
    put(port, "jd_1", &token, "", "one").await;
    assert_eq!(put(port, "jd_1", &token, headers, "two").await.ok()["version"], 2);
    assert_eq!(put(port, "jd_1", &token, headers, "two").await.ok()["version"], 2, "although If-Match no longer holds");
    let reused = put(port, "jd_1", &token, headers, "three").await.error(400, "VALIDATION_ERROR");
    assert_eq!(reused["details"]["field"], "Idempotency-Key");
    let titled = json!({"sections": {"body": "two"}, "metadata": {"title": "Director"}});
    let reused = ask(port, "PUT", ("jd_1", ""), &token, headers, Some(&titled)).await.error(400, "VALIDATION_ERROR");
    assert_eq!(reused["details"]["field"], "Idempotency-Key", "the title would be lost without a word");
    let restore = ask(port, "POST", ("jd_1", "/restore"), &token, headers, Some(&json!({"version": 2}))).await;
    restore.error(400, "VALIDATION_ERROR");
    server.kill_nine();
    let server = home.start().ready().await;
    assert_eq!(put(server.port(), "jd_1", &token, headers, "two").await.ok()["version"], 2, "nor after a crash");
    assert_eq!(http::state(server.port(), "jd_1", &token).await, (2, json!({"body": "two"})));
}

#[tokio::test]
async fn a_resend_is_answered_as_the_first_was() {
    let home = Home::new();
    let mut server = home.start().ready().await;
    let (token, admin) = (home.token("ada"), home.token_with("root", "document:admin", &[]));
    let key = "Idempotency-Key: k\r\n";
    let create = async |server: &Server| {
        let answer = put(server.port(), "jd_1", &token, key, "one").await;
        (
            answer.status,
            answer.header("etag").map(str::to_owned),
            answer.header("location").map(str::to_owned),
            answer.json(),
        )
    };
    for begins_with in [1, 3] {
        let first = create(&server).await;
        let json = json!({"document_id": "jd_1", "version": begins_with, "created": true});
        let location = Some("/api/documents/jd_1/state".to_owned());
        assert_eq!(first, (201, Some(format!("\"{begins_with}\"")), location, json));
        assert_eq!(create(&server).await, first);
        server.kill_nine();
        server = home.start().ready().await;
        assert_eq!(create(&server).await, first, "nor after a crash");
        assert_eq!(http::state(server.port(), "jd_1", &token).await.0, begins_with);
        // The next one begins after the number of the deletion.
        ask(server.port(), "DELETE", ("jd_1", ""), &admin, "", None).await.ok();
    }
    // Whoever replaces what somebody typed has made nothing, and is told so each time.
    ask(server.port(), "POST", ("jd_1", "/changes"), &token, "", Some(&insertion("typed"))).await.ok();
    for _ in 0..2 {
        let headers = format!("If-Match: *\r\n{key}");
        let answer = put(server.port(), "jd_1", &token, &headers, "one").await;
        assert_eq!((answer.header("location"), answer.ok()["created"].as_bool()), (None, Some(false)));
    }
}

#[tokio::test]
async fn editors_hear_of_it_as_of_any_change() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    let body = json!({"sections": {"a": "One 😀 two", "b": "gone"}});
    ask(port, "PUT", ("jd_1", ""), &token, "", Some(&body)).await;
    let mut editor = Client::joined("jd_1", &home.token("bob"), "b", port).await;
    let mut viewer = Client::joined("jd_1", &home.token_with("eve", "document:read", &[]), "e", port).await;
    editor.editor().edit("a", 0, 0, "typed ");
    editor.flush().await;
    let body = json!({"sections": {"c": "new", "a": "typed One 😁 2 two"}});
    let replaced = ask(port, "PUT", ("jd_1", ""), &token, "If-Match: *\r\n", Some(&body)).await.ok();
    assert_eq!(replaced["version"], 3);
    let restore = async |version: Value| {
        ask(port, "POST", ("jd_1", "/restore"), &token, "", Some(&json!({"version": version}))).await
    };
    let restored = restore(json!(1)).await;
    assert_eq!(restored.header("etag"), Some("\"4\""));
    assert_eq!(restored.ok(), json!({"document_id": "jd_1", "version": 4, "restored_version": 1}));
    for client in [&mut editor, &mut viewer] {
        client.reach(4).await;
        let expected = json!({"a": "One 😀 two", "b": "gone", "c": ""});
        assert_eq!(client.editor().sections(), expected);
    }
    assert_eq!(restore(json!(2)).await.ok()["version"], 5);
    assert_eq!(http::state(port, "jd_1", &token).await.1, json!({"a": "typed One 😀 two", "b": "gone", "c": ""}));
    assert_eq!(restore(json!(99)).await.error(409, "VERSION_UNKNOWN")["details"]["field"], "version");
    assert_eq!(restore(json!("1")).await.error(400, "VALIDATION_ERROR")["details"]["field"], "version");
    let missing = ask(port, "POST", ("nowhere", "/restore"), &token, "", Some(&json!({"version": 1}))).await;
    missing.error(404, "DOCUMENT_NOT_FOUND");
    let stale =
        ask(port, "POST", ("jd_1", "/restore"), &token, "If-Match: \"4\"\r\n", Some(&json!({"version": 1}))).await;
    stale.error(409, "VERSION_CONFLICT");
}

#[tokio::test]
async fn bad_input_is_named_and_changes_nothing() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    let many: Value = (0..65).map(|number| (format!("s{number}"), Value::from(""))).collect();
    for (body, field) in [
        (json!([]), ""),
        (json!({}), "sections"),
        (json!({"sections": {}}), "sections"),
        (json!({"sections": {"a b": ""}}), "sections.a b"),
        (json!({"sections": {"a": 1}}), "sections.a"),
        (json!({"sections": many}), "sections"),
        (json!({"sections": {"a": ""}, "metadata": {"title": "x".repeat(513)}}), "metadata.title"),
        (json!({"sections": {"a": ""}, "metadata": {"language": "e"}}), "metadata.language"),
        (
            json!({"sections": {"a": ""}, "metadata": {"translation_status": "Not Begun"}}),
            "metadata.translation_status",
        ),
    ] {
        let refused = ask(port, "PUT", ("jd_1", ""), &token, "", Some(&body)).await.error(400, "VALIDATION_ERROR");
        if !field.is_empty() {
            assert_eq!(refused["details"]["field"], field, "{refused}");
        }
    }
    for header in ["If-Match: 1", "If-Match: \"1", "Idempotency-Key: "] {
        let refused = put(port, "jd_1", &token, &format!("{header}\r\n"), "x").await.error(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"]["field"], header.split(':').next().unwrap_or_default());
    }
    let large = json!({"sections": {"a": "x".repeat((4 << 20) + 1)}});
    let refused = ask(port, "PUT", ("jd_1", ""), &token, "", Some(&large)).await;
    assert_eq!(refused.status, 413, "{:?}", refused.json());
    let viewer = home.token_with("eve", "document:read", &[]);
    put(port, "jd_1", &viewer, "", "x").await.error(403, "FORBIDDEN");
    put(port, "-", &token, "", "x").await.error(400, "VALIDATION_ERROR");
    http::get(port, "/api/documents/jd_1/state", &token).await.error(404, "DOCUMENT_NOT_FOUND");
}

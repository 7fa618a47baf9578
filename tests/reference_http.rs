//! The API reference's HTTP examples, figure for figure, and the form of every refusal.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::{EDIT, Home};
use support::http;
use support::server::Server;
use support::socket::Socket;

const SECTIONS: [(&str, usize); 3] =
    [("general_accountability", 700), ("organization_structure", 500), ("nature_and_scope", 500)];

/// So many words that every place in the text is recognisable.
fn text(section: &str, length: usize) -> String {
    let words: String = (0..length).map(|index| format!("{}{index} ", &section[..1])).collect();
    words[..length].to_owned()
}

/// One change of its own version, over HTTP.
async fn change(server: &Server, document: &str, token: &str, base: u64, change: Value) {
    let body = json!({"changes": [change], "base_version": base});
    let answer = http::post(server.port(), &format!("/api/documents/{document}/changes"), token, &body).await.ok();
    assert_eq!(answer["new_version"], base + 1, "{answer}");
}

/// A document at version 41, and its texts, one after the other. The versions after the first come over
/// the WebSocket, half of them.
async fn at_version_41(server: &Server, document: &str, token: &str, sections: &[(&str, usize)]) -> String {
    for (base, (section, length)) in (0..).zip(sections) {
        let content = text(section, *length);
        let insert = json!({"operation": "insert", "position": 0, "content": content, "section": section});
        change(server, document, token, base, insert).await;
    }
    let (mut socket, state) = Socket::joined(server.port(), document, token).await;
    assert_eq!(state["version"], sections.len());
    for base in sections.len() as u64..41 {
        let replace = json!({"operation": "replace", "position": 3, "length": 1, "content": "#", "base_version": base});
        if base % 2 == 0 {
            change(server, document, token, base, replace).await;
        } else {
            socket.send(&json!({"type": "document.change", "payload": replace, "metadata": {"correlation_id": "c"}}));
            assert_eq!(socket.next("document.ack").await["payload"]["version"], base + 1);
        }
    }
    let (version, texts) = http::state(server.port(), document, token).await;
    assert_eq!(version, 41);
    sections.iter().map(|(section, _)| texts[section].as_str().expect("a section")).collect()
}

/// The request of the reference, word for word.
const REFERENCE_CHANGES: &str = r##"{
  "changes": [
    {
      "operation": "insert",
      "position": 1250,
      "content": "Additional responsibility: ",
      "metadata": {
        "user_id": "user_123",
        "timestamp": "2025-09-21T12:45:30Z",
        "client_id": "client_abc123"
      }
    },
    {
      "operation": "delete",
      "position": 800,
      "length": 25,
      "metadata": {
        "user_id": "user_123",
        "timestamp": "2025-09-21T12:45:32Z",
        "client_id": "client_abc123"
      }
    }
  ],
  "base_version": 41,
  "conflict_resolution": "operational_transform"
}"##;

async fn check_changes_example(server: &Server, token: &str, document: &str, sections: &[(&str, usize)], place: Value) {
    let before = at_version_41(server, document, token, sections).await;
    let body: Value = serde_json::from_str(REFERENCE_CHANGES).expect("the example is JSON");
    let path = format!("/api/documents/{document}/changes");
    let answer = http::post(server.port(), &path, token, &body).await.ok();
    let mut transform = json!({"original_position": 1250, "transformed_position": 1225, "reason": "prior_deletion"});
    for (key, value) in place.as_object().expect("an object") {
        transform[key] = value.clone();
    }
    let expected = json!({
        "applied_changes": 2, "new_version": 42, "conflicts_resolved": 1, "operational_transforms": [transform],
    });
    assert_eq!(answer, expected);

    let after = [&before[..800], &before[825..1250], "Additional responsibility: ", &before[1250..]].concat();
    let (version, texts) = http::state(server.port(), document, token).await;
    let joined: String = sections.iter().map(|(section, _)| texts[section].as_str().expect("a section")).collect();
    assert_eq!((version, joined.as_str()), (42, after.as_str()));
    let again = http::post(server.port(), &path, token, &body).await.ok();
    assert_eq!(again["new_version"], 43, "without a correlation_id it is another change: {again}");
    assert_eq!(again["operational_transforms"][0]["reason"], "concurrent_deletion", "{again}");
}

#[tokio::test]
async fn the_changes_example_holds_figure_for_figure() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("user_123");
    let place = json!({"section": "nature_and_scope", "section_position": 50});
    check_changes_example(&server, &token, "jd_12345", &SECTIONS, place).await;
    let place = json!({"section": "body", "section_position": 1225});
    check_changes_example(&server, &token, "jd_flat", &[("body", 1700)], place).await;
}

#[tokio::test]
async fn a_state_has_the_fields_of_the_example() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token_with("user_123", EDIT, &["--name", "Jane Smith"]);
    for (base, (section, length)) in (0..).zip(&SECTIONS) {
        let insert =
            json!({"operation": "insert", "position": 0, "content": text(section, *length), "section": section});
        change(&server, "jd_12345", &token, base, insert).await;
    }
    let (socket, _) = Socket::joined(server.port(), "jd_12345", &token).await;
    let cursor = json!({"position": 50, "section": "nature_and_scope"});
    let selection = json!({"start": 0, "end": 50, "section": "nature_and_scope"});
    socket.send(&json!({"type": "cursor.position", "payload": cursor}));
    socket.send(&json!({"type": "selection.change", "payload": selection}));
    let editor = support::until("the cursor to be known", async || {
        let state = http::get(server.port(), "/api/documents/jd_12345/state", &token).await.ok();
        let editor = state["active_editors"][0].clone();
        (!editor["selection"].is_null() && !editor["cursor_position"].is_null()).then_some(editor)
    })
    .await;
    assert_eq!(editor["user_id"], "user_123", "{editor}");
    assert_eq!(editor["display_name"], "Jane Smith", "{editor}");
    assert_eq!(editor["cursor_position"], 1250, "{editor}");
    assert_eq!(editor["selection"], json!({"start": 1200, "end": 1250}), "{editor}");
    assert!(editor["last_activity"].as_str().is_some_and(|time| time.ends_with('Z')), "{editor}");

    let state = http::get(server.port(), "/api/documents/jd_12345/state", &token).await.ok();
    assert_eq!((&state["document_id"], &state["version"]), (&json!("jd_12345"), &json!(3)), "{state}");
    let names: Vec<&str> =
        state["content"]["sections"].as_object().expect("sections").keys().map(String::as_str).collect();
    for (section, _) in SECTIONS {
        assert!(names.contains(&section), "{names:?}");
    }
    let metadata = &state["metadata"];
    assert_eq!(metadata["last_modified_by"], "user_123", "{metadata}");
    assert!(metadata["last_modified"].as_str().is_some_and(|time| time.ends_with('Z')), "{metadata}");
    assert!(metadata["word_count"].as_u64().is_some_and(|count| count > 100), "{metadata}");
    for key in ["language", "translation_status"] {
        assert!(metadata.as_object().expect("an object").contains_key(key), "{key}: {metadata}");
    }
}

#[tokio::test]
async fn old_versions_and_metadata_on_request() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("user_123");
    for base in 0..10 {
        let insert = json!({"operation": "insert", "position": base, "content": base.to_string()});
        change(&server, "digits", &token, base, insert).await;
    }
    let get =
        async |query: &str| http::get(server.port(), &format!("/api/documents/digits/state{query}"), &token).await;
    for version in 1..=10_u64 {
        let state = get(&format!("?version={version}")).await.ok();
        assert_eq!(state["version"], version, "{state}");
        let text = &"0123456789"[..usize::try_from(version).expect("a small one")];
        assert_eq!(state["content"], json!({"sections": {"body": text}}), "{state}");
    }
    assert_eq!(get("?version=0").await.ok()["content"], json!({"sections": {}}));
    assert!(get("?include_metadata=true").await.ok()["metadata"].is_object());
    assert!(get("?include_metadata=false").await.ok()["metadata"].is_null());
    get("?version=11").await.error(409, "VERSION_UNKNOWN");
    for (query, field) in
        [("?version=x", "version"), ("?version=-1", "version"), ("?include_metadata=7", "include_metadata")]
    {
        let error = get(query).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
        assert!(error["details"]["expected"].is_string(), "{error}");
    }
}

#[tokio::test]
async fn every_refusal_has_the_form_of_the_reference() {
    let home = Home::new();
    let server = home.start().ready().await;
    let port = server.port();
    let token = home.token("user_123");
    let viewer = home.token_with("viewer", "document:read", &[]);
    let limited = home.token_with("limited", EDIT, &["--document", "other_*"]);
    let insert = json!({"operation": "insert", "position": 0, "content": "x"});
    change(&server, "jd_1", &token, 0, insert.clone()).await;
    let state = "/api/documents/jd_1/state";
    let changes = "/api/documents/jd_1/changes";
    let get = async |path: &str, token: &str| http::get(port, path, token).await;
    let post = async |body: Value, token: &str| http::post(port, changes, token, &body).await;

    get("/api/documents/jd_2/state", &token).await.error(404, "DOCUMENT_NOT_FOUND");
    get("/api/nothing", &token).await.error(404, "NOT_FOUND");
    get("/", &token).await.error(404, "NOT_FOUND");
    let refused = http::exchange(port, &http::request("PATCH", state, Some(&token), None)).await;
    refused.error(405, "METHOD_NOT_ALLOWED");
    assert!(refused.header("allow").is_some_and(|methods| methods.contains("GET")), "{refused:?}");
    http::exchange(port, &http::request("GET", state, None, None)).await.error(401, "UNAUTHENTICATED");
    get(state, "garbage").await.error(401, "UNAUTHENTICATED");
    get(state, &limited).await.error(403, "FORBIDDEN");
    let one = json!({"changes": [insert], "base_version": 1});
    post(one.clone(), &viewer).await.error(403, "FORBIDDEN");
    let bad_id = get("/api/documents/-bad/state", &token).await.error(400, "VALIDATION_ERROR");
    assert_eq!(bad_id["details"]["field"], "document_id", "{bad_id}");
    assert!(bad_id["details"]["expected"].as_str().is_some_and(|pattern| pattern.contains("[A-Za-z0-9]")), "{bad_id}");

    let mut wrong = one.clone();
    wrong["changes"][0]["metadata"] = json!({"user_id": "somebody_else"});
    post(wrong, &token).await.error(403, "FORBIDDEN");
    for (body, field) in [
        (json!({}), "changes"),
        (json!({"changes": []}), "changes"),
        (json!({"changes": [{"operation": "insert", "content": "x"}]}), "changes[0].position"),
        (json!({"changes": [{"operation": "move", "position": 0}]}), "changes[0].operation"),
        (json!({"changes": [{"operation": "insert", "position": -1, "content": "x"}]}), "changes[0].position"),
        (json!({"changes": [insert, {"operation": "delete", "position": 0}]}), "changes[1].length"),
        (json!({"changes": [insert], "base_version": "1"}), "base_version"),
        (json!({"changes": [insert], "conflict_resolution": "hope"}), "conflict_resolution"),
    ] {
        let error = post(body, &token).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
        assert!(error["details"]["expected"].is_string(), "{error}");
    }
    let beyond =
        json!({"changes": [insert, {"operation": "insert", "position": 2, "content": "x"}], "base_version": 1});
    let error = post(beyond, &token).await.error(400, "INVALID_POSITION");
    assert_eq!(error["details"]["field"], "changes[1].position", "{error}");

    post(json!({"changes": [insert], "base_version": 9}), &token).await.error(409, "VERSION_UNKNOWN");
    post(one, &token).await.ok();
    let stale = json!({"changes": [insert], "base_version": 1, "conflict_resolution": "reject"});
    post(stale, &token).await.error(409, "VERSION_CONFLICT");
    assert_eq!(http::state(port, "jd_1", &token).await, (2, json!({"body": "xx"})));
}

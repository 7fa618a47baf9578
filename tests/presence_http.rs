//! Presence without a WebSocket: the reference's two examples, who is told what, when it is over, and what is refused.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use support::home::{EDIT, Home};
use support::http::{self, Answer};
use support::server::Server;
use support::socket::Socket;

const PRESENT: &str = "document:read document:write presence:read presence:write";

const ISSUER_KEY: &str = "an issuer's key of 32 bytes or so";

/// A token with claims that the command line does not know.
fn signed(mut claims: Value) -> String {
    // 2100-01-01
    claims["exp"] = json!(4_102_444_800_u64);
    let key = EncodingKey::from_secret(ISSUER_KEY.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("claims can be signed")
}

async fn put(server: &Server, user: &str, token: &str, body: &Value) -> Answer {
    let request = http::request("PUT", &format!("/api/presence/{user}"), Some(token), Some(body));
    http::exchange(server.port(), &request).await
}

async fn presence(server: &Server, document: &str, token: &str) -> Value {
    http::get(server.port(), &format!("/api/documents/{document}/presence"), token).await.ok()
}

/// A document of 2,000 units.
async fn write_document(server: &Server, document: &str, token: &str) {
    let insert = json!({"operation": "insert", "position": 0, "content": "0123456789".repeat(200)});
    http::post(server.port(), &format!("/api/documents/{document}/changes"), token, &json!({"changes": [insert]}))
        .await
        .ok();
}

async fn viewer(server: &Server, document: &str, token: &str) -> Socket {
    let target = format!("/ws/document/{document}?mode=view&token={token}");
    let mut socket = Socket::open(server.port(), &target).await;
    assert_eq!(socket.message().await["type"], "document.state");
    socket
}

#[tokio::test]
async fn both_examples_hold_figure_for_figure() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_AUTH__KEY", ISSUER_KEY).ready().await;
    let token = signed(json!({
        "sub": "user_123", "scope": PRESENT, "name": "Jane Smith", "color": "#ff6b6b",
        "picture": "https://avatars.example.com/user_123.jpg",
    }));
    write_document(&server, "jd_12345", &token).await;
    let editor = |user: &str| signed(json!({"sub": user, "scope": EDIT}));
    let (_one, _) = Socket::joined(server.port(), "jd_12345", &editor("user_1")).await;
    let (_two, _) = Socket::joined(server.port(), "jd_12345", &editor("user_2")).await;
    // The request of the reference, word for word.
    let update = json!({
        "status": "active",
        "current_document": "jd_12345",
        "cursor_position": 1250,
        "selection": {"start": 1200, "end": 1250},
        "activity": "editing"
    });
    let answer = put(&server, "user_123", &token, &update).await.ok();
    assert_eq!(answer, json!({"updated": true, "broadcast_sent": true, "active_users_in_document": 3}));

    let mut viewers = Vec::new();
    for number in 0..7 {
        viewers.push(viewer(&server, "jd_12345", &editor(&format!("viewer_{number}"))).await);
    }
    let mut shown = presence(&server, "jd_12345", &token).await;
    let users = shown["active_users"].as_array().expect("a list").clone();
    assert_eq!((users.len(), &users[0]["user_id"]), (10, &json!("user_1")), "those who edit come first");
    let mut user = users.into_iter().find(|user| user["user_id"] == "user_123").expect("the user is here");
    // What the reference does not show, and what depends on the moment.
    let more = user.as_object_mut().expect("an object");
    for (key, value) in [("role", "editor"), ("activity", "editing"), ("section", "body")] {
        assert_eq!(more.remove(key), Some(json!(value)));
    }
    assert_eq!(more.remove("section_position"), Some(json!(1250)));
    assert!(more["last_activity"].as_str().is_some_and(|time| time.ends_with('Z')));
    more["last_activity"] = json!("2025-09-21T12:45:25Z");
    shown["active_users"] = json!([user]);
    let expected = json!({
        "document_id": "jd_12345",
        "active_users": [
            {
                "user_id": "user_123",
                "display_name": "Jane Smith",
                "avatar_url": "https://avatars.example.com/user_123.jpg",
                "status": "active",
                "cursor_position": 1250,
                "selection": {"start": 1200, "end": 1250},
                "last_activity": "2025-09-21T12:45:25Z",
                "color": "#ff6b6b"
            }
        ],
        "total_viewers": 7,
        "total_editors": 3
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn others_are_told_of_coming_moving_and_going() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_PRESENCE__EXPIRE_SECONDS", "2").ready().await;
    let (ann, ben) = (home.token("ann"), home.token_with("ben", PRESENT, &["--name", "Ben Example"]));
    for document in ["doc_1", "doc_2", "doc_3"] {
        write_document(&server, document, &ann).await;
    }
    let (mut first, _) = Socket::joined(server.port(), "doc_1", &ann).await;
    let (mut second, _) = Socket::joined(server.port(), "doc_2", &ann).await;
    let watcher = home.token_with("watcher", "presence:read", &[]);
    let mut feed = Socket::open(server.port(), &format!("/ws/presence?token={watcher}")).await;
    feed.next("presence.snapshot").await;
    let status = async |socket: &mut Socket| {
        let payload = socket.next("user.presence").await["payload"].clone();
        format!("{} {}", payload["display_name"].as_str().unwrap_or("?"), payload["status"].as_str().unwrap_or("?"))
    };
    let active = |document: &str| json!({"status": "active", "current_document": document, "cursor_position": 5});
    put(&server, "ben", &ben, &active("doc_1")).await.ok();
    assert_eq!(status(&mut first).await, "Ben Example joined");
    let cursor = first.next("cursor.position").await;
    assert_eq!((&cursor["payload"]["position"], &cursor["metadata"]["user_id"]), (&json!(5), &json!("ben")));
    let told = feed.next("user.presence").await["payload"].clone();
    assert_eq!((&told["document_id"], &told["status"]), (&json!("doc_1"), &json!("joined")), "{told}");
    assert_eq!(told["total_editors"], 2, "{told}");
    // Another document is not the one before any more.
    put(&server, "ben", &ben, &active("doc_2")).await.ok();
    assert_eq!(status(&mut second).await, "Ben Example joined");
    assert_eq!(status(&mut first).await, "Ben Example left");
    put(&server, "ben", &ben, &json!({"status": "idle", "current_document": "doc_2"})).await.ok();
    assert_eq!(status(&mut second).await, "Ben Example idle");
    // In no document at all.
    let nowhere = put(&server, "ben", &ben, &json!({"status": "active"})).await.ok();
    assert_eq!(nowhere, json!({"updated": true, "broadcast_sent": true, "active_users_in_document": 0}));
    assert_eq!(status(&mut second).await, "Ben Example left");
    let nowhere = put(&server, "ben", &ben, &json!({"status": "active"})).await.ok();
    assert_eq!(nowhere["broadcast_sent"], false);
    // In a document that nobody is connected to, and over when nothing more is said.
    let alone = put(&server, "ben", &ben, &active("doc_3")).await.ok();
    assert_eq!(alone, json!({"updated": true, "broadcast_sent": false, "active_users_in_document": 1}));
    support::until("the visit to be over", async || {
        (presence(&server, "doc_3", &watcher).await["total_editors"] == 0).then_some(())
    })
    .await;
    loop {
        let told = feed.next("user.presence").await["payload"].clone();
        if told["document_id"] == "doc_3" && told["status"] == "left" {
            break;
        }
    }
}

#[tokio::test]
async fn a_visit_beside_a_connection_is_no_second_coming() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ann, ben) = (home.token("ann"), home.token_with("ben", PRESENT, &[]));
    write_document(&server, "doc_1", &ann).await;
    let (mut first, _) = Socket::joined(server.port(), "doc_1", &ann).await;
    let (own, _) = Socket::joined(server.port(), "doc_1", &ben).await;
    assert_eq!(first.next("user.presence").await["payload"]["status"], "joined");
    let update = json!({"status": "active", "current_document": "doc_1"});
    let answer = put(&server, "ben", &ben, &update).await.ok();
    assert_eq!(answer, json!({"updated": true, "broadcast_sent": false, "active_users_in_document": 2}));
    own.send_bytes(Vec::new());
    support::until("the connection to be gone", async || {
        let answer = http::get(server.port(), "/api/documents/doc_1/state", &ann).await.ok();
        (answer["active_editors"].as_array().is_some_and(|editors| editors.len() == 2)).then_some(())
    })
    .await;
    put(&server, "ben", &ben, &json!({"status": "active"})).await.ok();
    let left = first.next("user.presence").await;
    assert_eq!(left["payload"]["status"], "left", "{left}");
}

#[tokio::test]
async fn an_admin_tells_of_others() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let admin = home.token_with("admin", "document:admin presence:read", &[]);
    write_document(&server, "doc_1", &admin).await;
    let update = json!({"status": "active", "current_document": "doc_1", "activity": "viewing"});
    put(&server, "a%2Fb", &admin, &update).await.ok();
    let shown = presence(&server, "doc_1", &admin).await;
    assert_eq!(shown["active_users"][0]["user_id"], "a/b", "{shown}");
    assert_eq!((&shown["total_viewers"], &shown["total_editors"]), (&json!(1), &json!(0)), "{shown}");
    // What an admin knows of them does not stand in front of what they say of themselves.
    let named = home.token_with("ben", EDIT, &["--name", "Ben Example"]);
    let (_ben, _) = Socket::joined(server.port(), "doc_1", &named).await;
    put(&server, "ben", &admin, &update).await.ok();
    let shown = presence(&server, "doc_1", &admin).await;
    assert_eq!(shown["active_users"][0]["display_name"], "Ben Example", "{shown}");
}

#[tokio::test]
async fn nobody_is_taken_out_of_a_document_that_the_token_does_not_cover() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ann, ben) = (home.token("ann"), home.token_with("ben", PRESENT, &[]));
    for document in ["doc_1", "doc_2"] {
        write_document(&server, document, &ann).await;
    }
    put(&server, "ben", &ben, &json!({"status": "active", "current_document": "doc_2"})).await.ok();
    let limited = home.token_with("carl", "document:admin presence:read", &["--document", "doc_1"]);
    for body in [json!({"status": "idle"}), json!({"status": "active", "current_document": "doc_1"})] {
        put(&server, "ben", &limited, &body).await.error(403, "FORBIDDEN");
        let there = presence(&server, "doc_2", &ben).await;
        assert_eq!(there["active_users"][0]["user_id"], "ben", "{there}");
    }
    // Where the token does cover it they may be taken out, and whoever is nowhere may be put there.
    put(&server, "ben", &ben, &json!({"status": "active", "current_document": "doc_1"})).await.ok();
    put(&server, "ben", &limited, &json!({"status": "idle"})).await.ok();
    assert_eq!(presence(&server, "doc_1", &ben).await["active_users"], json!([]));
    put(&server, "ben", &limited, &json!({"status": "active", "current_document": "doc_1"})).await.ok();
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token_with("ann", PRESENT, &[]);
    write_document(&server, "doc_1", &token).await;
    let active = json!({"status": "active", "current_document": "doc_1"});
    let with = |key: &str, value: Value| {
        let mut body = active.clone();
        body[key] = value;
        body
    };
    for (body, code, field) in [
        (json!({}), "VALIDATION_ERROR", "status"),
        (with("status", json!("left")), "VALIDATION_ERROR", "status"),
        (with("status", json!("busy")), "VALIDATION_ERROR", "status"),
        (with("current_document", json!("-bad")), "VALIDATION_ERROR", "current_document"),
        (with("current_document", json!("é")), "VALIDATION_ERROR", "current_document"),
        (with("cursor_position", json!(-1)), "VALIDATION_ERROR", "cursor_position"),
        (with("cursor_position", json!(2_001)), "INVALID_POSITION", "cursor_position"),
        (with("selection", json!({"start": 0, "end": 2_001})), "INVALID_POSITION", "selection.end"),
        (with("selection", json!({"start": 2, "end": 1})), "VALIDATION_ERROR", "selection.end"),
        (with("activity", json!("x".repeat(65))), "VALIDATION_ERROR", "activity"),
        (json!({"status": "active", "cursor_position": 0}), "VALIDATION_ERROR", "cursor_position"),
    ] {
        let error = put(&server, "ann", &token, &body).await.error(400, code);
        assert_eq!(error["details"]["field"], field, "{error}");
        assert!(error["details"]["expected"].is_string(), "{error}");
    }
    assert_eq!(presence(&server, "doc_1", &token).await["total_editors"], 0, "nothing of it had an effect");
    put(&server, "ann?position_encoding=utf-7", &token, &active).await.error(400, "VALIDATION_ERROR");
    put(&server, "%00", &token, &active).await.error(400, "VALIDATION_ERROR");
    put(&server, "ann", &token, &with("current_document", json!("doc_9"))).await.error(404, "DOCUMENT_NOT_FOUND");
    put(&server, "ben", &token, &active).await.error(403, "FORBIDDEN");
    put(&server, "ann", &home.token("ann"), &active).await.error(403, "FORBIDDEN");
    let limited = home.token_with("ann", PRESENT, &["--document", "other_*"]);
    put(&server, "ann", &limited, &active).await.error(403, "FORBIDDEN");
    put(&server, "ann", "garbage", &active).await.error(401, "UNAUTHENTICATED");
    let of =
        async |token: &str, id: &str| http::get(server.port(), &format!("/api/documents/{id}/presence"), token).await;
    of(&home.token("ann"), "doc_1").await.error(403, "FORBIDDEN");
    of(&limited, "doc_1").await.error(403, "FORBIDDEN");
    of(&token, "doc_9").await.error(404, "DOCUMENT_NOT_FOUND");
    of(&token, "-bad").await.error(400, "VALIDATION_ERROR");
    let path = "/api/documents/doc_1/presence?position_encoding=x";
    http::get(server.port(), path, &token).await.error(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn positions_are_in_the_encoding_that_is_asked_for() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token_with("ann", PRESENT, &[]);
    let insert = json!({"operation": "insert", "position": 0, "content": "é\u{1F600}x"});
    http::post(server.port(), "/api/documents/doc_1/changes", &token, &json!({"changes": [insert]})).await.ok();
    for (encoding, length) in [("utf-16", 4), ("utf-32", 3), ("utf-8", 7)] {
        let body = json!({"status": "active", "current_document": "doc_1", "cursor_position": length});
        put(&server, &format!("ann?position_encoding={encoding}"), &token, &body).await.ok();
        for (other, end) in [("utf-16", 4), ("utf-32", 3), ("utf-8", 7)] {
            let path = format!("/api/documents/doc_1/presence?position_encoding={other}");
            let shown = http::get(server.port(), &path, &token).await.ok();
            assert_eq!(shown["active_users"][0]["cursor_position"], end, "{shown}");
        }
        let beyond = json!({"status": "active", "current_document": "doc_1", "cursor_position": length + 1});
        let error = put(&server, &format!("ann?position_encoding={encoding}"), &token, &beyond).await;
        error.error(400, "INVALID_POSITION");
    }
}

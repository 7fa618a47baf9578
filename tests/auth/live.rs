//! Tokens on open connections: they run out, and new ones take their place.

use serde_json::{Value, json};

use crate::clock::now;
use crate::issuer::{Issuer, jwks};
use crate::support::events::{Ask, EventStream};
use crate::support::home::{EDIT, Home};
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Seconds for which the short tokens of these tests are good.
const SHORT: u64 = 3;

async fn start(home: &Home, issuer: &Issuer) -> Server {
    std::fs::write(home.path("jwks.json"), jwks(&[issuer])).expect("a file");
    let path = home.path("jwks.json");
    let start = home.start().env("JDDB_AUTH__JWKS_FILE", path.to_str().expect("a path in UTF-8"));
    start.env("JDDB_AUTH__LEEWAY_SECONDS", "0").ready().await
}

fn token(issuer: &Issuer, user: &str, scope: &str, seconds: u64) -> String {
    issuer.token_with(&json!({"sub": user, "scope": scope, "exp": now() + seconds}))
}

fn refresh(token: &str) -> Value {
    json!({"type": "auth.refresh", "payload": {"token": token}, "metadata": {"correlation_id": "r1"}})
}

/// Told that its token has expired, and closed.
async fn expires(socket: &mut Socket) {
    let (messages, code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "UNAUTHENTICATED"), "{messages:?}");
    let last = &messages.last().expect("a reason")["payload"];
    assert_eq!((&last["error_code"], &last["severity"]), (&json!("UNAUTHENTICATED"), &json!("critical")));
}

async fn changes(socket: &mut Socket, name: &str) {
    socket.send(&json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": 0, "content": "x"},
        "metadata": {"client_id": "c", "correlation_id": name},
    }));
    assert_eq!(socket.next("document.ack").await["payload"]["correlation_id"], name);
}

#[tokio::test]
async fn a_token_that_expires_closes_its_connection_and_a_new_one_keeps_it() {
    let home = Home::new();
    let issuer = Issuer::es256("k");
    let server = start(&home, &issuer).await;
    let mut renewed = Vec::new();
    // One on each core, most likely.
    for document in ["doc_0", "doc_1", "doc_2", "doc_3"] {
        let (mut socket, _) = Socket::joined(server.port(), document, &token(&issuer, "ada", EDIT, SHORT)).await;
        let warning = socket.error("TOKEN_EXPIRING").await;
        assert_eq!(warning["severity"], "warning", "{warning}");
        let long = token(&issuer, "ada", EDIT, 3_600);
        socket.send(&refresh(&long));
        let answer = socket.next("auth.refreshed").await;
        assert_eq!(answer["metadata"]["correlation_id"], "r1", "{answer}");
        assert_eq!(answer["payload"]["can_edit"], true, "{answer}");
        renewed.push(socket);
    }
    // Begun later, it ends later than these would have.
    let (mut forgotten, _) = Socket::joined(server.port(), "doc_0", &token(&issuer, "ben", EDIT, SHORT + 1)).await;
    let mut watcher = Socket::open(
        server.port(),
        &format!("/ws/presence?token={}", token(&issuer, "eve", "presence:read", SHORT + 1)),
    )
    .await;
    watcher.error("TOKEN_EXPIRING").await;
    expires(&mut forgotten).await;
    expires(&mut watcher).await;
    for socket in &mut renewed {
        changes(socket, "m1").await;
    }
}

#[tokio::test]
async fn a_token_that_expires_ends_its_event_streams() {
    let home = Home::new();
    let issuer = Issuer::es256("k");
    let server = start(&home, &issuer).await;
    let scope = "document:admin presence:read";
    let (mut editor, _) = Socket::joined(server.port(), "doc", &token(&issuer, "zoe", EDIT, 3_600)).await;
    let mut streams = Vec::new();
    for target in ["/api/documents/doc/events", "/api/presence/events", "/api/monitoring/events"] {
        let token = token(&issuer, "ada", scope, SHORT);
        streams.push(EventStream::open(server.port(), &Ask { target, token: &token, ..Ask::default() }).await);
    }
    for stream in &mut streams {
        let mut errors = Vec::new();
        while let Some(event) = stream.next().await {
            if event.message["type"] == "system.error" {
                let payload = &event.message["payload"];
                errors.push((payload["error_code"].clone(), payload["severity"].clone()));
                assert_eq!(event.id, None, "{event:?}");
            }
        }
        let expected = [(json!("TOKEN_EXPIRING"), json!("warning")), (json!("UNAUTHENTICATED"), json!("critical"))];
        assert_eq!(errors, expected);
        assert!(stream.is_whole, "the stream ends as it should");
        assert_eq!(stream.comments.last().map(String::as_str), Some("closed 1008 UNAUTHENTICATED"));
    }
    // Whoever comes back with the same token is refused; with another one they go on where they were.
    let target = "/api/documents/doc/events";
    let seen = streams[0].last_event_id.clone();
    let old = token(&issuer, "ada", scope, 0);
    let ask = Ask { target, token: &old, last_event_id: seen.as_deref(), ..Ask::default() };
    EventStream::try_open(server.port(), &ask).await.expect_err("no stream").error(401, "UNAUTHENTICATED");
    changes(&mut editor, "m1").await;
    let new = token(&issuer, "ada", scope, 3_600);
    let mut resumed = EventStream::open(server.port(), &Ask { token: &new, ..ask }).await;
    assert_eq!(resumed.next_of("document.change").await.message["payload"]["version"], 1);
    changes(&mut editor, "m2").await;
    assert_eq!(resumed.next_of("document.change").await.message["payload"]["version"], 2);
}

#[tokio::test]
async fn only_a_good_token_of_the_same_user_extends() {
    let home = Home::new();
    let issuer = Issuer::es256("k");
    let server = start(&home, &issuer).await;
    let (mut socket, _) = Socket::joined(server.port(), "doc", &token(&issuer, "ada", EDIT, SHORT + 3)).await;
    let elsewhere = issuer.token_with(&json!({"sub": "ada", "scope": EDIT, "exp": now() + 60, "documents": ["other"]}));
    for (bad, code) in [
        (token(&issuer, "mallory", "document:admin", 3_600), "FORBIDDEN"),
        (elsewhere, "FORBIDDEN"),
        (token(&issuer, "ada", "presence:read", 3_600), "FORBIDDEN"),
        (token(&Issuer::es256("k"), "ada", EDIT, 3_600), "UNAUTHENTICATED"),
        (issuer.token_with(&json!({"sub": "ada", "scope": EDIT, "exp": now() - 1})), "UNAUTHENTICATED"),
        ("garbage".to_owned(), "UNAUTHENTICATED"),
        (String::new(), "UNAUTHENTICATED"),
    ] {
        socket.send(&refresh(&bad));
        let error = loop {
            let error = socket.next("system.error").await;
            if error["payload"]["error_code"] != "TOKEN_EXPIRING" {
                break error;
            }
        };
        assert_eq!(error["payload"]["error_code"], code, "{error}");
        assert_eq!(error["payload"]["details"]["field"], "payload.token", "{error}");
        assert_eq!(error["metadata"]["correlation_id"], "r1", "{error}");
        let shown = format!("{error} {}", server.log());
        assert!(bad.len() < 20 || !shown.contains(&bad), "the token is told");
    }
    expires(&mut socket).await;
}

#[tokio::test]
async fn fewer_scopes_make_a_viewer() {
    let home = Home::new();
    let issuer = Issuer::es256("k");
    let server = start(&home, &issuer).await;
    let (mut socket, _) = Socket::joined(server.port(), "doc", &token(&issuer, "ada", EDIT, 3_600)).await;
    changes(&mut socket, "m1").await;
    socket.send(&refresh(&token(&issuer, "ada", "document:read", 3_600)));
    assert_eq!(socket.next("auth.refreshed").await["payload"]["can_edit"], false);
    socket.send(&json!({"type": "document.change", "payload": {"operation": "insert", "position": 0, "content": "y"}}));
    socket.error("FORBIDDEN").await;
}

#[tokio::test]
async fn a_watcher_sees_what_its_new_token_covers() {
    let home = Home::new();
    let issuer = Issuer::es256("k");
    let server = start(&home, &issuer).await;
    let (_editor, _) = Socket::joined(server.port(), "doc", &token(&issuer, "zoe", EDIT, 3_600)).await;
    let of = |documents: Value| {
        issuer
            .token_with(&json!({"sub": "eve", "scope": "presence:read", "exp": now() + 3_600, "documents": documents}))
    };
    let mut watcher = Socket::open(server.port(), &format!("/ws/presence?token={}", of(json!(["other"])))).await;
    let before = watcher.next("presence.snapshot").await;
    assert!(!before.to_string().contains("zoe"), "{before}");
    watcher.send(&refresh(&of(json!(["doc"]))));
    watcher.next("auth.refreshed").await;
    let after = watcher.next("presence.snapshot").await;
    assert!(after.to_string().contains("zoe"), "{after}");
    watcher.send(&refresh(&token(&issuer, "eve", EDIT, 3_600)));
    assert_eq!(watcher.error("FORBIDDEN").await["details"]["field"], "payload.token");
}

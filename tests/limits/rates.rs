//! Messages beyond the rates.

use serde_json::{Value, json};

use crate::support::home::{EDIT, Home};
use crate::support::socket::{Received, Socket};
use crate::support::{http, until, within};
use crate::{acknowledged, answers, insert, send_at_once, send_inserts, token};

fn check_refusal(answer: &Value, limit_type: &str, rates: [&str; 2], name: &str) {
    let retry_after = answer["payload"]["retry_after"].as_u64().expect("retry_after");
    let span = if limit_type == "message_rate" { 60 } else { 1 };
    assert!((1..=span).contains(&retry_after), "{answer}");
    let payload = json!({
        "error_code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "retry_after": retry_after,
        "severity": "warning", "limit_type": limit_type, "current_rate": rates[0], "allowed_rate": rates[1],
    });
    assert_eq!(answer["payload"], payload);
    assert_eq!(answer["metadata"]["correlation_id"], name);
}

#[tokio::test]
async fn ten_messages_a_second_and_no_eleventh() {
    let home = Home::new();
    let server = home.start().ready().await;
    let ada = token(&home, "ada");
    let (mut socket, _) = Socket::joined(server.port(), "doc", &ada).await;
    let (mut other, _) = Socket::joined(server.port(), "doc", &token(&home, "ben")).await;
    send_inserts(&socket, 13);
    let answers = answers(&mut socket, 13).await;
    let refused: Vec<&Value> = answers.iter().filter(|answer| answer["type"] == "system.error").collect();
    for (index, answer) in refused.iter().enumerate() {
        let rates = [&*format!("{} messages/second", 11 + index), "10 messages/second"];
        check_refusal(answer, "burst_rate", rates, &format!("m{}", 11 + index));
    }
    assert_eq!((refused.len(), acknowledged(&answers)), (3, 10));
    // Another connection has a rate of its own, and sees what was accepted.
    send_inserts(&other, 10);
    let seen = within("all that was accepted", async {
        let mut seen = 0;
        while seen < 20 {
            let message = other.message().await;
            seen += usize::from(message["type"] == "document.change" || message["type"] == "document.ack");
        }
        seen
    });
    assert_eq!(seen.await, 20);
    assert_eq!(http::state(server.port(), "doc", &ada).await.0, 20);
}

#[tokio::test]
async fn a_hundred_messages_a_minute_and_what_was_refused_may_come_again() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__BURST_PER_SECOND", "0").ready().await;
    let (mut socket, _) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    send_inserts(&socket, 105);
    let answers = answers(&mut socket, 105).await;
    assert_eq!(acknowledged(&answers), 100);
    let last = answers.iter().rev().find(|answer| answer["type"] == "system.error").expect("a refusal");
    check_refusal(last, "message_rate", ["105 messages/minute", "100 messages/minute"], "m105");
    // Heartbeats do not count, nor does a join.
    socket.send(&json!({"type": "system.heartbeat", "payload": {"client_time": 1}}));
    socket.send(&json!({"type": "document.join", "payload": {"document_id": "doc"}}));
    assert_eq!(socket.next("system.heartbeat").await["payload"]["client_time"], 1);
    assert_eq!(socket.next("document.state").await["payload"]["version"], 100);
    // A new connection may send at once what the old one could not.
    let (mut again, _) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    again.send(&insert("x", "m105"));
    assert_eq!(again.next("document.ack").await["payload"]["version"], 101);
}

#[tokio::test]
async fn one_large_message_a_second() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (mut socket, _) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    let large = "x".repeat(10_240);
    send_at_once(&socket, [insert(&large, "a"), insert(&large, "b"), insert("small", "c")]);
    let answers = answers(&mut socket, 3).await;
    let refused = answers.iter().find(|answer| answer["type"] == "system.error").expect("a refusal");
    check_refusal(refused, "large_message", ["2 large messages/second", "1 large messages/second"], "b");
    assert_eq!(acknowledged(&answers), 2);
}

#[tokio::test]
async fn repeated_refusals_close_with_4000_and_nobody_else_notices() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (mut bystander, _) = Socket::joined(server.port(), "doc", &token(&home, "ben")).await;
    let (mut socket, _) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    send_inserts(&socket, 200);
    let (messages, code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (4000, "too many messages beyond the rate limits: wait, then reconnect"));
    let errors: Vec<&Value> = messages.iter().filter(|message| message["type"] == "system.error").collect();
    assert_eq!((errors.len(), acknowledged(&messages)), (20, 10));
    assert_eq!(
        (&errors[18]["payload"]["severity"], &errors[19]["payload"]["severity"]),
        (&json!("warning"), &json!("critical"))
    );
    for version in 1..=10 {
        assert_eq!(bystander.next("document.change").await["payload"]["version"], version);
    }
    bystander.send(&insert("y", "b1"));
    assert_eq!(bystander.next("document.ack").await["payload"]["version"], 11);
}

#[tokio::test]
async fn a_token_may_grant_other_rates() {
    let home = Home::new();
    let server = home.start().ready().await;
    let limits = r#"{"connections": 3, "messages_per_minute": 40, "burst_per_second": 50}"#;
    let token = home.token_with("ada", EDIT, &["--limits", limits]);
    let (mut socket, state) = Socket::joined(server.port(), "doc", &token).await;
    let shown = ["user_connections", "messages_per_minute", "burst_per_second", "large_messages_per_second"];
    assert_eq!(shown.map(|name| state["limits"][name].as_u64()), [Some(3), Some(40), Some(50), Some(1)]);
    send_inserts(&socket, 41);
    let answers = answers(&mut socket, 41).await;
    assert_eq!(acknowledged(&answers), 40);
    let refused = answers.iter().find(|answer| answer["type"] == "system.error").expect("a refusal");
    check_refusal(refused, "message_rate", ["41 messages/minute", "40 messages/minute"], "m41");
}

#[tokio::test]
async fn the_limits_in_force_are_in_the_state() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (_socket, state) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    let limits = json!({
        "mode": "enforce", "connections": 10_000, "user_connections": 10, "document_editors": 50,
        "messages_per_minute": 100, "burst_per_second": 10, "large_message_bytes": 10_240,
        "large_messages_per_second": 1, "refusals_per_minute": 20,
    });
    for (name, value) in limits.as_object().expect("an object") {
        assert_eq!(&state["limits"][name], value, "{name}: {}", state["limits"]);
    }
}

#[tokio::test]
async fn observing_refuses_nothing_and_tells_the_operator() {
    let home = Home::new();
    let start = home.start().env("JDDB_LIMITS__MODE", "observe").env("JDDB_LIMITS__USER_CONNECTIONS", "1");
    let server = start.env("JDDB_LIMITS__DOCUMENT_EDITORS", "1").ready().await;
    let (mut socket, state) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    assert_eq!(state["limits"]["mode"], "observe");
    let (_second, _) = Socket::joined(server.port(), "doc", &token(&home, "ada")).await;
    let (_third, _) = Socket::joined(server.port(), "doc", &token(&home, "ben")).await;
    send_inserts(&socket, 150);
    assert_eq!(acknowledged(&answers(&mut socket, 150).await), 150);
    until("the counts to be logged", async || {
        let log = server.log();
        let counted = |what: &str| log.lines().any(|line| line.contains("let through") && line.contains(what));
        let all = ["burst_rate=140", "closed=7", "user_connections=1", "document_editors=1"];
        all.iter().all(|what| counted(what)).then_some(())
    })
    .await;
}

/// The flow of the reference's Artillery file: one token for all, which therefore grants more connections.
#[tokio::test]
async fn the_references_load_test_meets_no_limit() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token_with("load", EDIT, &["--limits", r#"{"connections": 1000}"#]);
    let headers = format!("Authorization: Bearer {token}\r\n");
    let mut visitors = Vec::new();
    for visitor in 0..60 {
        let target = format!("/ws/document/test_doc_{}", visitor % 7);
        let opened = within("an upgrade", Socket::try_open(server.port(), &target, &headers)).await;
        let socket = opened.expect("a WebSocket");
        let change = json!({"operation": "insert", "position": visitor, "content": "Test content 1758458730123"});
        socket.send(&json!({"type": "document.change", "payload": change}));
        socket.send(&json!({"type": "cursor.position", "payload": {"position": visitor}}));
        socket.send(&json!({"type": "system.heartbeat", "payload": {"client_time": visitor}}));
        visitors.push(socket);
    }
    for mut socket in visitors {
        loop {
            match socket.receive().await {
                Received::Message(message) if message["type"] == "system.heartbeat" => break,
                Received::Message(message) => assert_ne!(message["type"], "system.error", "{message}"),
                ended => panic!("{ended:?}"),
            }
        }
    }
}

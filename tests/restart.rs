//! Stopping politely and starting again: who is told what, and what is still there.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::path::Path;
use std::time::Duration;

use rocksdb::{DB, IteratorMode, Options};
use serde_json::{Value, json};
use support::client::Client;
use support::home::Home;
use support::server::Server;
use support::socket::{Received, Socket, frame, upgrade};
use support::{http, until, within};
use tokio::io::AsyncWriteExt as _;

/// The default of `drain_seconds`, and a little for the process to end.
const DRAIN: Duration = Duration::from_secs(12);

/// Waits for a server that was asked to stop; returns its exit code.
async fn stopped_in_time(mut server: Server) -> Option<i32> {
    tokio::time::timeout(DRAIN, server.wait()).await.expect("the server stops within its drain time").code()
}

fn check_farewell(messages: &[Value], code: u16, reason: &str) {
    let last = messages.last().expect("an error before the close");
    assert_eq!(last["type"], "system.error", "{last}");
    assert_eq!(last["payload"]["error_code"], "SHUTTING_DOWN", "{last}");
    assert_eq!(last["payload"]["severity"], "critical", "{last}");
    assert_eq!(code, 1001, "{reason}");
    let retry = reason.strip_prefix("SHUTTING_DOWN retry_ms=").unwrap_or_else(|| panic!("the reason is {reason:?}"));
    assert!(retry.parse::<u64>().is_ok(), "{reason}");
}

#[tokio::test]
async fn everyone_is_told_and_everything_is_kept() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (mut watcher, state) = Socket::joined(server.port(), "kept", &home.token("watcher")).await;
    let mut client = Client::joined("kept", &home.token("alice"), "a", server.port()).await;
    for index in 0..200 {
        client.editor().edit("body", index, 0, "x");
    }
    client.flush().await;
    let text = client.editor().sections();
    let port = server.port();
    server.ask_to_stop();
    assert_eq!(stopped_in_time(server).await, Some(0));
    for socket in [client.socket(), &mut watcher] {
        let (messages, code, reason) = socket.closed().await;
        check_farewell(&messages, code, &reason);
    }
    assert!(http::try_get(port, "/readyz").await.is_err(), "nobody listens any more");

    let server = home.start().ready().await;
    let token = home.token("reader");
    assert_eq!(http::state(server.port(), "kept", &token).await, (200, text));
    let (_socket, again) = Socket::joined(server.port(), "kept", &token).await;
    assert_eq!(again["session_id"], state["session_id"]);
    assert!(again["session_id"].as_str().is_some_and(|id| id.starts_with("sess_")), "{again}");
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut client = Client::joined("busy", &home.token("alice"), "a", server.port()).await;
    // Long enough that what is missed is shorter than the whole text, and is sent instead of it.
    client.editor().edit("body", 0, 0, &"y".repeat(10_000));
    for index in 0..2_000 {
        client.editor().edit("body", index, 0, "x");
    }
    // Asked to stop in the middle of it.
    while client.editor().acknowledged.len() < 50 {
        client.push();
        within("an acknowledgement", client.step()).await.expect("the connection stays open");
    }
    server.ask_to_stop();
    let typed = async {
        loop {
            client.push();
            let message = match client.socket().receive_any().await {
                Received::Message(message) => message,
                ended => return ended,
            };
            if message["type"] != "system.error" {
                client.editor().take(&message);
            }
        }
    };
    let end = within("the close", typed).await;
    assert!(matches!(end, Received::Closed(1001, _)), "{end:?}");
    assert_eq!(stopped_in_time(server).await, Some(0));

    let server = home.start().ready().await;
    let acknowledged = client.editor().acknowledged.len() as u64;
    let (version, _) = http::state(server.port(), "busy", &home.token("reader")).await;
    assert!(version == acknowledged || version == acknowledged + 1, "{version} versions, {acknowledged} acknowledged");
    within("a reconnect", client.connect(server.port())).await.expect("the server takes the client back");
    client.flush().await;
    assert_eq!(http::state(server.port(), "busy", &home.token("reader")).await, (2_001, client.editor().sections()));
}

#[tokio::test]
async fn a_resend_after_a_restart_is_acknowledged_with_its_first_version() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("alice");
    let change = |index: u64| {
        json!({
            "type": "document.change",
            "payload": {"operation": "insert", "position": 0, "content": format!("{index},"), "base_version": index},
            "metadata": {"client_id": "a", "correlation_id": format!("change-{index}")},
        })
    };
    let (mut socket, _) = Socket::joined(server.port(), "again", &token).await;
    for index in 0..70 {
        socket.send(&change(index));
        let ack = socket.next("document.ack").await;
        assert_eq!(ack["payload"]["version"], index + 1, "{ack}");
        assert_eq!(ack["payload"]["correlation_id"], format!("change-{index}"), "{ack}");
    }
    let before = http::state(server.port(), "again", &token).await;
    server.kill_nine();
    for polite in [true, false] {
        let server = home.start().ready().await;
        let (mut socket, state) = Socket::joined(server.port(), "again", &token).await;
        assert_eq!(state["version"], 70);
        // The last 64 are known.
        for index in 6..70 {
            socket.send(&change(index));
            let ack = socket.next("document.ack").await;
            assert_eq!(ack["payload"]["version"], index + 1, "{ack}");
        }
        let mut other = change(20);
        other["payload"]["content"] = "something else".into();
        socket.send(&other);
        let error = socket.error("VALIDATION_ERROR").await;
        assert_eq!(error["details"]["field"], "metadata.correlation_id", "{error}");
        assert_eq!(http::state(server.port(), "again", &token).await, before);
        if polite {
            server.ask_to_stop();
            assert_eq!(stopped_in_time(server).await, Some(0));
        } else {
            server.kill_nine();
        }
    }
}

/// A client that reads nothing, and pings so as not to seem dead, is closed as too slow; and cut, since it does not
/// take the close either.
#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    const PASTES: usize = 150;
    let home = Home::new();
    let start = home.start().env("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "65536");
    let server = start.env("JDDB_LIMITS__LARGE_MESSAGES_PER_SECOND", "0").ready().await;
    let target = format!("/ws/document/slow?token={}", home.token("idler"));
    let (mut idler, answer) = upgrade(server.port(), &target, "").await.expect("an answer");
    assert_eq!(answer.status, 101);
    let mut writer = Client::joined("slow", &home.token("writer"), "w", server.port()).await;
    let paste = "x".repeat(100_000);
    for index in 0..PASTES {
        let (deleted, inserted) = if index % 2 == 0 { (0, paste.as_str()) } else { (paste.len(), "") };
        writer.editor().edit("body", 0, deleted, inserted);
    }
    writer.flush().await;
    within("the server to cut the connection", async {
        let mut pings = tokio::time::interval(Duration::from_millis(100));
        let ping = frame(0x89, Some([1, 2, 3, 4]), b"");
        while idler.write_all(&ping).await.is_ok() {
            pings.tick().await;
        }
    })
    .await;
    writer.editor().edit("body", 0, 0, "y");
    writer.flush().await;
    server.ask_to_stop();
    assert_eq!(stopped_in_time(server).await, Some(0));
}

/// A document that is never edited for long at a time gets its snapshots all the same.
#[tokio::test]
async fn short_sittings_lead_to_a_snapshot() {
    let home = Home::new();
    let start = || home.start().env("JDDB_DOCUMENTS__SNAPSHOT_EVERY_VERSIONS", "10");
    for sitting in 0..2 {
        let server = start().ready().await;
        let client_id = format!("sitting {sitting}");
        let mut client = Client::joined("short", &home.token("alice"), &client_id, server.port()).await;
        for _ in 0..6 {
            client.editor().edit("body", 0, 0, "x");
        }
        client.flush().await;
        if sitting == 1 {
            until("a snapshot", async || (snapshots(&home.data().join("documents")) > 0).then_some(())).await;
        }
        server.kill_nine();
    }
    let server = start().ready().await;
    assert_eq!(http::state(server.port(), "short", &home.token("reader")).await, (12, json!({"body": "x".repeat(12)})));
}

/// How many snapshots there are, without disturbing the server whose database it is.
fn snapshots(database: &Path) -> usize {
    let families =
        ["default", "journal", "snapshots", "sessions", "saves", "catalogue", "logins", "translations", "meta"];
    let Ok(db) = DB::open_cf_for_read_only(&Options::default(), database, families, false) else { return 0 };
    let family = db.cf_handle("snapshots").expect("the family of snapshots");
    db.iterator_cf(family, IteratorMode::Start).count()
}

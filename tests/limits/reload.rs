//! SIGHUP: other limits while clients are connected.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::home::{EDIT, Home};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{MASK, Socket, frame};
use crate::support::until;
use crate::{acknowledged, answers, insert, send_inserts, token};

/// A server with a configuration file that changes.
struct Configured<'h> {
    file: PathBuf,
    server: Server,
    home: &'h Home,
}

impl<'h> Configured<'h> {
    async fn start(home: &'h Home, text: &str) -> Self {
        let file = home.path("server.toml");
        fs::write(&file, text).expect("a file");
        let server = home.start().args(&["--config", file.to_str().expect("a path in UTF-8")]).ready().await;
        Self { file, server, home }
    }

    /// Changes the file and tells the server; waits for the log to say so.
    async fn reload(&self, text: &str, told: &str) {
        fs::write(&self.file, text).expect("a file");
        let before = self.server.log().len();
        self.server.hang_up();
        until(told, async || self.server.log()[before..].contains(told).then_some(())).await;
    }

    async fn joined(&self, document: &str, user: &str) -> (Socket, Value) {
        Socket::joined(self.server.port(), document, &token(self.home, user)).await
    }
}

/// The limits that a connection is told of when it asks.
async fn limits(socket: &mut Socket) -> Value {
    socket.send(&json!({"type": "document.join", "payload": {}}));
    socket.next("document.state").await["payload"]["limits"].clone()
}

/// Of so many heartbeats sent at once, those that were answered.
async fn beats_answered(socket: &mut Socket, count: usize) -> usize {
    (0..count).for_each(|_| socket.send(&json!({"type": "system.heartbeat", "payload": {}})));
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < count {
        match socket.message().await["type"].as_str() {
            Some("system.heartbeat") => answered += 1,
            Some("system.error") => refused += 1,
            _ => {}
        }
    }
    answered
}

const READ: &str = "the configuration was read again";

#[tokio::test]
async fn live_connections_get_other_limits_at_once() {
    let home = Home::new();
    let five = "[limits]\nburst_per_second = 5\nuser_connections = 1\n";
    let configured = Configured::start(&home, five).await;
    // One on each core.
    let (mut socket, _) = configured.joined("doc_0", "ada").await;
    let (mut other, _) = configured.joined("doc_1", "ben").await;
    send_inserts(&socket, 7);
    assert_eq!(acknowledged(&answers(&mut socket, 7).await), 5);
    let watches = home.token_with("cyd", "presence:read", &[]);
    let mut watcher = Socket::open(configured.server.port(), &format!("/ws/presence?token={watches}")).await;
    assert_eq!(beats_answered(&mut watcher, 7).await, 5);
    configured.reload("[limits]\nburst_per_second = 60\nsections = 2\nmessage_bytes = 2000\n", READ).await;
    let log = configured.server.log();
    for line in ["limits.burst_per_second was 5 and is 60", "limits.user_connections was 1 and is 10"] {
        assert!(log.contains(line), "{log}");
    }
    assert_eq!(beats_answered(&mut watcher, 50).await, 50);
    for socket in [&mut socket, &mut other] {
        let limits = limits(socket).await;
        assert_eq!((&limits["burst_per_second"], &limits["sections"]), (&json!(60), &json!(2)), "{limits}");
        send_inserts(socket, 50);
        let answers = answers(socket, 50).await;
        assert_eq!(acknowledged(&answers), 50, "{answers:?}");
    }
    // New connections too, and the bound on messages for those that are open.
    let (_again, _) = configured.joined("doc_2", "ada").await;
    socket.send(&insert(&"x".repeat(3_000), "large"));
    assert_eq!(socket.closed().await.1, 1009);
}

#[tokio::test]
async fn a_message_that_has_begun_ends_where_a_smaller_limit_is_in_force() {
    let home = Home::new();
    let configured = Configured::start(&home, "").await;
    let (mut bystander, _) = configured.joined("doc", "ada").await;
    for next in [frame(0x80, Some(MASK), b"x"), frame(0x0, Some(MASK), &[b'x'; 3_000])] {
        configured.reload("", READ).await;
        let (mut socket, _) = configured.joined("doc", "ben").await;
        // In one write: when the heartbeat is answered, the fragment behind it has been read.
        let heartbeat = json!({"type": "system.heartbeat", "payload": {}}).to_string();
        let begun = [frame(0x81, Some(MASK), heartbeat.as_bytes()), frame(0x1, Some(MASK), &[b'x'; 1_500])];
        socket.send_bytes(begun.concat());
        socket.next("system.heartbeat").await;
        configured.reload("[limits]\nmessage_bytes = 1024\n", READ).await;
        socket.send_bytes(next);
        assert_eq!(socket.closed().await.1, 1009);
        assert_eq!(beats_answered(&mut bystander, 1).await, 1, "the server goes on");
    }
}

#[tokio::test]
async fn requests_are_counted_over_all_cores_and_get_another_limit_at_once() {
    let home = Home::new();
    let configured = Configured::start(&home, "[limits]\nrequests_per_minute = 40\n").await;
    let (ada, ben) = (home.token_with("ada", EDIT, &[]), home.token_with("ben", EDIT, &[]));
    // Each on a connection of its own, so that both cores accept some.
    let accepted = async |token: &str, count: usize| {
        let mut accepted = 0;
        for _ in 0..count {
            let answer = http::get(configured.server.port(), "/api/documents/none/state", token).await;
            accepted += usize::from(answer.status == 404);
            let left: usize = answer.header("x-ratelimit-remaining").expect("the header").parse().expect("a number");
            assert!(answer.status == 404 || (answer.status == 429 && left == 0), "{answer:?}");
        }
        accepted
    };
    assert_eq!(accepted(&ada, 60).await, 40);
    assert_eq!(accepted(&ben, 10).await, 10);
    configured.reload("[limits]\nrequests_per_minute = 45\n", READ).await;
    assert_eq!(accepted(&ada, 10).await, 5);
    configured.reload("[limits]\nrequests_per_minute = 45\nmode = \"observe\"\n", READ).await;
    assert_eq!(http::get(configured.server.port(), "/api/documents/none/state", &ada).await.status, 404);
    let granted = home.token_with("ada", EDIT, &["--limits", r#"{"requests_per_minute": 50}"#]);
    configured.reload("[limits]\nrequests_per_minute = 45\n", READ).await;
    assert_eq!(accepted(&granted, 10).await, 5, "what only observed limits let through did not count");
}

#[tokio::test]
async fn a_broken_file_is_refused_as_a_whole() {
    let home = Home::new();
    let configured = Configured::start(&home, "[limits]\nburst_per_second = 5\n").await;
    let (mut socket, _) = configured.joined("doc", "ada").await;
    let broken = "durability = \"slow\"\n[limits]\nburst_per_second = 60\nconections = 5\n";
    configured.reload(broken, "all settings stay as they are").await;
    let log = configured.server.log();
    // The same words as at a start.
    let file = configured.file.to_str().expect("a path in UTF-8");
    let refused = home.start().args(&["--config", file]).exit().await;
    assert_eq!(refused.code, Some(2));
    for line in refused.stderr.lines() {
        let reason = line.strip_prefix("error: ").expect("an error");
        assert!(log.contains(reason), "{reason} is not in {log}");
    }
    assert_eq!(refused.stderr.lines().count(), 2, "{}", refused.stderr);
    assert_eq!(limits(&mut socket).await["burst_per_second"], 5);
    configured.reload("not toml", "all settings stay as they are").await;
    fs::remove_file(&configured.file).expect("the file can be removed");
    let before = configured.server.log().len();
    configured.server.hang_up();
    until("a missing file to be told of", async || {
        configured.server.log()[before..].contains("cannot read the configuration file").then_some(())
    })
    .await;
    // And back again.
    configured.reload("[limits]\nburst_per_second = 60\n", READ).await;
    assert_eq!(limits(&mut socket).await["burst_per_second"], 60);
}

#[tokio::test]
async fn what_needs_a_restart_is_said_each_time_and_not_done() {
    let home = Home::new();
    let configured = Configured::start(&home, "").await;
    for _ in 0..2 {
        configured.reload("durability = \"fast\"\n", READ).await;
    }
    let log = configured.server.log();
    let waits = "durability stays \"strict\" until a restart makes it \"fast\"";
    assert_eq!(log.matches(waits).count(), 2, "{log}");
}

#[tokio::test]
async fn another_key_is_in_force_at_once_and_in_no_log() {
    let home = Home::new();
    let configured = Configured::start(&home, "").await;
    let (mut socket, _) = configured.joined("doc", "ada").await;
    let key = "0123456789abcdef0123456789abcdef";
    configured.reload(&format!("[auth]\nkey = \"{key}\"\n"), READ).await;
    let log = configured.server.log();
    assert!(log.contains("auth.key was null") && !log.contains(key), "{log}");
    // Whoever is here stays; whoever comes with a token of the old key does not.
    send_inserts(&socket, 1);
    assert_eq!(acknowledged(&answers(&mut socket, 1).await), 1);
    let mut refused = Socket::document(configured.server.port(), "doc", &token(&home, "ada")).await;
    assert_eq!(refused.closed().await.1, 1008);
    configured.reload("", READ).await;
    let (_socket, _) = configured.joined("doc", "ben").await;
}

#[tokio::test]
async fn a_server_at_a_terminal_stops_when_that_is_closed_and_not_before() {
    let home = Home::new();
    let (start, terminal) = home.start().at_terminal();
    let mut server = start.ready().await;
    server.hang_up();
    until("the configuration to be read", async || server.log().contains(READ).then_some(())).await;
    drop(terminal);
    assert_eq!(server.hang_up_until_it_ends().await.code(), Some(0));
}

#[tokio::test]
async fn the_log_has_another_filter_at_once() {
    let home = Home::new();
    let configured = Configured::start(&home, "").await;
    let (mut socket, _) = configured.joined("doc", "ada").await;
    configured.reload("[log]\nfilter = \"error\"\n", READ).await;
    fs::write(&configured.file, "[log]\nfilter = \"error\"\n[limits]\nsections = 3\n").expect("a file");
    configured.server.hang_up();
    until("other limits", async || (limits(&mut socket).await["sections"] == 3).then_some(())).await;
    let log = configured.server.log();
    assert!(log.contains("log.filter was \"info\" and is \"error\"") && !log.contains("limits.sections"), "{log}");
    configured.reload("[log]\nfilter = \"info\"\n[limits]\nsections = x\n", "all settings stay as they are").await;
}

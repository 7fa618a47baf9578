//! Clients that read slowly, not at all, are gone without a word, or have another text than the server.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http::{self, post, state};
use support::server::Server;
use support::socket::{Received, Socket, upgrade};
use support::{until, within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// So many large changes are far more than the kernel and the smallest queue take for a connection.
const CHANGES: u64 = 30;
const CHANGE_BYTES: usize = 300 << 10;
const SMALLEST_QUEUE: (&str, &str) = ("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "65536");

/// Somebody who reads everything.
struct Observer {
    socket: Socket,
    port: u16,
    token: String,
}

impl Observer {
    async fn join(home: &Home, server: &Server) -> Self {
        let token = home.token("observer");
        let (socket, _) = Socket::joined(server.port(), "shared", &token).await;
        Self { socket, port: server.port(), token }
    }

    /// Makes large changes over HTTP; each is on disk, and read here, before the next one.
    async fn flood(&mut self) {
        self.flood_after(0).await;
    }

    /// The same, of a document at that version.
    async fn flood_after(&mut self, version: u64) {
        for number in version..version + CHANGES {
            let operation = if number == 0 { "insert" } else { "replace" };
            let content = char::from(b'a' + u8::try_from(number % 26).expect("a letter")).to_string();
            let change = json!({
                "operation": operation, "position": 0, "length": CHANGE_BYTES, "section": "body",
                "content": content.repeat(CHANGE_BYTES),
            });
            self.post(change).await;
            assert_eq!(self.socket.next("document.change").await["payload"]["version"], number + 1);
        }
    }

    async fn post(&self, change: Value) {
        post(self.port, "/api/documents/shared/changes", &self.token, &json!({"changes": [change]})).await.ok();
    }

    /// Waits until that user has left.
    async fn sees_leave(&mut self, user: &str) {
        loop {
            let presence = self.socket.next("user.presence").await;
            if presence["payload"]["user_id"] == user && presence["payload"]["status"] == "left" {
                return;
            }
        }
    }
}

/// A connection that nobody reads from after its upgrade, and what came with that.
async fn unread(home: &Home, server: &Server, user: &str) -> (TcpStream, Vec<u8>) {
    let target = format!("/ws/document/shared?token={}", home.token(user));
    let (stream, answer) = upgrade(server.port(), &target, "").await.expect("the server answers");
    assert_eq!(answer.status, 101);
    (stream, answer.body)
}

/// Reads all there is until the end of the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Whether it ends or is reset does not matter here.
    let _ = within("the end of the connection", stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_and_nobody_else_notices() {
    let home = Home::in_memory();
    let server = home.start().env(SMALLEST_QUEUE.0, SMALLEST_QUEUE.1).ready().await;
    let mut observer = Observer::join(&home, &server).await;
    let (mut stuck, _) = unread(&home, &server, "stuck").await;
    observer.flood().await;
    until("the connection to be given up", async || server.log().contains("closed=1").then_some(())).await;
    // Whoever reads now finds the frame that had begun, and then why it ends.
    let bytes = rest(&mut stuck).await;
    let reason = b"SLOW_READER: reconnect and sync";
    let close: Vec<u8> = [&[0x88, 33], &1013_u16.to_be_bytes()[..], reason].concat();
    assert!(bytes.ends_with(&close), "{} bytes, which end otherwise", bytes.len());
    assert!(bytes.len() < CHANGE_BYTES * usize::try_from(CHANGES).expect("a small number"), "{} bytes", bytes.len());
    observer.sees_leave("stuck").await;
    observer.post(json!({"operation": "insert", "position": 0, "content": "still here", "section": "body"})).await;
    assert_eq!(observer.socket.next("document.change").await["payload"]["version"], CHANGES + 1);
}

#[tokio::test]
async fn a_client_that_reads_late_gets_one_state_instead_of_what_it_missed() {
    let home = Home::in_memory();
    let server = home.start().env(SMALLEST_QUEUE.0, SMALLEST_QUEUE.1).ready().await;
    let mut observer = Observer::join(&home, &server).await;
    let (late, early) = unread(&home, &server, "late").await;
    observer.flood().await;
    let mut late = Socket::start(late, early);
    let mut changes = 0;
    let response = loop {
        let message = late.message().await;
        match message["type"].as_str() {
            Some("document.change") => changes += 1,
            Some("sync.response") => break message,
            _ => {}
        }
    };
    assert!(changes < CHANGES, "{changes} changes came one by one");
    let payload = &response["payload"];
    let (version, content) = state(server.port(), "shared", &observer.token).await;
    let sections = &payload["full_document_state"]["sections"];
    assert_eq!((&payload["current_version"], sections == &content), (&json!(version), true));
    assert_eq!((version, &payload["changes_since_version"]), (CHANGES, &json!([])));
    observer.post(json!({"operation": "insert", "position": 0, "content": "on we go", "section": "body"})).await;
    assert_eq!(late.next("document.change").await["payload"]["version"], CHANGES + 1);
}

/// What waits for all together is bounded too: by an equal share of each core, and again after it was once too much.
#[tokio::test]
async fn a_reader_gives_way_where_too_much_waits_for_all_together() {
    /// A core's share is half of it, which the changes exceed and the whole is not.
    const ALL_TOGETHER: (&str, &str) = ("JDDB_LIMITS__OUTBOUND_TOTAL_BYTES", "16777216");
    let home = Home::in_memory();
    let server = home.start().env(ALL_TOGETHER.0, ALL_TOGETHER.1);
    let server = server.env("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "1073741824").ready().await;
    let mut observer = Observer::join(&home, &server).await;
    let mut monitor = monitor(&home, &server).await;
    let (late, early) = unread(&home, &server, "late").await;
    observer.flood().await;
    assert_eq!(replaced(&mut monitor, 1).await, 1);
    let mut late = Socket::start(late, early);
    assert_eq!(late.next("sync.response").await["payload"]["current_version"], CHANGES);
    let (stuck, _) = unread(&home, &server, "stuck").await;
    observer.flood_after(CHANGES).await;
    replaced(&mut monitor, 2).await;
    // Nothing waits for who is gone.
    drop((late, stuck));
    let waits = async {
        while monitor.next("monitoring.metrics").await["payload"]["resources"]["outbound_waiting_bytes"] != 0 {}
    };
    within("all that waited to be forgotten", waits).await;
}

async fn monitor(home: &Home, server: &Server) -> Socket {
    let admin = home.token_with("admin", "document:admin", &[]);
    Socket::open(server.port(), &format!("/ws/monitoring?token={admin}")).await
}

/// Waits until so many backlogs were replaced by a state; how many it were then.
async fn replaced(monitor: &mut Socket, count: u64) -> u64 {
    let reached = async {
        loop {
            let report = monitor.next("monitoring.metrics").await;
            let steps = &report["payload"]["errors"]["slow_readers"];
            let replaced = steps["backlog_replaced"]["total"].as_u64().expect("a number");
            if replaced >= count {
                return replaced;
            }
        }
    };
    within("a backlog to be replaced", reached).await
}

/// Those who watch count among all, and get a new picture in the place of what waits for them.
#[tokio::test]
async fn watchers_give_way_where_too_much_waits_for_all_together() {
    const WATCHERS: usize = 24;
    const MOVES: usize = 600;
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__OUTBOUND_TOTAL_BYTES", "1048576");
    let server = server.env("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "1073741824").ready().await;
    let present = home.token_with("ann", &format!("{EDIT} presence:write"), &["--limits", UNLIMITED]);
    let write = json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}]});
    for document in ["one", "other"] {
        post(server.port(), &format!("/api/documents/{document}/changes"), &present, &write).await.ok();
    }
    let watches = home.token_with("watcher", "presence:read", &["--limits", UNLIMITED]);
    let target = format!("/ws/presence?token={watches}");
    let mut reads = Socket::open(server.port(), &target).await;
    reads.next("presence.snapshot").await;
    let mut unread = Vec::new();
    for _ in 0..WATCHERS {
        let (stream, answer) = upgrade(server.port(), &target, "").await.expect("the server answers");
        assert_eq!(answer.status, 101);
        unread.push((stream, answer.body));
    }
    // Each time somebody leaves the one document for the other.
    for number in 0..MOVES {
        let document = ["one", "other"][number % 2];
        let body = json!({"status": "active", "current_document": document});
        let request = http::request("PUT", "/api/presence/ann", Some(&present), Some(&body));
        http::exchange(server.port(), &request).await.ok();
    }
    // Who reads is told all of it, and each other one what had left before the rest was replaced.
    for _ in 0..2 * MOVES - 1 {
        reads.next("user.presence").await;
    }
    let mut least = usize::MAX;
    for (stream, early) in unread {
        least = least.min(told_until_now(&mut Socket::start(stream, early)).await);
    }
    assert!(least < 2 * MOVES - 100, "{least} of {} messages were kept for each", 2 * MOVES - 1);
}

/// How often somebody's presence is told before a heartbeat that is sent now is answered.
async fn told_until_now(watcher: &mut Socket) -> usize {
    watcher.send(&json!({"type": "system.heartbeat", "payload": {}}));
    let mut told = 0;
    loop {
        match watcher.message().await["type"].as_str() {
            Some("user.presence") => told += 1,
            Some("system.heartbeat") => return told,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_peer_that_has_died_is_gone_from_presence_and_a_silent_one_that_answers_pings_is_not() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HEARTBEAT__INTERVAL_SECONDS", "1");
    let server = start.env("JDDB_HEARTBEAT__SILENCE_SECONDS", "3").ready().await;
    let mut observer = Observer::join(&home, &server).await;
    let (mut silent, _) = Socket::joined(server.port(), "shared", &home.token("silent")).await;
    // It never reads, so that it answers no ping; its end of the connection stays open.
    let (mut dead, _) = unread(&home, &server, "dead").await;
    let mut monitor = monitor(&home, &server).await;
    observer.sees_leave("dead").await;
    rest(&mut dead).await;
    let counted = async {
        while monitor.next("monitoring.metrics").await["payload"]["errors"]["connections_dead"]["total"] != 1 {}
    };
    within("the dead connection to be counted", counted).await;
    silent.send(&json!({"type": "system.heartbeat", "payload": {}}));
    silent.next("system.heartbeat").await;
    observer.post(json!({"operation": "insert", "position": 0, "content": "x", "section": "body"})).await;
    silent.next("document.change").await;
    assert!(!matches!(silent.peek(), Some(Received::Closed(..) | Received::Lost)));
}

/// So many that a core looks after them in parts.
#[tokio::test]
async fn of_many_peers_that_have_died_all_are_found() {
    const DEAD: usize = 600;
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HEARTBEAT__INTERVAL_SECONDS", "1");
    let server = start.env("JDDB_HEARTBEAT__SILENCE_SECONDS", "5").ready().await;
    let mut monitor = monitor(&home, &server).await;
    let _observer = Observer::join(&home, &server).await;
    let token = home.token("dead");
    let mut dead = Vec::new();
    for _ in 0..DEAD {
        let target = format!("/ws/document/shared?mode=view&token={token}");
        let (stream, answer) = upgrade(server.port(), &target, "").await.expect("the server answers");
        assert_eq!(answer.status, 101);
        dead.push(stream);
    }
    let found = async {
        loop {
            let report = monitor.next("monitoring.metrics").await;
            if report["payload"]["errors"]["connections_dead"]["total"] == DEAD {
                return report["payload"]["connections"]["open"]["document"].clone();
            }
        }
    };
    assert_eq!(within("all of them to be found", found).await, 1);
}

#[tokio::test]
async fn another_text_than_the_servers_is_logged_without_it_and_healed() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut observer = Observer::join(&home, &server).await;
    observer.post(json!({"operation": "insert", "position": 0, "content": "a secret", "section": "body"})).await;
    observer.socket.next("document.change").await;
    let document = json!({"version": 1, "crc32": 42});
    observer.socket.send(&json!({"type": "system.heartbeat", "payload": {"document": document}}));
    let answer = observer.socket.next("system.heartbeat").await;
    assert_eq!(answer["payload"]["document"], json!({"version": 1, "matches": false}));
    let healed = observer.socket.next("sync.response").await;
    assert_eq!(healed["payload"]["full_document_state"]["sections"], json!({"body": "a secret"}));
    let told = until("a line in the log", async || {
        let log = server.log();
        log.lines().find(|line| line.contains("a client's text is not the document's")).map(str::to_owned)
    })
    .await;
    for expected in ["document=shared", "user=observer", "version=1", "clients_crc32=42", "divergences=1"] {
        assert!(told.contains(expected), "no {expected} in {told}");
    }
    assert!(!server.log().contains("secret"));
}

#[tokio::test]
async fn a_document_is_saved_by_itself() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_DOCUMENTS__AUTO_SAVE_SECONDS", "1").ready().await;
    let mut observer = Observer::join(&home, &server).await;
    observer.post(json!({"operation": "insert", "position": 0, "content": "x", "section": "body"})).await;
    let saved = observer.socket.next("document.save").await;
    let expected = json!({"version": 1, "saved_sections": ["body"], "save_type": "auto", "success": true});
    assert_eq!(saved["payload"], expected);
}

//! Clients that read slowly, not at all, are gone without a word, or have another text than the server.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::Home;
use support::http::{post, state};
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
        for number in 0..CHANGES {
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

#[tokio::test]
async fn a_peer_that_has_died_is_gone_from_presence_and_a_silent_one_that_answers_pings_is_not() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HEARTBEAT__INTERVAL_SECONDS", "1");
    let server = start.env("JDDB_HEARTBEAT__SILENCE_SECONDS", "3").ready().await;
    let mut observer = Observer::join(&home, &server).await;
    let (mut silent, _) = Socket::joined(server.port(), "shared", &home.token("silent")).await;
    // It never reads, so that it answers no ping; its end of the connection stays open.
    let (mut dead, _) = unread(&home, &server, "dead").await;
    observer.sees_leave("dead").await;
    rest(&mut dead).await;
    silent.send(&json!({"type": "system.heartbeat", "payload": {}}));
    silent.next("system.heartbeat").await;
    observer.post(json!({"operation": "insert", "position": 0, "content": "x", "section": "body"})).await;
    silent.next("document.change").await;
    assert!(!matches!(silent.peek(), Some(Received::Closed(..) | Received::Lost)));
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

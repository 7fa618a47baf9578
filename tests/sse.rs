//! Event streams (Server-Sent Events): readers that are cut again and again, and all that they are told otherwise.
//!
//! `JDDB_TEST_CUTS` sets how often a reader is cut (100), `JDDB_TEST_SEED` repeats a run's random choices.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::events::{Ask, Event, EventStream};
use support::home::{EDIT, Home, UNLIMITED};
use support::rng::Rng;
use support::server::Server;
use support::socket::{Received, Socket};
use support::{http, number_from, until, within};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CUTS: usize = 100;
/// Cuts on one server before it is stopped, politely or not.
const CUTS_PER_SERVER: usize = 20;
/// How far the typist may be ahead of the reader.
const VERSIONS_AHEAD_MAX: u64 = 500;
/// The most bytes of a body that are read before a cut.
const BYTES_BEFORE_CUT_MAX: usize = 6_000;
const DOCUMENT: &str = "streamed";

/// What a reader has been told of a document.
struct Reader {
    token: String,
    text: String,
    version: u64,
    /// Parts of the next version that it has.
    parts: u64,
    last_event_id: Option<String>,
    /// How many times it went on in the middle of a version.
    resumed_within: usize,
    /// Tells the typist which version it has.
    seen: watch::Sender<u64>,
}

impl Reader {
    async fn open(&mut self, port: u16) -> EventStream {
        let target = format!("/api/documents/{DOCUMENT}/events");
        let last_event_id = self.last_event_id.as_deref();
        self.resumed_within += usize::from(last_event_id.is_some_and(|id| id.contains('.')));
        EventStream::open(port, &Ask { target: &target, token: &self.token, last_event_id, slowly: false }).await
    }

    /// Takes in what came: every change is the one after the last, or the next part of it.
    fn take(&mut self, event: &Event) {
        let payload = &event.message["payload"];
        match event.message["type"].as_str() {
            Some("document.state") => {
                assert_eq!(self.last_event_id, None, "only who has seen nothing is sent the state");
                self.version = payload["version"].as_u64().expect("a version");
                self.text = payload["content"]["sections"]["body"].as_str().expect("a text").to_owned();
                assert_eq!(event.id, Some(self.version.to_string()));
            }
            Some("document.change") => self.take_change(event.id.as_deref(), payload),
            _ => assert_eq!(event.id, None, "{event:?}"),
        }
        if event.id.is_some() {
            self.last_event_id.clone_from(&event.id);
        }
        self.seen.send_replace(self.version);
    }

    fn take_change(&mut self, id: Option<&str>, payload: &Value) {
        let number = |name: &str| payload[name].as_u64();
        assert_eq!(number("version"), Some(self.version + 1), "{payload}");
        let (part, parts) = (number("part").unwrap_or(1), number("parts").unwrap_or(1));
        assert_eq!(part, self.parts + 1, "{payload}");
        let at = units(number("position").expect("a position"));
        let length = units(number("length").unwrap_or(0));
        self.text.replace_range(at..at + length, payload["content"].as_str().unwrap_or(""));
        if part < parts {
            self.parts = part;
            assert_eq!(id, Some(format!("{}.{part}", self.version + 1).as_str()));
        } else {
            (self.version, self.parts) = (self.version + 1, 0);
            assert_eq!(id, Some(self.version.to_string().as_str()));
        }
    }

    /// Reads until it is cut, which may be anywhere, or right behind a version's first part.
    async fn read_until_cut(&mut self, port: u16, rng: &mut Rng) {
        let mut stream = self.open(port).await;
        let between_parts = rng.below(4) == 0;
        if !between_parts {
            stream.cut_after(1 + rng.below(BYTES_BEFORE_CUT_MAX));
        }
        while let Some(event) = stream.next().await {
            self.take(&event);
            if between_parts && self.parts > 0 {
                return;
            }
        }
        assert!(!stream.is_whole, "the server does not end it");
    }

    async fn read_to(&mut self, port: u16, version: u64) {
        let mut stream = self.open(port).await;
        while self.version < version {
            let event = stream.next().await.expect("the stream stays open");
            self.take(&event);
        }
    }
}

/// A position in a text of ASCII.
fn units(number: u64) -> usize {
    usize::try_from(number).expect("it fits")
}

/// Somebody who types until told to stop, or until the server is gone; every other change is a batch of three parts.
/// They are never far ahead of the reader, who would be sent the state instead of all that it missed.
fn type_until_told(
    port: u16,
    token: String,
    mut rng: Rng,
    mut stop: watch::Receiver<bool>,
    mut seen: watch::Receiver<u64>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut socket, state) = Socket::joined(port, DOCUMENT, &token).await;
        let mut length = state["content"]["sections"]["body"].as_str().map_or(0, str::len);
        for index in 0.. {
            if *stop.borrow() {
                return;
            }
            let changes = if index % 2 == 0 {
                json!([{"operation": "insert", "position": rng.below(length + 1), "content": format!("<{index}>")}])
            } else {
                let at = 1 + rng.below(length - 2);
                json!([
                    {"operation": "insert", "position": 0, "content": "("},
                    {"operation": "replace", "position": at, "length": 1, "content": "e"},
                    {"operation": "insert", "position": length, "content": ")"},
                ])
            };
            let grown = if index % 2 == 0 { format!("<{index}>").len() } else { 2 };
            let metadata = json!({"client_id": "typist", "correlation_id": format!("{port}-{index}")});
            socket.send(&json!({"type": "document.change", "payload": {"changes": changes}, "metadata": metadata}));
            loop {
                match within("an acknowledgement", socket.receive_any()).await {
                    Received::Message(message) if message["type"] == "document.ack" => {
                        let version = message["payload"]["version"].as_u64().expect("a version");
                        tokio::select! {
                            _ = seen.wait_for(|seen| version < seen + VERSIONS_AHEAD_MAX) => {}
                            _ = stop.wait_for(|stop| *stop) => return,
                        }
                        break;
                    }
                    Received::Message(message) => assert_ne!(message["payload"]["error_code"], "VALIDATION_ERROR"),
                    Received::Closed(..) | Received::Lost => return,
                }
            }
            length += grown;
        }
    })
}

#[tokio::test]
async fn a_reader_that_is_cut_again_and_again_has_every_change_once_and_in_order() {
    let mut rng = Rng::from_environment("sse");
    let cuts = number_from("JDDB_TEST_CUTS", CUTS);
    let home = Home::new();
    let token = home.token("typist");
    let mut reader = Reader {
        token: home.token("reader"),
        text: String::new(),
        version: 0,
        parts: 0,
        last_event_id: None,
        resumed_within: 0,
        seen: watch::Sender::new(0),
    };
    let mut server = home.start().ready().await;
    let seed = json!({"changes": [{"operation": "insert", "position": 0, "content": "x".repeat(200)}]});
    http::post(server.port(), &format!("/api/documents/{DOCUMENT}/changes"), &token, &seed).await.ok();
    reader.read_to(server.port(), 1).await;
    let mut cut = 0;
    while cut < cuts {
        let (stop, told) = watch::channel(false);
        let typist = type_until_told(server.port(), token.clone(), rng.fork(), told, reader.seen.subscribe());
        for _ in 0..CUTS_PER_SERVER.min(cuts - cut) {
            reader.read_until_cut(server.port(), &mut rng).await;
            cut += 1;
        }
        let is_polite = rng.below(2) == 0;
        server = restarted(server, &home, is_polite).await;
        stop.send_replace(true);
        within("the typist", typist).await.expect("it types as it should");
    }
    let (version, sections) = http::state(server.port(), DOCUMENT, &token).await;
    reader.read_to(server.port(), version).await;
    assert_eq!(json!({"body": reader.text}), sections);
    assert!(version > cuts as u64 && reader.resumed_within > 0, "{version} versions, {} within", reader.resumed_within);
    eprintln!("{cuts} cuts, {} of them within a version, {version} versions", reader.resumed_within);
}

/// The next server on that data, when this one was stopped in whatever it does.
async fn restarted(mut server: Server, home: &Home, is_polite: bool) -> Server {
    if is_polite {
        server.ask_to_stop();
        server.wait().await;
    } else {
        server.kill_nine();
    }
    home.start().ready().await
}

fn ask<'a>(target: &'a str, token: &'a str) -> Ask<'a> {
    Ask { target, token, ..Ask::default() }
}

/// A document with a text in it.
async fn written(port: u16, document: &str, token: &str) {
    let changes = json!({"changes": [{"operation": "insert", "position": 0, "content": "text"}]});
    http::post(port, &format!("/api/documents/{document}/changes"), token, &changes).await.ok();
}

#[tokio::test]
async fn a_stream_is_what_event_sources_expect() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__DOCUMENT_EDITORS", "1").ready().await;
    let port = server.port();
    let (alice, bob) = (home.token("alice"), home.token("bob"));
    written(port, "read", &alice).await;
    let (mut editor, _) = Socket::joined(port, "read", &alice).await;
    let target = "/api/documents/read/events?greeting=on-join";
    let mut stream = EventStream::open(port, &ask(target, &bob)).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert!(stream.header("x-request-id").is_some());
    let state = stream.next().await.expect("an event");
    assert_eq!((state.id.as_deref(), &state.message["type"]), (Some("1"), &json!("document.state")));
    assert!(state.message["payload"]["connection_id"].as_str().is_some_and(|id| id.starts_with("conn_")));
    assert_eq!(stream.retries.len(), 1, "the moment to come back at is told first");
    // Whoever reads is here as a viewer is, and no editor.
    let joined = editor.next("user.presence").await;
    assert_eq!((&joined["payload"]["user_id"], &joined["payload"]["status"]), (&json!("bob"), &json!("joined")));
    editor.send(&json!({"type": "cursor.position", "payload": {"position": 2}}));
    let cursor = stream.next_of("cursor.position").await;
    assert_eq!((cursor.id, &cursor.message["payload"]["version"]), (None, &json!(1)));
    drop(stream);
    let left = editor.next("user.presence").await;
    assert_eq!((&left["payload"]["user_id"], &left["payload"]["status"]), (&json!("bob"), &json!("left")));

    // What a page asks for that begins where another one was; and what is not known any more, or not yet.
    let change = json!({"operation": "insert", "position": 0, "content": "x"});
    let metadata = json!({"client_id": "a", "correlation_id": "1"});
    editor.send(&json!({"type": "document.change", "payload": change, "metadata": metadata}));
    editor.next("document.ack").await;
    for (id, expected) in [("1", "document.change"), ("3", "document.state"), ("2.1", "document.state")] {
        let target = format!("/api/documents/read/events?last_event_id={id}");
        let first = EventStream::open(port, &ask(&target, &bob)).await.next().await.expect("an event");
        assert_eq!(first.message["type"], expected, "after {id}");
        assert_eq!(first.id.as_deref(), Some("2"), "after {id}");
    }
}

#[tokio::test]
async fn whoever_may_not_read_a_stream_gets_an_answer_that_says_why() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let port = server.port();
    let editor = home.token("alice");
    written(port, "read", &editor).await;
    let presence = home.token_with("alice", "presence:read", &[]);
    let check = async |target: &str, token: &str, last_event_id: Option<&str>, status: u16, code: &str| {
        let asked = Ask { target, token, last_event_id, slowly: false };
        let refused = EventStream::try_open(port, &asked).await.map(drop).expect_err(target);
        refused.error(status, code)
    };
    let target = "/api/documents/read/events";
    check(target, "x.y.z", None, 401, "UNAUTHENTICATED").await;
    check(target, &presence, None, 403, "FORBIDDEN").await;
    check("/api/presence/events", &editor, None, 403, "FORBIDDEN").await;
    check("/api/monitoring/events", &editor, None, 403, "FORBIDDEN").await;
    check("/api/documents/unread/events", &editor, None, 404, "DOCUMENT_NOT_FOUND").await;
    let error = check("/api/documents/-/events", &editor, None, 400, "VALIDATION_ERROR").await;
    assert_eq!(error["details"]["field"], "document_id");
    let error = check(target, &editor, Some("yesterday"), 400, "VALIDATION_ERROR").await;
    assert_eq!(error["details"]["field"], "Last-Event-ID");
    let asked = "/api/documents/read/events?last_event_id=1.0";
    assert_eq!(check(asked, &editor, None, 400, "VALIDATION_ERROR").await["details"]["field"], "last_event_id");
    let asked = "/api/documents/read/events?position_encoding=ebcdic";
    assert_eq!(check(asked, &editor, None, 400, "VALIDATION_ERROR").await["details"]["field"], "position_encoding");
    // HEAD is told the same, without coming in.
    let watcher = home.token_with("watcher", "presence:read document:admin", &[]);
    for (target, token, status) in [
        (target, "x.y.z", 401),
        (target, &*presence, 403),
        ("/api/documents/unread/events", &editor, 404),
        ("/api/documents/read/events?position_encoding=ebcdic", &editor, 400),
        ("/api/documents/read/events?last_event_id=1.0", &editor, 400),
        ("/api/presence/events", &editor, 403),
        ("/api/monitoring/events?interval=0", &watcher, 400),
        (target, &editor, 200),
        ("/api/presence/events", &watcher, 200),
        ("/api/monitoring/events", &watcher, 200),
    ] {
        let head = http::exchange(port, &http::request("HEAD", target, Some(token), None)).await;
        assert_eq!((head.status, head.body.len()), (status, 0), "{target}");
        let media_type = if status == 200 { "text/event-stream" } else { "application/json" };
        assert_eq!(head.header("content-type"), Some(media_type), "{target}");
    }
    // A stream is one of the user's connections.
    let few = home.token_with("carol", EDIT, &["--limits", r#"{"connections": 1}"#]);
    let stream = EventStream::open(port, &ask(target, &few)).await;
    let refused = EventStream::try_open(port, &ask(target, &few)).await.map(drop).expect_err("one is the limit");
    let error = refused.error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(error["details"]["limit_type"], "user_connections", "{error}");
    assert!(refused.header("retry-after").is_some());
    drop(stream);
    until("the seat to be free", async || EventStream::try_open(port, &ask(target, &few)).await.ok()).await;
}

#[tokio::test]
async fn watchers_are_told_the_same_by_streams() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let port = server.port();
    let watcher = home.token_with("watcher", "presence:read document:admin", &[]);
    let mut presence = EventStream::open(port, &ask("/api/presence/events", &watcher)).await;
    assert_eq!(presence.next_of("presence.snapshot").await.id, None);
    let (_editor, _) = Socket::joined(port, "watched", &home.token("alice")).await;
    let joined = presence.next_of("user.presence").await;
    assert_eq!((joined.id, &joined.message["payload"]["document_id"]), (None, &json!("watched")));
    let mut monitoring = EventStream::open(port, &ask("/api/monitoring/events?interval=1", &watcher)).await;
    let figures = monitoring.next_of("monitoring.metrics").await;
    assert!(figures.message["payload"]["connections"].is_object(), "{figures:?}");
    server.ask_to_stop();
    for stream in [&mut presence, &mut monitoring] {
        let error = stream.next_of("system.error").await;
        assert_eq!(error.message["payload"]["error_code"], "SHUTTING_DOWN");
        assert_eq!(stream.next().await, None);
        assert!(stream.is_whole, "it ended as an answer does");
        assert_eq!(stream.retries.len(), 2, "a moment of its own to come back at");
    }
}

/// A stream on which nothing happens is kept open by comments, for longer than a peer may be silent.
#[tokio::test]
async fn a_quiet_stream_stays_open() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HEARTBEAT__INTERVAL_SECONDS", "1");
    let server = start.env("JDDB_HEARTBEAT__SILENCE_SECONDS", "2").ready().await;
    let token = home.token("alice");
    written(server.port(), "quiet", &token).await;
    let mut stream = EventStream::open(server.port(), &ask("/api/documents/quiet/events", &token)).await;
    for _ in 0..5 {
        stream.next_comment().await;
    }
    written(server.port(), "quiet", &token).await;
    assert_eq!(stream.next_of("document.change").await.id.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_reader_that_was_too_slow_is_sent_the_state_and_goes_on() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "100000").ready().await;
    let port = server.port();
    let token = home.token_with("alice", EDIT, &["--limits", UNLIMITED]);
    written(port, "slow", &token).await;
    let asked = Ask { slowly: true, ..ask("/api/documents/slow/events", &token) };
    let mut stream = EventStream::open(port, &asked).await;
    assert_eq!(stream.next().await.and_then(|event| event.id).as_deref(), Some("1"));
    let (mut editor, _) = Socket::joined(port, "slow", &token).await;
    let text = "y".repeat(9_000);
    for index in 0..300 {
        let metadata = json!({"client_id": "a", "correlation_id": index.to_string()});
        let replace = json!({"operation": "replace", "position": 0, "length": 4, "content": text});
        let delete = json!({"operation": "delete", "position": 4, "length": 8_996});
        editor.send(&json!({"type": "document.change", "payload": replace, "metadata": metadata}));
        editor.next("document.ack").await;
        editor.send(&json!({"type": "document.change", "payload": delete, "metadata": json!({"client_id": "a", "correlation_id": format!("d{index}")})}));
        editor.next("document.ack").await;
    }
    let mut skipped = false;
    while stream.last_event_id.as_deref() != Some("601") {
        let event = stream.next().await.expect("the stream stays open");
        skipped |= event.message["type"] == "sync.response";
    }
    assert!(skipped, "it read nothing of 5 MB, and was sent all of it");
}

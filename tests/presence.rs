//! `/ws/presence` and `user.presence` in documents, on the real server with two cores: nobody is left over, nobody is
//! told of twice.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http;
use support::rng::Rng;
use support::server::Server;
use support::socket::{Received, Socket, upgrade};
use support::within;

/// Documents enough for both cores to have some.
const DOCUMENTS: usize = 8;

/// What a watcher makes of what it is told: who is where, and how many are there.
#[derive(Clone, Debug, Default, PartialEq)]
struct Picture {
    people: BTreeMap<String, BTreeMap<String, String>>,
    counts: BTreeMap<String, (u64, u64)>,
}

impl Picture {
    fn of_snapshot(payload: &Value) -> Self {
        let mut picture = Self::default();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        for document in payload["documents"].as_array().expect("documents") {
            let id = text(&document["document_id"]);
            let users = document["users"].as_array().expect("users").iter();
            let users = users.map(|user| (text(&user["user_id"]), text(&user["status"]))).collect();
            picture.people.insert(id.clone(), users);
            picture.counts.insert(id, counts_of(document));
        }
        let users: BTreeSet<&String> = picture.people.values().flat_map(BTreeMap::keys).collect();
        let listed: BTreeSet<String> =
            payload["users"].as_array().expect("users").iter().map(|user| text(&user["user_id"])).collect();
        assert_eq!(listed.iter().collect::<BTreeSet<_>>(), users, "{payload}");
        assert_eq!(payload["counts"]["users"], listed.len(), "{payload}");
        assert_eq!(payload["counts"]["documents"], picture.people.len(), "{payload}");
        picture
    }

    /// Takes in a message; a snapshot is the first, and may be another.
    fn take(&mut self, message: &Value) {
        let payload = &message["payload"];
        let id = payload["document_id"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("presence.snapshot") => *self = Self::of_snapshot(payload),
            Some("presence.counts") => self.count(&id, payload),
            Some("user.presence") => {
                let user = payload["user_id"].as_str().expect("a user").to_owned();
                let people = self.people.entry(id.clone()).or_default();
                let before = people.get(&user).map(String::as_str);
                let status = payload["status"].as_str().expect("a status");
                match (status, before) {
                    ("joined", None) | ("active", Some("idle")) => drop(people.insert(user, "active".to_owned())),
                    ("idle", Some("active")) => drop(people.insert(user, "idle".to_owned())),
                    ("left", Some(_)) => drop(people.remove(&user)),
                    _ => panic!("{message} when they were {before:?}"),
                }
                self.count(&id, payload);
            }
            _ => panic!("{message}"),
        }
    }

    fn count(&mut self, id: &str, payload: &Value) {
        let counts = counts_of(payload);
        if counts == (0, 0) {
            self.counts.remove(id);
            let people = self.people.remove(id);
            assert!(people.is_none_or(|people| people.is_empty()), "somebody is left over in {id}");
        } else {
            self.counts.insert(id.to_owned(), counts);
        }
    }
}

fn counts_of(payload: &Value) -> (u64, u64) {
    let number = |field: &str| payload[field].as_u64().unwrap_or_else(|| panic!("no {field} in {payload}"));
    assert_eq!(payload["unlisted_viewers"], 0);
    (number("total_editors"), number("total_viewers"))
}

/// A connection of `/ws/presence`.
struct Watcher {
    socket: Socket,
    picture: Picture,
}

impl Watcher {
    async fn open(server: &Server, token: &str) -> Self {
        let mut socket = Socket::open(server.port(), &format!("/ws/presence?token={token}")).await;
        let first = socket.message().await;
        assert_eq!(first["type"], "presence.snapshot", "{first}");
        assert_eq!(first["metadata"]["version"], 1);
        Self { socket, picture: Picture::of_snapshot(&first["payload"]) }
    }

    async fn step(&mut self) -> Value {
        let message = self.socket.message().await;
        self.picture.take(&message);
        message
    }

    /// Reads until it has that picture.
    async fn reaches(&mut self, expected: &Picture) {
        let reading = async {
            while self.picture != *expected {
                let message = match self.socket.receive_any().await {
                    Received::Message(message) => message,
                    ended => panic!("{ended:?} at {:?} instead of {expected:?}", self.picture),
                };
                self.picture.take(&message);
            }
        };
        let reached = tokio::time::timeout(support::DEADLINE, reading).await;
        assert!(reached.is_ok(), "it is {:?} and never {expected:?}", self.picture);
    }

    /// Whether nothing more comes: the answer to a heartbeat is the next message.
    async fn hears_nothing(&mut self) {
        self.socket.send(&json!({"type": "system.heartbeat", "payload": {"client_time": 7}}));
        let answer = self.socket.message().await;
        assert_eq!((&answer["type"], &answer["payload"]["client_time"]), (&json!("system.heartbeat"), &json!(7)));
        assert!(answer["payload"]["connection_id"].as_str().is_some_and(|id| id.starts_with("conn_")), "{answer}");
    }

    /// Takes in all that was on its way to it: what comes before the answer to a heartbeat.
    async fn takes_in_the_rest(&mut self) {
        self.socket.send(&json!({"type": "system.heartbeat", "payload": {"client_time": 7}}));
        loop {
            let message = self.socket.message().await;
            if message["type"] == "system.heartbeat" {
                return;
            }
            self.picture.take(&message);
        }
    }
}

/// Waits until the server has no connection of a document left. Leaving without a word may overtake the joining of
/// another connection, so that an empty document is not yet one that nobody comes to any more.
async fn all_have_left(server: &Server, home: &Home) {
    let admin = home.token_with("admin", "document:admin", &[]);
    let mut monitor = Socket::open(server.port(), &format!("/ws/monitoring?token={admin}")).await;
    let left = async { while monitor.message().await["payload"]["connections"]["open"]["document"] != 0 {} };
    within("the end of all connections", left).await;
}

fn watcher_token(home: &Home) -> String {
    home.token_with("watcher", "presence:read", &["--limits", UNLIMITED])
}

/// The client goes, without a word.
fn leave(socket: Socket) {
    socket.send_bytes(Vec::new());
}

fn document(index: usize) -> String {
    format!("doc_{index}")
}

#[tokio::test]
async fn a_snapshot_first_and_then_what_changes() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token_with("ann", EDIT, &["--name", "Ann Example"]);
    let (ann, _) = Socket::joined(server.port(), "doc_1", &token).await;
    let mut watcher = Watcher::open(&server, &watcher_token(&home)).await;
    assert_eq!(watcher.picture.people["doc_1"]["ann"], "active");
    assert_eq!(watcher.picture.counts["doc_1"], (1, 0));

    let ben = home.token_with("ben", EDIT, &["--name", "Ben Example"]);
    let target = format!("/ws/document/doc_1?mode=view&token={ben}");
    let second = Socket::open(server.port(), &target).await;
    let joined = watcher.step().await;
    assert_eq!(joined["type"], "user.presence");
    let payload = &joined["payload"];
    assert_eq!(
        (&payload["user_id"], &payload["status"], &payload["display_name"], &payload["document_id"]),
        (&json!("ben"), &json!("joined"), &json!("Ben Example"), &json!("doc_1"))
    );
    assert_eq!((&payload["total_editors"], &payload["total_viewers"]), (&json!(1), &json!(1)));
    assert_eq!(joined["metadata"]["user_id"], "ben");
    // A second connection is no news, but for the numbers if it edits.
    let third = Socket::joined(server.port(), "doc_1", &ben).await.0;
    let counts = watcher.step().await;
    assert_eq!(counts["type"], "presence.counts", "{counts}");
    assert_eq!(watcher.picture.counts["doc_1"], (2, 0));
    [second, third, ann].into_iter().for_each(leave);
    watcher.reaches(&Picture::default()).await;
    watcher.hears_nothing().await;
}

/// A document that is deleted has nobody in it at once, though its connections end later; whoever is in the next one of that
/// name stays.
#[tokio::test]
async fn who_still_closes_because_of_a_deletion_is_nobody_in_the_next_document() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let port = server.port();
    let root = home.token_with("root", "document:read document:write document:admin", &["--limits", UNLIMITED]);
    let path = "/api/documents/doc_1";
    let body = json!({"sections": {"body": "text"}});
    http::exchange(port, &http::request("PUT", path, Some(&root), Some(&body))).await;
    // He answers no close, so his connection lasts.
    let target = format!("/ws/document/doc_1?token={}", home.token("ben"));
    let (ben, _) = upgrade(port, &target, "").await.expect("an answer");
    let (ann, _) = Socket::joined(port, "doc_1", &home.token("ann")).await;
    let mut watcher = Watcher::open(&server, &watcher_token(&home)).await;
    assert_eq!(watcher.picture.counts["doc_1"], (2, 0));
    http::exchange(port, &http::request("DELETE", path, Some(&root), None)).await.ok();
    watcher.reaches(&Picture::default()).await;
    let (_cleo, _) = Socket::joined(port, "doc_1", &home.token("cleo")).await;
    let mut expected = watcher.picture.clone();
    expected.people.insert("doc_1".to_owned(), [("cleo".to_owned(), "active".to_owned())].into());
    expected.counts.insert("doc_1".to_owned(), (1, 0));
    watcher.reaches(&expected).await;
    drop((ann, ben));
    let mut monitor = Socket::open(port, &format!("/ws/monitoring?token={root}")).await;
    while monitor.next("monitoring.metrics").await["payload"]["connections"]["open"]["document"] != 1 {}
    assert_eq!(Watcher::open(&server, &watcher_token(&home)).await.picture, expected);
    watcher.hears_nothing().await;
}

#[tokio::test]
async fn idle_and_active_are_told_here_and_in_the_document() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_PRESENCE__IDLE_SECONDS", "1").ready().await;
    let mut watcher = Watcher::open(&server, &watcher_token(&home)).await;
    let (mut ann, _) = Socket::joined(server.port(), "doc_1", &home.token("ann")).await;
    let (ben, _) = Socket::joined(server.port(), "doc_1", &home.token("ben")).await;
    let status = |message: Value| {
        let payload = &message["payload"];
        format!("{} {}", payload["user_id"].as_str().unwrap_or("?"), payload["status"].as_str().unwrap_or("?"))
    };
    assert_eq!(status(ann.next("user.presence").await), "ben joined");
    assert_eq!(status(ann.next("user.presence").await), "ben idle");
    let change = json!({"operation": "insert", "position": 0, "content": "x"});
    ben.send(&json!({"type": "document.change", "payload": change}));
    assert_eq!(status(ann.next("user.presence").await), "ben active");
    assert_eq!(status(ann.next("user.presence").await), "ben idle");
    let mut of_ben = Vec::new();
    while of_ben.len() < 4 {
        let message = watcher.step().await;
        if message["payload"]["user_id"] == "ben" {
            of_ben.push(status(message));
        }
    }
    assert_eq!(of_ben, ["ben joined", "ben idle", "ben active", "ben idle"]);
}

#[tokio::test]
async fn a_token_shows_its_own_documents_only() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let limited = home.token_with("watcher", "presence:read", &["--document", "open_*"]);
    let token = home.token("ann");
    let (_hidden, _) = Socket::joined(server.port(), "hidden_1", &token).await;
    let (_shown, _) = Socket::joined(server.port(), "open_1", &token).await;
    let mut watcher = Watcher::open(&server, &limited).await;
    assert_eq!(watcher.picture.people.keys().collect::<Vec<_>>(), ["open_1"]);
    let (_more, _) = Socket::joined(server.port(), "hidden_2", &token).await;
    let (_other, _) = Socket::joined(server.port(), "open_2", &token).await;
    assert_eq!(watcher.step().await["payload"]["document_id"], "open_2");
    watcher.hears_nothing().await;
}

#[tokio::test]
async fn refusals_come_after_the_upgrade() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let check = async |target: &str, code: &str, close: u16| {
        let mut socket = Socket::open(server.port(), target).await;
        socket.error(code).await;
        let (rest, closed, reason) = socket.closed().await;
        assert_eq!((rest, closed, reason.as_str()), (Vec::new(), close, code), "{target}");
    };
    check("/ws/presence", "UNAUTHENTICATED", 1008).await;
    check("/ws/presence?token=a.b.c", "UNAUTHENTICATED", 1008).await;
    let admin = home.token_with("admin", "document:admin", &[]);
    check(&format!("/ws/presence?token={admin}"), "FORBIDDEN", 4001).await;
    let nowhere = Socket::try_open(server.port(), &format!("/ws/presences?token={admin}"), "").await;
    nowhere.expect_err("no such route").expect("an answer").error(404, "NOT_FOUND");
}

#[tokio::test]
async fn only_heartbeats_are_heard() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut watcher = Watcher::open(&server, &watcher_token(&home)).await;
    let join = json!({"type": "document.join", "payload": {}, "metadata": {"correlation_id": "c1"}});
    watcher.socket.send(&join);
    let answer = watcher.socket.message().await;
    assert_eq!(answer["payload"]["error_code"], "UNKNOWN_MESSAGE_TYPE", "{answer}");
    assert_eq!(answer["payload"]["details"]["expected"], "system.heartbeat or auth.refresh");
    assert_eq!(answer["metadata"]["correlation_id"], "c1");
    watcher.hears_nothing().await;
    for _ in 0..10 {
        watcher.socket.send_text("nonsense");
    }
    let (messages, code, _) = watcher.socket.closed().await;
    assert_eq!((messages.len(), code), (10, 4000));
    assert_eq!(messages[9]["payload"]["severity"], "critical");
    // The place is free again: all that was open is gone from the figures, too.
    let mut watcher = Watcher::open(&server, &watcher_token(&home)).await;
    watcher.socket.send_bytes(vec![0xff; 16]);
    assert_eq!(watcher.socket.closed().await.1, 1002);
}

#[tokio::test]
async fn watchers_count_among_the_connections_and_leave_with_the_server() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__CONNECTIONS", "2").ready().await;
    let token = watcher_token(&home);
    let mut watchers = [Watcher::open(&server, &token).await, Watcher::open(&server, &token).await];
    let mut third = Socket::open(server.port(), &format!("/ws/presence?token={token}")).await;
    assert_eq!(third.error("RATE_LIMIT_EXCEEDED").await["limit_type"], "connections");
    assert_eq!(third.closed().await.1, 4000);
    server.ask_to_stop();
    for watcher in &mut watchers {
        let (messages, code, reason) = watcher.socket.closed().await;
        assert_eq!(messages[0]["payload"]["error_code"], "SHUTTING_DOWN", "{messages:?}");
        assert_eq!(code, 1001);
        assert!(reason.starts_with("SHUTTING_DOWN retry_ms="), "{reason}");
    }
}

#[tokio::test]
async fn a_watcher_that_is_silent_gives_its_seat_to_the_next_of_its_user() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_LIMITS__USER_CONNECTIONS", "1").env("JDDB_LIMITS__USER_SILENCE_SECONDS", "1");
    let server = start.ready().await;
    // It knocks until it is let in.
    let token = home.token_with("watcher", "presence:read", &["--limits", r#"{"requests_per_minute": 1000000}"#]);
    let mut first = Watcher::open(&server, &token).await;
    let (answer, _second) = loop {
        let mut second = Socket::open(server.port(), &format!("/ws/presence?token={token}")).await;
        let answer = second.message().await;
        if answer["type"] == "presence.snapshot" {
            break (answer, second);
        }
        assert_eq!(answer["payload"]["limit_type"], "user_connections", "{answer}");
    };
    assert_eq!(answer["payload"]["counts"]["users"], 0);
    assert_eq!(first.socket.error("RATE_LIMIT_EXCEEDED").await["limit_type"], "user_connections");
    assert_eq!(first.socket.closed().await.1, 4000);
}

#[tokio::test]
async fn watchers_are_held_to_the_rates() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut watcher = Watcher::open(&server, &home.token_with("watcher", "presence:read", &[])).await;
    (0..400).for_each(|_| watcher.socket.send(&json!({"type": "system.heartbeat", "payload": {}})));
    let (messages, code, _) = watcher.socket.closed().await;
    let refused = messages.iter().filter(|message| message["payload"]["limit_type"] == "burst_rate").count();
    assert_eq!((refused, code), (20, 4000), "{messages:?}");
}

/// Users who come and go while watchers do: every one of these ends with the same picture, which is the truth, and none
/// has been told anything that did not fit into its own.
#[tokio::test]
async fn snapshots_that_race_with_joins_and_leaves_leave_no_ghosts() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = watcher_token(&home);
    let users: Vec<String> = (0..6).map(|user| home.token(&format!("user_{user}"))).collect();
    let mut rng = Rng::from_environment("snapshots_that_race_with_joins_and_leaves_leave_no_ghosts");
    let mut here: Vec<(usize, usize, bool, Socket)> = Vec::new();
    let mut watchers = vec![Watcher::open(&server, &token).await];
    for _ in 0..400 {
        match rng.below(8) {
            0..4 => {
                let (user, document, edits) = (rng.below(users.len()), rng.below(DOCUMENTS), rng.below(3) > 0);
                let mode = if edits { "edit" } else { "view" };
                let exists = edits || here.iter().any(|(_, other, edits, _)| *other == document && *edits);
                if exists {
                    let target = format!("/ws/document/{}?mode={mode}&token={}", self::document(document), users[user]);
                    here.push((user, document, edits, Socket::open(server.port(), &target).await));
                }
            }
            4..7 if !here.is_empty() => leave(here.swap_remove(rng.below(here.len())).3),
            // A watcher comes in the middle of it all, before or after what has just been done.
            _ => watchers.push(Watcher::open(&server, &token).await),
        }
        if watchers.len() > 12 {
            watchers.swap_remove(rng.below(watchers.len() - 1) + 1);
        }
    }
    let mut truth = Picture::default();
    for (user, document, ..) in &here {
        let people = truth.people.entry(self::document(*document)).or_default();
        people.insert(format!("user_{user}"), "active".to_owned());
    }
    for (id, people) in &truth.people {
        let edits = |user: &&String| {
            here.iter().any(|(other, document, edits, _)| {
                *edits && format!("user_{other}") == **user && self::document(*document) == *id
            })
        };
        let editors = people.keys().filter(edits).count() as u64;
        truth.counts.insert(id.clone(), (editors, people.len() as u64 - editors));
    }
    for watcher in &mut watchers {
        watcher.reaches(&truth).await;
    }
    here.into_iter().for_each(|(.., socket)| leave(socket));
    all_have_left(&server, &home).await;
    for watcher in &mut watchers {
        watcher.reaches(&Picture::default()).await;
        watcher.takes_in_the_rest().await;
        assert_eq!(watcher.picture, Picture::default());
    }
}

#[tokio::test]
async fn after_a_kill_nobody_is_present() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token("ann");
    let (_socket, _) = Socket::joined(server.port(), "doc_1", &token).await;
    server.kill_nine();
    let server = home.start().ready().await;
    let watcher = Watcher::open(&server, &watcher_token(&home)).await;
    assert_eq!(watcher.picture, Picture::default());
}

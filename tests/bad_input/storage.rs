//! What the disk can do: keep something else than was written, be full, fail to sync.

use std::path::Path;

use rocksdb::{DB, Direction, IteratorMode, Options};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::faults::Faults;
use crate::support::home::Home;
use crate::support::server::{Server, Start, free_port};
use crate::support::socket::{Received, Socket};
use crate::support::{http, skipped, until};
use crate::{change, closed_with};

/// Far more edits than a disk takes that is about to fail.
const EDITS_MAX: u64 = 500;
/// Where in the data directory the database is.
const DATABASE: &str = "documents";

async fn write(server: &Server, home: &Home, document: &str, edits: usize) {
    // Another client each time: the same one's edits would be taken for resends.
    let client_id = format!("writer of {edits}");
    let mut client = Client::joined(document, &home.token("writer"), &client_id, server.port()).await;
    for index in 0..edits {
        client.editor().edit("body", index, 0, "x");
    }
    client.flush().await;
}

/// Replaces a byte in each of a document's records of one kind.
fn damage(database: &Path, family: &str, document: &str) {
    let options = Options::default();
    let families = DB::list_cf(&options, database).expect("the database can be read");
    let db = DB::open_cf(&options, database, families).expect("the database can be opened");
    let family = db.cf_handle(family).expect("the family is there");
    let from = IteratorMode::From(document.as_bytes(), Direction::Forward);
    let records: Vec<_> = db.iterator_cf(family, from).map(|record| record.expect("a record")).collect();
    let mut damaged = 0;
    for (key, value) in records.into_iter().filter(|(key, _)| key.starts_with(document.as_bytes())) {
        let mut value = value.into_vec();
        let middle = value.len() / 2;
        value[middle] ^= 0xff;
        db.put_cf(family, key, value).expect("the record can be written");
        damaged += 1;
    }
    assert!(damaged > 0, "{document} has no records");
    db.flush_wal(true).expect("the log can be synced");
}

#[tokio::test]
async fn a_damaged_document_is_refused_and_others_work() {
    let home = Home::new();
    let server = home.start().ready().await;
    for document in ["damaged", "sound"] {
        write(&server, &home, document, 20).await;
    }
    server.kill_nine();
    damage(&home.data().join(DATABASE), "journal", "damaged");

    let server = home.start().ready().await;
    let token = home.token("reader");
    let refused = http::get(server.port(), "/api/documents/damaged/state", &token).await;
    let error = refused.error(500, "INTERNAL_ERROR");
    assert!(!error.to_string().contains("rocksdb"), "an error names no internals: {error}");
    let mut socket = Socket::document(server.port(), "damaged", &token).await;
    let messages = closed_with(&mut socket, 1011).await;
    let error = &messages.last().expect("an error before the close")["payload"];
    assert_eq!((&error["error_code"], &error["severity"]), (&json!("INTERNAL_ERROR"), &json!("critical")), "{error}");
    let body = json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}]});
    let refused = http::post(server.port(), "/api/documents/damaged/changes", &token, &body).await;
    refused.error(500, "INTERNAL_ERROR");
    let log = server.log();
    assert!(log.contains("damaged: ") && log.contains("backup"), "the operator is not told: {log}");

    let (version, sections) = http::state(server.port(), "sound", &token).await;
    assert_eq!((version, &sections), (20, &json!({"body": "x".repeat(20)})));
    write(&server, &home, "sound", 5).await;
    assert_eq!(http::try_get(server.port(), "/readyz").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_damaged_store_is_not_opened() {
    let home = Home::new();
    let server = home.start().ready().await;
    write(&server, &home, "a", 5).await;
    server.kill_nine();
    std::fs::write(home.data().join(DATABASE).join("CURRENT"), "MANIFEST-999999\n").expect("a file can be written");
    let exit = home.start().args(&["--listen", &format!("127.0.0.1:{}", free_port())]).exit().await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains(DATABASE) && !exit.stderr.contains("panicked"), "{}", exit.stderr);
}

/// Types until the disk fails; returns how many changes were acknowledged, and all that came after the failure.
async fn type_until_it_fails(server: &Server, home: &Home) -> (u64, Vec<Value>, Received) {
    let (mut socket, state) = Socket::joined(server.port(), "full", &home.token("writer")).await;
    let insert = |base: u64| {
        let mut message = change(json!({
            "operation": "insert", "position": 0, "content": "y".repeat(4_000), "base_version": base, "section": "body",
        }));
        message["metadata"]["correlation_id"] = format!("edit-{base}").into();
        message
    };
    let mut version = state["version"].as_u64().expect("a version");
    let mut after = Vec::new();
    socket.send(&insert(version));
    loop {
        match socket.receive().await {
            Received::Message(message) if message["type"] == "document.ack" => {
                assert!(after.is_empty(), "acknowledged after the disk failed: {after:?}, {message}");
                version += 1;
                assert_eq!(message["payload"]["version"], version);
                assert!(version < EDITS_MAX, "the disk does not fail");
                socket.send(&insert(version));
            }
            Received::Message(message) => after.push(message),
            end => return (version, after, end),
        }
    }
}

/// The section's text after so many changes: all of them and nothing more.
fn text(version: u64) -> Value {
    json!({"body": "y".repeat(4_000 * usize::try_from(version).expect("a small one"))})
}

/// Runs a server whose disk begins to fail, and then one whose disk is well again.
async fn check_failure(home: &Home, start: Start<'_>) {
    let server = start.ready().await;
    let (mut watcher, _) = Socket::joined(server.port(), "full", &home.token("watcher")).await;
    let (version, messages, end) = type_until_it_fails(&server, home).await;
    assert!(version > 0, "nothing was written before the disk failed");
    let error = &messages.last().expect("an error before the close")["payload"];
    assert_eq!(
        (&error["error_code"], &error["severity"]),
        (&json!("STORAGE_UNAVAILABLE"), &json!("critical")),
        "{error}"
    );
    assert!(matches!(end, Received::Closed(1011, _)), "{end:?}");
    let messages = closed_with(&mut watcher, 1011).await;
    let seen = messages.iter().filter(|message| message["type"] == "document.change").count();
    assert_eq!(seen as u64, version, "the watcher saw what is not durable");

    let not_ready = until("readiness to be withdrawn", async || {
        let answer = http::try_get(server.port(), "/readyz").await.expect("an answer");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(not_ready.await.json(), json!({"status": "storage_unavailable"}));
    let token = home.token("reader");
    assert_eq!(http::state(server.port(), "full", &token).await, (version, text(version)));
    let body = json!({"changes": [{"operation": "insert", "position": 0, "content": "z"}], "base_version": version});
    for document in ["full", "another"] {
        let refused = http::post(server.port(), &format!("/api/documents/{document}/changes"), &token, &body).await;
        refused.error(503, "STORAGE_UNAVAILABLE");
    }
    assert_eq!(http::state(server.port(), "full", &token).await, (version, text(version)));
    server.kill_nine();

    let server = home.start().ready().await;
    let (kept, sections) = http::state(server.port(), "full", &token).await;
    // The one that failed may have reached the disk after all; nobody was told that it did or did not.
    assert!(kept == version || kept == version + 1, "{version} were acknowledged, {kept} are there");
    assert_eq!(sections, text(kept));
    write(&server, home, "another", 3).await;
}

/// What a server does before anybody writes, with the counters running.
async fn counts_at_start(home: &Home, faults: &Faults) -> (u64, u64) {
    let server = faults.load(home.start(), home, "POWERCUT_ENOSPC_AT", 1 << 50).ready().await;
    drop(Socket::joined(server.port(), "full", &home.token("writer")).await);
    let counts = faults.counts();
    server.kill_nine();
    faults.reset();
    counts
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_loses_nothing() {
    let home = Home::new();
    let faults = match Faults::compile(&home) {
        Ok(faults) => faults,
        Err(why) => return skipped("a_full_disk_takes_nothing_and_loses_nothing", &why),
    };
    let (_, bytes) = counts_at_start(&home, &faults).await;
    check_failure(&home, faults.load(home.start(), &home, "POWERCUT_ENOSPC_AT", bytes + 200_000)).await;
}

#[tokio::test]
async fn a_failed_sync_takes_nothing_and_loses_nothing() {
    let home = Home::new();
    let faults = match Faults::compile(&home) {
        Ok(faults) => faults,
        Err(why) => return skipped("a_failed_sync_takes_nothing_and_loses_nothing", &why),
    };
    let (syncs, _) = counts_at_start(&home, &faults).await;
    check_failure(&home, faults.load(home.start(), &home, "POWERCUT_FSYNC_FAIL", syncs + 25)).await;
}

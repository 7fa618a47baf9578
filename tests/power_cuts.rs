//! Power that fails again and again while many people type, and what is left of their work: all that was acknowledged.
//!
//! `JDDB_TEST_POWER_CUTS` sets how often (3; `make powercuts` 20), `JDDB_TEST_SEED` repeats a run's random choices. The disk
//! is `tools/powercut.c`; without it these tests say so and pass.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::json;
use support::client::Client;
use support::faults::Faults;
use support::home::Home;
use support::rng::Rng;
use support::typists::Typists;
use support::{http, number_from, skipped};

const POWER_CUTS: usize = 3;
const TYPISTS: usize = 9;
/// Acknowledgements before a power cut, at most.
const ACKNOWLEDGEMENTS_MAX: usize = 400;

fn faults(home: &Home, test: &str) -> Option<Faults> {
    Faults::compile(home).map_err(|why| skipped(test, &why)).ok()
}

#[tokio::test]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let mut rng = Rng::from_environment("power_cuts");
    let cuts = number_from("JDDB_TEST_POWER_CUTS", POWER_CUTS);
    let home = Home::new();
    let Some(faults) = faults(&home, "a_power_cut_takes_nothing_that_was_acknowledged") else { return };
    // Small, so that snapshots, flushes and new logs happen around the cuts.
    let start = || {
        let start = home.start().env("JDDB_DOCUMENTS__SNAPSHOT_EVERY_VERSIONS", "50");
        faults.watch(start.env("JDDB_STORAGE__WRITE_BUFFER_BYTES", "1048576"), &home).ready()
    };
    let mut server = start().await;
    let mut typists = Typists::sit_down(&home, server.port(), TYPISTS, rng.fork()).await;
    for cut in 0..cuts {
        typists.type_on(server.port(), rng.below(ACKNOWLEDGEMENTS_MAX)).await;
        server.kill_nine();
        typists.wait().await;
        // Clean and torn by turns: a disk that stops, and one that was in the middle of writing.
        faults.cut_power(&home, (cut % 2 == 1).then(|| rng.below(1 << 31)));
        server = start().await;
        let losses = typists.losses(server.port()).await;
        assert!(losses.is_empty(), "cut {cut} took what was acknowledged: {losses:?}");
    }
    let changes = typists.finish(server.port()).await;
    eprintln!("{changes} changes through {cuts} power cuts");
}

/// A disk that only says that it synced loses all that people typed, and the check above has to find every change of it.
#[tokio::test]
async fn typists_find_a_disk_that_lies_out() {
    let mut rng = Rng::from_environment("power_cuts");
    let home = Home::new();
    let Some(faults) = faults(&home, "typists_find_a_disk_that_lies_out") else { return };
    let server = faults.load(home.start(), &home, "POWERCUT_FSYNC_LIE", 1).ready().await;
    let mut typists = Typists::sit_down(&home, server.port(), TYPISTS, rng.fork()).await;
    typists.type_on(server.port(), ACKNOWLEDGEMENTS_MAX).await;
    server.kill_nine();
    typists.wait().await;
    // Who may come in is not what is lost here.
    let (key, kept) = (home.data().join("signing.key"), home.path("kept.key"));
    std::fs::copy(&key, &kept).expect("the server has a key");
    faults.cut_power(&home, None);
    std::fs::copy(&kept, &key).expect("the data directory is still there");
    let server = home.start().ready().await;
    let losses = typists.losses(server.port()).await;
    assert_eq!(losses.len(), typists.acknowledged(), "all that was acknowledged is lost, and only that: {losses:?}");
}

/// A disk that lies after having been honest for a while loses data as well.
#[tokio::test]
async fn a_disk_that_lies_is_found_out() {
    let home = Home::new();
    let Some(faults) = faults(&home, "a_disk_that_lies_is_found_out") else { return };
    let server = faults.watch(home.start(), &home).ready().await;
    let token = home.token("alice");
    // What is there before is on the disk; what follows only seems to be.
    let mut client = Client::joined("lied", &token, "before", server.port()).await;
    client.editor().edit("body", 0, 0, "kept");
    client.flush().await;
    server.kill_nine();
    let server = faults.load(home.start(), &home, "POWERCUT_FSYNC_LIE", 1).ready().await;
    let mut client = Client::joined("lied", &token, "after", server.port()).await;
    for _ in 0..20 {
        client.editor().edit("body", 0, 0, "lost ");
    }
    client.flush().await;
    let acknowledged = client.editor().sections();
    server.kill_nine();
    faults.cut_power(&home, None);
    // It may not even start.
    let server = home.start().try_ready().await;
    let there = match &server {
        Ok(server) => http::try_state(server.port(), "lied", &token).await,
        Err(_) => None,
    };
    assert_ne!(there, Some((21, acknowledged.clone())), "the cut took nothing: {acknowledged}");
    assert_eq!(acknowledged, json!({"body": format!("{}kept", "lost ".repeat(20))}));
}

//! A server that is killed again and again while many people type, and what is left of their work: all.
//!
//! `JDDB_TEST_KILLS` sets how often (30), `JDDB_TEST_SEED` repeats a run's random choices.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use support::home::Home;
use support::number_from;
use support::rng::Rng;
use support::typists::Typists;

const KILLS: usize = 30;
const TYPISTS: usize = 9;
/// Acknowledgements before a kill, at most.
const ACKNOWLEDGEMENTS_MAX: usize = 120;

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_applied_twice() {
    let mut rng = Rng::from_environment("kill_nine");
    let kills = number_from("JDDB_TEST_KILLS", KILLS);
    let home = Home::new();
    // Small, so that snapshots and flushes happen around the kills.
    let start = || {
        let start = home.start().env("JDDB_DOCUMENTS__SNAPSHOT_EVERY_VERSIONS", "50");
        start.env("JDDB_STORAGE__WRITE_BUFFER_BYTES", "1048576").ready()
    };
    let mut server = start().await;
    let mut typists = Typists::sit_down(&home, server.port(), TYPISTS, rng.fork()).await;
    for _ in 0..kills {
        typists.type_on(server.port(), rng.below(ACKNOWLEDGEMENTS_MAX)).await;
        server.kill_nine();
        typists.wait().await;
        server = start().await;
    }
    let changes = typists.finish(server.port()).await;
    eprintln!("{changes} changes through {kills} kills");
}

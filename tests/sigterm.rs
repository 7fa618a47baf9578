//! A server that is asked to stop again and again while many people type: it tells them, keeps all, and they come back.
//!
//! `JDDB_TEST_STOPS` sets how often (3; `make sigterms` 20), `JDDB_TEST_TYPISTS` how many type (9; 120), `JDDB_TEST_SEED`
//! repeats a run's random choices.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use support::client::Lost;
use support::home::Home;
use support::rng::Rng;
use support::socket::Received;
use support::typists::Typists;
use support::{http, number_from, until};

const STOPS: usize = 3;
const TYPISTS: usize = 9;
/// Acknowledgements before a stop, at most.
const ACKNOWLEDGEMENTS_MAX: usize = 400;
/// The time in which a server has to be gone.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The moment at which a client was told to come back.
fn retry_ms(lost: &Lost) -> u64 {
    let farewell = lost.farewell.as_ref().unwrap_or_else(|| panic!("no error before {lost:?}"));
    assert_eq!(farewell["payload"]["error_code"], "SHUTTING_DOWN", "{farewell}");
    let Received::Closed(1001, reason) = &lost.end else { panic!("closed with something else than 1001: {lost:?}") };
    let retry_ms = reason.strip_prefix("SHUTTING_DOWN retry_ms=").and_then(|number| number.parse().ok());
    retry_ms.unwrap_or_else(|| panic!("the reason is {reason:?}"))
}

#[tokio::test]
async fn stops_under_load_tell_everybody_and_lose_nothing() {
    let mut rng = Rng::from_environment("sigterm");
    let stops = number_from("JDDB_TEST_STOPS", STOPS);
    let home = Home::new();
    let start = || home.start().env("JDDB_DRAIN_NOTICE_SECONDS", "0").ready();
    let mut server = start().await;
    let count = number_from("JDDB_TEST_TYPISTS", TYPISTS);
    let mut typists = Typists::sit_down(&home, server.port(), count, rng.fork()).await;
    for stop in 1..=stops {
        typists.type_on(server.port(), rng.below(ACKNOWLEDGEMENTS_MAX)).await;
        server.ask_to_stop();
        let ends = typists.wait().await;
        let status = tokio::time::timeout(STOP_WITHIN, server.wait()).await.expect("the server stops in time");
        assert_eq!(status.code(), Some(0), "stop {stop}: {}", server.log());
        let moments: BTreeSet<u64> = ends.iter().map(retry_ms).collect();
        assert!(moments.len() > ends.len() / 2, "they all come back at once: {moments:?}");
        server = start().await;
    }
    let changes = typists.finish(server.port()).await;
    eprintln!("{changes} changes of {count} people through {stops} stops");
}

/// Readiness goes first: while balancers notice, the server serves as ever. A second signal ends that.
#[tokio::test]
async fn a_server_says_that_it_will_stop_before_it_does() {
    let home = Home::new();
    let mut server = home.start().env("JDDB_DRAIN_NOTICE_SECONDS", "600").ready().await;
    let (port, token) = (server.port(), home.token("alice"));
    server.ask_to_stop();
    until("readiness to go", async || {
        let answer = http::try_get(port, "/readyz").await.expect("it still listens");
        (answer.status == 503).then_some(())
    })
    .await;
    let body = serde_json::json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}]});
    assert_eq!(http::post(port, "/api/documents/late/changes", &token, &body).await.ok()["new_version"], 1);
    assert_eq!(http::try_get(port, "/healthz").await.expect("an answer").status, 200);
    server.ask_to_stop();
    assert_eq!(server.wait().await.code(), Some(0));
    assert!(http::try_get(port, "/readyz").await.is_err(), "nobody listens any more");
}

//! What the end-to-end tests share: the real server as a process, and clients of it.
//!
//! Every wait here is for an event, with [`DEADLINE`] as the point at which a test gives up.
//!
//! [`Home`] is a data directory that outlives its servers, [`server`] starts and stops them, [`http`]
//! and [`socket`] speak to them, [`described`] holds what they say against its description, [`editor`] is what a
//! good client library does with a document, [`events`] reads event streams, [`client`] is that editor on a connection
//! that may break, and [`typists`] are many of them.
//! [`programs`] are clients in other languages, [`ahead`] sets a server's clock, [`faults`] and [`stalled`] are disks that do not do as
//! they should ([`preload`]). [`tls`] is for servers that take encrypted connections only.

pub(crate) mod ahead;
pub(crate) mod client;
pub(crate) mod described;
pub(crate) mod editor;
pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod home;
pub(crate) mod http;
pub(crate) mod preload;
pub(crate) mod programs;
pub(crate) mod rng;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stalled;
pub(crate) mod tls;
pub(crate) mod typists;

use std::io::Write as _;
use std::time::Duration;

/// How long an event may take before a test fails. Far more than any takes, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often a state is looked at that nobody reports.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits for `future`, at most [`DEADLINE`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} in vain for {what}"),
    }
}

/// Looks until there is something to see, at most [`DEADLINE`].
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut clock = tokio::time::interval(LOOK_EVERY);
    within(what, async {
        loop {
            clock.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    })
    .await
}

/// A number that the environment may set, such as how often something is done.
pub(crate) fn number_from(variable: &str, otherwise: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable}: expected a number, found {text:?}"))
    })
}

/// Says that a test was not run, and how to have it run.
pub(crate) fn skipped(test: &str, why: &str) {
    // Not `eprintln!`, which the test runner keeps to itself for tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}

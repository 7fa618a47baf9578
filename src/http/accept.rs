//! The accept loop of one core.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::connection::serve_connection;
use super::site::Site;
use super::slots::Slots;
use crate::clock;
use crate::shared::Shared;

/// HTTP connections a core has beyond its share of `limits.connections`, all of which may come at once.
const HTTP_CONNECTIONS_EXTRA: usize = 1_024;
/// The first pause after `accept` failed for want of file descriptors or memory; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The time between two log lines about the same trouble.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Serves HTTP on `listener` until `drain` turns true; then closes it, lets the requests in flight finish, and returns.
///
/// To be run as a local task on the runtime of core number `core`. WebSockets are handed over to the cores of their
/// documents and are not waited for. A client that does not finish its request is bounded by the settings' timeouts; for
/// a shorter end drop the future together with its runtime.
pub async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, core: usize, drain: watch::Receiver<bool>) {
    serve_site(listener, Site::new(shared, core, drain)).await;
}

pub(super) async fn serve_site(listener: std::net::TcpListener, site: Site) {
    let core = site.core;
    let listener = match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(core, %error, "cannot listen: this core accepts no connections");
            return;
        }
    };
    let slots = Slots::new(connections_max(&site.shared));
    accept_until_drained(listener, &Rc::new(site), &slots, core).await;
    slots.all_free().await;
}

/// A core's share of the WebSockets, for when they all connect at once, and some more.
fn connections_max(shared: &Shared) -> usize {
    shared.config.limits.connections.div_ceil(shared.inboxes.len().max(1)) + HTTP_CONNECTIONS_EXTRA
}

async fn accept_until_drained(listener: TcpListener, site: &Rc<Site>, slots: &Rc<Slots>, core: usize) {
    let mut drain = site.drain.clone();
    let mut pause = PAUSE_MIN;
    let mut failures = Occasionally::default();
    let mut surplus = Occasionally::default();
    loop {
        let accepted = tokio::select! {
            biased;
            // The sender is gone only if the server is.
            _ = drain.wait_for(|draining| *draining) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = PAUSE_MIN;
                if !start(stream, site, slots)
                    && let Some(count) = surplus.count(clock::monotonic())
                {
                    tracing::warn!(
                        core,
                        count,
                        max = connections_max(&site.shared),
                        "too many HTTP connections: closed"
                    );
                }
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                if let Some(count) = failures.count(clock::monotonic()) {
                    tracing::warn!(core, count, %error, "cannot accept connections; those that are open are not affected");
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Starts serving a connection; false, and it is closed, if there are too many.
fn start(stream: TcpStream, site: &Rc<Site>, slots: &Rc<Slots>) -> bool {
    let Some(slot) = slots.take() else { return false };
    // Only a socket that is dead already refuses; reading will tell.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    spawn_local(serve_connection(stream, Rc::clone(site), Rc::new(slot)));
    true
}

/// Errors of one connection, which was gone before it was accepted: the next one is not affected.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Counts what happens, and says when it is time for a log line.
#[derive(Debug, Default)]
struct Occasionally {
    count: u64,
    told_at: Option<Duration>,
}

impl Occasionally {
    /// Counts one more at `now`; the number since the last log line, if it is time for the next.
    fn count(&mut self, now: Duration) -> Option<u64> {
        self.count += 1;
        if self.told_at.is_some_and(|told_at| now < told_at + LOG_INTERVAL) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_at_once_then_in_intervals() {
        let mut occasionally = Occasionally::default();
        assert_eq!(occasionally.count(Duration::ZERO), Some(1));
        assert_eq!(occasionally.count(Duration::from_secs(1)), None);
        assert_eq!(occasionally.count(Duration::from_secs(9)), None);
        assert_eq!(occasionally.count(Duration::from_secs(10)), Some(3));
    }
}

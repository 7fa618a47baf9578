//! The accept loop of one core.

use std::io;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::connection::serve_connection;
use super::secure::serve_encrypted;
use super::site::Site;
use super::slots::Slots;
use crate::clock;
use crate::cores::LimitsInForce;
use crate::listen::Listeners;
use crate::metrics::Figure;
use crate::shared::Shared;
use crate::transport::Transport;

/// HTTP connections a core has beyond its share of `limits.connections`, all of which may come at once.
const HTTP_CONNECTIONS_EXTRA: usize = 1_024;
/// The first pause after `accept` failed for want of file descriptors or memory; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Connections in the queue of a listener that closes, of which one core takes leave. Beyond that they are reset.
const WAITING_MAX: usize = 4_096;
/// The time between two log lines about the same trouble.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What a connection may leave unsent in the system's buffers. With more, a client would seem to take what it does not, and
/// a slow one would fill memory that is not counted anywhere; and what waits longer is better replaced by something newer.
const UNSENT_BYTES: u32 = 64 << 10;
/// Open files that connections leave to the disk and all else, and at most half of all: a database that cannot open
/// its next file takes no more changes.
const FILES_RESERVED: u64 = 640;

/// Serves HTTP on `listeners` until `drain` turns true; then closes them, lets the requests in flight finish, and returns.
///
/// To be run as a local task on the runtime of core number `core`. WebSockets are handed over to the cores of their
/// documents and are not waited for. A client that does not finish its request is bounded by the settings' timeouts; for
/// a shorter end drop the future together with its runtime.
pub async fn serve(
    listeners: Listeners,
    shared: Arc<Shared>,
    core: usize,
    drain: watch::Receiver<bool>,
    limits: Rc<LimitsInForce>,
) {
    serve_site(listeners, Site::new(shared, core, drain, limits)).await;
}

pub(super) async fn serve_site(listeners: Listeners, site: Site) {
    let core = site.core;
    let Listeners { sockets, outlive_server } = listeners;
    let front = Rc::new(Front {
        slots: Slots::new(connections_max(&site)),
        silence: Duration::from_secs(site.shared.config.heartbeat.silence_seconds),
        site: Rc::new(site),
        outlive_server,
        files_max: files_max(),
    });
    let accepting: Vec<_> =
        sockets.into_iter().map(|socket| spawn_local(Rc::clone(&front).accept_on(socket))).collect();
    for socket in accepting {
        if let Err(error) = socket.await {
            tracing::error!(core, %error, "accepting connections failed");
        }
    }
    front.slots.all_free().await;
}

/// A core's share of the WebSockets, for when they all connect at once, and some more.
fn connections_max(site: &Site) -> usize {
    site.limits.get().connections.div_ceil(site.shared.inboxes.len().max(1)) + HTTP_CONNECTIONS_EXTRA
}

/// The number below which the descriptors of connections have to stay.
fn files_max() -> u64 {
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    granted - FILES_RESERVED.min(granted / 2)
}

/// What the accept loops of one core share.
struct Front {
    site: Rc<Site>,
    slots: Rc<Slots>,
    outlive_server: bool,
    files_max: u64,
    /// How long a client may leave unconfirmed what it was sent: some say nothing that could be missed.
    silence: Duration,
}

impl Front {
    async fn accept_on(self: Rc<Self>, listener: std::net::TcpListener) {
        let core = self.site.core;
        match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
            Ok(listener) => self.accept_until_drained(listener).await,
            Err(error) => tracing::error!(core, %error, "cannot listen: this core accepts no connections"),
        }
    }

    async fn accept_until_drained(&self, listener: TcpListener) {
        let mut drain = self.site.drain.clone();
        let mut pause = PAUSE_MIN;
        let mut failures = Occasionally::default();
        let mut surplus = Occasionally::default();
        loop {
            let accepted = tokio::select! {
                biased;
                // The sender is gone only if the server is.
                _ = drain.wait_for(|draining| *draining) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    pause = PAUSE_MIN;
                    if let Err(why) = self.start(stream)
                        && let Some(count) = self.count(Figure::ConnectionsSurplus, &mut surplus)
                    {
                        tracing::warn!(core = self.site.core, count, why, "too many connections: closed");
                    }
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    if let Some(count) = self.count(Figure::AcceptFailures, &mut failures) {
                        let core = self.site.core;
                        tracing::warn!(core, count, %error, "cannot accept connections; those that are open are not affected");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        if !self.outlive_server {
            self.dismiss_waiting(listener);
        }
    }

    /// Counts a trouble; how often it was since the log was told of it last, if it is time for that.
    fn count(&self, figure: Figure, trouble: &mut Occasionally) -> Option<u64> {
        self.site.metrics().of(figure).add(1);
        trouble.count(clock::monotonic())
    }

    /// Serves, and so sends away, whoever is in the queue of a listener that closes: they would be reset with it.
    fn dismiss_waiting(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..WAITING_MAX {
            let Ok((stream, _)) = listener.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let _ = stream.map(|stream| self.start(stream));
        }
    }

    /// Starts serving a connection; if there are too many it is closed, and told of what.
    fn start(&self, stream: TcpStream) -> Result<(), &'static str> {
        // Linux gives the lowest number that is free, so below this one all are open.
        if u64::try_from(stream.as_raw_fd()).is_ok_and(|number| number >= self.files_max) {
            return Err("open files: raise the hard limit (ulimit -Hn, LimitNOFILE=)");
        }
        // The limit may have become another one.
        self.slots.bound(connections_max(&self.site));
        let slot = self.slots.take().ok_or("HTTP connections")?;
        // Only a socket that is dead already refuses; reading will tell.
        if let Err(error) = set_options(&stream, self.silence) {
            tracing::debug!(%error, "a socket does not take its options");
        }
        let site = Rc::clone(&self.site);
        match &site.shared.tls {
            None => spawn_local(serve_connection(Transport::Plain(stream), site, Rc::new(slot))),
            Some(tls) => spawn_local(serve_encrypted(stream, tls.acceptor(), site, slot)),
        };
        Ok(())
    }
}

/// What is sent leaves at once, little of it waits in the system, and a peer that confirms none of it is gone after `silence`.
fn set_options(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.set_tcp_user_timeout(Some(silence))
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

    #[tokio::test]
    async fn a_socket_has_its_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.unwrap();
        set_options(&stream, Duration::from_secs(70)).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(70)));
        drop(client);
    }

    #[test]
    fn trouble_is_told_at_once_then_in_intervals() {
        let mut occasionally = Occasionally::default();
        assert_eq!(occasionally.count(Duration::ZERO), Some(1));
        assert_eq!(occasionally.count(Duration::from_secs(1)), None);
        assert_eq!(occasionally.count(Duration::from_secs(9)), None);
        assert_eq!(occasionally.count(Duration::from_secs(10)), Some(3));
    }
}

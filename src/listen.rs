//! The sockets that connections come in on: the server's own, or those that a service manager hands over.
//!
//! A socket that is handed over (`LISTEN_FDS`, as systemd does it) stays open while the server is restarted: whoever
//! connects meanwhile waits in its queue and is served by the next server.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::config::Config;

/// Connections that wait to be accepted, for each listener. The system cuts it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Sockets that may be handed over. Far more than anybody listens on; a larger number is a mistake.
const SOCKETS_MAX: usize = 4096;
/// The number of the first descriptor that is handed over, by the protocol of `sd_listen_fds(3)`.
const FIRST_DESCRIPTOR: usize = 3;

/// What one core accepts connections on.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The sockets.
    pub sockets: Vec<TcpListener>,
    /// Whoever handed them over keeps them open: what waits in their queues is for the next server.
    pub outlive_server: bool,
}

impl Listeners {
    /// Whether others than this machine can connect.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        let addresses = self.sockets.iter().filter_map(|socket| socket.local_addr().ok());
        addresses.into_iter().any(|address| !address.ip().is_loopback())
    }
}

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken.
    #[error("{0} is in use by another program: stop that one, or choose another address with --listen")]
    AddressInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another address with --listen")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: Error,
    },
    /// `LISTEN_FDS` is no number of sockets.
    #[error(
        "LISTEN_FDS: expected a number of sockets from 0 to {SOCKETS_MAX}, found {0:?}; unset it, or let systemd set it"
    )]
    Count(String),
    /// A descriptor that was handed over is not a listening TCP socket.
    #[error(
        "descriptor {descriptor}{name}, handed over by LISTEN_FDS, is not a listening TCP socket: {error}; write \
         ListenStream=ADDRESS:PORT and no Accept=yes in the .socket unit, and one unit for each service"
    )]
    Descriptor {
        /// Its number.
        descriptor: usize,
        /// ` (its name)` by `LISTEN_FDNAMES`, or nothing.
        name: String,
        /// What is wrong with it.
        error: Error,
    },
    /// A socket that was handed over can be reached from other machines, and the tokens' key is not the operator's.
    #[error(
        "{0}, handed over by LISTEN_FDS, can be reached from other machines, which needs a key of your own: set auth.key \
         or auth.key_file (JDDB_AUTH__KEY, JDDB_AUTH__KEY_FILE), or let the .socket unit listen on 127.0.0.1"
    )]
    NeedsKey(SocketAddr),
}

/// The sockets that this process was handed over, none as a rule. To be called before anything else is opened: a wrong
/// count must not reach descriptors of our own.
///
/// # Errors
/// What was handed over cannot be listened on.
pub fn take_handed_over() -> Result<Vec<TcpListener>, ListenError> {
    let count = std::env::var("LISTEN_FDS").unwrap_or_default();
    if !(count.is_empty() || count.parse().is_ok_and(|count: usize| count <= SOCKETS_MAX)) {
        return Err(ListenError::Count(count));
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut passed = ListenFd::from_env();
    let count = passed.len();
    let take = |index: usize| {
        take_listener(&mut passed, index).map_err(|error| ListenError::Descriptor {
            descriptor: FIRST_DESCRIPTOR + index,
            name: names
                .get(index)
                .filter(|name| !name.is_empty())
                .map_or_else(String::new, |name| format!(" ({name})")),
            error,
        })
    };
    (0..count).map(take).collect()
}

fn take_listener(passed: &mut ListenFd, index: usize) -> Result<TcpListener, Error> {
    let taken = passed.take_tcp_listener(index)?;
    let listener = taken.ok_or_else(|| Error::other("it was taken already"))?;
    if !SockRef::from(&listener).is_listener()? {
        return Err(Error::other("nobody listens on it"));
    }
    Ok(listener)
}

/// What each core listens on: `handed_over` where there is any, else sockets of our own on `config.listen`; and the address.
///
/// # Errors
/// The address cannot be had, or may not be served.
pub fn listen(
    config: &Config,
    handed_over: Vec<TcpListener>,
    cores: usize,
) -> Result<(SocketAddr, Vec<Listeners>), ListenError> {
    let outlive_server = !handed_over.is_empty();
    let failed = |error: Error| match error.kind() {
        ErrorKind::AddrInUse => ListenError::AddressInUse(config.listen),
        _ => ListenError::Address { address: config.listen, error },
    };
    let sockets = if outlive_server { handed_over } else { bind_all(config.listen, cores).map_err(failed)? };
    let address = sockets[0].local_addr().map_err(failed)?;
    if outlive_server && !config.auth.has_key() {
        let addresses = sockets.iter().filter_map(|socket| socket.local_addr().ok());
        let reached = addresses.into_iter().find(|address| !address.ip().is_loopback());
        reached.map_or(Ok(()), |address| Err(ListenError::NeedsKey(address)))?;
    }
    let dealt = deal(sockets, cores).map_err(failed)?;
    let listeners = dealt.into_iter().map(|sockets| Listeners { sockets, outlive_server });
    Ok((address, listeners.collect()))
}

/// Deals sockets out: of those on one address each core has one, and all of them are served. Cores share a socket where
/// there are fewer.
fn deal(sockets: Vec<TcpListener>, cores: usize) -> std::io::Result<Vec<Vec<TcpListener>>> {
    let mut by_address: BTreeMap<SocketAddr, Vec<TcpListener>> = BTreeMap::new();
    for socket in sockets {
        by_address.entry(socket.local_addr()?).or_default().push(socket);
    }
    let mut dealt: Vec<Vec<TcpListener>> = (0..cores).map(|_| Vec::new()).collect();
    for group in by_address.into_values() {
        for turn in 0..cores.max(group.len()) {
            dealt[turn % cores].push(group[turn % group.len()].try_clone()?);
        }
    }
    Ok(dealt)
}

/// One socket a core on the same address. First it is bound alone, so that a port in use is an error and not half of the
/// connections.
fn bind_all(address: SocketAddr, cores: usize) -> std::io::Result<Vec<TcpListener>> {
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..cores {
        sockets.push(bind(bound, true)?);
    }
    Ok(sockets)
}

fn bind(address: SocketAddr, shared: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// How many sockets each of so many cores gets, of `groups` with so many sockets on one address each.
    fn check(groups: &[usize], cores: usize, expected: &[usize]) {
        let group = |count: &usize| bind_all(loopback(), *count).unwrap();
        let dealt = deal(groups.iter().flat_map(group).collect(), cores).unwrap();
        assert_eq!(dealt.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{groups:?}");
    }

    #[test]
    fn every_core_has_a_socket_of_each_address_and_every_socket_a_core() {
        check(&[1], 3, &[1, 1, 1]);
        check(&[3], 3, &[1, 1, 1]);
        check(&[1, 1], 3, &[2, 2, 2]);
        check(&[2], 3, &[1, 1, 1]);
        check(&[5], 2, &[3, 2]);
    }

    #[test]
    fn a_socket_that_others_can_reach_needs_a_key() {
        let everywhere = || vec![bind(SocketAddr::from(([0, 0, 0, 0], 0)), false).unwrap()];
        let mut config = Config::default();
        let refused = listen(&config, everywhere(), 1).unwrap_err();
        assert!(refused.to_string().contains("auth.key_file"), "{refused}");
        config.auth.key_file = Some("key".into());
        let (_, listeners) = listen(&config, everywhere(), 2).unwrap();
        assert!(listeners.len() == 2 && listeners.iter().all(|listeners| listeners.outlive_server));
    }
}

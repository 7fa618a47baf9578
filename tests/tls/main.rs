//! Encrypted connections: certificates, handshakes, and all that goes on behind them as it does without.
//!
//! [`certificates`] is the files and their renewal, [`handshakes`] those that fail, [`sockets`] WebSockets on their way to
//! their document's core and there, [`peers`] what other implementations make of it.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod handshakes;
mod peers;
mod sockets;

use support::home::Home;
use support::server::Server;
use support::tls::{Authority, Pair, Tunnel};

/// A server with a certificate, and what its clients need.
struct Encrypted {
    authority: Authority,
    pair: Pair,
    server: Server,
}

impl Encrypted {
    async fn start(home: &Home, settings: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        let pair = Pair::at(&home.path("."), "server");
        authority.issue(&pair);
        let start = home.start().encrypted(&pair);
        let start = settings.iter().fold(start, |start, (name, value)| start.env(name, value));
        Self { authority, pair, server: start.ready().await }
    }

    async fn tunnel(&self) -> Tunnel {
        Tunnel::to(self.server.port(), self.authority.connector()).await
    }
}

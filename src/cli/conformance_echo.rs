//! `conformance-echo`: the server's own connections, sending back what they receive, for conformance suites.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use jddb_core::limits::LimitMode;

use super::Failure;
use crate::config::{Config, Greeting, Heartbeat, Limits, Sources, Tls};
use crate::logging;

/// Autobahn sends messages of 16 MiB.
const MESSAGE_BYTES: usize = 64 << 20;
/// Nothing in the suites may be refused for want of room.
const QUEUE_BYTES: usize = 256 << 20;

#[derive(Args, Debug)]
pub(super) struct EchoArgs {
    /// Loopback address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// PEM file with a certificate: connections are encrypted
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl EchoArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() {
            return Err(Failure::Usage(format!("--listen: {}: expected a loopback address", self.listen)));
        }
        let directory = tempfile::tempdir().map_err(Failure::runtime)?;
        let config = Config {
            listen: self.listen,
            data: directory.path().to_owned(),
            tls: Tls { certificate: self.certificate.clone(), key: self.key.clone() },
            cores: Some(1),
            // Nothing but echoes is sent.
            greeting: Greeting::OnJoin,
            heartbeat: Heartbeat { interval_seconds: 3_600, silence_seconds: 7_200 },
            limits: Limits {
                mode: LimitMode::Observe,
                message_bytes: MESSAGE_BYTES,
                outbound_queue_bytes: QUEUE_BYTES,
                unfinished_message_bytes: QUEUE_BYTES,
                ..Limits::default()
            },
            ..Config::default()
        };
        let log = logging::init(&config.log).map_err(Failure::runtime)?;
        crate::server::echo(config, Sources::default(), log).map_err(Failure::runtime)
    }
}

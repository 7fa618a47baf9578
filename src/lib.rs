//! The JDDB real-time server around its pure core: configuration, authentication, sockets, storage and signals.
//!
//! What the product *is* lives in `jddb-core`, how documents are kept on disk in `jddb-storage`; this is
//! the shell. In reading order:
//!
//! 1. [`cli`] and [`config`]: what the operator says. [`logging`], [`clock`]: what everything uses.
//! 2. [`server`]: start and stop, `reload` in between. [`listen`]: the sockets connections come in on. [`shared`]: what all
//!    threads see; [`occupancy`]: who is connected; [`request_rates`]: who asks how often; [`visits`]: who is where by HTTP;
//!    [`unfinished`]: what is held of
//!    messages that have not come in full.
//! 3. [`cores`]: one pinned thread each, with its own documents.
//! 4. [`http`] accepts, authenticates and answers; `connection` serves a WebSocket on its document's core, over the
//!    `transport` that was handed over.
//! 5. [`tls`]: the certificate. [`auth`]: tokens, and who may do what. [`logins`]: which of them are good. [`metrics`]: what is counted.
//! 6. [`translations`]: the translation memory, with threads of its own; [`exchange`]: files of it. `durable`: how a thread waits for the disk; `panics`: what one does.

pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
mod connection;
pub mod cores;
mod durable;
pub mod exchange;
pub mod http;
mod jitter;
pub mod listen;
pub mod logging;
pub mod logins;
pub mod metrics;
pub mod occupancy;
mod panics;
mod progress;
mod reload;
pub mod request_rates;
pub mod server;
pub mod shared;
pub mod tls;
pub mod translations;
pub mod transport;
pub mod unfinished;
pub mod visits;
mod welcome;

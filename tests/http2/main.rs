//! HTTP/2 from end to end: what many streams on one connection are told, and what it costs to take nothing of it.
//!
//! [`client`] speaks it, [`events`] is event streams, [`answers`] everything else, [`peers`] what other implementations make
//! of the server, with TLS and without.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod client;
mod events;
mod peers;

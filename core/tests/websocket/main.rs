//! The WebSocket codec from outside: what a client sends, event by event; what it does wrong; every
//! way to cut a stream into reads; mutated streams; and another implementation as peer.

#![expect(clippy::cast_possible_truncation, reason = "random bytes and bits are cut off on purpose")]
#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

mod compression;
mod decoder;
mod encoder;
mod extension;
mod handshake;
mod hostile;
mod mask;
mod memory;
#[path = "../../fuzz/src/naive_inflate.rs"]
mod naive_inflate;
mod peer;
mod rebounding;
mod splits;
mod support;
mod violations;

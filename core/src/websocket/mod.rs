//! The server's side of the WebSocket protocol (RFC 6455) and of permessage-deflate (RFC 7692), without I/O.
//!
//! It is not a socket: bytes that were read go in, events come out; what is to be sent comes back
//! as bytes. Nor does it decide anything for the connection: answering a ping, echoing a close and
//! ending the connection after a [`ProtocolError`] are the caller's.
//!
//! The parts, in reading order:
//! - `handshake`: the upgrade request checked, the accept key, the subprotocol and the token beside
//!   it; `extension`: whether messages may be compressed.
//! - `frame`: the header of a frame, and what is refused in it.
//! - `decoder`: the state of one connection, from bytes to [`Event`]s; `pending` is what it keeps
//!   of a frame or message that has not arrived in full.
//! - `mask`: the XOR every client applies to its payloads.
//! - `inflater`: compressed messages received. `deflater`: messages compressed to be sent.
//! - `encoder`: frames to send, and [`FrameBuilder`] for a message that many recipients share.
//! - `close`: close codes and the payload of a close frame. `error`: what a peer can do wrong.

mod close;
mod decoder;
mod deflater;
mod encoder;
mod error;
mod extension;
mod frame;
mod handshake;
mod inflater;
mod mask;
mod pending;

pub use close::{CloseCode, CloseFrame};
pub use decoder::{Decoder, DecoderLimits, Event, Message};
pub use deflater::Deflater;
pub use encoder::{FrameBuilder, encode_close, encode_message, encode_ping, encode_pong, message_payload};
pub use error::ProtocolError;
pub use extension::{Compression, DEFLATE_BYTES_MAX, DEFLATE_BYTES_MIN};
pub use frame::{CONTROL_PAYLOAD_BYTES_MAX, MessageKind};
pub use handshake::{
    HandshakeError, SUBPROTOCOL, SubprotocolOffer, UpgradeHeaders, VERSION, accept_key, accept_upgrade,
    read_subprotocols,
};
pub use inflater::Inflater;
pub use mask::apply_mask;

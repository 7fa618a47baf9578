//! Frames to send. A server does not mask (RFC 6455 section 5.1), and this one does not fragment.

use bytes::{Buf, Bytes};

use super::close::CloseCode;
use super::frame::{
    CONTROL_PAYLOAD_BYTES_MAX, ControlKind, FIN, LENGTH_16_BITS, LENGTH_64_BITS, MessageKind, Opcode, RSV1,
};

/// The longest header a server sends: 2 bytes and a 64-bit length.
const HEADER_BYTES_MAX: usize = 10;

/// A message written straight behind the room for its header: one allocation and no copy, from
/// serialising to the frame that many recipients' queues share.
///
/// ```
/// use jddb_core::websocket::{FrameBuilder, MessageKind};
///
/// let mut frame = FrameBuilder::with_capacity(2);
/// frame.payload().extend_from_slice(b"{}");
/// assert_eq!(frame.finish(MessageKind::Text, false), &[0x81, 2, b'{', b'}'][..]);
/// ```
#[derive(Debug)]
pub struct FrameBuilder {
    /// Room for the longest header, then the payload.
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// Room for a payload of `payload_bytes`; a larger one grows it.
    #[must_use]
    pub fn with_capacity(payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX + payload_bytes);
        bytes.extend_from_slice(&[0; HEADER_BYTES_MAX]);
        Self { bytes }
    }

    /// Where the payload is appended. What is in it already is the header's room: only append.
    pub const fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The length of the payload so far, in bytes.
    ///
    /// # Panics
    /// If the header's room was cut off in [`payload`](Self::payload).
    #[must_use]
    pub fn payload_len(&self) -> usize {
        let len = self.bytes.len().checked_sub(HEADER_BYTES_MAX);
        len.expect("the payload is only appended to, so the header's room is there")
    }

    /// Writes the header in front of the payload: a whole frame, cheap to clone.
    ///
    /// `compressed`: the payload was deflated (RFC 7692).
    ///
    /// # Panics
    /// If the header's room was cut off in [`payload`](Self::payload).
    #[must_use]
    pub fn finish(mut self, kind: MessageKind, compressed: bool) -> Bytes {
        let mut header = [0; HEADER_BYTES_MAX];
        let len = write_header(Opcode::Message(kind), compressed, self.payload_len(), &mut header);
        let start = HEADER_BYTES_MAX - len;
        self.bytes[start..HEADER_BYTES_MAX].copy_from_slice(&header[..len]);
        let mut frame = Bytes::from(self.bytes);
        frame.advance(start);
        frame
    }
}

/// A whole frame from a payload that exists already.
#[must_use]
pub fn encode_message(kind: MessageKind, compressed: bool, payload: &[u8]) -> Bytes {
    encode_frame(Opcode::Message(kind), compressed, payload)
}

/// The kind and the payload of a whole message's frame, uncompressed, as it is made here.
pub(super) fn message_of(frame: &[u8]) -> Option<(MessageKind, &[u8])> {
    let (&[first, length], rest) = frame.split_first_chunk()?;
    let kind = [MessageKind::Text, MessageKind::Binary]
        .into_iter()
        .find(|&kind| first == FIN | Opcode::Message(kind).bits())?;
    let length_bytes = match length {
        LENGTH_16_BITS => size_of::<u16>(),
        LENGTH_64_BITS => size_of::<u64>(),
        _ => 0,
    };
    Some((kind, rest.get(length_bytes..)?))
}

/// The payload of a whole message's frame, uncompressed, as it is made here.
///
/// # Panics
/// If `frame` is anything else.
#[must_use]
pub fn message_payload(frame: &[u8]) -> &[u8] {
    let (_, payload) = message_of(frame).expect("frames of messages are made here, whole and not compressed");
    payload
}

/// A ping with at most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes, which the peer returns in its pong.
///
/// # Panics
/// If `payload` is longer.
#[must_use]
pub fn encode_ping(payload: &[u8]) -> Bytes {
    encode_control(ControlKind::Ping, payload)
}

/// The answer to a ping, with the ping's payload of at most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes.
///
/// # Panics
/// If `payload` is longer.
#[must_use]
pub fn encode_pong(payload: &[u8]) -> Bytes {
    encode_control(ControlKind::Pong, payload)
}

/// A close frame. A `reason` that does not fit, above 123 bytes, is cut between two characters.
#[must_use]
pub fn encode_close(code: CloseCode, reason: &str) -> Bytes {
    let reason_bytes_max = CONTROL_PAYLOAD_BYTES_MAX - size_of::<u16>();
    let reason = &reason[..reason.floor_char_boundary(reason_bytes_max)];
    let payload = [&code.get().to_be_bytes(), reason.as_bytes()].concat();
    encode_control(ControlKind::Close, &payload)
}

fn encode_control(kind: ControlKind, payload: &[u8]) -> Bytes {
    assert!(payload.len() <= CONTROL_PAYLOAD_BYTES_MAX, "a control frame holds at most 125 bytes");
    encode_frame(Opcode::Control(kind), false, payload)
}

fn encode_frame(opcode: Opcode, compressed: bool, payload: &[u8]) -> Bytes {
    let mut header = [0; HEADER_BYTES_MAX];
    let len = write_header(opcode, compressed, payload.len(), &mut header);
    Bytes::from([&header[..len], payload].concat())
}

/// Writes the header of an unmasked, unfragmented frame to the front of `out`; returns its length.
fn write_header(opcode: Opcode, compressed: bool, payload_len: usize, out: &mut [u8; HEADER_BYTES_MAX]) -> usize {
    out[0] = FIN | if compressed { RSV1 } else { 0 } | opcode.bits();
    if let Ok(len) = u8::try_from(payload_len)
        && len < LENGTH_16_BITS
    {
        out[1] = len;
        2
    } else if let Ok(len) = u16::try_from(payload_len) {
        out[1] = LENGTH_16_BITS;
        out[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        out[1] = LENGTH_64_BITS;
        out[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    }
}

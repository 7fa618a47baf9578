//! The frame header (RFC 6455 section 5.2), and what is refused in it.

use super::error::ProtocolError;

/// The most bytes a ping, pong or close may carry (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// The longest header a client can send: 2 bytes, a 64-bit length, the masking key.
pub(super) const CLIENT_HEADER_BYTES_MAX: usize = 14;

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// The 7-bit length that announces a length of 16 bits; the largest below it is a length itself.
pub(super) const LENGTH_16_BITS: u8 = 126;
/// The 7-bit length that announces a length of 64 bits.
pub(super) const LENGTH_64_BITS: u8 = 127;

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8 text, opcode 0x1.
    Text,
    /// Bytes, opcode 0x2.
    Binary,
}

/// A frame that speaks of the connection and may come between the fragments of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlKind {
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Message(MessageKind),
    Control(ControlKind),
}

impl Opcode {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Message(MessageKind::Text) => 0x1,
            Self::Message(MessageKind::Binary) => 0x2,
            Self::Control(ControlKind::Close) => 0x8,
            Self::Control(ControlKind::Ping) => 0x9,
            Self::Control(ControlKind::Pong) => 0xa,
        }
    }

    const fn from_bits(bits: u8) -> Result<Self, ProtocolError> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Message(MessageKind::Text),
            0x2 => Self::Message(MessageKind::Binary),
            0x8 => Self::Control(ControlKind::Close),
            0x9 => Self::Control(ControlKind::Ping),
            0xa => Self::Control(ControlKind::Pong),
            reserved => return Err(ProtocolError::ReservedOpcode(reserved)),
        })
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Control(_))
    }
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    pub(super) fin: bool,
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    /// In bytes, as claimed; nothing may be reserved for it before the limit is checked.
    pub(super) payload_len: usize,
    pub(super) mask: [u8; 4],
}

impl FrameHeader {
    /// Reads a header from the front of `bytes`, with its own length; `None` if it is not there in
    /// full.
    ///
    /// Each part is checked as soon as its bytes are there, first to last, so that what is refused,
    /// and why, does not depend on where the reads were cut.
    pub(super) fn parse(bytes: &[u8], compression: bool) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = parse_first(*first, compression)?;
        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        if second & MASKED == 0 {
            return Err(ProtocolError::Unmasked);
        }
        let short_len = second & LENGTH;
        if opcode.is_control() && usize::from(short_len) > CONTROL_PAYLOAD_BYTES_MAX {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((payload_len, rest)) = parse_length(short_len, rest)? else {
            return Ok(None);
        };
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let header = Self { fin: first & FIN != 0, compressed: first & RSV1 != 0, opcode, payload_len, mask: *mask };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

fn parse_first(byte: u8, compression: bool) -> Result<Opcode, ProtocolError> {
    if byte & RSV2_RSV3 != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    let opcode = Opcode::from_bits(byte & OPCODE)?;
    if byte & RSV1 != 0 {
        if !compression {
            return Err(ProtocolError::CompressionNotNegotiated);
        }
        if !matches!(opcode, Opcode::Message(_)) {
            return Err(ProtocolError::CompressionBitMisplaced);
        }
    }
    if opcode.is_control() && byte & FIN == 0 {
        return Err(ProtocolError::FragmentedControl);
    }
    Ok(opcode)
}

/// The payload's length and the bytes behind it.
fn parse_length(short_len: u8, bytes: &[u8]) -> Result<Option<(usize, &[u8])>, ProtocolError> {
    let (len, len_min, rest) = match short_len {
        LENGTH_16_BITS => {
            let Some((len, rest)) = bytes.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*len)), u64::from(LENGTH_16_BITS), rest)
        }
        LENGTH_64_BITS => {
            let Some((len, rest)) = bytes.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*len), u64::from(u16::MAX) + 1, rest)
        }
        len => return Ok(Some((usize::from(len), bytes))),
    };
    if len < len_min {
        return Err(ProtocolError::LengthNotMinimal);
    }
    if len > i64::MAX as u64 {
        return Err(ProtocolError::LengthTopBit);
    }
    // Where `usize` is narrower, what does not fit is above every limit, and so is its largest
    // value.
    Ok(Some((usize::try_from(len).unwrap_or(usize::MAX), rest)))
}

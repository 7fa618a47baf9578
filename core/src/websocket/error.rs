//! What a peer can do wrong, and the code to close it with.

use thiserror::Error;

use super::close::CloseCode;

/// A client broke RFC 6455 or a limit. The connection is to be closed with
/// [`close_code`](Self::close_code).
///
/// The text says what was expected and is short enough (at most 123 bytes) to be the close frame's
/// reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// RSV2 or RSV3 is set; no extension that defines them is ever negotiated (section 5.2).
    #[error("frame header: RSV2 and RSV3 must be 0, no extension uses them")]
    ReservedBits,
    /// RSV1 is set, but permessage-deflate was not negotiated.
    #[error("frame header: RSV1 is set, but permessage-deflate was not negotiated; send uncompressed")]
    CompressionNotNegotiated,
    /// RSV1 is set on a continuation or control frame (RFC 7692 section 6.1).
    #[error("frame header: RSV1 may be set on the first frame of a text or binary message only")]
    CompressionBitMisplaced,
    /// An opcode that RFC 6455 reserves (section 5.2).
    #[error("frame header: opcode {0:#x} is reserved; expected 0x0, 0x1, 0x2, 0x8, 0x9 or 0xa")]
    ReservedOpcode(u8),
    /// A client must mask every frame (section 5.1).
    #[error("frame header: a client must mask every frame, the MASK bit is 0")]
    Unmasked,
    /// A ping, pong or close without FIN (section 5.5).
    #[error("frame header: a control frame must not be fragmented, set FIN")]
    FragmentedControl,
    /// A ping, pong or close with more than 125 bytes (section 5.5).
    #[error("frame header: a control frame holds at most 125 bytes")]
    ControlTooLong,
    /// The length fits a shorter encoding, which then must be used (section 5.2).
    #[error("frame header: payload length must use the minimal number of bytes")]
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (section 5.2).
    #[error("frame header: the most significant bit of a 64-bit payload length must be 0")]
    LengthTopBit,
    /// A continuation frame where no message has begun (section 5.4).
    #[error("continuation frame without a message to continue; start with opcode 0x1 or 0x2")]
    ContinuationWithoutStart,
    /// A text or binary frame before the last fragment of the message before it (section 5.4).
    #[error("new message inside a fragmented one; expected a continuation frame (opcode 0x0)")]
    InterleavedMessage,
    /// More empty fragments in a message than
    /// [`empty_fragments_max`](super::DecoderLimits::empty_fragments_max).
    #[error("message has more than {max} empty fragments; send fragments that hold data")]
    TooManyEmptyFragments {
        /// The limit, in fragments of one message.
        max: u32,
    },
    /// A close frame with a payload of one byte, half a code (section 5.5.1).
    #[error("close frame: payload of 1 byte; expected none, or a code of 2 bytes and a reason")]
    CloseCodeTruncated,
    /// A close code that must not be sent (section 7.4).
    #[error("close frame: code {0} must not be sent; expected 1000-1003, 1007-1014 or 3000-4999")]
    CloseCodeInvalid(u16),
    /// A text message or a close reason is not UTF-8 (sections 5.6 and 8.1).
    #[error("text messages and close reasons must be valid UTF-8")]
    InvalidUtf8,
    /// A compressed message is no deflate data, or is cut off inside a block (RFC 7692 section 7.2.2).
    #[error("compressed message: not the deflate data of a whole message (RFC 7692, section 7.2.1)")]
    InvalidDeflate,
    /// The message, all its fragments together, is larger than
    /// [`message_bytes_max`](super::DecoderLimits::message_bytes_max), as it comes or inflated.
    #[error("message is larger than {max} bytes; send a smaller one")]
    MessageTooBig {
        /// The limit, in bytes of payload.
        max: usize,
    },
}

impl ProtocolError {
    /// The code to close the connection with: 1002, 1007 or 1009.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::ReservedBits
            | Self::CompressionNotNegotiated
            | Self::CompressionBitMisplaced
            | Self::ReservedOpcode(_)
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthTopBit
            | Self::ContinuationWithoutStart
            | Self::InterleavedMessage
            | Self::TooManyEmptyFragments { .. }
            | Self::CloseCodeTruncated
            | Self::CloseCodeInvalid(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}

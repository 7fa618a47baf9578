//! RFC 6455, with RFC 7692, read from the whole stream at once, sentence by sentence.

use jddb_core::websocket::{CONTROL_PAYLOAD_BYTES_MAX, CloseCode, DecoderLimits, MessageKind, ProtocolError};

use super::frames::Seen;
use super::naive_inflate::inflated;

use ProtocolError::{
    CloseCodeInvalid, CloseCodeTruncated, CompressionBitMisplaced, CompressionNotNegotiated, ContinuationWithoutStart,
    ControlTooLong, FragmentedControl, InterleavedMessage, InvalidUtf8, LengthNotMinimal, LengthTopBit, MessageTooBig,
    ReservedBits, ReservedOpcode, TooManyEmptyFragments, Unmasked,
};

/// A header and as much of its payload as there is, unmasked.
struct Frame {
    first: u8,
    length: u64,
    payload: Vec<u8>,
}

/// The message that is not over yet.
struct Open {
    kind: MessageKind,
    compressed: bool,
    bytes: Vec<u8>,
    empty: u32,
}

/// The events of a stream, up to the error that ends it.
pub(crate) fn reference(stream: &[u8], limits: DecoderLimits, compression: bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut open = None;
    while !matches!(seen.last(), Some(Seen::Error(_) | Seen::Close(_))) {
        let step = header(rest, compression).and_then(|frame| {
            let Some((frame, used)) = frame else { return Ok(None) };
            Ok(Some((event(&frame, &mut open, limits)?, used)))
        });
        match step {
            Ok(None) => break,
            Ok(Some((event, used))) => {
                seen.extend(event);
                rest = &rest[used.min(rest.len())..];
                if rest.is_empty() {
                    break;
                }
            }
            Err(error) => seen.push(Seen::Error(error)),
        }
    }
    seen
}

/// The frame that begins here, and where the next one would; `None` while its header is not there in full.
fn header(bytes: &[u8], compression: bool) -> Result<Option<(Frame, usize)>, ProtocolError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (opcode, is_control) = (first & 0x0f, first & 0x08 != 0);
    let checks = [
        (first & 0x30 != 0, ReservedBits),
        (!matches!(opcode, 0..=2 | 8..=10), ReservedOpcode(opcode)),
        (first & 0x40 != 0 && !compression, CompressionNotNegotiated),
        (first & 0x40 != 0 && !matches!(opcode, 1 | 2), CompressionBitMisplaced),
        (is_control && first & 0x80 == 0, FragmentedControl),
    ];
    check(checks)?;
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let short = second & 0x7f;
    check([(second & 0x80 == 0, Unmasked), (is_control && short > 125, ControlTooLong)])?;
    let wide = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(wider) = bytes.get(2..2 + wide) else { return Ok(None) };
    let wider = wider.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let length = if wide == 0 { u64::from(short) } else { wider };
    check([
        (wide == 2 && length < 126 || wide == 8 && length < 0x1_0000, LengthNotMinimal),
        (length > u64::MAX / 2, LengthTopBit),
    ])?;
    let Some(mask) = bytes.get(2 + wide..6 + wide) else { return Ok(None) };
    let there = bytes[6 + wide..].iter().take(usize::try_from(length).unwrap_or(usize::MAX));
    let payload: Vec<u8> = there.zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let used = 6 + wide + payload.len();
    Ok(Some((Frame { first, length, payload }, used)))
}

fn check<const N: usize>(checks: [(bool, ProtocolError); N]) -> Result<(), ProtocolError> {
    checks.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, error)| Err(error))
}

/// What a frame leads to, of which the payload may not be there in full.
fn event(frame: &Frame, open: &mut Option<Open>, limits: DecoderLimits) -> Result<Option<Seen>, ProtocolError> {
    let is_whole = frame.payload.len() as u64 == frame.length;
    let payload = frame.payload.clone();
    match frame.first & 0x0f {
        9 => return Ok(is_whole.then_some(Seen::Ping(payload))),
        10 => return Ok(is_whole.then_some(Seen::Pong(payload))),
        8 => return if is_whole { close(&payload).map(Some) } else { Ok(None) },
        0 => check([(open.is_none(), ContinuationWithoutStart)])?,
        opcode => {
            check([(open.is_some(), InterleavedMessage)])?;
            let kind = if opcode == 1 { MessageKind::Text } else { MessageKind::Binary };
            *open = Some(Open { kind, compressed: frame.first & 0x40 != 0, bytes: Vec::new(), empty: 0 });
        }
    }
    let Some(message) = open else { return Ok(None) };
    let fin = frame.first & 0x80 != 0;
    let (max, max_empty) = (limits.message_bytes_max, limits.empty_fragments_max);
    let is_fragment = !fin || frame.first & 0x0f == 0;
    message.empty += u32::from(is_fragment && frame.length == 0);
    let free = (max - message.bytes.len()) as u64;
    check([
        (frame.length > free, MessageTooBig { max }),
        (message.empty > max_empty, TooManyEmptyFragments { max: max_empty }),
    ])?;
    message.bytes.extend(payload);
    let is_text = message.kind == MessageKind::Text;
    let is_plain_text = is_text && !message.compressed;
    if let Err(error) = str::from_utf8(&message.bytes) {
        // What is cut off may still come.
        let is_cut = error.error_len().is_none();
        check([(is_plain_text && !(is_cut && !(fin && is_whole)), InvalidUtf8)])?;
    }
    if !(fin && is_whole) {
        return Ok(None);
    }
    let Some(Open { kind, compressed, bytes, .. }) = open.take() else { return Ok(None) };
    let bytes = if compressed { inflated(&bytes, max)? } else { bytes };
    check([(is_text && str::from_utf8(&bytes).is_err(), InvalidUtf8)])?;
    Ok(Some(Seen::Message(kind, bytes)))
}

fn close(payload: &[u8]) -> Result<Seen, ProtocolError> {
    assert!(payload.len() <= CONTROL_PAYLOAD_BYTES_MAX);
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(Seen::Close(None)) } else { Err(CloseCodeTruncated) };
    };
    let code = u16::from_be_bytes(*code);
    let known = CloseCode::new(code);
    assert_eq!(known.is_some(), matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
    let code = known.ok_or(CloseCodeInvalid(code))?;
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| InvalidUtf8)?;
    Ok(Seen::Close(Some((code, reason))))
}

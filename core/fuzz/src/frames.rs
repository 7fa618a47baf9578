//! The frame codec: a stream means the same however it is cut into reads, holds little memory, and what is encoded
//! is decoded as it was.

use jddb_core::websocket::{
    CONTROL_PAYLOAD_BYTES_MAX, CloseCode, Decoder, DecoderLimits, Deflater, Event, FrameBuilder, Inflater, Message,
    MessageKind, ProtocolError, encode_close, encode_message, encode_ping, encode_pong,
};

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

use super::bytes::Bytes;
use super::naive_decoder::reference;

/// Lengths at the edges of their encodings.
const LENGTHS: [usize; 12] = [0, 1, 2, 5, 64, 124, 125, 126, 127, 200, 65_535, 65_536];
/// So many of them are short.
const SHORT: usize = 10;
/// So long a stream is not made longer.
const STREAM_BYTES_MANY: usize = 66_000;
/// Streams up to this length are fed byte by byte too.
const BYTEWISE_MAX: usize = 512;

/// What an inflater keeps between two messages.
const INFLATED_KEPT: usize = 64 << 10;

/// Enough for a text to need a length of 16 bits.
const REPEATS_MAX: usize = 30;

/// An event that owns its bytes, or the error that ended the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(CloseCode, String)>),
    Error(ProtocolError),
}

/// A stream as it stands, or one of valid frames that the input describes.
///
/// # Panics
/// Something that must hold does not.
pub fn frames(data: &[u8]) {
    let mut bytes = Bytes::new(data, REPEATS_MAX);
    let flags = bytes.next();
    let message_bytes_max = [0, 1, 125, 1_000, 70_000, 1 << 20][usize::from(flags >> 2) % 6];
    let limits = DecoderLimits { message_bytes_max, empty_fragments_max: u32::from(flags >> 6) };
    let compression = flags & 1 == 1;
    let count = bytes.below(16);
    let cuts = bytes.take(count);
    let stream = if flags & 2 == 0 { bytes.rest().to_vec() } else { script(&mut bytes) };
    check_stream(&stream, cuts, limits, compression);
}

/// The events of a stream: as RFC 6455 has them, the same at once and in pieces, and again when they are encoded.
fn check_stream(stream: &[u8], cuts: &[u8], limits: DecoderLimits, compression: bool) {
    let whole = decode([stream], limits, compression);
    assert_eq!(whole, reference(stream, limits, compression), "against the naive decoder");
    assert_eq!(decode(pieces(stream, cuts), limits, compression), whole, "in pieces");
    if stream.len() <= BYTEWISE_MAX {
        assert_eq!(decode(stream.chunks(1), limits, compression), whole, "byte by byte");
    }
    let events: Vec<Seen> = whole.iter().filter(|seen| !matches!(seen, Seen::Error(_))).cloned().collect();
    let mut deflater = compression.then(Deflater::default);
    let again: Vec<u8> = events.iter().flat_map(|event| encoded(event, deflater.as_mut())).collect();
    assert_eq!(decode([again.as_slice()], limits, compression), events, "encoded again");
}

/// The stream in reads of the lengths in `cuts`, again and again; some are empty, if not all are.
fn pieces<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    if cuts.iter().all(|&cut| cut == 0) {
        return vec![stream];
    }
    let mut rest = stream;
    let mut lengths = cuts.iter().cycle();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |&cut| usize::from(cut)).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: DecoderLimits, compression: bool) -> Vec<Seen> {
    let mut decoder = Decoder::new(limits, compression);
    let mut inflater = Inflater::default();
    let mut seen = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        let mut piece = piece.to_vec();
        fed += piece.len();
        let mut input = piece.as_mut_slice();
        loop {
            let before = input.len();
            let event = match decoder.decode(&mut input, &mut inflater) {
                Ok(None) => break,
                Ok(Some(event)) => owned(event),
                Err(error) => {
                    assert_eq!(decoder.decode(&mut input, &mut inflater), Err(error), "an error stays");
                    assert_eq!(decoder.pending_bytes(), 0, "an error lets go of memory");
                    seen.push(Seen::Error(error));
                    return seen;
                }
            };
            assert!(input.len() < before, "{event:?} came from nothing");
            seen.push(event);
        }
        assert!(input.is_empty(), "all input is used");
        check_memory(&decoder, limits, fed);
        assert!(inflater.output_bytes() <= INFLATED_KEPT, "{} bytes are kept", inflater.output_bytes());
    }
    seen
}

/// Never more than the limit, nor than twice what has arrived.
fn check_memory(decoder: &Decoder, limits: DecoderLimits, fed: usize) {
    let held = decoder.pending_bytes();
    let arrived = (2 * fed).max(256).min(limits.message_bytes_max);
    assert!(held <= arrived + Decoder::PENDING_OVERHEAD_BYTES, "{held} bytes are held after {fed}");
}

fn owned(event: Event<'_>) -> Seen {
    match event {
        Event::Ping(payload) => Seen::Ping(payload.to_vec()),
        Event::Pong(payload) => Seen::Pong(payload.to_vec()),
        Event::Close(close) => Seen::Close(close.map(|close| (close.code, close.reason))),
        Event::Message(Message { kind, payload }) => {
            if kind == MessageKind::Text {
                assert!(str::from_utf8(payload).is_ok(), "text that is not UTF-8");
            }
            Seen::Message(kind, payload.to_vec())
        }
    }
}

/// An event as the server would send it, compressed where that helps, masked as a client has to.
fn encoded(seen: &Seen, deflater: Option<&mut Deflater>) -> Vec<u8> {
    let frame = match seen {
        Seen::Message(kind, payload) => {
            let mut builder = FrameBuilder::with_capacity(0);
            builder.payload().extend_from_slice(payload);
            assert_eq!(builder.payload_len(), payload.len());
            let frame = builder.finish(*kind, false);
            assert_eq!(encode_message(*kind, false, payload), frame);
            let Some(deflater) = deflater else { return masked(&frame) };
            let deflated = deflater.deflate(&frame);
            assert!(deflated == frame || deflated.len() < frame.len(), "it became larger");
            deflated
        }
        Seen::Ping(payload) => encode_ping(payload),
        Seen::Pong(payload) => encode_pong(payload),
        Seen::Close(Some((code, reason))) => encode_close(*code, reason),
        // The server always says why.
        Seen::Close(None) => return frame(0x88, 1, &[]),
        Seen::Error(_) => return Vec::new(),
    };
    masked(&frame)
}

fn masked(sent: &[u8]) -> Vec<u8> {
    let (first, payload) = parsed(sent);
    frame(first, payload.len(), payload)
}

/// The first byte and the payload of an unmasked frame whose length is in the shortest form.
fn parsed(frame: &[u8]) -> (u8, &[u8]) {
    let (first, length) = (frame[0], frame[1]);
    let (wide, rest) = match length {
        126 => (2, &frame[2..]),
        127 => (8, &frame[2..]),
        _ => (0, &frame[2..]),
    };
    let claimed = rest[..wide].iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let claimed = if wide == 0 { u64::from(length) } else { claimed };
    let payload = &rest[wide..];
    assert_eq!(u64::try_from(payload.len()), Ok(claimed));
    let shortest = match claimed {
        0..126 => 0,
        126..0x1_0000 => 2,
        _ => 8,
    };
    assert_eq!(wide, shortest, "the shortest form of {claimed}");
    (first, payload)
}

/// A client's frame, by the definition and not by the functions under test. `seed` makes the masking key.
fn frame(first: u8, seed: usize, payload: &[u8]) -> Vec<u8> {
    let mask = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => frame.push(0x80 | short),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(&mask[..4]);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    frame
}

/// A stream of frames as a client may send them, of every kind and length.
fn script(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !bytes.is_empty() && stream.len() < STREAM_BYTES_MANY {
        match bytes.next() {
            what @ 0..=0xbf => message(bytes, what, &mut stream),
            what => control(bytes, what, &mut stream),
        }
    }
    stream
}

fn control(bytes: &mut Bytes<'_>, what: u8, stream: &mut Vec<u8>) {
    if what.is_multiple_of(16) {
        let code = CloseCode::new(3_000 + u16::from(bytes.next())).expect("a code of applications");
        let reason = bytes.text();
        let sent = encode_close(code, &reason);
        let (first, payload) = parsed(&sent);
        let cut = (0..=123.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
        assert_eq!(&payload[2..], &reason.as_bytes()[..cut.unwrap_or(0)], "as much of the reason as fits");
        return stream.extend(frame(first, 3, payload));
    }
    let length = bytes.below(CONTROL_PAYLOAD_BYTES_MAX + 1);
    let payload = filled(bytes, length);
    stream.extend(frame(if what % 16 < 8 { 0x89 } else { 0x8a }, stream.len(), &payload));
}

/// One message in fragments, with control frames between them.
fn message(bytes: &mut Bytes<'_>, what: u8, stream: &mut Vec<u8>) {
    let is_text = what & 1 == 0;
    // Long ones take long.
    let length = if bytes.next() < 0xF8 { bytes.pick(&LENGTHS[..SHORT]) } else { bytes.pick(&LENGTHS) };
    let payload = if is_text {
        (0..1 + length.min(200) / 8).map(|_| bytes.text()).collect::<String>().into_bytes()
    } else {
        filled(bytes, length)
    };
    // What is compressed here is so by another library, or is the input's own idea of deflate data.
    let (compressed, payload) = match what & 2 {
        0 => (0, payload),
        _ if is_text || bytes.next() & 1 == 0 => (0x40, deflated(&payload, bytes.next() % 11)),
        _ => (0x40, payload),
    };
    let fragments = usize::from(what >> 2) % 6;
    let mut start = 0;
    for index in 0..=fragments {
        let fin = index == fragments;
        let left = payload.len() - start;
        let end = start + if fin { left } else { bytes.below(256).min(left) };
        let opcode = if index > 0 { 0 } else { compressed | if is_text { 1 } else { 2 } };
        stream.extend(frame(opcode | if fin { 0x80 } else { 0 }, end, &payload[start..end]));
        if !fin && bytes.next() & 3 == 0 {
            control(bytes, what, stream);
        }
        start = end;
    }
}

/// A payload as a client compresses it, by another library than the server's.
fn deflated(payload: &[u8], level: u8) -> Vec<u8> {
    const RAW: i32 = -15;
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(level.into(), RAW, 0));
    let mut out = vec![0; 2 * payload.len() + 64];
    let (status, read, written) = compress(&mut compressor, payload, &mut out, TDEFLFlush::Sync);
    assert_eq!((status, read), (TDEFLStatus::Okay, payload.len()));
    out.truncate(written - 4);
    out
}

/// `length` bytes: those of the input, again and again.
fn filled(bytes: &mut Bytes<'_>, length: usize) -> Vec<u8> {
    let count = bytes.below(8);
    let some = bytes.take(count.min(length));
    if some.is_empty() { vec![0xff; length] } else { some.iter().copied().cycle().take(length).collect() }
}

//! Client frames, a seeded generator of them, and events in a form that can be kept and compared.

use jddb_core::websocket::{Decoder, DecoderLimits, Event, Inflater, Message, MessageKind, ProtocolError};
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Small, so that limits are met often.
pub(crate) const LIMITS: DecoderLimits = DecoderLimits { message_bytes_max: 100_000, empty_fragments_max: 3 };

/// An event that owns its bytes, or the error that ended the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Error(ProtocolError),
}

impl Seen {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(close) => Self::Close(close.map(|close| (close.code.get(), close.reason))),
            Event::Message(Message { kind: MessageKind::Text, payload }) => Self::Text(payload.to_vec()),
            Event::Message(Message { kind: MessageKind::Binary, payload }) => Self::Binary(payload.to_vec()),
        }
    }
}

/// A frame with every field as given, its length in the shortest form.
pub(crate) fn frame_with(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    // The definition, byte by byte: not the function under test.
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    frame
}

pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_with(first, MASK, payload.as_ref())
}

pub(crate) fn close_payload(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_ref()].concat()
}

/// What is behind the header of an unmasked frame.
pub(crate) fn payload_of(frame: &[u8]) -> &[u8] {
    match frame[1] {
        126 => &frame[4..],
        127 => &frame[10..],
        _ => &frame[2..],
    }
}

/// A message's payload compressed as a client does it (RFC 7692 section 7.2.1), by another library than the server's.
pub(crate) fn deflated(payload: &[u8], level: i32) -> Vec<u8> {
    const RAW: i32 = -15;
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(level, RAW, 0));
    let mut out = vec![0; 2 * payload.len() + 64];
    let (status, read, written) = compress(&mut compressor, payload, &mut out, TDEFLFlush::Sync);
    assert_eq!((status, read), (TDEFLStatus::Okay, payload.len()));
    out.truncate(written);
    out.strip_suffix(&[0x00, 0x00, 0xff, 0xff]).unwrap().to_vec()
}

/// Feeds one read and keeps what comes of it. Holds what is true after every read.
pub(crate) fn feed(decoder: &mut Decoder, read: &mut [u8], limits: &DecoderLimits, seen: &mut Vec<Seen>) {
    let mut inflater = Inflater::default();
    let mut input = read;
    loop {
        let before = input.len();
        match decoder.decode(&mut input, &mut inflater) {
            Ok(None) => break,
            Ok(Some(event)) => {
                let event = Seen::from(event);
                assert!(input.len() < before, "{event:?} came from nothing");
                seen.push(event);
            }
            Err(error) => {
                assert_eq!(decoder.decode(&mut input, &mut inflater), Err(error), "an error stays");
                seen.push(Seen::Error(error));
                assert_eq!(decoder.pending_bytes(), 0, "an error lets go of memory");
                return;
            }
        }
    }
    assert!(input.is_empty(), "all input is used");
    let bound = limits.message_bytes_max + Decoder::PENDING_OVERHEAD_BYTES;
    assert!(decoder.pending_bytes() <= bound, "{} bytes are held", decoder.pending_bytes());
}

/// Decodes `stream` in reads that end at `cuts`, which are ascending.
pub(crate) fn decode(stream: &[u8], cuts: &[usize], limits: DecoderLimits, compression: bool) -> Vec<Seen> {
    let mut decoder = Decoder::new(limits, compression);
    let mut seen = Vec::new();
    let mut stream = stream.to_vec();
    let mut rest = &mut stream[..];
    let mut taken = 0;
    for &cut in cuts {
        let (read, behind) = std::mem::take(&mut rest).split_at_mut(cut - taken);
        (rest, taken) = (behind, cut);
        feed(&mut decoder, read, &limits, &mut seen);
        if matches!(seen.last(), Some(Seen::Error(_))) {
            return seen;
        }
    }
    feed(&mut decoder, rest, &limits, &mut seen);
    seen
}

/// SplitMix64: enough for tests, and a seed of one number.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// The seed is the environment's `JDDB_SEED`, else `default`. It is printed, so that a failure
    /// can be repeated.
    pub(crate) fn from_env(default: u64) -> Self {
        let seed = std::env::var("JDDB_SEED").map_or(default, |seed| seed.parse().unwrap());
        eprintln!("JDDB_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn mask(&mut self) -> [u8; 4] {
        (self.next() as u32).to_be_bytes()
    }

    /// About `len` bytes of characters of 1 to 4 bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const CHARS: [char; 8] = ['a', '"', 'é', 'ß', '€', '\u{ffff}', '😀', '\u{10ffff}'];
        let mut text = String::new();
        while text.len() < len {
            text.push(CHARS[self.below(CHARS.len())]);
        }
        text
    }

    /// A payload's length: mostly small, often at an edge of the length's encodings.
    pub(crate) fn payload_len(&mut self) -> usize {
        match self.below(16) {
            0 => 0,
            1 => 124 + self.below(4),
            2 => 65_533 + self.below(6),
            3 => self.below(5_000),
            _ => self.below(40),
        }
    }

    /// Up to `count` ascending places to cut a stream of `len` bytes.
    pub(crate) fn cuts(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut cuts: Vec<usize> = (0..count).map(|_| self.below(len + 1)).collect();
        cuts.sort_unstable();
        cuts
    }

    /// A valid message as frames with its event, control frames between the fragments included; every other one
    /// compressed, if that is allowed.
    pub(crate) fn message(&mut self, compression: bool, stream: &mut Vec<u8>, expected: &mut Vec<Seen>) {
        let len = self.payload_len();
        let (opcode, payload, event) = if self.one_in(2) {
            let text = self.text(len);
            (TEXT, text.clone().into_bytes(), Seen::Text(text.into_bytes()))
        } else {
            let bytes = self.bytes(len);
            (BINARY, bytes.clone(), Seen::Binary(bytes))
        };
        let (opcode, payload) = if compression && self.one_in(2) {
            (opcode | RSV1, deflated(&payload, self.below(10) as i32))
        } else {
            (opcode, payload)
        };
        let count = if self.one_in(2) { 0 } else { self.below(6) };
        // Two equal cuts make an empty fragment; there may be a few.
        let mut cuts = self.cuts(payload.len(), count);
        cuts.dedup();
        let mut start = 0;
        for (i, end) in cuts.iter().copied().chain([payload.len()]).enumerate() {
            let fin = if i == cuts.len() { FIN } else { 0 };
            let opcode = if i == 0 { opcode } else { CONTINUATION };
            stream.extend(frame_with(fin | opcode, self.mask(), &payload[start..end]));
            start = end;
            if fin == 0 && self.one_in(3) {
                self.control(stream, expected);
            }
        }
        expected.push(event);
    }

    pub(crate) fn control(&mut self, stream: &mut Vec<u8>, expected: &mut Vec<Seen>) {
        let len = self.below(126);
        let payload = self.bytes(len);
        if self.one_in(2) {
            stream.extend(frame_with(FIN | PING, self.mask(), &payload));
            expected.push(Seen::Ping(payload));
        } else {
            stream.extend(frame_with(FIN | PONG, self.mask(), &payload));
            expected.push(Seen::Pong(payload));
        }
    }

    /// A valid stream with its events; `compression`: some messages are compressed.
    pub(crate) fn stream(&mut self, messages_max: usize, compression: bool) -> (Vec<u8>, Vec<Seen>) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..=self.below(messages_max) {
            if self.one_in(4) {
                self.control(&mut stream, &mut expected);
            }
            self.message(compression, &mut stream, &mut expected);
        }
        (stream, expected)
    }
}

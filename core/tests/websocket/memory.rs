//! What a connection holds: nothing when idle, little more than what has arrived otherwise.

use jddb_core::websocket::{Decoder, DecoderLimits, Inflater, ProtocolError};

use crate::support::*;

const OVERHEAD: usize = Decoder::PENDING_OVERHEAD_BYTES;

#[test]
fn idle_decoder_is_small() {
    const { assert!(size_of::<Decoder>() <= 64 && OVERHEAD <= 288) }
    assert_eq!(Decoder::new(LIMITS, false).pending_bytes(), 0);
}

/// Feeds `reads`; after each, at most so many bytes may be held.
fn check(reads: &[(Vec<u8>, usize)]) {
    let mut decoder = Decoder::new(LIMITS, false);
    let mut seen = Vec::new();
    for (i, (read, held_max)) in reads.iter().enumerate() {
        feed(&mut decoder, &mut read.clone(), &LIMITS, &mut seen);
        let held = decoder.pending_bytes();
        assert!(held <= *held_max, "{held} bytes are held after read {i}, not {held_max}");
    }
    assert!(!seen.iter().any(|event| matches!(event, Seen::Error(_))), "{seen:?}");
}

#[test]
fn claimed_length_reserves_nothing() {
    let large = frame(FIN | BINARY, vec![1; 90_000]);
    check(&[(large[..13].to_vec(), OVERHEAD), (large[13..14].to_vec(), OVERHEAD)]);
    check(&[(large[..15].to_vec(), OVERHEAD + 256)]);
    check(&[(large[..5_014].to_vec(), OVERHEAD + 5_000), (large[5_014..5_015].to_vec(), OVERHEAD + 10_000)]);
}

#[test]
fn nothing_is_held_between_messages() {
    let large = frame(FIN | TEXT, vec![b'x'; 90_000]);
    let (head, tail) = large.split_at(40_000);
    check(&[(head.to_vec(), OVERHEAD + 40_000), (tail.to_vec(), 0)]);
    check(&[(frame(FIN | TEXT, "x"), 0)]);
    check(&[(frame(TEXT, "x"), OVERHEAD + 256), (frame(FIN | CONTINUATION, "y"), 0)]);
}

#[test]
fn unfinished_control_frames_and_headers_hold_no_buffer() {
    let ping = frame(FIN | PING, [1; 125]);
    let parts = [1, 2, 7, 130].map(|len| (ping[..len].to_vec(), OVERHEAD));
    for part in parts {
        let rest = (ping[part.0.len()..].to_vec(), 0);
        check(&[part, rest]);
    }
}

/// A large message is held in parts, each no larger than what came at once, and is one again when it is whole; characters
/// that end in the next part are no matter.
#[test]
fn large_messages_are_held_as_they_came() {
    let text = "a€😀é".repeat(60_000);
    for read_len in [4_093, 65_536, 70_001] {
        let limits = DecoderLimits::new(text.len());
        let mut decoder = Decoder::new(limits, false);
        let mut seen = Vec::new();
        let mut bytes = frame(FIN | TEXT, text.clone());
        let mut arrived = 0;
        for read in bytes.chunks_mut(read_len) {
            arrived += read.len();
            feed(&mut decoder, read, &limits, &mut seen);
            let held = decoder.pending_bytes();
            assert!(held <= OVERHEAD + arrived + (64 << 10), "{held} bytes are held of {arrived}");
        }
        assert!(seen == [Seen::text(&text)], "it is another message, or {} of them", seen.len());
    }
}

/// Feeds a frame of `len` bytes one by one; its buffer may come to `buffer_max` bytes.
fn check_buffer(first: u8, len: usize, buffer_max: usize) {
    let limits = DecoderLimits { message_bytes_max: 1_000, empty_fragments_max: 1 };
    let mut decoder = Decoder::new(limits, false);
    let mut seen = Vec::new();
    for byte in &mut frame(first, vec![1; len])[..] {
        feed(&mut decoder, std::slice::from_mut(byte), &limits, &mut seen);
        assert!(decoder.pending_bytes() <= OVERHEAD + buffer_max);
    }
}

#[test]
fn buffer_never_outgrows_the_message_or_the_limit() {
    check_buffer(FIN | BINARY, 1, 1);
    check_buffer(FIN | BINARY, 600, 600);
    check_buffer(FIN | BINARY, 999, 999);
    check_buffer(BINARY, 999, 1_000);
}

/// What an inflater keeps between two messages.
const OUTPUT_KEPT: usize = 64 << 10;

/// Sends compressed spaces that come to `inflated` bytes and reads on, as often as `times`.
fn check_inflating(inflated: usize, message_bytes_max: usize, times: usize) {
    let limits = DecoderLimits { message_bytes_max, empty_fragments_max: 1 };
    let frame = frame(FIN | RSV1 | BINARY, deflated(&vec![b' '; inflated], 9));
    let mut inflater = Inflater::default();
    assert_eq!(inflater.output_bytes(), 0, "nothing is held before the first message");
    for _ in 0..times {
        let mut decoder = Decoder::new(limits, true);
        let mut bytes = frame.clone();
        let mut input = &mut bytes[..];
        let is_too_big = match decoder.decode(&mut input, &mut inflater) {
            Ok(event) => event.is_none(),
            Err(error) => error == ProtocolError::MessageTooBig { max: message_bytes_max },
        };
        assert_eq!(is_too_big, inflated > message_bytes_max);
        let held = inflater.output_bytes();
        assert!(held <= message_bytes_max + 1 + OUTPUT_KEPT, "{held} bytes are held for {inflated}");
        assert_eq!(decoder.pending_bytes(), 0);
        let _ = decoder.decode(&mut input, &mut inflater);
        let kept = inflater.output_bytes();
        assert!(kept <= OUTPUT_KEPT, "{kept} bytes are kept after {inflated}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_largest_message() {
    check_inflating(50, 1_000_000, 3);
    check_inflating(70_000, 1_000_000, 3);
    check_inflating(1_000_000, 1_000_000, 3);
    check_inflating(1_000_001, 1_000_000, 3);
    check_inflating(50_000_000, 1_000_000, 3);
    check_inflating(50_000_000, 100_000, 3);
}

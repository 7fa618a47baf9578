//! What a well-behaved client sends.

use jddb_core::websocket::{Decoder, Event, Inflater};

use crate::support::*;

/// Decodes in one read and in reads of one byte.
fn check(stream: &[Vec<u8>], expected: &[Seen]) {
    let stream = stream.concat();
    assert_eq!(decode(&stream, &[], LIMITS, false), expected, "in one read");
    let cuts: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(decode(&stream, &cuts, LIMITS, false), expected, "byte by byte");
}

#[test]
fn rfc_example_of_a_masked_text() {
    let stream = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    check(&[stream], &[Seen::text("Hello")]);
}

#[test]
fn messages_of_every_length_encoding() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, LIMITS.message_bytes_max] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        check(&[frame(FIN | BINARY, &payload)], &[Seen::Binary(payload)]);
    }
}

#[test]
fn several_messages_in_one_read() {
    check(
        &[frame(FIN | TEXT, "one"), frame(FIN | BINARY, [0xff]), frame(FIN | TEXT, "")],
        &[Seen::text("one"), Seen::Binary(vec![0xff]), Seen::text("")],
    );
}

#[test]
fn fragments_with_control_frames_between_them() {
    check(
        &[
            frame(TEXT, "a"),
            frame(FIN | PING, "p"),
            frame(CONTINUATION, "b"),
            frame(FIN | PONG, ""),
            frame(FIN | CONTINUATION, "c"),
            frame(FIN | TEXT, "next"),
        ],
        &[Seen::Ping(b"p".into()), Seen::Pong(vec![]), Seen::text("abc"), Seen::text("next")],
    );
}

#[test]
fn characters_cut_by_fragments() {
    let text = "é€😀\u{10ffff}";
    for cut in 1..text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        check(&[frame(TEXT, head), frame(FIN | CONTINUATION, tail)], &[Seen::text(text)]);
    }
    let mut bytes: Vec<Vec<u8>> = text.bytes().map(|byte| frame(CONTINUATION, [byte])).collect();
    bytes[0] = frame(TEXT, &text.as_bytes()[..1]);
    bytes.push(frame(FIN | CONTINUATION, ""));
    check(&bytes, &[Seen::text(text)]);
}

#[test]
fn longest_control_payload() {
    check(&[frame(FIN | PING, [7; 125])], &[Seen::Ping(vec![7; 125])]);
    let reason = "r".repeat(123);
    let close = frame(FIN | CLOSE, close_payload(4999, &reason));
    check(&[close], &[Seen::Close(Some((4999, reason)))]);
}

#[test]
fn close_codes_that_may_be_sent() {
    check(&[frame(FIN | CLOSE, "")], &[Seen::Close(None)]);
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        check(&[frame(FIN | CLOSE, close_payload(code, "é"))], &[Seen::Close(Some((code, "é".into())))]);
    }
}

#[test]
fn nothing_is_decoded_after_a_close() {
    let unmasked = vec![0x81, 0x00];
    check(&[frame(TEXT, "lost"), frame(FIN | CLOSE, ""), frame(FIN | PING, ""), unmasked], &[Seen::Close(None)]);
}

#[test]
fn as_many_empty_fragments_as_allowed_in_each_message() {
    for _ in 0..2 {
        let empty = frame(CONTINUATION, "");
        check(&[frame(TEXT, ""), empty.clone(), empty, frame(FIN | CONTINUATION, "x")], &[Seen::text("x")]);
    }
}

#[test]
fn whole_message_is_handed_out_where_it_lies() {
    let mut read = frame(FIN | TEXT, "in place");
    let range = read.as_ptr_range();
    let mut decoder = Decoder::new(LIMITS, false);
    let mut input = &mut read[..];
    match decoder.decode(&mut input, &mut Inflater::default()) {
        Ok(Some(Event::Message(message))) => assert!(range.contains(&message.payload.as_ptr())),
        other => panic!("expected a message, got {other:?}"),
    }
    assert_eq!(decoder.pending_bytes(), 0);
}

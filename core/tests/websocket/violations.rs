//! What a client must not send, and that it is refused as early as it can be.

use jddb_core::websocket::ProtocolError as E;

use crate::support::*;

/// Decodes in one read and byte by byte; expects the events, then the error with its close code.
fn check_after(stream: &[Vec<u8>], events: &[Seen], error: E, close_code: u16) {
    check_with(stream, false, events, error, close_code);
}

fn check(stream: &[Vec<u8>], error: E, close_code: u16) {
    check_after(stream, &[], error, close_code);
}

fn check_with(stream: &[Vec<u8>], compression: bool, events: &[Seen], error: E, close_code: u16) {
    let expected = [events, &[Seen::Error(error)]].concat();
    let stream = stream.concat();
    assert_eq!(decode(&stream, &[], LIMITS, compression), expected, "in one read");
    let cuts: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(decode(&stream, &cuts, LIMITS, compression), expected, "byte by byte");
    assert_eq!(error.close_code().get(), close_code);
    let reason = error.to_string();
    assert!(reason.len() <= 123, "the reason fits a close frame: {reason}");
}

#[test]
fn reserved_bits() {
    for bit in [0x10, 0x20] {
        check(&[vec![FIN | bit | TEXT]], E::ReservedBits, 1002);
    }
    check(&[vec![FIN | RSV1 | TEXT]], E::CompressionNotNegotiated, 1002);
}

#[test]
fn compression_bit_on_other_than_the_first_frame_of_a_message() {
    for opcode in [CLOSE, PING, PONG, CONTINUATION] {
        let misplaced = E::CompressionBitMisplaced;
        check_with(&[frame(BINARY, "x"), vec![FIN | RSV1 | opcode]], true, &[], misplaced, 1002);
    }
}

#[test]
fn reserved_opcodes() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        check(&[vec![FIN | opcode]], E::ReservedOpcode(opcode), 1002);
    }
}

#[test]
fn unmasked_frames() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        check(&[vec![FIN | opcode, 0x00]], E::Unmasked, 1002);
    }
}

#[test]
fn fragmented_or_long_control_frames() {
    for opcode in [CLOSE, PING, PONG] {
        check(&[vec![opcode]], E::FragmentedControl, 1002);
        check(&[vec![FIN | opcode, 0x80 | 126]], E::ControlTooLong, 1002);
        check(&[vec![FIN | opcode, 0x80 | 127]], E::ControlTooLong, 1002);
    }
}

#[test]
fn lengths_not_in_their_shortest_form() {
    let long = |len: u64| [vec![FIN | TEXT, 0x80 | 127], len.to_be_bytes().to_vec()].concat();
    check(&[vec![FIN | TEXT, 0x80 | 126, 0, 125]], E::LengthNotMinimal, 1002);
    check(&[long(0)], E::LengthNotMinimal, 1002);
    check(&[long(65_535)], E::LengthNotMinimal, 1002);
    check(&[long(1 << 63)], E::LengthTopBit, 1002);
    check(&[long(u64::MAX)], E::LengthTopBit, 1002);
}

#[test]
fn fragments_out_of_order() {
    check(&[frame(FIN | CONTINUATION, "x")], E::ContinuationWithoutStart, 1002);
    check(&[frame(CONTINUATION, "x")], E::ContinuationWithoutStart, 1002);
    for opcode in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        check(&[frame(TEXT, "x"), frame(opcode, "y")], E::InterleavedMessage, 1002);
    }
    check_after(
        &[frame(TEXT, "x"), frame(FIN | CONTINUATION, "y"), frame(FIN | CONTINUATION, "z")],
        &[Seen::text("xy")],
        E::ContinuationWithoutStart,
        1002,
    );
}

#[test]
fn bad_close_payloads() {
    check(&[frame(FIN | CLOSE, [3])], E::CloseCodeTruncated, 1002);
    let invalid = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    for code in invalid {
        let close = frame(FIN | CLOSE, close_payload(code, ""));
        check(&[close], E::CloseCodeInvalid(code), 1002);
    }
    check(&[frame(FIN | CLOSE, close_payload(1000, [0xc3]))], E::InvalidUtf8, 1007);
}

const NOT_UTF8: [&[u8]; 9] = [
    &[0x80],
    &[0xc0, 0xaf],
    &[0xe0, 0x80],
    &[0xed, 0xa0],
    &[0xf0, 0x80],
    &[0xf4, 0x90],
    &[0xf5],
    &[0xff],
    &[0xe2, 0x82, b'x'],
];

#[test]
fn text_that_is_not_utf8() {
    for bytes in NOT_UTF8 {
        check(&[frame(FIN | TEXT, bytes)], E::InvalidUtf8, 1007);
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            check(&[frame(TEXT, head), frame(FIN | CONTINUATION, tail)], E::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn text_that_ends_inside_a_character() {
    for incomplete in ["é", "€", "😀"].map(|text| &text.as_bytes()[..text.len() - 1]) {
        check(&[frame(FIN | TEXT, incomplete)], E::InvalidUtf8, 1007);
        check(&[frame(TEXT, incomplete), frame(FIN | CONTINUATION, "")], E::InvalidUtf8, 1007);
        check(&[frame(TEXT, incomplete), frame(FIN | CONTINUATION, "x")], E::InvalidUtf8, 1007);
    }
}

#[test]
fn bad_text_is_refused_before_its_frame_or_message_ends() {
    for bytes in NOT_UTF8 {
        let text = [b"good ", bytes].concat();
        let mut claimed = frame(FIN | TEXT, [&text[..], &[b'x'; 1000]].concat());
        claimed.truncate(8 + text.len());
        check(&[claimed], E::InvalidUtf8, 1007);
        check(&[frame(TEXT, &text)], E::InvalidUtf8, 1007);
        check(&[frame(TEXT, "a"), frame(CONTINUATION, &text)], E::InvalidUtf8, 1007);
    }
}

#[test]
fn too_big_messages_are_refused_by_their_header() {
    let max = LIMITS.message_bytes_max;
    let header_of = |first, len| frame(first, vec![b'x'; len])[..14].to_vec();
    let too_big = E::MessageTooBig { max };
    check(&[header_of(FIN | TEXT, max + 1)], too_big, 1009);
    check(&[header_of(BINARY, max + 1)], too_big, 1009);
    check(&[frame(TEXT, "x"), header_of(FIN | CONTINUATION, max)], too_big, 1009);
    let mut largest = vec![FIN | BINARY, 0x80 | 127];
    largest.extend((i64::MAX as u64).to_be_bytes());
    largest.extend(MASK);
    check(&[largest], too_big, 1009);
    // What is full takes no further byte, and an empty end.
    let full = frame(TEXT, vec![b'x'; max]);
    check(&[full.clone(), frame(CONTINUATION, "x")[..6].to_vec()], too_big, 1009);
    let seen = decode(&[full, frame(FIN | CONTINUATION, "")].concat(), &[], LIMITS, false);
    assert_eq!(seen, [Seen::Text(vec![b'x'; max])]);
}

#[test]
fn endless_empty_fragments() {
    let error = E::TooManyEmptyFragments { max: 3 };
    let empty = frame(CONTINUATION, "");
    check(&[frame(TEXT, ""), empty.clone(), empty.clone(), empty.clone()], error, 1002);
    check(&[frame(TEXT, "x"), empty.clone(), empty.clone(), empty.clone(), empty.clone()], error, 1002);
    let ping = frame(FIN | PING, "");
    check_after(
        &[frame(TEXT, "x"), empty.clone(), empty.clone(), ping, empty.clone(), empty],
        &[Seen::Ping(vec![])],
        error,
        1002,
    );
}

#[test]
fn events_before_an_error_are_delivered() {
    check_after(
        &[frame(FIN | TEXT, "fine"), frame(FIN | PING, ""), vec![0x83]],
        &[Seen::text("fine"), Seen::Ping(vec![])],
        E::ReservedOpcode(3),
        1002,
    );
}

//! Frames to send, byte by byte.

use bytes::Bytes;
use jddb_core::websocket::{
    CloseCode, FrameBuilder, MessageKind, encode_close, encode_message, encode_ping, encode_pong,
};

fn check(frame: &Bytes, header: &[u8], payload: &[u8]) {
    assert_eq!(&frame[..header.len()], header);
    assert_eq!(&frame[header.len()..], payload);
}

/// The same frame from the builder and from a payload that exists.
fn check_message(kind: MessageKind, compressed: bool, payload_len: usize, header: &[u8]) {
    let payload = vec![b'x'; payload_len];
    check(&encode_message(kind, compressed, &payload), header, &payload);
    for capacity in [0, payload_len] {
        let mut frame = FrameBuilder::with_capacity(capacity);
        frame.payload().extend_from_slice(&payload);
        assert_eq!(frame.payload_len(), payload_len);
        check(&frame.finish(kind, compressed), header, &payload);
    }
}

#[test]
fn lengths_use_their_shortest_form() {
    check_message(MessageKind::Text, false, 0, &[0x81, 0]);
    check_message(MessageKind::Text, false, 125, &[0x81, 125]);
    check_message(MessageKind::Text, false, 126, &[0x81, 126, 0, 126]);
    check_message(MessageKind::Text, false, 65_535, &[0x81, 126, 0xff, 0xff]);
    check_message(MessageKind::Text, false, 65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn kind_and_compression_are_in_the_first_byte() {
    check_message(MessageKind::Binary, false, 1, &[0x82, 1]);
    check_message(MessageKind::Text, true, 1, &[0xc1, 1]);
    check_message(MessageKind::Binary, true, 1, &[0xc2, 1]);
}

#[test]
fn control_frames() {
    check(&encode_ping(b""), &[0x89, 0], b"");
    check(&encode_ping(&[1; 125]), &[0x89, 125], &[1; 125]);
    check(&encode_pong(b"pong"), &[0x8a, 4], b"pong");
}

#[test]
#[should_panic(expected = "at most 125 bytes")]
fn control_frame_with_too_long_a_payload() {
    let _ = encode_ping(&[0; 126]);
}

#[test]
#[should_panic(expected = "only appended to")]
fn builder_whose_header_room_was_cut_off() {
    let mut frame = FrameBuilder::with_capacity(10);
    frame.payload().clear();
    let _ = frame.finish(MessageKind::Text, false);
}

fn check_close(code: u16, reason: &str, sent: &str) {
    let frame = encode_close(CloseCode::new(code).unwrap(), reason);
    let payload = [&code.to_be_bytes(), sent.as_bytes()].concat();
    check(&frame, &[0x88, payload.len() as u8], &payload);
}

#[test]
fn close_reasons_are_cut_between_characters() {
    check_close(1000, "", "");
    check_close(4001, "scope missing", "scope missing");
    let longest = "x".repeat(123);
    check_close(1001, &longest, &longest);
    check_close(1001, &"x".repeat(500), &longest);
    check_close(1001, &"é".repeat(100), &"é".repeat(61));
    check_close(1001, &format!("{}€", "x".repeat(121)), &"x".repeat(121));
}

#[test]
fn close_codes() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(CloseCode::new(code), None);
    }
    const LOCKED: CloseCode = CloseCode::private_use(4002);
    assert_eq!((LOCKED.get(), LOCKED.to_string()), (4002, "4002".to_owned()));
}

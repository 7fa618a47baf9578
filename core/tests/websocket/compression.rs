//! Compressed messages: what the specification shows, what other libraries make, and what is no such thing.

use bytes::Bytes;
use jddb_core::websocket::ProtocolError as E;
use jddb_core::websocket::{Decoder, DecoderLimits, Deflater, Event, Inflater, Message, MessageKind, encode_message};

use crate::naive_inflate::inflated;
use crate::support::*;

/// Decodes frames in one read and byte by byte.
#[track_caller]
fn check(stream: &[Vec<u8>], expected: &[Seen]) {
    let stream = stream.concat();
    assert_eq!(decode(&stream, &[], LIMITS, true), expected, "in one read");
    let cuts: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(decode(&stream, &cuts, LIMITS, true), expected, "byte by byte");
}

/// One compressed text message is inflated to `expected`, whole and in two fragments.
#[track_caller]
fn check_text(deflated: &[u8], expected: &str) {
    check(&[frame(FIN | RSV1 | TEXT, deflated)], &[Seen::text(expected)]);
    for cut in [0, 1.min(deflated.len()), deflated.len()] {
        let (head, tail) = deflated.split_at(cut);
        check(&[frame(RSV1 | TEXT, head), frame(FIN | CONTINUATION, tail)], &[Seen::text(expected)]);
    }
}

/// One compressed text message is refused, whole and in two fragments.
#[track_caller]
fn check_refused(deflated: &[u8], error: E, close_code: u16) {
    check(&[frame(FIN | RSV1 | TEXT, deflated)], &[Seen::Error(error)]);
    let (head, tail) = deflated.split_at(deflated.len() / 2);
    check(&[frame(RSV1 | TEXT, head), frame(FIN | CONTINUATION, tail)], &[Seen::Error(error)]);
    assert_eq!(error.close_code().get(), close_code);
    assert!(error.to_string().len() <= 123, "the reason fits a close frame: {error}");
}

/// RFC 7692, section 7.2.3.
#[test]
fn the_specifications_examples() {
    check_text(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello");
    // A block without compression.
    check_text(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello");
    // A final block, and what has to follow it.
    check_text(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello");
    // Two blocks.
    check_text(&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], "Hello");
    // An empty message.
    check_text(&[0x00], "");
    check(
        &[
            frame(RSV1 | TEXT, [0xf2, 0x48, 0xcd]),
            frame(FIN | PING, "p"),
            frame(CONTINUATION, ""),
            frame(FIN | CONTINUATION, [0xc9, 0xc9, 0x07, 0x00]),
            frame(FIN | TEXT, "plain"),
        ],
        &[Seen::Ping(b"p".into()), Seen::text("Hello"), Seen::text("plain")],
    );
}

#[test]
fn endings_that_need_no_tail() {
    // Nothing at all, and a final block with nothing behind it: no library sends these, and each is clear.
    check_text(&[], "");
    check_text(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello");
    // An empty final block without compression, less the four bytes that are left off.
    check_text(&[0x01], "");
}

#[test]
fn nothing_is_taken_over_from_the_message_before() {
    let once = deflated(b"abcabcabcabc", 6);
    check(
        &[frame(FIN | RSV1 | TEXT, &once), frame(FIN | RSV1 | TEXT, &once)],
        &[Seen::text("abcabcabcabc"), Seen::text("abcabcabcabc")],
    );
    // "Hello" in reference to the message before, as a client with a context would send it.
    let hello = frame(FIN | RSV1 | TEXT, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    let again = frame(FIN | RSV1 | TEXT, [0xf2, 0x00, 0x11, 0x00, 0x00]);
    check(&[hello, again], &[Seen::text("Hello"), Seen::Error(E::InvalidDeflate)]);
}

#[test]
fn a_final_block_may_be_referred_to_but_not_often() {
    // A final block, then a match of all five bytes before it.
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0x02, 0x13, 0x00, 0x00];
    check_text(&[&hello[..], &again].concat(), "HelloHello");
    let many = |count: usize| [hello.repeat(count), vec![0x00]].concat();
    check_text(&many(8), &"Hello".repeat(8));
    check_refused(&many(9), E::InvalidDeflate, 1007);
}

#[test]
fn text_is_checked_once_it_is_inflated() {
    let euro = "€".as_bytes();
    check_refused(&deflated(&euro[..2], 6), E::InvalidUtf8, 1007);
    check_refused(&deflated(b"ok \xff", 0), E::InvalidUtf8, 1007);
    let binary = frame(FIN | RSV1 | BINARY, deflated(&euro[..2], 6));
    check(&[binary], &[Seen::Binary(euro[..2].into())]);
}

#[test]
fn what_is_no_deflate_data() {
    // A block type that there is not; a stored block whose length is not what its complement says.
    check_refused(&[0x06], E::InvalidDeflate, 1007);
    check_refused(&[0x00, 0x05, 0x00, 0x05, 0x00, 0x48], E::InvalidDeflate, 1007);
    // A reference to before the beginning.
    check_refused(&[0x02, 0x13, 0x00, 0x00], E::InvalidDeflate, 1007);
    // Cut off anywhere.
    let whole = deflated("Développeur, développeuse, développement".as_bytes(), 9);
    for length in 1..whole.len() {
        check(&[frame(FIN | RSV1 | BINARY, &whole[..length])], &[Seen::Error(E::InvalidDeflate)]);
    }
}

/// So many spaces, in a thousandth of the bytes.
fn bomb(bytes: usize) -> Vec<u8> {
    deflated(&vec![b' '; bytes], 9)
}

#[test]
fn messages_that_grow_beyond_the_limit() {
    let max = LIMITS.message_bytes_max;
    check(&[frame(FIN | RSV1 | BINARY, bomb(max))], &[Seen::Binary(vec![b' '; max])]);
    check_refused(&bomb(max + 1), E::MessageTooBig { max }, 1009);
    check_refused(&bomb(100 * max), E::MessageTooBig { max }, 1009);
}

/// Data that compresses more or less.
fn payload(rng: &mut Rng) -> Vec<u8> {
    let len = rng.payload_len();
    match rng.below(4) {
        0 => rng.bytes(len),
        1 => vec![rng.next() as u8; len],
        2 => rng.text(len).into_bytes(),
        _ => {
            let piece = rng.text(7);
            piece.bytes().cycle().take(len).collect()
        }
    }
}

/// The message of a stream, or what is wrong with it.
fn outcome(deflated: &[u8], bytes_max: usize) -> Result<Vec<u8>, E> {
    let mut decoder = Decoder::new(DecoderLimits::new(bytes_max), true);
    let mut inflater = Inflater::default();
    let mut bytes = frame(FIN | RSV1 | BINARY, deflated);
    let outcome = match decoder.decode(&mut &mut bytes[..], &mut inflater) {
        Ok(Some(Event::Message(Message { payload, .. }))) => Ok(payload.to_vec()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert!(inflater.output_bytes() <= (64 << 10).max(bytes_max + 1), "{} bytes are held", inflater.output_bytes());
    outcome
}

#[test]
fn what_another_library_compresses_is_inflated() {
    let mut rng = Rng::from_env(9);
    for _ in 0..2_000 {
        let payload = payload(&mut rng);
        let deflated = deflated(&payload, rng.below(11) as i32);
        assert!(outcome(&deflated, 100_000) == Ok(payload), "{deflated:?}");
    }
}

#[test]
fn what_is_compressed_another_library_inflates() {
    let mut rng = Rng::from_env(10);
    let (mut deflater, mut smaller) = (Deflater::default(), 0);
    for _ in 0..2_000 {
        let payload = payload(&mut rng);
        let kind = if rng.one_in(2) { MessageKind::Text } else { MessageKind::Binary };
        let plain = encode_message(kind, false, &payload);
        let sent = deflater.deflate(&plain);
        if sent == plain {
            continue;
        }
        smaller += 1;
        assert!(sent.len() < plain.len());
        assert_eq!(sent[0], plain[0] | RSV1);
        assert!(inflated(payload_of(&sent), 100_000) == Ok(payload), "{sent:?}");
    }
    assert!(smaller > 500, "only {smaller} became smaller");
}

#[test]
fn what_compressing_makes_no_smaller_stays_as_it_is() {
    let mut rng = Rng::from_env(11);
    let mut deflater = Deflater::default();
    for len in [0, 1, 100, 5_000, 200_000] {
        let plain = encode_message(MessageKind::Binary, false, &rng.bytes(len));
        assert_eq!(deflater.deflate(&plain), plain);
    }
    // And what is none of our messages.
    for other in [&b""[..], b"\x89\x00", b"\xc1\x01x", b"\x81"] {
        assert_eq!(deflater.deflate(&Bytes::copy_from_slice(other)), other);
    }
}

/// Damaged deflate data has the same outcome as with another library.
#[test]
fn damaged_data() {
    let mut rng = Rng::from_env(12);
    let (mut errors, mut messages) = (0, 0);
    for _ in 0..20_000 {
        let len = rng.below(300);
        let payload = if rng.one_in(2) { rng.text(len).into_bytes() } else { rng.bytes(len) };
        let mut deflated = deflated(&payload, rng.below(11) as i32);
        for _ in 0..rng.below(3) {
            let at = rng.below(deflated.len());
            deflated[at] ^= 1 << rng.below(8);
        }
        if rng.one_in(8) {
            let len = rng.below(deflated.len());
            deflated.truncate(len);
        }
        let bytes_max = if rng.one_in(4) { rng.below(300) } else { 100_000 };
        // On the wire it may be longer than inflated.
        if deflated.len() > bytes_max {
            continue;
        }
        let outcome = outcome(&deflated, bytes_max);
        assert_eq!(outcome, inflated(&deflated, bytes_max), "{deflated:?}, at most {bytes_max}");
        if outcome.is_ok() { messages += 1 } else { errors += 1 }
    }
    assert!(errors > 2_000 && messages > 5_000, "{errors} errors, {messages} messages");
}

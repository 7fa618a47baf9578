//! The events do not depend on how the stream is cut into reads.

use crate::support::*;

fn check(stream: &[u8], cuts: &[usize], compression: bool, expected: &[Seen]) {
    let seen = decode(stream, cuts, LIMITS, compression);
    assert!(seen == expected, "cut at {cuts:?}: {seen:?}, expected {expected:?}");
}

#[test]
fn every_pair_of_cuts_of_a_small_stream() {
    let stream = [
        frame(TEXT, "a€"),
        frame(FIN | PING, "ping"),
        frame(CONTINUATION, &"😀".as_bytes()[..3]),
        frame(FIN | CONTINUATION, &"😀".as_bytes()[3..]),
        frame(FIN | BINARY, [9; 130]),
        frame(RSV1 | TEXT, &deflated("Hello, hello, hello €".as_bytes(), 6)[..5]),
        frame(FIN | PING, ""),
        frame(FIN | CONTINUATION, &deflated("Hello, hello, hello €".as_bytes(), 6)[5..]),
        frame(FIN | RSV1 | BINARY, deflated(&[7; 40], 6)),
        frame(FIN | TEXT, ""),
        frame(FIN | CLOSE, close_payload(1001, "bye")),
    ]
    .concat();
    let expected = [
        Seen::Ping(b"ping".into()),
        Seen::text("a€😀"),
        Seen::Binary(vec![9; 130]),
        Seen::Ping(vec![]),
        Seen::text("Hello, hello, hello €"),
        Seen::Binary(vec![7; 40]),
        Seen::text(""),
        Seen::Close(Some((1001, "bye".into()))),
    ];
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            check(&stream, &[first, second], true, &expected);
        }
    }
}

#[test]
fn random_streams_cut_at_random() {
    let mut rng = Rng::from_env(2);
    for _ in 0..2_000 {
        let compression = rng.one_in(2);
        let (stream, expected) = rng.stream(8, compression);
        check(&stream, &[], compression, &expected);
        let cuts = rng.cuts(stream.len(), 1);
        check(&stream, &cuts, compression, &expected);
        let count = rng.below(50);
        let cuts = rng.cuts(stream.len(), count);
        check(&stream, &cuts, compression, &expected);
    }
}

#[test]
fn random_streams_byte_by_byte() {
    let mut rng = Rng::from_env(3);
    for _ in 0..100 {
        let compression = rng.one_in(2);
        let (stream, expected) = rng.stream(4, compression);
        let cuts: Vec<usize> = (1..stream.len()).collect();
        check(&stream, &cuts, compression, &expected);
    }
}

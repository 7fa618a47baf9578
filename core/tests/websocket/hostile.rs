//! Streams that are damaged or random: no panic, bounded memory, and the same outcome however they
//! are cut.

use jddb_core::websocket::DecoderLimits;

use crate::support::*;

const SMALL: DecoderLimits = DecoderLimits { message_bytes_max: 600, empty_fragments_max: 2 };

/// `decode` holds the memory bound and that an error stays, after each read.
fn check(rng: &mut Rng, stream: &[u8], compression: bool, limits: DecoderLimits, outcomes: &mut Outcomes) {
    let whole = decode(stream, &[], limits, compression);
    let count = rng.below(6);
    let cuts = rng.cuts(stream.len(), count);
    let seen = decode(stream, &cuts, limits, compression);
    assert!(seen == whole, "cut at {cuts:?}: {seen:?}, in one read {whole:?}; stream {stream:?}");
    outcomes.count(&whole);
}

/// Shows that the generator reaches what it is for.
#[derive(Debug, Default)]
struct Outcomes {
    errors: usize,
    closed: usize,
    messages: usize,
}

impl Outcomes {
    fn count(&mut self, seen: &[Seen]) {
        match seen.last() {
            Some(Seen::Error(_)) => self.errors += 1,
            Some(Seen::Close(_)) => self.closed += 1,
            _ => {}
        }
        self.messages += seen.len();
    }
}

fn mutate(rng: &mut Rng, stream: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(stream.len());
        match rng.below(6) {
            0 => stream[at] ^= 1 << rng.below(8),
            1 => stream[at] = rng.next() as u8,
            2 => drop(stream.remove(at)),
            3 => stream.insert(at, rng.next() as u8),
            4 => stream.truncate(at + 1),
            _ => {
                let end = (at + rng.below(20)).min(stream.len());
                stream.extend_from_within(at..end);
            }
        }
        if stream.is_empty() {
            stream.push(rng.next() as u8);
        }
    }
}

/// A frame of a valid form whose fields are drawn without regard to what came before it.
fn unruly_frame(rng: &mut Rng) -> Vec<u8> {
    const OPCODES: [u8; 6] = [CONTINUATION, CONTINUATION, TEXT, BINARY, PING, CLOSE];
    let opcode = OPCODES[rng.below(OPCODES.len())];
    let fin = if opcode >= CLOSE || rng.one_in(3) { FIN } else { 0 };
    let len = rng.below(140);
    let payload = match opcode {
        CLOSE => close_payload(rng.below(5_100) as u16, rng.text(len.min(118))),
        PING => rng.bytes(len.min(125)),
        _ if rng.one_in(4) => vec![],
        _ if rng.one_in(20) => rng.bytes(len),
        _ => rng.text(len).into_bytes(),
    };
    frame_with(fin | opcode, rng.mask(), &payload)
}

#[test]
fn mutated_streams() {
    let mut rng = Rng::from_env(4);
    let mut outcomes = Outcomes::default();
    for _ in 0..2_000 {
        let compression = rng.one_in(2);
        let (stream, _) = rng.stream(5, compression);
        for _ in 0..30 {
            let mut stream = stream[..stream.len().min(2_000)].to_vec();
            mutate(&mut rng, &mut stream);
            check(&mut rng, &stream, compression, LIMITS, &mut outcomes);
        }
    }
    assert!(outcomes.errors > 10_000 && outcomes.messages > 10_000, "{outcomes:?}");
}

#[test]
fn unruly_frames() {
    let mut rng = Rng::from_env(5);
    let mut outcomes = Outcomes::default();
    for _ in 0..60_000 {
        let stream: Vec<u8> = (0..=rng.below(12)).flat_map(|_| unruly_frame(&mut rng)).collect();
        let compression = rng.one_in(4);
        check(&mut rng, &stream, compression, SMALL, &mut outcomes);
    }
    assert!(outcomes.errors > 10_000 && outcomes.closed > 1_000, "{outcomes:?}");
    assert!(outcomes.messages > 10_000, "{outcomes:?}");
}

#[test]
fn random_bytes() {
    let mut rng = Rng::from_env(6);
    let mut outcomes = Outcomes::default();
    for _ in 0..50_000 {
        let len = rng.below(64);
        let stream = rng.bytes(len);
        let compression = rng.one_in(4);
        check(&mut rng, &stream, compression, SMALL, &mut outcomes);
    }
}

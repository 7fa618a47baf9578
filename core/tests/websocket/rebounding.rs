//! Another limit on messages at any moment, against a model that counts.

use jddb_core::websocket::{Decoder, DecoderLimits, ProtocolError};

use crate::support::*;

/// A frame as it is sent, and what it is to a message.
struct Sent {
    bytes: Vec<u8>,
    is_control: bool,
    is_last: bool,
    payload: Vec<u8>,
}

/// Messages of a few fragments each, with pings in between.
fn frames(rng: &mut Rng) -> Vec<Sent> {
    let mut frames = Vec::new();
    for _ in 0..=rng.below(3) {
        let fragments = 1 + rng.below(5);
        for index in 0..fragments {
            if rng.one_in(4) {
                let payload = rng.bytes(2);
                let bytes = frame_with(FIN | PING, rng.mask(), &payload);
                frames.push(Sent { bytes, is_control: true, is_last: true, payload });
            }
            let is_last = index == fragments - 1;
            let len = rng.below(7);
            let payload = rng.bytes(len);
            let opcode = if index == 0 { BINARY } else { CONTINUATION } | if is_last { FIN } else { 0 };
            let bytes = frame_with(opcode, rng.mask(), &payload);
            frames.push(Sent { bytes, is_control: false, is_last, payload });
        }
    }
    frames
}

/// What is to be seen where the byte at `index` of the stream comes under the limit `bounds[index]`: a frame is judged when
/// its header is there, with all that its message holds by then.
fn expected(frames: &[Sent], bounds: &[usize]) -> Vec<Seen> {
    let (mut seen, mut message, mut sent) = (Vec::new(), Vec::new(), 0);
    for frame in frames {
        let max = bounds[sent + frame.bytes.len() - frame.payload.len() - 1];
        sent += frame.bytes.len();
        if frame.is_control {
            seen.push(Seen::Ping(frame.payload.clone()));
            continue;
        }
        message.extend_from_slice(&frame.payload);
        if message.len() > max {
            seen.push(Seen::Error(ProtocolError::MessageTooBig { max }));
            break;
        }
        if frame.is_last {
            seen.push(Seen::Binary(std::mem::take(&mut message)));
        }
    }
    seen
}

#[test]
fn a_limit_that_changes_within_a_message_holds_from_the_next_frame_on() {
    const BYTES_MAX: usize = 16;
    let limits = DecoderLimits { message_bytes_max: BYTES_MAX, empty_fragments_max: 64 };
    let mut rng = Rng::from_env(7);
    let (mut too_big, mut messages) = (0, 0);
    for _ in 0..40_000 {
        let frames = frames(&mut rng);
        let mut stream: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.clone()).collect();
        let count = rng.below(12);
        let mut ends = rng.cuts(stream.len(), count);
        ends.push(stream.len());
        let mut decoder = Decoder::new(limits, false);
        let (mut bounds, mut seen, mut max, mut rest) = (Vec::new(), Vec::new(), BYTES_MAX, &mut stream[..]);
        for end in &ends {
            if rng.one_in(2) {
                max = rng.below(BYTES_MAX + 1);
                decoder.bound(max);
            }
            let (read, behind) = std::mem::take(&mut rest).split_at_mut(end - bounds.len());
            (rest, bounds) = (behind, [bounds, vec![max; read.len()]].concat());
            if !matches!(seen.last(), Some(Seen::Error(_))) {
                // What is held stays within the largest limit, whichever is in force.
                feed(&mut decoder, read, &limits, &mut seen);
            }
        }
        let expected = expected(&frames, &bounds);
        assert!(seen == expected, "{seen:?}, not {expected:?}: ends {ends:?}, bounds {bounds:?}");
        too_big += usize::from(matches!(seen.last(), Some(Seen::Error(_))));
        messages += seen.iter().filter(|event| matches!(event, Seen::Binary(_))).count();
    }
    assert!(too_big > 5_000 && messages > 20_000, "{too_big} were too big, {messages} messages came");
}

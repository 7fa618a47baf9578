//! Compressed messages (RFC 7692) made plain ones: fastwebsockets, which reads behind this, does not know them.

use std::io;

use flate2::{Decompress, FlushDecompress};

const RSV1: u8 = 0x40;
/// What a sender leaves off at the end of a message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The first room for an inflated message, in bytes; it is doubled as need be.
const ROOM_MIN: usize = 4 << 10;

/// The frames of a server as far as they are not there in full.
#[derive(Debug, Default)]
pub(crate) struct Inflating {
    raw: Vec<u8>,
}

impl Inflating {
    /// Takes in what the server sent; appends to `plain` the frames that are whole by now.
    pub(crate) fn push(&mut self, bytes: &[u8], plain: &mut Vec<u8>, message_bytes_max: usize) -> io::Result<()> {
        self.raw.extend_from_slice(bytes);
        let mut done = 0;
        while let Some((header, length)) = whole_frame(&self.raw[done..]) {
            let frame = &self.raw[done..done + length];
            if frame[0] & RSV1 == 0 {
                plain.extend_from_slice(frame);
            } else {
                let message = inflate(&frame[header..], message_bytes_max)?;
                push_frame(frame[0] & !RSV1, &message, plain);
            }
            done += length;
        }
        self.raw.drain(..done);
        Ok(())
    }
}

/// The lengths of the first frame's header and of all of it, if it is there.
fn whole_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let header = match bytes.get(1)? {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = match header {
        2 => u64::from(bytes[1]),
        _ => bytes.get(2..header)?.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
    };
    let length = header + usize::try_from(payload).ok()?;
    (bytes.len() >= length).then_some((header, length))
}

fn push_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

fn inflate(deflated: &[u8], message_bytes_max: usize) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| io::Error::other(format!("a compressed message {what}"));
    let mut state = Decompress::new(false);
    let mut message = Vec::with_capacity(ROOM_MIN);
    for mut input in [deflated, &TAIL] {
        while !input.is_empty() {
            if message.len() == message.capacity() {
                message.reserve(message.len());
            }
            let used_before = state.total_in();
            let inflated = state.decompress_vec(input, &mut message, FlushDecompress::None);
            inflated.map_err(|_| wrong("is not deflate data"))?;
            let used = usize::try_from(state.total_in() - used_before).unwrap_or(input.len());
            if message.len() > message_bytes_max {
                return Err(wrong("is too large"));
            }
            if used == 0 && message.len() < message.capacity() {
                return Err(wrong("goes on behind its end"));
            }
            input = &input[used..];
        }
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        push_frame(first, payload, &mut frame);
        frame
    }

    fn deflated(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * payload.len() + 64);
        Compress::new(Compression::fast(), false).compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - TAIL.len());
        out
    }

    #[test]
    fn compressed_messages_become_plain_however_they_are_cut() {
        let long = "développement ".repeat(10_000);
        let stream = [
            frame(0x81, b"plain"),
            frame(0xc1, &deflated(b"small")),
            frame(0x89, b"ping"),
            frame(0xc1, &deflated(long.as_bytes())),
            frame(0x88, &[]),
        ]
        .concat();
        let expected = [
            frame(0x81, b"plain"),
            frame(0x81, b"small"),
            frame(0x89, b"ping"),
            frame(0x81, long.as_bytes()),
            frame(0x88, &[]),
        ]
        .concat();
        for read_bytes in [1, 2, 3, 7, 100, stream.len()] {
            let (mut inflating, mut plain) = (Inflating::default(), Vec::new());
            for read in stream.chunks(read_bytes) {
                inflating.push(read, &mut plain, 1 << 20).unwrap();
            }
            assert!(plain == expected, "in reads of {read_bytes} bytes");
        }
    }

    #[track_caller]
    fn check_refused(payload: &[u8], expected: &str) {
        let error = Inflating::default().push(&frame(0xc1, payload), &mut Vec::new(), 100_000).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn what_is_no_compressed_message_is_refused() {
        check_refused(&[0x06], "not deflate data");
        check_refused(&deflated(&[b' '; 100_001]), "too large");
        check_refused(&[0x03, 0x00, 0x00], "behind its end");
    }
}

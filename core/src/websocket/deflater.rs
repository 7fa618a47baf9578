//! Compressing what clients are sent (RFC 7692 section 7.2.1), with memory that all rooms of a core share.

use bytes::Bytes;
use flate2::{Compress, Compression as Level, FlushCompress};

use super::encoder::{encode_message, message_of};

/// Fast, since the core that compresses serves nobody else meanwhile.
const LEVEL: u32 = 2;

/// How much room for compressed messages is kept from one to the next.
const OUTPUT_KEPT_BYTES: usize = 64 << 10;

/// The end of what a flush puts out, which the receiver adds again.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Compresses messages, one after the other. Nothing is carried from one to the next, so one serves all rooms of a core;
/// until the first message has to be compressed it has no memory.
#[derive(Debug, Default)]
pub struct Deflater {
    state: Option<Compress>,
    output: Vec<u8>,
}

impl Deflater {
    /// The compressed form of a whole message's frame; the same frame if compressing makes it no smaller.
    #[must_use]
    pub fn deflate(&mut self, frame: &Bytes) -> Bytes {
        let Some((kind, payload)) = message_of(frame) else { return Bytes::clone(frame) };
        let is_smaller = self.compress(payload);
        let deflated = self.output.strip_suffix(&TAIL).filter(|_| is_smaller);
        let sent = deflated.map_or_else(|| Bytes::clone(frame), |deflated| encode_message(kind, true, deflated));
        if self.output.capacity() > OUTPUT_KEPT_BYTES {
            self.output = Vec::new();
        }
        sent
    }

    /// Compresses into `output`. False if that would take more room than `payload` does.
    fn compress(&mut self, payload: &[u8]) -> bool {
        self.output.clear();
        self.output.reserve(payload.len());
        let state = self.state.get_or_insert_with(|| Compress::new(Level::new(LEVEL), false));
        state.reset();
        let compressed = state.compress_vec(payload, &mut self.output, FlushCompress::Sync);
        // Only where room is left is everything out.
        compressed.is_ok() && self.output.len() < self.output.capacity() && self.output.len() < payload.len()
    }
}

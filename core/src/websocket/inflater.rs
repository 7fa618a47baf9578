//! Inflating what clients have compressed (RFC 7692 section 7.2.2), in memory that all connections of a core share.

use flate2::{Decompress, FlushDecompress, Status};

use super::error::ProtocolError;
use super::frame::MessageKind;

/// How much room for inflated messages is kept from one to the next: enough for nearly every message.
const OUTPUT_KEPT_BYTES: usize = 64 << 10;

/// The furthest that deflate refers back (RFC 1951 section 2).
const WINDOW_BYTES: usize = 32 << 10;

/// The most final blocks within one message. A compressor that cannot flush makes one (RFC 7692 section 7.2.3.4);
/// each costs as much as a small message, and two bytes.
const FINAL_BLOCKS_MAX: u32 = 8;

/// What a sender leaves off, and behind it an empty final block: only a message that ends between two blocks ends there.
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// Inflates messages, one after the other. Nothing is carried from one to the next, so one serves all connections of a
/// core; until the first compressed message comes it has no memory.
#[derive(Debug, Default)]
pub struct Inflater {
    state: Option<Decompress>,
    output: Vec<u8>,
}

impl Inflater {
    /// Bytes kept for inflated messages: between two of them at most 64 KiB, and never more than the limit of one
    /// message and that. What the algorithm works with comes on top, about 40 KiB whatever is inflated.
    #[must_use]
    pub const fn output_bytes(&self) -> usize {
        self.output.capacity()
    }

    /// Inflates a message into [`Self::output`], and no further than `bytes_max`.
    pub(super) fn inflate(
        &mut self,
        kind: MessageKind,
        deflated: &[u8],
        bytes_max: usize,
    ) -> Result<(), ProtocolError> {
        self.output.clear();
        self.restart();
        let mut run = Run { inflater: self, bytes_max, final_blocks: 0, has_ended: deflated.is_empty() };
        if !run.has_ended {
            run.feed(deflated)?;
        }
        // Behind a final block at its very end a message needs no tail.
        if !run.has_ended {
            run.feed(&TAIL)?;
        }
        if !run.has_ended {
            return Err(ProtocolError::InvalidDeflate);
        }
        let is_text = kind == MessageKind::Text;
        if is_text && simdutf8::basic::from_utf8(&self.output).is_err() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(())
    }

    /// The message that was inflated last.
    pub(super) fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    /// The message that was inflated last is no longer needed.
    pub(super) fn release(&mut self) {
        if self.output.capacity() > OUTPUT_KEPT_BYTES {
            self.output = Vec::new();
        }
    }

    fn restart(&mut self) -> &mut Decompress {
        let state = self.state.get_or_insert_with(|| Decompress::new(false));
        state.reset(false);
        state
    }

    /// Makes room, at once as much as there may be: what is not written to takes no memory.
    fn grow(&mut self, bytes_max: usize) {
        // One byte more, by which too much shows.
        let most = bytes_max.saturating_add(1);
        let capacity = if self.output.is_empty() { most.min(OUTPUT_KEPT_BYTES) } else { most };
        self.output.reserve_exact(capacity.saturating_sub(self.output.len()));
    }
}

/// One message on its way through the inflater.
struct Run<'a> {
    inflater: &'a mut Inflater,
    bytes_max: usize,
    final_blocks: u32,
    /// The last that was read is the end of a final block.
    has_ended: bool,
}

impl Run<'_> {
    fn feed(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        while !input.is_empty() {
            if self.has_ended {
                self.go_on_after_final_block()?;
            }
            let used = self.step(input)?;
            input = &input[used..];
        }
        Ok(())
    }

    /// Inflates as much of `input` as there is room for; returns how much was used.
    fn step(&mut self, input: &[u8]) -> Result<usize, ProtocolError> {
        if self.inflater.output.len() == self.inflater.output.capacity() {
            self.inflater.grow(self.bytes_max);
        }
        let Inflater { state, output } = &mut *self.inflater;
        let state = state.as_mut().ok_or(ProtocolError::InvalidDeflate)?;
        let (used_before, length_before) = (state.total_in(), output.len());
        let inflated = state.decompress_vec(input, output, FlushDecompress::None);
        self.has_ended = inflated.map_err(|_| ProtocolError::InvalidDeflate)? == Status::StreamEnd;
        let used = usize::try_from(state.total_in() - used_before).unwrap_or(input.len());
        if output.len() > self.bytes_max {
            return Err(ProtocolError::MessageTooBig { max: self.bytes_max });
        }
        if used == 0 && output.len() == length_before && !self.has_ended {
            return Err(ProtocolError::InvalidDeflate);
        }
        Ok(used)
    }

    /// What follows a final block may still refer to what was before it.
    fn go_on_after_final_block(&mut self) -> Result<(), ProtocolError> {
        self.final_blocks += 1;
        if self.final_blocks > FINAL_BLOCKS_MAX {
            return Err(ProtocolError::InvalidDeflate);
        }
        let window_start = self.inflater.output.len().saturating_sub(WINDOW_BYTES);
        self.inflater.restart();
        let Inflater { state: Some(state), output } = &mut *self.inflater else { return Ok(()) };
        if !output.is_empty() {
            state.set_dictionary(&output[window_start..]).map_err(|_| ProtocolError::InvalidDeflate)?;
        }
        Ok(())
    }
}

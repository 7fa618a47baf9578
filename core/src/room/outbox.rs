//! What waits to be sent to one connection.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// How many of a room's records have to be durable before a frame may leave: 0 for none.
pub(super) type Gate = u64;

/// What a queued frame costs beside its bytes, roughly, so that a flood of tiny ones is bounded too.
const FRAME_COST_BYTES: usize = 64;
/// Room for this many frames is kept when the queue has become empty: enough for a steady trickle
/// without an allocation for each frame, little enough for ten thousand idle connections.
const SLOTS_KEPT_MAX: usize = 8;

/// The frames for one connection, in order. A frame leaves when its gate is open, and never before
/// the frames ahead of it, so everything that carries a version goes out in the order of versions.
/// After a close frame nothing is queued any more.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Queued>,
    /// What is queued in bytes, full states apart.
    bytes: usize,
    /// How many full states are queued, and their bytes.
    states: usize,
    state_bytes: usize,
    /// Some of the front frame is on the wire: it has to be finished.
    begun: bool,
    closing: bool,
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    gate: Gate,
    is_state: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: Bytes, gate: Gate) {
        self.queue(Queued { bytes, gate, is_state: false });
    }

    /// Queues a full state, which is outside the byte bound.
    pub(super) fn push_state(&mut self, bytes: Bytes, gate: Gate) {
        self.queue(Queued { bytes, gate, is_state: true });
    }

    /// Queues the last frame there will be.
    pub(super) fn push_close(&mut self, bytes: Bytes) {
        self.push(bytes, 0);
        self.closing = true;
    }

    fn queue(&mut self, frame: Queued) {
        if !self.closing {
            self.count(&frame);
            self.frames.push_back(frame);
        }
    }

    fn count(&mut self, frame: &Queued) {
        if frame.is_state {
            self.states += 1;
            self.state_bytes += frame.bytes.len();
        } else {
            self.bytes += frame.bytes.len() + FRAME_COST_BYTES;
        }
    }

    /// Drops all that is not yet on the wire; a frame that is begun has to be finished.
    pub(super) fn discard(&mut self) {
        self.keep(usize::from(self.begun));
    }

    /// Drops what waits for more than `durable` records, and all behind it: it would not have left before.
    pub(super) fn discard_undurable(&mut self, durable: u64) {
        self.keep(self.frames.iter().take_while(|frame| frame.gate <= durable).count());
    }

    fn keep(&mut self, count: usize) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.truncate(count);
        (self.bytes, self.states, self.state_bytes) = (0, 0, 0);
        frames.iter().for_each(|frame| self.count(frame));
        self.frames = frames;
    }

    /// Bytes queued, with what each frame costs beside them; full states apart.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many full states are queued, and their bytes.
    pub(super) const fn states(&self) -> (usize, usize) {
        (self.states, self.state_bytes)
    }

    /// Whether more than `bytes_max` waits for the peer to read. What waits for the disk alone does not
    /// count: that is no fault of the reader's, and the core reads no more while too much waits for it.
    pub(super) fn is_overflowing(&self, bytes_max: usize, durable: u64) -> bool {
        self.bytes > bytes_max && self.is_sendable(durable)
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a close frame was queued: nothing comes after it.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// The frames that may leave now, in order.
    pub fn sendable(&self, durable: u64) -> impl Iterator<Item = &Bytes> {
        self.frames.iter().take_while(move |frame| frame.gate <= durable).map(|frame| &frame.bytes)
    }

    /// Whether there is a frame that may leave now.
    #[must_use]
    pub fn is_sendable(&self, durable: u64) -> bool {
        self.frames.front().is_some_and(|frame| frame.gate <= durable)
    }

    /// `written` bytes of [`Self::sendable`] are on the wire.
    pub fn sent(&mut self, written: usize) {
        let mut written = written;
        while let Some(front) = self.frames.front_mut() {
            let part = written.min(front.bytes.len());
            let is_whole = part == front.bytes.len();
            if front.is_state {
                self.state_bytes -= part;
                self.states -= usize::from(is_whole);
            } else {
                self.bytes -= part + if is_whole { FRAME_COST_BYTES } else { 0 };
            }
            if !is_whole {
                self.begun |= part > 0;
                front.bytes.advance(part);
                return;
            }
            written -= part;
            self.begun = false;
            self.frames.pop_front();
        }
        if self.frames.capacity() > SLOTS_KEPT_MAX {
            self.frames = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[(&'static str, Gate)]) -> Outbox {
        let mut outbox = Outbox::default();
        frames.iter().for_each(|&(text, gate)| outbox.push(Bytes::from_static(text.as_bytes()), gate));
        outbox
    }

    fn sendable(outbox: &Outbox, durable: u64) -> String {
        outbox.sendable(durable).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    #[test]
    fn nothing_overtakes_a_closed_gate() {
        let outbox = outbox(&[("a", 0), ("b", 2), ("c", 0)]);
        assert_eq!(sendable(&outbox, 1), "a");
        assert_eq!(sendable(&outbox, 2), "abc");
    }

    #[test]
    fn parts_of_frames_are_sent() {
        let mut outbox = outbox(&[("abc", 0), ("def", 0)]);
        outbox.sent(4);
        assert_eq!((sendable(&outbox, 0).as_str(), outbox.bytes()), ("ef", 2 + FRAME_COST_BYTES));
        outbox.sent(2);
        assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
    }

    #[test]
    fn a_frame_begun_is_finished_whatever_is_discarded() {
        let mut outbox = outbox(&[("abc", 0), ("def", 1)]);
        outbox.push_state(Bytes::from_static(b"state"), 1);
        outbox.sent(1);
        outbox.discard();
        assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("bc", 2 + FRAME_COST_BYTES));
        assert_eq!(outbox.states(), (0, 0));
        outbox.sent(2);
        outbox.push(Bytes::from_static(b"new"), 0);
        outbox.discard();
        assert!(outbox.is_empty(), "the frame begun was finished before");
    }

    #[test]
    fn what_is_behind_a_closed_gate_is_discarded_with_it() {
        let mut outbox = outbox(&[("a", 0), ("b", 1), ("c", 2), ("d", 0)]);
        outbox.discard_undurable(1);
        assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("ab", 2 + 2 * FRAME_COST_BYTES));
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut outbox = outbox(&[("abc", 0)]);
        outbox.push_close(Bytes::from_static(b"close"));
        outbox.push(Bytes::from_static(b"late"), 0);
        outbox.push_state(Bytes::from_static(b"later"), 0);
        assert_eq!(sendable(&outbox, 0), "abcclose");
    }

    #[test]
    fn only_what_waits_for_the_reader_overflows() {
        let mut waits_for_the_disk = outbox(&[("abc", 1), ("def", 1)]);
        assert!(!waits_for_the_disk.is_overflowing(5, 0));
        assert!(waits_for_the_disk.is_overflowing(5, 1));
        waits_for_the_disk.sent(6);
        assert!(!waits_for_the_disk.is_overflowing(0, 1));
    }

    #[test]
    fn states_are_outside_the_bound() {
        let mut outbox = Outbox::default();
        outbox.push_state(Bytes::from_static(b"state"), 0);
        assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 5)));
        outbox.sent(2);
        assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 3)));
        outbox.sent(3);
        assert_eq!((outbox.is_empty(), outbox.states()), (true, (0, 0)));
    }
}

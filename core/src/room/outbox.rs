//! What waits to be sent to one connection.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// How many of a room's records have to be durable before a frame may leave: 0 for none.
pub(super) type Gate = u64;

/// The frames for one connection, in order. A frame leaves when its gate is open, and never before
/// the frames ahead of it, so everything that carries a version goes out in the order of versions.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Queued>,
    /// Bytes queued that count against the bound; full states do not.
    bytes: usize,
    closing: bool,
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    gate: Gate,
    counted: bool,
    /// The front frame, once some of it is on the wire: it has to be finished.
    begun: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, bytes: Bytes, gate: Gate) {
        self.bytes += bytes.len();
        self.frames.push_back(Queued { bytes, gate, counted: true, begun: false });
    }

    /// Queues a full state, which is outside the byte bound.
    pub(super) fn push_state(&mut self, bytes: Bytes, gate: Gate) {
        self.frames.push_back(Queued { bytes, gate, counted: false, begun: false });
    }

    /// Queues the last frame there will be.
    pub(super) fn push_close(&mut self, bytes: Bytes, gate: Gate) {
        self.push(bytes, gate);
        self.closing = true;
    }

    /// Drops what is not yet on the wire and matches, oldest first.
    pub(super) fn discard(&mut self, doomed: impl Fn(Gate) -> bool) {
        self.frames.retain(|frame| frame.begun || !doomed(frame.gate));
        self.bytes = self.frames.iter().filter(|frame| frame.counted).map(|frame| frame.bytes.len()).sum();
    }

    /// Bytes queued, full states apart.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
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
            self.bytes -= if front.counted { part } else { 0 };
            if part < front.bytes.len() {
                front.begun |= part > 0;
                front.bytes.advance(part);
                return;
            }
            written -= part;
            self.frames.pop_front();
        }
        // An idle connection owns no queue.
        self.frames = VecDeque::new();
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
        assert_eq!((sendable(&outbox, 0).as_str(), outbox.bytes()), ("ef", 2));
        outbox.sent(2);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_frame_begun_is_finished_whatever_is_discarded() {
        let mut outbox = outbox(&[("abc", 0), ("def", 1)]);
        outbox.sent(1);
        outbox.discard(|_| true);
        assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("bc", 2));
    }
}

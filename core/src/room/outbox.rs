//! What waits to be sent to one connection.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::ladder::Lag;
use super::pointers::{PointerKey, Pointers};
use crate::ids::Version;

/// How many of a room's records have to be durable before a frame may leave: 0 for none.
pub(super) type Gate = u64;

/// What a queued frame costs beside its bytes, roughly, so that a flood of tiny ones is bounded too.
const FRAME_COST_BYTES: usize = 64;

/// What a frame is to a reader who falls behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It answers the connection, or tells it what no state makes up for: it is never left out.
    Answer,
    /// A part of a version, which a full state makes up for; whether it continues the part before it.
    Change { version: Version, continues: bool },
    /// Where somebody is, which the next one of its kind makes up for.
    Pointer(PointerKey),
    /// Who is here, which the next one of its kind makes up for, and no state: it is never left out otherwise. Whether it
    /// tells of somebody whom the client does not know, and whether it says that they have gone.
    Presence { key: PointerKey, comes: bool, goes: bool },
    /// All there is up to a version, as a state or as a list of changes; it is outside the byte bound.
    State { version: Version },
    /// The same of some sections only, or a whole picture of the server.
    Excerpt,
    /// Nothing any more: a newer frame stands for it.
    Vacant,
}

impl Class {
    const fn is_state(self) -> bool {
        matches!(self, Self::State { .. } | Self::Excerpt)
    }

    /// What a message's further frames are.
    pub(super) const fn continued(self) -> Self {
        match self {
            Self::Change { version, .. } => Self::Change { version, continues: true },
            Self::Answer
            | Self::Pointer(_)
            | Self::Presence { .. }
            | Self::State { .. }
            | Self::Excerpt
            | Self::Vacant => self,
        }
    }
}

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
    /// Some of the front frame may be on the wire: it has to be finished. What was offered and not counted as taken may
    /// be encrypted with what was before it, and then its first byte has left.
    begun: bool,
    /// The socket did not take all that might leave.
    behind: bool,
    closing: bool,
    /// While it is behind, where the newest of each cursor and each person are in the queue.
    pointers: Option<Box<Pointers>>,
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    gate: Gate,
    class: Class,
}

impl Outbox {
    /// Queues a frame; whether that left out an older one. Whoever is behind gets only the newest of somebody's
    /// cursors, and of what is told of a person.
    pub(super) fn push(&mut self, bytes: Bytes, gate: Gate, class: Class) -> bool {
        if self.closing {
            return false;
        }
        let (mut replaces, mut class) = (false, class);
        if self.behind || self.pointers.is_some() {
            match class {
                Class::Pointer(key) => replaces = self.vacate_older(key).is_some(),
                Class::Presence { key, goes, .. } => {
                    let older = self.vacate_older(key);
                    replaces = older.is_some();
                    if let Some(comes) = older {
                        // Whom the client has never seen come need not be seen to go.
                        if comes && goes {
                            self.pointers.iter_mut().for_each(|pointers| pointers.forget(key));
                            return true;
                        }
                        class = Class::Presence { key, comes, goes };
                    }
                }
                Class::State { .. } => {
                    let index = self.frames.len();
                    self.pointers.iter_mut().for_each(|pointers| pointers.note_state(index));
                }
                Class::Answer | Class::Change { .. } | Class::Excerpt | Class::Vacant => {}
            }
        }
        let frame = Queued { bytes, gate, class };
        self.count(&frame);
        self.frames.push_back(frame);
        replaces
    }

    /// Queues the last frame there will be.
    pub(super) fn push_close(&mut self, bytes: Bytes) {
        self.push(bytes, 0, Class::Answer);
        self.closing = true;
    }

    /// The next frame is the newest of its kind: an older one is taken out, if it has not left. Whether that told of
    /// somebody whom the client does not know before.
    fn vacate_older(&mut self, key: PointerKey) -> Option<bool> {
        if self.pointers.as_ref().is_some_and(|pointers| pointers.is_sparse(self.frames.len())) {
            self.keep(|_, frame| frame.class != Class::Vacant);
        }
        let pointers = self.pointers.get_or_insert_default();
        let index = pointers.note(key, self.frames.len()).filter(|&index| index > 0 || !self.begun)?;
        let frame = self.frames.get_mut(index)?;
        // A state shows who is here too.
        let comes = matches!(frame.class, Class::Presence { comes: true, .. }) && !pointers.precedes_state(index);
        self.bytes -= frame.bytes.len() + FRAME_COST_BYTES;
        (frame.bytes, frame.class) = (Bytes::new(), Class::Vacant);
        pointers.vacant += 1;
        if self.frames.front().is_some_and(|front| front.class == Class::Vacant) {
            self.pop_front();
        }
        Some(comes)
    }

    fn count(&mut self, frame: &Queued) {
        if frame.class.is_state() {
            self.states += 1;
            self.state_bytes += frame.bytes.len();
        } else if frame.class != Class::Vacant {
            self.bytes += frame.bytes.len() + FRAME_COST_BYTES;
        }
    }

    /// Drops all that is not yet on the wire; a frame that is begun has to be finished.
    pub(super) fn discard(&mut self) {
        let begun = usize::from(self.begun);
        self.keep(|index, _| index < begun);
    }

    /// Drops what waits for more than `durable` records, and all behind it: it would not have left before.
    pub(super) fn discard_undurable(&mut self, durable: u64) {
        let open = self.frames.iter().take_while(|frame| frame.gate <= durable).count();
        self.keep(|index, _| index < open);
    }

    /// Drops the changes and cursors, which a full state makes up for, and notes the versions so dropped.
    /// A frame on the wire is finished, and so is a version of which a part has left.
    pub(super) fn discard_replaceable(&mut self, lag: &mut Lag) {
        let continues = |frame: &Queued| matches!(frame.class, Class::Change { continues: true, .. });
        let is_kept = |(index, frame): &(usize, &Queued)| (*index == 0 && self.begun) || continues(frame);
        let started = self.frames.iter().enumerate().take_while(is_kept).count();
        self.keep(|index, frame| match frame.class {
            _ if index < started => true,
            Class::State { version } => {
                lag.caught_up_with(version);
                true
            }
            Class::Answer | Class::Presence { .. } | Class::Excerpt => true,
            Class::Change { version, .. } => {
                lag.miss(version);
                false
            }
            Class::Pointer(_) | Class::Vacant => false,
        });
    }

    fn keep(&mut self, mut is_kept: impl FnMut(usize, &Queued) -> bool) {
        let mut frames = std::mem::take(&mut self.frames);
        let mut index = 0;
        frames.retain(|frame| {
            index += 1;
            is_kept(index - 1, frame)
        });
        frames.shrink_to_fit();
        (self.bytes, self.states, self.state_bytes) = (0, 0, 0);
        frames.iter().for_each(|frame| self.count(frame));
        self.pointers = self.pointers.take().filter(|_| !frames.is_empty());
        if let Some(pointers) = &mut self.pointers {
            pointers.find(frames.iter().map(|frame| frame.class));
        }
        self.frames = frames;
    }

    /// Bytes queued, with what each frame costs beside them; full states apart.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes queued, full states included.
    pub(super) const fn bytes_with_states(&self) -> usize {
        self.bytes + self.state_bytes
    }

    /// How many full states are queued, and their bytes.
    pub(super) const fn states(&self) -> (usize, usize) {
        (self.states, self.state_bytes)
    }

    /// Whether the socket did not take all that might leave, the last time it was offered something. What waits
    /// for the disk alone is not offered.
    pub(super) const fn is_behind(&self) -> bool {
        self.behind
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
        let open = self.frames.iter().take_while(move |frame| frame.gate <= durable);
        open.filter(|frame| frame.class != Class::Vacant).map(|frame| &frame.bytes)
    }

    /// Whether there is a frame that may leave now.
    #[must_use]
    pub fn is_sendable(&self, durable: u64) -> bool {
        self.frames.front().is_some_and(|frame| frame.gate <= durable)
    }

    /// `written` bytes of [`Self::sendable`] are on the wire, which is all that the socket took.
    pub(super) fn sent(&mut self, written: usize, durable: u64) {
        let mut written = written;
        while let Some(front) = self.frames.front_mut() {
            let part = written.min(front.bytes.len());
            if part < front.bytes.len() {
                self.begun |= part > 0;
                front.bytes.advance(part);
                *(if front.class.is_state() { &mut self.state_bytes } else { &mut self.bytes }) -= part;
                break;
            }
            written -= part;
            self.begun = false;
            self.pop_front();
        }
        self.behind = self.is_sendable(durable);
        self.begun |= self.behind;
        if self.frames.is_empty() {
            self.pointers = None;
            // An idle connection keeps no room: what a frame's costs is little beside the frame's.
            self.frames = VecDeque::new();
        }
    }

    /// Takes the front frame out, and what is vacant behind it.
    fn pop_front(&mut self) {
        let mut is_front = true;
        while let Some(frame) = self.frames.pop_front_if(|frame| is_front || frame.class == Class::Vacant) {
            is_front = false;
            if frame.class.is_state() {
                self.states -= 1;
                self.state_bytes -= frame.bytes.len();
            } else if frame.class != Class::Vacant {
                self.bytes -= frame.bytes.len() + FRAME_COST_BYTES;
            }
            if let Some(pointers) = &mut self.pointers {
                pointers.popped(frame.class == Class::Vacant);
            }
        }
    }

    /// The socket takes more.
    pub(super) const fn is_writable(&mut self) {
        self.behind = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: Class = Class::State { version: Version(1) };

    fn outbox(frames: &[(&'static str, Gate)]) -> Outbox {
        let mut outbox = Outbox::default();
        frames.iter().for_each(|&(text, gate)| {
            outbox.push(Bytes::from_static(text.as_bytes()), gate, Class::Answer);
        });
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
        outbox.sent(4, 9);
        assert_eq!((sendable(&outbox, 0).as_str(), outbox.bytes()), ("ef", 2 + FRAME_COST_BYTES));
        outbox.sent(2, 9);
        assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
    }

    #[test]
    fn a_frame_begun_is_finished_whatever_is_discarded() {
        let mut outbox = outbox(&[("abc", 0), ("def", 1)]);
        outbox.push(Bytes::from_static(b"state"), 1, STATE);
        outbox.sent(1, 9);
        outbox.discard();
        assert_eq!((sendable(&outbox, 9).as_str(), outbox.bytes()), ("bc", 2 + FRAME_COST_BYTES));
        assert_eq!(outbox.states(), (0, 0));
        outbox.sent(2, 9);
        outbox.push(Bytes::from_static(b"new"), 0, Class::Answer);
        outbox.discard();
        assert!(outbox.is_empty(), "the frame begun was finished before");
    }

    #[test]
    fn a_frame_that_was_offered_and_not_taken_may_have_begun() {
        let mut outbox = outbox(&[("abc", 0)]);
        outbox.push(Bytes::from_static(b"1"), 0, cursor(1));
        outbox.push(Bytes::from_static(b"state"), 1, STATE);
        outbox.sent(3, 0);
        outbox.push(Bytes::from_static(b"2"), 0, cursor(1));
        assert_eq!(sendable(&outbox, 9), "1state2", "it is not replaced by a newer one");
        outbox.discard();
        assert_eq!(sendable(&outbox, 9), "1");
        outbox.sent(1, 0);
        outbox.push(Bytes::from_static(b"new"), 1, Class::Answer);
        outbox.sent(0, 0);
        outbox.discard();
        assert!(outbox.is_empty(), "what waits for the disk was not offered");
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
        outbox.push(Bytes::from_static(b"late"), 0, Class::Answer);
        outbox.push(Bytes::from_static(b"later"), 0, STATE);
        assert_eq!(sendable(&outbox, 0), "abcclose");
    }

    #[test]
    fn only_what_waits_for_the_reader_is_behind() {
        let mut outbox = outbox(&[("abc", 0), ("def", 1), ("ghi", 1)]);
        assert!(!outbox.is_behind(), "it was not offered yet");
        outbox.sent(1, 0);
        assert!(outbox.is_behind());
        outbox.sent(2, 0);
        assert!(!outbox.is_behind(), "the rest waits for the disk");
        outbox.sent(3, 1);
        assert!(outbox.is_behind());
        outbox.sent(3, 1);
        assert!(!outbox.is_behind());
    }

    fn change(version: u64, continues: bool) -> Class {
        Class::Change { version: Version(version), continues }
    }

    fn discard_replaceable(outbox: &mut Outbox) -> (String, Lag) {
        let mut lag = Lag::default();
        outbox.discard_replaceable(&mut lag);
        (sendable(outbox, 0), lag)
    }

    #[test]
    fn what_a_state_makes_up_for_is_discarded_but_for_a_version_that_has_begun() {
        let frames =
            [("4", change(4, false)), ("4b", change(4, true)), ("ack", Class::Answer), ("5", change(5, false))];
        let cases = [(None, "ack"), (Some(0), "44back"), (Some(1), "4back"), (Some(2), "back"), (Some(3), "ack")];
        for (sent, expected) in cases {
            let mut outbox = Outbox::default();
            frames.iter().for_each(|(text, class)| {
                outbox.push(Bytes::from_static(text.as_bytes()), 0, *class);
            });
            sent.into_iter().for_each(|written| outbox.sent(written, 0));
            let (left, lag) = discard_replaceable(&mut outbox);
            assert_eq!(left, expected, "after {sent:?} bytes");
            let first = if sent.is_none() { 4 } else { 5 };
            assert!(lag.has_missed(Version(first)) && !lag.has_missed(Version(first - 1)), "after {sent:?} bytes");
        }
    }

    #[test]
    fn a_list_that_waits_makes_up_for_what_came_before_it() {
        let mut outbox = Outbox::default();
        for (text, class) in
            [("3", change(3, false)), ("list", Class::State { version: Version(5) }), ("7", change(7, false))]
        {
            outbox.push(Bytes::from_static(text.as_bytes()), 0, class);
        }
        let (left, lag) = discard_replaceable(&mut outbox);
        assert_eq!(left, "list");
        let missed: Vec<u64> = (0..9).filter(|version| lag.has_missed(Version(*version))).collect();
        assert_eq!(missed, [3, 4, 7, 8]);
    }

    fn cursor(number: u64) -> Class {
        Class::Pointer(PointerKey::Cursor(number))
    }

    #[test]
    fn only_the_newest_cursor_waits_for_who_is_behind() {
        let mut outbox = outbox(&[("ab", 0)]);
        outbox.sent(1, 0);
        let push = |outbox: &mut Outbox, text: &'static str, number| {
            outbox.push(Bytes::from_static(text.as_bytes()), 0, cursor(number))
        };
        assert!(!push(&mut outbox, "1", 1));
        assert!(!push(&mut outbox, "2", 2));
        assert!(push(&mut outbox, "3", 1));
        assert_eq!(sendable(&outbox, 0), "b23");
        assert!(push(&mut outbox, "4", 1) && push(&mut outbox, "5", 2));
        assert_eq!(sendable(&outbox, 0), "b45");
        outbox.sent(1, 0);
        assert!(!push(&mut outbox, "6", 1), "some of it may have left");
        assert!(push(&mut outbox, "7", 2));
        assert_eq!(sendable(&outbox, 0), "467");
        outbox.sent(3, 0);
        assert_eq!((outbox.is_empty(), outbox.bytes()), (true, 0));
        assert!(!push(&mut outbox, "8", 1), "nothing of the kind waits");
    }

    #[test]
    fn of_who_came_and_went_nothing_is_remembered() {
        let mut outbox = outbox(&[("ab", 0)]);
        outbox.sent(1, 0);
        let presence = |comes: bool| Class::Presence { key: PointerKey::Person(1), comes, goes: !comes };
        outbox.push(Bytes::from_static(b"joined"), 0, presence(true));
        outbox.push(Bytes::from_static(b"left"), 0, presence(false));
        assert_eq!(sendable(&outbox, 0), "b");
        // What comes where their word would have been is not theirs.
        outbox.push(Bytes::from_static(b"ack"), 0, Class::Answer);
        outbox.push(Bytes::from_static(b"again"), 0, presence(true));
        assert_eq!(sendable(&outbox, 0), "backagain");
    }

    #[test]
    fn what_is_vacant_is_cleared_away() {
        let mut outbox = outbox(&[("ab", 0)]);
        outbox.sent(1, 0);
        for number in 0..10_000 {
            outbox.push(Bytes::from_static(b"c"), 0, cursor(number % 3));
            assert!(outbox.frames.len() < 150, "{} frames", outbox.frames.len());
        }
        assert_eq!(sendable(&outbox, 0), "bccc");
        assert!(outbox.bytes() < 150 * FRAME_COST_BYTES);
    }

    #[test]
    fn states_are_outside_the_bound() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"state"), 0, STATE);
        assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 5)));
        outbox.sent(2, 9);
        assert_eq!((outbox.bytes(), outbox.states()), (0, (1, 3)));
        outbox.sent(3, 9);
        assert_eq!((outbox.is_empty(), outbox.states()), (true, (0, 0)));
    }
}

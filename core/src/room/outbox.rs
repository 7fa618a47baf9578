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
    /// What is suggested for the segment at the connection's own cursor, which the next one makes up for, and no state: it is
    /// never left out otherwise.
    Suggestion,
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
            | Self::Suggestion
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
    /// While it is behind, where the newest of each kind is in the queue.
    pointers: Option<Box<Pointers>>,
}

#[derive(Debug)]
struct Queued {
    bytes: Bytes,
    gate: Gate,
    class: Class,
}

impl Outbox {
    /// Queues a frame; how many older ones that left out. Whoever is behind gets only the newest of somebody's
    /// cursors, of what is told of a person, and of what is suggested to them.
    pub(super) fn push(&mut self, bytes: Bytes, gate: Gate, class: Class) -> u64 {
        if self.closing {
            return 0;
        }
        let (mut left_out, mut class) = (0, class);
        if self.behind || self.pointers.is_some() {
            match class {
                Class::Pointer(key) => left_out = self.leave_out_older(key),
                Class::Suggestion => left_out = self.leave_out_older(PointerKey::Suggestion),
                Class::Presence { key, goes, .. } => {
                    left_out = self.begin_conflating();
                    let older = self.vacate_older(key);
                    left_out += u64::from(older.is_some());
                    if let Some(comes) = older {
                        // Whom the client has never seen come need not be seen to go.
                        if comes && goes {
                            self.pointers.iter_mut().for_each(|pointers| pointers.forget(key));
                            return left_out;
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
        left_out
    }

    /// Queues the last frame there will be.
    pub(super) fn push_close(&mut self, bytes: Bytes) {
        self.push(bytes, 0, Class::Answer);
        self.closing = true;
    }

    /// The next frame is the newest of its kind; how many older ones that leaves out.
    fn leave_out_older(&mut self, key: PointerKey) -> u64 {
        self.begin_conflating() + u64::from(self.vacate_older(key).is_some())
    }

    /// The reader is behind. Of the suggestions that wait already only the newest is of interest; how many that leaves out.
    /// From then on each takes the place of the one before.
    fn begin_conflating(&mut self) -> u64 {
        if self.pointers.is_some() {
            return 0;
        }
        let newest = self.frames.iter().rposition(|frame| frame.class == Class::Suggestion);
        let (before, begun) = (self.frames.len(), usize::from(self.begun));
        self.keep(|index, frame| frame.class != Class::Suggestion || index < begun || Some(index) == newest);
        self.pointers = Some(Box::new(Pointers::of(self.frames.iter().map(|frame| frame.class))));
        (before - self.frames.len()) as u64
    }

    /// The next frame is the newest of its kind: an older one is taken out, if it has not left. Whether that told of
    /// somebody whom the client does not know before.
    fn vacate_older(&mut self, key: PointerKey) -> Option<bool> {
        if self.pointers.as_ref().is_some_and(|pointers| pointers.is_sparse(self.frames.len())) {
            self.keep(|_, frame| frame.class != Class::Vacant);
        }
        let pointers = self.pointers.as_mut()?;
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
            Class::Answer | Class::Presence { .. } | Class::Suggestion | Class::Excerpt => true,
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
            **pointers = Pointers::of(frames.iter().map(|frame| frame.class));
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
mod tests;

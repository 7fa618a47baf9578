//! Who is here, and the delivery of frames to them.
//!
//! A broadcast is the product's largest cost: for each recipient it is a push on a queue and a flag.

use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;

use super::member::{Dialect, Member};
use super::outbox::Gate;
use super::people::People;
use crate::websocket::{CloseCode, encode_close};

/// The frames of one message or version, mostly one.
pub(super) type Frames = SmallVec<[Bytes; 1]>;

/// A member of a room. Valid from [`super::Room::join`] until [`super::Room::leave`]; afterwards it
/// stands for nobody, although [`Self::index`] may be somebody else's by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberKey {
    index: usize,
    /// How many had joined before.
    number: u64,
}

impl MemberKey {
    /// A small number that no other member has at the same time.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index
    }
}

/// The members of a room, the people behind them, and what is known of the disk.
#[derive(Debug)]
pub(super) struct Members {
    slab: Slab<Member>,
    pub(super) people: People,
    joined: u64,
    /// The members with something to be sent, each once.
    dirty: Vec<MemberKey>,
    /// Records known to be on disk: the gates up to it are open.
    durable: u64,
    outbound_bytes_max: usize,
}

impl Members {
    pub(super) fn new(outbound_bytes_max: usize) -> Self {
        Self {
            slab: Slab::new(),
            people: People::default(),
            joined: 0,
            dirty: Vec::new(),
            durable: 0,
            outbound_bytes_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    pub(super) fn get(&self, key: MemberKey) -> Option<&Member> {
        self.slab.get(key.index).filter(|member| member.key == key)
    }

    pub(super) fn get_mut(&mut self, key: MemberKey) -> Option<&mut Member> {
        self.slab.get_mut(key.index).filter(|member| member.key == key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.slab.iter().map(|(_, member)| member)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.slab.iter_mut().map(|(_, member)| member)
    }

    pub(super) fn keys(&self) -> Vec<MemberKey> {
        self.iter().map(|member| member.key).collect()
    }

    pub(super) fn insert(&mut self, make: impl FnOnce(MemberKey) -> Member) -> MemberKey {
        let entry = self.slab.vacant_entry();
        let key = MemberKey { index: entry.key(), number: self.joined };
        entry.insert(make(key));
        self.joined += 1;
        key
    }

    pub(super) fn remove(&mut self, key: MemberKey) -> Option<Member> {
        self.get(key)?;
        let member = self.slab.remove(key.index);
        self.dirty.retain(|dirty| *dirty != key);
        if self.slab.is_empty() {
            self.slab = Slab::new();
        }
        Some(member)
    }

    /// Queues a frame for one member.
    pub(super) fn send(&mut self, key: MemberKey, gate: Gate, frame: Bytes) {
        self.with(key, |member| member.outbox.push(frame, gate));
    }

    /// Queues for one member what may be as large as the document, and is outside the outbound bound.
    pub(super) fn send_state(&mut self, key: MemberKey, gate: Gate, frame: Bytes) {
        self.with(key, |member| member.outbox.push_state(frame, gate));
    }

    /// Queues the last frame for one member.
    pub(super) fn close(&mut self, key: MemberKey, code: CloseCode, reason: &str) {
        self.with(key, |member| member.outbox.push_close(encode_close(code, reason)));
    }

    /// Queues for one member, and notes if there is something to be sent then.
    fn with(&mut self, key: MemberKey, queue: impl FnOnce(&mut Member)) {
        let (bytes_max, durable) = (self.outbound_bytes_max, self.durable);
        if let Some(member) = self.slab.get_mut(key.index).filter(|member| member.key == key) {
            deliver(member, bytes_max, durable, &mut self.dirty, queue);
        }
    }

    /// Queues what `encode` makes for each dialect in use, once, for all who are `wanted`. How many frames were
    /// queued, each of them counted for each of these.
    pub(super) fn broadcast(
        &mut self,
        gate: Gate,
        wanted: impl Fn(&Member) -> bool,
        encode: impl Fn(Dialect) -> Frames,
    ) -> usize {
        let mut queued = 0;
        let mut encoded: [Option<Frames>; Dialect::COUNT] = Default::default();
        for (_, member) in &mut self.slab {
            if !wanted(member) {
                continue;
            }
            let dialect = member.dialect;
            let frames = encoded[dialect.index()].get_or_insert_with(|| encode(dialect));
            deliver(member, self.outbound_bytes_max, self.durable, &mut self.dirty, |member| {
                frames.iter().for_each(|frame| member.outbox.push(Bytes::clone(frame), gate));
                queued += frames.len();
            });
        }
        queued
    }

    /// The first `records` records are on disk.
    pub(super) fn open_gates(&mut self, records: u64) {
        self.durable = self.durable.max(records);
        for (_, member) in &mut self.slab {
            note_dirty(member, self.durable, &mut self.dirty);
        }
    }

    /// How many records are on disk.
    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    /// The members that have something to be sent, each once.
    pub(super) fn take_dirty(&mut self) -> Vec<MemberKey> {
        let dirty = std::mem::take(&mut self.dirty);
        for key in &dirty {
            if let Some(member) = self.get_mut(*key) {
                member.dirty = false;
            }
        }
        dirty
    }
}

/// Queues for a member; one whose queue has outgrown its bound reads too slowly, and is closed. Whoever
/// waits to be flushed in this turn has not been offered what is queued, and is not judged by it.
fn deliver(
    member: &mut Member,
    bytes_max: usize,
    durable: u64,
    dirty: &mut Vec<MemberKey>,
    queue: impl FnOnce(&mut Member),
) {
    if member.outbox.is_closing() {
        return;
    }
    if !member.dirty && member.outbox.is_overflowing(bytes_max, durable) {
        member.outbox.discard();
        member.outbox.push_close(encode_close(CloseCode::TRY_AGAIN_LATER, "SLOW_READER: reconnect and sync"));
    } else {
        queue(member);
    }
    note_dirty(member, durable, dirty);
}

fn note_dirty(member: &mut Member, durable: u64, dirty: &mut Vec<MemberKey>) {
    if !member.dirty && member.outbox.is_sendable(durable) {
        member.dirty = true;
        dirty.push(member.key);
    }
}

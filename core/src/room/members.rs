//! Who is here, and the delivery of frames to them.
//!
//! A broadcast is the product's largest cost: for each recipient it is a push on a queue and a flag.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;

use super::forms::Forms;
use super::framing::EventId;
use super::ladder::Delivery;
use super::member::{Dialect, Member};
use super::outbox::{Class, Gate};
use super::people::People;
use super::pointers::PointerKey;
use crate::ids::Version;
use crate::websocket::{CloseCode, Deflater};

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

    /// Its cursor, or its selection, among all that are shown.
    pub(super) const fn pointer(self, is_selection: bool) -> PointerKey {
        PointerKey::shown(self.number, is_selection)
    }
}

/// The members of a room, the people behind them, and what is known of the disk.
#[derive(Debug)]
pub(super) struct Members {
    slab: Slab<Member>,
    pub(super) people: People,
    joined: u64,
    pub(super) delivery: Delivery,
    deflater: Rc<RefCell<Deflater>>,
}

impl Members {
    pub(super) fn new(outbound_bytes_max: usize) -> Self {
        Self {
            slab: Slab::new(),
            people: People::default(),
            joined: 0,
            delivery: Delivery::new(outbound_bytes_max),
            deflater: Rc::default(),
        }
    }

    pub(super) fn share_deflater(&mut self, deflater: &Rc<RefCell<Deflater>>) {
        self.deflater = Rc::clone(deflater);
    }

    /// Bounds what may wait for each of them.
    pub(super) const fn bound_outbound(&mut self, bytes_max: usize) {
        self.delivery.bound(bytes_max);
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

    /// A number that no member has or will have.
    pub(super) const fn next_number(&mut self) -> u64 {
        self.joined += 1;
        self.joined - 1
    }

    pub(super) fn remove(&mut self, key: MemberKey) -> Option<Member> {
        self.get(key)?;
        let member = self.slab.remove(key.index);
        self.delivery.forget(&member);
        if self.slab.is_empty() {
            self.slab = Slab::new();
        }
        Some(member)
    }

    /// Queues an answer, or what is one of a kind, for one member.
    pub(super) fn send(&mut self, key: MemberKey, gate: Gate, frame: Bytes) {
        self.deliver(key, gate, Class::Answer, &Forms::new(frame));
    }

    /// Queues for one member what is suggested at its cursor, which the next one makes up for.
    pub(super) fn suggest(&mut self, key: MemberKey, gate: Gate, frame: Bytes) {
        self.deliver(key, gate, Class::Suggestion, &Forms::new(frame));
    }

    /// Queues for one member what others are told too and no state makes up for, if it is within the outbound bound; whether it is.
    pub(super) fn send_within_bound(&mut self, key: MemberKey, message: &Forms) -> bool {
        let Some(member) = self.slab.get_mut(key.index).filter(|member| member.key == key) else { return false };
        let frame = message.form(member.framing, &self.deflater);
        let has_room = self.delivery.has_room_for(member, frame.len());
        has_room && self.delivery.deliver(member, 0, Class::Answer, [frame]) > 0
    }

    /// Queues for one member what is in its framing already.
    pub(super) fn send_as_it_is(&mut self, key: MemberKey, bytes: Bytes) {
        if let Some((member, delivery)) = self.with_delivery(key) {
            delivery.deliver(member, 0, Class::Answer, [bytes]);
        }
    }

    /// Queues for one member the parts of a version that it has not been shown, `shown` being those that it has.
    pub(super) fn send_version(
        &mut self,
        key: MemberKey,
        gate: Gate,
        version: Version,
        parts: Frames,
        shown: usize,
    ) -> usize {
        let Some(member) = self.slab.get_mut(key.index).filter(|member| member.key == key) else { return 0 };
        let messages = forms_of(Class::Change { version, continues: false }, parts);
        let framing = member.framing;
        let frames = messages.iter().skip(shown).map(|message| message.form(framing, &self.deflater));
        self.delivery.deliver(member, gate, Class::Change { version, continues: shown > 0 }, frames)
    }

    /// Queues for one member what may be as large as the document, and is outside the outbound bound.
    pub(super) fn send_state(&mut self, key: MemberKey, gate: Gate, class: Class, message: &Forms) {
        self.deliver(key, gate, class, message);
    }

    fn deliver(&mut self, key: MemberKey, gate: Gate, class: Class, message: &Forms) {
        if let Some(member) = self.slab.get_mut(key.index).filter(|member| member.key == key) {
            let frame = message.form(member.framing, &self.deflater);
            self.delivery.deliver(member, gate, class, [frame]);
        }
    }

    /// Queues the last frame for one member.
    pub(super) fn close(&mut self, key: MemberKey, code: CloseCode, reason: &str) {
        if let Some(member) = self.slab.get_mut(key.index).filter(|member| member.key == key) {
            self.delivery.close(member, member.framing.close(code, reason));
        }
    }

    /// Queues what `encode` makes for each dialect in use, once, for all who are `wanted`; compressed, or as
    /// an event, once, for those of them who want it so. How many frames were queued, each of them counted for each of these.
    pub(super) fn broadcast(
        &mut self,
        gate: Gate,
        class: Class,
        wanted: impl Fn(&Member) -> bool,
        encode: impl Fn(Dialect) -> Frames,
    ) -> usize {
        let mut queued = 0;
        let mut encoded: [Option<SmallVec<[Forms; 1]>>; Dialect::COUNT] = Default::default();
        for (_, member) in &mut self.slab {
            if !wanted(member) {
                continue;
            }
            let dialect = member.dialect;
            let make = || forms_of(class, encode(dialect));
            let messages = encoded[dialect.index()].get_or_insert_with(make);
            let framing = member.framing;
            let frames = messages.iter().map(|message| message.form(framing, &self.deflater));
            queued += self.delivery.deliver(member, gate, class, frames);
        }
        queued
    }

    /// The first `records` records are on disk.
    pub(super) fn open_gates(&mut self, records: u64) {
        self.delivery.durable = self.delivery.durable.max(records);
        for (_, member) in &mut self.slab {
            self.delivery.note_dirty(member);
        }
    }

    /// Drops what waits for records that will never be on disk.
    pub(super) fn discard_undurable(&mut self) {
        for (_, member) in &mut self.slab {
            self.delivery.discard_undurable(member);
        }
    }

    /// How many records are on disk.
    pub(super) const fn durable(&self) -> u64 {
        self.delivery.durable
    }

    /// The members that have something to be sent, each once.
    pub(super) fn take_dirty(&mut self) -> Vec<MemberKey> {
        let dirty = std::mem::take(&mut self.delivery.dirty);
        for key in &dirty {
            if let Some(member) = self.get_mut(*key) {
                member.dirty = false;
            }
        }
        dirty
    }

    /// A member, and what delivers to it.
    pub(super) fn with_delivery(&mut self, key: MemberKey) -> Option<(&mut Member, &mut Delivery)> {
        let member = self.slab.get_mut(key.index).filter(|member| member.key == key)?;
        Some((member, &mut self.delivery))
    }

    /// All members, and what delivers to them.
    pub(super) fn all_with_delivery(&mut self) -> (impl Iterator<Item = &mut Member>, &mut Delivery) {
        (self.slab.iter_mut().map(|(_, member)| member), &mut self.delivery)
    }
}

/// The forms of the frames of one message or version; a version's last one is what brings a reader to it.
fn forms_of(class: Class, frames: Frames) -> SmallVec<[Forms; 1]> {
    let count = frames.len();
    let form = |(index, frame)| match class {
        Class::Change { version, .. } => Forms::reaching(frame, EventId::of_part(version, index, count)),
        Class::Answer
        | Class::Pointer(_)
        | Class::Presence { .. }
        | Class::Suggestion
        | Class::State { .. }
        | Class::Excerpt
        | Class::Vacant => Forms::new(frame),
    };
    frames.into_iter().enumerate().map(form).collect()
}

//! The server around a room: its parser, clock, disk and connections, and turns that are taken when told to.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::checked::{Broken, Checked, ensure};
use super::disk::{Disk, Restored, texts_of};
use super::heard::{Heard, state_of_json};
use super::mirror::Mirror;
use super::people::{IDLE_AFTER_MS, VISIT_MS};
use super::say::{Client, Sent};
use super::socket::{Codes, Network, Socket, Visible};
use crate::document::DocumentLimits;
use crate::ids::{PositionEncoding, UnixMillis};
use crate::limits::{GrantedLimits, LimitMode, RateLimits};
use crate::protocol::outbound::Limits;
use crate::protocol::{InboundError, Parser};
use crate::room::{
    Answer, Caller, Dialect, Durability, Expiry, Greeting, Joining, Member, MemberKey, Outbox, Room, RoomConfig,
    TranslationRights, User,
};

const LIMITS: Limits = Limits {
    mode: LimitMode::Enforce,
    connections: 10_000,
    user_connections: 10,
    document_editors: 50,
    rates: RateLimits::OFF,
    message_bytes: 64 << 10,
    section_bytes: 4 << 20,
    document_bytes: 16 << 20,
    sections: 64,
    batch_changes: 1_000,
    base_versions: 10_000,
    heartbeat_interval_seconds: 30,
};

const AUTO_SAVE: Duration = Duration::from_secs(30);
/// What may wait for a slow reader beyond the bound: its answers, one version in parts, and the newest presence of each user.
const BEYOND_BOUND_BYTES: usize = 8 << 10;

/// How a server is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) durability: Durability,
    pub(super) outbound_bytes_max: usize,
    pub(super) history_versions_max: usize,
}

/// Somebody who connects.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) client: Client,
    pub(super) edits: bool,
    pub(super) dialect: Dialect,
    pub(super) greeting: Greeting,
    pub(super) network: Network,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) room: Room,
    pub(super) disk: Disk,
    pub(super) now: UnixMillis,
    plan: Plan,
    parser: Parser,
    sockets: Vec<(MemberKey, Socket)>,
    connections: usize,
}

/// The clock that never goes back: nobody sets the wall clock here.
const fn monotonic(now: UnixMillis) -> Duration {
    Duration::from_millis(now.0)
}

impl Plan {
    const fn limits(&self) -> DocumentLimits {
        DocumentLimits {
            sections_max: 64,
            section_bytes_max: 4 << 20,
            document_bytes_max: 16 << 20,
            history_versions_max: self.history_versions_max,
            history_bytes_max: 8 << 20,
        }
    }

    fn open(&self, now: UnixMillis, disk: &mut Disk, snapshot: usize, before_max: usize) -> Checked<(Room, usize)> {
        let Restored { mut document, kept } = disk.reopen(snapshot, before_max, self.limits())?;
        document.skip_versions(disk.skipped_versions);
        let Self { durability, outbound_bytes_max, .. } = *self;
        let config = RoomConfig {
            durability,
            outbound_bytes_max,
            auto_save: AUTO_SAVE,
            idle_after_ms: IDLE_AFTER_MS,
            visit_ms: VISIT_MS,
            limits: LIMITS,
            counters: Arc::default(),
        };
        let mut room = Room::new(document, disk.session.clone(), Rc::new(config));
        room.tell_time(now, monotonic(now));
        Ok((room, kept))
    }
}

impl Server {
    pub(super) fn new(plan: Plan) -> Checked<Self> {
        let mut disk = Disk::default();
        let now = UnixMillis(1_758_458_730_123);
        let (room, _) = plan.open(now, &mut disk, 0, 0)?;
        Ok(Self { room, disk, now, plan, parser: Parser::default(), sockets: Vec::new(), connections: 0 })
    }

    pub(super) fn version(&self) -> u64 {
        self.room.document().version().0
    }

    /// The number of the version that the next change makes.
    pub(super) fn next_version(&self) -> u64 {
        let is_first = self.version() == self.disk.version();
        self.version() + 1 + if is_first { self.disk.skipped_versions } else { 0 }
    }

    pub(super) fn join(&mut self, guest: &Guest) -> Checked<MemberKey> {
        self.connections += 1;
        let number = self.connections;
        let user = User {
            display_name: guest.client.user_id.to_uppercase().into(),
            avatar_url: None,
            color: "#51cf66".into(),
            user_id: (&*guest.client.user_id).into(),
        };
        let joining = Joining {
            connection_id: format!("conn_{number}").into(),
            user: Rc::new(user),
            edits: guest.edits,
            is_admin: false,
            translates: TranslationRights::default(),
            dialect: guest.dialect,
            greeting: guest.greeting,
            framing: crate::room::Framing::default(),
            session_id: format!("sess_{number}").into(),
            granted: GrantedLimits::default(),
            expiry: Expiry::NEVER,
        };
        let key = self.room.join(self.now, joining).map_err(|refusal| Broken(refusal.message))?;
        let socket = Socket::new(guest.client.clone(), guest.dialect.encoding, guest.network, self.version());
        self.sockets.push((key, socket));
        Ok(key)
    }

    pub(super) fn leave(&mut self, key: MemberKey) {
        self.room.leave(self.now, key);
        self.sockets.retain(|(other, _)| *other != key);
    }

    pub(super) fn hear(&mut self, key: MemberKey, json: &str) {
        self.room.receive(self.now, key, &mut json.as_bytes().to_vec(), &mut self.parser);
    }

    /// A message of that connection is to be answered so; whether it made a version.
    pub(super) fn expect(&mut self, key: MemberKey, name: &Rc<str>, codes: Codes, made_version: bool) {
        let socket = self.sockets.iter_mut().find(|(other, _)| *other == key);
        socket.into_iter().for_each(|(_, socket)| socket.expect(name, codes, made_version));
    }

    /// The disk has failed: everybody is told what may be told, and nothing waits for the disk any more. The
    /// requests that cannot be answered are returned.
    pub(super) fn fail(&mut self, mirror: &Mirror) -> Checked<Vec<u64>> {
        let handed_back = self.room.storage_failed(self.now).map(|answer| answer.request).collect();
        let keys: Vec<MemberKey> = self.sockets.iter().map(|(key, _)| *key).collect();
        for key in keys {
            self.write(key, mirror)?;
            let outbox = self.room.member(key).map(Member::outbox);
            let durable = self.room.durable_records();
            let waits = outbox.is_some_and(|outbox| !outbox.is_empty() && !outbox.is_sendable(durable));
            ensure!(!waits, "a connection waits for a disk that has failed");
        }
        Ok(handed_back)
    }

    /// Whether all messages were answered.
    pub(super) fn check_answered(&self) -> Checked {
        let unanswered = self.sockets.iter().find_map(|(_, socket)| socket.unanswered());
        ensure!(unanswered.is_none(), "{unanswered:?} was never answered");
        Ok(())
    }

    /// `POST …/changes`; with the key in `Idempotency-Key` where it is not in the body.
    pub(super) fn post(&mut self, request: u64, sent: &Sent, with_names: bool) -> Result<(), InboundError> {
        let caller = Caller {
            user_id: &sent.client.user_id,
            is_admin: false,
            encoding: sent.encoding,
            idempotency_key: sent.key.as_deref().filter(|_| !with_names),
            if_match: None,
        };
        let mut body = sent.body(with_names).to_string().into_bytes();
        self.room.answer_changes(self.now, request, caller, &mut body, &mut self.parser)
    }

    /// A turn: what was recorded is on its way to the disk, and what may leave is written.
    pub(super) fn turn(&mut self, mirror: &Mirror) -> Checked {
        self.disk.take_records(&mut self.room);
        for key in self.room.take_dirty() {
            self.write(key, mirror)?;
        }
        let outboxes = self.sockets.iter().filter_map(|(key, _)| self.room.member(*key)).map(Member::outbox);
        let queued: usize = outboxes.map(Outbox::bytes).sum();
        ensure!(queued <= self.room.queued_bytes(), "{queued} bytes wait, not {}", self.room.queued_bytes());
        Ok(())
    }

    pub(super) fn write(&mut self, key: MemberKey, mirror: &Mirror) -> Checked {
        let visible = Visible { durability: self.plan.durability, durable_version: self.disk.version() };
        let durable = self.room.durable_records();
        let Some((_, socket)) = self.sockets.iter_mut().find(|(other, _)| *other == key) else { return Ok(()) };
        loop {
            let Some(member) = self.room.member(key) else { return Ok(()) };
            let written = socket.take(member.outbox().sendable(durable))?;
            self.room.sent(key, written);
            let grows = socket.pass(visible, mirror)?;
            let waits = self.room.member(key).is_some_and(|member| member.outbox().is_sendable(durable));
            let takes_more = grows || (socket.room() > 0 && (waits || self.room.catch_up(self.now, key)));
            if !takes_more {
                let bound = self.plan.outbound_bytes_max + BEYOND_BOUND_BYTES;
                let waiting = self.room.member(key).map(Member::outbox).filter(|outbox| outbox.is_sendable(durable));
                return socket.wait(waiting.map(Outbox::bytes).filter(|bytes| *bytes > bound));
            }
        }
    }

    /// Time passes.
    pub(super) fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
        self.room.tend(self.now, monotonic(self.now));
    }

    /// The disk has written the oldest batch; false if there was none.
    pub(super) fn commit(&mut self) -> bool {
        self.disk.commit().map(|records| self.room.durable(records)).is_some()
    }

    /// The client reads a message, and the server writes on where it had to stop.
    pub(super) fn read(&mut self, key: MemberKey, mirror: &Mirror) -> Checked<Option<Heard>> {
        let Some((_, socket)) = self.sockets.iter_mut().find(|(other, _)| *other == key) else { return Ok(None) };
        let message = socket.read();
        if message.is_some() {
            self.write(key, mirror)?;
        }
        Ok(message)
    }

    /// Whether the network ever took less for a connection than there was.
    pub(super) fn is_slow(&self, key: MemberKey) -> bool {
        self.sockets.iter().any(|(other, socket)| *other == key && socket.is_slow())
    }

    pub(super) fn readable(&self, key: MemberKey) -> usize {
        self.sockets.iter().find(|(other, _)| *other == key).map_or(0, |(_, socket)| socket.readable())
    }

    /// The answers that may be given now, each of a durable version: of a `GET …/state` by the texts, of a `POST`
    /// by the new version.
    pub(super) fn take_answers(&mut self, mirror: &Mirror) -> Checked<Vec<(u64, u64)>> {
        let answers: Vec<Answer> = self.room.take_answers().collect();
        let is_strict = self.plan.durability == Durability::Strict;
        let durable = self.disk.version();
        let read = |answer: Answer| {
            let body = answer.body.map_err(|error| Broken(error.message))?;
            let parsed: serde_json::Value = serde_json::from_slice(&body).map_err(|error| Broken(error.to_string()))?;
            let version = if let Some(version) = parsed["new_version"].as_u64() {
                ensure!(version <= durable, "an answer names {version} when {durable} was durable");
                version
            } else {
                let (version, texts) = state_of_json(&body)?;
                ensure!(version <= durable || !is_strict, "an answer shows {version} when {durable} was durable");
                ensure!(texts == mirror.at(version)?.texts, "an answer shows {texts:?} as {version}");
                version
            };
            Ok((answer.request, version))
        };
        answers.into_iter().map(read).collect()
    }

    /// Whether the document is what it has to be.
    pub(super) fn check(&self, mirror: &Mirror) -> Checked {
        let (texts, head) = (texts_of(self.room.document()), mirror.head());
        ensure!(self.version() == head.version, "version {} instead of {}", self.version(), head.version);
        ensure!(texts == head.texts, "{texts:?} instead of {:?} at version {}", head.texts, head.version);
        Ok(())
    }

    pub(super) fn check_disk(&self, mirror: &Mirror) -> Checked {
        self.disk.check(mirror, self.plan.limits())
    }

    /// The document is read from the disk again: from a snapshot, or from none with 0. Nobody is connected.
    pub(super) fn reopen(&mut self, snapshot: usize, before_max: usize, mirror: &mut Mirror) -> Checked {
        self.sockets.clear();
        let (room, kept) = self.plan.open(self.now, &mut self.disk, snapshot, before_max)?;
        self.room = room;
        mirror.rewind(self.disk.version(), kept)?;
        self.check(mirror)
    }

    /// `GET …/state`.
    pub(super) fn ask_state(&mut self, request: u64) {
        self.room.answer_state(self.now, request, PositionEncoding::Utf16, true);
    }
}

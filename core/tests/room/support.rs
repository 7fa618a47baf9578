//! A room with a parser, a clock, a disk that writes when told to, and readers that read when told to.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::document::{Change, Document, DocumentLimits, Entry, Save, Session, Snapshot, VERSIONS_SKIPPED};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::outbound::Limits;
use jddb_core::protocol::{Parser, PresenceUpdate};
use jddb_core::room::{
    Dialect, Durability, EventId, Expiry, Framing, Greeting, JoinRefusal, Joining, KnownSave, MemberKey, Record,
    Renewal, Room, RoomConfig, TranslationRights, User, Visitor,
};
use jddb_core::websocket::Compression;
use serde_json::{Value, json};

use crate::messages::first_frame;
pub(crate) use crate::messages::{brief, change, insert, message, named_insert, version_of};

pub(crate) const DOCUMENT: &str = "jd_12345";
/// 2025-09-21T12:45:30.123Z
pub(crate) const START: UnixMillis = UnixMillis(1_758_458_730_123);

pub(crate) const LIMITS: Limits = Limits {
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

/// What a message takes beside a text, in bytes.
const ENVELOPE_BYTES: usize = 1 << 10;
pub(crate) const IDLE_AFTER_MS: u64 = 60_000;
pub(crate) const VISIT_MS: u64 = 30_000;

/// How a room is built.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) durability: Durability,
    pub(crate) outbound_bytes_max: usize,
    pub(crate) auto_save: Duration,
    pub(crate) limits: Limits,
    pub(crate) document: DocumentLimits,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            durability: Durability::Strict,
            outbound_bytes_max: 4 << 20,
            auto_save: Duration::from_secs(30),
            limits: LIMITS,
            document: DocumentLimits::default(),
        }
    }
}

impl Plan {
    fn config(&self) -> Rc<RoomConfig> {
        let Self { durability, outbound_bytes_max, auto_save, limits, .. } = *self;
        Rc::new(RoomConfig {
            durability,
            outbound_bytes_max,
            auto_save,
            idle_after_ms: IDLE_AFTER_MS,
            visit_ms: VISIT_MS,
            limits,
            counters: Arc::default(),
        })
    }
}

/// Somebody at the door: an editor in UTF-16 who is greeted at once, unless said otherwise.
pub(crate) struct Guest {
    user_id: String,
    edits: bool,
    is_admin: bool,
    translates: TranslationRights,
    dialect: Dialect,
    greeting: Greeting,
    framing: Framing,
    granted: GrantedLimits,
    pub(crate) expiry: Expiry,
}

pub(crate) fn guest(user_id: &str) -> Guest {
    Guest {
        user_id: user_id.to_owned(),
        edits: true,
        is_admin: false,
        translates: TranslationRights::default(),
        dialect: Dialect::default(),
        greeting: Greeting::OnConnect,
        framing: Framing::default(),
        granted: GrantedLimits::default(),
        expiry: Expiry::NEVER,
    }
}

impl Guest {
    pub(crate) fn viewing(self) -> Self {
        Self { edits: false, ..self }
    }

    pub(crate) fn admin(self) -> Self {
        Self { is_admin: true, ..self }
    }

    pub(crate) fn translating(self) -> Self {
        Self { translates: TranslationRights { reads: true, writes: true }, ..self }
    }

    pub(crate) fn speaking(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    pub(crate) fn on_join(self) -> Self {
        Self { greeting: Greeting::OnJoin, ..self }
    }

    /// Offers compression with the parameters `more`, such as `; server_max_window_bits=10`.
    pub(crate) fn inflating(self, more: &str) -> Self {
        let compression = Compression::negotiate(&[&format!("permessage-deflate{more}")]).unwrap();
        Self { framing: Framing::WebSocket(compression), ..self }
    }

    /// Reads an event stream.
    pub(crate) fn reading_events(self) -> Self {
        Self { framing: Framing::Events, ..self.viewing() }
    }

    /// Goes on after an event.
    pub(crate) fn after(self, id: EventId) -> Self {
        Self { greeting: Greeting::Resume(id), ..self }
    }

    pub(crate) fn granted(self, granted: GrantedLimits) -> Self {
        Self { granted, ..self }
    }

    pub(crate) fn until(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }
}

/// What the disk has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) changes: Vec<Change>,
    pub(crate) session: Option<Session>,
    pub(crate) saves: Vec<Save>,
    pub(crate) entry: Option<Entry>,
}

/// Records on their way to the disk.
#[derive(Default)]
struct Batch {
    records: u64,
    changes: Vec<Change>,
    /// What has become of the session, if anything has.
    session: Option<Option<Session>>,
    saves: Vec<Save>,
    forgotten: Vec<Version>,
    entry: Option<Entry>,
    is_deletion: bool,
}

pub(crate) struct House {
    pub(crate) room: Room,
    pub(crate) now: UnixMillis,
    /// By how much the wall clock has been set forward, in milliseconds.
    set_by: i64,
    pub(crate) disk: Disk,
    plan: Plan,
    parser: Parser,
    under_way: std::collections::VecDeque<Batch>,
    connections: usize,
    /// Numbers that may have been seen since the last durable version.
    skip_versions: u64,
    /// Bytes of a frame of which the rest has not been read.
    unfinished: HashMap<MemberKey, Vec<u8>>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Plan::default())
    }

    pub(crate) fn fast() -> Self {
        Self::with(Plan { durability: Durability::Fast, ..Plan::default() })
    }

    pub(crate) fn with(plan: Plan) -> Self {
        let mut room = open(&plan, &Disk::default(), 0);
        room.tell_time(START, Duration::from_millis(START.0));
        Self {
            room,
            now: START,
            set_by: 0,
            disk: Disk::default(),
            plan,
            parser: Parser::default(),
            under_way: std::collections::VecDeque::new(),
            connections: 0,
            skip_versions: 0,
            unfinished: HashMap::new(),
        }
    }

    /// A house whose document has these sections, all of it durable.
    pub(crate) fn holding(sections: &[(&str, &str)]) -> Self {
        Self::new().filled(sections)
    }

    /// With sections that may be longer than a message.
    pub(crate) fn filled(mut self, sections: &[(&str, &str)]) -> Self {
        let writer = self.join(guest("writer"));
        let part_bytes = self.plan.limits.message_bytes - ENVELOPE_BYTES;
        for (section, content) in sections {
            let mut position = 0;
            for part in parts(content, part_bytes) {
                let insert = json!({"operation": "insert", "position": position, "content": part, "section": section});
                self.say(writer, change(insert));
                position += part.encode_utf16().count();
            }
        }
        self.sync();
        let refused = self.read(writer).into_iter().find(|told| told["type"] == "system.error");
        assert_eq!(refused, None, "it is as it was wanted");
        self.leave(writer);
        self
    }

    pub(crate) fn try_join(&mut self, guest: Guest) -> Result<MemberKey, JoinRefusal> {
        let Guest { user_id, edits, is_admin, translates, dialect, greeting, framing, granted, expiry } = guest;
        self.connections += 1;
        let number = self.connections;
        let joining = Joining {
            connection_id: format!("conn_{number}").into(),
            user: Rc::new(user_called(&user_id)),
            edits,
            is_admin,
            translates,
            dialect,
            greeting,
            framing,
            session_id: format!("sess_{number}").into(),
            granted,
            expiry,
        };
        self.room.join(self.now, joining)
    }

    /// Other limits are in force, for whoever is here too.
    pub(crate) fn configure(&mut self, plan: Plan) {
        self.room.configure(plan.config());
        self.room.bound_document(plan.document);
        self.plan = plan;
    }

    pub(crate) fn join(&mut self, guest: Guest) -> MemberKey {
        self.try_join(guest).unwrap()
    }

    /// Joins, and reads what it is greeted with.
    pub(crate) fn settle(&mut self, guest: Guest) -> MemberKey {
        let key = self.join(guest);
        self.sync();
        self.read_all();
        key
    }

    pub(crate) fn leave(&mut self, key: MemberKey) {
        self.unfinished.remove(&key);
        self.room.leave(self.now, key);
    }

    pub(crate) fn say_bytes(&mut self, key: MemberKey, bytes: &[u8]) {
        self.room.receive(self.now, key, &mut bytes.to_vec(), &mut self.parser);
    }

    pub(crate) fn say(&mut self, key: MemberKey, message: impl AsRef<str>) {
        self.say_bytes(key, message.as_ref().as_bytes());
    }

    /// Ada shows a new token, which permits to edit, and that.
    pub(crate) fn renew(&mut self, key: MemberKey, translates: TranslationRights) {
        self.say(key, message("auth.refresh", json!({"token": "a.b.c"})));
        let request = self.room.take_renewals().remove(0);
        let renewal = Renewal {
            user_id: "ada".into(),
            expires_at: START,
            expiry: Expiry::NEVER,
            edits: true,
            is_admin: false,
            translates,
            granted: GrantedLimits::default(),
        };
        self.room.renew(self.now, key, &request, Ok(renewal));
    }

    /// `POST …/changes`.
    pub(crate) fn post(
        &mut self,
        request: u64,
        caller: jddb_core::room::Caller<'_>,
        body: &Value,
    ) -> Result<(), jddb_core::protocol::InboundError> {
        let mut body = body.to_string().into_bytes();
        self.room.answer_changes(self.now, request, caller, &mut body, &mut self.parser)
    }

    /// `PUT /api/presence/{user_id}` of the user themselves.
    pub(crate) fn visit(
        &mut self,
        user_id: &str,
        edits: bool,
        update: &PresenceUpdate,
    ) -> Result<Value, jddb_core::protocol::InboundError> {
        self.connections += 1;
        let number = self.connections as u64;
        let user = Rc::new(user_called(user_id));
        let encoding = PositionEncoding::Utf16;
        let visitor = Visitor { user, is_caller: true, is_admin: false, edits, number, encoding, update };
        self.room.answer_visit(self.now, number, &visitor)?;
        self.sync();
        Ok(self.answers().pop().unwrap().1)
    }

    /// A user says by HTTP that they are elsewhere.
    pub(crate) fn end_visit(&mut self, user_id: &str) -> bool {
        self.room.end_visit(self.now, user_id, self.connections as u64)
    }

    /// `GET …/presence`.
    pub(crate) fn presence(&mut self) -> Value {
        self.room.answer_presence(0, PositionEncoding::Utf16);
        self.sync();
        self.answers().pop().unwrap().1
    }

    pub(crate) fn answers(&mut self) -> Vec<(u64, Value)> {
        let answers: Vec<_> = self.room.take_answers().collect();
        answers
            .into_iter()
            .map(|answer| (answer.request, serde_json::from_slice(answer.body.as_ref().unwrap()).unwrap()))
            .collect()
    }

    /// A turn: what was recorded is on its way to the disk.
    pub(crate) fn turn(&mut self) {
        let mut batch = Batch::default();
        batch.records = self.room.take_records(|record| match record {
            Record::Change(change) => batch.changes.push(change.clone()),
            Record::Session(record) => batch.session = Some(Some(record.clone())),
            Record::SessionEnded => batch.session = Some(None),
            Record::Save(save) => batch.saves.push(save.clone()),
            Record::SaveForgotten(version) => batch.forgotten.push(version),
            Record::Entry(record) => batch.entry = Some(record.clone()),
            Record::Deletion(record) => {
                batch.entry = Some(record.clone());
                batch.is_deletion = true;
            }
        });
        self.under_way.push_back(batch);
    }

    /// The disk has written the oldest batch. False if there was none.
    pub(crate) fn commit(&mut self) -> bool {
        let Some(batch) = self.under_way.pop_front() else { return false };
        if !batch.changes.is_empty() {
            self.skip_versions = 0;
        }
        self.disk.changes.extend(batch.changes);
        if batch.is_deletion {
            self.disk = Disk::default();
        }
        if let Some(session) = batch.session {
            self.disk.session = session;
        }
        for save in batch.saves {
            self.disk.saves.retain(|other| other.version != save.version);
            self.disk.saves.push(save);
        }
        self.disk.saves.retain(|save| !batch.forgotten.contains(&save.version));
        self.disk.entry = batch.entry.or_else(|| self.disk.entry.take());
        self.room.durable(batch.records);
        true
    }

    /// A turn, and all of it durable.
    pub(crate) fn sync(&mut self) {
        self.turn();
        while self.commit() {}
    }

    /// The process dies, or the room is given up: what is not on disk never was. Everybody is gone.
    pub(crate) fn restart(&mut self) {
        self.under_way.clear();
        self.unfinished.clear();
        if self.plan.durability == Durability::Fast {
            self.skip_versions += VERSIONS_SKIPPED;
        }
        self.room = open(&self.plan, &self.disk, self.skip_versions);
        self.room.tell_time(self.now, self.at());
    }

    /// Takes all that may leave as it is.
    pub(crate) fn take(&mut self, key: MemberKey) -> Vec<bytes::Bytes> {
        let durable = self.room.durable_records();
        let frames: Vec<_> = self.room.member(key).unwrap().outbox().sendable(durable).cloned().collect();
        self.room.sent(key, frames.iter().map(bytes::Bytes::len).sum());
        frames
    }

    /// Reads at most `bytes_max` bytes; the messages that are whole by now.
    pub(crate) fn read_some(&mut self, key: MemberKey, bytes_max: usize) -> Vec<Value> {
        let durable = self.room.durable_records();
        let unfinished = self.unfinished.entry(key).or_default();
        let mut left = bytes_max;
        loop {
            let Some(member) = self.room.member(key) else { return Vec::new() };
            let before = left;
            for frame in member.outbox().sendable(durable) {
                let part = left.min(frame.len());
                unfinished.extend_from_slice(&frame[..part]);
                left -= part;
            }
            self.room.sent(key, before - left);
            if left == 0 || !self.room.catch_up(self.now, key) {
                break;
            }
        }
        let mut messages = Vec::new();
        while let Some((message, length)) = first_frame(unfinished) {
            messages.push(message);
            unfinished.drain(..length);
        }
        messages
    }

    /// Reads all that may leave.
    pub(crate) fn read(&mut self, key: MemberKey) -> Vec<Value> {
        self.read_some(key, usize::MAX)
    }

    /// A turn in which nobody's socket takes anything.
    pub(crate) fn block_all(&mut self) {
        self.sync();
        for key in self.room.take_dirty() {
            self.room.sent(key, 0);
        }
    }

    /// Time passes, and the room does what is due by then.
    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
        self.room.tend(self.now, self.at());
    }

    /// What a clock says that nobody can set.
    fn at(&self) -> Duration {
        Duration::from_millis(self.steady_ms())
    }

    /// The same in milliseconds.
    pub(crate) fn steady_ms(&self) -> u64 {
        self.now.0.checked_add_signed(-self.set_by).expect("a time after 1970")
    }

    /// Somebody sets the wall clock, by so many milliseconds.
    pub(crate) fn set_clock(&mut self, by: i64) {
        self.now = UnixMillis(self.now.0.checked_add_signed(by).expect("a time after 1970"));
        self.set_by += by;
    }

    /// Everybody who is noted as having something to read does; returns who.
    pub(crate) fn read_all(&mut self) -> Vec<(MemberKey, Vec<Value>)> {
        let dirty = self.room.take_dirty();
        dirty.into_iter().map(|key| (key, self.read(key))).collect()
    }

    /// Durable, and read: what it is sent by now, in short.
    pub(crate) fn check(&mut self, key: MemberKey, expected: &[&str]) {
        self.sync();
        self.check_now(key, expected);
    }

    /// What it may read without anything more becoming durable, in short.
    pub(crate) fn check_now(&mut self, key: MemberKey, expected: &[&str]) {
        let seen: Vec<String> = self.read(key).iter().map(brief).collect();
        assert_eq!(seen, expected);
    }

    pub(crate) fn sections(&self) -> Vec<(String, String)> {
        let sections = self.room.document().sections().iter();
        sections.map(|section| (section.name().to_string(), section.text().to_string())).collect()
    }

    pub(crate) fn version(&self) -> u64 {
        self.room.document().version().0
    }
}

fn user_called(user_id: &str) -> User {
    User {
        display_name: user_id.to_uppercase().into(),
        avatar_url: Some(format!("https://avatars.example.com/{user_id}.jpg").into()),
        color: "#51cf66".into(),
        user_id: user_id.into(),
    }
}

fn open(plan: &Plan, disk: &Disk, skip_versions: u64) -> Room {
    let id = DocumentId::new(DOCUMENT).unwrap();
    let mut document = Document::restore(id, Snapshot::default(), disk.changes.clone(), plan.document).unwrap();
    document.skip_versions(skip_versions);
    let mut room = Room::new(document, disk.session.clone(), plan.config());
    let known = |save: &Save| KnownSave { version: save.version, is_manual: save.saved_by.is_some() };
    room.know_saves(disk.saves.iter().map(known).collect());
    disk.entry.iter().for_each(|entry| room.describe(entry.clone()));
    room
}

/// A text in parts that are so long in JSON, one of them at least.
fn parts(text: &str, bytes_max: usize) -> Vec<String> {
    let (mut parts, mut bytes) = (vec![String::new()], 0);
    for character in text.chars() {
        let more = json!(character).to_string().len() - 2;
        if bytes + more > bytes_max {
            parts.push(String::new());
            bytes = 0;
        }
        parts.last_mut().unwrap().push(character);
        bytes += more;
    }
    parts
}

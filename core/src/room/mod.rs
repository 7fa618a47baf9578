//! The people in a document, and what each of them is sent.
//!
//! A [`Room`] is a document with its session and its members. Messages go in by [`Room::receive`]; what
//! is to be stored is taken by [`Room::take_records`], and told back by [`Room::durable`] when it is on
//! disk; what is to be sent waits in each member's [`Outbox`].
//!
//! Durability is a gate: a room counts its records, and each frame says how many of them have to be
//! durable before it may leave. In strict durability that holds for everything that shows a version; in
//! fast durability for acknowledgements only.

mod cursor;
mod member;
mod outbox;
mod relay;
mod request;
mod sync;

pub use member::{Dialect, Greeting, Joining, Member, User};
pub use outbox::Outbox;
pub use request::{Answer, Caller};

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use serde::Serialize;
use slab::Slab;
use smallvec::SmallVec;

use crate::document::{Change, Document, Rejection, Session, Submission, Submitted};
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::{
    Ack, ActiveEditor, ConnectionState, Content, DocumentMetadata, DocumentState, ErrorDetails, ErrorMessage, Heartbeat,
    Limits, Metadata, Presence, Saved,
};
use crate::protocol::{
    close,
    ClientTime, ErrorCode, Inbound, InboundChange, InboundError, Message, Parser, Severity, write_message,
};
use crate::websocket::{CloseCode, FrameBuilder, MessageKind, encode_close};
use outbox::Gate;
use relay::Starts;

/// Refused messages in a row after which a connection is closed.
const REFUSED_IN_ROW_MAX: u32 = 10;
/// The most entries of `active_editors`.
const EDITORS_LISTED_MAX: usize = 200;

/// Who sees a change when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nobody before it is on disk.
    #[default]
    Strict,
    /// The others at once; its sender is acknowledged when it is on disk.
    Fast,
}

/// What all rooms have in common.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// Who sees a change when.
    pub durability: Durability,
    /// The most bytes queued for one connection, full states apart. Beyond that it is closed with 1013.
    pub outbound_bytes_max: usize,
    /// The limits in force, as clients are told.
    pub limits: Limits,
}

/// A member of a room. Valid from [`Room::join`] until [`Room::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberKey(usize);

impl MemberKey {
    /// A small number that no other member has at the same time.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Something to be stored.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A new version.
    Change(&'a Change),
    /// The document's session, which has just begun.
    Session(&'a Session),
}

/// Why somebody may not join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefusal {
    /// The code for `system.error`.
    pub code: ErrorCode,
    /// What to do.
    pub message: String,
    /// Which limit was reached.
    pub limit_type: Option<&'static str>,
    /// The code to close with.
    pub close: CloseCode,
    /// Seconds after which a retry may help.
    pub retry_after: Option<u64>,
}

/// A document with its session and its members.
#[derive(Debug)]
pub struct Room {
    config: Rc<RoomConfig>,
    document: Document,
    session: Option<Session>,
    members: Slab<Member>,
    answers: VecDeque<(Gate, Answer)>,
    /// Records made so far; a record's number is the count that includes it.
    records: u64,
    /// Records known to be on disk. `durable ≤ records`.
    durable: u64,
    /// The newest version that [`Self::take_records`] has handed out.
    taken: Version,
    session_is_new: bool,
    dirty: Vec<MemberKey>,
}

impl Room {
    /// A room for a document as it is stored, with its session if it has one.
    #[must_use]
    pub fn new(document: Document, session: Option<Session>, config: Rc<RoomConfig>) -> Self {
        let taken = document.version();
        Self {
            config,
            document,
            session,
            members: Slab::new(),
            answers: VecDeque::new(),
            records: 0,
            durable: 0,
            taken,
            session_is_new: false,
            dirty: Vec::new(),
        }
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Whether nobody is here and nothing is under way, so that the room can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.members.is_empty() && self.answers.is_empty() && self.is_durable()
    }

    /// Whether all that was recorded is on disk.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable == self.records
    }

    /// How many connections are here.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, key: MemberKey) -> Option<&Member> {
        self.members.get(key.0)
    }

    /// A member.
    pub fn member_mut(&mut self, key: MemberKey) -> Option<&mut Member> {
        self.members.get_mut(key.0)
    }

    /// Takes somebody in: from here on they miss nothing.
    ///
    /// # Errors
    /// The document has as many editors as are allowed.
    pub fn join(&mut self, now: UnixMillis, joining: Joining) -> Result<MemberKey, JoinRefusal> {
        let Joining { connection_id, user, edits, dialect, greeting, session_id } = joining;
        self.check_editors(&user, edits)?;
        self.ensure_session(now, session_id, &user);
        let is_first = !self.has_user(&user.user_id);
        let key = MemberKey(self.members.insert(Member {
            connection_id,
            user: Rc::clone(&user),
            edits,
            dialect,
            greeted: false,
            since: self.document.version(),
            cursor: None,
            selection: None,
            active_at: now,
            refused_in_row: 0,
            dirty: false,
            outbox: Outbox::default(),
        }));
        if greeting == Greeting::OnConnect {
            self.send_state(now, key, None);
        }
        if is_first {
            self.announce(now, &user, "joined", Some(key));
        }
        Ok(key)
    }

    /// A connection has ended.
    pub fn leave(&mut self, now: UnixMillis, key: MemberKey) {
        let Some(member) = self.members.try_remove(key.0) else { return };
        self.dirty.retain(|dirty| *dirty != key);
        if !self.has_user(&member.user.user_id) {
            self.announce(now, &member.user, "left", None);
        }
        self.members.shrink_to_fit();
    }

    /// Takes one message of a member; the bytes are garbled by reading.
    pub fn receive(&mut self, now: UnixMillis, key: MemberKey, bytes: &mut [u8], parser: &mut Parser) {
        if self.members.get(key.0).is_none_or(|member| member.outbox.is_closing()) {
            return;
        }
        if bytes.len() > self.config.limits.message_bytes {
            let expected = format!("at most {} bytes", self.config.limits.message_bytes);
            let error = InboundError { code: ErrorCode::MessageTooLarge, ..InboundError::invalid(String::new(), expected) };
            return self.refuse(now, key, &error);
        }
        let changes_max = self.config.limits.batch_changes;
        parser.read(bytes, changes_max, |read| {
            match read.and_then(|inbound| self.handle(now, key, &inbound)) {
                Ok(()) => {
                    if let Some(member) = self.members.get_mut(key.0) {
                        member.refused_in_row = 0;
                        member.active_at = now;
                    }
                }
                Err(error) => self.refuse(now, key, &error),
            }
        });
    }

    /// Queues a ping or pong for a member.
    pub fn send_control(&mut self, key: MemberKey, frame: Bytes) {
        if self.members.get(key.0).is_some_and(|member| !member.outbox.is_closing()) {
            self.send(key, 0, frame);
        }
    }

    /// Closes a member's connection, after all that is queued for it; what it still sends is ignored.
    pub fn close_member(&mut self, key: MemberKey, code: CloseCode, reason: &str) {
        let Some(member) = self.members.get_mut(key.0) else { return };
        if !member.outbox.is_closing() {
            member.outbox.push_close(encode_close(code, reason), 0);
            note_dirty(&mut self.dirty, key, member, self.durable);
        }
    }

    /// Hands out what is to be stored since the last call, and returns how many records there are by
    /// now: the number to give to [`Self::durable`] when these are on disk.
    pub fn take_records(&mut self, mut each: impl FnMut(Record<'_>)) -> u64 {
        if std::mem::take(&mut self.session_is_new)
            && let Some(session) = &self.session
        {
            each(Record::Session(session));
        }
        // History keeps at least the newest change, and a turn makes far fewer than its bound.
        if self.document.version() > self.taken {
            let since = self.document.history().since(self.taken).into_iter().flatten();
            since.for_each(|change| each(Record::Change(change)));
            self.taken = self.document.version();
        }
        self.records
    }

    /// The first `records` records are on disk.
    pub fn durable(&mut self, records: u64) {
        debug_assert!(records <= self.records, "what was never made cannot be durable");
        self.durable = self.durable.max(records);
        for (index, member) in &mut self.members {
            if !member.dirty && member.outbox.is_sendable(self.durable) {
                member.dirty = true;
                self.dirty.push(MemberKey(index));
            }
        }
    }

    /// How many records are on disk: what [`Outbox::sendable`] asks for.
    #[must_use]
    pub const fn durable_records(&self) -> u64 {
        self.durable
    }

    /// The members that have something to be sent, each once.
    pub fn take_dirty(&mut self) -> Vec<MemberKey> {
        for key in &self.dirty {
            if let Some(member) = self.members.get_mut(key.0) {
                member.dirty = false;
            }
        }
        std::mem::take(&mut self.dirty)
    }

    /// The answers that may be given now.
    pub fn take_answers(&mut self) -> impl Iterator<Item = Answer> + '_ {
        std::iter::from_fn(|| {
            let (_, answer) = self.answers.pop_front_if(|(gate, _)| *gate <= self.durable)?;
            Some(answer)
        })
    }

    /// The disk has failed: what is not on it never happened. Everybody is told and closed; the room is
    /// of no further use, since its document shows changes that are lost.
    pub fn storage_failed(&mut self, now: UnixMillis) -> impl Iterator<Item = Answer> + '_ {
        let durable = self.durable;
        let message = "the server cannot write to its disk; reconnect later and resend what was not acknowledged";
        let keys: Vec<MemberKey> = self.keys().collect();
        for key in keys {
            self.members[key.0].outbox.discard(|gate| gate > durable);
            self.close(now, key, ErrorCode::StorageUnavailable, message, CloseCode::INTERNAL_ERROR, "STORAGE_UNAVAILABLE");
        }
        self.answers.drain(..).map(|(_, answer)| answer)
    }

    /// The server stops: everybody is told, after all that is acknowledged, and closed with 1001.
    /// `retry_ms` gives each a moment of its own to come back at.
    pub fn shut_down(&mut self, now: UnixMillis, mut retry_ms: impl FnMut() -> u64) {
        let keys: Vec<MemberKey> = self.keys().collect();
        for key in keys {
            let reason = format!("SHUTTING_DOWN retry_ms={}", retry_ms());
            let message = "the server is stopping; reconnect after the time given in the close reason";
            self.close(now, key, ErrorCode::ShuttingDown, message, CloseCode::GOING_AWAY, &reason);
        }
    }

    fn keys(&self) -> impl Iterator<Item = MemberKey> + use<> {
        let keys: Vec<MemberKey> = self.members.iter().map(|(index, _)| MemberKey(index)).collect();
        keys.into_iter()
    }

    fn has_user(&self, user_id: &str) -> bool {
        self.members.iter().any(|(_, member)| *member.user.user_id == *user_id)
    }

    fn check_editors(&self, user: &User, edits: bool) -> Result<(), JoinRefusal> {
        if !edits {
            return Ok(());
        }
        let mut editors: Vec<&str> =
            self.members.iter().filter(|(_, member)| member.edits).map(|(_, member)| &*member.user.user_id).collect();
        editors.sort_unstable();
        editors.dedup();
        let limit = self.config.limits.document_editors;
        if editors.len() < limit || editors.contains(&&*user.user_id) {
            return Ok(());
        }
        Err(JoinRefusal {
            code: ErrorCode::RateLimitExceeded,
            message: format!("{limit} people are editing this document already; join with ?mode=view, or retry later"),
            limit_type: Some("document_editors"),
            close: close::RATE_LIMITED,
            retry_after: Some(60),
        })
    }

    fn ensure_session(&mut self, now: UnixMillis, session_id: Box<str>, user: &User) {
        if self.session.is_some() {
            return;
        }
        self.session = Some(Session {
            session_id,
            document_id: self.document.id().clone(),
            started_at: now,
            started_by: user.user_id.clone(),
        });
        self.session_is_new = true;
        self.records += 1;
    }

    fn session_id(&self) -> &str {
        self.session.as_ref().map_or("", |session| &session.session_id)
    }

    /// The gate of what shows the newest version.
    fn version_gate(&self) -> Gate {
        match self.config.durability {
            Durability::Strict => self.records,
            Durability::Fast => 0,
        }
    }

    fn handle(&mut self, now: UnixMillis, key: MemberKey, inbound: &Inbound<'_>) -> Result<(), InboundError> {
        let correlated = |mut error: InboundError| {
            error.correlation_id = inbound.correlation_id.map(str::to_owned);
            error
        };
        match &inbound.message {
            Message::Change(change) => self.change(now, key, inbound, change).map_err(correlated),
            Message::Join { document_id } => {
                let own = self.document.id().as_str();
                if document_id.is_some_and(|id| id != own) {
                    let expected = format!("{own}, the document of this connection");
                    return Err(correlated(InboundError::invalid("payload.document_id".to_owned(), expected)));
                }
                self.send_state(now, key, inbound.correlation_id);
                Ok(())
            }
            Message::Save => self.save(now, key, inbound).map_err(correlated),
            Message::Cursor { position, section, base } => {
                self.move_cursor(now, key, (*position, *position), section.as_ref(), *base, false).map_err(correlated)
            }
            Message::Selection { start, end, section, base } => {
                self.move_cursor(now, key, (*start, *end), section.as_ref(), *base, true).map_err(correlated)
            }
            Message::Heartbeat { client_time, document: _ } => {
                self.heartbeat(now, key, *client_time, inbound.correlation_id);
                Ok(())
            }
            Message::Sync { last_known_version, sections, full } => {
                let base = if *full { None } else { *last_known_version };
                self.send_sync(now, key, base, sections.as_deref(), inbound.correlation_id);
                Ok(())
            }
        }
    }

    fn change(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        inbound: &Inbound<'_>,
        sent: &InboundChange<'_>,
    ) -> Result<(), InboundError> {
        let member = &self.members[key.0];
        if !member.edits {
            return Err(read_only());
        }
        let user = Rc::clone(&member.user);
        let submission = Submission {
            user_id: &user.user_id,
            client_id: inbound.client_id,
            correlation_id: inbound.correlation_id,
            base: sent.base,
            encoding: member.dialect.encoding,
            changes: &sent.changes,
            reject_conflicts: sent.reject_conflicts,
        };
        let submitted = self.document.submit(now, &submission).map_err(|rejection| refusal(&rejection, "payload."))?;
        let (version, transformed) = match submitted {
            Submitted::Applied { version, transformed, .. } => {
                self.relay_newest(Some(key));
                (version, transformed)
            }
            Submitted::Duplicate { version, transformed } => (version, transformed),
        };
        if let Some(correlation_id) = inbound.correlation_id {
            // A resend may overtake the commit of the change it repeats, so it waits for all there is.
            let gate = self.records;
            let ack = Ack { version, correlation_id, transformed };
            self.send(key, gate, frame("document.ack", &ack, &Metadata::of_server(now, Some(correlation_id))));
        }
        Ok(())
    }

    /// Counts the document's newest change as a record, and tells it to all but its sender.
    fn relay_newest(&mut self, sender: Option<MemberKey>) {
        self.records += 1;
        let gate = self.version_gate();
        self.move_cursors(sender);
        let Some(change) = self.document.history().last() else { return };
        let session_id = self.session.as_ref().map_or("", |session| &*session.session_id);
        let mut frames: [Option<SmallVec<[Bytes; 1]>>; Dialect::COUNT] = Default::default();
        for (index, member) in &mut self.members {
            if sender == Some(MemberKey(index)) || member.since >= change.version {
                continue;
            }
            let dialect = member.dialect;
            let frames = frames[dialect.index()]
                .get_or_insert_with(|| change_frames(&self.document, change, dialect, session_id));
            for frame in frames.iter() {
                member.outbox.push(Bytes::clone(frame), gate);
            }
            note_dirty(&mut self.dirty, MemberKey(index), member, self.durable);
        }
        self.close_overflowed();
    }

    fn save(&mut self, now: UnixMillis, key: MemberKey, inbound: &Inbound<'_>) -> Result<(), InboundError> {
        let member = &self.members[key.0];
        if !member.edits {
            return Err(read_only());
        }
        let saved = Saved {
            version: self.document.version(),
            saved_sections: self.document.sections().iter().map(|section| section.name().as_str()).collect(),
            save_type: "manual",
            success: true,
        };
        let metadata = Metadata::of_user(now, &member.user.user_id, self.session_id())
            .relaying(inbound.client_id, inbound.correlation_id);
        let frame = frame("document.save", &saved, &metadata);
        // Success is told of what is on disk only, in fast durability too.
        let gate = self.records;
        self.send_to_all(gate, frame, None);
        Ok(())
    }

    fn heartbeat(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        client_time: Option<ClientTime<'_>>,
        correlation_id: Option<&str>,
    ) {
        let connection_id = &self.members[key.0].connection_id;
        let payload = Heartbeat { server_time: now, connection_id, client_time };
        let frame = frame("system.heartbeat", &payload, &Metadata::of_server(now, correlation_id));
        self.send(key, 0, frame);
    }

    /// Sends `document.state`, and presence from then on.
    fn send_state(&mut self, now: UnixMillis, key: MemberKey, correlation_id: Option<&str>) {
        let member = &self.members[key.0];
        let state = DocumentState {
            connection: Some(ConnectionState {
                session_id: self.session_id(),
                connection_id: &member.connection_id,
                position_encoding: member.dialect.encoding.name(),
                limits: self.config.limits,
            }),
            ..self.state(member.dialect, true)
        };
        let mut metadata = Metadata::of_server(now, correlation_id);
        metadata.session_id = Some(self.session_id());
        let frame = frame("document.state", &state, &metadata);
        let gate = self.version_gate();
        let member = &mut self.members[key.0];
        member.greeted = true;
        member.outbox.push_state(frame, gate);
        note_dirty(&mut self.dirty, key, member, self.durable);
    }

    /// The document's state as anybody may see it.
    fn state(&self, dialect: Dialect, with_metadata: bool) -> DocumentState<'_> {
        DocumentState {
            document_id: self.document.id().as_str(),
            version: self.document.version(),
            content: Content { document: &self.document, only: None },
            metadata: with_metadata.then(|| metadata_of(&self.document)),
            active_editors: Some(self.active_editors(dialect)),
            connection: None,
        }
    }

    /// The people who are editing, each once, with the place of their most recently active connection.
    fn active_editors(&self, dialect: Dialect) -> Vec<ActiveEditor<'_>> {
        let mut editors: Vec<&Member> =
            self.members.iter().map(|(_, member)| member).filter(|member| member.edits).collect();
        let by_user = |member: &&Member| (member.user.user_id.clone(), std::cmp::Reverse(member.active_at));
        editors.sort_by_cached_key(by_user);
        editors.dedup_by(|later, earlier| later.user.user_id == earlier.user.user_id);
        editors.truncate(EDITORS_LISTED_MAX);
        editors.into_iter().map(|member| self.active_editor(member, dialect)).collect()
    }

    /// Tells the others that somebody came or went.
    fn announce(&mut self, now: UnixMillis, user: &User, status: &'static str, except: Option<MemberKey>) {
        let presence = Presence {
            user_id: &user.user_id,
            status,
            display_name: &user.display_name,
            avatar_url: user.avatar_url.as_deref(),
            color: &user.color,
        };
        let frame = frame("user.presence", &presence, &Metadata::of_user(now, &user.user_id, self.session_id()));
        self.send_to_all(0, frame, except);
    }

    fn send(&mut self, key: MemberKey, gate: Gate, frame: Bytes) {
        let member = &mut self.members[key.0];
        member.outbox.push(frame, gate);
        note_dirty(&mut self.dirty, key, member, self.durable);
        self.close_overflowed();
    }

    /// Sends to everybody who has been greeted.
    fn send_to_all(&mut self, gate: Gate, frame: Bytes, except: Option<MemberKey>) {
        for (index, member) in &mut self.members {
            if member.greeted && except != Some(MemberKey(index)) && !member.outbox.is_closing() {
                member.outbox.push(Bytes::clone(&frame), gate);
                note_dirty(&mut self.dirty, MemberKey(index), member, self.durable);
            }
        }
        self.close_overflowed();
    }

    /// Closes those whose queue has outgrown its bound: they read too slowly.
    fn close_overflowed(&mut self) {
        let bytes_max = self.config.outbound_bytes_max;
        for (index, member) in &mut self.members {
            if member.outbox.bytes() > bytes_max && !member.outbox.is_closing() {
                member.outbox.discard(|_| true);
                member.outbox.push_close(encode_close(CloseCode::TRY_AGAIN_LATER, "SLOW_READER: reconnect and sync"), 0);
                note_dirty(&mut self.dirty, MemberKey(index), member, self.durable);
            }
        }
    }

    /// Answers a message that was refused; closes the connection after too many in a row.
    fn refuse(&mut self, now: UnixMillis, key: MemberKey, error: &InboundError) {
        let Some(member) = self.members.get_mut(key.0) else { return };
        member.refused_in_row += 1;
        let too_many = member.refused_in_row >= REFUSED_IN_ROW_MAX;
        let severity = if too_many { Severity::Critical } else { Severity::Error };
        self.send(key, 0, error_frame(now, error, severity));
        if too_many {
            let member = &mut self.members[key.0];
            let reason = "too many refused messages in a row";
            member.outbox.push_close(encode_close(close::RATE_LIMITED, reason), 0);
            note_dirty(&mut self.dirty, key, member, self.durable);
        }
    }

    /// Says why, and closes.
    fn close(&mut self, now: UnixMillis, key: MemberKey, code: ErrorCode, message: &str, close: CloseCode, reason: &str) {
        let member = &mut self.members[key.0];
        if member.outbox.is_closing() {
            return;
        }
        let error = ErrorMessage {
            error_code: code,
            message,
            retry_after: None,
            severity: Severity::Critical,
            limit_type: None,
            details: None,
        };
        member.outbox.push(frame("system.error", &error, &Metadata::of_server(now, None)), 0);
        member.outbox.push_close(encode_close(close, reason), 0);
        note_dirty(&mut self.dirty, key, member, self.durable);
    }
}

/// A colour for a user without one: fixed by the user id, each readable on white and on black.
#[must_use]
pub fn palette_color(user_id: &str) -> &'static str {
    const COLORS: [&str; 12] = [
        "#c92a2a", "#a61e4d", "#862e9c", "#5f3dc4", "#364fc7", "#1864ab", "#0b7285", "#087f5b", "#2b8a3e", "#5c940d",
        "#e67700", "#d9480f",
    ];
    COLORS[crc32fast::hash(user_id.as_bytes()) as usize % COLORS.len()]
}

/// The frames of `system.error` and the close after it, for somebody who never became a member.
#[must_use]
pub fn refusal_frames(now: UnixMillis, refusal: &JoinRefusal) -> [Bytes; 2] {
    let error = ErrorMessage {
        error_code: refusal.code,
        message: &refusal.message,
        retry_after: refusal.retry_after,
        severity: Severity::Critical,
        limit_type: refusal.limit_type,
        details: None,
    };
    let told = frame("system.error", &error, &Metadata::of_server(now, None));
    [told, encode_close(refusal.close, refusal.code.name())]
}

/// The `metadata` of a document's state.
#[must_use]
pub fn metadata_of(document: &Document) -> DocumentMetadata<'_> {
    let last_modified = document.last_modified();
    DocumentMetadata {
        last_modified: last_modified.map(|(at, _)| at),
        last_modified_by: last_modified.map(|(_, user_id)| user_id),
        word_count: document.word_count(),
        language: None,
        translation_status: None,
    }
}

fn read_only() -> InboundError {
    InboundError {
        code: ErrorCode::Forbidden,
        message: "this connection only views the document; connect with document:write and without ?mode=view".to_owned(),
        field: None,
        expected: None,
        correlation_id: None,
    }
}

/// What a client is told of a submission that was refused; `path` stands before the field's name.
fn refusal(rejection: &Rejection, path: &str) -> InboundError {
    let (code, field, expected) = match rejection {
        Rejection::VersionUnknown { .. } => (ErrorCode::VersionUnknown, "base_version".to_owned(), None),
        Rejection::VersionTooOld { .. } => (ErrorCode::VersionTooOld, "base_version".to_owned(), None),
        Rejection::VersionConflict { .. } => (ErrorCode::VersionConflict, "base_version".to_owned(), None),
        Rejection::InvalidPosition { field, expected, .. } => {
            (ErrorCode::InvalidPosition, (*field).to_owned(), Some(expected.clone()))
        }
        Rejection::UnknownSection { .. } => {
            (ErrorCode::ValidationError, "section".to_owned(), Some("the name of a section that exists".to_owned()))
        }
        Rejection::KeyReused => return InboundError {
            code: ErrorCode::ValidationError,
            message: rejection.to_string(),
            field: Some("metadata.correlation_id".to_owned()),
            expected: Some("an id that was not used for another change".to_owned()),
            correlation_id: None,
        },
        Rejection::TooLarge { .. } => (ErrorCode::DocumentTooLarge, "content".to_owned(), None),
    };
    InboundError { code, message: rejection.to_string(), field: Some(format!("{path}{field}")), expected, correlation_id: None }
}

/// The frames of one version in one dialect.
fn change_frames(document: &Document, change: &Change, dialect: Dialect, session_id: &str) -> SmallVec<[Bytes; 1]> {
    let mut starts = Starts::now(document, dialect.encoding);
    starts.step_back(change);
    let (client_id, correlation_id) = (change.origin.client_id.as_deref(), change.origin.correlation_id.as_deref());
    let metadata = Metadata::of_user(change.at, &change.user_id, session_id).relaying(client_id, correlation_id);
    let parts = relay::parts(document, change, dialect, &starts);
    parts.iter().map(|part| frame("document.change", part, &metadata)).collect()
}

fn error_frame(now: UnixMillis, error: &InboundError, severity: Severity) -> Bytes {
    let InboundError { code, message, field, expected, correlation_id } = error;
    let has_details = field.is_some() || expected.is_some();
    let details = ErrorDetails { field: field.as_deref(), expected: expected.as_deref() };
    let payload = ErrorMessage {
        error_code: *code,
        message,
        retry_after: None,
        severity,
        limit_type: None,
        details: has_details.then_some(details),
    };
    frame("system.error", &payload, &Metadata::of_server(now, correlation_id.as_deref()))
}

/// One message as a whole frame.
fn frame(kind: &str, payload: &impl Serialize, metadata: &Metadata<'_>) -> Bytes {
    // Room for a keystroke's change; larger messages grow it.
    let mut builder = FrameBuilder::with_capacity(384);
    write_message(builder.payload(), kind, payload, metadata);
    builder.finish(MessageKind::Text, false)
}

fn note_dirty(dirty: &mut Vec<MemberKey>, key: MemberKey, member: &mut Member, durable: u64) {
    if !member.dirty && member.outbox.is_sendable(durable) {
        member.dirty = true;
        dirty.push(key);
    }
}

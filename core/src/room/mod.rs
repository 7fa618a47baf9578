//! The people in a document, and what each of them is sent.
//!
//! A [`Room`] is a document with its session and its members. Messages go in by [`Room::receive`]; what
//! is to be stored is taken by [`Room::take_records`], and told back by [`Room::durable`] when it is on
//! disk; what is to be sent waits in each member's [`Outbox`].
//!
//! Durability is a gate: a room counts its records, and each frame says how many of them have to be
//! durable before it may leave. In strict durability that holds for everything that shows a version; in
//! fast durability for acknowledgements and saves only.
//!
//! The parts, in reading order: `receive` (messages in), `relay` (a version as the others are told of
//! it), `state`, `sync` and `resume` (catching up), `cursor`, `people`, `presence`, `visit` and `shown` (who is here,
//! by the time of `clock`),
//! `request` (HTTP) with `condition`, `rewrite`, `lock` and `deletion`, `session`, `save` and `watch` (what clients may rely on), `tokens` (that run out), `refusal` (what is said when
//! something is wrong), `rates` (who speaks too often), `counters`, `members`, `framing` and `forms`, `outbox` with
//! `pointers`, and `ladder` (delivery); `roster` and
//! `observer` are for those who watch many documents, or none, `translator` with `memory_event` for those who work on
//! translations, and `bilingual` for those who do so in a document.

mod bilingual;
mod clock;
mod condition;
mod counters;
mod cursor;
mod deletion;
mod forms;
mod framing;
mod ladder;
mod lock;
mod member;
mod members;
mod memory_event;
mod observer;
mod outbox;
mod people;
mod pointers;
mod presence;
mod rates;
mod receive;
mod refusal;
mod relay;
mod request;
mod resume;
mod rewrite;
mod roster;
mod save;
mod session;
mod shown;
mod state;
mod sync;
mod tokens;
mod translator;
mod visit;
mod watch;

pub use bilingual::{
    CHANGES_EVERY, CHANGES_OPEN_EVERY, COMPARED_UNITS_MAX, ChangesSought, CounterpartRead, LINES_MAX,
    PARAGRAPH_UNITS_MAX, READ_ALONG, Reading, SENTENCES_REMEMBERED_BYTES_MAX, STALE_REMEMBERED_MAX, STALE_TOLD_MAX,
    SegmentSought, TranslationRights,
};
pub use condition::IfMatch;
pub use counters::{Counter, Counters, Sent};
pub use forms::Forms;
pub use framing::{EventId, Framing};
pub use ladder::LadderCounts;
pub use member::{Dialect, Greeting, Joining, Member, User};
pub use members::MemberKey;
pub use memory_event::{MemoryChange, MemoryEvent, Origin};
pub use observer::{Observer, ObserverConfig, Watching};
pub use outbox::Outbox;
pub use presence::{News, Presence, Status, palette_color};
pub use refusal::{JoinRefusal, refusal_frames};
pub use request::{Answer, Caller};
pub use rewrite::{RewriteKind, Rewriting};
pub use roster::{PresenceEvent, Roster, snapshot_frame};
pub use save::KnownSave;
pub use session::{NewSession, SessionFilter, SessionSummary, session_unknown};
pub use state::metadata_of;
pub use tokens::{Expiry, Renewal, RenewalRequest};
pub use translator::{CHANGES_WAITING_MAX, Conversation, Translating, Translator, Work};
pub use visit::{PresenceUpdated, Visitor};
pub use watch::Divergence;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::document::{Change, Document, DocumentLimits, Entry, Save, Session};
use crate::ids::{UnixMillis, Version};
use crate::limits::{ConnectionLimit, LimitMode, RefusalCounts};
use crate::protocol::outbound::{Limits, Metadata};
use crate::protocol::{ErrorCode, write_message};
use crate::websocket::{CloseCode, Deflater, FrameBuilder, MessageKind, encode_message};
use bilingual::Bilingual;
use clock::Clock;
use members::Members;
use outbox::Gate;
use presence::Announcements;
use save::Saves;
use watch::Watch;

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
    /// The most bytes that may wait for one connection to read them, full states apart. One that leaves
    /// more lying gets full states instead of its changes.
    pub outbound_bytes_max: usize,
    /// From one save to the next that is made by itself, while the document changes; none if zero.
    pub auto_save: Duration,
    /// Milliseconds without activity after which a user is idle.
    pub idle_after_ms: u64,
    /// Milliseconds after which a presence by HTTP is over if nothing more is heard of it.
    pub visit_ms: u64,
    /// The limits in force, as clients are told.
    pub limits: Limits,
    /// Where it is counted what is heard and said.
    pub counters: Arc<Counters>,
}

/// Something to be stored.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A new version.
    Change(&'a Change),
    /// The document's session, which has just begun or changed.
    Session(&'a Session),
    /// The document has no session any more.
    SessionEnded,
    /// A save point.
    Save(&'a Save),
    /// The save point of that version is not kept any longer.
    SaveForgotten(Version),
    /// What is known of the document beside its texts.
    Entry(&'a Entry),
    /// The document was deleted, after all that was recorded before; its numbers go up to the entry's origin.
    Deletion(&'a Entry),
}

/// A document with its session and its members.
#[derive(Debug)]
pub struct Room {
    config: Rc<RoomConfig>,
    document: Document,
    session: Option<Session>,
    /// The session is another one than is stored.
    session_is_new: bool,
    /// When somebody did something whose presence is over by now.
    last_activity: Option<UnixMillis>,
    entry: Entry,
    entry_is_new: bool,
    is_deleted: bool,
    /// The server stops, or the disk has failed: everybody goes, and the session stays as it is stored.
    is_closing: bool,
    deletion_is_recorded: bool,
    members: Members,
    presence: Announcements,
    /// What presence goes by.
    clock: Clock,
    /// Answers to HTTP requests, each with its gate.
    answers: VecDeque<(Gate, Answer)>,
    /// Records made so far; a record's number is the count that includes it.
    records: u64,
    /// The changes that [`Self::take_records`] has not handed out. They are kept apart from the
    /// document's history, which may forget them before the turn is over.
    unrecorded: Vec<Change>,
    /// The checksum of the version it was last asked for.
    checksum: Option<(Version, u32)>,
    /// What was refused since [`Self::take_refusals`].
    refusals: RefusalCounts,
    /// The full state of the version it was last sent of, unasked, as long as somebody may need it.
    full_state: Option<(Version, Forms)>,
    watch: Watch,
    saves: Saves,
    /// Those who translate here; nothing as long as there are none.
    bilingual: Option<Box<Bilingual>>,
    /// Tokens that members have shown and nobody has checked.
    renewals: Vec<RenewalRequest>,
    /// The second before which nothing is due about tokens.
    tokens_due: u32,
}

impl Room {
    /// A room for a document as it is stored, with its session if it has one.
    #[must_use]
    pub fn new(document: Document, session: Option<Session>, config: Rc<RoomConfig>) -> Self {
        Self {
            members: Members::new(config.outbound_bytes_max),
            presence: Announcements::default(),
            clock: Clock::default(),
            config,
            entry: Entry { exists: document.version() > Version::ZERO, ..Entry::default() },
            entry_is_new: false,
            is_deleted: false,
            is_closing: false,
            deletion_is_recorded: false,
            saves: Saves::new(document.version(), None, Vec::new()),
            document,
            session,
            session_is_new: false,
            last_activity: None,
            answers: VecDeque::new(),
            records: 0,
            unrecorded: Vec::new(),
            checksum: None,
            refusals: RefusalCounts::default(),
            full_state: None,
            watch: Watch::default(),
            bilingual: None,
            renewals: Vec::new(),
            tokens_due: u32::MAX,
        }
    }

    /// Says which saves of the document there are, in any order.
    ///
    /// What was changed after the last of them is unsaved since it was changed, however often the document was forgotten
    /// in the meantime.
    pub fn know_saves(&mut self, saves: Vec<KnownSave>) {
        let last = saves.iter().map(|save| save.version).max().unwrap_or(Version::ZERO);
        let history = self.document.history();
        // Older changes are unsaved too, but it is not known any more since when.
        let unsaved = history.since(last.max(history.floor())).ok().and_then(|mut changes| changes.next());
        let saved = if unsaved.is_some() { last } else { self.document.version() };
        self.saves = Saves::new(saved, unsaved.map(|change| change.at()), saves);
    }

    /// From here on messages are compressed with what other rooms use too, instead of a compressor of its own.
    pub fn share_deflater(&mut self, deflater: &Rc<RefCell<Deflater>>) {
        self.members.share_deflater(deflater);
    }

    /// Goes by another configuration from now on, for those who are here already too.
    pub fn configure(&mut self, config: Rc<RoomConfig>) {
        self.members.bound_outbound(config.outbound_bytes_max);
        self.config = config;
    }

    /// Says what is known of the document beside its texts; without, it exists if it was ever changed.
    pub fn describe(&mut self, entry: Entry) {
        self.entry = entry;
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Whether there is such a document: somebody has changed it, and nobody has deleted it since.
    #[must_use]
    pub const fn document_exists(&self) -> bool {
        self.entry.exists
    }

    /// Bounds the document's size anew; see [`Document::bound`].
    pub const fn bound_document(&mut self, limits: DocumentLimits) {
        self.document.bound(limits);
    }

    /// Whether nobody is here and nothing is under way, so that the room can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.members.is_empty() && self.members.people.is_empty() && self.answers.is_empty() && self.is_durable()
    }

    /// Whether all that was recorded is on disk.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.members.durable() == self.records
    }

    /// How many connections are here.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, key: MemberKey) -> Option<&Member> {
        self.members.get(key)
    }

    /// Takes somebody in: from here on they miss nothing.
    ///
    /// # Errors
    /// The document has as many editors as are allowed, or somebody has locked it.
    pub fn join(&mut self, now: UnixMillis, joining: Joining) -> Result<MemberKey, JoinRefusal> {
        self.check_admitted(now, &joining)?;
        let limit = self.config.limits.document_editors;
        let user = Rc::clone(&joining.user);
        let people = &mut self.members.people;
        if joining.edits && !people.has_editor(&user.user_id) && people.connected_editors() >= limit {
            self.refusals.count_connection(ConnectionLimit::DocumentEditors);
            if self.config.limits.mode == LimitMode::Enforce {
                return Err(refusal::too_many_editors(limit));
            }
        }
        if joining.edits
            && let Some(lock) = self.entry.lock_against(now, &user.user_id)
        {
            return Err(refusal::is_locked(now, lock));
        }
        let (person, shift) = people.come(now, &user, joining.edits);
        self.ensure_session(now, &joining);
        let greeting = joining.greeting;
        self.tokens_due = self.tokens_due.min(joining.expiry.next());
        let key = self.members.insert(|key| Member::new(key, person, now, joining));
        match greeting {
            Greeting::OnConnect => self.send_state(now, key, None),
            Greeting::Resume(seen) => self.resume(now, key, seen),
            Greeting::OnJoin => {}
        }
        self.has_come(now, person, shift, true);
        Ok(key)
    }

    /// A connection has ended.
    pub fn leave(&mut self, now: UnixMillis, key: MemberKey) {
        let Some(member) = self.members.remove(key) else { return };
        self.end_translating(key);
        let (gone, shift) = self.members.people.go(member.person, member.edits);
        self.last_activity = self.last_activity.max(Some(member.active_at));
        self.has_gone(now, gone, shift);
    }

    /// Does what is due by now; to be called every second or so. `at` is a time that never goes back.
    pub fn tend(&mut self, now: UnixMillis, at: Duration) {
        self.tend_slow_readers(at);
        if self.is_deleted {
            return;
        }
        self.expire_session(now);
        self.save_in_time(now, at);
        self.tell_time(now, at);
        self.tend_people(now);
        self.tend_tokens(now);
        self.tend_reading(now);
        self.tend_translations(now);
    }

    /// Says what time it is, before anything happens; [`Self::tend`] says so too. `at` is a time that never goes back.
    pub fn tell_time(&mut self, now: UnixMillis, at: Duration) {
        let (passed, was_ahead) = self.clock.tell(now, at);
        if was_ahead {
            self.hold_people_to(passed);
        }
    }

    /// Queues a ping or pong, or what stands for it, for a member.
    pub fn send_control(&mut self, key: MemberKey, frame: Bytes) {
        self.members.send_as_it_is(key, frame);
    }

    /// Queues a message for a member that says nothing of the document.
    pub fn send_message(&mut self, key: MemberKey, kind: MessageKind, payload: &[u8]) {
        self.members.send(key, 0, encode_message(kind, false, payload));
    }

    /// Closes a member's connection, after all that is queued for it; what it still sends is ignored.
    pub fn close_member(&mut self, key: MemberKey, code: CloseCode, reason: &str) {
        self.members.close(key, code, reason);
    }

    /// Hands out what is to be stored since the last call, and returns how many records there are by
    /// now: the number to give to [`Self::durable`] when these are on disk.
    pub fn take_records(&mut self, mut each: impl FnMut(Record<'_>)) -> u64 {
        let entry_is_new = std::mem::take(&mut self.entry_is_new);
        // With a document all this is deleted, whether it was stored or not.
        if !self.is_deleted {
            self.take_session_record(&mut each);
            self.saves.take_records(&mut each);
            if entry_is_new {
                each(Record::Entry(&self.entry));
            }
        }
        self.unrecorded.drain(..).for_each(|change| each(Record::Change(&change)));
        // Whatever came before it in the same turn is deleted with it.
        if self.is_deleted && !std::mem::replace(&mut self.deletion_is_recorded, true) {
            each(Record::Deletion(&self.entry));
        }
        self.records
    }

    /// The first `records` records are on disk.
    pub fn durable(&mut self, records: u64) {
        debug_assert!(records <= self.records, "what was never made cannot be durable");
        self.members.open_gates(records);
    }

    /// How many records are on disk: what [`Outbox::sendable`] asks for.
    #[must_use]
    pub const fn durable_records(&self) -> u64 {
        self.members.durable()
    }

    /// Whether there is something for [`Self::take_records`].
    #[must_use]
    pub const fn has_records(&self) -> bool {
        self.session_is_new || self.saves.has_records() || !self.unrecorded.is_empty()
    }

    /// Whether there are members that have something to be sent.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.members.delivery.dirty.is_empty()
    }

    /// The members that have something to be sent, each once.
    pub fn take_dirty(&mut self) -> Vec<MemberKey> {
        self.members.take_dirty()
    }

    /// The answers that may be given now.
    pub fn take_answers(&mut self) -> impl Iterator<Item = Answer> + '_ {
        let durable = self.members.durable();
        std::iter::from_fn(move || {
            let (_, answer) = self.answers.pop_front_if(|(gate, _)| *gate <= durable)?;
            Some(answer)
        })
    }

    /// The disk has failed: what is not on it never happened. Everybody is told and closed, and the answers
    /// that can no longer be given are handed back; those that can are still to be taken. The room is of no
    /// further use, since its document shows changes that are lost.
    pub fn storage_failed(&mut self, now: UnixMillis) -> impl Iterator<Item = Answer> + '_ {
        const MESSAGE: &str =
            "the server cannot write to its disk; reconnect later and resend what was not acknowledged";
        let durable = self.members.durable();
        self.unrecorded = Vec::new();
        self.is_closing = true;
        self.end_news();
        self.members.discard_undurable();
        for key in self.members.keys() {
            let code = ErrorCode::StorageUnavailable;
            self.close_with_error(now, key, code, MESSAGE, CloseCode::INTERNAL_ERROR, code.name());
        }
        let kept = self.answers.iter().take_while(|(gate, _)| *gate <= durable).count();
        self.answers.drain(kept..).map(|(_, answer)| answer)
    }

    /// The server stops: everybody is told, after all that is acknowledged, and closed with 1001.
    /// `retry_ms` gives each a moment of its own to come back at.
    pub fn shut_down(&mut self, now: UnixMillis, mut retry_ms: impl FnMut() -> u64) {
        self.is_closing = true;
        for key in self.members.keys() {
            let reason = refusal::stopping_reason(retry_ms());
            let message = refusal::STOPPING_MESSAGE;
            self.close_with_error(now, key, ErrorCode::ShuttingDown, message, CloseCode::GOING_AWAY, &reason);
        }
    }

    fn session_id(&self) -> &str {
        session_id(self.session.as_ref())
    }

    /// The gate of what shows the newest version: how many records have to be durable before it may be told.
    #[must_use]
    pub fn version_gate(&self) -> u64 {
        match self.config.durability {
            Durability::Strict => self.records,
            Durability::Fast => 0,
        }
    }
}

fn session_id(session: Option<&Session>) -> &str {
    session.map_or("", |session| &session.session_id)
}

/// One message as a whole frame.
#[must_use]
pub fn frame(kind: &str, payload: &impl Serialize, metadata: &Metadata<'_>) -> Bytes {
    // Room for a keystroke's change; larger messages grow it.
    let mut builder = FrameBuilder::with_capacity(384);
    write_message(builder.payload(), kind, payload, metadata);
    builder.finish(MessageKind::Text, false)
}

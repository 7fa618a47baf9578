//! What a core owns, and its turns.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use jddb_core::document::DocumentLimits;
use jddb_core::ids::{DocumentId, UnixMillis};
use jddb_core::room::{Durability, Record, RoomConfig};
use jddb_core::websocket::Deflater;
use jddb_storage::CommitHandle;
use slab::Slab;
use tokio::io::ReadBuf;
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

use super::batch::{Batch, TakenIn};
use super::calls::Answered;
use super::feeds::Feeds;
use super::heartbeat::Load;
use super::limits::LimitsInForce;
use super::message::CoreMessage;
use super::places::Place;
use super::rooms::{RoomCell, Slot};
use super::sessions::{PlannedSessions, WaitingList};
use super::slowness::Slowness;
use super::unfinished::LargeMessages;
use crate::clock;
use crate::config;
use crate::connection::{Connection, Home, Host, Receiver, Tools};
use crate::metrics::{CoreMetrics, Figure};
use crate::shared::Shared;
use crate::transport::Reader;

/// The read buffer that all connections of a core share, in bytes.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// What is read at once at least.
const READ_BYTES_MIN: usize = 256;
/// How often a core that stops looks whether it may.
const SETTLED_POLL: Duration = Duration::from_millis(10);
/// How often a core looks for silent peers, idle rooms and forgotten places.
const TICK: Duration = Duration::from_secs(1);
/// It looks at so many connections at once, and then lets messages through before it looks at the next ones; and
/// it does so that often within a tick at most.
pub(super) const CONNECTIONS_PER_LOOK: usize = 500;
const LOOKS_PER_TICK_MAX: usize = 100;

/// What a core owns. Only its own thread sees it.
pub(crate) struct Core {
    pub(super) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: Rc<LimitsInForce>,
    pub(super) room_config: RefCell<Rc<RoomConfig>>,
    pub(super) document_limits: Cell<DocumentLimits>,
    pub(super) slots: RefCell<HashMap<DocumentId, Slot>>,
    pub(super) places: RefCell<HashMap<u64, Place>>,
    pub(super) place_number: Cell<u64>,
    pub(super) connections: RefCell<Slab<Rc<Connection>>>,
    /// The sessions of its documents that were planned.
    pub(super) planned_sessions: RefCell<PlannedSessions>,
    /// Lists of sessions that wait for the disk.
    pub(super) waiting_lists: RefCell<Vec<WaitingList>>,
    pub(super) batch: RefCell<Batch>,
    /// What compresses for all rooms.
    pub(super) deflater: Rc<RefCell<Deflater>>,
    pub(super) slowness: Slowness,
    pub(super) feeds: Feeds,
    pub(super) large_messages: LargeMessages,
    pub(super) load: Load,
    scratch: RefCell<Scratch>,
    touched: RefCell<Vec<Rc<RoomCell>>>,
    turn_due: Cell<bool>,
    turn: Notify,
    /// Woken when the batch has room again.
    relieved: Notify,
    stopping: Cell<bool>,
}

/// Working memory that is used anew for every read.
struct Scratch {
    read_buffer: Box<[u8]>,
    tools: Tools,
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis(clock::now_unix_ms())
}

impl Core {
    pub(super) fn new(index: usize, shared: Arc<Shared>, commit: CommitHandle, limits: Rc<LimitsInForce>) -> Self {
        let ping_seconds = shared.config.heartbeat.interval_seconds;
        let (room_config, document_limits) =
            room_settings(&shared.config, &limits.get(), ping_seconds, &shared.metrics[index]);
        let echoes = shared.echoes;
        Self {
            index,
            shared,
            limits,
            room_config: RefCell::new(Rc::new(room_config)),
            document_limits: Cell::new(document_limits),
            slots: RefCell::default(),
            places: RefCell::default(),
            place_number: Cell::new(0),
            connections: RefCell::default(),
            planned_sessions: RefCell::default(),
            waiting_lists: RefCell::default(),
            batch: RefCell::new(Batch::new(commit)),
            deflater: Rc::default(),
            slowness: Slowness::default(),
            feeds: Feeds::default(),
            large_messages: LargeMessages::default(),
            load: Load::default(),
            scratch: RefCell::new(Scratch {
                read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
                tools: Tools::new(echoes),
            }),
            touched: RefCell::default(),
            turn_due: Cell::new(false),
            turn: Notify::new(),
            relieved: Notify::new(),
            stopping: Cell::new(false),
        }
    }

    /// Something has happened in a room: it has its turn when everything that is ready now has been taken in.
    pub(crate) fn touch(&self, cell: &Rc<RoomCell>) {
        if !cell.touched.get() {
            self.touch_since(cell, clock::monotonic());
        }
    }

    /// The same for what was read at that moment.
    pub(crate) fn touch_since(&self, cell: &Rc<RoomCell>, at: Duration) {
        if !cell.touched.replace(true) {
            cell.touched_at.set(at);
            self.touched.borrow_mut().push(Rc::clone(cell));
        }
        if !self.turn_due.replace(true) {
            self.turn.notify_one();
        }
    }

    /// Runs the turns: each hands over what is to be stored, then sends what may be sent.
    pub(super) async fn run_turns(&self) {
        loop {
            self.turn.notified().await;
            self.turn_due.set(false);
            let cells = std::mem::take(&mut *self.touched.borrow_mut());
            // Delivering may touch a room again.
            let began: Vec<Duration> = cells.iter().map(|cell| cell.touched_at.get()).collect();
            for cell in &cells {
                cell.touched.set(false);
                self.take_records(cell);
            }
            if self.batch.borrow_mut().submit().is_err() {
                self.storage_failed();
            }
            cells.iter().for_each(|cell| self.deliver(cell));
            let now = clock::monotonic();
            for began in &began {
                self.metrics().turns.record(now.saturating_sub(*began), 1);
            }
        }
    }

    /// Goes on whenever something has become durable.
    pub(super) async fn run_commits(self: &Rc<Self>) {
        loop {
            self.shared.inboxes[self.index].committed().await;
            let mut settled = Vec::new();
            let result = self.batch.borrow_mut().settle(|cell, taken_in| settled.push((cell, taken_in)));
            let submitted = self.batch.borrow_mut().submit();
            settled.iter().for_each(|(cell, _)| {
                self.deliver(cell);
                self.request_snapshot(cell);
                self.finish_deletion(cell);
            });
            self.answer_lists();
            let now = clock::monotonic();
            for (_, TakenIn { at, changes }) in &settled {
                self.metrics().acknowledged.record(now.saturating_sub(*at), *changes);
            }
            if result.is_err() || submitted.is_err() {
                self.storage_failed();
            }
            self.relieved.notify_waiters();
        }
    }

    /// Serves the inbox until the core is told to stop.
    pub(super) async fn run_inbox(self: &Rc<Self>) {
        loop {
            match self.shared.inboxes[self.index].receive().await {
                CoreMessage::ShutDown => return self.shut_down(),
                message => self.serve(message),
            }
            // A full inbox is served in parts: turns and sockets come in between.
            consume_budget().await;
        }
    }

    /// Looks after all connections, a few at a time, in each tick.
    pub(super) async fn run_looks(&self) {
        loop {
            let looks = (self.connections.borrow().capacity() / CONNECTIONS_PER_LOOK).clamp(1, LOOKS_PER_TICK_MAX);
            let mut pace = tokio::time::interval(TICK / u32::try_from(looks).unwrap_or(1));
            pace.tick().await;
            for look in 0..looks {
                self.tend_connections(clock::monotonic(), look, looks);
                pace.tick().await;
            }
        }
    }

    /// Looks after what nothing else wakes the core for.
    pub(super) async fn run_ticks(self: &Rc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            let now = clock::monotonic();
            self.tend_rooms(now);
            self.tick_feeds();
            self.tend_unfinished(now);
            self.tend_load(now);
            self.publish_figures();
            self.forget_places(now);
            self.expire_sessions();
            self.evict_idle(now, self.documents_max());
            self.limits.log(self.index, now);
        }
    }

    /// Waits until, after [`CoreMessage::ShutDown`], everybody has gone and everything is durable.
    pub(super) async fn settled(&self) {
        let mut polls = tokio::time::interval(SETTLED_POLL);
        while !(self.connections.borrow().is_empty() && self.is_durable()) {
            polls.tick().await;
        }
    }

    /// Waits until no core accepts requests any more: until then they may still ask this one.
    pub(super) async fn fronts_closed(&self) {
        let mut polls = tokio::time::interval(SETTLED_POLL);
        while self.shared.fronts.load(Ordering::Acquire) > 0 {
            polls.tick().await;
        }
    }

    /// Whether all that anybody was told of is on disk.
    pub(super) fn is_durable(&self) -> bool {
        self.batch.borrow().is_settled() && self.open_cells().iter().all(|cell| cell.room.borrow().is_durable())
    }

    /// Tells everybody that the server stops. Goes on serving the inbox, where answers are refused by now.
    fn shut_down(self: &Rc<Self>) {
        self.stopping.set(true);
        let now = now();
        for cell in self.open_cells() {
            cell.room.borrow_mut().shut_down(now, crate::jitter::retry_ms);
            self.touch(&cell);
        }
        for connection in self.connections_now() {
            connection.shut_down_observer(now);
        }
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                let message = core.shared.inboxes[core.index].receive().await;
                core.serve(message);
                consume_budget().await;
            }
        });
    }

    /// What this core counts.
    pub(super) fn metrics(&self) -> &CoreMetrics {
        &self.shared.metrics[self.index]
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Waits while so much waits for the disk that nothing more should be taken in.
    pub(crate) async fn relief(&self) {
        while self.batch.borrow().is_full() {
            // Boxed, so that it takes no room in the tasks of all that read.
            Box::pin(self.relieved.notified()).await;
        }
    }

    /// Reads what a socket has into the shared buffer, and takes it in. The number of bytes read; 0 at
    /// the end of the stream.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        reader: &mut Reader,
        receiver: &mut Receiver,
    ) -> Poll<std::io::Result<usize>> {
        let Scratch { read_buffer, tools } = &mut *self.scratch.borrow_mut();
        // Where there has come to be no room since it was looked last, a little does no harm.
        let room = receiver.room(self).clamp(READ_BYTES_MIN, READ_BUFFER_BYTES);
        let mut buffer = ReadBuf::new(&mut read_buffer[..room]);
        ready!(reader.poll_read(context, &mut buffer))?;
        let bytes = buffer.filled_mut();
        let count = bytes.len();
        self.metrics().of(Figure::BytesReceived).add(count as u64);
        receiver.take_in(self, bytes, tools);
        Poll::Ready(Ok(count))
    }

    /// Takes in bytes that were read already.
    pub(crate) fn take_in(&self, bytes: &mut [u8], receiver: &mut Receiver) {
        receiver.take_in(self, bytes, &mut self.scratch.borrow_mut().tools);
    }

    /// A connection has ended: its member leaves, and it no longer counts.
    pub(crate) fn end(&self, connection: &Rc<Connection>) {
        match &connection.home {
            Home::Member { cell, key } => {
                cell.disconnect(*key, now());
                self.metrics().of(Figure::DocumentConnections).subtract(1);
                self.touch(cell);
            }
            Home::Observer(_) => self.forget_watcher(connection),
            Home::Translator(translator) => self.forget_translator(connection.number(), translator),
        }
        self.metrics().of(Figure::BytesSent).add(connection.take_bytes_sent());
        self.connections.borrow_mut().remove(connection.number());
        // Whatever waits to be written is for nobody; what waits for the socket to take it ends with this.
        connection.cut();
        connection.stand_up();
    }

    /// Other limits are in force, for who is here already too.
    pub(super) fn reload(&self, limits: Arc<config::Limits>) {
        self.limits.set(limits);
        self.configure_rooms();
        self.configure_watchers();
    }

    /// What is in force now is so for all rooms.
    pub(super) fn configure_rooms(&self) {
        let ping_seconds = self.ping_interval_seconds();
        let (room_config, document_limits) =
            room_settings(&self.shared.config, &self.limits.get(), ping_seconds, self.metrics());
        let room_config = Rc::new(room_config);
        self.document_limits.set(document_limits);
        for cell in self.open_cells() {
            let mut room = cell.room.borrow_mut();
            room.configure(Rc::clone(&room_config));
            room.bound_document(document_limits);
        }
        self.room_config.replace(room_config);
    }

    /// The loop's read buffer was filled, so there may be more.
    pub(crate) const fn read_was_full(count: usize) -> bool {
        count == READ_BUFFER_BYTES
    }

    fn take_records(&self, cell: &Rc<RoomCell>) {
        let mut batch = self.batch.borrow_mut();
        let mut room = cell.room.borrow_mut();
        let store = &self.shared.store;
        let mut changes = 0;
        let is_written = room.document_exists();
        let records = room.take_records(|record| match record {
            Record::Change(change) => {
                changes += 1;
                batch.push(store.encode_change(&cell.document_id, change));
            }
            Record::Session(session) => {
                batch.push(store.encode_session(session));
                batch.push(store.encode_plan(session));
                self.note_session(session, is_written);
            }
            Record::SessionEnded => {
                store.encode_session_end(&cell.document_id).into_iter().for_each(|record| batch.push(record));
                self.forget_session(&cell.document_id);
            }
            Record::Save(save) => batch.push(store.encode_save(&cell.document_id, save)),
            Record::SaveForgotten(version) => batch.push(store.encode_save_end(&cell.document_id, version)),
            Record::Entry(entry) => {
                batch.push(store.encode_entry(&cell.document_id, entry));
                self.note_written(&cell.document_id);
            }
            Record::Deletion(entry) => {
                let records = store.encode_deletion(&cell.document_id, entry);
                records.into_iter().for_each(|record| batch.push(record));
                self.forget_session(&cell.document_id);
            }
        });
        if records > cell.records_marked.replace(records) {
            let taken_in = TakenIn { at: cell.touched_at.get(), changes };
            batch.mark(cell, records, room.document().version(), taken_in);
        }
    }

    /// Sends what may be sent, and gives the answers that may be given.
    pub(super) fn deliver(&self, cell: &Rc<RoomCell>) {
        let mut room = cell.room.borrow_mut();
        self.follow_translations(cell, &mut room);
        for key in room.take_dirty() {
            let connection = cell.connection(key);
            if let Some(connection) = connection {
                connection.flush(&mut Host::Room(&mut room, key));
            }
        }
        self.limits.count(room.take_refusals());
        self.publish_news(cell, &mut room);
        let answers: Vec<_> = room.take_answers().collect();
        self.note_slowness(cell, &mut room);
        drop(room);
        self.relieve_if_due();
        answers.into_iter().for_each(|answer| cell.answer(answer.request, Answered::of(answer)));
    }

    /// Pings, and lets go of peers that are gone: of all connections those that it is the turn of in this look.
    fn tend_connections(&self, now: Duration, look: usize, looks: usize) {
        let interval = Duration::from_secs(self.ping_interval_seconds());
        let silence = Duration::from_secs(self.shared.config.heartbeat.silence_seconds);
        let connections: Vec<_> = {
            let all = self.connections.borrow();
            let width = all.capacity().div_ceil(looks);
            let numbers = look * width..(look + 1) * width;
            numbers.filter_map(|number| all.get(number)).map(Rc::clone).collect()
        };
        // While the core reads nothing, because the disk does not keep up, silence is no sign of anything.
        let is_deaf = self.batch.borrow().is_full();
        let silence = if is_deaf { Duration::MAX } else { silence };
        let gives_way =
            if is_deaf { Duration::MAX } else { Duration::from_secs(self.limits.get().user_silence_seconds) };
        for connection in connections {
            connection.tick(self, self::now());
            self.metrics().of(Figure::BytesSent).add(connection.take_bytes_sent());
            if connection.is_dead(now, silence) {
                self.metrics().of(Figure::DeadConnections).add(u64::from(connection.cut()));
            } else if connection.is_displaced(now, gives_way) {
                connection.displace(self, self::now());
            } else if connection.is_ping_due(now, interval) {
                connection.ping(self, self::now());
            }
        }
    }

    pub(super) fn connections_now(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().iter().map(|(_, connection)| Rc::clone(connection)).collect()
    }
}

/// What the rooms and documents of this server have in common.
pub(super) fn room_settings(
    config: &config::Config,
    limits: &config::Limits,
    ping_seconds: u64,
    metrics: &CoreMetrics,
) -> (RoomConfig, DocumentLimits) {
    let documents = &config.documents;
    let document_limits = DocumentLimits {
        sections_max: limits.sections,
        section_bytes_max: limits.section_bytes,
        document_bytes_max: limits.document_bytes,
        history_versions_max: usize::try_from(documents.base_versions).unwrap_or(usize::MAX),
        history_bytes_max: documents.history_bytes,
    };
    let room_config = RoomConfig {
        durability: match config.durability {
            config::Durability::Strict => Durability::Strict,
            config::Durability::Fast => Durability::Fast,
        },
        outbound_bytes_max: limits.outbound_queue_bytes,
        auto_save: Duration::from_secs(documents.auto_save_seconds),
        idle_after_ms: config.presence.idle_seconds * 1_000,
        visit_ms: config.presence.expire_seconds * 1_000,
        limits: jddb_core::protocol::outbound::Limits {
            mode: limits.mode,
            connections: limits.connections,
            user_connections: limits.user_connections,
            rates: limits.rates(),
            document_editors: limits.document_editors,
            message_bytes: limits.message_bytes,
            section_bytes: limits.section_bytes,
            document_bytes: limits.document_bytes,
            sections: limits.sections,
            batch_changes: limits.batch_changes,
            base_versions: document_limits.history_versions_max,
            heartbeat_interval_seconds: ping_seconds,
        },
        counters: Arc::clone(&metrics.messages),
    };
    (room_config, document_limits)
}

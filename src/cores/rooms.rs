//! The documents of a core: opened when somebody asks for them, forgotten when nobody does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::document::{Document, Entry, Save, Session};
use jddb_core::ids::{DocumentId, UnixMillis, Version};
use jddb_core::protocol::InboundError;
use jddb_core::room::{CounterpartRead, KnownSave, MemberKey, Room};
use jddb_storage::LoadError;
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};

use super::calls::{self, Answered, Creates};
use super::core::{Core, now};
use super::message::{CoreMessage, EndVisit};
use super::readings;
use super::requests::{Request, Trouble};
use crate::clock;
use crate::connection::{Connection, Home};
use crate::metrics::Figure;

/// The most requests that wait for one document to be loaded.
const LOAD_WAITERS_MAX: usize = 1024;

/// A document that is asked for.
pub(super) enum Slot {
    /// It is being read; these wait for it.
    Loading(Vec<Request>),
    /// It is here.
    Open(Rc<RoomCell>),
    /// It was deleted, which is not on disk yet; these wait for that, and then ask anew.
    Leaving(Rc<RoomCell>, Vec<Request>),
}

/// Who is answered once the room says so.
pub(super) enum Promise {
    /// Whoever has called, with what the room says.
    Call(oneshot::Sender<Result<Answered, InboundError>>),
    /// Another document, with what was read, unless the room says that it is lost.
    Reading(oneshot::Sender<Result<CounterpartRead, InboundError>>, Box<CounterpartRead>),
}

/// A room with its sockets.
pub(crate) struct RoomCell {
    pub(super) document_id: DocumentId,
    pub(crate) room: RefCell<Room>,
    connections: RefCell<Vec<Option<Rc<Connection>>>>,
    answers: RefCell<HashMap<u64, Promise>>,
    answer_number: Cell<u64>,
    /// Bytes that wait for its members, as the core counts them.
    pub(super) queued_bytes: Cell<usize>,
    /// Its number among the rooms that are told what happens to the translation memory, if it is.
    pub(super) translated: Cell<Option<usize>>,
    /// It waits for its turn.
    pub(super) touched: Cell<bool>,
    /// When the oldest of what waits for that was taken in.
    pub(super) touched_at: Cell<Duration>,
    /// Of its records, how many have been handed over to be stored.
    pub(super) records_marked: Cell<u64>,
    used_at: Cell<Duration>,
    /// The document's newest version that is on disk.
    pub(super) durable_version: Cell<Version>,
    /// The version of the newest snapshot that is on disk or was asked for.
    snapshot_at: Cell<Version>,
}

impl RoomCell {
    pub(super) fn new(room: Room, snapshot_version: Version) -> Self {
        let version = room.document().version();
        Self {
            document_id: room.document().id().clone(),
            room: RefCell::new(room),
            connections: RefCell::default(),
            answers: RefCell::default(),
            answer_number: Cell::new(0),
            queued_bytes: Cell::new(0),
            translated: Cell::new(None),
            touched: Cell::new(false),
            touched_at: Cell::new(Duration::ZERO),
            records_marked: Cell::new(0),
            used_at: Cell::new(clock::monotonic()),
            durable_version: Cell::new(version),
            snapshot_at: Cell::new(snapshot_version),
        }
    }

    /// A member's socket has come.
    pub(crate) fn connect(&self, member: MemberKey, connection: &Rc<Connection>) {
        let mut connections = self.connections.borrow_mut();
        let index = member.index();
        if connections.len() <= index {
            connections.resize_with(index + 1, || None);
        }
        connections[index] = Some(Rc::clone(connection));
    }

    /// A member has gone.
    pub(crate) fn disconnect(&self, member: MemberKey, now: UnixMillis) {
        if let Some(slot) = self.connections.borrow_mut().get_mut(member.index()) {
            *slot = None;
        }
        self.room.borrow_mut().leave(now, member);
        self.used_at.set(clock::monotonic());
    }

    pub(super) fn connection(&self, member: MemberKey) -> Option<Rc<Connection>> {
        self.connections.borrow().get(member.index()).cloned().flatten()
    }

    /// Gives an answer to whom it was promised, if they still wait.
    pub(super) fn answer(&self, request: u64, answer: Result<Answered, InboundError>) {
        // They may no longer wait.
        match self.answers.borrow_mut().remove(&request) {
            Some(Promise::Call(reply)) => drop(reply.send(answer)),
            Some(Promise::Reading(reply, read)) => drop(reply.send(answer.map(|_| *read))),
            None => {}
        }
    }

    pub(super) fn promise(&self, promise: Promise) -> u64 {
        let request = self.answer_number.get() + 1;
        self.answer_number.set(request);
        self.answers.borrow_mut().insert(request, promise);
        request
    }
}

/// A document and its session as they are stored.
struct Stored {
    document: Document,
    entry: Entry,
    session: Option<Session>,
    saves: Vec<KnownSave>,
    /// The version of the snapshot it was read from; 0 without one.
    snapshot_version: Version,
}

impl Core {
    /// Does what another thread asks for.
    pub(super) fn serve(self: &Rc<Self>, message: CoreMessage) {
        match message {
            CoreMessage::Reserve(reserve) => self.serve_request(Request::Reserve(reserve)),
            CoreMessage::Call(call) => self.serve_request(Request::Call(call)),
            CoreMessage::ReadCounterpart(read) => self.serve_request(Request::Read(read)),
            CoreMessage::Adopt(adopt) => self.adopt(*adopt),
            CoreMessage::Abandon(reservation) => self.abandon(reservation),
            CoreMessage::EndVisit(end) => self.end_visit(*end),
            CoreMessage::ListSessions(list) => self.list_sessions(*list),
            CoreMessage::Reload(limits) => self.reload(limits),
            CoreMessage::Feed(message) => self.serve_feed(message),
            // Whoever runs the inbox has seen to it.
            CoreMessage::ShutDown => {}
        }
    }

    /// A visit is over; one in a document that is not open was over before.
    fn end_visit(&self, end: EndVisit) {
        let cell = match self.slots.borrow().get(&end.document_id) {
            Some(Slot::Open(cell)) => Some(Rc::clone(cell)),
            Some(Slot::Loading(_) | Slot::Leaving(..)) | None => None,
        };
        let told = cell.is_some_and(|cell| {
            let told = cell.room.borrow_mut().end_visit(now(), &end.user_id, end.number);
            cell.used_at.set(clock::monotonic());
            self.touch(&cell);
            told
        });
        let _ = end.reply.send(told);
    }

    fn serve_request(self: &Rc<Self>, request: Request) {
        if let Some(trouble) = self.trouble(&request) {
            return request.refuse(&trouble);
        }
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(request.document_id()) {
            Some(Slot::Open(cell)) => {
                let cell = Rc::clone(cell);
                drop(slots);
                self.attend(&cell, request);
            }
            Some(Slot::Loading(waiting) | Slot::Leaving(_, waiting)) if waiting.len() < LOAD_WAITERS_MAX => {
                waiting.push(request);
            }
            Some(Slot::Loading(_) | Slot::Leaving(..)) => request.refuse(&Trouble::Busy),
            None => {
                drop(slots);
                request.answer_closed().into_iter().for_each(|request| self.load(request));
            }
        }
    }

    /// Why nothing of this kind can be done at the moment.
    fn trouble(&self, request: &Request) -> Option<Trouble> {
        if self.is_stopping() {
            Some(Trouble::Stopping)
        } else if request.pass().is_some_and(|pass| self.shared.logins.refuses(pass)) {
            Some(Trouble::Revoked)
        } else if self.shared.store.poisoned() && !request.reads_only() {
            Some(Trouble::Storage)
        } else if !self.has_room_for(request) {
            Some(Trouble::Busy)
        } else {
            None
        }
    }

    /// Whether what the request leads to can be kept.
    fn has_room_for(&self, request: &Request) -> bool {
        let writes = !request.reads_only();
        !(writes && self.batch.borrow().is_full()) && (!request.plans_session() || self.has_room_for_session())
    }

    /// Reads a document from disk, away from this thread, and goes on with who waits for it.
    fn load(self: &Rc<Self>, request: Request) {
        let documents_max = self.documents_max();
        if self.slots.borrow().len() >= documents_max {
            self.evict_idle(Duration::MAX, documents_max);
        }
        if self.slots.borrow().len() >= documents_max {
            return request.refuse(&Trouble::Busy);
        }
        let document_id = request.document_id().clone();
        self.slots.borrow_mut().insert(document_id.clone(), Slot::Loading(vec![request]));
        let core = Rc::clone(self);
        spawn_local(async move {
            let (shared, limits) = (Arc::clone(&core.shared), core.document_limits.get());
            let id = document_id.clone();
            let loaded = spawn_blocking(move || read_stored(&shared, &id, limits)).await;
            let stored = loaded.unwrap_or_else(|panic| Err(panic.to_string()));
            core.opened(&document_id, stored);
        });
    }

    fn opened(self: &Rc<Self>, document_id: &DocumentId, stored: Result<Stored, String>) {
        let waiting = match self.slots.borrow_mut().remove(document_id) {
            Some(Slot::Loading(waiting)) => waiting,
            Some(Slot::Open(_) | Slot::Leaving(..)) | None => return,
        };
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(document = %document_id, %error, "a document cannot be read");
                return waiting.into_iter().for_each(|request| request.refuse(&Trouble::Unreadable));
            }
        };
        // A planned session is there to be joined, also where nothing was written yet.
        let is_planned = stored.session.as_ref().is_some_and(|session| session.plan.is_some());
        let mut exists = stored.entry.exists || is_planned;
        if !exists && !waiting.iter().any(|request| self.may_create(request)) {
            return waiting.into_iter().for_each(|request| request.refuse(&Trouble::NotFound));
        }
        let cell = self.open(stored);
        for request in waiting {
            exists |= self.may_create(&request);
            // Much may have happened while the document was read.
            match self.trouble(&request) {
                Some(trouble) => request.refuse(&trouble),
                // One that waited before it may have deleted the document.
                None if cell.room.borrow().is_deleted() => self.serve_request(request),
                None if exists => self.attend(&cell, request),
                None => request.refuse(&Trouble::NotFound),
            }
        }
    }

    fn open(&self, stored: Stored) -> Rc<RoomCell> {
        let Stored { mut document, entry, session, saves, snapshot_version } = stored;
        let document_id = document.id().clone();
        // There may be others in force than when it was begun to be read.
        document.bound(self.document_limits.get());
        let mut room = Room::new(document, session, Rc::clone(&self.room_config.borrow()));
        room.describe(entry);
        room.know_saves(saves);
        room.share_deflater(&self.deflater);
        room.tell_time(now(), clock::monotonic());
        let cell = Rc::new(RoomCell::new(room, snapshot_version));
        self.slots.borrow_mut().insert(document_id, Slot::Open(Rc::clone(&cell)));
        cell
    }

    /// Whether a document comes to be by this request.
    fn may_create(&self, request: &Request) -> bool {
        match request.creates() {
            Creates::Never => false,
            Creates::OnOpen => self.shared.config.documents.create_on_open,
            Creates::Always => true,
        }
    }

    /// Serves a request on an open document.
    fn attend(&self, cell: &Rc<RoomCell>, request: Request) {
        if request.uses() {
            cell.used_at.set(clock::monotonic());
        }
        match request {
            Request::Reserve(reserve) => self.reserve(cell, *reserve),
            Request::Call(call) => calls::serve(cell, *call),
            Request::Read(read) => readings::serve(cell, *read),
        }
        if cell.room.borrow().is_deleted() {
            let leaving = Slot::Leaving(Rc::clone(cell), Vec::new());
            self.slots.borrow_mut().insert(cell.document_id.clone(), leaving);
        }
        self.touch(cell);
    }

    /// Forgets a document whose deletion is on disk; what waited for that is asked anew.
    pub(super) fn finish_deletion(self: &Rc<Self>, cell: &RoomCell) {
        let is_done = {
            let room = cell.room.borrow();
            room.is_deleted() && room.is_durable()
        };
        if !is_done {
            return;
        }
        let left = {
            let mut slots = self.slots.borrow_mut();
            let is_leaving = |slot: &Slot| matches!(slot, Slot::Leaving(leaving, _) if std::ptr::eq(&**leaving, cell));
            if slots.get(&cell.document_id).is_some_and(is_leaving) { slots.remove(&cell.document_id) } else { None }
        };
        if let Some(Slot::Leaving(_, waiting)) = left {
            self.forget_slowness(cell);
            waiting.into_iter().for_each(|request| self.serve_request(request));
        }
    }

    /// Forgets documents that nobody has used for long; all that have no members where there are
    /// `documents_max` or more.
    pub(super) fn evict_idle(&self, now: Duration, documents_max: usize) {
        let mut slots = self.slots.borrow_mut();
        let crowded = slots.len() >= documents_max;
        let idle_for = Duration::from_secs(self.shared.config.documents.idle_evict_seconds);
        slots.retain(|_, slot| match slot {
            Slot::Loading(_) | Slot::Leaving(..) => true,
            Slot::Open(cell) => {
                let unused = crowded || now.saturating_sub(cell.used_at.get()) > idle_for;
                let is_forgotten = unused && !cell.touched.get() && cell.room.borrow().is_idle();
                if is_forgotten {
                    self.forget_slowness(cell);
                }
                !is_forgotten
            }
        });
    }

    /// The most documents this core keeps in memory.
    pub(super) fn documents_max(&self) -> usize {
        self.shared.config.documents.loaded_documents_max.div_ceil(self.shared.inboxes.len())
    }

    pub(super) fn open_cells(&self) -> Vec<Rc<RoomCell>> {
        let open = |slot: &Slot| match slot {
            Slot::Open(cell) | Slot::Leaving(cell, _) => Some(Rc::clone(cell)),
            Slot::Loading(_) => None,
        };
        self.slots.borrow().values().filter_map(open).collect()
    }

    /// Asks for a snapshot where the last one is far behind what is durable.
    pub(super) fn request_snapshot(&self, cell: &RoomCell) {
        let version = cell.durable_version.get();
        let behind = version.0.saturating_sub(cell.snapshot_at.get().0);
        let due = behind >= self.shared.config.documents.snapshot_every_versions;
        if due && !cell.room.borrow().is_deleted() && self.shared.snapshots.request(&cell.document_id, version) {
            cell.snapshot_at.set(version);
        }
    }

    /// Nothing will be durable any more: everybody is told, and the rooms, which show what is lost, are forgotten.
    pub(super) fn storage_failed(&self) {
        self.batch.borrow_mut().abandon();
        let cells = self.open_cells();
        let mut waiting = Vec::new();
        self.slots.borrow_mut().retain(|_, slot| {
            if let Slot::Leaving(_, requests) = slot {
                waiting.append(requests);
            }
            matches!(slot, Slot::Loading(_))
        });
        waiting.into_iter().for_each(|request| request.refuse(&Trouble::Storage));
        for cell in cells {
            let answers: Vec<_> = cell.room.borrow_mut().storage_failed(now()).collect();
            answers.into_iter().for_each(|answer| cell.answer(answer.request, Err(Trouble::Storage.error())));
            self.deliver(&cell);
        }
        self.list_what_is_kept();
    }

    /// Takes a connection among those of this core; returns its number.
    pub(crate) fn register(&self, connection: &Rc<Connection>) -> usize {
        if let Home::Member { .. } = connection.home {
            self.metrics().of(Figure::DocumentConnections).add(1);
            self.metrics().of(Figure::DocumentConnectionsOpened).add(1);
        }
        self.connections.borrow_mut().insert(Rc::clone(connection))
    }

    /// The largest message, in bytes.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.limits.get().message_bytes
    }

    /// The most bytes that may wait for one connection to read them.
    pub(crate) fn outbound_bytes_max(&self) -> usize {
        self.limits.get().outbound_queue_bytes
    }
}

/// Reads a document with its session. On a thread that may wait for the disk.
fn read_stored(
    shared: &crate::shared::Shared,
    document_id: &DocumentId,
    limits: jddb_core::document::DocumentLimits,
) -> Result<Stored, String> {
    let describe = |error: LoadError| error.to_string();
    let documents = &shared.config.documents;
    let loaded = shared.store.load(document_id, documents.base_versions, documents.history_bytes).map_err(describe)?;
    let session = shared.store.load_session(document_id).map_err(describe)?;
    let known = |save: Save| KnownSave { version: save.version, is_manual: save.saved_by.is_some() };
    let saves = shared.store.load_saves(document_id).map_err(describe)?.into_iter().map(known).collect();
    let Some(loaded) = loaded else {
        let document = Document::new(document_id.clone(), limits);
        let (entry, snapshot_version) = (Entry::default(), Version::ZERO);
        return Ok(Stored { document, entry, session, saves, snapshot_version });
    };
    let (entry, snapshot_version) = (loaded.entry, loaded.snapshot.version);
    let mut document = Document::restore(document_id.clone(), loaded.snapshot, loaded.changes, limits)
        .map_err(|error| error.to_string())?;
    document.skip_versions(loaded.skip_versions);
    Ok(Stored { document, entry, session, saves, snapshot_version })
}

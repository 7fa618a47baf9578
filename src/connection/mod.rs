//! A WebSocket connection or an event stream on the core where it belongs: one task that reads, or waits for the client
//! to go, and writing from the core's turns.
//!
//! An idle connection owns no buffer: reads go into the core's, and what is queued for it is shared frames.

mod home;
mod stream;
mod wire;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::ids::UnixMillis;
use jddb_core::protocol::Parser;
use jddb_core::websocket::{CloseCode, Decoder, DecoderLimits, Event, Inflater, encode_pong};
use tokio::task::spawn_local;

use crate::auth::{DocumentPattern, Pass};
use crate::clock;
use crate::cores::Core;
use crate::occupancy::Seat;
use crate::translations::NewestLookUp;
use crate::transport::Reader;
pub(crate) use home::{Home, Host};
use stream::Stream;
pub use stream::StreamSender;
pub(crate) use stream::{StreamBody, empty_stream, stream};
pub(crate) use wire::ArrivedLine;
pub use wire::Line;
use wire::Wire;

/// How often it is looked whether a client that is not read from has taken what is queued for it.
const OVERFULL_LOOK: Duration = Duration::from_millis(50);
/// How often it is looked whether there is room for more of an unfinished message.
const ROOM_LOOK: Duration = Duration::from_millis(20);
/// How long a peer may take to answer a close, and to take in what was queued before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection as its core sees it.
pub(crate) struct Connection {
    pub(crate) home: Home,
    wire: Wire,
    /// Its number among the core's connections.
    number: Cell<usize>,
    /// A task is waiting for the socket to become writable.
    draining: Cell<bool>,
    heard_at: Cell<Duration>,
    pinged_at: Cell<Duration>,
    /// When a close frame was queued.
    closing_at: Cell<Option<Duration>>,
    /// The peer has sent its close frame.
    peer_closed: Cell<bool>,
    /// Both directions were ended: what is queued will never be taken.
    is_cut: Cell<bool>,
    /// Bytes written that have not been counted yet.
    bytes_sent: Cell<u64>,
    /// Its place among all connections; `None` once it has ended.
    seat: RefCell<Option<Seat>>,
    /// By what the token can be revoked that it goes by.
    pass: Cell<Pass>,
    /// The documents that it is limited to, of who is in one.
    documents: RefCell<Option<Box<[DocumentPattern]>>>,
    /// The newest text that it wants looked up, once it translates.
    newest: OnceCell<Arc<NewestLookUp>>,
}

/// The receiving side of a connection.
pub(crate) struct Receiver {
    connection: Rc<Connection>,
    /// `None` once nothing that the client sends matters any more: it is read, and dropped.
    decoder: Option<Decoder>,
}

/// What the connections of a core read with, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    parser: Parser,
    inflater: Inflater,
    /// Messages are sent back as they came, which is what conformance suites want, instead of being read.
    echoes: bool,
}

impl Tools {
    pub(crate) fn new(echoes: bool) -> Self {
        Self { echoes, ..Self::default() }
    }
}

/// Starts serving a client that was handed over, for a member or watcher that is there already. It goes by a token of that
/// `pass`, which may have been revoked meanwhile.
pub(crate) fn adopt(core: &Rc<Core>, line: ArrivedLine, home: Home, seat: Seat, pass: Pass) -> Rc<Connection> {
    match line {
        ArrivedLine::Socket(transport, read) => {
            let (reader, write) = transport.split();
            let connection = begin(core, Wire::Socket(write), home, seat, pass);
            spawn_local(receive(Rc::clone(core), Rc::clone(&connection), reader, Vec::from(read).into()));
            connection
        }
        ArrivedLine::Stream(sender) => {
            let connection = begin(core, Wire::Stream(Stream::new(sender)), home, seat, pass);
            spawn_local(see_off(Rc::clone(core), Rc::clone(&connection)));
            connection
        }
    }
}

/// Takes a connection in, and writes what waits for it.
fn begin(core: &Rc<Core>, wire: Wire, home: Home, seat: Seat, pass: Pass) -> Rc<Connection> {
    let now = clock::monotonic();
    let connection = Rc::new(Connection {
        home,
        wire,
        number: Cell::new(0),
        draining: Cell::new(false),
        heard_at: Cell::new(now),
        pinged_at: Cell::new(now),
        closing_at: Cell::new(None),
        peer_closed: Cell::new(false),
        is_cut: Cell::new(false),
        seat: RefCell::new(Some(seat)),
        bytes_sent: Cell::new(0),
        pass: Cell::new(pass),
        documents: RefCell::default(),
        newest: OnceCell::new(),
    });
    connection.number.set(core.register(&connection));
    if let Home::Member { cell, key } = &connection.home {
        cell.connect(*key, &connection);
    }
    if core.shared.logins.refuses(&pass) {
        connection.revoke(core, crate::cores::now());
    }
    connection.flush_now();
    connection
}

/// Waits until the client of a stream is gone, or its stream has ended.
async fn see_off(core: Rc<Core>, connection: Rc<Connection>) {
    connection.wire.over().await;
    core.end(&connection);
}

/// Reads until the end of the stream. Nobody cancels this task: to end it the socket is shut down.
///
/// The future is the largest part of an idle connection, and an async function would keep its arguments in it twice.
fn receive(
    core: Rc<Core>,
    connection: Rc<Connection>,
    mut reader: Reader,
    mut read: Box<[u8]>,
) -> impl Future<Output = ()> {
    let limits = DecoderLimits::new(core.message_bytes_max());
    let decoder = Decoder::new(limits, connection.is_compressed());
    let mut receiver = Receiver { connection, decoder: Some(decoder) };
    small(async move {
        if !read.is_empty() {
            core.take_in(&mut read, &mut receiver);
        }
        drop(read);
        loop {
            core.relief().await;
            if receiver.connection.is_overfull(&core) {
                // Boxed, so that the timer takes no room in the tasks of ten thousand others.
                Box::pin(wait_for_room(&core, &receiver.connection)).await;
            }
            if receiver.room(&core) == 0 {
                Box::pin(wait_to_read_on(&core, &reader, &mut receiver)).await;
            }
            match poll_fn(|context| core.poll_read(context, &mut reader, &mut receiver)).await {
                Ok(0) | Err(_) => break,
                // The others have their turn before this one reads on.
                Ok(count) if Core::read_was_full(count) => tokio::task::yield_now().await,
                Ok(_) => {}
            }
        }
        receiver.forget(&core);
        core.end(&receiver.connection);
    })
}

/// The same future, which has to be small enough for its task to take 256 bytes.
fn small<F: Future>(future: F) -> F {
    const { assert!(size_of::<F>() <= 152) };
    future
}

/// Waits until the client has taken enough of what is queued for it, or is no longer heard.
async fn wait_for_room(core: &Core, connection: &Connection) {
    let mut looks = tokio::time::interval(OVERFULL_LOOK);
    while connection.is_overfull(core) {
        looks.tick().await;
    }
}

/// Waits until there is something to read, and room for it or the turn to go on without; or until the client is no longer
/// heard. What it has begun to send is forgotten then.
async fn wait_to_read_on(core: &Core, reader: &Reader, receiver: &mut Receiver) {
    // Whoever sends nothing waits for nothing. An error is found again by reading.
    let _ = reader.readable().await;
    let waiting = core.shared.unfinished.wait();
    let mut looks = tokio::time::interval(ROOM_LOOK);
    while receiver.room(core) == 0 && receiver.connection.is_heard() {
        core.take_turn(receiver.connection.number());
        // It has said something, only that nobody listens.
        receiver.connection.hear();
        looks.tick().await;
    }
    drop(waiting);
    if !receiver.connection.is_heard() {
        receiver.forget(core);
    }
}

impl Receiver {
    /// How much may be read of it, because of what is held of unfinished messages.
    pub(crate) fn room(&self, core: &Core) -> usize {
        match &self.decoder {
            Some(decoder) => core.room_to_read(self.connection.number(), decoder.pending_bytes()),
            None => usize::MAX,
        }
    }

    /// Nothing that it sends matters any more: what has come of a message is let go of.
    fn forget(&mut self, core: &Core) {
        if let Some(decoder) = self.decoder.take() {
            core.count_unfinished(self.connection.number(), decoder.pending_bytes(), 0);
        }
    }

    /// Takes in bytes of the stream; whole messages are read where they lie.
    pub(crate) fn take_in(&mut self, core: &Core, bytes: &mut [u8], tools: &mut Tools) {
        let Self { connection, decoder } = self;
        connection.hear();
        let Some(open) = decoder else { return };
        open.bound(core.message_bytes_max());
        let unfinished_before = open.pending_bytes();
        let (is_heard, renewals, work) = connection.home.with_host(|host| {
            decode(open, bytes, connection, host, tools);
            (host.is_heard(), host.take_renewals(), host.take_work())
        });
        core.count_unfinished(connection.number(), unfinished_before, open.pending_bytes());
        core.renew(connection, renewals);
        core.translate(connection, work);
        match &connection.home {
            Home::Member { cell, .. } => core.touch_since(cell, connection.heard_at.get()),
            Home::Observer(_) | Home::Translator(_) => connection.flush_now(),
        }
        if !is_heard {
            self.forget(core);
        }
    }
}

/// Hands what came to its host, message by message, until the bytes are used up or the protocol is broken.
fn decode(decoder: &mut Decoder, bytes: &mut [u8], connection: &Connection, host: &mut Host<'_>, tools: &mut Tools) {
    let now = crate::cores::now();
    let mut input = bytes;
    loop {
        match decoder.decode(&mut input, &mut tools.inflater) {
            Ok(None) => return,
            Ok(Some(Event::Message(message))) if tools.echoes => host.echo(message.kind, message.payload),
            Ok(Some(Event::Message(message))) => host.receive(now, message.payload, &mut tools.parser),
            Ok(Some(Event::Ping(payload))) => host.send_control(encode_pong(payload)),
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close(frame))) => {
                connection.peer_closed.set(true);
                let code = frame.map_or(CloseCode::NORMAL, |frame| frame.code);
                host.close(code, "");
            }
            Err(error) => return host.close(error.close_code(), &error.to_string()),
        }
    }
}

impl Connection {
    pub(crate) fn number(&self) -> usize {
        self.number.get()
    }

    /// A second has passed: an observer that reads nothing is closed. A room looks after its members itself.
    pub(crate) fn tick(self: &Rc<Self>, core: &Core, now: UnixMillis) {
        let refusals = self.home.with_observer(|observer| {
            observer.tick(now);
            observer.take_refusals()
        });
        if let Some(refusals) = refusals {
            core.limits.count(refusals);
            self.flush_now();
        }
    }

    /// Waits until all that waits has been taken, or it is no longer heard: what is asked for at once is told as fast as it is
    /// read.
    pub(crate) async fn room_to_answer(&self) {
        let mut looks = tokio::time::interval(OVERFULL_LOOK);
        while self.draining.get() && self.is_heard() {
            looks.tick().await;
        }
    }

    /// The server stops: an observer is told. A room tells its members itself.
    pub(crate) fn shut_down_observer(self: &Rc<Self>, now: UnixMillis) {
        if self.home.with_observer(|observer| observer.shut_down(now, crate::jitter::retry_ms())).is_some() {
            self.flush_now();
        }
    }

    /// Asks the peer whether it is there, and gives back memory that it has not needed for long.
    pub(crate) fn ping(self: &Rc<Self>, core: &Core, now: UnixMillis) {
        self.home.with_host(|host| {
            host.send_control(host.framing().heartbeat());
            host.release_rates(now);
        });
        self.have_written(core);
    }

    /// Closes it, after all that is queued for it.
    pub(crate) fn close(self: &Rc<Self>, core: &Core, code: CloseCode, reason: &str) {
        self.home.with_host(|host| host.close(code, reason));
        self.have_written(core);
    }

    /// Closes it, since a newer connection of the same user has its seat.
    pub(crate) fn displace(self: &Rc<Self>, core: &Core, now: UnixMillis) {
        self.home.with_host(|host| host.displace(now));
        self.have_written(core);
    }

    /// By what the token can be revoked that it goes by.
    pub(crate) fn pass(&self) -> Pass {
        self.pass.get()
    }

    /// The documents that its token is limited to; `None` if it is to none.
    pub(crate) fn limit_to(&self, documents: Option<Vec<DocumentPattern>>) {
        self.documents.replace(documents.map(Vec::into_boxed_slice));
    }

    /// Whether its token is for that document.
    pub(crate) fn covers(&self, document_id: &str) -> bool {
        DocumentPattern::cover(self.documents.borrow().as_deref(), document_id)
    }

    /// It goes by another token from here on.
    pub(crate) fn go_by(&self, pass: Pass) {
        self.pass.set(pass);
    }

    /// Closes it, since its token was revoked.
    pub(crate) fn revoke(self: &Rc<Self>, core: &Core, now: UnixMillis) {
        self.home.with_host(|host| host.revoke(now));
        self.have_written(core);
    }

    /// Something was queued, and is to be written.
    fn have_written(self: &Rc<Self>, core: &Core) {
        match &self.home {
            Home::Member { cell, .. } => core.touch(cell),
            Home::Observer(_) | Home::Translator(_) => self.flush_now(),
        }
    }

    /// Writes what may be sent, outside of a turn.
    pub(crate) fn flush_now(self: &Rc<Self>) {
        self.home.with_host(|host| self.flush(host));
    }

    /// Writes what may be sent. What the socket does not take is written when it is writable again.
    pub(crate) fn flush(self: &Rc<Self>, host: &mut Host<'_>) {
        // Before all else: a peer that takes nothing is the one that this time is for.
        if self.closing_at.get().is_none() && !host.is_heard() {
            self.closing_at.set(Some(clock::monotonic()));
        }
        if self.draining.get() {
            return;
        }
        match self.write_queued(host) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.draining.set(true);
                spawn_local(drain(Rc::clone(self)));
            }
            // The reading task finds the same and ends the connection.
            Err(_) => {
                self.cut();
            }
        }
    }

    fn write_queued(&self, host: &mut Host<'_>) -> std::io::Result<()> {
        loop {
            let Some((outbox, durable)) = host.outbox() else { return Ok(()) };
            if outbox.is_sendable(durable) {
                let written = self.wire.try_write(outbox.sendable(durable));
                let taken = written.as_ref().copied().unwrap_or(0);
                host.sent(taken);
                self.bytes_sent.set(self.bytes_sent.get() + taken as u64);
                // Whoever cannot say anything is alive as long as it takes what it is sent.
                if taken > 0 && self.wire.is_stream() {
                    self.hear();
                }
                written?;
            } else if !host.catch_up(crate::cores::now()) {
                break;
            }
        }
        if host.outbox().is_some_and(|(outbox, _)| outbox.is_closing() && outbox.is_empty()) {
            // The close frame is on its way. If it answers the peer's there is nothing left to wait for (RFC 6455,
            // section 7.1.1); otherwise the peer's end of the stream ends the reading.
            self.wire.finish(self.peer_closed.get());
        }
        Ok(())
    }

    /// Whether the client may send compressed messages.
    fn is_compressed(&self) -> bool {
        self.home.with_host(|host| host.framing().compression().is_some())
    }

    /// Whether anything that the client sends matters.
    fn is_heard(&self) -> bool {
        !self.is_cut.get() && self.home.with_host(|host| host.is_heard())
    }

    /// Whether so much is queued that nothing more is read that would have to be answered: a stall of the disk, or a
    /// client that asks and does not read, must not fill the memory with answers.
    fn is_overfull(&self, core: &Core) -> bool {
        self.is_heard() && self.home.with_host(|host| host.queued_bytes() > core.outbound_bytes_max())
    }

    /// Ends both directions now; the reading task notices. False if that was done before.
    pub(crate) fn cut(&self) -> bool {
        self.wire.cut();
        !self.is_cut.replace(true)
    }

    /// Bytes written since this was asked last.
    pub(crate) fn take_bytes_sent(&self) -> u64 {
        self.bytes_sent.take()
    }

    /// Something has come in.
    fn hear(&self) {
        self.heard_at.set(clock::monotonic());
        if let Some(seat) = &*self.seat.borrow()
            && seat.is_offered()
        {
            seat.keep();
        }
    }

    /// Whether a newer connection of the same user has its seat. One that has been silent for `silence` offers it.
    pub(crate) fn is_displaced(&self, now: Duration, silence: Duration) -> bool {
        let seat = self.seat.borrow();
        let Some(seat) = &*seat else { return false };
        if seat.is_offered() {
            return self.closing_at.get().is_none() && seat.is_displaced();
        }
        let heard_at = self.heard_at.get();
        if now.saturating_sub(heard_at) >= silence {
            seat.offer(heard_at);
        }
        false
    }

    /// Where the newest text is that it wants looked up.
    pub(crate) fn newest_look_up(&self) -> &Arc<NewestLookUp> {
        self.newest.get_or_init(Arc::default)
    }

    /// It has ended: its seat is free, and nobody waits for what it has asked.
    pub(crate) fn stand_up(&self) {
        self.seat.take();
        self.newest.get().into_iter().for_each(|newest| newest.forget());
    }

    /// Whether the peer has been silent for too long, or has not answered a close in time.
    pub(crate) fn is_dead(&self, now: Duration, silence: Duration) -> bool {
        let closing_too_long = self.closing_at.get().is_some_and(|at| now.saturating_sub(at) > CLOSE_TIMEOUT);
        closing_too_long || now.saturating_sub(self.heard_at.get()) > silence
    }

    /// Whether it is time for a ping; if so it counts as sent.
    pub(crate) fn is_ping_due(&self, now: Duration, interval: Duration) -> bool {
        let due = now.saturating_sub(self.pinged_at.get()) >= interval;
        if due {
            self.pinged_at.set(now);
        }
        due
    }
}

/// Writes to a slow socket until its queue is empty.
async fn drain(connection: Rc<Connection>) {
    loop {
        let writable = connection.wire.writable().await;
        let result = writable.and_then(|()| connection.home.with_host(|host| connection.write_queued(host)));
        match result {
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                connection.cut();
                break;
            }
        }
    }
    connection.draining.set(false);
}

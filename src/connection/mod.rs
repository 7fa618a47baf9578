//! A WebSocket connection on its document's core: one task that reads, and writing from the core's turns.
//!
//! An idle connection owns no buffer: reads go into the core's, and what is queued for it is shared frames.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jddb_core::protocol::Parser;
use jddb_core::room::{Member, MemberKey, Room};
use jddb_core::websocket::{CloseCode, Decoder, DecoderLimits, Event, Inflater, encode_pong};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::spawn_local;

use crate::clock;
use crate::cores::{Core, RoomCell};
use crate::occupancy::Seat;

/// Frames of one `writev`.
const FRAMES_PER_WRITE_MAX: usize = 64;
/// What the kernel may hold of a connection beyond what it has on the wire: what waits longer is better replaced by
/// something newer than sent.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// How often it is looked whether a client that is not read from has taken what is queued for it.
const OVERFULL_LOOK: Duration = Duration::from_millis(50);
/// How long a peer may take to answer a close, and to take in what was queued before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection as its core sees it.
pub(crate) struct Connection {
    pub(crate) cell: Rc<RoomCell>,
    pub(crate) member: MemberKey,
    write: OwnedWriteHalf,
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
    /// Its place among all connections; `None` once it has ended.
    seat: RefCell<Option<Seat>>,
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

/// Starts serving a socket that was handed over, for a member whose place was reserved; `read` is what
/// the client sent right behind its request.
pub(crate) fn adopt(
    core: &Rc<Core>,
    stream: TcpStream,
    read: Bytes,
    cell: Rc<RoomCell>,
    member: MemberKey,
    seat: Seat,
) {
    // Where it fails the kernel holds more, which is a matter of memory only.
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    let (half, write) = stream.into_split();
    let now = clock::monotonic();
    let connection = Rc::new(Connection {
        cell,
        member,
        write,
        number: Cell::new(0),
        draining: Cell::new(false),
        heard_at: Cell::new(now),
        pinged_at: Cell::new(now),
        closing_at: Cell::new(None),
        peer_closed: Cell::new(false),
        is_cut: Cell::new(false),
        seat: RefCell::new(Some(seat)),
    });
    connection.number.set(core.register(&connection));
    connection.cell.connect(&connection);
    connection.flush(&mut connection.cell.room.borrow_mut());
    spawn_local(receive(Rc::clone(core), connection, half, read));
}

/// Reads until the end of the stream. Nobody cancels this task: to end it the socket is shut down.
async fn receive(core: Rc<Core>, connection: Rc<Connection>, mut half: OwnedReadHalf, read: Bytes) {
    let limits = DecoderLimits::new(core.message_bytes_max());
    let decoder = Decoder::new(limits, connection.is_compressed());
    let mut receiver = Receiver { connection: Rc::clone(&connection), decoder: Some(decoder) };
    if !read.is_empty() {
        core.take_in(&mut Vec::from(read), &mut receiver);
    }
    loop {
        core.relief().await;
        if connection.is_overfull(&core) {
            // Boxed, so that the timer takes no room in the tasks of ten thousand others.
            Box::pin(wait_for_room(&core, &connection)).await;
        }
        match poll_fn(|context| core.poll_read(context, &mut half, &mut receiver)).await {
            Ok(0) | Err(_) => break,
            // The others have their turn before this one reads on.
            Ok(count) if Core::read_was_full(count) => tokio::task::yield_now().await,
            Ok(_) => {}
        }
    }
    core.forget_unfinished(&receiver);
    core.end(&connection);
}

/// Waits until the client has taken enough of what is queued for it, or is no longer heard.
async fn wait_for_room(core: &Core, connection: &Connection) {
    let mut looks = tokio::time::interval(OVERFULL_LOOK);
    while connection.is_overfull(core) {
        looks.tick().await;
    }
}

impl Receiver {
    /// Takes in bytes of the stream; whole messages are read where they lie.
    pub(crate) fn take_in(&mut self, core: &Core, bytes: &mut [u8], tools: &mut Tools) {
        let Self { connection, decoder } = self;
        connection.hear();
        let Some(open) = decoder else { return };
        open.bound(core.message_bytes_max());
        let unfinished_before = open.pending_bytes();
        let mut room = connection.cell.room.borrow_mut();
        decode(open, bytes, connection, &mut room, tools);
        if !core.count_unfinished(unfinished_before, open.pending_bytes()) {
            let reason = "too many unfinished messages on this server: retry later";
            room.close_member(connection.member, CloseCode::TRY_AGAIN_LATER, reason);
        }
        if !room.is_heard(connection.member) {
            core.count_unfinished(open.pending_bytes(), 0);
            *decoder = None;
        }
        drop(room);
        core.touch(&connection.cell);
    }

    /// Bytes of a message of which the rest has not come.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.decoder.as_ref().map_or(0, Decoder::pending_bytes)
    }
}

/// Hands what a member sent to its room, message by message, until the bytes are used up or the protocol is broken.
fn decode(decoder: &mut Decoder, bytes: &mut [u8], connection: &Connection, room: &mut Room, tools: &mut Tools) {
    let now = crate::cores::now();
    let member = connection.member;
    let mut input = bytes;
    loop {
        match decoder.decode(&mut input, &mut tools.inflater) {
            Ok(None) => return,
            Ok(Some(Event::Message(message))) if tools.echoes => {
                room.send_message(member, message.kind, message.payload);
            }
            Ok(Some(Event::Message(message))) => room.receive(now, member, message.payload, &mut tools.parser),
            Ok(Some(Event::Ping(payload))) => room.send_control(member, encode_pong(payload)),
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close(frame))) => {
                connection.peer_closed.set(true);
                let code = frame.map_or(CloseCode::NORMAL, |frame| frame.code);
                room.close_member(member, code, "");
            }
            Err(error) => return room.close_member(member, error.close_code(), &error.to_string()),
        }
    }
}

impl Connection {
    pub(crate) fn number(&self) -> usize {
        self.number.get()
    }

    /// Writes what may be sent. What the socket does not take is written when it is writable again.
    pub(crate) fn flush(self: &Rc<Self>, room: &mut Room) {
        // Before all else: a peer that takes nothing is the one that this time is for.
        if self.closing_at.get().is_none() && !room.is_heard(self.member) {
            self.closing_at.set(Some(clock::monotonic()));
        }
        if self.draining.get() {
            return;
        }
        match self.write_queued(room) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.draining.set(true);
                spawn_local(drain(Rc::clone(self)));
            }
            // The reading task finds the same and ends the connection.
            Err(_) => self.cut(),
        }
    }

    fn write_queued(&self, room: &mut Room) -> std::io::Result<()> {
        let durable = room.durable_records();
        loop {
            let Some(member) = room.member(self.member) else { return Ok(()) };
            let mut frames = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
            let mut count = 0;
            for (slot, frame) in frames.iter_mut().zip(member.outbox().sendable(durable)) {
                *slot = IoSlice::new(frame);
                count += 1;
            }
            if count > 0 {
                let written = self.write.try_write_vectored(&frames[..count]);
                room.sent(self.member, written.as_ref().copied().unwrap_or(0));
                written?;
            } else if !room.catch_up(crate::cores::now(), self.member) {
                break;
            }
        }
        let outbox = room.member(self.member).map(Member::outbox);
        if outbox.is_some_and(|outbox| outbox.is_closing() && outbox.is_empty()) {
            // The close frame is on its way. If it answers the peer's there is nothing left to wait for (RFC 6455,
            // section 7.1.1); otherwise the peer's end of the stream ends the reading.
            let side = if self.peer_closed.get() { Shutdown::Both } else { Shutdown::Write };
            let _ = SockRef::from(self.write.as_ref()).shutdown(side);
        }
        Ok(())
    }

    /// Whether the client may send compressed messages.
    fn is_compressed(&self) -> bool {
        self.cell.room.borrow().member(self.member).is_some_and(|member| member.compression().is_some())
    }

    /// Whether so much is queued that nothing more is read that would have to be answered: a stall of the disk, or a
    /// client that asks and does not read, must not fill the memory with answers.
    fn is_overfull(&self, core: &Core) -> bool {
        if self.is_cut.get() {
            return false;
        }
        let room = self.cell.room.borrow();
        let member = room.member(self.member).filter(|_| room.is_heard(self.member));
        member.is_some_and(|member| member.outbox().bytes() > core.outbound_bytes_max())
    }

    /// Ends both directions now; the reading task notices.
    pub(crate) fn cut(&self) {
        self.is_cut.set(true);
        // It fails where the peer was faster, which is as good.
        let _ = SockRef::from(self.write.as_ref()).shutdown(Shutdown::Both);
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

    /// It has ended: its seat is free.
    pub(crate) fn stand_up(&self) {
        self.seat.take();
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
        let writable = connection.write.writable().await;
        let result = writable.and_then(|()| connection.write_queued(&mut connection.cell.room.borrow_mut()));
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

//! Where a connection belongs: in a document's room, or among those who watch the server.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::UnixMillis;
use jddb_core::protocol::Parser;
use jddb_core::room::{Framing, Member, MemberKey, Observer, Outbox, RenewalRequest, Room};
use jddb_core::websocket::{CloseCode, MessageKind};

use crate::cores::RoomCell;

/// Where a connection belongs.
pub(crate) enum Home {
    /// A member of a room. What is queued for it is written in the room's turns.
    Member {
        /// The room with its sockets.
        cell: Rc<RoomCell>,
        /// Which member it is.
        key: MemberKey,
    },
    /// Somebody who watches. What is queued for it is written at once.
    Observer(Box<RefCell<Observer>>),
}

/// Who hears what a connection says, and has what is to be sent to it.
pub(crate) enum Host<'a> {
    /// The room, for one of its members.
    Room(&'a mut Room, MemberKey),
    /// The observer itself.
    Observer(&'a mut Observer),
}

impl Home {
    /// Does something with the connection's host.
    pub(crate) fn with_host<T>(&self, then: impl FnOnce(&mut Host<'_>) -> T) -> T {
        match self {
            Self::Member { cell, key } => then(&mut Host::Room(&mut cell.room.borrow_mut(), *key)),
            Self::Observer(observer) => then(&mut Host::Observer(&mut observer.borrow_mut())),
        }
    }
}

impl Host<'_> {
    /// Takes one message; the bytes are garbled by reading.
    pub(super) fn receive(&mut self, now: UnixMillis, bytes: &mut [u8], parser: &mut Parser) {
        match self {
            Self::Room(room, key) => room.receive(now, *key, bytes, parser),
            Self::Observer(observer) => observer.receive(now, bytes, parser),
        }
    }

    /// Tokens that were shown since this was asked last.
    pub(super) fn take_renewals(&mut self) -> Vec<RenewalRequest> {
        match self {
            Self::Room(room, _) => room.take_renewals(),
            Self::Observer(observer) => observer.take_renewals(),
        }
    }

    /// Sends a member's message back as it came. A watcher's is not: it is told of the server and of nothing else.
    pub(super) fn echo(&mut self, kind: MessageKind, payload: &[u8]) {
        if let Self::Room(room, key) = self {
            room.send_message(*key, kind, payload);
        }
    }

    /// Queues a ping or pong.
    pub(super) fn send_control(&mut self, frame: Bytes) {
        match self {
            Self::Room(room, key) => room.send_control(*key, frame),
            Self::Observer(observer) => observer.send_control(frame),
        }
    }

    /// Closes the connection, after all that is queued for it; what it still sends is ignored.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        match self {
            Self::Room(room, key) => room.close_member(*key, code, reason),
            Self::Observer(observer) => observer.close(code, reason),
        }
    }

    /// Whether anything that the connection still sends matters.
    pub(super) fn is_heard(&self) -> bool {
        match self {
            Self::Room(room, key) => room.is_heard(*key),
            Self::Observer(observer) => observer.is_heard(),
        }
    }

    /// Bytes that wait for the peer, full states apart.
    pub(super) fn queued_bytes(&self) -> usize {
        match self {
            Self::Room(room, key) => room.member(*key).map_or(0, |member| member.outbox().bytes()),
            Self::Observer(observer) => observer.outbox().bytes(),
        }
    }

    /// What waits to be sent, and how many records have to be on disk for a frame to leave; `None` once the
    /// member is gone.
    pub(super) fn outbox(&self) -> Option<(&Outbox, u64)> {
        match self {
            Self::Room(room, key) => Some((room.member(*key)?.outbox(), room.durable_records())),
            Self::Observer(observer) => Some((observer.outbox(), 0)),
        }
    }

    /// The socket took `written` bytes of that, and no more for now.
    pub(super) fn sent(&mut self, written: usize) {
        match self {
            Self::Room(room, key) => room.sent(*key, written),
            Self::Observer(observer) => observer.sent(written),
        }
    }

    /// The socket has taken all there was: whether something more is to be sent now, to a member that was left behind.
    pub(super) fn catch_up(&mut self, now: UnixMillis) -> bool {
        match self {
            Self::Room(room, key) => room.catch_up(now, *key),
            Self::Observer(_) => false,
        }
    }

    /// Closes the connection, since a newer one of the same user has its seat.
    pub(super) fn displace(&mut self, now: UnixMillis) {
        match self {
            Self::Room(room, key) => room.displace(now, *key),
            Self::Observer(observer) => observer.displace(now),
        }
    }

    /// Closes the connection, since its token was revoked.
    pub(super) fn revoke(&mut self, now: UnixMillis) {
        match self {
            Self::Room(room, key) => room.revoke(now, *key),
            Self::Observer(observer) => observer.revoke(now),
        }
    }

    /// Gives back the memory of a connection that has been silent for a minute.
    pub(super) fn release_rates(&mut self, now: UnixMillis) {
        match self {
            Self::Room(room, key) => room.release_rates(now, *key),
            Self::Observer(observer) => observer.release_rates(now),
        }
    }

    /// What messages for the client are wrapped in.
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Room(room, key) => room.member(*key).map_or_else(Framing::default, Member::framing),
            Self::Observer(observer) => observer.framing(),
        }
    }
}

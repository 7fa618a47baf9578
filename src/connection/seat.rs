//! Where a connection belongs: in a document's room, or among those who watch the server.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::UnixMillis;
use jddb_core::protocol::Parser;
use jddb_core::room::{MemberKey, Observer, Outbox, Room};
use jddb_core::websocket::CloseCode;

use crate::cores::RoomCell;

/// Where a connection belongs.
pub(crate) enum Seat {
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

impl Seat {
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
    pub(super) fn outbox(&mut self) -> Option<(&mut Outbox, u64)> {
        match self {
            Self::Room(room, key) => {
                let durable = room.durable_records();
                room.member_mut(*key).map(|member| (member.outbox_mut(), durable))
            }
            Self::Observer(observer) => Some((observer.outbox_mut(), 0)),
        }
    }
}

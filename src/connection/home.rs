//! Where a connection belongs: in a document's room, among those who watch the server, or among those who translate.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::UnixMillis;
use jddb_core::protocol::Parser;
use jddb_core::room::{
    Conversation, Framing, Member, MemberKey, Observer, Outbox, RenewalRequest, Room, Translator, Work,
};
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
    /// Somebody who translates in a project; the same.
    Translator(Box<RefCell<Translator>>),
}

/// Who hears what a connection says, and has what is to be sent to it.
pub(crate) enum Host<'a> {
    /// The room, for one of its members.
    Room(&'a mut Room, MemberKey),
    /// The observer itself.
    Observer(&'a mut Observer),
    /// The translator itself.
    Translator(&'a mut Translator),
}

/// Who that is, where it makes no difference whether an observer translates.
enum Side<'a> {
    Room(&'a mut Room, MemberKey),
    Observer(&'a mut Observer),
}

impl Home {
    /// Does something with the connection's host.
    pub(crate) fn with_host<T>(&self, then: impl FnOnce(&mut Host<'_>) -> T) -> T {
        match self {
            Self::Member { cell, key } => then(&mut Host::Room(&mut cell.room.borrow_mut(), *key)),
            Self::Observer(observer) => then(&mut Host::Observer(&mut observer.borrow_mut())),
            Self::Translator(translator) => then(&mut Host::Translator(&mut translator.borrow_mut())),
        }
    }

    /// Does something with whoever is in no room.
    pub(crate) fn with_observer<T>(&self, then: impl FnOnce(&mut Observer) -> T) -> Option<T> {
        match self {
            Self::Member { .. } => None,
            Self::Observer(observer) => Some(then(&mut observer.borrow_mut())),
            Self::Translator(translator) => Some(then(translator.borrow_mut().observer_mut())),
        }
    }

    /// Does something with what was said here of translations; what is to be done then.
    pub(crate) fn converse(&self, now: UnixMillis, then: impl FnOnce(&mut Conversation)) -> Vec<Work> {
        match self {
            Self::Member { cell, key } => cell.room.borrow_mut().converse(now, *key, then),
            Self::Observer(_) => Vec::new(),
            Self::Translator(translator) => {
                let mut translator = translator.borrow_mut();
                translator.converse(now, then);
                translator.take_work()
            }
        }
    }

    /// Whether a batch is still to be gone on with.
    pub(crate) fn is_batch_open(&self, batch: u64) -> bool {
        match self {
            Self::Member { cell, key } => cell.room.borrow().is_batch_open(*key, batch),
            Self::Observer(_) => false,
            Self::Translator(translator) => translator.borrow().is_open(batch),
        }
    }
}

impl Host<'_> {
    fn side(&mut self) -> Side<'_> {
        match self {
            Self::Room(room, key) => Side::Room(room, *key),
            Self::Observer(observer) => Side::Observer(observer),
            Self::Translator(translator) => Side::Observer(translator.observer_mut()),
        }
    }

    /// Takes one message; the bytes are garbled by reading.
    pub(super) fn receive(&mut self, now: UnixMillis, bytes: &mut [u8], parser: &mut Parser) {
        match self {
            Self::Room(room, key) => room.receive(now, *key, bytes, parser),
            Self::Observer(observer) => observer.receive(now, bytes, parser),
            Self::Translator(translator) => translator.receive(now, bytes, parser),
        }
    }

    /// What was asked of the translation memory since this was asked last; of a room in its turn.
    pub(super) fn take_work(&mut self) -> Vec<Work> {
        match self {
            Self::Room(..) | Self::Observer(_) => Vec::new(),
            Self::Translator(translator) => translator.take_work(),
        }
    }

    /// Tokens that were shown since this was asked last.
    pub(super) fn take_renewals(&mut self) -> Vec<RenewalRequest> {
        match self.side() {
            Side::Room(room, _) => room.take_renewals(),
            Side::Observer(observer) => observer.take_renewals(),
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
        match self.side() {
            Side::Room(room, key) => room.send_control(key, frame),
            Side::Observer(observer) => observer.send_control(frame),
        }
    }

    /// Closes the connection, after all that is queued for it; what it still sends is ignored.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        match self.side() {
            Side::Room(room, key) => room.close_member(key, code, reason),
            Side::Observer(observer) => observer.close(code, reason),
        }
    }

    /// Whether anything that the connection still sends matters.
    pub(super) fn is_heard(&self) -> bool {
        match self {
            Self::Room(room, key) => room.is_heard(*key),
            Self::Observer(observer) => observer.is_heard(),
            Self::Translator(translator) => translator.observer().is_heard(),
        }
    }

    /// Bytes that wait for the peer, full states apart.
    pub(super) fn queued_bytes(&self) -> usize {
        match self {
            Self::Room(room, key) => room.member(*key).map_or(0, |member| member.outbox().bytes()),
            Self::Observer(observer) => observer.outbox().bytes(),
            Self::Translator(translator) => translator.observer().outbox().bytes(),
        }
    }

    /// What waits to be sent, and how many records have to be on disk for a frame to leave; `None` once the
    /// member is gone.
    pub(super) fn outbox(&self) -> Option<(&Outbox, u64)> {
        match self {
            Self::Room(room, key) => Some((room.member(*key)?.outbox(), room.durable_records())),
            Self::Observer(observer) => Some((observer.outbox(), 0)),
            Self::Translator(translator) => Some((translator.observer().outbox(), 0)),
        }
    }

    /// The socket took `written` bytes of that, and no more for now.
    pub(super) fn sent(&mut self, written: usize) {
        match self.side() {
            Side::Room(room, key) => room.sent(key, written),
            Side::Observer(observer) => observer.sent(written),
        }
    }

    /// The socket has taken all there was: whether something more is to be sent now, to a member that was left behind.
    pub(super) fn catch_up(&mut self, now: UnixMillis) -> bool {
        match self {
            Self::Room(room, key) => room.catch_up(now, *key),
            Self::Observer(_) => false,
            Self::Translator(translator) => translator.catch_up(now),
        }
    }

    /// Closes the connection, since a newer one of the same user has its seat.
    pub(super) fn displace(&mut self, now: UnixMillis) {
        match self.side() {
            Side::Room(room, key) => room.displace(now, key),
            Side::Observer(observer) => observer.displace(now),
        }
    }

    /// Closes the connection, since its token was revoked.
    pub(super) fn revoke(&mut self, now: UnixMillis) {
        match self.side() {
            Side::Room(room, key) => room.revoke(now, key),
            Side::Observer(observer) => observer.revoke(now),
        }
    }

    /// Gives back the memory of a connection that has been silent for a minute.
    pub(super) fn release_rates(&mut self, now: UnixMillis) {
        match self.side() {
            Side::Room(room, key) => room.release_rates(now, key),
            Side::Observer(observer) => observer.release_rates(now),
        }
    }

    /// What messages for the client are wrapped in.
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Room(room, key) => room.member(*key).map_or_else(Framing::default, Member::framing),
            Self::Observer(observer) => observer.framing(),
            Self::Translator(translator) => translator.observer().framing(),
        }
    }
}

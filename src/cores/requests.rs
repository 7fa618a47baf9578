//! What a document is asked for that has to be open for it, and why that may not be possible.

use jddb_core::ids::DocumentId;
use jddb_core::protocol::{ErrorCode, InboundError, close};
use jddb_core::room::JoinRefusal;
use jddb_core::websocket::CloseCode;

use super::calls::{Ask, Call, Creates};
use super::message::Reserve;
use super::readings::ReadCounterpart;
use crate::auth::Pass;

/// A request that waits for its document, or is served by it.
pub(super) enum Request {
    /// A place for a WebSocket.
    Reserve(Box<Reserve>),
    /// A call over HTTP.
    Call(Box<Call>),
    /// A question of another document.
    Read(Box<ReadCounterpart>),
}

impl Request {
    pub(super) const fn document_id(&self) -> &DocumentId {
        match self {
            Self::Reserve(reserve) => &reserve.document_id,
            Self::Call(call) => &call.document_id,
            Self::Read(read) => &read.document_id,
        }
    }

    /// Whether it can be served while nothing can be written.
    pub(super) fn reads_only(&self) -> bool {
        match self {
            Self::Reserve(_) => false,
            Self::Call(call) => call.ask.reads_only(),
            Self::Read(_) => true,
        }
    }

    /// By what the token can be revoked of who asks. Whoever wants a place is looked at when they take it.
    pub(super) const fn pass(&self) -> Option<&Pass> {
        match self {
            Self::Reserve(_) => None,
            Self::Call(call) => Some(&call.pass),
            Self::Read(read) => Some(&read.pass),
        }
    }

    /// Whether it plans a session.
    pub(super) fn plans_session(&self) -> bool {
        matches!(self, Self::Call(call) if matches!(call.ask, Ask::Session(_)))
    }

    /// Whether a document comes to be by it; a viewer never makes one.
    pub(super) fn creates(&self) -> Creates {
        match self {
            Self::Reserve(reserve) if reserve.edits => Creates::OnOpen,
            Self::Reserve(_) | Self::Read(_) => Creates::Never,
            Self::Call(call) => call.ask.creates(),
        }
    }

    /// Answers what needs no open document, which is not open; else gives it back.
    pub(super) fn answer_closed(self) -> Option<Self> {
        let Self::Read(read) = self else { return Some(self) };
        match read.reading.of_closed() {
            Some(said) => {
                let _ = read.reply.send(Ok(said));
                None
            }
            None => Some(Self::Read(read)),
        }
    }

    /// Whether the document is in use by it. Who only asks whether something has happened uses nothing.
    pub(super) fn uses(&self) -> bool {
        !matches!(self, Self::Read(read) if read.reading.of_closed().is_some())
    }

    /// Tells whoever asked that it cannot be done. They may no longer wait.
    pub(super) fn refuse(self, trouble: &Trouble) {
        match self {
            Self::Reserve(reserve) => {
                let _ = reserve.reply.send(Err(trouble.refusal()));
            }
            Self::Call(call) => {
                let _ = call.reply.send(Err(trouble.error()));
            }
            Self::Read(read) => {
                let _ = read.reply.send(Err(trouble.error()));
            }
        }
    }
}

/// Why a request cannot be served, whatever it says.
pub(super) enum Trouble {
    /// There is no such document.
    NotFound,
    /// Too much is under way.
    Busy,
    /// The disk takes no writes.
    Storage,
    /// The server stops.
    Stopping,
    /// The document's records are damaged.
    Unreadable,
    /// The token of who asks was revoked since they were let in.
    Revoked,
}

impl Trouble {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::DocumentNotFound,
            Self::Busy => ErrorCode::CapacityExceeded,
            Self::Storage => ErrorCode::StorageUnavailable,
            Self::Stopping => ErrorCode::ShuttingDown,
            Self::Unreadable => ErrorCode::InternalError,
            Self::Revoked => ErrorCode::Unauthenticated,
        }
    }

    const fn message(&self) -> &'static str {
        match self {
            Self::NotFound => "there is no such document; somebody with document:write creates it by opening it",
            Self::Busy => "the server has too much to do; retry in a few seconds",
            Self::Storage => "the server cannot write to its disk and takes no changes until it is restarted",
            Self::Stopping => "the server is stopping; retry in a few seconds",
            Self::Unreadable => "the document cannot be read; the operator finds the reason in the server's log",
            Self::Revoked => "the token was revoked: log in again to get a new one",
        }
    }

    const fn close(&self) -> CloseCode {
        match self {
            Self::NotFound => close::NOT_FOUND,
            Self::Busy => CloseCode::TRY_AGAIN_LATER,
            Self::Storage | Self::Unreadable => CloseCode::INTERNAL_ERROR,
            Self::Stopping => CloseCode::GOING_AWAY,
            Self::Revoked => CloseCode::POLICY_VIOLATION,
        }
    }

    pub(super) fn error(&self) -> InboundError {
        InboundError {
            code: self.code(),
            message: self.message().to_owned(),
            field: None,
            expected: None,
            correlation_id: None,
        }
    }

    fn refusal(&self) -> JoinRefusal {
        JoinRefusal {
            code: self.code(),
            message: self.message().to_owned(),
            field: None,
            expected: None,
            limit_type: None,
            close: self.close(),
            retry_after: matches!(self, Self::Busy).then_some(5),
        }
    }
}

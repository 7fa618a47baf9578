//! What cores ask of one another.

use std::sync::Arc;

use jddb_core::ids::DocumentId;
use jddb_core::limits::GrantedLimits;
use jddb_core::room::{
    Dialect, Expiry, Framing, Greeting, JoinRefusal, SessionFilter, SessionSummary, TranslationRights, User,
};
use tokio::sync::oneshot;

use super::calls::Call;
use super::feeds::FeedMessage;
use super::readings::ReadCounterpart;
use crate::auth::{DocumentPattern, Identity, Pass};
use crate::config::Limits;
use crate::connection::Line;
use crate::occupancy::Seat;

/// A request to the core that owns a document.
#[derive(Debug)]
pub enum CoreMessage {
    /// Somebody is at the door: make them a member before their upgrade is answered.
    Reserve(Box<Reserve>),
    /// Their upgrade is answered, or their stream is about to be; here is what leads to them.
    Adopt(Box<Adopt>),
    /// Their upgrade did not come to pass.
    Abandon(Reservation),
    /// What is asked of a document over HTTP.
    Call(Box<Call>),
    /// What is asked of a document that another one is a translation of.
    ReadCounterpart(Box<ReadCounterpart>),
    /// Somebody who is in a document by HTTP no longer is.
    EndVisit(Box<EndVisit>),
    /// Which sessions there are.
    ListSessions(Box<ListSessions>),
    /// Other limits are in force from now on.
    Reload(Arc<Limits>),
    /// About those who watch the server.
    Feed(FeedMessage),
    /// The server stops: tell everybody and close them.
    ShutDown,
}

/// See [`CoreMessage::ListSessions`].
#[derive(Debug)]
pub struct ListSessions {
    /// Which are wanted.
    pub filter: SessionFilter,
    /// Who asks: of other documents than their token is for they are told nothing.
    pub identity: Identity,
    /// Where they go.
    pub reply: oneshot::Sender<Vec<ListedSession>>,
}

/// A session as a core knows it.
#[derive(Clone, Debug)]
pub struct ListedSession {
    /// The session.
    pub summary: SessionSummary,
    /// Whether its document is open; if not, nobody is in it.
    pub is_open: bool,
}

/// See [`CoreMessage::EndVisit`].
#[derive(Debug)]
pub struct EndVisit {
    /// The document.
    pub document_id: DocumentId,
    /// Who.
    pub user_id: Box<str>,
    /// Which of their visits is over, with those before it.
    pub number: u64,
    /// Where it goes whether anybody was told of it.
    pub reply: oneshot::Sender<bool>,
}

/// A place in a room that waits for its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// The core that keeps it.
    pub core: usize,
    /// Its number there.
    pub number: u64,
}

/// See [`CoreMessage::Reserve`].
#[derive(Debug)]
pub struct Reserve {
    /// The document.
    pub document_id: DocumentId,
    /// The connection's name, `conn_…`.
    pub connection_id: Box<str>,
    /// The name of the document's session, should it need one, `sess_…`.
    pub session_id: Box<str>,
    /// Who.
    pub user: User,
    /// Whether they may change the document. Only who may, and where configuration permits it, makes one come to be.
    pub edits: bool,
    /// Whether no session of the document keeps them out.
    pub is_admin: bool,
    /// What they may do with translations.
    pub translates: TranslationRights,
    /// How they count positions.
    pub dialect: Dialect,
    /// When they want the state.
    pub greeting: Greeting,
    /// What their messages are wrapped in.
    pub framing: Framing,
    /// What their token grants instead of the server's limits.
    pub granted: GrantedLimits,
    /// Until when their token is good.
    pub expiry: Expiry,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reservation, JoinRefusal>>,
}

/// See [`CoreMessage::Adopt`].
#[derive(Debug)]
pub struct Adopt {
    /// The place that was made.
    pub reservation: Reservation,
    /// What leads to the client.
    pub line: Line,
    /// Its place among all connections.
    pub seat: Seat,
    /// By what its token can be revoked.
    pub pass: Pass,
    /// The documents that its token is limited to.
    pub documents: Option<Vec<DocumentPattern>>,
}

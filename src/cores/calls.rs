//! What is asked of a document over HTTP, and how its core serves it.

use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};
use jddb_core::protocol::{InboundError, LockRequest, Parser, PresenceUpdate, SessionBody};
use jddb_core::room::{Answer, Caller, IfMatch, NewSession, Rewriting, Room, User, Visitor};
use tokio::sync::oneshot;

use super::core::now;
use super::rooms::{Promise, RoomCell};
use crate::auth::Pass;

/// How long an explicit session lasts: six hours, as in the reference's example.
const SESSION_LASTS_MS: u64 = 6 * 3_600_000;

/// Something asked of a document.
#[derive(Debug)]
pub struct Call {
    /// The document.
    pub document_id: DocumentId,
    /// What is asked.
    pub ask: Ask,
    /// By what the token can be revoked of who asks.
    pub pass: Pass,
    /// Where the answer, or what is wrong, goes.
    pub reply: oneshot::Sender<Result<Answered, InboundError>>,
}

/// What a document answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// JSON.
    pub body: Bytes,
    /// The version that it shows or made, if it is about one.
    pub version: Option<Version>,
    /// Whether something new came to be.
    pub created: bool,
}

impl Answered {
    /// Hands a room's answer out.
    pub(super) fn of(answer: Answer) -> Result<Self, InboundError> {
        let Answer { request: _, body, version, created } = answer;
        body.map(|body| Self { body, version, created })
    }
}

/// What can be asked of a document.
#[derive(Debug)]
pub enum Ask {
    /// `GET …/state` of the current version.
    State(ReadState),
    /// `POST …/changes`; the request's body.
    Changes(Asker, Vec<u8>),
    /// `PUT` of the document, or restoring an old version of it.
    Rewrite(Asker, Rewriting),
    /// `DELETE` of the document.
    Delete(Asker),
    /// `PUT …/lock`.
    Lock(Asker, LockRequest),
    /// `DELETE …/lock`.
    Unlock,
    /// `GET …/presence`, with positions counted so.
    Presence(PositionEncoding),
    /// `PUT /api/presence/{user_id}`.
    Visit(Box<PutPresence>),
    /// `POST /api/sessions`.
    Session(Box<PostSession>),
    /// `DELETE /api/sessions/{session_id}`.
    EndSession(EndSession),
}

/// See [`Ask::State`].
#[derive(Clone, Copy, Debug)]
pub struct ReadState {
    /// How positions are counted.
    pub encoding: PositionEncoding,
    /// Whether `metadata` is wanted.
    pub with_metadata: bool,
}

/// Who asks for something that changes the document, and what they expect of it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The user of the token.
    pub user_id: Box<str>,
    /// Whether they may act for others.
    pub is_admin: bool,
    /// How they count positions.
    pub encoding: PositionEncoding,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<Box<str>>,
    /// The header `If-Match`.
    pub if_match: Option<IfMatch>,
}

impl Asker {
    fn caller(&self) -> Caller<'_> {
        Caller {
            user_id: &self.user_id,
            is_admin: self.is_admin,
            encoding: self.encoding,
            idempotency_key: self.idempotency_key.as_deref(),
            if_match: self.if_match.as_ref(),
        }
    }
}

/// Whether a document comes to be by a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creates {
    Never,
    /// Where opening a document makes it.
    OnOpen,
    Always,
}

/// See [`Ask::Visit`].
#[derive(Debug)]
pub struct PutPresence {
    /// Who is in the document.
    pub user: User,
    /// Whether it is them who ask.
    pub is_caller: bool,
    /// Whether no session keeps them out.
    pub is_admin: bool,
    /// Whether they count as an editor.
    pub edits: bool,
    /// Which of their visits it is.
    pub number: u64,
    /// How positions are counted.
    pub encoding: PositionEncoding,
    /// What they are doing.
    pub update: PresenceUpdate,
}

/// See [`Ask::Session`].
#[derive(Debug)]
pub struct PostSession {
    /// Who asks.
    pub creator: User,
    /// The session's name, should the document have none.
    pub session_id: Box<str>,
    /// What is planned.
    pub body: SessionBody,
    /// Where the document is edited.
    pub websocket_url: String,
}

/// See [`Ask::EndSession`].
#[derive(Debug)]
pub struct EndSession {
    /// The session.
    pub session_id: Box<str>,
    /// Who asks.
    pub user_id: Box<str>,
    /// Whether they may end others' sessions.
    pub is_admin: bool,
}

impl Ask {
    /// Whether it can be served while nothing can be written.
    pub(super) const fn reads_only(&self) -> bool {
        match self {
            Self::State(_) | Self::Presence(_) | Self::Visit(_) => true,
            Self::Changes(..)
            | Self::Rewrite(..)
            | Self::Delete(_)
            | Self::Lock(..)
            | Self::Unlock
            | Self::Session(_)
            | Self::EndSession(_) => false,
        }
    }

    /// Whether a document comes to be by it.
    pub(super) const fn creates(&self) -> Creates {
        match self {
            Self::Changes(..) | Self::Session(_) => Creates::OnOpen,
            Self::Rewrite(_, rewriting) if rewriting.creates() => Creates::Always,
            Self::State(_)
            | Self::Rewrite(..)
            | Self::Delete(_)
            | Self::Lock(..)
            | Self::Unlock
            | Self::Presence(_)
            | Self::Visit(_)
            | Self::EndSession(_) => Creates::Never,
        }
    }
}

/// Serves a call on an open document: its answer is promised, and given when it may be.
pub(super) fn serve(cell: &RoomCell, call: Call) {
    let request = cell.promise(Promise::Call(call.reply));
    let mut room = cell.room.borrow_mut();
    if let Err(error) = put_to(&mut room, now(), request, call.ask) {
        room.answer_refusal(request, error);
    }
}

fn put_to(room: &mut Room, now: UnixMillis, request: u64, ask: Ask) -> Result<(), InboundError> {
    match ask {
        Ask::State(ReadState { encoding, with_metadata }) => {
            room.answer_state(now, request, encoding, with_metadata);
            Ok(())
        }
        Ask::Changes(asker, mut body) => {
            room.answer_changes(now, request, asker.caller(), &mut body, &mut Parser::default())
        }
        Ask::Rewrite(asker, rewriting) => room.answer_rewriting(now, request, asker.caller(), rewriting),
        Ask::Delete(asker) => room.answer_deletion(now, request, asker.caller()),
        Ask::Lock(asker, wanted) => room.answer_lock(now, request, asker.caller(), wanted),
        Ask::Unlock => room.answer_unlock(now, request),
        Ask::Presence(encoding) => {
            room.answer_presence(request, encoding);
            Ok(())
        }
        Ask::Visit(put) => put_presence(room, request, *put),
        Ask::Session(post) => post_session(room, now, request, *post),
        Ask::EndSession(EndSession { session_id, user_id, is_admin }) => {
            room.answer_session_end(now, request, &session_id, &user_id, is_admin)
        }
    }
}

fn put_presence(room: &mut Room, request: u64, put: PutPresence) -> Result<(), InboundError> {
    let PutPresence { user, is_caller, is_admin, edits, number, encoding, update } = put;
    let visitor = Visitor { user: Rc::new(user), is_caller, is_admin, edits, number, encoding, update: &update };
    room.answer_visit(now(), request, &visitor)
}

fn post_session(room: &mut Room, now: UnixMillis, request: u64, post: PostSession) -> Result<(), InboundError> {
    let PostSession { creator, session_id, body, websocket_url } = post;
    let new = NewSession {
        creator,
        session_id,
        participants: body.participants,
        settings: body.settings,
        lasts_ms: SESSION_LASTS_MS,
        websocket_url: &websocket_url,
    };
    room.answer_session(now, request, new)
}

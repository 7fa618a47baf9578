//! What is asked of a document over HTTP, and how its core serves it.

use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::{DocumentId, PositionEncoding};
use jddb_core::protocol::{InboundError, Parser, PresenceUpdate, SessionBody};
use jddb_core::room::{Caller, NewSession, Room, User, Visitor};
use tokio::sync::oneshot;

use super::core::now;
use super::rooms::RoomCell;

/// How long an explicit session lasts: six hours, as in the reference's example.
const SESSION_LASTS_MS: u64 = 6 * 3_600_000;

/// Something asked of a document.
#[derive(Debug)]
pub struct Call {
    /// The document.
    pub document_id: DocumentId,
    /// What is asked.
    pub ask: Ask,
    /// Where the JSON body, or what is wrong, goes.
    pub reply: oneshot::Sender<Result<Bytes, InboundError>>,
}

/// What can be asked of a document.
#[derive(Debug)]
pub enum Ask {
    /// `GET …/state` of the current version.
    State(ReadState),
    /// `POST …/changes`.
    Changes(PostChanges),
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

/// See [`Ask::Changes`].
#[derive(Debug)]
pub struct PostChanges {
    /// Who asks.
    pub user_id: Box<str>,
    /// Whether they may act for others.
    pub is_admin: bool,
    /// How they count positions.
    pub encoding: PositionEncoding,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<Box<str>>,
    /// The request's body.
    pub body: Vec<u8>,
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
            Self::Changes(_) | Self::Session(_) | Self::EndSession(_) => false,
        }
    }

    /// Whether a document comes to be by it, where opening one makes it.
    pub(super) const fn creates(&self) -> bool {
        match self {
            Self::Changes(_) | Self::Session(_) => true,
            Self::State(_) | Self::Presence(_) | Self::Visit(_) | Self::EndSession(_) => false,
        }
    }
}

/// Serves a call on an open document: its answer is promised, and given when it may be.
pub(super) fn serve(cell: &RoomCell, call: Call) {
    let request = cell.promise(call.reply);
    let mut room = cell.room.borrow_mut();
    let served = match call.ask {
        Ask::State(ReadState { encoding, with_metadata }) => {
            room.answer_state(request, encoding, with_metadata);
            Ok(())
        }
        Ask::Changes(post) => post_changes(&mut room, request, post),
        Ask::Presence(encoding) => {
            room.answer_presence(request, encoding);
            Ok(())
        }
        Ask::Visit(put) => put_presence(&mut room, request, *put),
        Ask::Session(post) => post_session(&mut room, request, *post),
        Ask::EndSession(EndSession { session_id, user_id, is_admin }) => {
            room.answer_session_end(now(), request, &session_id, &user_id, is_admin)
        }
    };
    if let Err(error) = served {
        room.answer_refusal(request, error);
    }
}

fn post_changes(room: &mut Room, request: u64, post: PostChanges) -> Result<(), InboundError> {
    let PostChanges { user_id, is_admin, encoding, idempotency_key, mut body } = post;
    let caller = Caller { user_id: &user_id, is_admin, encoding, idempotency_key: idempotency_key.as_deref() };
    room.answer_changes(now(), request, caller, &mut body, &mut Parser::default())
}

fn put_presence(room: &mut Room, request: u64, put: PutPresence) -> Result<(), InboundError> {
    let PutPresence { user, is_caller, is_admin, edits, number, encoding, update } = put;
    let visitor = Visitor { user: Rc::new(user), is_caller, is_admin, edits, number, encoding, update: &update };
    room.answer_visit(now(), request, &visitor)
}

fn post_session(room: &mut Room, request: u64, post: PostSession) -> Result<(), InboundError> {
    let PostSession { creator, session_id, body, websocket_url } = post;
    let new = NewSession {
        creator,
        session_id,
        participants: body.participants,
        settings: body.settings,
        lasts_ms: SESSION_LASTS_MS,
        websocket_url: &websocket_url,
    };
    room.answer_session(now(), request, new)
}

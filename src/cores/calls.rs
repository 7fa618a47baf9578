//! What is asked of a document over HTTP, and how its core serves it.

use std::rc::Rc;

use bytes::Bytes;
use jddb_core::ids::{DocumentId, PositionEncoding};
use jddb_core::protocol::{InboundError, Parser, PresenceUpdate};
use jddb_core::room::{Caller, Room, User, Visitor};
use tokio::sync::oneshot;

use super::core::now;
use super::rooms::RoomCell;

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
    /// Whether they count as an editor.
    pub edits: bool,
    /// Which of their visits it is.
    pub number: u64,
    /// How positions are counted.
    pub encoding: PositionEncoding,
    /// What they are doing.
    pub update: PresenceUpdate,
}

impl Ask {
    /// Whether it can be served while nothing can be written.
    pub(super) const fn reads_only(&self) -> bool {
        match self {
            Self::State(_) | Self::Presence(_) | Self::Visit(_) => true,
            Self::Changes(_) => false,
        }
    }

    /// Whether a document comes to be by it, where opening one makes it.
    pub(super) const fn creates(&self) -> bool {
        match self {
            Self::Changes(_) => true,
            Self::State(_) | Self::Presence(_) | Self::Visit(_) => false,
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
    let PutPresence { user, is_caller, edits, number, encoding, update } = put;
    let visitor = Visitor { user: Rc::new(user), is_caller, edits, number, encoding, update: &update };
    room.answer_visit(now(), request, &visitor)
}

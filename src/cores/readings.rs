//! What one document asks of another one that it is a translation of.

use jddb_core::ids::DocumentId;
use jddb_core::protocol::InboundError;
use jddb_core::room::{CounterpartRead, Reading};
use tokio::sync::oneshot;

use super::core::now;
use super::rooms::{Promise, RoomCell};
use crate::auth::Pass;

/// A question of a document's core to that of another one, for somebody who may read both.
#[derive(Debug)]
pub struct ReadCounterpart {
    /// The document that is asked.
    pub document_id: DocumentId,
    /// What it is asked.
    pub reading: Reading,
    /// By what the token can be revoked of whom it is for.
    pub pass: Pass,
    /// Where the answer goes once what it says is durable, or what is wrong.
    pub reply: oneshot::Sender<Result<CounterpartRead, InboundError>>,
}

/// Answers a question to an open document.
pub(super) fn serve(cell: &RoomCell, asked: ReadCounterpart) {
    let ReadCounterpart { document_id: _, reading, pass: _, reply } = asked;
    // Whoever no longer waits has asked something else by now, or is gone.
    if reply.is_closed() {
        return;
    }
    let mut room = cell.room.borrow_mut();
    let read = room.read_counterpart(now(), &reading);
    let version = read.version;
    let request = cell.promise(Promise::Reading(reply, Box::new(read)));
    room.answer_counterpart(request, version);
}

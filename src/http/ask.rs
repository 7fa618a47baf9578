//! Asks the core that owns a document.

use hyper::http::request::Parts;
use jddb_core::ids::{DocumentId, PositionEncoding};
use jddb_core::protocol::{ErrorCode, InboundError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::caller;
use super::error::HttpError;
use super::site::Site;
use crate::cores::{Answered, Ask, Call, CoreMessage};

/// A server that stops begins nothing new.
///
/// # Errors
/// It stops.
pub(super) fn check_open(site: &Site) -> Result<(), HttpError> {
    if site.is_draining() { Err(HttpError::shutting_down()) } else { Ok(()) }
}

/// Whether there is such a document, as its core says: what is open need not be on the disk.
///
/// # Errors
/// There is not, or the core does not say.
pub(super) async fn check_there(site: &Site, request: &Parts, document_id: &DocumentId) -> Result<(), HttpError> {
    ask(site, request, document_id, Ask::Presence(PositionEncoding::default())).await.map(drop)
}

/// What a document's core says, once it does.
pub(super) type Reply = oneshot::Receiver<Result<Answered, InboundError>>;
/// What it has said, unless it let go of the question.
pub(super) type Replied = Option<Result<Answered, InboundError>>;

/// Asks the core that owns the document on behalf of who has sent that request, and waits for what it says, but not for
/// ever. Where their token is revoked meanwhile the core says so.
///
/// # Errors
/// What the core says, or that it says nothing.
pub(super) async fn ask(
    site: &Site,
    request: &Parts,
    document_id: &DocumentId,
    ask: Ask,
) -> Result<Answered, HttpError> {
    let reply = send(site, request, document_id, ask)?;
    wait(site, document_id, async { reply.await.ok() }).await
}

/// Asks the core that owns the document, on behalf of who has sent that request.
///
/// # Errors
/// It has too much to do.
pub(super) fn send(site: &Site, request: &Parts, document_id: &DocumentId, ask: Ask) -> Result<Reply, HttpError> {
    let pass = caller::pass(site, request)?;
    let (reply, answer) = oneshot::channel();
    let message = CoreMessage::Call(Box::new(Call { document_id: document_id.clone(), ask, pass, reply }));
    site.shared.send(document_id, message).map_err(|_| HttpError::at_capacity())?;
    Ok(answer)
}

/// Waits for what a core says, but not for ever.
///
/// # Errors
/// What the core says, or that it says nothing.
pub(super) async fn wait(
    site: &Site,
    document_id: &DocumentId,
    reply: impl Future<Output = Replied>,
) -> Result<Answered, HttpError> {
    match timeout(site.answer_timeout, reply).await {
        Ok(Some(answer)) => Ok(answer?),
        // A core that stops lets go of what it was asked.
        Ok(None) if site.is_draining() => Err(HttpError::shutting_down()),
        Ok(None) => {
            tracing::error!(%document_id, "a core let go of a request without an answer");
            Err(HttpError::internal())
        }
        Err(_) => {
            tracing::warn!(%document_id, timeout = ?site.answer_timeout, "a core did not answer in time");
            Err(HttpError::new(
                ErrorCode::CapacityExceeded,
                "the document did not answer in time, changes may have been applied nevertheless: repeat them with the same \
                 Idempotency-Key only",
            ))
        }
    }
}

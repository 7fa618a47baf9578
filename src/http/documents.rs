//! What is asked of a document over HTTP: passed on to the core that owns it.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use jddb_core::protocol::{ErrorCode, InboundError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::read_json;
use super::caller::admit;
use super::error::HttpError;
use super::history;
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::cores::{CoreMessage, PostChanges, ReadState};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// `GET /api/documents/{document_id}/state`.
pub(super) async fn state(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
    let query = Query::new(request.uri.query());
    let (encoding, with_metadata) = (query.position_encoding()?, query.include_metadata()?);
    let (reply, answer) = oneshot::channel();
    let current = ReadState { document_id: document_id.clone(), encoding, with_metadata, reply };
    let body = match query.version()? {
        None => ask_for_state(site, current, answer).await?,
        Some(version) => match history::read(site, &document_id, version, with_metadata).await? {
            Some(body) => body,
            None => {
                // There is no such version; or else there is no such document, which its core then says.
                ask_for_state(site, current, answer).await?;
                history::unstored(&document_id, version, with_metadata)?
            }
        },
    };
    Ok(json_of_now(StatusCode::OK, body))
}

/// `POST /api/documents/{document_id}/changes`.
pub(super) async fn changes(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (identity, document_id) = admit(site, request, segment, Scope::DocumentWrite)?;
    let encoding = Query::new(request.uri.query()).position_encoding()?;
    let idempotency_key = idempotency_key(&request.headers)?;
    let body = read_json(&request.headers, body, site).await?;
    // Bodies take their time, and the document's core may stop meanwhile.
    check_open(site)?;
    let (reply, answer) = oneshot::channel();
    let message = CoreMessage::PostChanges(Box::new(PostChanges {
        document_id: document_id.clone(),
        is_admin: identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok(),
        user_id: identity.user_id.into(),
        encoding,
        idempotency_key,
        body,
        reply,
    }));
    Ok(json_of_now(StatusCode::OK, ask(site, &document_id, message, answer).await?))
}

fn check_open(site: &Site) -> Result<(), HttpError> {
    if site.is_draining() { Err(HttpError::shutting_down()) } else { Ok(()) }
}

/// Asks for a state, when it is its turn: it may be large. Where clients who do not read hold much already it is not even
/// made, since that takes the time of the document's core.
async fn ask_for_state(
    site: &Site,
    read: ReadState,
    answer: oneshot::Receiver<Result<Bytes, InboundError>>,
) -> Result<Bytes, HttpError> {
    let permit = timeout(site.answer_timeout, site.state_reads.acquire()).await;
    let _permit = permit.map_err(|_| HttpError::at_capacity())?.map_err(|_| HttpError::internal())?;
    if site.answers.is_crowded() {
        return Err(HttpError::at_capacity());
    }
    let document_id = read.document_id.clone();
    ask(site, &document_id, CoreMessage::ReadState(read), answer).await
}

/// Asks the core that owns the document, and waits for what it says, but not for ever.
async fn ask(
    site: &Site,
    document_id: &DocumentId,
    message: CoreMessage,
    answer: oneshot::Receiver<Result<Bytes, InboundError>>,
) -> Result<Bytes, HttpError> {
    site.shared.send(document_id, message).map_err(|_| HttpError::at_capacity())?;
    match timeout(site.answer_timeout, answer).await {
        Ok(Ok(answer)) => Ok(answer?),
        // A core that stops lets go of what it was asked.
        Ok(Err(_)) if site.is_draining() => Err(HttpError::shutting_down()),
        Ok(Err(_)) => {
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

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Box<str>>, HttpError> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let key = line.to_str().unwrap_or_default();
    if lines.next().is_some() || !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        let expected = format!("1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters, once");
        return Err(HttpError::invalid("Idempotency-Key", expected));
    }
    Ok(Some(key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str], expected: Option<Option<&str>>) {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(IDEMPOTENCY_KEY, key.parse().unwrap());
        }
        let read = idempotency_key(&headers).ok();
        assert_eq!(read.as_ref().map(|key| key.as_deref()), expected, "{keys:?}");
    }

    #[test]
    fn an_idempotency_key_is_short_and_single() {
        check(&[], Some(None));
        check(&["k-1"], Some(Some("k-1")));
        check(&[&"x".repeat(128)], Some(Some(&"x".repeat(128))));
        check(&[&"x".repeat(129)], None);
        check(&[""], None);
        check(&["é"], None);
        check(&["a", "a"], None);
    }
}

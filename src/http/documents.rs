//! What is asked of a document over HTTP: passed on to the core that owns it.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use tokio::time::timeout;

use super::ask::{ask, check_open};
use super::body::read_json;
use super::caller::admit;
use super::error::HttpError;
use super::history;
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::cores::{Ask, PostChanges, ReadState};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// `GET /api/documents/{document_id}/state`.
pub(super) async fn state(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
    let query = Query::new(request.uri.query());
    let (encoding, with_metadata) = (query.position_encoding()?, query.include_metadata()?);
    let current = ReadState { encoding, with_metadata };
    let body = match query.version()? {
        None => ask_for_state(site, &document_id, current).await?,
        Some(version) => match history::read(site, &document_id, version, with_metadata).await? {
            Some(body) => body,
            None => {
                // There is no such version; or else there is no such document, which its core then says.
                ask_for_state(site, &document_id, current).await?;
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
    let post = PostChanges {
        is_admin: identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok(),
        user_id: identity.user_id.into(),
        encoding,
        idempotency_key,
        body,
    };
    Ok(json_of_now(StatusCode::OK, ask(site, &document_id, Ask::Changes(post)).await?))
}

/// Asks for a state, when it is its turn: it may be large. Where clients who do not read hold much already it is not even
/// made, since that takes the time of the document's core.
async fn ask_for_state(site: &Site, document_id: &DocumentId, read: ReadState) -> Result<Bytes, HttpError> {
    let permit = timeout(site.answer_timeout, site.state_reads.acquire()).await;
    let _permit = permit.map_err(|_| HttpError::at_capacity())?.map_err(|_| HttpError::internal())?;
    if site.answers.is_crowded() {
        return Err(HttpError::at_capacity());
    }
    ask(site, document_id, Ask::State(read)).await
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

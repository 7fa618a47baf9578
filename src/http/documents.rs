//! What is asked of a document over HTTP: passed on to the core that owns it.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use jddb_core::protocol::{DocumentBody, Parser, read_document_body, read_lock_body, read_restore_body};
use jddb_core::room::{RewriteKind, Rewriting};
use tokio::time::timeout;

use super::ask::{ask, check_open, check_there};
use super::body::read_json;
use super::caller::admit;
use super::conditions;
use super::error::HttpError;
use super::query::Query;
use super::response::{HttpResponse, answered, locate};
use super::site::Site;
use super::stored;
use crate::auth::Scope;
use crate::cores::{Answered, Ask, Asker, ReadState};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// `GET /api/documents/{document_id}/state`.
pub(super) async fn state(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
    let query = Query::new(request.uri.query());
    let (encoding, with_metadata) = (query.position_encoding()?, query.include_metadata()?);
    let current = ReadState { encoding, with_metadata };
    let state = match query.version()? {
        None => ask_for_state(site, request, &document_id, current).await?,
        Some(version) => {
            site.check_room()?;
            let body = match stored::read(site, &document_id, version, with_metadata).await? {
                Some(body) => body,
                None => {
                    check_there(site, request, &document_id).await?;
                    stored::unstored(&document_id, version, with_metadata)?
                }
            };
            Answered { body, version: Some(version), created: false }
        }
    };
    Ok(answered(StatusCode::OK, state))
}

/// `POST /api/documents/{document_id}/changes`.
pub(super) async fn changes(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (asker, document_id) = asker(site, request, segment, Scope::DocumentWrite)?;
    let body = read_json(&request.headers, body, site).await?;
    Ok(answered(StatusCode::OK, ask_while_open(site, request, &document_id, Ask::Changes(asker, body)).await?))
}

/// `PUT /api/documents/{document_id}`.
pub(super) async fn put(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (asker, document_id) = asker(site, request, segment, Scope::DocumentWrite)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let DocumentBody { texts, properties } =
        read_document_body(&mut Parser::default(), &mut body, site.limits.get().sections)?;
    let rewriting = Rewriting { texts, kind: RewriteKind::Put(properties) };
    let put = ask_while_open(site, request, &document_id, Ask::Rewrite(asker, rewriting)).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answered(status, put);
    if status == StatusCode::CREATED {
        locate(&mut response, &format!("/api/documents/{document_id}/state"));
    }
    Ok(response)
}

/// `POST /api/documents/{document_id}/restore`.
pub(super) async fn restore(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (asker, document_id) = asker(site, request, segment, Scope::DocumentWrite)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let version = read_restore_body(&mut Parser::default(), &mut body)?;
    let Some(texts) = stored::texts(site, &document_id, version).await? else {
        check_there(site, request, &document_id).await?;
        return Err(HttpError::unknown_version("version", version));
    };
    let rewriting = Rewriting { texts, kind: RewriteKind::Restore(version) };
    Ok(answered(StatusCode::OK, ask_while_open(site, request, &document_id, Ask::Rewrite(asker, rewriting)).await?))
}

/// `DELETE /api/documents/{document_id}`.
pub(super) async fn delete(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    let (asker, document_id) = asker(site, request, segment, Scope::DocumentAdmin)?;
    Ok(answered(StatusCode::OK, ask_while_open(site, request, &document_id, Ask::Delete(asker)).await?))
}

/// `PUT /api/documents/{document_id}/lock`.
pub(super) async fn lock(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (asker, document_id) = asker(site, request, segment, Scope::DocumentAdmin)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let wanted = read_lock_body(&mut Parser::default(), &mut body)?;
    Ok(answered(StatusCode::OK, ask_while_open(site, request, &document_id, Ask::Lock(asker, wanted)).await?))
}

/// `DELETE /api/documents/{document_id}/lock`.
pub(super) async fn unlock(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    let (_, document_id) = asker(site, request, segment, Scope::DocumentAdmin)?;
    Ok(answered(StatusCode::OK, ask_while_open(site, request, &document_id, Ask::Unlock).await?))
}

/// Who asks for a change of the document named in the path, if they may, and what they expect of it.
fn asker(site: &Site, request: &Parts, segment: &str, scope: Scope) -> Result<(Asker, DocumentId), HttpError> {
    check_open(site)?;
    let (identity, document_id) = admit(site, request, segment, scope)?;
    let asker = Asker {
        is_admin: identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok(),
        user_id: identity.user_id.into(),
        encoding: Query::new(request.uri.query()).position_encoding()?,
        idempotency_key: idempotency_key(&request.headers)?,
        if_match: conditions::if_match(&request.headers)?,
    };
    Ok((asker, document_id))
}

/// Asks, unless the server stops by now: bodies and disks take their time.
async fn ask_while_open(
    site: &Site,
    request: &Parts,
    document_id: &DocumentId,
    what: Ask,
) -> Result<Answered, HttpError> {
    check_open(site)?;
    ask(site, request, document_id, what).await
}

/// Asks for a state, when it is its turn: it may be large. Where clients who do not read hold much already it is not even
/// made, since that takes the time of the document's core.
async fn ask_for_state(
    site: &Site,
    request: &Parts,
    document_id: &DocumentId,
    read: ReadState,
) -> Result<Answered, HttpError> {
    let permit = timeout(site.answer_timeout, site.state_reads.acquire()).await;
    let _permit = permit.map_err(|_| HttpError::at_capacity())?.map_err(|_| HttpError::internal())?;
    site.check_room()?;
    ask(site, request, document_id, Ask::State(read)).await
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Box<str>>, HttpError> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let is_key = |key: &&str| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = line.to_str().ok().filter(is_key);
    let Some(key) = key.filter(|_| lines.next().is_none()) else {
        let expected = format!("1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters, once");
        return Err(HttpError::invalid("Idempotency-Key", expected));
    };
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
        check(&["a b"], None);
        check(&["a\tb"], None);
        check(&["a", "a"], None);
    }
}

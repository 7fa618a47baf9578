//! Entries of the translation memory: shown, rewritten, accepted or rejected, rated, deleted.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{ErrorCode, Parser, read_feedback_body, read_revision_body};
use jddb_core::translation::{Entry, EntryId, Revision, ShownEntry};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::read_json;
use super::caller::{authenticate, author};
use super::error::HttpError;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::stored::read_disk;
use crate::auth::{Identity, Scope, percent_decode};
use crate::translations::TranslationError;

/// The answer of `DELETE /api/translation/entries/{translation_id}`.
#[derive(Serialize)]
struct Deleted {
    translation_id: String,
    deleted: bool,
}

/// `GET /api/translation/entries/{translation_id}`.
pub(super) async fn get(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let (id, shared) = (entry_id(segment)?, Arc::clone(&site.shared));
    // An index may be merged meanwhile, for which a core does not wait.
    let entry = read_disk(site, move |_| Ok(shared.translations.entry(id))).await?;
    Ok(show(&*entry.ok_or_else(|| unknown(segment))?))
}

/// `PATCH /api/translation/entries/{translation_id}`.
pub(super) async fn revise(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (id, identity) = caller(site, request, segment)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_revision_body(&mut Parser::default(), &mut body)?;
    let revision = Revision {
        translated_text: body.translated_text,
        status: body.status,
        ..Revision::by(identity.user_id.as_str().into())
    };
    change(site, request, id, &identity, revision).await
}

/// `POST /api/translation/entries/{translation_id}/feedback`.
pub(super) async fn feedback(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let (id, identity) = caller(site, request, segment)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_feedback_body(&mut Parser::default(), &mut body)?;
    let revision = Revision { rating: body.rating, used: body.used, ..Revision::by(identity.user_id.as_str().into()) };
    change(site, request, id, &identity, revision).await
}

/// `DELETE /api/translation/entries/{translation_id}`.
pub(super) async fn delete(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    let (id, identity) = caller(site, request, segment)?;
    let author = author(site, request, &identity)?;
    let removed = site.shared.translations.remove(id, author);
    let removed = timeout(site.answer_timeout, removed).await.unwrap_or(Err(TranslationError::Busy))?;
    let mut answer = Vec::new();
    write_json(&mut answer, &Deleted { translation_id: removed.id.to_string(), deleted: true });
    Ok(json_of_now(StatusCode::OK, answer))
}

/// Who wants to change which entry.
fn caller(site: &Site, request: &Parts, segment: &str) -> Result<(EntryId, Identity), HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::TranslationWrite)?;
    Ok((entry_id(segment)?, identity))
}

async fn change(
    site: &Site,
    request: &Parts,
    id: EntryId,
    identity: &Identity,
    revision: Revision,
) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let revised = site.shared.translations.revise(id, revision, author(site, request, identity)?);
    let revised = timeout(site.answer_timeout, revised).await.unwrap_or(Err(TranslationError::Busy))?;
    Ok(show(&revised))
}

fn show(entry: &Entry) -> HttpResponse {
    let mut answer = Vec::new();
    write_json(&mut answer, &ShownEntry::of(entry));
    json_of_now(StatusCode::OK, answer)
}

fn entry_id(segment: &str) -> Result<EntryId, HttpError> {
    let name = percent_decode(segment);
    name.and_then(|name| EntryId::from_name(&name)).ok_or_else(|| unknown(segment))
}

fn unknown(segment: &str) -> HttpError {
    let name = percent_decode(segment).unwrap_or_default();
    let message = format!("there is no translation {name}: names are as in translation_id, such as trans_98765");
    HttpError::new(ErrorCode::NotFound, message)
}

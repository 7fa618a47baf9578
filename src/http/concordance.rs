//! `GET /api/translation/search`: entries of the translation memory in which a phrase stands, the newest first.

use hyper::StatusCode;
use hyper::http::request::Parts;
use jddb_core::protocol::language_pair;
use jddb_core::protocol::outbound::write_json;
use jddb_core::translation::{EntryId, Phrase, ShownEntry, Side, Status};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::caller::authenticate;
use super::error::HttpError;
use super::page::limit_of;
use super::query::{BadParameter, Query};
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::translations::{TranslationError, WantedPhrase};

/// The longest phrase, in bytes.
const PHRASE_BYTES_MAX: usize = 256;
/// More bytes than any of the names that can be asked for, and than an entry's.
const NAME_BYTES_MAX: usize = 64;

#[derive(Serialize)]
struct Found<'a> {
    entries: Vec<ShownEntry<'a>>,
    /// What to name as `before` to go on; null at the end.
    next: Option<String>,
}

/// `GET /api/translation/search`.
pub(super) async fn search(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let query = Query::new(request.uri.query());
    let wanted = WantedPhrase {
        phrase: phrase(query)?,
        side: side(query)?,
        pair: language_pair("", [query.language("source_language")?, query.language("target_language")?], [None; 2])?,
        project: query.project_id()?,
        status: status(query)?,
        max: limit_of(query)?,
    };
    let found = timeout(site.answer_timeout, site.shared.translations.concordance(wanted, before(query)?)).await;
    let found = found.unwrap_or(Err(TranslationError::Busy))?;
    let entries = found.entries.iter().map(|entry| ShownEntry::of(entry)).collect();
    let mut answer = Vec::new();
    write_json(&mut answer, &Found { entries, next: found.next.map(|id| id.to_string()) });
    Ok(json_of_now(StatusCode::OK, answer))
}

fn phrase(query: Query<'_>) -> Result<Phrase, BadParameter> {
    let expected = "1 to 256 bytes that are not all white space, once";
    let text = query.text("q", expected, PHRASE_BYTES_MAX)?;
    text.and_then(|text| Phrase::new(&text).ok()).ok_or(BadParameter { name: "q", expected })
}

fn side(query: Query<'_>) -> Result<Side, BadParameter> {
    let of_name = |name: &str| match name {
        "source" => Some(Side::Source),
        "target" => Some(Side::Target),
        "both" => Some(Side::Both),
        _ => None,
    };
    Ok(named(query, "in", "source, target or both, once", of_name)?.unwrap_or_default())
}

fn status(query: Query<'_>) -> Result<Option<Status>, BadParameter> {
    named(query, "status", "accepted, pending or rejected, once", Status::of_name)
}

fn before(query: Query<'_>) -> Result<Option<EntryId>, BadParameter> {
    named(query, "before", "a translation_id such as trans_98765, once", EntryId::from_name)
}

fn named<T>(
    query: Query<'_>,
    name: &'static str,
    expected: &'static str,
    of_name: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, BadParameter> {
    let text = query.text(name, expected, NAME_BYTES_MAX)?;
    text.map(|text| of_name(&text).ok_or(BadParameter { name, expected })).transpose()
}

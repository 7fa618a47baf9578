//! The terms of the glossary: listed, added, changed and removed.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{ErrorCode, InboundError, Parser, TermBody, language_pair, read_term_body};
use jddb_core::translation::{
    DOMAIN_BYTES_MAX, Scope as Place, Staged, Term, TermChange, TermFilter, TermId, TermPlace, TermView,
};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::read_json;
use super::caller::{authenticate, author};
use super::error::HttpError;
use super::page::{Page, Pagination};
use super::query::Query;
use super::response::{HttpResponse, json_of_now, locate};
use super::site::Site;
use super::stored::read_disk;
use super::translation::check_supported;
use crate::auth::{Scope, percent_decode};
use crate::translations::TranslationError;

/// The longest text that is looked for in terms, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The answer of `GET /api/translation/glossary`.
#[derive(Serialize)]
struct Terms<'a> {
    terms: Vec<TermView<'a>>,
    pagination: Pagination,
}

/// The answer of `DELETE /api/translation/glossary/{term_id}`.
#[derive(Serialize)]
struct Removed {
    term_id: String,
    removed: bool,
}

/// `GET /api/translation/glossary`.
pub(super) async fn list(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let query = Query::new(request.uri.query());
    let (filter, page) = (filter_of(query)?, Page::of(query)?);
    let shared = Arc::clone(&site.shared);
    // A large glossary takes some time to go through, which is not the core's.
    let body = read_disk(site, move |_| {
        let terms = filter.choose(shared.translations.terms_of(&filter.scope));
        let shown = terms.iter().skip(page.skip()).take(page.limit).map(|term| TermView::from(&**term));
        Ok(json(&Terms { terms: shown.collect(), pagination: page.of_total(terms.len()) }))
    });
    Ok(json_of_now(StatusCode::OK, body.await?))
}

/// `POST /api/translation/glossary`.
pub(super) async fn add(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_may_write(site, request)?;
    let TermBody { project_id, languages, content } = read_body(site, request, body).await?;
    let place = TermPlace {
        scope: project_id.map_or(Place::Shared, Place::Project),
        pair: language_pair("", languages, [None; 2])?,
    };
    let staged = change(site, request, TermChange::Put(place, content)).await?;
    let term = put_term(&staged)?;
    if staged.created == 0 {
        return Ok(json_of_now(StatusCode::OK, json(&TermView::from(term))));
    }
    let mut response = json_of_now(StatusCode::CREATED, json(&TermView::from(term)));
    locate(&mut response, &format!("/api/translation/glossary/{}", term.id));
    Ok(response)
}

/// `GET /api/translation/glossary/{term_id}`.
pub(super) async fn read(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let term = known(site, segment).await?;
    Ok(json_of_now(StatusCode::OK, json(&TermView::from(&*term))))
}

/// `PUT /api/translation/glossary/{term_id}`.
pub(super) async fn put(
    site: &Site,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    check_may_write(site, request)?;
    let body = read_body(site, request, body).await?;
    let before = known(site, segment).await?;
    check_place(&body, &before.place)?;
    let staged = change(site, request, TermChange::Replace(before.id, body.content)).await?;
    Ok(json_of_now(StatusCode::OK, json(&TermView::from(put_term(&staged)?))))
}

/// `DELETE /api/translation/glossary/{term_id}`.
pub(super) async fn remove(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_may_write(site, request)?;
    let id = named(segment)?;
    change(site, request, TermChange::Remove(id)).await?;
    Ok(json_of_now(StatusCode::OK, json(&Removed { term_id: id.to_string(), removed: true })))
}

fn check_may_write(site: &Site, request: &Parts) -> Result<(), HttpError> {
    check_open(site)?;
    Ok(authenticate(site, request)?.has(Scope::TranslationWrite)?)
}

async fn read_body(site: &Site, request: &Parts, body: Incoming) -> Result<TermBody, HttpError> {
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_term_body(&mut Parser::default(), &mut body)?;
    // Bodies take their time.
    check_open(site)?;
    Ok(body)
}

/// Changes a term for the caller.
async fn change(site: &Site, request: &Parts, change: TermChange) -> Result<Staged, HttpError> {
    let author = author(site, request, &authenticate(site, request)?)?;
    let changed = site.shared.translations.change_terms(vec![change], None, author);
    Ok(timeout(site.answer_timeout, changed).await.unwrap_or(Err(TranslationError::Busy))?)
}

/// The one term that was put.
fn put_term(staged: &Staged) -> Result<&Term, HttpError> {
    staged.put.first().map(|term| &**term).ok_or_else(HttpError::internal)
}

fn named(segment: &str) -> Result<TermId, HttpError> {
    let unknown = || HttpError::new(ErrorCode::NotFound, "there is no such term: its name is like term_123");
    percent_decode(segment).and_then(|name| TermId::from_name(&name)).ok_or_else(unknown)
}

/// The term of that name. A large change may be under way, for which a core does not wait.
async fn known(site: &Site, segment: &str) -> Result<Arc<Term>, HttpError> {
    let (id, shared) = (named(segment)?, Arc::clone(&site.shared));
    let unknown =
        move || HttpError::new(ErrorCode::NotFound, format!("there is no term {id}: it may have been removed"));
    read_disk(site, move |_| shared.translations.term(id).ok_or_else(unknown)).await
}

/// A term stays where it is.
fn check_place(body: &TermBody, place: &TermPlace) -> Result<(), InboundError> {
    let stays = |field: &str, is: bool| {
        let expected = "what it is, or nothing: add the term there, and remove this one";
        if is { Ok(()) } else { Err(InboundError::invalid(field.to_owned(), expected)) }
    };
    let [source, target] = body.languages;
    stays("project_id", body.project_id.is_none() || body.project_id.as_ref() == place.scope.project())?;
    stays("source_language", source.is_none_or(|language| language == place.pair.source()))?;
    stays("target_language", target.is_none_or(|language| language == place.pair.target()))
}

fn filter_of(query: Query<'_>) -> Result<TermFilter, HttpError> {
    let language = |name: &'static str| {
        let language = query.language(name)?;
        Ok::<_, HttpError>(language.map(|language| check_supported(language, name)).transpose()?)
    };
    let languages = [language("source_language")?, language("target_language")?];
    if let [Some(_), Some(_)] = languages {
        language_pair("", languages, [None; 2])?;
    }
    let expected = "1 to 256 bytes without control characters, once";
    Ok(TermFilter {
        scope: query.project_id()?.map_or(Place::Shared, Place::Project),
        languages,
        domain: query.text("domain", expected, DOMAIN_BYTES_MAX)?,
        text: query.text("q", expected, TEXT_BYTES_MAX)?,
    })
}

fn json(answer: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::new();
    write_json(&mut body, answer);
    body
}

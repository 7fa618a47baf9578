//! One request, one answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Version};

use super::answers::HeldAnswers;
use super::catalogue;
use super::concordance;
use super::cors::{self, Page};
use super::diff;
use super::documents;
use super::entries;
use super::error::HttpError;
use super::events;
use super::gzip;
use super::health;
use super::history;
use super::ids;
use super::logins;
use super::memory;
use super::parse_error;
use super::presence;
use super::published;
use super::quota::{self, Asker};
use super::response::{self, HttpResponse};
use super::route::{self, Endpoint};
use super::sessions;
use super::site::Site;
use super::slots::Slot;
use super::translation;
use super::upgrade::{self, UpgradeOffer};
use super::watch;
use super::{glossary, glossary_files};
use crate::clock;
use crate::logging::redact_query;

/// Headers of a request; of HTTP/1.1 hyper takes no more either.
const FIELDS_MAX: usize = 100;
/// What a client may expect of us.
const CONTINUE: &str = "100-continue";
/// What each header counts beside its name and its value.
const FIELD_BYTES_EXTRA: usize = 32;

/// Answers a request, whatever it is. Without a `slot` there is no room for it.
pub(super) async fn answer(
    site: Rc<Site>,
    slot: Option<Rc<Slot>>,
    answers: Arc<HeldAnswers>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<HttpResponse, Infallible> {
    let began = clock::monotonic();
    let (mut parts, body) = request.into_parts();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let request_id = ids::request_id_of(&parts.headers);
    let page = Page::of(&site.shared.config.http.allowed_origins, &parts.headers);
    let mut standing = None;
    // A browser asks for its user beforehand, who would be counted twice, and without a token for all behind an address.
    if method == Method::OPTIONS && cors::is_preflight(&parts.headers) && !route::is_probe(uri.path()) {
        standing = quota::look(&site, peer, &parts);
    } else if !route::is_probe(uri.path()) {
        let asker = Asker::count(&site, peer, &parts);
        standing = asker.standing();
        parts.extensions.insert(asker);
    }
    let wants_gzip = gzip::is_wanted(&parts.headers);
    let offer = UpgradeOffer::of(&parts, slot.as_ref());
    let result = dispatch(&site, slot, parts, body).await;
    let result = result.map(|answer| gzip::compress(answer, wants_gzip, &site.answers));
    // What had an effect is answered, or it would be asked for once more; and a probe is, which takes next to nothing.
    let may_be_refused = matches!(method, Method::GET | Method::HEAD) && !route::is_probe(uri.path());
    let has_room = |answer: &HttpResponse| {
        let bytes = answer.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        if may_be_refused {
            return answers.add(bytes);
        }
        answers.add_always(bytes);
        true
    };
    let result = result.and_then(|answer| if has_room(&answer) { Ok(answer) } else { Err(HttpError::at_capacity()) });
    let mut response = result.unwrap_or_else(|error| error.into_response(&request_id));
    // What a client sent was checked, and ours are always fit for a header.
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static(ids::REQUEST_ID), value);
    }
    let headers = response.headers_mut();
    if let Some(standing) = standing {
        quota::tell(headers, standing);
    }
    page.tell(headers);
    response::guard(headers);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        offer.into_iter().for_each(UpgradeOffer::refuse);
    }
    tracing::debug!(
        %method,
        target = %redact_query(&uri.to_string()),
        status = response.status().as_u16(),
        duration_us = (clock::monotonic() - began).as_micros(),
        %request_id,
        "request"
    );
    Ok(response)
}

async fn dispatch(
    site: &Rc<Site>,
    slot: Option<Rc<Slot>>,
    parts: Parts,
    body: Incoming,
) -> Result<HttpResponse, HttpError> {
    let slot = slot.ok_or_else(HttpError::at_capacity)?;
    check_head(&parts, site.shared.config.http.header_bytes)?;
    check_expectations(&parts)?;
    let origins = &site.shared.config.http.allowed_origins;
    if parts.method == Method::OPTIONS {
        quota::check(&parts)?;
        check_host(&parts)?;
        cors::check_origin(origins, &parts.headers)?;
        return cors::options(&parts);
    }
    let path = parts.uri.path().to_owned();
    let found = route::find(&parts.method, &path);
    // Who asks too often for a WebSocket is told on it.
    if !found.as_ref().is_ok_and(|(endpoint, _)| endpoint.is_socket()) {
        quota::check(&parts)?;
    }
    check_host(&parts)?;
    let (endpoint, segment) = found?;
    cors::check_origin(origins, &parts.headers)?;
    match endpoint {
        Endpoint::Health => Ok(health::health()),
        Endpoint::Ready => Ok(health::readiness(site)),
        Endpoint::OpenApi | Endpoint::AsyncApi | Endpoint::Docs | Endpoint::DocsScript | Endpoint::DocsStyle => {
            Ok(published::file(endpoint))
        }
        Endpoint::State => documents::state(site, &parts, segment).await,
        Endpoint::Changes => documents::changes(site, &parts, body, segment).await,
        Endpoint::DocumentPresence => presence::of_document(site, &parts, segment).await,
        Endpoint::UserPresence => presence::update(site, &parts, body, segment).await,
        Endpoint::Sessions => sessions::create(site, &parts, body).await,
        Endpoint::ActiveSessions => sessions::active(site, &parts).await,
        Endpoint::Session => sessions::end(site, &parts, segment).await,
        Endpoint::Documents => catalogue::list(site, &parts).await,
        Endpoint::PutDocument => documents::put(site, &parts, body, segment).await,
        Endpoint::DeleteDocument => documents::delete(site, &parts, segment).await,
        Endpoint::Lock => documents::lock(site, &parts, body, segment).await,
        Endpoint::Unlock => documents::unlock(site, &parts, segment).await,
        Endpoint::History => history::list(site, &parts, segment).await,
        Endpoint::Diff => diff::between(site, &parts, segment).await,
        Endpoint::Restore => documents::restore(site, &parts, body, segment).await,
        Endpoint::Suggestions => translation::suggestions(site, &parts, body).await,
        Endpoint::SubmitTranslation => translation::submit(site, &parts, body).await,
        Endpoint::Analysis => translation::analysis(site, &parts, body).await,
        Endpoint::Concordance => concordance::search(site, &parts).await,
        Endpoint::ImportMemory => memory::import(site, &parts, body).await,
        Endpoint::ExportMemory => memory::export(site, &parts),
        Endpoint::Translation => entries::get(site, &parts, segment).await,
        Endpoint::ReviseTranslation => entries::revise(site, &parts, body, segment).await,
        Endpoint::DeleteTranslation => entries::delete(site, &parts, segment).await,
        Endpoint::TranslationFeedback => entries::feedback(site, &parts, body, segment).await,
        Endpoint::Glossary => glossary::list(site, &parts).await,
        Endpoint::AddTerm => glossary::add(site, &parts, body).await,
        Endpoint::ImportGlossary => glossary_files::import(site, &parts, body).await,
        Endpoint::ExportGlossary => glossary_files::export(site, &parts),
        Endpoint::Term => glossary::read(site, &parts, segment).await,
        Endpoint::PutTerm => glossary::put(site, &parts, body, segment).await,
        Endpoint::RemoveTerm => glossary::remove(site, &parts, segment).await,
        Endpoint::Refresh => logins::refresh(site, &parts).await,
        Endpoint::Revoke => logins::revoke(site, &parts, body).await,
        Endpoint::DocumentSocket => upgrade::document(site, slot, parts, &body, segment).await,
        Endpoint::DocumentEvents => events::document(site, &parts, segment).await,
        Endpoint::PresenceEvents | Endpoint::MonitoringEvents => events::feed(site, &parts, endpoint).await,
        Endpoint::PresenceSocket | Endpoint::MonitoringSocket | Endpoint::TranslationSocket => {
            watch::feed(site, slot, parts, &body, endpoint, segment)
        }
    }
}

/// Bounds a head of HTTP/2 as hyper does one of HTTP/1.1, which never comes here if it is too large.
fn check_head(parts: &Parts, bytes_max: usize) -> Result<(), HttpError> {
    if parts.version != Version::HTTP_2 {
        return Ok(());
    }
    // Counted as a client counts that keeps to what it is told (RFC 9113, section 6.5.2).
    let field_bytes = |name: usize, value: usize| name + value + FIELD_BYTES_EXTRA;
    let fields = parts.headers.iter().map(|(name, value)| field_bytes(name.as_str().len(), value.len()));
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let bytes: usize = fields.sum::<usize>() + field_bytes(0, target);
    if bytes > bytes_max || parts.headers.len() > FIELDS_MAX {
        return Err(parse_error::error_for(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    Ok(())
}

/// Whatever else than to go on is expected of us we cannot do (RFC 9110, section 10.1.1).
fn check_expectations(parts: &Parts) -> Result<(), HttpError> {
    let is_known = |member: &str| member.is_empty() || member.eq_ignore_ascii_case(CONTINUE);
    let are_known = |line: &HeaderValue| line.to_str().is_ok_and(|line| line.split(',').map(str::trim).all(is_known));
    if parts.headers.get_all(EXPECT).iter().all(are_known) {
        return Ok(());
    }
    Err(HttpError::invalid("Expect", "100-continue, or no such header").with_status(StatusCode::EXPECTATION_FAILED))
}

/// A request names its host once (RFC 9112, section 3.2): with HTTP/2 as `:authority`, which `Host` may repeat (RFC 9113,
/// section 8.3.1).
fn check_host(parts: &Parts) -> Result<(), HttpError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let authority = parts.uri.authority().filter(|_| parts.version == Version::HTTP_2);
    let is_named = match (authority, hosts.next()) {
        (Some(authority), Some(host)) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => parts.version < Version::HTTP_11,
    };
    if is_named && hosts.next().is_none() {
        return Ok(());
    }
    Err(HttpError::invalid("Host", "the header Host, once; with HTTP/2 :authority, and no other host beside it"))
}

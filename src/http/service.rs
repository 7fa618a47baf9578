//! One request, one answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};

use super::answers::HeldAnswers;
use super::catalogue;
use super::cors::{self, Page};
use super::diff;
use super::documents;
use super::error::HttpError;
use super::events;
use super::gzip;
use super::health;
use super::history;
use super::ids;
use super::logins;
use super::presence;
use super::published;
use super::quota::{self, Asker};
use super::response::{self, HttpResponse};
use super::route::{self, Endpoint};
use super::sessions;
use super::site::Site;
use super::slots::Slot;
use super::upgrade;
use super::watch;
use crate::clock;
use crate::logging::redact_query;

/// Answers a request, whatever it is.
pub(super) async fn answer(
    site: Rc<Site>,
    slot: Rc<Slot>,
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
    if method == Method::OPTIONS && !route::is_probe(uri.path()) {
        standing = quota::look(&site, peer, &parts);
    } else if !route::is_probe(uri.path()) {
        let asker = Asker::count(&site, peer, &parts);
        standing = asker.standing();
        parts.extensions.insert(asker);
    }
    let wants_gzip = gzip::is_wanted(&parts.headers);
    let result = dispatch(&site, slot, parts, body).await;
    let result = result.map(|answer| gzip::compress(answer, wants_gzip, &site.answers));
    let has_room = |answer: &HttpResponse| {
        let bytes = answer.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        answers.add(bytes.unwrap_or(0))
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

async fn dispatch(site: &Rc<Site>, slot: Rc<Slot>, parts: Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    let origins = &site.shared.config.http.allowed_origins;
    if parts.method == Method::OPTIONS {
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
        Endpoint::Refresh => logins::refresh(site, &parts).await,
        Endpoint::Revoke => logins::revoke(site, &parts, body).await,
        Endpoint::DocumentSocket => upgrade::document(site, slot, parts, &body, segment).await,
        Endpoint::DocumentEvents => events::document(site, &parts, segment).await,
        Endpoint::PresenceEvents | Endpoint::MonitoringEvents => events::feed(site, &parts, endpoint).await,
        Endpoint::PresenceSocket | Endpoint::MonitoringSocket => watch::feed(site, slot, parts, &body, endpoint),
    }
}

/// RFC 9112, section 3.2: a request of HTTP/1.1 names its host once.
fn check_host(parts: &Parts) -> Result<(), HttpError> {
    let count = parts.headers.get_all(HOST).iter().count();
    if count == 1 || (count == 0 && parts.version < Version::HTTP_11) {
        return Ok(());
    }
    Err(HttpError::invalid("Host", "the header Host, once"))
}

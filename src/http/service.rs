//! One request, one answer.

use std::convert::Infallible;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Version};

use super::documents;
use super::error::HttpError;
use super::health;
use super::ids;
use super::response::HttpResponse;
use super::route::{Endpoint, Route};
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
    request: Request<Incoming>,
) -> Result<HttpResponse, Infallible> {
    let began = clock::monotonic();
    let (parts, body) = request.into_parts();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let request_id = ids::request_id_of(&parts.headers);
    let result = dispatch(&site, slot, parts, body).await;
    let mut response = result.unwrap_or_else(|error| error.into_response(&request_id));
    // What a client sent was checked, and ours are always fit for a header.
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static(ids::REQUEST_ID), value);
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

async fn dispatch(site: &Rc<Site>, slot: Rc<Slot>, parts: Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_host(&parts)?;
    let path = parts.uri.path().to_owned();
    let Route { endpoint, document } = Route::find(&path)?;
    Route { endpoint, document }.check_method(&parts.method)?;
    match endpoint {
        Endpoint::Health => Ok(health::health()),
        Endpoint::Ready => Ok(health::readiness(site)),
        Endpoint::State => documents::state(site, &parts, document).await,
        Endpoint::Changes => documents::changes(site, &parts, body, document).await,
        Endpoint::DocumentSocket => upgrade::document(site, slot, parts, &body, document).await,
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

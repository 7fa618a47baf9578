//! What pages of other origins may ask and see (the CORS protocol of the Fetch standard).
//!
//! Credentials in its sense, cookies, are never allowed: tokens are sent by the page itself.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use hyper::http::request::Parts;

use super::caller::lines;
use super::error::HttpError;
use super::response::{self, HttpResponse};
use super::route;
use crate::config::Origins;

/// What a page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, x-request-id",
);
/// What it may read, besides what it always may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, location, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, x-ratelimit-retry-after, x-request-id",
);
/// How long a browser need not ask again; none remembers it for longer than some hours.
const MAX_AGE_SECONDS: u64 = 7_200;

/// What of a request an answer to a page depends on.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it is from, if it may see answers.
    origin: Option<HeaderValue>,
    /// Answers differ by origin.
    varies: bool,
}

impl Page {
    pub(super) fn of(allowed: &Origins, request: &HeaderMap) -> Self {
        let origin = request.get(ORIGIN).filter(|_| is_welcome(allowed, request)).cloned();
        if allowed.are_all() {
            return Self { origin: origin.map(|_| HeaderValue::from_static("*")), varies: false };
        }
        Self { origin, varies: true }
    }

    /// Says who may see the answer.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        }
    }
}

/// A page that is not welcome is refused before it is looked at who its user is.
///
/// # Errors
/// It is not.
pub(super) fn check_origin(allowed: &Origins, request: &HeaderMap) -> Result<(), HttpError> {
    if is_welcome(allowed, request) { Ok(()) } else { Err(HttpError::origin_not_allowed()) }
}

fn is_welcome(allowed: &Origins, request: &HeaderMap) -> bool {
    lines(request, &ORIGIN).into_iter().all(|origin| allowed.allow(origin))
}

/// Whether a browser asks with `OPTIONS` what a page may do.
pub(super) fn is_preflight(request: &HeaderMap) -> bool {
    request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// `OPTIONS` of a path, or of the server as a whole (`*`): its methods, and for a page that asks beforehand what it may send.
///
/// # Errors
/// There is no such path.
pub(super) fn options(request: &Parts) -> Result<HttpResponse, HttpError> {
    let methods = route::methods(request.uri.path())?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: HeaderValue| drop(headers.insert(name, value));
    // The names of methods are always fit for a header.
    let methods = HeaderValue::from_str(&methods).unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"));
    if is_preflight(&request.headers) {
        set(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        set(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        set(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS.into());
    }
    set(ALLOW, methods);
    Ok(response)
}

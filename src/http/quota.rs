//! How often a caller may ask, and the headers that say so.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use jddb_core::limits::Standing;

use super::caller;
use super::client_address;
use super::error::HttpError;
use super::site::Site;
use crate::auth::{AuthError, Shown};
use crate::clock;
use crate::request_rates::{Caller, RequestRates, Verdict};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-retry-after");

/// The `limit_type` that clients are told.
pub(super) const LIMIT_TYPE: &str = "request_rate";

/// Who asks, and what is said to it that they ask. It goes with the request.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) shown: Result<Shown, AuthError>,
    verdict: Option<Verdict>,
}

impl Asker {
    /// Finds out who asks, and counts it: a user's requests for the user, whose token is not valid for their address.
    pub(super) fn count(site: &Site, peer: IpAddr, request: &Parts) -> Self {
        let shown = caller::read_token(site, request);
        let caller = match shown.as_ref().map(Shown::identity) {
            Ok(identity) => Caller::User(&identity.user_id, identity.limits.requests_per_minute),
            Err(_) => Caller::Address(client_address::of(peer, &request.headers, &site.shared.config.http)),
        };
        let verdict = site.shared.request_rates.admit(caller, clock::monotonic());
        if verdict.is_some_and(|verdict| verdict.exceeds) {
            site.limits.count_request();
        }
        Self { shown, verdict }
    }

    /// How they stand, where anything is limited.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.verdict.map(|verdict| verdict.standing)
    }
}

/// How the address stands that a request comes from which does not count.
pub(super) fn look(site: &Site, peer: IpAddr, request: &Parts) -> Option<Standing> {
    let address = client_address::of(peer, &request.headers, &site.shared.config.http);
    site.shared.request_rates.look(Caller::Address(address), clock::monotonic())
}

/// How the caller stands, if the request is one too many.
pub(super) fn exceeded(request: &Parts) -> Option<Standing> {
    let asker = request.extensions.get::<Asker>()?;
    asker.verdict.filter(|verdict| verdict.refuses).map(|verdict| verdict.standing)
}

/// Refuses a request that is one too many.
///
/// # Errors
/// It is.
pub(super) fn check(request: &Parts) -> Result<(), HttpError> {
    exceeded(request).map_or(Ok(()), |standing| Err(HttpError::too_many_requests(standing)))
}

/// Says how the caller stands. `Reset` is when one more than `Remaining` would be accepted, and `Retry-After` the seconds until
/// then.
pub(super) fn tell(headers: &mut HeaderMap, standing: Standing) {
    let Standing { limit, remaining, wait_ms } = standing;
    let reset = (clock::now_unix_ms() + u64::from(wait_ms)).div_ceil(1_000);
    let mut set = |name: HeaderName, value: HeaderValue| drop(headers.insert(name, value));
    set(LIMIT, limit.into());
    set(REMAINING, remaining.into());
    set(RESET, reset.into());
    set(RETRY_AFTER, retry_after(standing).into());
}

/// Seconds until one more request would be accepted than now.
pub(super) const fn retry_after(standing: Standing) -> u64 {
    standing.wait_ms.div_ceil(1_000) as u64
}

/// What somebody is told whose request is one too many.
pub(super) fn message(standing: Standing) -> String {
    let (limit, seconds) = (standing.limit, retry_after(standing));
    format!("{limit} requests a minute are accepted, and this is one more: retry in {seconds} seconds")
}

/// The other end of a connection, for what comes of it that is no request.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) rates: Arc<RequestRates>,
    pub(super) address: IpAddr,
}

impl Peer {
    /// Counts what should have been a request; the headers that say so.
    pub(super) fn count_malformed(&self) -> HeaderMap {
        let verdict = self.rates.admit(Caller::Address(self.address), clock::monotonic());
        let mut headers = HeaderMap::new();
        if let Some(verdict) = verdict {
            tell(&mut headers, verdict.standing);
        }
        headers
    }
}

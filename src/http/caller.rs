//! Who asks, and of which document.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use jddb_core::room::JoinRefusal;

use super::error::HttpError;
use super::quota::{self, Asker};
use super::refusal;
use super::site::Site;
use crate::auth::{AuthError, Identity, Scope, find_token, percent_decode};
use crate::clock;

/// The caller of a request, who is known since it was counted.
///
/// # Errors
/// There is no token, or it is not valid.
pub(super) fn authenticate(site: &Site, request: &Parts) -> Result<Identity, AuthError> {
    let asker = request.extensions.get::<Asker>();
    asker.map_or_else(|| verify(site, request), |asker| asker.identity.clone())
}

/// The caller of a request that is to be upgraded.
///
/// # Errors
/// They ask too often, there is no token, or it is not valid.
pub(super) fn authenticate_socket(site: &Site, request: &Parts) -> Result<Identity, JoinRefusal> {
    if let Some(standing) = quota::exceeded(request) {
        return Err(refusal::too_many_requests(standing));
    }
    authenticate(site, request).map_err(refusal::unauthenticated)
}

/// The caller of a request by its token.
///
/// # Errors
/// There is no token, or it is not valid.
pub(super) fn verify(site: &Site, request: &Parts) -> Result<Identity, AuthError> {
    let authorization = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let subprotocols = lines(&request.headers, &SEC_WEBSOCKET_PROTOCOL).join(",");
    let token = find_token(authorization, Some(&subprotocols), request.uri.query())?;
    site.shared.authority.load().verify(&token, clock::now_unix_seconds())
}

/// The document that is named in a path.
///
/// # Errors
/// The name does not match the pattern in force.
pub(super) fn document_id(site: &Site, segment: &str) -> Result<DocumentId, HttpError> {
    let refused = || HttpError::invalid_document_id(site.id_pattern.as_str());
    let name = percent_decode(segment).filter(|name| site.id_pattern.matches(name)).ok_or_else(refused)?;
    DocumentId::new(&name).map_err(|_| refused())
}

/// Who asks, if they may use `scope` on the document named in the path.
///
/// # Errors
/// They are not known, the name is none, or they may not.
pub(super) fn admit(
    site: &Site,
    request: &Parts,
    segment: &str,
    scope: Scope,
) -> Result<(Identity, DocumentId), HttpError> {
    let identity = authenticate(site, request)?;
    let document_id = document_id(site, segment)?;
    identity.allows(scope, document_id.as_str())?;
    Ok((identity, document_id))
}

/// The lines of a header; one that is not visible ASCII counts as empty.
pub(super) fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
}

//! Who asks, and of which document.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use jddb_core::room::{JoinRefusal, Origin};

use super::error::HttpError;
use super::quota::{self, Asker};
use super::refusal;
use super::site::Site;
use crate::auth::{AuthError, Identity, Pass, RefreshToken, Scope, Shown, find_token, percent_decode};
use crate::translations::Author;

/// The caller of a request, who is known since it was counted.
///
/// # Errors
/// There is no token, or it is not valid, or a refresh token.
pub(super) fn authenticate(site: &Site, request: &Parts) -> Result<Identity, AuthError> {
    shown(site, request)?.for_access()
}

/// The token that comes with a request, of whichever kind, which is known since it was counted.
///
/// # Errors
/// There is none, or it is not valid.
pub(super) fn shown(site: &Site, request: &Parts) -> Result<Shown, AuthError> {
    let asker = request.extensions.get::<Asker>();
    asker.map_or_else(|| read_token(site, request), |asker| asker.shown.clone())
}

/// By what the token can be revoked that comes with a request.
///
/// # Errors
/// There is none, or it is not valid.
pub(super) fn pass(site: &Site, request: &Parts) -> Result<Pass, AuthError> {
    match request.extensions.get::<Asker>() {
        Some(Asker { shown: Ok(shown), .. }) => Ok(shown.identity().pass),
        Some(_) | None => Ok(shown(site, request)?.identity().pass),
    }
}

/// Who changes the translation memory by a request, and by what they may.
///
/// # Errors
/// There is no token, or it is not valid.
pub(super) fn author(site: &Site, request: &Parts, identity: &Identity) -> Result<Author, AuthError> {
    let origin = Origin { user_id: identity.user_id.as_str().into(), ..Origin::default() };
    Ok(Author { origin, pass: pass(site, request)?, is_admin: identity.has(Scope::DocumentAdmin).is_ok() })
}

/// The refresh token of a request, which is in its header: what is in a URL is kept in histories and logs.
///
/// # Errors
/// There is none, or it is not valid.
pub(super) fn refresh_token(site: &Site, request: &Parts) -> Result<RefreshToken, AuthError> {
    let in_header = find_token(authorization(request), None, None);
    if in_header == Err(AuthError::Missing) {
        return Err(AuthError::NoRefreshToken);
    }
    shown(site, request)?.for_refresh()
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

/// Reads the token of a request.
///
/// # Errors
/// There is none, or it is not valid.
pub(super) fn read_token(site: &Site, request: &Parts) -> Result<Shown, AuthError> {
    let subprotocols = lines(&request.headers, &SEC_WEBSOCKET_PROTOCOL).join(",");
    let token = find_token(authorization(request), Some(&subprotocols), request.uri.query())?;
    // A connection shows its token once, and is not to take room for long.
    if request.headers.contains_key(UPGRADE) {
        return site.shared.read_token(&token);
    }
    site.shared.read_recent_token(&site.tokens, &token)
}

fn authorization(request: &Parts) -> Option<&str> {
    request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
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

//! New tokens for a refresh token, and tokens that are no longer to be accepted.

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{BearerToken, ErrorCode, Parser, RevocationRequest, read_revocation_body};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::read_json;
use super::caller::{authenticate, refresh_token, shown};
use super::error::HttpError;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::{
    AuthError, Fingerprint, Identity, IssueError, LoginRefusal, Refusal, Revocation, Rotation, Scope, Shown, Token,
};
use crate::clock;
use crate::logins::LoginError;
use crate::metrics::Figure;

/// The answer of `POST /api/auth/refresh`.
#[derive(Serialize)]
struct Refreshed<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
}

/// `POST /api/auth/refresh`. The new tokens are signed before the old one is taken, so that nothing can go wrong after that;
/// whoever is not answered has lost their family all the same, since nobody can tell them from a thief.
pub(super) async fn refresh(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let token = refresh_token(site, request)?;
    let (pair, rotation) = {
        let authority = site.shared.authority.load();
        let pair = authority.renew(&token, clock::now_unix_seconds()).map_err(not_issued)?;
        (pair, Rotation::of(&token, authority.logins_max()))
    };
    let rotated = site.shared.logins.rotate(rotation).await;
    if rotated == Err(LoginError::Refused(LoginRefusal::Token(AuthError::Reused))) {
        site.metrics().of(Figure::LoginsCopied).add(1);
        let user_id = &token.identity.user_id;
        tracing::warn!(%user_id, "a refresh token was used again, so it may be stolen: its family is revoked");
    }
    rotated?;
    site.metrics().of(Figure::LoginsRefreshed).add(1);
    let answer = Refreshed {
        access_token: pair.access.expose(),
        refresh_token: pair.refresh.expose(),
        token_type: "Bearer",
        expires_in: pair.expires_in,
    };
    let mut body = Vec::new();
    write_json(&mut body, &answer);
    Ok(json_of_now(StatusCode::OK, body))
}

/// `POST /api/auth/revoke`. When it is answered the tokens are accepted nowhere, and all connections are closed that came with
/// them; nothing that was asked for by them takes effect any more. A token that is none is accepted nowhere either, which is
/// no error (RFC 7009, section 2.2).
pub(super) async fn revoke(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let wanted = read_revocation_body(&mut Parser::default(), &mut body)?;
    check_open(site)?;
    let revocation = match wanted {
        RevocationRequest::Shown => match shown(site, request) {
            // Somebody was not answered, and asks again.
            Err(AuthError::Revoked) => None,
            shown => Some(of_token(site, shown?.identity())),
        },
        // Whoever has a token may do all with it, and so this too.
        RevocationRequest::Token(token) => read(site, &token).ok().map(|shown| of_token(site, shown.identity())),
        RevocationRequest::User(user_id) => Some(of_user(site, &authenticate(site, request)?, &user_id)?),
    };
    if let Some(revocation) = revocation {
        let number = site.shared.logins.revoke(revocation).await?;
        site.metrics().of(Figure::LoginsRevoked).add(1);
        let enforced = timeout(site.answer_timeout, site.shared.logins.enforced(number)).await;
        enforced.map_err(|_| {
            let message = "it is revoked, but not everybody who came with it is closed yet: retry to make sure";
            HttpError::new(ErrorCode::CapacityExceeded, message)
        })?;
    }
    Ok(json_of_now(StatusCode::OK, r#"{"status":"ok"}"#))
}

fn read(site: &Site, token: &BearerToken<Box<str>>) -> Result<Shown, AuthError> {
    site.shared.read_token(&Token::new(&token.0)?)
}

fn of_token(site: &Site, identity: &Identity) -> Revocation {
    let logins_max = site.shared.authority.load().logins_max();
    Revocation::Login { login: identity.pass.login, exp: identity.exp, logins_max }
}

/// All of a user's tokens, for the user, or for whoever administers all documents.
fn of_user(site: &Site, caller: &Identity, user_id: &str) -> Result<Revocation, HttpError> {
    if caller.user_id != user_id {
        caller.has(Scope::DocumentAdmin)?;
        if caller.documents.is_some() {
            return Err(Refusal::Documents.into());
        }
    }
    let users_max = site.shared.authority.load().logins_max();
    Ok(Revocation::User { user: Fingerprint::of_user(user_id), users_max })
}

fn not_issued(error: IssueError) -> HttpError {
    match error {
        IssueError::NoKey => {
            let message =
                "this server signs no tokens: get new ones from the issuer; the operator can set auth.signing_key_file";
            HttpError::new(ErrorCode::Forbidden, message)
        }
        IssueError::Refused(error) => error.into(),
        IssueError::Signing(error) => {
            tracing::error!(%error, "a token cannot be signed");
            HttpError::internal()
        }
    }
}

//! Why a token was refused.

use super::key::Algorithms;
use super::token::TOKEN_BYTES_MAX;

/// Why a caller is not known: answered with 401 by HTTP, with close 1008 by WebSocket.
///
/// Messages are for the caller. They say what to do and hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The request has no token.
    #[error(
        "no token: send `Authorization: Bearer <token>`, `?token=<token>`, or on WebSocket the subprotocol `bearer.<token>`"
    )]
    Missing,
    /// More than 8 KiB.
    #[error("the token has more than {TOKEN_BYTES_MAX} bytes: ask the issuer for one with fewer claims")]
    TooLong,
    /// Not three base64url parts with JSON in them, or with a name in the JSON that stands there twice.
    #[error("the token is not a signed JWT (three base64url parts separated by dots): send it as the issuer gave it")]
    Malformed,
    /// The header names another algorithm than the key's, or `none`.
    #[error("the token's `alg` is not {expected}: ask the issuer for a token signed with {expected}")]
    WrongAlgorithm {
        /// The algorithm of the key that the token can be for, or of each of several.
        expected: Algorithms,
    },
    /// The header's `kid` is the name of none of the keys, and none is without a name.
    #[error("the token's `kid` names no key of this server, which may have other keys by now: get a new token")]
    UnknownKey,
    /// Several keys could be the right one.
    #[error(
        "the token has no `kid`, and this server has several keys for its `alg`: ask the issuer for one with a `kid`"
    )]
    AmbiguousKey,
    /// The header has `crit`: extensions that must be understood, and are not (RFC 7515, section 4.1.11).
    #[error(
        "the token's header has `crit` extensions, of which none is supported: ask the issuer for a token without them"
    )]
    CriticalExtension,
    /// Signed with another key, or changed after it was signed.
    #[error("the token's signature does not match: get a new token from this server's issuer")]
    BadSignature,
    /// `exp` lies in the past.
    #[error("the token has expired: refresh it and try again")]
    Expired,
    /// `nbf` lies in the future.
    #[error("the token is not valid yet: use it after the time in its `nbf`, and check the issuer's clock")]
    NotYetValid,
    /// `aud` does not name this server.
    #[error("the token's `aud` does not name this server: ask the issuer for a token for it")]
    WrongAudience,
    /// `iss` is not the issuer this server trusts.
    #[error("the token's `iss` is not the issuer this server trusts: get a token from that one")]
    WrongIssuer,
    /// A refresh token where an access token belongs.
    #[error(
        "this is a refresh token, which is good for /api/auth/refresh and /api/auth/revoke only: send an access token"
    )]
    NotForAccess,
    /// An access token where a refresh token belongs.
    #[error(
        "this is no refresh token: send the one that was given last, as `Authorization: Bearer <refresh token>`; the issuer \
         gives the first"
    )]
    NotForRefresh,
    /// A refresh token that is not in the header `Authorization`, or none at all.
    #[error("no refresh token: send it as `Authorization: Bearer <refresh token>`, and not in the URL")]
    NoRefreshToken,
    /// It was revoked, with its family or all that its user had.
    #[error("the token was revoked: log in again to get a new one")]
    Revoked,
    /// A refresh token that is not its family's newest.
    #[error(
        "this refresh token was used before: it may be stolen, and all tokens of its family are revoked; log in again"
    )]
    Reused,
    /// A refresh token of a family that is not known, and not the first of it.
    #[error("this server does not know the refresh token's family: log in again to get a new one")]
    UnknownFamily,
    /// A claim that every token needs is not there.
    #[error("the token has no `{0}` claim: ask the issuer for a token with one")]
    MissingClaim(&'static str),
    /// A claim is there and is not what it has to be.
    #[error("the token's `{claim}` claim is not valid: expected {expected}")]
    InvalidClaim {
        /// Its name.
        claim: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
}

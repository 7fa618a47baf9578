//! Refresh tokens, and what is given for one: an access token, and the next refresh token of its family.
//!
//! A family begins with a token of the issuer or the command line. Its name is `jti`, and all its tokens end with `exp`, so
//! nobody stays in by refreshing alone. Each has the next higher `gen`, and `iat` says when the family began: what was
//! given out before a user's tokens were revoked is told by that.

use serde_json::{Map, Value, json};

use super::authority::{Authority, IssueError, Shown};
use super::claims::{FAMILY, GENERATION};
use super::error::AuthError;
use super::identity::Identity;
use super::key::Kind;
use super::token::Token;

/// A refresh token whose signature and claims are good. Whether it is its family's newest is not known by that.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    pub(super) claims: Map<String, Value>,
    /// Who has it.
    pub identity: Identity,
    /// `jti`.
    pub(super) family: String,
    /// `gen`: how many of its family were before it.
    pub generation: u32,
}

/// What is given for a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// For what the user does.
    pub access: Token,
    /// For the next time.
    pub refresh: Token,
    /// Seconds until the access token expires.
    pub expires_in: u64,
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshToken").field("user_id", &self.identity.user_id).finish_non_exhaustive()
    }
}

impl Authority {
    /// Signs what is to be given at `now` (Unix seconds) for a refresh token, if that turns out to be its family's newest.
    ///
    /// # Errors
    /// There is no key to sign with, or the server would refuse what it signs.
    pub fn renew(&self, token: &RefreshToken, now: u64) -> Result<TokenPair, IssueError> {
        let exp = token.identity.exp.min(now.saturating_add(self.access_seconds));
        let mut claims = token.claims.clone();
        for claim in ["jti", GENERATION] {
            claims.remove(claim);
        }
        let given = [("iat", json!(now)), ("exp", json!(exp)), (FAMILY, json!(token.family))];
        claims.extend(given.map(|(claim, value)| (claim.to_owned(), value)));
        let access = self.signed(Kind::Access, &claims, now)?;
        let mut claims = token.claims.clone();
        claims.insert(GENERATION.to_owned(), json!(token.generation.saturating_add(1)));
        let refresh = self.signed(Kind::Refresh, &claims, now)?;
        Ok(TokenPair { access, refresh, expires_in: exp.saturating_sub(now) })
    }

    /// Signs a token that this server accepts.
    pub(super) fn signed(&self, kind: Kind, claims: &Map<String, Value>, now: u64) -> Result<Token, IssueError> {
        let signing = self.signing.as_ref().ok_or(IssueError::NoKey)?;
        let token = Token::new(&signing.sign(kind, claims)?)?;
        match (self.read(&token, now)?, kind) {
            (Shown::Access(_), Kind::Access) | (Shown::Refresh(_), Kind::Refresh) => Ok(token),
            (Shown::Access(_), Kind::Refresh) => Err(AuthError::NotForRefresh.into()),
            (Shown::Refresh(_), Kind::Access) => Err(AuthError::NotForAccess.into()),
        }
    }
}

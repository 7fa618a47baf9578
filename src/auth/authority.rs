//! The holder of the keys: verifies tokens, and issues them.

use serde_json::{Map, Value, json};

use super::claims::Rules;
use super::error::AuthError;
use super::identity::Identity;
use super::key::{Kind, SigningKey};
use super::key_file::KeyError;
use super::key_sources;
use super::refresh::RefreshToken;
use super::ring::KeyRing;
use super::scope::ScopeSet;
use super::token::Token;
use crate::config::Config;

/// The keys in force and what claims are held against.
#[derive(Debug)]
pub struct Authority {
    keys: KeyRing,
    pub(super) signing: Option<SigningKey>,
    rules: Rules,
    /// How long the access tokens are good that are given for refresh tokens.
    pub(super) access_seconds: u64,
    /// The most logins that are known at one time.
    logins_max: usize,
}

/// A token that is good, of whichever kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Of somebody who may do something.
    Access(Identity),
    /// Of somebody who may get new tokens.
    Refresh(RefreshToken),
}

impl Shown {
    /// Who has it.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        match self {
            Self::Access(identity) => identity,
            Self::Refresh(token) => &token.identity,
        }
    }

    /// Who may do something with it.
    ///
    /// # Errors
    /// It is a refresh token.
    pub fn for_access(self) -> Result<Identity, AuthError> {
        match self {
            Self::Access(identity) => Ok(identity),
            Self::Refresh(_) => Err(AuthError::NotForAccess),
        }
    }

    /// What it says as a refresh token.
    ///
    /// # Errors
    /// It is none.
    pub fn for_refresh(self) -> Result<RefreshToken, AuthError> {
        match self {
            Self::Access(_) => Err(AuthError::NotForRefresh),
            Self::Refresh(token) => Ok(token),
        }
    }
}

/// What a token to be issued says.
#[derive(Clone, Debug)]
pub struct Grant {
    /// `sub`.
    pub user_id: String,
    /// `scope`.
    pub scopes: ScopeSet,
    /// `documents`; empty for all documents.
    pub documents: Vec<String>,
    /// `name`.
    pub display_name: Option<String>,
    /// `limits`, as in the claim.
    pub limits: Option<Value>,
    /// Seconds until it expires.
    pub expires_in_seconds: u64,
}

/// Why a token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There is no key to sign with.
    #[error("there is no key to sign with: set auth.signing_key_file (JDDB_AUTH__SIGNING_KEY_FILE), or auth.key")]
    NoKey,
    /// The server would refuse it.
    #[error("the server would refuse this token: {0}")]
    Refused(#[from] AuthError),
    /// The signature could not be made.
    #[error("cannot sign the token: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl Authority {
    /// Takes the keys that are configured (`[auth]`), or else that of the data directory, which is made if missing.
    ///
    /// # Errors
    /// If a key file cannot be read or written, holds no key or a weak one, or two keys fit the same tokens.
    pub fn open(config: &Config) -> Result<Self, KeyError> {
        let auth = &config.auth;
        let (keys, signing) = key_sources::open(config)?;
        let rules =
            Rules { audience: auth.audience.clone(), issuer: auth.issuer.clone(), leeway_seconds: auth.leeway_seconds };
        let (access_seconds, logins_max) = (auth.access_token_seconds, auth.logins_max);
        Ok(Self { keys, signing, rules, access_seconds, logins_max })
    }

    /// The algorithms and names of the keys, for the log.
    pub(crate) fn keys(&self) -> impl std::fmt::Display {
        &self.keys
    }

    /// The most logins that are known at one time.
    #[must_use]
    pub const fn logins_max(&self) -> usize {
        self.logins_max
    }

    /// Says what a token is, and whose, at `now` (Unix seconds). Whether it was revoked is not known by that.
    ///
    /// # Errors
    /// If signature, times, issuer, audience or a claim are not what they have to be.
    pub fn read(&self, token: &Token, now: u64) -> Result<Shown, AuthError> {
        let verified = self.keys.verify(token)?;
        if verified.is_refresh {
            return self.rules.refresh(verified, now).map(Shown::Refresh);
        }
        self.rules.access(&verified, now).map(Shown::Access)
    }

    /// Says who an access token stands for at `now` (Unix seconds). Whether it was revoked is not known by that.
    ///
    /// # Errors
    /// As for [`Self::read`], or it is a refresh token.
    pub fn verify(&self, token: &Token, now: u64) -> Result<Identity, AuthError> {
        self.read(token, now)?.for_access()
    }

    /// Signs a token issued at `now` (Unix seconds), with the configured audience and issuer.
    ///
    /// # Errors
    /// If there is no key for it, or [`Authority::verify`] would refuse it, e.g. for a user id that is too long.
    pub fn issue(&self, grant: &Grant, now: u64) -> Result<Token, IssueError> {
        self.signed(Kind::Access, &self.claims(grant, now), now)
    }

    /// Signs the first refresh token of a family of that name, which nobody must be able to guess.
    ///
    /// # Errors
    /// As for [`Self::issue`].
    pub fn issue_refresh(&self, grant: &Grant, family: &str, now: u64) -> Result<Token, IssueError> {
        let mut claims = self.claims(grant, now);
        claims.insert("jti".to_owned(), json!(family));
        self.signed(Kind::Refresh, &claims, now)
    }

    fn claims(&self, grant: &Grant, now: u64) -> Map<String, Value> {
        let documents = (!grant.documents.is_empty()).then_some(&grant.documents);
        let claims = [
            ("sub", json!(grant.user_id)),
            ("scope", json!(grant.scopes.to_string())),
            ("documents", json!(documents)),
            ("name", json!(grant.display_name)),
            ("limits", json!(grant.limits)),
            ("aud", json!(self.rules.audience)),
            ("iss", json!(self.rules.issuer)),
            ("iat", json!(now)),
            ("exp", json!(now.saturating_add(grant.expires_in_seconds))),
        ];
        let present = claims.into_iter().filter(|(_, value)| !value.is_null());
        present.map(|(claim, value)| (claim.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests;

//! The holder of the keys: verifies tokens, and issues them.

use serde_json::{Map, Value, json};

use super::claims::Rules;
use super::error::AuthError;
use super::identity::Identity;
use super::key::SigningKey;
use super::key_file::KeyError;
use super::key_sources;
use super::ring::KeyRing;
use super::scope::ScopeSet;
use super::token::Token;
use crate::config::Config;

/// The keys in force and what claims are held against.
#[derive(Debug)]
pub struct Authority {
    keys: KeyRing,
    signing: Option<SigningKey>,
    rules: Rules,
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
        Ok(Self { keys, signing, rules })
    }

    /// The algorithms and names of the keys, for the log.
    pub(crate) fn keys(&self) -> impl std::fmt::Display {
        &self.keys
    }

    /// Says who a token stands for at `now` (Unix seconds).
    ///
    /// # Errors
    /// If signature, times, issuer, audience or a claim are not what they have to be.
    pub fn verify(&self, token: &Token, now: u64) -> Result<Identity, AuthError> {
        let claims = self.keys.verify(token)?;
        self.rules.identity(&claims, now)
    }

    /// Signs a token issued at `now` (Unix seconds), with the configured audience and issuer.
    ///
    /// # Errors
    /// If there is no key for it, or [`Authority::verify`] would refuse it, e.g. for a user id that is too long.
    pub fn issue(&self, grant: &Grant, now: u64) -> Result<Token, IssueError> {
        let signing = self.signing.as_ref().ok_or(IssueError::NoKey)?;
        let token = Token::new(&signing.sign(&self.claims(grant, now))?)?;
        self.verify(&token, now)?;
        Ok(token)
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

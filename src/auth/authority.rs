//! The holder of the key: verifies tokens, and issues them for the command line.

use serde_json::{Map, Value, json};

use super::claims::Rules;
use super::error::AuthError;
use super::identity::Identity;
use super::key::Key;
use super::key_file::{self, KeyError};
use super::scope::ScopeSet;
use super::token::Token;
use crate::config::Config;

/// The key in force and what claims are held against.
#[derive(Debug)]
pub struct Authority {
    key: Key,
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
    /// The server would refuse it.
    #[error("the server would refuse this token: {0}")]
    Refused(#[from] AuthError),
    /// The signature could not be made.
    #[error("cannot sign the token: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl Authority {
    /// Takes the configured key (`auth.key`, `auth.key_file`), or that of the data directory, which is made if missing.
    ///
    /// # Errors
    /// If a key file cannot be read or written, or holds no key.
    pub fn open(config: &Config) -> Result<Self, KeyError> {
        let auth = &config.auth;
        let secret = match (&auth.key, &auth.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => key_file::read_given(path)?,
            (None, None) => key_file::read_or_create(&config.data)?,
        };
        Ok(Self {
            key: Key::hs256(&secret),
            rules: Rules {
                audience: auth.audience.clone(),
                issuer: auth.issuer.clone(),
                leeway_seconds: auth.leeway_seconds,
            },
        })
    }

    /// Says who a token stands for at `now` (Unix seconds).
    ///
    /// # Errors
    /// If signature, times, issuer, audience or a claim are not what they have to be.
    pub fn verify(&self, token: &Token, now: u64) -> Result<Identity, AuthError> {
        let claims = self.key.verify(token)?;
        self.rules.identity(&claims, now)
    }

    /// Signs a token issued at `now` (Unix seconds), with the configured audience and issuer.
    ///
    /// # Errors
    /// If [`Authority::verify`] would refuse it, e.g. for a user id that is too long.
    pub fn issue(&self, grant: &Grant, now: u64) -> Result<Token, IssueError> {
        let token = Token::new(&self.key.sign(&self.claims(grant, now))?)?;
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

//! Who a valid token says is calling.

use jddb_core::limits::GrantedLimits;
use jddb_core::room::{Expiry, TranslationRights};

use super::pass::Pass;
use super::pattern::DocumentPattern;
use super::scope::{Scope, ScopeSet};

/// A caller as described by a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `sub`: 1 to 128 bytes without control characters.
    pub user_id: String,
    /// What the caller may do.
    pub scopes: ScopeSet,
    /// The documents the token is limited to; `None` is all of them, an empty list none.
    pub documents: Option<Vec<DocumentPattern>>,
    /// `name`: 1 to 128 bytes without control characters.
    pub display_name: Option<String>,
    /// `picture`: an `https` URL of at most 512 bytes.
    pub avatar_url: Option<String>,
    /// `color`, as `#rrggbb`.
    pub color: Option<String>,
    /// `sid`, the issuer's id of the login: 1 to 128 bytes without control characters.
    pub session_id: Option<String>,
    /// Limits that replace the server's for this caller.
    pub limits: TokenLimits,
    /// `exp`, in whole seconds of Unix time.
    pub exp: u64,
    /// The first second (Unix time) at which the token is no longer accepted: `exp` plus the leeway.
    pub expires_at: u64,
    /// By what the token can be revoked.
    pub pass: Pass,
}

/// The `limits` claim: what the issuer grants instead of the server's own limits. `None` keeps the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenLimits {
    /// Open WebSocket connections of the user.
    pub connections: Option<u32>,
    /// Messages a minute on one connection.
    pub messages_per_minute: Option<u32>,
    /// Messages a second on one connection.
    pub burst_per_second: Option<u32>,
    /// HTTP requests a minute.
    pub requests_per_minute: Option<u32>,
}

impl TokenLimits {
    /// The names of the limits in the claim.
    pub const NAMES: [&'static str; 4] =
        ["connections", "messages_per_minute", "burst_per_second", "requests_per_minute"];

    /// What of it concerns a WebSocket.
    #[must_use]
    pub const fn granted(self) -> GrantedLimits {
        let Self { connections, messages_per_minute, burst_per_second, requests_per_minute: _ } = self;
        GrantedLimits { user_connections: connections, messages_per_minute, burst_per_second }
    }
}

/// Why a known caller may not do something: answered with 403 by HTTP, with close 4001 by WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token lacks a scope.
    #[error("the token lacks the scope `{0}`: ask the issuer for a token that has it")]
    Scope(Scope),
    /// The token's `documents` claim does not cover the document.
    #[error("the token is limited to other documents: ask the issuer for one whose `documents` claim covers this one")]
    Document,
    /// The token is limited to some documents, and would have to be for all.
    #[error("the token is limited to some documents: ask the issuer for one without a `documents` claim")]
    Documents,
}

impl Identity {
    /// Whether the caller may use `scope` on the document.
    ///
    /// # Errors
    /// Says which of the two is not permitted; the scope first, so that a caller without it learns nothing of documents.
    pub fn allows(&self, scope: Scope, document_id: &str) -> Result<(), Refusal> {
        self.has(scope)?;
        if self.covers(document_id) {
            return Ok(());
        }
        Err(Refusal::Document)
    }

    /// Whether the caller has `scope`, for what is not about one document.
    ///
    /// # Errors
    /// If the token lacks it.
    pub fn has(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        Err(Refusal::Scope(scope))
    }

    /// What the caller may do with translations in a document.
    #[must_use]
    pub fn translates(&self) -> TranslationRights {
        let has = |scope: Scope| self.scopes.contains(scope);
        TranslationRights { reads: has(Scope::TranslationRead), writes: has(Scope::TranslationWrite) }
    }

    /// Until when an open connection may go by the token.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        Expiry::new(self.exp, self.expires_at)
    }

    /// Whether the `documents` claim covers the document. Every list and feed is filtered by this.
    #[must_use]
    pub fn covers(&self, document_id: &str) -> bool {
        DocumentPattern::cover(self.documents.as_deref(), document_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Fingerprint;

    fn identity(scopes: &str, documents: Option<&[&str]>) -> Identity {
        let patterns = |list: &[&str]| list.iter().map(|text| DocumentPattern::new(text).unwrap()).collect();
        Identity {
            user_id: "u".to_owned(),
            scopes: ScopeSet::from_names(scopes.split(' ')),
            documents: documents.map(patterns),
            display_name: None,
            avatar_url: None,
            color: None,
            session_id: None,
            limits: TokenLimits::default(),
            exp: 0,
            expires_at: 0,
            pass: Pass { login: Fingerprint([0; 16]), user: Fingerprint([0; 16]), issued_at: 0 },
        }
    }

    #[test]
    fn needs_scope_and_document() {
        let editor = identity("document:write", Some(&["jd_*"]));
        assert_eq!(editor.allows(Scope::DocumentWrite, "jd_1"), Ok(()));
        assert_eq!(editor.allows(Scope::DocumentRead, "jd_1"), Ok(()));
        assert_eq!(editor.allows(Scope::DocumentAdmin, "jd_1"), Err(Refusal::Scope(Scope::DocumentAdmin)));
        assert_eq!(editor.allows(Scope::DocumentWrite, "other"), Err(Refusal::Document));
        assert_eq!(editor.allows(Scope::DocumentAdmin, "other"), Err(Refusal::Scope(Scope::DocumentAdmin)));
    }

    #[test]
    fn no_list_is_every_document_and_an_empty_list_is_none() {
        assert!(identity("document:read", None).covers("jd_1"));
        assert!(!identity("document:read", Some(&[])).covers("jd_1"));
    }
}

//! Access tokens that were found good lately, so that whoever asks again and again is not verified each time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::authority::{Authority, Shown};
use super::error::AuthError;
use super::identity::Identity;
use super::token::Token;

/// So many are known; then all are forgotten, and found good anew.
const TOKENS_MAX: usize = 1_024;
/// A longer one is verified each time, so that what is known takes a few MiB at most.
const TOKEN_BYTES_MAX: usize = 2_048;

/// Access tokens that were found good on one core. Whether one was revoked is not known by that.
#[derive(Debug, Default)]
pub(crate) struct RecentTokens(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Whose keys and rules they were good by. Another one's may be others.
    authority: Option<Arc<Authority>>,
    /// By the whole token, its signature included.
    tokens: HashMap<Box<str>, Recent>,
}

#[derive(Debug)]
struct Recent {
    identity: Identity,
    /// When it was found good, in seconds of Unix time: it may not have been before.
    since: u64,
}

impl RecentTokens {
    /// What [`Authority::read`] says.
    ///
    /// # Errors
    /// What that says.
    pub(crate) fn read(&self, authority: &Arc<Authority>, token: &Token, now: u64) -> Result<Shown, AuthError> {
        let mut known = self.0.borrow_mut();
        if !known.authority.as_ref().is_some_and(|known| Arc::ptr_eq(known, authority)) {
            *known = Known { authority: Some(Arc::clone(authority)), tokens: HashMap::new() };
        }
        if let Some(recent) = known.tokens.get(token.expose())
            && (recent.since..recent.identity.expires_at).contains(&now)
        {
            return Ok(Shown::Access(recent.identity.clone()));
        }
        let shown = authority.read(token, now)?;
        if let Shown::Access(identity) = &shown
            && token.expose().len() <= TOKEN_BYTES_MAX
        {
            if known.tokens.len() >= TOKENS_MAX {
                known.tokens.clear();
            }
            known.tokens.insert(token.expose().into(), Recent { identity: identity.clone(), since: now });
        }
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::Kind;
    use crate::auth::{Grant, ScopeSet};
    use crate::config::{Config, Secret};

    const NOW: u64 = 1_758_458_730;

    fn authority(key: &str, leeway_seconds: u64) -> Arc<Authority> {
        let mut config = Config::default();
        config.auth.key = Some(Secret::parse(key).unwrap());
        config.auth.leeway_seconds = leeway_seconds;
        Arc::new(Authority::open(&config).unwrap())
    }

    fn grant(user_id: &str) -> Grant {
        Grant {
            user_id: user_id.to_owned(),
            scopes: ScopeSet::from_names(["document:read"]),
            documents: vec!["jd_*".to_owned()],
            display_name: None,
            limits: None,
            expires_in_seconds: 60,
        }
    }

    #[test]
    fn it_says_what_the_authority_says_at_every_moment() {
        let (recent, authority) = (RecentTokens::default(), authority(&"k".repeat(32), 5));
        let access = authority.issue(&grant("ada"), NOW).unwrap();
        let refresh = authority.issue_refresh(&grant("ada"), "family", NOW).unwrap();
        let text = access.expose();
        let last = if text.ends_with('A') { "Q" } else { "A" };
        let forged = Token::new(&format!("{}{last}", &text[..text.len() - 1])).unwrap();
        // Also back in time, and over again once it is known.
        for now in [NOW, NOW + 1, NOW + 59, NOW + 64, NOW + 65, NOW + 66, NOW - 1, NOW, NOW + 64, NOW + 65] {
            for token in [&access, &refresh, &forged] {
                assert_eq!(recent.read(&authority, token, now), authority.read(token, now), "{}", now - NOW);
            }
        }
        assert_eq!(recent.0.borrow().tokens.len(), 1, "the access token alone is known");
    }

    #[test]
    fn a_token_that_is_good_later_is_not_good_before() {
        let (recent, authority) = (RecentTokens::default(), authority(&"k".repeat(32), 0));
        let claims = serde_json::json!({"sub": "ada", "scope": "document:read", "nbf": NOW, "exp": NOW + 60});
        let token = authority.signed(Kind::Access, claims.as_object().unwrap(), NOW).unwrap();
        assert!(recent.read(&authority, &token, NOW).is_ok());
        // Clocks are set back sometimes.
        assert_eq!(recent.read(&authority, &token, NOW - 1), Err(AuthError::NotYetValid));
    }

    #[test]
    fn what_another_authority_found_good_is_verified_anew() {
        let recent = RecentTokens::default();
        let [old, new] = ["o", "n"].map(|letter| authority(&letter.repeat(32), 0));
        let token = old.issue(&grant("ada"), NOW).unwrap();
        assert!(recent.read(&old, &token, NOW).is_ok());
        assert_eq!(recent.read(&new, &token, NOW), Err(AuthError::BadSignature));
        assert!(recent.read(&old, &token, NOW).is_ok(), "and back");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (recent, authority) = (RecentTokens::default(), authority(&"k".repeat(32), 0));
        for number in 0..=TOKENS_MAX {
            let token = authority.issue(&grant(&format!("user_{number}")), NOW).unwrap();
            assert!(recent.read(&authority, &token, NOW).is_ok());
            assert!(recent.0.borrow().tokens.len() <= TOKENS_MAX);
        }
        let documents = (0..200).map(|number| format!("document_{number}")).collect();
        let long = authority.issue(&Grant { documents, ..grant("ada") }, NOW).unwrap();
        let before = recent.0.borrow().tokens.len();
        assert!(recent.read(&authority, &long, NOW).is_ok());
        assert_eq!(recent.0.borrow().tokens.len(), before, "a long one is verified each time");
    }
}

//! By what a token can be revoked: the login it belongs to, its user, and when it was issued.

use aws_lc_rs::digest::{Context, SHA256};

/// So many bytes are not met by accident, nor on purpose.
const FINGERPRINT_BYTES: usize = 16;

/// What names a token, a family of tokens or a user, and tells nothing of them: the first half of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; FINGERPRINT_BYTES]);

/// By what a token can be revoked. It tells nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The family it belongs to; else the token itself.
    pub login: Fingerprint,
    /// Its user.
    pub user: Fingerprint,
    /// `iat`, in whole seconds of Unix time; 0 where it does not say.
    pub issued_at: u64,
}

impl Fingerprint {
    /// Of a user.
    #[must_use]
    pub fn of_user(user_id: &str) -> Self {
        Self::of("user", &[user_id])
    }

    /// Of a family of refresh tokens. Another user's of the same name is another one.
    pub(super) fn of_family(user_id: &str, family: &str) -> Self {
        Self::of("family", &[user_id, family])
    }

    /// Of a token by what is signed of it: one token may have several signatures.
    pub(super) fn of_token(message: &str) -> Self {
        Self::of("token", &[message])
    }

    /// No part has a 0x00 in it, so different parts are different texts.
    fn of(kind: &str, parts: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(kind.as_bytes());
        for part in parts {
            digest.update(&[0]);
            digest.update(part.as_bytes());
        }
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        fingerprint.copy_from_slice(&digest.finish().as_ref()[..FINGERPRINT_BYTES]);
        Self(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_differs_has_another_name() {
        let all = [
            Fingerprint::of_user("a"),
            Fingerprint::of_user("ab"),
            Fingerprint::of_token("a"),
            Fingerprint::of_family("a", "b"),
            Fingerprint::of_family("b", "a"),
            Fingerprint::of_family("ab", ""),
            Fingerprint::of_family("", "ab"),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(Fingerprint::of_family("a", "b"), Fingerprint::of_family("a", "b"));
    }
}

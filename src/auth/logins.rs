//! Which refresh token of each family is good, and what was revoked: the decisions, without clock and disk.
//!
//! Of each family one generation is good. Whoever shows another one has a copy, or somebody else has: the family is revoked,
//! and with it the access tokens that were given for it. A token that belongs to no family is revoked by itself, and all that
//! a user had by the time at which it was issued.

use std::collections::HashMap;

use jddb_storage::LoginEntry;

use super::error::AuthError;
use super::pass::{Fingerprint, Pass};
use super::refresh::RefreshToken;

/// How long something is known after its last token has expired: clocks are set back sometimes, and leeways are granted.
const KEPT_SECONDS: u64 = 3_600;

/// What is known of logins.
#[derive(Debug, Default)]
pub struct LoginTable {
    families: HashMap<Fingerprint, Family>,
    revoked: Revoked,
    /// What was decided since it was stored last: what is known by now, or that nothing is.
    changes: Vec<(Fingerprint, Option<LoginEntry>)>,
    is_revoked_changed: bool,
}

/// What was revoked: logins, each with the time at which its last token expires, and users, each with the time up to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    logins: HashMap<Fingerprint, u64>,
    users: HashMap<Fingerprint, u64>,
}

/// A family whose newest token is good.
#[derive(Clone, Copy, Debug)]
struct Family {
    generation: u32,
    ends_at: u64,
}

/// Somebody shows a refresh token, to be given the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What is shown.
    pub pass: Pass,
    /// Its generation.
    pub generation: u32,
    /// When it expires.
    pub exp: u64,
    /// The most logins that may be known.
    pub logins_max: usize,
}

/// What is to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// A family with its access tokens, or a single token.
    Login {
        /// Which.
        login: Fingerprint,
        /// When the token that names it expires.
        exp: u64,
        /// The most logins that may be known; twice as many with what was revoked.
        logins_max: usize,
    },
    /// All that a user was given by now.
    User {
        /// Who.
        user: Fingerprint,
        /// The most users of whom that may be known.
        users_max: usize,
    },
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// As much is known as may be.
    #[error(
        "the server knows as many logins as it may: retry when others have expired; the operator can raise auth.logins_max"
    )]
    Full,
}

impl Rotation {
    /// For a token.
    #[must_use]
    pub const fn of(token: &RefreshToken, logins_max: usize) -> Self {
        let identity = &token.identity;
        Self { pass: identity.pass, generation: token.generation, exp: identity.exp, logins_max }
    }
}

impl Revoked {
    /// Whether a token is no longer accepted. One that does not say when it was issued is taken for an old one.
    #[must_use]
    pub fn refuses(&self, pass: &Pass) -> bool {
        let is_before = |revoked_at: &u64| pass.issued_at <= *revoked_at;
        self.logins.contains_key(&pass.login) || self.users.get(&pass.user).is_some_and(is_before)
    }
}

impl LoginTable {
    /// What is known from before.
    pub fn restore(entries: impl IntoIterator<Item = (Fingerprint, LoginEntry)>) -> Self {
        let mut table = Self::default();
        for (key, entry) in entries {
            match entry {
                LoginEntry::Family { generation, ends_at } => {
                    table.families.insert(key, Family { generation, ends_at });
                }
                LoginEntry::Revoked { ends_at } => {
                    table.revoked.logins.insert(key, ends_at);
                }
                LoginEntry::User { revoked_at } => {
                    table.revoked.users.insert(key, revoked_at);
                }
            }
        }
        table
    }

    /// What was revoked.
    #[must_use]
    pub const fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// Whether that has changed since this was asked last.
    pub fn take_revoked_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_revoked_changed)
    }

    /// What is to be stored of what was decided since this was asked last.
    pub fn take_changes(&mut self) -> Vec<(Fingerprint, Option<LoginEntry>)> {
        std::mem::take(&mut self.changes)
    }

    /// Takes the newest token of a family, which is not good any more from here on. Any other revokes the family.
    ///
    /// # Errors
    /// It is not the newest, was revoked, or there is no room for another family.
    pub fn rotate(&mut self, rotation: &Rotation) -> Result<(), LoginRefusal> {
        let Rotation { pass, generation, exp, logins_max } = *rotation;
        if self.revoked.refuses(&pass) {
            return Err(AuthError::Revoked.into());
        }
        let known = self.families.get(&pass.login).copied();
        match known {
            None if generation > 0 => return Err(AuthError::UnknownFamily.into()),
            None if self.len() >= logins_max => return Err(LoginRefusal::Full),
            Some(family) if family.generation != generation => {
                self.revoke_login(pass.login, exp, usize::MAX)?;
                return Err(AuthError::Reused.into());
            }
            None | Some(_) => {}
        }
        let ends_at = known.map_or(exp, |family| family.ends_at.max(exp));
        let family = Family { generation: generation.saturating_add(1), ends_at };
        self.families.insert(pass.login, family);
        let entry = LoginEntry::Family { generation: family.generation, ends_at };
        self.changes.push((pass.login, Some(entry)));
        Ok(())
    }

    /// Revokes something at `now` (Unix seconds). What was revoked before stays so.
    ///
    /// # Errors
    /// There is no room to keep that in mind.
    pub fn revoke(&mut self, revocation: Revocation, now: u64) -> Result<(), LoginRefusal> {
        match revocation {
            Revocation::Login { login, exp, logins_max } => self.revoke_login(login, exp, logins_max.saturating_mul(2)),
            Revocation::User { user, users_max } => self.revoke_user(user, now, users_max),
        }
    }

    /// Forgets what has expired long enough before `now` (Unix seconds). Of users nothing is: nobody knows how long the
    /// tokens are good that they were given.
    pub fn sweep(&mut self, now: u64) {
        let is_over = |ends_at: u64| ends_at.saturating_add(KEPT_SECONDS) < now;
        let families = self.families.extract_if(|_, family| is_over(family.ends_at)).map(|(login, _)| login);
        let mut over: Vec<Fingerprint> = families.collect();
        let families = over.len();
        over.extend(self.revoked.logins.extract_if(|_, ends_at| is_over(*ends_at)).map(|(login, _)| login));
        self.is_revoked_changed |= over.len() > families;
        self.changes.extend(over.into_iter().map(|login| (login, None)));
    }

    fn len(&self) -> usize {
        self.families.len() + self.revoked.logins.len()
    }

    fn revoke_login(&mut self, login: Fingerprint, exp: u64, logins_max: usize) -> Result<(), LoginRefusal> {
        let before = self.revoked.logins.get(&login).copied();
        let family = self.families.get(&login).map(|family| family.ends_at);
        if before.or(family).is_none() && self.len() >= logins_max {
            return Err(LoginRefusal::Full);
        }
        if before.is_none_or(|ends_at| ends_at < exp) {
            let ends_at = family.map_or(exp, |ends_at| ends_at.max(exp));
            self.families.remove(&login);
            self.revoked.logins.insert(login, ends_at);
            self.is_revoked_changed = true;
            self.changes.push((login, Some(LoginEntry::Revoked { ends_at })));
        }
        Ok(())
    }

    fn revoke_user(&mut self, user: Fingerprint, now: u64, users_max: usize) -> Result<(), LoginRefusal> {
        let before = self.revoked.users.get(&user).copied();
        if before.is_none() && self.revoked.users.len() >= users_max {
            return Err(LoginRefusal::Full);
        }
        let revoked_at = before.map_or(now, |before| before.max(now));
        self.revoked.users.insert(user, revoked_at);
        self.is_revoked_changed = true;
        self.changes.push((user, Some(LoginEntry::User { revoked_at })));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

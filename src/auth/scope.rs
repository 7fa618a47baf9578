//! What a token permits in general.

use std::fmt;
use std::str::FromStr;

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// See a document, its history and its events.
    DocumentRead = 1,
    /// Change a document.
    DocumentWrite = 1 << 1,
    /// Delete and lock documents, monitoring, others' sessions and presence.
    DocumentAdmin = 1 << 2,
    /// See who is present.
    PresenceRead = 1 << 3,
    /// Set one's own presence.
    PresenceWrite = 1 << 4,
    /// Search translations.
    TranslationRead = 1 << 5,
    /// Submit translations.
    TranslationWrite = 1 << 6,
}

/// A text that names no scope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scope; expected one of document:read, document:write, document:admin, presence:read, presence:write, translation:read, translation:write"
)]
pub struct UnknownScope;

impl Scope {
    /// All scopes, in the order of the API reference.
    pub const ALL: [Self; 7] = [
        Self::DocumentRead,
        Self::DocumentWrite,
        Self::DocumentAdmin,
        Self::TranslationRead,
        Self::TranslationWrite,
        Self::PresenceRead,
        Self::PresenceWrite,
    ];

    /// The name used in tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DocumentRead => "document:read",
            Self::DocumentWrite => "document:write",
            Self::DocumentAdmin => "document:admin",
            Self::PresenceRead => "presence:read",
            Self::PresenceWrite => "presence:write",
            Self::TranslationRead => "translation:read",
            Self::TranslationWrite => "translation:write",
        }
    }

    /// The scope it brings with it.
    const fn implies(self) -> Option<Self> {
        match self {
            Self::DocumentAdmin => Some(Self::DocumentWrite),
            Self::DocumentWrite => Some(Self::DocumentRead),
            Self::DocumentRead
            | Self::PresenceRead
            | Self::PresenceWrite
            | Self::TranslationRead
            | Self::TranslationWrite => None,
        }
    }

    const fn bit(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == name).ok_or(UnknownScope)
    }
}

/// A set of scopes, complete: with `document:admin` it has `document:write`, with that `document:read`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// No scope at all.
    pub const EMPTY: Self = Self(0);

    /// Adds a scope and what it implies.
    pub fn insert(&mut self, scope: Scope) {
        let mut next = Some(scope);
        while let Some(scope) = next {
            self.0 |= scope.bit();
            next = scope.implies();
        }
    }

    /// Whether the set has `scope`.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes among `names`. Others are passed over: issuers put their own beside ours.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| name.parse().ok()).collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Self::EMPTY;
        scopes.into_iter().for_each(|scope| set.insert(scope));
        set
    }
}

impl fmt::Display for ScopeSet {
    /// The names separated by spaces, as in the `scope` claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Scope::ALL.into_iter().filter(|scope| self.contains(*scope));
        f.write_str(&held.map(Scope::name).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &str, expected: &str) {
        let set = ScopeSet::from_names(names.split(' '));
        assert_eq!(set.to_string(), expected, "{names}");
    }

    #[test]
    fn every_name_is_read_back() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert!(ScopeSet::from_iter([scope]).contains(scope));
        }
    }

    #[test]
    fn admin_implies_write_implies_read_and_nothing_else() {
        check("document:read", "document:read");
        check("document:write", "document:read document:write");
        check("document:admin", "document:read document:write document:admin");
        check("presence:write", "presence:write");
        check("translation:write", "translation:write");
    }

    #[test]
    fn what_is_not_ours_gives_nothing() {
        check("", "");
        check("openid profile", "");
        check("document:* DOCUMENT:READ document", "");
        check("openid translation:read", "translation:read");
    }
}

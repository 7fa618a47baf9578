//! Which web pages may use the server.

use serde::{Deserialize, Serialize};

/// All pages.
const ANY: &str = "*";

/// The origins (RFC 6454) of pages that may use the server: `*`, or a list with spaces in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origins(String);

/// A text that is no list of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin: write scheme://host or scheme://host:port, without a path")]
pub struct OriginError(String);

impl Origins {
    /// Reads the list.
    ///
    /// # Errors
    /// An entry is no origin.
    pub fn new(text: &str) -> Result<Self, OriginError> {
        let wrong = text.split_ascii_whitespace().find(|entry| text.trim() != ANY && !is_origin(entry));
        match wrong {
            Some(entry) => Err(OriginError(entry.to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Whether all pages may.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.0.trim() == ANY
    }

    /// Whether pages of `origin`, as a browser names it, may use the server.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        self.are_all() || self.0.split_ascii_whitespace().any(|entry| entry.eq_ignore_ascii_case(origin))
    }
}

/// Browsers send scheme, host and a port that is not the scheme's own, and nothing else.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

impl Default for Origins {
    fn default() -> Self {
        Self(ANY.to_owned())
    }
}

impl TryFrom<String> for Origins {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Origins> for String {
    fn from(origins: Origins) -> Self {
        origins.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        let origins = Origins::new("https://app.example.org  http://localhost:3000 app://desk").unwrap();
        for allowed in ["https://app.example.org", "http://localhost:3000", "HTTPS://APP.example.org", "app://desk"] {
            assert!(origins.allow(allowed), "{allowed}");
        }
        for other in [
            "",
            "null",
            "*",
            "http://app.example.org",
            "https://app.example.org:444",
            "https://app.example.org.evil.org",
            "https://evil.org https://app.example.org",
            "https://app.example.or",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
        assert!(Origins::default().allow("null"), "all are allowed where nothing is said");
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for wrong in
            ["example.org", "https://", "https://a/", "https://a b", "* https://a", "https://*.a", "://a", "null"]
        {
            assert!(Origins::new(wrong).is_err(), "{wrong}");
        }
        assert!(Origins::new("https://a.org https://b.org/x").unwrap_err().to_string().contains("b.org/x"));
        assert!(Origins::new("https://[::1]:8443").is_ok());
    }
}

//! How clients reach the server, whatever stands between them and it.

use serde::{Deserialize, Serialize};

/// The address of the server as its clients know it, such as `wss://api.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// A text that is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write wss://host, perhaps with a port and a path; ws, https and http are known too")]
pub struct PublicUrlError;

impl PublicUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, PublicUrlError> {
        let uri: hyper::Uri = text.parse().map_err(|_| PublicUrlError)?;
        let is_plain = uri.query().is_none() && !text.contains('#');
        let host = uri.authority().filter(|host| !host.host().is_empty() && !host.as_str().contains('@'));
        let known = uri.scheme_str().is_some_and(|scheme| ["ws", "wss", "http", "https"].contains(&scheme));
        if known && is_plain && host.is_some() { Ok(Self(text.to_owned())) } else { Err(PublicUrlError) }
    }

    /// The same for WebSockets, without a slash at its end.
    #[must_use]
    pub fn websocket(&self) -> String {
        let text = self.0.trim_end_matches('/');
        text.strip_prefix("http").map_or_else(|| text.to_owned(), |rest| format!("ws{rest}"))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_servers() {
        let websocket = |text: &str| PublicUrl::new(text).map(|url| url.websocket());
        assert_eq!(websocket("wss://api.jddb.gc.ca").unwrap(), "wss://api.jddb.gc.ca");
        assert_eq!(websocket("https://api.jddb.gc.ca/").unwrap(), "wss://api.jddb.gc.ca");
        assert_eq!(websocket("http://[::1]:8000/jddb/").unwrap(), "ws://[::1]:8000/jddb");
        for bad in ["", "api.jddb.gc.ca", "ftp://a", "wss://", "wss://a?b", "wss://a#b", "wss://u@a", "wss://a b"] {
            assert_eq!(PublicUrl::new(bad), Err(PublicUrlError), "{bad}");
        }
    }
}

//! Reading the few fields that matter out of a message without parsing its JSON.
//!
//! The pattern `"key":` cannot occur inside a JSON string, where its quotes would be escaped; so the first match is a
//! real key. `version` occurs in `payload` (the document's) and in `metadata` (the envelope's, always 1), hence the
//! search from `"payload"` on: a payload that carries a version must have it before any other.

use memchr::memmem::Finder;
use serde::Deserialize;

/// What the server says in `type`, as far as clients here care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `document.change`: somebody else's change.
    Change,
    /// `document.ack`: this connection's change is durable.
    Ack,
    /// `document.state`: the whole document.
    State,
    /// `sync.response`: changes were skipped, this connection was too slow.
    Sync,
    /// `system.error`.
    Error,
    /// Presence, cursors, saves, heartbeats.
    Other,
}

/// Finds fields by byte search. Building one prepares the searches, so build one a thread.
#[derive(Debug)]
pub(crate) struct Scanner {
    kind: Finder<'static>,
    payload: Finder<'static>,
    version: Finder<'static>,
    correlation_id: Finder<'static>,
}

impl Scanner {
    /// A scanner for the product's messages.
    pub(crate) fn new() -> Self {
        Self {
            kind: Finder::new(br#""type""#),
            payload: Finder::new(br#""payload""#),
            version: Finder::new(br#""version""#),
            correlation_id: Finder::new(br#""correlation_id""#),
        }
    }

    /// The message's type, as written.
    pub(crate) fn type_name<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        string_after(&self.kind, message)
    }

    /// The message's type, as far as documents have it.
    pub(crate) fn kind(&self, message: &[u8]) -> Kind {
        match self.type_name(message) {
            Some(b"document.change") => Kind::Change,
            Some(b"document.ack") => Kind::Ack,
            Some(b"document.state") => Kind::State,
            Some(b"sync.response") => Kind::Sync,
            Some(b"system.error") => Kind::Error,
            _ => Kind::Other,
        }
    }

    /// `payload.version`, the document's version.
    pub(crate) fn version(&self, message: &[u8]) -> Option<u64> {
        let payload = value_after(&self.payload, message)?;
        digits(value_after(&self.version, payload)?)
    }

    /// The first `correlation_id`, as written.
    pub(crate) fn correlation_id<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        string_after(&self.correlation_id, message)
    }
}

/// What follows `"key" :`, for the first place where the quoted key is followed by a colon.
fn value_after<'m>(key: &Finder<'_>, message: &'m [u8]) -> Option<&'m [u8]> {
    let mut rest = message;
    loop {
        let at = key.find(rest)?;
        rest = rest.get(at + key.needle().len()..)?;
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b":") {
            return Some(value.trim_ascii_start());
        }
    }
}

/// The string that follows `"key":`, which must hold no escape (types and our own ids hold none).
fn string_after<'m>(key: &Finder<'_>, message: &'m [u8]) -> Option<&'m [u8]> {
    let text = value_after(key, message)?.strip_prefix(b"\"")?;
    text.get(..memchr::memchr(b'"', text)?)
}

/// The number that `text` begins with.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    str::from_utf8(text.get(..end)?).ok()?.parse().ok()
}

/// A `system.error`, parsed in full: errors are rare and worth reading.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerError {
    payload: ErrorPayload,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorPayload {
    error_code: String,
    message: String,
    limit_type: Option<String>,
    details: Option<serde_json::Value>,
}

impl ServerError {
    /// One line: code, message, the limit or field concerned. An unreadable error is quoted.
    pub(crate) fn describe(message: &[u8]) -> String {
        let Ok(Self { payload }) = serde_json::from_slice(message) else {
            return format!("unreadable error: {}", excerpt(message));
        };
        let mut line = format!("{}: {}", payload.error_code, payload.message);
        if let Some(limit) = payload.limit_type {
            line += &format!(" (limit {limit})");
        }
        if let Some(details) = payload.details {
            line += &format!(" {details}");
        }
        line
    }
}

/// The first 200 bytes of something unexpected, for an error's text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &[u8] = br#"{"type":"document.change","payload":{"operation":"insert","position":5,"content":"\"version\":9 \"type\":\"x\"","section":"body","version":42},"metadata":{"timestamp":"2025-09-21T12:45:30.123Z","user_id":"user_1","client_id":"c","version":1,"correlation_id":"abc-1-2"}}"#;

    #[track_caller]
    fn check(message: &[u8], kind: Kind, version: Option<u64>, correlation_id: Option<&str>) {
        let scanner = Scanner::new();
        assert_eq!(scanner.kind(message), kind);
        assert_eq!(scanner.version(message), version);
        assert_eq!(scanner.correlation_id(message), correlation_id.map(str::as_bytes));
    }

    #[test]
    fn a_change_whose_text_looks_like_fields() {
        check(CHANGE, Kind::Change, Some(42), Some("abc-1-2"));
    }

    #[test]
    fn metadata_before_payload_and_spaces() {
        let message = br#"{ "metadata" : { "version" : 1, "correlation_id" : "q" }, "payload" : { "version" : 7 }, "type" : "document.ack" }"#;
        check(message, Kind::Ack, Some(7), Some("q"));
    }

    #[test]
    fn a_key_named_as_a_value_is_passed_over() {
        let message = br#"{"payload":{"field":"type","other":"version","version":3},"type":"sync.response"}"#;
        check(message, Kind::Sync, Some(3), None);
    }

    #[test]
    fn other_and_broken_messages_are_other() {
        check(br#"{"type":"user.presence","payload":{}}"#, Kind::Other, None, None);
        check(b"", Kind::Other, None, None);
        check(br#"{"type":"document.cha"#, Kind::Other, None, None);
    }

    #[test]
    fn agrees_with_a_json_parser_on_every_truncation() {
        let scanner = Scanner::new();
        for end in 0..CHANGE.len() {
            // Must not panic; what is cut off is not found.
            let _ = scanner.kind(&CHANGE[..end]);
            let _ = scanner.version(&CHANGE[..end]);
            assert_eq!(scanner.correlation_id(&CHANGE[..end.min(250)]), None);
        }
        let parsed: serde_json::Value = serde_json::from_slice(CHANGE).unwrap();
        assert_eq!(parsed["payload"]["version"].as_u64(), scanner.version(CHANGE));
    }

    #[test]
    fn an_error_is_told_in_one_line() {
        let message = br#"{"type":"system.error","payload":{"error_code":"RATE_LIMIT_EXCEEDED","message":"Rate limit exceeded","limit_type":"burst_rate"}}"#;
        assert_eq!(ServerError::describe(message), "RATE_LIMIT_EXCEEDED: Rate limit exceeded (limit burst_rate)");
        assert!(ServerError::describe(b"nonsense").contains("nonsense"));
    }
}

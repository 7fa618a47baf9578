//! What a message is wrapped in for its recipient: a WebSocket's frame, or an event of a stream (Server-Sent Events).

use std::fmt;

use bytes::Bytes;

use crate::ids::Version;
use crate::websocket::{CloseCode, Compression, encode_close, encode_ping, message_payload};

/// What a connection is sent: frames of a WebSocket, or events over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// WebSocket frames, with what of compression was negotiated.
    WebSocket(Option<Compression>),
    /// Events, each with its JSON in one line of data. Such a connection says nothing.
    Events,
}

impl Default for Framing {
    fn default() -> Self {
        Self::WebSocket(None)
    }
}

impl Framing {
    /// What of compression was negotiated.
    #[must_use]
    pub const fn compression(self) -> Option<Compression> {
        match self {
            Self::WebSocket(compression) => compression,
            Self::Events => None,
        }
    }

    /// What keeps an idle connection open, and finds one that is gone: a ping, or a comment.
    #[must_use]
    pub fn heartbeat(self) -> Bytes {
        match self {
            Self::WebSocket(_) => encode_ping(&[]),
            Self::Events => Bytes::from_static(b":\n\n"),
        }
    }

    /// The last that a connection is sent. An event stream has no close codes: a comment says why for whoever looks, and
    /// the moment to come back at, where the reason names one, goes where clients look for it.
    pub(super) fn close(self, code: CloseCode, reason: &str) -> Bytes {
        match self {
            Self::WebSocket(_) => encode_close(code, reason),
            Self::Events => {
                assert_one_line(reason.as_bytes());
                let retry = reason.split_once("retry_ms=").map(|(_, retry_ms)| format!("retry: {retry_ms}\n"));
                Bytes::from(format!("{}: closed {} {reason}\n\n", retry.unwrap_or_default(), code.get()))
            }
        }
    }
}

/// Where an event brings its reader, and where it goes on after it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The version it is at, or of which it has a part.
    pub version: Version,
    /// How many of that version's parts it has, if not all.
    pub parts: Option<usize>,
}

impl EventId {
    /// Of all of a version.
    #[must_use]
    pub const fn whole(version: Version) -> Self {
        Self { version, parts: None }
    }

    /// Of the part with that index, of so many.
    pub(super) fn of_part(version: Version, index: usize, count: usize) -> Self {
        Self { version, parts: (index + 1 < count).then_some(index + 1) }
    }

    /// As it was written, to the letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, parts) = match text.split_once('.') {
            None => (text, None),
            Some((version, parts)) => (version, Some(parts.parse().ok().filter(|parts| *parts > 0)?)),
        };
        let version = Version(version.parse().ok()?);
        let is_there = parts.is_none() || version > Version::ZERO;
        Some(Self { version, parts }).filter(|id| is_there && id.to_string() == text)
    }

    /// The newest version that the reader has all of.
    #[must_use]
    pub const fn base(self) -> Version {
        Version(self.version.0 - self.parts.is_some() as u64)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.version)?;
        self.parts.map_or(Ok(()), |parts| write!(out, ".{parts}"))
    }
}

/// A whole message's frame, not compressed, as an event.
pub(super) fn event_of(frame: &Bytes, id: Option<EventId>) -> Bytes {
    let payload = message_payload(frame);
    assert_one_line(payload);
    let head = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let mut event = Vec::with_capacity(head.len() + b"data: \n\n".len() + payload.len());
    event.extend_from_slice(head.as_bytes());
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(payload);
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

/// JSON as it is written here has no line ends outside of strings, and escapes them within.
fn assert_one_line(text: &[u8]) {
    assert!(!text.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "an event's data is one line");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{MessageKind, encode_message};

    #[test]
    fn a_message_of_any_length_is_one_line_of_data() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            let frame = encode_message(MessageKind::Text, false, text.as_bytes());
            let id = EventId { version: Version(42), parts: Some(1) };
            assert_eq!(event_of(&frame, Some(id)), format!("id: 42.1\ndata: {text}\n\n"));
            assert_eq!(event_of(&frame, None), format!("data: {text}\n\n"));
        }
    }

    #[test]
    #[should_panic(expected = "one line")]
    fn what_would_be_two_lines_is_never_sent() {
        let frame = encode_message(MessageKind::Text, false, b"{}\ndata: {}");
        event_of(&frame, None);
    }

    #[test]
    fn the_last_part_has_the_versions_own_id() {
        let ids: Vec<String> = (0..3).map(|index| EventId::of_part(Version(42), index, 3).to_string()).collect();
        assert_eq!(ids, ["42.1", "42.2", "42"]);
        assert_eq!(EventId::of_part(Version(42), 0, 1), EventId::whole(Version(42)));
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        for (text, base) in [("0", 0), ("42", 42), ("42.1", 41), ("18446744073709551615.3", u64::MAX - 1)] {
            let id = EventId::parse(text).unwrap();
            assert_eq!((id.to_string().as_str(), id.base()), (text, Version(base)));
        }
        for text in [
            "",
            ".",
            "x",
            "042",
            "4.01",
            "42.",
            ".1",
            "42.0",
            "0.1",
            "-1",
            "+1",
            "4 2",
            "42.1.1",
            "18446744073709551616",
        ] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_stream_ends_with_the_moment_to_come_back_at() {
        let end = Framing::Events.close(CloseCode::GOING_AWAY, "SHUTTING_DOWN retry_ms=1234");
        assert_eq!(end, "retry: 1234\n: closed 1001 SHUTTING_DOWN retry_ms=1234\n\n");
        assert_eq!(Framing::Events.close(CloseCode::NORMAL, ""), ": closed 1000 \n\n");
    }
}

//! What clients say, as it is handed on: borrowed from the bytes it was read from.

use smallvec::SmallVec;

use super::error::ErrorCode;
use super::translation_message::TranslationMessage;
use crate::document::SentChange;
use crate::ids::{SectionName, Version};

/// The longest `client_id`, `correlation_id` and textual `client_time`, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A token as a client sent it, not verified. Shown as `[redacted]` everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<T>(pub T);

impl<T> std::fmt::Debug for BearerToken<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One envelope, borrowed from the bytes it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound<'a> {
    /// What is said.
    pub message: Message<'a>,
    /// `metadata.client_id`.
    pub client_id: Option<&'a str>,
    /// `metadata.correlation_id`.
    pub correlation_id: Option<&'a str>,
}

/// A message by its `type`.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// `document.change`: one change, or `payload.changes` as an atomic batch.
    Change(InboundChange<'a>),
    /// `document.join`: asks for a fresh state.
    Join {
        /// The document the client believes to be in.
        document_id: Option<&'a str>,
    },
    /// `document.save`: a manual save point.
    Save,
    /// `cursor.position`.
    Cursor {
        /// Where the cursor is.
        position: u64,
        /// The section that counts from; the whole document without one.
        section: Option<SectionName>,
        /// The version the position refers to.
        base: Option<Version>,
    },
    /// `selection.change`.
    Selection {
        /// Where it begins.
        start: u64,
        /// Where it ends, not left of the start.
        end: u64,
        /// The section that counts from; the whole document without one.
        section: Option<SectionName>,
        /// The version the positions refer to.
        base: Option<Version>,
    },
    /// `system.heartbeat`.
    Heartbeat {
        /// The client's own time, to be echoed as written.
        client_time: Option<ClientTime<'a>>,
        /// What the client believes the document to be.
        document: Option<DocumentChecksum>,
    },
    /// `sync.request`.
    Sync {
        /// The version the client has.
        last_known_version: Option<Version>,
        /// Only these sections.
        sections: Option<Vec<SectionName>>,
        /// `full`: which of the two answers is wanted.
        form: SyncForm,
    },
    /// `auth.refresh`: a new token in the place of the connection's own.
    Refresh {
        /// The token, of at most [`TOKEN_BYTES_MAX`].
        token: BearerToken<&'a str>,
    },
    /// What concerns the translation memory.
    Translation(Box<TranslationMessage>),
}

impl Message<'_> {
    /// All that a `type` may be.
    pub const TYPES: [&'static str; 8 + TranslationMessage::TYPES.len()] = [
        "document.change",
        "document.join",
        "document.save",
        "cursor.position",
        "selection.change",
        "system.heartbeat",
        "sync.request",
        "auth.refresh",
        TranslationMessage::TYPES[0],
        TranslationMessage::TYPES[1],
        TranslationMessage::TYPES[2],
        TranslationMessage::TYPES[3],
        TranslationMessage::TYPES[4],
        TranslationMessage::TYPES[5],
        TranslationMessage::TYPES[6],
        TranslationMessage::TYPES[7],
        TranslationMessage::TYPES[8],
    ];

    /// The place of its type in [`Self::TYPES`].
    #[must_use]
    pub fn type_index(&self) -> usize {
        match self {
            Self::Change(_) => 0,
            Self::Join { .. } => 1,
            Self::Save => 2,
            Self::Cursor { .. } => 3,
            Self::Selection { .. } => 4,
            Self::Heartbeat { .. } => 5,
            Self::Sync { .. } => 6,
            Self::Refresh { .. } => 7,
            Self::Translation(message) => 8 + message.type_index(),
        }
    }
}

/// Which answer a `sync.request` wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncForm {
    /// Whichever is smaller; without `full`.
    Smaller,
    /// The list of changes wherever it is known, for a client with changes of its own to be moved over
    /// them: `"full": false`.
    Changes,
    /// The whole state, whatever has changed: `"full": true`.
    Full,
}

/// The payload of a `document.change`, or the body of `POST …/changes`.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundChange<'a> {
    /// At least one.
    pub changes: SmallVec<[SentChange<'a>; 1]>,
    /// `base_version`.
    pub base: Option<Version>,
    /// Whether they came as an array, `changes`.
    pub is_batch: bool,
    /// `conflict_resolution: "reject"`.
    pub reject_conflicts: bool,
}

/// A heartbeat's `client_time`: the reference's clients send numbers, whole or not; strings are taken too.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum ClientTime<'a> {
    /// A whole number, of at most 64 bits.
    Integer(i128),
    /// A number.
    Float(f64),
    /// A text of at most [`NAME_BYTES_MAX`] bytes.
    Text(&'a str),
}

/// A heartbeat's `document`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentChecksum {
    /// The version the checksum is of.
    pub version: Version,
    /// CRC-32 over every section's name, U+0000, text, U+0000 in UTF-8, in order.
    pub crc32: u32,
}

/// Why an envelope was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundError {
    /// The code to answer with.
    pub code: ErrorCode,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The field that is wrong, like `payload.position`.
    pub field: Option<String>,
    /// What was expected of it.
    pub expected: Option<String>,
    /// The envelope's `correlation_id`, where it could be read.
    pub correlation_id: Option<String>,
}

impl InboundError {
    /// A field that is not what it should be; `field` is empty for the message itself.
    #[must_use]
    pub fn invalid(field: String, expected: impl Into<String>) -> Self {
        Self::about(field, expected.into(), "is not valid")
    }

    /// A field that is not there.
    #[must_use]
    pub fn missing(field: String, expected: impl Into<String>) -> Self {
        Self::about(field, expected.into(), "is missing")
    }

    fn about(field: String, expected: String, what: &str) -> Self {
        let subject = if field.is_empty() { "the message" } else { &field };
        Self {
            code: ErrorCode::ValidationError,
            message: format!("{subject} {what}: expected {expected}"),
            field: (!field.is_empty()).then_some(field),
            expected: Some(expected),
            correlation_id: None,
        }
    }

    pub(super) fn not_json(error: &simd_json::Error) -> Self {
        let at = error.index();
        Self {
            code: ErrorCode::ValidationError,
            message: format!("the message is not JSON: malformed near byte {at}"),
            field: None,
            expected: Some("one JSON object, or an array of them, in UTF-8".to_owned()),
            correlation_id: None,
        }
    }

    pub(super) fn unknown_type(kind: &str) -> Self {
        let shown: String = kind.chars().take(64).collect();
        Self {
            code: ErrorCode::UnknownMessageType,
            message: format!("the message type {shown:?} is not known here"),
            field: Some("type".to_owned()),
            expected: Some(Message::TYPES.join(", ")),
            correlation_id: None,
        }
    }
}

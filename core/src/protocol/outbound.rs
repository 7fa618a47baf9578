//! What the server says.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::error::{ErrorCode, Severity};
use super::message::ClientTime;
use crate::document::{Document, Lock, Properties};
use crate::ids::{DocumentId, UnixMillis, Version};
use crate::limits::{LimitMode, RateLimits};
use crate::text::Text;

/// The version of the envelope, always 1; it is not the document's.
const ENVELOPE_VERSION: u32 = 1;

/// Writes one message, `type`, `payload` and `metadata`, to the end of `out`.
pub fn write_message(out: &mut Vec<u8>, kind: &str, payload: &impl Serialize, metadata: &Metadata<'_>) {
    #[derive(Serialize)]
    struct Envelope<'a, P> {
        #[serde(rename = "type")]
        kind: &'a str,
        payload: &'a P,
        metadata: &'a Metadata<'a>,
    }
    write_json(out, &Envelope { kind, payload, metadata });
}

/// Writes a value as JSON to the end of `out`.
pub fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    // Neither writing to memory nor serialising our own types, whose keys are all strings, can fail.
    let written = simd_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// An envelope's `metadata`: of the originator, or empty but for the time where the server speaks itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metadata<'a> {
    /// When the server sent it, or accepted what it relays.
    pub timestamp: UnixMillis,
    /// The originator's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
    /// The session it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The originator's client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    version: u32,
    /// Of the message that this one answers or relays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

impl<'a> Metadata<'a> {
    /// Of a message of the server's own.
    #[must_use]
    pub const fn of_server(timestamp: UnixMillis, correlation_id: Option<&'a str>) -> Self {
        Self { timestamp, user_id: None, session_id: None, client_id: None, version: ENVELOPE_VERSION, correlation_id }
    }

    /// Of a message that relays what a user did.
    #[must_use]
    pub const fn of_user(timestamp: UnixMillis, user_id: &'a str, session_id: &'a str) -> Self {
        let user_id = Some(user_id);
        let session_id = Some(session_id);
        Self { timestamp, user_id, session_id, client_id: None, version: ENVELOPE_VERSION, correlation_id: None }
    }

    /// Of a message that relays what a user did who is in no document.
    #[must_use]
    pub const fn of_user_elsewhere(timestamp: UnixMillis, user_id: &'a str) -> Self {
        Self { user_id: Some(user_id), ..Self::of_server(timestamp, None) }
    }

    /// The same, naming the client and the message that is relayed.
    #[must_use]
    pub const fn relaying(self, client_id: Option<&'a str>, correlation_id: Option<&'a str>) -> Self {
        Self { client_id, correlation_id, ..self }
    }
}

/// `document.change`: one part of one version.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ChangePart<'a> {
    /// `insert`, `delete` or `replace`.
    pub operation: &'static str,
    /// Where: in the section, or in the document where the connection asked for that.
    pub position: u64,
    /// The inserted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// How much was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The section.
    pub section: &'a str,
    /// The version this is part of.
    pub version: Version,
    /// The place in the whole document, where that has several sections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_position: Option<u64>,
    /// The place in the section, where `position` is the one in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_position: Option<u64>,
    /// Which part of the version, from 1, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<usize>,
    /// How many parts the version has, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
}

/// A change as `sync.response` lists it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListedChange<'a> {
    /// What a `document.change` would have said.
    #[serde(flatten)]
    pub part: ChangePart<'a>,
    /// Who made it.
    pub user_id: &'a str,
    /// When.
    pub timestamp: UnixMillis,
    /// From which client, so that a client knows its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    /// What that client called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// `document.ack`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ack<'a> {
    /// The version the change made.
    pub version: Version,
    /// What the client called it.
    pub correlation_id: &'a str,
    /// Whether what was applied differs from what was sent.
    pub transformed: bool,
}

/// `sync.response`.
#[derive(Clone, Debug, Serialize)]
pub struct SyncResponse<'a> {
    /// The document's newest version.
    pub current_version: Version,
    /// What came since, in order.
    pub changes_since_version: Vec<ListedChange<'a>>,
    /// The whole content instead.
    pub full_document_state: Option<Content<'a>>,
}

/// `document.save`.
#[derive(Clone, Debug, Serialize)]
pub struct Saved<'a> {
    /// The version that is saved.
    pub version: Version,
    /// The sections in it.
    pub saved_sections: Vec<&'a str>,
    /// `auto` or `manual`.
    pub save_type: &'static str,
    /// Always true: what is told is on disk.
    pub success: bool,
}

/// `session.ended`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SessionEnded<'a> {
    /// The session.
    pub session_id: &'a str,
    /// Its document.
    pub document_id: &'a str,
    /// Who ended it.
    pub ended_by: &'a str,
}

/// `system.heartbeat`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Heartbeat<'a> {
    /// The server's time.
    pub server_time: UnixMillis,
    /// The connection that asked.
    pub connection_id: &'a str,
    /// What the client sent as its own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_time: Option<ClientTime<'a>>,
    /// Whether the client's document is the server's, where it asked and has the current version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentCheck>,
}

/// `auth.refreshed`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Refreshed {
    /// When the token expires that the connection goes by now.
    pub expires_at: UnixMillis,
    /// Whether it may change the document, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_edit: Option<bool>,
}

/// A heartbeat's answer to the checksum that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentCheck {
    /// The version compared, which is the current one.
    pub version: Version,
    /// False: the client has to ask for a full state.
    pub matches: bool,
}

/// `system.error`.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorMessage<'a> {
    /// What kind of error.
    pub error_code: ErrorCode,
    /// What is wrong and what to do.
    pub message: &'a str,
    /// Seconds after which a retry may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// What it means for the connection.
    pub severity: Severity,
    /// Which limit was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_type: Option<&'static str>,
    /// How often it was tried, like `105 messages/minute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_rate: Option<&'a str>,
    /// How often it is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_rate: Option<&'a str>,
    /// Which field is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails<'a>>,
}

impl<'a> ErrorMessage<'a> {
    /// An error with nothing but what every error has.
    #[must_use]
    pub const fn new(error_code: ErrorCode, message: &'a str, severity: Severity) -> Self {
        Self {
            error_code,
            message,
            retry_after: None,
            severity,
            limit_type: None,
            current_rate: None,
            allowed_rate: None,
            details: None,
        }
    }
}

/// What is wrong with which field.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ErrorDetails<'a> {
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// What it should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<&'a str>,
}

impl<'a> ErrorDetails<'a> {
    /// The details, if there are any.
    #[must_use]
    pub fn of(field: Option<&'a str>, expected: Option<&'a str>) -> Option<Self> {
        (field.is_some() || expected.is_some()).then_some(Self { field, expected })
    }
}

/// `user.presence`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UserPresence<'a> {
    /// Who.
    pub user_id: &'a str,
    /// `joined`, `active`, `idle` or `left`.
    pub status: &'static str,
    /// The name to show.
    pub display_name: &'a str,
    /// A picture to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<&'a str>,
    /// The colour to show.
    pub color: &'a str,
    /// Where, for those who watch all documents.
    #[serde(flatten)]
    pub of_document: Option<DocumentCounts<'a>>,
}

/// How many people are in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PresenceCounts {
    /// Users with an editing connection.
    pub total_editors: usize,
    /// Users who only view.
    pub total_viewers: usize,
    /// Those of them whose coming and going is not told by name; 0 outside of crowds.
    pub unlisted_viewers: usize,
}

/// A document and how many people are in it; `presence.counts` as a whole.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DocumentCounts<'a> {
    /// The document.
    pub document_id: &'a str,
    /// The people in it.
    #[serde(flatten)]
    pub counts: PresenceCounts,
}

/// A selected range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// `cursor.position` as it goes out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CursorMoved<'a> {
    /// Where: in the section, or in the document where the connection asked for that.
    pub position: u64,
    /// The section.
    pub section: &'a str,
    /// The version the position refers to.
    pub version: Version,
    /// The place in the whole document, where that has several sections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_position: Option<u64>,
    /// The place in the section, where `position` is the one in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_position: Option<u64>,
}

/// `selection.change` as it goes out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SelectionMoved<'a> {
    /// Where it begins: in the section, or in the document where the connection asked for that.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The section.
    pub section: &'a str,
    /// The version the positions refer to.
    pub version: Version,
    /// Where it begins in the whole document, where that has several sections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_start: Option<u64>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_end: Option<u64>,
    /// Where it begins in the section, where `start` is the place in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_start: Option<u64>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_end: Option<u64>,
}

/// An entry of `active_editors`; positions count over the whole document.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ActiveEditor<'a> {
    /// Who.
    pub user_id: &'a str,
    /// The name to show.
    pub display_name: &'a str,
    /// The colour to show.
    pub color: &'a str,
    /// Where the cursor is.
    pub cursor_position: Option<u64>,
    /// What is selected.
    pub selection: Option<Selection>,
    /// The section the cursor is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<&'a str>,
    /// Where the cursor is in that section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_position: Option<u64>,
    /// When the user did something last.
    pub last_activity: UnixMillis,
}

/// An entry of `active_users`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ActiveUser<'a> {
    /// Who, and where; the same as of somebody who edits.
    #[serde(flatten)]
    pub user: ActiveEditor<'a>,
    /// A picture to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<&'a str>,
    /// `active` or `idle`.
    pub status: &'static str,
    /// `editor` or `viewer`.
    pub role: &'static str,
    /// What they say that they are doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<&'a str>,
}

/// The answer of `GET …/presence`.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentPresence<'a> {
    /// The document.
    pub document_id: &'a str,
    /// Who is in it, those who edit first.
    pub active_users: Vec<ActiveUser<'a>>,
    /// How many only view.
    pub total_viewers: usize,
    /// How many edit.
    pub total_editors: usize,
}

/// `metadata` of a document's state.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DocumentMetadata<'a> {
    /// When it was changed last; null at version 0.
    pub last_modified: Option<UnixMillis>,
    /// By whom.
    pub last_modified_by: Option<&'a str>,
    /// Words in all sections.
    pub word_count: usize,
    /// What people said of it.
    #[serde(flatten)]
    pub properties: PropertyFields<'a>,
}

/// A document's properties as fields: `language` and `translation_status`, null while nobody said, then the others.
#[derive(Clone, Copy, Debug)]
pub struct PropertyFields<'a>(pub &'a Properties);

impl Serialize for PropertyFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let always = [Properties::LANGUAGE, Properties::TRANSLATION_STATUS];
        let mut fields = serializer.serialize_map(None)?;
        for name in always {
            fields.serialize_entry(name, &self.0.get(name))?;
        }
        for (name, value) in self.0.iter().filter(|(name, _)| !always.contains(name)) {
            fields.serialize_entry(name, value)?;
        }
        fields.end()
    }
}

/// A document's lock.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LockState<'a> {
    /// The one who may still edit.
    pub holder: &'a str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// Since when.
    pub locked_at: UnixMillis,
    /// When it ends by itself; null where it does not.
    pub expires_at: Option<UnixMillis>,
}

impl<'a> LockState<'a> {
    /// Of a lock.
    #[must_use]
    pub fn of(lock: &'a Lock) -> Self {
        let Lock { holder, reason, since, expires_at } = lock;
        Self { holder, reason: reason.as_deref(), locked_at: *since, expires_at: *expires_at }
    }
}

/// `document.state`, and the answer of `GET …/state` without the fields of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentState<'a> {
    /// The document.
    pub document_id: &'a str,
    /// Its version.
    pub version: Version,
    /// Its texts.
    pub content: Content<'a>,
    /// Who changed it last, and more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<DocumentMetadata<'a>>,
    /// Who is editing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_editors: Option<Vec<ActiveEditor<'a>>>,
    /// Who has locked it, while somebody has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockState<'a>>,
    /// What concerns the connection.
    #[serde(flatten)]
    pub connection: Option<ConnectionState<'a>>,
}

/// What a connection learns of itself in `document.state`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConnectionState<'a> {
    /// The editing session.
    pub session_id: &'a str,
    /// The connection's name.
    pub connection_id: &'a str,
    /// How positions are counted for it.
    pub position_encoding: &'static str,
    /// The limits in force.
    pub limits: Limits,
}

/// The limits in force, so that a client need not find them by trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Whether they are enforced.
    pub mode: LimitMode,
    /// Connections of the whole server.
    pub connections: usize,
    /// Connections of one user; 0 where they are not limited.
    pub user_connections: usize,
    /// Distinct users editing one document.
    pub document_editors: usize,
    /// How often a connection may speak.
    #[serde(flatten)]
    pub rates: RateLimits,
    /// One message, in bytes.
    pub message_bytes: usize,
    /// One section's text, in bytes of UTF-8.
    pub section_bytes: usize,
    /// All texts of a document, in bytes of UTF-8.
    pub document_bytes: usize,
    /// Sections of a document.
    pub sections: usize,
    /// Changes in one batch.
    pub batch_changes: usize,
    /// Versions back that are accepted as a base.
    pub base_versions: usize,
    /// Seconds between the server's pings.
    pub heartbeat_interval_seconds: u64,
}

/// `content`: always `{"sections": {…}}`, in the order of the sections.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The document whose texts these are.
    pub document: &'a Document,
    /// Only these sections; all of them without.
    pub only: Option<&'a [crate::ids::SectionName]>,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut content = serializer.serialize_map(Some(1))?;
        content.serialize_entry("sections", &Sections(*self))?;
        content.end()
    }
}

struct Sections<'a>(Content<'a>);

impl Serialize for Sections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Content { document, only } = self.0;
        let mut sections = serializer.serialize_map(None)?;
        for section in document.sections() {
            if only.is_none_or(|only| only.contains(section.name())) {
                sections.serialize_entry(section.name().as_str(), section.text())?;
            }
        }
        sections.end()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As a whole: what has to be escaped is then looked for 32 bytes at a time.
        let mut text = String::new();
        self.append_to(&mut text);
        serializer.serialize_str(&text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl Serialize for DocumentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

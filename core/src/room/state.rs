//! The document as a whole: what a connection begins with.

use super::counters::Sent;
use super::forms::Forms;
use super::framing::EventId;
use super::member::Dialect;
use super::outbox::Class;
use super::rates::limits_of;
use super::{MemberKey, Room, frame, refusal};
use crate::document::{Document, Properties};
use crate::ids::UnixMillis;
use crate::protocol::InboundError;
use crate::protocol::outbound::{
    ConnectionState, Content, DocumentMetadata, DocumentState, LockState, Metadata, PropertyFields,
};

/// So many full states may wait for a connection whatever their size: the one it begins with, and one
/// that it asks for at once. More of them have to be small enough for the outbound bound.
const STATES_QUEUED_MAX: usize = 2;

impl Room {
    /// Whether a connection may ask for a full state: these are outside the outbound bound, so a few are
    /// all that may wait for it.
    pub(super) fn check_states_queued(&self, key: MemberKey) -> Result<(), InboundError> {
        let (count, bytes) = self.members.get(key).map_or((0, 0), |member| member.outbox.states());
        let is_too_much = count >= STATES_QUEUED_MAX && bytes > self.config.outbound_bytes_max;
        if is_too_much { Err(refusal::states_are_queued()) } else { Ok(()) }
    }

    /// Sends `document.state`, and presence from then on.
    pub(super) fn send_state(&mut self, now: UnixMillis, key: MemberKey, correlation_id: Option<&str>) {
        let Some(member) = self.members.get(key) else { return };
        let session_id = self.session_id();
        let state = DocumentState {
            connection: Some(ConnectionState {
                session_id,
                connection_id: &member.connection_id,
                position_encoding: member.dialect.encoding.name(),
                limits: limits_of(&self.config.limits, &member.granted),
            }),
            ..self.state(now, member.dialect, true)
        };
        let mut metadata = Metadata::of_server(now, correlation_id);
        metadata.session_id = Some(session_id);
        let reaches = EventId::whole(self.document.version());
        let state = Forms::reaching(frame("document.state", &state, &metadata), reaches);
        let gate = self.version_gate();
        let class = Class::State { version: self.document.version() };
        self.members.send_state(key, gate, class, &state);
        self.config.counters.count_sent(Sent::State, 1);
        self.told_all(key);
        if let Some(member) = self.members.get_mut(key) {
            member.greeted = true;
        }
        // Whoever comes into a crowd learns how large it is.
        self.note_counts(false);
    }

    /// The document's state as anybody may see it.
    pub(super) fn state(&self, now: UnixMillis, dialect: Dialect, with_metadata: bool) -> DocumentState<'_> {
        DocumentState {
            document_id: self.document.id().as_str(),
            version: self.document.version(),
            content: Content { document: &self.document, only: None },
            metadata: with_metadata.then(|| metadata_of(&self.document, &self.entry.properties)),
            active_editors: Some(self.active_editors(dialect)),
            lock: self.entry.lock_in_force(now).map(LockState::of),
            connection: None,
        }
    }
}

/// The `metadata` of a document's state.
#[must_use]
pub fn metadata_of<'a>(document: &'a Document, properties: &'a Properties) -> DocumentMetadata<'a> {
    let last_modified = document.last_modified();
    DocumentMetadata {
        last_modified: last_modified.map(|(at, _)| at),
        last_modified_by: last_modified.map(|(_, user_id)| user_id),
        word_count: document.word_count(),
        properties: PropertyFields(properties),
    }
}

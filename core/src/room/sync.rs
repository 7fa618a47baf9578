//! Catching up: the changes since a version, or the whole state, whichever is smaller.

use super::counters::Sent;
use super::forms::Forms;
use super::member::Dialect;
use super::outbox::Class;
use super::relay;
use super::{MemberKey, Room, frame};
use crate::document::ChangeRef;
use crate::ids::{PositionEncoding, SectionName, UnixMillis, Version};
use crate::protocol::outbound::{Content, ListedChange, Metadata, SyncResponse};
use crate::protocol::{InboundError, SyncForm};

/// A list up to this size is given even where the full state is smaller: a client with a change of its own
/// under way has more use for it.
const LIST_BYTES_MIN: usize = 4 << 10;
/// What a listed change costs on the wire beside its text, roughly, in bytes.
const LISTED_CHANGE_BYTES: usize = 256;

impl Room {
    /// Sends `sync.response` with what came after `base`; with the full state where there is no base,
    /// it is not known, that is wanted, or the list would be larger and is not asked for.
    pub(super) fn send_sync(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        base: Option<Version>,
        form: SyncForm,
        sections: Option<&[SectionName]>,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        self.check_states_queued(key)?;
        let Some(member) = self.members.get(key) else { return Ok(()) };
        let list_bytes_max = match form {
            SyncForm::Smaller => Some(self.full_state_bytes().max(LIST_BYTES_MIN)),
            // History is bounded, and so is the list.
            SyncForm::Changes => Some(usize::MAX),
            SyncForm::Full => None,
        };
        // What it was never shown it cannot have.
        let base = base.filter(|base| !member.has_missed(*base));
        let wanted = base.zip(list_bytes_max);
        let changes = wanted.and_then(|(base, bytes_max)| self.changes_since(base, member.dialect, bytes_max));
        let listed = changes.as_ref().map(|changes| self.list(changes, member.dialect, sections));
        let response = SyncResponse {
            current_version: self.document.version(),
            full_document_state: listed.is_none().then_some(Content { document: &self.document, only: sections }),
            changes_since_version: listed.unwrap_or_default(),
        };
        let state = Forms::new(frame("sync.response", &response, &Metadata::of_server(now, correlation_id)));
        let gate = self.version_gate();
        if sections.is_some() {
            self.members.send_state(key, gate, Class::Excerpt, &state);
        } else {
            let class = Class::State { version: self.document.version() };
            self.members.send_state(key, gate, class, &state);
            self.told_all(key);
        }
        self.config.counters.count_sent(Sent::Sync, 1);
        Ok(())
    }

    /// What the texts of a full state cost on the wire, roughly, in bytes.
    fn full_state_bytes(&self) -> usize {
        self.document.sections().iter().map(|section| section.text().len_in(PositionEncoding::Utf8)).sum()
    }

    /// The changes after `base`, if they are known, can be given in the dialect, and are not larger than that.
    pub(super) fn changes_since(
        &self,
        base: Version,
        dialect: Dialect,
        bytes_max: usize,
    ) -> Option<Vec<ChangeRef<'_>>> {
        // Places in other encodings would have to be found in texts that are gone.
        if dialect.encoding != PositionEncoding::Utf16 && base != self.document.version() {
            return None;
        }
        let mut listed = 0;
        let mut changes = Vec::new();
        for change in self.document.history().since(base).ok()? {
            listed += change.sections().map(|made| LISTED_CHANGE_BYTES + made.operation.text().len()).sum::<usize>();
            if listed > bytes_max {
                return None;
            }
            changes.push(change);
        }
        Some(changes)
    }

    fn list<'a>(
        &'a self,
        changes: &[ChangeRef<'a>],
        dialect: Dialect,
        sections: Option<&[SectionName]>,
    ) -> Vec<ListedChange<'a>> {
        let parts = relay::parts_of_each(&self.document, changes, dialect);
        let wanted = |name: &str| sections.is_none_or(|wanted| wanted.iter().any(|section| section.as_str() == name));
        changes
            .iter()
            .zip(parts)
            .flat_map(|(change, parts)| parts.into_iter().map(move |part| (change, part)))
            .filter(|(_, part)| wanted(part.section))
            .map(|(change, part)| ListedChange {
                part,
                user_id: change.user_id(),
                timestamp: change.at(),
                client_id: change.client_id(),
                correlation_id: change.correlation_id(),
            })
            .collect()
    }
}

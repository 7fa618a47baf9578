//! The end of a document: everybody is told and closed, and its numbers are never used again.

use serde::Serialize;

use super::Room;
use super::request::{Answer, Caller};
use crate::document::Entry;
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::write_json;
use crate::protocol::{ErrorCode, InboundError, close};

#[derive(Serialize)]
struct Deleted<'a> {
    message: &'static str,
    document_id: &'a str,
    version: Version,
    connections_closed: usize,
}

impl Room {
    /// `DELETE …/documents/{id}`: answered as `request` when it is durable. Nobody is acknowledged any more what was not
    /// durable before, and everybody is closed. The room serves nobody after this.
    ///
    /// # Errors
    /// The document is not what the caller expects, or somebody else has locked it.
    pub fn answer_deletion(&mut self, now: UnixMillis, request: u64, caller: Caller<'_>) -> Result<(), InboundError> {
        self.check_exists()?;
        self.check_condition(caller.if_match)?;
        self.check_lock(now, caller.user_id)?;
        let version = self.document.deletion_version();
        self.entry = Entry { exists: false, origin: version, ..Entry::default() };
        self.is_deleted = true;
        self.session = None;
        self.records += 1;
        self.end_news();
        self.end_visits(now, |_| true);
        self.members.discard_undurable();
        let keys = self.members.keys();
        for key in &keys {
            let (code, message) = (ErrorCode::DocumentNotFound, "the document was deleted");
            self.close_when_durable(now, *key, code, message, close::NOT_FOUND, code.name());
        }
        let mut body = Vec::new();
        write_json(
            &mut body,
            &Deleted {
                message: "Document deleted successfully",
                document_id: self.document.id().as_str(),
                version,
                connections_closed: keys.len(),
            },
        );
        self.answers
            .push_back((self.records, Answer { request, body: Ok(body.into()), version: None, created: false }));
        Ok(())
    }

    /// Whether the document was deleted: what is asked of it from now on is to be asked of another room, once
    /// [`Self::is_durable`].
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.is_deleted
    }
}

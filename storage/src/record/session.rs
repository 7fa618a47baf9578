//! A document's live session.

use jddb_core::document::Session;
use jddb_core::ids::{DocumentId, UnixMillis};
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A [`Session`]; its document is the key.
#[derive(Archive, Serialize)]
pub(crate) struct SessionRecord<'a> {
    started_at: u64,
    #[rkyv(with = InlineAsBox)]
    session_id: &'a str,
    #[rkyv(with = InlineAsBox)]
    started_by: &'a str,
}

impl<'a> SessionRecord<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self { started_at: session.started_at.0, session_id: &session.session_id, started_by: &session.started_by }
    }
}

impl ArchivedSessionRecord<'_> {
    /// The session, which is of `document`; its plan is a record of its own.
    pub(crate) fn to_session(&self, document: &DocumentId) -> Session {
        Session {
            session_id: (*self.session_id).into(),
            document_id: document.clone(),
            started_at: UnixMillis(self.started_at.to_native()),
            started_by: (*self.started_by).into(),
            plan: None,
        }
    }
}

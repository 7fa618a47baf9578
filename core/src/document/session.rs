//! The editing session that every open document has.

use crate::ids::{DocumentId, UnixMillis};

/// One live session of a document; a document without one gets an implicit session when first opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name, `sess_…`.
    pub session_id: Box<str>,
    /// The document that is edited in it.
    pub document_id: DocumentId,
    /// When it began.
    pub started_at: UnixMillis,
    /// Who opened the document first, or created the session.
    pub started_by: Box<str>,
}

//! The messages of the wire: JSON read in place, and written once for all who get it.
//!
//! [`Parser`] turns a received message into [`Inbound`] envelopes that borrow from it. The types of
//! [`outbound`] are what the server says; [`write_message`] writes one into a buffer.

mod batch_body;
pub mod bilingual_outbound;
pub mod close;
mod document_body;
mod error;
mod fields;
mod glossary_body;
mod inbound;
mod message;
pub mod outbound;
mod presence;
mod revocation_body;
mod session_body;
mod subscribe_body;
mod translation_body;
mod translation_message;
pub mod translation_outbound;

pub use batch_body::{BATCH_SEGMENTS_MAX, BatchBody, SegmentBody};
pub use document_body::{DocumentBody, LockRequest, read_document_body, read_lock_body, read_restore_body};
pub use error::{ErrorCode, Severity};
pub use glossary_body::{TermBody, read_term_body};
pub use inbound::{ENVELOPES_PER_FRAME_MAX, Parser, read_changes_body};
pub use message::{
    BearerToken, ClientTime, DocumentChecksum, Inbound, InboundChange, InboundError, Message, NAME_BYTES_MAX, SyncForm,
    TOKEN_BYTES_MAX,
};
pub use outbound::write_message;
pub use presence::{ACTIVITY_BYTES_MAX, PresenceUpdate, read_presence_body};
pub use revocation_body::{RevocationRequest, read_revocation_body};
pub use session_body::{PARTICIPANTS_MAX, SESSION_TYPE, SessionBody, read_session_body};
pub use subscribe_body::{SECTION_PAIRS_MAX, SectionPair, SubscribeBody};
pub use translation_body::{
    AnalysisBody, FeedbackBody, RevisionBody, SEGMENTS_WEIGHED_MAX, SUGGESTIONS_MAX, SubmitBody, SuggestionsBody,
    language_pair, read_analysis_body, read_feedback_body, read_revision_body, read_submit_body, read_suggestions_body,
};
pub use translation_message::TranslationMessage;

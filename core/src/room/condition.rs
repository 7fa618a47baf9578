//! `If-Match`: what a request expects of the document it changes.

use smallvec::SmallVec;

use super::Room;
use crate::ids::{UnixMillis, Version};
use crate::protocol::{ErrorCode, InboundError};

/// What the header `If-Match` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any document that exists.
    Any,
    /// One of these versions.
    Versions(SmallVec<[Version; 1]>),
}

impl Room {
    /// Whether the document is what a request expects.
    pub(super) fn check_condition(&self, if_match: Option<&IfMatch>) -> Result<(), InboundError> {
        let version = self.document.version();
        match if_match {
            None => Ok(()),
            Some(IfMatch::Any) => self.check_exists(),
            Some(IfMatch::Versions(versions)) if versions.contains(&version) => Ok(()),
            Some(IfMatch::Versions(_)) => Err(conflict(
                format!(
                    "the document is at version {version}, which If-Match does not name: read its state, then retry"
                ),
                version,
            )),
        }
    }

    /// Whether there is a document: one that nobody changed yet is none.
    pub(super) fn check_exists(&self) -> Result<(), InboundError> {
        if self.entry.exists {
            return Ok(());
        }
        Err(InboundError {
            code: ErrorCode::DocumentNotFound,
            message: "there is no such document; PUT creates it".to_owned(),
            field: None,
            expected: None,
            correlation_id: None,
        })
    }

    /// Whether this user may change the document, as far as its lock is concerned.
    pub(super) fn check_lock(&self, now: UnixMillis, user_id: &str) -> Result<(), InboundError> {
        match self.entry.lock_against(now, user_id) {
            None => Ok(()),
            Some(lock) => Err(InboundError {
                code: ErrorCode::DocumentLocked,
                message: super::refusal::locked(lock),
                field: None,
                expected: None,
                correlation_id: None,
            }),
        }
    }
}

/// The document is not what the request expects.
pub(super) fn conflict(message: String, version: Version) -> InboundError {
    InboundError {
        code: ErrorCode::VersionConflict,
        message,
        field: Some("If-Match".to_owned()),
        expected: Some(format!("\"{version}\"")),
        correlation_id: None,
    }
}

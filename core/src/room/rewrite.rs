//! `PUT` and restore: other texts for the whole document, as one version that editors are told of like any other.

use serde::Serialize;

use super::condition::conflict;
use super::request::{Answer, Caller, idempotency_key, rejection_of_key};
use super::{Room, refusal};
use crate::document::{Properties, Rewrite, Submitted};
use crate::ids::{SectionName, UnixMillis, Version};
use crate::protocol::outbound::{PropertyFields, write_json};
use crate::protocol::{ErrorCode, InboundError};

/// The texts a document is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewriting {
    /// Each section's text; those that are not named are emptied.
    pub texts: Vec<(SectionName, Box<str>)>,
    /// What it is.
    pub kind: RewriteKind,
}

/// Whose texts they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteKind {
    /// Somebody's own (`PUT`), with `metadata` where that is to change too. The document may not exist yet.
    Put(Option<Properties>),
    /// Those of an old version.
    Restore(Version),
}

impl RewriteKind {
    /// What tells it from others; nothing where there is nothing but texts.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Put(None) => {}
            Self::Put(Some(properties)) => write_json(&mut bytes, &PropertyFields(properties)),
            Self::Restore(version) => write_json(&mut bytes, version),
        }
        bytes
    }
}

impl Rewriting {
    /// Whether the document comes to be by it where there is none.
    #[must_use]
    pub const fn creates(&self) -> bool {
        matches!(self.kind, RewriteKind::Put(_))
    }
}

#[derive(Serialize)]
struct Rewritten<'a> {
    document_id: &'a str,
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_version: Option<Version>,
}

impl Room {
    /// `PUT …/documents/{id}` and `POST …/restore`: answered as `request` when the version is durable.
    ///
    /// # Errors
    /// The document is not what the caller expects, is locked, in a session that does not admit the caller, or would grow
    /// too large; nothing was changed then.
    pub fn answer_rewriting(
        &mut self,
        now: UnixMillis,
        request: u64,
        caller: Caller<'_>,
        rewriting: Rewriting,
    ) -> Result<(), InboundError> {
        self.check_taking_part(now, caller.user_id, caller.is_admin)?;
        let key = idempotency_key(caller)?.map(|key| ("idempotency-key", key));
        let sent = Rewrite {
            user_id: caller.user_id,
            client_id: key.map(|(client_id, _)| client_id),
            correlation_id: key.map(|(_, key)| key),
            texts: &rewriting.texts,
            also: &rewriting.kind.to_bytes(),
        };
        if self.document.resent_rewrite(now, &sent).is_none() {
            self.check_rewriting(now, caller, &rewriting.kind)?;
        }
        let submitted = self.document.rewrite(now, &sent);
        let submitted = submitted.map_err(|rejection| rejection_of_key(refusal::rewrite(&rejection), &rejection))?;
        let version = match submitted {
            Submitted::Applied { version, .. } => {
                if let RewriteKind::Put(Some(properties)) = &rewriting.kind {
                    self.entry.properties = properties.clone();
                    self.entry_is_new = true;
                }
                self.publish_newest(None);
                version
            }
            Submitted::Duplicate { version, .. } => version,
        };
        let (created, restored_version) = match rewriting.kind {
            RewriteKind::Put(_) => (Some(self.began_with(version)), None),
            RewriteKind::Restore(restored) => (None, Some(restored)),
        };
        let mut body = Vec::new();
        let document_id = self.document.id().as_str();
        write_json(&mut body, &Rewritten { document_id, version, created, restored_version });
        let created = created == Some(true);
        self.answers
            .push_back((self.records, Answer { request, body: Ok(body.into()), version: Some(version), created }));
        Ok(())
    }

    /// Whether the document came to be by that version, which need not be its newest: a resend is told what the first was.
    fn began_with(&self, version: Version) -> bool {
        let origin = self.entry.origin;
        // Numbers may have been left out before the first; where it is not known any more they were most likely not.
        let first = self.document.history().since(origin).ok().and_then(|mut changes| changes.next());
        first.map_or_else(|| origin.next(), |first| first.version()) == version
    }

    fn check_rewriting(&self, now: UnixMillis, caller: Caller<'_>, kind: &RewriteKind) -> Result<(), InboundError> {
        match kind {
            RewriteKind::Put(_) if self.entry.exists && caller.if_match.is_none() => {
                let version = self.document.version();
                let message =
                    "the document exists: read its state, and say in If-Match which version is to be replaced";
                return Err(conflict(message.to_owned(), version));
            }
            RewriteKind::Put(_) if caller.if_match.is_some() => self.check_exists()?,
            RewriteKind::Put(_) => {}
            RewriteKind::Restore(version) => {
                self.check_exists()?;
                // It was read when the document may still have been another one of the same name.
                if *version < self.entry.origin || *version > self.document.version() {
                    return Err(InboundError {
                        code: ErrorCode::VersionUnknown,
                        field: Some("version".to_owned()),
                        ..InboundError::invalid(String::new(), "a version of the document as it is now")
                    });
                }
            }
        }
        self.check_condition(caller.if_match)?;
        self.check_lock(now, caller.user_id)
    }
}

//! The editing session that every open document has, and what somebody may have planned for it.

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
    /// What was planned for it; an implicit session has no plan.
    pub plan: Option<Box<SessionPlan>>,
}

/// What makes a session an explicit one, for as long as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// Who created it.
    pub created_by: Box<str>,
    /// When.
    pub created_at: UnixMillis,
    /// From then on the session is an implicit one again.
    pub expires_at: UnixMillis,
    /// Who takes part, beside the creator.
    pub participants: Vec<Box<str>>,
    /// How it is held.
    pub settings: SessionSettings,
}

/// How a session is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Seconds from one automatic save to the next, instead of the server's own.
    pub auto_save_seconds: Option<u32>,
    /// The most users connected at a time.
    pub participants_max: Option<u32>,
    /// Whether everybody may join who may open the document, and not only those who take part.
    pub is_public: bool,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { auto_save_seconds: None, participants_max: None, is_public: true }
    }
}

impl Session {
    /// Whether somebody may join, as far as the session is concerned.
    #[must_use]
    pub fn admits(&self, user_id: &str, is_admin: bool) -> bool {
        is_admin || self.plan.as_ref().is_none_or(|plan| plan.settings.is_public || plan.names(user_id))
    }

    /// Whether it is the session of somebody who may not even be here: they began it, or it was planned for them.
    #[must_use]
    pub fn concerns(&self, user_id: &str) -> bool {
        *self.started_by == *user_id || self.plan.as_ref().is_some_and(|plan| plan.names(user_id))
    }

    /// Whether somebody may end it.
    #[must_use]
    pub fn belongs_to(&self, user_id: &str) -> bool {
        let owner = self.plan.as_ref().map_or(&self.started_by, |plan| &plan.created_by);
        **owner == *user_id
    }
}

impl SessionPlan {
    /// Whether somebody created it or takes part.
    #[must_use]
    pub fn names(&self, user_id: &str) -> bool {
        *self.created_by == *user_id || self.participants.iter().any(|participant| **participant == *user_id)
    }
}

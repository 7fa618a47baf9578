//! What was planned for a document's session.

use jddb_core::document::{SessionPlan, SessionSettings};
use jddb_core::ids::UnixMillis;
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

/// A [`SessionPlan`]; its document is the key.
#[derive(Archive, Serialize)]
pub(crate) struct PlanRecord<'a> {
    created_at: u64,
    expires_at: u64,
    /// 0 for none.
    auto_save_seconds: u32,
    /// 0 for none.
    participants_max: u32,
    is_public: bool,
    #[rkyv(with = InlineAsBox)]
    created_by: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    participants: Vec<&'a str>,
}

impl<'a> PlanRecord<'a> {
    pub(crate) fn new(plan: &'a SessionPlan) -> Self {
        let SessionPlan { created_by, created_at, expires_at, participants, settings } = plan;
        let SessionSettings { auto_save_seconds, participants_max, is_public } = *settings;
        Self {
            created_at: created_at.0,
            expires_at: expires_at.0,
            auto_save_seconds: auto_save_seconds.unwrap_or(0),
            participants_max: participants_max.unwrap_or(0),
            is_public,
            created_by,
            participants: participants.iter().map(|participant| &**participant).collect(),
        }
    }
}

impl ArchivedPlanRecord<'_> {
    /// The plan.
    pub(crate) fn to_plan(&self) -> SessionPlan {
        let given = |number: u32| (number > 0).then_some(number);
        SessionPlan {
            created_by: (*self.created_by).into(),
            created_at: UnixMillis(self.created_at.to_native()),
            expires_at: UnixMillis(self.expires_at.to_native()),
            participants: self.participants.iter().map(|participant| (**participant).into()).collect(),
            settings: SessionSettings {
                auto_save_seconds: given(self.auto_save_seconds.to_native()),
                participants_max: given(self.participants_max.to_native()),
                is_public: self.is_public,
            },
        }
    }
}

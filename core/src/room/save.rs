//! Save points: asked for by clients, and made by themselves while people edit.

use std::time::Duration;

use super::counters::Sent;
use super::outbox::Class;
use super::{Member, MemberKey, Room, frame, refusal};
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::{Metadata, Saved};
use crate::protocol::{Inbound, InboundError};

/// What is known of save points.
#[derive(Debug)]
pub(super) struct Saves {
    /// The version of the last one; of the document as it was read, if there was none yet.
    version: Version,
    /// Since when there has been more than that.
    unsaved_since: Option<Duration>,
}

impl Saves {
    pub(super) const fn new(version: Version) -> Self {
        Self { version, unsaved_since: None }
    }
}

impl Room {
    /// `document.save`: answers, and tells all who have been greeted.
    pub(super) fn save(&mut self, now: UnixMillis, key: MemberKey, inbound: &Inbound<'_>) -> Result<(), InboundError> {
        let Some(member) = self.members.get(key) else { return Ok(()) };
        if !member.edits {
            return Err(refusal::read_only());
        }
        let user = std::rc::Rc::clone(&member.user);
        let session_id = super::session_id(self.session.as_ref()).to_owned();
        let metadata =
            Metadata::of_user(now, &user.user_id, &session_id).relaying(inbound.client_id, inbound.correlation_id);
        self.tell_saved("manual", &metadata, Some(key));
        Ok(())
    }

    /// Saves by itself what nobody has saved for long enough; `at` is a time that never goes back.
    pub(super) fn save_in_time(&mut self, now: UnixMillis, at: Duration) {
        if self.saves.version == self.document.version() || self.config.auto_save.is_zero() {
            self.saves.unsaved_since = None;
            return;
        }
        let since = *self.saves.unsaved_since.get_or_insert(at);
        if at.saturating_sub(since) >= self.config.auto_save {
            let session_id = super::session_id(self.session.as_ref()).to_owned();
            let mut metadata = Metadata::of_server(now, None);
            metadata.session_id = Some(&session_id);
            self.tell_saved("auto", &metadata, None);
        }
    }

    /// Tells of a save point at the current version: all who have been greeted, and who asked for it.
    fn tell_saved(&mut self, save_type: &'static str, metadata: &Metadata<'_>, asked: Option<MemberKey>) {
        self.saves = Saves::new(self.document.version());
        let saved = Saved {
            version: self.document.version(),
            saved_sections: self.document.sections().iter().map(|section| section.name().as_str()).collect(),
            save_type,
            success: true,
        };
        let frame = frame("document.save", &saved, metadata);
        // Success is told of what is on disk only, in fast durability too.
        let gate = self.records;
        let wanted = |member: &Member| member.greeted || Some(member.key) == asked;
        let told = self.members.broadcast(gate, Class::Answer, wanted, |_| [frame.clone()].into());
        self.config.counters.count_sent(Sent::Save, told);
    }
}

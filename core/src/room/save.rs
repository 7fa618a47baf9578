//! Save points: asked for by clients, and made by themselves while people edit. Each is a record.

use std::rc::Rc;
use std::time::Duration;

use super::counters::Sent;
use super::outbox::Class;
use super::{Member, MemberKey, Record, Room, frame, refusal};
use crate::document::{SAVES_MAX, Save, save_type};
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::{Metadata, Saved};
use crate::protocol::{Inbound, InboundError};

/// A save that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownSave {
    /// What is saved.
    pub version: Version,
    /// Whether somebody asked for it.
    pub is_manual: bool,
}

/// What is known of save points.
#[derive(Debug)]
pub(super) struct Saves {
    /// The version of the last one; of the document as it was read, if nothing was unsaved.
    version: Version,
    /// When there first was more than that, where that was before the document was read.
    changed_at: Option<UnixMillis>,
    /// Since when it is known here that there is more than that.
    unsaved_since: Option<Duration>,
    /// For how long it was so before that.
    unsaved_before: Duration,
    /// Those that are kept, by their versions.
    kept: Vec<KnownSave>,
    made: Vec<Save>,
    forgotten: Vec<Version>,
}

impl Saves {
    /// `changed_at`: when what is stored was first changed after `version`, if it was.
    pub(super) fn new(version: Version, changed_at: Option<UnixMillis>, mut kept: Vec<KnownSave>) -> Self {
        kept.sort_unstable();
        Self {
            version,
            changed_at,
            unsaved_since: None,
            unsaved_before: Duration::ZERO,
            kept,
            made: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Nothing is unsaved.
    const fn settle(&mut self) {
        (self.changed_at, self.unsaved_since) = (None, None);
        self.unsaved_before = Duration::ZERO;
    }

    /// For how long something has been unsaved.
    fn unsaved_for(&mut self, now: UnixMillis, at: Duration) -> Duration {
        if let Some(changed_at) = self.changed_at.take() {
            self.unsaved_before = Duration::from_millis(now.since(changed_at));
        }
        self.unsaved_before.saturating_add(at.saturating_sub(*self.unsaved_since.get_or_insert(at)))
    }

    /// Whether there is something for [`Self::take_records`].
    pub(super) const fn has_records(&self) -> bool {
        !self.made.is_empty() || !self.forgotten.is_empty()
    }

    /// Hands out what is to be stored, and then what is to be forgotten: that may have been made a moment before.
    pub(super) fn take_records(&mut self, each: &mut impl FnMut(Record<'_>)) {
        self.made.iter().for_each(|save| each(Record::Save(save)));
        self.forgotten.drain(..).for_each(|version| each(Record::SaveForgotten(version)));
        self.made.clear();
    }

    /// Keeps one more. Of one version there is one, and what somebody asked for is not replaced by what nobody did.
    fn keep(&mut self, save: Save) {
        let known = KnownSave { version: save.version, is_manual: save.saved_by.is_some() };
        self.version = save.version;
        self.settle();
        match self.kept.iter_mut().rev().find(|kept| kept.version == known.version) {
            Some(kept) if kept.is_manual && !known.is_manual => return,
            Some(kept) => *kept = known,
            None => self.kept.push(known),
        }
        self.made.push(save);
        if self.kept.len() > SAVES_MAX {
            let oldest = self.kept.iter().position(|kept| !kept.is_manual).unwrap_or(0);
            self.forgotten.push(self.kept.remove(oldest).version);
        }
    }
}

impl Room {
    /// `document.save`: answers, and tells all who have been greeted.
    pub(super) fn save(&mut self, now: UnixMillis, key: MemberKey, inbound: &Inbound<'_>) -> Result<(), InboundError> {
        let Some(member) = self.members.get(key) else { return Ok(()) };
        if !member.edits {
            return Err(refusal::read_only());
        }
        let user = Rc::clone(&member.user);
        let session_id = super::session_id(self.session.as_ref()).to_owned();
        let metadata =
            Metadata::of_user(now, &user.user_id, &session_id).relaying(inbound.client_id, inbound.correlation_id);
        self.tell_saved(now, Some(&user.user_id), &metadata, Some(key));
        Ok(())
    }

    /// Saves by itself what nobody has saved for long enough; `at` is a time that never goes back.
    pub(super) fn save_in_time(&mut self, now: UnixMillis, at: Duration) {
        let interval = self.auto_save();
        if self.saves.version == self.document.version() {
            return self.saves.settle();
        }
        if self.saves.unsaved_for(now, at) >= interval && !interval.is_zero() {
            let session_id = super::session_id(self.session.as_ref()).to_owned();
            let mut metadata = Metadata::of_server(now, None);
            metadata.session_id = Some(&session_id);
            self.tell_saved(now, None, &metadata, None);
        }
    }

    /// Saves what a session leaves behind.
    pub(super) fn save_finally(&mut self, now: UnixMillis, user_id: &str) {
        let session_id = super::session_id(self.session.as_ref()).to_owned();
        self.tell_saved(now, Some(user_id), &Metadata::of_user(now, user_id, &session_id), None);
    }

    /// From one save to the next that is made by itself; none if zero.
    fn auto_save(&self) -> Duration {
        let plan = self.session.as_ref().and_then(|session| session.plan.as_ref());
        let planned = plan.and_then(|plan| plan.settings.auto_save_seconds);
        planned.map_or(self.config.auto_save, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Makes a save point of the current version, and tells of it: all who have been greeted, and who asked for it. Where
    /// nothing was written yet that is told of as well, but there is nothing to keep.
    fn tell_saved(
        &mut self,
        now: UnixMillis,
        saved_by: Option<&str>,
        metadata: &Metadata<'_>,
        asked: Option<MemberKey>,
    ) {
        let version = self.document.version();
        if self.entry.exists {
            self.saves.keep(Save { version, at: now, saved_by: saved_by.map(Into::into) });
            self.records += 1;
        }
        let saved = Saved {
            version,
            saved_sections: self.document.sections().iter().map(|section| section.name().as_str()).collect(),
            save_type: save_type(saved_by.is_some()),
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

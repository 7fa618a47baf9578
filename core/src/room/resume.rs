//! Going on where an event stream was cut: the changes that its reader missed, or the state.

use super::framing::EventId;
use super::members::Frames;
use super::{MemberKey, Room, relay, session_id};
use crate::ids::{UnixMillis, Version};
use crate::room::counters::Sent;

impl Room {
    /// Sends a member what came after that; the state where that is not known any more, is not to be told in the
    /// member's encoding, or is more than may wait for it.
    pub(super) fn resume(&mut self, now: UnixMillis, key: MemberKey, seen: EventId) {
        let Some(missed) = self.missed(key, seen) else { return self.send_state(now, key, None) };
        let gate = self.version_gate();
        let mut shown = seen.parts.unwrap_or(0);
        for (version, parts) in missed {
            let told = self.members.send_version(key, gate, version, parts, shown);
            self.config.counters.count_sent(Sent::Change, told);
            shown = 0;
        }
        if let Some(member) = self.members.get_mut(key) {
            member.greeted = true;
        }
        self.note_counts(false);
    }

    /// The versions after what a member has seen, with the one of which it has a part.
    fn missed(&self, key: MemberKey, seen: EventId) -> Option<Vec<(Version, Frames)>> {
        let dialect = self.members.get(key)?.dialect;
        let changes = self.changes_since(seen.base(), dialect, self.config.outbound_bytes_max)?;
        let parts = relay::parts_of_each(&self.document, &changes, dialect);
        // A version of which it has parts is there, and has more of them.
        let begun = changes.first().zip(parts.first());
        let goes_on =
            |shown| begun.is_some_and(|(change, parts)| change.version() == seen.version && parts.len() > shown);
        if !seen.parts.is_none_or(goes_on) {
            return None;
        }
        let session_id = session_id(self.session.as_ref());
        let frames = changes.iter().zip(&parts).map(|(change, parts)| {
            let frames = relay::encode(*change, parts, session_id);
            (change.version(), frames)
        });
        Some(frames.collect())
    }
}

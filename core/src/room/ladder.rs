//! Delivery, and the ladder for those who read too slowly for it.
//!
//! Whoever is behind gets the newest of each cursor only, of what is told of each person, and of what is suggested at its own
//! cursor. Once too much waits for it, its changes and cursors are discarded: it gets its answers, and then one full state,
//! rendered when the socket takes it and shared by all who get it for the same version. What comes while that drains is left
//! out and made up for by the next one. Whoever makes no progress even so is closed.

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::counters::Sent;
use super::forms::Forms;
use super::framing::EventId;
use super::member::Member;
use super::outbox::{Class, Gate};
use super::{MemberKey, Room, frame};
use crate::ids::{UnixMillis, Version};
use crate::protocol::outbound::{Content, Metadata, SyncResponse};
use crate::websocket::CloseCode;

/// Whoever lags has to take [`PROGRESS_BYTES_MIN`], or all there is, in each span of this length.
const PROGRESS_SPAN: Duration = Duration::from_secs(10);
const PROGRESS_BYTES_MIN: usize = 64 << 10;
/// So many gaps in what a connection was told are kept apart; the oldest ones become one.
const GAPS_MAX: usize = 8;

/// How often each step of the ladder was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LadderCounts {
    /// Cursors, selections, presence and suggestions that were left out because newer ones followed.
    pub conflated: u64,
    /// Backlogs that were discarded, to be replaced by a full state.
    pub replaced: u64,
    /// Full states sent instead of what was discarded or left out.
    pub states: u64,
    /// Connections closed with 1013 for reading too slowly.
    pub closed: u64,
}

impl LadderCounts {
    /// Adds what another one counts.
    pub const fn add(&mut self, other: &Self) {
        self.conflated += other.conflated;
        self.replaced += other.replaced;
        self.states += other.states;
        self.closed += other.closed;
    }
}

/// What is known of a connection that is, or was, too slow for its changes.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// It is too slow, as far as is known.
    is_on: bool,
    /// The first of the versions left out that no state makes up for yet.
    misses: Option<Version>,
    /// Versions left out, each time up to the state that made up for them.
    gaps: SmallVec<[(Version, Version); 1]>,
    /// Since when its progress is measured.
    measured_since: Option<Duration>,
    /// Bytes that it took since then, and whether it has had nothing left to take.
    drained: usize,
    is_drained: bool,
}

impl Lag {
    /// A version is left out.
    pub(super) fn miss(&mut self, version: Version) {
        self.misses.get_or_insert(version);
    }

    /// Something queued brings it to that version.
    pub(super) fn caught_up_with(&mut self, version: Version) {
        let Some(first) = self.misses.take() else { return };
        if self.gaps.len() == GAPS_MAX {
            let (oldest, _) = self.gaps.remove(0);
            self.gaps[0].0 = oldest;
        }
        self.gaps.push((first, version));
    }

    /// Whether that version is one that it was never shown.
    pub(super) fn has_missed(&self, version: Version) -> bool {
        self.misses.is_some_and(|first| version >= first)
            || self.gaps.iter().any(|(first, end)| (first..end).contains(&&version))
    }
}

/// What a room delivers with.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The members with something to be sent, each once.
    pub(super) dirty: Vec<MemberKey>,
    /// Records known to be on disk: the gates up to it are open.
    pub(super) durable: u64,
    pub(super) counts: LadderCounts,
    bytes_max: usize,
    /// Members who lag.
    lagging: usize,
    /// Bytes queued for all members, full states included.
    queued_bytes: usize,
}

impl Delivery {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { dirty: Vec::new(), durable: 0, counts: LadderCounts::default(), bytes_max, lagging: 0, queued_bytes: 0 }
    }

    pub(super) const fn bound(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Whether so much more may wait for a member.
    pub(super) const fn has_room_for(&self, member: &Member, bytes: usize) -> bool {
        member.outbox.bytes() + bytes <= self.bytes_max
    }

    /// Queues the frames of one message or version for a member, unless it is on the ladder; how many.
    pub(super) fn deliver(
        &mut self,
        member: &mut Member,
        gate: Gate,
        class: Class,
        frames: impl IntoIterator<Item = Bytes>,
    ) -> usize {
        if member.outbox.is_closing() {
            return 0;
        }
        if member.outbox.is_behind() && member.outbox.bytes() > self.bytes_max {
            self.step_down(member, class);
        }
        if member.outbox.is_closing() || leaves_out(member, class) {
            return 0;
        }
        let mut queued = 0;
        self.queue(member, |outbox, counts| {
            let mut class = class;
            for frame in frames {
                counts.conflated += outbox.push(frame, gate, class);
                class = class.continued();
                queued += 1;
            }
        });
        queued
    }

    /// Queues the last frame for a member.
    pub(super) fn close(&mut self, member: &mut Member, frame: Bytes) {
        self.queue(member, |outbox, _| outbox.push_close(frame));
    }

    /// Does something with a member's queue, and notes what has become of that.
    fn queue(&mut self, member: &mut Member, work: impl FnOnce(&mut super::Outbox, &mut LadderCounts)) {
        let before = member.outbox.bytes_with_states();
        work(&mut member.outbox, &mut self.counts);
        self.queued_bytes = self.queued_bytes + member.outbox.bytes_with_states() - before;
        self.note_dirty(member);
    }

    /// Drops what waits for records that will never be on disk.
    pub(super) fn discard_undurable(&mut self, member: &mut Member) {
        let durable = self.durable;
        self.queue(member, |outbox, _| outbox.discard_undurable(durable));
    }

    pub(super) fn note_dirty(&mut self, member: &mut Member) {
        if !member.dirty && member.outbox.is_sendable(self.durable) {
            member.dirty = true;
            self.dirty.push(member.key);
        }
    }

    /// Too much waits for a member: its changes and cursors are discarded, or it is closed if that was done before
    /// and there is something that cannot be left out.
    fn step_down(&mut self, member: &mut Member, class: Class) {
        if !member.lags() {
            self.discard_backlog(member);
        } else if class == Class::Answer {
            self.give_up(member);
        }
    }

    fn discard_backlog(&mut self, member: &mut Member) {
        let mut lag = member.lag.take().unwrap_or_default();
        self.queue(member, |outbox, _| outbox.discard_replaceable(&mut lag));
        (lag.is_on, lag.measured_since) = (true, None);
        member.lag = Some(lag);
        self.lagging += 1;
        self.counts.replaced += 1;
    }

    fn give_up(&mut self, member: &mut Member) {
        let close = member.framing.close(CloseCode::TRY_AGAIN_LATER, "SLOW_READER: reconnect and sync");
        self.queue(member, |outbox, _| {
            outbox.discard();
            outbox.push_close(close);
        });
        self.counts.closed += 1;
    }

    /// The socket took `written` bytes, and no more.
    fn sent(&mut self, member: &mut Member, written: usize) {
        let durable = self.durable;
        let before = member.outbox.bytes_with_states();
        member.outbox.sent(written, durable);
        self.queued_bytes = self.queued_bytes + member.outbox.bytes_with_states() - before;
        if let Some(lag) = &mut member.lag {
            lag.drained += written;
            lag.is_drained |= !member.outbox.is_behind();
        }
    }

    /// Whether a member has come far enough since it lags, as far as that is known at the moment `at`.
    fn makes_progress(member: &mut Member, at: Duration) -> bool {
        let Some(lag) = member.lag.as_mut().filter(|lag| lag.is_on) else { return true };
        // What waits for the disk is no fault of the reader's.
        lag.is_drained |= !member.outbox.is_behind();
        match lag.measured_since {
            Some(since) if at.saturating_sub(since) < PROGRESS_SPAN => true,
            Some(_) if lag.drained < PROGRESS_BYTES_MIN && !lag.is_drained => false,
            Some(_) | None => {
                (lag.measured_since, lag.drained, lag.is_drained) = (Some(at), 0, false);
                true
            }
        }
    }

    /// A member is gone.
    pub(super) fn forget(&mut self, member: &Member) {
        self.dirty.retain(|dirty| *dirty != member.key);
        self.queued_bytes -= member.outbox.bytes_with_states();
        self.lagging -= usize::from(member.lags());
    }
}

/// Whether a member who lags does not get this, because a state is to make up for it.
fn leaves_out(member: &mut Member, class: Class) -> bool {
    let Some(lag) = member.lag.as_mut().filter(|lag| lag.is_on) else { return false };
    if lag.misses.is_none() && !member.outbox.is_behind() {
        return false;
    }
    match class {
        Class::Change { version, .. } => {
            lag.miss(version);
            true
        }
        Class::Pointer(_) => true,
        Class::Answer
        | Class::Presence { .. }
        | Class::Suggestion
        | Class::State { .. }
        | Class::Excerpt
        | Class::Vacant => false,
    }
}

impl Member {
    /// Whether it reads too slowly for its changes, as far as is known.
    fn lags(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.is_on)
    }

    /// Whether it was never shown that version, although it was here when it was made.
    pub(super) fn has_missed(&self, version: Version) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.has_missed(version))
    }
}

impl Room {
    /// A member's socket took `written` bytes of what [`super::Outbox::sendable`] gives, and no more for now.
    pub fn sent(&mut self, key: MemberKey, written: usize) {
        if let Some((member, delivery)) = self.members.with_delivery(key) {
            delivery.sent(member, written);
        }
    }

    /// A member's socket has taken all there was, and takes more: whoever misses something is brought to the newest
    /// version, and told what they have missed of the memory. Whether there is something to be sent now.
    pub fn catch_up(&mut self, now: UnixMillis, key: MemberKey) -> bool {
        self.catch_up_with_versions(now, key) || self.tell_missed(now, key)
    }

    fn catch_up_with_versions(&mut self, now: UnixMillis, key: MemberKey) -> bool {
        let Some((member, delivery)) = self.members.with_delivery(key) else { return false };
        if !member.lags() || !member.outbox.is_empty() || member.outbox.is_closing() {
            return false;
        }
        let Some(lag) = &mut member.lag else { return false };
        member.outbox.is_writable();
        if lag.misses.is_none() {
            lag.is_on = false;
            delivery.lagging -= 1;
            return false;
        }
        delivery.counts.states += 1;
        self.send_full_state(now, key);
        let durable = self.members.durable();
        self.members.get(key).is_some_and(|member| member.outbox.is_sendable(durable))
    }

    /// Sends an unasked `sync.response` with the full state, the same bytes to all who get it at this version.
    pub(super) fn send_full_state(&mut self, now: UnixMillis, key: MemberKey) {
        let version = self.document.version();
        let known = self.full_state.take().filter(|(known, _)| *known == version);
        let (_, state) = known.unwrap_or_else(|| {
            let response = SyncResponse {
                current_version: version,
                changes_since_version: Vec::new(),
                full_document_state: Some(Content { document: &self.document, only: None }),
            };
            let frame = frame("sync.response", &response, &Metadata::of_server(now, None));
            (version, Forms::reaching(frame, EventId::whole(version)))
        });
        self.members.send_state(key, self.version_gate(), Class::State { version }, &state);
        self.config.counters.count_sent(Sent::Sync, 1);
        self.full_state = Some((version, state));
        self.told_all(key);
    }

    /// What was just queued for a member brings it to the newest version.
    pub(super) fn told_all(&mut self, key: MemberKey) {
        let version = self.document.version();
        let lag = self.members.get_mut(key).and_then(|member| member.lag.as_mut());
        lag.into_iter().for_each(|lag| lag.caught_up_with(version));
    }

    /// Closes those who lag and make no progress; `at` is a time that never goes back.
    pub(super) fn tend_slow_readers(&mut self, at: Duration) {
        let (members, delivery) = self.members.all_with_delivery();
        if delivery.lagging == 0 {
            self.full_state = None;
            return;
        }
        for member in members.filter(|member| !member.outbox.is_closing()) {
            if !Delivery::makes_progress(member, at) {
                delivery.give_up(member);
            }
        }
    }

    /// Too much waits for all connections together: those with the most take a step down the ladder, until `bytes`
    /// less wait here. How many bytes that has freed.
    pub fn relieve(&mut self, bytes: usize) -> usize {
        let (members, delivery) = self.members.all_with_delivery();
        let behind = members.filter(|member| member.outbox.is_behind() && !member.outbox.is_closing());
        let mut largest_first: Vec<&mut Member> = behind.collect();
        largest_first.sort_by_key(|member| std::cmp::Reverse(member.outbox.bytes_with_states()));
        let before = delivery.queued_bytes;
        for member in largest_first {
            if before.saturating_sub(delivery.queued_bytes) >= bytes {
                break;
            }
            let queued = member.outbox.bytes_with_states();
            if !member.lags() {
                delivery.discard_backlog(member);
            }
            if member.outbox.bytes_with_states() == queued {
                delivery.give_up(member);
            }
        }
        before.saturating_sub(delivery.queued_bytes)
    }

    /// Bytes that wait to be sent to all members, full states included.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.members.delivery.queued_bytes
    }

    /// The steps of the ladder taken since the last call.
    pub const fn take_ladder_counts(&mut self) -> LadderCounts {
        std::mem::replace(
            &mut self.members.delivery.counts,
            LadderCounts { conflated: 0, replaced: 0, states: 0, closed: 0 },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each ten versions the last three are left out, so often that not all gaps are kept apart.
    #[test]
    fn what_was_left_out_stays_so_when_the_oldest_gaps_become_one() {
        let mut lag = Lag::default();
        let gaps = GAPS_MAX as u64 + 3;
        for gap in 0..gaps {
            for version in 7..10 {
                lag.miss(Version(10 * gap + version));
            }
            lag.caught_up_with(Version(10 * gap + 10));
        }
        assert_eq!(lag.gaps.len(), GAPS_MAX);
        let joined = 7..10 * (gaps - GAPS_MAX as u64) + 10;
        for version in 0..=10 * gaps {
            let is_missed = version % 10 >= 7 || joined.contains(&version);
            assert_eq!(lag.has_missed(Version(version)), is_missed, "{version}");
        }
    }
}

//! What a core knows of slow readers and wrong copies, over all of its rooms, and what it does when too much waits.

use std::cell::Cell;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

use jddb_core::protocol::outbound::PresenceCounts;
use jddb_core::room::{LadderCounts, Room};

use super::core::{Core, now};
use super::rooms::RoomCell;
use crate::metrics::Figure;

/// Where too much waits for all connections, so much of the bound is freed: an eighth.
const RELIEF_SHARE: usize = 8;

/// Counts and sums over the rooms of a core.
#[derive(Default)]
pub(super) struct Slowness {
    /// The steps of the ladder taken so far.
    ladder: Cell<LadderCounts>,
    /// Of these, what the log has told of.
    ladder_logged: Cell<LadderCounts>,
    /// Heartbeats that told of a text that is not the server's.
    divergences: Cell<u64>,
    /// The people in all rooms, as of the last tick.
    people: Cell<PresenceCounts>,
    /// Bytes that wait for all members of rooms.
    queued_bytes: Cell<usize>,
    /// Relief was tried since the last tick.
    is_relieved: Cell<bool>,
}

impl Core {
    /// Notes what a room tells of slow readers, and of clients whose text is not the document's.
    pub(super) fn note_slowness(&self, cell: &RoomCell, room: &mut Room) {
        let slowness = &self.slowness;
        let queued = room.queued_bytes();
        let before = cell.queued_bytes.replace(queued);
        slowness.queued_bytes.set(slowness.queued_bytes.get() + queued - before);
        let mut ladder = slowness.ladder.get();
        ladder.add(&room.take_ladder_counts());
        slowness.ladder.set(ladder);
        slowness.divergences.set(slowness.divergences.get() + room.take_divergence_count());
        for divergence in room.take_divergences() {
            tracing::warn!(
                document = %cell.document_id,
                user = %divergence.user_id,
                connection = %divergence.connection_id,
                version = %divergence.version,
                clients_crc32 = divergence.clients_crc32,
                crc32 = divergence.crc32,
                divergences = slowness.divergences.get(),
                "a client's text is not the document's; it is sent the whole"
            );
        }
    }

    /// A room is forgotten: nothing waits for its members any more.
    pub(super) fn forget_slowness(&self, cell: &RoomCell) {
        let queued_bytes = &self.slowness.queued_bytes;
        queued_bytes.set(queued_bytes.get() - cell.queued_bytes.replace(0));
    }

    /// Does what is due in the rooms; `at` is a time that never goes back.
    pub(super) fn tend_rooms(&self, at: Duration) {
        let now = now();
        let mut people = PresenceCounts::default();
        for cell in self.open_cells() {
            let mut room = cell.room.borrow_mut();
            room.tend(now, at);
            self.note_slowness(&cell, &mut room);
            let here = room.presence_counts();
            people.total_editors += here.total_editors;
            people.total_viewers += here.total_viewers;
            if room.is_dirty() || room.has_news() || room.has_records() || room.translations_are_due() {
                self.touch(&cell);
            }
        }
        self.slowness.people.set(people);
        self.slowness.is_relieved.set(false);
        let LadderCounts { conflated, replaced, states, closed } = self.slowness.ladder.get();
        let logged = self.slowness.ladder_logged.replace(self.slowness.ladder.get());
        if (logged.replaced, logged.states, logged.closed) != (replaced, states, closed) {
            tracing::info!(core = self.index, conflated, replaced, states, closed, "clients read too slowly, in all");
        }
    }

    /// Sets the figures that are counted elsewhere, for who wants to know how the server is doing.
    pub(super) fn publish_figures(&self) {
        let set = |figure, value: u64| self.metrics().of(figure).set(value);
        let count = |figure, value: usize| set(figure, value as u64);
        let PresenceCounts { total_editors, total_viewers, .. } = self.slowness.people.get();
        count(Figure::DocumentsLoaded, self.open_cells().len());
        count(Figure::Editors, total_editors);
        count(Figure::Viewers, total_viewers);
        count(Figure::DiskWaitingBytes, self.batch.borrow().waiting_bytes());
        count(Figure::OutboundWaitingBytes, self.waiting_bytes());
        let LadderCounts { conflated, replaced, states, closed } = self.slowness.ladder.get();
        set(Figure::CursorsConflated, conflated);
        set(Figure::BacklogsReplaced, replaced);
        set(Figure::StatesForSlowReaders, states);
        set(Figure::SlowReadersClosed, closed);
        set(Figure::Divergences, self.slowness.divergences.get());
        let refusals = self.limits.refusals();
        set(Figure::BeyondMessageRate, refusals.message_rate);
        set(Figure::BeyondBurstRate, refusals.burst_rate);
        set(Figure::BeyondLargeMessage, refusals.large_message);
        set(Figure::BeyondUserConnections, refusals.user_connections);
        set(Figure::BeyondDocumentEditors, refusals.document_editors);
        set(Figure::BeyondConnections, refusals.connections);
        set(Figure::ClosedForRefusals, refusals.closed);
        set(Figure::BeyondRequestRate, refusals.request_rate);
    }

    /// Bytes that wait for all connections of this core, watchers included.
    fn waiting_bytes(&self) -> usize {
        self.slowness.queued_bytes.get() + self.watchers_bytes()
    }

    /// Where too much waits for all connections of this core, those with the most take a step down the ladder; once
    /// a tick at most, so that a search in vain costs little.
    pub(super) fn relieve_if_due(&self) {
        let slowness = &self.slowness;
        let bytes_max = self.limits.get().outbound_total_bytes / self.shared.inboxes.len();
        if self.waiting_bytes() <= bytes_max || slowness.is_relieved.replace(true) {
            return;
        }
        let goal = bytes_max - bytes_max / RELIEF_SHARE;
        // All watchers of the core have their place among the rooms.
        let mut crowds: Vec<Option<Rc<RoomCell>>> = self.open_cells().into_iter().map(Some).collect();
        crowds.push(None);
        let waits = |cell: &Option<Rc<RoomCell>>| {
            cell.as_ref().map_or_else(|| self.watchers_bytes(), |cell| cell.queued_bytes.get())
        };
        crowds.sort_by_key(|crowd| Reverse(waits(crowd)));
        for crowd in crowds {
            let too_much = self.waiting_bytes().saturating_sub(goal);
            if too_much == 0 {
                break;
            }
            let Some(cell) = crowd else {
                self.relieve_watchers(too_much);
                continue;
            };
            let mut room = cell.room.borrow_mut();
            if room.relieve(too_much) > 0 {
                self.note_slowness(&cell, &mut room);
                self.touch(&cell);
            }
        }
    }
}

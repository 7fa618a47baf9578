//! What is said in rooms, counted by its type.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::{ErrorCode, Message};

/// A number that one thread writes and any thread may read. Adding is a plain load and a plain store: only the
/// owner writes, so that no core waits for another one's cache line.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it. For its owner.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Takes away from it. For its owner.
    pub fn subtract(&self, less: u64) {
        self.set(self.get().wrapping_sub(less));
    }

    /// Sets it. For its owner.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number; to others than its owner, as it was a moment ago.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// `document.state`.
    State,
    /// `document.change`, each part of a version.
    Change,
    /// `document.ack`.
    Ack,
    /// `document.save`.
    Save,
    /// `session.ended`.
    SessionEnded,
    /// `cursor.position`.
    Cursor,
    /// `selection.change`.
    Selection,
    /// `user.presence`.
    Presence,
    /// `presence.counts`.
    Counts,
    /// `presence.snapshot`.
    Snapshot,
    /// `monitoring.metrics`.
    Metrics,
    /// `sync.response`.
    Sync,
    /// `system.heartbeat`.
    Heartbeat,
    /// `system.error`.
    Error,
    /// `auth.refreshed`.
    Refreshed,
    /// `translation.suggestion`.
    Suggestion,
    /// `translation.cancelled`.
    Cancelled,
    /// `translation.submitted`.
    Submitted,
    /// `translation.update`.
    TranslationUpdate,
    /// `translation.remove`.
    TranslationRemove,
    /// `translation.missed`.
    Missed,
    /// `translation.feedback`.
    Rated,
    /// `translation.batch.status`.
    BatchStatus,
    /// `translation.batch.result`.
    BatchResult,
    /// `glossary.update`.
    TermUpdate,
    /// `glossary.remove`.
    TermRemove,
    /// `translation.subscribed`.
    Subscribed,
    /// `translation.unsubscribed`.
    Unsubscribed,
    /// `translation.stale`.
    Stale,
}

impl Sent {
    /// All there are, in the order of their discriminants.
    pub const ALL: [Self; 29] = [
        Self::State,
        Self::Change,
        Self::Ack,
        Self::Save,
        Self::SessionEnded,
        Self::Cursor,
        Self::Selection,
        Self::Presence,
        Self::Counts,
        Self::Snapshot,
        Self::Metrics,
        Self::Sync,
        Self::Heartbeat,
        Self::Error,
        Self::Refreshed,
        Self::Suggestion,
        Self::Cancelled,
        Self::Submitted,
        Self::TranslationUpdate,
        Self::TranslationRemove,
        Self::Missed,
        Self::Rated,
        Self::BatchStatus,
        Self::BatchResult,
        Self::TermUpdate,
        Self::TermRemove,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::Stale,
    ];

    /// The message's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "document.state",
            Self::Change => "document.change",
            Self::Ack => "document.ack",
            Self::Save => "document.save",
            Self::SessionEnded => "session.ended",
            Self::Cursor => "cursor.position",
            Self::Selection => "selection.change",
            Self::Presence => "user.presence",
            Self::Counts => "presence.counts",
            Self::Snapshot => "presence.snapshot",
            Self::Metrics => "monitoring.metrics",
            Self::Sync => "sync.response",
            Self::Heartbeat => "system.heartbeat",
            Self::Error => "system.error",
            Self::Refreshed => "auth.refreshed",
            Self::Suggestion => "translation.suggestion",
            Self::Cancelled => "translation.cancelled",
            Self::Submitted => "translation.submitted",
            Self::TranslationUpdate => "translation.update",
            Self::TranslationRemove => "translation.remove",
            Self::Missed => "translation.missed",
            Self::Rated => "translation.feedback",
            Self::BatchStatus => "translation.batch.status",
            Self::BatchResult => "translation.batch.result",
            Self::TermUpdate => "glossary.update",
            Self::TermRemove => "glossary.remove",
            Self::Subscribed => "translation.subscribed",
            Self::Unsubscribed => "translation.unsubscribed",
            Self::Stale => "translation.stale",
        }
    }
}

/// What the rooms of one core have heard and said since they were opened first.
#[derive(Debug)]
pub struct Counters {
    /// Messages received, by [`Message::TYPES`]; those that are none come last.
    pub received: [Counter; Message::TYPES.len() + 1],
    /// Messages queued for one connection each, by [`Sent`].
    pub sent: [Counter; Sent::ALL.len()],
    /// Messages that were refused, by [`ErrorCode`].
    pub errors: [Counter; ErrorCode::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: std::array::from_fn(|_| Counter::default()),
            sent: std::array::from_fn(|_| Counter::default()),
            errors: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Counters {
    /// A message has come, or something that is none.
    pub(super) fn count_received(&self, message: Option<&Message<'_>>) {
        self.received[message.map_or(Message::TYPES.len(), Message::type_index)].add(1);
    }

    /// Messages of one type were queued.
    pub(super) fn count_sent(&self, sent: Sent, count: usize) {
        self.sent[sent as usize].add(count as u64);
    }

    /// A message was refused.
    pub(super) fn count_error(&self, code: ErrorCode) {
        self.errors[code as usize].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_in_its_place() {
        assert!(Sent::ALL.iter().enumerate().all(|(index, sent)| *sent as usize == index));
        assert!(ErrorCode::ALL.iter().enumerate().all(|(index, code)| *code as usize == index));
        let counters = Counters::default();
        counters.count_received(Some(&Message::Save));
        counters.count_received(None);
        let received: Vec<u64> = counters.received.iter().map(Counter::get).collect();
        let expected = |name: &str| u64::from(name == "document.save");
        assert_eq!(received, [Message::TYPES.map(expected).as_slice(), &[1]].concat());
    }
}

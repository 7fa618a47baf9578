//! How the cores hear what happens to the translation memory.
//!
//! The thread that changes tells each core that has somebody to tell, when what it tells is on disk and found. A core that does
//! not keep up misses something, and tells its translators so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;
use jddb_core::room::MemoryEvent;
use tokio::sync::Notify;

/// The most events that wait for a core. One that comes when there is no room is left out, and the core knows that.
const EVENTS_WAITING_MAX: usize = 1_024;

/// What waits for one core to be told to its translators.
#[derive(Debug)]
pub struct MemoryEvents {
    events: ArrayQueue<Arc<MemoryEvent>>,
    missed: AtomicBool,
    arrived: Notify,
    /// Connections of the core that are told.
    listeners: AtomicUsize,
}

/// What a core is to do next.
#[derive(Clone, Debug)]
pub enum Heard {
    /// To tell this.
    Event(Arc<MemoryEvent>),
    /// To tell that something was left out.
    Missed,
}

impl Default for MemoryEvents {
    fn default() -> Self {
        Self {
            events: ArrayQueue::new(EVENTS_WAITING_MAX),
            missed: AtomicBool::new(false),
            arrived: Notify::new(),
            listeners: AtomicUsize::new(0),
        }
    }
}

impl MemoryEvents {
    /// Somebody has come who is to be told. For the core.
    pub fn listen(&self) {
        self.listeners.fetch_add(1, Ordering::AcqRel);
    }

    /// They have gone.
    pub fn stop_listening(&self) {
        self.listeners.fetch_sub(1, Ordering::AcqRel);
    }

    /// Tells the core, if there is anybody. For the thread that changes.
    pub fn push(&self, event: &Arc<MemoryEvent>) {
        if self.listeners.load(Ordering::Acquire) == 0 {
            return;
        }
        if self.events.push(Arc::clone(event)).is_err() {
            self.missed.store(true, Ordering::Release);
        }
        self.arrived.notify_one();
    }

    /// Tells the core that something has happened that is not told one by one. For the thread that changes.
    pub fn push_missed(&self) {
        if self.listeners.load(Ordering::Acquire) > 0 {
            self.missed.store(true, Ordering::Release);
            self.arrived.notify_one();
        }
    }

    /// The next that there is already. What was left out is told of after what waited before it.
    pub fn pop(&self) -> Option<Heard> {
        let event = self.events.pop().map(Heard::Event);
        event.or_else(|| self.missed.swap(false, Ordering::AcqRel).then_some(Heard::Missed))
    }

    /// Waits until there may be something.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jddb_core::ids::UnixMillis;
    use jddb_core::room::{MemoryChange, Origin};
    use jddb_core::translation::{Context, Entry, EntryId, Language, LanguagePair, Scope, Submission};

    use super::*;

    /// An entry of that number was put.
    pub(crate) fn event(number: u64) -> Arc<MemoryEvent> {
        let submission = Submission {
            scope: Scope::Shared,
            pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
            source_text: "a".into(),
            translated_text: "b".into(),
            context: Context::default(),
            rating: None,
            reviewed: false,
            user_id: "ann".into(),
        };
        let entry = Arc::new(Entry::new(EntryId(number), submission, UnixMillis(0)));
        Arc::new(MemoryEvent::new(UnixMillis(0), Origin::default(), MemoryChange::EntryPut(entry)))
    }

    fn number(heard: Option<Heard>) -> Option<u64> {
        match heard {
            Some(Heard::Event(event)) => match &event.change {
                MemoryChange::EntryPut(entry) | MemoryChange::EntryRemoved(entry) => Some(entry.id.0),
                MemoryChange::TermPut(_) | MemoryChange::TermRemoved(_) => None,
            },
            Some(Heard::Missed) | None => None,
        }
    }

    #[test]
    fn nobody_listens_and_nothing_waits() {
        let events = MemoryEvents::default();
        events.push(&event(1));
        assert!(events.pop().is_none());
        events.listen();
        events.push(&event(2));
        assert_eq!(number(events.pop()), Some(2));
        events.stop_listening();
        events.push(&event(3));
        assert!(events.pop().is_none());
    }

    #[tokio::test]
    async fn what_is_more_than_waits_is_left_out_and_told_once() {
        let events = MemoryEvents::default();
        events.listen();
        let most = EVENTS_WAITING_MAX as u64;
        (0..most + 5).for_each(|number| events.push(&event(number)));
        events.arrived().await;
        for expected in 0..most {
            assert_eq!(number(events.pop()), Some(expected));
        }
        assert!(matches!(events.pop(), Some(Heard::Missed)));
        assert!(events.pop().is_none());
        events.push(&event(7));
        assert_eq!(number(events.pop()), Some(7));
    }
}

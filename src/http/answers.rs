//! Answers that wait for their clients, bounded in all: what a client asks for and does not read is kept for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of answers that one core may hold. Shared because hyper wants sockets to be `Send`; it never leaves its core.
#[derive(Clone, Debug)]
pub(super) struct AnswerBudget {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl AnswerBudget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { held: Arc::default(), bytes_max }
    }

    /// Counts an answer of so many bytes; false if there is no room for it. One alone always has room, and so has what
    /// takes none.
    fn add(&self, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let held = self.held.load(Ordering::Relaxed);
        if held > 0 && held + bytes > self.bytes_max {
            return false;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Counts so many bytes of an answer until it is dropped, if there is room.
    pub(super) fn hold(&self, bytes: usize) -> Option<Held> {
        self.add(bytes).then(|| Held { budget: self.clone(), bytes })
    }

    /// Whether so much waits that a large answer is not worth making: its room would most likely be gone.
    pub(super) fn is_crowded(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.bytes_max / 2
    }
}

/// What one connection holds of it.
#[derive(Debug)]
pub(super) struct HeldAnswers {
    budget: AnswerBudget,
    bytes: AtomicUsize,
}

impl HeldAnswers {
    pub(super) fn new(budget: &AnswerBudget) -> Arc<Self> {
        Arc::new(Self { budget: budget.clone(), bytes: AtomicUsize::new(0) })
    }

    /// Counts an answer of so many bytes; false if there is no room for it. One alone always has room.
    pub(super) fn add(&self, bytes: usize) -> bool {
        let has_room = self.budget.add(bytes);
        if has_room {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        has_room
    }

    /// Counts an answer of so many bytes that has to be given, whether there is room or not: its request had an effect.
    pub(super) fn add_always(&self, bytes: usize) {
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The system has taken all of it.
    pub(super) fn release(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for HeldAnswers {
    fn drop(&mut self) {
        self.release();
    }
}

/// What one answer holds of it that is made while it is sent.
#[derive(Debug)]
pub(super) struct Held {
    budget: AnswerBudget,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_much_and_always_for_one() {
        let budget = AnswerBudget::new(100);
        let (first, second) = (HeldAnswers::new(&budget), HeldAnswers::new(&budget));
        assert!(first.add(60) && first.add(40));
        assert!(!second.add(1) && budget.is_crowded());
        first.release();
        assert!(!budget.is_crowded());
        assert!(second.add(1_000), "nothing else waits");
        assert!(!first.add(1));
        assert!(first.add(0), "an upgrade, or what is not there");
        first.add_always(50);
        assert!(!first.add(1));
        drop(second);
        assert!(first.add(50) && !first.add(1));
        assert_eq!(budget.held.load(Ordering::Relaxed), 100);
    }
}

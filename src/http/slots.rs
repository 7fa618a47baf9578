//! Counted places, given back when dropped.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// The HTTP connections of one core and the requests under way on those of HTTP/2, counted.
#[derive(Debug)]
pub(super) struct Slots {
    taken: Cell<usize>,
    max: Cell<usize>,
    all_free: Notify,
}

/// The place of one HTTP connection, or of a request on one of HTTP/2, held until the last of it is gone.
#[derive(Debug)]
pub(super) struct Slot(Rc<Slots>);

impl Slots {
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Self { taken: Cell::new(0), max: Cell::new(max), all_free: Notify::new() })
    }

    /// There are so many from now on.
    pub(super) fn bound(&self, max: usize) {
        self.max.set(max);
    }

    /// A place, unless all are taken.
    pub(super) fn take(self: &Rc<Self>) -> Option<Slot> {
        if self.taken.get() >= self.max.get() {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Slot(Rc::clone(self)))
    }

    /// Waits until every place is free. For when none is taken any more.
    pub(super) async fn all_free(&self) {
        while self.taken.get() > 0 {
            self.all_free.notified().await;
        }
    }
}

impl Slot {
    /// Another one beside it, unless all are taken.
    pub(super) fn another(&self) -> Option<Self> {
        self.0.take()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let left = self.0.taken.get() - 1;
        self.0.taken.set(left);
        if left == 0 {
            self.0.all_free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let slots = Slots::new(2);
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();
        assert!(slots.take().is_none());
        drop(first);
        let third = second.another().unwrap();
        assert!(second.another().is_none());
        drop(third);
        slots.bound(1);
        assert!(slots.take().is_none(), "fewer than are taken");
        slots.bound(2);
        assert!(slots.take().is_some());
        drop(second);
        assert_eq!(slots.taken.get(), 0);
    }
}

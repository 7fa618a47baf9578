//! The bounded queue by which all cores tell one of them who is present.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use jddb_core::room::PresenceEvent;
use tokio::sync::Notify;

/// The most items that wait for a core to read them. A core that finds no room for what it has to tell tells
/// everything anew when there is some.
const SUBSCRIPTION_ITEMS_MAX: usize = 4096;

/// A core's wish to be told who is present, with the queue for the answers. It is made when the core's first
/// watcher comes, and closed when the last one goes.
#[derive(Debug)]
pub struct Subscription {
    items: ArrayQueue<Item>,
    arrived: Notify,
    closed: AtomicBool,
}

/// What one core tells.
#[derive(Debug)]
pub(super) struct Item {
    /// The core.
    pub(super) publisher: usize,
    /// What it tells.
    pub(super) told: Told,
}

/// What a core tells of the people in its documents.
#[derive(Debug)]
pub(super) enum Told {
    /// Everything, in the place of whatever it has told before.
    Whole(Vec<PresenceEvent>),
    /// What has changed.
    Event(PresenceEvent),
}

impl Subscription {
    pub(super) fn new() -> Self {
        Self::with_room_for(SUBSCRIPTION_ITEMS_MAX)
    }

    pub(super) fn with_room_for(items: usize) -> Self {
        Self { items: ArrayQueue::new(items), arrived: Notify::new(), closed: AtomicBool::new(false) }
    }

    /// Queues an item; false if there is no room.
    pub(super) fn push(&self, item: Item) -> bool {
        let taken = self.items.push(item).is_ok();
        self.arrived.notify_one();
        taken
    }

    /// The next item, as soon as there is one; `None` once the subscription is closed. For the core that made it.
    pub(super) async fn next(&self) -> Option<Item> {
        loop {
            if self.is_closed() {
                return None;
            }
            if let Some(item) = self.items.pop() {
                return Some(item);
            }
            self.arrived.notified().await;
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Nobody wants to know any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_queued_is_bounded_and_nothing_comes_after_the_close() {
        let subscription = Subscription::new();
        let item = |publisher| Item { publisher, told: Told::Whole(Vec::new()) };
        let taken = (0..SUBSCRIPTION_ITEMS_MAX + 7).filter(|publisher| subscription.push(item(*publisher))).count();
        assert_eq!(taken, SUBSCRIPTION_ITEMS_MAX);
        assert_eq!(subscription.next().await.map(|item| item.publisher), Some(0));
        assert!(subscription.push(item(0)));
        subscription.close();
        assert!(subscription.next().await.is_none());
    }
}

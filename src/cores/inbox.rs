//! The bounded queue by which other threads reach a core.

use crossbeam::queue::ArrayQueue;
use tokio::sync::Notify;

use super::message::CoreMessage;

/// The most messages that wait for one core. Beyond that callers are told `CAPACITY_EXCEEDED`.
const INBOX_MESSAGES_MAX: usize = 4096;

/// A core's inbox: messages, and what wakes the core for other reasons.
#[derive(Debug)]
pub struct Inbox {
    messages: ArrayQueue<CoreMessage>,
    arrived: Notify,
    committed: Notify,
    revoked: Notify,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            messages: ArrayQueue::new(INBOX_MESSAGES_MAX),
            arrived: Notify::new(),
            committed: Notify::new(),
            revoked: Notify::new(),
        }
    }
}

impl Inbox {
    /// Queues a message and wakes the core.
    ///
    /// # Errors
    /// The inbox is full; the message comes back.
    pub fn send(&self, message: CoreMessage) -> Result<(), CoreMessage> {
        self.messages.push(message)?;
        self.arrived.notify_one();
        Ok(())
    }

    /// The next message, as soon as there is one. For the core itself.
    pub async fn receive(&self) -> CoreMessage {
        loop {
            if let Some(message) = self.messages.pop() {
                return message;
            }
            self.arrived.notified().await;
        }
    }

    /// Something that the core submitted is durable, or storage has failed.
    pub fn notify_committed(&self) {
        self.committed.notify_one();
    }

    /// Waits for [`Self::notify_committed`].
    pub async fn committed(&self) {
        self.committed.notified().await;
    }

    /// Tokens were revoked.
    pub fn notify_revoked(&self) {
        self.revoked.notify_one();
    }

    /// Waits for [`Self::notify_revoked`].
    pub async fn revoked(&self) {
        self.revoked.notified().await;
    }
}

//! What all threads of the server see. Nothing here is locked on the way of a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;
use jddb_core::ids::DocumentId;
use jddb_storage::{SnapshotRequests, Store};

use crate::auth::Authority;
use crate::config::Config;
use crate::cores::{CoreMessage, Inbox};
use crate::metrics::CoreMetrics;

/// Shards that documents are hashed to, and that are dealt out to the cores. More than any machine has cores.
const SHARDS: u32 = 4096;

/// What all threads of the server see.
#[derive(Debug)]
pub struct Shared {
    /// The settings in force.
    pub config: Config,
    /// Who checks tokens.
    pub authority: Authority,
    /// The documents on disk.
    pub store: Arc<Store>,
    /// Where to ask for snapshots.
    pub snapshots: SnapshotRequests,
    /// One inbox a core.
    pub inboxes: Vec<Inbox>,
    /// What each core counts.
    pub metrics: Vec<CachePadded<CoreMetrics>>,
    /// WebSocket connections open or being opened, over all cores.
    pub connections: AtomicUsize,
    /// Bytes of unfinished messages held, over all connections.
    pub unfinished_bytes: AtomicUsize,
    /// The server is stopping.
    pub draining: AtomicBool,
    /// Cores that still accept requests, or have some in flight.
    pub fronts: AtomicUsize,
}

impl Shared {
    /// The core that owns a document.
    #[must_use]
    pub fn core_of(&self, document_id: &DocumentId) -> usize {
        let shard = crc32fast::hash(document_id.as_str().as_bytes()) % SHARDS;
        shard as usize % self.inboxes.len()
    }

    /// The core that takes a connection of this name, where no document says which.
    #[must_use]
    pub fn core_for(&self, connection_id: &str) -> usize {
        crc32fast::hash(connection_id.as_bytes()) as usize % self.inboxes.len()
    }

    /// Asks the core that owns `document_id`.
    ///
    /// # Errors
    /// The core has too much to do; the message comes back.
    pub fn send(&self, document_id: &DocumentId, message: CoreMessage) -> Result<(), CoreMessage> {
        self.inboxes[self.core_of(document_id)].send(message)
    }

    /// Notes that a connection holds `after` bytes of unfinished messages where it held `before`; returns
    /// how many all hold. Most connections hold none before and after, and pay nothing.
    pub fn count_unfinished(&self, before: usize, after: usize) -> usize {
        if after > before {
            self.unfinished_bytes.fetch_add(after - before, Ordering::AcqRel) + after - before
        } else if before > after {
            self.unfinished_bytes.fetch_sub(before - after, Ordering::AcqRel) - (before - after)
        } else {
            0
        }
    }

    /// Whether new requests are welcome: the server is not stopping and its disk takes writes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && !self.store.poisoned()
    }
}

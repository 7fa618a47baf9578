//! Snapshots are made here, on a thread of their own, and not on the documents' cores.
//!
//! A snapshot is redundant: the journal has everything that is in it. So it is written without waiting for
//! the disk, a request that finds no room is dropped, and a failed write is only logged; the next threshold
//! that the document passes asks again. It never tells anything that is not durable, since it is made from
//! what is on disk, up to a version that was.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use jddb_core::document::Snapshot;
use jddb_core::ids::{DocumentId, Version};
use parking_lot::{Condvar, Mutex};

use crate::load::Loaded;
use crate::store::Store;

/// Restores a loaded document and takes its snapshot; `None`, or a panic, if that cannot be.
pub type SnapshotMaker = Box<dyn Fn(&DocumentId, Loaded) -> Option<Snapshot> + Send>;

/// The thread that makes snapshots.
#[derive(Debug)]
pub struct Snapshotter {
    requests: SnapshotRequests,
    thread: Option<JoinHandle<()>>,
}

/// A way to ask for snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotRequests(Arc<Waiting>);

struct Waiting {
    state: Mutex<Queue>,
    changed: Condvar,
    documents_max: usize,
}

#[derive(Default)]
struct Queue {
    order: VecDeque<DocumentId>,
    /// Of the documents in `order`, the version that was asked for last.
    versions: HashMap<DocumentId, Version>,
    stopping: bool,
}

impl SnapshotRequests {
    /// Asks for a snapshot of `document` at `version`, which has to be durable. Never waits for a disk.
    ///
    /// A document waits once; the version asked for last counts. Returns false, and does nothing, if the
    /// queue is full or the thread is stopping.
    pub fn request(&self, document: &DocumentId, version: Version) -> bool {
        let mut queue = self.0.state.lock();
        if let Some(waiting) = queue.versions.get_mut(document) {
            *waiting = version;
            return true;
        }
        if queue.stopping || queue.order.len() >= self.0.documents_max {
            return false;
        }
        queue.order.push_back(document.clone());
        queue.versions.insert(document.clone(), version);
        drop(queue);
        self.0.changed.notify_one();
        true
    }
}

impl Waiting {
    /// The next request, waited for; `None` once the thread has to end.
    fn next(&self) -> Option<(DocumentId, Version)> {
        let mut queue = self.state.lock();
        loop {
            if queue.stopping {
                return None;
            }
            if let Some(document) = queue.order.pop_front() {
                return queue.versions.remove_entry(&document);
            }
            self.changed.wait(&mut queue);
        }
    }
}

impl Snapshotter {
    /// Starts the thread, with room for `queue_documents` documents that wait.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(store: Arc<Store>, make: SnapshotMaker, queue_documents: usize) -> io::Result<Self> {
        let waiting = Waiting { state: Mutex::default(), changed: Condvar::new(), documents_max: queue_documents };
        let requests = SnapshotRequests(Arc::new(waiting));
        let waiting = Arc::clone(&requests.0);
        let thread = Builder::new().name("snapshots".to_owned()).spawn(move || {
            while let Some((document, version)) = waiting.next() {
                make_snapshot(&store, &make, &document, version);
            }
        })?;
        Ok(Self { requests, thread: Some(thread) })
    }

    /// A way to ask for snapshots, from any thread.
    #[must_use]
    pub fn requests(&self) -> SnapshotRequests {
        self.requests.clone()
    }

    /// Ends the thread after the snapshot it is at. Those that wait are not made: they are redundant.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.requests.0.state.lock().stopping = true;
        self.requests.0.changed.notify_one();
        if thread.join().is_err() {
            tracing::error!("the snapshot thread panicked");
        }
    }
}

impl Drop for Snapshotter {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn make_snapshot(store: &Store, make: &SnapshotMaker, document: &DocumentId, version: Version) {
    let loaded = match store.load_at(document, version) {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return tracing::warn!(%document, %version, "no snapshot: the version is not in the store"),
        Err(error) => return tracing::error!(%error, "no snapshot: the document cannot be read"),
    };
    if loaded.changes.is_empty() {
        return;
    }
    // What is not restorable is one document's trouble, and no reason to end the thread for all.
    let made = catch_unwind(AssertUnwindSafe(|| make(document, loaded)));
    let Some(snapshot) = made.ok().flatten().filter(|snapshot| snapshot.version == version) else {
        return tracing::error!(%document, %version, "no snapshot: the document cannot be restored from its journal");
    };
    let record = store.encode_snapshot(document, &snapshot);
    if let Err(error) = store.write_redundant(&record) {
        tracing::warn!(%document, %version, %error, "snapshot not written; the next threshold asks again");
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("documents_max", &self.documents_max).finish_non_exhaustive()
    }
}

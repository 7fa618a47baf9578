//! The translation memory at the start of a server: read by one thread, put together by another, and indexed by as many as there
//! are processors.

use std::panic;
use std::thread::{self, ScopedJoinHandle};

use crossbeam::channel::bounded;
use jddb_core::translation::{Entry, Job, Loadable, Loading, Memory};
use jddb_storage::{LoadError, Store};
use parking_lot::Mutex;

use crate::clock;

/// Entries that go from one thread to the other at once.
const BATCH_ENTRIES: usize = 256;
/// What waits to be put together, in batches.
const BATCHES_MAX: usize = 16;

/// The memory, as it is on disk, with so many entries at most later on.
///
/// # Errors
/// The disk fails.
pub(crate) fn load(store: &Store, entries_max: usize, processors: usize) -> Result<Memory, LoadError> {
    let began = clock::monotonic();
    let (loading, unreadable) = read(store, Loading::new(entries_max))?;
    let (memory, left_out) = loading.finish(|jobs| in_threads(jobs, processors));
    if unreadable + left_out > 0 {
        tracing::error!(unreadable, left_out, "entries of the translation memory are not used; they stay on disk");
    }
    if !memory.is_empty() {
        let took = clock::monotonic().saturating_sub(began);
        tracing::info!(entries = memory.len(), ?took, "the translation memory is loaded");
    }
    Ok(memory)
}

/// All entries on disk, and how many could not be read.
fn read(store: &Store, mut loading: Loading) -> Result<(Loading, u64), LoadError> {
    let (batches, waiting) = bounded::<Vec<Loadable>>(BATCHES_MAX);
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut batch = Vec::with_capacity(BATCH_ENTRIES);
            let unreadable = store.load_translations(|entry: Entry| {
                batch.push(Loadable::new(entry));
                if batch.len() == BATCH_ENTRIES {
                    // Whoever takes them is there as long as this thread.
                    let _ = batches.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ENTRIES)));
                }
            });
            let _ = batches.send(batch);
            unreadable
        });
        waiting.iter().flatten().for_each(|loadable| loading.add(loadable));
        let unreadable = reading.join().unwrap_or_else(|panic| panic::resume_unwind(panic))?;
        Ok((loading, unreadable))
    })
}

/// Does all jobs, in so many threads. Where the system gives no further thread, those that there are do them.
fn in_threads(jobs: Vec<Job<'_>>, threads: usize) {
    let threads = threads.min(jobs.len());
    let jobs = Mutex::new(jobs.into_iter());
    let work = || {
        loop {
            let job = jobs.lock().next();
            match job {
                Some(job) => job(),
                None => return,
            }
        }
    };
    thread::scope(|scope| {
        let started = (1..threads)
            .map_while(|_| thread::Builder::new().name("indexing".to_owned()).spawn_scoped(scope, work).ok());
        let others: Vec<ScopedJoinHandle<'_, ()>> = started.collect();
        work();
        for other in others {
            other.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        }
    });
}

//! Group commit under many cores: in order, never early, never twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use jddb_core::ids::Version;
use jddb_storage::{
    CommitBatch, CommitHandle, Committer, Durability, EncodedRecord, RefusalReason, Refused, Store, Waker,
};

use crate::support::{EVERYTHING, change, id, open, versions};

const CORES: usize = 8;
const BATCHES: u64 = 400;
/// Records of one batch: this many versions of the core's own document.
const CHANGES: u64 = 3;

#[test]
fn cores_submit_at_once_and_what_is_durable_only_grows() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let wakes: Arc<Vec<AtomicU64>> = Arc::new((0..CORES).map(|_| AtomicU64::new(0)).collect());
    let waker = |core: usize| -> Waker {
        let wakes = Arc::clone(&wakes);
        Box::new(move || _ = wakes[core].fetch_add(1, Ordering::SeqCst))
    };
    let (handles, committer) = Committer::start(Arc::clone(&store), (0..CORES).map(waker).collect(), 16).unwrap();
    thread::scope(|scope| {
        for (core, handle) in handles.iter().enumerate() {
            let store = &store;
            scope.spawn(move || run_core(store, handle, core));
        }
    });
    let statistics = committer.statistics();
    committer.stop();

    for (core, handle) in handles.iter().enumerate() {
        assert_eq!(handle.durable(), BATCHES, "stopping drains what was submitted");
        let wakes = wakes[core].load(Ordering::SeqCst);
        assert!((1..=BATCHES * 2).contains(&wakes), "{wakes} wake-ups");
        let refused = handle.submit(batch(&store, core, BATCHES + 1)).unwrap_err();
        assert_eq!(refused.reason, RefusalReason::Stopped);
    }
    let figures = statistics.figures();
    assert_eq!(figures.records, CORES as u64 * BATCHES * CHANGES);
    assert!(figures.commits < CORES as u64 * BATCHES, "{} groups", figures.commits);
    assert!(figures.sync_us_max > 0 && figures.sync_us_sum >= figures.sync_us_max && figures.failures == 0);

    drop((handles, store));
    let store = open(directory.path(), Durability::Strict);
    for core in 0..CORES {
        let loaded = store.load(&id(&format!("doc{core}")), EVERYTHING.0, EVERYTHING.1).unwrap().unwrap();
        assert_eq!(versions(&loaded.changes), (1..=BATCHES * CHANGES).collect::<Vec<_>>());
    }
}

fn run_core(store: &Store, handle: &CommitHandle, core: usize) {
    let document = id(&format!("doc{core}"));
    let mut before = 0;
    for sequence in 1..=BATCHES {
        let mut next = batch(store, core, sequence);
        while let Err(Refused { batch, reason }) = handle.submit(next) {
            assert_eq!(reason, RefusalReason::Full);
            next = batch;
            thread::yield_now();
        }
        let durable = handle.durable();
        assert!(before <= durable && durable <= sequence);
        if sequence % 16 == 0 && durable > 0 {
            // A batch can be read only after its sync: what is said to be durable has to be there.
            let loaded = store.load(&document, 1, 0).unwrap().unwrap();
            assert!(loaded.version() >= Version(durable * CHANGES));
            assert_eq!(loaded.version().0 % CHANGES, 0, "a batch is there as a whole or not at all");
        }
        before = durable;
    }
}

fn batch(store: &Store, core: usize, sequence: u64) -> CommitBatch {
    CommitBatch { sequence, records: records(store, core, sequence) }
}

fn records(store: &Store, core: usize, sequence: u64) -> Vec<EncodedRecord> {
    let document = id(&format!("doc{core}"));
    let versions = (sequence - 1) * CHANGES + 1..=sequence * CHANGES;
    versions.map(|version| store.encode_change(&document, &change(&document, version))).collect()
}

#[test]
fn a_full_queue_refuses_at_once_and_wakes_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let (wake, woken) = std::sync::mpsc::channel();
    let (handles, committer) =
        Committer::start(Arc::clone(&store), vec![Box::new(move || _ = wake.send(()))], 1).unwrap();
    let mut sequence = 0;
    let refused = loop {
        sequence += 1;
        if let Err(refused) = handles[0].submit(batch(&store, 0, sequence)) {
            break refused;
        }
    };
    assert_eq!(refused.reason, RefusalReason::Full);
    assert_eq!(refused.batch, batch(&store, 0, sequence), "it comes back whole");
    let mut next = refused.batch;
    while let Err(refused) = handles[0].submit(next) {
        woken.recv().unwrap();
        next = refused.batch;
    }
    committer.stop();
    assert_eq!(handles[0].durable(), sequence);
}

/// A batch is refused or becomes durable, also when the committer stops at that moment.
#[test]
fn stopping_loses_nothing_that_was_taken() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    for _ in 0..30 {
        let (handles, committer) = Committer::start(Arc::clone(&store), vec![Box::new(|| ())], 1 << 12).unwrap();
        let taken = thread::scope(|scope| {
            let submits = scope.spawn(|| {
                (1..).take_while(|&sequence| handles[0].submit(batch(&store, 0, sequence)).is_ok()).count() as u64
            });
            while handles[0].durable() == 0 {
                thread::yield_now();
            }
            committer.stop();
            submits.join().unwrap()
        });
        assert_eq!(handles[0].durable(), taken);
    }
}

/// A batch without records says how far the core is, and needs no sync.
#[test]
fn an_empty_batch_is_durable_after_those_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let (handles, committer) = Committer::start(Arc::clone(&store), vec![Box::new(|| ())], 4).unwrap();
    handles[0].submit(CommitBatch { sequence: 7, records: Vec::new() }).unwrap();
    let statistics = committer.statistics();
    committer.stop();
    assert_eq!((handles[0].durable(), statistics.figures().commits), (7, 0));
}

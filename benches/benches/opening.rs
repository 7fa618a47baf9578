//! How long a document with a long life behind it takes to open: read from the disk's cache and RocksDB,
//! checked, and made ready to transform late changes.

use std::path::Path;
use std::sync::{Arc, mpsc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jddb_core::document::{ChangeKind, ChangeRef, Document, DocumentLimits, SentChange, Submission};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};
use jddb_storage::{CommitBatch, Committer, DataDirectory, Durability, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHANGES: u64 = 1_000_000;
/// As many where the bench only has to run at all.
const CHANGES_FEW: u64 = 20_000;
const CHANGES_A_BATCH: u64 = 10_000;
/// The server's default.
const CHANGES_A_SNAPSHOT: u64 = 1_000;
const TEXT_UNITS: u64 = 50 << 10;
const BEGAN: u64 = 1_758_458_730_123;

const OPTIONS: StoreOptions =
    StoreOptions { wal_bytes: 64 << 20, block_cache_bytes: 32 << 20, write_buffer_bytes: 32 << 20 };

fn open(path: &Path) -> Arc<Store> {
    let directory = DataDirectory::lock(path).expect("the directory is ours");
    Store::open(&directory, OPTIONS, Durability::Strict).expect("the store opens")
}

/// Types until the text is long enough; from then on as much is taken away as put in.
fn type_key(document: &mut Document, number: u64) {
    let length = document.sections().first().map_or(0, |section| section.text().len()) as u64;
    let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % length.max(1);
    let insert = length < TEXT_UNITS || number.is_multiple_of(2);
    let (kind, content) = if insert { (ChangeKind::Insert, "e") } else { (ChangeKind::Delete, "") };
    let change =
        SentChange { kind, position: place, length: u64::from(!insert), content: content.into(), section: None };
    let submission = Submission {
        user_id: "user_123",
        client_id: Some("client_1"),
        correlation_id: Some(&number.to_string()),
        base: Some(document.version()),
        encoding: PositionEncoding::Utf16,
        changes: &[change],
        reject_conflicts: false,
        tell_moves: false,
    };
    document.submit(UnixMillis(BEGAN + 100 * number), &submission).expect("a good change");
}

/// A directory with a document that has so many changes behind it.
fn fill(path: &Path, id: &DocumentId, changes: u64) {
    let store = open(path);
    let (wake, woken) = mpsc::channel();
    let (handles, committer) =
        Committer::start(Arc::clone(&store), vec![Box::new(move || wake.send(()).expect("somebody waits"))], 8)
            .expect("a thread starts");
    let mut document = Document::new(id.clone(), DocumentLimits::default());
    for sequence in 1..=changes / CHANGES_A_BATCH {
        let mut records = Vec::new();
        for number in (sequence - 1) * CHANGES_A_BATCH..sequence * CHANGES_A_BATCH {
            type_key(&mut document, number);
            records.extend(document.history().last().map(ChangeRef::to_change).map(|it| store.encode_change(id, &it)));
            if number % CHANGES_A_SNAPSHOT == CHANGES_A_SNAPSHOT / 2 {
                let snapshot = document.snapshot(UnixMillis(BEGAN + 100 * number));
                records.push(store.encode_snapshot(id, &snapshot));
            }
        }
        handles[0].submit(CommitBatch { sequence, records }).expect("the disk takes it");
        woken.recv().expect("it is durable");
    }
    committer.stop();
    store.close_clean().expect("the store closes");
}

fn open_document(store: &Store, id: &DocumentId, changes: u64) -> Document {
    let limits = DocumentLimits::default();
    let loaded = store.load(id, limits.history_versions_max as u64, limits.history_bytes_max);
    let loaded = loaded.expect("it is sound").expect("it is there");
    let document = Document::restore(id.clone(), loaded.snapshot, loaded.changes, limits).expect("it fits");
    assert_eq!((document.version().0, document.history().floor().0), (changes, changes - 10_000));
    document
}

fn benches(c: &mut Criterion) {
    // Cargo says so where the bench is to be measured.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let changes = if measured { CHANGES } else { CHANGES_FEW };
    let directory = tempfile::tempdir().expect("a directory");
    let id = DocumentId::new("jd_12345").expect("a good name");
    fill(directory.path(), &id, changes);
    let mut group = c.benchmark_group("opening");
    group.sample_size(10);
    group.bench_function(format!("changes={changes}"), |b| {
        // Each time with a store that has read nothing yet; to open it is not counted.
        b.iter_batched_ref(
            || open(directory.path()),
            |store| open_document(store, &id, changes),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(opening_benches, benches);
criterion_main!(opening_benches);

//! What one submission costs a core: the common ones, and the largest that the limits allow.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jddb_core::document::{ChangeKind, Document, DocumentLimits, SentChange, Submission};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: UnixMillis = UnixMillis(1_758_458_730_123);

fn change(kind: ChangeKind, position: u64, length: u64, content: &str) -> SentChange<'_> {
    SentChange { kind, position, length, content: content.into(), section: None }
}

fn submit(document: &mut Document, base: Option<u64>, changes: &[SentChange<'_>]) {
    let submission = Submission {
        user_id: "user_123",
        client_id: None,
        correlation_id: None,
        base: base.map(Version),
        encoding: PositionEncoding::Utf16,
        changes,
        reject_conflicts: false,
        tell_moves: false,
    };
    document.submit(NOW, &submission).expect("a good submission");
}

/// A document with a text of `units`, and `versions` of one letter at its start after it.
fn document(units: usize, versions: u64) -> Document {
    let id = DocumentId::new("jd_12345").expect("a good name");
    let mut document = Document::new(id, DocumentLimits::default());
    submit(&mut document, None, &[change(ChangeKind::Insert, 0, 0, &"a".repeat(units))]);
    for _ in 0..versions {
        submit(&mut document, None, &[change(ChangeKind::Insert, 0, 0, "x")]);
    }
    document
}

fn bench(c: &mut Criterion, name: &str, start: &Document, base: u64, changes: &[SentChange<'_>]) {
    let mut group = c.benchmark_group("document");
    group.sample_size(10);
    group.bench_function(name, |b| {
        b.iter_batched_ref(
            || start.clone(),
            |document| submit(black_box(document), Some(base), changes),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// A key typed again and again in a document of 50 KB, each time against ten versions that its author has not
/// seen, and taken back by every second change.
fn steady(c: &mut Criterion) {
    const CONCURRENT: u64 = 10;
    // Far more than are remembered, and few enough to lie in a cache, as what was just read from a socket does.
    let names: Vec<String> = (0..1_024).map(|number| format!("change-{number}")).collect();
    let mut document = document(50 << 10, CONCURRENT);
    let mut number = 0;
    let mut group = c.benchmark_group("document");
    group.bench_function("submit_in_50_kb_concurrent=10", |b| {
        b.iter(|| {
            let place = 5_000 + (number as u64 * 7_919) % 40_000;
            let change = if number % 2 == 0 {
                change(ChangeKind::Insert, place, 0, "e")
            } else {
                change(ChangeKind::Delete, place, 1, "")
            };
            let submission = Submission {
                user_id: "user_123",
                client_id: Some("client_1"),
                correlation_id: Some(&names[number % names.len()]),
                base: Some(Version(document.version().0 - CONCURRENT)),
                encoding: PositionEncoding::Utf16,
                changes: std::slice::from_ref(&change),
                reject_conflicts: false,
                tell_moves: false,
            };
            number += 1;
            black_box(&mut document).submit(NOW, &submission).expect("a good submission")
        });
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    steady(c);
    let small = document(50 << 10, 10);
    let key = [change(ChangeKind::Insert, 25_000, 0, "e")];
    bench(c, "key_in_50_kb_concurrent=0", &small, 11, &key);
    bench(c, "key_in_50_kb_concurrent=10", &small, 1, &key);

    let long = document(50 << 10, 9_000);
    bench(c, "key_in_50_kb_concurrent=9000", &long, 1, &key);
    let megabyte = "b".repeat(1 << 20);
    bench(c, "paste_1_mb_concurrent=9000", &long, 1, &[change(ChangeKind::Insert, 3, 0, &megabyte)]);

    let batch: Vec<_> = (0..1_000).map(|place| change(ChangeKind::Replace, 4 * place, 1, "c")).collect();
    bench(c, "batch_of_1000_concurrent=900", &document(50 << 10, 900), 1, &batch);

    let large = document(4 << 20, 0);
    bench(c, "delete_4_mb", &large, 1, &[change(ChangeKind::Delete, 0, 4 << 20, "")]);
}

criterion_group!(document_benches, benches);
criterion_main!(document_benches);

//! A room of editors: what one keystroke costs from the parsed message to every recipient's drained queue.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jddb_benches::Editors;
use jddb_core::ids::PositionEncoding;

const CHANGE: &str = r#"{"type":"document.change","payload":{"operation":"insert","position":30000,"content":"x","section":"body"},"metadata":{"timestamp":"2025-09-21T12:45:30.123Z","client_id":"client_abc123"}}"#;
const CURSOR: &str = r#"{"type":"cursor.position","payload":{"position":30000,"section":"body"}}"#;
const HEARTBEAT: &str = r#"{"type":"system.heartbeat","payload":{"client_time":1758458730123}}"#;

/// A document of 64 KiB, open to so many.
fn editors(members: usize, encodings: &[PositionEncoding]) -> Editors {
    let mut editors = Editors::new(members, encodings);
    let text = "Gérer des équipes. ".repeat((64 << 10) / 21);
    editors.turn(&format!(
        r#"{{"type":"document.change","payload":{{"operation":"insert","position":0,"content":"{text}","section":"body"}}}}"#
    ));
    editors
}

fn bench_turn(c: &mut Criterion, name: &str, members: usize, encodings: &[PositionEncoding], message: &str) {
    let mut group = c.benchmark_group("room");
    group.throughput(Throughput::Elements(members as u64));
    group.bench_function(format!("{name}/members={members}"), |b| {
        // A fresh room now and then, so that its text and history stay of one size.
        b.iter_batched_ref(
            || editors(members, encodings),
            |editors| {
                for _ in 0..1_000 {
                    black_box(editors.turn(message));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn turns(c: &mut Criterion) {
    let one = [PositionEncoding::Utf16];
    bench_turn(c, "1000_changes", 50, &one, CHANGE);
    bench_turn(c, "1000_changes", 2, &one, CHANGE);
    bench_turn(c, "1000_changes_in_3_encodings", 50, &PositionEncoding::ALL, CHANGE);
    bench_turn(c, "1000_cursors", 50, &one, CURSOR);
    bench_turn(c, "1000_heartbeats", 50, &one, HEARTBEAT);
}

criterion_group! {
    name = room;
    config = Criterion::default().sample_size(20);
    targets = turns
}
criterion_main!(room);

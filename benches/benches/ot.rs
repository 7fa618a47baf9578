//! Transforming and composing changes of a text of 50 KB, next to `operational-transform`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jddb_core::ot::{Operation, OperationBuilder, Order, compose_all, transform_through};
use operational_transform::OperationSeq;

/// As the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TEXT_LEN: u32 = 50_000;
/// So many changes are moved in turn, so that their branches cannot be learned by heart.
const MOVED: usize = 64;

/// Changes in turn, each made on the text after those before it.
struct Author {
    seed: u64,
    /// The length of the text, all of it ASCII: UTF-16 code units and code points are the same.
    length: u32,
    /// Where the next key goes.
    cursor: u32,
}

impl Author {
    const fn new(seed: u64) -> Self {
        Self { seed, length: TEXT_LEN, cursor: 0 }
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(((self.seed >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    fn change(&mut self, position: u32, deleted: u32, text: &str) -> Change {
        let change = Change::new(self.length, position, deleted, text);
        self.length += u32::try_from(text.len()).unwrap_or(0);
        self.length -= deleted;
        change
    }

    /// An insert, delete or replace of up to eight characters anywhere.
    fn mixed(&mut self) -> Change {
        let kind = self.below(4);
        let deleted = if kind < 2 { 0 } else { 1 + self.below(8) };
        let inserted = if kind == 2 { 0 } else { 1 + self.below(8) as usize };
        let position = self.below(self.length - deleted + 1);
        self.change(position, deleted, &"a word, "[..inserted])
    }

    /// A key at the cursor: one in ten takes the last one back, one in a hundred goes elsewhere first.
    fn key(&mut self) -> Change {
        if self.below(100) == 0 {
            self.cursor = self.below(self.length + 1);
        }
        if self.below(10) == 0 && self.cursor > 0 {
            self.cursor -= 1;
            return self.change(self.cursor, 1, "");
        }
        self.cursor += 1;
        self.change(self.cursor - 1, 0, "k")
    }
}

/// One change, ours and theirs.
struct Change {
    ours: Operation,
    theirs: OperationSeq,
}

impl Change {
    fn new(length: u32, position: u32, deleted: u32, text: &str) -> Self {
        let mut ours = OperationBuilder::default();
        ours.insert(position, text);
        ours.delete(position, deleted);
        let mut theirs = OperationSeq::default();
        theirs.retain(u64::from(position));
        theirs.insert(text);
        theirs.delete(u64::from(deleted));
        theirs.retain(u64::from(length - position - deleted));
        Self { ours: ours.finish(), theirs }
    }
}

fn split(changes: Vec<Change>) -> (Vec<Operation>, Vec<OperationSeq>) {
    changes.into_iter().map(|change| (change.ours, change.theirs)).unzip()
}

/// Two by two, then the results two by two: the best its pairwise composition can do.
fn compose_theirs(operations: &[OperationSeq]) -> OperationSeq {
    match operations {
        [] => OperationSeq::default(),
        [one] => one.clone(),
        _ => {
            let (first, second) = operations.split_at(operations.len() / 2);
            compose_theirs(first).compose(&compose_theirs(second)).unwrap_or_default()
        }
    }
}

/// Mixed changes, all made on the first text, through as many others: the time is that of all pairs.
fn bench_transform(c: &mut Criterion, name: &str, moved: usize, others: usize) {
    let mut author = Author::new(1);
    let (ours, theirs) = split((0..others).map(|_| author.mixed()).collect());
    let (ours_moved, theirs_moved) = split((0..moved).map(|seed| Author::new(seed as u64 + 2).mixed()).collect());
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((moved * others) as u64));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            for change in &ours_moved {
                black_box(transform_through(black_box(change), &ours, Order::Second));
            }
        });
    });
    group.bench_function("operational-transform", |bencher| {
        bencher.iter(|| {
            for change in &theirs_moved {
                let through = |moved: OperationSeq, other: &OperationSeq| {
                    other.transform(&moved).map(|(_, moved)| moved).unwrap_or_default()
                };
                black_box(theirs.iter().fold(black_box(change).clone(), through));
            }
        });
    });
}

fn bench_compose(c: &mut Criterion, name: &str, next: fn(&mut Author) -> Change) {
    let mut author = Author::new(1);
    let (ours, theirs) = split((0..10_000).map(|_| next(&mut author)).collect());
    let mut group = c.benchmark_group(name);
    group.sample_size(50);
    group.bench_function("ours", |bencher| bencher.iter(|| compose_all(black_box(&ours))));
    group.bench_function("operational-transform", |bencher| bencher.iter(|| compose_theirs(black_box(&theirs))));
}

fn transform(c: &mut Criterion) {
    bench_transform(c, "ot/transform a change against 100", MOVED, 100);
    bench_transform(c, "ot/transform a change against 10,000", 1, 10_000);
}

fn compose(c: &mut Criterion) {
    bench_compose(c, "ot/compose 10,000 random", Author::mixed);
    bench_compose(c, "ot/compose 10,000 typed", Author::key);
}

criterion_group!(benches, transform, compose);
criterion_main!(benches);

//! What an edit of a text costs, beside ropes that others have made: each group is one figure, with
//! the same edits for all. The memory a text takes is a test of the core, `memory`.

use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use jddb_core::text::Text;
use jumprope::JumpRope;

/// What the server is built with, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One replacement of `deleted` units by `text[inserted]`.
struct Edit {
    position: usize,
    deleted: usize,
    inserted: std::ops::Range<usize>,
}

/// Edits that follow one another, with the text of all of them in one piece: no edit waits for memory.
#[derive(Default)]
struct Edits {
    edits: Vec<Edit>,
    text: String,
}

impl Edits {
    fn push(&mut self, position: usize, deleted: usize, inserted: &str) {
        let start = self.text.len();
        self.text.push_str(inserted);
        self.edits.push(Edit { position, deleted, inserted: start..self.text.len() });
    }

    fn apply(&self, rope: &mut impl Rope) {
        for Edit { position, deleted, inserted } in &self.edits {
            rope.edit(*position, *deleted, &self.text[inserted.clone()]);
        }
    }
}

trait Rope {
    fn new(text: &str) -> Self;
    fn edit(&mut self, position: usize, deleted: usize, inserted: &str);
    fn text(&self) -> String;
}

/// The text, with what a caller keeps of each edit: what it deleted.
struct Ours(Text, String);

impl Rope for Ours {
    fn new(text: &str) -> Self {
        Self(Text::from(text), String::new())
    }

    fn edit(&mut self, position: usize, deleted: usize, inserted: &str) {
        self.1.clear();
        self.0.splice(position, deleted, inserted, &mut self.1);
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Positions are code points.
impl Rope for JumpRope {
    fn new(text: &str) -> Self {
        Self::from(text)
    }

    fn edit(&mut self, position: usize, deleted: usize, inserted: &str) {
        if deleted > 0 {
            self.remove(position..position + deleted);
        }
        if !inserted.is_empty() {
            self.insert(position, inserted);
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Positions are code points.
impl Rope for ropey::Rope {
    fn new(text: &str) -> Self {
        Self::from_str(text)
    }

    fn edit(&mut self, position: usize, deleted: usize, inserted: &str) {
        if deleted > 0 {
            self.remove(position..position + deleted);
        }
        if !inserted.is_empty() {
            self.insert(position, inserted);
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Positions are UTF-16 code units.
impl Rope for ropey2::Rope {
    fn new(text: &str) -> Self {
        Self::from_str(text)
    }

    fn edit(&mut self, position: usize, deleted: usize, inserted: &str) {
        let start = self.utf16_to_byte_idx(position);
        if deleted > 0 {
            let end = self.utf16_to_byte_idx(position + deleted);
            self.remove(start..end);
        }
        if !inserted.is_empty() {
            self.insert(start, inserted);
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// A generator of numbers that look random: the same ones each time.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

/// The edits of a recorded session, and the text they end in.
fn trace(path: &Path) -> (Edits, String) {
    let file = std::fs::File::open(path).expect("the trace can be read");
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut json).expect("it is gzip");
    let trace: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    assert_eq!(trace["startContent"], "");
    let mut edits = Edits::default();
    let transactions = trace["txns"].as_array().expect("transactions");
    for patch in transactions.iter().flat_map(|transaction| transaction["patches"].as_array().expect("patches")) {
        let number = |index: usize| patch[index].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
        edits.push(number(0), number(1), patch[2].as_str().expect("a text"));
    }
    (edits, trace["endContent"].as_str().expect("a text").to_owned())
}

/// Ten people, each typing at a place of their own in a text of `units` ASCII characters, a key each in turn;
/// one key in ten is a backspace.
fn ten_authors(units: usize, keys: usize) -> Edits {
    let mut rng = Rng(10);
    let mut cursors: Vec<usize> = (0..10).map(|author| (2 * author + 1) * units / 20).collect();
    let mut edits = Edits::default();
    for key in 0..keys {
        let at = cursors[key % 10];
        let back = rng.below(10) == 0;
        if back {
            edits.push(at - 1, 1, "");
        } else {
            edits.push(at, 0, "e");
        }
        for cursor in cursors.iter_mut().filter(|cursor| **cursor >= at) {
            *cursor = if back { *cursor - 1 } else { *cursor + 1 };
        }
    }
    edits
}

/// One to eight characters inserted and as many units deleted, in turn, each time at a random place.
fn random_edits(start: &str, count: usize, inserted: &[char]) -> Edits {
    let mut rng = Rng(7);
    let mut edits = Edits::default();
    let mut units: Vec<u16> = start.encode_utf16().collect();
    for _ in 0..count / 2 {
        let characters = 1 + rng.below(8);
        let text: String = (0..characters).map(|_| inserted[rng.below(inserted.len())]).collect();
        let at = boundary(&units, rng.below(units.len()));
        edits.push(at, 0, &text);
        let added: Vec<u16> = text.encode_utf16().collect();
        replace(&mut units, at, 0, &added);
        let from = boundary(&units, rng.below(units.len() - added.len()));
        let to = boundary(&units, from + added.len());
        edits.push(from, to - from, "");
        replace(&mut units, from, to - from, &[]);
    }
    edits
}

/// The place itself, or the one before it where it is inside a surrogate pair.
fn boundary(units: &[u16], at: usize) -> usize {
    at - usize::from(units.get(at).is_some_and(|unit| (0xDC00..0xE000).contains(unit)))
}

/// Of ASCII only the length matters, and moving ten megabytes for each edit would take long.
fn replace(units: &mut Vec<u16>, at: usize, deleted: usize, inserted: &[u16]) {
    if units.len() > 1 << 17 {
        units.resize(units.len() + inserted.len() - deleted, u16::from(b'x'));
    } else {
        units.splice(at..at + deleted, inserted.iter().copied());
    }
}

fn bench(c: &mut Criterion, group: &str, name: &str, edits: &Edits, run: impl FnMut(&mut Bencher<'_>)) {
    let mut group = c.benchmark_group(group);
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(edits.edits.len() as u64));
    group.bench_function(name, run);
    group.finish();
}

/// Applies all edits to a text that was just made of `start`; gives what they make of it.
fn bench_new<R: Rope>(c: &mut Criterion, group: &str, name: &str, start: &str, edits: &Edits) -> String {
    bench(c, group, name, edits, |b| {
        b.iter_batched_ref(|| R::new(start), |rope| edits.apply(black_box(rope)), BatchSize::PerIteration);
    });
    let mut rope = R::new(start);
    edits.apply(&mut rope);
    rope.text()
}

/// Applies all edits, which leave the length as it is, to one text over and over.
fn bench_again<R: Rope>(c: &mut Criterion, group: &str, name: &str, start: &str, edits: &Edits) -> String {
    let mut rope = R::new(start);
    edits.apply(&mut rope);
    let text = rope.text();
    bench(c, group, name, edits, |b| b.iter(|| edits.apply(black_box(&mut rope))));
    text
}

fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    Some(root.join(name)).filter(|path| path.exists())
}

fn traces(c: &mut Criterion) {
    for name in ["automerge-paper", "rustcode", "seph-blog1"] {
        let Some(path) = shared(&format!("traces/sequential/{name}.json.gz")) else {
            println!("skipped: the editing traces are not here; set JDDB_SHARED to their directory");
            return;
        };
        let (edits, end) = trace(&path);
        let group = format!("text_replay_{name}");
        assert_eq!(bench_new::<Ours>(c, &group, "jddb", "", &edits), end);
        assert_eq!(bench_new::<JumpRope>(c, &group, "jumprope", "", &edits), end);
    }
}

fn authors(c: &mut Criterion) {
    const UNITS: usize = 50 << 10;
    let start = "the quick fox ".repeat(UNITS.div_ceil(14));
    let edits = ten_authors(UNITS, 10_000);
    let ours = bench_new::<Ours>(c, "text_ten_authors_in_50_kb", "jddb", &start, &edits);
    let theirs = bench_new::<JumpRope>(c, "text_ten_authors_in_50_kb", "jumprope", &start, &edits);
    assert_eq!(ours, theirs);
}

fn random(c: &mut Criterion) {
    for (megabytes, count) in [(1, 10_000), (10, 20_000)] {
        let start = "the quick fox ".repeat((megabytes << 20) / 14);
        let edits = random_edits(&start, count, &['a', 'e', 'n', ' ']);
        let group = format!("text_random_edits_in_{megabytes}_mb");
        let ours = bench_again::<Ours>(c, &group, "jddb", &start, &edits);
        let theirs = bench_again::<ropey::Rope>(c, &group, "ropey", &start, &edits);
        assert!(ours == theirs);
    }
}

/// One character in ten is not ASCII, and of those one in five is a pair in UTF-16.
fn non_ascii(c: &mut Criterion) {
    const TEXT: &str = "the quick é jumps over ж dog € and the \u{1F600} sleeps on 中 then ";
    let start = TEXT.repeat((50 << 10) / TEXT.len());
    let edits = random_edits(&start, 10_000, &['a', 'e', 'n', ' ', 'r', 's', 't', 'i', 'o', 'é']);
    let ours = bench_new::<Ours>(c, "text_non_ascii_in_50_kb", "jddb", &start, &edits);
    let theirs = bench_new::<ropey2::Rope>(c, "text_non_ascii_in_50_kb", "ropey2", &start, &edits);
    assert_eq!(ours, theirs);
}

criterion_group!(text_benches, traces, authors, random, non_ascii);
criterion_main!(text_benches);

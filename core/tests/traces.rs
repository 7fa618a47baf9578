//! Real editing sessions, replayed key by key: each has to end in the text that its authors ended in.
//!
//! The traces are github.com/josephg/editing-traces, CC BY 4.0: "Editing traces (c) Joseph Gentle and
//! contributors, CC BY 4.0". They are not part of this repository: `JDDB_SHARED` says where they are, else
//! they are looked for beside the checkout. Where they are missing, the tests say that they skip.

#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jddb_core::document::{ChangeKind, Document, DocumentLimits, SentChange, Submission, Submitted};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};
use jddb_core::ot::OperationBuilder;
use jddb_core::text::Text;

/// Every sequential trace, with its number of patches.
const TRACES: [(&str, usize); 5] = [
    ("automerge-paper", 259_778),
    ("clownschool_flat", 23_182),
    ("rustcode", 40_173),
    ("seph-blog1", 137_993),
    ("sveltecomponent", 19_749),
];

struct Trace {
    name: &'static str,
    start: String,
    end: String,
    patches: Vec<Patch>,
}

/// One replacement; positions and lengths are code points.
struct Patch {
    position: usize,
    deleted: usize,
    inserted: String,
}

impl Trace {
    fn read(name: &'static str, path: &Path) -> Self {
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut json).unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let patch = |patch: &serde_json::Value| Patch {
            position: number(&patch[0]),
            deleted: number(&patch[1]),
            inserted: text(&patch[2]),
        };
        let transactions = trace["txns"].as_array().unwrap().iter();
        let patches = transactions.flat_map(|transaction| transaction["patches"].as_array().unwrap()).map(patch);
        let (start, end) = (text(&trace["startContent"]), text(&trace["endContent"]));
        Self { name, start, end, patches: patches.collect() }
    }
}

/// Those that are here, read once for all tests.
static READ: LazyLock<Vec<Trace>> = LazyLock::new(|| {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JDDB_SHARED").map_or_else(beside, PathBuf::from);
    let read = |(name, patches)| {
        let path = root.join(format!("traces/sequential/{name}.json.gz"));
        if !path.exists() {
            println!("skipped: the trace {name} is not here; set JDDB_SHARED to the directory that has traces/");
            return None;
        }
        let trace = Trace::read(name, &path);
        assert_eq!(trace.patches.len(), patches, "{name}");
        Some(trace)
    };
    TRACES.into_iter().filter_map(read).collect()
});

/// Calls `replay` with each trace; it returns the text at the end.
fn check(mut replay: impl FnMut(&Trace) -> String) {
    for trace in &*READ {
        let ended = replay(trace);
        let equal = ended.chars().zip(trace.end.chars()).take_while(|(ended, wanted)| ended == wanted).count();
        assert!(ended == trace.end, "{} differs from its end from character {equal} on", trace.name);
    }
}

/// A patch in UTF-16 code units.
fn utf16_range(text: &Text, patch: &Patch) -> (usize, usize) {
    let at = |position| text.utf16_position(position, PositionEncoding::Utf32).unwrap();
    let (from, to) = (at(patch.position), at(patch.position + patch.deleted));
    assert_eq!(text.position_in(to, PositionEncoding::Utf32), patch.position + patch.deleted);
    (from, to - from)
}

#[test]
fn spliced() {
    check(|trace| {
        let mut text = Text::from(trace.start.as_str());
        let mut removed = String::new();
        for patch in &trace.patches {
            let (position, deleted) = utf16_range(&text, patch);
            removed.clear();
            text.splice(position, deleted, &patch.inserted, &mut removed);
            assert_eq!(removed.chars().count(), patch.deleted);
        }
        text.to_string()
    });
}

/// And taken back, from the last to the first.
#[test]
fn as_operations() {
    check(|trace| {
        let mut text = Text::from(trace.start.as_str());
        let mut inverses = Vec::new();
        for patch in &trace.patches {
            let (position, deleted) = utf16_range(&text, patch);
            let mut builder = OperationBuilder::default();
            builder.insert(u32::try_from(position).unwrap(), &patch.inserted);
            builder.delete(u32::try_from(position).unwrap(), u32::try_from(deleted).unwrap());
            let operation = builder.finish();
            assert!(operation.fits(&text));
            let deleted = operation.apply(&mut text);
            inverses.push(operation.invert(&deleted));
        }
        let ended = text.to_string();
        for inverse in inverses.iter().rev() {
            inverse.apply(&mut text);
        }
        assert_eq!(text.to_string(), trace.start);
        ended
    });
}

/// One client with one change in flight; one change in a hundred is sent again.
#[test]
fn submitted() {
    check(|trace| {
        let mut document = Document::new(DocumentId::new("jd_12345").unwrap(), DocumentLimits::default());
        let mut now = UnixMillis(1_758_458_730_000);
        let start = Patch { position: 0, deleted: 0, inserted: trace.start.clone() };
        for (count, patch) in std::iter::once(&start).chain(&trace.patches).enumerate() {
            now.0 += 10;
            let first = submit(&mut document, now, patch, count);
            let version = Version(count as u64 + 1);
            assert_eq!(first, Submitted::Applied { version, transformed: false, moves: Vec::new() });
            if count % 100 == 0 {
                let again = submit(&mut document, now, patch, count);
                assert_eq!(again, Submitted::Duplicate { version, transformed: false });
            }
        }
        document.sections()[0].text().to_string()
    });
}

/// Submits a patch as the change that follows version `count`.
fn submit(document: &mut Document, now: UnixMillis, patch: &Patch, count: usize) -> Submitted {
    let kind = match (patch.deleted, patch.inserted.as_str()) {
        (0, _) => ChangeKind::Insert,
        (_, "") => ChangeKind::Delete,
        (_, _) => ChangeKind::Replace,
    };
    let change = SentChange {
        kind,
        position: patch.position as u64,
        length: patch.deleted as u64,
        content: Cow::Borrowed(&patch.inserted),
        section: None,
    };
    let submission = Submission {
        user_id: "user_123",
        client_id: Some("client_1"),
        correlation_id: Some(&format!("change_{count}")),
        base: Some(Version(count as u64)),
        encoding: PositionEncoding::Utf32,
        changes: &[change],
        reject_conflicts: false,
    };
    document.submit(now, &submission).unwrap()
}

//! Real editing sessions, replayed key by key: each has to end in the text that its authors ended in.
//! Where the traces are missing, the tests say that they skip.

#![expect(clippy::unwrap_used, reason = "in helpers of tests, too, a failed unwrap is how a test fails")]

mod support;

use std::borrow::Cow;
use std::sync::LazyLock;

use jddb_core::document::{ChangeKind, Document, DocumentLimits, SentChange, Submission, Submitted};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis, Version};
use jddb_core::ot::OperationBuilder;
use jddb_core::text::Text;

use support::{Patch, Trace};

/// Those that are here, read once for all tests.
static READ: LazyLock<Vec<Trace>> = LazyLock::new(|| {
    support::read(&["automerge-paper", "clownschool_flat", "rustcode", "seph-blog1", "sveltecomponent"])
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
        tell_moves: true,
    };
    document.submit(now, &submission).unwrap()
}

//! What a document's history takes in memory: a small record a change, and the texts it put in and took out.

use jddb_core::document::{ChangeKind, Document, DocumentLimits, SentChange, Submission};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};

use super::heap_bytes;

/// As many as are kept.
const CHANGES: usize = 10_000;
const RECORD_BYTES_MAX: usize = 40;

fn submit(document: &mut Document, at: u64, change: SentChange<'_>) {
    let submission = Submission {
        user_id: "user_123",
        client_id: Some("client_1"),
        correlation_id: None,
        base: None,
        encoding: PositionEncoding::Utf16,
        changes: &[change],
        reject_conflicts: false,
        tell_moves: false,
    };
    document.submit(UnixMillis(1_758_458_730_000 + at), &submission).expect("a good change");
}

fn insert(position: u64, content: &str) -> SentChange<'_> {
    SentChange { kind: ChangeKind::Insert, position, length: 0, content: content.into(), section: None }
}

fn delete(position: u64, length: u64) -> SentChange<'static> {
    SentChange { kind: ChangeKind::Delete, position, length, content: "".into(), section: None }
}

/// A document of 100 units that has had so many more changes of one letter, put in and taken out by turns.
fn document(changes: usize) -> Document {
    let id = DocumentId::new("jd_12345").expect("a good name");
    let mut document = Document::new(id, DocumentLimits::default());
    submit(&mut document, 0, insert(0, &"x".repeat(100)));
    for number in 0..changes as u64 {
        let place = number * 7_919 % 90;
        submit(&mut document, 150 * number, if number % 2 == 0 { insert(place, "e") } else { delete(place, 1) });
    }
    document
}

#[test]
fn a_change_of_one_letter_takes_forty_bytes_and_its_letter() {
    let without = heap_bytes(|| document(0));
    let with = heap_bytes(|| document(CHANGES));
    let each = (with - without) as f64 / CHANGES as f64;
    println!("{each:.2} bytes a change of one letter");
    assert!(with - without <= CHANGES * (RECORD_BYTES_MAX + 1), "{each:.2} bytes a change");
}

#[test]
fn what_was_forgotten_takes_nothing() {
    // As long as nothing is forgotten, a second ten thousand would double it.
    let (once, often) = (heap_bytes(|| document(CHANGES)), heap_bytes(|| document(7 * CHANGES)));
    assert!(often <= once + once / 20, "{often} bytes after seven times as many changes, {once} before");
}

#[test]
fn history_says_how_much_it_holds() {
    let mut said = 0;
    let held = heap_bytes(|| {
        let document = document(CHANGES);
        said = document.history().bytes();
        document
    });
    // The text, the client, and the room that the last block keeps for what comes next.
    let besides = 12_000;
    assert!((said..said + besides).contains(&held), "{held} bytes are held, {said} are said");
}

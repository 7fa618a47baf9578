//! A document from its records is the document; records that do not fit are refused.

use jddb_core::document::{
    Change, ChangeRef, Document, DocumentLimits, RestoreError, SectionSnapshot, Snapshot, VERSIONS_SKIPPED,
};
use jddb_core::ids::{PositionEncoding, UnixMillis, Version};
use jddb_core::ot::Operation;
use proptest::prelude::*;

use super::random::{play, raw_history};
use super::support::{NOW, delete, document, empty, id, insert, replace, section, submission, submit, texts, within};

fn restore(snapshot: Snapshot, changes: Vec<Change>) -> Result<Document, RestoreError> {
    Document::restore(id(), snapshot, changes, DocumentLimits::default())
}

fn all_changes(document: &Document) -> Vec<Change> {
    document.history().since(Version::ZERO).unwrap().map(ChangeRef::to_change).collect()
}

/// All that can be seen of a document from outside.
fn state(document: &Document) -> (Snapshot, Vec<Change>) {
    let floor = document.history().floor();
    (document.snapshot(NOW), document.history().since(floor).unwrap().map(ChangeRef::to_change).collect())
}

/// The length of each section that a change changed, after it; of all changes.
fn lengths(document: &Document) -> Vec<u32> {
    let changes = document.history().since(document.history().floor()).unwrap();
    changes.flat_map(ChangeRef::sections).map(|made| made.length).collect()
}

/// Does every kind of thing that looks at the texts of old versions.
fn use_all(document: &mut Document) {
    let floor = document.history().floor();
    for encoding in PositionEncoding::ALL {
        for position in 0..6 {
            let changes = [replace(position, 2, "\u{1F600}"), within("x", insert(position, "y"))];
            let sent = jddb_core::document::Submission { encoding, ..submission(Some(floor.0), &changes) };
            let _ = document.submit(NOW, &sent);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_snapshot_at_any_version_and_the_changes_make_the_document(
        raw in raw_history(10),
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let (mut document, _) = play(&raw);
        let changes = all_changes(&document);
        let at = at.index(changes.len() + 1);
        let snapshot = restore(Snapshot::default(), changes[..at].to_vec()).unwrap().snapshot(NOW);
        let mut restored = restore(snapshot.clone(), changes.clone()).unwrap();
        prop_assert_eq!(state(&restored), state(&document));
        prop_assert_eq!(lengths(&restored), lengths(&document));
        use_all(&mut document);
        use_all(&mut restored);
        prop_assert_eq!(state(&restored), state(&document));
        // With less of the past there are fewer bases, and all else is the same.
        let from = from.index(at + 1);
        let later = restore(snapshot, changes[from..].to_vec()).unwrap();
        prop_assert_eq!(later.history().floor(), Version(from as u64));
        prop_assert_eq!(state(&later).1, &changes[from..]);
    }

    #[test]
    fn mutated_records_never_panic(
        raw in raw_history(8),
        at in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
        mutation in 0..9,
        value in prop_oneof![0_u32..8, any::<u32>()],
    ) {
        let (document, _) = play(&raw);
        let mut changes = all_changes(&document);
        if changes.is_empty() {
            return Ok(());
        }
        let at = at.index(changes.len() + 1);
        let mut snapshot = restore(Snapshot::default(), changes[..at].to_vec()).unwrap().snapshot(NOW);
        let which = which.index(changes.len());
        mutate(&mut snapshot, &mut changes, which, mutation, value);
        if let Ok(mut restored) = restore(snapshot, changes) {
            use_all(&mut restored);
            for section in restored.sections() {
                prop_assert!(!section.text().to_string().contains(char::REPLACEMENT_CHARACTER));
            }
        }
    }
}

fn mutate(snapshot: &mut Snapshot, changes: &mut Vec<Change>, which: usize, mutation: i32, value: u32) {
    let change = &mut changes[which];
    let made = value as usize % change.sections.len();
    match mutation {
        0 => change.version = Version(u64::from(value)),
        1 => change.version = Version(u64::MAX - u64::from(value)),
        2 => change.sections[made].section = u16::try_from(value & 0xFFFF).unwrap(),
        3 => change.sections[made].created = value.is_multiple_of(2).then(|| section("x")),
        4 => change.sections[made].deleted.push('\u{1F600}'),
        5 => {
            let operation = &change.sections[made].operation;
            let mut edits = operation.edits().to_vec();
            if let Some(edit) = edits.first_mut() {
                edit.position = edit.position.wrapping_add(value);
            }
            if let Some(edit) = edits.last_mut() {
                edit.deleted = edit.deleted.wrapping_add(value >> 1);
            }
            if let Ok(operation) = Operation::from_parts(&edits, operation.text().to_owned()) {
                change.sections[made].operation = operation;
            }
        }
        6 => {
            changes.remove(which);
        }
        7 => {
            let again = change.sections[made].clone();
            change.sections.push(again);
        }
        _ => {
            if let Some(section) = snapshot.sections.first_mut() {
                section.text.push('\u{1F600}');
                section.created = Version(u64::from(value));
            }
        }
    }
}

/// Three versions: a section made, something deleted, something replaced.
fn records() -> (Snapshot, Vec<Change>) {
    let mut document = document(&[("body", "a\u{1F600}bc")]);
    submit(&mut document, Some(1), &[delete(0, 1)]);
    submit(&mut document, Some(2), &[replace(2, 1, "x\u{20AC}")]);
    (document.snapshot(NOW), all_changes(&document))
}

/// What one mutation of the records leads to: replayed from nothing the record is named; as history of
/// the last snapshot it may show only in a record before it.
fn check_refused(what: &str, mutate: impl Fn(&mut Vec<Change>), version: u64) {
    let (snapshot, mut changes) = records();
    mutate(&mut changes);
    let replayed = restore(Snapshot::default(), changes.clone()).map(|document| texts(&document));
    assert_eq!(replayed, Err(RestoreError { version: Version(version) }), "{what}");
    assert!(restore(snapshot, changes).is_err(), "{what}");
}

fn operation(edits: &[(u32, u32, &str)]) -> Operation {
    let mut builder = jddb_core::ot::OperationBuilder::default();
    for &(position, deleted, text) in edits {
        builder.insert(position, text);
        builder.delete(position, deleted);
    }
    builder.finish()
}

#[test]
fn a_record_that_does_not_fit_is_named() {
    check_refused("another section", |changes| changes[1].sections[0].section = 1, 2);
    check_refused("a section made twice", |changes| changes[1].sections[0].created = Some(section("body")), 2);
    check_refused("a section not made", |changes| changes[0].sections[0].created = None, 1);
    check_refused(
        "a section twice",
        |changes| {
            let again = changes[1].sections[0].clone();
            changes[1].sections.push(again);
        },
        2,
    );
    check_refused("another deleted text", |changes| changes[1].sections[0].deleted = "b".to_owned(), 2);
    check_refused("more deleted text", |changes| changes[1].sections[0].deleted.push('a'), 2);
    check_refused("outside the text", |changes| changes[1].sections[0].operation = operation(&[(5, 1, "")]), 2);
    check_refused("far outside", |changes| changes[1].sections[0].operation = operation(&[(u32::MAX - 1, 1, "")]), 2);
    check_refused("inside a pair", |changes| changes[2].sections[0].operation = operation(&[(1, 1, "x\u{20AC}")]), 3);
    check_refused("version 0", |changes| changes[0].version = Version(0), 0);
    check_refused("no version", |changes| changes[2].version = Version(u64::MAX), u64::MAX);
    check_refused("a version twice", |changes| changes[2].version = Version(2), 2);
    check_refused("a version missing", |changes| drop(changes.remove(1)), 3);
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused() {
    let (good, changes) = records();
    assert!(restore(good.clone(), Vec::new()).is_ok());
    let cases: [(&str, fn(&mut Snapshot)); 5] = [
        ("a section twice", |snapshot| snapshot.sections.push(snapshot.sections[0].clone())),
        ("made after it", |snapshot| snapshot.sections[0].created = Version(4)),
        ("out of order", |snapshot| {
            let name = section("later");
            snapshot.sections.insert(0, SectionSnapshot { name, created: Version(2), text: String::new() });
        }),
        ("no version", |snapshot| snapshot.version = Version(u64::MAX)),
        ("a version too far", |snapshot| snapshot.version = Version(1 << 53)),
    ];
    for (what, mutate) in cases {
        let mut snapshot = good.clone();
        mutate(&mut snapshot);
        assert!(restore(snapshot, Vec::new()).is_err(), "{what}");
    }
    let other_text = Snapshot {
        sections: vec![SectionSnapshot { text: "other".into(), ..good.sections[0].clone() }],
        ..good.clone()
    };
    assert!(restore(other_text, changes.clone()).is_err());
    // Nothing may be missing between the newest change and the snapshot.
    assert!(restore(good, changes[..2].to_vec()).is_err());
}

#[test]
fn numbers_that_were_left_out_are_no_bases_after_a_restart() {
    let mut document = document(&[("body", "abc")]);
    document.skip_versions(2 * VERSIONS_SKIPPED);
    submit(&mut document, Some(1), &[insert(0, "x")]);
    assert_eq!(document.version(), Version(2 * VERSIONS_SKIPPED + 2));
    submit(&mut document, None, &[insert(0, "y")]);
    let changes = all_changes(&document);
    let whole = restore(document.snapshot(NOW), changes.clone()).unwrap();
    assert_eq!(state(&whole), state(&document));
    // Without the change before the gap nobody can say where the gap begins.
    let mut part = restore(document.snapshot(NOW), changes[1..].to_vec()).unwrap();
    for base in [2, VERSIONS_SKIPPED, 2 * VERSIONS_SKIPPED + 1] {
        assert!(part.submit(NOW, &submission(Some(base), &[insert(0, "z")])).is_err(), "{base}");
    }
    assert!(part.submit(NOW, &submission(Some(2 * VERSIONS_SKIPPED + 2), &[insert(0, "z")])).is_ok());
}

#[test]
fn who_changed_it_last_is_kept() {
    let mut document = empty();
    assert_eq!(document.last_modified(), None);
    submit(&mut document, None, &[insert(0, "x")]);
    let restored = restore(document.snapshot(NOW), Vec::new()).unwrap();
    assert_eq!(restored.last_modified(), Some((NOW, "user_123")));
    assert_eq!(restore(Snapshot::default(), all_changes(&document)).unwrap().last_modified(), Some((NOW, "user_123")));
    assert_eq!(document.snapshot(UnixMillis(u64::MAX)).version, Version(1));
}

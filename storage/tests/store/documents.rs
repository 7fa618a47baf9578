//! What is stored is read back: all that is needed, and no more than was asked for.

use jddb_core::ids::Version;
use jddb_storage::Durability;

use crate::snapshots::write_snapshot;
use crate::support::{EVERYTHING, change, commit, commit_versions, id, open, session, versions};

#[test]
fn changes_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let (document, other) = (id("jd_1"), id("jd_10"));
    {
        let store = open(directory.path(), Durability::Strict);
        assert_eq!(store.load(&document, EVERYTHING.0, EVERYTHING.1), Ok(None));
        commit_versions(&store, &document, 1..=50);
        commit_versions(&store, &other, 1..=3);
    }
    let store = open(directory.path(), Durability::Strict);
    let loaded = store.load(&document, EVERYTHING.0, EVERYTHING.1).unwrap().unwrap();
    assert_eq!(loaded.version(), Version(50));
    assert_eq!(loaded.skip_versions, 0);
    assert_eq!(loaded.changes, (1..=50).map(|version| change(&document, version)).collect::<Vec<_>>());
    assert_eq!(store.load(&other, 0, 0).unwrap().unwrap().changes.len(), 3);
    assert_eq!(store.load(&id("jd_"), 10, 0), Ok(None));
}

#[test]
fn history_is_bounded_but_never_by_less_than_what_the_snapshot_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let document = id("jd_1");
    commit_versions(&store, &document, 1..=20);
    write_snapshot(&store, &document, 12);

    let check = |history_versions, history_bytes, expected: std::ops::RangeInclusive<u64>| {
        let loaded = store.load(&document, history_versions, history_bytes).unwrap().unwrap();
        assert_eq!(loaded.snapshot.version, Version(12));
        assert_eq!(loaded.version(), Version(20));
        assert_eq!(versions(&loaded.changes), expected.collect::<Vec<_>>(), "{history_versions} {history_bytes}");
    };
    check(0, usize::MAX, 13..=20);
    check(3, usize::MAX, 13..=20);
    check(8, usize::MAX, 13..=20);
    check(9, usize::MAX, 12..=20);
    check(15, usize::MAX, 6..=20);
    check(u64::MAX, usize::MAX, 1..=20);
    check(u64::MAX, 0, 13..=20);
    let bytes = |version| store.encode_change(&document, &change(&document, version)).bytes() - "jd_1".len() - 9;
    check(u64::MAX, bytes(12) + bytes(11), 11..=20);
    check(u64::MAX, bytes(12) + bytes(11) - 1, 12..=20);
}

#[test]
fn a_snapshot_of_the_newest_version_needs_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let document = id("jd_1");
    commit_versions(&store, &document, 1..=5);
    write_snapshot(&store, &document, 5);
    let loaded = store.load(&document, 0, 0).unwrap().unwrap();
    assert_eq!((loaded.version(), loaded.changes.len()), (Version(5), 0));
}

#[test]
fn any_kept_version_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let document = id("jd_1");
    assert_eq!(store.load_at(&document, Version(0)), Ok(None));
    commit_versions(&store, &document, 1..=30);
    write_snapshot(&store, &document, 10);
    write_snapshot(&store, &document, 20);
    for version in 0..=30 {
        let loaded = store.load_at(&document, Version(version)).unwrap().unwrap();
        let base = version / 10 * 10;
        assert_eq!(loaded.snapshot.version, Version(if base == 30 { 20 } else { base }));
        assert_eq!(loaded.version(), Version(version));
        assert_eq!(versions(&loaded.changes), (loaded.snapshot.version.0 + 1..=version).collect::<Vec<_>>());
    }
    assert_eq!(store.load_at(&document, Version(31)), Ok(None));
    assert_eq!(store.load_at(&document, Version(u64::MAX)), Ok(None));
}

#[test]
fn a_session_is_replaced_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let document = id("jd_1");
    assert_eq!(store.load_session(&document), Ok(None));
    let first = session(&document);
    let second = jddb_core::document::Session { session_id: "sess_2".into(), ..first.clone() };
    commit(&store, vec![store.encode_session(&first)]);
    assert_eq!(store.load_session(&document), Ok(Some(first)));
    commit(&store, vec![store.encode_session(&second)]);
    assert_eq!(store.load_session(&document), Ok(Some(second)));
    assert_eq!(store.load(&document, 10, 10), Ok(None), "a session is no change");
}

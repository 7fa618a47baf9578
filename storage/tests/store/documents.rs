//! What is stored is read back: all that is needed, and no more than was asked for.

use jddb_core::document::{Save, Session, SessionPlan, SessionSettings};
use jddb_core::ids::{UnixMillis, Version};
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
    let second = Session { session_id: "sess_2".into(), ..first.clone() };
    commit(&store, vec![store.encode_session(&first)]);
    assert_eq!(store.load_session(&document), Ok(Some(first)));
    commit(&store, vec![store.encode_session(&second)]);
    assert_eq!(store.load_session(&document), Ok(Some(second)));
    assert_eq!(store.load(&document, 10, 10), Ok(None), "a session is no change");
}

#[test]
fn plans_of_sessions_are_found_without_their_documents() {
    let directory = tempfile::tempdir().unwrap();
    let planned = |name: &str| Session {
        plan: Some(Box::new(SessionPlan {
            created_by: "ada".into(),
            created_at: UnixMillis(1),
            expires_at: UnixMillis(9),
            participants: vec!["ben".into()],
            settings: SessionSettings { participants_max: Some(3), ..SessionSettings::default() },
        })),
        ..session(&id(name))
    };
    {
        let store = open(directory.path(), Durability::Strict);
        let all = ["jd_1", "jd_2", "jd_3"].map(planned);
        commit(&store, all.iter().flat_map(|one| [store.encode_session(one), store.encode_plan(one)]).collect());
        let implicit = session(&id("jd_4"));
        commit(&store, vec![store.encode_session(&implicit), store.encode_plan(&implicit)]);
    }
    let store = open(directory.path(), Durability::Strict);
    assert_eq!(store.load_session(&id("jd_2")), Ok(Some(planned("jd_2"))));
    let found = store.load_planned_sessions(|id| id.as_str() != "jd_3").unwrap();
    assert_eq!(found, ["jd_1", "jd_2"].map(planned));
    // One becomes implicit, another is over.
    let implicit = session(&id("jd_1"));
    commit(&store, vec![store.encode_session(&implicit), store.encode_plan(&implicit)]);
    commit(&store, store.encode_session_end(&id("jd_2")).to_vec());
    assert_eq!(store.load_planned_sessions(|_| true).unwrap(), [planned("jd_3")]);
    assert_eq!(store.load_session(&id("jd_1")), Ok(Some(implicit)));
    assert_eq!(store.load_session(&id("jd_2")), Ok(None));
}

#[test]
fn saves_are_kept_until_they_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    let (document, other) = (id("jd_1"), id("jd_10"));
    let save =
        |version, by: Option<&str>| Save { version: Version(version), at: UnixMillis(5), saved_by: by.map(Into::into) };
    let all = [save(1, None), save(300, Some("ada")), save(7, Some("ben"))];
    commit(&store, all.iter().map(|save| store.encode_save(&document, save)).collect());
    commit(&store, vec![store.encode_save(&other, &save(9, None))]);
    assert_eq!(store.load_saves(&document).unwrap(), [save(300, Some("ada")), save(7, Some("ben")), save(1, None)]);
    commit(
        &store,
        vec![store.encode_save_end(&document, Version(7)), store.encode_save(&document, &save(1, Some("cleo")))],
    );
    assert_eq!(store.load_saves(&document).unwrap(), [save(300, Some("ada")), save(1, Some("cleo"))]);
    assert_eq!(store.load_saves(&other).unwrap(), [save(9, None)]);
}

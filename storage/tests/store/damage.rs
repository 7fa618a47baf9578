//! Damage is found, named and kept to the document that has it.

use std::path::{Path, PathBuf};

use jddb_core::ids::{DocumentId, Version};
use jddb_storage::{Durability, Family, LoadError, OpenError, Store};
use rocksdb::{DB, Options};

use crate::snapshots::write_snapshot;
use crate::support::{EVERYTHING, change, commit, commit_versions, id, open, session, versions};

/// Opens RocksDB itself, to do what the store never does.
fn tamper(directory: &Path, change: impl FnOnce(&DB)) {
    let path = directory.join("documents");
    let families = DB::list_cf(&Options::default(), &path).unwrap();
    let db = DB::open_cf(&Options::default(), &path, families).unwrap();
    change(&db);
}

fn key(name: &str, version: u64) -> Vec<u8> {
    [name.as_bytes(), &[0], &version.to_be_bytes()].concat()
}

fn flip(db: &DB, family: &str, key: &[u8]) {
    let family = db.cf_handle(family).unwrap();
    let mut value = db.get_cf(family, key).unwrap().unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 0x10;
    db.put_cf(family, key, value).unwrap();
}

/// The record again, in a format of the future with a right checksum.
fn from_the_future(db: &DB, family: &str, key: &[u8]) {
    let family = db.cf_handle(family).unwrap();
    let mut value = db.get_cf(family, key).unwrap().unwrap();
    value[0] = 9;
    let checksum = crc32fast::hash(&[key, &[9], &value[5..]].concat());
    value[1..5].copy_from_slice(&checksum.to_le_bytes());
    db.put_cf(family, key, value).unwrap();
}

/// A directory with three documents of ten versions each.
fn prepare() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    for name in ["a", "b", "c"] {
        commit_versions(&store, &id(name), 1..=10);
        commit(&store, vec![store.encode_session(&session(&id(name)))]);
    }
    directory
}

fn load(store: &Store, name: &str) -> Result<Vec<u64>, LoadError> {
    let loaded = store.load(&id(name), EVERYTHING.0, EVERYTHING.1)?.expect("it is stored");
    Ok(versions(&loaded.changes))
}

fn corrupt_version(error: &LoadError) -> Option<(Family, DocumentId, Option<Version>)> {
    match error {
        LoadError::Corrupt { family, document, version, .. } => Some((*family, document.clone(), *version)),
        _ => None,
    }
}

#[test]
fn a_damaged_change_is_named_and_others_load() {
    let directory = prepare();
    tamper(directory.path(), |db| flip(db, "journal", &key("b", 4)));
    let store = open(directory.path(), Durability::Strict);
    let error = load(&store, "b").unwrap_err();
    assert_eq!(corrupt_version(&error), Some((Family::Journal, id("b"), Some(Version(4)))));
    let text = error.to_string();
    assert!(text.contains("journal of document b at version 4: damaged: checksum"), "{text}");
    assert!(text.contains("restore this document from a backup"), "{text}");
    for name in ["a", "c"] {
        assert_eq!(load(&store, name), Ok((1..=10).collect()));
    }
    assert_eq!(store.load_at(&id("b"), Version(3)).unwrap().unwrap().version(), Version(3), "before the damage");
}

#[test]
fn a_hole_is_no_document() {
    for missing in 1..=9 {
        let directory = prepare();
        tamper(directory.path(), |db| db.delete_cf(db.cf_handle("journal").unwrap(), key("b", missing)).unwrap());
        let store = open(directory.path(), Durability::Strict);
        let error = load(&store, "b").unwrap_err();
        assert_eq!(corrupt_version(&error), Some((Family::Journal, id("b"), Some(Version(missing)))), "{error}");
        assert!(error.to_string().contains("missing"), "{error}");
        assert_eq!(load(&store, "a"), Ok((1..=10).collect()));
    }
}

#[test]
fn a_journal_older_than_its_snapshot_is_noticed() {
    let directory = prepare();
    {
        let store = open(directory.path(), Durability::Strict);
        write_snapshot(&store, &id("b"), 10);
        write_snapshot(&store, &id("c"), 10);
    }
    tamper(directory.path(), |db| {
        let journal = db.cf_handle("journal").unwrap();
        db.delete_cf(journal, key("b", 10)).unwrap();
        (1..=10).for_each(|version| db.delete_cf(journal, key("c", version)).unwrap());
    });
    let store = open(directory.path(), Durability::Strict);
    for name in ["b", "c"] {
        let error = load(&store, name).unwrap_err();
        assert_eq!(corrupt_version(&error), Some((Family::Journal, id(name), Some(Version(10)))), "{error}");
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_while_the_journal_has_it_all() {
    let directory = prepare();
    {
        let store = open(directory.path(), Durability::Strict);
        [3, 6, 9].into_iter().for_each(|version| write_snapshot(&store, &id("b"), version));
    }
    let check = |damaged: u64, expected: u64| {
        tamper(directory.path(), |db| flip(db, "snapshots", &key("b", damaged)));
        let store = open(directory.path(), Durability::Strict);
        let loaded = store.load(&id("b"), 0, 0).unwrap().unwrap();
        assert_eq!(loaded.snapshot.version, Version(expected));
        assert_eq!(versions(&loaded.changes), (expected + 1..=10).collect::<Vec<_>>());
    };
    check(9, 6);
    check(6, 3);
    check(3, 0);
    // Now the journal begins after the damaged snapshots: the document is lost, and says why.
    tamper(directory.path(), |db| db.delete_cf(db.cf_handle("journal").unwrap(), key("b", 1)).unwrap());
    let error = load(&open(directory.path(), Durability::Strict), "b").unwrap_err();
    assert_eq!(corrupt_version(&error), Some((Family::Snapshots, id("b"), Some(Version(9)))), "{error}");
}

#[test]
fn records_of_a_newer_server_are_told_from_damage() {
    let directory = prepare();
    write_snapshot(&open(directory.path(), Durability::Strict), &id("c"), 5);
    tamper(directory.path(), |db| {
        from_the_future(db, "journal", &key("b", 4));
        from_the_future(db, "snapshots", &key("c", 5));
        from_the_future(db, "sessions", b"a");
    });
    let store = open(directory.path(), Durability::Strict);
    let errors =
        [load(&store, "b").unwrap_err(), load(&store, "c").unwrap_err(), store.load_session(&id("a")).unwrap_err()];
    for error in errors {
        assert!(matches!(error, LoadError::NewerFormat { found: 9, supported: 1, .. }), "{error}");
        assert!(error.to_string().contains("run the newer server"), "{error}");
    }
}

#[test]
fn a_damaged_session_is_named() {
    let directory = prepare();
    tamper(directory.path(), |db| flip(db, "sessions", b"b"));
    let store = open(directory.path(), Durability::Strict);
    let error = store.load_session(&id("b")).unwrap_err();
    assert_eq!(corrupt_version(&error), Some((Family::Sessions, id("b"), None)));
    assert!(store.load_session(&id("a")).unwrap().is_some());
}

fn open_error(path: &Path) -> OpenError {
    let directory = jddb_storage::DataDirectory::lock(path).unwrap();
    Store::open(&directory, crate::support::SMALL, Durability::Strict).unwrap_err()
}

#[test]
fn damaged_or_newer_store_records_prevent_the_start() {
    let directory = prepare();
    tamper(directory.path(), |db| flip(db, "meta", b"epoch"));
    let error = open_error(directory.path());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("meta record epoch"), "{error}");

    let directory = prepare();
    tamper(directory.path(), |db| {
        let mut value = vec![1, 0, 0, 0, 0, 2, 0, 0, 0];
        let checksum = crc32fast::hash(&[b"format".as_slice(), &[1], &value[5..]].concat());
        value[1..5].copy_from_slice(&checksum.to_le_bytes());
        db.put_cf(db.cf_handle("meta").unwrap(), b"format", value).unwrap();
    });
    let error = open_error(directory.path());
    assert!(matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.join("documents")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == extension)).collect();
    files.sort();
    files
}

/// Bytes that flip in a table file: a document is as it was, or an error; never anything else.
#[test]
fn a_flipped_byte_on_disk_is_an_error_of_some_documents_and_never_a_wrong_text() {
    const DOCUMENTS: usize = 150;
    let directory = tempfile::tempdir().unwrap();
    let name = |n: usize| id(&format!("doc{n:03}"));
    {
        let store = open(directory.path(), Durability::Strict);
        (0..DOCUMENTS).for_each(|n| commit_versions(&store, &name(n), 1..=8));
    }
    tamper(directory.path(), |db| {
        let journal = db.cf_handle("journal").unwrap();
        db.flush_cf(journal).unwrap();
        db.compact_range_cf(journal, None::<&[u8]>, None::<&[u8]>);
    });
    let table = files(directory.path(), "sst").into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let sound = std::fs::read(&table).unwrap();
    for part in 1..8 {
        let mut damaged = sound.clone();
        // The last tenth are index and filters, without which the whole file is lost.
        damaged[sound.len() * 9 / 10 * part / 8] ^= 1 << part;
        std::fs::write(&table, &damaged).unwrap();
        let store = open(directory.path(), Durability::Strict);
        let mut lost = 0;
        for n in 0..DOCUMENTS {
            match store.load(&name(n), EVERYTHING.0, EVERYTHING.1) {
                Ok(loaded) => {
                    let expected: Vec<_> = (1..=8).map(|version| change(&name(n), version)).collect();
                    assert_eq!(loaded.unwrap().changes, expected);
                }
                Err(error) => {
                    assert!(corrupt_version(&error).is_some(), "{error}");
                    lost += 1;
                }
            }
        }
        assert!((1..=DOCUMENTS / 3).contains(&lost), "{lost} documents lost to one byte");
    }
}

/// A log that ends in the middle of a record, or in garbage: what is whole before it is there.
#[test]
fn a_torn_log_gives_the_versions_before_the_tear() {
    let directory = tempfile::tempdir().unwrap();
    let document = id("jd_1");
    {
        let store = open(directory.path(), Durability::Strict);
        (1..=40).for_each(|version| commit_versions(&store, &document, version..=version));
    }
    let whole = tempfile::tempdir().unwrap();
    copy(directory.path(), whole.path());
    let mut seen = Vec::new();
    for cut in [0, 1, 7, 100, 1000, 3000] {
        for garbage in [false, true] {
            let trial = tempfile::tempdir().unwrap();
            copy(whole.path(), trial.path());
            let log = files(trial.path(), "log").pop().unwrap();
            let mut bytes = std::fs::read(&log).unwrap();
            bytes.truncate(bytes.len() - cut);
            bytes.extend(garbage.then_some([0xA5; 300]).into_iter().flatten());
            std::fs::write(&log, bytes).unwrap();
            let found = load(&open(trial.path(), Durability::Strict), "jd_1").unwrap();
            assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
            assert!(cut > 0 || found.len() == 40, "nothing was cut off");
            seen.push(found.len());
        }
    }
    assert!(seen.is_sorted_by(|a, b| a >= b) && seen[seen.len() - 1] < 40, "{seen:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("documents")).unwrap();
    for entry in std::fs::read_dir(from.join("documents")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join("documents").join(entry.file_name())).unwrap();
    }
}

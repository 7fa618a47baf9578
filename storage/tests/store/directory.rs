//! One server per data directory.

use std::os::unix::fs::PermissionsExt;

use jddb_storage::{DataDirectory, Durability, LockError, Store, StoreOptions};

#[test]
fn a_second_server_is_told_who_has_the_directory() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/data");
    let directory = DataDirectory::lock(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);

    let error = DataDirectory::lock(&path).unwrap_err();
    assert!(matches!(error, LockError::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");

    drop(directory);
    DataDirectory::lock(&path).unwrap();
}

#[test]
fn a_store_keeps_its_directory() {
    let parent = tempfile::tempdir().unwrap();
    let directory = DataDirectory::lock(parent.path()).unwrap();
    let store = Store::open(&directory, StoreOptions::default(), Durability::Strict).unwrap();
    drop(directory);
    assert!(matches!(DataDirectory::lock(parent.path()), Err(LockError::InUse { .. })));
    drop(store);
    DataDirectory::lock(parent.path()).unwrap();
}

#[test]
fn what_is_in_the_way_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = DataDirectory::lock(&file).unwrap_err();
    assert!(matches!(error, LockError::Io { .. }));
    assert!(error.to_string().contains("file"), "{error}");
}

//! Snapshots: made in the background, from what is durable, and never in anybody's way.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use jddb_core::document::{SectionSnapshot, Snapshot};
use jddb_core::ids::{DocumentId, SectionName, UnixMillis, Version};
use jddb_storage::{Durability, Loaded, Snapshotter, Store};

use crate::support::{commit_versions, id, open, versions};

/// A stand-in for restoring: a text that says of how many changes it was made.
pub(crate) fn make(loaded: &Loaded) -> Snapshot {
    let before = loaded.snapshot.sections.first().map_or("", |section| &section.text);
    let text = format!("{before}{}", "x".repeat(loaded.changes.len()));
    Snapshot {
        version: loaded.version(),
        sections: vec![SectionSnapshot { name: SectionName::body(), created: Version(1), text }],
        resends: Vec::new(),
        last_modified: Some((UnixMillis(1), "user_1".into())),
    }
}

/// Has a snapshot written, and waits for it.
pub(crate) fn write_snapshot(store: &Arc<Store>, document: &DocumentId, version: u64) {
    let snapshotter = Snapshotter::start(Arc::clone(store), Box::new(|_, loaded| Some(make(&loaded))), 8).unwrap();
    let requests = snapshotter.requests();
    assert!(requests.request(document, Version(version)));
    while store.load_at(document, Version(version)).unwrap().unwrap().snapshot.version != Version(version) {
        std::thread::yield_now();
    }
    snapshotter.stop();
    assert!(!requests.request(document, Version(version)), "it has stopped");
}

#[test]
fn a_snapshot_builds_on_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let document = id("jd_1");
    {
        let store = open(directory.path(), Durability::Strict);
        commit_versions(&store, &document, 1..=9);
        write_snapshot(&store, &document, 4);
        write_snapshot(&store, &document, 7);
        store.close_clean().unwrap();
    }
    let store = open(directory.path(), Durability::Strict);
    let loaded = store.load(&document, 0, 0).unwrap().unwrap();
    assert_eq!(loaded.snapshot.version, Version(7));
    assert_eq!(loaded.snapshot.sections[0].text, "xxxxxxx");
    assert_eq!(versions(&loaded.changes), [8, 9]);
}

#[test]
fn the_queue_is_bounded_and_a_document_waits_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    for name in ["a", "b", "c"] {
        commit_versions(&store, &id(name), 1..=9);
    }
    let (started, starts) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let made = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&made);
    let maker = move |document: &DocumentId, loaded: Loaded| {
        started.send(()).unwrap();
        gate.recv().unwrap();
        note.lock().unwrap().push((document.to_string(), loaded.version().0));
        Some(make(&loaded))
    };
    let snapshotter = Snapshotter::start(Arc::clone(&store), Box::new(maker), 1).unwrap();
    let requests = snapshotter.requests();
    assert!(requests.request(&id("a"), Version(3)));
    starts.recv().unwrap();
    assert!(requests.request(&id("b"), Version(3)));
    assert!(requests.request(&id("b"), Version(8)), "it waits already: the newer version counts");
    assert!(!requests.request(&id("c"), Version(3)), "there is no room");
    go.send(()).unwrap();
    go.send(()).unwrap();
    starts.recv().unwrap();
    assert!(requests.request(&id("c"), Version(3)), "there is room again");
    go.send(()).unwrap();
    starts.recv().unwrap();
    snapshotter.stop();
    let expected = [("a", 3), ("b", 8), ("c", 3)].map(|(name, version)| (name.to_owned(), version));
    assert_eq!(*made.lock().unwrap(), expected);
}

#[test]
fn what_cannot_be_restored_does_not_end_the_thread() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Durability::Strict);
    for name in ["panics", "gives_none", "lies", "good"] {
        commit_versions(&store, &id(name), 1..=4);
    }
    let maker = |document: &DocumentId, loaded: Loaded| match document.as_str() {
        "panics" => panic!("this panic is part of the test"),
        "gives_none" => None,
        "lies" => Some(Snapshot { version: Version(99), ..make(&loaded) }),
        _ => Some(make(&loaded)),
    };
    let snapshotter = Snapshotter::start(Arc::clone(&store), Box::new(maker), 8).unwrap();
    for name in ["panics", "gives_none", "lies", "unknown", "good"] {
        assert!(snapshotter.requests().request(&id(name), Version(4)));
    }
    let snapshot = |name| store.load(&id(name), 0, 0).unwrap().unwrap().snapshot.version;
    while snapshot("good") != Version(4) {
        std::thread::yield_now();
    }
    for name in ["panics", "gives_none", "lies"] {
        assert_eq!(snapshot(name), Version(0), "{name}");
    }
}

//! The catalogue: which documents there are, and that those which were deleted leave nothing but their last number.

use std::path::Path;

use jddb_core::document::{Entry, Properties, Save, Session, SessionPlan, SessionSettings, VERSIONS_SKIPPED};
use jddb_core::ids::{DocumentId, UnixMillis, Version};
use jddb_storage::Durability::{self, Fast, Strict};
use jddb_storage::{Loaded, Store};
use rocksdb::{DB, Options};

use crate::snapshots::{make, write_snapshot};
use crate::support::{EVERYTHING, commit, commit_versions, id, open, session, versions};

fn deleted_at(version: u64) -> Entry {
    Entry { exists: false, origin: Version(version), ..Entry::default() }
}

fn load(store: &Store, document: &DocumentId) -> Loaded {
    store.load(document, EVERYTHING.0, EVERYTHING.1).unwrap().unwrap()
}

fn save(version: u64) -> Save {
    Save { version: Version(version), at: UnixMillis(5), saved_by: Some("ada".into()) }
}

fn planned(name: &DocumentId) -> Session {
    let plan = SessionPlan {
        created_by: "ada".into(),
        created_at: UnixMillis(1),
        expires_at: UnixMillis(9),
        participants: Vec::new(),
        settings: SessionSettings::default(),
    };
    Session { plan: Some(Box::new(plan)), ..session(name) }
}

fn listed(store: &Store) -> Vec<(String, u64)> {
    let listing = store.list(|_| true, 0, 100).unwrap();
    assert_eq!(listing.total, listing.documents.len());
    listing.documents.iter().map(|listed| (listed.document_id.to_string(), listed.version.0)).collect()
}

#[test]
fn a_deletion_erases_everything_but_the_last_number() {
    let directory = tempfile::tempdir().unwrap();
    let (document, neighbours) = (id("jd_1"), [id("jd_0"), id("jd_10"), id("jd_2")]);
    {
        let store = open(directory.path(), Strict);
        for name in neighbours.iter().chain([&document]) {
            commit_versions(&store, name, 1..=9);
            let planned = planned(name);
            commit(&store, vec![store.encode_session(&planned), store.encode_plan(&planned)]);
            commit(&store, vec![store.encode_save(name, &save(3)), store.encode_save(name, &save(9))]);
        }
        write_snapshot(&store, &document, 5);
        // A snapshot that was under way when the document went.
        let late = make(&store.load_at(&document, Version(7)).unwrap().unwrap());
        commit(&store, store.encode_deletion(&document, &deleted_at(10)).into());
        commit(&store, vec![store.encode_snapshot(&document, &late)]);
    }
    let store = open(directory.path(), Strict);
    let gone = load(&store, &document);
    assert_eq!((gone.version(), gone.changes.len(), gone.entry.exists), (Version(10), 0, false));
    assert_eq!((store.load_session(&document), store.load_saves(&document)), (Ok(None), Ok(Vec::new())));
    assert_eq!(store.load_planned_sessions(|id| *id == document), Ok(Vec::new()));
    for version in 0..=11 {
        assert_eq!(store.load_at(&document, Version(version)), Ok(None), "{version}");
    }
    for name in &neighbours {
        assert_eq!((load(&store, name).version(), store.load_session(name)), (Version(9), Ok(Some(planned(name)))));
        assert_eq!(store.load_saves(name), Ok(vec![save(9), save(3)]));
    }

    // Created again it goes on after that, and what is left of before is not in it.
    commit(&store, vec![store.encode_entry(&document, &Entry { exists: true, ..deleted_at(10) })]);
    commit_versions(&store, &document, 11..=13);
    let again = load(&store, &document);
    assert_eq!((again.snapshot.version, versions(&again.changes)), (Version(10), vec![11, 12, 13]));
    assert!(again.snapshot.sections.is_empty());
    assert_eq!(store.load_at(&document, Version(10)).unwrap().unwrap().version(), Version(10));
    for version in [0, 5, 7, 9] {
        assert_eq!(store.load_at(&document, Version(version)), Ok(None), "{version}");
    }
    write_snapshot(&store, &document, 12);
    assert_eq!(versions(&load(&store, &document).changes), [11, 12, 13]);
    assert_eq!(store.load(&document, 0, 0).unwrap().unwrap().changes.len(), 1);
    // And once more.
    commit(&store, store.encode_deletion(&document, &deleted_at(14)).into());
    assert_eq!(load(&store, &document).version(), Version(14));
}

#[test]
fn numbers_that_fast_durability_may_have_lost_are_skipped_after_a_deletion_too() {
    let directory = tempfile::tempdir().unwrap();
    let skipped = |durability: Durability| load(&open(directory.path(), durability), &id("jd_1")).skip_versions;
    {
        let store = open(directory.path(), Fast);
        commit(&store, store.encode_deletion(&id("jd_1"), &deleted_at(4)).into());
    }
    assert_eq!(skipped(Strict), VERSIONS_SKIPPED);
    assert_eq!(skipped(Strict), VERSIONS_SKIPPED, "a strict stop adds nothing");
}

#[test]
fn a_list_has_what_is_wanted_by_name_and_true_totals() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), Strict);
    let mut properties = Properties::default();
    properties.set("title", "T").unwrap();
    let entry = Entry { exists: true, properties, ..Entry::default() };
    for number in 0..20 {
        let document = id(&format!("jd_{number:02}"));
        commit(&store, vec![store.encode_entry(&document, &entry)]);
        commit_versions(&store, &document, 1..=number + 1);
    }
    commit(&store, store.encode_deletion(&id("jd_03"), &deleted_at(5)).into());
    let even = |name: &str| name.ends_with(['0', '2', '4', '6', '8']);
    let page = store.list(even, 3, 4).unwrap();
    let names: Vec<&str> = page.documents.iter().map(|listed| listed.document_id.as_str()).collect();
    assert_eq!((page.total, names), (10, vec!["jd_06", "jd_08", "jd_10", "jd_12"]));
    assert_eq!(page.documents[0].version, Version(7));
    assert_eq!(page.documents[0].modified.as_ref().map(|(_, user)| &**user), Some("user_1"));
    assert_eq!(page.documents[0].entry, entry);
    assert_eq!(listed(&store).len(), 19);
    assert_eq!(store.list(|_| true, usize::MAX, usize::MAX).unwrap().documents, []);
}

/// Takes away what stores of before the catalogue did not have.
fn make_old(path: &Path) {
    let database = path.join("documents");
    let options = Options::default();
    let families = DB::list_cf(&options, &database).unwrap();
    let mut db = DB::open_cf(&options, &database, &families).unwrap();
    db.drop_cf("catalogue").unwrap();
    db.delete_cf(db.cf_handle("meta").unwrap(), "catalogue").unwrap();
}

#[test]
fn a_store_of_before_the_catalogue_is_given_one() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..2_500).map(|number| format!("jd_{number:04}")).collect();
    {
        let store = open(directory.path(), Strict);
        let first = |name: &String| store.encode_change(&id(name), &crate::support::change(&id(name), 1));
        commit(&store, names.iter().map(first).collect());
        commit_versions(&store, &id("jd_0007"), 2..=300);
        commit_versions(&store, &id("a"), 1..=2);
        write_snapshot(&store, &id("jd_0007"), 200);
    }
    make_old(directory.path());
    for _ in 0..2 {
        let store = open(directory.path(), Strict);
        let listing = store.list(|_| true, 0, 10).unwrap();
        assert_eq!(listing.total, names.len() + 1);
        assert_eq!((listing.documents[0].document_id.as_str(), listing.documents[0].version), ("a", Version(2)));
        assert_eq!(listing.documents[8].version, Version(300));
        let loaded = load(&store, &id("jd_0007"));
        assert_eq!((loaded.version(), loaded.entry.exists), (Version(300), true));
        assert_eq!(loaded.snapshot.version, Version(200));
    }
}

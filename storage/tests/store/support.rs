//! What the tests share: documents whose changes can be told from one another, and a store to put them in.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use jddb_core::document::{Change, Origin, SectionChange, Session};
use jddb_core::ids::{DocumentId, SectionName, UnixMillis, Version};
use jddb_core::ot::OperationBuilder;
use jddb_storage::{
    CommitBatch, Committer, DataDirectory, Durability, EncodedRecord, Family, LockError, Store, StoreOptions,
};
use rocksdb::{DB, Options};

/// So small that logs, buffers and table files change all the time.
pub(crate) const SMALL: StoreOptions =
    StoreOptions { wal_bytes: 1 << 20, block_cache_bytes: 1 << 20, write_buffer_bytes: 512 << 10 };

pub(crate) const EVERYTHING: (u64, usize) = (u64::MAX, usize::MAX);

pub(crate) fn id(name: &str) -> DocumentId {
    DocumentId::new(name).unwrap()
}

pub(crate) fn open(path: &Path, durability: Durability) -> Arc<Store> {
    Store::open(&lock(path), SMALL, durability).unwrap()
}

/// Locks a directory that was let go of. A program that another test starts at that moment has the lock too, until it runs.
fn lock(path: &Path) -> DataDirectory {
    loop {
        match DataDirectory::lock(path) {
            // It is let go of here at once.
            Err(LockError::InUse { .. }) => File::open(path.join("lock")).unwrap().lock().unwrap(),
            locked => return locked.unwrap(),
        }
    }
}

/// Damages the record with the number 2 of a family whose keys are numbers, and puts one there with a key that is none.
pub(crate) fn damage(path: &Path, family: Family) {
    let path = path.join("documents");
    let families = DB::list_cf(&Options::default(), &path).unwrap();
    let db = DB::open_cf(&Options::default(), &path, families).unwrap();
    let family = db.cf_handle(family.name()).unwrap();
    let key = 2_u64.to_be_bytes();
    let mut value = db.get_cf(family, key).unwrap().unwrap();
    value[7] ^= 1;
    db.put_cf(family, key, value).unwrap();
    db.put_cf(family, b"odd", b"").unwrap();
}

/// The change of `version`, whose content follows from the document and the version.
pub(crate) fn change(document: &DocumentId, version: u64) -> Change {
    let mut operation = OperationBuilder::default();
    operation.insert(0, &content(document, version));
    let section = SectionChange {
        section: 0,
        created: (version == 1).then(SectionName::body),
        operation: operation.finish(),
        deleted: String::new(),
    };
    Change {
        version: Version(version),
        at: UnixMillis(1_758_458_730_000 + version),
        user_id: "user_1".into(),
        origin: Origin { client_id: Some("client_1".into()), correlation_id: Some(version.to_string().into()) },
        fingerprint: version.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        transformed: version.is_multiple_of(3),
        sections: [section].into_iter().collect(),
    }
}

/// Text of different lengths that does not compress to nothing.
fn content(document: &DocumentId, version: u64) -> String {
    let mut state = version.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = (0..version * 7919 % 60).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:x}")
    });
    format!("{document} {version} {}", words.collect::<String>())
}

pub(crate) fn session(document: &DocumentId) -> Session {
    Session {
        session_id: "sess_1".into(),
        document_id: document.clone(),
        started_at: UnixMillis(1_758_458_730_000),
        started_by: "user_1".into(),
        plan: None,
    }
}

/// Makes records durable, and waits for that.
pub(crate) fn commit(store: &Arc<Store>, records: Vec<EncodedRecord>) {
    let (wake, woken) = mpsc::channel();
    let waker = Box::new(move || wake.send(()).unwrap());
    let (handles, committer) = Committer::start(Arc::clone(store), vec![waker], 8).unwrap();
    handles[0].submit(CommitBatch { sequence: 1, records }).unwrap();
    woken.recv().unwrap();
    assert_eq!(handles[0].durable(), 1);
    committer.stop();
}

pub(crate) fn commit_versions(store: &Arc<Store>, document: &DocumentId, versions: impl Iterator<Item = u64>) {
    commit(store, versions.map(|version| store.encode_change(document, &change(document, version))).collect());
}

/// The versions of the changes that [`Store::load`] gives.
pub(crate) fn versions(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.version.0).collect()
}

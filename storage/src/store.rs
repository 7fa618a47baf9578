//! The store: opening and closing it, and the records that are written to it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jddb_core::document::{Change, Entry, Save, Session, Snapshot};
use jddb_core::ids::{DocumentId, Version};
use rocksdb::{ColumnFamily, DB, WriteBatch, WriteOptions};

use crate::catalogue;
use crate::directory::DataDirectory;
use crate::error::{OpenError, WriteError};
use crate::family::Family;
use crate::key;
use crate::meta::{self, Epochs};
use crate::options::{Durability, StoreOptions};
use crate::record::{
    self, ChangeRecord, EncodedRecord, EntryRecord, PlanRecord, SaveRecord, SessionRecord, SnapshotRecord, Write,
};

/// Where in the data directory RocksDB's files are.
const DATABASE_DIRECTORY: &str = "documents";

/// The documents in a data directory.
///
/// Reads may run on any thread; durable writes go through the [`Committer`](crate::Committer).
#[derive(Debug)]
pub struct Store {
    db: DB,
    epochs: Epochs,
    poisoned: AtomicBool,
    // Fields are dropped in this order: the directory is given back after the database is closed.
    _directory: Arc<File>,
}

impl Store {
    /// Opens the store in `directory`, or makes it, and begins a new epoch.
    ///
    /// Reads what was in the write-ahead logs, up to [`StoreOptions::wal_bytes`].
    ///
    /// # Errors
    /// The disk is full or not permitted, files are damaged, or a newer server wrote them; the error
    /// says what to do.
    pub fn open(
        directory: &DataDirectory,
        options: StoreOptions,
        durability: Durability,
    ) -> Result<Arc<Self>, OpenError> {
        let path = directory
            .subdirectory(DATABASE_DIRECTORY)
            .map_err(|error| OpenError::new(directory.path(), None, error.to_string()))?;
        let failed = |error| OpenError::rocksdb(&path, error);
        let db =
            DB::open_cf_descriptors(&options.database().map_err(failed)?, &path, options.families()).map_err(failed)?;
        // Before the epoch, so that a start that is cut short makes it again.
        if !meta::has_catalogue(&db, handle(&db, Family::Meta), &path)? {
            let (journal, catalogue) = (handle(&db, Family::Journal), handle(&db, Family::Catalogue));
            catalogue::catch_up(&db, journal, catalogue).map_err(failed)?;
            meta::note_catalogue(&db, handle(&db, Family::Meta)).map_err(failed)?;
        }
        let epochs = meta::begin_epoch(&db, handle(&db, Family::Meta), &path, durability)?;
        tracing::info!(path = %path.display(), epoch = epochs.current, ?durability, "store opened");
        if epochs.last_unclean_fast > 0 && epochs.last_unclean_fast + 1 == epochs.current {
            tracing::warn!("the last run had fast durability and ended uncleanly: documents skip versions");
        }
        Ok(Arc::new(Self { db, epochs, poisoned: AtomicBool::new(false), _directory: directory.hold() }))
    }

    /// Says that this epoch ended cleanly. To be called last, once the [`Committer`](crate::Committer)
    /// has stopped; without it the next start takes this run for crashed, which in fast durability makes
    /// documents skip versions. Everything written before, snapshots too, becomes durable.
    ///
    /// # Errors
    /// A commit failed before, or this write does.
    pub fn close_clean(&self) -> Result<(), WriteError> {
        self.writable()?;
        meta::end_epoch(&self.db, self.family(Family::Meta)).map_err(|error| WriteError::Failed(error.into_string()))
    }

    /// Whether a commit has failed. Reads go on; only another start writes again.
    #[must_use]
    pub fn poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    /// The record of a change, to be committed.
    #[must_use]
    pub fn encode_change(&self, document: &DocumentId, change: &Change) -> EncodedRecord {
        let key = key::versioned(document, change.version);
        let value = record::encode(&key, &ChangeRecord::new(change, self.epochs.current));
        EncodedRecord { family: Family::Journal, key, write: Write::Put(value) }
    }

    /// The record of a document's live session, to be committed. It replaces the one before.
    #[must_use]
    pub fn encode_session(&self, session: &Session) -> EncodedRecord {
        let key = session.document_id.as_str().as_bytes().to_vec();
        let value = record::encode(&key, &SessionRecord::new(session));
        EncodedRecord { family: Family::Sessions, key, write: Write::Put(value) }
    }

    /// The record of what is known of a document beside its texts, to be committed. It replaces the one before.
    #[must_use]
    pub fn encode_entry(&self, document: &DocumentId, entry: &Entry) -> EncodedRecord {
        let key = document.as_str().as_bytes().to_vec();
        let value = record::encode(&key, &EntryRecord::new(entry, self.epochs.current));
        EncodedRecord { family: Family::Catalogue, key, write: Write::Put(value) }
    }

    /// The records that delete a document, to be committed together: its changes, snapshots, save points and its
    /// session with its plan are erased, and `entry` says up to which version its numbers were used.
    #[must_use]
    pub fn encode_deletion(&self, document: &DocumentId, entry: &Entry) -> [EncodedRecord; 6] {
        let erase =
            |family: Family, key: Vec<u8>, end: Vec<u8>| EncodedRecord { family, key, write: Write::EraseUpTo(end) };
        let (from, _) = key::bounds(document);
        let to = key::versioned(document, entry.origin.next());
        let [session, plan] = self.encode_session_end(document);
        [
            erase(Family::Journal, from.clone(), to.clone()),
            erase(Family::Snapshots, from.clone(), to.clone()),
            erase(Family::Saves, from, to),
            session,
            plan,
            self.encode_entry(document, entry),
        ]
    }

    /// The record of what was planned for a session, to be committed; without a plan what removes it.
    #[must_use]
    pub fn encode_plan(&self, session: &Session) -> EncodedRecord {
        let key = key::plan(&session.document_id);
        match &session.plan {
            Some(plan) => {
                let value = record::encode(&key, &PlanRecord::new(plan));
                EncodedRecord { family: Family::Sessions, key, write: Write::Put(value) }
            }
            None => EncodedRecord::removal(Family::Sessions, key),
        }
    }

    /// What removes a document's session and its plan, to be committed.
    #[must_use]
    pub fn encode_session_end(&self, document: &DocumentId) -> [EncodedRecord; 2] {
        let key = document.as_str().as_bytes().to_vec();
        [key, key::plan(document)].map(|key| EncodedRecord::removal(Family::Sessions, key))
    }

    /// The record of a save point, to be committed. It replaces one of the same version.
    #[must_use]
    pub fn encode_save(&self, document: &DocumentId, save: &Save) -> EncodedRecord {
        let key = key::versioned(document, save.version);
        let value = record::encode(&key, &SaveRecord::new(save));
        EncodedRecord { family: Family::Saves, key, write: Write::Put(value) }
    }

    /// What removes a save point, to be committed.
    #[must_use]
    pub fn encode_save_end(&self, document: &DocumentId, version: Version) -> EncodedRecord {
        EncodedRecord::removal(Family::Saves, key::versioned(document, version))
    }

    /// The record of a snapshot. It is redundant, so it needs no commit; see
    /// [`Snapshotter`](crate::Snapshotter).
    #[must_use]
    pub fn encode_snapshot(&self, document: &DocumentId, snapshot: &Snapshot) -> EncodedRecord {
        let key = key::versioned(document, snapshot.version);
        let value = record::encode(&key, &SnapshotRecord::new(snapshot));
        EncodedRecord { family: Family::Snapshots, key, write: Write::Put(value) }
    }

    /// Writes a record that can be made again, without waiting for the disk.
    pub(crate) fn write_redundant(&self, record: &EncodedRecord) -> Result<(), WriteError> {
        self.writable()?;
        let mut batch = WriteBatch::default();
        self.add(&mut batch, record);
        self.db.write_opt(batch, &WriteOptions::default()).map_err(|error| WriteError::Failed(error.into_string()))
    }

    /// Adds a record to a batch.
    pub(crate) fn add(&self, batch: &mut WriteBatch, record: &EncodedRecord) {
        let family = self.family(record.family);
        match &record.write {
            Write::Put(value) => batch.put_cf(family, &record.key, value),
            Write::Erase => batch.delete_cf(family, &record.key),
            Write::EraseUpTo(end) => batch.delete_range_cf(family, &record.key, end),
        }
    }

    /// Writes a batch: when this returns it is on the disk, all of it.
    ///
    /// After an error nobody knows what is; the caller has to [`poison`](Self::poison) the store.
    pub(crate) fn write_synced(&self, batch: WriteBatch) -> Result<(), WriteError> {
        self.writable()?;
        self.db.write_opt(batch, &meta::synced()).map_err(|error| WriteError::Failed(error.into_string()))
    }

    /// From now on nothing is written until the next start.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    pub(crate) const fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) const fn epochs(&self) -> Epochs {
        self.epochs
    }

    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        handle(&self.db, family)
    }

    fn writable(&self) -> Result<(), WriteError> {
        if self.poisoned() { Err(WriteError::Poisoned) } else { Ok(()) }
    }
}

fn handle(db: &DB, family: Family) -> &ColumnFamily {
    db.cf_handle(family.name()).expect("the database is always opened with every family")
}

//! A walk over one document's records, from new to old.

use jddb_core::ids::{DocumentId, Version};
use rocksdb::{DBRawIterator, ReadOptions};

use crate::error::LoadError;
use crate::family::Family;
use crate::key;
use crate::record::Damage;
use crate::store::Store;

/// Where the walk is. It shows the store as it was when the cursor was made.
pub(crate) struct Cursor<'a> {
    rows: DBRawIterator<'a>,
    family: Family,
    document: &'a DocumentId,
}

/// A record in place, in RocksDB's memory.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) version: Version,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor on the document's newest record that is not newer than `version`.
    pub(crate) fn at(store: &'a Store, family: Family, document: &'a DocumentId, version: Version) -> Self {
        let (from, to) = key::bounds(document);
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let mut rows = store.db().raw_iterator_cf_opt(store.family(family), options);
        rows.seek_for_prev(key::versioned(document, version));
        Self { rows, family, document }
    }

    /// The record here; `None` before the oldest.
    pub(crate) fn entry(&self) -> Result<Option<Entry<'_>>, LoadError> {
        let Some((key, value)) = self.rows.item() else {
            let status = self.rows.status();
            return status.map(|()| None).map_err(|error| LoadError::rocksdb(self.family, self.document, error));
        };
        match key::version_of(key) {
            Some(version) => Ok(Some(Entry { version, key, value })),
            None => Err(self.damaged(None, Damage::Content("its key has no version".to_owned()))),
        }
    }

    /// The version here; `None` where there is none.
    pub(crate) fn version(&self) -> Result<Option<Version>, LoadError> {
        Ok(self.entry()?.map(|entry| entry.version))
    }

    /// Goes to the newest version that is not newer than this one.
    pub(crate) fn at_or_before(&mut self, version: Version) -> Result<Option<Version>, LoadError> {
        self.rows.seek_for_prev(key::versioned(self.document, version));
        self.version()
    }

    /// Goes to the oldest version that is not older than this one.
    pub(crate) fn at_or_after(&mut self, version: Version) -> Result<Option<Version>, LoadError> {
        self.rows.seek(key::versioned(self.document, version));
        self.version()
    }

    /// Goes on to the next older record.
    pub(crate) fn step_back(&mut self) {
        self.rows.prev();
    }

    /// The error for a damaged record of this walk.
    pub(crate) fn damaged(&self, version: Option<Version>, damage: Damage) -> LoadError {
        LoadError::damage(self.family, self.document, version, damage)
    }
}

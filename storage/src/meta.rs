//! What is true of the whole store: its format, and the epochs.
//!
//! An epoch is one start of a server on this store, counted from 1. In fast durability others may have
//! seen changes that a power cut takes back, so a start leaves a mark that only a clean stop removes.
//! A mark found at the next start means that the epoch before ended uncleanly, and that versions after
//! the last durable one of any document may have been seen.

use std::path::Path;

use rocksdb::{ColumnFamily, DB, WriteBatch, WriteOptions};

use crate::error::OpenError;
use crate::options::Durability;
use crate::record;

/// The format of the store as a whole: its column families and keys.
const STORE_FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const EPOCH_KEY: &[u8] = b"epoch";
/// The mark: the fast epoch that has not ended cleanly yet.
const OPEN_FAST_EPOCH_KEY: &[u8] = b"open_fast_epoch";
/// The mark: every document has its entry in the catalogue.
const CATALOGUE_KEY: &[u8] = b"catalogue";
const LAST_UNCLEAN_FAST_EPOCH_KEY: &[u8] = b"last_unclean_fast_epoch";

/// Which start this is, and whether versions may have been seen that are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// This start.
    pub(crate) current: u32,
    /// The last epoch in fast durability that did not end cleanly; 0 if there was none.
    pub(crate) last_unclean_fast: u32,
}

impl Epochs {
    /// How many epochs there were, from the one that wrote a document's newest change to the last
    /// unclean one: at least one for each time that versions of it may have been lost.
    pub(crate) const fn since(self, newest: u32) -> u32 {
        (self.last_unclean_fast + 1).saturating_sub(newest)
    }
}

/// Begins an epoch, durably.
pub(crate) fn begin_epoch(
    db: &DB,
    family: &ColumnFamily,
    path: &Path,
    durability: Durability,
) -> Result<Epochs, OpenError> {
    let read = |key| read(db, family, path, key);
    let found = read(FORMAT_KEY)?.unwrap_or(STORE_FORMAT);
    if found > STORE_FORMAT {
        return Err(OpenError::NewerFormat { path: path.to_owned(), found, supported: STORE_FORMAT });
    }
    let last_unclean_fast = read(OPEN_FAST_EPOCH_KEY)?.or(read(LAST_UNCLEAN_FAST_EPOCH_KEY)?).unwrap_or(0);
    let epochs = Epochs { current: read(EPOCH_KEY)?.unwrap_or(0).saturating_add(1), last_unclean_fast };

    let mut batch = WriteBatch::default();
    put(&mut batch, family, FORMAT_KEY, STORE_FORMAT);
    put(&mut batch, family, EPOCH_KEY, epochs.current);
    put(&mut batch, family, LAST_UNCLEAN_FAST_EPOCH_KEY, epochs.last_unclean_fast);
    match durability {
        Durability::Fast => put(&mut batch, family, OPEN_FAST_EPOCH_KEY, epochs.current),
        Durability::Strict => batch.delete_cf(family, OPEN_FAST_EPOCH_KEY),
    }
    db.write_opt(batch, &synced()).map_err(|error| OpenError::rocksdb(path, error))?;
    Ok(epochs)
}

/// Whether every document has its entry in the catalogue: a store that was written before there was one says nothing of it.
pub(crate) fn has_catalogue(db: &DB, family: &ColumnFamily, path: &Path) -> Result<bool, OpenError> {
    Ok(read(db, family, path, CATALOGUE_KEY)?.is_some())
}

/// Says that every document has its entry, durably.
pub(crate) fn note_catalogue(db: &DB, family: &ColumnFamily) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    put(&mut batch, family, CATALOGUE_KEY, 1);
    db.write_opt(batch, &synced())
}

/// Ends the epoch cleanly, durably. All writes before it become durable too.
pub(crate) fn end_epoch(db: &DB, family: &ColumnFamily) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    batch.delete_cf(family, OPEN_FAST_EPOCH_KEY);
    db.write_opt(batch, &synced())
}

/// Writes that return once they are on the disk.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn put(batch: &mut WriteBatch, family: &ColumnFamily, key: &[u8], number: u32) {
    batch.put_cf(family, key, record::encode_plain(key, &number.to_le_bytes()));
}

fn read(db: &DB, family: &ColumnFamily, path: &Path, key: &[u8]) -> Result<Option<u32>, OpenError> {
    let Some(value) = db.get_pinned_cf(family, key).map_err(|error| OpenError::rocksdb(path, error))? else {
        return Ok(None);
    };
    let corrupt = |reason: String| OpenError::Corrupt {
        path: path.to_owned(),
        reason: format!("meta record {}: {reason}", String::from_utf8_lossy(key)),
    };
    let body = match record::open(key, &value) {
        Ok(body) => body,
        Err(record::Damage::NewerFormat { found, supported }) => {
            let (found, supported) = (found.into(), supported.into());
            return Err(OpenError::NewerFormat { path: path.to_owned(), found, supported });
        }
        Err(damage) => return Err(corrupt(damage.to_string())),
    };
    let bytes = <[u8; 4]>::try_from(body).map_err(|_| corrupt(format!("{} bytes, expected 4", body.len())))?;
    Ok(Some(u32::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_skipped_for_every_epoch_that_may_have_lost_some() {
        let epochs = |last_unclean_fast| Epochs { current: 9, last_unclean_fast };
        assert_eq!(epochs(0).since(1), 0);
        assert_eq!(epochs(3).since(3), 1);
        assert_eq!(epochs(3).since(1), 3);
        assert_eq!(epochs(3).since(4), 0);
        assert_eq!(epochs(3).since(8), 0);
    }
}

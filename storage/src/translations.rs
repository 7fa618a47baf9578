//! The translation memory on disk. The server keeps all of it in memory too, and asks for it once, at its start.

use jddb_core::translation::{Entry, EntryId};
use rocksdb::ReadOptions;

use crate::error::LoadError;
use crate::family::Family;
use crate::record::{self, ArchivedTranslationRecord, EncodedRecord, TranslationRecord, Write};
use crate::store::Store;

/// What was read ahead at once while everything is read, in bytes.
const READ_AHEAD_BYTES: usize = 2 << 20;

impl Store {
    /// An entry's record, to be committed. It replaces the one before.
    #[must_use]
    pub fn encode_translation(&self, entry: &Entry) -> EncodedRecord {
        let key = key_of(entry.id);
        let value = record::encode(&key, &TranslationRecord::new(entry));
        EncodedRecord { family: Family::Translations, key: key.to_vec(), write: Write::Put(value) }
    }

    /// What removes an entry's record, to be committed.
    #[must_use]
    pub fn encode_translation_end(&self, id: EntryId) -> EncodedRecord {
        EncodedRecord::removal(Family::Translations, key_of(id).to_vec())
    }

    /// Hands all entries to `then`, in the order of their numbers. How many could not be read, because they are damaged or of
    /// a newer server: they stay on disk, and each is logged.
    ///
    /// # Errors
    /// The disk fails.
    pub fn load_translations(&self, mut then: impl FnMut(Entry)) -> Result<u64, LoadError> {
        let mut options = ReadOptions::default();
        options.set_readahead_size(READ_AHEAD_BYTES);
        options.fill_cache(false);
        let mut rows = self.db().raw_iterator_cf_opt(self.family(Family::Translations), options);
        let mut unreadable = 0;
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            match read(key, value) {
                Ok(entry) => then(entry),
                Err(reason) => {
                    unreadable += 1;
                    tracing::error!(?key, %reason, "an entry of the translation memory cannot be read");
                }
            }
            rows.next();
        }
        rows.status().map_err(|error| LoadError::Translations { reason: error.into_string() })?;
        Ok(unreadable)
    }
}

const fn key_of(id: EntryId) -> [u8; 8] {
    id.0.to_be_bytes()
}

fn read(key: &[u8], value: &[u8]) -> Result<Entry, String> {
    let number = key.try_into().map_err(|_| format!("a key of {} bytes, expected 8", key.len()))?;
    let entry = record::access::<ArchivedTranslationRecord<'_>>(key, value);
    let entry = entry.and_then(|record| record.to_entry(EntryId(u64::from_be_bytes(number))));
    entry.map_err(|damage| damage.to_string())
}

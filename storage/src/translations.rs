//! The translation memory on disk. The server keeps all of it in memory too, and asks for it once, at its start.

use std::ops::ControlFlow;

use jddb_core::translation::{Entry, EntryId, Scope};
use rocksdb::{IngestExternalFileOptions, ReadOptions, SstFileWriter};

use crate::directory::DataDirectory;
use crate::error::{LoadError, WriteError};
use crate::family::Family;
use crate::options::StoreOptions;
use crate::record::{self, ArchivedTranslationRecord, Damage, EncodedRecord, TranslationRecord, Write};
use crate::store::Store;

/// What was read ahead at once while everything is read, in bytes.
const READ_AHEAD_BYTES: usize = 2 << 20;
/// Where in the data directory table files are made that become part of the database.
const INGEST_DIRECTORY: &str = "ingest";
const INGEST_FILE: &str = "translations.sst";

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
        self.visit_translations(|entry| {
            then(entry);
            ControlFlow::Continue(())
        })
    }

    /// The same for as long as `then` wants more. They are as they are at one moment, whatever happens meanwhile.
    ///
    /// # Errors
    /// The disk fails.
    pub fn visit_translations(&self, mut then: impl FnMut(Entry) -> ControlFlow<()>) -> Result<u64, LoadError> {
        let mut scope = Scope::Shared;
        self.visit_numbered(Family::Translations, |key, value, number| {
            let record = record::access::<ArchivedTranslationRecord<'_>>(key, value)?;
            Ok(then(record.to_entry(EntryId(number), &mut scope)?))
        })
    }

    /// Hands all records of a family whose keys are numbers to `read`, in their order, for as long as it wants more. How many it
    /// could not read; each is logged.
    pub(crate) fn visit_numbered(
        &self,
        family: Family,
        mut read: impl FnMut(&[u8], &[u8], u64) -> Result<ControlFlow<()>, Damage>,
    ) -> Result<u64, LoadError> {
        let mut options = ReadOptions::default();
        options.set_readahead_size(READ_AHEAD_BYTES);
        options.fill_cache(false);
        let mut rows = self.db().raw_iterator_cf_opt(self.family(family), options);
        let mut unreadable = 0;
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let number = key.try_into().map(u64::from_be_bytes);
            let number = number.map_err(|_| Damage::Content(format!("a key of {} bytes, expected 8", key.len())));
            match number.and_then(|number| read(key, value, number)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(unreadable),
                Err(reason) => {
                    unreadable += 1;
                    tracing::error!(%family, ?key, %reason, "a record of the translation memory cannot be read");
                }
            }
            rows.next();
        }
        rows.status().map_err(|error| LoadError::Translations { reason: error.into_string() })?;
        Ok(unreadable)
    }

    /// The entry of that number.
    ///
    /// # Errors
    /// The disk fails, or the record is damaged.
    pub fn load_translation(&self, id: EntryId) -> Result<Option<Entry>, LoadError> {
        let key = key_of(id);
        let failed = |reason| LoadError::Translations { reason };
        let value = self.db().get_pinned_cf(self.family(Family::Translations), key);
        let value = value.map_err(|error| failed(error.into_string()))?;
        value.map(|value| read(&key, &value).map_err(|reason| failed(format!("{id}: {reason}")))).transpose()
    }

    /// Puts entries into the store at once, all of them or none, past the write-ahead log: as a table file that becomes part of
    /// the store. They come in the order of their numbers, and replace those that have the same. Durable when this returns.
    ///
    /// It is for a store that nobody else writes to, and needs as much room in the directory as the entries take.
    ///
    /// # Errors
    /// The disk is full or fails; nothing has changed then.
    pub fn ingest_translations<'e>(
        &self,
        directory: &DataDirectory,
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> Result<(), WriteError> {
        let records = entries.into_iter().map(|entry| {
            let key = key_of(entry.id);
            (key, record::encode(&key, &TranslationRecord::new(entry)))
        });
        self.ingest(directory, Family::Translations, records)
    }

    /// Puts records of a family whose keys are numbers into the store at once, in the order of their keys: see
    /// [`Self::ingest_translations`].
    pub(crate) fn ingest(
        &self,
        directory: &DataDirectory,
        family: Family,
        records: impl IntoIterator<Item = ([u8; 8], Vec<u8>)>,
    ) -> Result<(), WriteError> {
        let failed = |error: rocksdb::Error| WriteError::Failed(error.into_string());
        let unmade = |error: std::io::Error| WriteError::Failed(error.to_string());
        let path = directory.subdirectory(INGEST_DIRECTORY).map_err(unmade)?.join(INGEST_FILE);
        // What a process left that was killed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unmade(error)),
            Ok(()) | Err(_) => {}
        }
        let options = StoreOptions::default().table_file();
        let mut table = SstFileWriter::create(&options);
        table.open(&path).map_err(failed)?;
        let mut is_empty = true;
        for (key, value) in records {
            table.put(key, value).map_err(failed)?;
            is_empty = false;
        }
        if is_empty {
            return Ok(());
        }
        table.finish().map_err(failed)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.db().ingest_external_file_cf_opts(self.family(family), &options, vec![&path]).map_err(failed)
    }
}

const fn key_of(id: EntryId) -> [u8; 8] {
    id.0.to_be_bytes()
}

fn read(key: &[u8], value: &[u8]) -> Result<Entry, String> {
    let number = key.try_into().map_err(|_| format!("a key of {} bytes, expected 8", key.len()))?;
    let entry = record::access::<ArchivedTranslationRecord<'_>>(key, value);
    let entry = entry.and_then(|record| record.to_entry(EntryId(u64::from_be_bytes(number)), &mut Scope::Shared));
    entry.map_err(|damage| damage.to_string())
}

//! The catalogue: what is known of each document beside its texts, under the document's name.
//!
//! It is what a list of all documents walks. Stores that were written before there was one are given theirs once, from the
//! journal.

use jddb_core::document::{Entry, Properties};
use jddb_core::ids::{DocumentId, UnixMillis, Version};
use rocksdb::{ColumnFamily, DB, ReadOptions, WriteBatch};

use crate::error::LoadError;
use crate::family::Family;
use crate::key;
use crate::load::Cursor;
use crate::meta;
use crate::record::{self, ArchivedChangeRecord, ArchivedEntryRecord, EntryRecord};
use crate::store::Store;

/// Entries that are written at once when a catalogue is made.
const BATCH_ENTRIES: usize = 1_000;

/// A part of the list of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many there are in all.
    pub total: usize,
    /// Those asked for, in the order of their names.
    pub documents: Vec<Listed>,
}

/// A document in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub document_id: DocumentId,
    /// What is known of it.
    pub entry: Entry,
    /// Its newest version.
    pub version: Version,
    /// When and by whom that was made.
    pub modified: Option<(UnixMillis, Box<str>)>,
}

impl Store {
    /// The documents that are `wanted`, without the first `skip`, `take` of them at most.
    ///
    /// It walks the whole catalogue, an entry of some hundred bytes for each document, because only so `total` is true; of the
    /// journal it reads one record for each document that it gives.
    ///
    /// # Errors
    /// A record is damaged or of a newer server, or the disk fails.
    pub fn list(&self, wanted: impl Fn(&str) -> bool, skip: usize, take: usize) -> Result<Listing, LoadError> {
        let mut listing = Listing::default();
        let mut rows = self.db().raw_iterator_cf_opt(self.family(Family::Catalogue), ReadOptions::default());
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let id = std::str::from_utf8(key).ok().and_then(|name| DocumentId::new(name).ok());
            if id.is_none() {
                tracing::error!(key = %key.escape_ascii(), "an entry of the catalogue names no document and is passed over");
            }
            if let Some(id) = id.filter(|id| wanted(id.as_str())) {
                let damaged = |damage| LoadError::damage(Family::Catalogue, &id, None, damage);
                let record = record::access::<ArchivedEntryRecord<'_>>(key, value).map_err(damaged)?;
                if record.exists() {
                    if (skip..skip.saturating_add(take)).contains(&listing.total) {
                        let entry = record.to_entry().map_err(damaged)?;
                        listing.documents.push(self.listed(id, entry)?);
                    }
                    listing.total += 1;
                }
            }
            rows.next();
        }
        rows.status().map_err(|error| LoadError::Catalogue { reason: error.into_string() })?;
        Ok(listing)
    }

    fn listed(&self, document_id: DocumentId, entry: Entry) -> Result<Listed, LoadError> {
        let journal = Cursor::at(self, Family::Journal, &document_id, Version(u64::MAX));
        let newest = journal.entry()?.map(|row| {
            let record = record::access::<ArchivedChangeRecord<'_>>(row.key, row.value);
            let record = record.map_err(|damage| journal.damaged(Some(row.version), damage))?;
            Ok::<_, LoadError>((row.version, record.signature()))
        });
        let newest = newest.transpose()?;
        drop(journal);
        let version = newest.as_ref().map_or(entry.origin, |(version, _)| *version);
        Ok(Listed { document_id, entry, version, modified: newest.map(|(_, signature)| signature) })
    }

    /// What is known of a document beside its texts; `None` if nothing is.
    ///
    /// # Errors
    /// The record is damaged or of a newer server, or the disk fails.
    pub fn load_entry(&self, document: &DocumentId) -> Result<Option<Entry>, LoadError> {
        Ok(self.read_entry(document)?.map(|(entry, _)| entry))
    }

    /// The same with the epoch that wrote it.
    pub(crate) fn read_entry(&self, document: &DocumentId) -> Result<Option<(Entry, u32)>, LoadError> {
        let family = Family::Catalogue;
        let key = document.as_str().as_bytes();
        let value = self.db().get_pinned_cf(self.family(family), key);
        let Some(value) = value.map_err(|error| LoadError::rocksdb(family, document, error))? else {
            return Ok(None);
        };
        record::access::<ArchivedEntryRecord<'_>>(key, &value)
            .and_then(|record| Ok(Some((record.to_entry()?, record.epoch()))))
            .map_err(|damage| LoadError::damage(family, document, None, damage))
    }
}

/// Makes the entries of all documents in the journal that have none.
pub(crate) fn catch_up(db: &DB, journal: &ColumnFamily, catalogue: &ColumnFamily) -> Result<(), rocksdb::Error> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    let mut rows = db.raw_iterator_cf_opt(journal, options);
    rows.seek_to_first();
    let mut batch = WriteBatch::default();
    let entry = Entry { exists: true, origin: Version::ZERO, properties: Properties::default(), lock: None };
    while let Some(key) = rows.key() {
        let document = key::document_part(key);
        let name = document.strip_suffix(b"\0").unwrap_or(document).to_vec();
        if db.get_pinned_cf(catalogue, &name)?.is_none() {
            batch.put_cf(catalogue, &name, record::encode(&name, &EntryRecord::new(&entry, 0)));
        }
        if batch.len() >= BATCH_ENTRIES {
            db.write_opt(std::mem::take(&mut batch), &meta::synced())?;
        }
        // A name is followed by 0x00 in each of its keys, so this is before all other documents.
        rows.seek([&*name, &[1]].concat());
    }
    rows.status()?;
    db.write_opt(batch, &meta::synced())
}

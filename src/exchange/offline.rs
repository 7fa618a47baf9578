//! Into a store, and out of one, that no server has open.
//!
//! Of the entries that are there a number and two hashes are kept, so that a million take some tens of megabytes; what an entry
//! says is read when more is said of it. What is new and what is changed is collected, and goes into the store as a table file,
//! `BATCH_BYTES` at a time: all of such a batch is there, or nothing of it. A file that is imported once more after an end in
//! the middle changes nothing of what was taken of it, and goes on from there.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Became, Entry, EntryId, Folded, ImportRefusal, Imported, LanguagePair, Outcome, Room, Scope,
};
use jddb_exchange::ReadError;
use jddb_exchange::tmx::{Defaults, SkipReason, TmxReader, TmxWriter};
use jddb_storage::{DataDirectory, LoadError, Store, WriteError};
use xxhash_rust::xxh3::Xxh3Default;

use super::{Selection, Summary};

/// What is collected before it goes into the store, in bytes of texts and what is kept with each.
const BATCH_BYTES: usize = 128 << 20;
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 512;

/// Why a file was not imported, or not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The file is malformed, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store cannot be written.
    #[error("the translation memory cannot be written: {0}")]
    Store(#[from] WriteError),
    /// The file cannot be written.
    #[error("cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Reads a file to its end, to find what is wrong with it before anything is changed. How many units it has.
///
/// # Errors
/// It is malformed, or cannot be read.
pub fn check(reader: impl BufRead) -> Result<u64, ReadError> {
    let mut tmx = TmxReader::new(reader)?;
    let mut units = 0;
    while tmx.next_unit()?.is_some() {
        units += 1;
    }
    Ok(units)
}

/// Writes the entries that are wanted, in the order of their numbers. How many, and how many could not be read.
///
/// # Errors
/// The store cannot be read, or the file not be written.
pub fn export(
    store: &Store,
    selection: &Selection,
    out: impl Write,
    now: UnixMillis,
) -> Result<(u64, u64), ExchangeError> {
    let mut tmx = TmxWriter::new(out, now)?;
    let (mut written, mut failure) = (0, None);
    let unreadable = store.visit_translations(|entry| {
        if !selection.has(&entry) {
            return ControlFlow::Continue(());
        }
        written += 1;
        tmx.write(&entry).map_or_else(
            |error| {
                failure = Some(error);
                ControlFlow::Break(())
            },
            ControlFlow::Continue,
        )
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    tmx.finish()?;
    Ok((written, unreadable))
}

/// A store that files are imported into.
#[derive(Debug)]
pub struct Importer<'a> {
    store: Arc<Store>,
    directory: &'a DataDirectory,
    /// The entry of each text and translation, by a hash of both.
    known: HashMap<u128, EntryId>,
    /// How many translations each text has, by a hash of its folded form.
    translations: HashMap<u128, usize>,
    next: u64,
    entries: usize,
    entries_max: usize,
    /// What is not in the store yet.
    batch: BTreeMap<EntryId, Entry>,
    batch_bytes: usize,
    batch_bytes_max: usize,
}

impl<'a> Importer<'a> {
    /// Learns what is there. No more entries are made than `entries_max` in all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(store: Arc<Store>, directory: &'a DataDirectory, entries_max: usize) -> Result<Self, LoadError> {
        let mut importer = Self {
            store: Arc::clone(&store),
            directory,
            known: HashMap::new(),
            translations: HashMap::new(),
            next: 0,
            entries: 0,
            entries_max,
            batch: BTreeMap::new(),
            batch_bytes: 0,
            batch_bytes_max: BATCH_BYTES,
        };
        let unreadable = store.load_translations(|entry| {
            let Entry { id, scope, pair, source_text, translated_text, .. } = &entry;
            importer.known.insert(hash(scope, *pair, &[source_text, translated_text]), *id);
            if let Ok(text) = Folded::new(source_text) {
                *importer.translations.entry(hash(scope, *pair, &[text.as_str()])).or_default() += 1;
            }
            importer.next = importer.next.max(id.0.saturating_add(1));
            importer.entries += 1;
        })?;
        if unreadable > 0 {
            tracing::warn!(unreadable, "entries of the translation memory cannot be read; they stay on disk");
        }
        Ok(importer)
    }

    /// Imports a file that was found to be [well-formed](check).
    ///
    /// # Errors
    /// The file is another one by now, or the store cannot be read or written. What was taken before is there.
    pub fn import(
        &mut self,
        reader: impl BufRead,
        defaults: &Defaults,
        now: UnixMillis,
    ) -> Result<Summary, ExchangeError> {
        let mut tmx = TmxReader::new(reader)?;
        let mut summary = Summary::default();
        while let Some(unit) = tmx.next_unit()? {
            summary.units += 1;
            let (imported, skipped) = unit.imported(defaults);
            skipped.into_iter().for_each(|reason| summary.skip(&reason, unit.line));
            for translation in imported {
                let became = self.take(translation, now)?;
                summary.count(became.map_err(SkipReason::from), unit.line);
            }
            if self.batch_bytes > self.batch_bytes_max {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok(summary)
    }

    fn take(&mut self, imported: Imported, now: UnixMillis) -> Result<Result<Became, ImportRefusal>, LoadError> {
        let text = match Folded::new(&imported.source_text) {
            Ok(text) => text,
            Err(error) => return Ok(Err(error.into())),
        };
        let texts = [&*imported.source_text, &*imported.translated_text];
        let identity = hash(&imported.scope, imported.pair, &texts);
        let text = hash(&imported.scope, imported.pair, &[text.as_str()]);
        let known = match self.known.get(&identity) {
            Some(id) => self.entry(*id)?.filter(|entry| imported.is_of(entry)),
            None => None,
        };
        let room = Room {
            translations: self.translations.get(&text).copied().unwrap_or_default(),
            entries: self.entries_max.saturating_sub(self.entries),
            next: EntryId(self.next.max(now.0)),
        };
        Ok(match imported.decide(known, room, now) {
            Ok(Outcome::Created(entry)) => {
                self.next = entry.id.0.saturating_add(1);
                self.entries += 1;
                self.known.insert(identity, entry.id);
                *self.translations.entry(text).or_default() += 1;
                self.put(entry);
                Ok(Became::Created)
            }
            Ok(Outcome::Updated(entry)) => {
                self.put(entry);
                Ok(Became::Updated)
            }
            Ok(Outcome::Unchanged) => Ok(Became::Unchanged),
            Err(refusal) => Err(refusal),
        })
    }

    fn entry(&self, id: EntryId) -> Result<Option<Entry>, LoadError> {
        match self.batch.get(&id) {
            Some(entry) => Ok(Some(entry.clone())),
            None => self.store.load_translation(id),
        }
    }

    fn put(&mut self, entry: Entry) {
        self.batch_bytes += ENTRY_BYTES + bytes_of(&entry);
        self.batch.insert(entry.id, entry);
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.store.ingest_translations(self.directory, self.batch.values())?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}

/// What an entry's longest texts take.
fn bytes_of(entry: &Entry) -> usize {
    let markup = entry.markup.as_deref().map(|both| [&both.source, &both.target]);
    let around = [&entry.context.previous, &entry.context.next];
    let further = markup.into_iter().flatten().chain(around).flatten().map(|text| text.len()).sum::<usize>();
    entry.source_text.len() + entry.translated_text.len() + further
}

/// A hash that tells texts apart in their place. Two that have the same by chance are told apart by the texts themselves.
fn hash(scope: &Scope, pair: LanguagePair, texts: &[&str]) -> u128 {
    let mut hasher = Xxh3Default::new();
    hasher.update(scope.project().map_or("", |project| project.as_str()).as_bytes());
    hasher.update(&pair.source().letters());
    hasher.update(&pair.target().letters());
    for text in texts {
        // No UTF-8 has this byte.
        hasher.update(&[0xFF]);
        hasher.update(text.as_bytes());
    }
    hasher.digest128()
}

//! The glossary into files and out of them.
//!
//! A file is read to its end before anything is changed. Then its terms become part of the glossary in one batch, all of which is
//! there in the end or nothing, whatever happens; what is larger than is held in memory at once is several. A file that is imported
//! once more after an end in the middle changes nothing of what was taken of it, and goes on from there.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Glossary, GlossaryError, ImportedTerm, Term, TermId, TermsBecame};
use jddb_exchange::ReadError;
use jddb_exchange::terms::{Format, TermDefaults, TermSkip, TermsReader, TermsWriter};
use jddb_storage::{DataDirectory, LoadError, Store, WriteError};

use super::online::{check_goes_on, from_start, of_file};
use super::{ImportError, Selection, Summary};
use crate::shared::Shared;
use crate::translations::Author;

/// Terms that are taken at once, all or none: as many as `translation.terms` is where nobody says; and the bytes of their texts.
const BATCH_TERMS: usize = 100_000;
const BATCH_BYTES: usize = 16 << 20;

/// Why a file was not imported without a server, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// The file is malformed, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store cannot be written.
    #[error("the glossary cannot be written: {0}")]
    Store(#[from] WriteError),
    /// There are more terms than can be looked for at once.
    #[error(transparent)]
    Glossary(#[from] GlossaryError),
}

/// Reads a file to its end, to find what is wrong with it before anything is changed.
///
/// # Errors
/// It is malformed, or cannot be read.
pub fn check(reader: impl BufRead, format: Format, defaults: &TermDefaults) -> Result<(), ReadError> {
    let mut terms = TermsReader::new(reader, format, defaults.clone())?;
    while terms.next_entry()?.is_some() {}
    Ok(())
}

/// Reads a file batch by batch.
fn import_batches<E>(
    reader: impl BufRead,
    format: Format,
    defaults: &TermDefaults,
    of_file: impl Fn(ReadError) -> E,
    mut take: impl FnMut(Vec<ImportedTerm>, &Summary) -> Result<TermsBecame, E>,
) -> Result<Summary, E> {
    let mut terms = TermsReader::new(reader, format, defaults.clone()).map_err(&of_file)?;
    let mut summary = Summary { unknown_columns: terms.unknown_columns().to_vec(), ..Summary::default() };
    let (mut batch, mut lines, mut bytes) = (Vec::new(), Vec::new(), 0);
    loop {
        let entry = terms.next_entry().map_err(&of_file)?;
        let is_last = entry.is_none();
        if let Some(entry) = entry {
            summary.units += 1;
            entry.skipped.iter().for_each(|reason| summary.skip(reason, entry.line));
            bytes += entry.terms.iter().map(bytes_of).sum::<usize>();
            lines.extend(entry.terms.iter().map(|_| entry.line));
            batch.extend(entry.terms);
        }
        if is_last || batch.len() >= BATCH_TERMS || bytes >= BATCH_BYTES {
            bytes = 0;
            let became = take(std::mem::take(&mut batch), &summary)?;
            let counted = became.into_iter().zip(lines.drain(..));
            counted.for_each(|(became, line)| summary.count(became.map_err(TermSkip::Refused), line));
        }
        if is_last {
            return Ok(summary);
        }
    }
}

/// What a term's texts take.
fn bytes_of(term: &ImportedTerm) -> usize {
    let draft = term.content.draft();
    let lists = [&draft.variants, &draft.accepted, &draft.forbidden];
    let listed: usize = lists.into_iter().flatten().map(|text| text.len()).sum();
    listed + draft.term.len() + draft.translation.len() + draft.note.map_or(0, str::len)
}

/// Imports a file by a server, for somebody.
pub(crate) fn import_online(
    shared: &Shared,
    file: &mut File,
    format: Format,
    defaults: &TermDefaults,
    author: &Author,
) -> Result<Summary, ImportError> {
    let of_file = |error| of_file(error, expected(format));
    check(from_start(file)?, format, defaults).map_err(of_file)?;
    let mut taken = HashSet::new();
    import_batches(from_start(file)?, format, defaults, of_file, |batch, summary| {
        check_goes_on(shared)?;
        let imported = shared.translations.import_terms(batch, std::mem::take(&mut taken), author.clone());
        let (became, seen) = imported.map_err(|error| ImportError::Partly { error, done: summary.done() })?;
        taken = seen;
        Ok(became)
    })
}

const fn expected(format: Format) -> &'static str {
    match format {
        Format::Csv => "a CSV file with the columns term and translation, in UTF-8 or UTF-16",
        Format::Tbx => "a TBX-Basic file, in UTF-8 or UTF-16",
    }
}

/// The glossary of a store that no server has open.
#[derive(Debug)]
pub struct TermsImporter<'a> {
    store: Arc<Store>,
    directory: &'a DataDirectory,
    glossary: Glossary,
    /// Who is told to have added what a file does not say of whom it is.
    user_id: &'a str,
}

impl<'a> TermsImporter<'a> {
    /// Learns what is there. No more terms and variants are made than `terms_max` in all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(
        store: Arc<Store>,
        directory: &'a DataDirectory,
        terms_max: usize,
        user_id: &'a str,
    ) -> Result<Self, LoadError> {
        let (terms, _) = load(&store)?;
        let (glossary, _) = Glossary::load(terms, terms_max);
        Ok(Self { store, directory, glossary, user_id })
    }

    /// Imports a file that was found to be [well-formed](check).
    ///
    /// # Errors
    /// The file is another one by now, or the store cannot be written. What was taken before is there.
    pub fn import(
        &mut self,
        reader: impl BufRead,
        format: Format,
        defaults: &TermDefaults,
        now: UnixMillis,
    ) -> Result<Summary, TermsError> {
        let mut taken = HashSet::new();
        import_batches(reader, format, defaults, TermsError::from, |batch, _| self.take(batch, &mut taken, now))
    }

    fn take(
        &mut self,
        batch: Vec<ImportedTerm>,
        taken: &mut HashSet<TermId>,
        now: UnixMillis,
    ) -> Result<TermsBecame, TermsError> {
        let (staged, became) = self.glossary.stage_imports(batch, Vec::new(), taken, self.user_id, now)?;
        let mut put: Vec<&Term> = staged.put.iter().map(|term| &**term).collect();
        put.sort_unstable_by_key(|term| term.id);
        self.store.ingest_terms(self.directory, put)?;
        self.glossary.install(&staged);
        Ok(became)
    }
}

/// The terms of a store, and how many cannot be read.
///
/// # Errors
/// The store cannot be read.
pub fn load(store: &Store) -> Result<(Vec<Term>, u64), LoadError> {
    let mut terms = Vec::new();
    let unreadable = store.load_terms(|term| terms.push(term))?;
    if unreadable > 0 {
        tracing::warn!(unreadable, "terms of the glossary cannot be read; they stay on disk");
    }
    Ok((terms, unreadable))
}

/// Writes terms as a file. How many.
///
/// # Errors
/// It cannot be written.
pub fn export<'t>(terms: impl IntoIterator<Item = &'t Term>, format: Format, out: impl Write) -> io::Result<u64> {
    let mut writer = TermsWriter::new(out, format)?;
    let mut written = 0;
    for term in terms {
        writer.write(term)?;
        written += 1;
    }
    writer.finish()?;
    Ok(written)
}

/// Writes the terms that are wanted, as they are at one moment.
pub(crate) fn export_online(shared: &Shared, selection: &Selection, format: Format, out: impl Write) {
    let terms = shared.translations.terms(|term| selection.has_term(term));
    if let Err(error) = export(terms.iter().map(|term| &**term), format, out) {
        tracing::warn!(%error, "an export of the glossary was broken off");
    }
}

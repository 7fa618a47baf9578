//! What was done to a document, version by version.

use std::ops::RangeInclusive;

use jddb_core::document::{Save, VERSIONS_SKIPPED};
use jddb_core::ids::{DocumentId, UnixMillis, Version};

use crate::error::LoadError;
use crate::family::Family;
use crate::load::{Cursor, Loaded};
use crate::record::{self, ArchivedChangeRecord, ArchivedSaveRecord};
use crate::store::Store;

/// A part of a document's history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// How many versions there are in all.
    pub total: usize,
    /// Those asked for.
    pub versions: Vec<VersionEntry>,
}

/// A version as its history shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// Its number.
    pub version: Version,
    /// When it was made.
    pub at: UnixMillis,
    /// Who made it.
    pub user_id: Box<str>,
    /// The bytes of text that it put in, in UTF-8.
    pub inserted_bytes: usize,
    /// The bytes of text that it took away.
    pub deleted_bytes: usize,
    /// The bytes of all texts after it.
    pub size_bytes: usize,
    /// The save point of this version, where there is one.
    pub save: Option<Save>,
}

impl Store {
    /// The versions of a document, newest first, without the first `skip`, `take` of them at most.
    ///
    /// It reads the records of the page, what it takes to know the size of the document at its newest version (a snapshot and
    /// the changes since), and a few keys for each million of version numbers, to find those that were left out.
    ///
    /// # Errors
    /// A record is damaged or of a newer server, or the disk fails.
    pub fn versions(&self, document: &DocumentId, skip: usize, take: usize) -> Result<Versions, LoadError> {
        let mut journal = Cursor::at(self, Family::Journal, document, Version(u64::MAX));
        let runs = runs(&mut journal)?;
        let total = runs.iter().map(length).sum();
        match nth_newest(&runs, skip) {
            Some(first) => {
                // Gone meanwhile, if it was deleted.
                let Some(loaded) = self.load_at(document, first)? else { return Ok(Versions::default()) };
                journal.at_or_before(first)?;
                let mut versions = page(&mut journal, size_bytes(&loaded), take)?;
                self.add_saves(document, &mut versions)?;
                Ok(Versions { total, versions })
            }
            None => Ok(Versions { total, versions: Vec::new() }),
        }
    }

    /// Names the save points of the versions, which are in descending order. One that is damaged is passed over, as by
    /// [`Self::load_saves`].
    fn add_saves(&self, document: &DocumentId, versions: &mut [VersionEntry]) -> Result<(), LoadError> {
        let (Some(newest), Some(oldest)) = (versions.first(), versions.last()) else { return Ok(()) };
        let (newest, oldest) = (newest.version, oldest.version);
        let mut saves = Cursor::at(self, Family::Saves, document, newest);
        while let Some(row) = saves.entry()?
            && row.version >= oldest
        {
            if let Ok(index) = versions.binary_search_by(|entry| row.version.cmp(&entry.version))
                && let Ok(record) = record::access::<ArchivedSaveRecord<'_>>(row.key, row.value)
            {
                versions[index].save = Some(record.to_save(row.version));
            }
            saves.step_back();
        }
        Ok(())
    }
}

/// The numbers of the versions that are kept, newest first. [`VERSIONS_SKIPPED`] are left out at a time, or a multiple of
/// them, so a step that is shorter than that finds each gap.
fn runs(journal: &mut Cursor<'_>) -> Result<Vec<RangeInclusive<u64>>, LoadError> {
    let (Some(newest), Some(oldest)) = (journal.version()?, journal.at_or_after(Version::ZERO)?) else {
        return Ok(Vec::new());
    };
    let (mut runs, mut end, mut at) = (Vec::new(), newest.0, newest.0);
    while at > oldest.0 {
        let probe = at.saturating_sub(VERSIONS_SKIPPED - 1).max(oldest.0);
        let found = journal.at_or_before(Version(probe))?.map_or(oldest.0, |version| version.0);
        if found < probe {
            let start = journal.at_or_after(Version(probe))?.map_or(end, |version| version.0);
            runs.push(start..=end);
            end = found;
        }
        at = found;
    }
    runs.push(oldest.0..=end);
    Ok(runs)
}

fn length(run: &RangeInclusive<u64>) -> usize {
    usize::try_from(run.end() - run.start() + 1).unwrap_or(usize::MAX)
}

/// The version before which there are `skip` newer ones.
fn nth_newest(runs: &[RangeInclusive<u64>], skip: usize) -> Option<Version> {
    let mut left = skip;
    runs.iter().find_map(|run| {
        let (passed, here) = (left, length(run));
        left = left.saturating_sub(here);
        (passed < here).then(|| Version(run.end() - passed as u64))
    })
}

/// The versions from the one under the cursor on, after which the document has so many bytes.
fn page(journal: &mut Cursor<'_>, mut size_bytes: usize, take: usize) -> Result<Vec<VersionEntry>, LoadError> {
    let mut versions = Vec::new();
    while versions.len() < take
        && let Some(row) = journal.entry()?
    {
        let record = record::access::<ArchivedChangeRecord<'_>>(row.key, row.value);
        let record = record.map_err(|damage| journal.damaged(Some(row.version), damage))?;
        let (at, user_id) = record.signature();
        let (inserted_bytes, deleted_bytes) = record.bytes();
        let version = row.version;
        versions.push(VersionEntry { version, at, user_id, inserted_bytes, deleted_bytes, size_bytes, save: None });
        size_bytes = (size_bytes + deleted_bytes).saturating_sub(inserted_bytes);
        journal.step_back();
    }
    Ok(versions)
}

/// The bytes of all texts of a document.
fn size_bytes(loaded: &Loaded) -> usize {
    let before: usize = loaded.snapshot.sections.iter().map(|section| section.text.len()).sum();
    let later = loaded.changes.iter().filter(|change| change.version > loaded.snapshot.version);
    later
        .flat_map(|change| &change.sections)
        .fold(before, |size, made| (size + made.operation.text().len()).saturating_sub(made.deleted.len()))
}

//! Reading a document back, and making sure that nothing is missing in it.

mod cursor;
mod journal;
mod saves;
mod sessions;

use jddb_core::document::{Change, Entry, Snapshot, VERSIONS_SKIPPED};
use jddb_core::ids::{DocumentId, Version};

use crate::error::LoadError;
use crate::family::Family;
use crate::record::{self, ArchivedSnapshotRecord, Damage};
use crate::store::Store;
pub(crate) use cursor::Cursor;
use journal::{History, Newest};

/// A document as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The newest snapshot; the empty document at version 0 if there is none.
    pub snapshot: Snapshot,
    /// The changes in ascending order: all after the snapshot, and history before it.
    pub changes: Vec<Change>,
    /// How many numbers the next version has to leave out, beyond the one after the newest. 0 but after an
    /// unclean stop in fast durability; then [`VERSIONS_SKIPPED`] for every epoch that may have shown
    /// versions which are lost. (Once for all of them would be too little: two unclean stops in a row
    /// would lead to the same numbers.)
    pub skip_versions: u64,
    /// What is known of it beside its texts.
    pub entry: Entry,
}

impl Loaded {
    /// The newest version; 0 if nothing of the document is stored.
    #[must_use]
    pub fn version(&self) -> Version {
        self.changes.last().map_or(self.snapshot.version, |change| change.version)
    }
}

impl Store {
    /// Loads the newest version of a document with what is needed to transform late arrivals.
    ///
    /// `history_versions` is how far before the newest version the changes begin, `history_bytes` bounds
    /// those of them that are in the snapshot already. The changes after the snapshot are always there.
    ///
    /// A document that was deleted is the empty one at the version of its deletion, and does not exist.
    ///
    /// `None` if nothing of the document is stored, but for one case: if there ever was an unclean stop
    /// in fast durability, versions of a document that left no trace may have been seen, so the answer
    /// is the empty document ([`Loaded::version`] 0) with its `skip_versions`.
    ///
    /// # Errors
    /// A record that is needed is damaged, missing or of a newer server, or the disk fails. Other documents
    /// are not affected. A damaged snapshot is passed over where the journal reaches back far enough.
    pub fn load(
        &self,
        document: &DocumentId,
        history_versions: u64,
        history_bytes: usize,
    ) -> Result<Option<Loaded>, LoadError> {
        let history = History { versions: history_versions, bytes: history_bytes };
        Ok(self.read(document, None, history)?.or_else(|| self.lost_without_trace()))
    }

    /// Loads a document as it was at `version`: the nearest snapshot at or before it, and the changes
    /// from there to exactly that version. `skip_versions` is 0: there is nothing to go on with.
    ///
    /// `None` if that version never existed or is not kept.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_at(&self, document: &DocumentId, version: Version) -> Result<Option<Loaded>, LoadError> {
        let loaded = self.read(document, Some(version), History { versions: 0, bytes: 0 })?;
        Ok(loaded.map(|loaded| Loaded { skip_versions: 0, ..loaded }))
    }

    /// Reads the version asked for, or the newest.
    fn read(
        &self,
        document: &DocumentId,
        version: Option<Version>,
        history: History,
    ) -> Result<Option<Loaded>, LoadError> {
        let wanted = version.unwrap_or(Version(u64::MAX));
        let known = self.read_entry(document)?;
        if let Some((entry, epoch)) = &known
            && !entry.exists
        {
            return Ok(version.is_none().then(|| self.deleted(entry.clone(), *epoch)));
        }
        // Where nothing else is known there was a change, and the document was never deleted.
        let entry = known.map_or_else(|| Entry { exists: true, ..Entry::default() }, |(entry, _)| entry);
        // The snapshots are read as they are before the journal is, so that a commit in between cannot
        // make a snapshot look newer than the journal.
        let mut snapshots = Cursor::at(self, Family::Snapshots, document, wanted);
        let mut journal = Cursor::at(self, Family::Journal, document, wanted);
        let Some(newest) = Newest::read(&journal)? else {
            return self.nothing_before(document, version, entry);
        };
        if version.is_some_and(|version| version != newest.version) {
            return if version == Some(entry.origin) { Ok(Some(empty(entry))) } else { Ok(None) };
        }
        let (snapshot, passed_over) = newest_snapshot(&mut snapshots, document, entry.origin)?;
        match (journal::changes_since(&mut journal, newest, snapshot.version, entry.origin, history), passed_over) {
            (Ok(changes), _) => {
                let skip_versions = u64::from(self.epochs().since(newest.epoch)) * VERSIONS_SKIPPED;
                Ok(Some(Loaded { snapshot, changes, skip_versions, entry }))
            }
            // What the journal lacks, the damaged snapshot would have had.
            (Err(_), Some(error)) | (Err(error), None) => Err(error),
        }
    }

    /// There is no change at or before the version asked for.
    fn nothing_before(
        &self,
        document: &DocumentId,
        version: Option<Version>,
        entry: Entry,
    ) -> Result<Option<Loaded>, LoadError> {
        if version == Some(entry.origin) {
            let any = Newest::read(&Cursor::at(self, Family::Journal, document, Version(u64::MAX)))?;
            return Ok(any.map(|_| empty(entry)));
        }
        if version.is_some() {
            return Ok(None);
        }
        match Cursor::at(self, Family::Snapshots, document, Version(u64::MAX)).entry()? {
            None => Ok(None),
            Some(entry) => {
                let damage =
                    Damage::Content("the journal has no change of this document, but there is a snapshot".into());
                Err(LoadError::damage(Family::Journal, document, Some(entry.version), damage))
            }
        }
    }

    /// The empty document that the next one of this name begins with.
    fn deleted(&self, entry: Entry, epoch: u32) -> Loaded {
        let skip_versions = u64::from(self.epochs().since(epoch)) * VERSIONS_SKIPPED;
        Loaded { skip_versions, ..empty(entry) }
    }

    fn lost_without_trace(&self) -> Option<Loaded> {
        let epochs = self.epochs();
        let skip_versions = u64::from(epochs.last_unclean_fast) * VERSIONS_SKIPPED;
        (skip_versions > 0).then(|| Loaded { skip_versions, ..empty(Entry::default()) })
    }
}

fn empty(entry: Entry) -> Loaded {
    Loaded { snapshot: empty_at(entry.origin), changes: Vec::new(), skip_versions: 0, entry }
}

fn empty_at(version: Version) -> Snapshot {
    Snapshot { version, ..Snapshot::default() }
}

/// The newest snapshot after `origin` that can be read, and what was wrong with the first that could not. (One that is older
/// was still being made when its document was deleted.)
fn newest_snapshot(
    snapshots: &mut Cursor<'_>,
    document: &DocumentId,
    origin: Version,
) -> Result<(Snapshot, Option<LoadError>), LoadError> {
    let mut passed_over = None;
    loop {
        let error = match snapshots.entry() {
            Ok(None) => return Ok((empty_at(origin), passed_over)),
            Ok(Some(entry)) if entry.version <= origin => return Ok((empty_at(origin), passed_over)),
            Ok(Some(entry)) => {
                let record = record::access::<ArchivedSnapshotRecord<'_>>(entry.key, entry.value);
                match record.and_then(|record| record.to_snapshot(entry.version)) {
                    Ok(snapshot) => return Ok((snapshot, passed_over)),
                    Err(damage) => LoadError::damage(Family::Snapshots, document, Some(entry.version), damage),
                }
            }
            // A whole block is damaged: older snapshots are behind it, out of reach.
            Err(error @ LoadError::Corrupt { .. }) => {
                tracing::warn!(%error, "snapshots passed over; the document is made from its journal alone");
                return Ok((empty_at(origin), Some(passed_over.unwrap_or(error))));
            }
            Err(error) => return Err(error),
        };
        // A newer server's snapshot is no damage, and its journal is not to be read either.
        if matches!(error, LoadError::NewerFormat { .. }) {
            return Err(error);
        }
        tracing::warn!(%error, "snapshot passed over; the document is made from an older one and its journal");
        passed_over.get_or_insert(error);
        snapshots.step_back();
    }
}

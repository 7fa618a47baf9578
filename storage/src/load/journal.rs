//! The changes of a document, with nothing missing between them.
//!
//! Always: a snapshot's version is in the journal or older than its oldest change, the newest change is in
//! the journal, and a change follows the one before it by 1, or by whole multiples of
//! [`VERSIONS_SKIPPED`] more where another epoch begins.

use jddb_core::document::{Change, VERSIONS_SKIPPED};
use jddb_core::ids::Version;

use super::cursor::{Cursor, Entry};
use crate::error::LoadError;
use crate::record::{self, ArchivedChangeRecord, Damage};

/// Which changes are wanted that are in the snapshot already.
#[derive(Clone, Copy)]
pub(super) struct History {
    /// Those that are less than so many versions before the newest.
    pub(super) versions: u64,
    /// So many bytes of them, as they are on disk.
    pub(super) bytes: usize,
}

/// A change's place in the order.
#[derive(Clone, Copy)]
pub(super) struct Newest {
    pub(super) version: Version,
    pub(super) epoch: u32,
}

impl Newest {
    /// Of the record under the cursor.
    pub(super) fn read(journal: &Cursor<'_>) -> Result<Option<Self>, LoadError> {
        let Some(entry) = journal.entry()? else { return Ok(None) };
        let record = access(journal, entry)?;
        Ok(Some(Self { version: entry.version, epoch: record.epoch() }))
    }
}

/// The changes after `base` and the history wanted before it, in ascending order.
///
/// The cursor stands on `newest`, and walks back.
pub(super) fn changes_since(
    journal: &mut Cursor<'_>,
    newest: Newest,
    base: Version,
    origin: Version,
    history: History,
) -> Result<Vec<Change>, LoadError> {
    let mut changes = Vec::new();
    let mut history_bytes = 0;
    // The version and the epoch of the change after the one under the cursor.
    let mut after: Option<(Version, u32)> = None;
    // A document that begins anew has no change of the version it begins after.
    let mut base_reached = base == origin;
    while let Some(entry) = journal.entry()? {
        let mut wanted = true;
        if entry.version <= base {
            if !base_reached && entry.version != base {
                return Err(missing(journal, base));
            }
            base_reached = true;
            history_bytes += entry.value.len();
            wanted = newest.version.0 - entry.version.0 < history.versions && history_bytes <= history.bytes;
        }
        // An unwanted record need not be sound, unless its epoch has to explain a gap after it.
        if !wanted && after.is_none_or(|(next, _)| follows(entry.version, next, false)) {
            break;
        }
        let record = access(journal, entry)?;
        if let Some((next, next_epoch)) = after
            && !follows(entry.version, next, record.epoch() != next_epoch)
        {
            return Err(missing(journal, Version(next.0 - 1)));
        }
        if !wanted {
            break;
        }
        let change = record.to_change(entry.version);
        after = Some((entry.version, record.epoch()));
        changes.push(change.map_err(|damage| journal.damaged(Some(entry.version), damage))?);
        journal.step_back();
    }
    let oldest = changes.last().map_or(newest.version, |change: &Change| change.version);
    if oldest > base && !follows(base, oldest, true) {
        return Err(missing(journal, Version(oldest.0 - 1)));
    }
    changes.reverse();
    Ok(changes)
}

/// Whether `next` may be the change after `version`.
fn follows(version: Version, next: Version, epoch_begins: bool) -> bool {
    match (next.0 - version.0).checked_sub(1) {
        Some(0) => true,
        Some(skipped) => epoch_begins && skipped % VERSIONS_SKIPPED == 0,
        None => false,
    }
}

fn access<'a>(journal: &Cursor<'_>, entry: Entry<'a>) -> Result<&'a ArchivedChangeRecord<'a>, LoadError> {
    record::access(entry.key, entry.value).map_err(|damage| journal.damaged(Some(entry.version), damage))
}

fn missing(journal: &Cursor<'_>, version: Version) -> LoadError {
    journal.damaged(Some(version), Damage::Content("this change is missing".to_owned()))
}

//! A document from its records, each of them checked: what does not fit is reported, never applied.

use smallvec::SmallVec;

use super::accept::{Author, single_edit};
use super::change::{Change, ChangeRef, SectionChange};
use super::clients::MessageName;
use super::log::{Log, SectionRecord};
use super::snapshot::{ResendRecord, Snapshot};
use super::submit::Made;
use super::{Document, DocumentLimits, SECTIONS_MAX, Section, VERSION_MAX, VERSIONS_SKIPPED, units};
use crate::ids::{DocumentId, Version, utf16_len};
use crate::text::Text;

/// Why stored records make no document: they do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored record of version {version} does not fit the ones before it")]
pub struct RestoreError {
    /// The version of the record that does not fit.
    pub version: Version,
}

impl Document {
    /// The document as storage kept it: a snapshot and, oldest first, the changes around and after it.
    /// Those up to the snapshot only serve as history.
    ///
    /// # Errors
    /// A record does not fit: versions are missing or out of order, a section is not what it was, or a
    /// change was not made to the text that the others give.
    pub fn restore(
        id: DocumentId,
        snapshot: Snapshot,
        mut changes: Vec<Change>,
        limits: DocumentLimits,
    ) -> Result<Self, RestoreError> {
        let mut document = Self::new(id, limits);
        document.version = snapshot.version;
        document.last_modified = snapshot.last_modified;
        document.sections = snapshot
            .sections
            .into_iter()
            .map(|section| Section { name: section.name, created: section.created, text: Text::from(&*section.text) })
            .collect();
        document.check_sections()?;
        check_order(snapshot.version, &changes)?;
        let later = changes.split_off(changes.partition_point(|change| change.version <= snapshot.version));
        document.check_past(&changes)?;
        document.remember_past(snapshot.resends, changes);
        later.into_iter().try_for_each(|change| document.replay(change))?;
        Ok(document)
    }

    fn check_sections(&self) -> Result<(), RestoreError> {
        let known = |index: usize| self.section_index(&self.sections[index].name) == Some(index);
        let names_differ = (0..self.sections.len()).all(known);
        let in_order = self.sections.is_sorted_by_key(|section| section.created);
        let not_later = self.sections.last().is_none_or(|last| last.created <= self.version);
        let fits = self.version <= VERSION_MAX && self.sections.len() <= SECTIONS_MAX;
        if names_differ && in_order && not_later && fits { Ok(()) } else { Err(self.misfit()) }
    }

    const fn misfit(&self) -> RestoreError {
        RestoreError { version: self.version }
    }

    /// Takes the changes up to the snapshot back, one by one, on a copy of its texts.
    fn check_past(&self, changes: &[Change]) -> Result<(), RestoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut texts: Vec<Text> = self.sections.iter().map(|section| section.text.clone()).collect();
        for change in changes.iter().rev() {
            let takes_back = |made: &SectionChange| {
                let index = usize::from(made.section);
                let section = self.sections.get(index).filter(|section| section.created <= change.version)?;
                let created = (section.created == change.version).then_some(&section.name);
                let same_creation = made.created.as_ref() == created;
                (same_creation && take_back(made, &mut texts[index])).then_some(())
            };
            let fits = is_ascending(change) && change.sections.iter().map(takes_back).all(|fits| fits.is_some());
            if !fits {
                return Err(RestoreError { version: change.version });
            }
        }
        Ok(())
    }

    /// Applies a stored change, checking that it fits.
    fn replay(&mut self, change: Change) -> Result<(), RestoreError> {
        let misfit = RestoreError { version: change.version };
        let mut count = self.sections.len();
        for made in &change.sections {
            let there = self.sections.get(usize::from(made.section));
            let fits = match (there, &made.created) {
                (Some(there), None) => made.operation.fits(&there.text),
                (None, Some(name)) => {
                    count += 1;
                    usize::from(made.section) + 1 == count
                        && count <= SECTIONS_MAX
                        && self.section_index(name).is_none()
                        && made.operation.fits(&Text::default())
                }
                (Some(_), Some(_)) | (None, None) => false,
            };
            if !fits {
                return Err(misfit);
            }
        }
        if !is_ascending(&change) || !names_differ(&change) {
            return Err(misfit);
        }
        let head = self.sign(change.version, change.at, &Author::of(&change), change.transformed);
        let mut deleted: SmallVec<[String; 1]> = SmallVec::new();
        let mut sections: SmallVec<[Made; 1]> = SmallVec::new();
        for made in change.sections {
            deleted.push(made.deleted);
            sections.push(Made { section: made.section, created: made.created, operation: made.operation });
        }
        self.apply(head, sections);
        let applied = self.history().last().into_iter().flat_map(ChangeRef::sections);
        if applied.map(|made| made.deleted).eq(deleted.iter()) { Ok(()) } else { Err(misfit) }
    }

    /// Takes the changes up to the snapshot as history, and the names of their messages with those that the
    /// snapshot remembers.
    fn remember_past(&mut self, resends: Vec<ResendRecord>, past: Vec<Change>) {
        let mut resends = resends.into_iter().peekable();
        let mut lengths: Vec<i64> = self.sections.iter().map(|section| i64::from(units(&section.text))).collect();
        for made in past.iter().flat_map(|change| &change.sections) {
            lengths[usize::from(made.section)] -= made.operation.length_delta();
        }
        let floor = floor_of(self.version, &past);
        self.log = Log::new(floor, self.limits.history_versions_max, self.limits.history_bytes_max);
        for change in past {
            for made in &change.sections {
                lengths[usize::from(made.section)] += made.operation.length_delta();
            }
            if change.version > floor {
                while let Some(older) = resends.next_if(|record| record.version < change.version) {
                    self.remember(older);
                }
                resends.next_if(|record| record.version == change.version);
                self.log_past(change, &lengths);
            }
        }
        resends.for_each(|newer| self.remember(newer));
    }

    fn remember(&mut self, record: ResendRecord) {
        let author = Author {
            known: None,
            user_id: &record.user_id,
            client_id: Some(&record.client_id),
            message: Some(MessageName::new(&record.correlation_id)),
            fingerprint: record.fingerprint,
        };
        self.sign(record.version, record.at, &author, record.transformed);
    }

    /// Logs a change that is in the texts already; `lengths` are those of the sections after it.
    fn log_past(&mut self, change: Change, lengths: &[i64]) {
        let head = self.sign(change.version, change.at, &Author::of(&change), change.transformed);
        let length = |section: u16| u32::try_from(lengths[usize::from(section)]).unwrap_or(0);
        if let [made] = &*change.sections
            && let Some(edit) = single_edit(made.created.as_ref(), &made.operation)
        {
            self.log.push_edit(&mut self.clients, head, made.section, (edit, made.operation.text()), |deleted| {
                deleted.push_str(&made.deleted);
                length(made.section)
            });
            return;
        }
        let records = change.sections.into_iter().map(|made| {
            let SectionChange { section, created, operation, deleted } = made;
            SectionRecord { section, created, length: length(section), operation, deleted: deleted.into() }
        });
        self.log.push_wide(&mut self.clients, head, records.collect());
    }
}

impl<'a> Author<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            known: None,
            user_id: &change.user_id,
            client_id: change.origin.client_id.as_deref(),
            message: change.origin.correlation_id.as_deref().map(MessageName::new),
            fingerprint: change.fingerprint,
        }
    }
}

/// Whether versions ascend without a change missing, up to and over the snapshot's.
fn check_order(snapshot: Version, changes: &[Change]) -> Result<(), RestoreError> {
    let mut previous = None;
    for version in changes.iter().map(|change| change.version) {
        // A snapshot older than all changes is what the first of them follows.
        let previous = previous.replace(version).or_else(|| (version > snapshot).then_some(snapshot));
        let passes_snapshot = previous.is_some_and(|previous| previous < snapshot) && version > snapshot;
        let follows = previous.is_none_or(|previous| follows(previous, version));
        if version == Version::ZERO || version > VERSION_MAX || !follows || passes_snapshot {
            return Err(RestoreError { version });
        }
    }
    let reaches_snapshot = previous.is_none_or(|last| last >= snapshot);
    if reaches_snapshot { Ok(()) } else { Err(RestoreError { version: snapshot }) }
}

/// Whether `next` may be the version after `version`: by one, or by the numbers left out after an unclean
/// stop or several.
fn follows(version: Version, next: Version) -> bool {
    next > version && (next.0 - version.0 - 1).is_multiple_of(VERSIONS_SKIPPED)
}

/// The oldest version that can be a base, where `past` are the changes up to the snapshot.
fn floor_of(snapshot: Version, past: &[Change]) -> Version {
    // Among the first numbers none was left out. Later the one before the oldest change may lie in a gap,
    // and then be no base: the oldest change itself is one for certain.
    match past.first().map(|first| first.version) {
        None => snapshot,
        Some(first) if first.0 <= VERSIONS_SKIPPED => Version(first.0 - 1),
        Some(first) => first,
    }
}

fn is_ascending(change: &Change) -> bool {
    change.sections.is_sorted_by(|one, next| one.section < next.section)
}

fn names_differ(change: &Change) -> bool {
    let created = |index: usize| change.sections[index].created.as_ref();
    (0..change.sections.len())
        .all(|index| created(index).is_none() || (0..index).all(|other| created(other) != created(index)))
}

/// Takes back what a change did to a section; whether that can be.
fn take_back(made: &SectionChange, text: &mut Text) -> bool {
    let deleted_units: usize = made.operation.edits().iter().map(|edit| edit.deleted as usize).sum();
    let parts_agree = made.parts().all(|part| utf16_len(part.deleted) == part.deleted_units as usize);
    if !parts_agree || deleted_units != utf16_len(&made.deleted) {
        return false;
    }
    let inverse = made.operation.invert(&made.deleted);
    if !inverse.fits(text) {
        return false;
    }
    let same_text = inverse.apply(text) == made.operation.text();
    same_text && (made.created.is_none() || text.is_empty())
}

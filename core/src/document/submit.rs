//! From what a client sent to the operations of the next version.
//!
//! A submission is *resolved* at its base version to one operation a section; that is transformed over
//! everything that came since, change by change (never over a composition of them: the results differ).

use smallvec::SmallVec;

use super::Document;
use super::change::ChangeRef;
use super::history::BaseError;
use super::resolve::{BaseView, inside_character};
use super::submission::{Move, Rejection, Submission};
use super::track::{Landing, Track};
use crate::ids::{PositionEncoding, SectionName, Version};
use crate::ot::{Operation, Order, move_over};

/// Changes × versions walked by one submission; a slow client has to catch up rather than hold up a core.
pub const TRANSFORMS_PER_SUBMISSION_MAX: usize = 1_000_000;

/// What a change does to one section.
pub(super) struct Made {
    /// Which section, counted from 0.
    pub(super) section: u16,
    /// Its name, where the change creates it.
    pub(super) created: Option<SectionName>,
    /// What it does to the text as it is.
    pub(super) operation: Operation,
}

/// A submission ready to be applied.
pub(super) struct Prepared {
    /// What it does to each section, in their order; at least one.
    pub(super) sections: SmallVec<[Made; 1]>,
    /// Whether that differs from what was sent.
    pub(super) transformed: bool,
    /// Where each change will begin.
    landings: SmallVec<[Landing; 1]>,
}

impl Document {
    /// Resolves, transforms and checks a submission; changes nothing yet.
    pub(super) fn prepare(&self, sent: &Submission<'_>) -> Result<Prepared, Rejection> {
        let base = sent.base.unwrap_or(self.version);
        let versions = self.walk_since(base, sent.changes.len())?;
        if sent.reject_conflicts && versions > 0 {
            return Err(Rejection::VersionConflict { base, current: self.version });
        }
        let view = BaseView::new(self, base, sent);
        let resolved = view.resolve(sent.changes)?;
        let mut track = Track::new(&resolved.points);
        self.changes_since(base).for_each(|change| track.pass(change));
        self.check_boundaries(&track, sent.encoding)?;
        let mut transformed = resolved.clamped;
        let mut sections: SmallVec<[Made; 1]> = SmallVec::new();
        for draft in resolved.drafts {
            let made = draft.operation();
            let operation = self.transform_since(base, draft.section, &made);
            transformed |= operation != made;
            let section = u16::try_from(draft.section).unwrap_or(u16::MAX);
            sections.push(Made { section, created: draft.created, operation });
        }
        sections.sort_by_key(|change| change.section);
        self.check_size(&sections)?;
        let landings = track.land(sent.changes, &sections);
        let counted_over_document = sent.changes.iter().zip(&landings).filter(|(change, _)| change.section.is_none());
        let mut starts = counted_over_document.map(|(_, landing)| landing.section);
        transformed |= versions > 0 && starts.any(|section| view.moved_start_of(section));
        Ok(Prepared { sections, transformed, landings })
    }

    /// How many changes came since `base`, if that many may be walked; counted before any is.
    fn walk_since(&self, base: Version, changes: usize) -> Result<usize, Rejection> {
        let since = self.history().since(base).map_err(|error| match error {
            BaseError::TooOld(oldest) => Rejection::VersionTooOld { base, oldest },
            BaseError::Unknown => Rejection::VersionUnknown { base, current: self.version },
        })?;
        let versions = since.clone().count();
        let versions_max = TRANSFORMS_PER_SUBMISSION_MAX / changes.max(1);
        if versions > versions_max {
            // The base that leaves just as many changes to walk as may be walked.
            let oldest = since.rev().nth(versions_max).map_or(self.version, ChangeRef::version);
            return Err(Rejection::VersionTooOld { base, oldest });
        }
        Ok(versions)
    }

    /// The changes after `base`; none, if it is no version that can be a base.
    pub(super) fn changes_since(&self, base: Version) -> impl DoubleEndedIterator<Item = ChangeRef<'_>> + Clone {
        self.history().since(base).into_iter().flatten()
    }

    fn transform_since(&self, base: Version, section: usize, operation: &Operation) -> Operation {
        let mut moved = operation.clone();
        for change in self.changes_since(base) {
            for other in change.sections().filter(|other| usize::from(other.section) == section) {
                move_over(&mut moved, other.operation.edits(), Order::Second);
            }
        }
        moved
    }

    /// Whether no position splits a surrogate pair in the text it has come to.
    fn check_boundaries(&self, track: &Track, encoding: PositionEncoding) -> Result<(), Rejection> {
        let splits = track.points().filter(|point| {
            let section = self.sections.get(point.section);
            section.is_some_and(|section| !section.text.is_boundary(point.position as usize))
        });
        splits.min_by_key(|point| (point.index, point.end)).map_or(Ok(()), |point| {
            let field = if point.end { "length" } else { "position" };
            Err(inside_character(point.index, field, encoding))
        })
    }

    /// Whether no text grows beyond its limits. Shrinking never fails, even where a limit was lowered.
    pub(super) fn check_size(&self, changes: &[Made]) -> Result<(), Rejection> {
        let limit = self.limits.section_bytes_max.min(super::SECTION_BYTES_MAX);
        let (mut grown, mut shrunk) = (0, 0);
        for change in changes {
            let text = self.sections.get(usize::from(change.section)).map(|section| &section.text);
            let before = text.map_or(0, |text| text.len_in(PositionEncoding::Utf8));
            let edits = change.operation.edits().iter();
            let deleted =
                edits.map(|edit| text.map_or(0, |text| text.utf8_len_of(edit.position as usize, edit.end() as usize)));
            let (inserted, deleted) = (change.operation.text().len(), deleted.sum::<usize>());
            let after = before - deleted + inserted;
            if after > limit && after > before {
                return Err(Rejection::TooLarge { what: "the section (bytes)", limit });
            }
            grown += inserted;
            shrunk += deleted;
        }
        let limit = self.limits.document_bytes_max;
        let before: usize = self.sections.iter().map(|section| section.text.len_in(PositionEncoding::Utf8)).sum();
        let after = before + grown - shrunk;
        if after > limit && after > before {
            return Err(Rejection::TooLarge { what: "the document (bytes)", limit });
        }
        Ok(())
    }

    /// Where the positions of a submission that was just applied are now, and what moved them.
    pub(super) fn moves(&self, sent: &Submission<'_>, prepared: &Prepared) -> Vec<Move> {
        let landed = sent.changes.iter().zip(&prepared.landings);
        let moves = landed.filter_map(|(change, landing)| {
            // What was only clamped was moved by nobody; `transformed` tells of it.
            let reason = landing.reason?;
            let section = &self.sections[landing.section];
            let in_section = section.text.position_in(landing.position as usize, sent.encoding) as u64;
            let over_document = change.section.is_none();
            let start = if over_document { self.section_start(landing.section, sent.encoding) as u64 } else { 0 };
            let transformed_position = start + in_section;
            (transformed_position != change.position).then(|| Move {
                original_position: change.position,
                transformed_position,
                section: over_document.then(|| (section.name.clone(), in_section)),
                reason,
            })
        });
        moves.collect()
    }
}

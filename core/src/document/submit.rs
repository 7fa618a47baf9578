//! From what a client sent to operations on the current texts.
//!
//! All positions of a batch refer to the base version, not to the result of the changes before them
//! in the batch (protocol 2). So each change is first *resolved* to places in the sections as they
//! were at the base; the places of each section make one operation, and that is transformed over
//! everything that came since, change by change.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::change::SectionChange;
use super::history::BaseError;
use super::{Document, Section};
use crate::ids::{PositionEncoding, SectionName, Version, utf16_len};
use crate::ot::{Operation, OperationBuilder, Order, map_position, transform};
use crate::text::{PositionError, Text};

/// What one change of a submission does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Puts `content` in at `position`.
    Insert,
    /// Takes `length` units away from `position` on.
    Delete,
    /// Both, in one.
    Replace,
}

impl ChangeKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Replace => "replace",
        }
    }
}

/// One change as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentChange<'a> {
    /// What it does.
    pub kind: ChangeKind,
    /// Where, in the sender's encoding: within the section, or over the whole document without one.
    pub position: u64,
    /// How much is taken away, in the sender's encoding; 0 for inserts.
    pub length: u64,
    /// What is put in; empty for deletes.
    pub content: Cow<'a, str>,
    /// The section, where the sender named one.
    pub section: Option<SectionName>,
}

/// A change or atomic batch on its way into a document.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    /// The author.
    pub user_id: &'a str,
    /// `metadata.client_id`, ≤ 128 bytes.
    pub client_id: Option<&'a str>,
    /// `metadata.correlation_id`, ≤ 128 bytes. Together with a client id it makes a resend harmless.
    pub correlation_id: Option<&'a str>,
    /// The version that positions refer to. Without it they are taken against the current one, and clamped.
    pub base: Option<Version>,
    /// How positions are counted.
    pub encoding: PositionEncoding,
    /// At least one change.
    pub changes: &'a [SentChange<'a>],
    /// Refuse rather than transform, if anything came in between.
    pub reject_conflicts: bool,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is the document's newest version, [`super::History::last`].
    Applied {
        /// That version.
        version: Version,
        /// Whether what was applied differs from what was sent.
        transformed: bool,
        /// Where the positions of its changes moved.
        moves: Vec<Move>,
    },
    /// It had been applied before, and was not again.
    Duplicate {
        /// The version it made then.
        version: Version,
        /// What was said of it then.
        transformed: bool,
    },
}

/// How the position of one change of a submission moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// As it was sent.
    pub original_position: u64,
    /// Where it is in the new version, counted as it was sent.
    pub transformed_position: u64,
    /// The section it lies in and its place there, if the sender named no section.
    pub section: Option<(SectionName, u64)>,
    /// What moved it.
    pub reason: MoveReason,
}

/// What moved a position; of several reasons the first in this order is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveReason {
    /// Text before it was deleted by somebody else.
    ConcurrentDeletion,
    /// Text was inserted before it by somebody else.
    ConcurrentInsertion,
    /// Another change of the same batch deletes text before it.
    PriorDeletion,
    /// Another change of the same batch inserts text before it.
    PriorInsertion,
}

impl MoveReason {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConcurrentDeletion => "concurrent_deletion",
            Self::ConcurrentInsertion => "concurrent_insertion",
            Self::PriorDeletion => "prior_deletion",
            Self::PriorInsertion => "prior_insertion",
        }
    }
}

/// Why a submission was refused; nothing was changed. `index` counts its changes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The base is no version of this document.
    #[error("version {base} of this document does not exist; the current version is {current}: send sync.request")]
    VersionUnknown {
        /// The base that was sent.
        base: Version,
        /// The current version.
        current: Version,
    },
    /// The base is older than what can still be transformed against.
    #[error("version {base} is too old to be a base; the oldest accepted is {oldest}: send sync.request")]
    VersionTooOld {
        /// The base that was sent.
        base: Version,
        /// The oldest base that is accepted for this submission.
        oldest: Version,
    },
    /// Something came in between, and the sender asked for refusal.
    #[error("the document changed since version {base}; the current version is {current}")]
    VersionConflict {
        /// The base that was sent.
        base: Version,
        /// The current version.
        current: Version,
    },
    /// A position does not exist at the base version.
    #[error("{field} is not a place in the text: expected {expected}")]
    InvalidPosition {
        /// Which change.
        index: usize,
        /// `position` or `length`.
        field: &'static str,
        /// What would have been right.
        expected: String,
    },
    /// A section that does not exist was to be changed by something else than an insert.
    #[error("section {section} does not exist; only an insert creates a section")]
    UnknownSection {
        /// Which change.
        index: usize,
        /// The section that was named.
        section: SectionName,
    },
    /// The client used the same key for another message.
    #[error("this correlation_id was used before for a different change; use a new one for each change")]
    KeyReused,
    /// The document would grow beyond a limit.
    #[error("{what} would exceed its limit of {limit}")]
    TooLarge {
        /// What would be too large: `the section (bytes)`, `the document (bytes)`, `the number of sections`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Changes × versions walked by one submission; a slow client has to catch up rather than hold up a core.
pub const TRANSFORMS_PER_SUBMISSION_MAX: usize = 1_000_000;

/// The sections as they were at the base version, in the sender's encoding.
struct BaseView<'a> {
    encoding: PositionEncoding,
    exact: bool,
    sections: SmallVec<[BaseSection<'a>; 4]>,
}

struct BaseSection<'a> {
    /// Its length in the sender's encoding.
    length: usize,
    /// Its text at the base, where it is at hand. UTF-16 positions at an older base need none: whether
    /// they split a pair is judged after transformation.
    text: Option<Cow<'a, Text>>,
}

/// What a submission does to one section, in UTF-16 positions of the base version.
#[derive(Default)]
pub(super) struct Draft<'a> {
    created: Option<SectionName>,
    section: usize,
    inserts: SmallVec<[(u32, &'a str); 1]>,
    deletes: SmallVec<[(u32, u32); 1]>,
}

/// A change's place: which draft's section, and where in it at the base.
#[derive(Clone, Copy)]
struct Place {
    section: usize,
    position: u32,
}

/// A submission resolved at its base version.
pub(super) struct Resolved<'a> {
    drafts: SmallVec<[Draft<'a>; 1]>,
    /// Where each change begins.
    places: SmallVec<[Place; 1]>,
    /// Whether a position was moved to where one can be.
    clamped: bool,
}

impl Document {
    /// Resolves, transforms and checks a submission; changes nothing yet.
    pub(super) fn prepare(&self, sent: &Submission<'_>) -> Result<Prepared, Rejection> {
        let base = sent.base.unwrap_or(self.version);
        let versions = self.walk_since(base, sent.changes.len())?;
        if sent.reject_conflicts && versions > 0 {
            return Err(Rejection::VersionConflict { base, current: self.version });
        }
        let view = self.view_at(base, sent);
        let resolved = self.resolve(&view, sent.changes)?;
        let mut transformed = resolved.clamped;
        let mut sections: SmallVec<[SectionChange; 1]> = SmallVec::new();
        for draft in &resolved.drafts {
            let made = draft.operation();
            let moved = self.transform_since(base, draft.section, &made);
            transformed |= moved != made;
            if self.sections.get(draft.section).is_some_and(|section| !moved.fits(&section.text)) {
                let expected = "a position that does not split a surrogate pair".to_owned();
                return Err(Rejection::InvalidPosition { index: 0, field: "position", expected });
            }
            let section = u16::try_from(draft.section).unwrap_or(u16::MAX);
            let created = draft.created.clone();
            sections.push(SectionChange { section, created, operation: moved, deleted: String::new() });
        }
        sections.sort_by_key(|change| change.section);
        self.check_size(&sections)?;
        Ok(Prepared { sections, transformed, places: resolved.places, base })
    }

    /// How many changes came since `base`, if that many may be walked.
    fn walk_since(&self, base: Version, changes: usize) -> Result<usize, Rejection> {
        let since = self.history.since(base).map_err(|error| match error {
            BaseError::TooOld(oldest) => Rejection::VersionTooOld { base, oldest },
            BaseError::Unknown => Rejection::VersionUnknown { base, current: self.version },
        })?;
        let versions = since.count();
        if versions * changes > TRANSFORMS_PER_SUBMISSION_MAX {
            return Err(Rejection::VersionTooOld { base, oldest: self.version });
        }
        Ok(versions)
    }

    fn changes_since(&self, base: Version) -> impl DoubleEndedIterator<Item = &super::Change> + Clone {
        self.history.since(base).into_iter().flatten()
    }

    fn transform_since(&self, base: Version, section: usize, operation: &Operation) -> Operation {
        let mut moved = Cow::Borrowed(operation);
        for change in self.changes_since(base) {
            for other in change.sections.iter().filter(|other| usize::from(other.section) == section) {
                moved = Cow::Owned(transform(&moved, &other.operation, Order::Second));
            }
        }
        moved.into_owned()
    }

    /// The sections at `base`: their lengths by walking back, their texts where the encoding needs them.
    fn view_at(&self, base: Version, sent: &Submission<'_>) -> BaseView<'_> {
        let there = self.sections.iter().take_while(|section| section.created <= base).enumerate();
        let sections = there.map(|(index, section)| {
            let text = if base == self.version {
                Some(Cow::Borrowed(&section.text))
            } else if sent.encoding == PositionEncoding::Utf16 {
                None
            } else {
                Some(Cow::Owned(self.text_at(base, index, section)))
            };
            let length = text.as_ref().map_or_else(
                || self.length_at(base, index, section),
                |text| text.len_in(sent.encoding),
            );
            BaseSection { length, text }
        });
        BaseView { encoding: sent.encoding, exact: sent.base.is_some(), sections: sections.collect() }
    }

    fn length_at(&self, base: Version, index: usize, section: &Section) -> usize {
        let since = self.changes_since(base).flat_map(|change| &change.sections);
        let here = since.filter(|change| usize::from(change.section) == index);
        let grown: i64 = here.map(|change| change.operation.length_delta()).sum();
        usize::try_from(section.text.len() as i64 - grown).unwrap_or(0)
    }

    fn text_at(&self, base: Version, index: usize, section: &Section) -> Text {
        let mut text = section.text.clone();
        for change in self.changes_since(base).rev() {
            for made in change.sections.iter().filter(|made| usize::from(made.section) == index) {
                made.operation.invert(&made.deleted).apply(&mut text);
            }
        }
        text
    }

    fn resolve<'s>(&self, view: &BaseView<'_>, changes: &'s [SentChange<'s>]) -> Result<Resolved<'s>, Rejection> {
        let mut resolved = Resolved { drafts: SmallVec::new(), places: SmallVec::new(), clamped: false };
        for (index, change) in changes.iter().enumerate() {
            let span = match &change.section {
                Some(name) => self.span_in_section(view, &resolved.drafts, index, change, name)?,
                None => self.span_in_document(view, &resolved.drafts, index, change)?,
            };
            resolved.clamped |= span.clamped;
            resolved.places.push(span.place);
            let draft = resolved.draft(span.place.section, span.created);
            if !change.content.is_empty() {
                draft.inserts.push((span.place.position, &change.content));
            }
            for (section, from, to) in span.deletes {
                resolved.draft(section, None).deletes.push((from, to));
            }
        }
        Ok(resolved)
    }

    fn span_in_section(
        &self,
        view: &BaseView<'_>,
        drafts: &[Draft<'_>],
        index: usize,
        change: &SentChange<'_>,
        name: &SectionName,
    ) -> Result<Span, Rejection> {
        let (section, created) = self.section_for(drafts, index, change, name)?;
        let (from, from_clamped) = view.position(section, change.position, index, "position")?;
        let end = change.position.saturating_add(change.length);
        let (to, to_clamped) = view.position(section, end, index, "length")?;
        let deletes = if to > from { [(section, from, to)].into_iter().collect() } else { SmallVec::new() };
        let place = Place { section, position: from };
        Ok(Span { place, created, deletes, clamped: from_clamped || to_clamped })
    }

    /// The section of that name, here or to be created by this submission.
    fn section_for(
        &self,
        drafts: &[Draft<'_>],
        index: usize,
        change: &SentChange<'_>,
        name: &SectionName,
    ) -> Result<(usize, Option<SectionName>), Rejection> {
        if let Some(section) = self.section_index(name) {
            return Ok((section, None));
        }
        if let Some(draft) = drafts.iter().find(|draft| draft.created.as_ref() == Some(name)) {
            return Ok((draft.section, None));
        }
        if change.kind != ChangeKind::Insert {
            return Err(Rejection::UnknownSection { index, section: name.clone() });
        }
        let created_before = drafts.iter().filter(|draft| draft.created.is_some()).count();
        let section = self.sections.len() + created_before;
        if section >= self.limits.sections_max {
            return Err(Rejection::TooLarge { what: "the number of sections", limit: self.limits.sections_max });
        }
        Ok((section, Some(name.clone())))
    }

    /// A change that counts over the sections' texts one after the other.
    fn span_in_document(
        &self,
        view: &BaseView<'_>,
        drafts: &[Draft<'_>],
        index: usize,
        change: &SentChange<'_>,
    ) -> Result<Span, Rejection> {
        if view.sections.is_empty() {
            // Only an insert makes a section; anything else has nothing it could apply to.
            let name = self.sections.first().map_or_else(SectionName::body, |section| section.name.clone());
            return self.span_in_section(view, drafts, index, change, &name);
        }
        let total = view.sections.iter().map(|section| section.length as u64).sum::<u64>();
        let end = change.position.saturating_add(change.length);
        if view.exact && end > total {
            let field = if change.position > total { "position" } else { "length" };
            return Err(Rejection::InvalidPosition { index, field, expected: view.range_of(total) });
        }
        let (from, to) = (change.position.min(total), end.min(total));
        let mut span = Span::default();
        span.clamped = to < end;
        let mut start = 0_u64;
        let mut placed = false;
        for (section, base) in view.sections.iter().enumerate() {
            let section_end = start + base.length as u64;
            // A seam belongs to the earliest section, but a deletion to that of its first deleted unit.
            let begins_here = if to > from { from < section_end } else { from <= section_end };
            if begins_here && !placed {
                let (position, clamped) = view.position(section, from - start, index, "position")?;
                span.place = Place { section, position };
                span.clamped |= clamped;
                placed = true;
            }
            let (cut_from, cut_to) = (from.max(start), to.min(section_end));
            if cut_to > cut_from {
                let (cut_from, from_clamped) = view.position(section, cut_from - start, index, "position")?;
                let (cut_to, to_clamped) = view.position(section, cut_to - start, index, "length")?;
                span.clamped |= from_clamped || to_clamped;
                if cut_to > cut_from {
                    span.deletes.push((section, cut_from, cut_to));
                }
            }
            start = section_end;
        }
        Ok(span)
    }

    /// Whether the texts stay within their limits. Deletions never fail, even where a limit was lowered.
    fn check_size(&self, changes: &[SectionChange]) -> Result<(), Rejection> {
        let inserted: usize = changes.iter().map(|change| change.operation.text().len()).sum();
        let total: usize = self.sections.iter().map(|section| section.text.len_in(PositionEncoding::Utf8)).sum();
        let mut deleted_in_all = 0;
        for change in changes.iter().filter(|change| !change.operation.text().is_empty()) {
            let limit = self.limits.section_bytes_max;
            let section = self.sections.get(usize::from(change.section));
            let before = section.map_or(0, |section| section.text.len_in(PositionEncoding::Utf8));
            let inserted_here = change.operation.text().len();
            if before + inserted_here <= limit && total + inserted <= self.limits.document_bytes_max {
                continue;
            }
            // Close to a limit only what is really deleted counts; trying is exact, and rare.
            let mut text = section.map(|section| section.text.clone()).unwrap_or_default();
            let deleted = change.operation.apply(&mut text).len();
            deleted_in_all += deleted;
            if before + inserted_here > limit + deleted {
                return Err(Rejection::TooLarge { what: "the section (bytes)", limit });
            }
        }
        let limit = self.limits.document_bytes_max;
        if inserted > 0 && total + inserted > limit + deleted_in_all {
            return Err(Rejection::TooLarge { what: "the document (bytes)", limit });
        }
        Ok(())
    }

    /// Where the positions of an applied submission are now, and what moved them.
    pub(super) fn moves(&self, sent: &Submission<'_>, prepared: &Prepared, before: Version) -> Vec<Move> {
        let moved = sent.changes.iter().zip(&prepared.places).enumerate();
        moved.filter_map(|(index, (change, place))| self.moved(sent, prepared, before, index, change, *place)).collect()
    }

    fn moved(
        &self,
        sent: &Submission<'_>,
        prepared: &Prepared,
        before: Version,
        index: usize,
        change: &SentChange<'_>,
        place: Place,
    ) -> Option<Move> {
        let mut track = Track { place, over_document: change.section.is_none(), reason: None };
        for version in self.changes_since(prepared.base).take_while(|version| version.version <= before) {
            for other in &version.sections {
                track.pass(other, Order::Second, MoveReason::ConcurrentDeletion, MoveReason::ConcurrentInsertion);
            }
        }
        let at_base = prepared.places[..index].iter().zip(sent.changes);
        let same_gap = at_base.filter(|(other, _)| other.section == place.section && other.position == place.position);
        let inserted_before: usize = same_gap.map(|(_, other)| utf16_len(&other.content)).sum();
        let order = if change.content.is_empty() { Order::Second } else { Order::First };
        let own = prepared.sections.iter();
        for made in own {
            track.pass(made, order, MoveReason::PriorDeletion, MoveReason::PriorInsertion);
        }
        let mut position = track.place.position as usize;
        if order == Order::First && inserted_before > 0 {
            position += inserted_before;
            track.blame(MoveReason::PriorInsertion);
        }
        let section = self.sections.get(place.section)?;
        let in_section = section.text.position_in(position, sent.encoding) as u64;
        let start = self.section_start(place.section, sent.encoding) as u64;
        let transformed_position = if track.over_document { start + in_section } else { in_section };
        if transformed_position == change.position {
            return None;
        }
        Some(Move {
            original_position: change.position,
            transformed_position,
            section: track.over_document.then(|| (section.name.clone(), in_section)),
            // A position that was only clamped has no change to blame; nothing else is closer.
            reason: track.reason.unwrap_or(MoveReason::ConcurrentDeletion),
        })
    }
}

/// A position on its way through the changes after it.
struct Track {
    place: Place,
    over_document: bool,
    reason: Option<MoveReason>,
}

impl Track {
    fn pass(&mut self, change: &SectionChange, order: Order, deletion: MoveReason, insertion: MoveReason) {
        let section = usize::from(change.section);
        let here = section == self.place.section;
        if !here && (section > self.place.section || !self.over_document) {
            return;
        }
        let position = self.place.position;
        let before = |at: u32| !here || at < position;
        for edit in change.operation.edits() {
            if edit.deleted > 0 && before(edit.position) {
                self.blame(deletion);
            }
            if edit.inserted > 0 && (before(edit.position) || (edit.position == position && order == Order::Second)) {
                self.blame(insertion);
            }
        }
        if here {
            self.place.position = map_position(position, &change.operation, order);
        }
    }

    fn blame(&mut self, reason: MoveReason) {
        self.reason = Some(self.reason.map_or(reason, |known| known.min(reason)));
    }
}

/// A submission ready to be applied.
pub(super) struct Prepared {
    pub(super) sections: SmallVec<[SectionChange; 1]>,
    pub(super) transformed: bool,
    places: SmallVec<[Place; 1]>,
    base: Version,
}

/// What one change covers: where it begins, and the ranges it deletes, a section each.
struct Span {
    place: Place,
    created: Option<SectionName>,
    deletes: SmallVec<[(usize, u32, u32); 1]>,
    clamped: bool,
}

impl Default for Span {
    fn default() -> Self {
        let place = Place { section: 0, position: 0 };
        Self { place, created: None, deletes: SmallVec::new(), clamped: false }
    }
}

impl<'a> Resolved<'a> {
    fn draft(&mut self, section: usize, created: Option<SectionName>) -> &mut Draft<'a> {
        let found = self.drafts.iter().position(|draft| draft.section == section);
        let at = found.unwrap_or_else(|| {
            self.drafts.push(Draft { section, created, ..Draft::default() });
            self.drafts.len() - 1
        });
        &mut self.drafts[at]
    }
}

impl Draft<'_> {
    /// The places as one operation: inserts at one position in the order of the batch, overlapping
    /// deletes once, an insert inside a deleted range between what is deleted.
    fn operation(&self) -> Operation {
        let mut inserts = self.inserts.clone();
        inserts.sort_by_key(|&(position, _)| position);
        let mut deletes = self.deletes.clone();
        deletes.sort_unstable();
        let mut builder = OperationBuilder::default();
        let mut inserts = inserts.into_iter().peekable();
        let mut deleted_to = 0;
        for (from, to) in deletes {
            let mut at = from.max(deleted_to);
            while let Some((position, text)) = inserts.next_if(|&(position, _)| position <= at || position < to) {
                if position > at {
                    builder.delete(at, position - at);
                    at = position;
                }
                builder.insert(position, text);
            }
            if to > at {
                builder.delete(at, to - at);
            }
            deleted_to = deleted_to.max(to);
        }
        for (position, text) in inserts {
            builder.insert(position, text);
        }
        builder.finish()
    }
}

impl BaseView<'_> {
    /// The UTF-16 position in a section of a position in the sender's encoding, and whether it had to be
    /// moved to be one, which only positions without a base are.
    fn position(
        &self,
        section: usize,
        position: u64,
        index: usize,
        field: &'static str,
    ) -> Result<(u32, bool), Rejection> {
        let invalid = |expected| Rejection::InvalidPosition { index, field, expected };
        let base = self.sections.get(section);
        let length = base.map_or(0, |base| base.length);
        let sought = usize::try_from(position).unwrap_or(usize::MAX);
        if sought > length && self.exact {
            return Err(invalid(self.range_of(length as u64)));
        }
        let sought_there = sought.min(length);
        let text = base.and_then(|base| base.text.as_ref());
        let found = text.map_or(Ok(sought_there), |text| text.utf16_position(sought_there, self.encoding));
        let (utf16, moved) = match found {
            Ok(utf16) => (utf16, sought_there < sought),
            Err(PositionError::InsideCharacter { boundary }) if !self.exact => (boundary, true),
            Err(PositionError::InsideCharacter { .. } | PositionError::BeyondEnd { .. }) => {
                let name = self.encoding.name();
                return Err(invalid(format!("a position between two characters, counted in {name}")));
            }
        };
        Ok((u32::try_from(utf16).unwrap_or(u32::MAX), moved))
    }

    fn range_of(&self, length: u64) -> String {
        format!("0 to {length} at the base version, counted in {}", self.encoding.name())
    }
}

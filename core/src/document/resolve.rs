//! From what a client sent to places in the sections as they were at the base version.
//!
//! All positions of a batch refer to the base version, not to the result of the changes before them
//! in the batch (protocol 2).

use std::cell::OnceCell;

use smallvec::SmallVec;

use super::change::ChangeRef;
use super::submission::{ChangeKind, Rejection, SentChange, Submission};
use super::track::Point;
use super::{Document, Section};
use crate::ids::{PositionEncoding, SectionName, Version};
use crate::ot::{Operation, OperationBuilder};
use crate::text::{PositionError, Text};

/// The sections as they were at the base version, in the sender's encoding.
pub(super) struct BaseView<'a> {
    document: &'a Document,
    base: Version,
    encoding: PositionEncoding,
    exact: bool,
    sections: SmallVec<[BaseSection; 4]>,
}

struct BaseSection {
    /// Its length in the sender's encoding.
    length: usize,
    /// Its length in UTF-16 code units.
    length_utf16: usize,
    /// Whether it was changed since.
    changed: bool,
    /// Its text at the base, made again where it is needed.
    text: OnceCell<Text>,
}

/// By how much a section grew since the base.
#[derive(Clone, Copy, Default)]
struct Growth {
    changed: bool,
    utf16: i64,
    encoded: i64,
}

/// What a submission does to one section, in UTF-16 positions of the base version.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) created: Option<SectionName>,
    pub(super) section: usize,
    inserts: SmallVec<[(u32, &'a str); 1]>,
    deletes: SmallVec<[(u32, u32); 1]>,
}

/// A submission resolved at its base version.
#[derive(Default)]
pub(super) struct Resolved<'a> {
    /// What it does to each section, in the order of their first mention.
    pub(super) drafts: SmallVec<[Draft<'a>; 1]>,
    /// Where each change begins, and where what it deletes ends.
    pub(super) points: SmallVec<[Point; 2]>,
    /// Whether a position was moved to where one can be.
    pub(super) clamped: bool,
}

/// What one change covers: where it begins, and the ranges it deletes, a section each.
struct Span {
    section: usize,
    position: u32,
    created: Option<SectionName>,
    deletes: SmallVec<[(usize, u32, u32); 1]>,
    clamped: bool,
}

/// A change and the number of it in its submission.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    index: usize,
    change: &'a SentChange<'a>,
}

impl<'a> BaseView<'a> {
    /// The sections of `document` at `base`, which is a version it can go back to.
    pub(super) fn new(document: &'a Document, base: Version, sent: &Submission<'_>) -> Self {
        let growth = growth_since(document, base, sent.encoding);
        let there = document.sections.iter().take_while(|section| section.created <= base);
        let sections = there.enumerate().map(|(index, section)| {
            let growth = growth.get(index).copied().unwrap_or_default();
            BaseSection {
                length: shrunk(section.text.len_in(sent.encoding), growth.encoded),
                length_utf16: shrunk(section.text.len(), growth.utf16),
                changed: growth.changed,
                text: OnceCell::new(),
            }
        });
        let (encoding, exact) = (sent.encoding, sent.base.is_some());
        Self { document, base, encoding, exact, sections: sections.collect() }
    }

    /// Resolves each change of a submission.
    ///
    /// # Errors
    /// A position or section does not exist, or a section too many would be created.
    pub(super) fn resolve<'s>(&self, changes: &'s [SentChange<'s>]) -> Result<Resolved<'s>, Rejection> {
        let mut resolved = Resolved::default();
        for (index, change) in changes.iter().enumerate() {
            let numbered = Numbered { index, change };
            let span = match &change.section {
                Some(name) => self.span_in_section(&resolved.drafts, numbered, name)?,
                None => self.span_in_document(&resolved.drafts, numbered)?,
            };
            resolved.take(numbered, span);
        }
        Ok(resolved)
    }

    /// Whether the sections before that one are longer or shorter now than they were.
    pub(super) fn moved_start_of(&self, section: usize) -> bool {
        let before = self.sections.iter().zip(&self.document.sections).take(section);
        let moved = before.map(|(base, now)| now.text.len_in(self.encoding) as i64 - base.length as i64);
        moved.sum::<i64>() != 0
    }

    fn span_in_section(
        &self,
        drafts: &[Draft<'_>],
        numbered: Numbered<'_>,
        name: &SectionName,
    ) -> Result<Span, Rejection> {
        let (section, created) = self.section_for(drafts, numbered, name)?;
        let length = self.sections.get(section).map_or(0, |base| base.length as u64);
        let (from, to, clamped) = self.range(numbered, length)?;
        let (position, from_moved) = self.place(section, from, numbered.index, "position")?;
        let (end, to_moved) = self.place(section, to, numbered.index, "length")?;
        let deletes = (end > position).then_some((section, position, end)).into_iter().collect();
        Ok(Span { section, position, created, deletes, clamped: clamped || from_moved || to_moved })
    }

    /// The section of that name, here or to be created by this submission.
    fn section_for(
        &self,
        drafts: &[Draft<'_>],
        Numbered { index, change }: Numbered<'_>,
        name: &SectionName,
    ) -> Result<(usize, Option<SectionName>), Rejection> {
        if let Some(section) = self.document.section_index(name) {
            return Ok((section, None));
        }
        if let Some(draft) = drafts.iter().find(|draft| draft.created.as_ref() == Some(name)) {
            return Ok((draft.section, None));
        }
        if change.kind != ChangeKind::Insert {
            return Err(Rejection::UnknownSection { index, section: name.clone() });
        }
        let created_before = drafts.iter().filter(|draft| draft.created.is_some()).count();
        let section = self.document.sections.len() + created_before;
        let limit = self.document.limits.sections_max.min(super::SECTIONS_MAX);
        if section >= limit {
            return Err(Rejection::TooLarge { what: "the number of sections", limit });
        }
        Ok((section, Some(name.clone())))
    }

    /// A change that counts over the sections' texts one after the other.
    fn span_in_document(&self, drafts: &[Draft<'_>], numbered: Numbered<'_>) -> Result<Span, Rejection> {
        if self.sections.is_empty() {
            // Only an insert makes a section; anything else has nothing it could apply to.
            let first = self.document.sections.first();
            let name = first.map_or_else(SectionName::body, |section| section.name.clone());
            return self.span_in_section(drafts, numbered, &name);
        }
        let total = self.sections.iter().map(|section| section.length as u64).sum();
        let (from, to, mut clamped) = self.range(numbered, total)?;
        let mut seam = None;
        let mut deletes: SmallVec<[(usize, u32, u32); 1]> = SmallVec::new();
        let mut start = 0_u64;
        // The earliest place that is the start of the section.
        let mut at_start = (0, 0);
        for (section, base) in self.sections.iter().enumerate() {
            let end = start + base.length as u64;
            // At a seam the earliest section wins.
            if seam.is_none() && from <= end {
                let (position, moved) = self.place(section, from - start, numbered.index, "position")?;
                clamped |= moved;
                seam = Some(if position == 0 { at_start } else { (section, position) });
            }
            let (cut_from, cut_to) = (from.max(start), to.min(end));
            if cut_to > cut_from {
                let (cut_from, _) = self.place(section, cut_from - start, numbered.index, "position")?;
                let (cut_to, moved) = self.place(section, cut_to - start, numbered.index, "length")?;
                clamped |= moved;
                if cut_to > cut_from {
                    deletes.push((section, cut_from, cut_to));
                }
            }
            start = end;
            if base.length > 0 {
                at_start = (section, u32::try_from(base.length_utf16).unwrap_or(u32::MAX));
            }
        }
        // But what is deleted says better than a seam where a change begins.
        let deleted = deletes.first().map(|&(section, from, _)| (section, from));
        let (section, position) = deleted.or(seam).unwrap_or_default();
        Ok(Span { section, position, created: None, deletes, clamped })
    }

    /// The change's position and end in a text of `length`, and whether they had to be clamped.
    fn range(&self, Numbered { index, change }: Numbered<'_>, length: u64) -> Result<(u64, u64, bool), Rejection> {
        let end = change.position.saturating_add(change.deleted());
        let encoding = self.encoding.name();
        if self.exact && change.position > length {
            let expected = format!("0 to {length}, the length at the base version, counted in {encoding}");
            return Err(Rejection::InvalidPosition { index, field: "position", expected });
        }
        if self.exact && end > length {
            let left = length - change.position;
            let expected = format!("0 to {left}, what follows the position at the base version, counted in {encoding}");
            return Err(Rejection::InvalidPosition { index, field: "length", expected });
        }
        Ok((change.position.min(length), end.min(length), end > length))
    }

    /// The UTF-16 position of a position in a section's text (at most its length), and whether it had
    /// to be moved left to be one, which only positions without a base are.
    fn place(
        &self,
        section: usize,
        position: u64,
        index: usize,
        field: &'static str,
    ) -> Result<(u32, bool), Rejection> {
        let (utf16, moved) = match self.utf16_position(section, usize::try_from(position).unwrap_or(usize::MAX)) {
            Ok(utf16) => (utf16, false),
            Err(PositionError::InsideCharacter { boundary }) if !self.exact => (boundary, true),
            Err(PositionError::InsideCharacter { .. } | PositionError::BeyondEnd { .. }) => {
                return Err(inside_character(index, field, self.encoding));
            }
        };
        Ok((u32::try_from(utf16).unwrap_or(u32::MAX), moved))
    }

    /// UTF-16 positions at an older base are taken as they are: whether they split a pair is judged in
    /// the text they are applied to.
    fn utf16_position(&self, section: usize, position: usize) -> Result<usize, PositionError> {
        // A section that this submission creates has no text yet; the position is 0.
        let Some(base) = self.sections.get(section) else { return Ok(position) };
        let now = &self.document.sections[section];
        if !base.changed {
            return now.text.utf16_position(position, self.encoding);
        }
        if base.length == base.length_utf16 {
            return Ok(position);
        }
        let text = base.text.get_or_init(|| text_at(self.document, self.base, section, now));
        text.utf16_position(position, self.encoding)
    }
}

/// What to say of a position (or the end of a length) inside a character.
pub(super) fn inside_character(index: usize, field: &'static str, encoding: PositionEncoding) -> Rejection {
    let what = if field == "length" { "a length that ends" } else { "a position" };
    let expected = format!("{what} between two characters, counted in {}", encoding.name());
    Rejection::InvalidPosition { index, field, expected }
}

fn growth_since(document: &Document, base: Version, encoding: PositionEncoding) -> SmallVec<[Growth; 4]> {
    let mut growth = SmallVec::new();
    if base == document.version {
        return growth;
    }
    growth.resize(document.sections.len(), Growth::default());
    for made in document.changes_since(base).flat_map(ChangeRef::sections) {
        let utf16 = made.operation.length_delta();
        let encoded = match encoding {
            PositionEncoding::Utf16 => utf16,
            PositionEncoding::Utf32 | PositionEncoding::Utf8 => {
                encoding.length_of(made.operation.text()) as i64 - encoding.length_of(made.deleted) as i64
            }
        };
        let growth = &mut growth[usize::from(made.section)];
        growth.changed |= !made.operation.is_empty();
        growth.utf16 += utf16;
        growth.encoded += encoded;
    }
    growth
}

fn shrunk(length: usize, growth: i64) -> usize {
    usize::try_from(length as i64 - growth).unwrap_or(0)
}

/// The text of a section at `base`: as it is now, with everything since taken back.
fn text_at(document: &Document, base: Version, index: usize, section: &Section) -> Text {
    let mut text = section.text.clone();
    for change in document.changes_since(base).rev() {
        for made in change.sections().filter(|made| usize::from(made.section) == index) {
            made.operation.invert(made.deleted).apply(&mut text);
        }
    }
    text
}

impl<'a> Resolved<'a> {
    fn take(&mut self, Numbered { index, change }: Numbered<'a>, span: Span) {
        let Span { section, position, created, deletes, clamped } = span;
        let text = change.inserted();
        let start = Point { section, position, index, end: false };
        self.points.push(start);
        if let Some(&(section, _, to)) = deletes.last() {
            self.points.push(Point { section, position: to, index, end: true });
        }
        self.clamped |= clamped;
        let draft = self.draft(section, created);
        if !text.is_empty() {
            draft.inserts.push((position, text));
        }
        for (section, from, to) in deletes {
            self.draft(section, None).deletes.push((from, to));
        }
    }

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
    pub(super) fn operation(&self) -> Operation {
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

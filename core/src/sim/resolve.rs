//! What a message means at the version it was made for, read once more from the protocol's words.

use super::delta::Delta;
use super::say::{Edit, Kind, Sent};
use super::texts::{Misplaced, Name, Texts, length_in, place_of, units_of};

/// What a message does to one section at its base.
pub(super) struct Draft {
    pub(super) section: usize,
    /// Its name, if the message creates it.
    pub(super) created: Option<Name>,
    deleted: Vec<bool>,
    inserted: Vec<Vec<u16>>,
}

/// A message at its base.
#[derive(Default)]
pub(super) struct Resolved {
    /// A draft for each section it concerns, in the order of their mention.
    pub(super) drafts: Vec<Draft>,
    /// Whether a place had to be moved to be one.
    pub(super) clamped: bool,
    /// The sections in which changes begin that name none.
    pub(super) starts: Vec<usize>,
    /// Whether a place lies inside a character of the base's text: it depends on what has become of that.
    pub(super) splits: bool,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    InvalidPosition,
    UnknownSection,
}

/// The document at the base and now, and whether places have to exist or are moved.
pub(super) struct View<'a> {
    pub(super) base: &'a Texts,
    pub(super) now: &'a Texts,
    pub(super) is_exact: bool,
    pub(super) is_current: bool,
}

/// Where a change begins, and what of each section it deletes.
struct Span {
    section: usize,
    position: usize,
    deletes: Vec<(usize, usize, usize)>,
}

impl Draft {
    pub(super) fn delta(&self) -> Delta {
        Delta::of_marks(&self.deleted, &self.inserted)
    }
}

impl View<'_> {
    pub(super) fn resolve(&self, sent: &Sent) -> Result<Resolved, Refusal> {
        let mut resolved = Resolved::default();
        for edit in &sent.edits {
            let span = match &edit.section {
                Some(name) => self.in_section(&mut resolved, sent, edit, name)?,
                None => self.in_document(&mut resolved, sent, edit)?,
            };
            let draft = self.draft(&mut resolved, span.section, None);
            draft.inserted[span.position].extend(units_of(edit.inserted()));
            for (section, from, to) in span.deletes {
                self.draft(&mut resolved, section, None).deleted[from..to].fill(true);
            }
            if edit.section.is_none() {
                resolved.starts.push(span.section);
            }
        }
        Ok(resolved)
    }

    fn text(&self, section: usize) -> &[u16] {
        self.base.sections.get(section).map_or(&[], |(_, text)| text)
    }

    fn draft<'r>(&self, resolved: &'r mut Resolved, section: usize, created: Option<Name>) -> &'r mut Draft {
        let found = resolved.drafts.iter().position(|draft| draft.section == section);
        let at = found.unwrap_or_else(|| {
            let length = self.text(section).len();
            let (deleted, inserted) = (vec![false; length], vec![Vec::new(); length + 1]);
            resolved.drafts.push(Draft { section, created, deleted, inserted });
            resolved.drafts.len() - 1
        });
        &mut resolved.drafts[at]
    }

    fn in_section(&self, resolved: &mut Resolved, sent: &Sent, edit: &Edit, name: &Name) -> Result<Span, Refusal> {
        let created = |draft: &&Draft| draft.created.as_ref() == Some(name);
        let known = self.now.index(name).or_else(|| resolved.drafts.iter().find(created).map(|draft| draft.section));
        let section = match known {
            Some(section) => section,
            None if edit.kind == Kind::Insert => {
                let count = resolved.drafts.iter().filter(|draft| draft.created.is_some()).count();
                let section = self.now.sections.len() + count;
                self.draft(resolved, section, Some(Name::clone(name)));
                section
            }
            None => return Err(Refusal::UnknownSection),
        };
        let (from, to) = self.range(resolved, sent, edit, self.text(section))?;
        let deletes = if to > from { vec![(section, from, to)] } else { Vec::new() };
        Ok(Span { section, position: from, deletes })
    }

    fn in_document(&self, resolved: &mut Resolved, sent: &Sent, edit: &Edit) -> Result<Span, Refusal> {
        if self.base.sections.is_empty() {
            let first = self.now.sections.first();
            let name = first.map_or_else(|| "body".into(), |(name, _)| Name::clone(name));
            return self.in_section(resolved, sent, edit, &name);
        }
        let (from, to) = self.range(resolved, sent, edit, &self.base.joined())?;
        let mut start = 0;
        let (mut seam, mut deletes) = (None, Vec::new());
        for (section, (_, text)) in self.base.sections.iter().enumerate() {
            let end = start + text.len();
            if seam.is_none() && from <= end {
                seam = Some((section, from - start));
            }
            let (cut_from, cut_to) = (from.max(start), to.min(end));
            if cut_to > cut_from {
                deletes.push((section, cut_from - start, cut_to - start));
            }
            start = end;
        }
        let first_deleted = deletes.first().map(|&(section, from, _)| (section, from));
        let (section, position) = first_deleted.or(seam).unwrap_or_default();
        Ok(Span { section, position, deletes })
    }

    /// Where an edit begins and ends in a text, in UTF-16 code units.
    fn range(
        &self,
        resolved: &mut Resolved,
        sent: &Sent,
        edit: &Edit,
        text: &[u16],
    ) -> Result<(usize, usize), Refusal> {
        let (position, end) = (edit.position, edit.position + edit.deleted());
        let length = length_in(text, sent.encoding);
        if end > length {
            if self.is_exact {
                return Err(Refusal::InvalidPosition);
            }
            resolved.clamped = true;
        }
        let mut place = |place: u64| match place_of(text, place.min(length), sent.encoding) {
            Ok(place) => Ok(place),
            Err(Misplaced::Inside(boundary)) if !self.is_exact => {
                resolved.clamped = true;
                Ok(boundary)
            }
            // Whether UTF-16 splits a character is judged where it is applied.
            Err(Misplaced::Inside(boundary))
                if !self.is_current && sent.encoding == crate::ids::PositionEncoding::Utf16 =>
            {
                resolved.splits = true;
                Ok(boundary + 1)
            }
            Err(Misplaced::Inside(_) | Misplaced::BeyondEnd) => Err(Refusal::InvalidPosition),
        };
        let from = place(position)?;
        Ok((from, place(end)?.max(from)))
    }
}

//! The common case, one edit in one section: what the general way does, without its detours.
//!
//! Nearly every change is a key in a section, counted in UTF-16, made against a version a few changes ago.
//! It is moved edit by edit over the records of the log, and no operation is built. Whatever else there is,
//! all errors included, is left to the general way.

use super::submission::{Move, MoveReason, SentChange, Submission};
use super::submit::TRANSFORMS_PER_SUBMISSION_MAX;
use super::{Document, SECTION_BYTES_MAX, units};
use crate::ids::{PositionEncoding, Version, utf16_len};
use crate::ot::{Edit, Order, move_edit};
use crate::text::Text;

/// An edit ready to be applied.
pub(super) struct Single {
    pub(super) section: u16,
    pub(super) edit: Edit,
    /// Whether it differs from what was sent.
    pub(super) transformed: bool,
    /// Where its position moved, if it did.
    pub(super) moved: Option<Move>,
}

/// An edit on its way through the versions since its base.
struct Journey {
    edit: Edit,
    /// Something was deleted before its position.
    deletion_before: bool,
    /// Something was inserted before its position.
    insertion_before: bool,
}

impl Document {
    /// Resolves, transforms and checks a submission of one edit; `None` for all that is not that simple.
    pub(super) fn prepare_single(&self, sent: &Submission<'_>) -> Option<Single> {
        let [change] = sent.changes else { return None };
        let section = self.section_of(change)?;
        let text = &self.sections[section].text;
        let base = sent.base.unwrap_or(self.version);
        let counted_alike = sent.encoding == PositionEncoding::Utf16
            || (base == self.version && text.len_in(sent.encoding) == text.len());
        if !counted_alike || (sent.reject_conflicts && base != self.version) {
            return None;
        }
        let made = edit_of(change)?;
        let section = u16::try_from(section).ok()?;
        let journey = self.travel(base, section, made)?;
        let edit = journey.edit;
        if !splits_nothing(text, edit) || !self.has_room_for(text, change.inserted().len()) {
            return None;
        }
        let moved = journey.tell(change).map(|(position, reason)| Move {
            original_position: change.position,
            transformed_position: position,
            section: change.section.is_none().then(|| (self.sections[usize::from(section)].name.clone(), position)),
            reason,
        });
        Some(Single { section, edit, transformed: edit != made, moved })
    }

    fn section_of(&self, change: &SentChange<'_>) -> Option<usize> {
        match &change.section {
            Some(name) => self.section_index(name),
            None => (self.sections.len() == 1).then_some(0),
        }
    }

    /// Moves an edit from `base` to now; `None` if it is beyond the text's end at the base, becomes none or
    /// several, or meets a change that is no single edit.
    fn travel(&self, base: Version, section: u16, edit: Edit) -> Option<Journey> {
        let start = self.log.after(base)?;
        if self.version.0 - base.0 > TRANSFORMS_PER_SUBMISSION_MAX as u64 {
            return None;
        }
        let mut journey = Journey { edit, deletion_before: false, insertion_before: false };
        let mut length_at_base = None;
        for (block, range) in self.log.blocks_from(start) {
            for record in &block.records()[range] {
                if record.wide {
                    return None;
                }
                if record.section == section {
                    length_at_base.get_or_insert(record.length - record.edit.inserted + record.edit.deleted);
                    if !journey.pass(record.edit) {
                        return None;
                    }
                }
            }
        }
        let length_at_base = length_at_base.unwrap_or_else(|| units(&self.sections[usize::from(section)].text));
        let is_something = journey.edit.inserted > 0 || journey.edit.deleted > 0;
        (edit.end() <= length_at_base && is_something).then_some(journey)
    }

    /// Whether that many more bytes of UTF-8 are certain not to be too many.
    fn has_room_for(&self, text: &Text, inserted: usize) -> bool {
        let bytes = |text: &Text| text.len_in(PositionEncoding::Utf8);
        let all_bytes = || self.sections.iter().map(|section| bytes(&section.text)).sum::<usize>();
        let section_bytes_max = self.limits.section_bytes_max.min(SECTION_BYTES_MAX);
        inserted == 0
            || (bytes(text) + inserted <= section_bytes_max && all_bytes() + inserted <= self.limits.document_bytes_max)
    }
}

impl Journey {
    /// Moves over what somebody else did; `false` if that takes more than one edit.
    #[inline]
    fn pass(&mut self, other: Edit) -> bool {
        self.deletion_before |= (other.deleted > 0) & (other.position < self.edit.position);
        // What was inserted at the very position was ordered first, and stays left.
        self.insertion_before |= (other.inserted > 0) & (other.position <= self.edit.position);
        move_edit(&mut self.edit, other, Order::Second)
    }

    /// Where the position has moved, and why.
    fn tell(&self, change: &SentChange<'_>) -> Option<(u64, MoveReason)> {
        let position = u64::from(self.edit.position);
        let reason =
            if self.deletion_before { MoveReason::ConcurrentDeletion } else { MoveReason::ConcurrentInsertion };
        let moved = position != change.position && (self.deletion_before || self.insertion_before);
        moved.then_some((position, reason))
    }
}

/// What a change does at its base, if that is something that places of 32 bits can say.
fn edit_of(change: &SentChange<'_>) -> Option<Edit> {
    let position = u32::try_from(change.position).ok()?;
    let deleted = u32::try_from(change.deleted()).ok()?;
    let inserted = u32::try_from(utf16_len(change.inserted())).ok()?;
    position.checked_add(deleted)?;
    Some(Edit { position, deleted, inserted, text_start: 0 })
}

fn splits_nothing(text: &Text, edit: Edit) -> bool {
    !text.has_pairs() || (text.is_boundary(edit.position as usize) && text.is_boundary(edit.end() as usize))
}

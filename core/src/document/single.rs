//! The common case, one edit in one section: what the general way does, without its detours.
//!
//! Nearly every change is a key in a section, counted in UTF-16, made against a version a few changes ago.
//! It is moved edit by edit over the records of the log, and no operation is built. Whatever else there is,
//! all errors included, is left to the general way.

use super::log::Record;
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
        let edit = self.travel(base, section, made)?;
        if !splits_nothing(text, edit) || !self.has_room_for(text, change.inserted().len()) {
            return None;
        }
        let moved = if sent.tell_moves { self.tell_move(base, section, made, change) } else { None };
        Some(Single { section, edit, transformed: edit != made, moved })
    }

    fn section_of(&self, change: &SentChange<'_>) -> Option<usize> {
        match &change.section {
            Some(name) => self.section_index(name),
            // Over the whole document it counts as in the first section, as long as it stays in there.
            None => (!self.sections.is_empty()).then_some(0),
        }
    }

    /// Moves an edit from `base` to now; `None` if it is beyond the text's end at the base, becomes none or
    /// several, or meets a change that is no single edit.
    fn travel(&self, base: Version, section: u16, edit: Edit) -> Option<Edit> {
        let start = self.log.after(base)?;
        if self.version.0 - base.0 > TRANSFORMS_PER_SUBMISSION_MAX as u64 {
            return None;
        }
        let records = || self.log.blocks_from(start).map(|(block, range)| &block.records()[range]);
        let mut moved = edit;
        for records in records() {
            moved = pass(moved, records, section, |_, _| {})?;
        }
        let first = records().flatten().find(|record| record.section == section);
        let length_now = || units(&self.sections[usize::from(section)].text);
        let length_at_base =
            first.map_or_else(length_now, |first| first.length - first.edit.inserted + first.edit.deleted);
        let is_something = moved.inserted > 0 || moved.deleted > 0;
        (edit.end() <= length_at_base && is_something).then_some(moved)
    }

    /// Where the position of an edit has moved that has [travelled](Self::travel), and why.
    fn tell_move(&self, base: Version, section: u16, edit: Edit, change: &SentChange<'_>) -> Option<Move> {
        let (mut deletion_before, mut insertion_before) = (false, false);
        let mut moved = edit;
        for (block, range) in self.log.blocks_from(self.log.after(base)?) {
            moved = pass(moved, &block.records()[range], section, |edit, other| {
                deletion_before |= other.deleted > 0 && other.position < edit.position;
                // What was inserted at the very position was ordered first, and stays left.
                insertion_before |= other.inserted > 0 && other.position <= edit.position;
            })?;
        }
        let position = u64::from(moved.position);
        let has_moved = position != change.position && (deletion_before || insertion_before);
        let reason = if deletion_before { MoveReason::ConcurrentDeletion } else { MoveReason::ConcurrentInsertion };
        has_moved.then(|| Move {
            original_position: change.position,
            transformed_position: position,
            section: change.section.is_none().then(|| (self.sections[usize::from(section)].name.clone(), position)),
            reason,
        })
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

/// Moves an edit over the changes of its section; `None` if one of them is no single edit, or two would come of it.
/// `meets` is told of each, before it has moved the edit.
#[inline]
fn pass(edit: Edit, records: &[Record], section: u16, mut meets: impl FnMut(Edit, Edit)) -> Option<Edit> {
    let mut edit = edit;
    for record in records {
        if record.wide {
            return None;
        }
        if record.section == section {
            meets(edit, record.edit);
            if !move_edit(&mut edit, record.edit, Order::Second) {
                return None;
            }
        }
    }
    Some(edit)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ChangeKind, DocumentLimits};
    use crate::ids::{DocumentId, SectionName, UnixMillis};
    use proptest::prelude::*;

    const NAMES: [Option<&str>; 3] = [None, Some("a"), Some("b")];

    /// A change as it is drawn: how far back its base is, kind, section, position, length and content.
    type Drawn = (u64, usize, usize, u64, u64, &'static str);

    fn any_change() -> impl Strategy<Value = Drawn> {
        let content = prop::sample::select(vec!["", "x", "y", "é", "xy", "\u{1F600}", "e\u{301}", "\r\n"]);
        (0_u64..6, 0_usize..3, 0_usize..3, 0_u64..9, 0_u64..4, content)
    }

    /// Submits a change, and says whether that went the simple way; both ways have to agree.
    fn submit(document: &mut Document, drawn: Drawn, at: u64) -> Result<bool, TestCaseError> {
        let (back, kind, name, position, length, content) = drawn;
        let kind = [ChangeKind::Insert, ChangeKind::Delete, ChangeKind::Replace][kind];
        let section = NAMES[name].map(|name| SectionName::new(name).unwrap());
        let changes = [SentChange { kind, position, length, content: content.into(), section }];
        let base = (back < 5).then(|| Version(document.version.0.saturating_sub(back)));
        let encoding = PositionEncoding::ALL[usize::try_from(position).unwrap() % 3];
        let sent = Submission {
            user_id: "user_123",
            client_id: None,
            correlation_id: None,
            base,
            encoding,
            changes: &changes,
            reject_conflicts: length == 3,
            tell_moves: true,
        };
        let single = document.prepare_single(&sent);
        if let Some(Single { section, edit, transformed, moved }) = &single {
            let prepared = document.prepare(&sent);
            let prepared = prepared.map_err(|error| TestCaseError::fail(format!("refused by the other: {error}")))?;
            let [made] = &*prepared.sections else { panic!("two sections") };
            prop_assert_eq!(made.operation.edits(), [*edit]);
            prop_assert_eq!(made.operation.text(), changes[0].inserted());
            prop_assert_eq!((made.section, &made.created, prepared.transformed), (*section, &None, *transformed));
            document.submit(UnixMillis(at), &sent).unwrap();
            let moves = document.moves(&sent, &prepared);
            prop_assert_eq!(moves, moved.clone().into_iter().collect::<Vec<_>>());
        } else {
            drop(document.submit(UnixMillis(at), &sent));
        }
        Ok(single.is_some())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn both_ways_are_one(changes in prop::collection::vec(any_change(), 0..14)) {
            let mut document = Document::new(DocumentId::new("jd").unwrap(), DocumentLimits::default());
            for (at, drawn) in (0..).zip(changes) {
                submit(&mut document, drawn, at)?;
            }
        }
    }

    #[test]
    fn keys_go_the_simple_way() {
        let mut document = Document::new(DocumentId::new("jd").unwrap(), DocumentLimits::default());
        assert!(!submit(&mut document, (0, 0, 0, 0, 0, "xyz"), 0).unwrap(), "it creates a section");
        for at in 1..4 {
            assert!(submit(&mut document, (0, 0, 0, 0, 0, "x"), at).unwrap());
        }
        for at in 4..100 {
            let (position, back) = (3 * (at % 2), at % 3);
            assert!(submit(&mut document, (back, 0, 0, position, 0, "xy"), at).unwrap());
            assert!(submit(&mut document, (0, 1, 0, position, 1, ""), at).unwrap());
            assert!(submit(&mut document, (0, 2, 0, position, 2, "z"), at).unwrap());
        }
    }
}

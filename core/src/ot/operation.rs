//! What a change does to one text.

use smallvec::SmallVec;

use crate::ids::utf16_len;
use crate::text::Text;

/// One place of an operation: at `position`, put text in and take `deleted` units away after it.
///
/// All numbers but `text_start` are UTF-16 code units; positions refer to the text before the operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Where the edit begins.
    pub position: u32,
    /// How many units from there on are taken away.
    pub deleted: u32,
    /// How many units are put in, before the deleted ones.
    pub inserted: u32,
    /// Where the inserted text begins in the operation's text, in bytes.
    pub text_start: u32,
}

impl Edit {
    /// The first position after what the edit deletes.
    #[must_use]
    #[inline]
    pub const fn end(self) -> u32 {
        self.position + self.deleted
    }

    /// Whether it does nothing; no operation has such an edit.
    pub(crate) const fn is_empty(self) -> bool {
        self.inserted == 0 && self.deleted == 0
    }

    /// Whether `next` may follow this edit in a canonical operation.
    fn ends_before(self, next: Self) -> bool {
        let end = u64::from(self.position) + u64::from(self.deleted);
        let touching_is_canonical = self.deleted > 0 && next.inserted > 0;
        end < u64::from(next.position) || (end == u64::from(next.position) && touching_is_canonical)
    }
}

/// A list of edits, sorted, with their texts one after the other.
///
/// Canonical: no edit is empty, edits do not overlap, and two edits touch only where the first one
/// deletes and the second one inserts (an insert *behind* a deleted range).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    edits: SmallVec<[Edit; 1]>,
    text: String,
}

/// An [`Operation`] that somebody else holds, such as the history of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationRef<'a> {
    edits: &'a [Edit],
    text: &'a str,
}

/// A list of edits that is no canonical operation; only a damaged record has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("edits are not canonical, or do not agree with their text")]
pub struct InvalidOperation;

impl Operation {
    /// An operation from its parts, as storage kept them.
    ///
    /// # Errors
    /// The edits are not canonical, or their lengths do not agree with `text`.
    pub fn from_parts(edits: &[Edit], text: String) -> Result<Self, InvalidOperation> {
        let operation = Self { edits: edits.into(), text };
        let mut text_start = 0;
        for (index, edit) in edits.iter().enumerate() {
            let next = edits.get(index + 1);
            let text_end = next.map_or(operation.text.len(), |next| next.text_start as usize);
            let text = operation.text.get(text_start..text_end).ok_or(InvalidOperation)?;
            let in_order = next.is_none_or(|next| edit.ends_before(*next));
            let sane = edit.text_start as usize == text_start
                && edit.inserted as usize == utf16_len(text)
                && edit.position.checked_add(edit.deleted).is_some()
                && !edit.is_empty();
            if !sane || !in_order {
                return Err(InvalidOperation);
            }
            text_start = text_end;
        }
        if text_start == operation.text.len() { Ok(operation) } else { Err(InvalidOperation) }
    }

    /// One from parts that are known to be canonical.
    pub(super) const fn from_known_parts(edits: SmallVec<[Edit; 1]>, text: String) -> Self {
        Self { edits, text }
    }

    /// All inserted texts, without a copy of them.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The edits, in order of position.
    #[must_use]
    #[inline]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// All inserted texts, in the order of the edits.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the operation changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The same operation, borrowed.
    #[must_use]
    #[inline]
    pub fn view(&self) -> OperationRef<'_> {
        OperationRef { edits: &self.edits, text: &self.text }
    }

    /// The edits with the text each inserts.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Edit, &str)> {
        self.view().iter()
    }

    /// The edits, to be moved over another operation; their texts stay as they are.
    pub(super) const fn edits_mut(&mut self) -> &mut SmallVec<[Edit; 1]> {
        &mut self.edits
    }

    /// By how many units the operation makes the text longer.
    #[must_use]
    pub fn length_delta(&self) -> i64 {
        self.view().length_delta()
    }

    /// Applies the operation, and returns the deleted texts one after the other.
    ///
    /// # Panics
    /// An edit lies outside the text or splits a surrogate pair; see [`Self::fits`].
    pub fn apply(&self, text: &mut Text) -> String {
        let mut deleted = String::new();
        self.view().apply(text, &mut deleted);
        deleted
    }

    /// Whether every edit lies within `text` and splits no surrogate pair.
    #[must_use]
    pub fn fits(&self, text: &Text) -> bool {
        self.view().fits(text)
    }

    /// The operation that takes this one back; `deleted` is what [`Self::apply`] returned.
    #[must_use]
    pub fn invert(&self, deleted: &str) -> Self {
        self.view().invert(deleted)
    }
}

impl<'a> From<&'a Operation> for OperationRef<'a> {
    #[inline]
    fn from(operation: &'a Operation) -> Self {
        operation.view()
    }
}

impl<'a> OperationRef<'a> {
    /// One that is known to be canonical: its parts come from an [`Operation`].
    pub(crate) const fn from_known_parts(edits: &'a [Edit], text: &'a str) -> Self {
        Self { edits, text }
    }

    /// The edits, in order of position.
    #[must_use]
    #[inline]
    pub const fn edits(self) -> &'a [Edit] {
        self.edits
    }

    /// All inserted texts, in the order of the edits.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    /// Whether the operation changes nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.edits.is_empty()
    }

    /// A copy of its own.
    #[must_use]
    pub fn to_operation(self) -> Operation {
        Operation { edits: self.edits.into(), text: self.text.to_owned() }
    }

    /// The edits with the text each inserts.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = (Edit, &'a str)> {
        self.edits.iter().enumerate().map(move |(index, &edit)| {
            let end = self.edits.get(index + 1).map_or(self.text.len(), |next| next.text_start as usize);
            (edit, &self.text[edit.text_start as usize..end])
        })
    }

    /// By how many units the operation makes the text longer.
    #[must_use]
    pub fn length_delta(self) -> i64 {
        length_delta(self.edits)
    }

    /// Applies the operation, and appends the deleted texts to `deleted`, one after the other.
    ///
    /// # Panics
    /// An edit lies outside the text or splits a surrogate pair; see [`Self::fits`].
    pub fn apply(self, text: &mut Text, deleted: &mut String) {
        let mut shift = 0_i64;
        for (edit, inserted) in self.iter() {
            let position = usize::try_from(i64::from(edit.position) + shift).unwrap_or(usize::MAX);
            text.splice(position, edit.deleted as usize, inserted, deleted);
            shift += i64::from(edit.inserted) - i64::from(edit.deleted);
        }
    }

    /// Whether every edit lies within `text` and splits no surrogate pair.
    #[must_use]
    pub fn fits(self, text: &Text) -> bool {
        self.edits.iter().all(|edit| {
            edit.end() as usize <= text.len()
                && text.is_boundary(edit.position as usize)
                && text.is_boundary(edit.end() as usize)
        })
    }

    /// The operation that takes this one back; `deleted` is what [`Self::apply`] appended.
    #[must_use]
    pub fn invert(self, deleted: &str) -> Operation {
        let mut builder = OperationBuilder::default();
        let mut rest = deleted;
        let mut shift = 0_i64;
        for edit in self.edits {
            let position = u32::try_from(i64::from(edit.position) + shift).unwrap_or(u32::MAX);
            let (text, after) = split_utf16(rest, edit.deleted as usize);
            builder.insert(position, text);
            builder.delete(position, edit.inserted);
            rest = after;
            shift += i64::from(edit.inserted) - i64::from(edit.deleted);
        }
        builder.finish()
    }
}

/// By how many units edits make a text longer.
pub(super) fn length_delta(edits: &[Edit]) -> i64 {
    edits.iter().map(|edit| i64::from(edit.inserted) - i64::from(edit.deleted)).sum()
}

/// Splits `text` after `units` UTF-16 code units.
pub(crate) fn split_utf16(text: &str, units: usize) -> (&str, &str) {
    // As good as always; and then the rest of a long text is not looked at.
    if text.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return text.split_at(units);
    }
    let mut seen = 0;
    let at = text.char_indices().find(|(_, character)| {
        let found = seen >= units;
        seen += character.len_utf16();
        found
    });
    text.split_at(at.map_or(text.len(), |(index, _)| index))
}

/// Edits from left to right, kept canonical; positions and lengths only.
#[derive(Debug, Default)]
pub(super) struct EditList {
    edits: SmallVec<[Edit; 1]>,
}

impl EditList {
    /// Puts `inserted` units in at `position`, which is not left of the end of the last edit; their text
    /// begins at `text_start`.
    pub(super) fn insert(&mut self, position: u32, inserted: u32, text_start: u32) {
        match self.edits.last_mut() {
            Some(last) if last.end() == position && last.deleted == 0 => last.inserted += inserted,
            last => {
                debug_assert!(last.is_none_or(|last| last.end() <= position), "edits come in order");
                self.edits.push(Edit { position, deleted: 0, inserted, text_start });
            }
        }
    }

    /// Takes `deleted` units away from `position` on, which is not left of the end of the last edit; the
    /// texts of all edits so far end at `text_end`.
    pub(super) fn delete(&mut self, position: u32, deleted: u32, text_end: u32) {
        match self.edits.last_mut() {
            Some(last) if last.end() == position => last.deleted += deleted,
            last => {
                debug_assert!(last.is_none_or(|last| last.end() <= position), "edits come in order");
                self.edits.push(Edit { position, deleted, inserted: 0, text_start: text_end });
            }
        }
    }

    pub(super) fn finish(self) -> SmallVec<[Edit; 1]> {
        self.edits
    }
}

/// Builds an operation from left to right, keeping it canonical.
#[derive(Debug, Default)]
pub struct OperationBuilder {
    edits: EditList,
    text: String,
}

#[expect(clippy::cast_possible_truncation, reason = "texts are bounded far below 4 GiB by the document's size limit")]
impl OperationBuilder {
    /// Puts `text` in at `position`, which is not left of the end of the last edit.
    pub fn insert(&mut self, position: u32, text: &str) {
        if !text.is_empty() {
            self.edits.insert(position, utf16_len(text) as u32, self.text.len() as u32);
            self.text.push_str(text);
        }
    }

    /// Takes `deleted` units away from `position` on, which is not left of the end of the last edit.
    pub fn delete(&mut self, position: u32, deleted: u32) {
        if deleted > 0 {
            self.edits.delete(position, deleted, self.text.len() as u32);
        }
    }

    /// The operation built.
    #[must_use]
    pub fn finish(self) -> Operation {
        Operation { edits: self.edits.finish(), text: self.text }
    }
}

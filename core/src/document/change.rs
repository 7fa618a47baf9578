//! What one version did, as it is kept in history and in storage.

use smallvec::SmallVec;

use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::Operation;

/// One accepted change or atomic batch: exactly one version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version that the change made.
    pub version: Version,
    /// When the server accepted it.
    pub at: UnixMillis,
    /// Who made it.
    pub user_id: Box<str>,
    /// The client that sent it and what it called it, where it said so.
    pub origin: Origin,
    /// What tells a resend of this change from another one under the same name.
    pub fingerprint: u64,
    /// Whether what was applied differs from what was sent.
    pub transformed: bool,
    /// What it did to each section, in the order of the sections; a section occurs once.
    pub sections: SmallVec<[SectionChange; 1]>,
}

/// The names a client gave itself and its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `metadata.client_id`.
    pub client_id: Option<Box<str>>,
    /// `metadata.correlation_id`.
    pub correlation_id: Option<Box<str>>,
}

/// What a change did to one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionChange {
    /// Which section, counted from 0 in the order of creation.
    pub section: u16,
    /// The section's name, where this change created it.
    pub created: Option<SectionName>,
    /// What was done to the text as it was one version before.
    pub operation: Operation,
    /// The texts that the operation's edits deleted, one after the other.
    pub deleted: String,
}

impl SectionChange {
    /// The edits from the end of the text to its start, each with the text it deleted and the text it
    /// inserted: the order in which a version's parts are sent (protocol 3).
    ///
    /// A section that was created empty, or a change that has become empty, has none.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = self.deleted.as_str();
        let parts: SmallVec<[Part<'_>; 1]> = self
            .operation
            .iter()
            .map(|(edit, inserted)| {
                let (deleted, after) = crate::ot::split_utf16(rest, edit.deleted as usize);
                rest = after;
                Part { position: edit.position, deleted_units: edit.deleted, deleted, inserted }
            })
            .collect();
        parts.into_iter().rev()
    }
}

/// One edit of a change with both its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where it begins in its section, in UTF-16 code units of the text one version before.
    pub position: u32,
    /// How many UTF-16 code units were deleted.
    pub deleted_units: u32,
    /// The deleted text.
    pub deleted: &'a str,
    /// The inserted text.
    pub inserted: &'a str,
}

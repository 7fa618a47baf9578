//! What one version did: as storage keeps it, and as the log shows it.

use smallvec::SmallVec;

use super::clients::{Clients, Message};
use super::log::{Block, Record, SectionRecord};
use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::{Operation, OperationRef, split_utf16};

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
    /// What tells a resend of this change from another one under the same name; 0 where it has no name.
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
    /// As [`SectionRef::parts`].
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        parts(self.operation.view(), &self.deleted)
    }
}

/// One change in a document's [`History`](super::History).
#[derive(Clone, Copy, Debug)]
pub struct ChangeRef<'a> {
    clients: &'a Clients,
    block: &'a Block,
    index: usize,
}

impl<'a> ChangeRef<'a> {
    pub(super) const fn new(clients: &'a Clients, block: &'a Block, index: usize) -> Self {
        Self { clients, block, index }
    }

    /// The version that the change made.
    #[must_use]
    pub const fn version(self) -> Version {
        self.block.version(self.index)
    }

    /// When the server accepted it.
    #[must_use]
    pub fn at(self) -> UnixMillis {
        self.block.head(self.index).at
    }

    /// Who made it.
    #[must_use]
    pub fn user_id(self) -> &'a str {
        self.clients.user_id(self.block.head(self.index).client)
    }

    /// `metadata.client_id` of the message that made it.
    #[must_use]
    pub fn client_id(self) -> Option<&'a str> {
        self.clients.client_id(self.block.head(self.index).client)
    }

    /// `metadata.correlation_id` of the message that made it, as long as the resend table has it: among the
    /// last [`RESENDS_PER_CLIENT`](super::RESENDS_PER_CLIENT) of its client.
    #[must_use]
    pub fn correlation_id(self) -> Option<&'a str> {
        self.message().map(|message| message.correlation_id.as_str())
    }

    /// Whether what was applied differs from what was sent.
    #[must_use]
    pub fn transformed(self) -> bool {
        self.block.head(self.index).transformed
    }

    /// What it did to each section, in the order of the sections.
    pub fn sections(self) -> impl DoubleEndedIterator<Item = SectionRef<'a>> + Clone {
        let wide = if self.block.records()[self.index].wide { self.block.wide(self.index) } else { None };
        let count = wide.map_or(1, <[_]>::len);
        (0..count).map(move |at| wide.map_or_else(|| self.narrow(), |sections| SectionRef::of(&sections[at])))
    }

    /// A copy, as storage keeps it.
    #[must_use]
    pub fn to_change(self) -> Change {
        let message = self.message();
        Change {
            version: self.version(),
            at: self.at(),
            user_id: self.user_id().into(),
            origin: Origin {
                client_id: self.client_id().map(Into::into),
                correlation_id: message.map(|message| message.correlation_id.as_str().into()),
            },
            fingerprint: message.map_or(0, |message| message.led_to.fingerprint),
            transformed: self.transformed(),
            sections: self.sections().map(SectionRef::to_section_change).collect(),
        }
    }

    fn message(self) -> Option<&'a Message> {
        self.clients.message_of(self.block.head(self.index).client, self.version())
    }

    fn narrow(self) -> SectionRef<'a> {
        let Record { section, length, .. } = self.block.records()[self.index];
        let (operation, deleted) = self.block.narrow(self.index);
        SectionRef { section, created: None, operation, deleted, length }
    }
}

/// What a change in a document's [`History`](super::History) did to one section.
#[derive(Clone, Copy, Debug)]
pub struct SectionRef<'a> {
    /// Which section, counted from 0 in the order of creation.
    pub section: u16,
    /// The section's name, where the change created it.
    pub created: Option<&'a SectionName>,
    /// What was done to the text as it was one version before.
    pub operation: OperationRef<'a>,
    /// The texts that the operation's edits deleted, one after the other.
    pub deleted: &'a str,
    /// The section's length after the change, in UTF-16 code units.
    pub length: u32,
}

impl<'a> SectionRef<'a> {
    fn of(record: &'a SectionRecord) -> Self {
        let SectionRecord { section, created, length, operation, deleted } = record;
        let (section, created, length) = (*section, created.as_ref(), *length);
        Self { section, created, operation: operation.view(), deleted, length }
    }

    fn to_section_change(self) -> SectionChange {
        SectionChange {
            section: self.section,
            created: self.created.cloned(),
            operation: self.operation.to_operation(),
            deleted: self.deleted.to_owned(),
        }
    }

    /// The edits from the end of the text to its start, each with the text it deleted and the text it
    /// inserted: the order in which a version's parts are sent (protocol 3).
    ///
    /// A section that was created empty, or a change that has become empty, has none.
    pub fn parts(self) -> impl Iterator<Item = Part<'a>> {
        parts(self.operation, self.deleted)
    }
}

/// The edits of an operation from the last to the first, with the texts they deleted, which are given one
/// after the other.
fn parts<'a>(operation: OperationRef<'a>, deleted: &'a str) -> impl Iterator<Item = Part<'a>> {
    let mut rest = deleted;
    let parts: SmallVec<[Part<'a>; 1]> = operation
        .iter()
        .map(|(edit, inserted)| {
            let (deleted, after) = split_utf16(rest, edit.deleted as usize);
            rest = after;
            Part { position: edit.position, deleted_units: edit.deleted, deleted, inserted }
        })
        .collect();
    parts.into_iter().rev()
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

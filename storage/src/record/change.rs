//! A change in the journal.

use jddb_core::document::{Change, Origin, SectionChange};
use jddb_core::ids::{SectionName, UnixMillis, Version};
use jddb_core::ot::{Edit, Operation};
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

use super::Damage;

/// A [`Change`] and the epoch that wrote it.
#[derive(Archive, Serialize)]
pub(crate) struct ChangeRecord<'a> {
    epoch: u32,
    at: u64,
    fingerprint: u64,
    transformed: bool,
    #[rkyv(with = InlineAsBox)]
    user_id: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    client_id: Option<&'a str>,
    #[rkyv(with = Map<InlineAsBox>)]
    correlation_id: Option<&'a str>,
    sections: Vec<SectionChangeRecord<'a>>,
}

#[derive(Archive, Serialize)]
struct SectionChangeRecord<'a> {
    section: u16,
    #[rkyv(with = Map<InlineAsBox>)]
    created: Option<&'a str>,
    edits: Vec<EditRecord>,
    #[rkyv(with = InlineAsBox)]
    text: &'a str,
    #[rkyv(with = InlineAsBox)]
    deleted: &'a str,
}

#[derive(Archive, Serialize)]
struct EditRecord {
    position: u32,
    deleted: u32,
    inserted: u32,
    text_start: u32,
}

impl<'a> ChangeRecord<'a> {
    pub(crate) fn new(change: &'a Change, epoch: u32) -> Self {
        Self {
            epoch,
            at: change.at.0,
            fingerprint: change.fingerprint,
            transformed: change.transformed,
            user_id: &change.user_id,
            client_id: change.origin.client_id.as_deref(),
            correlation_id: change.origin.correlation_id.as_deref(),
            sections: change.sections.iter().map(SectionChangeRecord::new).collect(),
        }
    }
}

impl<'a> SectionChangeRecord<'a> {
    fn new(change: &'a SectionChange) -> Self {
        let edits = change.operation.edits().iter().map(|edit| EditRecord {
            position: edit.position,
            deleted: edit.deleted,
            inserted: edit.inserted,
            text_start: edit.text_start,
        });
        Self {
            section: change.section,
            created: change.created.as_ref().map(SectionName::as_str),
            edits: edits.collect(),
            text: change.operation.text(),
            deleted: &change.deleted,
        }
    }
}

impl ArchivedChangeRecord<'_> {
    /// The epoch that wrote the change.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.to_native()
    }

    /// When and by whom it was made.
    pub(crate) fn signature(&self) -> (UnixMillis, Box<str>) {
        (UnixMillis(self.at.to_native()), (*self.user_id).into())
    }

    /// The bytes of text that it put in and took away.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        self.sections.iter().fold((0, 0), |(inserted, deleted), section| {
            (inserted + section.text.len(), deleted + section.deleted.len())
        })
    }

    /// The change, which made `version`.
    pub(crate) fn to_change(&self, version: Version) -> Result<Change, Damage> {
        Ok(Change {
            version,
            at: UnixMillis(self.at.to_native()),
            user_id: (*self.user_id).into(),
            origin: Origin {
                client_id: self.client_id.as_ref().map(|id| (**id).into()),
                correlation_id: self.correlation_id.as_ref().map(|id| (**id).into()),
            },
            fingerprint: self.fingerprint.to_native(),
            transformed: self.transformed,
            sections: self
                .sections
                .iter()
                .map(ArchivedSectionChangeRecord::to_section_change)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl ArchivedSectionChangeRecord<'_> {
    fn to_section_change(&self) -> Result<SectionChange, Damage> {
        let content = |error: &dyn std::fmt::Display| Damage::Content(format!("section {}: {error}", self.section));
        let edits: Vec<Edit> = self.edits.iter().map(ArchivedEditRecord::to_edit).collect();
        let created = self.created.as_ref().map(|name| SectionName::new(name)).transpose();
        Ok(SectionChange {
            section: self.section.to_native(),
            created: created.map_err(|error| content(&error))?,
            operation: Operation::from_parts(&edits, String::from(&*self.text)).map_err(|error| content(&error))?,
            deleted: String::from(&*self.deleted),
        })
    }
}

impl ArchivedEditRecord {
    fn to_edit(&self) -> Edit {
        Edit {
            position: self.position.to_native(),
            deleted: self.deleted.to_native(),
            inserted: self.inserted.to_native(),
            text_start: self.text_start.to_native(),
        }
    }
}

//! A save point.

use jddb_core::document::Save;
use jddb_core::ids::{UnixMillis, Version};
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

/// A [`Save`]; its document and version are the key.
#[derive(Archive, Serialize)]
pub(crate) struct SaveRecord<'a> {
    at: u64,
    #[rkyv(with = Map<InlineAsBox>)]
    saved_by: Option<&'a str>,
}

impl<'a> SaveRecord<'a> {
    pub(crate) fn new(save: &'a Save) -> Self {
        Self { at: save.at.0, saved_by: save.saved_by.as_deref() }
    }
}

impl ArchivedSaveRecord<'_> {
    /// The save, which is of `version`.
    pub(crate) fn to_save(&self, version: Version) -> Save {
        Save {
            version,
            at: UnixMillis(self.at.to_native()),
            saved_by: self.saved_by.as_ref().map(|user_id| (**user_id).into()),
        }
    }
}

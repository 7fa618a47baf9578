//! Reading the save points of a document back.

use jddb_core::document::Save;
use jddb_core::ids::{DocumentId, Version};

use super::cursor::Cursor;
use crate::error::LoadError;
use crate::family::Family;
use crate::record::{self, ArchivedSaveRecord};
use crate::store::Store;

impl Store {
    /// The save points of a document that are kept, the newest first. One that is damaged is passed over: nothing but its
    /// name is lost.
    ///
    /// # Errors
    /// The disk fails.
    pub fn load_saves(&self, document: &DocumentId) -> Result<Vec<Save>, LoadError> {
        let mut cursor = Cursor::at(self, Family::Saves, document, Version(u64::MAX));
        let mut saves = Vec::new();
        while let Some(entry) = cursor.entry()? {
            match record::access::<ArchivedSaveRecord<'_>>(entry.key, entry.value) {
                Ok(save) => saves.push(save.to_save(entry.version)),
                Err(damage) => {
                    let error = cursor.damaged(Some(entry.version), damage);
                    tracing::warn!(%error, "a save point is passed over");
                }
            }
            cursor.step_back();
        }
        Ok(saves)
    }
}

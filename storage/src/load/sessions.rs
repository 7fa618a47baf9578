//! Reading sessions back: that of a document, and all that were planned.

use jddb_core::document::{Session, SessionPlan};
use jddb_core::ids::DocumentId;
use rocksdb::{DBPinnableSlice, ReadOptions};

use crate::error::LoadError;
use crate::family::Family;
use crate::key;
use crate::record::{self, ArchivedPlanRecord, ArchivedSessionRecord};
use crate::store::Store;

const FAMILY: Family = Family::Sessions;

impl Store {
    /// The document's live session, if one was stored, with its plan.
    ///
    /// # Errors
    /// A record is damaged or of a newer server, or the disk fails.
    pub fn load_session(&self, document: &DocumentId) -> Result<Option<Session>, LoadError> {
        let key = document.as_str().as_bytes();
        let Some(value) = self.read_session(document, key)? else { return Ok(None) };
        let session = record::access::<ArchivedSessionRecord<'_>>(key, &value)
            .map(|session| session.to_session(document))
            .map_err(|damage| LoadError::damage(FAMILY, document, None, damage))?;
        Ok(Some(Session { plan: self.load_plan(document)?.map(Box::new), ..session }))
    }

    /// The sessions that were planned, of the documents that are `wanted`. One that cannot be read is passed over: it is
    /// told of when its document is opened.
    ///
    /// # Errors
    /// The disk fails.
    pub fn load_planned_sessions(&self, wanted: impl Fn(&DocumentId) -> bool) -> Result<Vec<Session>, String> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(key::PLANS_FROM);
        options.set_iterate_upper_bound(key::PLANS_TO);
        let mut rows = self.db().raw_iterator_cf_opt(self.family(FAMILY), options);
        let mut sessions = Vec::new();
        rows.seek_to_first();
        while let Some(key) = rows.key() {
            if let Some(document) = key::document_of_plan(key).filter(&wanted) {
                match self.load_session(&document) {
                    Ok(session) => sessions.extend(session),
                    Err(error) => tracing::error!(%document, %error, "a session cannot be read"),
                }
            }
            rows.next();
        }
        rows.status().map_err(rocksdb::Error::into_string)?;
        Ok(sessions)
    }

    fn load_plan(&self, document: &DocumentId) -> Result<Option<SessionPlan>, LoadError> {
        let key = key::plan(document);
        let Some(value) = self.read_session(document, &key)? else { return Ok(None) };
        record::access::<ArchivedPlanRecord<'_>>(&key, &value)
            .map(|plan| Some(plan.to_plan()))
            .map_err(|damage| LoadError::damage(FAMILY, document, None, damage))
    }

    fn read_session(&self, document: &DocumentId, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, LoadError> {
        let value = self.db().get_pinned_cf(self.family(FAMILY), key);
        value.map_err(|error| LoadError::rocksdb(FAMILY, document, error))
    }
}

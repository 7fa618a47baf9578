//! The glossary on disk. The server keeps all of it in memory too, and asks for it once, at its start.

use std::ops::ControlFlow;

use jddb_core::translation::{Term, TermId};

use crate::directory::DataDirectory;
use crate::error::{LoadError, WriteError};
use crate::family::Family;
use crate::record::{self, ArchivedTermRecord, EncodedRecord, TermRecord, Write};
use crate::store::Store;

impl Store {
    /// A term's record, to be committed. It replaces the one before.
    #[must_use]
    pub fn encode_term(&self, term: &Term) -> EncodedRecord {
        let key = key_of(term.id);
        let value = record::encode(&key, &TermRecord::new(term));
        EncodedRecord { family: Family::Glossary, key: key.to_vec(), write: Write::Put(value) }
    }

    /// What removes a term's record, to be committed.
    #[must_use]
    pub fn encode_term_end(&self, id: TermId) -> EncodedRecord {
        EncodedRecord::removal(Family::Glossary, key_of(id).to_vec())
    }

    /// Puts terms into the store at once, all of them or none: see [`Self::ingest_translations`].
    ///
    /// # Errors
    /// The disk is full or fails; nothing has changed then.
    pub fn ingest_terms<'t>(
        &self,
        directory: &DataDirectory,
        terms: impl IntoIterator<Item = &'t Term>,
    ) -> Result<(), WriteError> {
        let records = terms.into_iter().map(|term| {
            let key = key_of(term.id);
            (key, record::encode(&key, &TermRecord::new(term)))
        });
        self.ingest(directory, Family::Glossary, records)
    }

    /// Hands all terms to `then`, in the order of their numbers. How many could not be read: they stay on disk, and each is
    /// logged.
    ///
    /// # Errors
    /// The disk fails.
    pub fn load_terms(&self, mut then: impl FnMut(Term)) -> Result<u64, LoadError> {
        self.visit_numbered(Family::Glossary, |key, value, number| {
            let record = record::access::<ArchivedTermRecord<'_>>(key, value)?;
            then(record.to_term(TermId(number))?);
            Ok(ControlFlow::Continue(()))
        })
    }
}

const fn key_of(id: TermId) -> [u8; 8] {
    id.0.to_be_bytes()
}

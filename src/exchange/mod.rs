//! What comes of files of translations, and how they are made: see [`jddb_exchange`] for the files themselves.
//!
//! 1. [`Summary`]: what became of a file.
//! 2. [`offline`]: into a store, and out of one, that no server has open.
//! 3. `online`: by a server, beside all else that it does.
//! 4. [`terms`]: the same of the glossary, with and without a server.

pub mod offline;
mod online;
mod summary;
pub mod terms;

use jddb_core::translation::{Entry, LanguagePair, ProjectId, Scope, Term};
pub(crate) use online::{
    Exchange, ImportError, Outlet, Part, Upload, begin_export, begin_import, export_memory, import_memory,
};
pub use summary::{Reason, SkippedFor, Summary};

/// Which entries, or terms, are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of this project only.
    pub project: Option<ProjectId>,
    /// Those of these languages only.
    pub pair: Option<LanguagePair>,
}

impl Selection {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn has(&self, entry: &Entry) -> bool {
        self.is_at(&entry.scope, entry.pair)
    }

    /// Whether a term is wanted.
    #[must_use]
    pub fn has_term(&self, term: &Term) -> bool {
        self.is_at(&term.place.scope, term.place.pair)
    }

    fn is_at(&self, scope: &Scope, of: LanguagePair) -> bool {
        let is_of_project = self.project.as_ref().is_none_or(|project| scope.project() == Some(project));
        is_of_project && self.pair.is_none_or(|pair| of == pair)
    }
}

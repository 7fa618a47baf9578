//! What comes of files of translations, and how they are made: see [`jddb_exchange`] for the files themselves.
//!
//! 1. [`Summary`]: what became of a file.
//! 2. [`offline`]: into a store, and out of one, that no server has open.
//! 3. `online`: by a server, beside all else that it does.

pub mod offline;
mod online;
mod summary;

use jddb_core::translation::{Entry, LanguagePair, ProjectId};
pub(crate) use online::{Exchange, ImportError, Part, Upload, begin_export, begin_import};
pub use summary::{SkippedFor, Summary};

/// Which entries are wanted.
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
        let is_of_project = self.project.as_ref().is_none_or(|project| entry.scope.project() == Some(project));
        is_of_project && self.pair.is_none_or(|pair| entry.pair == pair)
    }
}

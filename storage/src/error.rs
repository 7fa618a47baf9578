//! What can go wrong, by what the caller or the operator has to do about it.

use std::path::{Path, PathBuf};

use jddb_core::ids::{DocumentId, Version};
use rocksdb::ErrorKind;

use crate::family::Family;
use crate::record::Damage;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk is full.
    #[error("store {}: no space left on the device; free some and start again ({reason})", path.display())]
    NoSpace {
        /// The store's directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The files are another user's.
    #[error("store {}: permission denied; give the directory to the user that runs the server ({reason})", path.display())]
    PermissionDenied {
        /// The store's directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The files are damaged.
    #[error(
        "store {}: the files are damaged; nothing was changed: keep a copy of the directory, check the disk, \
         then restore a backup ({reason})",
        path.display()
    )]
    Corrupt {
        /// The store's directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A newer server wrote it.
    #[error("store {}: written in format {found}, this server knows up to {supported}; run the newer server", path.display())]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The store's format.
        found: u32,
        /// The newest format that this server reads.
        supported: u32,
    },
    /// Anything else.
    #[error("store {} cannot be opened: {reason}", path.display())]
    Failed {
        /// The store's directory.
        path: PathBuf,
        /// What RocksDB or the system said.
        reason: String,
    },
}

impl OpenError {
    /// Sorts what RocksDB or the system said by what is to be done.
    pub(crate) fn new(path: &Path, kind: Option<ErrorKind>, reason: String) -> Self {
        let path = path.to_owned();
        // RocksDB passes the text of errno on, and nothing else that tells these apart.
        if reason.contains("No space left on device") {
            Self::NoSpace { path, reason }
        } else if reason.contains("Permission denied") {
            Self::PermissionDenied { path, reason }
        } else if kind == Some(ErrorKind::Corruption) {
            Self::Corrupt { path, reason }
        } else {
            Self::Failed { path, reason }
        }
    }

    pub(crate) fn rocksdb(path: &Path, error: rocksdb::Error) -> Self {
        Self::new(path, Some(error.kind()), error.into_string())
    }
}

/// Why a document could not be read. Other documents are not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A record is damaged or missing.
    #[error(
        "{family} of document {document}{}: damaged: {reason}; other documents are not affected: \
         check the disk, and restore this document from a backup",
        at_version(*version)
    )]
    Corrupt {
        /// The kind of record.
        family: Family,
        /// Whose it is.
        document: DocumentId,
        /// Of which version it is; `None` where the record has none or the damage hides it.
        version: Option<Version>,
        /// What was found.
        reason: String,
    },
    /// A newer server wrote the record.
    #[error(
        "{family} of document {document}{}: written in format {found}, this server knows up to {supported}; \
         run the newer server",
        at_version(*version)
    )]
    NewerFormat {
        /// The kind of record.
        family: Family,
        /// Whose it is.
        document: DocumentId,
        /// Of which version it is, where the record has one.
        version: Option<Version>,
        /// The record's format.
        found: u8,
        /// The newest format that this server reads.
        supported: u8,
    },
    /// The list of documents could not be read.
    #[error("the catalogue of documents cannot be read: {reason}; check the disk")]
    Catalogue {
        /// What RocksDB said.
        reason: String,
    },
    /// What was revoked is not known.
    #[error(
        "what is known of logins cannot be read: {reason}; the server does not start, since it would take tokens that were \
         revoked: check the disk, then restore a backup"
    )]
    Logins {
        /// What was found.
        reason: String,
    },
    /// The translation memory could not be read.
    #[error("the translation memory cannot be read: {reason}; check the disk")]
    Translations {
        /// What RocksDB said.
        reason: String,
    },
    /// The disk did not answer. Trying again may help.
    #[error("{family} of document {document} cannot be read: {reason}; check the disk")]
    Unreadable {
        /// The kind of record.
        family: Family,
        /// Whose it is.
        document: DocumentId,
        /// What RocksDB said.
        reason: String,
    },
}

impl LoadError {
    pub(crate) fn damage(family: Family, document: &DocumentId, version: Option<Version>, damage: Damage) -> Self {
        let document = document.clone();
        match damage {
            Damage::NewerFormat { found, supported } => {
                Self::NewerFormat { family, document, version, found, supported }
            }
            other => Self::Corrupt { family, document, version, reason: other.to_string() },
        }
    }

    pub(crate) fn rocksdb(family: Family, document: &DocumentId, error: rocksdb::Error) -> Self {
        let document = document.clone();
        match error.kind() {
            ErrorKind::Corruption => Self::Corrupt { family, document, version: None, reason: error.into_string() },
            _ => Self::Unreadable { family, document, reason: error.into_string() },
        }
    }
}

fn at_version(version: Option<Version>) -> String {
    version.map(|version| format!(" at version {version}")).unwrap_or_default()
}

/// Why something other than a commit could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A commit failed before, and nothing is written since.
    #[error("the store takes no writes since a write failed; fix the disk and start the server again")]
    Poisoned,
    /// RocksDB refused or the disk failed.
    #[error("write failed: {0}")]
    Failed(String),
}

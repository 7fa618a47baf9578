//! The kinds of records, each of which has a column family of its own.

use std::fmt;

/// A kind of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Every change of every document. Key: document, 0x00, version (8 bytes, big endian).
    Journal,
    /// Whole documents at some versions. The same key.
    Snapshots,
    /// The one live session of a document, and its plan if it has one. Key: document; 0x00 and document for the plan, so
    /// that all plans are neighbours.
    Sessions,
    /// The save points of documents. Key: as in the journal.
    Saves,
    /// What is known of each document beside its texts. Key: document.
    Catalogue,
    /// What is known of refresh tokens, and what was revoked. Key: 16 bytes that name a login or a user without telling who.
    Logins,
    /// The entries of the translation memory. Key: the entry's number (8 bytes, big endian).
    Translations,
    /// The terms of the glossary. Key: the term's number (8 bytes, big endian).
    Glossary,
    /// What is true of the whole store. Key: a name.
    Meta,
}

impl Family {
    /// All kinds.
    pub(crate) const ALL: [Self; 9] = [
        Self::Journal,
        Self::Snapshots,
        Self::Sessions,
        Self::Saves,
        Self::Catalogue,
        Self::Logins,
        Self::Translations,
        Self::Glossary,
        Self::Meta,
    ];

    /// The name of the column family. It is on disk: never change one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Snapshots => "snapshots",
            Self::Sessions => "sessions",
            Self::Saves => "saves",
            Self::Catalogue => "catalogue",
            Self::Logins => "logins",
            Self::Translations => "translations",
            Self::Glossary => "glossary",
            Self::Meta => "meta",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

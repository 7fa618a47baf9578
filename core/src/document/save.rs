//! Named snapshots of a document: which versions somebody wanted to remember, or the server by itself.

use crate::ids::{UnixMillis, Version};

/// The most saves that are kept of one document. Beyond that the oldest that was made by itself goes, or else the oldest.
pub const SAVES_MAX: usize = 500;

/// A save point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// The version that is saved; each is at most once.
    pub version: Version,
    /// When.
    pub at: UnixMillis,
    /// Who asked for it; nobody where it was made by itself.
    pub saved_by: Option<Box<str>>,
}

impl Save {
    /// `manual` or `auto`.
    #[must_use]
    pub const fn save_type(&self) -> &'static str {
        save_type(self.saved_by.is_some())
    }
}

/// `manual` or `auto`.
#[must_use]
pub const fn save_type(is_manual: bool) -> &'static str {
    if is_manual { "manual" } else { "auto" }
}

//! What a client sends, and what becomes of it.

use std::borrow::Cow;

use crate::ids::{PositionEncoding, SectionName, Version};

/// What one change of a submission does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Puts `content` in at `position`.
    Insert,
    /// Takes `length` units away from `position` on.
    Delete,
    /// Both, in one.
    Replace,
}

impl ChangeKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Replace => "replace",
        }
    }
}

/// One change as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentChange<'a> {
    /// What it does.
    pub kind: ChangeKind,
    /// Where, in the sender's encoding: within the section, or over the whole document without one.
    pub position: u64,
    /// How much is taken away, in the sender's encoding; of no meaning for inserts.
    pub length: u64,
    /// What is put in; of no meaning for deletes.
    pub content: Cow<'a, str>,
    /// The section, where the sender named one.
    pub section: Option<SectionName>,
}

impl SentChange<'_> {
    /// How much is taken away.
    pub(super) const fn deleted(&self) -> u64 {
        match self.kind {
            ChangeKind::Insert => 0,
            ChangeKind::Delete | ChangeKind::Replace => self.length,
        }
    }

    /// What is put in.
    pub(super) fn inserted(&self) -> &str {
        match self.kind {
            ChangeKind::Delete => "",
            ChangeKind::Insert | ChangeKind::Replace => &self.content,
        }
    }
}

/// A change or atomic batch on its way into a document.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    /// The author.
    pub user_id: &'a str,
    /// `metadata.client_id`, ≤ 128 bytes.
    pub client_id: Option<&'a str>,
    /// `metadata.correlation_id`, ≤ 128 bytes. Together with a client id it makes a resend harmless.
    pub correlation_id: Option<&'a str>,
    /// The version that positions refer to. Without it they are taken against the current one, and clamped.
    pub base: Option<Version>,
    /// How positions are counted.
    pub encoding: PositionEncoding,
    /// At least one change.
    pub changes: &'a [SentChange<'a>],
    /// Refuse rather than transform, if anything came in between.
    pub reject_conflicts: bool,
    /// Tell where the positions of its changes moved; it takes time to find out.
    pub tell_moves: bool,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is the document's newest version, [`super::History::last`].
    Applied {
        /// That version.
        version: Version,
        /// Whether what was applied differs from what was sent.
        transformed: bool,
        /// Where the positions of its changes moved, if that was asked for.
        moves: Vec<Move>,
    },
    /// It had been applied before, and was not again.
    Duplicate {
        /// The version it made then.
        version: Version,
        /// What was said of it then.
        transformed: bool,
    },
}

/// How the position of one change of a submission moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// As it was sent.
    pub original_position: u64,
    /// Where it is in the new version, counted as it was sent.
    pub transformed_position: u64,
    /// The section it lies in and its place there, if the sender named no section.
    pub section: Option<(SectionName, u64)>,
    /// What moved it.
    pub reason: MoveReason,
}

/// What moved a position; of several reasons the first in this order is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveReason {
    /// Text before it was deleted by somebody else.
    ConcurrentDeletion,
    /// Text was inserted before it by somebody else.
    ConcurrentInsertion,
    /// Another change of the same batch deletes text before it.
    PriorDeletion,
    /// Another change of the same batch inserts text before it.
    PriorInsertion,
}

impl MoveReason {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConcurrentDeletion => "concurrent_deletion",
            Self::ConcurrentInsertion => "concurrent_insertion",
            Self::PriorDeletion => "prior_deletion",
            Self::PriorInsertion => "prior_insertion",
        }
    }
}

/// Why a submission was refused; nothing was changed. `index` counts its changes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The base is no version of this document.
    #[error("version {base} of this document does not exist; the current version is {current}: send sync.request")]
    VersionUnknown {
        /// The base that was sent.
        base: Version,
        /// The current version.
        current: Version,
    },
    /// The base is older than what can still be transformed against.
    #[error("version {base} is too old to be a base; the oldest accepted is {oldest}: send sync.request")]
    VersionTooOld {
        /// The base that was sent.
        base: Version,
        /// The oldest base that is accepted for this submission.
        oldest: Version,
    },
    /// Something came in between, and the sender asked for refusal.
    #[error("the document changed since version {base}; the current version is {current}")]
    VersionConflict {
        /// The base that was sent.
        base: Version,
        /// The current version.
        current: Version,
    },
    /// A position does not exist at the base version.
    #[error("{field} is not a place in the text: expected {expected}")]
    InvalidPosition {
        /// Which change.
        index: usize,
        /// `position` or `length`.
        field: &'static str,
        /// What would have been right.
        expected: String,
    },
    /// A section that does not exist was to be changed by something else than an insert.
    #[error("section {section} does not exist; only an insert creates a section")]
    UnknownSection {
        /// Which change.
        index: usize,
        /// The section that was named.
        section: SectionName,
    },
    /// The client used the same key for another message.
    #[error("this correlation_id was used before for a different change; use a new one for each change")]
    KeyReused,
    /// The document would grow beyond a limit.
    #[error("{what} would exceed its limit of {limit}")]
    TooLarge {
        /// What would be too large: `the section (bytes)`, `the document (bytes)`, `the number of sections`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

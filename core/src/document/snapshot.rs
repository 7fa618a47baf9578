//! A whole document at one version, as storage keeps it.

use crate::ids::{SectionName, UnixMillis, Version};

/// All that is needed to go on from a version without the changes before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of this state.
    pub version: Version,
    /// The sections in the order of creation.
    pub sections: Vec<SectionSnapshot>,
    /// The resend table: what the last messages of each client led to, oldest first.
    pub resends: Vec<ResendRecord>,
    /// When and by whom the document was changed last; `None` at version 0.
    pub last_modified: Option<(UnixMillis, Box<str>)>,
}

/// One section of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionSnapshot {
    /// Its name.
    pub name: SectionName,
    /// The version that created it.
    pub created: Version,
    /// Its text.
    pub text: String,
}

/// What a client's message led to, so that a resend is answered and not applied again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendRecord {
    /// Who sent it.
    pub user_id: Box<str>,
    /// Which of the user's clients.
    pub client_id: Box<str>,
    /// What the client called it.
    pub correlation_id: Box<str>,
    /// Of its content.
    pub fingerprint: u64,
    /// The version it made.
    pub version: Version,
    /// When it was accepted.
    pub at: UnixMillis,
    /// What the acknowledgement said.
    pub transformed: bool,
}

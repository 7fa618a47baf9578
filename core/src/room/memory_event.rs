//! What happens to the translation memory, as those are told who work in its projects.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::counters::Sent;
use super::forms::Forms;
use super::frame;
use crate::ids::UnixMillis;
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{EntryGone, EntryTold, Missed, TermGone, TermTold};
use crate::translation::{Entry, Folded, LanguagePair, Scope, Status, Term, TermView};

/// Who did something, and by which message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The user.
    pub user_id: Box<str>,
    /// Their connection, which is answered and not told; none over HTTP.
    pub connection_id: Option<Box<str>>,
    /// `metadata.client_id` of the message.
    pub client_id: Option<Box<str>>,
    /// `metadata.correlation_id` of the message.
    pub correlation_id: Option<Box<str>>,
}

impl Origin {
    /// A message of that user on that connection.
    pub(super) fn of(
        user_id: &str,
        connection_id: &str,
        client_id: Option<&str>,
        correlation_id: Option<&str>,
    ) -> Self {
        Self {
            user_id: user_id.into(),
            connection_id: Some(connection_id.into()),
            client_id: client_id.map(Into::into),
            correlation_id: correlation_id.map(Into::into),
        }
    }
}

/// Something that has happened to the memory: it is on disk, and whoever looks something up finds it so.
#[derive(Clone, Debug)]
pub struct MemoryEvent {
    /// When.
    pub at: UnixMillis,
    /// Who did it.
    pub origin: Origin,
    /// What.
    pub change: MemoryChange,
    folded: OnceLock<Option<Folded>>,
}

/// See [`MemoryEvent`].
#[derive(Clone, Debug)]
pub enum MemoryChange {
    /// An entry is new, or another one than before.
    EntryPut(Arc<Entry>),
    /// An entry is no longer there.
    EntryRemoved(Arc<Entry>),
    /// A term of the glossary is new, or another one than before.
    TermPut(Arc<Term>),
    /// A term is no longer one.
    TermRemoved(Arc<Term>),
}

impl MemoryEvent {
    /// Something that has happened.
    #[must_use]
    pub const fn new(at: UnixMillis, origin: Origin, change: MemoryChange) -> Self {
        Self { at, origin, change, folded: OnceLock::new() }
    }

    /// The entry that there is now, if one is.
    pub(super) fn entry_put(&self) -> Option<&Entry> {
        match &self.change {
            MemoryChange::EntryPut(entry) => {
                Some(entry).filter(|entry| entry.status != Status::Rejected).map(|entry| &**entry)
            }
            MemoryChange::EntryRemoved(_) | MemoryChange::TermPut(_) | MemoryChange::TermRemoved(_) => None,
        }
    }

    /// Its text as texts are compared: made when somebody compares first, and then for all.
    pub(super) fn folded(&self) -> Option<&Folded> {
        self.folded.get_or_init(|| Folded::new(&self.entry_put()?.source_text).ok()).as_ref()
    }

    /// Whether that connection has done it.
    pub(super) fn is_by(&self, connection_id: &str) -> bool {
        self.origin.connection_id.as_deref() == Some(connection_id)
    }

    /// Whether it is about the glossary.
    pub(super) const fn is_of_term(&self) -> bool {
        match &self.change {
            MemoryChange::EntryPut(_) | MemoryChange::EntryRemoved(_) => false,
            MemoryChange::TermPut(_) | MemoryChange::TermRemoved(_) => true,
        }
    }

    /// Whom it concerns: a project, or all.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        match &self.change {
            MemoryChange::EntryPut(entry) | MemoryChange::EntryRemoved(entry) => &entry.scope,
            MemoryChange::TermPut(term) | MemoryChange::TermRemoved(term) => &term.place.scope,
        }
    }

    /// Which languages it is about.
    #[must_use]
    pub fn pair(&self) -> LanguagePair {
        match &self.change {
            MemoryChange::EntryPut(entry) | MemoryChange::EntryRemoved(entry) => entry.pair,
            MemoryChange::TermPut(term) | MemoryChange::TermRemoved(term) => term.place.pair,
        }
    }

    /// The message's type.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        self.change.sent()
    }

    /// The message, for all who are told.
    #[must_use]
    pub fn message(&self) -> Forms {
        let Origin { user_id, connection_id: _, client_id, correlation_id } = &self.origin;
        let metadata = Metadata::of_user_elsewhere(self.at, user_id);
        let metadata = metadata.relaying(client_id.as_deref(), correlation_id.as_deref());
        Forms::new(self.change.frame(None, &metadata))
    }
}

impl MemoryChange {
    /// The type of the message that tells it.
    pub(super) const fn sent(&self) -> Sent {
        match self {
            Self::EntryPut(_) => Sent::TranslationUpdate,
            Self::EntryRemoved(_) => Sent::TranslationRemove,
            Self::TermPut(_) => Sent::TermUpdate,
            Self::TermRemoved(_) => Sent::TermRemove,
        }
    }

    /// The message that tells it; whoever asked for it is told by what name they did.
    pub(super) fn frame(&self, correlation_id: Option<&str>, metadata: &Metadata<'_>) -> Bytes {
        let kind = self.sent().name();
        match self {
            Self::EntryPut(entry) => frame(kind, &EntryTold::from(&**entry), metadata),
            Self::EntryRemoved(entry) => frame(kind, &EntryGone::from(&**entry), metadata),
            Self::TermPut(term) => frame(kind, &TermTold { term: TermView::from(&**term), correlation_id }, metadata),
            Self::TermRemoved(term) => frame(kind, &TermGone::of(term, correlation_id), metadata),
        }
    }
}

/// The message in the place of events that were left out.
pub(super) fn missed_message(now: UnixMillis) -> Forms {
    Forms::new(frame(Sent::Missed.name(), &Missed {}, &Metadata::of_server(now, None)))
}

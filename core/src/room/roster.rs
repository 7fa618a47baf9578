//! Who is in which document, over many documents: what is shown first to those who watch all of them, and how
//! it changes.
//!
//! A [`Roster`] is built from the same [`PresenceEvent`]s that the watchers are sent; so a snapshot of it and the
//! events after it are what is true.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::counters::Sent;
use super::{News, Presence, Status, User, frame};
use crate::ids::{DocumentId, UnixMillis};
use crate::protocol::outbound::{DocumentCounts, Metadata, PresenceCounts, UserPresence};

/// Something that has changed in who is in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceEvent {
    /// The document.
    pub document_id: DocumentId,
    /// Whose status it is that has changed; `None` where only numbers have.
    pub user: Option<(User, Status)>,
    /// How many are in the document after it.
    pub counts: PresenceCounts,
}

/// The people in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    listed: BTreeMap<Box<str>, (User, Status)>,
    counts: PresenceCounts,
}

/// The people in many documents. There is an entry for each document with somebody in it, and so no more of
/// them than connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    documents: BTreeMap<DocumentId, Entry>,
}

impl PresenceEvent {
    /// News from a document.
    #[must_use]
    pub fn new(document_id: &DocumentId, news: News) -> Self {
        let user = news.user.map(|(user, status)| (User::clone(&user), status));
        Self { document_id: document_id.clone(), user, counts: news.counts }
    }

    /// Everybody in a document, as the events that lead to it.
    pub fn of_all(document_id: &DocumentId, presence: Presence) -> impl Iterator<Item = Self> {
        let Presence { listed, counts } = presence;
        let of = move |user| Self { document_id: document_id.clone(), user, counts };
        let numbers = (counts != PresenceCounts::default()).then(|| of(None));
        numbers.into_iter().chain(listed.into_iter().map(move |(user, status)| of(Some((User::clone(&user), status)))))
    }

    /// What kind of message it is.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        if self.user.is_some() { Sent::Presence } else { Sent::Counts }
    }

    /// As a message: `user.presence` of somebody, else `presence.counts`.
    #[must_use]
    pub fn frame(&self, now: UnixMillis) -> Bytes {
        let of_document = DocumentCounts { document_id: self.document_id.as_str(), counts: self.counts };
        let Some((user, status)) = &self.user else {
            return frame("presence.counts", &of_document, &Metadata::of_server(now, None));
        };
        let presence = UserPresence {
            user_id: &user.user_id,
            status: status.name(),
            display_name: &user.display_name,
            avatar_url: user.avatar_url.as_deref(),
            color: &user.color,
            of_document: Some(of_document),
        };
        let mut metadata = Metadata::of_server(now, None);
        metadata.user_id = Some(&user.user_id);
        frame("user.presence", &presence, &metadata)
    }
}

impl Roster {
    /// Takes in what has happened.
    pub fn apply(&mut self, event: PresenceEvent) {
        let PresenceEvent { document_id, user, counts } = event;
        if counts == PresenceCounts::default() {
            self.documents.remove(&document_id);
            return;
        }
        let entry = self.documents.entry(document_id).or_default();
        entry.counts = counts;
        match user {
            Some((user, Status::Left)) => drop(entry.listed.remove(&user.user_id)),
            Some((user, status)) => {
                let shown = if status == Status::Idle { Status::Idle } else { Status::Active };
                entry.listed.insert(user.user_id.clone(), (user, shown));
            }
            None => {}
        }
    }
}

impl FromIterator<PresenceEvent> for Roster {
    fn from_iter<I: IntoIterator<Item = PresenceEvent>>(events: I) -> Self {
        let mut roster = Self::default();
        events.into_iter().for_each(|event| roster.apply(event));
        roster
    }
}

/// `presence.snapshot`.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    /// Everybody, each once.
    users: Vec<ShownUser<'a>>,
    documents: Vec<ShownDocument<'a>>,
    counts: SnapshotCounts,
}

/// A user; active if they are in one of the documents.
#[derive(Debug, Serialize)]
struct ShownUser<'a> {
    user_id: &'a str,
    status: &'static str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<&'a str>,
    color: &'a str,
}

#[derive(Debug, Serialize)]
struct ShownDocument<'a> {
    #[serde(flatten)]
    counts: DocumentCounts<'a>,
    users: Vec<ShownStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownStatus<'a> {
    user_id: &'a str,
    status: &'static str,
}

/// The lengths of the lists, and the people in all documents: who is in two of them counts twice.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct SnapshotCounts {
    users: usize,
    documents: usize,
    total_editors: usize,
    total_viewers: usize,
}

/// `presence.snapshot` of the documents that are `wanted`.
pub fn snapshot_frame<'a>(
    now: UnixMillis,
    rosters: impl Iterator<Item = &'a Roster>,
    wanted: impl Fn(&DocumentId) -> bool,
) -> Bytes {
    let mut users: BTreeMap<&str, (&User, Status)> = BTreeMap::new();
    let mut documents = Vec::new();
    let mut counts = SnapshotCounts::default();
    for (document_id, entry) in rosters.flat_map(|roster| &roster.documents).filter(|(id, _)| wanted(id)) {
        for (user, status) in entry.listed.values() {
            let shown = users.entry(&user.user_id).or_insert((user, *status));
            shown.1 = if *status == Status::Active { Status::Active } else { shown.1 };
        }
        counts.total_editors += entry.counts.total_editors;
        counts.total_viewers += entry.counts.total_viewers;
        let status = |(user, status): &'a (User, Status)| ShownStatus { user_id: &user.user_id, status: status.name() };
        documents.push(ShownDocument {
            counts: DocumentCounts { document_id: document_id.as_str(), counts: entry.counts },
            users: entry.listed.values().map(status).collect(),
        });
    }
    let shown = |(user, status): (&'a User, Status)| ShownUser {
        user_id: &user.user_id,
        status: status.name(),
        display_name: &user.display_name,
        avatar_url: user.avatar_url.as_deref(),
        color: &user.color,
    };
    let users: Vec<_> = users.into_values().map(shown).collect();
    (counts.users, counts.documents) = (users.len(), documents.len());
    frame("presence.snapshot", &Snapshot { users, documents, counts }, &Metadata::of_server(now, None))
}

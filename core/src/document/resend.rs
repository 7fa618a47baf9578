//! Exactly once: what the last messages of each client led to.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

use super::snapshot::ResendRecord;
use crate::ids::{UnixMillis, Version};

/// How many messages of one client are remembered.
pub const RESENDS_PER_CLIENT: usize = 64;
/// How many clients of one document are remembered; of more, those that were silent longest are forgotten.
pub const RESEND_CLIENTS_MAX: usize = 10_000;
/// For how long a message is remembered: a day, in milliseconds.
pub const RESEND_AGE_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// At the bound this many clients are forgotten at once, so that finding them costs little each.
const CLIENTS_FORGOTTEN_AT_ONCE: usize = RESEND_CLIENTS_MAX / 10;

/// The resend table of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct ResendTable {
    clients: HashMap<Client, VecDeque<Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client {
    user_id: Box<str>,
    client_id: Box<str>,
}

#[derive(Clone, Debug)]
struct Entry {
    correlation_id: Box<str>,
    fingerprint: u64,
    version: Version,
    at: UnixMillis,
    transformed: bool,
}

/// The key of a message: who sent it, from which client, and what it was called.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResendKey<'a> {
    /// `sub` of the token.
    pub user_id: &'a str,
    /// `metadata.client_id`.
    pub client_id: &'a str,
    /// `metadata.correlation_id`.
    pub correlation_id: &'a str,
}

/// The client's part of a key, borrowed; hashes as [`Client`] does.
struct ClientRef<'a>(&'a str, &'a str);

impl Hash for ClientRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Client> for ClientRef<'_> {
    fn equivalent(&self, key: &Client) -> bool {
        *self.0 == *key.user_id && *self.1 == *key.client_id
    }
}

/// What the table knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Of its content.
    pub(super) fingerprint: u64,
    /// It was applied as this version.
    pub(super) version: Version,
    /// What was said of it then.
    pub(super) transformed: bool,
}

impl ResendTable {
    pub(super) fn find(&self, key: ResendKey<'_>, now: UnixMillis) -> Option<Known> {
        let entries = self.clients.get(&ClientRef(key.user_id, key.client_id))?;
        let entry = entries.iter().rev().find(|entry| *entry.correlation_id == *key.correlation_id)?;
        if now.since(entry.at) > RESEND_AGE_MAX_MS {
            return None;
        }
        Some(Known { fingerprint: entry.fingerprint, version: entry.version, transformed: entry.transformed })
    }

    pub(super) fn insert(&mut self, record: ResendRecord) {
        let ResendRecord { user_id, client_id, correlation_id, fingerprint, version, at, transformed } = record;
        let entries = self.clients.entry(Client { user_id, client_id }).or_default();
        if entries.len() == RESENDS_PER_CLIENT {
            entries.pop_front();
        }
        entries.push_back(Entry { correlation_id, fingerprint, version, at, transformed });
        if self.clients.len() > RESEND_CLIENTS_MAX {
            self.forget_silent_clients();
        }
    }

    /// Everything remembered that is not too old at `now`, oldest first.
    pub(super) fn records(&self, now: UnixMillis) -> Vec<ResendRecord> {
        let mut records: Vec<ResendRecord> = self
            .clients
            .iter()
            .flat_map(|(client, entries)| entries.iter().map(move |entry| (client, entry)))
            .filter(|(_, entry)| now.since(entry.at) <= RESEND_AGE_MAX_MS)
            .map(|(client, entry)| ResendRecord {
                user_id: client.user_id.clone(),
                client_id: client.client_id.clone(),
                correlation_id: entry.correlation_id.clone(),
                fingerprint: entry.fingerprint,
                version: entry.version,
                at: entry.at,
                transformed: entry.transformed,
            })
            .collect();
        records.sort_by_key(|record| record.version);
        records
    }

    fn forget_silent_clients(&mut self) {
        let newest = |entries: &VecDeque<Entry>| entries.back().map_or(Version::ZERO, |entry| entry.version);
        let mut versions: Vec<Version> = self.clients.values().map(newest).collect();
        let (_, &mut threshold, _) = versions.select_nth_unstable(CLIENTS_FORGOTTEN_AT_ONCE);
        self.clients.retain(|_, entries| newest(entries) >= threshold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(client: u64, message: u64, version: u64) -> ResendRecord {
        ResendRecord {
            user_id: "user".into(),
            client_id: client.to_string().into(),
            correlation_id: message.to_string().into(),
            fingerprint: message,
            version: Version(version),
            at: UnixMillis(1000),
            transformed: false,
        }
    }

    fn find(table: &ResendTable, client: u64, message: u64, now: u64) -> Option<Known> {
        let (client_id, correlation_id) = (client.to_string(), message.to_string());
        let key = ResendKey { user_id: "user", client_id: &client_id, correlation_id: &correlation_id };
        table.find(key, UnixMillis(now))
    }

    #[test]
    fn the_last_64_messages_of_a_client_are_known_for_a_day() {
        let mut table = ResendTable::default();
        for message in 1..=65 {
            table.insert(record(1, message, message));
        }
        assert_eq!(find(&table, 1, 1, 1000), None);
        let known = Known { fingerprint: 2, version: Version(2), transformed: false };
        assert_eq!(find(&table, 1, 2, 1000 + RESEND_AGE_MAX_MS), Some(known));
        assert_eq!(find(&table, 1, 2, 1001 + RESEND_AGE_MAX_MS), None);
        assert_eq!(find(&table, 2, 2, 1000), None);
        assert_eq!(table.records(UnixMillis(1000)).len(), 64);
        assert_eq!(table.records(UnixMillis(1001 + RESEND_AGE_MAX_MS)), []);
    }

    #[test]
    fn clients_are_bounded_and_the_silent_ones_go_first() {
        let mut table = ResendTable::default();
        for client in 0..=RESEND_CLIENTS_MAX as u64 {
            table.insert(record(client, 1, client + 1));
        }
        assert!(table.clients.len() <= RESEND_CLIENTS_MAX);
        assert_eq!(find(&table, 0, 1, 1000), None);
        assert!(find(&table, RESEND_CLIENTS_MAX as u64, 1, 1000).is_some());
    }
}

//! Who changed a document, from which client; and exactly once: what the last messages of each client led to.
//!
//! The log names clients by number. A client is known as long as a change of it is in the log or a message
//! of it is remembered.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;
use xxhash_rust::xxh3::xxh3_64;

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

/// A client by its number in [`Clients`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientNumber(u32);

/// The clients of a document with the resend table.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    clients: Slab<Client>,
    /// The numbers by name.
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// How many of them have messages.
    remembered: usize,
}

#[derive(Clone, Debug)]
struct Client {
    user_id: Box<str>,
    /// Changes of a user without it are all counted to one client, which has no protection against resends:
    /// many connections of a user may count from 1.
    client_id: Option<Box<str>>,
    /// How many of its changes are in the log.
    logged: u32,
    messages: VecDeque<Message>,
    /// Of the messages, one each and in no order: what is looked through first, since nearly every message is new.
    tags: Vec<u16>,
    /// Which of the tags is the oldest one's, once there are as many as may be.
    oldest_tag: usize,
}

/// What a client calls a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageName<'a> {
    text: &'a str,
    /// What most names differ in.
    tag: u16,
}

/// A message and what it led to.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// What the client called it.
    pub(super) correlation_id: String,
    pub(super) led_to: Outcome,
}

/// What a message led to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Of the message's content.
    pub(super) fingerprint: u64,
    /// The version that it made.
    pub(super) version: Version,
    /// When it was accepted.
    pub(super) at: UnixMillis,
    /// What the acknowledgement said.
    pub(super) transformed: bool,
}

impl<'a> MessageName<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "some bits of a hash are a hash")]
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, tag: xxh3_64(text.as_bytes()) as u16 }
    }
}

impl Client {
    fn is_named(&self, user_id: &str, client_id: Option<&str>) -> bool {
        *self.user_id == *user_id && self.client_id.as_deref() == client_id
    }

    fn newest(&self) -> Version {
        self.messages.back().map_or(Version::ZERO, |message| message.led_to.version)
    }

    /// Whether a message may have that tag; if not, it has none.
    fn may_have(&self, tag: u16) -> bool {
        // All are looked at, many at a time: the tag is hardly ever among them.
        self.tags.iter().fold(false, |found, &other| found | (other == tag))
    }

    fn forget_messages(&mut self) {
        (self.messages, self.tags, self.oldest_tag) = (VecDeque::new(), Vec::new(), 0);
    }

    fn remember(&mut self, name: MessageName<'_>, led_to: Outcome) {
        let mut correlation_id = if self.messages.len() < RESENDS_PER_CLIENT {
            self.tags.push(name.tag);
            String::with_capacity(name.text.len())
        } else {
            self.tags[self.oldest_tag] = name.tag;
            self.oldest_tag = (self.oldest_tag + 1) % RESENDS_PER_CLIENT;
            // The memory of the one that is forgotten serves the next.
            self.messages.pop_front().map(|oldest| oldest.correlation_id).unwrap_or_default()
        };
        correlation_id.clear();
        correlation_id.push_str(name.text);
        self.messages.push_back(Message { correlation_id, led_to });
    }
}

impl Clients {
    /// The client of that name, if it is known.
    pub(super) fn find(&self, user_id: &str, client_id: Option<&str>) -> Option<ClientNumber> {
        let hash = self.hasher.hash_one((user_id, client_id));
        let is_it = |&number: &u32| self.get(ClientNumber(number)).is_some_and(|it| it.is_named(user_id, client_id));
        self.numbers.find(hash, is_it).map(|&number| ClientNumber(number))
    }

    /// The client of that name, made known. It has to be held, or given a message, before the next is.
    pub(super) fn number(&mut self, user_id: &str, client_id: Option<&str>) -> ClientNumber {
        if let Some(known) = self.find(user_id, client_id) {
            return known;
        }
        let client = Client {
            user_id: user_id.into(),
            client_id: client_id.map(Into::into),
            logged: 0,
            messages: VecDeque::new(),
            tags: Vec::new(),
            oldest_tag: 0,
        };
        let number = u32::try_from(self.clients.insert(client)).unwrap_or(u32::MAX);
        let Self { clients, numbers, hasher, .. } = self;
        let hash_of = |number: &u32| {
            let named = clients.get(*number as usize);
            named.map_or(0, |it| hasher.hash_one((&*it.user_id, it.client_id.as_deref())))
        };
        numbers.insert_unique(hash_of(&number), number, hash_of);
        ClientNumber(number)
    }

    /// The user a client is of.
    pub(super) fn user_id(&self, number: ClientNumber) -> &str {
        self.get(number).map_or("", |client| &client.user_id)
    }

    /// What a client calls itself.
    pub(super) fn client_id(&self, number: ClientNumber) -> Option<&str> {
        self.get(number)?.client_id.as_deref()
    }

    /// The message that made a version, if it is remembered.
    pub(super) fn message_of(&self, number: ClientNumber, version: Version) -> Option<&Message> {
        let messages = &self.get(number)?.messages;
        let at = messages.binary_search_by_key(&version, |message| message.led_to.version).ok()?;
        messages.get(at)
    }

    /// What the message led to that a client gave that name, if it is remembered and not too old at `now`.
    pub(super) fn outcome_of(&self, number: ClientNumber, name: MessageName<'_>, now: UnixMillis) -> Option<Outcome> {
        let client = self.get(number)?;
        if !client.may_have(name.tag) {
            return None;
        }
        let message = client.messages.iter().rev().find(|message| message.correlation_id == name.text)?;
        (now.since(message.led_to.at) <= RESEND_AGE_MAX_MS).then_some(message.led_to)
    }

    /// Remembers a message, which is newer than all others of its client.
    pub(super) fn remember(&mut self, number: ClientNumber, name: MessageName<'_>, led_to: Outcome) {
        let Some(client) = self.clients.get_mut(number.0 as usize) else { return };
        self.remembered += usize::from(client.messages.is_empty());
        client.remember(name, led_to);
        if self.remembered > RESEND_CLIENTS_MAX {
            self.forget_silent_clients();
        }
    }

    /// Counts one more change of a client in the log.
    pub(super) fn hold(&mut self, number: ClientNumber) {
        if let Some(client) = self.clients.get_mut(number.0 as usize) {
            client.logged += 1;
        }
    }

    /// Counts one change of a client less.
    pub(super) fn release(&mut self, number: ClientNumber) {
        if let Some(client) = self.clients.get_mut(number.0 as usize) {
            client.logged -= 1;
            self.forget_unused(number);
        }
    }

    /// Everything remembered of clients with a name that is not too old at `now`, oldest first.
    pub(super) fn records(&self, now: UnixMillis) -> Vec<ResendRecord> {
        let mut records = Vec::new();
        for (_, client) in &self.clients {
            let Some(client_id) = &client.client_id else { continue };
            let recent = client.messages.iter().filter(|message| now.since(message.led_to.at) <= RESEND_AGE_MAX_MS);
            records.extend(recent.map(|message| ResendRecord {
                user_id: client.user_id.clone(),
                client_id: client_id.clone(),
                correlation_id: message.correlation_id.as_str().into(),
                fingerprint: message.led_to.fingerprint,
                version: message.led_to.version,
                at: message.led_to.at,
                transformed: message.led_to.transformed,
            }));
        }
        records.sort_by_key(|record| record.version);
        records
    }

    fn get(&self, number: ClientNumber) -> Option<&Client> {
        self.clients.get(number.0 as usize)
    }

    fn forget_silent_clients(&mut self) {
        let with_messages = || self.clients.iter().filter(|(_, client)| !client.messages.is_empty());
        let mut newest: Vec<Version> = with_messages().map(|(_, client)| client.newest()).collect();
        let (_, &mut threshold, _) = newest.select_nth_unstable(CLIENTS_FORGOTTEN_AT_ONCE);
        let silent: Vec<usize> =
            with_messages().filter(|(_, client)| client.newest() < threshold).map(|(number, _)| number).collect();
        for number in silent {
            let client = &mut self.clients[number];
            client.forget_messages();
            self.remembered -= 1;
            self.forget_unused(ClientNumber(u32::try_from(number).unwrap_or(u32::MAX)));
        }
    }

    /// Forgets a client of which nothing is known but its name.
    fn forget_unused(&mut self, number: ClientNumber) {
        let Some(client) = self.get(number).filter(|client| client.logged == 0 && client.messages.is_empty()) else {
            return;
        };
        let hash = self.hasher.hash_one((&*client.user_id, client.client_id.as_deref()));
        if let Ok(found) = self.numbers.find_entry(hash, |&other| other == number.0) {
            found.remove();
        }
        self.clients.remove(number.0 as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(clients: &mut Clients, client: u64, message: u64, version: u64) -> ClientNumber {
        let number = clients.number("user", Some(&client.to_string()));
        let led_to =
            Outcome { fingerprint: message, version: Version(version), at: UnixMillis(1000), transformed: false };
        clients.remember(number, MessageName::new(&message.to_string()), led_to);
        number
    }

    fn version_of(clients: &Clients, client: u64, message: u64, now: u64) -> Option<u64> {
        let number = clients.find("user", Some(&client.to_string()))?;
        let outcome = clients.outcome_of(number, MessageName::new(&message.to_string()), UnixMillis(now))?;
        Some(outcome.version.0)
    }

    #[test]
    fn the_last_64_messages_of_a_client_are_known_for_a_day() {
        let mut clients = Clients::default();
        for message in 1..=65 {
            say(&mut clients, 1, message, message);
        }
        assert_eq!(version_of(&clients, 1, 1, 1000), None);
        assert_eq!(version_of(&clients, 1, 2, 1000 + RESEND_AGE_MAX_MS), Some(2));
        assert_eq!(version_of(&clients, 1, 2, 1001 + RESEND_AGE_MAX_MS), None);
        assert_eq!(version_of(&clients, 2, 2, 1000), None);
        assert_eq!(clients.records(UnixMillis(1000)).len(), 64);
        assert_eq!(clients.records(UnixMillis(1001 + RESEND_AGE_MAX_MS)), []);
    }

    /// However often the tags have gone round, and whether the client was forgotten in between.
    #[test]
    fn just_the_last_64_messages_are_known_at_any_time() {
        let mut clients = Clients::default();
        for message in 1..=200 {
            let number = say(&mut clients, 1, message, message);
            let forgotten = if message > 100 { 100 } else { 0 };
            for earlier in 1..=message {
                let known = earlier > forgotten && earlier + RESENDS_PER_CLIENT as u64 > message;
                assert_eq!(version_of(&clients, 1, earlier, 1000).is_some(), known, "{earlier} after {message}");
            }
            if message == 100 {
                clients.clients[number.0 as usize].forget_messages();
                clients.remembered -= 1;
            }
        }
    }

    #[test]
    fn messages_are_found_by_version() {
        let mut clients = Clients::default();
        let number = say(&mut clients, 1, 7, 3);
        say(&mut clients, 1, 8, 5);
        let name = |version| clients.message_of(number, Version(version)).map(|message| &*message.correlation_id);
        assert_eq!([name(2), name(3), name(4), name(5)], [None, Some("7"), None, Some("8")]);
    }

    #[test]
    fn clients_are_bounded_and_the_silent_ones_go_first() {
        let mut clients = Clients::default();
        for client in 0..=RESEND_CLIENTS_MAX as u64 {
            say(&mut clients, client, 1, client + 1);
        }
        assert!(clients.clients.len() <= RESEND_CLIENTS_MAX);
        assert_eq!((clients.numbers.len(), clients.remembered), (clients.clients.len(), clients.clients.len()));
        assert_eq!(version_of(&clients, 0, 1, 1000), None);
        assert!(version_of(&clients, RESEND_CLIENTS_MAX as u64, 1, 1000).is_some());
    }

    #[test]
    fn a_client_is_known_until_its_last_change_leaves_the_log() {
        let mut clients = Clients::default();
        let quiet = clients.number("user", None);
        clients.hold(quiet);
        clients.hold(quiet);
        clients.release(quiet);
        assert_eq!((clients.user_id(quiet), clients.find("user", None)), ("user", Some(quiet)));
        clients.release(quiet);
        assert_eq!((clients.find("user", None), clients.clients.len(), clients.numbers.len()), (None, 0, 0));
        // One with messages stays.
        let heard = say(&mut clients, 1, 1, 1);
        clients.hold(heard);
        clients.release(heard);
        assert_eq!(version_of(&clients, 1, 1, 1000), Some(1));
    }
}

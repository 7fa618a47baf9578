//! Clients with one change in flight and a buffer behind it: all replicas end equal to the server.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use jddb_core::document::{Change, ChangeKind, ChangeRef, Document, SentChange, Submission, Submitted};
use jddb_core::ids::{PositionEncoding, SectionName, Version};
use jddb_core::ot::{Operation, OperationBuilder, Order, transform};
use jddb_core::text::Text;
use proptest::prelude::*;

use super::support::{NOW, document, section};

const NAMES: [&str; 4] = ["title", "body", "empty", "made_later"];
const TEXTS: [&str; 6] = ["a", "B", "é", "e\u{301}", "\u{1F600}", "xyz"];

/// A change to some sections, by name.
type Changes = BTreeMap<&'static str, Operation>;
type Texts = BTreeMap<&'static str, Text>;

/// What goes over the wire, in each direction.
struct Sent {
    base: Version,
    changes: Changes,
}

struct Client {
    encoding: PositionEncoding,
    version: Version,
    /// The text at `version`, without anything of its own that is not acknowledged.
    confirmed: Texts,
    /// The text as its user sees it.
    shown: Texts,
    in_flight: Option<Changes>,
    buffer: VecDeque<Changes>,
    to_server: VecDeque<Sent>,
    /// What is in flight, as it was when it was sent.
    sent: Changes,
}

fn apply(texts: &mut Texts, changes: &Changes) {
    for (name, operation) in changes {
        operation.apply(texts.entry(name).or_default());
    }
}

impl Client {
    fn new(server: &Document, encoding: PositionEncoding) -> Self {
        let texts: Texts = server.sections().iter().map(|s| (static_name(s.name()), s.text().clone())).collect();
        Self {
            encoding,
            version: server.version(),
            confirmed: texts.clone(),
            shown: texts,
            in_flight: None,
            buffer: VecDeque::new(),
            to_server: VecDeque::new(),
            sent: Changes::new(),
        }
    }

    /// Its user edits; what is sent is sent when nothing else is in flight.
    fn edit(&mut self, mut dice: u32) {
        let mut changes = Changes::new();
        let mut roll = |sides: usize| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 8) as usize % sides
        };
        for _ in 0..=roll(2) {
            let name = NAMES[roll(NAMES.len())];
            let boundaries = boundaries(&self.shown.get(name).map_or(String::new(), Text::to_string));
            let mut builder = OperationBuilder::default();
            let mut at = 0;
            for _ in 0..=roll(2) {
                let from = (at + roll(4)).min(boundaries.len() - 1);
                let to = (from + roll(4)).min(boundaries.len() - 1);
                if roll(3) > 0 {
                    builder.insert(boundaries[from], TEXTS[roll(TEXTS.len())]);
                }
                builder.delete(boundaries[from], boundaries[to] - boundaries[from]);
                at = to;
            }
            let operation = builder.finish();
            if !operation.is_empty() {
                changes.entry(name).or_insert(operation);
            }
        }
        if !changes.is_empty() {
            apply(&mut self.shown, &changes);
            self.buffer.push_back(changes);
            self.send();
        }
    }

    fn send(&mut self) {
        if self.in_flight.is_none()
            && let Some(changes) = self.buffer.pop_front()
        {
            self.to_server.push_back(Sent { base: self.version, changes: changes.clone() });
            self.sent = changes.clone();
            self.in_flight = Some(changes);
        }
    }

    /// Its own change has become a version: just what it has made of it meanwhile.
    fn acknowledged(&mut self, server: &Document, change: &Change) {
        let in_flight = self.in_flight.take().unwrap();
        assert_eq!(change.transformed, in_flight != self.sent);
        let applied: Changes = change
            .sections
            .iter()
            .filter(|made| !made.operation.is_empty())
            .map(|made| (name_of(server, made.section), made.operation.clone()))
            .collect();
        let expected: Changes = in_flight.into_iter().filter(|(_, operation)| !operation.is_empty()).collect();
        assert_eq!(applied, expected);
        apply(&mut self.confirmed, &expected);
        self.version = change.version;
        self.send();
    }

    /// Somebody else's version, part by part from the end of the text to its start.
    fn told(&mut self, server: &Document, change: &Change) {
        for made in change.sections.iter().rev() {
            let name = name_of(server, made.section);
            self.confirmed.entry(name).or_default();
            for part in made.parts() {
                let mut builder = OperationBuilder::default();
                builder.insert(part.position, part.inserted);
                builder.delete(part.position, part.deleted_units);
                self.take(name, builder.finish());
            }
        }
        self.version = change.version;
    }

    fn take(&mut self, name: &'static str, mut part: Operation) {
        part.apply(self.confirmed.get_mut(name).unwrap());
        for changes in self.in_flight.iter_mut().chain(&mut self.buffer) {
            let Some(pending) = changes.get_mut(name) else { continue };
            let moved = transform(pending, &part, Order::Second);
            part = transform(&part, pending, Order::First);
            *pending = moved;
        }
        part.apply(self.shown.entry(name).or_default());
    }

    fn wire<'a>(&self, changes: &'a Changes) -> Vec<SentChange<'a>> {
        let mut sent = Vec::new();
        for (name, operation) in changes {
            let none = Text::default();
            let text = self.confirmed.get(name).unwrap_or(&none);
            for (edit, inserted) in operation.iter() {
                let position = text.position_in(edit.position as usize, self.encoding) as u64;
                let length = text.position_in(edit.end() as usize, self.encoding) as u64 - position;
                let kind = match (edit.deleted, edit.inserted) {
                    (0, _) => ChangeKind::Insert,
                    (_, 0) => ChangeKind::Delete,
                    (_, _) => ChangeKind::Replace,
                };
                let content = Cow::Borrowed(inserted);
                sent.push(SentChange { kind, position, length, content, section: Some(section(name)) });
            }
        }
        sent
    }
}

fn boundaries(text: &str) -> Vec<u32> {
    let mut at = 0;
    let mut boundaries = vec![0];
    for character in text.chars() {
        at += u32::try_from(character.len_utf16()).unwrap();
        boundaries.push(at);
    }
    boundaries
}

fn static_name(name: &SectionName) -> &'static str {
    NAMES.into_iter().find(|known| *known == name.as_str()).unwrap()
}

fn name_of(server: &Document, index: u16) -> &'static str {
    static_name(server.sections()[usize::from(index)].name())
}

struct Room {
    server: Document,
    clients: Vec<Client>,
    /// Which client made each version, and what it sent, in its words.
    authors: BTreeMap<Version, usize>,
    wires: Vec<VecDeque<(Version, Vec<WireChange>)>>,
}

/// A change as bytes would carry it: written when it was sent, when the sender knew its base.
struct WireChange {
    kind: ChangeKind,
    position: u64,
    length: u64,
    content: String,
    section: SectionName,
}

impl Room {
    fn new() -> Self {
        let server = document(&[("title", "ab\u{1F600}"), ("body", "céd"), ("empty", "")]);
        let clients: Vec<Client> = PositionEncoding::ALL.map(|encoding| Client::new(&server, encoding)).into();
        let wires = clients.iter().map(|_| VecDeque::new()).collect();
        Self { server, clients, authors: BTreeMap::new(), wires }
    }

    /// Puts on the wire what the client has decided to send.
    fn flush(&mut self, client: usize) {
        while let Some(sent) = self.clients[client].to_server.pop_front() {
            let changes = self.clients[client].wire(&sent.changes).into_iter().map(|change| WireChange {
                kind: change.kind,
                position: change.position,
                length: change.length,
                content: change.content.into_owned(),
                section: change.section.unwrap(),
            });
            let changes = changes.collect();
            self.wires[client].push_back((sent.base, changes));
        }
    }

    fn step(&mut self, word: u32) {
        let client = word as usize % self.clients.len();
        match (word >> 4) % 3 {
            0 => self.clients[client].edit(word >> 6),
            1 => self.receive(client),
            _ => self.deliver(client),
        }
        self.flush(client);
    }

    fn receive(&mut self, client: usize) {
        let Some((base, wire)) = self.wires[client].pop_front() else { return };
        let changes: Vec<SentChange<'_>> = wire
            .iter()
            .map(|change| SentChange {
                kind: change.kind,
                position: change.position,
                length: change.length,
                content: Cow::Borrowed(change.content.as_str()),
                section: Some(change.section.clone()),
            })
            .collect();
        let sent = Submission {
            base: Some(base),
            encoding: self.clients[client].encoding,
            ..super::support::submission(None, &changes)
        };
        let submitted = self.server.submit(NOW, &sent).unwrap();
        assert!(matches!(submitted, Submitted::Applied { .. }));
        self.authors.insert(self.server.version(), client);
    }

    /// The next version reaches the client, if there is one it has not seen.
    fn deliver(&mut self, client: usize) {
        let seen = self.clients[client].version;
        let next = self.server.history().since(seen).unwrap().next().map(ChangeRef::to_change);
        let Some(change) = next else { return };
        if self.authors.get(&change.version) == Some(&client) {
            self.clients[client].acknowledged(&self.server, &change);
        } else {
            self.clients[client].told(&self.server, &change);
        }
    }

    fn settle(&mut self) {
        let quiet = |room: &Self| {
            let newest = room.server.version();
            room.wires.iter().all(VecDeque::is_empty) && room.clients.iter().all(|client| client.version == newest)
        };
        while !quiet(self) {
            for client in 0..self.clients.len() {
                self.receive(client);
                self.deliver(client);
                self.flush(client);
            }
        }
    }

    fn check(&self) {
        for section in self.server.sections() {
            let name = static_name(section.name());
            for client in &self.clients {
                assert!(client.in_flight.is_none() && client.buffer.is_empty());
                for texts in [&client.confirmed, &client.shown] {
                    assert_eq!(texts[name].to_string(), section.text().to_string());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn all_replicas_end_equal_to_the_server(words in prop::collection::vec(any::<u32>(), 2..24)) {
        let mut room = Room::new();
        words.into_iter().for_each(|word| room.step(word));
        room.settle();
        room.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn replicas_of_a_long_session_end_equal(words in prop::collection::vec(any::<u32>(), 600..900)) {
        let mut room = Room::new();
        words.into_iter().for_each(|word| room.step(word));
        room.settle();
        room.check();
    }
}

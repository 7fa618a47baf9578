//! Random interleavings of members, turns, commits and partial reads: what each connection reads is in
//! the order of versions, without a gap but for its own changes, not before it may, nothing twice.

use std::collections::HashMap;

use jddb_core::room::{Durability, Greeting, MemberKey};
use serde_json::Value;

use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, brief, guest, named_insert, version_of};

/// What one connection has read and made.
struct Reader {
    key: MemberKey,
    /// The newest version it knows all before of: that of its state, or of its last change or ack.
    version: u64,
    greeted: bool,
    /// Versions it made, which it gets no copy of, by correlation id.
    own: HashMap<String, u64>,
    acked: usize,
}

struct Run {
    house: House,
    rng: Rng,
    readers: Vec<Reader>,
    durability: Durability,
    made: usize,
}

impl Run {
    fn join(&mut self) {
        let number = self.made;
        self.made += 1;
        let mut joining = guest(&format!("user_{}", number % 3));
        let greeting = if self.rng.one_in(4) { Greeting::OnJoin } else { Greeting::OnConnect };
        if greeting == Greeting::OnJoin {
            joining = joining.on_join();
        }
        let version = self.house.version();
        let key = self.house.join(joining);
        let greeted = greeting == Greeting::OnJoin;
        self.readers.push(Reader { key, version, greeted, own: HashMap::new(), acked: 0 });
    }

    fn edit(&mut self, who: usize) {
        self.made += 1;
        let name = format!("c{}", self.made);
        let reader = &mut self.readers[who];
        self.house.say(reader.key, named_insert(&name, 0, "x"));
        reader.own.insert(name, self.house.version());
    }

    fn read(&mut self, who: usize, bytes_max: usize) {
        let messages = self.house.read_some(self.readers[who].key, bytes_max);
        for message in messages {
            self.take(who, &message);
        }
    }

    fn take(&mut self, who: usize, message: &Value) {
        let reader = &mut self.readers[who];
        let Some(version) = version_of(message) else { return };
        let durable = self.house.disk.changes.last().map_or(0, |change| change.version.0);
        let is_ack = message["type"] == "document.ack";
        if self.durability == Durability::Strict || is_ack {
            assert!(version <= durable, "{} was read when {durable} was durable", brief(message));
        }
        if !reader.greeted {
            assert_eq!(message["type"], "document.state", "the state comes first: {}", brief(message));
            assert!(version >= reader.version);
            reader.greeted = true;
            reader.version = version;
            return;
        }
        if message["type"] == "document.state" {
            return assert!(version >= reader.version, "{} after {}", brief(message), reader.version);
        }
        // Every version in between is its own, and acknowledged, since each of its changes has a name.
        assert_eq!(version, reader.version + 1, "{} after {}", brief(message), reader.version);
        reader.version = version;
        let own = reader.own.values().any(|own| *own == version);
        assert_eq!(own, is_ack, "{}", brief(message));
        if is_ack {
            let name = message["payload"]["correlation_id"].as_str().unwrap();
            assert_eq!(reader.own.get(name), Some(&version));
            reader.acked += 1;
        }
    }

    fn step(&mut self) {
        let who = self.rng.below(self.readers.len());
        match self.rng.below(10) {
            0 if self.readers.len() < 5 => self.join(),
            1 if self.readers.len() > 2 => {
                let reader = self.readers.swap_remove(who);
                self.house.leave(reader.key);
            }
            2..=4 => self.edit(who),
            5 => self.house.turn(),
            6 => drop(self.house.commit()),
            _ => {
                let bytes_max = if self.rng.one_in(2) { self.rng.below(300) } else { usize::MAX };
                self.read(who, bytes_max);
            }
        }
    }

    fn finish(&mut self) {
        self.house.sync();
        let version = self.house.version();
        for who in 0..self.readers.len() {
            self.read(who, usize::MAX);
            let reader = &self.readers[who];
            assert_eq!(reader.version, version, "it has read all there is");
            assert_eq!(reader.acked, reader.own.len(), "each of its changes is acknowledged once");
        }
    }
}

fn run(seed: u64) {
    let durability = if seed.is_multiple_of(2) { Durability::Strict } else { Durability::Fast };
    let house = House::with(Plan { durability, ..Plan::default() });
    let mut run = Run { house, rng: Rng(seed), readers: Vec::new(), durability, made: 0 };
    run.join();
    for _ in 0..80 {
        run.step();
    }
    run.finish();
}

#[test]
fn each_connection_reads_every_version_once_in_order_and_when_it_may() {
    for_seeds(1_000, run);
}

#[test]
fn whoever_has_something_to_be_sent_is_noted() {
    // Here only those whom `take_dirty` names read, and nobody is left with anything.
    for_seeds(300, |seed| {
        let mut house = House::with(Plan {
            durability: if seed.is_multiple_of(2) { Durability::Strict } else { Durability::Fast },
            ..Plan::default()
        });
        let mut rng = Rng(seed);
        let keys: Vec<MemberKey> = (0..4).map(|index| house.join(guest(&format!("user_{index}")))).collect();
        for step in 0..60 {
            match rng.below(5) {
                0 | 1 => house.say(*rng.pick(&keys), named_insert(&format!("c{step}"), 0, "x")),
                2 => house.turn(),
                3 => drop(house.commit()),
                _ => drop(house.read_all()),
            }
        }
        house.sync();
        house.read_all();
        for key in keys {
            assert!(house.room.member(key).unwrap().outbox().is_empty());
        }
    });
}

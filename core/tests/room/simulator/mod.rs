//! Whole lives of a document from a seed: editors with one change in flight and a buffer, connections
//! that break and come back, a disk that loses its unsynced tail, a server that stops or dies. At the end
//! all replicas are equal, and every change was made exactly once.

mod editor;

use std::collections::HashMap;

use jddb_core::room::{Durability, MemberKey};

use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan};
use editor::Editor;

/// Events of a schedule before it is brought to an end.
const EVENTS: usize = 70;

/// A connection that its client has given up, while the server still reads what was sent on it.
struct Ghost {
    key: MemberKey,
    messages: Vec<String>,
}

struct World {
    house: House,
    rng: Rng,
    durability: Durability,
    editors: Vec<Editor>,
    ghosts: Vec<Ghost>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let durability = if rng.one_in(4) { Durability::Fast } else { Durability::Strict };
        // Some readers are too slow for so small a bound.
        let outbound_bytes_max = if rng.one_in(4) { 1_500 } else { 1 << 20 };
        let house = House::with(Plan { durability, outbound_bytes_max, ..Plan::default() });
        let editors = (0..2 + rng.below(2)).map(Editor::new).collect();
        Self { house, rng, durability, editors, ghosts: Vec::new() }
    }

    fn event(&mut self) {
        let who = self.rng.below(self.editors.len());
        match self.rng.below(100) {
            0..25 => self.editors[who].edit(&mut self.rng),
            25..50 => self.deliver(who),
            50..65 => self.turn(),
            65..76 => drop(self.house.commit()),
            76..90 => {
                let bytes_max = if self.rng.one_in(3) { self.rng.below(400) } else { usize::MAX };
                self.read(who, bytes_max);
            }
            90..94 => self.lose_connection(who),
            94..97 => self.ghosts_go_on(),
            97 => self.restart(),
            98 => self.disk_fails(),
            _ => self.shut_down(),
        }
        self.house.now = self.house.now.plus(self.rng.below(50) as u64);
    }

    /// The server reads one message; whoever has no connection gets one.
    fn deliver(&mut self, who: usize) {
        let editor = &mut self.editors[who];
        editor.connect(&mut self.house, &mut self.rng);
        if let Some((key, message)) = editor.next_message() {
            self.house.say(key, message);
        }
    }

    fn turn(&mut self) {
        self.house.turn();
        self.house.room.take_dirty();
    }

    fn read(&mut self, who: usize, bytes_max: usize) {
        let editor = &mut self.editors[who];
        let Some(key) = editor.key() else { return };
        let messages = self.house.read_some(key, bytes_max);
        let durable = self.house.disk.changes.last().map_or(0, |change| change.version.0);
        for message in &messages {
            editor.take(message, (self.durability == Durability::Strict).then_some(durable));
        }
        if editor.key().is_none() {
            self.house.leave(key);
        }
    }

    fn lose_connection(&mut self, who: usize) {
        let Some((key, mut messages)) = self.editors[who].disconnect() else { return };
        messages.truncate(self.rng.below(messages.len() + 1));
        self.ghosts.push(Ghost { key, messages });
    }

    /// The server reads what was sent on broken connections, and then finds their end.
    fn ghosts_go_on(&mut self) {
        for ghost in std::mem::take(&mut self.ghosts) {
            ghost.messages.iter().for_each(|message| self.house.say(ghost.key, message));
            self.house.leave(ghost.key);
        }
    }

    fn everybody_reads(&mut self) {
        (0..self.editors.len()).for_each(|who| self.read(who, usize::MAX));
    }

    /// Nothing in memory outlives it.
    fn restart(&mut self) {
        self.house.restart();
        self.ghosts.clear();
        self.editors.iter_mut().for_each(|editor| drop(editor.disconnect()));
    }

    fn disk_fails(&mut self) {
        self.house.room.storage_failed(self.house.now).for_each(drop);
        self.everybody_reads();
        self.restart();
    }

    fn shut_down(&mut self) {
        self.house.room.shut_down(self.house.now, || 1_000);
        self.house.sync();
        self.everybody_reads();
        self.restart();
    }

    /// Everything works, until nobody has anything left to do.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.ghosts_go_on();
            for who in 0..self.editors.len() {
                self.deliver(who);
            }
            self.turn();
            while self.house.commit() {}
            self.everybody_reads();
            if self.editors.iter().all(Editor::is_done) {
                return;
            }
        }
        panic!("somebody is never done");
    }

    fn check(&self) {
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for change in &self.house.disk.changes {
            let (client_id, name) = (change.origin.client_id.as_deref(), change.origin.correlation_id.as_deref());
            *times.entry((client_id.unwrap(), name.unwrap())).or_default() += 1;
        }
        for editor in &self.editors {
            assert_eq!(editor.sections(), self.house.sections(), "{} has diverged", editor.name);
            for name in &editor.acknowledged {
                assert_eq!(times.get(&(editor.name.as_str(), name.as_str())), Some(&1), "{name} of {}", editor.name);
            }
        }
        let acknowledged: usize = self.editors.iter().map(|editor| editor.acknowledged.len()).sum();
        assert_eq!(times.len(), acknowledged, "every change is acknowledged, and made once");
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..EVENTS {
        world.event();
    }
    world.settle();
    world.check();
    // What the disk has is the whole truth.
    world.restart();
    world.settle();
    world.check();
}

#[test]
fn replicas_end_equal_and_every_change_is_made_exactly_once() {
    for_seeds(20_000, run);
}

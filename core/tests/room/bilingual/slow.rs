//! Suggestions at the cursor for somebody who reads slowly: the newest waits alone, and comes.

use std::time::Duration;

use jddb_core::room::MemberKey;
use serde_json::{Value, json};

use super::{LookUp, answer, cursor, followed, translator};
use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, change, guest};

const COUNT: usize = 40;
/// What each of the segments takes with the end of its line.
const UNITS: usize = 9;

fn text_of(segment: usize) -> String {
    format!("Part {segment:02}.")
}

/// Somebody who moves through a document of many segments, and what is looked up for them.
struct Mover {
    house: House,
    ada: MemberKey,
    ben: MemberKey,
    at: usize,
    open: Vec<LookUp>,
    read: Vec<Value>,
}

impl Mover {
    fn new(outbound_bytes_max: usize) -> Self {
        let plan = Plan { outbound_bytes_max, auto_save: Duration::ZERO, ..Plan::default() };
        let text: String = (0..COUNT).map(|segment| text_of(segment) + "\n").collect();
        let mut house = House::with(plan).filled(&[("a_en", &text), ("notes", "")]);
        let (ada, ben) = (translator(&mut house, json!({})), house.settle(guest("ben")));
        house.read_all();
        Self { house, ada, ben, at: COUNT, open: Vec::new(), read: Vec::new() }
    }

    fn move_to(&mut self, segment: usize) {
        self.house.say(self.ada, cursor("a_en", segment * UNITS));
        self.at = segment;
    }

    fn answer(&mut self) {
        self.open.extend(followed(&mut self.house));
        if let Some(look_up) = self.open.pop() {
            self.open = answer(&mut self.house, self.ada, &look_up);
        }
    }

    /// Others change something, which Ada is told.
    fn edit(&mut self, length: usize) {
        let content = "x".repeat(length);
        let insert = json!({"operation": "insert", "section": "notes", "position": 0, "content": content});
        self.house.say(self.ben, change(insert));
        self.house.read(self.ben);
    }

    fn read(&mut self, bytes: usize) {
        self.house.sync();
        let read = self.house.read_some(self.ada, bytes);
        self.read.extend(read);
    }

    /// The suggestions that wait for Ada, one of which may have begun to leave.
    fn waiting(&self) -> usize {
        let member = self.house.room.member(self.ada).unwrap();
        assert!(!member.outbox().is_closing(), "nobody is closed for suggestions that they do not read");
        let is_one = |frame: &&bytes::Bytes| String::from_utf8_lossy(frame).contains("translation.suggestion");
        member.outbox().sendable(u64::MAX).filter(is_one).count()
    }

    /// In the end the last one that was read is for the segment where the cursor is.
    fn check_last(&mut self) {
        while !self.open.is_empty() {
            self.answer();
        }
        self.read(usize::MAX);
        let last = self.read.iter().rev().find(|told| told["type"] == "translation.suggestion");
        let last = last.map(|told| told["payload"]["source_text"].as_str().unwrap().to_owned());
        assert_eq!(last, (self.at < COUNT).then(|| text_of(self.at)));
    }
}

#[test]
fn who_reads_nothing_has_the_newest_suggestion_waiting_and_no_other() {
    let mut mover = Mover::new(4_000);
    for segment in 0..COUNT {
        mover.move_to(segment);
        mover.answer();
        mover.house.block_all();
        // What waits has become a state twice by now.
        mover.edit(300);
        assert!(mover.waiting() <= 2, "{} wait after {segment} moves", mover.waiting());
    }
    let counts = mover.house.room.take_ladder_counts();
    assert!(counts.replaced > 0 && counts.closed == 0, "{counts:?}");
    assert!(counts.conflated >= COUNT as u64 - 2, "{counts:?}");
    mover.read(usize::MAX);
    let told: Vec<&Value> = mover.read.iter().filter(|told| told["type"] == "translation.suggestion").collect();
    let texts: Vec<&str> = told.iter().map(|told| told["payload"]["source_text"].as_str().unwrap()).collect();
    assert_eq!(texts, [text_of(0), text_of(COUNT - 1)], "the first had been offered");
}

#[test]
fn in_the_end_the_suggestion_is_for_the_cursor_however_it_is_read() {
    for_seeds(300, |seed| {
        let mut rng = Rng(seed);
        let mut mover = Mover::new(*rng.pick(&[2_000, 1 << 20]));
        for _ in 0..rng.below(80) {
            match rng.below(8) {
                0..3 => mover.move_to(rng.below(COUNT)),
                3..5 => mover.answer(),
                5 => mover.edit(rng.below(300)),
                6 => mover.read(rng.below(700)),
                _ if rng.one_in(6) => mover.read(usize::MAX),
                _ => {}
            }
            mover.house.block_all();
            assert!(mover.waiting() <= 2, "{} wait", mover.waiting());
        }
        mover.answer();
        mover.check_last();
    });
}

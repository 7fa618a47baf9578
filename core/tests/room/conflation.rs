//! Who is here, as a slow reader is told: the newest of each, and in the end the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use jddb_core::room::{MemberKey, Presence, Status};
use serde_json::{Value, json};

use crate::rng::{Rng, for_seeds};
use crate::support::{House, IDLE_AFTER_MS, Plan, brief, guest, insert, message};

/// Somebody who is behind from now on, and somebody whose message waits for them.
fn behind() -> (House, MemberKey) {
    let mut house = House::with(Plan { auto_save: Duration::ZERO, ..Plan::default() });
    let slow = house.settle(guest("slow"));
    house.join(guest("ada"));
    house.block_all();
    (house, slow)
}

/// Each of these comes (`+`), goes (`-`), becomes idle (`z`) or does something (`!`); then the slow one reads.
fn check(script: &[&str], expected: &[&str]) {
    let (mut house, slow) = behind();
    let mut here: BTreeMap<String, MemberKey> = BTreeMap::new();
    for step in script {
        let (what, name) = step.split_at(1);
        match what {
            "+" => drop(here.insert(name.to_owned(), house.join(guest(name)))),
            "-" => house.leave(here.remove(name).unwrap()),
            "!" => house.say(here[name], message("document.join", json!({}))),
            "?" => house.say(slow, message("document.join", json!({}))),
            _ => {
                house.wait(IDLE_AFTER_MS);
            }
        }
        house.block_all();
    }
    let seen: Vec<String> = house.read(slow).iter().map(brief).collect();
    assert_eq!(seen, expected, "{script:?}");
}

#[test]
fn only_the_newest_of_each_waits_for_who_is_behind() {
    check(&["+ben", "+cleo"], &["ada joined", "ben joined", "cleo joined"]);
    check(&["+ben", "-ben"], &["ada joined"]);
    check(&["+ben", "-ben", "+ben", "-ben", "+cleo", "+ben"], &["ada joined", "cleo joined", "ben joined"]);
    check(&["+ben", "z", "!ben"], &["ada joined", "ada idle", "ben active"]);
    check(&["+ben", "z", "!ben", "-ben"], &["ada joined", "ada idle"]);
}

#[test]
fn who_is_shown_by_a_state_is_seen_to_go() {
    check(&["+ben", "?", "-ben"], &["ada joined", "state v0", "ben left"]);
    check(&["?", "+ben", "-ben"], &["ada joined", "state v0"]);
    check(&["+ben", "?", "z", "!ben", "-ben"], &["ada joined", "state v0", "ada idle", "ben left"]);
}

#[test]
fn comings_and_goings_never_fill_a_queue() {
    let (mut house, slow) = behind();
    let queued = |house: &House| house.room.member(slow).unwrap().outbox().bytes();
    let before = queued(&house);
    for round in 0..2_000 {
        let one = house.join(guest(&format!("user_{}", round % 7)));
        house.block_all();
        house.leave(one);
        house.block_all();
        assert!(queued(&house) < before + 20_000, "{} bytes are queued after {round} rounds", queued(&house));
    }
    assert!(house.room.take_ladder_counts().conflated >= 2_000);
    house.check(slow, &["ada joined"]);
}

/// What a client knows of the others.
#[derive(Default)]
struct Known {
    others: BTreeMap<String, &'static str>,
    is_closed: bool,
}

impl Known {
    fn take(&mut self, message: &Value) {
        let payload = &message["payload"];
        let user = || payload["user_id"].as_str().unwrap().to_owned();
        match (message["type"].as_str().unwrap(), payload["status"].as_str()) {
            ("user.presence", Some("left")) => drop(self.others.remove(&user())),
            ("user.presence", Some("idle")) => drop(self.others.insert(user(), "idle")),
            ("user.presence", _) => drop(self.others.insert(user(), "active")),
            ("document.state", _) => {
                for editor in payload["active_editors"].as_array().unwrap() {
                    let name = editor["user_id"].as_str().unwrap();
                    self.others.entry(name.to_owned()).or_insert("active");
                }
            }
            ("close", _) => self.is_closed = true,
            _ => {}
        }
    }
}

#[test]
fn in_the_end_everybody_knows_who_is_here_however_they_read() {
    for_seeds(400, |seed| {
        let mut rng = Rng(seed);
        // Either the whole ladder in little time, or much time and only the first step of it.
        let (outbound_bytes_max, pause) = if rng.one_in(2) { (3_000, 300) } else { (1 << 20, 40_000) };
        let mut house = House::with(Plan { outbound_bytes_max, auto_save: Duration::ZERO, ..Plan::default() });
        let mut readers = Vec::new();
        for number in 0..3 {
            readers.push((house.join(guest(&format!("reader_{number}"))), Known::default(), number));
        }
        let mut here: Vec<MemberKey> = Vec::new();
        for _ in 0..150 {
            match rng.below(8) {
                0..3 => {
                    let joining = guest(&format!("user_{}", rng.below(5)));
                    here.push(house.join(if rng.one_in(3) { joining.viewing() } else { joining }));
                }
                3..5 if !here.is_empty() => {
                    let gone = here.swap_remove(rng.below(here.len()));
                    house.leave(gone);
                }
                5 if !here.is_empty() => house.say(here[rng.below(here.len())], insert(0, &"x".repeat(rng.below(300)))),
                6 => house.say(readers[rng.below(3)].0, message("document.join", json!({}))),
                _ => house.wait(rng.below(pause) as u64),
            }
            house.sync();
            // One reads all, one a little each time, one now and then.
            for (key, known, number) in &mut readers {
                let bytes = [usize::MAX, 150, if rng.one_in(20) { 3_000 } else { 0 }][*number];
                house.read_some(*key, bytes).iter().for_each(|message| known.take(message));
            }
        }
        house.sync();
        let Presence { listed, .. } = house.room.presence();
        for (key, known, number) in &mut readers {
            house.read(*key).iter().for_each(|message| known.take(message));
            let name = format!("reader_{number}");
            assert!(!known.is_closed || *number > 0, "who reads all is never closed");
            if known.is_closed {
                continue;
            }
            known.others.remove(&name);
            let others = listed.iter().filter(|(user, _)| *user.user_id != *name);
            let status = |status: &Status| if *status == Status::Idle { "idle" } else { "active" };
            let truth: BTreeMap<String, &str> =
                others.map(|(user, now)| (user.user_id.to_string(), status(now))).collect();
            assert_eq!(known.others, truth, "{name}");
        }
    });
}

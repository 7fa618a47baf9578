//! Saves: made by themselves while a document changes, kept as records, and bounded.

use std::time::Duration;

use jddb_core::document::SAVES_MAX;
use serde_json::json;

use crate::support::{House, Plan, guest, insert, message};

#[test]
fn what_has_changed_is_saved_in_time_and_told_to_all_who_are_greeted() {
    let mut house = House::holding(&[("body", "text"), ("scope", "")]);
    let (ada, ben, quiet) =
        (house.settle(guest("ada")), house.settle(guest("ben")), house.settle(guest("q").on_join()));
    house.read(ada);
    house.read(ben);
    house.say(ada, insert(0, "x"));
    house.sync();
    house.read(ben);
    house.read(quiet);
    house.wait(1_000);
    house.wait(29_999);
    assert_eq!((house.read(ada).len(), house.read(ben).len()), (0, 0));
    house.wait(1);
    assert_eq!(house.read(ada).len(), 0, "it is a record, and waits for the disk");
    house.sync();
    for key in [ada, ben] {
        let read = house.read(key);
        assert_eq!(read.len(), 1);
        assert_eq!(
            read[0]["payload"],
            json!({"version": 3, "saved_sections": ["body", "scope"], "save_type": "auto", "success": true})
        );
        assert_eq!((&read[0]["metadata"]["session_id"], read[0]["metadata"].get("user_id")), (&json!("sess_1"), None));
    }
    assert_eq!(house.read(quiet).len(), 0);
    // Nothing has changed since, but for who is there.
    house.wait(100_000);
    house.check(ada, &["ben idle", "q idle"]);
}

#[test]
fn a_save_by_hand_counts() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.wait(1_000);
    house.say(ada, message("document.save", json!({})));
    house.check(ada, &["save v1"]);
    house.wait(60_000);
    house.check(ada, &[]);
    house.say(ada, insert(0, "x"));
    house.wait(1_000);
    house.wait(30_000);
    house.check(ada, &["save v2"]);
}

#[test]
fn a_save_is_told_of_when_it_is_on_disk() {
    let mut house = House::fast();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.wait(1_000);
    house.wait(30_000);
    house.check_now(ada, &[]);
    house.check(ada, &["save v1"]);
}

#[test]
fn it_can_be_turned_off() {
    let mut house = House::with(Plan { auto_save: Duration::ZERO, ..Plan::default() });
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.wait(1_000);
    house.wait(1_000_000);
    house.check(ada, &[]);
}

#[test]
fn saves_are_records_and_bounded() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let mut naive: Vec<(u64, bool)> = Vec::new();
    let mut rng = crate::rng::Rng(7);
    for _ in 0..SAVES_MAX + 400 {
        house.say(ada, insert(0, "x"));
        let is_manual = rng.one_in(2);
        if is_manual {
            house.say(ada, message("document.save", json!({})));
        } else {
            house.wait(0);
            house.wait(30_000);
        }
        naive.push((house.version(), is_manual));
        if naive.len() > SAVES_MAX {
            naive.remove(naive.iter().position(|(_, is_manual)| !is_manual).unwrap_or(0));
        }
        // Some turns hold many saves, some one; and what was kept is known again after a restart.
        if rng.one_in(20) {
            house.sync();
            house.read_all();
        }
    }
    house.sync();
    let kept = |house: &House| -> Vec<(u64, bool)> {
        let mut kept: Vec<_> = house.disk.saves.iter().map(|save| (save.version.0, save.saved_by.is_some())).collect();
        kept.sort_unstable();
        kept
    };
    assert_eq!(kept(&house), naive);
    house.restart();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.say(ada, message("document.save", json!({})));
    house.sync();
    naive.push((house.version(), true));
    naive.remove(naive.iter().position(|(_, is_manual)| !is_manual).unwrap_or(0));
    assert_eq!(kept(&house), naive);
}

#[test]
fn a_version_is_saved_once_and_by_whom_somebody_asked() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, message("document.save", json!({})));
    house.sync();
    assert_eq!(house.disk.saves, [], "version 0 needs no name");
    house.say(ada, insert(0, "x"));
    house.wait(0);
    house.wait(30_000);
    house.say(ada, message("document.save", json!({})));
    house.say(ada, message("document.save", json!({})));
    house.sync();
    let saves: Vec<_> = house.disk.saves.iter().map(|save| (save.version.0, save.saved_by.as_deref())).collect();
    assert_eq!(saves, [(1, Some("ada"))]);
}

/// A room is forgotten when nobody is in it, long before an interval may be over.
#[test]
fn what_is_unsaved_when_a_room_is_forgotten_is_saved_in_its_time() {
    let mut house = House::new();
    let visit = |house: &mut House, changes: bool| {
        house.restart();
        let ada = house.settle(guest("ada"));
        if changes {
            house.say(ada, insert(0, "x"));
        }
        house.wait(0);
        house.wait(8_000);
        house.sync();
        house.disk.saves.iter().map(|save| save.version.0).collect::<Vec<_>>()
    };
    // 8 s each: 32 s after the first change it is time, however often the room was opened anew.
    assert_eq!(visit(&mut house, true), [0; 0]);
    assert_eq!(visit(&mut house, false), [0; 0]);
    assert_eq!(visit(&mut house, true), [0; 0]);
    assert_eq!(visit(&mut house, true), [3]);
    // From there on it counts anew, from the next change.
    house.now = house.now.plus(1_000_000);
    assert_eq!(visit(&mut house, false), [3]);
    assert_eq!(visit(&mut house, true), [3]);
    house.now = house.now.plus(1_000_000);
    assert_eq!(visit(&mut house, false), [3, 4], "it is made up for");
    assert_eq!(visit(&mut house, false), [3, 4]);
}

#[test]
fn a_clock_that_was_set_back_delays_a_save_by_no_more_than_the_interval() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.sync();
    house.restart();
    house.now.0 -= 1_000_000;
    house.settle(guest("ada"));
    house.wait(0);
    house.wait(29_999);
    house.sync();
    assert_eq!(house.disk.saves.len(), 0);
    house.wait(1);
    house.sync();
    assert_eq!(house.disk.saves.len(), 1);
}

//! Saves that are made by themselves while a document changes.

use std::time::Duration;

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

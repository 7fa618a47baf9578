//! What leaves when: strict and fast durability.

use serde_json::json;

use crate::support::{House, guest, insert, message, named_insert};

#[test]
fn strict_nothing_that_shows_a_version_leaves_before_it_is_durable() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, message("document.save", json!({})));
    house.say(ben, message("sync.request", json!({"last_known_version": 0})));
    house.say(ben, message("document.join", json!({})));
    house.say(ada, message("cursor.position", json!({"position": 1})));
    house.turn();
    assert_eq!(house.room.take_dirty(), [], "nobody has anything to be sent yet");
    house.check_now(ada, &[]);
    house.check_now(ben, &[]);
    assert!(house.commit());
    house.check_now(ada, &["ack c1 v1", "save v1"]);
    house.check_now(ben, &["insert 0x v1", "save v1", "sync v1 [1]", "state v1", "cursor 1 v1"]);
}

#[test]
fn fast_the_others_see_it_at_once_and_the_sender_is_acknowledged_when_it_is_durable() {
    let mut house = House::fast();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.check_now(ben, &["insert 0x v1"]);
    house.check_now(ada, &[]);
    house.turn();
    house.check_now(ada, &[]);
    assert!(house.commit());
    house.check_now(ada, &["ack c1 v1"]);
}

#[test]
fn fast_a_save_is_told_when_it_is_on_disk() {
    let mut house = House::fast();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.say(ada, message("document.save", json!({})));
    house.check_now(ada, &[]);
    house.check(ada, &["save v1"]);
}

#[test]
fn each_batch_opens_the_gates_of_its_own_records_only() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.turn();
    house.say(ada, named_insert("c2", 1, "y"));
    house.turn();
    assert!(house.commit());
    house.check_now(ada, &["ack c1 v1"]);
    house.check_now(ben, &["insert 0x v1"]);
    assert!(house.commit());
    house.check_now(ada, &["ack c2 v2"]);
    house.check_now(ben, &["insert 1y v2"]);
}

#[test]
fn acks_wait_behind_versions_before_them() {
    let mut house = House::fast();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ben, insert(1, "y"));
    // Version 2 may leave, but version 1 is the sender's own and waits for the disk.
    house.check_now(ada, &[]);
    house.check(ada, &["ack c1 v1", "insert 1y v2"]);
    house.check_now(ben, &["insert 0x v1"]);
}

#[test]
fn a_change_without_a_correlation_id_is_not_acknowledged() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.check(ada, &[]);
    assert_eq!(house.version(), 1);
}

#[test]
fn another_connection_of_the_same_user_gets_the_change() {
    let mut house = House::new();
    let (ada, tab) = (house.settle(guest("ada")), house.settle(guest("ada")));
    house.say(ada, insert(0, "x"));
    house.check(tab, &["insert 0x v1"]);
    house.check(ada, &[]);
}

#[test]
fn answers_over_http_wait_as_frames_do() {
    let check = |mut house: House, at_once: usize| {
        let ada = house.settle(guest("ada"));
        house.say(ada, insert(0, "x"));
        house.room.answer_state(house.now, 1, jddb_core::ids::PositionEncoding::Utf16, true);
        assert_eq!(house.answers().len(), at_once);
        house.sync();
        assert_eq!(house.answers().len(), 1 - at_once);
    };
    check(House::new(), 0);
    check(House::fast(), 1);
}

#[test]
fn what_a_turn_made_is_recorded_however_short_the_history_is() {
    let mut plan = crate::support::Plan::default();
    plan.document.history_versions_max = 2;
    let mut house = House::with(plan);
    let ada = house.settle(guest("ada"));
    for position in 0..10 {
        house.say(ada, insert(position, "x"));
    }
    house.sync();
    assert_eq!(house.disk.changes.iter().map(|change| change.version.0).collect::<Vec<_>>(), Vec::from_iter(1..=10));
    house.restart();
    assert_eq!(house.sections(), [("body".to_owned(), "x".repeat(10))]);
}

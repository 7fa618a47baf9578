//! Exactly once over reconnects.

use serde_json::json;

use crate::support::{House, guest, named_insert};

#[test]
fn a_resend_before_and_after_durability_is_acknowledged_with_the_first_version() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.turn();
    house.check_now(ada, &[]);
    house.check(ada, &["ack c1 v1", "ack c1 v1"]);
    house.leave(ada);
    let again = house.settle(guest("ada"));
    house.say(again, named_insert("c1", 0, "x"));
    house.check(again, &["ack c1 v1"]);
    assert_eq!(house.sections(), [("body".to_owned(), "x".to_owned())]);
}

#[test]
fn a_resend_of_an_undurable_change_waits_for_the_disk() {
    let mut house = House::fast();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.turn();
    house.leave(ada);
    let again = house.join(guest("ada"));
    house.say(again, named_insert("c1", 0, "x"));
    house.check_now(again, &["state v1"]);
    assert!(house.commit());
    house.check_now(again, &["ack c1 v1"]);
}

#[test]
fn resends_after_a_failed_disk_apply_what_was_lost_and_acknowledge_what_was_not() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.sync();
    house.say(ada, named_insert("c2", 1, "y"));
    house.turn();
    house.room.storage_failed(house.now).for_each(drop);
    house.check_now(ada, &["ack c1 v1", "error STORAGE_UNAVAILABLE", "close 1011"]);
    house.restart();
    let again = house.settle(guest("ada"));
    for (name, position, content) in [("c1", 0, "x"), ("c2", 1, "y"), ("c2", 1, "y")] {
        house.say(again, named_insert(name, position, content));
    }
    house.check(again, &["ack c1 v1", "ack c2 v2", "ack c2 v2"]);
    assert_eq!(house.sections(), [("body".to_owned(), "xy".to_owned())]);
}

#[test]
fn the_same_name_for_something_else_is_an_error() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, named_insert("c1", 0, "y"));
    house.sync();
    let error = &house.read(ada)[1];
    assert_eq!(error["payload"]["error_code"], "VALIDATION_ERROR");
    assert_eq!(error["payload"]["details"]["field"], "metadata.correlation_id");
    assert_eq!(error["metadata"]["correlation_id"], "c1");
}

#[test]
fn the_name_is_the_users_own() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ben, named_insert("c1", 0, "x"));
    house.check(ben, &["insert 0x v1", "ack c1 v2"]);
}

#[test]
fn versions_that_somebody_may_have_seen_are_not_used_again_in_fast_durability() {
    let mut house = House::fast();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.check_now(ben, &["insert 0x v1"]);
    house.restart();
    let again = house.settle(guest("ada"));
    house.say(again, named_insert("c1", 0, "x"));
    house.check(again, &["ack c1 v1000001"]);
    house.say(again, crate::support::message("sync.request", json!({"last_known_version": 1})));
    house.check(again, &["sync v1000001 full"]);
}

#[test]
fn a_change_that_others_made_empty_is_a_version_all_the_same() {
    let mut house = House::holding(&[("body", "abcdef")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.sync();
    house.read_all();
    let delete = |name: &str, position: u64, length: u64| {
        json!({
            "type": "document.change",
            "payload": {"operation": "delete", "position": position, "length": length, "base_version": 1},
            "metadata": {"client_id": name, "correlation_id": "c1"},
        })
    };
    house.say(ada, delete("ada_1", 1, 4).to_string());
    house.say(ben, delete("ben_1", 2, 2).to_string());
    house.check(ada, &["ack c1 v2", "delete 0-0 v3"]);
    house.check(ben, &["delete 1-4 v2", "ack c1 v3"]);
    // The resend of it, too.
    house.say(ben, delete("ben_1", 2, 2).to_string());
    house.check(ben, &["ack c1 v3"]);
    assert_eq!(house.sections(), [("body".to_owned(), "af".to_owned())]);
}

#[test]
fn a_client_whose_acknowledgement_was_lost_finds_its_change_when_it_catches_up() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.turn();
    house.leave(ada);
    house.sync();
    let again = house.settle(guest("ada"));
    house.say(again, json!({"type": "sync.request", "payload": {"last_known_version": 0, "full": false}}).to_string());
    let listed = house.read(again).remove(0)["payload"]["changes_since_version"][0].clone();
    assert_eq!((&listed["client_id"], &listed["correlation_id"]), (&json!("client_abc123"), &json!("c1")));
    assert_eq!((&listed["version"], &listed["content"]), (&json!(1), &json!("x")));
}

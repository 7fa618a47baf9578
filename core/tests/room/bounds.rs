//! Slow readers, and what one connection may make the server hold.

use jddb_core::room::Durability;
use serde_json::json;

use crate::support::{House, Plan, brief, guest, insert, message};

fn small() -> House {
    House::with(Plan { outbound_bytes_max: 4_000, ..Plan::default() })
}

#[test]
fn what_waits_for_the_disk_is_no_fault_of_the_readers() {
    let mut house = small();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    for _ in 0..100 {
        house.say(ada, insert(0, "some text"));
        house.turn();
        house.read_all();
    }
    house.sync();
    assert_eq!(house.read(ben).len(), 100);
}

#[test]
fn one_turn_closes_nobody_who_had_no_chance_to_read() {
    let mut house = House::with(Plan { outbound_bytes_max: 4_000, durability: Durability::Fast, ..Plan::default() });
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    for _ in 0..100 {
        house.say(ada, insert(0, "some text"));
    }
    assert_eq!(house.read(ben).len(), 100);
}

#[test]
fn a_flood_of_pings_is_bounded_by_what_it_costs() {
    let mut house = small();
    let ada = house.settle(guest("ada"));
    for _ in 0..200 {
        house.room.send_control(ada, jddb_core::websocket::encode_pong(b""));
        house.block_all();
    }
    // The first was offered, so it may have begun to leave.
    house.check_now(ada, &["pong", "close 1013"]);
}

#[test]
fn full_states_are_outside_the_bound() {
    let text = "x".repeat(20_000);
    let mut house = small().filled(&[("body", &text)]);
    let ada = house.join(guest("ada"));
    house.say(ada, message("document.join", json!({})));
    house.room.take_dirty();
    house.say(ada, message("system.heartbeat", json!({})));
    house.check_now(ada, &["state v1", "state v1", "heartbeat"]);
}

#[test]
fn only_a_few_full_states_wait_for_one_connection() {
    let text = "x".repeat(20_000);
    let mut house = small().filled(&[("body", &text)]);
    let ada = house.join(guest("ada"));
    let ask = json!([
        {"type": "document.join", "payload": {}},
        {"type": "document.join", "payload": {}, "metadata": {"correlation_id": "j2"}},
        {"type": "sync.request", "payload": {"full": true}},
    ]);
    house.say(ada, ask.to_string());
    let read = house.read(ada);
    let kinds: Vec<String> = read.iter().map(brief).collect();
    assert_eq!(kinds, ["state v1", "state v1", "error RATE_LIMIT_EXCEEDED", "error RATE_LIMIT_EXCEEDED"]);
    assert_eq!(
        (&read[2]["payload"]["severity"], &read[2]["metadata"]["correlation_id"]),
        (&json!("warning"), &json!("j2"))
    );
    house.say(ada, message("document.join", json!({})));
    house.check_now(ada, &["state v1"]);
}

#[test]
fn small_states_are_not_refused() {
    let mut house = small().filled(&[("body", "text")]);
    let ada = house.join(guest("ada"));
    let ask = vec![json!({"type": "sync.request", "payload": {"last_known_version": 1}}); 6];
    house.say(ada, json!(ask).to_string());
    assert_eq!(house.read(ada).len(), 7);
}

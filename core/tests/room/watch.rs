//! Heartbeats that tell a checksum: who has another text than the server is sent the whole.

use jddb_core::room::{Divergence, MemberKey};
use serde_json::json;

use crate::support::{House, guest, insert, message};

/// No document has this one.
const WRONG: u32 = 0x3151_ad0c;

fn beat(house: &mut House, key: MemberKey, version: u64, crc32: u32) {
    let document = json!({"version": version, "crc32": crc32});
    house.say(key, message("system.heartbeat", json!({"document": document})));
}

fn house() -> (House, MemberKey, u32) {
    let mut house = House::holding(&[("body", "text")]);
    let ada = house.settle(guest("ada"));
    let right = crc32fast::hash("body\0text\0".as_bytes());
    (house, ada, right)
}

#[test]
fn a_text_that_is_not_the_servers_is_healed_and_told_of() {
    let (mut house, ada, right) = house();
    beat(&mut house, ada, 1, right ^ 1);
    let read = house.read(ada);
    assert_eq!(read[0]["payload"]["document"], json!({"version": 1, "matches": false}));
    assert_eq!(read[1]["payload"]["full_document_state"]["sections"], json!({"body": "text"}));
    let found = house.room.take_divergences();
    let expected = Divergence {
        user_id: "ada".into(),
        connection_id: "conn_2".into(),
        version: jddb_core::ids::Version(1),
        clients_crc32: right ^ 1,
        crc32: right,
    };
    assert_eq!(found, [expected]);
    assert_eq!(house.room.take_divergence_count(), 1);
    beat(&mut house, ada, 1, right);
    house.check(ada, &["heartbeat"]);
    assert_eq!(house.room.take_divergence_count(), 0);
}

#[test]
fn another_version_is_not_compared() {
    let (mut house, ada, right) = house();
    beat(&mut house, ada, 0, right ^ 1);
    house.say(ada, insert(0, "x"));
    beat(&mut house, ada, 1, right);
    house.check(ada, &["heartbeat", "heartbeat"]);
    assert_eq!(house.room.take_divergence_count(), 0);
}

#[test]
fn who_is_wrong_each_time_is_healed_once_in_ten_seconds() {
    let (mut house, ada, right) = house();
    let mut healed = 0;
    for _ in 0..100 {
        beat(&mut house, ada, 1, right ^ 1);
        healed += house.read(ada).iter().filter(|message| message["type"] == "sync.response").count();
        house.wait(300);
    }
    assert_eq!(healed, 3);
    assert_eq!(house.room.take_divergence_count(), 100);
    assert_eq!(house.room.take_divergences().len(), 3);
}

#[test]
fn the_state_that_heals_waits_for_the_disk_as_all_do() {
    let (mut house, ada, _) = house();
    house.say(ada, insert(0, "x"));
    beat(&mut house, ada, 2, WRONG);
    house.check_now(ada, &[]);
    house.check(ada, &["heartbeat", "sync v2 full"]);
}

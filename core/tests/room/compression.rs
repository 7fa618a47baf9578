//! Who is sent what compressed, and how often it is compressed.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use jddb_core::room::MemberKey;
use jddb_core::websocket::Deflater;
use serde_json::json;

use crate::support::*;

const PLAIN: u8 = 0x81;
const DEFLATED: u8 = 0xc1;

/// A change whose message is larger or smaller than 1 KiB.
fn insert(length: usize) -> String {
    change(json!({"operation": "insert", "position": 0, "content": "é".repeat(length), "section": "body"}))
}

/// The frames that wait for a member and may leave.
fn frames(house: &House, key: MemberKey) -> Vec<Bytes> {
    house.room.member(key).unwrap().outbox().sendable(house.room.durable_records()).cloned().collect()
}

/// The first byte of each frame that waits for a member.
fn forms(house: &House, key: MemberKey) -> Vec<u8> {
    frames(house, key).iter().map(|frame| frame[0]).collect()
}

#[test]
fn a_broadcast_is_compressed_once_for_all_who_negotiated_it() {
    let mut house = House::new();
    let writer = house.settle(guest("ada"));
    let plain = [house.settle(guest("ben")), house.settle(guest("cleo"))];
    let inflating = [house.settle(guest("dan").inflating("")), house.settle(guest("eve").inflating(""))];
    house.read_all();
    house.say(writer, insert(2_000));
    house.sync();
    for keys in [plain, inflating] {
        let [one, other] = keys.map(|key| frames(&house, key).remove(0));
        assert_eq!(one.as_ptr(), other.as_ptr(), "they share one frame");
    }
    assert_eq!(forms(&house, plain[0]), [PLAIN]);
    assert_eq!(forms(&house, inflating[0]), [DEFLATED]);
    assert!(frames(&house, inflating[0])[0].len() < 1_000);
    let expected = house.read(plain[0]);
    assert_eq!(expected[0]["payload"]["content"], "é".repeat(2_000));
    assert_eq!(house.read(inflating[0]), expected);
    assert_eq!(house.read(inflating[1]), expected);
}

#[test]
fn nothing_is_compressed_in_vain() {
    let mut house = House::new();
    let deflater = Rc::new(RefCell::new(Deflater::default()));
    house.room.share_deflater(&deflater);
    let writer = house.settle(guest("ada"));
    house.settle(guest("ben"));
    // Whoever compressed now would panic.
    let in_use = deflater.borrow_mut();
    house.say(writer, insert(2_000));
    house.sync();
    house.read_all();
    // Neither is the sender, who gets no copy, nor what is small.
    let inflating = house.settle(guest("cleo").inflating("; server_max_window_bits=8"));
    house.say(inflating, insert(2_000));
    house.say(writer, insert(10));
    house.check(inflating, &["insert 0éééééééééé v3"]);
    drop(in_use);
}

#[test]
fn full_states_are_compressed_and_small_messages_are_not() {
    let mut house = House::holding(&[("body", &"Développer. ".repeat(1_000))]);
    let key = house.join(guest("ada").inflating("; client_max_window_bits"));
    house.sync();
    assert_eq!(forms(&house, key), [DEFLATED]);
    assert!(frames(&house, key)[0].len() < 2_000);
    house.check_now(key, &["state v1"]);
    house.say(key, r#"{"type":"sync.request","payload":{"full":true}}"#);
    assert_eq!(forms(&house, key), [DEFLATED]);
    house.check_now(key, &["sync v1 full"]);
    house.say(key, r#"{"type":"system.heartbeat","payload":{}}"#);
    assert_eq!(forms(&house, key), [PLAIN]);
}

#[test]
fn a_smaller_window_gets_what_fits_into_it() {
    let mut house = House::new();
    let writer = house.settle(guest("ada"));
    let narrow = [8, 10, 12, 14, 15].map(|bits| {
        let more = format!("; server_max_window_bits={bits}");
        house.settle(guest(&format!("user_{bits}")).inflating(&more))
    });
    house.read_all();
    for (length, expected) in [
        (700, [PLAIN, PLAIN, DEFLATED, DEFLATED, DEFLATED]),
        (3_000, [PLAIN, PLAIN, PLAIN, DEFLATED, DEFLATED]),
        (20_000, [PLAIN, PLAIN, PLAIN, PLAIN, DEFLATED]),
    ] {
        house.say(writer, insert(length));
        house.sync();
        let seen = narrow.map(|key| forms(&house, key)[0]);
        assert_eq!(seen, expected, "{length} characters");
        let contents = narrow.map(|key| house.read(key).remove(0));
        assert!(contents.iter().all(|message| message["payload"]["content"] == "é".repeat(length)));
        house.read(writer);
    }
}

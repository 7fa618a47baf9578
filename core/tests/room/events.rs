//! Readers of event streams: what they are sent, and that they go on where they were cut.

use jddb_core::ids::{PositionEncoding, Version};
use jddb_core::room::{Dialect, EventId, MemberKey};
use serde_json::{Value, json};

use crate::support::*;

/// An event: its id, if it has one, and its message in short; a comment or a field of its own as it is.
fn events(house: &mut House, key: MemberKey) -> Vec<(Option<String>, String)> {
    let text = house.take(key).concat();
    let text = String::from_utf8(text).unwrap();
    let blocks = text.split_terminator("\n\n").map(|block| {
        let (id, data) = match block.strip_prefix("id: ") {
            Some(rest) => rest.split_once('\n').map(|(id, data)| (Some(id.to_owned()), data)).unwrap(),
            None => (None, block),
        };
        let message = data.strip_prefix("data: ").map(|data| serde_json::from_str::<Value>(data).unwrap());
        (id, message.map_or_else(|| block.to_owned(), |message| brief(&message)))
    });
    blocks.collect()
}

/// Those that bring the reader somewhere.
fn steps(house: &mut House, key: MemberKey) -> Vec<(String, String)> {
    events(house, key).into_iter().filter_map(|(id, event)| Some((id?, event))).collect()
}

fn check(house: &mut House, key: MemberKey, expected: &[(Option<&str>, &str)]) {
    let seen = events(house, key);
    let seen: Vec<_> = seen.iter().map(|(id, event)| (id.as_deref(), event.as_str())).collect();
    assert_eq!(seen, expected);
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

/// Three inserts, far from one another, and so three parts.
fn batch(house: &House) -> String {
    let end = house.sections()[0].1.len();
    let changes: Vec<Value> =
        [0, end / 2, end].iter().map(|at| json!({"operation": "insert", "position": at, "content": "++"})).collect();
    change(json!({"changes": changes}))
}

/// Somebody who has read what they are greeted with.
fn arrived(house: &mut House, guest: Guest) -> MemberKey {
    let key = house.join(guest);
    house.sync();
    house.take(key);
    key
}

/// A document with so many versions, some of several parts, and who makes them.
fn edited(house: &mut House, versions: u64) -> MemberKey {
    let writer = arrived(house, guest("ada"));
    house.say(writer, insert(0, "a text of some length"));
    while house.version() < versions {
        let message = if house.version().is_multiple_of(2) { insert(3, "x") } else { batch(house) };
        house.say(writer, message);
    }
    house.sync();
    writer
}

#[test]
fn a_reader_is_told_what_a_viewer_is_with_an_id_where_it_comes_to_a_version() {
    let mut house = House::new();
    let writer = edited(&mut house, 1);
    let reader = house.join(guest("ben").reading_events());
    house.sync();
    check(&mut house, reader, &[(Some("1"), "state v1")]);
    let told = batch(&house);
    house.say(writer, told);
    house.say(writer, message("cursor.position", json!({"position": 1})));
    house.sync();
    let changes = [
        (Some("2.1"), "insert 21++ v2 1/3"),
        (Some("2.2"), "insert 10++ v2 2/3"),
        (Some("2"), "insert 0++ v2 3/3"),
        (None, "cursor 1 v2"),
    ];
    check(&mut house, reader, &changes);
    house.room.send_control(reader, jddb_core::room::Framing::Events.heartbeat());
    check(&mut house, reader, &[(None, ":")]);
    house.room.shut_down(house.now, || 1_234);
    let end = "retry: 1234\n: closed 1001 SHUTTING_DOWN retry_ms=1234";
    check(&mut house, reader, &[(None, "error SHUTTING_DOWN"), (None, end)]);
}

#[test]
fn an_event_is_made_once_for_all_readers() {
    let mut house = House::new();
    let writer = edited(&mut house, 1);
    let readers = [(); 2].map(|()| arrived(&mut house, guest("ben").reading_events()));
    house.say(writer, insert(0, "x"));
    house.sync();
    let [one, other] = readers.map(|reader| house.take(reader).remove(0));
    assert_eq!(one.as_ptr(), other.as_ptr());
}

#[test]
fn nothing_is_told_before_it_is_durable() {
    let mut house = House::new();
    let writer = edited(&mut house, 1);
    let reader = house.join(guest("ben").reading_events());
    house.sync();
    house.take(reader);
    house.say(writer, insert(0, "x"));
    house.turn();
    let resumed = house.join(guest("cleo").reading_events().after(id("1")));
    assert_eq!(steps(&mut house, reader), []);
    assert_eq!(steps(&mut house, resumed), []);
    house.sync();
    let step = [("2".to_owned(), "insert 0x v2".to_owned())];
    assert_eq!(steps(&mut house, reader), step);
    assert_eq!(steps(&mut house, resumed), step);
}

#[test]
fn wherever_a_reader_is_cut_it_goes_on_with_what_it_missed() {
    let mut house = House::new();
    let reader = house.join(guest("ben").reading_events());
    let writer = edited(&mut house, 12);
    let all = steps(&mut house, reader);
    assert!(all.len() > 20, "{all:?}");
    for restarts in [false, true] {
        if restarts {
            house.leave(writer);
            house.restart();
        }
        for (index, (seen, _)) in all.iter().enumerate() {
            let again = house.join(guest("ben").reading_events().after(id(seen)));
            house.sync();
            assert_eq!(steps(&mut house, again), all[index + 1..], "after {seen}, restarted: {restarts}");
            house.leave(again);
        }
    }
}

#[test]
fn a_reader_that_resumed_is_told_what_comes_then() {
    let mut house = House::new();
    let writer = edited(&mut house, 3);
    let reader = house.join(guest("ben").reading_events().after(id("3")));
    house.say(writer, insert(0, "x"));
    house.sync();
    check(&mut house, reader, &[(Some("4"), "insert 0x v4")]);
    house.join(guest("cleo"));
    check(&mut house, reader, &[(None, "cleo joined")]);
}

#[track_caller]
fn check_begins_with_state(house: &mut House, reader: Guest, seen: &str) {
    let key = house.join(reader.after(id(seen)));
    house.sync();
    let begins = steps(house, key).remove(0).1;
    assert_eq!(begins, format!("state v{}", house.version()), "after {seen}");
    house.leave(key);
}

#[test]
fn whoever_cannot_be_told_what_it_missed_is_sent_the_state() {
    let mut plan = Plan::default();
    plan.document.history_versions_max = 100;
    let mut house = House::with(plan);
    let writer = edited(&mut house, 1_000);
    for seen in ["0", "1", "500", "500.1", "999.1", "1000.3", "1001", "1001.1", "18446744073709551615"] {
        check_begins_with_state(&mut house, guest("ben").reading_events(), seen);
    }
    let utf8 = Dialect { encoding: PositionEncoding::Utf8, over_document: false };
    check_begins_with_state(&mut house, guest("ben").reading_events().speaking(utf8), "999");
    let current = house.join(guest("ben").reading_events().speaking(utf8).after(id("1000")));
    house.say(writer, insert(0, "x"));
    house.sync();
    assert_eq!(steps(&mut house, current), [("1001".to_owned(), "insert 0x v1001".to_owned())]);
}

#[test]
fn more_than_may_wait_for_a_connection_is_told_as_a_state() {
    let mut house = House::with(Plan { outbound_bytes_max: 4_000, ..Plan::default() });
    edited(&mut house, 40);
    check_begins_with_state(&mut house, guest("ben").reading_events(), "1");
    let reader = house.join(guest("ben").reading_events().after(id("38")));
    house.sync();
    assert_eq!(steps(&mut house, reader)[0], ("39".to_owned(), "insert 3x v39".to_owned()));
}

#[test]
fn a_slow_reader_gets_a_state_and_goes_on_from_there() {
    let mut house = House::with(Plan { outbound_bytes_max: 2_000, ..Plan::default() });
    let writer = edited(&mut house, 1);
    let reader = arrived(&mut house, guest("ben").reading_events());
    for _ in 0..50 {
        house.say(writer, insert(0, "x"));
        house.block_all();
    }
    let mut seen = steps(&mut house, reader);
    while house.room.catch_up(house.now, reader) {
        seen.extend(steps(&mut house, reader));
    }
    let last = Version(house.version());
    assert_eq!(seen.last(), Some(&(EventId::whole(last).to_string(), format!("sync v{last} full"))));
    assert!(seen.len() < 20, "{seen:?}");
}

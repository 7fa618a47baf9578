//! How a connection ends: the disk fails, the server stops, somebody leaves.

use jddb_core::ids::PositionEncoding;
use jddb_core::protocol::PresenceUpdate;
use jddb_core::room::{Caller, MemberKey, PresenceEvent, Roster};
use jddb_core::websocket::CloseCode;
use serde_json::json;

use crate::rng::{Rng, for_seeds};
use crate::support::{House, VISIT_MS, guest, insert, named_insert};

const CALLER: Caller<'_> = Caller {
    user_id: "ada",
    is_admin: false,
    encoding: PositionEncoding::Utf16,
    idempotency_key: None,
    if_match: None,
};

#[test]
fn when_the_disk_fails_what_is_not_on_it_never_leaves() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    house.sync();
    house.say(ada, named_insert("c2", 1, "y"));
    house.post(7, CALLER, &json!({"changes": [{"operation": "insert", "position": 0, "content": "z"}]})).unwrap();
    let cleo = house.join(guest("cleo"));
    house.turn();
    let given_back: Vec<u64> = house.room.storage_failed(house.now).map(|answer| answer.request).collect();
    assert_eq!(given_back, [7]);
    house.check_now(ada, &["ack c1 v1", "error STORAGE_UNAVAILABLE", "close 1011"]);
    house.check_now(ben, &["insert 0x v1", "error STORAGE_UNAVAILABLE", "close 1011"]);
    house.check_now(cleo, &["error STORAGE_UNAVAILABLE", "close 1011"]);
    house.say(ada, named_insert("c3", 0, "late"));
    house.check(ada, &[]);
}

#[test]
fn fast_what_would_have_waited_behind_a_lost_ack_never_leaves() {
    let mut house = House::fast();
    let ada = house.settle(guest("ada"));
    house.say(ada, named_insert("c1", 0, "x"));
    house.say(ada, crate::support::message("sync.request", json!({"last_known_version": 0})));
    house.turn();
    house.room.storage_failed(house.now).for_each(drop);
    house.check_now(ada, &["error STORAGE_UNAVAILABLE", "close 1011"]);
}

#[test]
fn when_the_disk_fails_durable_answers_can_still_be_given() {
    let mut house = House::new();
    house.post(1, CALLER, &json!({"changes": [{"operation": "insert", "position": 0, "content": "a"}]})).unwrap();
    house.sync();
    house.post(2, CALLER, &json!({"changes": [{"operation": "insert", "position": 0, "content": "b"}]})).unwrap();
    house.turn();
    let given_back: Vec<u64> = house.room.storage_failed(house.now).map(|answer| answer.request).collect();
    assert_eq!(given_back, [2]);
    assert_eq!(house.answers().iter().map(|(request, _)| *request).collect::<Vec<_>>(), [1]);
}

#[test]
fn everybody_gets_the_error_and_the_close_with_its_reason() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.room.storage_failed(house.now).for_each(drop);
    let read = house.read(ada);
    assert_eq!(read[0]["payload"]["severity"], "critical");
    assert_eq!((&read[1]["code"], &read[1]["reason"]), (&json!(1011), &json!("STORAGE_UNAVAILABLE")));
}

#[test]
fn a_stop_is_told_after_everything_that_is_under_way() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(ada, named_insert("c1", 0, "x"));
    let mut retry_ms = 1000;
    house.room.shut_down(house.now, || {
        retry_ms += 234;
        retry_ms
    });
    house.say(ben, insert(0, "too late"));
    house.turn();
    house.check_now(ada, &[]);
    assert!(house.commit());
    let read = house.read(ada);
    assert_eq!(read[0]["payload"]["correlation_id"], "c1");
    assert_eq!(read[1]["payload"]["error_code"], "SHUTTING_DOWN");
    assert_eq!(read[1]["payload"]["severity"], "critical");
    assert_eq!((&read[2]["code"], &read[2]["reason"]), (&json!(1001), &json!("SHUTTING_DOWN retry_ms=1234")));
    let read = house.read(ben);
    assert_eq!((read.len(), &read[2]["reason"]), (3, &json!("SHUTTING_DOWN retry_ms=1468")));
    assert_eq!(house.version(), 1);
    house.leave(ada);
    house.leave(ben);
    assert!(house.room.is_idle());
}

#[test]
fn nothing_follows_a_close() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.room.close_member(ada, CloseCode::NORMAL, "");
    house.room.close_member(ada, CloseCode::INTERNAL_ERROR, "again");
    house.room.send_control(ada, jddb_core::websocket::encode_pong(b""));
    house.say(ben, insert(0, "x"));
    house.say(ada, insert(0, "y"));
    house.leave(ben);
    house.room.shut_down(house.now, || 0);
    house.check(ada, &["close 1000"]);
    assert_eq!(house.version(), 1);
}

#[test]
fn an_empty_room_is_idle_when_all_is_durable() {
    let mut house = House::new();
    let ada = house.join(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.leave(ada);
    assert!(!house.room.is_idle());
    house.turn();
    assert!(!house.room.is_idle());
    assert!(house.commit() && house.room.is_idle());
    house.room.answer_state(house.now, 1, PositionEncoding::Utf16, false);
    assert!(!house.room.is_idle(), "an answer waits to be taken");
}

/// What those who watch many documents make of a room's news.
fn tell(roster: &mut Roster, house: &mut House) {
    let document_id = house.room.document().id().clone();
    house.room.take_news().into_iter().for_each(|news| roster.apply(PresenceEvent::new(&document_id, news)));
}

fn whole(house: &House) -> Roster {
    PresenceEvent::of_all(house.room.document().id(), house.room.presence()).collect()
}

/// Of a document that is deleted, or whose room is given up, the connections end when there may be another one of its name.
#[test]
fn who_is_still_closing_changes_nothing_for_the_next_document_of_that_name() {
    for_seeds(300, |seed| {
        let mut rng = Rng(seed);
        let mut roster = Roster::default();
        let mut old = House::holding(&[("body", "x")]);
        // In every third house there are so many that some have no name.
        let crowd = if rng.one_in(3) { 198 } else { 0 };
        let mut leaving: Vec<MemberKey> =
            (0..crowd).map(|number| old.join(guest(&format!("crowd_{number}")).viewing())).collect();
        for number in 0..rng.below(8) {
            let somebody = guest(&format!("user_{number}"));
            leaving.push(old.join(if rng.one_in(2) { somebody } else { somebody.viewing() }));
        }
        let update =
            PresenceUpdate { is_active: true, current_document: None, cursor: None, selection: None, activity: None };
        for number in 0..rng.below(3) {
            old.visit(&format!("visitor_{number}"), rng.one_in(2), &update).unwrap();
        }
        if rng.one_in(2) {
            old.wait(1_000);
            tell(&mut roster, &mut old);
        }
        if rng.one_in(2) {
            old.room.answer_deletion(old.now, 1, CALLER).unwrap();
        } else {
            old.room.storage_failed(old.now).for_each(drop);
        }
        tell(&mut roster, &mut old);
        assert_eq!((&roster, &whole(&old)), (&Roster::default(), &Roster::default()), "seed {seed}");
        let mut new = House::new();
        while !leaving.is_empty() {
            if rng.one_in(4) {
                new.join(guest(&format!("user_{}", rng.below(8))));
            } else {
                old.leave(leaving.swap_remove(rng.below(leaving.len())));
            }
            if rng.one_in(8) {
                old.wait(VISIT_MS);
            }
            tell(&mut roster, &mut new);
            tell(&mut roster, &mut old);
            assert_eq!((&roster, &whole(&old)), (&whole(&new), &Roster::default()), "seed {seed}");
        }
    });
}

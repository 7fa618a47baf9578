//! `joined`, `idle`, `active` and `left`: once for each user, however many connections; numbers in a crowd.

use jddb_core::protocol::outbound::PresenceCounts;
use jddb_core::room::{MemberKey, Presence, palette_color};
use serde_json::json;

use crate::support::{House, IDLE_AFTER_MS, brief, guest, insert, message};

#[test]
fn joined_with_the_first_connection_and_left_with_the_last() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let ben = [house.join(guest("ben")), house.join(guest("ben").viewing()), house.join(guest("ben").on_join())];
    house.check(ada, &["ben joined"]);
    house.check(ben[0], &["state v0"]);
    house.leave(ben[1]);
    house.leave(ben[0]);
    house.check(ada, &[]);
    house.leave(ben[2]);
    house.check(ada, &["ben left"]);
    house.leave(ben[2]);
    house.check(ada, &[]);
}

#[test]
fn presence_has_the_references_fields() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    house.join(guest("ben"));
    let joined = &house.read(ada)[0];
    assert_eq!(joined["type"], "user.presence");
    assert_eq!(
        joined["payload"],
        json!({
            "user_id": "ben", "status": "joined", "display_name": "BEN",
            "avatar_url": "https://avatars.example.com/ben.jpg", "color": "#51cf66",
        })
    );
    assert_eq!(joined["metadata"]["user_id"], "ben");
    assert_eq!(joined["metadata"]["session_id"], "sess_1");
}

#[test]
fn idle_after_a_minute_and_active_on_return() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let ben = house.join(guest("ben"));
    house.check(ada, &["ben joined"]);
    house.check(ben, &["state v0"]);
    house.now = house.now.plus(IDLE_AFTER_MS / 2);
    house.say(ada, message("cursor.position", json!({"position": 0})));
    house.wait(IDLE_AFTER_MS / 2 - 1);
    house.check(ada, &[]);
    house.wait(1);
    assert!(house.room.has_news());
    house.check(ada, &["ben idle"]);
    house.wait(1_000);
    house.check(ada, &[]);
    house.say(ben, message("system.heartbeat", json!({})));
    house.check(ada, &[]);
    house.say(ben, message("cursor.position", json!({"position": 0})));
    house.say(ben, message("cursor.position", json!({"position": 0})));
    house.check(ada, &["ben active"]);
    // A new connection is a sign of life too.
    house.wait(IDLE_AFTER_MS);
    house.check(ada, &["ben idle"]);
    house.join(guest("ben").viewing());
    house.check(ada, &["ben active"]);
    // Nobody is told of themselves.
    house.check(ben, &["heartbeat", "ada idle"]);
}

/// A house so full that whoever only views from now on is no more than a number.
fn crowd() -> (House, MemberKey, Vec<MemberKey>) {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let viewers = (1..200).map(|number| house.join(guest(&format!("viewer_{number}")).viewing())).collect();
    house.sync();
    assert_eq!(house.read(ada).len(), 199, "all of them are told of by name");
    (house, ada, viewers)
}

fn counts_seen(house: &mut House, key: MemberKey) -> Vec<(u64, u64, u64)> {
    house.sync();
    let seen = house.read(key);
    let numbers = seen.iter().map(|message| {
        assert_eq!(message["type"], "presence.counts", "{message}");
        assert_eq!(message["payload"]["document_id"], "jd_12345");
        let number = |field: &str| message["payload"][field].as_u64().unwrap();
        (number("total_editors"), number("total_viewers"), number("unlisted_viewers"))
    });
    numbers.collect()
}

#[test]
fn in_a_crowd_viewers_are_numbers_at_most_once_a_second() {
    let (mut house, ada, _) = crowd();
    let more: Vec<MemberKey> = (0..50).map(|number| house.join(guest(&format!("more_{number}")).viewing())).collect();
    assert_eq!(counts_seen(&mut house, ada), []);
    house.wait(0);
    assert_eq!(counts_seen(&mut house, ada), [(1, 249, 50)]);
    house.leave(more[0]);
    house.wait(999);
    assert_eq!(counts_seen(&mut house, ada), []);
    house.wait(1);
    assert_eq!(counts_seen(&mut house, ada), [(1, 248, 49)]);
    house.wait(5_000);
    assert_eq!(counts_seen(&mut house, ada), [], "nothing has changed");
    // Neither idle nor active is told of those who are not known by name.
    house.now = house.now.plus(IDLE_AFTER_MS);
    house.say(ada, message("document.save", json!({})));
    house.wait(0);
    house.sync();
    let idle = house.read(ada).iter().map(brief).filter(|told| told.ends_with("idle")).count();
    assert_eq!(idle, 199);
    house.say(more[1], message("document.join", json!({})));
    house.wait(1_000);
    assert_eq!(counts_seen(&mut house, ada), [(1, 248, 49)], "one more who wants to know");
}

#[test]
fn who_was_told_of_by_name_is_followed_by_name() {
    let (mut house, ada, viewers) = crowd();
    let late = house.join(guest("late").viewing());
    house.leave(viewers[0]);
    house.check(ada, &["viewer_1 left"]);
    // There is room for names again, yet who came as a number goes as one.
    house.wait(0);
    assert_eq!(counts_seen(&mut house, ada), [(1, 199, 1)]);
    let ben = house.join(guest("ben"));
    house.check(ada, &["ben joined"]);
    house.leave(ben);
    house.check(ada, &["ben left"]);
    house.now = house.now.plus(1_000);
    house.leave(late);
    house.wait(0);
    assert_eq!(counts_seen(&mut house, ada), [(1, 198, 0)], "the last of the numbers is gone");
    house.now = house.now.plus(1_000);
    house.leave(viewers[1]);
    house.wait(0);
    house.check(ada, &["viewer_2 left"]);
}

#[test]
fn a_number_that_begins_to_edit_gets_a_name() {
    let (mut house, ada, _) = crowd();
    let late = house.join(guest("late").viewing());
    let editing = house.join(guest("late"));
    house.check(ada, &["late joined"]);
    house.leave(late);
    house.check(ada, &[]);
    assert_eq!(
        house.room.presence().counts,
        PresenceCounts { total_editors: 2, total_viewers: 199, unlisted_viewers: 0 }
    );
    house.leave(editing);
    house.check(ada, &["late left"]);
}

#[test]
fn lists_have_those_who_edit_first_and_200_at_most() {
    let (mut house, _, _) = crowd();
    for number in 0..30 {
        house.join(guest(&format!("z_{number:02}")));
    }
    let Presence { listed, counts } = house.room.presence();
    assert_eq!(listed.len(), 200);
    assert_eq!(counts.total_editors, 31);
    let editors: Vec<&str> = listed[..31].iter().map(|(user, _)| &*user.user_id).collect();
    assert_eq!((editors[0], editors[30]), ("ada", "z_29"));
    assert!(listed[31..].iter().all(|(user, _)| user.user_id.starts_with("viewer_")));
}

#[test]
fn an_editor_is_listed_once_with_the_place_of_the_connection_used_last() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let (first, second) = (house.settle(guest("ada")), house.settle(guest("ada")));
    let check = |house: &mut House, expected: u64| {
        let ben = house.join(guest("ben").viewing());
        house.sync();
        let state = &house.read(ben)[0];
        let editors = state["payload"]["active_editors"].as_array().unwrap().clone();
        assert_eq!(editors.len(), 1);
        assert_eq!(editors[0]["cursor_position"], expected);
        house.leave(ben);
    };
    house.say(first, message("cursor.position", json!({"position": 3})));
    house.now = house.now.plus(10);
    house.say(second, message("cursor.position", json!({"position": 5})));
    check(&mut house, 5);
    house.now = house.now.plus(10);
    house.say(first, insert(9, "x"));
    check(&mut house, 3);
    // A heartbeat is the client's doing, not the user's.
    house.now = house.now.plus(10);
    house.say(second, message("system.heartbeat", json!({})));
    check(&mut house, 3);
}

#[test]
fn the_palette_is_fixed_by_the_user() {
    assert_eq!(palette_color("user_123"), palette_color("user_123"));
    let colors: std::collections::HashSet<_> = (0..100).map(|user| palette_color(&user.to_string())).collect();
    assert_eq!(colors.len(), 12);
}

//! `joined` and `left`: once for each user, however many connections.

use jddb_core::room::{MemberKey, palette_color};
use serde_json::json;

use crate::rng::{Rng, for_seeds};
use crate::support::{House, brief, guest, insert, message};

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
fn each_transition_is_told_once() {
    for_seeds(200, |seed| {
        let mut rng = Rng(seed);
        let mut house = House::new();
        let watcher = house.settle(guest("watcher"));
        let mut here: Vec<(usize, MemberKey)> = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..60 {
            if rng.one_in(2) || here.is_empty() {
                let user = rng.below(4);
                if here.iter().all(|(other, _)| *other != user) {
                    expected.push(format!("user_{user} joined"));
                }
                let mut joining = guest(&format!("user_{user}"));
                joining = if rng.one_in(2) { joining.viewing() } else { joining };
                here.push((user, house.join(joining)));
            } else {
                let (user, key) = here.swap_remove(rng.below(here.len()));
                house.leave(key);
                if here.iter().all(|(other, _)| *other != user) {
                    expected.push(format!("user_{user} left"));
                }
            }
        }
        let seen: Vec<String> = house.read(watcher).iter().map(brief).collect();
        assert_eq!(seen, expected);
    });
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

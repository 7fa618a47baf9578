//! Presence by HTTP beside that of connections: told of, counted and listed alike, and over in time.

use std::collections::BTreeMap;

use jddb_core::protocol::{ErrorCode, PresenceUpdate};
use jddb_core::room::{MemberKey, Status};
use serde_json::{Value, json};

use crate::rng::{Rng, for_seeds};
use crate::support::{House, IDLE_AFTER_MS, Plan, VISIT_MS, brief, change, guest, insert, message};

const ACTIVE: PresenceUpdate =
    PresenceUpdate { is_active: true, current_document: None, cursor: None, selection: None, activity: None };
const IDLE: PresenceUpdate = PresenceUpdate { is_active: false, ..ACTIVE };

fn at(cursor: u64) -> PresenceUpdate {
    PresenceUpdate { cursor: Some(cursor), ..ACTIVE }
}

#[test]
fn a_visit_is_told_of_and_counted_as_a_connection_is() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let ada = house.settle(guest("ada"));
    let alone = json!({"updated": true, "broadcast_sent": true, "active_users_in_document": 2});
    assert_eq!(house.visit("ben", true, &ACTIVE).unwrap(), alone);
    house.check(ada, &["ben joined"]);
    let again = house.visit("ben", true, &ACTIVE).unwrap();
    assert_eq!(again["broadcast_sent"], false, "there was nothing to tell");
    house.visit("ben", true, &IDLE).unwrap();
    house.visit("ben", true, &IDLE).unwrap();
    house.check(ada, &["ben idle"]);
    house.visit("ben", true, &ACTIVE).unwrap();
    house.check(ada, &["ben active"]);
    // One who views, and is no connection to be told of.
    house.visit("cleo", false, &ACTIVE).unwrap();
    house.check(ada, &["cleo joined"]);
    let counts = house.room.presence().counts;
    assert_eq!((counts.total_editors, counts.total_viewers, house.room.member_count()), (2, 1, 1));
    assert!(!house.room.is_idle());
    assert!(house.end_visit("cleo"));
    assert!(!house.end_visit("cleo"));
    house.check(ada, &["cleo left"]);
    house.wait(VISIT_MS - 1);
    house.check(ada, &[]);
    house.wait(1);
    house.check(ada, &["ben left"]);
    house.leave(ada);
    assert!(house.room.is_idle());
}

#[test]
fn a_room_with_a_visitor_is_not_forgotten() {
    let mut house = House::holding(&[("body", "x")]);
    assert!(house.room.is_idle());
    let nobody = json!({"updated": true, "broadcast_sent": false, "active_users_in_document": 1});
    assert_eq!(house.visit("ben", true, &at(1)).unwrap(), nobody);
    assert!(!house.room.is_idle());
    house.wait(VISIT_MS);
    assert!(house.room.is_idle());
}

#[test]
fn a_visit_takes_no_place_among_the_editors() {
    let limits = jddb_core::protocol::outbound::Limits { document_editors: 1, ..crate::support::LIMITS };
    let mut house = House::with(Plan { limits, ..Plan::default() });
    house.visit("ben", true, &ACTIVE).unwrap();
    house.join(guest("ada"));
    house.visit("cleo", true, &ACTIVE).unwrap();
    let ben = house.try_join(guest("ben")).unwrap_err();
    assert_eq!(ben.code, ErrorCode::RateLimitExceeded, "by his visit ben edits, but has no place");
    assert_eq!(house.room.presence().counts.total_editors, 3);
}

#[test]
fn cursors_of_visitors_are_shown_and_move_with_the_text() {
    let mut house = House::holding(&[("intro", "0123456789"), ("body", "abcdef")]);
    let ada = house.settle(guest("ada"));
    let update = PresenceUpdate { selection: Some((10, 14)), ..at(14) };
    assert_eq!(house.visit("ben", true, &update).unwrap()["broadcast_sent"], true);
    let told = house.read(ada);
    let kinds: Vec<&str> = told.iter().map(|told| told["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user.presence", "cursor.position", "selection.change"]);
    assert_eq!(told[1]["payload"]["section"], "body");
    assert_eq!((&told[1]["payload"]["position"], &told[1]["metadata"]["user_id"]), (&json!(4), &json!("ben")));
    assert_eq!(told[2]["payload"]["section"], "intro", "at a seam the earliest section wins");

    house.say(ada, change(json!({"operation": "insert", "position": 1, "content": "__", "section": "body"})));
    let entry = |house: &mut House| {
        let presence = house.presence();
        let users = presence["active_users"].as_array().unwrap().clone();
        users.into_iter().find(|user| user["user_id"] == "ben").unwrap()
    };
    let ben = entry(&mut house);
    assert_eq!((&ben["cursor_position"], &ben["section_position"]), (&json!(16), &json!(6)), "{ben}");
    // What he posts moves his own cursor as his own: it comes to stand behind.
    let caller = jddb_core::room::Caller {
        user_id: "ben",
        is_admin: false,
        encoding: jddb_core::ids::PositionEncoding::Utf16,
        idempotency_key: None,
        if_match: None,
    };
    let body = json!({"changes": [{"operation": "insert", "position": 6, "content": "!", "section": "body"}]});
    house.post(1, caller, &body).unwrap();
    house.sync();
    house.answers();
    assert_eq!(entry(&mut house)["section_position"], 7);
    // What is left out is no longer shown.
    house.visit("ben", true, &ACTIVE).unwrap();
    assert_eq!((&entry(&mut house)["cursor_position"], &entry(&mut house)["selection"]), (&Value::Null, &Value::Null));
}

#[test]
fn places_have_to_be_in_the_text() {
    let mut house = House::holding(&[("body", "ab\u{1F600}c")]);
    let refused = |house: &mut House, update: &PresenceUpdate, field: &str| {
        let error = house.visit("ben", true, update).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidPosition, Some(field)));
        assert!(error.expected.unwrap().contains("0 to 5"));
        assert_eq!(house.room.presence().listed.len(), 0, "nothing was changed");
    };
    refused(&mut house, &at(6), "cursor_position");
    refused(&mut house, &PresenceUpdate { selection: Some((0, 6)), ..ACTIVE }, "selection.end");
    refused(&mut house, &PresenceUpdate { selection: Some((6, 7)), ..ACTIVE }, "selection.start");
    house.visit("ben", true, &at(5)).unwrap();
    assert_eq!(house.presence()["active_users"][0]["cursor_position"], 5);
    // Without a base version a place inside of a character moves left.
    house.visit("ben", true, &at(3)).unwrap();
    assert_eq!(house.presence()["active_users"][0]["cursor_position"], 2);
    let mut empty = House::new();
    empty.visit("ben", true, &at(0)).unwrap();
    assert_eq!(empty.presence()["active_users"][0]["cursor_position"], Value::Null, "there is no text to be in");
}

#[test]
fn whoever_is_here_twice_is_listed_once_with_what_they_used_last() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let ada = house.settle(guest("ada"));
    house.say(ada, message("cursor.position", json!({"position": 3})));
    house.now = house.now.plus(10);
    let editing = PresenceUpdate { activity: Some("editing".into()), ..at(7) };
    house.visit("ada", false, &editing).unwrap();
    house.visit("zoe", false, &ACTIVE).unwrap();
    let presence = house.presence();
    let users = presence["active_users"].as_array().unwrap();
    let expected = json!({
        "user_id": "ada", "display_name": "ADA", "avatar_url": "https://avatars.example.com/ada.jpg",
        "status": "active", "cursor_position": 7, "selection": null, "last_activity": "2025-09-21T12:45:30.133Z",
        "color": "#51cf66", "role": "editor", "activity": "editing", "section": "body", "section_position": 7,
    });
    assert_eq!((users.len(), &users[0]), (2, &expected));
    assert_eq!((&users[1]["role"], &presence["total_editors"]), (&json!("viewer"), &json!(1)));
    house.now = house.now.plus(10);
    house.say(ada, insert(0, "x"));
    let users = house.presence()["active_users"].clone();
    assert_eq!((&users[0]["cursor_position"], users[0].get("activity")), (&json!(4), None));
    // The visit goes first, and nobody is told: ada is here.
    house.read(ada);
    let ben = house.settle(guest("ben"));
    assert!(!house.end_visit("ada"));
    house.leave(ada);
    house.check(ben, &["ada left"]);
}

#[test]
fn a_visit_that_was_overtaken_changes_nothing() {
    let mut house = House::holding(&[("body", "0123456789")]);
    house.visit("ben", true, &at(7)).unwrap();
    assert!(!house.room.end_visit(house.now, "ben", 0), "it is an earlier one that is over");
    assert_eq!(house.presence()["active_users"][0]["cursor_position"], 7);
}

#[test]
fn a_wall_clock_that_is_set_keeps_nobody_here_and_sends_nobody_away() {
    const HOUR_MS: i64 = 3_600_000;
    for by in [-24 * HOUR_MS, -HOUR_MS, -1, 1, HOUR_MS, 24 * HOUR_MS] {
        let mut house = House::new();
        let ada = house.settle(guest("ada"));
        house.visit("ben", true, &ACTIVE).unwrap();
        house.join(guest("cleo"));
        house.check(ada, &["ben joined", "cleo joined"]);
        house.set_clock(by);
        house.wait(VISIT_MS - 1);
        house.check(ada, &[]);
        house.wait(1);
        house.check(ada, &["ben left"]);
        house.wait(IDLE_AFTER_MS - VISIT_MS - 1);
        house.check(ada, &[]);
        house.wait(1);
        house.check(ada, &["cleo idle"]);
    }
}

/// What happens between a jump of the wall clock and the next second that is counted has a time that is not right by a second
/// at most.
#[test]
fn what_happens_right_after_the_wall_clock_was_set_is_no_exception() {
    const TICK_MS: u64 = 1_000;
    for by in [-86_400_000, 86_400_000] {
        let mut house = House::new();
        let ada = house.settle(guest("ada"));
        house.now = house.now.plus(TICK_MS - 1);
        house.set_clock(by);
        house.visit("ben", true, &ACTIVE).unwrap();
        house.say(ada, message("cursor.position", json!({"position": 0})));
        let cleo = house.settle(guest("cleo"));
        house.wait(1);
        house.check(ada, &[]);
        house.wait(VISIT_MS - TICK_MS - 1);
        house.check(ada, &[]);
        house.wait(2 * TICK_MS);
        house.check(ada, &["ben left"]);
        house.wait(IDLE_AFTER_MS - VISIT_MS - 2 * TICK_MS);
        house.check(ada, &[]);
        house.wait(2 * TICK_MS);
        house.check(cleo, &["ben left", "ada idle"]);
    }
}

/// Users by the ways in which they are here, the slow way.
#[derive(Default)]
struct Naive {
    /// User, connection, whether it edits, when something was done on it.
    connections: Vec<(usize, MemberKey, bool, u64)>,
    /// By user: whether it edits, when something was done, when it is over.
    visits: BTreeMap<usize, (bool, u64, u64)>,
    idle: Vec<usize>,
    /// When users did something whose way of being here is gone, but who are still here.
    remembered: BTreeMap<usize, u64>,
    told: Vec<String>,
}

impl Naive {
    fn is_connected(&self, user: usize) -> bool {
        self.connections.iter().any(|(other, ..)| *other == user)
    }

    fn is_here(&self, user: usize) -> bool {
        self.is_connected(user) || self.visits.contains_key(&user)
    }

    fn edits(&self, user: usize) -> bool {
        let connected = self.connections.iter().any(|(other, _, edits, _)| *other == user && *edits);
        connected || self.visits.get(&user).is_some_and(|(edits, ..)| *edits)
    }

    fn tell(&mut self, user: usize, status: &str) {
        self.told.push(format!("user_{user} {status}"));
    }

    fn wake(&mut self, user: usize) {
        if self.idle.contains(&user) {
            self.idle.retain(|idle| *idle != user);
            self.tell(user, "active");
        }
    }

    fn come(&mut self, user: usize) {
        if self.is_here(user) { self.wake(user) } else { self.tell(user, "joined") }
    }

    fn gone(&mut self, user: usize, last: u64) {
        if self.is_here(user) {
            let remembered = self.remembered.entry(user).or_default();
            *remembered = last.max(*remembered);
        } else {
            self.idle.retain(|idle| *idle != user);
            self.remembered.remove(&user);
            self.tell(user, "left");
        }
    }

    fn last(&self, user: usize) -> u64 {
        let on = self.connections.iter().filter(|(other, ..)| *other == user).map(|(.., at)| *at);
        let by = self.visits.get(&user).map(|(_, at, _)| *at);
        on.chain(by).chain(self.remembered.get(&user).copied()).max().unwrap()
    }

    fn visit(&mut self, now: u64, user: usize, edits: bool, acts: bool) {
        let before = self.visits.get(&user).copied();
        if acts || !self.is_here(user) {
            self.come(user);
        }
        let at = before.map_or(now, |(_, at, _)| if acts { now } else { at });
        // A visit that begins is something done by who comes with it; on top of a connection it is not, unless it acts.
        let at = if !acts && before.is_none() && self.is_connected(user) { 0 } else { at };
        self.visits.insert(user, (edits, at, now + VISIT_MS));
        if !acts && !self.is_connected(user) && !self.idle.contains(&user) {
            self.idle.push(user);
            self.tell(user, "idle");
        }
    }

    fn tick(&mut self, now: u64) {
        let over: Vec<usize> = self.visits.iter().filter(|(_, visit)| visit.2 <= now).map(|(user, _)| *user).collect();
        for user in over {
            let (_, at, _) = self.visits.remove(&user).unwrap();
            self.gone(user, at);
        }
        for user in 0..4 {
            if self.is_here(user) && now - self.last(user) >= IDLE_AFTER_MS && !self.idle.contains(&user) {
                self.idle.push(user);
                self.tell(user, "idle");
            }
        }
    }
}

#[test]
fn each_transition_is_told_once_however_somebody_is_here() {
    for_seeds(400, |seed| {
        let mut rng = Rng(seed);
        let mut house = House::new();
        let watcher = house.settle(guest("watcher"));
        let mut naive = Naive::default();
        for _ in 0..120 {
            let now = house.steady_ms();
            let user = rng.below(4);
            let name = format!("user_{user}");
            let edits = rng.one_in(2);
            match rng.below(8) {
                0 | 1 => {
                    naive.come(user);
                    let joining = if edits { guest(&name) } else { guest(&name).viewing() };
                    naive.connections.push((user, house.join(joining), edits, now));
                }
                2 if !naive.connections.is_empty() => {
                    let (user, key, _, last) = naive.connections.swap_remove(rng.below(naive.connections.len()));
                    house.leave(key);
                    naive.gone(user, last);
                }
                3 if !naive.connections.is_empty() => {
                    let chosen = rng.below(naive.connections.len());
                    let (user, key, _, last) = &mut naive.connections[chosen];
                    *last = now;
                    let (user, key) = (*user, *key);
                    naive.wake(user);
                    house.say(key, message("document.join", json!({})));
                    // Neither of these is the user's doing.
                    house.say(key, message("system.heartbeat", json!({})));
                    house.say(key, message("sync.request", json!({})));
                }
                4 | 5 => {
                    let acts = rng.one_in(2);
                    house.visit(&name, edits, if acts { &ACTIVE } else { &IDLE }).unwrap();
                    naive.visit(now, user, edits, acts);
                }
                6 => {
                    house.end_visit(&name);
                    if let Some((_, at, _)) = naive.visits.remove(&user) {
                        naive.gone(user, at);
                    }
                }
                7 if rng.one_in(3) => {
                    // The next tick comes before anything else does.
                    house.set_clock(rng.below(200_000_000) as i64 - 100_000_000);
                    house.wait(0);
                }
                _ => {
                    house.wait(rng.below(40_000) as u64);
                    naive.tick(house.steady_ms());
                }
            }
            let counts = house.room.presence_counts();
            let here: Vec<usize> = (0..4).filter(|user| naive.is_here(*user)).collect();
            let editors = here.iter().filter(|user| naive.edits(**user)).count();
            assert_eq!(
                (counts.total_editors, counts.total_viewers),
                (editors + 1, here.len() - editors),
                "seed {seed}"
            );
        }
        house.sync();
        let seen: Vec<String> = house.read(watcher).iter().map(brief).collect();
        assert_eq!(seen, naive.told, "seed {seed}");
        for (user, status) in house.room.presence().listed {
            let Some(number) = user.user_id.strip_prefix("user_").map(|number| number.parse().unwrap()) else {
                continue;
            };
            assert_eq!(status == Status::Idle, naive.idle.contains(&number), "seed {seed}");
        }
        let presence = house.presence();
        let listed = presence["active_users"].as_array().unwrap().len() as u64;
        assert_eq!(presence["total_editors"].as_u64().unwrap() + presence["total_viewers"].as_u64().unwrap(), listed);
    });
}

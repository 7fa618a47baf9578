//! Who was not there, or reads too slowly, and is told afterwards what has become old.

use std::time::Duration;

use jddb_core::document::DocumentLimits;
use jddb_core::room::MemberKey;
use serde_json::{Value, json};

use super::stale::{Desk, sections, segments};
use super::{subscribe, translator};
use crate::support::{House, Plan, change, guest};

/// Somebody comes and says which version they know; what they are told is old, in one message at most.
fn come_back(house: &mut House, known: Value) -> (MemberKey, Option<Value>) {
    let key = house.settle(guest("ada").translating());
    house.say(key, subscribe(json!({"last_known_version": known})));
    house.sync();
    let mut told = house.read(key).into_iter();
    assert_eq!(told.next().unwrap()["type"], "translation.subscribed");
    let stale = told.next();
    assert_eq!((told.next(), stale.iter().all(|told| told["type"] == "translation.stale")), (None, true));
    (key, stale.map(|told| told["payload"].clone()))
}

#[test]
fn who_comes_back_is_told_what_has_become_old() {
    let mut desk = Desk::new();
    let known = desk.house.version();
    desk.house.leave(desk.ada);
    assert_eq!(come_back(&mut desk.house, json!(known)).1, None, "nothing has happened");
    desk.replace("a_en", "there", "near");
    desk.replace("a_fr", "Un est", "Le un est");
    desk.replace("a_en", "Three", "More.\nThree");
    desk.replace("a_en", "near", "far");
    let (ada, told) = come_back(&mut desk.house, json!(known));
    assert_eq!(segments(told.as_ref()), [["Two is there.", "Two is far.", "Deux est là."]]);
    assert_eq!(told.unwrap()["version"], desk.house.version());
    // That is as good as told in its turn.
    desk.ada = ada;
    desk.replace("a_en", "far", "gone");
    desk.check(&[]);
    // Who knows the newest has missed nothing, and who says nothing is told nothing.
    for known in [json!(desk.house.version()), Value::Null] {
        assert_eq!(come_back(&mut desk.house, known).1, None);
    }
    // A translation that was edited since is not old.
    desk.replace("a_fr", "Deux est là.", "Deux est parti.");
    assert_eq!(come_back(&mut desk.house, json!(known)).1, None);
    // Of a version that never was nobody knows what has happened since.
    let (_, told) = come_back(&mut desk.house, json!(1_000));
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, vec![["a_en", "a_fr"]]));
    desk.house.say(desk.ada, subscribe(json!({"last_known_version": "x"})));
    desk.house.sync();
    let told = desk.house.read(desk.ada);
    assert_eq!(told.last().unwrap()["payload"]["details"]["field"], "payload.last_known_version", "{told:?}");
}

/// Translations are found by the numbers that they had, whatever has come before them on both sides since.
#[test]
fn who_comes_back_after_both_sides_have_grown_is_told_of_the_right_sentence() {
    let mut desk = Desk::new();
    let known = desk.house.version();
    desk.house.leave(desk.ada);
    desk.replace("a_en", "One", "Zero.\nOne");
    desk.replace("a_fr", "Un est", "Zéro.\nUn est");
    desk.replace("a_en", "Three", "Four");
    let (_, told) = come_back(&mut desk.house, json!(known));
    assert_eq!(segments(told.as_ref()), [["Three follows.", "Four follows.", "Trois suit."]]);
    // And after one side has lost what it had come by.
    desk.replace("a_fr", "Zéro.\n", "");
    let (_, told) = come_back(&mut desk.house, json!(known));
    assert_eq!(segments(told.as_ref()), [["Three follows.", "Four follows.", "Trois suit."]]);
}

#[test]
fn what_is_no_longer_remembered_is_told_as_whole_sections() {
    let document = DocumentLimits { history_versions_max: 2, ..DocumentLimits::default() };
    let mut house = House::with(Plan { document, ..Plan::default() });
    house = house.filled(&[("a_en", "One."), ("a_fr", "Un."), ("b_en", "Two."), ("b_fr", "")]);
    let (known, ben) = (house.version(), house.settle(guest("ben")));
    let ada = translator(&mut house, json!({}));
    for _ in 0..20 {
        house.say(ben, change(json!({"operation": "insert", "section": "other", "position": 0, "content": "x"})));
    }
    let told = super::stale::stale(&mut house, ada);
    assert_eq!(sections(told.as_ref()), [["a_en", "a_fr"]]);
    let (_, told) = come_back(&mut house, json!(known));
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, vec![["a_en", "a_fr"]]));
}

#[test]
fn a_document_that_was_closed_in_between_tells_the_same() {
    let mut desk = Desk::new();
    let known = desk.house.version();
    desk.replace("a_en", "One", "It");
    desk.house.sync();
    desk.house.restart();
    let ben = desk.house.settle(guest("ben"));
    desk.ben = ben;
    desk.replace("a_en", "there", "near");
    let (ada, told) = come_back(&mut desk.house, json!(known));
    let expected = [["One is here.", "It is here.", "Un est ici."], ["Two is there.", "Two is near.", "Deux est là."]];
    assert_eq!(segments(told.as_ref()), expected);
    desk.ada = ada;
    desk.replace("a_en", "Three", "Four");
    desk.check(&[["Three follows.", "Four follows.", "Trois suit."]]);
}

/// Who does not read is not waited for: what waits for them is bounded, they are closed, and told when they come back.
#[test]
fn a_slow_reader_is_closed_and_told_afterwards() {
    const BOUND: usize = 4_000;
    const COUNT: usize = 60;
    let plan = Plan { outbound_bytes_max: BOUND, auto_save: Duration::ZERO, ..Plan::default() };
    let text = |word: &str| (0..COUNT).map(|index| format!("{word} {index:02}.\n")).collect::<String>();
    let mut house = House::with(plan).filled(&[("a_en", &text("Old")), ("a_fr", &text("Vieux"))]);
    let known = house.version();
    let (slow, ada) = (translator(&mut house, json!({})), translator(&mut house, json!({})));
    let ben = house.settle(guest("ben"));
    house.read_all();
    let mut most = 0;
    for index in 0..COUNT {
        let position = index * 8;
        let replace =
            json!({"operation": "replace", "section": "a_en", "position": position, "length": 3, "content": "New"});
        house.say(ben, change(replace));
        let now = house.now;
        house.room.follow_translations(now);
        house.block_all();
        let told = house.read(ada).into_iter().filter(|told| told["type"] == "translation.stale").count();
        assert_eq!(told, 1, "others are told meanwhile");
        house.read(ben);
        most = most.max(house.room.member(slow).unwrap().outbox().bytes());
    }
    assert!(house.room.member(slow).unwrap().outbox().is_closing() && most < 2 * BOUND, "{most}");
    let (_, told) = come_back(&mut house, json!(known));
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref()).len()), (COUNT, 0));
}

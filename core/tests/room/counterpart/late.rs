//! Answers that come late, and questions that are asked beside one another: each answer counts for its own question alone.

use jddb_core::protocol::ErrorCode;
use serde_json::json;

use super::stale::Desk;
use super::{EN, FR, Houses, refused};
use crate::bilingual::stale::segments;
use crate::bilingual::{cursor, found};
use crate::support::{change, guest};

#[test]
fn what_was_asked_before_she_subscribed_again_counts_for_nothing() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    houses.own.say(houses.ada, cursor("a", 0));
    houses.turn();
    let (number, reading) = houses.questions.pop_front().unwrap();
    let said = houses.other.room.read_counterpart(houses.other.now, &reading);
    houses.subscribed(json!({}));
    houses.give(number, Ok(said));
    assert_eq!((houses.questions.len(), houses.look_ups.len()), (1, 0), "that is asked anew");
    houses.drain();
    assert_eq!(houses.suggested().len(), 1);
    // The same of what is looked up.
    houses.own.say(houses.ada, cursor("a", 12));
    houses.turn();
    houses.answer();
    let (number, text) = houses.look_ups.pop_front().unwrap();
    houses.subscribed(json!({}));
    houses.answer();
    let work = houses.own.room.suggest_at_cursor(houses.own.now, houses.ada, number, Some((&[found(&text)], &[])));
    houses.take(work);
    assert!(houses.suggested().is_empty(), "that is looked up anew");
    houses.drain();
    assert_eq!(houses.suggested().len(), 1);
}

/// What is asked for the segment and of what has changed are different questions: one that fails leaves the other alone.
#[test]
fn a_question_that_fails_leaves_the_other_alone() {
    let mut desk = Desk::new();
    desk.houses.own.say(desk.houses.ada, cursor("a", 0));
    desk.houses.turn();
    desk.houses.answer();
    assert_eq!(desk.houses.look_ups.len(), 1);
    desk.wait();
    let (number, _) = desk.houses.questions.pop_front().unwrap();
    desk.houses.give(number, Err(refused(ErrorCode::CapacityExceeded)));
    desk.houses.find();
    assert_eq!(desk.houses.suggested()[0]["source_text"], "One is here.");
    desk.source("there", "near");
    desk.houses.own.say(desk.houses.ada, cursor("a", 12));
    desk.wait();
    assert_eq!(desk.houses.questions.len(), 2);
    let (number, _) = desk.houses.questions.pop_back().unwrap();
    desk.houses.give(number, Err(refused(ErrorCode::CapacityExceeded)));
    desk.houses.answer();
    assert_eq!(segments(desk.read().as_ref()), [["Two is there.", "Two is near.", "Deux est là."]]);
}

#[test]
fn the_segment_is_answered_while_it_is_asked_what_has_changed() {
    let mut desk = Desk::new();
    desk.wait();
    desk.houses.own.say(desk.houses.ada, cursor("a", 0));
    desk.houses.turn();
    assert_eq!(desk.houses.questions.len(), 2);
    desk.houses.questions.rotate_left(1);
    desk.houses.answer();
    assert_eq!(desk.houses.look_ups.len(), 1, "whatever else is asked");
}

/// A section may come to be whose name counts before that of one with the same text.
#[test]
fn the_same_text_in_another_section_is_told() {
    let mut houses = Houses::holding(&[("a_fr", FR)], &[("a_fr", EN)]).translating();
    houses.check("a_fr", 0, Some(("One is here.", "a_fr")));
    let eve = houses.other.settle(guest("eve"));
    houses.other.say(eve, change(json!({"operation": "insert", "section": "a_en", "position": 0, "content": EN})));
    houses.own.say(houses.ada, cursor("a_fr", 12));
    houses.turn();
    houses.check("a_fr", 0, Some(("One is here.", "a_en")));
}

/// What is new has no translation that could be old, but may be what is to be translated at the cursor.
#[test]
fn what_is_new_at_the_cursor_is_suggested_for() {
    let mut desk = Desk::new();
    desk.houses.own.say(desk.houses.ada, cursor("a", 0));
    desk.houses.drain();
    assert_eq!(desk.houses.suggested()[0]["source_text"], "One is here.");
    desk.source("One is here.", "Zero. One is here.");
    desk.wait();
    desk.houses.drain();
    assert_eq!(desk.houses.suggested()[0]["source_text"], "Zero.");
    desk.wait();
    desk.houses.answer();
    assert!(desk.houses.questions.is_empty(), "nothing has happened since");
}

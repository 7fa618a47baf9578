//! What becomes old by another document is told within seconds, and once.

use std::collections::BTreeSet;

use jddb_core::document::DocumentLimits;
use jddb_core::protocol::ErrorCode;
use jddb_core::room::{CHANGES_EVERY, CHANGES_OPEN_EVERY, Dialect, LINES_MAX, MemberKey, Reading, STALE_TOLD_MAX};
use serde_json::{Value, json};

use super::{EN, FR, Houses, OTHER, refused, subscribe};
use crate::bilingual::cursor;
use crate::bilingual::stale::{sections, segments};
use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, change, guest};

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// Somebody puts a text in the place of another one.
fn replace(house: &mut House, key: MemberKey, section: &str, from: &str, to: &str) {
    let text = house.sections().into_iter().find(|(name, _)| name == section).unwrap().1;
    let place = text.find(from).unwrap();
    let units = |text: &str| text.encode_utf16().count();
    let operation = json!({"operation": "replace", "section": section, "position": units(&text[..place]),
        "length": units(from), "content": to});
    house.say(key, change(operation));
}

/// Ada translates, and somebody edits each of the documents.
pub(super) struct Desk {
    pub(super) houses: Houses,
    ben: MemberKey,
    eve: MemberKey,
}

impl Desk {
    fn of(mut houses: Houses) -> Self {
        let (ben, eve) = (houses.own.settle(guest("ben")), houses.other.settle(guest("eve")));
        Self { houses, ben, eve }
    }

    pub(super) fn new() -> Self {
        Self::of(Houses::holding(&[("a", FR)], &[("a", EN)]).translating())
    }

    pub(super) fn source(&mut self, from: &str, to: &str) {
        replace(&mut self.houses.other, self.eve, "a", from, to);
    }

    fn translation(&mut self, from: &str, to: &str) {
        replace(&mut self.houses.own, self.ben, "a", from, to);
    }

    /// What Ada is told is old among what she reads.
    pub(super) fn read(&mut self) -> Option<Value> {
        let mut told = self.houses.told().into_iter().filter(|message| message["type"] == "translation.stale");
        let first = told.next().map(|message| message["payload"].clone());
        assert_eq!(told.next(), None, "one message an answer");
        first
    }

    /// It is time to ask what has changed.
    pub(super) fn wait(&mut self) {
        self.houses.own.wait(millis(CHANGES_EVERY));
        self.houses.turn();
    }

    /// What she is told when it is time to ask, and that was answered.
    fn stale(&mut self) -> Option<Value> {
        self.wait();
        self.houses.drain();
        self.read()
    }

    #[track_caller]
    fn check(&mut self, expected: &[[&str; 3]]) {
        assert_eq!(segments(self.stale().as_ref()), expected);
    }
}

#[test]
fn a_changed_source_is_told_once_until_its_translation_is_edited() {
    let mut desk = Desk::new();
    desk.check(&[]);
    desk.source("there", "near");
    let told = desk.stale().unwrap();
    let place = json!({"section": "a", "paragraph": 0, "sentence": 1, "start": 13, "end": 25,
        "document_id": OTHER, "version": desk.houses.other.version()});
    let target = json!({"section": "a", "paragraph": 0, "sentence": 1, "start": 12, "end": 24});
    assert_eq!((&told["segments"][0]["source"], &told["segments"][0]["target"]), (&place, &target), "{told}");
    assert_eq!(told["version"], desk.houses.own.version());
    assert_eq!(segments(Some(&told)), [["Two is there.", "Two is near.", "Deux est là."]]);
    // Once, whatever comes before it in its document and whoever else begins and ends there.
    desk.translation("Un est", "Certes, un est");
    let other = desk.houses.own.settle(guest("cy").translating());
    desk.houses.own.say(other, subscribe(json!({"counterpart": null})));
    desk.houses.own.leave(other);
    desk.translation("Certes, un", "Il est bien entendu que sans doute un");
    desk.source("near", "far");
    desk.check(&[]);
    // What was edited is to be told again.
    desk.translation("là", "loin");
    desk.check(&[]);
    desk.source("far", "gone");
    desk.check(&[["Two is far.", "Two is gone.", "Deux est loin."]]);
    // Case and spaces are nothing, nor is what is new or has no translation.
    desk.source("Three  follows".replace("  ", " ").as_str(), "three  follows");
    desk.source("One is here.", "One is here. Between.");
    desk.check(&[]);
    desk.source("three  follows.\n", "");
    let told = desk.stale().unwrap();
    assert_eq!(segments(Some(&told)), [["three  follows.", "-", "Trois"]]);
    assert_eq!(told["segments"][0]["source"], Value::Null);
}

#[test]
fn it_is_asked_every_so_often_and_nothing_is_missed_meanwhile() {
    let mut desk = Desk::new();
    let ask = |desk: &mut Desk, millis: u64| {
        desk.houses.own.wait(millis);
        desk.houses.turn();
        desk.houses.questions.len()
    };
    assert_eq!(ask(&mut desk, millis(CHANGES_EVERY) - 1_000), 0);
    assert_eq!(ask(&mut desk, 1_000), 1);
    for _ in 0..20 {
        assert_eq!(ask(&mut desk, 1_000), 1, "one question at a time");
    }
    desk.source("there", "near");
    // A question that fails is asked again, of all that has happened since.
    let (number, reading) = desk.houses.questions.pop_front().unwrap();
    desk.houses.give(number, Err(refused(ErrorCode::CapacityExceeded)));
    desk.source("here", "home");
    let said = desk.houses.other.room.read_counterpart(desk.houses.other.now, &reading);
    desk.houses.give(number, Ok(said));
    assert_eq!(desk.read(), None, "it was answered already");
    desk.check(&[["One is here.", "One is home.", "Un est ici."], ["Two is there.", "Two is near.", "Deux est là."]]);
    // It is not opened for that, but for once in a while.
    let mut opened = 0;
    for _ in 0..millis(CHANGES_OPEN_EVERY) / millis(CHANGES_EVERY) + 1 {
        assert_eq!(ask(&mut desk, millis(CHANGES_EVERY)), 1);
        let (number, reading) = desk.houses.questions.pop_front().unwrap();
        opened += u64::from(reading.of_closed().is_none());
        let said = reading
            .of_closed()
            .unwrap_or_else(|| desk.houses.other.room.read_counterpart(desk.houses.other.now, &reading));
        desk.houses.give(number, Ok(said));
    }
    assert_eq!(opened, 1);
    assert!(Reading::Sections.of_closed().is_none());
    // One that is no longer there, or may not be read, ends it.
    ask(&mut desk, millis(CHANGES_EVERY));
    let (number, _) = desk.houses.questions.pop_front().unwrap();
    desk.houses.told();
    desk.houses.give(number, Err(refused(ErrorCode::DocumentNotFound)));
    assert_eq!(desk.houses.told()[0]["type"], "translation.unsubscribed");
    assert_eq!(ask(&mut desk, 10 * millis(CHANGES_EVERY)), 0);
}

#[test]
fn what_cannot_be_said_is_told_as_whole_sections() {
    let document = DocumentLimits { history_versions_max: 2, ..DocumentLimits::default() };
    let other = House::with(Plan { document, ..Plan::default() }).filled(&[("a", EN), ("b", "Two.")]);
    let mut houses = Houses::holding(&[("a", FR), ("b", "")], &[("a", "")]);
    houses.other = other;
    let mut desk = Desk::of(houses.translating());
    for index in 0..20 {
        desk.source("One", &format!("One {index}"));
    }
    assert_eq!(sections(desk.stale().as_ref()), [["a", "a"]], "`b` has no translation");
    for index in 0..20 {
        desk.source("One", &format!("One {index}"));
    }
    assert_eq!(desk.stale(), None, "once");
    desk.translation("Un", "Le un");
    for index in 0..20 {
        desk.source("One", &format!("One {index}"));
    }
    assert_eq!(sections(desk.stale().as_ref()), [["a", "a"]]);
    // Too many sentences, too.
    let text = |word: &str| (0..=STALE_TOLD_MAX).map(|index| format!("{word} {index}.\n")).collect::<String>();
    let mut desk = Desk::of(Houses::holding(&[("a", &text("Un"))], &[("a", &text("One"))]).translating());
    for index in 0..=STALE_TOLD_MAX {
        desk.source(&format!("One {index}."), &format!("Two {index}."));
    }
    let told = desk.stale();
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, vec![["a", "a"]]));
}

#[test]
fn more_than_fits_into_a_message_is_told_as_whole_sections() {
    let text = |word: &str| (0..STALE_TOLD_MAX).map(|index| format!("{word} {index}.\n")).collect::<String>();
    let other = [("a", &*text("One")), ("b", EN)];
    let mut desk = Desk::of(Houses::holding(&[("a", &text("Un")), ("b", FR)], &other).translating());
    for index in 0..STALE_TOLD_MAX {
        desk.source(&format!("One {index}."), &format!("Two {index}."));
    }
    replace(&mut desk.houses.other, desk.eve, "b", "there", "near");
    let told = desk.stale();
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (STALE_TOLD_MAX, vec![["b", "b"]]));
    // And where there are more lines than are followed.
    let lines = format!("Un.{}", "\n".repeat(LINES_MAX));
    let mut desk = Desk::of(Houses::holding(&[("a", &lines)], &[("a", EN)]).translating());
    desk.source("One", "It");
    let told = desk.stale();
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, vec![["a", "a"]]));
}

#[test]
fn who_comes_back_says_which_version_of_the_source_they_know() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]);
    let known = houses.other.version();
    let eve = houses.other.settle(guest("eve"));
    replace(&mut houses.other, eve, "a", "there", "near");
    assert_eq!(houses.subscribed(json!({"last_known_version": known}))["type"], "translation.subscribed");
    houses.own.wait(1_000);
    houses.drain();
    let told: Vec<Value> = houses.told().into_iter().filter(|told| told["type"] == "translation.stale").collect();
    assert_eq!(segments(Some(&told[0]["payload"])), [["Two is there.", "Two is near.", "Deux est là."]]);
    let newest = houses.other.version();
    assert_eq!(houses.subscribed(json!({"last_known_version": newest}))["type"], "translation.subscribed");
    houses.own.wait(1_000);
    houses.drain();
    assert!(houses.told().is_empty());
}

#[test]
fn what_has_come_to_be_at_the_cursor_is_suggested_for() {
    let mut desk = Desk::new();
    desk.houses.check("a", 13, Some(("Two is there.", "a")));
    desk.wait();
    desk.houses.answer();
    assert!(desk.houses.questions.is_empty(), "nothing has changed");
    desk.source("there", "near");
    desk.wait();
    desk.houses.drain();
    assert_eq!(desk.houses.suggested().last().unwrap()["source_text"], "Two is near.");
    desk.source("One", "It");
    desk.wait();
    desk.houses.drain();
    assert_eq!(desk.houses.suggested(), [] as [Value; 0], "it is the same text still");
    desk.houses.own.say(desk.houses.ada, cursor("a", 14));
    desk.houses.drain();
    assert_eq!(desk.houses.suggested(), [] as [Value; 0]);
}

/// Sentences are changed on both sides, and answers come late.
#[test]
fn each_old_translation_is_told_once_whatever_comes_when() {
    for_seeds(1_500, |seed| {
        const PARAGRAPHS: usize = 3;
        let mut rng = Rng(seed);
        let text =
            |word: &str| (0..PARAGRAPHS).map(|at| format!("{word} {at}a v0. {word} {at}b v0.\n")).collect::<String>();
        let dialect = Dialect::default();
        let mut houses = Houses::speaking(&[("a", &text("Fr"))], &[("a", &text("En"))], dialect.encoding);
        houses = houses.translating();
        let mut desk = Desk::of(houses);
        let name = |number: usize| format!("{}{}", number / 2, ["a", "b"][number % 2]);
        let (mut source, mut target, mut read) = ([0; 2 * PARAGRAPHS], [0; 2 * PARAGRAPHS], [0; 2 * PARAGRAPHS]);
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for step in 1..40 {
            let number = rng.below(2 * PARAGRAPHS);
            match rng.below(4) {
                0 | 1 => {
                    let from = format!("En {} v{}.", name(number), source[number]);
                    source[number] = if rng.one_in(4) { read[number] } else { step };
                    let to = format!("En {} v{}.", name(number), source[number]);
                    desk.source(&from, &to);
                }
                2 => {
                    let from = format!("{} v{}.", name(number), target[number]);
                    target[number] = step;
                    desk.translation(&format!("Fr {from}"), &format!("Fr {} v{step}.", name(number)));
                    told.remove(&number);
                }
                _ => {
                    desk.houses.own.wait(millis(CHANGES_EVERY));
                    desk.houses.turn();
                    let (question, reading) = desk.houses.questions.pop_front().unwrap();
                    let said = desk.houses.other.room.read_counterpart(desk.houses.other.now, &reading);
                    let now = source;
                    if rng.one_in(2) {
                        let from = format!("Fr {} v{}.", name(number), target[number]);
                        target[number] = 1_000 + step;
                        desk.translation(&from, &format!("Fr {} v{}.", name(number), target[number]));
                        told.remove(&number);
                        let from = format!("En {} v{}.", name(number), source[number]);
                        source[number] = 1_000 + step;
                        desk.source(&from, &format!("En {} v{}.", name(number), source[number]));
                    }
                    desk.houses.give(question, Ok(said));
                    let old = (0..2 * PARAGRAPHS).filter(|one| read[*one] != now[*one] && told.insert(*one));
                    let expected: Vec<[String; 3]> = old
                        .map(|one| {
                            let [before, after] = [read, now].map(|of| format!("En {} v{}.", name(one), of[one]));
                            [before, after, format!("Fr {} v{}.", name(one), target[one])]
                        })
                        .collect();
                    assert_eq!(segments(desk.read().as_ref()), expected, "step {step}");
                    read = now;
                }
            }
        }
    });
}

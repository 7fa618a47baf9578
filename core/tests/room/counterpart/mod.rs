//! Those who translate a document from another one: two rooms, and what goes to and fro between them, against segmenting both
//! texts anew.

mod late;
mod memory;
mod random;
mod stale;

use std::collections::VecDeque;

use jddb_core::document::DocumentLimits;
use jddb_core::ids::{DocumentId, PositionEncoding};
use jddb_core::protocol::{ErrorCode, InboundError, SECTION_PAIRS_MAX};
use jddb_core::room::{CounterpartRead, Dialect, LINES_MAX, MemberKey, READ_ALONG, Reading, TranslationRights, Work};
use jddb_core::translation::Context;
use serde_json::{Value, json};

use crate::bilingual::{cursor, found};
use crate::support::{House, Plan, change, guest, message};

const OTHER: &str = "jd-1-en";
const EN: &str = "One is here. Two is there.\n\nThree follows.\n";
const FR: &str = "Un est ici. Deux est là. Et plus.\nTrois";

/// A translation and the document that it is one of, which are on two cores.
struct Houses {
    own: House,
    other: House,
    ada: MemberKey,
    questions: VecDeque<(u64, Reading)>,
    look_ups: VecDeque<(u64, String)>,
    /// What is around the text that was to be looked up last.
    context: Option<Context>,
}

fn subscribe(payload: Value) -> String {
    let mut whole = json!({"source_language": "en", "target_language": "fr", "counterpart": OTHER});
    payload.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
    json!({"type": "translation.subscribe", "payload": whole, "metadata": {"correlation_id": "m"}}).to_string()
}

impl Houses {
    fn holding(own: &[(&str, &str)], other: &[(&str, &str)]) -> Self {
        Self::speaking(own, other, PositionEncoding::Utf16)
    }

    fn speaking(own: &[(&str, &str)], other: &[(&str, &str)], encoding: PositionEncoding) -> Self {
        let (mut own, other) = (House::holding(own), House::holding(other));
        let ada = own.settle(guest("ada").translating().speaking(Dialect { encoding, over_document: false }));
        Self { own, other, ada, questions: VecDeque::new(), look_ups: VecDeque::new(), context: None }
    }

    /// Ada translates, and has read that she does.
    fn translating(mut self) -> Self {
        let told = self.subscribed(json!({}));
        assert_eq!(told["type"], "translation.subscribed", "{told}");
        self
    }

    /// What Ada is told when she subscribes, and the other document has been asked.
    fn subscribed(&mut self, payload: Value) -> Value {
        self.own.say(self.ada, subscribe(payload));
        self.turn();
        assert_eq!(self.questions.len(), 1, "one question");
        let told = self.told();
        assert!(told.is_empty(), "nothing before the other document has said something: {told:?}");
        self.answer();
        let mut told = self.told();
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    fn turn(&mut self) {
        let work = self.own.room.follow_translations(self.own.now);
        work.into_iter().for_each(|(_, work)| self.take(work));
    }

    fn take(&mut self, work: Vec<Work>) {
        for work in work {
            match work {
                Work::Read { number, document_id, reading } => {
                    assert_eq!(document_id.as_str(), OTHER);
                    self.questions.push_back((number, reading));
                }
                Work::Follow { number, body, .. } => {
                    assert_eq!(body.context.document_id.as_deref(), Some(OTHER));
                    self.context = Some(body.context);
                    self.look_ups.push_back((number, body.source_text.into_string()));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The other document answers the oldest question.
    fn answer(&mut self) {
        let Some((number, reading)) = self.questions.pop_front() else { return };
        let read = self.other.room.read_counterpart(self.other.now, &reading);
        self.other.sync();
        self.give(number, Ok(read));
    }

    fn give(&mut self, number: u64, read: Result<CounterpartRead, InboundError>) {
        let work = self.own.room.take_counterpart(self.own.now, self.ada, number, read);
        self.take(work);
    }

    /// The memory has found something for the oldest text.
    fn find(&mut self) {
        let Some((number, text)) = self.look_ups.pop_front() else { return };
        let found = [found(&text)];
        let work = self.own.room.suggest_at_cursor(self.own.now, self.ada, number, Some((&found, &[])));
        self.take(work);
    }

    /// All that is under way comes to its end.
    fn drain(&mut self) {
        self.turn();
        while !self.questions.is_empty() || !self.look_ups.is_empty() {
            self.answer();
            self.find();
        }
    }

    /// Whether the translation's room knows nothing for those who translate.
    fn keeps_nothing(&self) -> bool {
        !format!("{:?}", self.own.room).contains("Bilingual")
    }

    fn told(&mut self) -> Vec<Value> {
        self.own.sync();
        self.own.read(self.ada)
    }

    /// The suggestions among what Ada reads.
    fn suggested(&mut self) -> Vec<Value> {
        let told = self.told().into_iter().filter(|message| message["type"] == "translation.suggestion");
        told.map(|message| message["payload"].clone()).collect()
    }

    /// What Ada is told when her cursor is there, in short: the text, and the sections.
    fn check(&mut self, section: &str, position: usize, expected: Option<(&str, &str)>) {
        self.own.say(self.ada, cursor(section, position));
        self.drain();
        let told = self.suggested();
        let short = |told: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&told["source_text"]), text(&told["source"]["section"]))
        };
        let told: Vec<_> = told.iter().map(short).collect();
        let expected: Vec<_> = expected.iter().map(|(text, name)| (text.to_string(), name.to_string())).collect();
        assert_eq!(told, expected, "{section} {position}");
    }

    fn pairs(&mut self, payload: Value) -> Vec<(String, String)> {
        let told = self.subscribed(payload);
        let sections = told["payload"]["sections"].as_array().unwrap_or_else(|| panic!("{told}"));
        let name = |pair: &Value, side: &str| pair[side].as_str().unwrap().to_owned();
        sections.iter().map(|pair| (name(pair, "source"), name(pair, "target"))).collect()
    }
}

fn refused(code: ErrorCode) -> InboundError {
    let message = format!("{code:?}");
    InboundError { code, message, field: None, expected: None, correlation_id: None }.of_counterpart()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(source, target)| (source.to_string(), target.to_string())).collect()
}

#[test]
fn what_is_translated_from_where_is_told() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN), ("b_en", "x")]);
    let told = houses.subscribed(json!({"project_id": "hr"}));
    let pair = |source: &str, target: &str| json!({"source": source, "target": target});
    let payload = json!({"document_id": "jd_12345", "project_id": "hr", "source_language": "en", "target_language": "fr",
        "version": 1, "correlation_id": "m", "counterpart": {"document_id": OTHER, "version": 2},
        "sections": [pair("a", "a"), pair("b_en", "b_fr")]});
    assert_eq!((&told["type"], &told["payload"]), (&json!("translation.subscribed"), &payload));
    for (own, other, expected) in [
        // By the same name, by the languages, and both; what is there before what is to come.
        (&["a"][..], &["a", "b"][..], &[("a", "a"), ("b", "b")][..]),
        (&["a_fr", "b.FR"], &["a_en", "b.EN", "c-en"], &[("a_en", "a_fr"), ("b.EN", "b.FR"), ("c-en", "c-fr")]),
        (&["a_en"], &["a_en"], &[("a_en", "a_en")]),
        (&["a_fr", "a_en"], &["a_en"], &[("a_en", "a_fr")]),
        (&["a_fr"], &["a_fr"], &[("a_fr", "a_fr")]),
        (&["a_fr"], &["a_en", "a_fr"], &[("a_en", "a_fr")]),
        (&["a"], &[], &[]),
    ] {
        let filled = |names: &[&'static str]| names.iter().map(|name| (*name, "x")).collect::<Vec<_>>();
        let mut houses = Houses::holding(&filled(own), &filled(other));
        assert_eq!(houses.pairs(json!({})), pairs(expected), "{own:?} of {other:?}");
        // And that is what is asked.
        for (source, target) in expected.iter().filter(|(_, target)| own.contains(target)) {
            houses.check(target, 0, Some(("x", source)));
        }
        let is_target = |name: &&&str| expected.iter().any(|(_, target)| *target == **name);
        for name in own.iter().filter(|name| !is_target(name)) {
            houses.check(name, 0, None);
        }
    }
    // Who comes back from where nothing is translated is told anew.
    let mut houses = Houses::holding(&[("a_fr", "y"), ("a_en", "z")], &[("a_en", "x")]).translating();
    for (section, expected) in [("a_fr", Some(("x", "a_en"))), ("a_en", None), ("a_fr", Some(("x", "a_en")))] {
        houses.check(section, 0, expected);
    }
    let named = json!({"sections": [pair("b", "a"), pair("a", "b")]});
    let mut houses = Houses::holding(&[("a", "u"), ("b", "v"), ("c", "w")], &[("a", "x"), ("b", "y"), ("c", "z")]);
    assert_eq!(houses.pairs(named), pairs(&[("b", "a"), ("a", "b")]));
    houses.check("a", 0, Some(("y", "b")));
    houses.check("b", 0, Some(("x", "a")));
    houses.check("c", 0, None);
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    let error = |told: &Value| {
        assert_eq!(told["type"], "system.error", "{told}");
        let payload = &told["payload"];
        (payload["error_code"].clone(), payload["details"]["field"].clone(), payload["details"]["expected"].is_string())
    };
    for counterpart in [json!("jd_12345"), json!("a/b"), json!(7), json!("")] {
        houses.own.say(houses.ada, subscribe(json!({"counterpart": counterpart})));
        houses.turn();
        let told = houses.told();
        assert_eq!(error(&told[0]), (json!("VALIDATION_ERROR"), json!("payload.counterpart"), true));
    }
    let told = houses.subscribed(json!({"sections": [{"source": "nothing", "target": "a"}]}));
    assert_eq!(error(&told), (json!("VALIDATION_ERROR"), json!("payload.sections[0].source"), true));
    for (code, says) in
        [(ErrorCode::DocumentNotFound, true), (ErrorCode::Forbidden, true), (ErrorCode::CapacityExceeded, false)]
    {
        houses.own.say(houses.ada, subscribe(json!({})));
        houses.turn();
        let (number, _) = houses.questions.pop_front().unwrap();
        houses.give(number, Err(refused(code)));
        let told = houses.told();
        assert_eq!(error(&told[0]), (json!(code.name()), json!("payload.counterpart"), says));
        assert_eq!(told[0]["metadata"]["correlation_id"], json!("m"), "{told:?}");
    }
    // She translates as before.
    houses.check("a", 0, Some(("One is here.", "a")));
}

#[test]
fn who_waits_is_answered_by_what_they_asked_last() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]);
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.turn();
    houses.turn();
    assert_eq!(houses.questions.len(), 1, "it is asked once, however many turns pass");
    houses.own.say(houses.ada, subscribe(json!({"sections": [{"source": "nothing", "target": "a"}]})));
    houses.turn();
    houses.told();
    houses.answer();
    assert!(houses.told().is_empty(), "what was said to the message before is for nobody");
    houses.answer();
    let told = houses.told();
    assert_eq!(told[0]["payload"]["details"]["field"], "payload.sections[0].source", "{told:?}");
    assert!(houses.keeps_nothing());
}

#[test]
fn who_waits_for_another_document_may_do_something_else() {
    let mut houses = Houses::holding(&[("a", FR), ("b_en", EN)], &[("a", EN)]);
    let kinds = |told: Vec<Value>| -> Vec<String> {
        told.iter().map(|told| told["type"].as_str().unwrap().to_owned()).collect()
    };
    // The newest message counts.
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.turn();
    assert_eq!(houses.questions.len(), 1, "what was not asked yet need not be");
    houses.own.say(houses.ada, message("translation.request", json!({"source_text": "a"})));
    houses.answer();
    assert_eq!(kinds(houses.told()), ["translation.cancelled", "system.error", "translation.subscribed"]);
    houses.own.say(houses.ada, message("translation.unsubscribe", json!({})));
    houses.told();
    for (other, expected) in [
        (message("translation.unsubscribe", json!({})), &["translation.cancelled", "translation.unsubscribed"][..]),
        (subscribe(json!({"counterpart": null})), &["translation.cancelled", "translation.subscribed"]),
    ] {
        houses.own.say(houses.ada, subscribe(json!({})));
        houses.turn();
        houses.own.say(houses.ada, other);
        assert_eq!(kinds(houses.told()), expected);
        houses.answer();
        assert_eq!(kinds(houses.told()), [""; 0], "what comes too late is for nobody");
    }
    // A token without the scope ends the waiting, and so does going away.
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.turn();
    houses.own.renew(houses.ada, TranslationRights { reads: false, writes: false });
    assert_eq!(kinds(houses.told()), ["auth.refreshed", "translation.unsubscribed"]);
    houses.answer();
    assert_eq!(kinds(houses.told()), [""; 0]);
    houses.own.renew(houses.ada, TranslationRights { reads: true, writes: true });
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.turn();
    houses.own.leave(houses.ada);
    houses.answer();
    houses.turn();
    assert!(houses.look_ups.is_empty() && houses.questions.is_empty());
    assert!(houses.keeps_nothing());
}

#[test]
fn the_segment_with_the_same_number_is_suggested_for() {
    let mut houses = Houses::holding(&[("other", "1"), ("a", FR)], &[("first", "é"), ("a", EN)]).translating();
    houses.check("a", 3, Some(("One is here.", "a")));
    houses.own.say(houses.ada, cursor("a", 11));
    houses.turn();
    assert!(houses.questions.is_empty(), "it is the same segment");
    houses.check("a", 12, Some(("Two is there.", "a")));
    houses.check("a", 25, None);
    houses.check("a", 34, Some(("Three follows.", "a")));
    houses.check("other", 0, None);
    houses.check("a", 34, Some(("Three follows.", "a")));
    houses.own.say(houses.ada, cursor("a", 0));
    houses.drain();
    let told = houses.suggested().remove(0);
    let source = json!({"document_id": OTHER, "version": 2, "section": "a", "paragraph": 0, "sentence": 0, "start": 0,
        "end": 12, "document_start": 1, "document_end": 13});
    let target = json!({"section": "a", "paragraph": 0, "sentence": 0, "start": 0, "end": 11, "document_start": 1,
        "document_end": 12});
    assert_eq!((&told["source"], &told["target"]), (&source, &target), "{told}");
    assert_eq!((&told["document_id"], &told["version"]), (&json!("jd_12345"), &json!(2)));
    assert_eq!(told["suggestions"][0]["text"], "ONE IS HERE.");
    // Another sentence with the same text is another segment.
    let mut houses = Houses::holding(&[("a", FR)], &[("a", "Same. Same.")]).translating();
    houses.check("a", 0, Some(("Same.", "a")));
    houses.check("a", 12, Some(("Same.", "a")));
}

#[test]
fn the_memory_is_told_what_is_around_the_segment() {
    let mut houses = Houses::holding(&[("a_fr", FR)], &[("a_en", EN)]).translating();
    let [one, two] = ["One is here.", "Two is there."];
    for (position, previous, next) in [(0, None, Some(two)), (12, Some(one), None), (34, None, None)] {
        houses.own.say(houses.ada, cursor("a_fr", position));
        houses.drain();
        let Context { section, previous: before, next: after, .. } = houses.context.take().unwrap();
        assert_eq!((section.as_deref(), before.as_deref(), after.as_deref()), (Some("a_en"), previous, next));
    }
}

#[test]
fn one_question_is_asked_at_a_time() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    for round in 0..500 {
        houses.own.say(houses.ada, cursor("a", [0, 12, 34][round % 3]));
        houses.turn();
        assert_eq!((houses.questions.len(), houses.look_ups.len()), (1, 0));
    }
    // Of all of them the last place is asked, and told.
    houses.answer();
    assert_eq!((houses.questions.len(), houses.look_ups.len()), (1, 0));
    houses.answer();
    assert_eq!(houses.look_ups.front().unwrap().1, "Two is there.");
    houses.own.say(houses.ada, cursor("a", 0));
    houses.turn();
    assert_eq!((houses.questions.len(), houses.look_ups.len()), (0, 1), "nor while something is looked up");
    houses.find();
    assert!(houses.suggested().is_empty(), "that is the segment no longer");
    houses.own.say(houses.ada, cursor("a", 12));
    houses.drain();
    let told = houses.suggested();
    assert_eq!(told.last().unwrap()["source_text"], "Two is there.", "it was not told before");
}

#[test]
fn what_fails_is_asked_again_or_ends() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    houses.own.say(houses.ada, cursor("a", 0));
    houses.turn();
    let (number, _) = houses.questions.pop_front().unwrap();
    houses.give(number, Err(refused(ErrorCode::CapacityExceeded)));
    assert!(houses.told().is_empty() && houses.questions.is_empty(), "not again and again by itself");
    houses.check("a", 1, Some(("One is here.", "a")));
    houses.own.say(houses.ada, cursor("a", 12));
    houses.turn();
    houses.answer();
    let (number, _) = houses.look_ups.pop_front().unwrap();
    let work = houses.own.room.suggest_at_cursor(houses.own.now, houses.ada, number, None);
    houses.take(work);
    houses.check("a", 13, Some(("Two is there.", "a")));
    for code in [ErrorCode::DocumentNotFound, ErrorCode::Forbidden, ErrorCode::Unauthenticated] {
        let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
        houses.own.say(houses.ada, cursor("a", 0));
        houses.turn();
        let (number, _) = houses.questions.pop_front().unwrap();
        // An answer to another question ends nothing.
        houses.give(number + 1, Err(refused(code)));
        assert!(houses.told().is_empty());
        houses.give(number, Err(refused(code)));
        let told = houses.told();
        assert_eq!(told[0]["type"], "translation.unsubscribed", "{told:?}");
        assert_eq!(told[0]["payload"]["reason"], format!("{code:?}"));
        houses.check("a", 12, None);
    }
}

#[test]
fn a_new_token_may_be_for_other_documents() {
    let limit = |houses: &mut Houses, may_read: bool| {
        let check = |id: &DocumentId| {
            assert_eq!(id.as_str(), OTHER);
            may_read
        };
        let (now, ada) = (houses.own.now, houses.ada);
        houses.own.room.limit_counterpart(now, ada, check, || refused(ErrorCode::Forbidden));
        houses.told()
    };
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    assert_eq!(limit(&mut houses, true), [] as [Value; 0]);
    houses.own.say(houses.ada, cursor("a", 0));
    houses.turn();
    houses.answer();
    // What was read already is not told any more.
    assert_eq!(limit(&mut houses, false)[0]["type"], "translation.unsubscribed");
    houses.find();
    houses.drain();
    assert_eq!(houses.told(), [] as [Value; 0]);
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]);
    houses.own.say(houses.ada, subscribe(json!({})));
    houses.turn();
    assert_eq!(limit(&mut houses, true), [] as [Value; 0]);
    let told = limit(&mut houses, false);
    assert_eq!(told[0]["payload"]["error_code"], "FORBIDDEN", "{told:?}");
    assert_eq!(told[0]["metadata"]["correlation_id"], "m", "{told:?}");
    assert!(houses.keeps_nothing());
    houses.answer();
    assert_eq!(houses.told(), [] as [Value; 0]);
}

#[test]
fn what_is_read_is_durable_when_it_is_told_and_forgotten_in_time() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    houses.own.say(houses.ada, cursor("a", 0));
    houses.turn();
    let (_, reading) = houses.questions.pop_front().unwrap();
    let other = &mut houses.other;
    let ben = other.settle(guest("ben"));
    other.say(ben, change(json!({"operation": "insert", "section": "a", "position": 0, "content": "New. "})));
    other.turn();
    let read = other.room.read_counterpart(other.now, &reading);
    assert_eq!(read.version.0, 2);
    other.room.answer_counterpart(7, read.version);
    assert_eq!(other.room.take_answers().count(), 0, "not before that version is on the disk");
    other.commit();
    assert_eq!(other.room.take_answers().map(|answer| answer.request).collect::<Vec<_>>(), [7]);
    // Where paragraphs are is known as long as somebody asks, and for a while.
    let is_followed = |other: &House| format!("{:?}", other.room).contains("Bilingual");
    let wait = u64::try_from(READ_ALONG.as_millis()).unwrap();
    other.wait(1_000);
    for _ in 0..3 {
        other.wait(wait - 2_000);
        assert!(is_followed(other));
        other.room.read_counterpart(other.now, &reading);
    }
    other.wait(wait - 1_000);
    assert!(is_followed(other));
    other.wait(2_000);
    assert!(!is_followed(other));
}

#[test]
fn a_section_with_too_many_lines_has_no_segments() {
    let lines = "x\n".repeat(LINES_MAX);
    let mut houses = Houses::holding(&[("a", "y"), ("b", "z")], &[("a", &lines), ("b", "Fine.")]).translating();
    houses.check("a", 0, None);
    houses.check("b", 0, Some(("Fine.", "b")));
    let mut houses = Houses::holding(&[("a", &lines), ("b", "z")], &[("a", "y"), ("b", "Fine.")]).translating();
    houses.check("a", 0, None);
    houses.check("b", 0, Some(("Fine.", "b")));
    // Who comes back from there is told anew.
    houses.check("a", 0, None);
    houses.check("b", 0, Some(("Fine.", "b")));
}

#[test]
fn so_many_sections_are_pairs_and_no_more() {
    let names: Vec<String> = (0..=SECTION_PAIRS_MAX).map(|number| format!("s{number}")).collect();
    let sections: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "x")).collect();
    let document = DocumentLimits { sections_max: 2 * SECTION_PAIRS_MAX, ..DocumentLimits::default() };
    let mut houses = Houses::holding(&[("s0", "y")], &[("s0", "")]);
    houses.other = House::with(Plan { document, ..Plan::default() }).filled(&sections);
    let same: Vec<(&str, &str)> = names[..SECTION_PAIRS_MAX].iter().map(|name| (&**name, &**name)).collect();
    assert_eq!(houses.pairs(json!({})), pairs(&same));
}

//! Those who translate in a document: what they are told of the segment at their cursor, against segmenting it all anew.

mod conversing;
pub(crate) mod memory;
mod slow;
pub(crate) mod stale;
mod stale_missed;
mod stale_model;

use std::collections::HashMap;
use std::ops::Range;

use jddb_core::document::DocumentLimits;
use jddb_core::ids::PositionEncoding;
use jddb_core::room::{Caller, Dialect, LINES_MAX, MemberKey, PARAGRAPH_UNITS_MAX, TranslationRights, Work};
use jddb_core::translation::{Language, ProjectId, Suggestion, segments};
use serde_json::{Value, json};

use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, change, guest, message};

/// A number of a look-up, and its text.
type LookUp = (u64, String);

/// What is to be looked up for the segments at cursors, after a turn.
fn followed(house: &mut House) -> Vec<LookUp> {
    let work = house.room.follow_translations(house.now);
    work.into_iter().flat_map(|(_, work)| looked_up(work)).collect()
}

fn looked_up(work: Vec<Work>) -> Vec<LookUp> {
    let look_up = |work: Work| match work {
        Work::Follow { number, body, .. } => (number, body.source_text.into_string()),
        other => panic!("{other:?}"),
    };
    work.into_iter().map(look_up).collect()
}

pub(crate) fn found(text: &str) -> Suggestion {
    Suggestion {
        translation_id: "trans_1".to_owned(),
        translated_text: text.to_uppercase(),
        confidence: 0.95,
        match_type: "exact",
        similarity: None,
        source: "translation_memory",
        usage_count: 1,
        last_used: crate::support::START,
        contributors: vec!["ben".into()],
        context_match: false,
        explanation: None,
    }
}

/// A look-up has come to its end: what is to be looked up next.
fn answer(house: &mut House, key: MemberKey, look_up: &LookUp) -> Vec<LookUp> {
    let (number, text) = look_up;
    looked_up(house.room.suggest_at_cursor(house.now, key, *number, Some((&[found(text)], &[]))))
}

fn subscribe(payload: Value) -> String {
    let mut whole = json!({"source_language": "en", "target_language": "fr"});
    payload.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
    message("translation.subscribe", whole)
}

pub(crate) fn cursor(section: &str, position: usize) -> String {
    message("cursor.position", json!({"section": section, "position": position}))
}

/// Somebody who translates, and has read what they are answered.
fn translator(house: &mut House, payload: Value) -> MemberKey {
    let key = house.settle(guest("ada").translating());
    house.say(key, subscribe(payload));
    house.sync();
    let read = house.read(key);
    assert_eq!(read[0]["type"], "translation.subscribed", "{read:?}");
    key
}

/// The suggestions among what it reads: the text, where it is, and in which version.
fn suggested(house: &mut House, key: MemberKey) -> Vec<(String, Value, u64)> {
    house.sync();
    let told = house.read(key).into_iter().filter(|message| message["type"] == "translation.suggestion");
    let told = told.map(|message| {
        let payload = &message["payload"];
        let text = payload["source_text"].as_str().unwrap().to_owned();
        (text, payload["source"].clone(), payload["version"].as_u64().unwrap())
    });
    told.collect()
}

const EN: &str = "One is here. Two is there.\n\nThree follows.\n";
const FR: &str = "Un est ici. Deux est là.\nTrois";

#[test]
fn what_is_translated_where_is_told() {
    let mut house = House::holding(&[("a_en", EN), ("a_fr", FR), ("b-en", "x"), ("c", "y"), ("d", "z")]);
    let key = house.settle(guest("ada").translating());
    let told = |house: &mut House, message: String| {
        house.say(key, message);
        house.sync();
        let read = house.read(key).pop().unwrap();
        (read["type"].clone(), read["payload"].clone())
    };
    let (kind, payload) = told(&mut house, subscribe(json!({"project_id": "hr"})));
    let pair = |source: &str, target: &str| json!({"source": source, "target": target});
    assert_eq!(kind, "translation.subscribed");
    assert_eq!(payload["sections"], json!([pair("a_en", "a_fr"), pair("b-en", "b-fr")]), "one is to come");
    let rest = json!({"document_id": "jd_12345", "project_id": "hr", "source_language": "en", "target_language": "fr",
        "version": 5, "sections": payload["sections"]});
    assert_eq!(payload, rest);
    let (_, payload) = told(&mut house, subscribe(json!({"sections": [pair("c", "d")]})));
    assert_eq!(payload["sections"], json!([pair("c", "d")]));
    for (payload, field) in [
        (json!({"sections": [pair("c", "d"), pair("nothing", "a_en")]}), "payload.sections[1].source"),
        (json!({"sections": []}), "payload.sections"),
        (json!({"target_language": "en"}), "payload.target_language"),
        (json!({"source_language": null}), "payload.source_language"),
        (json!({"min_confidence": 2}), "payload.min_confidence"),
    ] {
        let (kind, error) = told(&mut house, subscribe(payload));
        assert_eq!((kind, &error["details"]["field"]), (json!("system.error"), &json!(field)), "{error}");
    }
    let (kind, _) = told(&mut house, message("translation.unsubscribe", json!({})));
    assert_eq!(kind, "translation.unsubscribed");
    for kind in ["translation.unsubscribe", "translation.batch.cancel"] {
        let (_, error) = told(&mut house, message(kind, json!({})));
        assert_eq!(error["error_code"], "UNKNOWN_MESSAGE_TYPE", "{error}");
    }
    house.say(key, cursor("a_en", 1));
    assert_eq!(followed(&mut house), []);
}

#[test]
fn who_subscribes_again_goes_on_with_another_project_and_other_languages() {
    let mut house = House::holding(&[("a_en", EN), ("a_fr", FR)]);
    let key = translator(&mut house, json!({"project_id": "hr"}));
    house.say(key, subscribe(json!({"project_id": "law", "source_language": "fr", "target_language": "en"})));
    house.say(key, message("translation.request", json!({"source_text": "Un"})));
    let work: Vec<Work> = house.room.follow_translations(house.now).into_iter().flat_map(|(_, work)| work).collect();
    let [Work::LookUp { pair, body, .. }] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!([pair.source(), pair.target()], [Language::FRENCH, Language::ENGLISH]);
    assert_eq!(body.project_id.as_ref().map(ProjectId::as_str), Some("law"));
}

#[test]
fn who_may_not_is_not_told() {
    let mut house = House::holding(&[("a_en", EN)]);
    let key = house.settle(guest("ben"));
    house.say(key, subscribe(json!({})));
    house.sync();
    assert_eq!(house.read(key)[0]["payload"]["error_code"], "FORBIDDEN");
    // Whose new token does not permit it is told no more.
    let ada = translator(&mut house, json!({}));
    house.say(ada, cursor("a_en", 1));
    let look_up = followed(&mut house).pop().unwrap();
    let rights = |reads, writes| TranslationRights { reads, writes };
    house.renew(ada, rights(true, false));
    house.say(ada, message("translation.submit", json!({"source_text": "a", "text": "b"})));
    house.sync();
    let told = house.read(ada);
    assert_eq!(told.last().unwrap()["payload"]["error_code"], "FORBIDDEN", "{told:?}");
    house.renew(ada, rights(false, true));
    house.sync();
    let told = house.read(ada);
    assert_eq!(told.last().unwrap()["type"], "translation.unsubscribed", "{told:?}");
    assert_eq!(answer(&mut house, ada, &look_up), []);
    assert_eq!(suggested(&mut house, ada), []);
    // Nor may they begin again, or do more than it permits.
    house.say(ada, subscribe(json!({})));
    house.sync();
    assert_eq!(house.read(ada)[0]["payload"]["error_code"], "FORBIDDEN");
    house.renew(ada, rights(true, false));
    house.say(ada, subscribe(json!({})));
    house.say(ada, message("translation.submit", json!({"source_text": "a", "text": "b"})));
    house.sync();
    let told = house.read(ada);
    assert_eq!(told.last().unwrap()["payload"]["error_code"], "FORBIDDEN", "{told:?}");
}

#[test]
fn the_segment_at_a_cursor_is_looked_up_once() {
    let mut house = House::holding(&[("a_en", EN), ("a_fr", FR)]);
    let key = translator(&mut house, json!({}));
    let check = |house: &mut House, section: &str, position: usize, expected: Option<&str>| {
        house.say(key, cursor(section, position));
        let work = followed(house);
        let texts: Vec<&str> = work.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, expected.into_iter().collect::<Vec<_>>(), "{section} {position}");
        work.first().into_iter().for_each(|look_up| assert_eq!(answer(house, key, look_up), []));
        let told = suggested(house, key);
        assert_eq!(told.len(), usize::from(expected.is_some()), "{told:?}");
    };
    check(&mut house, "a_en", 3, Some("One is here."));
    (0..=12).for_each(|position| check(&mut house, "a_en", position, None));
    check(&mut house, "a_en", 13, Some("Two is there."));
    // Nothing is there to be translated; and again.
    check(&mut house, "a_en", 27, None);
    check(&mut house, "a_en", 13, Some("Two is there."));
    check(&mut house, "a_fr", 14, None);
    check(&mut house, "a_fr", 2, Some("One is here."));
    check(&mut house, "a_fr", 27, Some("Three follows."));
    check(&mut house, "a_en", 30, None);
}

#[test]
fn another_segment_with_the_same_text_is_another_one() {
    let mut house = House::holding(&[("a_en", "Yes. Yes.")]);
    let key = translator(&mut house, json!({}));
    for position in [0, 5, 1] {
        house.say(key, cursor("a_en", position));
        let look_up = followed(&mut house).pop().unwrap();
        answer(&mut house, key, &look_up);
        let [(text, place, _)] = &suggested(&mut house, key)[..] else { panic!("one is told") };
        assert_eq!((text.as_str(), &place["sentence"]), ("Yes.", &json!(position / 5)));
    }
}

#[test]
fn the_newest_segment_wins_and_one_is_looked_up_at_a_time() {
    let mut house = House::holding(&[("a_en", EN), ("a_fr", FR)]);
    let key = translator(&mut house, json!({}));
    house.say(key, cursor("a_en", 3));
    let first = followed(&mut house);
    assert_eq!(first.len(), 1);
    // A burst of keys while that is under way.
    for (index, text) in ["Z", "w", "o"].into_iter().enumerate() {
        let insert = json!({"operation": "insert", "section": "a_en", "position": 13 + index, "content": text});
        house.say(key, change(insert));
        assert_eq!(followed(&mut house), []);
    }
    let next = answer(&mut house, key, &first[0]);
    assert_eq!(next.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["ZwoTwo is there."]);
    assert_eq!(suggested(&mut house, key), [], "of the first nothing is told");
    // What changes before it moves it, and is no reason to look it up again.
    let ben = house.settle(guest("ben"));
    house.say(ben, change(json!({"operation": "insert", "section": "a_en", "position": 0, "content": "Well. "})));
    assert_eq!(answer(&mut house, key, &next[0]), []);
    let told = suggested(&mut house, key);
    let place = json!({"section": "a_en", "paragraph": 0, "sentence": 2, "start": 19, "end": 35, "document_start": 19,
        "document_end": 35});
    assert_eq!(told, [("ZwoTwo is there.".to_owned(), place, house.version())]);
    assert_eq!(followed(&mut house), []);
    // One that has failed is looked up again when something happens.
    house.say(key, cursor("a_en", 1));
    let (number, _) = followed(&mut house)[0];
    assert_eq!(looked_up(house.room.suggest_at_cursor(house.now, key, number, None)), []);
    house.say(key, cursor("a_en", 1));
    assert_eq!(followed(&mut house).len(), 1);
}

#[test]
fn sections_that_come_later_and_those_that_are_too_large() {
    let mut house = House::holding(&[("a_fr", "")]);
    let key = translator(&mut house, json!({}));
    house.say(key, change(json!({"operation": "insert", "section": "a_en", "position": 0, "content": "New text"})));
    let look_up = followed(&mut house);
    assert_eq!(look_up[0].1, "New text");
    assert_eq!(answer(&mut house, key, &look_up[0]), []);
    let long = "x".repeat(PARAGRAPH_UNITS_MAX as usize);
    house.say(key, change(json!({"operation": "insert", "section": "a_en", "position": 8, "content": long})));
    assert_eq!(followed(&mut house), [], "a paragraph that is too long has no segments");
    house.say(key, change(json!({"operation": "delete", "section": "a_en", "position": 8, "length": long.len()})));
    assert_eq!(followed(&mut house).len(), 1);
    let mut house = House::holding(&[("a_en", "A"), ("b_en", "B")]);
    let key = translator(&mut house, json!({}));
    for _ in 0..4 {
        let lines = "\n".repeat(LINES_MAX / 4);
        house.say(key, change(json!({"operation": "insert", "section": "a_en", "position": 1, "content": lines})));
    }
    assert_eq!(followed(&mut house), [], "a section with too many lines is not followed");
    house.say(key, cursor("a_en", 0));
    assert_eq!(followed(&mut house), []);
    house.say(key, cursor("b_en", 0));
    assert_eq!(followed(&mut house)[0].1, "B");
}

/// A segment as it is found by segmenting a whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Naive {
    pub(crate) paragraph: usize,
    pub(crate) sentence: usize,
    /// In bytes.
    pub(crate) range: Range<usize>,
}

/// Where each line begins, with the paragraphs before it, and its segments.
fn naive_lines(text: &str) -> Vec<(usize, usize, Vec<Naive>)> {
    let (mut lines, mut start, mut paragraph) = (Vec::new(), 0, 0);
    const ENDS: [char; 2] = ['\n', '\u{2028}'];
    let last = (text.is_empty() || text.ends_with(ENDS)).then_some("");
    for line in text.split_inclusive(ENDS).chain(last) {
        let naive = |(sentence, place): (usize, Range<usize>)| Naive {
            paragraph,
            sentence,
            range: start + place.start..start + place.end,
        };
        let found: Vec<Naive> = segments(line).enumerate().map(naive).collect();
        let is_blank = found.is_empty();
        lines.push((start, paragraph, found));
        start += line.len();
        paragraph += usize::from(!is_blank);
    }
    lines
}

/// All segments of a text.
pub(crate) fn naive_segments(text: &str) -> Vec<Naive> {
    naive_lines(text).into_iter().flat_map(|(_, _, found)| found).collect()
}

/// The segment of `source` that somebody is told whose cursor is at a byte of it, or of its translation.
pub(crate) fn naive_at(source: &str, target: Option<&str>, at: usize) -> Option<Naive> {
    let lines = naive_lines(target.unwrap_or(source));
    let (_, paragraph, here) = lines.iter().rev().find(|(start, ..)| *start <= at)?;
    let sentence = here.iter().filter(|segment| segment.range.end < at).count();
    let of_source = match target {
        Some(_) => {
            naive_lines(source).into_iter().find(|(_, number, found)| number == paragraph && !found.is_empty())?.2
        }
        None => here.clone(),
    };
    let sentence = sentence.min(of_source.len().checked_sub(1)?);
    Some(of_source[sentence].clone())
}

const NAMES: [&str; 3] = ["a_en", "a_fr", "other"];

/// A run of random edits and cursor moves, with what the translator should be told.
struct Run {
    house: House,
    rng: Rng,
    ada: MemberKey,
    ben: MemberKey,
    encoding: PositionEncoding,
    /// The texts of each version.
    texts: HashMap<u64, Vec<String>>,
    /// Ada's cursor: the section, and a byte.
    cursor: Option<(usize, usize)>,
    open: Option<LookUp>,
    told: Option<(String, Value, u64)>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        // So few versions that there is more between two turns, sometimes.
        let history_versions_max = *rng.pick(&[2, 10_000]);
        let document = DocumentLimits { history_versions_max, ..DocumentLimits::default() };
        let plan = Plan { document, ..Plan::default() };
        let mut house = House::with(plan).filled(&[(NAMES[0], EN), (NAMES[1], FR), (NAMES[2], "x")]);
        let encoding = *rng.pick(&PositionEncoding::ALL);
        let ada = house.settle(guest("ada").translating().speaking(Dialect { encoding, over_document: false }));
        let ben = house.settle(guest("ben").speaking(Dialect { encoding, over_document: false }));
        house.say(ada, subscribe(json!({})));
        let mut run =
            Self { house, rng, ada, ben, encoding, texts: HashMap::new(), cursor: None, open: None, told: None };
        run.note();
        run
    }

    fn note(&mut self) {
        let texts = self.house.sections().into_iter().map(|(_, text)| text).collect();
        self.texts.insert(self.house.version(), texts);
    }

    fn text(&self, section: usize) -> &str {
        &self.texts[&self.house.version()][section]
    }

    /// A byte at which a character begins or the text ends.
    fn place(&mut self, section: usize) -> usize {
        let text = self.text(section).to_owned();
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        *self.rng.pick(&places)
    }

    fn words(&mut self) -> String {
        const PARTS: [&str; 10] = ["a", "B", ". ", ".", " ", "\n", "é ", "😀", "Dr. ", "\u{2028}"];
        (0..self.rng.below(4)).map(|_| *self.rng.pick(&PARTS)).collect()
    }

    /// What to replace by what, in bytes; one place or two that do not touch, in order.
    fn replacements(&mut self, section: usize) -> Vec<(Range<usize>, String)> {
        let mut places: Vec<usize> = (0..4).map(|_| self.place(section)).collect();
        places.sort_unstable();
        let range =
            |from: usize, to: usize, rng: &mut Rng| if to - from > 6 && !rng.one_in(6) { to..to } else { from..to };
        let ranges = [range(places[0], places[1], &mut self.rng), range(places[2], places[3], &mut self.rng)];
        let count = if ranges[0].end < ranges[1].start && self.rng.one_in(3) { 2 } else { 1 };
        ranges.into_iter().take(count).map(|range| (range, self.words())).collect()
    }

    /// Somebody replaces something, by a message or over HTTP.
    fn edit(&mut self) {
        let section = self.rng.below(NAMES.len());
        let text = self.text(section).to_owned();
        let replacements = self.replacements(section);
        let units = |part: &str| self.encoding.length_of(part);
        let change = |(range, content): &(Range<usize>, String)| {
            json!({"operation": "replace", "section": NAMES[section], "position": units(&text[..range.start]),
                "length": units(&text[range.clone()]), "content": content})
        };
        let changes: Vec<Value> = replacements.iter().map(change).collect();
        let body = json!({"base_version": self.house.version(), "changes": changes});
        let own = self.rng.one_in(2);
        if !own && self.rng.one_in(2) {
            let encoding = self.encoding;
            let caller = Caller { user_id: "cid", is_admin: false, encoding, idempotency_key: None, if_match: None };
            self.house.post(1, caller, &body).unwrap();
            self.house.answers();
        } else {
            let key = if own { self.ada } else { self.ben };
            self.house.say(key, message("document.change", body));
        }
        self.note();
        let mut shift = 0;
        for (range, content) in &replacements {
            let is_something = !range.is_empty() || !content.is_empty();
            let (from, to) = ((range.start as i64 + shift) as usize, (range.end as i64 + shift) as usize);
            let end = from + content.len();
            self.cursor = match self.cursor {
                _ if own && is_something => Some((section, end)),
                // What is put in at a cursor by others comes behind it.
                Some((at, place)) if at == section && place > from => Some((at, end + place.max(to) - to)),
                other => other,
            };
            shift += content.len() as i64 - range.len() as i64;
        }
    }

    fn move_cursor(&mut self) {
        let section = self.rng.below(NAMES.len());
        let place = self.place(section);
        let position = self.encoding.length_of(&self.text(section)[..place]);
        self.house.say(self.ada, cursor(NAMES[section], position));
        self.cursor = Some((section, place));
    }

    fn begin(&mut self, look_ups: Vec<LookUp>) {
        for look_up in look_ups {
            assert!(self.open.replace(look_up).is_none(), "one at a time");
        }
    }

    fn turn(&mut self) {
        let look_ups = followed(&mut self.house);
        self.begin(look_ups);
    }

    fn answer(&mut self) {
        let Some(look_up) = self.open.take() else { return };
        let next = answer(&mut self.house, self.ada, &look_up);
        self.begin(next);
        for told in suggested(&mut self.house, self.ada) {
            assert_eq!(told.2, self.house.version(), "no version but the newest");
            assert_eq!(Some(self.expected()), Some(Some((told.0.clone(), told.1.clone()))), "at {:?}", self.cursor);
            self.told = Some(told);
        }
    }

    /// The segment at the cursor, as it is told.
    fn expected(&self) -> Option<(String, Value)> {
        let (section, at) = self.cursor?;
        let texts = &self.texts[&self.house.version()];
        let target = (section == 1).then_some(&*texts[1]);
        let segment = if section == 2 { None } else { naive_at(&texts[0], target, at) }?;
        let units = |part: &str| self.encoding.length_of(part);
        let (start, end) = (units(&texts[0][..segment.range.start]), units(&texts[0][..segment.range.end]));
        let place = json!({"section": NAMES[0], "paragraph": segment.paragraph, "sentence": segment.sentence,
            "start": start, "end": end, "document_start": start, "document_end": end});
        Some((texts[0][segment.range].to_owned(), place))
    }

    fn run(mut self) {
        for _ in 0..self.rng.below(60) {
            match self.rng.below(8) {
                0..3 => self.edit(),
                3 | 4 => self.move_cursor(),
                5 | 6 => self.turn(),
                _ => self.answer(),
            }
        }
        self.turn();
        while self.open.is_some() {
            self.answer();
        }
        // In the end the last one that was told is the one at the cursor, wherever it is by now.
        if let Some((text, _)) = self.expected() {
            assert_eq!(self.told.map(|told| told.0), Some(text));
        }
    }
}

#[test]
fn what_is_told_is_what_segmenting_all_of_it_finds() {
    for_seeds(3_000, |seed| Run::new(seed).run());
}

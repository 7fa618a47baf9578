//! Random edits of both documents, and cursor moves between them, against segmenting whole texts.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use jddb_core::ids::PositionEncoding;
use jddb_core::room::{CounterpartRead, MemberKey};
use serde_json::{Value, json};

use super::{EN, FR, Houses};
use crate::bilingual::{Naive, cursor, naive_at, naive_segments};
use crate::rng::{Rng, for_seeds};
use crate::support::{House, change, guest};

const NAMES: [&str; 2] = ["a", "b"];

/// A run of random edits of both documents and cursor moves, where answers come when they come.
struct Run {
    houses: Houses,
    rng: Rng,
    encoding: PositionEncoding,
    ben: MemberKey,
    eve: MemberKey,
    /// The other document's texts in each version.
    texts: HashMap<u64, Vec<String>>,
    /// Ada's cursor: the section, and a byte.
    cursor: Option<(usize, usize)>,
    /// Answers that are on their way.
    answers: VecDeque<(u64, CounterpartRead)>,
    /// The version that was read last.
    read_at: Option<u64>,
    told: Option<Value>,
}

fn texts(house: &House) -> Vec<String> {
    house.sections().into_iter().map(|(_, text)| text).collect()
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let encoding = *rng.pick(&PositionEncoding::ALL);
        let sections = [(NAMES[0], FR), (NAMES[1], "x")];
        let mut houses = Houses::speaking(&sections, &[(NAMES[0], EN), (NAMES[1], "y")], encoding).translating();
        let ben = houses.own.settle(guest("ben"));
        let eve = houses.other.settle(guest("eve"));
        let texts = HashMap::from([(houses.other.version(), texts(&houses.other))]);
        Self {
            houses,
            rng,
            encoding,
            ben,
            eve,
            texts,
            cursor: None,
            answers: VecDeque::new(),
            read_at: None,
            told: None,
        }
    }

    fn words(&mut self) -> String {
        const PARTS: [&str; 9] = ["a", "B", ". ", ".", " ", "\n", "é ", "😀", "\u{2028}"];
        (0..self.rng.below(4)).map(|_| *self.rng.pick(&PARTS)).collect()
    }

    /// Two places in a text where characters begin, in order and not far from one another.
    fn range(&mut self, text: &str) -> Range<usize> {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (from, to) = (*self.rng.pick(&places), *self.rng.pick(&places));
        let (from, to) = (from.min(to), from.max(to));
        if to - from > 6 && !self.rng.one_in(6) { to..to } else { from..to }
    }

    fn replacement(
        &mut self,
        section: usize,
        text: &str,
        encoding: PositionEncoding,
    ) -> (Range<usize>, String, String) {
        let range = self.range(text);
        let content = self.words();
        let (before, gone) = (encoding.length_of(&text[..range.start]), encoding.length_of(&text[range.clone()]));
        let change = change(json!({"operation": "replace", "section": NAMES[section], "position": before,
            "length": gone, "content": content}));
        (range, content, change)
    }

    fn edit_own(&mut self) {
        let section = self.rng.below(2);
        let text = texts(&self.houses.own)[section].clone();
        let by_ada = self.rng.one_in(2);
        let (who, encoding) =
            if by_ada { (self.houses.ada, self.encoding) } else { (self.ben, PositionEncoding::Utf16) };
        let (range, content, change) = self.replacement(section, &text, encoding);
        self.houses.own.say(who, change);
        let end = range.start + content.len();
        self.cursor = match self.cursor {
            _ if by_ada && (!range.is_empty() || !content.is_empty()) => Some((section, end)),
            // What is put in at a cursor by others comes behind it.
            Some((at, place)) if at == section && place > range.start => {
                Some((at, end + place.max(range.end) - range.end))
            }
            other => other,
        };
    }

    fn edit_other(&mut self) {
        let section = self.rng.below(2);
        let text = texts(&self.houses.other)[section].clone();
        let (_, _, change) = self.replacement(section, &text, PositionEncoding::Utf16);
        self.houses.other.say(self.eve, change);
        self.texts.insert(self.houses.other.version(), texts(&self.houses.other));
    }

    fn move_cursor(&mut self) {
        let section = self.rng.below(2);
        let text = texts(&self.houses.own)[section].clone();
        let place = self.range(&text).start;
        self.houses.own.say(self.houses.ada, cursor(NAMES[section], self.encoding.length_of(&text[..place])));
        self.cursor = Some((section, place));
    }

    /// The other document reads, and what it says is on its way.
    fn read(&mut self) {
        let Some((number, reading)) = self.houses.questions.pop_front() else { return };
        let read = self.houses.other.room.read_counterpart(self.houses.other.now, &reading);
        self.houses.other.sync();
        self.answers.push_back((number, read));
    }

    fn arrive(&mut self) {
        let Some((number, read)) = self.answers.pop_front() else { return };
        self.read_at = Some(read.version.0);
        self.houses.give(number, Ok(read));
    }

    fn find(&mut self) {
        self.houses.find();
        for told in self.houses.suggested() {
            self.check(&told);
            self.told = Some(told);
        }
    }

    /// What is told is true of the versions it names, of both documents.
    fn check(&self, told: &Value) {
        let (source, target) = (&told["source"], &told["target"]);
        assert_eq!(told["version"], self.houses.own.version(), "no version but the newest");
        let version = source["version"].as_u64().unwrap();
        let (section, expected) = self.expected(version).expect("there is a segment at the cursor");
        let numbers = |segment: &Naive| (json!(segment.paragraph), json!(segment.sentence));
        let text = &self.texts[&version][section];
        assert_eq!(told["source_text"], text[expected.range.clone()], "{told}");
        assert_eq!((source["paragraph"].clone(), source["sentence"].clone()), numbers(&expected), "{told}");
        self.check_place(text, source, &expected.range);
        let own = &texts(&self.houses.own)[section];
        match naive_segments(own).into_iter().find(|segment| numbers(segment) == numbers(&expected)) {
            Some(segment) => self.check_place(own, target, &segment.range),
            None => assert!(target.is_null(), "{told}"),
        }
    }

    fn check_place(&self, text: &str, place: &Value, range: &Range<usize>) {
        let units = |end: usize| json!(self.encoding.length_of(&text[..end]));
        assert_eq!((&place["start"], &place["end"]), (&units(range.start), &units(range.end)), "{place}");
    }

    /// The segment of that version of the other document that has the number of the one at Ada's cursor, and its section.
    fn expected(&self, version: u64) -> Option<(usize, Naive)> {
        let (section, at) = self.cursor?;
        let own = &texts(&self.houses.own)[section];
        Some((section, naive_at(&self.texts[&version][section], Some(own), at)?))
    }

    fn run(mut self) {
        for _ in 0..self.rng.below(80) {
            match self.rng.below(10) {
                0 | 1 => self.edit_own(),
                2 | 3 => self.edit_other(),
                4 | 5 => self.move_cursor(),
                6 => self.houses.turn(),
                7 => self.read(),
                8 => self.arrive(),
                _ => self.find(),
            }
            let under_way = self.houses.questions.len() + self.houses.look_ups.len() + self.answers.len();
            assert!(under_way <= 1, "one thing at a time");
        }
        self.houses.turn();
        for _ in 0..8 {
            self.read();
            self.arrive();
            self.find();
        }
        assert!(self.houses.questions.is_empty() && self.houses.look_ups.is_empty() && self.answers.is_empty());
        // In the end the one at the cursor is told, as it was when the other document was asked last.
        let Some((section, expected)) = self.read_at.and_then(|version| self.expected(version)) else { return };
        let text = &self.texts[&self.read_at.unwrap()][section][expected.range.clone()];
        let told = self.told.expect("something was told");
        assert_eq!(told["source_text"], text);
        let numbers = (&told["source"]["paragraph"], &told["source"]["sentence"]);
        assert_eq!(numbers, (&json!(expected.paragraph), &json!(expected.sentence)));
    }
}

#[test]
fn what_is_told_is_true_of_both_documents() {
    for_seeds(3_000, |seed| Run::new(seed).run());
}

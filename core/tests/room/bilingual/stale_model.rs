//! What is told to be old after random edits in random turns, against whole texts of which each character knows where it was.

use std::collections::BTreeMap;
use std::ops::Range;

use jddb_core::document::DocumentLimits;
use jddb_core::ids::PositionEncoding;
use jddb_core::room::{Dialect, MemberKey};
use serde_json::{Value, json};

use super::stale::stale;
use super::{Naive, naive_lines, subscribe};
use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, guest, message};

const NAMES: [&str; 2] = ["a_en", "a_fr"];

/// A section as it was a turn ago and as it is; places are counted in characters.
#[derive(Default)]
struct Section {
    before: Vec<char>,
    /// Each with where it was, if it was there.
    now: Vec<(char, Option<usize>)>,
    /// What each edit touched of what was, and its version.
    touched: Vec<(usize, usize, u64)>,
}

/// What was touched together.
#[derive(Clone)]
struct Stretch {
    old: [usize; 2],
    new: Range<usize>,
    oldest: u64,
    newest: u64,
}

/// A sentence, its line, and where it is in characters.
#[derive(Clone)]
struct Found {
    line: usize,
    at: Naive,
    range: Range<usize>,
    text: String,
    folded: String,
}

fn found(text: &str) -> Vec<Found> {
    let of_line = |(line, (_, _, segments)): (usize, (usize, usize, Vec<Naive>))| {
        let found = segments.into_iter().map(move |at| {
            let range = text[..at.range.start].chars().count()..text[..at.range.end].chars().count();
            let text = text[at.range.clone()].to_owned();
            let folded = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
            Found { line, at, range, text, folded }
        });
        found.collect::<Vec<_>>()
    };
    naive_lines(text).into_iter().enumerate().flat_map(of_line).collect()
}

impl Section {
    fn holding(text: &str) -> Self {
        let mut section = Self { now: text.chars().map(|one| (one, None)).collect(), ..Self::default() };
        section.settle();
        section
    }

    fn text(&self) -> String {
        self.now.iter().map(|(one, _)| one).collect()
    }

    fn text_before(&self) -> String {
        self.before.iter().collect()
    }

    fn edit(&mut self, range: Range<usize>, content: &str, version: u64) {
        if range.is_empty() && content.is_empty() {
            return;
        }
        let was = |(_, was): &(char, Option<usize>)| *was;
        let low = self.now[..range.start].iter().rev().find_map(was).map_or(0, |was| was + 1);
        let high = self.now[range.end..].iter().find_map(was).unwrap_or(self.before.len());
        self.touched.push((low, high, version));
        self.now.splice(range, content.chars().map(|one| (one, None)));
    }

    /// A turn has come to its end.
    fn settle(&mut self) {
        self.before = self.now.iter().map(|(one, _)| *one).collect();
        self.now.iter_mut().enumerate().for_each(|(index, (_, was))| *was = Some(index));
        self.touched.clear();
    }

    /// Where a character is that was there.
    fn place(&self, was: usize) -> Option<usize> {
        self.now.iter().position(|(_, old)| *old == Some(was))
    }

    fn behind(&self, was: usize) -> usize {
        was.checked_sub(1).map_or(0, |was| self.place(was).unwrap() + 1)
    }

    fn before(&self, was: usize) -> usize {
        if was == self.before.len() { self.now.len() } else { self.place(was).unwrap() }
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut touched = self.touched.clone();
        touched.sort_unstable();
        let mut stretches: Vec<Stretch> = Vec::new();
        for (low, high, version) in touched {
            match stretches.last_mut().filter(|last| low <= last.old[1]) {
                Some(last) => {
                    last.old[1] = last.old[1].max(high);
                    (last.oldest, last.newest) = (last.oldest.min(version), last.newest.max(version));
                }
                None => stretches.push(Stretch { old: [low, high], new: 0..0, oldest: version, newest: version }),
            }
        }
        for stretch in &mut stretches {
            stretch.new = self.behind(stretch.old[0])..self.before(stretch.old[1]);
        }
        stretches
    }

    /// What was and what is, of the lines that were touched, where such lines follow one another.
    fn blocks(&self) -> Vec<[Vec<Found>; 2]> {
        let before = self.text_before();
        let starts: Vec<usize> =
            naive_lines(&before).iter().map(|(start, ..)| before[..*start].chars().count()).collect();
        let line = |place: usize| starts.iter().rposition(|start| *start <= place).unwrap();
        let mut lines: Vec<[usize; 2]> = Vec::new();
        for stretch in self.stretches() {
            let [first, last] = stretch.old.map(line);
            match lines.last_mut().filter(|lines| first <= lines[1] + 1) {
                Some(lines) => lines[1] = last,
                None => lines.push([first, last]),
            }
        }
        let (was, is) = (found(&before), found(&self.text()));
        let of = |[first, last]: &[usize; 2]| {
            let end = starts.get(last + 1).copied().unwrap_or(self.before.len());
            let new = self.behind(starts[*first])..self.before(end);
            let was = was.iter().filter(|one| (first..=last).contains(&&one.line)).cloned().collect();
            [was, is.iter().filter(|one| new.contains(&one.range.start)).cloned().collect()]
        };
        lines.iter().map(of).collect()
    }

    /// The sentences that have changed, and whether there is no way to see it otherwise.
    fn changed(&self) -> Vec<(Found, bool, u64)> {
        let stretches = self.stretches();
        let version = |range: &Range<usize>| {
            let touch = |one: &&Stretch| one.old[0] <= range.end && one.old[1] >= range.start;
            let newest = stretches.iter().filter(touch).map(|one| one.newest).max();
            newest.or_else(|| stretches.iter().map(|one| one.newest).max()).unwrap()
        };
        let mut changed = Vec::new();
        for [was, is] in self.blocks() {
            let (heads, tails) = (common(&was, &is, false), common(&was, &is, true));
            let most = heads[was.len()][is.len()];
            for (index, one) in was.iter().enumerate() {
                let kept = (0..is.len()).any(|other| {
                    one.folded == is[other].folded && heads[index][other] + 1 + tails[index + 1][other + 1] == most
                });
                let gone = (0..=is.len()).any(|other| heads[index][other] + tails[index + 1][other] == most);
                if gone {
                    changed.push((one.clone(), !kept, version(&one.range)));
                }
            }
        }
        changed
    }

    /// The segment that a sentence has become which was there.
    fn became(&self, was: &Range<usize>) -> Option<Found> {
        let is_visible = |place: usize| !self.now[place].0.is_whitespace();
        let kept = was.clone().filter_map(|was| self.place(was)).find(|place| is_visible(*place));
        let in_place = || {
            let mut gone = self.stretches().into_iter().filter(|one| one.old[0] < was.end && one.old[1] > was.start);
            gone.find_map(|mut one| one.new.find(|place| is_visible(*place)))
        };
        let place = kept.or_else(in_place)?;
        found(&self.text()).into_iter().find(|one| one.range.contains(&place))
    }
}

/// How many sentences the beginnings of two lists have in common, in order; or their ends.
fn common(was: &[Found], is: &[Found], from_end: bool) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; is.len() + 1]; was.len() + 1];
    for one in 0..was.len() {
        for other in 0..is.len() {
            let (a, b) = if from_end { (was.len() - 1 - one, is.len() - 1 - other) } else { (one, other) };
            let longer = table[one][other] + usize::from(was[a].folded == is[b].folded);
            table[one + 1][other + 1] = longer.max(table[one][other + 1]).max(table[one + 1][other]);
        }
    }
    if from_end {
        table.reverse();
        table.iter_mut().for_each(|row| row.reverse());
    }
    table
}

/// Somebody who is told.
struct Translator {
    key: MemberKey,
    encoding: PositionEncoding,
    /// The sections that they translate from and into.
    pair: [usize; 2],
    /// What they were told is old.
    marks: Vec<Range<usize>>,
}

impl Translator {
    fn subscribed(house: &mut House, encoding: PositionEncoding, pair: [usize; 2]) -> Self {
        let dialect = Dialect { encoding, over_document: false };
        let key = house.settle(guest("ada").translating().speaking(dialect));
        let languages = pair.map(|section| &NAMES[section][2..]);
        house.say(key, subscribe(json!({"source_language": languages[0], "target_language": languages[1]})));
        house.sync();
        house.read(key);
        Self { key, encoding, pair, marks: Vec::new() }
    }

    fn place(&self, sections: &[Section; 2], section: usize, found: &Found) -> Value {
        let texts = [sections[0].text(), sections[1].text()];
        let units = |text: &str| self.encoding.length_of(text);
        let [start, end] = [found.at.range.start, found.at.range.end].map(|place| units(&texts[section][..place]));
        let before = if section == 0 { 0 } else { units(&texts[0]) };
        json!({"section": NAMES[section], "paragraph": found.at.paragraph, "sentence": found.at.sentence, "start": start,
            "end": end, "document_start": before + start, "document_end": before + end})
    }

    /// Holds what they are told at the end of a turn against what has happened in it.
    fn check(&mut self, sections: &[Section; 2], told: Option<&Value>) {
        let [source, target] = self.pair.map(|section| &sections[section]);
        let stretches = target.stretches();
        let untouched =
            |mark: &Range<usize>| !stretches.iter().any(|one| one.old[0] <= mark.end && one.old[1] >= mark.start);
        self.marks.retain(untouched);
        for mark in &mut self.marks {
            *mark = target.place(mark.start).unwrap()..target.place(mark.end - 1).unwrap() + 1;
        }
        let translations = found(&target.text_before());
        let mut expected: BTreeMap<usize, (Found, bool, Vec<String>)> = BTreeMap::new();
        for (changed, surely, version) in source.changed() {
            let numbers = |one: &Found| (one.at.paragraph, one.at.sentence);
            let translation = translations.iter().find(|one| numbers(one) == numbers(&changed));
            let Some(became) = translation.and_then(|one| target.became(&one.range)) else { continue };
            let within = |one: &&Stretch| one.new.start < became.range.end && one.new.end > became.range.start;
            let is_ahead = stretches.iter().filter(within).any(|one| one.oldest >= version);
            let overlaps = |mark: &Range<usize>| mark.start < became.range.end && became.range.start < mark.end;
            if is_ahead || self.marks.iter().any(overlaps) {
                continue;
            }
            let start = became.range.start;
            let (_, is_sure, texts) = expected.entry(start).or_insert_with(|| (became, false, Vec::new()));
            *is_sure |= surely;
            texts.push(changed.text);
        }
        let told_segments = told.into_iter().flat_map(|told| told["segments"].as_array().unwrap());
        for segment in told_segments {
            let at = |one: &(Found, bool, Vec<String>)| self.place(sections, self.pair[1], &one.0) == segment["target"];
            let found = expected.iter().find(|(_, one)| at(one)).map(|(start, _)| *start);
            let (was, _, texts) = found.and_then(|start| expected.remove(&start)).unwrap_or_else(|| {
                panic!("{segment} is not old: {:?} {:?}", source.text_before(), source.text());
            });
            assert_eq!(segment["target_text"], was.text);
            assert!(texts.iter().any(|text| segment["previous_text"] == **text), "{segment} was {texts:?}");
            self.check_source(sections, segment);
            self.marks.push(was.range);
        }
        let left: Vec<&String> = expected.values().filter(|one| one.1).flat_map(|one| &one.2).collect();
        let texts = [source.text_before(), source.text(), target.text_before(), target.text()];
        assert!(left.is_empty(), "nothing is told of {left:?}: {texts:?}");
    }

    /// What the source is told to be by now is there, and another one.
    fn check_source(&self, sections: &[Section; 2], segment: &Value) {
        let Some(text) = segment.get("source_text") else {
            assert_eq!(segment.get("source"), None);
            return;
        };
        let is_told = |one: &&Found| self.place(sections, self.pair[0], one) == segment["source"];
        let source = found(&sections[self.pair[0]].text()).into_iter().find(|one| is_told(&one)).unwrap();
        assert_eq!(*text, source.text);
        assert_ne!(found(segment["previous_text"].as_str().unwrap())[0].folded, source.folded);
    }
}

struct Run {
    house: House,
    rng: Rng,
    sections: [Section; 2],
    translators: Vec<Translator>,
    writer: MemberKey,
    seen: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        // So few versions that more has happened in a turn, sometimes.
        let history_versions_max = *rng.pick(&[3, 10_000, 10_000]);
        let document = DocumentLimits { history_versions_max, ..DocumentLimits::default() };
        const TEXTS: [&str; 2] = ["A a. B b. A a.\n\nB a.\nA b. B", "a B. b A.\nb B\n\nA. B."];
        let mut house = House::with(Plan { document, ..Plan::default() });
        house = house.filled(&[(NAMES[0], TEXTS[0]), (NAMES[1], TEXTS[1])]);
        let mut translators = vec![Translator::subscribed(&mut house, *rng.pick(&PositionEncoding::ALL), [0, 1])];
        if rng.one_in(2) {
            translators.push(Translator::subscribed(&mut house, *rng.pick(&PositionEncoding::ALL), [1, 0]));
        }
        let writer = house.settle(guest("ben"));
        let seen = house.version();
        Self { house, rng, sections: TEXTS.map(Section::holding), translators, writer, seen }
    }

    fn words(&mut self) -> String {
        const PARTS: [&str; 10] = ["a", "B", ". ", ".", " ", "\n", "é ", "😀", "A. ", "\u{2028}"];
        (0..self.rng.below(4)).map(|_| *self.rng.pick(&PARTS)).collect()
    }

    /// Up to two places of a section that do not touch, the last one first, and what comes there.
    fn replacements(&mut self, section: usize) -> Vec<(Range<usize>, String)> {
        let length = self.sections[section].now.len();
        let mut places: Vec<usize> = (0..4).map(|_| self.rng.below(length + 1)).collect();
        places.sort_unstable();
        let mut range = |from: usize, to: usize| {
            let longest = if self.rng.one_in(6) { length } else { 4 };
            from..to.min(from + self.rng.below(longest + 1))
        };
        let ranges = [range(places[0], places[1]), range(places[2], places[3])];
        let count = if ranges[0].end < ranges[1].start && self.rng.one_in(3) { 2 } else { 1 };
        let mut replacements: Vec<_> = ranges.into_iter().take(count).map(|range| (range, self.words())).collect();
        replacements.reverse();
        replacements
    }

    /// One version: of one section, or of both.
    fn edit(&mut self) {
        let (mut changes, mut edits) = (Vec::new(), Vec::new());
        let first = self.rng.below(2);
        let count = if self.rng.one_in(4) { 2 } else { 1 };
        for section in [first, 1 - first].into_iter().take(count) {
            for (range, content) in self.replacements(section) {
                let units = |range: Range<usize>| {
                    let part: String = self.sections[section].now[range].iter().map(|(one, _)| one).collect();
                    part.encode_utf16().count()
                };
                changes.push(json!({"operation": "replace", "section": NAMES[section], "content": content,
                    "position": units(0..range.start), "length": units(range.clone())}));
                edits.push((section, range, content));
            }
        }
        let base_version = self.house.version();
        self.house
            .say(self.writer, message("document.change", json!({"base_version": base_version, "changes": changes})));
        let version = self.house.version();
        edits.into_iter().for_each(|(section, range, content)| self.sections[section].edit(range, &content, version));
        let texts: Vec<String> = self.house.sections().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [self.sections[0].text(), self.sections[1].text()]);
    }

    fn turn(&mut self) {
        let is_forgotten = self.seen < self.house.room.document().history().floor().0;
        if self.rng.one_in(8) {
            // Who comes in the middle of a turn changes nothing for the others.
            let other = Translator::subscribed(&mut self.house, PositionEncoding::Utf16, [0, 1]);
            if self.rng.one_in(2) {
                self.house.leave(other.key);
            }
        }
        for translator in &mut self.translators {
            let told = stale(&mut self.house, translator.key);
            let [source, target] = translator.pair.map(|section| NAMES[section]);
            let is_there = !found(&self.sections[translator.pair[1]].text()).is_empty();
            let whole = json!([{"source": source, "target": target}]);
            if is_forgotten {
                assert_eq!(told.map(|told| told["sections"].clone()), is_there.then_some(whole));
                translator.marks.clear();
            } else {
                assert!(told.iter().all(|told| told["sections"] == json!([])), "{told:?}");
                translator.check(&self.sections, told.as_ref());
            }
        }
        self.sections.iter_mut().for_each(Section::settle);
        self.seen = self.house.version();
    }

    fn run(mut self) {
        for _ in 0..self.rng.below(8) {
            (0..self.rng.below(6)).for_each(|_| self.edit());
            self.turn();
        }
    }
}

#[test]
fn what_is_told_to_be_old_is_what_whole_texts_say() {
    for_seeds(6_000, |seed| Run::new(seed).run());
}

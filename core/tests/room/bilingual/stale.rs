//! Whose source changes is old, and those who translate are told so once.

use jddb_core::ids::PositionEncoding;
use jddb_core::room::{
    COMPARED_UNITS_MAX, Dialect, LINES_MAX, MemberKey, PARAGRAPH_UNITS_MAX, STALE_REMEMBERED_MAX, STALE_TOLD_MAX,
    TranslationRights,
};
use serde_json::{Value, json};

use super::{subscribe, translator};
use crate::support::{House, change, guest, message};

/// What they are told is old, by now; nothing, or one message.
pub(super) fn stale(house: &mut House, key: MemberKey) -> Option<Value> {
    let now = house.now;
    house.room.follow_translations(now);
    house.sync();
    let mut told = house.read(key).into_iter().filter(|message| message["type"] == "translation.stale");
    let first = told.next().map(|message| message["payload"].clone());
    assert_eq!(told.next(), None, "one message a turn");
    first
}

/// The segments among that: what was there, what is there, and the translation.
pub(crate) fn segments(told: Option<&Value>) -> Vec<[String; 3]> {
    let text = |segment: &Value, key: &str| segment[key].as_str().unwrap_or("-").to_owned();
    let segments = told.into_iter().flat_map(|told| told["segments"].as_array().unwrap());
    segments.map(|segment| ["previous_text", "source_text", "target_text"].map(|key| text(segment, key))).collect()
}

pub(crate) fn sections(told: Option<&Value>) -> Vec<[&str; 2]> {
    let sections = told.into_iter().flat_map(|told| told["sections"].as_array().unwrap());
    sections.map(|pair| [pair["source"].as_str().unwrap(), pair["target"].as_str().unwrap()]).collect()
}

/// Somebody who is told, and somebody who edits.
pub(super) struct Desk {
    pub(super) house: House,
    pub(super) ada: MemberKey,
    pub(super) ben: MemberKey,
}

impl Desk {
    fn holding(texts: &[(&str, &str)]) -> Self {
        let mut house = House::holding(texts);
        let ada = translator(&mut house, json!({}));
        let ben = house.settle(guest("ben"));
        Self { house, ada, ben }
    }

    pub(super) fn new() -> Self {
        Self::holding(&[("a_en", EN), ("a_fr", FR)])
    }

    /// Replaces the first occurrence of a text.
    fn replacement(&self, section: &str, from: &str, to: &str) -> Value {
        let texts = self.house.sections();
        let (_, text) = texts.iter().find(|(name, _)| name == section).unwrap();
        let units = |text: &str| text.encode_utf16().count();
        let position = units(&text[..text.find(from).unwrap()]);
        json!({"operation": "replace", "section": section, "position": position, "length": units(from), "content": to})
    }

    pub(super) fn replace(&mut self, section: &str, from: &str, to: &str) {
        let replacement = self.replacement(section, from, to);
        self.house.say(self.ben, change(replacement));
    }

    fn told(&mut self) -> Option<Value> {
        stale(&mut self.house, self.ada)
    }

    /// What they are told, of segments alone.
    pub(super) fn check(&mut self, expected: &[[&str; 3]]) {
        let told = self.told();
        assert_eq!(segments(told.as_ref()), expected);
        assert_eq!(sections(told.as_ref()), [[""; 2]; 0]);
        assert_eq!(told.is_some(), !expected.is_empty(), "of nothing nothing is told");
    }
}

const EN: &str = "One is here. Two is there.\n\nThree follows.\n";
const FR: &str = "Un est ici. Deux est là.\nTrois suit.";

#[test]
fn a_translation_is_told_to_be_old_once_until_it_is_edited() {
    let mut desk = Desk::new();
    desk.replace("a_en", "there", "near");
    let told = desk.told().unwrap();
    let place = |section: &str, start: usize, end: usize, before: usize| {
        json!({"section": section, "paragraph": 0, "sentence": 1, "start": start, "end": end,
            "document_start": before + start, "document_end": before + end})
    };
    let length = EN.len() - 1;
    let segment = json!({"source": place("a_en", 13, 25, 0), "source_text": "Two is near.", "previous_text": "Two is there.",
        "target": place("a_fr", 12, 24, length), "target_text": "Deux est là."});
    let payload = json!({"document_id": "jd_12345", "version": 3, "segments": [segment], "sections": []});
    assert_eq!(told, payload);
    desk.replace("a_en", "near", "far");
    desk.check(&[]);
    // What happens around it does not matter, nor who edits it.
    desk.replace("a_fr", "Un est ici.", "Encore. Un est ici.");
    desk.replace("a_en", "One", "More. One");
    desk.check(&[]);
    desk.replace("a_en", "far", "away");
    desk.check(&[]);
    desk.replace("a_fr", "Deux est", "Deux sont");
    desk.check(&[]);
    desk.replace("a_en", "away", "gone");
    desk.check(&[["Two is away.", "Two is gone.", "Deux sont là."]]);
    // The others were never told.
    desk.replace("a_en", "Three", "Four");
    desk.check(&[["Three follows.", "Four follows.", "Trois suit."]]);
}

#[test]
fn what_is_only_new_and_what_a_translator_calls_the_same_makes_nothing_old() {
    let mut desk = Desk::new();
    for (from, to) in [
        ("One is here.", "One is here. And this."),
        ("Three follows.", "Three follows. And that.\nThe end."),
        ("One is", "ONE  is"),
        ("there.\n\n", "there.\n"),
        ("Two", "\u{a0}Two"),
    ] {
        desk.replace("a_en", from, to);
        desk.check(&[]);
    }
    desk.replace("a_fr", "Deux", "Trois");
    desk.check(&[]);
}

/// Paragraphs that are deleted, split, joined, moved; sentences that are.
#[test]
fn what_becomes_of_paragraphs() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [[&'a str; 3]]);
    let cases: &[Case<'_>] = &[
        (&[("One is here.", "And one more. One is near.")], &[["One is here.", "One is near.", "Un est ici."]]),
        (&[("Three follows.\n", "")], &[["Three follows.", "-", "Trois suit."]]),
        (&[("One is here. ", "")], &[["One is here.", "-", "Un est ici."]]),
        (&[("here. Two", "here.\nTwo")], &[]),
        (&[("there.\n\n", "there. ")], &[]),
        (
            &[("\n\nThree", " three")],
            &[
                ["Two is there.", "-", "Deux est là."],
                ["Three follows.", "Two is there. three follows.", "Trois suit."],
            ],
        ),
        (&[("One is", "One\nis")], &[["One is here.", "is here.", "Un est ici."]]),
        (
            &[("here. Two", "here two")],
            &[["One is here.", "-", "Un est ici."], ["Two is there.", "One is here two is there.", "Deux est là."]],
        ),
        (
            &[
                ("One is here. Two is there.\n\n", ""),
                ("Three follows.\n", "Three follows.\nOne is here. Two is there.\n"),
            ],
            &[["Three follows.", "-", "Trois suit."]],
        ),
    ];
    for (replacements, expected) in cases {
        let mut desk = Desk::new();
        replacements.iter().for_each(|(from, to)| desk.replace("a_en", from, to));
        desk.check(expected);
    }
}

#[test]
fn what_is_not_translated_is_not_old() {
    let mut desk = Desk::holding(&[
        ("a_en", "One. Two.\nThree."),
        ("a_fr", "Un."),
        ("b_en", "Alone."),
        ("b_fr", " \n"),
        ("c_en", "None."),
    ]);
    for (section, from, to) in
        [("a_en", "Two", "Zwei"), ("a_en", "Three", "Drei"), ("b_en", "Alone", "Allein"), ("c_en", "None", "Nichts")]
    {
        desk.replace(section, from, to);
        desk.check(&[]);
    }
    desk.replace("a_en", "One", "Eins");
    desk.check(&[["One.", "Eins.", "Un."]]);
}

#[test]
fn who_translates_is_ahead_where_they_are() {
    // One change does both.
    let mut desk = Desk::new();
    let changes = [desk.replacement("a_en", "there", "near"), desk.replacement("a_fr", "là", "près")];
    desk.house.say(desk.ben, message("document.change", json!({"base_version": 2, "changes": changes})));
    desk.check(&[]);
    // Then the translation, in the same turn; and the other way round.
    desk.replace("a_en", "near", "far");
    desk.replace("a_fr", "près", "loin");
    desk.check(&[]);
    desk.replace("a_fr", "loin", "loin d'ici");
    desk.replace("a_en", "far", "far away");
    desk.check(&[["Two is far.", "Two is far away.", "Deux est loin d'ici."]]);
    // Another sentence of the translation says nothing of this one, nor does what comes behind it.
    desk.replace("a_en", "One", "It");
    desk.replace("a_fr", "Deux", "Tout");
    desk.check(&[["One is here.", "It is here.", "Un est ici."]]);
    desk.replace("a_fr", "Un est", "Il est");
    desk.check(&[]);
    let changes = [desk.replacement("a_en", "It is", "She is"), desk.replacement("a_fr", " Tout", " Encore. Tout")];
    let base_version = desk.house.version();
    desk.house.say(desk.ben, message("document.change", json!({"base_version": base_version, "changes": changes})));
    desk.check(&[["It is here.", "She is here.", "Il est ici."]]);
}

/// The translation is the one that it was when the source changed, wherever that is by now.
#[test]
fn a_translation_that_moves_in_the_same_turn_is_found() {
    let mut desk = Desk::new();
    desk.replace("a_fr", "Un", "Encore.\nEncore. Un");
    desk.replace("a_en", "there", "near");
    desk.replace("a_fr", "Encore.\n", "Toujours.\n\nEncore.\n");
    let told = desk.told().unwrap();
    assert_eq!(segments(Some(&told)), [["Two is there.", "Two is near.", "Deux est là."].map(str::to_owned)]);
    let target = &told["segments"][0]["target"];
    assert_eq!((&target["paragraph"], &target["sentence"]), (&json!(2), &json!(2)));
    // One that is deleted is none.
    let mut desk = Desk::new();
    desk.replace("a_fr", "Deux est là.", "");
    desk.replace("a_en", "there", "near");
    desk.check(&[]);
    // In place of one that is written anew there is another one.
    let mut desk = Desk::new();
    desk.replace("a_fr", "Deux est là.", "On y va.");
    desk.replace("a_en", "there", "near");
    desk.check(&[["Two is there.", "Two is near.", "On y va."]]);
}

#[test]
fn more_than_fits_is_told_as_whole_sections() {
    let count = STALE_TOLD_MAX + 3;
    let text = |word: &str| (0..count).map(|index| format!("{word} {index}.\n")).collect::<String>();
    let mut desk = Desk::holding(&[
        ("a_en", "A."),
        ("a_fr", "B."),
        ("b_en", &text("Old")),
        ("b_fr", &text("Vieux")),
        ("c_en", "A."),
        ("c_fr", "B."),
    ]);
    let changes = |word: &str, section: &str| {
        let change = |index: usize| {
            json!({"operation": "replace", "section": section,
            "position": index * 8 - index.min(10), "length": 3, "content": word})
        };
        (0..count).map(change).collect::<Vec<_>>()
    };
    let mut all = changes("New", "b_en");
    all.push(json!({"operation": "replace", "section": "a_en", "position": 0, "length": 1, "content": "C"}));
    all.push(json!({"operation": "replace", "section": "c_en", "position": 0, "length": 1, "content": "C"}));
    desk.house.say(desk.ben, message("document.change", json!({"base_version": 6, "changes": all})));
    let told = desk.told();
    assert_eq!(segments(told.as_ref()).len(), STALE_TOLD_MAX);
    assert_eq!(sections(told.as_ref()), [["b_en", "b_fr"], ["c_en", "c_fr"]]);
    // Whole sections are told once, too, and of their segments those that were not told.
    desk.replace("b_en", &format!("New {}", count - 1), "Newer");
    let last = [format!("New {}.", count - 1), "Newer.".to_owned(), format!("Vieux {}.", count - 1)];
    let told = desk.told();
    assert_eq!((segments(told.as_ref()), sections(told.as_ref()).len()), (vec![last], 0));
    desk.replace("b_en", "New 0", "Newer");
    desk.check(&[]);
}

#[test]
fn what_cannot_be_compared_is_told_as_whole_sections() {
    let long = "x".repeat(PARAGRAPH_UNITS_MAX as usize);
    let check = |desk: &mut Desk, expected: &[[&str; 2]]| {
        let told = desk.told();
        assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, expected.to_vec()));
    };
    // A paragraph of the source or of the translation that is too long; each is told once.
    for (source, target) in [(format!("One.\n{long}."), FR.to_owned()), (EN.to_owned(), format!("Un.{long}"))] {
        let mut desk = Desk::holding(&[("a_en", &source), ("a_fr", &target), ("b_en", "B"), ("b_fr", "C")]);
        let [before, after] = if source == EN { ["One", "1"] } else { ["xxx", "yyy"] };
        desk.replace("a_en", before, after);
        check(&mut desk, &[["a_en", "a_fr"]]);
        desk.replace("a_en", after, before);
        check(&mut desk, &[]);
        desk.replace("a_fr", "Un", "1");
        check(&mut desk, &[]);
        desk.replace("a_en", before, after);
        check(&mut desk, &[["a_en", "a_fr"]]);
    }
    // Nothing is old where there is nothing.
    let mut desk = Desk::holding(&[("a_en", &long), ("a_fr", "\n ")]);
    desk.replace("a_en", "x", "yy");
    check(&mut desk, &[]);
    // More lines than are followed, in the one or the other; more text than is compared or kept.
    let lines = format!("One.{}", "\n".repeat(LINES_MAX));
    let pages = "word and word. ".repeat(1_000) + "\n";
    let pages = pages.repeat(COMPARED_UNITS_MAX as usize / pages.len() + 1);
    for (source, target, from) in [(&*lines, FR, "One"), (EN, &*lines, "One"), (&*pages, FR, &*pages)] {
        let mut desk = Desk::holding(&[("a_en", source), ("a_fr", target)]);
        desk.replace("a_en", from, "Less");
        check(&mut desk, &[["a_en", "a_fr"]]);
    }
}

/// Little is changed, but in more text than is compared in a turn.
#[test]
fn more_text_than_is_compared_is_told_as_whole_sections() {
    let paragraph = format!("One. {}\n", "x".repeat(PARAGRAPH_UNITS_MAX as usize - 1_000));
    let paragraphs = COMPARED_UNITS_MAX as usize / paragraph.len() + 1;
    let mut desk = Desk::holding(&[("a_en", &paragraph.repeat(paragraphs)), ("a_fr", FR)]);
    for _ in 0..paragraphs {
        desk.replace("a_en", "One.", "1.");
    }
    let told = desk.told();
    assert_eq!((segments(told.as_ref()).len(), sections(told.as_ref())), (0, vec![["a_en", "a_fr"]]));
}

#[test]
fn the_oldest_of_too_many_marks_is_told_again() {
    let count = STALE_REMEMBERED_MAX + 1;
    let source: String = (0..count).map(|index| format!("Old {index:03}.\n")).collect();
    let target = source.replace("Old", "Vieux");
    let mut desk = Desk::holding(&[("a_en", &source), ("a_fr", &target)]);
    for index in 0..count {
        desk.replace("a_en", &format!("Old {index:03}"), &format!("New {index:03}"));
        if index % STALE_TOLD_MAX == 0 || index == count - 1 {
            assert!(!segments(desk.told().as_ref()).is_empty());
        }
    }
    desk.replace("a_en", "New 001", "001");
    desk.check(&[]);
    desk.replace("a_en", "New 000", "000");
    desk.check(&[["New 000.", "000.", "Vieux 000."]]);
}

/// Two who translate the same sections in both directions.
#[test]
fn each_direction_is_told_for_itself() {
    let mut desk = Desk::new();
    let cid = desk.house.settle(guest("cid").translating());
    desk.house.say(cid, subscribe(json!({"source_language": "fr", "target_language": "en"})));
    desk.house.sync();
    desk.house.read(cid);
    let both = |desk: &mut Desk| {
        let (ada, cid) = (desk.told(), stale(&mut desk.house, cid));
        [segments(ada.as_ref()), segments(cid.as_ref())]
            .map(|told| told.into_iter().map(|[_, _, target]| target).collect::<Vec<_>>())
    };
    desk.replace("a_en", "Two is", "Two are");
    assert_eq!(both(&mut desk), [vec!["Deux est là."], vec![]]);
    desk.replace("a_fr", "Deux est", "Deux sont");
    assert_eq!(both(&mut desk), [vec![], vec!["Two are there."]]);
    for word in ["seront", "furent"] {
        desk.replace("a_fr", "Deux sont", &format!("Deux {word}"));
        desk.replace("a_fr", &format!("Deux {word}"), "Deux sont");
        assert_eq!(both(&mut desk), [vec![], Vec::<&str>::new()]);
    }
    // Who has gone is told nothing, and nothing is looked for.
    desk.house.leave(cid);
    desk.replace("a_fr", "Deux", "Tous");
    desk.check(&[]);
    desk.replace("a_en", "Two", "All");
    desk.check(&[["Two are there.", "All are there.", "Tous sont là."]]);
    desk.house.say(desk.ada, message("translation.unsubscribe", json!({})));
    desk.replace("a_en", "One", "It");
    desk.check(&[]);
}

#[test]
fn what_is_undone_is_not_told_again() {
    let mut desk = Desk::new();
    // In the same turn nothing has changed.
    desk.replace("a_en", "there", "near");
    desk.replace("a_en", "near", "there");
    desk.replace("a_en", "Three follows.\n", "");
    desk.replace("a_en", "\n\n", "\n\nThree follows.\n");
    desk.check(&[]);
    // In a later one they know already; whoever looks finds what it was.
    desk.replace("a_en", "there", "near");
    desk.check(&[["Two is there.", "Two is near.", "Deux est là."]]);
    desk.replace("a_en", "near", "there");
    desk.check(&[]);
}

/// Places are counted as each connection wants it.
#[test]
fn each_dialect_is_told_its_places() {
    let (before, old, translation) = ("é😀é. ", "Old 😀.", "Vieux é😀.");
    for encoding in PositionEncoding::ALL {
        for over_document in [false, true] {
            let mut house = House::holding(&[
                ("x", "😀é"),
                ("a_en", &format!("{before}{old}")),
                ("a_fr", &format!("{before}{translation}")),
            ]);
            let ada = house.settle(guest("ada").translating().speaking(Dialect { encoding, over_document }));
            house.say(ada, subscribe(json!({})));
            let ben = house.settle(guest("ben"));
            house.say(
                ben,
                change(
                    json!({"operation": "replace", "section": "a_en", "position": 6, "length": 3, "content": "Now é"}),
                ),
            );
            let told = stale(&mut house, ada).unwrap();
            let units = |text: &str| encoding.length_of(text);
            let place = |name: &str, offset: usize, text: &str| {
                let (start, end) = (units(before), units(before) + units(text));
                let [own, other] = if over_document { [offset, 0] } else { [0, offset] };
                let others =
                    if over_document { ["section_start", "section_end"] } else { ["document_start", "document_end"] };
                json!({"section": name, "paragraph": 0, "sentence": 1, "start": own + start, "end": own + end,
                    others[0]: other + start, others[1]: other + end})
            };
            let (x, en) = (units("😀é"), units(before) + units("Now é 😀."));
            let segment = &told["segments"][0];
            assert_eq!(segment["source"], place("a_en", x, "Now é 😀."), "{encoding:?} {over_document}");
            assert_eq!(segment["target"], place("a_fr", x + en, translation), "{encoding:?} {over_document}");
        }
    }
}

#[test]
fn who_may_no_longer_read_translations_is_told_nothing() {
    let mut desk = Desk::new();
    let rights = |reads, writes| TranslationRights { reads, writes };
    desk.house.renew(desk.ada, rights(true, false));
    desk.replace("a_en", "there", "near");
    desk.check(&[["Two is there.", "Two is near.", "Deux est là."]]);
    desk.replace("a_en", "One", "It");
    desk.house.renew(desk.ada, rights(false, true));
    desk.check(&[]);
    assert!(!desk.house.room.is_translated(), "nothing is followed any more");
}

/// More changes in a turn than are told apart, of which none is large.
#[test]
fn too_many_changes_in_a_turn_are_told_as_whole_sections() {
    const LINES: usize = 600;
    let text = |word: &str| format!("{word}.\n").repeat(LINES);
    let mut desk = Desk::holding(&[("a_en", &text("One two")), ("a_fr", &text("Un"))]);
    let rounds = |desk: &mut Desk, count: usize, letter: &str| {
        for round in 0..count {
            let change = |line: usize| json!({"operation": "replace", "section": "a_en", "position": line * 9 + 2 * round, "length": 1, "content": letter});
            let changes: Vec<Value> = (0..LINES).map(change).collect();
            let base_version = desk.house.version();
            desk.house
                .say(desk.ben, message("document.change", json!({"base_version": base_version, "changes": changes})));
        }
        let told = desk.told();
        (segments(told.as_ref()).len(), sections(told.as_ref()).len())
    };
    assert_eq!(rounds(&mut desk, 1, "x"), (STALE_TOLD_MAX, 1), "more than fits");
    desk.replace("a_fr", "Un", "Le un");
    desk.check(&[]);
    // Each line has two places: nobody knows any more what was there.
    assert_eq!(rounds(&mut desk, 2, "y"), (0, 1));
    // And from then on it goes on as before.
    desk.replace("a_fr", "Le un", "Les uns");
    desk.check(&[]);
    assert_eq!(rounds(&mut desk, 1, "z"), (STALE_TOLD_MAX, 1));
}

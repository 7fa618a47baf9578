//! Clients of every dialect apply what they are sent and end equal to the server.

use jddb_core::ids::PositionEncoding;
use jddb_core::room::{Dialect, MemberKey};
use serde_json::{Value, json};

use crate::replica::Replica;
use crate::rng::{Rng, for_seeds};
use crate::support::{House, guest, message};

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

fn dialects() -> Vec<Dialect> {
    let both = |encoding| [false, true].map(|over_document| Dialect { encoding, over_document });
    PositionEncoding::ALL.into_iter().flat_map(both).collect()
}

/// A change against the replica's text: anywhere between characters, in its own encoding.
fn any_change(rng: &mut Rng, replica: &Replica) -> Value {
    let encoding = replica.dialect.encoding;
    let named = rng.one_in(2) || replica.sections.is_empty();
    let name = *rng.pick(&NAMES);
    let text = if named {
        replica.sections.iter().find(|(section, _)| section == name).map(|(_, text)| text.clone())
    } else {
        Some(replica.whole())
    };
    let characters: Vec<char> = text.iter().flat_map(|text| text.chars()).collect();
    let units = |to: usize| encoding.length_of(&characters[..to].iter().collect::<String>());
    let from = rng.below(characters.len() + 1);
    let to = from + rng.below(characters.len() - from + 1).min(6);
    let mut change = match rng.below(3) {
        0 if text.is_some() => json!({"operation": "delete", "length": units(to) - units(from)}),
        1 if text.is_some() => {
            json!({"operation": "replace", "length": units(to) - units(from), "content": rng.text(3)})
        }
        _ => json!({"operation": "insert", "content": rng.text(4)}),
    };
    change["position"] = json!(units(from));
    if named {
        change["section"] = json!(name);
    }
    change
}

fn any_submission(rng: &mut Rng, replica: &Replica) -> Value {
    if !rng.one_in(3) {
        return any_change(rng, replica);
    }
    let changes: Vec<Value> = (0..=rng.below(4)).map(|_| any_change(rng, replica)).collect();
    json!({"changes": changes})
}

struct Reader {
    key: MemberKey,
    replica: Replica,
}

impl Reader {
    fn join(house: &mut House, name: &str, dialect: Dialect) -> Self {
        let key = house.join(guest(name).viewing().speaking(dialect));
        house.sync();
        let state = house.read(key).remove(0);
        Self { key, replica: Replica::of_state(dialect, &state) }
    }

    fn read(&mut self, house: &mut House) {
        house.read(self.key).iter().for_each(|message| self.replica.take(message));
    }
}

fn run(seed: u64) {
    let mut rng = Rng(seed);
    let mut house = House::new();
    let mut readers: Vec<Reader> = Vec::new();
    for (index, dialect) in dialects().into_iter().enumerate() {
        readers.push(Reader::join(&mut house, &format!("reader_{index}"), dialect));
    }
    let writers: Vec<(MemberKey, Dialect)> =
        dialects().into_iter().map(|dialect| (house.settle(guest("writer").speaking(dialect)), dialect)).collect();
    for _ in 0..20 {
        let (writer, dialect) = *rng.pick(&writers);
        let base = house.version();
        let shadow = Replica { dialect, sections: house.sections(), version: base };
        // Some are made against a version that is the newest no more when they arrive.
        let mut sent = any_submission(&mut rng, &shadow);
        if rng.one_in(2) {
            let (other, dialect) = *rng.pick(&writers);
            let concurrent = any_submission(&mut rng, &Replica { dialect, ..shadow.clone() });
            house.say(other, message("document.change", concurrent));
        }
        sent["base_version"] = json!(base);
        house.say(writer, message("document.change", sent));
        house.sync();
        let expected = house.sections();
        for reader in &mut readers {
            // A reader that is behind catches up by what it was sent, or by asking.
            if rng.one_in(4) {
                continue;
            }
            reader.read(&mut house);
            assert_eq!(reader.replica.sections, expected, "{:?}", reader.replica.dialect);
            assert_eq!(reader.replica.version, house.version());
        }
    }
    for reader in &mut readers {
        let known = reader.replica.version;
        let mut late = Replica::clone(&reader.replica);
        reader.read(&mut house);
        house.say(reader.key, message("sync.request", json!({"last_known_version": known})));
        house.read(reader.key).iter().for_each(|message| late.take(message));
        assert_eq!(reader.replica.sections, house.sections(), "{:?}", reader.replica.dialect);
        assert_eq!(late.sections, house.sections(), "{:?} by sync from {known}", reader.replica.dialect);
    }
}

#[test]
fn every_dialect_ends_equal_to_the_server() {
    for_seeds(600, run);
}

/// Versions apart, with much text, so that `sync.response` lists changes.
#[test]
fn listed_changes_lead_every_dialect_that_gets_them_to_the_server() {
    for_seeds(200, |seed| {
        let mut rng = Rng(seed);
        let start = "Gérer 😀 ".repeat(400);
        let mut house = House::holding(&[("alpha", &start), ("beta", "b")]);
        let writer = house.settle(guest("writer"));
        for over_document in [false, true] {
            let dialect = Dialect { encoding: PositionEncoding::Utf16, over_document };
            let mut late = Reader::join(&mut house, "late", dialect);
            for _ in 0..6 {
                let shadow =
                    Replica { dialect: Dialect::default(), sections: house.sections(), version: house.version() };
                house.say(writer, message("document.change", any_submission(&mut rng, &shadow)));
            }
            house.sync();
            house.read(late.key);
            house.say(late.key, message("sync.request", json!({"last_known_version": late.replica.version})));
            let response = house.read(late.key).remove(0);
            assert!(response["payload"]["full_document_state"].is_null(), "the list is the smaller answer");
            late.replica.take(&response);
            assert_eq!(late.replica.sections, house.sections());
            house.leave(late.key);
        }
    });
}

#[test]
fn parts_and_places_of_one_version_in_each_dialect() {
    let check = |encoding: PositionEncoding, over_document: bool, expected: [Value; 2]| {
        let mut house = House::holding(&[("alpha", "é😀a"), ("beta", "b😀b")]);
        let (ada, ben) =
            (house.settle(guest("ada")), house.settle(guest("ben").speaking(Dialect { encoding, over_document })));
        house.read(ada);
        let changes = json!({"changes": [
            {"operation": "insert", "position": 3, "content": "€", "section": "alpha"},
            {"operation": "replace", "position": 1, "length": 2, "content": "x", "section": "beta"},
        ]});
        house.say(ada, message("document.change", changes));
        house.sync();
        let seen: Vec<Value> = house.read(ben).into_iter().map(|mut message| message["payload"].take()).collect();
        assert_eq!(seen, expected, "{encoding:?} {over_document}");
    };
    let replace = |length: u64, position: u64, (name, other): (&str, u64)| {
        json!({"operation": "replace", "position": position, "length": length, "content": "x", "section": "beta", "version": 3,
               name: other, "part": 1, "parts": 2})
    };
    let insert = |position: u64, (name, other): (&str, u64)| {
        json!({"operation": "insert", "position": position, "content": "€", "section": "alpha", "version": 3,
               name: other, "part": 2, "parts": 2})
    };
    use PositionEncoding::{Utf8, Utf16, Utf32};
    check(Utf16, false, [replace(2, 1, ("document_position", 5)), insert(3, ("document_position", 3))]);
    check(Utf32, false, [replace(1, 1, ("document_position", 4)), insert(2, ("document_position", 2))]);
    check(Utf8, false, [replace(4, 1, ("document_position", 8)), insert(6, ("document_position", 6))]);
    check(Utf16, true, [replace(2, 5, ("section_position", 1)), insert(3, ("section_position", 3))]);
    check(Utf32, true, [replace(1, 4, ("section_position", 1)), insert(2, ("section_position", 2))]);
    check(Utf8, true, [replace(4, 8, ("section_position", 1)), insert(6, ("section_position", 6))]);
}

#[test]
fn a_change_that_has_become_empty_is_a_delete_of_nothing() {
    let mut house = House::holding(&[("body", "0123456789")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    let delete = json!({"operation": "delete", "position": 2, "length": 3, "base_version": 1});
    house.say(ada, message("document.change", delete.clone()));
    house.say(ada, message("document.change", delete));
    house.check(ben, &["delete 2-3 v2", "delete 0-0 v3"]);
}

#[test]
fn a_section_made_by_an_empty_insert_is_told() {
    let mut house = House::new();
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    house.say(
        ada,
        message("document.change", json!({"operation": "insert", "position": 0, "content": "", "section": "scope"})),
    );
    house.sync();
    let payload = &house.read(ben)[0]["payload"];
    assert_eq!(
        *payload,
        json!({"operation": "insert", "position": 0, "content": "", "section": "scope", "version": 1})
    );
}

//! `wire.jsonl`: a message a client sends, what it is answered, and what the others are told.

use serde_json::{Map, Value, json};

use crate::cases::{for_each, text, units};
use crate::house::House;
use crate::naive::text_of;

const ENCODINGS: [&str; 3] = ["utf-16", "utf-32", "utf-8"];

/// The payloads of all messages of one type.
fn payloads(messages: &[Value], kind: &str) -> Vec<Value> {
    let of_kind = messages.iter().filter(|message| message["type"] == kind);
    of_kind.map(|message| message["payload"].clone()).collect()
}

fn list<'a>(case: &'a Value, key: &str) -> &'a [Value] {
    case[key].as_array().map_or(&[], Vec::as_slice)
}

fn check(case: &Value) {
    let mut house = House::new();
    let earlier = house.join("earlier", "utf-16", false);
    for payload in list(case, "earlier") {
        house.change(earlier, payload);
    }
    assert_eq!(house.sections(), case["before"], "before");
    let client = house.join("client", text(case, "position_encoding"), false);
    let others = ENCODINGS.map(|encoding| house.join(encoding, encoding, false));
    let over_document = house.join("over_document", "utf-16", true);
    for key in [client, over_document].into_iter().chain(others) {
        house.read(key);
    }

    let message = case["raw"].as_str().map_or_else(|| message(case).to_string(), str::to_owned);
    house.say_raw(client, &message);
    if case["resent"] == true {
        house.say_raw(client, &message);
    }
    let answers = house.read(client);
    assert_eq!(answer(case, &answers), case["answer"], "answer");
    let told: Map<String, Value> = ENCODINGS
        .iter()
        .zip(others)
        .map(|(encoding, key)| (encoding.to_string(), payloads(&house.read(key), "document.change").into()))
        .collect();
    let over_document = payloads(&house.read(over_document), "document.change");
    assert_eq!(Value::from(told), case["told"], "told");
    assert_eq!(Value::from(over_document), case["told_over_document"], "told over the document");
    assert_eq!(house.sections(), case["after"], "after");
    for encoding in ENCODINGS {
        check_told(case, encoding);
    }
}

fn message(case: &Value) -> Value {
    let metadata = json!({"client_id": "client_abc123", "correlation_id": "c1"});
    json!({"type": "document.change", "payload": case["payload"], "metadata": metadata})
}

/// The one answer to the message; a resend is answered the same again.
fn answer(case: &Value, answers: &[Value]) -> Value {
    let [first, rest @ ..] = answers else { panic!("there is an answer") };
    assert_eq!(rest.len(), usize::from(case["resent"] == true));
    assert!(rest.iter().all(|answer| answer["payload"] == first["payload"]));
    let payload = &first["payload"];
    match first["type"].as_str() {
        Some("document.ack") => {
            assert_eq!(payload["correlation_id"], "c1");
            json!({"version": payload["version"], "transformed": payload["transformed"]})
        }
        Some("system.error") => json!({"error_code": payload["error_code"], "field": payload["details"]["field"]}),
        other => panic!("answered by {other:?}"),
    }
}

/// Whoever applies what is told, message by message, counting as told, has what the server has.
fn check_told(case: &Value, encoding: &str) {
    let mut sections: Vec<(String, Vec<u16>)> = list(case, "before")
        .iter()
        .map(|section| (section[0].as_str().unwrap().to_owned(), units(section[1].as_str().unwrap())))
        .collect();
    for payload in list(&case["told"], encoding) {
        let name = text(payload, "section");
        if sections.iter().all(|(known, _)| known != name) {
            sections.push((name.to_owned(), Vec::new()));
        }
        let (_, units) = sections.iter_mut().find(|(known, _)| known == name).unwrap();
        let from = payload["position"].as_u64().unwrap();
        let length = payload["length"].as_u64().unwrap_or(0);
        let [from, to] = [from, from + length].map(|position| units_before(units, position, encoding));
        units.splice(from..to, payload["content"].as_str().unwrap_or("").encode_utf16());
    }
    let after: Value = sections.iter().map(|(name, units)| json!([name, text_of(units)])).collect();
    assert_eq!(after, case["after"], "told in {encoding}");
}

/// The code units before a position: the text's characters are counted one by one.
fn units_before(units: &[u16], position: u64, encoding: &str) -> usize {
    let (mut seen, mut before) = (0, 0);
    for character in text_of(units).chars() {
        if seen >= position {
            break;
        }
        before += character.len_utf16();
        seen += match encoding {
            "utf-16" => character.len_utf16() as u64,
            "utf-32" => 1,
            _ => character.len_utf8() as u64,
        };
    }
    assert_eq!(seen, position, "{position} in {encoding} lies between two characters");
    before
}

#[test]
fn wire_cases() {
    for_each("wire.jsonl", 45, check);
}

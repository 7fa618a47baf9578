//! Hostile JSON: what the parser takes, what it refuses, and that it holds.

use jddb_core::protocol::{ENVELOPES_PER_FRAME_MAX, ErrorCode, Inbound, InboundError, Message, Parser};
use jddb_core::room::Durability;
use serde_json::json;

use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, guest, insert, message};

/// What one frame leads to: `Ok` with the message's kind, or the error's code and field.
fn read(bytes: &[u8]) -> Vec<Result<String, (ErrorCode, String)>> {
    let mut seen = Vec::new();
    let mut each = |read: Result<Inbound<'_>, InboundError>| {
        seen.push(match read {
            Ok(inbound) => Ok(format!("{:?}", inbound.message)),
            Err(error) => Err((error.code, error.field.unwrap_or_default())),
        });
    };
    Parser::default().read(&mut bytes.to_vec(), 1_000, &mut each);
    seen
}

fn check_refused(text: impl AsRef<[u8]>, field: &str) {
    let text = text.as_ref();
    let expected = Err((ErrorCode::ValidationError, field.to_owned()));
    assert_eq!(read(text), [expected], "{}", String::from_utf8_lossy(text));
}

/// The content that an insert with this JSON string puts in.
fn check_content(json: &str, expected: &str) {
    let text =
        format!(r#"{{"type":"document.change","payload":{{"operation":"insert","position":0,"content":{json}}}}}"#);
    Parser::default().read(&mut text.into_bytes(), 1, |read| match read.unwrap().message {
        Message::Change(change) => assert_eq!(change.changes[0].content, expected),
        other => panic!("{other:?}"),
    });
}

fn with_content(json: impl AsRef<[u8]>) -> Vec<u8> {
    let (before, after) =
        (br#"{"type":"document.change","payload":{"operation":"insert","position":0,"content":"#, b"}}");
    [before.as_slice(), json.as_ref(), after].concat()
}

fn with_position(number: &str) -> String {
    format!(r#"{{"type":"document.change","payload":{{"operation":"insert","position":{number},"content":"x"}}}}"#)
}

#[test]
fn strings() {
    check_content(r#""""#, "");
    check_content(r#""a\u0000b""#, "a\0b");
    check_content(r#""\ud83d\ude00\u00e9\n\/\"""#, "😀é\n/\"");
    check_content("\"\u{7f}\u{2028}\u{feff}\u{10ffff}\"", "\u{7f}\u{2028}\u{feff}\u{10ffff}");
    for lone in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""x\udc00x""#,
        r#""\ude00\ud83d""#,
        r#""\udfff\udfff""#,
    ] {
        check_refused(with_content(lone), "");
        check_refused(format!(r#"{{{lone}:1,"type":"document.save","payload":{{}}}}"#), "");
    }
    for wrong in [r#""\u12""#, r#""\x""#, "\"a", "\"\u{1}\"", "\"a\nb\"", "\"a\0b\""] {
        check_refused(with_content(wrong), "");
    }
}

#[test]
fn bytes_that_are_no_utf8() {
    for wrong in [
        b"\"\xff\"".as_slice(),
        b"\"\xc3\"",
        b"\"\xe2\x82\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\x80\"",
    ] {
        check_refused(with_content(wrong), "");
        let padded = [wrong, &b" ".repeat(100)].concat();
        check_refused(with_content(padded), "");
    }
    check_refused(b"\xff", "");
    check_refused(b"\0", "");
    check_refused(b"{}\0", "");
    check_refused(b"\xef\xbb\xbf{}", "");
}

#[test]
fn numbers() {
    for good in ["0", "18446744073709551615", "9223372036854775808"] {
        assert!(read(with_position(good).as_bytes())[0].is_ok(), "{good}");
    }
    for (wrong, field) in [
        ("-1", "payload.position"),
        ("1e2", "payload.position"),
        ("1.0", "payload.position"),
        ("0.5", "payload.position"),
        ("1e308", "payload.position"),
        ("-9223372036854775808", "payload.position"),
        ("\"1\"", "payload.position"),
        ("null", "payload.position"),
        ("true", "payload.position"),
        ("[]", "payload.position"),
        ("{}", "payload.position"),
        ("01", ""),
        ("+1", ""),
        (".5", ""),
        ("1.", ""),
        ("0x1", ""),
        ("NaN", ""),
        ("Infinity", ""),
        ("-", ""),
        ("1e", ""),
        ("1_000", ""),
        ("--1", ""),
    ] {
        check_refused(with_position(wrong), field);
    }
    // Beyond 64 bits: no position, and no matter where nobody reads it.
    for huge in ["18446744073709551616", "99999999999999999999999999", "-9223372036854775809"] {
        check_refused(with_position(huge), "payload.position");
        let ignored = format!(r#"{{"type":"document.save","payload":{{"note":{huge}}},"other":[{huge}]}}"#);
        assert!(read(ignored.as_bytes())[0].is_ok(), "{huge}");
    }
    // Beyond a double: never taken as something else.
    for huge in ["1e400", "-1e400"] {
        assert!(read(with_position(huge).as_bytes())[0].is_err(), "{huge}");
    }
    let seen = read(with_position("-0").as_bytes());
    assert!(seen[0].is_ok() || seen[0] == Err((ErrorCode::ValidationError, "payload.position".to_owned())), "{seen:?}");
}

#[test]
fn positions_at_the_end_of_all_numbers_do_no_harm() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    for number in [u64::MAX, i64::MAX as u64, u64::from(u32::MAX), u64::from(u32::MAX) + 1] {
        house.say(ada, insert(number, "x"));
        house.say(ada, crate::support::change(json!({"operation": "delete", "position": number, "length": number})));
        house.say(ada, message("cursor.position", json!({"position": number, "base_version": 1})));
        house.say(ada, message("selection.change", json!({"start": 0, "end": number})));
        house.say(ada, message("sync.request", json!({"last_known_version": number})));
        house.say(
            ada,
            crate::support::change(
                json!({"operation": "insert", "position": number, "content": "x", "base_version": 1}),
            ),
        );
    }
    house.sync();
    assert_eq!(house.sections(), [("body".to_owned(), "xxxx".to_owned())]);
}

#[test]
fn depth_and_width() {
    for open in ["[", "{\"a\":", "[[{\"a\":["] {
        check_refused(open.repeat(200_000), "");
    }
    let depth = 100_000;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check_refused(&deep, "");
    let ignored = format!(r#"{{"type":"document.save","payload":{{}},"ignored":{deep}}}"#);
    let seen = read(ignored.as_bytes());
    assert!(seen[0].is_ok() || seen[0] == Err((ErrorCode::ValidationError, String::new())), "{seen:?}");
    let keys: Vec<String> = (0..65).map(|key| format!(r#""k{key}":0"#)).collect();
    check_refused(format!(r#"{{"type":"document.save","payload":{{{}}}}}"#, keys.join(",")), "payload");
}

#[test]
fn duplicate_keys_are_refused_wherever_we_read() {
    check_refused(r#"{"type":"document.save","payload":{},"payload":{}}"#, "payload");
    check_refused(r#"{"type":"document.save","payload":{},"x":1,"x":1}"#, "x");
    check_refused(r#"{"type":"document.save","t\u0079pe":"document.save","payload":{}}"#, "type");
    check_refused(r#"{"type":"document.save","payload":{},"metadata":{"version":1,"version":1}}"#, "metadata.version");
    check_refused(r#"{"type":"document.save","payload":{"a":1,"a":1}}"#, "payload.a");
    let change = r#"{"operation":"insert","position":0,"content":"","position":0}"#;
    check_refused(
        format!(r#"{{"type":"document.change","payload":{{"changes":[{change}]}}}}"#),
        "payload.changes[0].position",
    );
}

#[test]
fn null_is_absent() {
    let text =
        r#"{"type":"cursor.position","payload":{"position":1,"section":null,"base_version":null},"metadata":null}"#;
    assert_eq!(read(text.as_bytes()), [Ok("Cursor { position: 1, section: None, base: None }".to_owned())]);
    check_refused(r#"{"type":null,"payload":{}}"#, "type");
    check_refused(r#"{"type":"document.save","payload":null}"#, "payload");
}

#[test]
fn arrays_of_envelopes() {
    let mut house = House::with(Plan { durability: Durability::Fast, ..Plan::default() });
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    house.read(ada);
    let change = |index: usize| json!({"type": "document.change", "payload": {"operation": "insert", "position": index, "content": "x"}});
    let envelopes: Vec<_> = (0..ENVELOPES_PER_FRAME_MAX).map(change).collect();
    house.say(ada, json!(envelopes).to_string());
    assert_eq!(house.read(ben).len(), ENVELOPES_PER_FRAME_MAX);
    let one_more: Vec<_> = (0..=ENVELOPES_PER_FRAME_MAX).map(change).collect();
    house.say(ada, json!(one_more).to_string());
    house.check(ben, &[]);
    house.check(ada, &["error VALIDATION_ERROR"]);
    // Each is handled on its own.
    house.say(ada, json!([change(0), {"type": "x"}, 5, change(0)]).to_string());
    house.check(ada, &["error UNKNOWN_MESSAGE_TYPE", "error VALIDATION_ERROR"]);
    assert_eq!(house.read(ben).len(), 2);
}

#[test]
fn a_heartbeat_is_echoed_as_it_was_written() {
    let mut house = House::new();
    let ada = house.settle(guest("ada"));
    let long = format!("\"{}\"", "t".repeat(128));
    for time in [
        "0",
        "1758458730123",
        "1758458730.123456",
        "1758458730.0",
        "-5",
        "18446744073709551615",
        "0.1",
        "\"\"",
        &long,
        r#""2025-09-21T12:45:30.123456""#,
    ] {
        let text = format!(r#"{{"type":"system.heartbeat","payload":{{"client_time":{time}}}}}"#);
        house.say(ada, text);
        let durable = house.room.durable_records();
        let outbox = house.room.member(ada).unwrap().outbox();
        let frame = outbox.sendable(durable).next().unwrap().clone();
        let written = String::from_utf8_lossy(&frame).into_owned();
        assert!(written.contains(&format!(r#""client_time":{time}}}"#)), "{time}: {written}");
        let answer = &house.read(ada)[0]["payload"];
        assert_eq!(
            (&answer["server_time"], &answer["connection_id"]),
            (&json!("2025-09-21T12:45:30.123Z"), &json!("conn_1"))
        );
    }
    house.say(ada, message("system.heartbeat", json!({})));
    assert!(house.read(ada)[0]["payload"].get("client_time").is_none());
    for wrong in [json!(true), json!({}), json!("t".repeat(129))] {
        house.say(ada, message("system.heartbeat", json!({"client_time": wrong})));
        assert_eq!(house.read(ada)[0]["payload"]["details"]["field"], "payload.client_time");
    }
}

#[test]
fn a_heartbeat_compares_the_document() {
    let mut house = House::holding(&[("body", "é😀"), ("scope", "")]);
    let ada = house.settle(guest("ada"));
    let right = crc32fast::hash("body\0é😀\0scope\0\0".as_bytes());
    let mut check = |version: u64, crc32: u32, expected: serde_json::Value| {
        house.say(ada, message("system.heartbeat", json!({"document": {"version": version, "crc32": crc32}})));
        assert_eq!(house.read(ada)[0]["payload"]["document"], expected);
    };
    check(2, right, json!({"version": 2, "matches": true}));
    check(2, right ^ 1, json!({"version": 2, "matches": false}));
    check(1, right, serde_json::Value::Null);
    check(3, right, serde_json::Value::Null);
    house.say(ada, insert(0, "x"));
    house.say(ada, message("system.heartbeat", json!({"document": {"version": 3, "crc32": right}})));
    house.check_now(ada, &[]);
    house.sync();
    assert_eq!(house.read(ada)[0]["payload"]["document"], json!({"version": 3, "matches": false}));
}

/// Mutated messages of every kind: never a panic, and the document stays whole.
#[test]
fn mutated_messages_do_no_harm() {
    const SAMPLES: [&str; 6] = [
        r#"{"type":"document.change","payload":{"operation":"replace","position":3,"length":2,"content":"é\ud83d\ude00","section":"body","base_version":1},"metadata":{"client_id":"c","correlation_id":"1"}}"#,
        r#"[{"type":"cursor.position","payload":{"position":1}},{"type":"system.heartbeat","payload":{"client_time":1.5}}]"#,
        r#"{"type":"selection.change","payload":{"start":1,"end":2,"section":"body"}}"#,
        r#"{"type":"sync.request","payload":{"last_known_version":0,"sections":["body"],"full":false}}"#,
        r#"{"type":"document.change","payload":{"changes":[{"operation":"insert","position":0,"content":"x"},{"operation":"delete","position":0,"length":1}]}}"#,
        r#"{"type":"document.join","payload":{"document_id":"jd_12345"}}"#,
    ];
    for_seeds(3_000, |seed| {
        let mut rng = Rng(seed);
        let mut house = House::holding(&[("body", "0123😀456789")]);
        let ada = house.settle(guest("ada"));
        for _ in 0..4 {
            let mut bytes = rng.pick(&SAMPLES).as_bytes().to_vec();
            for _ in 0..rng.below(4) {
                let at = rng.below(bytes.len().max(1));
                match rng.below(4) {
                    0 => bytes[at] = rng.next() as u8,
                    1 if bytes.len() > 1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, *rng.pick(b"{}[]\",:0-9e.\\u\0\xff")),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            house.say_bytes(ada, &bytes);
            house.sync();
            house.read(ada);
        }
    });
}

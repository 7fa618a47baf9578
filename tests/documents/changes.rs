//! `POST …/changes`, value by value: what is not as the protocol has it (sections 2 and 3) is named, and nothing of the batch is
//! done.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::{ask, insertion};

const INVALID: (u16, &str) = (400, "VALIDATION_ERROR");
const POSITION: (u16, &str) = (400, "INVALID_POSITION");
const UNKNOWN: (u16, &str) = (409, "VERSION_UNKNOWN");
const FORBIDDEN: (u16, &str) = (403, "FORBIDDEN");
/// A section's length at most, in bytes.
const SECTION_BYTES: usize = 20_000;

/// A document with two sections, `intro` of 5 UTF-16 code units and `body` of 3.
struct Room {
    server: Server,
    token: String,
    version: u64,
}

impl Room {
    async fn open(home: &Home) -> Self {
        let server = home.start().env("JDDB_LIMITS__SECTION_BYTES", &SECTION_BYTES.to_string()).ready().await;
        let room = Self { server, token: home.token("ann"), version: 1 };
        let texts = json!({"sections": {"intro": "ab😀c", "body": "dé\u{300}"}});
        assert_eq!(ask(room.port(), "PUT", ("jd_1", ""), &room.token, "", Some(&texts)).await.status, 201);
        room
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    async fn refuses(&self, query: &str, body: &Value, (status, code): (u16, &str), field: &str) {
        let before = http::state(self.port(), "jd_1", &self.token).await;
        let answer = ask(self.port(), "POST", ("jd_1", &format!("/changes{query}")), &self.token, "", Some(body)).await;
        let shown: String = body.to_string().chars().take(300).collect();
        assert_eq!(answer.status, status, "{query} {shown}: {}", String::from_utf8_lossy(&answer.body));
        let error = answer.error(status, code);
        assert_eq!(error["details"]["field"].as_str().unwrap_or_default(), field, "{query} {shown}: {error}");
        assert!(error["details"]["expected"].is_string(), "{shown}: {error}");
        assert_eq!(http::state(self.port(), "jd_1", &self.token).await, before, "{query} {shown}");
    }

    /// A change is refused alone, and beside one that could be made, on whichever side.
    async fn refuses_change(&self, query: &str, change: &Value, told: (u16, &str), field: &str) {
        let good = json!({"operation": "insert", "position": 1, "content": "good", "section": "intro"});
        for (changes, index) in [
            (json!([change]), 0),
            (json!([change, good]), 0),
            (json!([good, change]), 1),
            (json!([good, good, change, good]), 2),
        ] {
            let body = json!({"changes": changes, "base_version": self.version});
            let dot = if field.is_empty() { "" } else { "." };
            self.refuses(query, &body, told, &format!("changes[{index}]{dot}{field}")).await;
        }
    }
}

/// A change with something else in it.
fn with(change: &Value, key: &str, value: Value) -> Value {
    let mut change = change.clone();
    change[key] = value;
    change
}

fn without(change: &Value, key: &str) -> Value {
    let mut change = change.clone();
    change.as_object_mut().expect("an object").remove(key);
    change
}

#[tokio::test]
async fn each_value_of_a_change_has_its_type_and_its_bounds() {
    let home = Home::in_memory();
    let room = Room::open(&home).await;
    let insert = json!({"operation": "insert", "position": 0, "content": "x", "section": "intro"});
    let delete = json!({"operation": "delete", "position": 0, "length": 1, "section": "intro"});
    let replace = json!({"operation": "replace", "position": 0, "length": 1, "content": "x", "section": "intro"});
    for change in [json!(null), json!(5), json!("insert"), json!([insert])] {
        room.refuses_change("", &change, INVALID, "").await;
    }
    for value in [json!(null), json!(5), json!(""), json!("move"), json!("Insert"), json!(["insert"])] {
        room.refuses_change("", &with(&insert, "operation", value), INVALID, "operation").await;
    }
    for change in [&insert, &delete, &replace] {
        room.refuses_change("", &without(change, "operation"), INVALID, "operation").await;
        for key in ["position", "length", "content"] {
            if change.get(key).is_none() {
                continue;
            }
            room.refuses_change("", &without(change, key), INVALID, key).await;
            for value in [json!(null), json!(true), json!([]), json!({})] {
                room.refuses_change("", &with(change, key, value), INVALID, key).await;
            }
            let other = if key == "content" { json!(5) } else { json!("1") };
            room.refuses_change("", &with(change, key, other), INVALID, key).await;
        }
        for number in [json!(-1), json!(0.5), json!(1.0), json!(-1e300), json!(i64::MIN)] {
            room.refuses_change("", &with(change, "position", number), INVALID, "position").await;
        }
        for name in ["", "1a", "a b", "é", "a/b", &"x".repeat(65)] {
            room.refuses_change("", &with(change, "section", json!(name)), INVALID, "section").await;
        }
        for name in [json!(5), json!(["intro"]), json!(false)] {
            room.refuses_change("", &with(change, "section", name), INVALID, "section").await;
        }
        for (metadata, field) in [
            (json!(5), "metadata"),
            (json!([]), "metadata"),
            (json!({"user_id": 5}), "metadata.user_id"),
            (json!({"client_id": ["a"]}), "metadata.client_id"),
            (json!({"client_id": "x".repeat(129)}), "metadata.client_id"),
            (json!({"correlation_id": "é".repeat(65)}), "metadata.correlation_id"),
        ] {
            room.refuses_change("", &with(change, "metadata", metadata), INVALID, field).await;
        }
        let other = with(change, "metadata", json!({"user_id": "ben"}));
        room.refuses_change("", &other, FORBIDDEN, "metadata.user_id").await;
    }
    for change in [&delete, &replace] {
        for number in [json!(-1), json!(0.5), json!(i64::MIN)] {
            room.refuses_change("", &with(change, "length", number), INVALID, "length").await;
        }
        let elsewhere = with(change, "section", json!("nowhere"));
        room.refuses_change("", &elsewhere, INVALID, "section").await;
    }
}

#[tokio::test]
async fn positions_are_in_the_text_at_the_base_in_the_unit_that_was_asked_for() {
    let home = Home::in_memory();
    let room = Room::open(&home).await;
    let change = |operation: &str, section: Option<&str>, position: u64, length: u64| {
        json!({
            "operation": operation, "section": section, "position": position, "length": length, "content": "x",
        })
    };
    // The lengths of `body`, which is the first section, and of `intro`, and places inside of a character there.
    for (query, body, intro, inside) in [
        ("", 3, 5, &[3][..]),
        ("?position_encoding=utf-16", 3, 5, &[3]),
        ("?position_encoding=utf-32", 3, 4, &[]),
        ("?position_encoding=utf-8", 5, 7, &[3, 4, 5]),
    ] {
        for (section, start) in [(Some("intro"), 0), (None, body)] {
            let length = start + intro;
            for beyond in [length + 1, length + 1_000, u64::MAX] {
                for operation in ["insert", "delete", "replace"] {
                    let change = change(operation, section, beyond, 0);
                    room.refuses_change(query, &change, POSITION, "position").await;
                }
                for operation in ["delete", "replace"] {
                    let change = change(operation, section, 1, beyond);
                    room.refuses_change(query, &change, POSITION, "length").await;
                }
            }
            for inside in inside.iter().map(|inside| start + inside) {
                for operation in ["insert", "delete", "replace"] {
                    let change = change(operation, section, inside, 0);
                    room.refuses_change(query, &change, POSITION, "position").await;
                }
                for operation in ["delete", "replace"] {
                    let change = change(operation, section, 0, inside);
                    room.refuses_change(query, &change, POSITION, "length").await;
                }
            }
        }
    }
    let good = json!({"changes": [change("insert", None, 0, 0)], "base_version": room.version});
    for encoding in ["latin-1", "UTF-16", "utf16", ""] {
        let query = format!("?position_encoding={encoding}");
        room.refuses(&query, &good, INVALID, "position_encoding").await;
    }
    room.refuses("?position_encoding=utf-8&position_encoding=utf-8", &good, INVALID, "position_encoding").await;
}

#[tokio::test]
async fn each_value_of_a_batch_has_its_type_and_its_bounds() {
    let home = Home::in_memory();
    let room = Room::open(&home).await;
    let good = json!({"operation": "insert", "position": 0, "content": "x", "section": "intro"});
    let body = json!({"changes": [good], "base_version": 1});
    for other in [json!([]), json!("x"), json!(5), json!(null)] {
        room.refuses("", &other, INVALID, "").await;
    }
    room.refuses("", &without(&body, "changes"), INVALID, "changes").await;
    let many: Vec<&Value> = std::iter::repeat_n(&good, 1_001).collect();
    for changes in [json!(null), json!({}), json!(5), json!("x"), json!([]), json!(many)] {
        room.refuses("", &with(&body, "changes", changes), INVALID, "changes").await;
    }
    for base in [json!(-1), json!(0.5), json!(1.0), json!("1"), json!(true), json!([1])] {
        room.refuses("", &with(&body, "base_version", base), INVALID, "base_version").await;
    }
    for base in [2, 3, 1_000_001, u64::MAX] {
        room.refuses("", &with(&body, "base_version", json!(base)), UNKNOWN, "base_version").await;
    }
    for resolution in [json!("merge"), json!(""), json!("Reject"), json!(true), json!(["reject"])] {
        let body = with(&body, "conflict_resolution", resolution);
        room.refuses("", &body, INVALID, "conflict_resolution").await;
    }
    for key in ["client_id", "correlation_id"] {
        for name in [json!(5), json!([]), json!("x".repeat(129))] {
            room.refuses("", &with(&body, key, name), INVALID, key).await;
        }
    }
    let authors = [json!({"user_id": "ann"}), json!({"user_id": "ben"})].map(|author| with(&good, "metadata", author));
    room.refuses("", &with(&body, "changes", json!(authors)), INVALID, "changes").await;
    let large = with(&good, "content", json!("x".repeat(SECTION_BYTES)));
    let too_large = (413, "DOCUMENT_TOO_LARGE");
    room.refuses("", &with(&body, "changes", json!([good, large])), too_large, "changes").await;
    let section = |number: usize| with(&good, "section", json!(format!("s{number}")));
    let sections: Vec<Value> = (0..63).map(section).collect();
    room.refuses("", &with(&body, "changes", json!(sections)), too_large, "changes").await;

    // One thing in between is a conflict to who does not want it moved.
    let answer = http::post(room.port(), "/api/documents/jd_1/changes", &room.token, &insertion("y")).await;
    assert_eq!(answer.ok()["new_version"], 2);
    let picky = with(&body, "conflict_resolution", json!("reject"));
    room.refuses("", &picky, (409, "VERSION_CONFLICT"), "base_version").await;
    for (base, version) in [(2, 3), (1, 4)] {
        let body = with(&body, "base_version", json!(base));
        let answer = http::post(room.port(), "/api/documents/jd_1/changes", &room.token, &body).await;
        assert_eq!(answer.ok()["new_version"], version, "what is right is done");
    }
}

#[tokio::test]
async fn a_base_that_is_kept_no_longer_is_too_old() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_DOCUMENTS__BASE_VERSIONS", "10").ready().await;
    let token = home.token("ann");
    let post = async |base: Option<u64>| {
        let body = with(&insertion("x"), "base_version", json!(base));
        http::post(server.port(), "/api/documents/jd_1/changes", &token, &body).await
    };
    for _ in 0..30 {
        post(None).await.ok();
    }
    let refused = post(Some(1)).await.error(409, "VERSION_TOO_OLD");
    assert_eq!(refused["details"]["field"], "base_version");
    assert_eq!(http::state(server.port(), "jd_1", &token).await.0, 30);
    // What it names is good.
    let expected = refused["details"]["expected"].as_str().expect("a version");
    let oldest = expected.strip_suffix(" or newer").and_then(|oldest| oldest.parse().ok()).expect("a number");
    post(Some(oldest)).await.ok();
}

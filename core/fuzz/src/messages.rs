//! The message parser: it never panics, takes nothing that is not JSON and refuses nothing that is, names the field
//! that is wrong, and reads what it has read again when that is written.

use jddb_core::document::SentChange;
use jddb_core::ids::SectionName;
use jddb_core::protocol::{
    ClientTime, ENVELOPES_PER_FRAME_MAX, Inbound, InboundChange, InboundError, Message, Parser, SyncForm,
    read_changes_body,
};
use serde_json::{Map, Value, json};

use super::translation_messages::{self, spelled_out};

/// Small, so that the limit is met.
const CHANGES_MAX: usize = 4;
/// What any parser has to read, whatever it was given before.
const KNOWN: &str = r#"{"type":"document.save","payload":{}}"#;

/// What may be absent somewhere.
const OPTIONAL: [&str; 12] = [
    "section",
    "base_version",
    "conflict_resolution",
    "changes",
    "document_id",
    "client_time",
    "document",
    "last_known_version",
    "sections",
    "full",
    "client_id",
    "correlation_id",
];

/// A message as a client may send it.
///
/// # Panics
/// Something that must hold does not.
pub fn messages(data: &[u8]) {
    let mut parser = Parser::default();
    let read = read(&mut parser, data);
    assert_eq!(self::read(&mut parser, data), read, "read again");
    assert_eq!(self::read(&mut parser, KNOWN.as_bytes()).len(), 1, "read after");
    check_syntax(data, &read);
    check_count(data, &read);
    let value = value_of(data);
    for (index, one) in read.iter().enumerate() {
        let sent = value.as_ref().and_then(|value| value.as_array().map_or(Some(value), |all| all.get(index)));
        match one {
            Ok((shown, written)) => {
                if let Some(sent) = sent.map(spelled_out) {
                    let sent = &sent;
                    assert!(is_part_of(written, sent), "{written} is not what was sent: {sent}");
                    assert!(holds_all_of(written, sent), "{written} is not all that was sent: {sent}");
                }
                let again = self::read(&mut parser, written.to_string().as_bytes());
                assert_eq!(again, [Ok((shown.clone(), written.clone()))], "written and read");
                let again = self::read(&mut parser, padded(written).to_string().as_bytes());
                assert_eq!(again, [Ok((shown.clone(), written.clone()))], "with nulls and unknown fields");
            }
            Err(error) => check_error(error, sent, data),
        }
    }
    body(&mut parser, data);
}

/// Each envelope: how the program sees it, and as JSON; or what is wrong with it.
fn read(parser: &mut Parser, data: &[u8]) -> Vec<Result<(String, Value), InboundError>> {
    let mut seen = Vec::new();
    parser.read(&mut data.to_vec(), CHANGES_MAX, |read| {
        seen.push(read.map(|inbound| (format!("{inbound:?}"), written(&inbound))));
    });
    seen
}

/// The input as a general JSON parser reads it.
fn value_of(data: &[u8]) -> Option<Value> {
    serde_json::from_slice(data).ok()
}

/// What is read is JSON; what is JSON is read, but for numbers that no field could hold.
fn check_syntax(data: &[u8], read: &[Result<(String, Value), InboundError>]) {
    let refused = matches!(read, [Err(error)] if error.message.contains("not JSON"));
    if refused {
        let readable = value_of(data).is_some() && !has_wild_number(data);
        assert!(!readable, "refused: {}", String::from_utf8_lossy(data));
    } else {
        let syntax = serde_json::from_slice::<serde::de::IgnoredAny>(data);
        assert!(syntax.is_ok() && str::from_utf8(data).is_ok(), "taken: {}", String::from_utf8_lossy(data));
    }
}

/// More digits than 64 bits need, or an exponent.
fn has_wild_number(data: &[u8]) -> bool {
    let exponent = data.windows(2).any(|pair| pair[0].is_ascii_digit() && pair[1].eq_ignore_ascii_case(&b'e'));
    exponent || data.windows(19).any(|run| run.iter().all(u8::is_ascii_digit))
}

/// An answer for each envelope, and one where the whole is wrong.
fn check_count(data: &[u8], read: &[Result<(String, Value), InboundError>]) {
    let expected = match value_of(data) {
        Some(Value::Array(all)) if (1..=ENVELOPES_PER_FRAME_MAX).contains(&all.len()) && read.len() > 1 => all.len(),
        _ => 1,
    };
    assert_eq!(read.len(), expected);
}

/// An error says what is wrong: with a field, or with the whole.
fn check_error(error: &InboundError, sent: Option<&Value>, data: &[u8]) {
    assert!(!error.message.is_empty() && error.expected.as_ref().is_some_and(|expected| !expected.is_empty()));
    match &error.field {
        None => {
            let is_about_keys = error.expected.as_deref() == Some("an object of at most 64 keys");
            let whole = error.message.contains("not JSON")
                || !sent.is_some_and(Value::is_object)
                || (is_about_keys && may_be_large(data));
            assert!(whole, "{error:?} names no field of {sent:?}");
        }
        Some(field) => {
            assert!(!field.is_empty() && error.message.contains(field.as_str()) || field == "type", "{error:?}");
            let known = ["type", "payload", "metadata"].iter().any(|root| field.starts_with(root));
            assert!(known || error.expected.as_deref() == Some("a key that occurs once"), "{error:?}");
        }
    }
    if let (Some(id), Some(sent)) = (&error.correlation_id, sent) {
        assert_eq!(sent["metadata"]["correlation_id"], json!(id));
    }
}

/// Whether there may be an object with more than 64 keys: each has a colon, also one that is there twice.
fn may_be_large(data: &[u8]) -> bool {
    data.iter().filter(|&&byte| byte == b':').count() > 64
}

/// Whether all that is in `part` is in `whole` too; what is null may be absent.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(_)) => part.iter().all(|(key, value)| is_part_of(value, &whole[key])),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part_of(part, whole))
        }
        // Floats are not read to the last bit by everybody.
        (Value::Number(part), Value::Number(whole)) if part.is_f64() || whole.is_f64() => {
            part.as_f64().zip(whole.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-12)
        }
        (part, whole) => part == whole,
    }
}

/// Whether nothing that means something is missing from what was read; what is null counts as absent.
fn holds_all_of(read: &Value, sent: &Value) -> bool {
    let in_metadata = holds_keys(&read["metadata"], &sent["metadata"], &["client_id", "correlation_id"]);
    let (read_payload, payload) = (&read["payload"], &sent["payload"]);
    let change = |read: &Value, sent: &Value| {
        let keys: &[&str] = match sent["operation"].as_str() {
            Some("insert") => &["position", "content", "section"],
            Some("delete") => &["position", "length", "section"],
            _ => &["position", "content", "length", "section"],
        };
        holds_keys(read, sent, keys)
    };
    let rejects = payload["conflict_resolution"] == "reject";
    let in_payload = match read["type"].as_str().unwrap_or_default() {
        "document.change" => {
            let changes = match (read_payload["changes"].as_array(), payload["changes"].as_array()) {
                (Some(read), Some(sent)) => read.iter().zip(sent).all(|(read, sent)| change(read, sent)),
                _ => change(read_payload, payload),
            };
            let rest: &[&str] = if rejects { &["base_version", "conflict_resolution"] } else { &["base_version"] };
            changes && holds_keys(read_payload, payload, rest)
        }
        "document.join" => holds_keys(read_payload, payload, &["document_id"]),
        "cursor.position" => holds_keys(read_payload, payload, &["position", "section", "base_version"]),
        "selection.change" => holds_keys(read_payload, payload, &["start", "end", "section", "base_version"]),
        "system.heartbeat" => holds_keys(read_payload, payload, &["client_time", "document"]),
        "sync.request" => holds_keys(read_payload, payload, &["last_known_version", "sections", "full"]),
        "translation.request" => holds_keys(read_payload, payload, &translation_messages::FIELDS),
        "translation.submit" => holds_keys(read_payload, payload, &translation_messages::FIELDS_HANDED_IN),
        _ => true,
    };
    in_metadata && in_payload
}

fn holds_keys(read: &Value, sent: &Value, keys: &[&str]) -> bool {
    keys.iter().all(|key| sent[key].is_null() || !read[key].is_null())
}

/// A message as a client would write it.
fn written(inbound: &Inbound<'_>) -> Value {
    let (kind, payload) = match &inbound.message {
        Message::Change(change) => ("document.change", change_payload(change)),
        Message::Join { document_id } => ("document.join", object([("document_id", document_id.map(Into::into))])),
        Message::Save => ("document.save", json!({})),
        Message::Cursor { position, section, base } => {
            let base = base.map(|base| base.0.into());
            let position = Some((*position).into());
            let payload = [("position", position), ("section", name(section.as_ref())), ("base_version", base)];
            ("cursor.position", object(payload))
        }
        Message::Selection { start, end, section, base } => {
            let base = base.map(|base| base.0.into());
            let (start, end) = (Some((*start).into()), Some((*end).into()));
            let payload = [("start", start), ("end", end), ("section", name(section.as_ref())), ("base_version", base)];
            ("selection.change", object(payload))
        }
        Message::Heartbeat { client_time, document } => {
            let document = document.map(|document| json!({"version": document.version.0, "crc32": document.crc32}));
            let payload = [("client_time", client_time.map(time)), ("document", document)];
            ("system.heartbeat", object(payload))
        }
        Message::Sync { last_known_version, sections, form } => {
            let names = |names: &Vec<SectionName>| names.iter().map(|section| Value::from(section.as_str())).collect();
            let full = match form {
                SyncForm::Smaller => None,
                SyncForm::Changes => Some(false.into()),
                SyncForm::Full => Some(true.into()),
            };
            let version = last_known_version.map(|version| version.0.into());
            let payload = [("last_known_version", version), ("sections", sections.as_ref().map(names)), ("full", full)];
            ("sync.request", object(payload))
        }
        Message::Refresh { token } => ("auth.refresh", json!({"token": token.0})),
        Message::Translation(message) => translation_messages::written(message),
    };
    let metadata = object([
        ("client_id", inbound.client_id.map(Into::into)),
        ("correlation_id", inbound.correlation_id.map(Into::into)),
    ]);
    if metadata == json!({}) {
        json!({"type": kind, "payload": payload})
    } else {
        json!({"type": kind, "payload": payload, "metadata": metadata})
    }
}

/// The same message with all that means nothing: `null` for what is absent, and fields that nobody knows.
fn padded(message: &Value) -> Value {
    let mut message = message.clone();
    if message.get("metadata").is_none() {
        message["metadata"] = Value::Null;
    }
    for part in ["payload", "metadata"] {
        let Some(fields) = message[part].as_object_mut() else { continue };
        for key in OPTIONAL {
            fields.entry(key).or_insert(Value::Null);
        }
        fields.insert("unknown".to_owned(), json!([{"type": 1, "type ": [null]}, "\u{0}", -1.5]));
    }
    message
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn name(section: Option<&SectionName>) -> Option<Value> {
    section.map(|section| section.as_str().into())
}

fn time(time: ClientTime<'_>) -> Value {
    serde_json::to_value(time).expect("a number or a text is JSON")
}

fn change_payload(change: &InboundChange<'_>) -> Value {
    assert!((1..=CHANGES_MAX).contains(&change.changes.len()));
    let changes: Vec<Value> = change.changes.iter().map(one_change).collect();
    let mut payload = match (change.is_batch, changes.as_slice()) {
        (false, [one]) => one.clone(),
        (_, all) => json!({"changes": all}),
    };
    if let Some(base) = change.base {
        payload["base_version"] = base.0.into();
    }
    if change.reject_conflicts {
        payload["conflict_resolution"] = "reject".into();
    }
    payload
}

fn one_change(change: &SentChange<'_>) -> Value {
    let kind = change.kind.name();
    let content = (kind != "delete").then(|| change.content.as_ref().into());
    let length = (kind != "insert").then(|| change.length.into());
    object([
        ("operation", Some(kind.into())),
        ("position", Some(change.position.into())),
        ("length", length),
        ("content", content),
        ("section", name(change.section.as_ref())),
    ])
}

/// The same bytes as the body of a request.
fn body(parser: &mut Parser, data: &[u8]) {
    let read = read_changes_body(parser, &mut data.to_vec(), CHANGES_MAX, |inbound, authors| {
        let Message::Change(change) = &inbound.message else { panic!("a body holds changes: {inbound:?}") };
        assert!(authors.len() <= change.changes.len());
        Ok(change_payload(change))
    });
    match (read, value_of(data)) {
        (Ok(written), Some(sent)) => assert!(is_part_of(&written, &sent), "{written} is not what was sent: {sent}"),
        (Ok(_), None) | (Err(_), _) => {}
    }
}

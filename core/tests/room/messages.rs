//! Messages as the tests write them, and frames as they read them.

use serde_json::{Value, json};

use crate::naive_inflate::inflated;

/// The first frame, if it is whole: a text as JSON, a close as `{"type": "close", "code", "reason"}`.
pub(crate) fn first_frame(bytes: &[u8]) -> Option<(Value, usize)> {
    let (&[first, length], rest) = bytes.split_first_chunk::<2>()?;
    let (header, length) = match length {
        126 => (2, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?) as usize),
        short => (0, usize::from(short)),
    };
    let payload = rest.get(header..header + length)?;
    let message = match first {
        0x81 => text_message(payload),
        0xc1 => text_message(&inflated(payload, 16 << 20).unwrap()),
        0x88 => {
            let code = u16::from_be_bytes(*payload.first_chunk().unwrap());
            json!({"type": "close", "code": code, "reason": str::from_utf8(&payload[2..]).unwrap()})
        }
        0x8a => json!({"type": "pong"}),
        other => panic!("a frame beginning with {other:#x}"),
    };
    Some((message, 2 + header + length))
}

fn text_message(payload: &[u8]) -> Value {
    let mut message: Value = serde_json::from_slice(payload).unwrap();
    message["section_order"] = json!(section_order(&message, str::from_utf8(payload).unwrap()));
    message
}

/// The names of the sections in the order in which a full state has them, which [`Value`] does not keep.
fn section_order(message: &Value, text: &str) -> Vec<String> {
    let payload = &message["payload"];
    let states = [&payload["content"]["sections"], &payload["full_document_state"]["sections"]];
    let Some(sections) = states.iter().find_map(|sections| sections.as_object()) else { return Vec::new() };
    let from = text.find(r#""sections":{"#).unwrap();
    let place = |name: &String| text[from..].find(&format!("{}:", json!(name))).unwrap();
    let mut names: Vec<String> = sections.keys().cloned().collect();
    names.sort_by_key(place);
    names
}

/// A message in a few words.
pub(crate) fn brief(message: &Value) -> String {
    let payload = &message["payload"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match message["type"].as_str().unwrap() {
        "document.change" => {
            let part = if payload["part"].is_null() {
                String::new()
            } else {
                format!(" {}/{}", payload["part"], payload["parts"])
            };
            let position = &payload["position"];
            let (operation, content) = (text(&payload["operation"]), text(&payload["content"]));
            let length = payload["length"].as_u64().map_or(String::new(), |length| format!("-{length}"));
            format!("{operation} {position}{length}{content} v{}{part}", payload["version"])
        }
        "document.ack" => format!("ack {} v{}", text(&payload["correlation_id"]), payload["version"]),
        "document.state" => format!("state v{}", payload["version"]),
        "document.save" => format!("save v{}", payload["version"]),
        "sync.response" if payload["full_document_state"].is_null() => {
            let versions: Vec<String> = payload["changes_since_version"]
                .as_array()
                .unwrap()
                .iter()
                .map(|part| part["version"].to_string())
                .collect();
            format!("sync v{} [{}]", payload["current_version"], versions.join(" "))
        }
        "sync.response" => format!("sync v{} full", payload["current_version"]),
        "user.presence" => format!("{} {}", text(&payload["user_id"]), text(&payload["status"])),
        "cursor.position" => format!("cursor {} v{}", payload["position"], payload["version"]),
        "selection.change" => format!("selection {}-{} v{}", payload["start"], payload["end"], payload["version"]),
        "system.error" => format!("error {}", text(&payload["error_code"])),
        "system.heartbeat" => "heartbeat".to_owned(),
        "close" => format!("close {}", message["code"]),
        other => other.to_owned(),
    }
}

/// The version a message shows, if it shows one.
pub(crate) fn version_of(message: &Value) -> Option<u64> {
    let payload = &message["payload"];
    payload["version"].as_u64().or_else(|| payload["current_version"].as_u64())
}

/// A `document.change` without metadata.
pub(crate) fn change(payload: Value) -> String {
    json!({"type": "document.change", "payload": payload}).to_string()
}

/// An insert that is to be acknowledged.
pub(crate) fn named_insert(correlation_id: &str, position: u64, content: &str) -> String {
    json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": position, "content": content},
        "metadata": {"client_id": "client_abc123", "correlation_id": correlation_id},
    })
    .to_string()
}

pub(crate) fn message(kind: &str, payload: Value) -> String {
    json!({"type": kind, "payload": payload}).to_string()
}

pub(crate) fn insert(position: u64, content: &str) -> String {
    change(json!({"operation": "insert", "position": position, "content": content}))
}

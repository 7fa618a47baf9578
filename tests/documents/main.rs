//! Whole documents over HTTP: created, replaced, restored, deleted, locked and listed, while people edit them.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

mod changes;
mod deletion;
mod history;
mod kills;
mod list;
mod lock;
mod put;

use serde_json::{Value, json};
use support::home::{Home, UNLIMITED};
use support::http::{self, Answer};

/// A token for somebody who may do everything with documents.
fn admin(home: &Home, user: &str) -> String {
    home.token_with(user, "document:read document:write document:admin", &["--limits", UNLIMITED])
}

/// A request on a document, or on what `more` names of it, with more header lines.
async fn ask(
    port: u16,
    method: &str,
    (document, more): (&str, &str),
    token: &str,
    headers: &str,
    body: Option<&Value>,
) -> Answer {
    let path = format!("/api/documents/{document}{more}");
    http::exchange(port, &http::request_with(method, &path, Some(token), headers, body)).await
}

/// `PUT` of a document with one section.
async fn put(port: u16, document: &str, token: &str, headers: &str, text: &str) -> Answer {
    ask(port, "PUT", (document, ""), token, headers, Some(&json!({"sections": {"body": text}}))).await
}

async fn delete(port: u16, document: &str, token: &str) -> Answer {
    ask(port, "DELETE", (document, ""), token, "", None).await
}

/// An insertion at the beginning.
fn insertion(text: &str) -> Value {
    json!({"changes": [{"operation": "insert", "position": 0, "content": text, "section": "body"}]})
}

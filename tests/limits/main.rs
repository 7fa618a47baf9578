//! The limits of the reference as a client meets them: what is refused, how that is told, and what goes on.
//!
//! [`rates`] is messages, [`connections`] is who may connect, [`reload`] is limits that change meanwhile.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod connections;
mod rates;
mod reload;

use serde_json::{Value, json};

use support::home::{EDIT, Home};
use support::socket::{MASK, Socket, frame};

/// A token that grants nothing beyond the server's own limits.
fn token(home: &Home, user: &str) -> String {
    home.token_with(user, EDIT, &[])
}

/// An insert that is to be acknowledged.
fn insert(content: &str, name: &str) -> Value {
    json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": 0, "content": content},
        "metadata": {"client_id": "client_1", "correlation_id": name},
    })
}

/// Sends messages in one write, so that the server reads them at one moment.
fn send_at_once(socket: &Socket, messages: impl IntoIterator<Item = Value>) {
    let frames = messages.into_iter().flat_map(|message| frame(0x81, Some(MASK), message.to_string().as_bytes()));
    socket.send_bytes(frames.collect());
}

/// So many inserts in one write, called `m1` and so on.
fn send_inserts(socket: &Socket, count: usize) {
    send_at_once(socket, (1..=count).map(|index| insert("x", &format!("m{index}"))));
}

/// The next `count` answers to what was sent.
async fn answers(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut answers = Vec::new();
    while answers.len() < count {
        let message = socket.message().await;
        if message["type"] == "document.ack" || message["type"] == "system.error" {
            answers.push(message);
        }
    }
    answers
}

/// How many of these are acknowledgements.
fn acknowledged(answers: &[Value]) -> usize {
    answers.iter().filter(|answer| answer["type"] == "document.ack").count()
}

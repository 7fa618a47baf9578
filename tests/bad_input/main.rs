//! What the server must not be harmed by: broken frames and messages, wrong tokens, malformed requests,
//! wrong configurations, damaged records, disks that are full or fail. And nobody else notices.
//!
//! [`frames`] is the WebSocket protocol broken, [`messages`] what is inside of frames, [`tokens`] who may
//! not come in, [`requests`] and [`refusals`] are HTTP, [`startup`] what the operator gets wrong, [`storage`] what the disk does and [`stalled`] what it does not,
//! [`unfinished`] what never comes in full.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod frames;
mod messages;
mod refusals;
mod requests;
mod stalled;
mod startup;
mod storage;
mod tokens;
mod unfinished;

use serde_json::{Value, json};

use support::client::Client;
use support::home::Home;
use support::server::Server;
use support::socket::{Received, Socket};

/// Somebody who edits the same document, and is to notice nothing.
struct Bystander {
    client: Client,
    edits: usize,
}

impl Bystander {
    async fn join(home: &Home, server: &Server, document: &str) -> Self {
        let client = Client::joined(document, &home.token("bystander"), "bystander", server.port()).await;
        let mut bystander = Self { client, edits: 0 };
        bystander.goes_on_undisturbed().await;
        bystander
    }

    /// Edits, and looks through all that came in: nothing but presence and its own acknowledgement.
    async fn goes_on_undisturbed(&mut self) {
        let name = self.client.editor().edit("body", self.edits, 0, "b");
        self.edits += 1;
        self.client.push();
        loop {
            let message = self.client.socket().message().await;
            if message["type"] == "user.presence" {
                continue;
            }
            assert_eq!(message["type"], "document.ack", "a bystander got {message}");
            assert_eq!(self.client.editor().take(&message), Some(name));
            return;
        }
    }
}

/// A `document.change` with that payload.
fn change(payload: Value) -> Value {
    json!({"type": "document.change", "payload": payload, "metadata": {"client_id": "bad", "correlation_id": "bad.1"}})
}

/// The connection has to be closed with that code; returns the messages before it.
async fn closed_with(socket: &mut Socket, code: u16) -> Vec<Value> {
    let (messages, closed, reason) = socket.closed().await;
    assert_eq!(closed, code, "closed with {closed} {reason:?} after {messages:?}");
    messages
}

/// Whether the connection still answers.
async fn stays_open(socket: &mut Socket) {
    socket.send(&json!({"type": "system.heartbeat", "payload": {"client_time": 1}}));
    loop {
        match socket.receive().await {
            Received::Message(message) if message["type"] == "system.heartbeat" => return,
            Received::Message(_) => {}
            ended => panic!("the connection did not stay open: {ended:?}"),
        }
    }
}

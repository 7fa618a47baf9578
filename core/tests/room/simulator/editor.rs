//! A client as the protocol wants it: one change in flight, further ones in a buffer, each moved over
//! what comes from the others; a resend and a `sync.request` after a connection was lost.

use std::collections::VecDeque;

use jddb_core::document::VERSIONS_SKIPPED;
use jddb_core::ot::{Operation, OperationBuilder, Order, transform};
use jddb_core::room::MemberKey;
use jddb_core::text::Text;
use serde_json::{Value, json};

use crate::rng::Rng;
use crate::support::{House, brief, guest};

const SECTIONS: [&str; 2] = ["alpha", "beta"];

/// A change of one's own that the server has not acknowledged.
struct Pending {
    name: String,
    /// As it was sent first; a resend is the same message.
    sent: Option<String>,
    section: String,
    /// What it does to the text after the server's and the pending ones before it.
    operation: Operation,
}

struct Connection {
    key: MemberKey,
    outgoing: VecDeque<String>,
    /// Until its state or `sync.response` has come, what else comes does not count.
    caught_up: bool,
    /// The change in flight was acknowledged before it had caught up.
    acknowledged_early: bool,
}

pub(crate) struct Editor {
    pub(crate) name: String,
    pub(crate) acknowledged: Vec<String>,
    /// The server's document at `version`.
    server: Vec<(String, Text)>,
    version: u64,
    pending: VecDeque<Pending>,
    connection: Option<Connection>,
    made: usize,
    has_state: bool,
}

/// The section's text, in the order of creation.
fn section<'a>(sections: &'a mut Vec<(String, Text)>, name: &str) -> &'a mut Text {
    let index = sections.iter().position(|(section, _)| section == name).unwrap_or_else(|| {
        sections.push((name.to_owned(), Text::default()));
        sections.len() - 1
    });
    &mut sections[index].1
}

impl Editor {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            name: format!("client_{index}"),
            acknowledged: Vec::new(),
            server: Vec::new(),
            version: 0,
            pending: VecDeque::new(),
            connection: None,
            made: 0,
            has_state: false,
        }
    }

    pub(crate) fn key(&self) -> Option<MemberKey> {
        self.connection.as_ref().map(|connection| connection.key)
    }

    /// What its user sees.
    fn local(&self) -> Vec<(String, Text)> {
        let mut local = self.server.clone();
        for pending in &self.pending {
            pending.operation.apply(section(&mut local, &pending.section));
        }
        local
    }

    pub(crate) fn sections(&self) -> Vec<(String, String)> {
        self.local().into_iter().map(|(name, text)| (name, text.to_string())).collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        let caught_up = |connection: &Connection| connection.caught_up && connection.outgoing.is_empty();
        self.pending.is_empty() && self.connection.as_ref().is_some_and(caught_up)
    }

    /// Its user types: one or two places of one section, between characters.
    pub(crate) fn edit(&mut self, rng: &mut Rng) {
        if self.pending.len() > 3 {
            return;
        }
        let name = *rng.pick(&SECTIONS);
        let mut local = self.local();
        let is_new = local.iter().all(|(section, _)| section != name);
        let text = section(&mut local, name);
        let mut builder = OperationBuilder::default();
        let mut from = 0;
        for _ in 0..=rng.below(2) {
            let mut boundary = |least: usize, most: usize| {
                let at = least + rng.below(most - least + 1);
                if text.is_boundary(at) { at } else { at + 1 }
            };
            let start = boundary(from, text.len());
            let end = boundary(start, text.len().min(start + 3));
            let content = rng.text(2);
            if is_new || rng.one_in(2) {
                builder.insert(start as u32, &content);
            }
            if rng.one_in(2) {
                builder.delete(start as u32, (end - start) as u32);
            }
            from = end;
        }
        let operation = builder.finish();
        if operation.is_empty() {
            return;
        }
        self.made += 1;
        let name = (format!("c{}", self.made), name.to_owned());
        self.pending.push_back(Pending { name: name.0, sent: None, section: name.1, operation });
    }

    pub(crate) fn connect(&mut self, house: &mut House, rng: &mut Rng) {
        if self.connection.is_some() {
            return;
        }
        // Who has nothing of their own under way may begin anew; the others have to catch up by changes.
        let anew = !self.has_state || (self.pending.is_empty() && rng.one_in(2));
        let joining = guest(&format!("user_of_{}", self.name));
        let key = house.join(if anew { joining } else { joining.on_join() });
        let mut outgoing = VecDeque::new();
        if !anew {
            outgoing.extend(self.pending.front().and_then(|pending| pending.sent.clone()));
            let sync = json!({"type": "sync.request", "payload": {"last_known_version": self.version}});
            outgoing.push_back(sync.to_string());
        }
        self.connection = Some(Connection { key, outgoing, caught_up: false, acknowledged_early: false });
    }

    /// The connection is gone, with what was not read on it; what it had sent is returned.
    pub(crate) fn disconnect(&mut self) -> Option<(MemberKey, Vec<String>)> {
        let connection = self.connection.take()?;
        Some((connection.key, connection.outgoing.into()))
    }

    /// The next message that the server reads.
    pub(crate) fn next_message(&mut self) -> Option<(MemberKey, String)> {
        let version = self.version;
        let connection = self.connection.as_mut()?;
        if connection.caught_up
            && let Some(front) = self.pending.front_mut()
            && front.sent.is_none()
        {
            let message = front.message(version, &self.name);
            front.sent = Some(message.clone());
            connection.outgoing.push_back(message);
        }
        Some((connection.key, connection.outgoing.pop_front()?))
    }

    /// Takes in one message; `durable` is the newest version that may be shown.
    pub(crate) fn take(&mut self, message: &Value, durable: Option<u64>) {
        let payload = &message["payload"];
        if let (Some(durable), Some(version)) = (durable, crate::support::version_of(message)) {
            assert!(version <= durable, "{} when {durable} was durable", brief(message));
        }
        let caught_up = self.connection.as_ref().is_some_and(|connection| connection.caught_up);
        match message["type"].as_str().unwrap() {
            "document.state" => {
                self.become_state(message, "content", payload["version"].as_u64().unwrap());
            }
            "sync.response" => self.catch_up(message),
            "document.change" if caught_up => self.take_part(payload),
            "document.ack" => self.take_ack(payload, caught_up),
            "system.error" => self.take_error(message),
            "close" => drop(self.disconnect()),
            _ => {}
        }
    }

    /// A part of somebody else's version.
    fn take_part(&mut self, part: &Value) {
        let version = part["version"].as_u64().unwrap();
        if part["part"].as_u64().is_none_or(|part| part == 1) {
            self.go_on_to(version);
        }
        assert_eq!(version, self.version, "{part}");
        let name = part["section"].as_str().unwrap();
        let mut operation = operation_of(part);
        operation.apply(section(&mut self.server, name));
        for pending in self.pending.iter_mut().filter(|pending| pending.section == name) {
            let over_pending = transform(&operation, &pending.operation, Order::First);
            pending.operation = transform(&pending.operation, &operation, Order::Second);
            operation = over_pending;
        }
    }

    /// Versions come one by one, but for those that are skipped after a crash in fast durability.
    fn go_on_to(&mut self, version: u64) {
        let is_next = version == self.version + 1 || version > self.version + VERSIONS_SKIPPED;
        assert!(is_next, "{version} after {}", self.version);
        self.version = version;
    }

    /// The change in flight is the next version.
    fn land(&mut self) {
        let landed = self.pending.pop_front().unwrap();
        landed.operation.apply(section(&mut self.server, &landed.section));
        self.acknowledged.push(landed.name);
    }

    fn take_ack(&mut self, ack: &Value, caught_up: bool) {
        let front = self.pending.front().unwrap();
        assert_eq!(ack["correlation_id"], front.name.as_str());
        if caught_up {
            self.go_on_to(ack["version"].as_u64().unwrap());
            self.land();
        } else {
            self.connection.as_mut().unwrap().acknowledged_early = true;
        }
    }

    fn catch_up(&mut self, response: &Value) {
        let payload = &response["payload"];
        let current = payload["current_version"].as_u64().unwrap();
        if !payload["full_document_state"].is_null() {
            return self.become_state(response, "full_document_state", current);
        }
        for part in payload["changes_since_version"].as_array().unwrap() {
            let is_own = part["client_id"] == self.name.as_str();
            if !is_own {
                self.take_part(part);
            } else if part["part"] == part["parts"] {
                // Its last part: by now it has done what the change in flight has become.
                self.go_on_to(part["version"].as_u64().unwrap());
                let front = self.pending.front().map(|front| front.name.as_str());
                assert_eq!(part["correlation_id"].as_str(), front);
                self.land();
            }
        }
        assert_eq!(self.version, current, "the list is complete");
        self.finish_catching_up();
    }

    fn finish_catching_up(&mut self) {
        let connection = self.connection.as_mut().unwrap();
        connection.caught_up = true;
        self.has_state = true;
        let unsettled = self.pending.front().is_some_and(|front| front.sent.is_some());
        assert!(!unsettled, "the resend was answered before the sync");
    }

    /// The server's document as a whole. What is pending is moved over the difference.
    fn become_state(&mut self, message: &Value, content: &str, version: u64) {
        if self.connection.as_ref().is_some_and(|connection| connection.acknowledged_early) {
            self.land();
        }
        let names = message["section_order"].as_array().unwrap();
        let now: Vec<(String, Text)> = names
            .iter()
            .map(|name| name.as_str().unwrap())
            .map(|name| {
                let text = message["payload"][content]["sections"][name].as_str().unwrap();
                (name.to_owned(), Text::from(text))
            })
            .collect();
        // In fast durability a crash may have taken a section back.
        let lost = self.server.iter().filter(|(name, _)| now.iter().all(|(other, _)| other != name));
        let lost: Vec<(String, Text)> = lost.map(|(name, _)| (name.clone(), Text::default())).collect();
        for (name, text) in now.iter().chain(&lost) {
            let mut difference = difference(section(&mut self.server, name), text);
            for pending in self.pending.iter_mut().filter(|pending| pending.section == *name) {
                let over_pending = transform(&difference, &pending.operation, Order::First);
                pending.operation = transform(&pending.operation, &difference, Order::Second);
                difference = over_pending;
            }
        }
        self.server = now;
        self.version = version;
        self.finish_catching_up();
    }

    /// The only error that a correct client meets: its base was lost with a crash in fast durability.
    fn take_error(&mut self, message: &Value) {
        let code = message["payload"]["error_code"].as_str().unwrap();
        if ["STORAGE_UNAVAILABLE", "SHUTTING_DOWN"].contains(&code) {
            return;
        }
        assert_eq!(code, "VERSION_UNKNOWN", "{message}");
        let front = self.pending.front_mut().unwrap();
        assert_eq!(message["metadata"]["correlation_id"], front.name.as_str());
        // It was refused, so it is not there: it is another change from now on.
        self.made += 1;
        (front.name, front.sent) = (format!("c{}", self.made), None);
    }
}

impl Pending {
    fn message(&self, base_version: u64, client_id: &str) -> String {
        let mut changes: Vec<Value> = self
            .operation
            .iter()
            .map(|(edit, text)| match (edit.deleted, text) {
                (0, text) => json!({"operation": "insert", "position": edit.position, "content": text, "section": self.section}),
                (length, "") => json!({"operation": "delete", "position": edit.position, "length": length, "section": self.section}),
                (length, text) => json!({
                    "operation": "replace", "position": edit.position, "length": length, "content": text, "section": self.section,
                }),
            })
            .collect();
        if changes.is_empty() {
            // The others have done it already; it is a version all the same.
            changes.push(json!({"operation": "insert", "position": 0, "content": "", "section": self.section}));
        }
        let payload = json!({"changes": changes, "base_version": base_version});
        let metadata = json!({"client_id": client_id, "correlation_id": self.name});
        json!({"type": "document.change", "payload": payload, "metadata": metadata}).to_string()
    }
}

fn operation_of(part: &Value) -> Operation {
    let position = part["position"].as_u64().unwrap() as u32;
    let mut builder = OperationBuilder::default();
    builder.insert(position, part["content"].as_str().unwrap_or(""));
    builder.delete(position, part["length"].as_u64().unwrap_or(0) as u32);
    builder.finish()
}

/// An operation that makes `after` of `before`: what is between their common ends.
fn difference(before: &Text, after: &Text) -> Operation {
    let (before, after) = (before.to_string(), after.to_string());
    let common = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| -> String {
        a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    };
    let start = common(&mut before.chars(), &mut after.chars());
    let (before, after) = (&before[start.len()..], &after[start.len()..]);
    let end = common(&mut before.chars().rev(), &mut after.chars().rev());
    let units = |text: &str| text.encode_utf16().count() as u32;
    let mut builder = OperationBuilder::default();
    builder.insert(units(&start), &after[..after.len() - end.len()]);
    builder.delete(units(&start), units(&before[..before.len() - end.len()]));
    builder.finish()
}

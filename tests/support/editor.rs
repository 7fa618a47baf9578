//! What a good client library does with a document: one change in flight, the rest of its user's edits
//! waiting, all of them transformed over what others did meanwhile.
//!
//! It holds itself to the promises it was given: versions come one by one, the parts of a version
//! follow one another, an acknowledgement is for what is in flight. What breaks one fails the test.

use std::collections::{BTreeMap, VecDeque};

use jddb_core::ot::{Operation, OperationBuilder, Order, transform};
use jddb_core::text::Text;
use serde_json::{Value, json};

/// A document as one client sees it.
#[derive(Debug)]
pub(crate) struct Editor {
    client_id: String,
    sections: BTreeMap<String, Text>,
    version: u64,
    /// Parts of version + 1 that were taken in.
    parts_taken: u64,
    pending: VecDeque<Pending>,
    edits_made: usize,
    /// Which version each of its changes became.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// Who made which version, as `client/correlation`, its own included.
    pub(crate) seen: BTreeMap<u64, String>,
    /// How many of its changes the server had to transform.
    pub(crate) transformed: usize,
}

/// An edit that the server has not acknowledged.
#[derive(Debug)]
struct Pending {
    correlation_id: String,
    section: String,
    /// What it does to the text of everything before it.
    operation: Operation,
    /// What was sent, word for word, once it was.
    message: Option<Value>,
}

impl Editor {
    /// From the payload of a `document.state`.
    pub(crate) fn new(client_id: &str, state: &Value) -> Self {
        let mut editor = Self {
            client_id: client_id.to_owned(),
            sections: BTreeMap::new(),
            version: number(&state["version"]),
            parts_taken: 0,
            pending: VecDeque::new(),
            edits_made: 0,
            acknowledged: BTreeMap::new(),
            seen: BTreeMap::new(),
            transformed: 0,
        };
        editor.adopt(&state["content"]);
        editor
    }

    fn adopt(&mut self, content: &Value) {
        let sections = content["sections"].as_object().expect("content has sections");
        let texts = sections.iter().map(|(name, text)| (name.clone(), Text::from(string(text))));
        self.sections = texts.collect();
    }

    /// The newest version it has taken in.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// How many edits the server has not acknowledged.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The text of a section; empty if there is none.
    pub(crate) fn text(&self, section: &str) -> String {
        self.sections.get(section).map(Text::to_string).unwrap_or_default()
    }

    /// All sections, to be compared with the server's.
    pub(crate) fn sections(&self) -> Value {
        self.sections.iter().map(|(name, text)| (name.clone(), Value::from(text.to_string()))).collect()
    }

    /// What the next edit will be called.
    pub(crate) fn next_name(&self) -> String {
        format!("{}.{}", self.client_id, self.edits_made + 1)
    }

    /// The user replaces `deleted` units at `position` by `inserted`. Returns what the edit is called.
    pub(crate) fn edit(&mut self, section: &str, position: usize, deleted: usize, inserted: &str) -> String {
        let mut builder = OperationBuilder::default();
        let position = u32::try_from(position).expect("a position fits");
        builder.insert(position, inserted);
        builder.delete(position, u32::try_from(deleted).expect("a length fits"));
        let operation = builder.finish();
        operation.apply(self.sections.entry(section.to_owned()).or_default());
        let correlation_id = self.next_name();
        self.edits_made += 1;
        let section = section.to_owned();
        self.pending.push_back(Pending { correlation_id: correlation_id.clone(), section, operation, message: None });
        correlation_id
    }

    /// What to send now: the oldest edit, if nothing is in flight.
    pub(crate) fn next_message(&mut self) -> Option<Value> {
        let first = self.pending.front_mut()?;
        if first.message.is_some() {
            return None;
        }
        let metadata = json!({"client_id": self.client_id, "correlation_id": first.correlation_id});
        let payload = payload(&first.section, &first.operation, self.version);
        first.message = Some(json!({"type": "document.change", "payload": payload, "metadata": metadata}));
        first.message.clone()
    }

    /// What was sent and not acknowledged, to be sent again word for word after a reconnect.
    pub(crate) fn in_flight(&self) -> Option<&Value> {
        self.pending.front()?.message.as_ref()
    }

    /// Takes in a message of the server. Returns what it acknowledged.
    pub(crate) fn take(&mut self, message: &Value) -> Option<String> {
        let payload = &message["payload"];
        match string(&message["type"]) {
            "document.change" => {
                self.take_part(payload, &message["metadata"]);
                None
            }
            "document.ack" => self.take_ack(payload),
            "system.error" => panic!("{}: the server refused: {message}", self.client_id),
            _ => None,
        }
    }

    /// One part of somebody's version; `origin` has its `client_id` and `correlation_id`.
    fn take_part(&mut self, part: &Value, origin: &Value) {
        let version = number(&part["version"]);
        let (index, count) = (part["part"].as_u64().unwrap_or(1), part["parts"].as_u64().unwrap_or(1));
        let due = (self.version + 1, self.parts_taken + 1);
        assert_eq!((version, index), due, "{}: version and part: {part}", self.client_id);
        self.apply_from_others(string(&part["section"]), operation(part));
        self.parts_taken = index;
        if index == count {
            self.finish_version(name_of(origin));
        }
    }

    fn finish_version(&mut self, name: String) {
        self.version += 1;
        self.parts_taken = 0;
        self.seen.insert(self.version, name);
    }

    fn apply_from_others(&mut self, section: &str, mut operation: Operation) {
        for pending in self.pending.iter_mut().filter(|pending| pending.section == section) {
            let moved = transform(&operation, &pending.operation, Order::First);
            pending.operation = transform(&pending.operation, &operation, Order::Second);
            operation = moved;
        }
        operation.apply(self.sections.entry(section.to_owned()).or_default());
    }

    fn take_ack(&mut self, ack: &Value) -> Option<String> {
        let (version, correlation_id) = (number(&ack["version"]), string(&ack["correlation_id"]));
        if let Some(known) = self.acknowledged.get(correlation_id) {
            assert_eq!(*known, version, "{correlation_id} became another version when it was sent again");
            return None;
        }
        assert_eq!((version, self.parts_taken), (self.version + 1, 0), "{}: {ack}", self.client_id);
        self.transformed += usize::from(ack["transformed"] == true);
        self.acknowledge(correlation_id);
        Some(correlation_id.to_owned())
    }

    /// The edit in flight is the next version.
    fn acknowledge(&mut self, correlation_id: &str) {
        let first = self.pending.pop_front().unwrap_or_else(|| panic!("nothing is in flight, not {correlation_id}"));
        assert_eq!((first.correlation_id.as_str(), first.message.is_some()), (correlation_id, true));
        self.finish_version(format!("{}/{correlation_id}", self.client_id));
        self.acknowledged.insert(correlation_id.to_owned(), self.version);
    }

    /// Takes in the payload of a `sync.response`. Returns what of its own was in it.
    pub(crate) fn catch_up(&mut self, response: &Value) -> Vec<String> {
        let current = number(&response["current_version"]);
        if !response["full_document_state"].is_null() {
            assert!(self.pending.is_empty(), "{}: a full state, but edits wait: {response}", self.client_id);
            self.adopt(&response["full_document_state"]);
            self.version = current;
            return Vec::new();
        }
        let mut own = Vec::new();
        for change in response["changes_since_version"].as_array().expect("a list of changes") {
            if change["client_id"] != self.client_id.as_str() {
                self.take_part(change, change);
            } else if change["part"] == change["parts"] {
                assert_eq!(number(&change["version"]), self.version + 1, "{change}");
                own.push(string(&change["correlation_id"]).to_owned());
                self.acknowledge(string(&change["correlation_id"]));
            }
        }
        assert_eq!(self.version, current, "{}: the list ends elsewhere: {response}", self.client_id);
        own
    }
}

/// An operation as the payload of a `document.change` at `base`.
fn payload(section: &str, operation: &Operation, base: u64) -> Value {
    let changes: Vec<Value> =
        operation.iter().map(|(edit, text)| change(section, edit.position, edit.deleted, text)).collect();
    match changes.as_slice() {
        [] => with_base(change(section, 0, 0, ""), base),
        [one] => with_base(one.clone(), base),
        _ => json!({"changes": changes, "base_version": base}),
    }
}

fn with_base(mut change: Value, base: u64) -> Value {
    change["base_version"] = base.into();
    change
}

fn change(section: &str, position: u32, deleted: u32, inserted: &str) -> Value {
    match (deleted, inserted) {
        (length, "") => json!({"operation": "delete", "position": position, "length": length, "section": section}),
        (0, content) => json!({"operation": "insert", "position": position, "content": content, "section": section}),
        (length, content) => json!({
            "operation": "replace", "position": position, "length": length, "content": content, "section": section,
        }),
    }
}

/// What a part of a change does.
fn operation(part: &Value) -> Operation {
    let position = u32::try_from(number(&part["position"])).expect("a position fits");
    let (insert, delete) = match string(&part["operation"]) {
        "insert" => (true, false),
        "delete" => (false, true),
        "replace" => (true, true),
        other => panic!("the server sent an operation {other}: {part}"),
    };
    let mut builder = OperationBuilder::default();
    if insert {
        builder.insert(position, string(&part["content"]));
    }
    if delete {
        builder.delete(position, u32::try_from(number(&part["length"])).expect("a length fits"));
    }
    builder.finish()
}

fn name_of(origin: &Value) -> String {
    let part = |key: &str| origin[key].as_str().unwrap_or("?");
    format!("{}/{}", part("client_id"), part("correlation_id"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("expected a number, found {value}"))
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected a text, found {value}"))
}

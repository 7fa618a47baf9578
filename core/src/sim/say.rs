//! What clients say, as they write it.

use std::rc::Rc;

use serde_json::{Value, json};

use super::texts::Name;
use crate::ids::PositionEncoding;

/// A client in the sense of the resend table: a user's, and named by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Client {
    pub(super) user_id: Rc<str>,
    pub(super) client_id: Rc<str>,
}

/// What one change of a message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Delete,
    Replace,
}

/// One change of a message, in the sender's encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) kind: Kind,
    pub(super) position: u64,
    pub(super) length: u64,
    pub(super) content: String,
    pub(super) section: Option<Name>,
}

impl Edit {
    pub(super) const fn deleted(&self) -> u64 {
        match self.kind {
            Kind::Insert => 0,
            Kind::Delete | Kind::Replace => self.length,
        }
    }

    pub(super) fn inserted(&self) -> &str {
        match self.kind {
            Kind::Delete => "",
            Kind::Insert | Kind::Replace => &self.content,
        }
    }

    fn to_json(&self) -> Value {
        let mut edit = match self.kind {
            Kind::Insert => json!({"operation": "insert", "position": self.position, "content": self.content}),
            Kind::Delete => json!({"operation": "delete", "position": self.position, "length": self.length}),
            Kind::Replace => json!({
                "operation": "replace", "position": self.position, "length": self.length, "content": self.content,
            }),
        };
        if let Some(section) = &self.section {
            edit["section"] = json!(**section);
        }
        edit
    }
}

/// A change as it is sent; a resend is the same again.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) client: Client,
    /// `metadata.correlation_id`.
    pub(super) key: Option<Rc<str>>,
    pub(super) base: Option<u64>,
    pub(super) encoding: PositionEncoding,
    pub(super) edits: Vec<Edit>,
    /// As an array, `changes`.
    pub(super) is_batch: bool,
    /// It would rather be refused than moved.
    pub(super) rejects_conflicts: bool,
}

impl Sent {
    fn payload(&self) -> Value {
        let mut payload = match &*self.edits {
            [edit] if !self.is_batch => edit.to_json(),
            edits => json!({"changes": edits.iter().map(Edit::to_json).collect::<Vec<_>>()}),
        };
        if let Some(base) = self.base {
            payload["base_version"] = json!(base);
        }
        if self.rejects_conflicts {
            payload["conflict_resolution"] = json!("reject");
        }
        payload
    }

    /// As the body of `POST …/changes`; without its names where `Idempotency-Key` stands for them.
    pub(super) fn body(&self, with_names: bool) -> Value {
        let mut body = Self { is_batch: true, ..self.clone() }.payload();
        if with_names {
            body["client_id"] = json!(*self.client.client_id);
            body["correlation_id"] = json!(self.key.as_deref());
        }
        body
    }
}

/// A cursor, or a selection where its ends differ.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    pub(super) client: Client,
    pub(super) key: Rc<str>,
    pub(super) section: Name,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) base: u64,
    pub(super) encoding: PositionEncoding,
}

/// A message of a client.
#[derive(Clone, Debug)]
pub(super) enum Say {
    Change(Rc<Sent>),
    Sync {
        key: Rc<str>,
        last: u64,
        full: Option<bool>,
    },
    Join,
    Point(Rc<Pointer>),
    /// A heartbeat with the version and checksum of what the client has.
    Beat {
        version: u64,
        checksum: u32,
    },
    Save,
}

impl Say {
    pub(super) fn to_json(&self) -> String {
        match self {
            Self::Change(sent) => {
                let mut metadata = json!({"client_id": *sent.client.client_id, "version": 1});
                if let Some(key) = &sent.key {
                    metadata["correlation_id"] = json!(**key);
                }
                json!({"type": "document.change", "payload": sent.payload(), "metadata": metadata})
            }
            Self::Sync { key, last, full } => json!({
                "type": "sync.request",
                "payload": {"last_known_version": last, "full": full},
                "metadata": {"correlation_id": **key},
            }),
            Self::Join => json!({"type": "document.join", "payload": {}}),
            Self::Point(pointer) => {
                let Pointer { client, key, section, start, end, base, .. } = &**pointer;
                let metadata = json!({"client_id": *client.client_id, "correlation_id": **key});
                let (kind, payload) = if start == end {
                    ("cursor.position", json!({"position": start, "section": **section, "base_version": base}))
                } else {
                    let payload = json!({"start": start, "end": end, "section": **section, "base_version": base});
                    ("selection.change", payload)
                };
                json!({"type": kind, "payload": payload, "metadata": metadata})
            }
            Self::Beat { version, checksum } => {
                json!({"type": "system.heartbeat", "payload": {"document": {"version": version, "crc32": checksum}}})
            }
            Self::Save => json!({"type": "document.save", "payload": {}}),
        }
        .to_string()
    }
}

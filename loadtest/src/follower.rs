//! A client's copy of a section, kept up by what the server sends it.

use serde::Deserialize;

use crate::replica::{Edit, Pending, Replica};

/// The copy, and where it stands.
#[derive(Debug)]
pub(crate) struct Follower {
    section: &'static str,
    replica: Replica,
    version: u64,
    /// Whether all parts of that version are there.
    is_whole: bool,
    /// The client's own change, and the correlation id it was sent with.
    pending: Option<(String, Pending)>,
}

/// A `document.change` or `document.ack`.
#[derive(Debug, Deserialize)]
struct Message {
    payload: Payload,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    version: u64,
    operation: String,
    position: usize,
    length: usize,
    content: String,
    section: String,
    correlation_id: Option<String>,
    part: u64,
    parts: u64,
}

impl Payload {
    fn read(message: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(message).map(|Message { payload }| payload).map_err(|error| error.to_string())
    }

    /// The change in it.
    fn edit(&self, section: &str) -> Result<Edit, String> {
        if self.section != section {
            return Err(format!("a change in section {:?}, expected {section:?}", self.section));
        }
        let (removes, inserts) = match self.operation.as_str() {
            "insert" => (false, true),
            "delete" => (true, false),
            "replace" => (true, true),
            other => return Err(format!("an unknown operation {other:?}")),
        };
        Ok(Edit {
            position: self.position,
            removed: if removes { self.length } else { 0 },
            inserted: if inserts { self.content.encode_utf16().collect() } else { Vec::new() },
        })
    }
}

impl Follower {
    /// The copy of a section that has `text` at `version`.
    pub(crate) fn new(section: &'static str, text: &str, version: u64) -> Self {
        Self { section, replica: Replica::new(text), version, is_whole: true, pending: None }
    }

    /// The copy.
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The version of the copy.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether the copy is that of a version, and not of some parts of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether a change of the client's own is on its way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// The client has sent a change, made to the copy as it is. It has one on its way at most.
    pub(crate) fn sent(&mut self, correlation_id: String, edit: &Edit) {
        self.pending = Some((correlation_id, Pending::new(edit)));
    }

    /// Takes in a `document.change`: somebody else's, or a further part of one.
    pub(crate) fn changed(&mut self, message: &[u8]) -> Result<(), String> {
        let payload = Payload::read(message)?;
        let edit = payload.edit(self.section)?;
        if self.is_whole {
            self.advance(payload.version)?;
        } else if payload.version != self.version {
            return Err(format!("a part of version {} came between those of {}", payload.version, self.version));
        }
        self.is_whole = payload.part == payload.parts;
        self.replica.apply(&edit)?;
        if let Some((_, pending)) = &mut self.pending {
            pending.follow(&edit);
        }
        Ok(())
    }

    /// Takes in a `document.ack`.
    pub(crate) fn acknowledged(&mut self, message: &[u8]) -> Result<(), String> {
        let payload = Payload::read(message)?;
        let Some((correlation_id, pending)) = self.pending.take() else {
            return Err("an ack with nothing in flight".into());
        };
        if payload.correlation_id.as_ref() != Some(&correlation_id) {
            return Err(format!("an ack for {:?}, expected {correlation_id}", payload.correlation_id));
        }
        self.advance(payload.version)?;
        self.replica.apply_pending(pending)
    }

    /// Versions come one by one, one's own included.
    fn advance(&mut self, version: u64) -> Result<(), String> {
        if version != self.version + 1 {
            return Err(format!("version {version} came after {}", self.version));
        }
        self.version = version;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64, part: u64, parts: u64) -> Vec<u8> {
        let payload = serde_json::json!({
            "operation": "insert", "position": 0, "content": "x", "section": "body", "version": version,
            "part": part, "parts": parts,
        });
        serde_json::json!({ "type": "document.change", "payload": payload }).to_string().into_bytes()
    }

    #[test]
    fn all_parts_of_a_version_come_before_the_next() {
        let mut follower = Follower::new("body", "", 6);
        follower.changed(&change(7, 1, 2)).unwrap();
        assert!(!follower.is_whole());
        assert!(follower.changed(&change(8, 0, 0)).unwrap_err().contains("between"));
        follower.changed(&change(7, 2, 2)).unwrap();
        assert!(follower.is_whole());
        assert!(follower.changed(&change(7, 0, 0)).unwrap_err().contains("came after 7"));
        assert!(follower.changed(&change(9, 0, 0)).unwrap_err().contains("came after 7"));
        follower.changed(&change(8, 0, 0)).unwrap();
        assert_eq!((follower.version(), follower.replica().text()), (8, "xxx".to_owned()));
    }

    #[test]
    fn an_ack_is_for_the_change_on_its_way() {
        let ack = |id: &str, version: u64| {
            let payload = serde_json::json!({"version": version, "correlation_id": id, "transformed": false});
            serde_json::json!({ "type": "document.ack", "payload": payload }).to_string().into_bytes()
        };
        let mut follower = Follower::new("body", "ab", 0);
        assert!(follower.acknowledged(&ack("1", 1)).unwrap_err().contains("nothing in flight"));
        let edit = Edit { position: 1, removed: 1, inserted: "y".encode_utf16().collect() };
        follower.sent("1".to_owned(), &edit);
        follower.changed(&change(1, 0, 0)).unwrap();
        assert!(follower.is_waiting());
        follower.acknowledged(&ack("1", 2)).unwrap();
        assert_eq!(follower.replica().text(), "xay");
        follower.sent("2".to_owned(), &edit);
        assert!(follower.acknowledged(&ack("1", 3)).unwrap_err().contains("expected 2"));
    }
}

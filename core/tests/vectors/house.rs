//! A room in which everything is durable at once, and messages as JSON.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::document::{Document, DocumentLimits};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::Parser;
use jddb_core::protocol::outbound::Limits;
use jddb_core::room::{
    Dialect, Durability, Expiry, Framing, Greeting, Joining, MemberKey, Room, RoomConfig, TranslationRights, User,
};
use jddb_core::websocket::{Decoder, DecoderLimits, Event, Inflater};
use serde_json::{Value, json};

const NOW: UnixMillis = UnixMillis(1_758_458_730_123);
const LIMITS: Limits = Limits {
    mode: LimitMode::Enforce,
    connections: 10_000,
    user_connections: 10,
    document_editors: 50,
    rates: RateLimits::OFF,
    message_bytes: 1 << 20,
    section_bytes: 4 << 20,
    document_bytes: 16 << 20,
    sections: 64,
    batch_changes: 1_000,
    base_versions: 10_000,
    heartbeat_interval_seconds: 30,
};

pub(crate) struct House {
    pub(crate) room: Room,
    parser: Parser,
}

impl House {
    pub(crate) fn new() -> Self {
        let document = Document::new(DocumentId::new("jd_12345").unwrap(), DocumentLimits::default());
        let config = RoomConfig {
            durability: Durability::Strict,
            outbound_bytes_max: 4 << 20,
            auto_save: Duration::ZERO,
            idle_after_ms: 60_000,
            visit_ms: 30_000,
            limits: LIMITS,
            counters: Arc::default(),
        };
        Self { room: Room::new(document, None, Rc::new(config)), parser: Parser::default() }
    }

    pub(crate) fn join(&mut self, name: &str, encoding: &str, over_document: bool) -> MemberKey {
        let encoding = PositionEncoding::from_name(encoding).unwrap();
        let user = User { user_id: name.into(), display_name: name.into(), avatar_url: None, color: "#51cf66".into() };
        let joining = Joining {
            connection_id: format!("conn_{name}").into(),
            user: Rc::new(user),
            edits: true,
            is_admin: false,
            translates: TranslationRights::default(),
            dialect: Dialect { encoding, over_document },
            greeting: Greeting::OnConnect,
            framing: Framing::default(),
            session_id: "sess_1".into(),
            granted: GrantedLimits::default(),
            expiry: Expiry::NEVER,
        };
        self.room.join(NOW, joining).unwrap()
    }

    pub(crate) fn say_raw(&mut self, key: MemberKey, message: &str) {
        self.room.receive(NOW, key, &mut message.as_bytes().to_vec(), &mut self.parser);
    }

    pub(crate) fn say(&mut self, key: MemberKey, kind: &str, payload: &Value) {
        self.say_raw(key, &json!({"type": kind, "payload": payload}).to_string());
    }

    /// A change that has to be accepted.
    pub(crate) fn change(&mut self, key: MemberKey, payload: &Value) {
        let version = self.room.document().version();
        self.say(key, "document.change", payload);
        assert_eq!(self.room.document().version(), version.next(), "{payload} is accepted");
    }

    /// All that a member has been sent since it was last asked.
    pub(crate) fn read(&mut self, key: MemberKey) -> Vec<Value> {
        let records = self.room.take_records(|_| {});
        self.room.durable(records);
        let outbox = self.room.member(key).unwrap().outbox();
        let mut bytes = Vec::new();
        for frame in outbox.sendable(records) {
            bytes.extend(masked(frame));
        }
        let sent: usize = outbox.sendable(records).map(|frame| frame.len()).sum();
        self.room.sent(key, sent);
        let mut decoder = Decoder::new(DecoderLimits::new(1 << 20), false);
        let mut inflater = Inflater::default();
        let mut input = bytes.as_mut_slice();
        let mut messages = Vec::new();
        while let Some(event) = decoder.decode(&mut input, &mut inflater).unwrap() {
            let Event::Message(message) = event else { panic!("{event:?}") };
            messages.push(serde_json::from_slice(message.payload).unwrap());
        }
        messages
    }

    /// The sections and their texts, in order: `[["title", "…"], …]`.
    pub(crate) fn sections(&self) -> Value {
        let sections = self.room.document().sections().iter();
        sections.map(|section| json!([section.name().as_str(), section.text().to_string()])).collect()
    }
}

/// A server's frame as a client would send it, under a mask that changes nothing: the decoder takes only such.
fn masked(frame: &[u8]) -> Vec<u8> {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    [&frame[..1], &[frame[1] | 0x80], &frame[2..header], &[0; 4], &frame[header..]].concat()
}

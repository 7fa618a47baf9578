//! What benches have in common: a room of editors, driven as a core drives it.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::document::{Document, DocumentLimits};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::Parser;
use jddb_core::protocol::outbound::Limits;
use jddb_core::room::{
    Dialect, Durability, Expiry, Framing, Greeting, Joining, MemberKey, Room, RoomConfig, TranslationRights, User, Work,
};

/// When everything happens.
pub const NOW: UnixMillis = UnixMillis(1_758_458_730_123);
/// Above all that a bench sends, so that counting is part of what is measured.
const RATES: RateLimits = RateLimits {
    messages_per_minute: 1_000_000_000,
    burst_per_second: 1_000_000_000,
    large_message_bytes: 10_240,
    large_messages_per_second: 1_000_000_000,
    refusals_per_minute: 20,
};
const LIMITS: Limits = Limits {
    mode: LimitMode::Enforce,
    connections: 10_000,
    user_connections: 10,
    document_editors: 1_000,
    rates: RATES,
    message_bytes: 1 << 20,
    section_bytes: 4 << 20,
    document_bytes: 16 << 20,
    sections: 64,
    batch_changes: 1_000,
    base_versions: 10_000,
    heartbeat_interval_seconds: 30,
};

/// A room and those in it, with what a core keeps from one message to the next.
#[derive(Debug)]
pub struct Editors {
    room: Room,
    keys: Vec<MemberKey>,
    parser: Parser,
    bytes: Vec<u8>,
    sender: usize,
}

impl Editors {
    /// An empty document, open to `members` editors whose dialects go round `encodings`.
    ///
    /// # Panics
    /// There is no room for so many.
    #[must_use]
    pub fn new(members: usize, encodings: &[PositionEncoding]) -> Self {
        let config = RoomConfig {
            durability: Durability::Strict,
            outbound_bytes_max: 1 << 20,
            auto_save: Duration::ZERO,
            idle_after_ms: 60_000,
            visit_ms: 30_000,
            limits: LIMITS,
            counters: Arc::default(),
        };
        let id = DocumentId::new("jd_12345").expect("a good name");
        let room = Room::new(Document::new(id, DocumentLimits::default()), None, Rc::new(config));
        let mut editors = Self { room, keys: Vec::new(), parser: Parser::default(), bytes: Vec::new(), sender: 0 };
        for index in 0..members {
            let user = User {
                user_id: format!("user_{index}").into(),
                display_name: format!("User {index}").into(),
                avatar_url: None,
                color: "#1864ab".into(),
            };
            let joining = Joining {
                connection_id: format!("conn_{index}").into(),
                user: Rc::new(user),
                edits: true,
                is_admin: false,
                translates: TranslationRights { reads: true, writes: true },
                dialect: Dialect { encoding: encodings[index % encodings.len()], over_document: false },
                greeting: Greeting::OnConnect,
                framing: Framing::default(),
                session_id: "sess_67890".into(),
                granted: GrantedLimits::default(),
                expiry: Expiry::NEVER,
            };
            editors.keys.push(editors.room.join(NOW, joining).expect("there is room"));
        }
        editors
    }

    /// One turn: a message of the next member, its record made durable, all queues drained. The bytes sent.
    pub fn turn(&mut self, message: &str) -> usize {
        self.sender = (self.sender + 1) % self.keys.len();
        self.turn_of(self.sender, message)
    }

    /// The same of the member of that number.
    pub fn turn_of(&mut self, member: usize, message: &str) -> usize {
        self.bytes.clear();
        self.bytes.extend_from_slice(message.as_bytes());
        self.room.receive(NOW, self.keys[member], &mut self.bytes, &mut self.parser);
        let records = self.room.take_records(|record| {
            black_box(record);
        });
        self.room.durable(records);
        if self.room.is_translated() {
            self.follow();
        }
        self.drain()
    }

    /// Whether any of them has subscribed to translations.
    #[must_use]
    pub const fn are_told_of_translations(&self) -> bool {
        self.room.is_translated()
    }

    /// Has those who translate told what is at their cursors: the memory has nothing for it.
    fn follow(&mut self) {
        let mut work = self.room.follow_translations(NOW);
        while let Some((key, work_of_key)) = work.pop() {
            for one in work_of_key {
                if let Work::Follow { number, .. } = one {
                    let more = self.room.suggest_at_cursor(NOW, key, number, Some((&[], &[])));
                    if !more.is_empty() {
                        work.push((key, more));
                    }
                }
            }
        }
    }

    fn drain(&mut self) -> usize {
        let durable = self.room.durable_records();
        let mut sent = 0;
        for key in self.room.take_dirty() {
            let Some(member) = self.room.member(key) else { continue };
            let written = member.outbox().sendable(durable).map(|frame| frame.len()).sum();
            self.room.sent(key, written);
            sent += written;
        }
        sent
    }
}

//! A room of editors: what one keystroke costs from the parsed message to every recipient's drained queue.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jddb_core::document::{Document, DocumentLimits};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::Parser;
use jddb_core::protocol::outbound::Limits;
use jddb_core::room::{
    Dialect, Durability, Expiry, Framing, Greeting, Joining, MemberKey, Room, RoomConfig, TranslationRights, User,
};

const NOW: UnixMillis = UnixMillis(1_758_458_730_123);
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

/// Work that is kept from one message to the next, as a core keeps it.
struct Bench {
    room: Room,
    keys: Vec<MemberKey>,
    parser: Parser,
    bytes: Vec<u8>,
    sender: usize,
}

impl Bench {
    /// A document of 64 KiB, open to `members` editors whose dialects go round `encodings`.
    fn new(members: usize, encodings: &[PositionEncoding]) -> Self {
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
        let mut bench = Self { room, keys: Vec::new(), parser: Parser::default(), bytes: Vec::new(), sender: 0 };
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
                translates: TranslationRights::default(),
                dialect: Dialect { encoding: encodings[index % encodings.len()], over_document: false },
                greeting: Greeting::OnConnect,
                framing: Framing::default(),
                session_id: "sess_67890".into(),
                granted: GrantedLimits::default(),
                expiry: Expiry::NEVER,
            };
            bench.keys.push(bench.room.join(NOW, joining).expect("there is room"));
        }
        let text = "Gérer des équipes. ".repeat((64 << 10) / 21);
        bench.turn(&format!(
            r#"{{"type":"document.change","payload":{{"operation":"insert","position":0,"content":"{text}","section":"body"}}}}"#
        ));
        bench
    }

    /// One turn: a message of one member, its record made durable, all queues drained. The bytes sent.
    fn turn(&mut self, message: &str) -> usize {
        self.sender = (self.sender + 1) % self.keys.len();
        self.bytes.clear();
        self.bytes.extend_from_slice(message.as_bytes());
        self.room.receive(NOW, self.keys[self.sender], &mut self.bytes, &mut self.parser);
        let records = self.room.take_records(|record| {
            black_box(record);
        });
        self.room.durable(records);
        self.drain()
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

const CHANGE: &str = r#"{"type":"document.change","payload":{"operation":"insert","position":30000,"content":"x","section":"body"},"metadata":{"timestamp":"2025-09-21T12:45:30.123Z","client_id":"client_abc123"}}"#;
const CURSOR: &str = r#"{"type":"cursor.position","payload":{"position":30000,"section":"body"}}"#;
const HEARTBEAT: &str = r#"{"type":"system.heartbeat","payload":{"client_time":1758458730123}}"#;

fn bench_turn(c: &mut Criterion, name: &str, members: usize, encodings: &[PositionEncoding], message: &str) {
    let mut group = c.benchmark_group("room");
    group.throughput(Throughput::Elements(members as u64));
    group.bench_function(format!("{name}/members={members}"), |b| {
        // A fresh room now and then, so that its text and history stay of one size.
        b.iter_batched_ref(
            || Bench::new(members, encodings),
            |bench| {
                for _ in 0..1_000 {
                    black_box(bench.turn(message));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn turns(c: &mut Criterion) {
    let one = [PositionEncoding::Utf16];
    bench_turn(c, "1000_changes", 50, &one, CHANGE);
    bench_turn(c, "1000_changes", 2, &one, CHANGE);
    bench_turn(c, "1000_changes_in_3_encodings", 50, &PositionEncoding::ALL, CHANGE);
    bench_turn(c, "1000_cursors", 50, &one, CURSOR);
    bench_turn(c, "1000_heartbeats", 50, &one, HEARTBEAT);
}

criterion_group! {
    name = room;
    config = Criterion::default().sample_size(20);
    targets = turns
}
criterion_main!(room);

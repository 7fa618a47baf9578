//! Those who watch the server: what waits for them is bounded and true, and what they may say is little.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use jddb_core::ids::UnixMillis;
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::Parser;
use jddb_core::room::{
    Counters, Expiry, Forms, Framing, Observer, ObserverConfig, Renewal, Sent, TranslationRights, Watching,
};
use jddb_core::websocket::{CloseCode, Compression, MessageKind, encode_message};

use crate::naive_inflate::inflated;
use crate::support::START;

const OUTBOUND_BYTES_MAX: usize = 2_000;

fn observer() -> Observer {
    observer_at(RateLimits::OFF, Framing::default())
}

fn observer_at(rates: RateLimits, framing: Framing) -> Observer {
    let watching = Watching {
        connection_id: "conn_1".into(),
        framing,
        granted: GrantedLimits::default(),
        user_id: "ada".into(),
        expiry: Expiry::NEVER,
    };
    Observer::new(START, watching, config(rates))
}

fn config(rates: RateLimits) -> ObserverConfig {
    ObserverConfig {
        outbound_bytes_max: OUTBOUND_BYTES_MAX,
        message_bytes_max: 1_000,
        mode: LimitMode::Enforce,
        rates,
        waiting_bytes: Rc::default(),
        deflater: Rc::default(),
        counters: Arc::new(Counters::default()),
    }
}

fn picture(number: u8, length: usize) -> Forms {
    Forms::new(Bytes::from(vec![number; length]))
}

fn change(number: u8) -> Forms {
    picture(number, 100)
}

/// Reads so many bytes; what they were.
fn read(observer: &mut Observer, bytes_max: usize) -> Vec<u8> {
    let waiting: Vec<u8> = observer.outbox().sendable(0).flat_map(|frame| frame.to_vec()).collect();
    let taken = bytes_max.min(waiting.len());
    observer.sent(taken);
    waiting[..taken].to_vec()
}

fn hear(observer: &mut Observer, json: &str) -> String {
    observer.receive(START, &mut json.as_bytes().to_vec(), &mut Parser::default());
    String::from_utf8_lossy(&read(observer, usize::MAX)).into_owned()
}

#[test]
fn a_watcher_is_warned_closed_or_renewed_like_a_member() {
    let second = START.0 / 1_000;
    let mut observer = observer();
    let renewal = |user_id: &str, seconds: u64| Renewal {
        user_id: user_id.into(),
        expires_at: START.plus(seconds * 1_000),
        expiry: Expiry::new(second + seconds, second + seconds + 5),
        edits: false,
        is_admin: false,
        translates: TranslationRights::default(),
        granted: GrantedLimits::default(),
    };
    let refresh = r#"{"type":"auth.refresh","payload":{"token":"needle"},"metadata":{"correlation_id":"c1"}}"#;
    let renew = |observer: &mut Observer, renewal: Renewal| {
        assert_eq!(hear(observer, refresh), "", "it is answered when it was checked");
        let requests = observer.take_renewals();
        assert!(!format!("{requests:?}").contains("needle"), "{requests:?}");
        let is_accepted = observer.renew(START, &requests[0], Ok(renewal));
        (is_accepted, String::from_utf8_lossy(&read(observer, usize::MAX)).into_owned())
    };
    let (is_accepted, told) = renew(&mut observer, renewal("ben", 100));
    assert!(!is_accepted && told.contains("FORBIDDEN") && told.contains("c1"), "{told}");
    let (is_accepted, told) = renew(&mut observer, renewal("ada", 100));
    assert!(
        is_accepted && told.contains("auth.refreshed") && told.contains("c1") && !told.contains("can_edit"),
        "{told}"
    );
    let mut told = Vec::new();
    for passed in 1..110 {
        observer.tick(START.plus(passed * 1_000));
        let text = String::from_utf8_lossy(&read(&mut observer, usize::MAX)).into_owned();
        let code = ["TOKEN_EXPIRING", "UNAUTHENTICATED"].into_iter().find(|code| text.contains(code));
        told.extend(code.map(|code| (passed, code)));
    }
    assert_eq!(told, [(40, "TOKEN_EXPIRING"), (105, "UNAUTHENTICATED")]);
    assert!(!observer.is_heard());
}

#[test]
fn changes_come_after_the_picture_and_never_before_it() {
    let mut observer = observer();
    assert!(observer.wants_picture());
    observer.show_change(Sent::Presence, &change(1));
    assert!(read(&mut observer, usize::MAX).is_empty(), "a picture that is still to come shows it");
    observer.show_picture(Sent::Snapshot, &picture(9, 10 * OUTBOUND_BYTES_MAX));
    assert!(!observer.wants_picture());
    observer.show_change(Sent::Presence, &change(2));
    let seen = read(&mut observer, usize::MAX);
    assert_eq!((seen[0], *seen.last().unwrap(), seen.len()), (9, 2, 10 * OUTBOUND_BYTES_MAX + 100));
}

#[test]
fn who_reads_too_slowly_gets_a_new_picture_in_the_place_of_what_is_dropped() {
    let mut observer = observer();
    observer.show_picture(Sent::Snapshot, &change(0));
    assert_eq!(read(&mut observer, 50).len(), 50);
    for number in 1..200 {
        observer.show_change(Sent::Presence, &change(number));
        assert!(observer.outbox().bytes() <= OUTBOUND_BYTES_MAX);
    }
    assert!(!observer.wants_picture(), "what is begun has to be finished first");
    assert_eq!(read(&mut observer, usize::MAX), [0; 50]);
    assert!(observer.wants_picture());
    observer.show_picture(Sent::Snapshot, &change(200));
    observer.show_change(Sent::Presence, &change(201));
    let seen = read(&mut observer, usize::MAX);
    assert_eq!((seen[0], seen[100], seen.len()), (200, 201, 200));
}

#[test]
fn what_waits_for_all_of_them_is_counted_until_it_is_read_or_they_are_gone() {
    let config = config(RateLimits::OFF);
    let all = Rc::clone(&config.waiting_bytes);
    let watching = Watching {
        connection_id: "conn".into(),
        framing: Framing::default(),
        granted: GrantedLimits::default(),
        user_id: "ada".into(),
        expiry: Expiry::NEVER,
    };
    let mut observers = [0; 3].map(|_| Observer::new(START, watching.clone(), config.clone()));
    for observer in &mut observers {
        observer.show_picture(Sent::Snapshot, &picture(9, 10_000));
        observer.show_change(Sent::Presence, &change(1));
        observer.configure(config.clone());
    }
    let sum = |observers: &[Observer]| observers.iter().map(Observer::waiting_bytes).sum::<usize>();
    assert!(all.get() >= 30_300 && all.get() == sum(&observers), "{all:?}");
    let [one, two, three] = &mut observers;
    read(one, 4_000);
    read(two, usize::MAX);
    assert_eq!(two.waiting_bytes(), 0);
    for number in 0..200 {
        three.show_change(Sent::Presence, &change(number));
    }
    two.close(CloseCode::NORMAL, "");
    hear(one, r#"{"type":"system.heartbeat","payload":{}}"#);
    assert_eq!(all.get(), sum(&observers));
    drop(observers);
    assert_eq!(all.get(), 0);
}

#[test]
fn where_all_together_is_too_much_it_takes_a_step_down() {
    let mut observer = observer();
    observer.show_picture(Sent::Snapshot, &picture(9, 10_000));
    observer.show_change(Sent::Presence, &change(1));
    observer.relieve();
    assert_eq!(observer.waiting_bytes(), 0);
    assert!(observer.wants_picture() && observer.is_heard());
    observer.show_picture(Sent::Snapshot, &picture(9, 10_000));
    read(&mut observer, 1);
    observer.show_change(Sent::Presence, &change(1));
    observer.relieve();
    assert!(observer.is_heard(), "the change makes it less");
    observer.relieve();
    assert!(!observer.is_heard(), "nothing but what is on the wire");
    assert_eq!(read(&mut observer, usize::MAX).len(), 9_999 + 2 + 2 + "SLOW_READER: reconnect".len());
}

#[test]
fn who_reads_nothing_for_ten_seconds_is_closed() {
    let after = |seconds: u64| UnixMillis(START.0 + seconds * 1_000);
    let mut idle = observer();
    (0..100).for_each(|second| idle.tick(after(second)));
    assert!(idle.is_heard(), "there was nothing to read");

    let mut stuck = observer();
    stuck.show_picture(Sent::Snapshot, &picture(9, 1 << 20));
    let mut steady = observer();
    steady.show_picture(Sent::Snapshot, &picture(9, 1 << 20));
    for second in 0..10 {
        for observer in [&mut stuck, &mut steady] {
            observer.tick(after(second));
            assert!(observer.is_heard());
        }
        read(&mut stuck, 6_000);
        read(&mut steady, 7_000);
    }
    stuck.tick(after(10));
    steady.tick(after(10));
    assert!(!stuck.is_heard() && steady.is_heard());
    // What is on the wire is finished, and the close comes at once behind it.
    let rest = read(&mut stuck, usize::MAX);
    let code = u16::from_be_bytes(*rest[rest.len() - "SLOW_READER: reconnect".len() - 2..].first_chunk().unwrap());
    assert_eq!(code, 1013);

    // What is dropped was not read.
    let mut flooded = observer();
    flooded.show_picture(Sent::Snapshot, &change(0));
    for second in 0..=10 {
        (0..255).for_each(|number| flooded.show_change(Sent::Presence, &change(number)));
        flooded.tick(after(second));
    }
    assert!(!flooded.is_heard() || flooded.wants_picture(), "{flooded:?}");
}

#[test]
fn only_heartbeats_are_answered() {
    let mut observer = observer();
    let beat = hear(&mut observer, r#"{"type":"system.heartbeat","payload":{"client_time":5}}"#);
    assert!(beat.contains(r#""connection_id":"conn_1","client_time":5"#), "{beat}");
    let refused = hear(&mut observer, r#"{"type":"document.save","payload":{},"metadata":{"correlation_id":"c1"}}"#);
    assert!(refused.contains("UNKNOWN_MESSAGE_TYPE") && refused.contains(r#""correlation_id":"c1""#), "{refused}");
    let large = hear(&mut observer, &" ".repeat(1_001));
    assert!(large.contains("MESSAGE_TOO_LARGE"), "{large}");
    for _ in 0..7 {
        hear(&mut observer, "nonsense");
        assert!(observer.is_heard());
    }
    let last = hear(&mut observer, "nonsense");
    assert!(last.contains("critical") && !observer.is_heard(), "{last}");
    assert_eq!(hear(&mut observer, r#"{"type":"system.heartbeat","payload":{}}"#), "");
}

#[test]
fn the_end_of_the_server_is_told() {
    let mut observer = observer();
    observer.shut_down(START, 1_234);
    let seen = String::from_utf8_lossy(&read(&mut observer, usize::MAX)).into_owned();
    assert!(seen.contains("SHUTTING_DOWN") && seen.ends_with("SHUTTING_DOWN retry_ms=1234"), "{seen}");
    observer.show_picture(Sent::Snapshot, &change(1));
    assert!(observer.outbox().is_empty(), "nothing comes after a close");
}

#[test]
fn who_speaks_too_often_is_told_and_closed_like_a_member() {
    let rates = RateLimits {
        messages_per_minute: 100,
        burst_per_second: 2,
        large_message_bytes: 500,
        large_messages_per_second: 1,
        refusals_per_minute: 3,
    };
    const BEAT: &str = r#"{"type":"system.heartbeat","payload":{},"metadata":{"correlation_id":"c1"}}"#;
    let mut observer = observer_at(rates, Framing::default());
    for _ in 0..2 {
        assert!(hear(&mut observer, BEAT).contains("server_time"));
    }
    for severity in ["warning", "warning", "critical"] {
        assert!(observer.is_heard());
        let told = hear(&mut observer, BEAT);
        let expected = [r#""limit_type":"burst_rate""#, r#""correlation_id":"c1""#, severity];
        assert!(expected.iter().all(|part| told.contains(part)), "{told}");
    }
    assert!(!observer.is_heard());
    let refusals = observer.take_refusals();
    assert_eq!((refusals.burst_rate, refusals.closed), (3, 1));
    assert!(observer.take_refusals().is_zero());
}

#[test]
fn who_is_only_counted_is_heard_however_often_it_speaks() {
    let rates = RateLimits { burst_per_second: 1, refusals_per_minute: 1, ..RateLimits::OFF };
    let mut observer = observer_at(rates, Framing::default());
    observer.configure(ObserverConfig { mode: LimitMode::Observe, ..config(rates) });
    for _ in 0..5 {
        let told = hear(&mut observer, r#"{"type":"system.heartbeat","payload":{}}"#);
        assert!(told.contains("server_time"), "{told}");
    }
    assert_eq!(observer.take_refusals().burst_rate, 4);
}

#[test]
fn whoever_loses_its_seat_is_told() {
    let mut observer = observer();
    observer.displace(START);
    let told = String::from_utf8_lossy(&read(&mut observer, usize::MAX)).into_owned();
    assert!(told.contains(r#""limit_type":"user_connections""#) && !observer.is_heard(), "{told}");
}

#[test]
fn a_picture_is_compressed_once_for_all_who_have_negotiated_that() {
    let compression = Compression::negotiate(&["permessage-deflate"]).unwrap();
    let mut observers = [RateLimits::OFF; 2].map(|rates| observer_at(rates, Framing::WebSocket(compression)));
    let text = vec![b'a'; 4_000];
    let plain = encode_message(MessageKind::Text, false, &text);
    let picture = Forms::new(plain.clone());
    let sent = observers.each_mut().map(|observer| {
        observer.show_picture(Sent::Snapshot, &picture);
        Bytes::clone(observer.outbox().sendable(0).next().unwrap())
    });
    assert!(sent[0].len() < 100, "{} bytes", sent[0].len());
    assert_eq!(sent[0].as_ptr(), sent[1].as_ptr());
    let payload = &sent[0][2..];
    assert_eq!(inflated(payload, 1 << 20).unwrap(), text);
    let mut other = observer();
    other.show_picture(Sent::Snapshot, &picture);
    assert_eq!(other.outbox().sendable(0).next(), Some(&plain));
}

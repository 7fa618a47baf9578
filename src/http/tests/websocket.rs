//! From the request to the hand-over, or to the refusal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use jddb_core::ids::PositionEncoding;
use jddb_core::limits::RefusalCounts;
use jddb_core::room::{Dialect, Greeting};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Front, Reply, run, run_with_answers_within};
use crate::cores::{Adopt, CoreMessage, Line};
use crate::occupancy::Seat;
use crate::transport::Transport;

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// RFC 6455, section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Asks for an upgrade and reads the answer's head.
async fn open(front: &Front, target: &str, headers: &str) -> (TcpStream, Reply) {
    let mut stream = front.connect().await;
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, Reply::parse(&head).unwrap())
}

/// What a refused client is told: the error's payload, and the close code.
async fn refused(front: &Front, target: &str) -> (Value, u16) {
    let (mut stream, reply) = open(front, target, "").await;
    assert_eq!(reply.status, 101, "{target}");
    let mut frames = Vec::new();
    stream.read_to_end(&mut frames).await.unwrap();
    let (told, rest) = frame(&frames);
    let (close, rest) = frame(rest);
    assert!(rest.is_empty());
    let mut told: Value = serde_json::from_slice(told).unwrap();
    assert_eq!(told["type"], "system.error");
    assert_eq!(told["payload"]["severity"], "critical");
    let (code, reason) = (told["payload"]["error_code"].as_str().unwrap(), str::from_utf8(&close[2..]).unwrap());
    match reason.split_once(" retry_ms=") {
        Some((reason, retry_ms)) => {
            assert_eq!((code, reason), ("SHUTTING_DOWN", code));
            assert!((500..5_000).contains(&retry_ms.parse().unwrap()), "{retry_ms}");
        }
        None => assert!(code == reason && code != "SHUTTING_DOWN", "{code} {reason}"),
    }
    (told["payload"].take(), u16::from_be_bytes([close[0], close[1]]))
}

/// The payload of the first frame, and the rest.
fn frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes[1] {
        126 => bytes[4..].split_at(usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        short => bytes[2..].split_at(usize::from(short)),
    }
}

#[test]
fn a_socket_goes_to_its_documents_core() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:write", &["jd_*"]);
            let target =
                format!("/ws/document/jd_1?token={token}&positions=document&position_encoding=utf-8&greeting=on-join");
            let (mut stream, reply) = open(&front, &target, "Sec-WebSocket-Protocol: other, jddb.v1\r\n").await;
            assert_eq!(reply.status, 101);
            assert_eq!(reply.header("sec-websocket-accept"), Some(ACCEPT));
            assert_eq!(reply.header("sec-websocket-protocol"), Some("jddb.v1"));
            assert_eq!(reply.header("upgrade"), Some("websocket"));
            assert_eq!(reply.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
            assert!(reply.header("x-request-id").is_some());
            let adopt = front.adopted().await;
            assert_eq!((adopt.reservation.core, adopt.reservation.number), (0, 7));
            let (mut socket, read, _seat) = socket_of(adopt);
            assert_eq!(read, Bytes::new());
            front.reserve(|reserve| {
                assert_eq!(reserve.document_id.as_str(), "jd_1");
                assert!(reserve.connection_id.starts_with("conn_"));
                assert!(reserve.session_id.starts_with("sess_"));
                assert_eq!((&*reserve.user.user_id, &*reserve.user.display_name), ("user_1", "Jane Smith"));
                assert!(reserve.user.color.starts_with('#'));
                assert!(reserve.edits);
                assert_eq!(reserve.dialect, Dialect { encoding: PositionEncoding::Utf8, over_document: true });
                assert_eq!(reserve.greeting, Greeting::OnJoin);
            });
            // It works on both sides, and the document's core counts it off.
            assert_eq!(front.connections(), 1);
            socket.write_all(b"out").await.unwrap();
            let mut bytes = [0; 3];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(b"in").await.unwrap();
            let mut bytes = [0; 2];
            socket.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"in");
        },
    );
}

/// What was handed over of a WebSocket.
fn socket_of(adopt: Adopt) -> (Transport, Bytes, Seat) {
    match adopt.line {
        Line::Socket(parked, read) => (parked.resume().unwrap(), read, adopt.seat),
        Line::Stream(_) => panic!("a socket was handed over"),
    }
}

/// A connection on which an upgrade was offered ends as any other: its end must not take back the answer.
#[test]
fn a_refused_offer_is_answered_whatever_is_sent_behind_it() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:write", &[]);
            let body = "x".repeat(200_000);
            let length = format!("Content-Length: {}\r\n", body.len());
            let socket =
                format!("GET /ws/document/jd_1?token={token} HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}{length}\r\n{body}");
            let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
            let changes = format!("POST /api/documents/jd_1/changes HTTP/1.1\r\nHost: a\r\n{h2c}{length}\r\n{body}");
            for (request, status) in [(socket, 400), (changes, 401)] {
                // It reads when it has sent all, and finds an end and no reset.
                assert_eq!(front.send(request).await.status, status);
            }
        },
    );
}

#[test]
fn what_follows_the_request_at_once_goes_with_the_socket() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:read", &[]);
            let mut stream = front.connect().await;
            let target = format!("/ws/document/jd_1?token={token}");
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n\x01\x02\x03");
            stream.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(socket_of(front.adopted().await).1, Bytes::from_static(b"\x01\x02\x03"));
            front.reserve(|reserve| assert!(!reserve.edits));
        },
    );
}

#[test]
fn editors_edit_unless_they_only_view_and_a_token_may_hide_in_a_subprotocol() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            let protocols = format!("Sec-WebSocket-Protocol: jddb.v1, bearer.{token}\r\n");
            let (_stream, reply) = open(&front, "/ws/document/jd_1?mode=view", &protocols).await;
            assert_eq!((reply.status, reply.header("sec-websocket-protocol")), (101, Some("jddb.v1")));
            assert!(!reply.head.contains(&token));
            front.reserve(|reserve| assert!(!reserve.edits));
        },
    );
}

#[test]
fn requests_that_cannot_be_upgraded_get_an_error_body() {
    run(
        |_| {},
        async |front| {
            let reply = front.request("GET /ws/document/jd_1", "", "").await;
            assert_eq!((reply.status, &*reply.error_code()), (400, "VALIDATION_ERROR"));
            let old = HANDSHAKE.replace("Version: 13", "Version: 8");
            let reply = front.ask(format!("GET /ws/document/jd_1 HTTP/1.1\r\nHost: a\r\n{old}\r\n")).await;
            assert_eq!((reply.status, reply.header("sec-websocket-version")), (426, Some("13")));
            assert_eq!(reply.error_code(), "VALIDATION_ERROR");
            for (wrong, right) in
                [("Key: x", "Key: dGhlIHNhbXBsZSBub25jZQ=="), ("Connection: close", "Connection: Upgrade")]
            {
                let headers = HANDSHAKE.replace(right, wrong);
                let reply = front.ask(format!("GET /ws/document/jd_1 HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
                assert_eq!((reply.status, &*reply.error_code()), (400, "VALIDATION_ERROR"), "{wrong}");
            }
            let reply = front.ask(format!("GET /ws/document/jd_1 HTTP/1.0\r\nHost: a\r\n{HANDSHAKE}\r\n")).await;
            assert_eq!(reply.status, 400);
            let with_body =
                format!("GET /ws/document/jd_1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{HANDSHAKE}\r\n{{}}");
            assert_eq!(front.ask(with_body).await.status, 400);
            assert_eq!(front.request("POST /ws/document/jd_1", "", "").await.header("allow"), Some("GET, OPTIONS"));
        },
    );
}

#[test]
fn refusals_come_after_the_upgrade() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            let check = async |target: &str, code: &str, close: u16| {
                let (told, closed) = refused(&front, target).await;
                assert_eq!((told["error_code"].as_str().unwrap(), closed), (code, close), "{target}");
                told
            };
            check("/ws/document/jd_1", "UNAUTHENTICATED", 1008).await;
            check("/ws/document/jd_1?token=a.b.c", "UNAUTHENTICATED", 1008).await;
            let expired = front.token_issued_at("document:read", &[], 1_000_000);
            check(&format!("/ws/document/jd_1?token={expired}"), "UNAUTHENTICATED", 1008).await;
            let scopeless = front.token("presence:read", &[]);
            check(&format!("/ws/document/jd_1?token={scopeless}"), "FORBIDDEN", 4001).await;
            let elsewhere = front.token("document:write", &["other"]);
            check(&format!("/ws/document/jd_1?token={elsewhere}"), "FORBIDDEN", 4001).await;
            check(&format!("/ws/document/_bad?token={token}"), "VALIDATION_ERROR", 4004).await;
            for parameter in ["mode", "positions", "position_encoding", "greeting"] {
                let target = format!("/ws/document/jd_1?token={token}&{parameter}=x");
                let told = check(&target, "VALIDATION_ERROR", 1008).await;
                assert!(told["message"].as_str().unwrap().contains(parameter));
            }
            let told = check(&format!("/ws/document/full_1?token={token}"), "RATE_LIMIT_EXCEEDED", 4000).await;
            assert_eq!((&told["limit_type"], &told["retry_after"]), (&"document_editors".into(), &60.into()));
            check(&format!("/ws/document/gone_1?token={token}"), "INTERNAL_ERROR", 1011).await;
            front.shared.draining.store(true, Ordering::SeqCst);
            check(&format!("/ws/document/jd_1?token={token}"), "SHUTTING_DOWN", 1001).await;
            assert_eq!(front.connections(), 0);
        },
    );
}

#[test]
fn the_servers_connections_are_bounded() {
    run(
        |config| config.limits.connections = 1,
        async |front| {
            front.start_core();
            let target = format!("/ws/document/jd_1?token={}", front.token("document:write", &[]));
            let (first, _) = open(&front, &target, "").await;
            let adopt = front.adopted().await;
            let (told, close) = refused(&front, &target).await;
            assert_eq!((&told["error_code"], close), (&"RATE_LIMIT_EXCEEDED".into(), 4000));
            assert_eq!((&told["limit_type"], &told["retry_after"]), (&"connections".into(), &30.into()));
            assert_eq!(front.connections(), 1);
            drop((first, adopt));
        },
    );
}

#[test]
fn a_users_connections_are_bounded_and_counted() {
    run(
        |config| config.limits.user_connections = 1,
        async |front| {
            front.start_core();
            let target = format!("/ws/document/jd_1?token={}", front.token("document:write", &[]));
            let (first, _) = open(&front, &target, "").await;
            let adopt = front.adopted().await;
            for _ in 0..2 {
                let (told, close) = refused(&front, &target).await;
                assert_eq!((&told["error_code"], close), (&"RATE_LIMIT_EXCEEDED".into(), 4000));
                assert_eq!((&told["limit_type"], &told["retry_after"]), (&"user_connections".into(), &35.into()));
            }
            let counted = RefusalCounts { user_connections: 2, ..RefusalCounts::default() };
            assert_eq!((front.connections(), front.limits.refusals()), (1, counted));
            // Other limits are in force for whoever comes next.
            let more = crate::config::Limits { user_connections: 2, ..Default::default() };
            front.limits.set(std::sync::Arc::new(more));
            let (second, reply) = open(&front, &target, "").await;
            assert_eq!(reply.status, 101);
            let other = front.adopted().await;
            drop((first, adopt, second, other));
            front.counts_none().await;
        },
    );
}

#[test]
fn who_is_refused_by_the_documents_core_gives_the_seat_back() {
    run(
        |config| config.limits.user_connections = 1,
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            for _ in 0..3 {
                let (told, _) = refused(&front, &format!("/ws/document/full_1?token={token}")).await;
                assert_eq!(told["limit_type"], "document_editors");
            }
            assert_eq!((front.connections(), front.shared.occupancy.users()), (0, 0));
        },
    );
}

#[test]
fn a_client_that_leaves_while_it_is_reserved_a_place_gives_it_back() {
    run(
        |_| {},
        async |front| {
            let target = format!("/ws/document/jd_1?token={}", front.token("document:write", &[]));
            let mut stream = front.connect().await;
            stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
            while front.connections() == 0 {
                tokio::task::yield_now().await;
            }
            drop(stream);
            // Long enough for the front to see it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            front.start_core();
            front.hears(|message| matches!(message, CoreMessage::Abandon(place) if place.number == 7)).await;
            front.counts_none().await;
            assert!(!front.heard.borrow().iter().any(|message| matches!(message, CoreMessage::Adopt(_))));
        },
    );
}

#[test]
fn a_place_that_is_answered_too_late_is_not_taken() {
    run_with_answers_within(
        Duration::from_millis(50),
        |_| {},
        async |front| {
            front.start_core();
            let target = format!("/ws/document/silent_1?token={}", front.token("document:write", &[]));
            let (told, close) = refused(&front, &target).await;
            assert_eq!((&told["error_code"], close), (&"CAPACITY_EXCEEDED".into(), 1013));
            front.reserve(|reserve| assert!(reserve.reply.is_closed()));
            assert_eq!(front.connections(), 0);
        },
    );
}

#[test]
fn a_full_inbox_is_no_capacity() {
    run(
        |_| {},
        async |front| {
            front.fill_inbox();
            let target = format!("/ws/document/jd_1?token={}", front.token("document:write", &[]));
            let (told, close) = refused(&front, &target).await;
            assert_eq!((&told["error_code"], close), (&"CAPACITY_EXCEEDED".into(), 1013));
            assert_eq!(front.connections(), 0);
        },
    );
}

#[test]
fn a_core_whose_inbox_fills_up_in_between_closes_the_socket() {
    run(
        |_| {},
        async |front| {
            let target = format!("/ws/document/jd_1?token={}", front.token("document:write", &[]));
            let asking = refused(&front, &target);
            let answering = async {
                let CoreMessage::Reserve(reserve) = front.shared.inboxes[0].receive().await else { panic!() };
                reserve.reply.send(Ok(crate::cores::Reservation { core: 0, number: 7 })).unwrap();
                front.fill_inbox();
            };
            let ((told, close), ()) = tokio::join!(asking, answering);
            assert_eq!((&told["error_code"], close), (&"CAPACITY_EXCEEDED".into(), 1013));
            assert_eq!(front.connections(), 0);
        },
    );
}

/// What the server answers to a line of `Sec-WebSocket-Extensions`, and what the document's core is told.
async fn negotiated(front: &Front, offer: &str) -> (Option<String>, Option<String>) {
    let token = front.token("document:read", &[]);
    let headers = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    front.heard.borrow_mut().clear();
    let (_stream, reply) = open(front, &format!("/ws/document/jd_1?token={token}"), &headers).await;
    assert_eq!(reply.status, 101, "{offer}");
    let mut told = None;
    front.reserve(|reserve| told = reserve.framing.compression().map(|compression| compression.to_string()));
    (reply.header("sec-websocket-extensions").map(str::to_owned), told)
}

#[test]
fn compression_is_negotiated_and_goes_with_the_reservation() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
            let window = format!("{both}; server_max_window_bits=10");
            for (offer, answer) in [
                ("permessage-deflate; client_max_window_bits", Some(both)),
                ("x-other, permessage-deflate; server_max_window_bits=10", Some(window)),
                ("permessage-deflate; server_max_window_bits=7", None),
                ("x-other", None),
            ] {
                assert_eq!(negotiated(&front, offer).await, (answer.clone(), answer), "{offer}");
            }
            let wrong = "Sec-WebSocket-Extensions: permessage-deflate;\r\n";
            let (_, reply) = open(&front, "/ws/document/jd_1", wrong).await;
            assert_eq!(reply.status, 400);
        },
    );
}

#[test]
fn compression_can_be_switched_off() {
    run(
        |config| config.compression = false,
        async |front| {
            front.start_core();
            assert_eq!(negotiated(&front, "permessage-deflate").await, (None, None));
            let target = format!("/ws/presence?token={}", front.token("presence:read", &[]));
            let (_, reply) = open(&front, &target, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
            assert_eq!((reply.status, reply.header("sec-websocket-extensions")), (101, None));
        },
    );
}

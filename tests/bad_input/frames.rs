//! The WebSocket protocol broken, frame by frame (RFC 6455, sections 5 and 7).

use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{MASK, Socket, frame, frame_head};
use crate::support::within;
use crate::{Bystander, closed_with};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const PING: u8 = 0x9;

async fn attacker(home: &Home, server: &Server) -> Socket {
    Socket::joined(server.port(), "shared", &home.token("attacker")).await.0
}

#[tokio::test]
async fn broken_frames_close_their_own_connection_only() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let masked = |first: u8, payload: &[u8]| frame(first, Some(MASK), payload);
    let cases: [(&str, Vec<u8>, u16); 13] = [
        ("text that is not UTF-8", masked(FIN | TEXT, b"\"\xff\""), 1007),
        ("text cut off inside a character", masked(FIN | TEXT, b"\"\xe2\x82"), 1007),
        ("a surrogate in UTF-8", masked(FIN | TEXT, b"\"\xed\xa0\x80\""), 1007),
        ("a frame that announces more than a message may have", frame_head(FIN | TEXT, Some(MASK), 1_048_577), 1009),
        ("a frame of 2^62 bytes", frame_head(FIN | TEXT, Some(MASK), 1 << 62), 1009),
        ("a length with its top bit set", frame_head(FIN | TEXT, Some(MASK), 1 << 63), 1002),
        ("a frame without a mask", frame(FIN | TEXT, None, b"{}"), 1002),
        ("RSV1 without an extension", masked(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("RSV2", masked(FIN | 0x20 | TEXT, b"{}"), 1002),
        ("a reserved opcode", masked(FIN | 0x3, b"{}"), 1002),
        ("a reserved control opcode", masked(FIN | 0xb, b"{}"), 1002),
        ("a ping in two fragments", masked(PING, b"{}"), 1002),
        ("a continuation of nothing", masked(FIN | CONTINUATION, b"{}"), 1002),
    ];
    for (what, bytes, code) in cases {
        let mut socket = attacker(&home, &server).await;
        socket.send_bytes(bytes);
        let (messages, closed, reason) = socket.closed().await;
        assert_eq!(closed, code, "{what}: closed with {closed} {reason:?} after {messages:?}");
        bystander.goes_on_undisturbed().await;
    }
}

#[tokio::test]
async fn fragments_without_end_are_not_kept() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut socket = attacker(&home, &server).await;
    let part = vec![b'a'; 64 << 10];
    socket.send_bytes(frame(TEXT, Some(MASK), &part));
    for _ in 0..1024 {
        socket.send_bytes(frame(CONTINUATION, Some(MASK), &part));
    }
    closed_with(&mut socket, 1009).await;

    let mut socket = attacker(&home, &server).await;
    socket.send_bytes(frame(TEXT, Some(MASK), b"a"));
    for _ in 0..100_000 {
        socket.send_bytes(frame(CONTINUATION, Some(MASK), b""));
    }
    closed_with(&mut socket, 1002).await;
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let home = Home::new();
    let server = home.start().ready().await;
    let target = format!("/ws/document/shared?token={}", home.token("attacker"));
    let opened = within("an answer", Socket::try_open(server.port(), &target, "Sec-WebSocket-Version: 8\r\n")).await;
    let refused = opened.expect_err("two versions are offered").expect("an answer");
    refused.error(426, "VALIDATION_ERROR");
    assert_eq!(refused.header("sec-websocket-version"), Some("13"), "{refused:?}");
    let plain = http::get(server.port(), "/ws/document/shared", &home.token("attacker")).await;
    assert!((400..500).contains(&plain.status), "{plain:?}");
    assert!(plain.json()["error"]["message"].is_string(), "{plain:?}");
}

/// Somebody who may send compressed messages. It is sent nothing large, which it could not read.
async fn compressing_attacker(home: &Home, server: &Server) -> Socket {
    let target = format!("/ws/document/shared?greeting=on-join&token={}", home.token("attacker"));
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    within("an upgrade", Socket::try_open(server.port(), &target, offer)).await.expect("compression is taken")
}

/// A payload as RFC 7692, section 7.2.1 has it compressed.
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() / 900 + 1_024);
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    compress.compress_vec(payload, &mut out, flate2::FlushCompress::Sync).expect("it can be compressed");
    assert!(out.len() < out.capacity(), "all of it is out");
    out.truncate(out.len() - 4);
    out
}

#[tokio::test]
async fn compressed_messages_that_are_none_close_their_own_connection_only() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let masked = |first: u8, payload: &[u8]| frame(first, Some(MASK), payload);
    let spaces = deflated(&vec![b' '; 1_048_577]);
    let whole = deflated(br#"{"type":"system.heartbeat","payload":{}}"#);
    let fragments = [masked(RSV1 | TEXT, &spaces[..500]), masked(FIN | CONTINUATION, &spaces[500..])].concat();
    let cases: [(&str, Vec<u8>, u16); 8] = [
        ("a message that is too large once it is inflated", masked(FIN | RSV1 | TEXT, &spaces), 1009),
        ("the same in fragments", fragments, 1009),
        ("text that is not UTF-8 once it is inflated", masked(FIN | RSV1 | TEXT, &deflated(b"\"\xff\"")), 1007),
        ("a block of no type", masked(FIN | RSV1 | TEXT, &[0x06]), 1007),
        ("a message cut off", masked(FIN | RSV1 | TEXT, &whole[..whole.len() - 1]), 1007),
        ("a compressed ping", masked(FIN | RSV1 | PING, b""), 1002),
        ("RSV1 within a message", [masked(TEXT, b"a"), masked(FIN | RSV1 | CONTINUATION, b"b")].concat(), 1002),
        ("RSV2, which is of no extension", masked(FIN | 0x20 | TEXT, b"{}"), 1002),
    ];
    for (what, bytes, code) in cases {
        let mut socket = compressing_attacker(&home, &server).await;
        socket.send_bytes(masked(FIN | RSV1 | TEXT, &whole));
        assert_eq!(socket.next("system.heartbeat").await["type"], "system.heartbeat");
        socket.send_bytes(bytes);
        let (messages, closed, reason) = socket.closed().await;
        assert_eq!(closed, code, "{what}: closed with {closed} {reason:?} after {messages:?}");
        bystander.goes_on_undisturbed().await;
    }
}

/// Each of a hundred connections sends a message that would come to 64 MiB.
#[tokio::test]
async fn decompression_bombs_cost_nothing() {
    const CONNECTIONS: usize = 100;
    /// Two cores that each inflate a message up to its limit, and what so many connections take.
    const GROWTH_KIB_MAX: u64 = 16 << 10;
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let bomb = frame(FIN | RSV1 | TEXT, Some(MASK), &deflated(&vec![b' '; 64 << 20]));
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        sockets.push(compressing_attacker(&home, &server).await);
    }
    bystander.goes_on_undisturbed().await;
    let before = server.resident_kib();
    let mut heaviest = before;
    for socket in &mut sockets {
        socket.send_bytes(bomb.clone());
    }
    for socket in &mut sockets {
        closed_with(socket, 1009).await;
        heaviest = heaviest.max(server.resident_kib());
    }
    bystander.goes_on_undisturbed().await;
    let growth = heaviest.max(server.resident_kib()) - before;
    assert!(growth < GROWTH_KIB_MAX, "the server grew by {growth} KiB for {CONNECTIONS} bombs");
}

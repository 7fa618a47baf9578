//! Messages that do not come in full: bounded over all connections, and nobody else's loss.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{MASK, Socket, frame, upgrade};
use crate::support::{until, within};
use crate::{Bystander, closed_with, stays_open};

/// A heartbeat of about that many bytes, as a frame.
fn heartbeat(bytes: usize) -> Vec<u8> {
    let message = json!({"type": "system.heartbeat", "payload": {"padding": "x".repeat(bytes)}});
    frame(0x81, Some(MASK), message.to_string().as_bytes())
}

/// A client that sends all of a message but its end, reads on until it is told to close, and does not.
async fn hold_back_the_end(mut stream: TcpStream, told: mpsc::UnboundedSender<()>) -> TcpStream {
    let nearly_all = frame(0x1, Some(MASK), &vec![b'a'; 1_000_000]);
    // A server that does not read on is as good as one that closes.
    let (mut read, mut write) = stream.split();
    let write = async { write.write_all(&nearly_all).await };
    let read = async {
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|part| part[0] == 0x88 && part[2..] == 1013_u16.to_be_bytes()) {
            if read.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
                continue;
            }
            panic!("the connection ended without a close");
        }
        told.send(()).expect("the test waits for it");
    };
    let _ = tokio::join!(write, read);
    stream
}

/// Of 120 messages of nearly 1 MiB, each without its end, only 2 MiB are kept, whatever the clients do. The others are not
/// read on, and closed when that has led to nothing.
#[tokio::test]
async fn unfinished_messages_are_bounded_over_all_connections() {
    const CONNECTIONS: usize = 120;
    const KEPT_BYTES: &str = "2097152";
    const FIT: usize = 2;
    /// The bound, and as much again as so many connections, their buffers and an allocator may take.
    const GROWTH_KIB_MAX: u64 = 24 << 10;
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", KEPT_BYTES);
    let server = server.env("JDDB_HTTP__PROGRESS_SECONDS", "1").ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let target = format!("/ws/document/shared?token={}", home.token("attacker"));
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let (stream, answer) = upgrade(server.port(), &target, "").await.expect("an answer");
        assert_eq!(answer.status, 101);
        streams.push(stream);
    }
    bystander.goes_on_undisturbed().await;
    // Whoever has ended a large message that came in parts holds nothing any more, however long they are silent then.
    let mut done = Socket::joined(server.port(), "shared", &home.token("done")).await.0;
    let bytes = heartbeat(1_000_000);
    let (begin, end) = bytes.split_at(990_000);
    done.send_bytes(begin.to_vec());
    bystander.goes_on_undisturbed().await;
    done.send_bytes(end.to_vec());
    done.next("system.heartbeat").await;
    let before = server.resident_kib();
    let (told, mut closed) = mpsc::unbounded_channel();
    let clients: Vec<_> =
        streams.into_iter().map(|stream| tokio::spawn(hold_back_the_end(stream, told.clone()))).collect();
    let mut heaviest = before;
    let mut count = 0;
    until("the server to close them", async || {
        heaviest = heaviest.max(server.resident_kib());
        while closed.try_recv().is_ok() {
            count += 1;
        }
        (count >= CONNECTIONS - FIT).then_some(())
    })
    .await;
    bystander.goes_on_undisturbed().await;
    // What comes in two reads finds room all the same.
    let mut socket = Socket::joined(server.port(), "shared", &home.token("patient")).await.0;
    let bytes = heartbeat(8 << 10);
    let (begin, end) = bytes.split_at(6 << 10);
    socket.send_bytes(begin.to_vec());
    bystander.goes_on_undisturbed().await;
    socket.send_bytes(end.to_vec());
    socket.next("system.heartbeat").await;
    stays_open(&mut done).await;
    let growth = heaviest.max(server.resident_kib()) - before;
    assert!(growth < GROWTH_KIB_MAX, "the server grew by {growth} KiB for {CONNECTIONS} unfinished messages");
    drop(clients);
}

/// Sixty messages of 900 KB, all at once, where 2 MiB may be held: parts of all of them are more than that, and yet each
/// gets its turn.
#[tokio::test]
async fn large_messages_that_come_at_once_are_all_read_to_their_end() {
    const CONNECTIONS: usize = 60;
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", "2097152").ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut sockets = Vec::new();
    for number in 0..CONNECTIONS {
        let token = home.token(&format!("sender_{number}"));
        sockets.push(Socket::open(server.port(), &format!("/ws/document/shared?mode=view&token={token}")).await);
    }
    let message = heartbeat(900_000);
    sockets.iter().for_each(|socket| socket.send_bytes(message.clone()));
    bystander.goes_on_undisturbed().await;
    for socket in &mut sockets {
        socket.next("system.heartbeat").await;
    }
    bystander.goes_on_undisturbed().await;
}

/// What the server has read of all documents' connections, in bytes.
struct Meter(Socket);

impl Meter {
    async fn open(home: &Home, server: &Server) -> Self {
        let token = home.token_with("meter", "document:admin", &[]);
        Self(Socket::open(server.port(), &format!("/ws/monitoring?token={token}")).await)
    }

    async fn read(&mut self) -> u64 {
        let report = self.0.next("monitoring.metrics").await;
        report["payload"]["resources"]["network_bytes"]["received"]["total"].as_u64().expect("a number")
    }

    async fn reaches(&mut self, bytes: u64) {
        let reading = async { while self.read().await < bytes {} };
        within("the server to read on", reading).await;
    }
}

/// A viewer who sends `part` bytes of a message, and then nothing but answers to pings; and what would end it.
async fn holder(home: &Home, server: &Server, meter: &mut Meter, part: u32) -> (Socket, Vec<u8>) {
    let token = home.token(&format!("holder_{part}"));
    let socket = Socket::open(server.port(), &format!("/ws/document/shared?mode=view&token={token}")).await;
    let message = json!({"type": "system.heartbeat", "payload": {"padding": "x".repeat(1_020_000)}}).to_string();
    let (begin, end) = message.split_at(part as usize);
    let before = meter.read().await;
    // A fragment, so that control frames can follow it.
    socket.send_bytes(frame(0x01, Some(MASK), begin.as_bytes()));
    meter.reaches(before + u64::from(part)).await;
    (socket, frame(0x80, Some(MASK), end.as_bytes()))
}

/// Somebody whose message finds no room at first, and then does.
async fn waits_and_is_answered(home: &Home, server: &Server) {
    let token = home.token("waiting");
    let mut waiting = Socket::open(server.port(), &format!("/ws/document/shared?mode=view&token={token}")).await;
    waiting.send_bytes(heartbeat(600_000));
    waiting.next("system.heartbeat").await;
}

/// Three make no progress, and one of them has the turn; a fourth finds no room. Only as many are closed as make some, the
/// largest first.
#[tokio::test]
async fn no_more_are_closed_than_make_room_and_the_largest_first() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", "2097152");
    let server = server.env("JDDB_HTTP__PROGRESS_SECONDS", "1").ready().await;
    // Who only views makes no document.
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut meter = Meter::open(&home, &server).await;
    let (mut small, end) = holder(&home, &server, &mut meter, 600_000).await;
    let (mut larger, _) = holder(&home, &server, &mut meter, 700_000).await;
    let (mut largest, _) = holder(&home, &server, &mut meter, 1_000_000).await;
    // Reports are a second apart: all three have had their time, and nobody waits.
    for _ in 0..3 {
        meter.read().await;
    }
    waits_and_is_answered(&home, &server).await;
    closed_with(&mut largest, 1013).await;
    closed_with(&mut larger, 1013).await;
    small.send_bytes(end);
    small.next("system.heartbeat").await;
    bystander.goes_on_undisturbed().await;
}

/// Whoever has to wait for room longer than a peer may be silent is not taken for one that has died, since nobody listens.
#[tokio::test]
async fn who_waits_for_room_is_not_taken_for_dead() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", "1048576");
    let server = server.env("JDDB_HEARTBEAT__INTERVAL_SECONDS", "1").env("JDDB_HEARTBEAT__SILENCE_SECONDS", "2");
    let server = server.env("JDDB_HTTP__PROGRESS_SECONDS", "7").ready().await;
    // Who only views makes no document.
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut meter = Meter::open(&home, &server).await;
    let (mut held, _) = holder(&home, &server, &mut meter, 900_000).await;
    // By its answer to a ping it has the turn, which is of no use to it.
    for _ in 0..3 {
        meter.read().await;
    }
    waits_and_is_answered(&home, &server).await;
    closed_with(&mut held, 1013).await;
    bystander.goes_on_undisturbed().await;
}

/// What has come of a message is let go of with its connection.
#[tokio::test]
async fn nothing_is_held_of_a_connection_that_is_lost() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", "1048576").ready().await;
    let (port, token) = (server.port(), home.token("lost"));
    // Who only views makes no document.
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let mut meter = Meter::open(&home, &server).await;
    for _ in 0..3 {
        let before = meter.read().await;
        let target = format!("/ws/document/shared?mode=view&token={token}");
        let (mut stream, answer) = upgrade(port, &target, "").await.expect("an answer");
        assert_eq!(answer.status, 101);
        let part = frame(0x01, Some(MASK), &vec![b'a'; 900_000]);
        within("the server to read on", stream.write_all(&part)).await.expect("it is read");
        meter.reaches(before + 900_000).await;
    }
    // Bodies do not wait for room.
    let insertion = json!({"operation": "insert", "position": 0, "content": "x".repeat(200_000)});
    until("room for a body", async || {
        let body = json!({"changes": [insertion]});
        let answer = http::post(port, "/api/documents/other/changes", &token, &body).await;
        (answer.status == 200).then_some(())
    })
    .await;
    bystander.goes_on_undisturbed().await;
}

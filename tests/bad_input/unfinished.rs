//! Messages that do not come in full: bounded over all connections, and nobody else's loss.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::Bystander;
use crate::support::home::Home;
use crate::support::socket::{MASK, Socket, frame, upgrade};
use crate::support::until;

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

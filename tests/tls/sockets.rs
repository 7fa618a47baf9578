//! WebSockets: on their way to the core of their document, and there.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::Encrypted;
use crate::support::home::Home;
use crate::support::http::{self, post, state};
use crate::support::socket::{MASK, Socket, frame, upgrade_request};
use crate::support::tls::connect;
use crate::support::{until, within};

/// A document on each core.
const DOCUMENTS: [&str; 2] = ["doc_0", "doc_1"];
/// So many connections that each core accepts some for either document, in all likelihood.
const CONNECTIONS: usize = 8;

fn insert(name: &str, content: &str) -> Value {
    json!({
        "type": "document.change",
        "payload": {"operation": "insert", "position": 0, "content": content},
        "metadata": {"client_id": "c", "correlation_id": name},
    })
}

async fn open(encrypted: &Encrypted) -> TlsStream<TcpStream> {
    connect(&encrypted.authority.connector(), encrypted.server.port()).await.expect("a connection")
}

/// A WebSocket of which the request, and what follows it, is written in these parts, each a record of its own.
async fn upgraded(encrypted: &Encrypted, parts: impl IntoIterator<Item = Vec<u8>>) -> Socket {
    let mut stream = open(encrypted).await;
    for part in parts {
        stream.write_all(&part).await.expect("sent");
        stream.flush().await.expect("sent");
    }
    let answer = within("an upgrade", http::read_upgrade(&mut stream)).await.expect("an answer");
    assert_eq!(answer.status, 101);
    Socket::start(stream, answer.body)
}

/// The request comes in one record with the first messages, or with half of one, or is spread over many: whatever has
/// been decrypted by then moves to the document's core with the connection.
#[tokio::test]
async fn what_was_read_early_goes_with_the_connection() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let token = home.token("ada");
    let mut expected = 0;
    for document in DOCUMENTS {
        for number in 0..CONNECTIONS {
            let request = upgrade_request(0, &format!("/ws/document/{document}?token={token}"), "");
            let (name, content) = (format!("m{number}"), "x".repeat(1 + 20_000 * (number % 3)));
            let message = frame(0x81, Some(MASK), insert(&name, &content).to_string().as_bytes());
            let all = [request, message].concat();
            let head = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            let cuts: &[usize] = match number % 4 {
                0 => &[all.len()],
                1 => &[head + 1, all.len()],
                2 => &[head + 40, all.len()],
                _ => &[10, head, head + 3, all.len()],
            };
            let starts = [0].iter().chain(cuts);
            let parts = starts.zip(cuts).map(|(&start, &end)| all[start..end].to_vec());
            let mut socket = upgraded(&encrypted, parts).await;
            let ack = socket.next("document.ack").await;
            assert_eq!(ack["payload"]["correlation_id"], name.as_str());
            expected += content.len();
        }
    }
    let tunnel = encrypted.tunnel().await;
    let mut length = 0;
    for document in DOCUMENTS {
        let (version, sections) = state(tunnel.port, document, &token).await;
        assert_eq!(version, u64::try_from(CONNECTIONS).expect("a number"));
        length += sections["body"].as_str().expect("a text").len();
    }
    assert_eq!(length, expected);
}

#[tokio::test]
async fn a_refusal_is_told_behind_the_upgrade() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let tunnel = encrypted.tunnel().await;
    for target in ["/ws/document/doc", "/ws/presence"] {
        let mut socket = Socket::open(tunnel.port, target).await;
        socket.error("UNAUTHENTICATED").await;
        assert_eq!(socket.closed().await.1, 1008);
    }
}

/// A connection that ends without a word, and one that says so first: the member is gone at once, and others see it.
#[tokio::test]
async fn a_cut_ends_a_connection_as_a_word_does() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let tunnel = encrypted.tunnel().await;
    let (mut other, _) = Socket::joined(tunnel.port, "doc", &home.token("other")).await;
    for says_so in [false, true] {
        let mut stream = open(&encrypted).await;
        let target = format!("/ws/document/doc?token={}", home.token("leaver"));
        stream.write_all(&upgrade_request(0, &target, "")).await.expect("sent");
        assert_eq!(http::read_upgrade(&mut stream).await.expect("an answer").status, 101);
        assert_eq!(other.next("user.presence").await["payload"]["status"], "joined");
        if says_so {
            stream.shutdown().await.expect("a word");
        } else {
            stream.get_mut().0.shutdown().await.expect("an end");
        }
        assert_eq!(other.next("user.presence").await["payload"]["status"], "left");
    }
}

/// The server answers a close and ends the connection with a word, so that a client can tell it from a cut.
#[tokio::test]
async fn the_end_of_a_websocket_is_said() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let mut stream = open(&encrypted).await;
    let target = format!("/ws/document/doc?token={}", home.token("ada"));
    stream.write_all(&upgrade_request(0, &target, "")).await.expect("sent");
    stream.write_all(&frame(0x88, Some(MASK), &1000_u16.to_be_bytes())).await.expect("sent");
    let mut bytes = Vec::new();
    // A cut would be an error.
    within("the end", stream.read_to_end(&mut bytes)).await.expect("an end that is said");
    assert!(bytes.ends_with(&[0x88, 2, 0x03, 0xe8]), "{bytes:?}");
}

/// What a message has come to that is not read on, since too much is held of others', lies decrypted in its session where the
/// socket tells nothing of it. It is read when there is room.
#[tokio::test]
async fn what_is_decrypted_and_not_read_is_not_forgotten() {
    let home = Home::new();
    let settings = [
        ("JDDB_LIMITS__UNFINISHED_MESSAGE_BYTES", "1048576"),
        ("JDDB_HTTP__PROGRESS_SECONDS", "2"),
        // Answers to pings would have the rest read.
        ("JDDB_HEARTBEAT__INTERVAL_SECONDS", "3600"),
        ("JDDB_HEARTBEAT__SILENCE_SECONDS", "7200"),
    ];
    let encrypted = Encrypted::start(&home, &settings).await;
    let tunnel = encrypted.tunnel().await;
    let admin = home.token_with("admin", "document:admin", &[]);
    let mut meter = Socket::open(tunnel.port, &format!("/ws/monitoring?token={admin}")).await;
    let (mut holder, _) = Socket::joined(tunnel.port, "doc", &home.token("holder")).await;
    let target = format!("/ws/document/doc?token={}", home.token("ada"));
    let mut socket = upgraded(&encrypted, [upgrade_request(0, &target, "")]).await;
    socket.next("document.state").await;
    holder.send_bytes(frame(0x01, Some(MASK), &vec![b'a'; 1_040_000]));
    let received = async {
        let bytes = "/payload/resources/network_bytes/received/total";
        while meter.next("monitoring.metrics").await.pointer(bytes).and_then(Value::as_u64) < Some(1_040_000) {}
    };
    within("the holder to be read", received).await;
    let heartbeat = json!({"type": "system.heartbeat", "payload": {"padding": "x".repeat(17_000)}});
    socket.send(&heartbeat);
    socket.next("system.heartbeat").await;
    assert_eq!(holder.closed().await.1, 1013);
}

/// So many large changes are far more than the kernel and the smallest queue take for a connection.
const CHANGES: u64 = 30;
const CHANGE_BYTES: usize = 300 << 10;
const SMALLEST_QUEUE: (&str, &str) = ("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "65536");

/// Makes large changes over HTTP; each is read by somebody before the next one.
async fn flood(port: u16, token: &str, reader: &mut Socket) {
    for number in 0..CHANGES {
        let operation = if number == 0 { "insert" } else { "replace" };
        let content = char::from(b'a' + u8::try_from(number % 26).expect("a letter")).to_string().repeat(CHANGE_BYTES);
        let change = json!({
            "operation": operation, "position": 0, "length": CHANGE_BYTES, "section": "body", "content": content,
        });
        post(port, "/api/documents/shared/changes", token, &json!({"changes": [change]})).await.ok();
        let told = reader.next("document.change").await["payload"].clone();
        assert_eq!(told["version"], number + 1);
        assert!(told["content"] == content, "version {} is not what was sent", number + 1);
    }
}

/// A connection that nobody reads from after its upgrade, and what came with that.
async fn unread(encrypted: &Encrypted, home: &Home, user: &str) -> (TlsStream<TcpStream>, Vec<u8>) {
    let mut stream = open(encrypted).await;
    let target = format!("/ws/document/shared?token={}", home.token(user));
    stream.write_all(&upgrade_request(0, &target, "")).await.expect("sent");
    let answer = http::read_upgrade(&mut stream).await.expect("an answer");
    assert_eq!(answer.status, 101);
    (stream, answer.body)
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_and_one_that_reads_late_catches_up() {
    let home = Home::in_memory();
    let encrypted = Encrypted::start(&home, &[SMALLEST_QUEUE]).await;
    let tunnel = encrypted.tunnel().await;
    let token = home.token("reader");
    let (mut reader, _) = Socket::joined(tunnel.port, "shared", &token).await;
    let (late, late_read) = unread(&encrypted, &home, "late").await;
    let (stuck, stuck_read) = unread(&encrypted, &home, "stuck").await;
    flood(tunnel.port, &token, &mut reader).await;
    // The one reads on, is sent what had begun and then the newest state, and goes on from there.
    let mut late = Socket::start(late, late_read);
    let caught_up = late.next("sync.response").await;
    let sections = &caught_up["payload"]["full_document_state"]["sections"];
    assert_eq!(caught_up["payload"]["current_version"], CHANGES, "{}", &caught_up.to_string()[..200]);
    assert_eq!(sections["body"].as_str().map(str::len), Some(CHANGE_BYTES));
    late.send(&insert("on", "on it goes"));
    assert_eq!(late.next("document.ack").await["payload"]["version"], CHANGES + 1);
    // The other is closed.
    until("the connection to be given up", async || encrypted.server.log().contains("closed=1").then_some(())).await;
    let (_, code, reason) = Socket::start(stuck, stuck_read).closed().await;
    assert_eq!((code, reason.as_str()), (1013, "SLOW_READER: reconnect and sync"));
}

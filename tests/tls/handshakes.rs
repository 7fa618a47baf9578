//! Handshakes that fail, or are never finished, and what is no handshake.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version;

use crate::Encrypted;
use crate::support::home::Home;
use crate::support::http::{self, request};
use crate::support::socket::Socket;
use crate::support::tls::connect;
use crate::support::within;

const SHORT: (&str, &str) = ("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "1");
const LONG: (&str, &str) = ("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "300");

/// A record of the handshake, of so many bytes, in which a hello of `hello` bytes begins.
fn hello(bytes: u16, hello: u16) -> Vec<u8> {
    let ([high, low], [hello_high, hello_low]) = (bytes.to_be_bytes(), hello.to_be_bytes());
    let mut record = vec![22, 3, 1, high, low, 1, 0, hello_high, hello_low];
    record.resize(5 + usize::from(bytes), 0);
    record
}

async fn open(encrypted: &Encrypted) -> TcpStream {
    TcpStream::connect(("127.0.0.1", encrypted.server.port())).await.expect("the server accepts")
}

/// All that comes until the end.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Whether it ends or is reset does not matter.
    let _ = within("the end of a connection", stream.read_to_end(&mut bytes)).await;
    bytes
}

/// Somebody who knows how to speak is served.
async fn serves(encrypted: &Encrypted) {
    let mut stream = connect(&encrypted.authority.connector(), encrypted.server.port()).await.expect("a connection");
    stream.write_all(&request("GET", "/readyz", None, None)).await.expect("sent");
    assert_eq!(http::read_answer(&mut stream).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn http_without_encryption_is_told_so() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let answer = http::exchange(encrypted.server.port(), &request("GET", "/healthz", None, None)).await;
    let error = answer.error(400, "VALIDATION_ERROR");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("https://")), "{error}");
}

#[tokio::test]
async fn a_handshake_has_as_long_as_the_head_of_a_request() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[SHORT]).await;
    let (mut silent, mut half) = (open(&encrypted).await, open(&encrypted).await);
    half.write_all(&hello(500, 400)[..100]).await.expect("sent");
    serves(&encrypted).await;
    assert_eq!(rest(&mut silent).await, b"");
    assert_eq!(rest(&mut half).await, b"");
    serves(&encrypted).await;
}

#[tokio::test]
async fn garbage_is_answered_with_an_alert() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[LONG]).await;
    let mut stream = open(&encrypted).await;
    stream.write_all(&[22; 4_000]).await.expect("sent");
    let answer = rest(&mut stream).await;
    // RFC 8446, section 5.1: a record of type alert, fatal.
    assert_eq!((answer[0], answer[5]), (21, 2), "{answer:?}");
    serves(&encrypted).await;
}

/// The longest hello that rustls waits for may not fill the memory of the server, for as long as the handshake may take.
#[tokio::test]
async fn a_long_hello_is_not_waited_for() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[LONG]).await;
    let mut stream = open(&encrypted).await;
    let mut records = hello(16_000, u16::MAX);
    for _ in 0..2 {
        records.extend([22, 3, 1]);
        records.extend(16_000_u16.to_be_bytes());
        records.resize(records.len() + 16_000, 0);
    }
    // The server may end it before it has read all.
    let _ = stream.write_all(&records).await;
    rest(&mut stream).await;
    serves(&encrypted).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_handshake() {
    let home = Home::new();
    let mut encrypted = Encrypted::start(&home, &[LONG]).await;
    let mut half = open(&encrypted).await;
    half.write_all(&hello(500, 400)[..100]).await.expect("sent");
    serves(&encrypted).await;
    encrypted.server.ask_to_stop();
    assert_eq!(encrypted.server.wait().await.code(), Some(0));
    assert!(!encrypted.server.log().contains("cut off"), "{}", encrypted.server.log());
}

#[tokio::test]
async fn versions_and_protocols_are_agreed_on() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let port = encrypted.server.port();
    for version in [&version::TLS12, &version::TLS13] {
        let connector = encrypted.authority.connector_of(&[version], &["http/1.1"]);
        let stream = connect(&connector, port).await.expect("a connection");
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let connector = encrypted.authority.connector_of(&[&version::TLS13], &["spdy/3"]);
    let refused = connect(&connector, port).await.expect_err("a protocol that nobody speaks");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

/// Where a session's document is edited is told as it is reached.
#[tokio::test]
async fn a_session_is_joined_as_it_was_made() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let body = json!({"document_id": "jd_1", "session_type": "collaborative_edit"});
    let answer = http::post(encrypted.tunnel().await.port, "/api/sessions", &home.token("ann"), &body).await.json();
    let url = answer["websocket_url"].as_str().expect("an address");
    assert!(url.starts_with("wss://") && url.ends_with("/ws/document/jd_1"), "{url}");
}

/// Records that are no records, behind a handshake: their connection ends, and the others go on.
#[tokio::test]
async fn a_broken_record_ends_its_connection_alone() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let tunnel = encrypted.tunnel().await;
    let (mut other, _) = Socket::joined(tunnel.port, "doc", &home.token("other")).await;
    let mut stream = connect(&encrypted.authority.connector(), encrypted.server.port()).await.expect("a connection");
    let target = format!("/ws/document/doc?token={}", home.token("broken"));
    stream.write_all(&crate::support::socket::upgrade_request(0, &target, "")).await.expect("sent");
    assert_eq!(http::read_upgrade(&mut stream).await.expect("an answer").status, 101);
    let presence = other.next("user.presence").await;
    assert_eq!((&presence["payload"]["user_id"], &presence["payload"]["status"]), (&"broken".into(), &"joined".into()));
    let mut stream = stream.into_inner().0;
    // A record of application data that nobody encrypted.
    stream.write_all(&[&[23, 3, 3, 0, 100][..], &[7; 100]].concat()).await.expect("sent");
    let presence = other.next("user.presence").await;
    assert_eq!((&presence["payload"]["user_id"], &presence["payload"]["status"]), (&"broken".into(), &"left".into()));
    // What it was sent, and an alert.
    rest(&mut stream).await;
    assert!(other.peek().is_none());
}

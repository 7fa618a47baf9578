//! Who may connect, and that nobody's place is ever lost.

use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::home::{EDIT, Home};
use crate::support::server::Server;
use crate::support::socket::{MASK, Socket, frame};
use crate::support::{http, until, within};
use crate::token;

/// Documents that both of a server's cores have some of.
fn document(number: usize) -> String {
    format!("doc_{number}")
}

/// What somebody who is refused is told.
async fn refused(port: u16, document: &str, token: &str, limit_type: &str) -> Value {
    let mut socket = Socket::document(port, document, token).await;
    let (messages, code, reason) = socket.closed().await;
    assert_eq!((code, &*reason, messages.len()), (4000, "RATE_LIMIT_EXCEEDED", 1), "{messages:?}");
    let payload = messages[0]["payload"].clone();
    assert_eq!(payload["error_code"], "RATE_LIMIT_EXCEEDED", "{payload}");
    assert_eq!((&payload["limit_type"], &payload["severity"]), (&limit_type.into(), &"critical".into()), "{payload}");
    assert!(payload["retry_after"].as_u64() > Some(0), "{payload}");
    payload
}

/// Connects if there is a place.
async fn try_join(port: u16, document: &str, token: &str) -> Option<Socket> {
    let mut socket = Socket::document(port, document, token).await;
    let first = socket.message().await;
    (first["type"] == "document.state").then_some(socket)
}

async fn leave(mut socket: Socket) {
    socket.send_bytes(frame(0x88, Some(MASK), &1000_u16.to_be_bytes()));
    assert_eq!(socket.closed().await.1, 1000);
}

/// Opens as many connections as there may be, waiting for places that are about to come back, and checks that there is not
/// one more.
async fn check_places(server: &Server, token: &str, places: usize, limit_type: &str) -> Vec<Socket> {
    let mut open = Vec::new();
    for number in 0..places {
        let what = format!("place {number} of {places}");
        open.push(until(&what, async || try_join(server.port(), &document(number), token).await).await);
    }
    refused(server.port(), &document(places), token, limit_type).await;
    open
}

#[tokio::test]
async fn ten_connections_of_a_user_over_all_cores() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (ada, ben) = (token(&home, "ada"), token(&home, "ben"));
    let mut open = check_places(&server, &ada, 10, "user_connections").await;
    let payload = refused(server.port(), "another", &ada, "user_connections").await;
    assert_eq!(payload["retry_after"], 35);
    // Another user is not affected, nor is another token of the same user that grants more.
    let (_ben, _) = Socket::joined(server.port(), "doc_0", &ben).await;
    let more = home.token_with("ada", EDIT, &["--limits", r#"{"connections": 11}"#]);
    let (eleventh, _) = Socket::joined(server.port(), "doc_0", &more).await;
    refused(server.port(), "doc_0", &more, "user_connections").await;
    leave(eleventh).await;
    leave(open.swap_remove(3)).await;
    drop(check_places(&server, &ada, 1, "user_connections").await);
}

#[tokio::test]
async fn a_connection_that_is_silent_gives_way_at_the_users_limit() {
    let home = Home::new();
    let start = home.start().env("JDDB_LIMITS__USER_CONNECTIONS", "2").env("JDDB_LIMITS__USER_SILENCE_SECONDS", "1");
    let server = start.env("JDDB_LIMITS__BURST_PER_SECOND", "0").ready().await;
    let token = token(&home, "ada");
    let (mut first, _) = Socket::joined(server.port(), "doc_0", &token).await;
    let (mut second, _) = Socket::joined(server.port(), "doc_1", &token).await;
    // The second one speaks all the time, and keeps its place.
    let mut third = until("the silent one to give way", async || {
        stays_open(&mut second).await;
        try_join(server.port(), "doc_2", &token).await
    })
    .await;
    let (messages, code, _) = first.closed().await;
    let last = messages.last().expect("an error before the close");
    let payload = &last["payload"];
    assert_eq!(
        (&payload["limit_type"], &payload["severity"]),
        (&"user_connections".into(), &"critical".into()),
        "{last}"
    );
    assert_eq!(code, 4000);
    stays_open(&mut second).await;
    stays_open(&mut third).await;
    refused(server.port(), "doc_3", &token, "user_connections").await;
}

/// Says something, and is answered.
async fn stays_open(socket: &mut Socket) {
    socket.send(&json!({"type": "system.heartbeat", "payload": {}}));
    socket.next("system.heartbeat").await;
}

#[tokio::test]
async fn a_document_has_so_many_editors_and_any_number_of_viewers() {
    let home = Home::new();
    let start = home.start().env("JDDB_LIMITS__DOCUMENT_EDITORS", "2").env("JDDB_LIMITS__USER_CONNECTIONS", "3");
    let server = start.ready().await;
    let port = server.port();
    let [ada, ben, eve] = ["ada", "ben", "eve"].map(|user| token(&home, user));
    let (_first, _) = Socket::joined(port, "doc", &ada).await;
    let (_again, _) = Socket::joined(port, "doc", &ada).await;
    let (second, _) = Socket::joined(port, "doc", &ben).await;
    // Who is refused again and again uses up no place.
    for _ in 0..5 {
        let payload = refused(port, "doc", &eve, "document_editors").await;
        assert_eq!(payload["retry_after"], 60);
    }
    let target = format!("/ws/document/doc?mode=view&token={eve}");
    let mut viewers = Vec::new();
    for _ in 0..2 {
        let mut viewer = Socket::open(port, &target).await;
        assert_eq!(viewer.message().await["type"], "document.state");
        viewers.push(viewer);
    }
    leave(second).await;
    let _editor = until("the place of an editor", async || try_join(port, "doc", &eve).await).await;
}

#[tokio::test]
async fn the_server_has_so_many_connections_whoever_they_are_of() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__CONNECTIONS", "4").ready().await;
    let (ada, ben) = (token(&home, "ada"), token(&home, "ben"));
    let (mut of_ada, mut of_ben) = (Vec::new(), Vec::new());
    for number in 0..2 {
        of_ada.push(Socket::joined(server.port(), &document(number), &ada).await.0);
        of_ben.push(Socket::joined(server.port(), &document(number), &ben).await.0);
    }
    refused(server.port(), "doc_0", &ada, "connections").await;
    leave(of_ada.swap_remove(0)).await;
    let _last = until("a place", async || try_join(server.port(), "doc_7", &ben).await).await;
    refused(server.port(), "doc_0", &ada, "connections").await;
}

/// Ends a connection with a reset, as a peer that crashes does.
fn crash(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can be told to linger");
    drop(stream);
}

/// One of the ways in which a connection fails to come to be, or ends without a word.
async fn attack(port: u16, way: usize, token: &str, others: &str) {
    let target = match way % 4 {
        0 => format!("/ws/document/doc_{way}?token={token}"),
        // Refused by the document's core: a viewer makes no document.
        1 => format!("/ws/document/nowhere_{way}?mode=view&token={token}"),
        // Refused by the accepting core, before and after a place is taken.
        2 => format!("/ws/document/_?token={token}"),
        _ => format!("/ws/document/crowded?token={others}"),
    };
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server accepts");
    // Where the server was faster to close, there is nothing more to do.
    let _ = stream.write_all(request.as_bytes()).await;
    match way / 4 % 5 {
        // Gone before the answer, politely and not.
        0 => drop(stream),
        1 => crash(stream),
        // Gone with the answer half read.
        2 => {
            let _ = stream.read(&mut [0; 16]).await;
            crash(stream);
        }
        // Gone with half a frame sent.
        3 => {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(&[0x81, 0xff, 0, 0]).await;
            crash(stream);
        }
        // Says that it sends no more, and never reads.
        _ => {
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}

#[tokio::test]
async fn no_place_is_lost_however_connections_fail() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__DOCUMENT_EDITORS", "2").ready().await;
    let [ada, ben, dan, eve] = ["ada", "ben", "dan", "eve"].map(|user| token(&home, user));
    let (_ben, _) = Socket::joined(server.port(), "crowded", &ben).await;
    let (_dan, _) = Socket::joined(server.port(), "crowded", &dan).await;
    for round in 0..20 {
        let attackers = (0..20).map(|way| {
            let (port, ada, eve) = (server.port(), ada.clone(), eve.clone());
            tokio::spawn(async move { attack(port, round * 20 + way, &ada, &eve).await })
        });
        for attacker in attackers.collect::<Vec<_>>() {
            within("an attacker", attacker).await.expect("an attacker does not fail");
        }
    }
    let open = check_places(&server, &ada, 10, "user_connections").await;
    drop(check_places(&server, &eve, 10, "user_connections").await);
    drop(open);
    assert_eq!(http::try_get(server.port(), "/healthz").await.expect("the server lives").status, 200);
}

//! Requests side by side on one connection: documents small and large, and a client that takes nothing.

use h2::client::Builder;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Client, all_of};
use crate::support::home::Home;
use crate::support::{http, until, within};

/// A text of so many bytes that does not repeat itself much.
fn text(bytes: usize) -> String {
    (0_u64..)
        .map(|number| format!("{:x} ", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .flat_map(|word| word.into_bytes())
        .take(bytes)
        .map(char::from)
        .collect()
}

fn insert(content: &str) -> Value {
    json!({"changes": [{"operation": "insert", "position": 0, "content": content}]})
}

#[tokio::test]
async fn a_document_is_made_edited_read_and_deleted_on_one_connection() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_HTTP__BODY_BYTES", "8000000").ready().await;
    let token = home.token_with("ann", "document:read document:write document:admin", &[]);
    let client = Client::connect(server.port()).await;
    let content = text(3_000_000);
    let made = client.ask("PUT", "/api/documents/large", &token, Some(&json!({"sections": {"body": content}}))).await;
    assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{}", String::from_utf8_lossy(&made.body));
    let changed = client.ask("POST", "/api/documents/large/changes", &token, Some(&insert("x"))).await;
    assert_eq!(changed.ok()["new_version"], 2);
    let target = "/api/documents/large/state";
    let (new, old) = (client.get(target, &token).await, http::get(server.port(), target, &token).await);
    assert_eq!(new.ok()["content"]["sections"]["body"].as_str().expect("a text"), format!("x{content}"));
    assert!(new.body == old.body && new.header("etag") == Some("\"2\""));
    let stale = http::request_with("DELETE", "/api/documents/large", Some(&token), "If-Match: \"1\"\r\n", None);
    http::exchange(server.port(), &stale).await.error(409, "VERSION_CONFLICT");
    assert_eq!(client.ask("DELETE", "/api/documents/large", &token, None).await.status, 200);
    client.get(target, &token).await.error(404, "DOCUMENT_NOT_FOUND");
}

#[tokio::test]
async fn changes_side_by_side_are_each_a_version() {
    let home = Home::new();
    let server = home.start().ready().await;
    let token = home.token("ann");
    let client = Client::connect(server.port()).await;
    client.ask("POST", "/api/documents/busy/changes", &token, Some(&insert("."))).await.ok();
    let body = insert("x");
    let asked = (0..90).map(|_| client.ask("POST", "/api/documents/busy/changes", &token, Some(&body)));
    let mut versions = Vec::new();
    let mut asked: Vec<_> = asked.map(Box::pin).collect();
    for one in &mut asked {
        versions.push(one.await.ok()["new_version"].as_u64().expect("a version"));
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=91).collect::<Vec<u64>>());
    let state = client.get("/api/documents/busy/state", &token).await.ok();
    assert_eq!(state["content"]["sections"]["body"], format!("{}.", "x".repeat(90)));
}

/// What a client costs that opens all the streams it may for large answers and takes none of them.
#[tokio::test]
async fn clients_that_take_nothing_cost_no_more_than_answers_may() {
    const CLIENTS: usize = 20;
    const STREAMS: usize = 100;
    let home = Home::in_memory();
    let server = home
        .start()
        .env("JDDB_HTTP__BODY_BYTES", "8000000")
        .env("JDDB_HTTP__ANSWERS_BYTES", "33554432")
        .env("JDDB_LIMITS__REQUESTS_PER_MINUTE", "0")
        .ready()
        .await;
    let (port, token) = (server.port(), home.token("ann"));
    let first = Client::connect(port).await;
    let content = json!({"sections": {"body": text(2_000_000)}});
    assert_eq!(first.ask("PUT", "/api/documents/large", &token, Some(&content)).await.status, 201);
    first.get("/api/documents/large/state", &token).await.ok();
    let before = server.resident_kib();
    let (mut clients, mut held) = (Vec::new(), 0);
    for _ in 0..CLIENTS {
        // The windows are as large as they can be, and the socket is not read once this thread is done with it.
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        let client = Client::with(Builder::new().initial_window_size(100_000), stream).await;
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            match client.try_open("GET", "/api/documents/large/state", &token, None).await {
                Ok(answer) if answer.status() == 200 => {
                    held += 1;
                    answers.push(answer);
                }
                Ok(refused) => assert_eq!(refused.status(), 503),
                Err(error) => panic!("{error}"),
            }
        }
        clients.push((client, answers));
    }
    assert!(held > 5, "{held} answers wait");
    let grown = server.resident_kib().saturating_sub(before);
    eprintln!("{CLIENTS} clients with {STREAMS} streams each: {held} answers are held, {grown} KiB more are used");
    // Half of all answers may be states; what the allocator keeps, and the connections, is beside that.
    assert!(grown < 64 << 10, "{grown} KiB");
    assert!(first.get("/healthz", &token).await.status == 200, "others are served");
    drop(clients);
    until("room for an answer", async || {
        let answer = first.get("/api/documents/large/state", &token).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stop_lets_an_answer_be_read_to_its_end() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HTTP__BODY_BYTES", "8000000").env("JDDB_DRAIN_SECONDS", "60");
    let mut server = start.ready().await;
    let token = home.token("ann");
    let mut client = Client::connect(server.port()).await;
    let content = json!({"sections": {"body": text(2_000_000)}});
    assert_eq!(client.ask("PUT", "/api/documents/large", &token, Some(&content)).await.status, 201);
    // It has begun, and goes on when the client takes it.
    let answer = client.open("/api/documents/large/state", &token).await;
    let idle = Client::connect(server.port()).await;
    idle.get("/healthz", &token).await.ok();
    server.ask_to_stop();
    let mut idle = idle;
    within("the idle one's end", &mut idle.ended).await.expect("it was not aborted").expect("a good end");
    let state: Value = serde_json::from_slice(&all_of(answer.into_body()).await.expect("a whole body")).expect("JSON");
    assert_eq!(state["content"]["sections"]["body"], content["sections"]["body"]);
    within("the end", &mut client.ended).await.expect("it was not aborted").expect("a good end");
    assert!(server.wait().await.success());
}

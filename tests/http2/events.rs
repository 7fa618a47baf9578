//! Event streams, many of them on one connection.

use h2::{Reason, RecvStream};
use serde_json::{Value, json};

use crate::client::{Client, next_of};
use crate::support::home::Home;
use crate::support::socket::Socket;
use crate::support::{described, within};

/// A stream's events, one by one.
struct Events {
    body: RecvStream,
    text: String,
}

impl Events {
    async fn open(client: &Client, target: &str, token: &str) -> Self {
        let answer = client.open(target, token).await;
        assert_eq!(answer.status(), 200, "{target}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next message; none when the stream has ended as it should.
    async fn try_next(&mut self) -> Result<Option<Value>, h2::Error> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let Some(data) = data {
                    let message = serde_json::from_str(&data).expect("JSON");
                    described::check_message(&message);
                    return Ok(Some(message));
                }
            } else {
                let Some(data) = within("an event", next_of(&mut self.body)).await? else { return Ok(None) };
                self.text += std::str::from_utf8(&data).expect("frames of these tests cut no character");
            }
        }
    }

    /// The next message of that type.
    async fn next(&mut self, kind: &str) -> Value {
        loop {
            let message = self.try_next().await.expect("the stream goes on");
            let message = message.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if message["type"] == kind {
                return message;
            }
        }
    }
}

/// Readers of documents of both cores, by one connection, and at the end of the server.
#[tokio::test]
async fn a_hundred_streams_on_one_connection_miss_nothing() {
    const DOCUMENTS: usize = 10;
    const READERS: usize = 9;
    let home = Home::new();
    let mut server = home.start().ready().await;
    let port = server.port();
    let (token, client) = (home.token("ann"), Client::connect(port).await);
    let changes = |content: &str| json!({"changes": [{"operation": "insert", "position": 0, "content": content}]});
    let mut streams = Vec::new();
    for document in 0..DOCUMENTS {
        let target = format!("/api/documents/streamed_{document}/changes");
        client.ask("POST", &target, &token, Some(&changes("."))).await.ok();
        for _ in 0..READERS {
            let target = format!("/api/documents/streamed_{document}/events");
            let mut stream = Events::open(&client, &target, &token).await;
            assert_eq!(stream.next("document.state").await["payload"]["version"], 1);
            streams.push((document, stream));
        }
    }
    for version in 2..=20 {
        for document in 0..DOCUMENTS {
            // On the same connection: ten streams are left for that.
            let target = format!("/api/documents/streamed_{document}/changes");
            let content = format!("{document}/{version}");
            client.ask("POST", &target, &token, Some(&changes(&content))).await.ok();
        }
    }
    for (document, stream) in &mut streams {
        for version in 2..=20 {
            let change = stream.next("document.change").await;
            assert_eq!(change["payload"]["version"], version);
            assert_eq!(change["payload"]["content"], format!("{document}/{version}"));
        }
    }
    server.ask_to_stop();
    for (_, stream) in &mut streams {
        assert_eq!(stream.next("system.error").await["payload"]["error_code"], "SHUTTING_DOWN");
        assert_eq!(stream.try_next().await.expect("a good end"), None);
    }
    let mut client = client;
    within("the end", &mut client.ended).await.expect("it was not aborted").expect("a good end");
    assert!(server.wait().await.success());
}

#[tokio::test]
async fn an_idle_stream_stays_and_one_that_is_not_read_is_reset() {
    let home = Home::in_memory();
    let start = home.start().env("JDDB_HTTP__PROGRESS_SECONDS", "1").env("JDDB_HTTP__KEEP_ALIVE_SECONDS", "1");
    let server = start.env("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "1").ready().await;
    let (port, token) = (server.port(), home.token("ann"));
    let client = Client::connect(port).await;
    let insert = |content: &str| json!({"changes": [{"operation": "insert", "position": 0, "content": content}]});
    client.ask("POST", "/api/documents/quiet/changes", &token, Some(&insert("."))).await.ok();
    client.ask("POST", "/api/documents/loud/changes", &token, Some(&insert("."))).await.ok();
    let mut quiet = Events::open(&client, "/api/documents/quiet/events", &token).await;
    quiet.next("document.state").await;
    // Each is let go of after more than a second, so that it is seconds in all that the quiet one has nothing to read.
    for _ in 0..3 {
        let mut loud = client.open("/api/documents/loud/events", &token).await.into_body();
        let (mut typist, _) = Socket::joined(port, "loud", &token).await;
        for number in 0..20 {
            let change = json!({"operation": "insert", "position": 0, "content": "x".repeat(9_000)});
            let metadata = json!({"client_id": "t", "correlation_id": number.to_string()});
            typist.send(&json!({"type": "document.change", "payload": change, "metadata": metadata}));
            typist.next("document.ack").await;
        }
        // What comes is not taken out of the stream's window, which is full long before the end.
        let reset = loop {
            match within("the reset", loud.data()).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("it ended as if all had been read"),
            }
        };
        assert_eq!(reset.reason(), Some(Reason::CANCEL), "{reset}");
    }
    client.ask("POST", "/api/documents/quiet/changes", &token, Some(&insert("x"))).await.ok();
    assert_eq!(quiet.next("document.change").await["payload"]["version"], 2);
}

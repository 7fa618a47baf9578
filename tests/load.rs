//! A server with much to do: it pings more seldom, says so, and comes back to what is configured.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use support::home::Home;
use support::server::Server;
use support::socket::{MASK, Socket, frame};
use support::until;

/// A heartbeat that is much work to read, as a frame.
fn laborious() -> Vec<u8> {
    let zeros = vec!["0"; 400_000].join(",");
    let text = format!(r#"{{"type":"system.heartbeat","payload":{{"padding":[{zeros}]}}}}"#);
    frame(0x81, Some(MASK), text.as_bytes())
}

/// Keeps its core busy until it is dropped.
async fn labor(mut socket: Socket) {
    let message = laborious();
    (0..4).for_each(|_| socket.send_bytes(message.clone()));
    loop {
        socket.next("system.heartbeat").await;
        socket.send_bytes(message.clone());
    }
}

async fn interval_told(home: &Home, server: &Server) -> u64 {
    let (_, state) = Socket::joined(server.port(), "shared", &home.token("newcomer")).await;
    state["limits"]["heartbeat_interval_seconds"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_busy_core_pings_more_seldom_and_says_so() {
    let home = Home::in_memory();
    let mut start = home.start().env("JDDB_CORES", "1");
    for limit in ["MESSAGES_PER_MINUTE", "BURST_PER_SECOND", "LARGE_MESSAGES_PER_SECOND"] {
        start = start.env(&format!("JDDB_LIMITS__{limit}"), "0");
    }
    let server = start.ready().await;
    assert_eq!(interval_told(&home, &server).await, 30);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        workers.spawn(labor(Socket::joined(server.port(), "shared", &home.token("worker")).await.0));
    }
    let longer = until("a longer interval", async || {
        let seconds = interval_told(&home, &server).await;
        (seconds > 30).then_some(seconds)
    })
    .await;
    assert!(longer <= 60, "{longer}");
    workers.shutdown().await;
    until("the interval as configured", async || (interval_told(&home, &server).await == 30).then_some(())).await;
}

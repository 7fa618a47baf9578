//! A server that runs out of file descriptors: those who are there notice nothing, those who come are turned away or wait.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use support::client::Client;
use support::home::Home;
use support::socket::Socket;
use support::{http, until, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Far more connections than descriptors.
const FLOOD: usize = 600;

#[tokio::test]
async fn a_flood_of_connections_disturbs_nobody_who_is_there() {
    let home = Home::new();
    // The database is made to open files all the time.
    let start = home.start().env("JDDB_DOCUMENTS__SNAPSHOT_EVERY_VERSIONS", "10");
    let start = start.env("JDDB_STORAGE__WRITE_BUFFER_BYTES", "1048576");
    let server = start.after("ulimit -n 256").ready().await;
    let (port, token) = (server.port(), home.token("alice"));
    let mut client = Client::joined("calm", &token, "a", port).await;
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        let mut stream =
            within("a connection", TcpStream::connect(("127.0.0.1", port))).await.expect("the queue is long");
        // Whoever was turned away already cannot be written to.
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        flood.push(stream);
        client.editor().edit("body", 0, 0, "xxxxxxxxxxxxxxxx");
        client.flush().await;
    }
    let mut turned_away = 0;
    for stream in &mut flood {
        let answer = within("an answer or the end", http::read_answer(stream)).await;
        turned_away += usize::from(!answer.is_ok_and(|answer| answer.status == 200));
    }
    assert!(turned_away > FLOOD / 3 && turned_away < FLOOD - 20, "{turned_away} of {FLOOD} were turned away");
    let log = server.log();
    let told =
        log.lines().filter(|line| line.contains("too many connections") || line.contains("cannot accept")).count();
    assert!((1..20).contains(&told), "{told} lines: {log}");
    assert!(log.contains("LimitNOFILE="), "the operator is told what to do: {log}");

    // Room again: the same client has lost nothing, and others come in.
    drop(flood);
    let mut other = until("a place", async || {
        let mut other = Client::new("calm", &home.token("bob"), "b");
        other.connect(port).await.ok().map(|_| other)
    })
    .await;
    client.editor().edit("body", 0, 0, "y");
    client.flush().await;
    other.reach(FLOOD as u64 + 1).await;
    assert_eq!(other.editor().sections(), client.editor().sections());
    assert_eq!(http::try_get(port, "/readyz").await.expect("an answer").status, 200);
    let admin = home.token_with("admin", "document:admin", &[]);
    let mut monitor = Socket::open(port, &format!("/ws/monitoring?token={admin}")).await;
    let figures = monitor.message().await["payload"]["errors"]["connections_not_accepted"].clone();
    let count = |reason: &str| figures[reason]["total"].as_u64().expect("a number");
    assert!(
        count("surplus") + count("failed") > 0 && count("surplus") >= turned_away as u64,
        "{figures}, {turned_away}"
    );
}

/// Not one descriptor is left: the server tries again and again, but ever more seldom, and whoever waited is served when it can.
#[tokio::test]
async fn a_server_that_cannot_accept_waits_and_goes_on_when_it_can() {
    /// With a pause of twice the last one, up to a second, it would take minutes to fail so often.
    const FAILURES_MAX: u64 = 100;
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("alice"));
    let mut client = Client::joined("calm", &token, "a", port).await;
    let admin = home.token_with("admin", "document:admin", &[]);
    let mut monitor = Socket::open(port, &format!("/ws/monitoring?token={admin}")).await;
    let mut failures = async || {
        let report = monitor.next("monitoring.metrics").await;
        report["payload"]["errors"]["connections_not_accepted"]["failed"]["total"].as_u64().expect("a number")
    };
    let before = server.limit_files(server.next_file());
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the queue is long");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("the system takes it");
        waiting.push(stream);
    }
    within("it to try again and again", async { while failures().await < 5 {} }).await;
    for _ in 0..4 {
        client.editor().edit("body", 0, 0, "x");
        client.flush().await;
        let failures = failures().await;
        assert!(failures < FAILURES_MAX, "it has tried {failures} times");
    }
    assert!(server.log().contains("cannot accept connections"), "{}", server.log());
    server.limit_files(before);
    for mut stream in waiting {
        let answer = within("an answer", http::read_answer(&mut stream)).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    client.editor().edit("body", 0, 0, "y");
    client.flush().await;
}

//! `/ws/monitoring` on the real server with two cores: its figures are what the test did.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::client::Client;
use support::home::{EDIT, Home};
use support::server::Server;
use support::socket::Socket;
use support::{http, within};

/// An administrator's token.
fn admin(home: &Home) -> String {
    home.token_with("admin", "document:admin", &[])
}

async fn open(server: &Server, token: &str, query: &str) -> Socket {
    Socket::open(server.port(), &format!("/ws/monitoring?token={token}{query}")).await
}

/// The payload of the next report.
async fn report(socket: &mut Socket) -> Value {
    let message = socket.message().await;
    assert_eq!(message["type"], "monitoring.metrics", "{message}");
    assert_eq!(message["metadata"]["version"], 1);
    message["payload"].clone()
}

/// Reads reports until one has those figures, by their pointers.
async fn reaches(socket: &mut Socket, expected: &[(&str, Value)]) -> Value {
    let mut last = Value::Null;
    let reading = async {
        loop {
            last = report(socket).await;
            if expected.iter().all(|(pointer, value)| last.pointer(pointer) == Some(value)) {
                return;
            }
        }
    };
    let reached = tokio::time::timeout(support::DEADLINE, reading).await;
    assert!(reached.is_ok(), "never {expected:?}, but {last:#}");
    last
}

#[tokio::test]
async fn the_five_groups_of_the_reference_as_named_figures() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut monitor = open(&server, &admin(&home), "").await;
    let report = report(&mut monitor).await;
    let mut groups: Vec<&str> = report.as_object().expect("an object").keys().map(String::as_str).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["connections", "errors", "interval_seconds", "latency", "resources", "throughput"]);
    let seconds = report["interval_seconds"].as_f64().expect("a time");
    assert!(seconds > 0.0, "{report}");
    assert_eq!(report["connections"]["open"], json!({"document": 0, "presence": 0, "monitoring": 1, "translation": 0}));
    let resident_bytes = report["resources"]["memory_resident_bytes"].as_u64().expect("bytes");
    let seen_bytes = server.resident_kib() * 1024;
    assert!(resident_bytes.abs_diff(seen_bytes) < seen_bytes / 4, "{resident_bytes}, and the kernel says {seen_bytes}");
    let open_files = report["resources"]["open_files"].as_u64().expect("a number");
    let seen = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its files").count() as u64;
    assert!(open_files.abs_diff(seen) < 10, "{open_files}, and the kernel says {seen}");
    for figure in ["/resources/cpu_seconds/total", "/resources/disk_free_bytes", "/resources/threads"] {
        assert!(report.pointer(figure).and_then(Value::as_f64).is_some_and(|value| value > 0.0), "{figure}: {report}");
    }
}

#[tokio::test]
async fn what_was_done_is_what_is_counted() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut monitor = open(&server, &admin(&home), "").await;
    // On both cores: eight documents, three people each, of whom one only views.
    let mut clients = Vec::new();
    let mut viewers = Vec::new();
    for index in 0..8 {
        let document = format!("doc_{index}");
        for name in ["ann", "ben"] {
            let client_id = format!("{name}-{index}");
            clients.push(Client::joined(&document, &home.token(name), &client_id, server.port()).await);
        }
        let target = format!("/ws/document/{document}?mode=view&token={}", home.token("eve"));
        viewers.push(Socket::open(server.port(), &target).await);
    }
    for (index, client) in clients.iter_mut().enumerate() {
        for change in 0..5 {
            client.editor().edit("body", 0, 0, &format!("{index}.{change} "));
        }
        client.flush().await;
    }
    viewers[0].send(&json!({"type": "document.save", "payload": {}}));
    viewers[0].error("FORBIDDEN").await;
    viewers[0].send_text("nonsense");
    viewers[0].error("VALIDATION_ERROR").await;
    let changes = 8 * 2 * 5;
    let report = reaches(
        &mut monitor,
        &[
            ("/connections/open/document", json!(24)),
            ("/connections/opened/document/total", json!(24)),
            ("/connections/documents", json!(8)),
            ("/connections/people/editor", json!(16)),
            ("/connections/people/viewer", json!(8)),
            ("/throughput/received/document.change/total", json!(changes)),
            ("/throughput/received/document.save/total", json!(1)),
            ("/throughput/received/invalid/total", json!(1)),
            ("/throughput/sent/document.ack/total", json!(changes)),
            // Each change goes to the two others.
            ("/throughput/sent/document.change/total", json!(2 * changes)),
            ("/throughput/sent/document.state/total", json!(24)),
            // Who came second is told of to one, and who came third to two.
            ("/throughput/sent/user.presence/total", json!(8 * 3)),
            ("/throughput/sent/system.error/total", json!(2)),
            ("/errors/messages_refused/FORBIDDEN/total", json!(1)),
            ("/errors/messages_refused/VALIDATION_ERROR/total", json!(1)),
            ("/errors/connections_dead/total", json!(0)),
        ],
    )
    .await;
    let commits = report.pointer("/resources/disk_commits/total").and_then(Value::as_u64).expect("a number");
    assert!((1..=changes + 8).contains(&commits), "{commits} commits of {changes} changes and 8 sessions");
    // Bytes that were written are counted once a second.
    let all_counted = async {
        let mut bytes = [0, 0];
        while bytes.iter().any(|bytes| *bytes <= 100 * changes) {
            let network = self::report(&mut monitor).await["resources"]["network_bytes"].clone();
            bytes = ["received", "sent"].map(|direction| network[direction]["total"].as_u64().expect("bytes"));
        }
    };
    within("all bytes in the reports", all_counted).await;
    viewers.into_iter().for_each(|socket| socket.send_bytes(Vec::new()));
    let gone = [("/connections/open/document", json!(16)), ("/connections/people/viewer", json!(0))];
    reaches(&mut monitor, &gone).await;
}

#[tokio::test]
async fn latencies_are_of_the_changes_of_the_interval() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut monitor = open(&server, &admin(&home), "").await;
    let mut client = Client::joined("doc_1", &home.token("ann"), "a", server.port()).await;
    let mut counted = 0;
    let all = async {
        for _ in 0..20 {
            client.editor().edit("body", 0, 0, "x");
        }
        client.flush().await;
        while counted < 20 {
            let acknowledged = report(&mut monitor).await["latency"]["acknowledged"].clone();
            let count = acknowledged["count"].as_u64().expect("a number");
            counted += count;
            let figure = |name: &str| acknowledged[name].as_f64();
            if count == 0 {
                assert_eq!(figure("p99_ms"), None);
                continue;
            }
            let ordered = ["p50_ms", "p90_ms", "p99_ms", "max_ms"].map(|name| figure(name).expect("a time"));
            assert!(ordered.is_sorted() && ordered[0] > 0.0, "{acknowledged}");
            assert!(figure("mean_ms").expect("a time") <= ordered[3], "{acknowledged}");
        }
    };
    within("all changes in the reports", all).await;
    assert_eq!(counted, 20, "each change once, in one interval or another");
}

#[tokio::test]
async fn refusals_come_after_the_upgrade_and_are_counted() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = admin(&home);
    let check = async |target: String, code: &str, close: u16| {
        let mut socket = Socket::open(server.port(), &target).await;
        let error = socket.error(code).await;
        let (rest, closed, reason) = socket.closed().await;
        assert_eq!((rest, closed, reason.as_str()), (Vec::new(), close, code), "{target}");
        error
    };
    check("/ws/monitoring".to_owned(), "UNAUTHENTICATED", 1008).await;
    let editor = home.token("ann");
    check(format!("/ws/monitoring?token={editor}"), "FORBIDDEN", 4001).await;
    for bad in ["0", "61", "1.5", "often", "", "1&interval=1"] {
        let error = check(format!("/ws/monitoring?token={token}&interval={bad}"), "VALIDATION_ERROR", 1008).await;
        assert_eq!(error["details"]["field"], "interval", "{error}");
        assert_eq!(error["details"]["expected"], "a whole number of seconds from 1 to 60, once");
    }
    let mut monitor = open(&server, &token, "&interval=2").await;
    let refused = "/errors/connections_refused";
    let refused = |code: &str, count: u64| (format!("{refused}/{code}/total"), json!(count));
    let expected = [refused("UNAUTHENTICATED", 1), refused("FORBIDDEN", 1), refused("VALIDATION_ERROR", 6)];
    let expected: Vec<(&str, Value)> = expected.iter().map(|(pointer, count)| (&**pointer, count.clone())).collect();
    reaches(&mut monitor, &expected).await;
}

#[tokio::test]
async fn what_is_beyond_a_limit_and_texts_that_differ_are_counted() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__USER_CONNECTIONS", "1").ready().await;
    let mut monitor = open(&server, &admin(&home), "").await;
    let token = home.token_with("ann", EDIT, &[]);
    let (mut socket, state) = Socket::joined(server.port(), "doc_1", &token).await;
    let mut second = open(&server, &token, "").await;
    second.error("FORBIDDEN").await;
    let mut third = Socket::open(server.port(), &format!("/ws/document/doc_1?token={token}")).await;
    assert_eq!(third.error("RATE_LIMIT_EXCEEDED").await["limit_type"], "user_connections");
    let wrong = json!({"version": state["version"], "crc32": 1});
    socket.send(&json!({"type": "system.heartbeat", "payload": {"document": wrong}}));
    // The limit is of any second, so of two times what a second allows some are beyond it.
    (0..20).for_each(|_| socket.send(&json!({"type": "system.heartbeat", "payload": {}})));
    let mut told = 0;
    for _ in 0..22 {
        let message = socket.message().await;
        told += u64::from(message["payload"]["limit_type"] == "burst_rate");
    }
    assert!(told > 0);
    let expected = [
        ("/errors/beyond_limits/burst_rate/total", json!(told)),
        ("/errors/beyond_limits/user_connections/total", json!(1)),
        ("/errors/beyond_limits/message_rate/total", json!(0)),
        ("/errors/divergences/total", json!(1)),
        ("/errors/slow_readers/closed/total", json!(0)),
        ("/errors/messages_refused/RATE_LIMIT_EXCEEDED/total", json!(told)),
        ("/errors/connections_refused/RATE_LIMIT_EXCEEDED/total", json!(1)),
        ("/throughput/received/system.heartbeat/total", json!(21)),
    ];
    reaches(&mut monitor, &expected).await;
}

#[tokio::test]
async fn the_first_report_does_not_wait_for_the_interval() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = admin(&home);
    let mut seldom = open(&server, &token, "&interval=60").await;
    let mut often = open(&server, &token, "&interval=1").await;
    report(&mut seldom).await;
    for _ in 0..3 {
        report(&mut often).await;
    }
    assert_eq!(seldom.peek(), None, "a minute has not passed");
}

#[tokio::test]
async fn a_report_goes_to_each_of_many_and_ends_with_the_server() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = admin(&home);
    let mut monitors = Vec::new();
    for _ in 0..10 {
        monitors.push(open(&server, &token, "").await);
    }
    let presence = home.token_with("watcher", "presence:read", &[]);
    let watcher = Socket::open(server.port(), &format!("/ws/presence?token={presence}")).await;
    let open = [("/connections/open/monitoring", json!(10)), ("/connections/open/presence", json!(1))];
    for monitor in &mut monitors {
        reaches(monitor, &open).await;
    }
    watcher.send_bytes(Vec::new());
    monitors.drain(1..).for_each(|monitor| monitor.send_bytes(Vec::new()));
    let gone = [("/connections/open/monitoring", json!(1)), ("/connections/open/presence", json!(0))];
    reaches(&mut monitors[0], &gone).await;
    assert_eq!(http::try_get(server.port(), "/readyz").await.expect("an answer").status, 200);
    server.ask_to_stop();
    let (messages, code, _) = monitors[0].closed().await;
    let last = messages.last().expect("why");
    assert_eq!((&last["payload"]["error_code"], code), (&json!("SHUTTING_DOWN"), 1001));
}

//! The API reference's own clients against the real server: its pytest, its Python and its JavaScript class. And
//! compression as a client of theirs negotiates it.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::Home;
use support::http;
use support::programs::{Process, node, python, script};

#[tokio::test]
async fn the_pytest_of_the_reference_passes() {
    let mut command = match python() {
        Ok(command) => command,
        Err(why) => return support::skipped("the_pytest_of_the_reference_passes", why),
    };
    let home = Home::new();
    let server = home.start().args(&["--greeting", "on-join"]).ready().await;
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"]).arg(home.path(""));
    command.arg(script("test_realtime_integration.py")).env("JDDB_PORT", server.port().to_string());
    for user in 1..=3 {
        let token = home.token_with(&format!("user_{user}"), support::home::EDIT, &[]);
        command.env(format!("JDDB_USER{user}_TOKEN"), token);
    }
    let said = Process::start(&home, "pytest", command).said().await;
    assert!(said.contains("1 passed"), "{said}");
    let (version, sections) = http::state(server.port(), "test_doc", &home.token("reader")).await;
    let text = sections["body"].as_str().expect("a text");
    assert!([("Hello WorldEveryone"), ("Hello EveryoneWorld")].contains(&text), "{text}");
    assert_eq!(version, 3);
}

/// What a client said: an array `[type, payload, metadata]` for each message, and in the end `["text", …]`.
fn events(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn check_events(name: &str, events: &[Value], other: &str, status: &str, change: &Value) {
    assert_eq!(events[0][0], "document.state", "{name}: the first message: {events:?}");
    let of = |kind: &str| events.iter().filter(|event| event[0] == kind).cloned().collect::<Vec<_>>();
    let presence = of("user.presence");
    let told = presence.iter().any(|event| event[1]["user_id"] == other && event[1]["status"] == status);
    assert!(told, "{name}: nothing said that {other} {status}: {presence:?}");
    let changes = of("document.change");
    assert_eq!(changes.len(), 1, "{name}: {changes:?}");
    for (key, value) in change.as_object().expect("an object") {
        assert_eq!(&changes[0][1][key], value, "{name}: {key} of {changes:?}");
    }
    assert_eq!(changes[0][2]["user_id"], other, "{name}: {changes:?}");
    let heartbeats = of("system.heartbeat");
    assert_eq!(heartbeats.len(), 1, "{name}: {heartbeats:?}");
    assert!(heartbeats[0][1]["connection_id"].as_str().is_some_and(|id| id.starts_with("conn_")), "{heartbeats:?}");
    assert!(heartbeats[0][1]["server_time"].as_str().is_some_and(|time| time.ends_with('Z')), "{heartbeats:?}");
    assert!(heartbeats[0][1]["client_time"].is_number(), "{name}: {heartbeats:?}");
    assert!(of("system.error").is_empty(), "{name}: {events:?}");
}

#[tokio::test]
async fn the_python_and_the_javascript_client_work_together() {
    let (mut python, mut node) = match (python(), node()) {
        (Ok(python), Ok(node)) => (python, node),
        (Err(why), _) | (_, Err(why)) => {
            return support::skipped("the_python_and_the_javascript_client_work_together", why);
        }
    };
    let home = Home::new();
    let server = home.start().ready().await;
    let url = format!("ws://127.0.0.1:{}", server.port());
    let token = |user: &str| home.token_with(user, support::home::EDIT, &[]);
    python.arg(script("reference_client.py")).args([&url, &token("python"), "jd_12345"]);
    node.arg(script("reference_client.mjs")).args([&url, &token("node"), "jd_12345"]);
    node.env("JDDB_TEST_NODE_PATH", std::env::var_os("JDDB_TEST_NODE_PATH").unwrap_or_default());

    let mut python = Process::start(&home, "python", python);
    let first = python.first_line();
    let said_by_node = Process::start(&home, "node", node).said().await;
    let said_by_python = first + &python.said().await;
    let (by_python, by_node) = (events(&said_by_python), events(&said_by_node));
    let section = "body";
    let from_node = json!({"operation": "insert", "position": 6, "content": "World", "section": section, "version": 2});
    check_events("python", &by_python, "node", "joined", &from_node);
    let from_python =
        json!({"operation": "insert", "position": 0, "content": "Hello ", "section": section, "version": 1});
    check_events("node", &by_node, "python", "left", &from_python);

    let (version, sections) = http::state(server.port(), "jd_12345", &token("reader")).await;
    assert_eq!((version, &sections), (2, &json!({"body": "Hello World"})));
    for events in [&by_python, &by_node] {
        assert_eq!(events.last(), Some(&json!(["text", sections[section]])));
    }
}

/// What another implementation of RFC 7692 offers is answered as it allows, and read by it.
#[tokio::test]
async fn messages_are_compressed_with_a_client_that_offers_it() {
    let mut command = match python() {
        Ok(command) => command,
        Err(why) => return support::skipped("messages_are_compressed_with_a_client_that_offers_it", why),
    };
    let home = Home::new();
    let server = home.start().ready().await;
    let url = format!("ws://127.0.0.1:{}", server.port());
    command.arg(script("compression.py")).args([&url, &home.token("python"), "jd_12345"]);
    let said = events(&Process::start(&home, "compression", command).said().await);

    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let window = |bits: u8| json!(format!("{both}; server_max_window_bits={bits}"));
    let answers = [json!(both), window(10), window(15), window(12), Value::Null];
    assert_eq!(said.len(), answers.len(), "{said:?}");
    let mut document = String::new();
    for (number, (said, answer)) in said.iter().zip(answers).enumerate() {
        let change = format!("{number}: développeur ou développeuse. ").repeat(100);
        document.insert_str(0, &change);
        assert_eq!(said, &json!([answer, change, document]));
    }
}

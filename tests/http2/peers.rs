//! What other implementations of HTTP/2 make of the server: nghttp2's in curl and in Node, and Python's own; and what TLS
//! settles.

use std::process::Command;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::rustls::version;

use crate::client::Client;
use crate::support::home::Home;
use crate::support::programs::{Process, node, python, script};
use crate::support::server::Server;
use crate::support::tls::{Authority, Pair, connect};
use crate::support::{http, skipped, within};

/// A server with a certificate.
async fn encrypted(home: &Home) -> (Server, Authority) {
    let authority = Authority::new();
    let pair = Pair::at(&home.path("."), "server");
    authority.issue(&pair);
    authority.write(&home.path("authority.pem"));
    let server = home.start().encrypted(&pair).env("JDDB_HTTP__HEADER_TIMEOUT_SECONDS", "2").ready().await;
    (server, authority)
}

/// What curl prints of a request, and the version it was answered in behind it.
fn curl(home: &Home, url: &str, options: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--write-out", " %{http_version} %{http_code}", "--cacert"]);
    let output = command.arg(home.path("authority.pem")).args(options).arg(url).output().expect("curl");
    assert!(output.status.success(), "{options:?} {url}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

fn curl_is_missing() -> bool {
    let output = Command::new("curl").arg("--version").output();
    !output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("HTTP2"))
}

#[tokio::test]
async fn curl_speaks_it_with_prior_knowledge() {
    if curl_is_missing() {
        return skipped("curl_speaks_it_with_prior_knowledge", "there is no curl with HTTP/2; install it");
    }
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = home.token("ann");
    let bearer = format!("Authorization: Bearer {token}");
    let ask = |options: &[&str], path: &str| {
        let options = [&["--http2-prior-knowledge", "--header", &bearer], options].concat();
        curl(&home, &format!("http://127.0.0.1:{}{path}", server.port()), &options)
    };
    assert_eq!(ask(&[], "/readyz"), r#"{"status":"ready"} 2 200"#);
    let body = r#"{"changes": [{"operation": "insert", "position": 0, "content": "Hello"}]}"#;
    let json = "Content-Type: application/json";
    let changed = ask(&["--header", json, "--data", body], "/api/documents/jd_1/changes");
    assert!(changed.contains(r#""new_version":1"#) && changed.ends_with(" 2 200"), "{changed}");
    let state = ask(&["--compressed"], "/api/documents/jd_1/state");
    assert!(state.contains("Hello") && state.ends_with(" 2 200"), "{state}");
    let head = ask(&["--head"], "/openapi.json");
    assert!(head.starts_with("HTTP/2 200") && head.contains("\r\ncontent-length: "), "{head}");
    let described = ask(&["--compressed"], "/openapi.json");
    assert!(described.contains("openapi") && described.ends_with(" 2 200"));
    assert!(ask(&[], "/nowhere").ends_with(" 2 404"));
}

#[tokio::test]
async fn tls_settles_what_is_spoken() {
    let home = Home::in_memory();
    let (server, authority) = encrypted(&home).await;
    let port = server.port();
    for (offered, settled) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        for version in [&version::TLS12, &version::TLS13] {
            let stream = connect(&authority.connector_of(&[version], offered), port).await.expect("a connection");
            assert_eq!(stream.get_ref().1.alpn_protocol(), settled.map(str::as_bytes));
            if settled == Some("h2") {
                let client = Client::over(stream).await;
                assert_eq!(client.get("/readyz", "").await.ok(), json!({"status": "ready"}));
            } else {
                let mut stream = stream;
                let request = http::request("GET", "/readyz", None, None);
                tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await.expect("it is read");
                assert_eq!(http::read_answer(&mut stream).await.expect("an answer").ok(), json!({"status": "ready"}));
            }
        }
    }
    // It is settled, and then nothing comes: its place is not kept.
    let mut silent = connect(&authority.connector_of(&[&version::TLS13], &["h2"]), port).await.expect("a connection");
    let mut bytes = Vec::new();
    within("the end", silent.read_to_end(&mut bytes)).await.expect("a good end");
}

#[tokio::test]
async fn curl_speaks_it_over_tls() {
    if curl_is_missing() {
        return skipped("curl_speaks_it_over_tls", "there is no curl with HTTP/2; install it");
    }
    let home = Home::in_memory();
    let (server, _) = encrypted(&home).await;
    let url = format!("https://localhost:{}/readyz", server.port());
    for (options, version) in [(&[][..], "2"), (&["--http2"], "2"), (&["--http1.1"], "1.1"), (&["--no-alpn"], "1.1")] {
        assert_eq!(curl(&home, &url, options), format!(r#"{{"status":"ready"}} {version} 200"#), "{options:?}");
    }
}

/// Fifty requests at once, and an event stream beside them on the same connection.
#[tokio::test]
async fn node_reads_many_things_at_once() {
    let mut command = match node() {
        Ok(command) => command,
        Err(why) => return skipped("node_reads_many_things_at_once", why),
    };
    let home = Home::in_memory();
    let (server, _) = encrypted(&home).await;
    command.arg(script("http2_client.mjs"));
    command.args([&format!("https://localhost:{}", server.port()), &home.token("ann"), "jd_1"]);
    command.env("NODE_EXTRA_CA_CERTS", home.path("authority.pem"));
    let said = Process::start(&home, "node", command).said().await;
    assert_eq!(said.lines().last(), Some("50 states, 1 change"), "{said}");
}

#[tokio::test]
async fn python_reads_many_things_at_once() {
    let mut command = match python() {
        Ok(command) => command,
        Err(why) => return skipped("python_reads_many_things_at_once", why),
    };
    let found = python().map(|mut command| command.args(["-c", "import h2, httpx"]).output());
    if !found.is_ok_and(|output| output.is_ok_and(|output| output.status.success())) {
        let why = "JDDB_TEST_PYTHON has no httpx with HTTP/2; `make test` makes one that has";
        return skipped("python_reads_many_things_at_once", why);
    }
    let home = Home::in_memory();
    let server = home.start().ready().await;
    command.arg(script("http2_client.py"));
    command.args([&format!("http://127.0.0.1:{}", server.port()), &home.token("ann"), "jd_1"]);
    let said = Process::start(&home, "python", command).said().await;
    assert_eq!(said.lines().last(), Some("50 states, 1 change"), "{said}");
}

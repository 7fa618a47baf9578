//! What other implementations of TLS make of the server: OpenSSL's, by itself, in curl, in Python and in Node.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::Encrypted;
use crate::support::home::Home;
use crate::support::programs::{Process, node, python, script};
use crate::support::{http, skipped};

/// The authority's certificate in a file.
fn authority(encrypted: &Encrypted, home: &Home) -> PathBuf {
    let path = home.path("authority.pem");
    encrypted.authority.write(&path);
    path
}

fn is_missing(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_err()
}

/// What curl gets of a path, by these options.
fn curl(encrypted: &Encrypted, home: &Home, options: &[&str], path: &str) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(authority(encrypted, home)).args(options);
    let output = command.arg(format!("https://localhost:{}{path}", encrypted.server.port())).output().expect("curl");
    assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

#[tokio::test]
async fn curl_is_served_by_both_versions() {
    if is_missing("curl") {
        return skipped("curl_is_served_by_both_versions", "there is no curl; install it");
    }
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    for options in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let options = [options, &["--http1.1"]].concat();
        assert_eq!(curl(&encrypted, &home, &options, "/readyz"), r#"{"status":"ready"}"#);
    }
}

#[tokio::test]
async fn openssl_trusts_the_chain_and_resumes() {
    if is_missing("openssl") {
        return skipped("openssl_trusts_the_chain_and_resumes", "there is no openssl; install it");
    }
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let session = home.path("session.pem");
    let talk = |resume: &str, version: &str| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile"]);
        command.arg(authority(&encrypted, &home)).args([version, "-connect"]);
        command.arg(format!("localhost:{}", encrypted.server.port())).args([resume]).arg(&session);
        command.args(["-ign_eof"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl");
        let mut input = child.stdin.take().expect("its input is ours");
        input.write_all(&http::request("GET", "/healthz", None, None)).expect("it reads");
        let output = child.wait_with_output().expect("openssl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("HTTP/1.1 200 OK") && said.contains("Verify return code: 0 (ok)"), "{said}");
        said
    };
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(talk("-sess_out", version).contains("New, "));
        assert!(talk("-sess_in", version).contains("Reused, "));
    }
}

/// The reference's clients, over `wss://`.
#[tokio::test]
async fn python_and_node_edit_together() {
    let (mut python, mut node) = match (python(), node()) {
        (Ok(python), Ok(node)) => (python, node),
        (Err(why), _) | (_, Err(why)) => return skipped("python_and_node_edit_together", why),
    };
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let url = format!("wss://localhost:{}", encrypted.server.port());
    let authority = authority(&encrypted, &home);
    python.arg(script("reference_client.py")).args([&url, &home.token("python"), "jd_12345"]);
    python.env("SSL_CERT_FILE", &authority);
    node.arg(script("reference_client.mjs")).args([&url, &home.token("node"), "jd_12345"]);
    node.env("JDDB_TEST_NODE_PATH", std::env::var_os("JDDB_TEST_NODE_PATH").unwrap_or_default());
    node.env("NODE_EXTRA_CA_CERTS", &authority);
    let mut python = Process::start(&home, "python", python);
    python.first_line();
    let by_node = Process::start(&home, "node", node).said().await;
    let by_python = python.said().await;
    let last = json!(["text", "Hello World"]).to_string();
    for said in [by_node, by_python] {
        let said: serde_json::Value = serde_json::from_str(said.lines().last().expect("a last line")).expect("JSON");
        assert_eq!(said.to_string(), last);
    }
}

//! What the operator can get wrong: each ends with the right exit code and says what to do.

use std::net::TcpListener;

use crate::Bystander;
use crate::support::home::Home;
use crate::support::http;
use crate::support::server::{Exit, free_port};
use crate::support::socket::Socket;

fn check(exit: &Exit, code: i32, words: &[&str]) {
    assert_eq!(exit.code, Some(code), "{}", exit.stderr);
    for word in words {
        assert!(exit.stderr.contains(word), "{word} is not in: {}", exit.stderr);
    }
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
}

fn listen(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn a_data_directory_has_one_server() {
    let home = Home::new();
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let pid = server.pid().to_string();
    let second = home.start().args(&["--listen", &listen(free_port())]).exit().await;
    check(&second, 1, &["in use by another server", &pid, "data"]);
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn a_port_has_one_server() {
    let home = Home::new();
    let somebody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listen(somebody.local_addr().expect("an address").port());
    check(&home.start().args(&["--listen", &address]).exit().await, 1, &[&address, "in use"]);

    // Two servers that both share their port among their cores must not share it with each other.
    let server = home.start().ready().await;
    let mut bystander = Bystander::join(&home, &server, "shared").await;
    let other_home = Home::new();
    let address = listen(server.port());
    check(&other_home.start().args(&["--listen", &address]).exit().await, 1, &[&address, "in use"]);
    bystander.goes_on_undisturbed().await;
}

#[tokio::test]
async fn a_wrong_configuration_is_explained() {
    let home = Home::new();
    let file = home.path("wrong.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:8000\"\n[limits]\nconnections = -1\n").expect("a file can be written");
    let file = file.to_str().expect("a path is text").to_owned();
    check(
        &home.start().args(&["--config", &file]).exit().await,
        2,
        &["lisen", "listen", "limits.connections", "wrong.toml"],
    );
    check(
        &home.start().env("JDDB_LIMITS__SECTIONS", "many").exit().await,
        2,
        &["limits.sections", "JDDB_LIMITS__SECTIONS"],
    );
    std::fs::write(&file, "listen = ").expect("a file can be written");
    check(&home.start().args(&["--config", &file]).exit().await, 2, &["wrong.toml"]);
    let open = home.start().args(&["--listen", "0.0.0.0:0"]).exit().await;
    check(&open, 2, &["auth.key", "0.0.0.0"]);
}

#[tokio::test]
async fn a_data_directory_that_is_none_is_explained() {
    let home = Home::new();
    std::fs::write(home.data(), "not a directory").expect("a file can be written");
    let data = home.data();
    let exit = home.start().args(&["--listen", &listen(free_port())]).exit().await;
    check(&exit, 1, &[data.to_str().expect("a path is text")]);
}

#[tokio::test]
async fn a_configuration_that_is_right_starts() {
    let home = Home::new();
    let server = home.start().env("JDDB_LIMITS__SECTIONS", "7").ready().await;
    assert_eq!(http::try_get(server.port(), "/healthz").await.expect("an answer").status, 200);
    let (_socket, state) = Socket::joined(server.port(), "a", &home.token("user")).await;
    assert_eq!(state["limits"]["sections"], 7, "{state}");
}

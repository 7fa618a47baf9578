//! The files of certificate and key, right and wrong, and how they are read again.

use std::fs;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Encrypted;
use crate::support::home::Home;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::socket::{Received, Socket};
use crate::support::tls::{Authority, Pair, connect};
use crate::support::typists::Typists;
use crate::support::until;

/// What a server says that does not start with these files, which `check-config` says as well.
async fn refused(home: &Home, pair: &Pair) -> String {
    let exit = home.start().encrypted(pair).exit().await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    let mut command = crate::support::home::program(&home.path("."));
    command.arg("check-config").env("JDDB_TLS__CERTIFICATE", &pair.certificate).env("JDDB_TLS__KEY", &pair.key);
    let checked = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    let last = exit.stderr.lines().last().expect("it says why");
    assert!(said.contains(last), "{said:?} is not {last:?}");
    said
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let home = Home::new();
    let authority = Authority::new();
    let fresh = || {
        let pair = Pair::at(&home.path("."), "server");
        authority.issue(&pair);
        pair
    };
    let check = async |pair: Pair, setting: &str, file: &Path, reason: &str| {
        let said = refused(&home, &pair).await;
        for part in [setting, name(file), reason] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains("PRIVATE KEY-----\n"), "{said}");
    };
    let pair = fresh();
    let (certificate, key) = (pair.certificate.clone(), pair.key.clone());
    fs::remove_file(&certificate).expect("a file");
    check(pair, "tls.certificate", &certificate, "No such file").await;
    let pair = fresh();
    fs::write(&certificate, "a certificate").expect("a file");
    check(pair, "tls.certificate", &certificate, "BEGIN CERTIFICATE").await;
    let pair = fresh();
    fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("a file");
    check(pair, "tls.certificate", &certificate, "BadEncoding").await;
    let pair = fresh();
    fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n").expect("a file");
    check(pair, "tls.certificate", &certificate, "end marker").await;
    let pair = fresh();
    fs::write(&certificate, vec![b'x'; 2 << 20]).expect("a file");
    check(pair, "tls.certificate", &certificate, "1 MiB").await;
    let pair = fresh();
    fs::copy(&certificate, &key).expect("a file");
    check(pair, "tls.key", &key, "BEGIN PRIVATE KEY").await;
    let pair = fresh();
    fs::write(&key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .expect("a file");
    check(pair, "tls.key", &key, "openssl pkey").await;
    let pair = fresh();
    let other = Pair::at(&home.path("."), "other");
    authority.issue(&other);
    fs::copy(&other.key, &key).expect("a file");
    check(pair, "tls.key", &key, "does not fit").await;
}

#[tokio::test]
async fn one_file_needs_the_other() {
    let home = Home::new();
    for (given, missing) in [("JDDB_TLS__CERTIFICATE", "tls.key"), ("JDDB_TLS__KEY", "tls.certificate")] {
        let exit = home.start().env(given, "a.pem").exit().await;
        assert_eq!(exit.code, Some(2));
        assert!(exit.stderr.contains(&format!("error: {missing}: ")), "{}", exit.stderr);
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    assert!(!encrypted.server.log().contains("chmod 600"), "{}", encrypted.server.log());
    fs::set_permissions(&encrypted.pair.key, fs::Permissions::from_mode(0o640)).expect("its permissions");
    reload(&encrypted, "new connections get the certificate").await;
    assert!(encrypted.server.log().contains("chmod 600"), "{}", encrypted.server.log());
}

/// Has the server read its files again; waits for the log to say so.
async fn reload(encrypted: &Encrypted, told: &str) {
    let before = encrypted.server.log().len();
    encrypted.server.hang_up();
    until(told, async || {
        let log = encrypted.server.log()[before..].to_owned();
        (log.contains(told) && log.contains("the configuration was read again")).then_some(())
    })
    .await;
}

/// The certificate that a new connection gets.
async fn certificate(encrypted: &Encrypted) -> Vec<u8> {
    // A connector of its own resumes nothing.
    let stream = connect(&encrypted.authority.connector(), encrypted.server.port()).await.expect("a connection");
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    assert_eq!(chain.len(), 2, "the whole chain is sent");
    chain[0].to_vec()
}

#[tokio::test]
async fn a_broken_pair_changes_nothing_and_is_told_of() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let before = certificate(&encrypted).await;
    let key = fs::read(&encrypted.pair.key).expect("a file");
    encrypted.authority.issue(&encrypted.pair);
    // As if the renewal had got half way.
    fs::write(&encrypted.pair.key, key).expect("a file");
    reload(&encrypted, "does not fit").await;
    assert!(encrypted.server.log().contains("the certificate in force stays"));
    assert_eq!(certificate(&encrypted).await, before);
    encrypted.authority.issue(&encrypted.pair);
    reload(&encrypted, "new connections get the certificate").await;
    assert_ne!(certificate(&encrypted).await, before);
}

/// Typists on documents of both cores, and a watcher, over encrypted connections: a new certificate reaches new
/// connections and disturbs none, and a stop is told to all.
#[tokio::test]
async fn certificates_are_renewed_and_servers_stop_while_people_type() {
    let rng = Rng::from_environment("certificates");
    let home = Home::in_memory();
    let mut encrypted = Encrypted::start(&home, &[]).await;
    let tunnel = encrypted.tunnel().await;
    let mut typists = Typists::sit_down(&home, tunnel.port, 12, rng).await;
    let watches = home.token_with("watcher", "presence:read", &[]);
    let mut watcher = Socket::open(tunnel.port, &format!("/ws/presence?token={watches}")).await;
    watcher.next("presence.snapshot").await;
    typists.type_on(tunnel.port, 100).await;
    for _ in 0..3 {
        let before = certificate(&encrypted).await;
        encrypted.authority.issue(&encrypted.pair);
        reload(&encrypted, "new connections get the certificate").await;
        assert_ne!(certificate(&encrypted).await, before);
        typists.go_on(0, 100).await;
    }
    encrypted.server.ask_to_stop();
    for lost in typists.wait().await {
        assert!(matches!(lost.end, Received::Closed(1001, _)), "{lost:?}");
    }
    let (_, code, reason) = watcher.closed().await;
    assert_eq!(code, 1001, "{reason}");
    assert_eq!(encrypted.server.wait().await.code(), Some(0));
    let encrypted = Encrypted::start(&home, &[]).await;
    let tunnel = encrypted.tunnel().await;
    assert!(typists.finish(tunnel.port).await > 400);
}

#[tokio::test]
async fn an_answer_ends_with_a_word_and_not_with_a_cut() {
    let home = Home::new();
    let encrypted = Encrypted::start(&home, &[]).await;
    let mut stream = connect(&encrypted.authority.connector(), encrypted.server.port()).await.expect("a connection");
    stream.write_all(&http::request("GET", "/healthz", None, None)).await.expect("sent");
    let mut answer = Vec::new();
    // The end is said, not cut: otherwise this would be an error.
    stream.read_to_end(&mut answer).await.expect("a whole answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

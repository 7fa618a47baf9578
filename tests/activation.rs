//! Listening sockets that are handed over, as a service manager does it: a restart refuses nobody.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use support::client::Client;
use support::home::Home;
use support::server::Server;
use support::{http, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound address").port()
}

/// Waits for a server's end after it was asked to stop.
async fn stop(mut server: Server) {
    server.ask_to_stop();
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_restart_refuses_nobody() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = port_of(&listener);
    let token = home.token("alice");
    let hand_over = || listener.try_clone().expect("a socket can be shared");
    let mut server = home.start().env("JDDB_DRAIN_NOTICE_SECONDS", "0").ready_on(hand_over()).await;
    for restart in 1..=3 {
        let client_id = format!("before {restart}");
        let mut client = Client::joined("kept", &token, &client_id, port).await;
        client.editor().edit("body", 0, 0, "x");
        client.flush().await;
        stop(server).await;
        // Nobody serves now. They are let in all the same, and wait.
        let asking = http::request("GET", "/api/documents/kept/state", Some(&token), None);
        let mut waiting = Vec::new();
        for _ in 0..20 {
            let mut stream =
                within("a connection", TcpStream::connect(("127.0.0.1", port))).await.expect("a connection");
            stream.write_all(&asking).await.expect("the request is taken");
            waiting.push(stream);
        }
        let mut client = Client::new("kept", &token, &format!("between {restart}"));
        let joining = tokio::spawn(async move { client.connect(port).await.map(|_| client) });
        server = home.start().env("JDDB_DRAIN_NOTICE_SECONDS", "0").ready_on(hand_over()).await;
        for mut stream in waiting {
            let answer = within("an answer", http::read_answer(&mut stream)).await.expect("an answer");
            assert_eq!(answer.ok()["version"], restart);
        }
        let mut client = within("a place", joining).await.expect("no panic").expect("a place");
        assert_eq!(client.editor().version(), restart);
    }
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_named() {
    let home = Home::new();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let connected = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        std::net::TcpStream::connect(listener.local_addr().expect("a bound address")).expect("a connection")
    };
    let unix = UnixListener::bind(home.path("socket")).expect("a socket");
    let file = std::fs::File::create(home.path("file")).expect("a file");
    let wrong: [(&str, OwnedFd); 4] =
        [("UDP", udp.into()), ("connected", connected.into()), ("unix", unix.into()), ("file", file.into())];
    for (what, descriptor) in wrong {
        let exit = home.start().exit_on(descriptor, "1").await;
        assert_eq!(exit.code, Some(1), "{what}: {}", exit.stderr);
        for told in ["descriptor 3 (web)", "LISTEN_FDS", "ListenStream="] {
            assert!(exit.stderr.contains(told), "{what}: {}", exit.stderr);
        }
    }
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let exit = home.start().exit_on(listener(), "2").await;
    assert!(exit.code == Some(1) && exit.stderr.contains("descriptor 4"), "{}", exit.stderr);
    for count in ["many", "-1", "5000"] {
        let exit = home.start().exit_on(listener(), count).await;
        let says_what = exit.stderr.contains("LISTEN_FDS: expected a number of sockets");
        assert!(exit.code == Some(1) && says_what, "{count}: {}", exit.stderr);
    }
    let everywhere = OwnedFd::from(TcpListener::bind("0.0.0.0:0").expect("a free port"));
    let exit = home.start().exit_on(everywhere, "1").await;
    assert!(exit.code == Some(1) && exit.stderr.contains("auth.key_file"), "{}", exit.stderr);
}

#[tokio::test]
async fn whom_others_reach_keeps_its_key_when_it_is_configured_no_more() {
    let home = Home::in_memory();
    let file = home.path("server.toml");
    std::fs::write(&file, "[auth]\nkey = \"a key of the operator's own, long enough\"\n").expect("a file");
    let everywhere = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let server = home.start().args(&["--config", file.to_str().expect("UTF-8")]).ready_on(everywhere).await;
    // Signed with the key that the data directory has, which is not in force.
    let token = home.token("ann");
    http::get(server.port(), "/api/documents/d/state", &token).await.error(401, "UNAUTHENTICATED");
    std::fs::write(&file, "").expect("a file");
    server.hang_up();
    let told = "set auth.key_file";
    support::until(told, async || server.log().contains(told).then_some(())).await;
    http::get(server.port(), "/api/documents/d/state", &token).await.error(401, "UNAUTHENTICATED");
}

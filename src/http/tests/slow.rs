//! Clients that are slow, and those that only have much to move.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::interval;

use super::support::{BIG_BYTES, Front, Reply, answer_call, run};
use crate::config::Config;
use crate::cores::CoreMessage;

/// A thousand bytes in a second.
fn pace(config: &mut Config) {
    config.http.progress_seconds = 1;
    config.http.progress_bytes = 1_000;
}

/// A tenth of that second.
const TENTH: Duration = Duration::from_millis(100);

/// Asks for a big document, on a connection that takes little at a time.
async fn ask_for_much(front: &Front) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(front.address).await.unwrap();
    let token = front.token("document:read", &[]);
    let request =
        format!("GET /api/documents/big_1/state?token={token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Begins to send a body of so many bytes.
async fn begin_body(front: &Front, bytes: usize) -> TcpStream {
    let mut stream = front.connect().await;
    let token = front.token("document:write", &[]);
    let head = format!(
        "POST /api/documents/jd_1/changes?token={token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[test]
fn a_reader_of_little_is_reset_and_one_of_much_gets_all() {
    run(pace, async |front| {
        front.start_core();
        let mut stream = ask_for_much(&front).await;
        let mut ticks = interval(TENTH);
        let error = loop {
            ticks.tick().await;
            if let Some(error) = stream.take_error().unwrap() {
                break error;
            }
            stream.read_exact(&mut [0; 50]).await.unwrap();
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "its buffers are not kept for it");

        // Slow as well, and much slower than a second in all; but it moves what it has to.
        let mut stream = ask_for_much(&front).await;
        let mut read = Vec::new();
        while read.len() < BIG_BYTES {
            ticks.tick().await;
            let mut bite = stream.take(BIG_BYTES as u64 / 20);
            assert!(bite.read_to_end(&mut read).await.unwrap() > 0, "{} bytes came", read.len());
            stream = bite.into_inner();
        }
        assert_eq!(Reply::parse(&read).unwrap().status, 200);
    });
}

#[test]
fn a_sender_of_little_is_told_and_one_of_much_is_heard() {
    run(pace, async |front| {
        front.start_core();
        let mut ticks = interval(TENTH);
        let mut stream = begin_body(&front, 10_000).await;
        let mut answer = Vec::new();
        let reply = loop {
            tokio::select! {
                count = stream.read_buf(&mut answer) => match count.unwrap() {
                    0 => break Reply::parse(&answer).unwrap(),
                    _ => continue,
                },
                _ = ticks.tick(), if answer.is_empty() => stream.write_all(&[b'x'; 50]).await.unwrap(),
            }
        };
        assert_eq!((reply.status, &*reply.error_code()), (408, "REQUEST_TIMEOUT"));
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains("1000 bytes"));

        let mut stream = begin_body(&front, 5_000).await;
        for _ in 0..25 {
            ticks.tick().await;
            stream.write_all(&[b'x'; 200]).await.unwrap();
        }
        answer.clear();
        stream.read_to_end(&mut answer).await.unwrap();
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!(reply.status, 200);
        assert!(reply.json().as_str().unwrap().ends_with(&"x".repeat(5_000)));
    });
}

#[test]
fn bodies_that_come_are_bounded_in_all() {
    let set = |config: &mut Config| config.limits.unfinished_message_bytes = 100_000;
    run(set, async |front| {
        front.start_core();
        let mut held = Vec::new();
        for count in 1..=3 {
            let mut stream = begin_body(&front, 30_000).await;
            stream.write_all(&[b'x'; 29_999]).await.unwrap();
            front.holds(count * 29_999).await;
            held.push(stream);
        }
        let mut stream = begin_body(&front, 30_000).await;
        stream.write_all(&[b'x'; 29_999]).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!((reply.status, &*reply.error_code()), (503, "CAPACITY_EXCEEDED"));
        // Small ones always find some, and what is let go of is free again.
        let token = front.token("document:write", &[]);
        let target = format!("POST /api/documents/jd_1/changes?token={token}");
        assert_eq!(front.request(&target, "Content-Length: 2\r\n", "{}").await.status, 200);
        drop(held);
        front.holds(0).await;
        let body = "x".repeat(90_000);
        assert_eq!(front.request(&target, "Content-Length: 90000\r\n", &body).await.status, 200);
        front.holds(0).await;
    });
}

#[test]
fn answers_that_wait_are_bounded_in_all() {
    let set = |config: &mut Config| config.http.answers_bytes = 3 * BIG_BYTES;
    run(set, async |front| {
        front.start_core();
        let mut first = ask_for_much(&front).await;
        let mut second = ask_for_much(&front).await;
        for stream in [&mut first, &mut second] {
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
        }
        // Neither is read on, so both are held, and no third is made.
        let token = front.token("document:read", &[]);
        let big = format!("GET /api/documents/big_1/state?token={token}");
        let reply = front.request(&big, "", "").await;
        assert_eq!((reply.status, &*reply.error_code()), (503, "CAPACITY_EXCEEDED"));
        assert_eq!(front.request("GET /healthz", "", "").await.status, 200, "little ones find room");
        // What has been done is told, however much is held: else it would be done again.
        let writer = front.token("document:write", &[]);
        let change = format!("POST /api/documents/big_2/changes?token={writer}");
        let reply = front.request(&change, "Content-Length: 2\r\n", "{}").await;
        assert_eq!((reply.status, reply.body.len()), (200, BIG_BYTES + 2));
        let old = format!("GET /api/documents/jd_1/state?version=1&token={token}");
        assert_eq!(front.request(&old, "", "").await.status, 503, "nor is an old version made");
        let diff = format!("GET /api/documents/jd_1/diff?from=0&to=0&token={token}");
        assert_eq!(front.request(&diff, "", "").await.status, 503, "nor are two compared");
        // Whoever reads all makes room, and so does whoever goes.
        first.read_to_end(&mut Vec::new()).await.unwrap();
        let mut third = ask_for_much(&front).await;
        third.read_exact(&mut [0; 12]).await.unwrap();
        assert_eq!(front.request(&big, "", "").await.status, 503);
        drop(second);
        while front.request(&big, "", "").await.status != 200 {}
    });
}

#[test]
fn of_two_that_were_let_in_at_once_one_finds_room() {
    let set = |config: &mut Config| config.http.answers_bytes = BIG_BYTES + BIG_BYTES / 2;
    run(set, async |front| {
        let mut streams = [ask_for_much(&front).await, ask_for_much(&front).await];
        let mut asked = Vec::new();
        while asked.len() < 2 {
            let CoreMessage::Call(call) = front.shared.inboxes[0].receive().await else { panic!() };
            asked.push(*call);
        }
        asked.into_iter().for_each(answer_call);
        let mut statuses = Vec::new();
        for stream in &mut streams {
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            statuses.push(String::from_utf8_lossy(&start[9..]).into_owned());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, ["200", "503"]);
    });
}

#[test]
fn an_answer_that_is_out_holds_nothing_of_its_connections_next_one() {
    let set = |config: &mut Config| config.http.answers_bytes = 2 * BIG_BYTES;
    run(set, async |front| {
        front.start_core();
        let token = front.token("document:read", &[]);
        let request = format!("GET /api/documents/big_1/state?token={token} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut stream = front.connect().await;
        for _ in 0..4 {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut read = Vec::new();
            let reply = loop {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0, "the connection goes on");
                match Reply::parse(&read) {
                    Some(reply) if reply.header("content-length") == Some(&*reply.body.len().to_string()) => {
                        break reply;
                    }
                    Some(_) | None => {}
                }
            };
            assert_eq!((reply.status, reply.body.len()), (200, BIG_BYTES + 2));
        }
    });
}

#[test]
fn pages_of_other_origins_are_refused_before_all_else() {
    let set = |config: &mut Config| {
        config.http.allowed_origins = crate::config::Origins::new("https://a.example https://b.example").unwrap();
    };
    run(set, async |front| {
        front.start_core();
        let token = front.token("document:read", &[]);
        let state = format!("GET /api/documents/jd_1/state?token={token}");
        let socket = format!("GET /ws/document/jd_1?token={token}");
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for origin in ["https://c.example", "null", "https://a.example\r\nOrigin: https://c.example"] {
            let header = format!("Origin: {origin}\r\n");
            for (line, more) in [(&*state, ""), (&*socket, upgrade), ("GET /api/documents/jd_1/state", "")] {
                let reply = front.ask(format!("{line} HTTP/1.1\r\nHost: a\r\n{header}{more}\r\n")).await;
                assert_eq!((reply.status, &*reply.error_code()), (403, "FORBIDDEN"), "{origin}");
                assert_eq!(reply.json()["error"]["details"]["field"], "Origin");
            }
        }
        assert_eq!(front.request(&state, "Origin: https://b.example\r\n", "").await.status, 200);
        assert_eq!(front.request(&state, "", "").await.status, 200, "what is no browser names none");
    });
}

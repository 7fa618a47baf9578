//! What a connection may do over its life, and what every answer says.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Front, Reply, answer_call, run};
use crate::cores::CoreMessage;

/// Reads one answer; what has come behind it stays in `bytes`.
async fn next(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Reply {
    loop {
        if let Some(mut reply) = Reply::parse(bytes) {
            let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
            if reply.body.len() >= length {
                *bytes = reply.body.split_off(length);
                return reply;
            }
        }
        assert!(
            stream.read_buf(bytes).await.unwrap() > 0,
            "the connection ended in {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

#[test]
fn requests_that_are_sent_at_once_are_answered_in_order() {
    run(
        |_| {},
        async |front| {
            let (mut stream, mut bytes) = (front.connect().await, Vec::new());
            let paths = ["/healthz", "/nowhere", "/readyz", "/healthz"];
            let all: String = paths.iter().map(|path| get(path, "")).collect();
            stream.write_all(all.as_bytes()).await.unwrap();
            for status in [200, 404, 200, 200] {
                assert_eq!(next(&mut stream, &mut bytes).await.status, status);
            }
            // The connection goes on until one side says that it ends.
            stream.write_all(get("/healthz", "Connection: close\r\n").as_bytes()).await.unwrap();
            let last = next(&mut stream, &mut bytes).await;
            assert_eq!((last.status, last.header("connection")), (200, Some("close")));
            ends(&mut stream).await;
        },
    );
}

#[test]
fn what_follows_the_last_request_is_not_answered() {
    run(
        |_| {},
        async |front| {
            let (mut stream, mut bytes) = (front.connect().await, Vec::new());
            let both = get("/healthz", "Connection: close\r\n") + &get("/readyz", "");
            stream.write_all(both.as_bytes()).await.unwrap();
            assert_eq!(next(&mut stream, &mut bytes).await.status, 200);
            assert!(bytes.is_empty());
            ends(&mut stream).await;
        },
    );
}

#[test]
fn an_old_client_is_kept_only_if_it_asks_for_it() {
    run(
        |_| {},
        async |front| {
            let (mut stream, mut bytes) = (front.connect().await, Vec::new());
            for (headers, is_kept) in [("Connection: keep-alive\r\n", true), ("", false)] {
                stream.write_all(format!("GET /healthz HTTP/1.0\r\n{headers}\r\n").as_bytes()).await.unwrap();
                let reply = next(&mut stream, &mut bytes).await;
                assert_eq!((reply.status, reply.header("connection")), (200, is_kept.then_some("keep-alive")));
            }
            ends(&mut stream).await;
        },
    );
}

#[test]
fn who_asks_whether_to_go_on_is_told_so_or_refused_at_once() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            let head = |length: usize, token: &str| {
                format!(
                    "POST /api/documents/jd_1/changes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
                     Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
                )
            };
            let (mut stream, mut bytes) = (front.connect().await, Vec::new());
            stream.write_all(head(2, &token).as_bytes()).await.unwrap();
            let interim = next(&mut stream, &mut bytes).await;
            assert_eq!((interim.status, bytes.len()), (100, 0));
            stream.write_all(b"{}").await.unwrap();
            assert_eq!(next(&mut stream, &mut bytes).await.status, 200);
            for (length, token, status) in [(2 << 20, &*token, 413), (2, "x", 401)] {
                let (mut stream, mut bytes) = (front.connect().await, Vec::new());
                stream.write_all(head(length, token).as_bytes()).await.unwrap();
                assert_eq!(next(&mut stream, &mut bytes).await.status, status, "it is not told to go on");
            }
        },
    );
}

#[test]
fn what_nobody_can_do_is_not_expected_in_silence() {
    run(
        |_| {},
        async |front| {
            // Without a core nothing can come to pass.
            let body = r#"{"changes":[]}"#;
            let token = front.token("document:write", &[]);
            let post = format!("POST /api/documents/jd_1/changes?token={token}");
            let length = format!("Content-Length: {}\r\n", body.len());
            for expected in ["200-ok", "100-continue, x", "100-continue;q=1", "x\r\nExpect: 100-continue", "é"] {
                for (line, headers, body) in [("GET /healthz", "", ""), (&*post, &*length, body)] {
                    let reply = front.request(line, &format!("Expect: {expected}\r\n{headers}"), body).await;
                    assert_eq!((reply.status, &*reply.error_code()), (417, "VALIDATION_ERROR"), "{expected:?}");
                    assert_eq!(reply.json()["error"]["details"]["field"], "Expect");
                }
            }
            for expected in ["100-continue", "100-Continue", "100-continue,, 100-continue", ""] {
                assert_eq!(front.request("GET /healthz", &format!("Expect: {expected}\r\n"), "").await.status, 200);
            }
        },
    );
}

/// RFC 9112, section 6.1: whoever has two opinions on where a request ends gets one answer, and no second request through.
#[test]
fn nothing_is_smuggled_behind_a_request_with_two_lengths() {
    run(
        |_| {},
        async |front| {
            let chunked = "Transfer-Encoding: chunked\r\n";
            for headers in [format!("Content-Length: 4\r\n{chunked}"), format!("{chunked}Content-Length: 4\r\n")] {
                let (mut stream, mut bytes) = (front.connect().await, Vec::new());
                let smuggled = get("/healthz", "");
                let request = format!("POST /nowhere HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\n{smuggled}");
                stream.write_all(request.as_bytes()).await.unwrap();
                let reply = next(&mut stream, &mut bytes).await;
                assert_eq!((reply.status, bytes.len()), (404, 0), "{headers}");
                assert_eq!(reply.header("connection"), Some("close"));
                ends(&mut stream).await;
            }
        },
    );
}

#[test]
fn every_answer_guards_itself() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let state = format!("GET /api/documents/jd_1/state?token={}", front.token("document:read", &[]));
            let malformed = front.send("hello\r\n\r\n").await;
            let mut replies = vec![malformed];
            for line in [&*state, "GET /nowhere", "PUT /healthz", "OPTIONS /healthz", "GET /healthz"] {
                replies.push(front.request(line, "", "").await);
            }
            for reply in replies {
                assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
                assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{reply:?}");
                // A 404 could be kept otherwise (RFC 9111, section 4.2.2).
                assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
                assert!(reply.header("x-request-id").is_some(), "{reply:?}");
                // RFC 9110, section 6.6.1, and 5.6.7 for its form.
                let date = reply.header("date").unwrap_or_else(|| panic!("{reply:?}"));
                assert!(date.len() == 29 && date.ends_with(" GMT") && date.get(3..5) == Some(", "), "{date}");
            }
        },
    );
}

#[test]
fn head_says_what_get_says_without_the_body() {
    run(
        |_| {},
        async |front: Front| {
            front.start_core();
            let state = format!("/api/documents/jd_1/state?token={}", front.token("document:read", &[]));
            for path in ["/healthz", "/readyz", &state, "/nowhere", "/api/documents/jd_1/state"] {
                let names = |reply: &Reply| -> Vec<String> {
                    let lines = reply.head.lines().skip(1).map(|line| line.split(':').next().unwrap_or_default());
                    lines.map(str::to_owned).collect()
                };
                let get = front.request(&format!("GET {path}"), "", "").await;
                let head = front.request(&format!("HEAD {path}"), "", "").await;
                assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
                assert_eq!(names(&head), names(&get), "{path}");
                if get.status == 200 {
                    assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
                }
            }
        },
    );
}

#[test]
fn a_visit_is_noted_whether_anybody_waits_for_the_answer_or_not() {
    run(
        |_| {},
        async |front| {
            let token = front.token("presence:write", &[]);
            let body = r#"{"status":"active","current_document":"jd_1"}"#;
            let length = body.len();
            let mut client = front.connect().await;
            let head = format!("PUT /api/presence/user_1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n");
            client.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
            let CoreMessage::Call(call) = front.shared.inboxes[0].receive().await else { panic!("no call") };
            drop(client);
            // So that the front lets go of the request.
            for _ in 0..10_000 {
                tokio::task::yield_now().await;
            }
            answer_call(*call);
            while front.shared.visits.document_of("user_1").is_none() {
                tokio::task::yield_now().await;
            }
        },
    );
}

#[test]
fn head_of_a_stream_takes_no_place_and_says_what_is_wrong() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:admin presence:read", &[]);
            let headers = format!("Authorization: Bearer {token}\r\n");
            for target in ["/api/documents/jd_1/events", "/api/presence/events", "/api/monitoring/events"] {
                let head = front.request(&format!("HEAD {target}"), &headers, "").await;
                assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{target}");
                assert!(head.body.is_empty());
            }
            assert!(front.heard.borrow().is_empty() && front.connections() == 0, "nobody comes in");
            let seen = format!("{headers}Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n");
            for method in ["GET", "HEAD"] {
                let reply = front.request(&format!("{method} /api/documents/jd_1/events"), &seen, "").await;
                assert_eq!(reply.status, 400, "{method}: which one it has seen is not known");
            }
        },
    );
}

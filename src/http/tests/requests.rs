//! What every request gets, and what those get that are none.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Front, Reply, run};
use crate::cores::{Answered, CoreMessage};
use crate::http::accept::serve_site;
use crate::http::site::Site;
use crate::listen::Listeners;

#[test]
fn health_and_readiness_need_no_token() {
    run(
        |_| {},
        async |front| {
            let reply = front.request("GET /healthz", "", "").await;
            assert_eq!((reply.status, &*reply.body), (200, br#"{"status":"ok"}"#.as_slice()));
            assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
            assert_eq!(front.request("GET /readyz", "", "").await.json()["status"], "ready");
            let head = front.request("HEAD /healthz", "", "").await;
            assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("15"), 0));
            let token = front.token("document:read", &[]);
            front.start_core();
            for leaving in [&front.shared.leaving, &front.shared.draining] {
                let state = format!("GET /api/documents/jd_1/state?token={token}");
                assert_eq!(front.request(&state, "", "").await.status, 200, "until it stops it serves");
                leaving.store(true, Ordering::SeqCst);
                let reply = front.request("GET /readyz", "", "").await;
                assert_eq!((reply.status, &reply.json()["status"]), (503, &"draining".into()));
                assert_eq!(front.request("GET /healthz", "", "").await.status, 200);
            }
        },
    );
}

#[test]
fn a_request_keeps_the_name_its_client_gave_it() {
    run(
        |_| {},
        async |front| {
            let reply = front.request("GET /nowhere", "X-Request-Id: mine/1\r\n", "").await;
            assert_eq!((reply.status, reply.header("x-request-id")), (404, Some("mine/1")));
            assert_eq!(reply.error_code(), "NOT_FOUND");
            let reply = front.request("GET /nowhere", &format!("X-Request-Id: {}\r\n", "x".repeat(129)), "").await;
            assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
        },
    );
}

#[test]
fn wrong_routes_and_methods_say_what_is_there() {
    run(
        |_| {},
        async |front| {
            let reply = front.request("GET /api/document/jd_12345/state", "", "").await;
            assert!(reply.json()["error"]["message"].as_str().unwrap().contains("/api/documents/{document_id}/state"));
            let reply = front.request("DELETE /healthz", "", "").await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
            assert_eq!(reply.error_code(), "METHOD_NOT_ALLOWED");
            assert_eq!(front.request("CONNECT a:1", "", "").await.status, 404);
            assert_eq!(front.request("GET http://test/healthz", "", "").await.status, 200);
        },
    );
}

#[test]
fn what_is_no_request_gets_the_references_body_too() {
    run(
        |_| {},
        async |front| {
            let big = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
            let many = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101));
            let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
            let malformed: [(&[u8], u16, &str); 14] = [
                (b"GET\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"hello\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"GET / HTTP/3.0\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"GET /\0 HTTP/1.1\r\n\r\n", 400, "VALIDATION_ERROR"),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "VALIDATION_ERROR"),
                (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", 400, "VALIDATION_ERROR"),
                (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "VALIDATION_ERROR"),
                (
                    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                    400,
                    "VALIDATION_ERROR",
                ),
                (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "VALIDATION_ERROR"),
                (big.as_bytes(), 431, "HEADERS_TOO_LARGE"),
                (many.as_bytes(), 431, "HEADERS_TOO_LARGE"),
                (long.as_bytes(), 431, "HEADERS_TOO_LARGE"),
            ];
            for (request, status, code) in malformed {
                let mut stream = front.connect().await;
                stream.write_all(request).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                let start = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
                let reply = Reply::parse(&bytes).unwrap_or_else(|| panic!("no answer to {start:?}"));
                assert_eq!((reply.status, &*reply.error_code()), (status, code), "{start:?}");
            }
        },
    );
}

#[test]
fn a_target_of_more_than_64_kib_is_too_long() {
    run(
        |config| config.http.header_bytes = 1 << 20,
        async |front| {
            let reply = front.send(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000))).await;
            assert_eq!((reply.status, &*reply.error_code()), (414, "VALIDATION_ERROR"));
        },
    );
}

#[test]
fn an_error_behind_an_answer_is_told_behind_it() {
    run(
        |_| {},
        async |front| {
            let reply = front.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n").await;
            assert_eq!(reply.status, 200);
            let (first, second) = reply.body.split_at(15);
            assert_eq!(first, br#"{"status":"ok"}"#);
            let second = Reply::parse(second).unwrap();
            assert_eq!((second.status, &*second.error_code()), (400, "VALIDATION_ERROR"));
        },
    );
}

#[test]
fn a_slow_head_is_timed_out_and_an_idle_connection_just_ends() {
    let set = |config: &mut crate::config::Config| {
        config.http.header_timeout_seconds = 1;
        config.http.keep_alive_seconds = 1;
    };
    run(set, async |front| {
        let slow = async {
            let reply = front.send("GET /healthz HTTP/1.1\r\nHost").await;
            assert_eq!((reply.status, &*reply.error_code()), (408, "REQUEST_TIMEOUT"));
        };
        let silent = async {
            let mut bytes = Vec::new();
            front.connect().await.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, b"");
        };
        let idle = async {
            let reply = front.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!((reply.status, reply.body.len()), (200, 15));
        };
        tokio::join!(slow, silent, idle);
    });
}

#[test]
fn an_idle_connection_may_wait_longer_than_a_head() {
    run(
        |config| config.http.header_timeout_seconds = 1,
        async |front| {
            let mut stream = front.connect().await;
            for pause_ms in [0, 1_300] {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                let mut bytes = [0; 512];
                let count = stream.read(&mut bytes).await.unwrap();
                assert_eq!(Reply::parse(&bytes[..count]).unwrap().status, 200);
            }
        },
    );
}

#[test]
fn draining_finishes_what_is_in_flight_and_takes_nothing_new() {
    run(
        |_| {},
        async |front| {
            let mut idle = front.connect().await;
            idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            assert!(idle.read(&mut [0; 512]).await.unwrap() > 0);
            let token = front.token("document:read", &[]);
            let headers = format!("Authorization: Bearer {token}\r\n");
            let asking = front.request("GET /api/documents/jd_1/state", &headers, "");
            let draining = async {
                let CoreMessage::Call(asked) = front.shared.inboxes[0].receive().await else { panic!() };
                front.drain.send(true).unwrap();
                // The idle one is closed while the other is still being answered.
                assert_eq!(idle.read(&mut [0; 512]).await.unwrap(), 0);
                assert!(!front.serving.is_finished());
                assert!(tokio::net::TcpStream::connect(front.address).await.is_err());
                let answered = Answered { body: "1".into(), version: None, created: false };
                asked.reply.send(Ok(answered)).unwrap();
            };
            let (reply, ()) = tokio::join!(asking, draining);
            assert_eq!((reply.status, reply.json()), (200, 1.into()));
            let Front { serving, .. } = front;
            drop(idle);
            serving.await.unwrap();
        },
    );
}

#[test]
fn whoever_waits_to_be_accepted_when_the_server_stops_is_told() {
    run(
        |_| {},
        async |front| {
            let wait = || {
                let mut stream = std::net::TcpStream::connect(front.address).unwrap();
                std::io::Write::write_all(&mut stream, b"GET /api/documents/a/state HTTP/1.1\r\nHost: a\r\n\r\n")
                    .unwrap();
                stream.set_nonblocking(true).unwrap();
                tokio::net::TcpStream::from_std(stream).unwrap()
            };
            // Nothing is awaited in between, so the server accepts none of them before it is told to stop.
            let waiting = [wait(), wait(), wait()];
            front.shared.draining.store(true, Ordering::SeqCst);
            front.drain.send(true).unwrap();
            for mut stream in waiting {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                let reply = Reply::parse(&bytes).expect("an answer");
                assert_eq!((reply.status, &*reply.error_code()), (503, "SHUTTING_DOWN"));
            }
            front.serving.await.unwrap();
        },
    );
}

#[test]
fn whoever_waits_on_a_socket_that_is_handed_on_is_left_for_the_next_server() {
    run(
        |_| {},
        async |front| {
            let kept = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let (drain, drained) = tokio::sync::watch::channel(false);
            let site = Site::new(Arc::clone(&front.shared), 0, drained, Rc::clone(&front.limits));
            let listeners = Listeners { sockets: vec![kept.try_clone().unwrap()], outlive_server: true };
            let serving = tokio::task::spawn_local(serve_site(listeners, site));
            // It listens by now, and accepts nobody before it is told to stop.
            tokio::task::yield_now().await;
            let waiting = [(); 3].map(|()| std::net::TcpStream::connect(kept.local_addr().unwrap()).unwrap());
            drain.send(true).unwrap();
            serving.await.unwrap();
            for one in waiting {
                let (_, accepted) = kept.accept().expect("it waits still");
                assert_eq!(accepted, one.local_addr().unwrap());
            }
        },
    );
}

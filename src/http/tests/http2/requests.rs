//! What a request may say over HTTP/2, and what it is answered.

use std::sync::atomic::Ordering;

use super::*;
use crate::config::Origins;
use crate::cores::{Answered, CoreMessage};
use crate::http::tests::support::{BIG_BYTES, run};

#[test]
fn a_client_may_begin_with_http2_or_be_offered_it_in_vain() {
    run(
        |_| {},
        async |front| {
            assert!(Raw::start(&front).await.serves(1).await);
            let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
            let reply = front.ask(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n")).await;
            assert_eq!((reply.status, reply.header("upgrade")), (200, None), "that way is obsolete (RFC 9113, 3.1)");
            // Not behind a request of HTTP/1.1.
            let behind = [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", PREFACE].concat();
            let reply = front.send(behind).await;
            assert_eq!(reply.status, 200);
            let second = Reply::parse(&reply.body[15..]).unwrap();
            assert_eq!((second.status, &*second.error_code()), (400, "VALIDATION_ERROR"));
        },
    );
}

#[test]
fn every_answer_says_what_it_says_over_http_1_1() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:read document:write", &[]);
            let bearer = format!("Bearer {token}");
            let client = Client::connect(&front).await;
            let requests: [(&str, &str, &[(&str, &str)], &str); 20] = [
                ("GET", "/healthz", &[], ""),
                ("HEAD", "/healthz", &[], ""),
                ("GET", "/openapi.json", &[], ""),
                ("GET", "/asyncapi.json", &[("accept-encoding", "gzip")], ""),
                ("HEAD", "/openapi.json", &[], ""),
                ("GET", "/docs", &[], ""),
                ("OPTIONS", "*", &[], ""),
                ("OPTIONS", "/healthz", &[], ""),
                (
                    "OPTIONS",
                    "/api/documents/jd_1/state",
                    &[("origin", "https://a"), ("access-control-request-method", "GET")],
                    "",
                ),
                ("GET", "/api/documents/jd_1/state", &[("authorization", &bearer)], ""),
                ("GET", "/api/documents/jd_1/state", &[("authorization", &bearer), ("origin", "https://a")], ""),
                ("HEAD", "/api/documents/jd_1/state", &[("authorization", &bearer)], ""),
                ("GET", "/api/documents/missing_1/state", &[("authorization", &bearer)], ""),
                ("GET", "/api/documents/jd_1/state", &[], ""),
                ("GET", "/api/documents/big_1/state", &[("authorization", &bearer)], ""),
                (
                    "POST",
                    "/api/documents/jd_1/changes",
                    &[("authorization", &bearer), ("content-type", "application/json")],
                    "{}",
                ),
                (
                    "POST",
                    "/api/documents/jd_1/changes",
                    &[("authorization", &bearer), ("content-type", "text/plain")],
                    "{}",
                ),
                ("DELETE", "/healthz", &[], ""),
                ("GET", "/nowhere", &[("x-request-id", "mine/1")], ""),
                ("GET", "/healthz", &[("expect", "what nobody can do")], ""),
            ];
            for (method, target, headers, body) in requests {
                let mut lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                if !body.is_empty() {
                    lines += &format!("content-length: {}\r\n", body.len());
                }
                let old = front.request(&format!("{method} {target}"), &lines, body).await;
                let new = client.ask(method, target, headers, body).await;
                assert_eq!(new.status, old.status, "{method} {target}");
                // What is true of this moment or of one connection.
                let differ = [
                    "date",
                    "connection",
                    "transfer-encoding",
                    "x-request-id",
                    "x-ratelimit-remaining",
                    "x-ratelimit-reset",
                    "x-ratelimit-retry-after",
                ];
                let names = |reply: &Reply| {
                    let mut lines: Vec<String> = reply.head.lines().skip(1).map(str::to_lowercase).collect();
                    lines.retain(|line| !differ.iter().any(|name| line.starts_with(&format!("{name}: "))));
                    lines.sort();
                    lines
                };
                assert_eq!(names(&new), names(&old), "{method} {target}");
                assert!(new.header("x-request-id").is_some() && new.header("date").is_some());
                assert!(new.header("connection").is_none() && new.header("upgrade").is_none());
                assert_eq!(
                    new.header("x-ratelimit-remaining").is_some(),
                    old.header("x-ratelimit-remaining").is_some()
                );
                if new.status < 400 {
                    let (new, old) = (new.content(), old.content());
                    assert!(new == old, "{method} {target}: {} and {} bytes", new.len(), old.len());
                } else if method != "HEAD" {
                    assert_eq!(new.error_code(), old.error_code(), "{method} {target}");
                }
            }
        },
    );
}

#[test]
fn the_host_is_named_by_its_authority_or_once_by_host() {
    run(
        |_| {},
        async |front| {
            let mut raw = Raw::start(&front).await;
            let block = |fields: &[(&str, &str)]| -> Vec<u8> {
                let always = [(":method", "GET"), (":scheme", "http"), (":path", "/healthz")];
                always.iter().chain(fields).flat_map(|(name, value)| field(name, value)).collect()
            };
            let cases: [(&[(&str, &str)], bool); 7] = [
                (&[(":authority", "a")], true),
                (&[("host", "a")], true),
                (&[(":authority", "a"), ("host", "A")], true),
                (&[(":authority", "a"), ("host", "b")], false),
                (&[(":authority", "a"), ("host", "a"), ("host", "a")], false),
                (&[("host", "a"), ("host", "a")], false),
                (&[], false),
            ];
            for (stream, (fields, is_good)) in (1..).step_by(2).zip(cases) {
                raw.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))).await;
                let body = String::from_utf8(raw.body(stream).await).unwrap();
                assert_eq!(
                    body.starts_with(r#"{"error":{"code":"VALIDATION_ERROR","message":"Host "#),
                    !is_good,
                    "{fields:?}"
                );
            }
        },
    );
}

#[test]
fn an_origin_is_held_against_what_is_allowed() {
    let set =
        |config: &mut crate::config::Config| config.http.allowed_origins = Origins::new("https://a.example").unwrap();
    run(set, async |front| {
        front.start_core();
        let client = Client::connect(&front).await;
        let target = format!("/api/documents/jd_1/state?token={}", front.token("document:read", &[]));
        let reply = client.ask("GET", &target, &[("origin", "https://a.example")], "").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some("https://a.example")));
        let reply = client.ask("GET", &target, &[("origin", "https://b.example")], "").await;
        assert_eq!((reply.status, &*reply.error_code()), (403, "FORBIDDEN"));
    });
}

#[test]
fn a_websocket_is_told_how_to_be_opened() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:read", &[]);
            let mut raw = Raw::start(&front).await;
            let settings = raw.next_that(|sent| sent.kind == SETTINGS && sent.flags & ACK == 0).await;
            assert!(!settings.payload.chunks(6).any(|pair| pair.starts_with(&[0, 8])), "RFC 8441 is not offered");
            let client = Client::connect(&front).await;
            for path in ["/ws/document/jd_1", "/ws/presence", "/ws/monitoring"] {
                let target = format!("{path}?token={token}");
                let headers = [("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
                let reply = client.ask("GET", &target, &headers, "").await;
                assert_eq!((reply.status, &*reply.error_code()), (400, "VALIDATION_ERROR"));
                let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(message.contains("HTTP/1.1") && message.contains("ALPN"), "{message}");
            }
            // Whoever does not look at what is offered breaks the protocol, on that stream alone.
            let target = format!("/ws/document/jd_1?token={token}");
            let mut block = request("CONNECT", &target, &[]);
            block.extend(field(":protocol", "websocket"));
            raw.write(&frame(HEADERS, END_HEADERS, 1, &block)).await;
            assert_eq!(raw.next_that(|sent| sent.is(RST_STREAM, 1)).await.error(), Some(PROTOCOL_ERROR));
            let tunnel = [field(":method", "CONNECT"), field(":authority", "a:1")].concat();
            raw.write(&frame(HEADERS, END_HEADERS, 3, &tunnel)).await;
            let answer = String::from_utf8(raw.body(3).await).unwrap();
            assert!(answer.contains("NOT_FOUND"), "{answer}");
            assert!(raw.serves(5).await);
        },
    );
}

#[test]
fn many_requests_are_answered_at_once_and_large_answers_take_turns() {
    run(
        |config| config.limits.requests_per_minute = 0,
        async |front| {
            front.start_core();
            let client = Client::connect(&front).await;
            let token = front.token("document:read", &[]);
            let (big, small) = ["big", "jd"].map(|name| format!("/api/documents/{name}_1/state?token={token}")).into();
            let asking = (0..100).map(|number| client.get(if number % 25 == 0 { &big } else { &small }));
            let mut sizes: Vec<usize> = Vec::new();
            let mut asking: Vec<_> = asking.map(Box::pin).collect();
            std::future::poll_fn(|context| {
                asking.retain_mut(|one| match one.as_mut().poll(context) {
                    std::task::Poll::Ready(reply) => {
                        assert_eq!(reply.status, 200);
                        sizes.push(reply.body.len());
                        false
                    }
                    std::task::Poll::Pending => true,
                });
                if asking.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            assert_eq!(sizes.len(), 100);
            let first_large = sizes.iter().position(|size| *size > BIG_BYTES).unwrap();
            assert!(first_large >= 90, "{first_large} small ones were there before the first large one");
        },
    );
}

#[test]
fn draining_finishes_what_is_in_flight_and_says_goodbye() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:read", &[]);
            let target = format!("/api/documents/jd_1/state?token={token}");
            let mut raw = Raw::start(&front).await;
            raw.write(&get(1, &target)).await;
            let CoreMessage::Call(asked) = front.shared.inboxes[0].receive().await else { panic!() };
            let mut idle = Raw::start(&front).await;
            assert!(idle.serves(1).await);
            front.shared.draining.store(true, Ordering::SeqCst);
            front.drain.send(true).unwrap();
            // An idle one ends while the other is still being answered, though it confirms nothing.
            assert!(idle.rest().await.iter().any(|sent| sent.kind == GOAWAY && sent.error() == Some(0)));
            drop(idle);
            let goodbye = raw.next_that(|sent| sent.kind == GOAWAY).await;
            assert_eq!(goodbye.error(), Some(0));
            assert!(!front.serving.is_finished());
            // What was sent before the client could hear of it is answered too.
            raw.write(&get(3, &target)).await;
            assert!(String::from_utf8(raw.body(3).await).unwrap().contains("SHUTTING_DOWN"));
            asked.reply.send(Ok(Answered { body: "1".into(), version: None, created: false })).unwrap();
            assert_eq!(raw.body(1).await, b"1");
            let rest = raw.rest().await;
            assert!(!raw.is_reset, "{rest:?}");
            drop(raw);
            let Front { serving, .. } = front;
            serving.await.unwrap();
        },
    );
}

#[test]
fn whoever_waits_to_be_accepted_when_the_server_stops_is_told() {
    run(
        |_| {},
        async |front| {
            let mut stream = std::net::TcpStream::connect(front.address).unwrap();
            let asks = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(1, "/api/documents/a/state")].concat();
            std::io::Write::write_all(&mut stream, &asks).unwrap();
            stream.set_nonblocking(true).unwrap();
            // Nothing is awaited in between, so the server does not accept it before it is told to stop.
            front.shared.draining.store(true, Ordering::SeqCst);
            front.drain.send(true).unwrap();
            let mut raw = Raw { stream: TcpStream::from_std(stream).unwrap(), read: Vec::new(), is_reset: false };
            assert!(String::from_utf8(raw.body(1).await).unwrap().contains("SHUTTING_DOWN"));
            raw.rest().await;
            drop(raw);
            front.serving.await.unwrap();
        },
    );
}

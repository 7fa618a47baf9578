//! How many requests are answered, and what each answer says of that.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Front, Reply, run};
use crate::clock;
use crate::config::{Config, Proxies};
use jddb_core::limits::LimitMode;

fn three_a_minute(config: &mut Config) {
    config.limits.requests_per_minute = 3;
}

/// What an answer says of the limit; the figures are checked against one another.
#[track_caller]
fn standing(reply: &Reply) -> (u64, u64) {
    let figure =
        |name: &str| -> u64 { reply.header(name).unwrap_or_else(|| panic!("{name} in {reply:?}")).parse().unwrap() };
    let (reset, wait) = (figure("x-ratelimit-reset"), figure("x-ratelimit-retry-after"));
    let now = clock::now_unix_seconds();
    assert!((now..=now + 61).contains(&reset) && reset.abs_diff(now + wait) <= 1, "{reply:?}");
    assert_eq!(reply.header("retry-after").is_some(), reply.status == 429 || reply.status == 503, "{reply:?}");
    (figure("x-ratelimit-limit"), figure("x-ratelimit-remaining"))
}

async fn state(front: &Front, token: &str) -> Reply {
    front.request("GET /api/documents/jd_1/state", &format!("Authorization: Bearer {token}\r\n"), "").await
}

#[test]
fn a_users_requests_are_counted_and_the_one_too_many_is_told_when_to_come_back() {
    run(three_a_minute, async |front| {
        front.start_core();
        let token = front.token("document:read", &[]);
        for remaining in [2, 1, 0] {
            let reply = state(&front, &token).await;
            assert_eq!((reply.status, standing(&reply)), (200, (3, remaining)));
        }
        // Another token of the same user, another route, and one that does not exist.
        let other = front.token("document:read document:write", &[]);
        for line in ["GET /api/documents/jd_2/state", "POST /api/documents/jd_2/changes", "GET /nowhere"] {
            let reply = front.request(line, &format!("Authorization: Bearer {other}\r\n"), "").await;
            assert_eq!((reply.status, standing(&reply)), (429, (3, 0)), "{line}");
            assert_eq!(reply.error_code(), "RATE_LIMIT_EXCEEDED");
            assert_eq!(reply.json()["error"]["details"]["limit_type"], "request_rate");
            assert_eq!(reply.header("retry-after"), reply.header("x-ratelimit-retry-after"));
        }
        assert_eq!(front.limits.refusals().request_rate, 3);
        // The address has its own count.
        let reply = front.request("GET /nowhere", "", "").await;
        assert_eq!((reply.status, standing(&reply)), (404, (3, 2)));
    });
}

#[test]
fn every_answer_says_how_the_caller_stands() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:read", &[]);
            let state = format!("/api/documents/jd_1/state?token={token}");
            for (line, headers, status) in [
                (format!("GET {state}"), "", 200),
                (format!("HEAD {state}"), "", 200),
                (format!("PATCH {state}"), "", 405),
                (format!("POST /api/documents/jd_1/changes?token={token}"), "", 403),
                (format!("GET {state}&version=x"), "", 400),
                (format!("GET /api/documents/missing_1/state?token={token}"), "", 404),
                ("GET /".to_owned(), "", 404),
                ("GET /api/documents/jd_1/state".to_owned(), "", 401),
                ("GET /api/documents/jd_1/state?token=x".to_owned(), "", 401),
                ("GET /ws/document/jd_1".to_owned(), "", 400),
                ("GET /ws/presence".to_owned(), "Upgrade: websocket\r\n", 400),
                ("GET /".to_owned(), "Host: twice\r\n", 400),
            ] {
                let reply = front.request(&line, headers, "").await;
                assert_eq!((reply.status, standing(&reply).0), (status, 1_000), "{line}");
            }
            let malformed = front.send("GET / HTTP/1.1\r\nHost a\r\n\r\n").await;
            assert_eq!((malformed.status, standing(&malformed).0), (400, 1_000));
            assert_eq!(malformed.error_code(), "VALIDATION_ERROR");
            front.shared.draining.store(true, Ordering::SeqCst);
            let reply = front.request(&format!("GET {state}"), "", "").await;
            assert_eq!((reply.status, standing(&reply).0), (503, 1_000));
            for probe in ["GET /healthz", "GET /readyz", "PUT /healthz"] {
                let reply = front.request(probe, "", "").await;
                assert_eq!(reply.header("x-ratelimit-limit"), None, "{probe}");
            }
        },
    );
}

#[test]
fn probes_are_never_refused_and_what_is_no_request_counts() {
    run(three_a_minute, async |front| {
        for remaining in [2, 1, 0] {
            let reply = front.send("hello\r\n\r\n").await;
            assert_eq!((reply.status, standing(&reply)), (400, (3, remaining)));
        }
        assert_eq!(front.request("GET /nowhere", "", "").await.status, 429);
        for probe in ["GET /healthz", "GET /readyz"] {
            assert_eq!(front.request(probe, "", "").await.status, 200, "{probe}");
        }
    });
}

#[test]
fn failed_authentication_counts_for_the_address_and_a_valid_token_gets_through() {
    run(three_a_minute, async |front| {
        front.start_core();
        for status in [401, 401, 401, 429, 429] {
            assert_eq!(state(&front, "guessed").await.status, status);
        }
        assert_eq!(state(&front, &front.token("document:read", &[])).await.status, 200);
    });
}

#[test]
fn a_proxy_that_is_trusted_says_who_it_is_and_nobody_else() {
    let from = async |front: &Front, address: &str| {
        front.request("GET /nowhere", &format!("X-Forwarded-For: 203.0.113.9, {address}\r\n"), "").await.status
    };
    let trusting = |config: &mut Config| {
        three_a_minute(config);
        config.http.trusted_proxies = Some(Proxies::new("127.0.0.1").unwrap());
    };
    run(trusting, async |front| {
        for _ in 0..3 {
            assert_eq!(from(&front, "192.0.2.1").await, 404);
            assert_eq!(from(&front, "2001:db8::1").await, 404);
        }
        assert_eq!(from(&front, "192.0.2.1").await, 429);
        assert_eq!(from(&front, "2001:db8::2").await, 429, "the same /64");
        assert_eq!(from(&front, "192.0.2.2").await, 404);
    });
    run(three_a_minute, async |front| {
        for (last, status) in [(1, 404), (2, 404), (3, 404), (4, 429)] {
            assert_eq!(from(&front, &format!("192.0.2.{last}")).await, status);
        }
    });
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_websocket_that_is_one_too_many_is_told_on_it() {
    run(three_a_minute, async |front| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let open = async || {
            let request = format!("GET /ws/document/jd_1?token=x HTTP/1.1\r\nHost: test\r\n{upgrade}\r\n");
            let mut stream = front.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            let reply = Reply::parse(&bytes).unwrap();
            (reply.status, standing(&reply).1, reply.body)
        };
        for remaining in [2, 1, 0] {
            let (status, left, told) = open().await;
            assert_eq!((status, left), (101, remaining));
            assert!(contains(&told, b"UNAUTHENTICATED"), "{told:?}");
        }
        let (status, left, told) = open().await;
        assert_eq!((status, left), (101, 0));
        for part in [b"RATE_LIMIT_EXCEEDED".as_slice(), b"\"limit_type\":\"request_rate\"", &4_000_u16.to_be_bytes()] {
            assert!(contains(&told, part), "{told:?}");
        }
    });
}

#[test]
fn limits_that_are_observed_refuse_nobody() {
    let observing = |config: &mut Config| {
        three_a_minute(config);
        config.limits.mode = LimitMode::Observe;
    };
    run(observing, async |front| {
        for remaining in [2, 1, 0, 0, 0] {
            let reply = front.request("GET /nowhere", "", "").await;
            assert_eq!((reply.status, standing(&reply)), (404, (3, remaining)));
        }
        assert_eq!(front.limits.refusals().request_rate, 2);
    });
}

#[test]
fn only_what_a_browser_asks_by_itself_is_not_counted() {
    run(three_a_minute, async |front| {
        front.start_core();
        let preflight = "Origin: https://app.example.org\r\nAccess-Control-Request-Method: GET\r\n";
        for _ in 0..10 {
            let reply = front.request("OPTIONS /api/documents/jd_1/state", preflight, "").await;
            assert_eq!((reply.status, standing(&reply)), (204, (3, 3)));
        }
        for (status, remaining) in [(204, 2), (204, 1), (204, 0), (429, 0)] {
            let reply = front.request("OPTIONS /api/documents/jd_1/state", "", "").await;
            assert_eq!((reply.status, standing(&reply)), (status, (3, remaining)));
        }
    });
}

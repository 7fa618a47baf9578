//! Pages of other origins, and `OPTIONS`.

use super::support::{Front, Reply, run};
use crate::config::{Config, Origins};

const PREFLIGHT: &str = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";

fn only_the_app(config: &mut Config) {
    config.http.allowed_origins = Origins::new("https://app.example.org http://localhost:3000").unwrap();
}

async fn from(front: &Front, line: &str, origin: &str, headers: &str) -> Reply {
    front.request(line, &format!("Origin: {origin}\r\n{headers}"), "").await
}

fn allowed(reply: &Reply) -> (u16, Option<&str>, Option<&str>) {
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    (reply.status, reply.header("access-control-allow-origin"), reply.header("vary"))
}

#[test]
fn every_page_may_ask_and_see_where_all_origins_are_allowed() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = format!("Authorization: Bearer {}\r\n", front.token("document:read", &[]));
            let state = "GET /api/documents/jd_1/state";
            for (line, headers, status) in [(state, &*token, 200), (state, "", 401), ("GET /nowhere", "", 404)] {
                let reply = from(&front, line, "https://any.example.org", headers).await;
                assert_eq!(allowed(&reply), (status, Some("*"), None));
                let exposed = reply.header("access-control-expose-headers").unwrap();
                for name in [
                    "etag",
                    "location",
                    "retry-after",
                    "x-ratelimit-limit",
                    "x-ratelimit-remaining",
                    "x-ratelimit-reset",
                    "x-ratelimit-retry-after",
                    "x-request-id",
                ] {
                    assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
                }
            }
            let reply = front.request(state, &token, "").await;
            assert_eq!(allowed(&reply), (200, None, None), "who is no page is told nothing of pages");
        },
    );
}

#[test]
fn of_a_list_each_origin_is_told_of_itself_and_others_of_nothing() {
    run(only_the_app, async |front| {
        for origin in ["https://app.example.org", "http://localhost:3000"] {
            let reply = from(&front, "GET /nowhere", origin, "").await;
            assert_eq!(allowed(&reply), (404, Some(origin), Some("origin")));
        }
        for origin in ["https://evil.org", "null", "https://app.example.org.evil.org", "*"] {
            for line in ["GET /api/documents/jd_1/state", "OPTIONS /api/documents/jd_1/state"] {
                let reply = from(&front, line, origin, PREFLIGHT).await;
                assert_eq!(allowed(&reply), (403, None, Some("origin")), "{origin}");
                assert_eq!(reply.error_code(), "FORBIDDEN");
                assert_eq!(reply.header("access-control-allow-methods"), None);
            }
        }
        let twice = "Origin: https://app.example.org\r\n";
        assert_eq!(allowed(&from(&front, "GET /nowhere", "https://evil.org", twice).await).1, None);
        assert_eq!(allowed(&front.request("GET /nowhere", "", "").await), (404, None, Some("origin")));
    });
}

#[test]
fn a_page_that_asks_beforehand_is_told_what_it_may_send() {
    run(only_the_app, async |front| {
        let reply = from(&front, "OPTIONS /api/documents/jd_1/changes", "https://app.example.org", PREFLIGHT).await;
        assert_eq!(allowed(&reply), (204, Some("https://app.example.org"), Some("origin")));
        assert_eq!(reply.header("access-control-allow-methods"), Some("POST, OPTIONS"));
        assert_eq!(reply.header("access-control-max-age"), Some("7200"));
        assert!(reply.body.is_empty());
        let headers = reply.header("access-control-allow-headers").unwrap();
        for name in [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "last-event-id",
            "x-request-id",
        ] {
            assert!(headers.split(", ").any(|header| header == name), "{name}: {headers}");
        }
        let plain = from(&front, "OPTIONS /api/documents/jd_1/changes", "https://app.example.org", "").await;
        assert_eq!(plain.header("access-control-allow-methods"), None, "it is no preflight");
    });
}

#[test]
fn options_names_the_methods_of_every_path() {
    run(
        |config| config.limits.requests_per_minute = 9,
        async |front| {
            for (path, methods, left) in [
                ("/healthz", "GET, HEAD, OPTIONS", None),
                ("/api/documents/jd_1/state", "GET, HEAD, OPTIONS", Some("8")),
                ("/api/documents/jd_1/changes", "POST, OPTIONS", Some("7")),
                ("/ws/document/jd_1", "GET, OPTIONS", Some("6")),
                ("/ws/presence", "GET, OPTIONS", Some("5")),
            ] {
                let reply = front.request(&format!("OPTIONS {path}"), "", "").await;
                assert_eq!((reply.status, reply.header("allow"), reply.body.len()), (204, Some(methods), 0), "{path}");
                assert_eq!(reply.header("x-ratelimit-remaining"), left, "{path}");
                assert_eq!(reply.header("content-length"), None);
            }
            let server = front.request("OPTIONS *", "", "").await;
            let methods: Vec<&str> = server.header("allow").unwrap().split(", ").collect();
            assert!(["GET", "HEAD", "POST", "OPTIONS"].iter().all(|method| methods.contains(method)), "{methods:?}");
            assert_eq!(methods.iter().filter(|method| **method == "GET").count(), 1, "{methods:?}");
            let reply = front.request("OPTIONS /nowhere", "", "").await;
            assert_eq!((reply.status, &*reply.error_code()), (404, "NOT_FOUND"));
        },
    );
}

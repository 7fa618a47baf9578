//! `GET …/state` and `POST …/changes`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jddb_core::document::{ChangeKind, Document, DocumentLimits, SentChange, Submission};
use jddb_core::ids::{DocumentId, PositionEncoding, UnixMillis};
use jddb_storage::{CommitBatch, Committer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Front, Reply, run, run_with_answers_within};

async fn get(front: &Front, target: &str, token: &str) -> Reply {
    front.request(&format!("GET {target}"), &format!("Authorization: Bearer {token}\r\n"), "").await
}

async fn post(front: &Front, target: &str, token: &str, headers: &str, body: &str) -> Reply {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: {}\r\n{headers}", body.len());
    front.request(&format!("POST {target}"), &headers, body).await
}

#[test]
fn the_current_state_comes_from_the_core() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:read", &["jd_*"]);
            let reply = get(&front, "/api/documents/jd_1/state", &token).await;
            assert_eq!((reply.status, reply.json()), (200, "jd_1 utf-16 true".into()));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let target = "/api/documents/jd%5F1/state?include_metadata=false&position_encoding=utf-8";
            assert_eq!(get(&front, target, &token).await.json(), "jd_1 utf-8 false");
            let in_query = front.request(&format!("GET /api/documents/jd_1/state?token={token}"), "", "").await;
            assert_eq!(in_query.status, 200);
            let headers = format!("Authorization: Bearer {token}\r\n");
            let head = front.request("HEAD /api/documents/jd_1/state", &headers, "").await;
            assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("18")));
        },
    );
}

#[test]
fn who_may_not_read_is_told_why() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let state = "/api/documents/jd_1/state";
            let reply = front.request(&format!("GET {state}"), "", "").await;
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
            assert_eq!(reply.error_code(), "UNAUTHENTICATED");
            let expired = front.token_issued_at("document:read", &[], 1_000_000);
            assert_eq!(get(&front, state, &expired).await.status, 401);
            let reply = get(&front, state, &front.token("presence:read", &[])).await;
            assert_eq!((reply.status, &*reply.error_code()), (403, "FORBIDDEN"));
            assert!(reply.json()["error"]["message"].as_str().unwrap().contains("document:read"));
            let reply = get(&front, state, &front.token("document:read", &["other"])).await;
            assert_eq!((reply.status, &*reply.error_code()), (403, "FORBIDDEN"));
            let reply = post(&front, "/api/documents/jd_1/changes", &front.token("document:read", &[]), "", "{}").await;
            assert!(reply.json()["error"]["message"].as_str().unwrap().contains("document:write"));
        },
    );
}

#[test]
fn wrong_names_and_parameters_are_named() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:read", &[]);
            let details = async |target: &str| {
                let reply = get(&front, target, &token).await;
                assert_eq!((reply.status, &*reply.error_code()), (400, "VALIDATION_ERROR"), "{target}");
                reply.json()["error"]["details"].clone()
            };
            let pattern = "string matching pattern ^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$";
            for id in ["_a", "a%20b", "%FF", "%", "a%2Fb", "", &"x".repeat(129)] {
                let details = details(&format!("/api/documents/{id}/state")).await;
                assert_eq!((&details["field"], &details["expected"]), (&"document_id".into(), &pattern.into()));
            }
            for (parameter, value) in [("version", "x"), ("include_metadata", "1"), ("position_encoding", "latin1")] {
                let details = details(&format!("/api/documents/jd_1/state?{parameter}={value}")).await;
                assert_eq!(details["field"], parameter);
            }
            let missing = get(&front, "/api/documents/missing_1/state", &token).await;
            assert_eq!((missing.status, &*missing.error_code()), (404, "DOCUMENT_NOT_FOUND"));
        },
    );
}

#[test]
fn changes_reach_the_core() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            let target = "/api/documents/jd_1/changes?position_encoding=utf-32";
            let headers = "Idempotency-Key: k-1\r\nContent-Type: application/json; charset=utf-8\r\n";
            let reply = post(&front, target, &token, headers, "{}").await;
            assert_eq!((reply.status, reply.json()), (200, r#"jd_1 by user_1 utf-32 key Some("k-1") body {}"#.into()));
            let admin = front.token("document:admin", &[]);
            let reply = post(&front, "/api/documents/jd_1/changes", &admin, "", "[]").await;
            assert_eq!(reply.json(), "jd_1 by user_1 (admin) utf-16 key None body []");
            let reply = post(&front, target, &token, &format!("Idempotency-Key: {}\r\n", "x".repeat(129)), "{}").await;
            assert_eq!(reply.json()["error"]["details"]["field"], "Idempotency-Key");
        },
    );
}

#[test]
fn bodies_are_bounded_in_size_time_and_kind() {
    let set = |config: &mut crate::config::Config| {
        config.http.body_bytes = 1024;
        config.http.progress_seconds = 1;
    };
    run(set, async |front| {
        front.start_core();
        let token = front.token("document:write", &[]);
        let target = "/api/documents/jd_1/changes";
        let reply = post(&front, target, &token, "Content-Type: text/plain\r\n", "{}").await;
        assert_eq!((reply.status, &*reply.error_code()), (415, "UNSUPPORTED_MEDIA_TYPE"));
        let reply = post(&front, target, &token, "", &"x".repeat(200_000)).await;
        assert_eq!((reply.status, &*reply.error_code()), (413, "MESSAGE_TOO_LARGE"));
        let chunked = format!("Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n");
        for (bytes, status) in [(1_024, 200), (1_025, 413), (2_048, 413)] {
            let whole = "x".repeat(bytes);
            assert_eq!(post(&front, target, &token, "", &whole).await.status, status, "{bytes}");
            let body = format!("{bytes:x}\r\n{whole}\r\n0\r\n\r\n");
            let reply = front.request(&format!("POST {target}"), &chunked, &body).await;
            assert_eq!(reply.status, status, "{bytes} in chunks");
            assert!(status == 200 || reply.error_code() == "MESSAGE_TOO_LARGE");
        }
        let reply = front.request(&format!("POST {target}"), &chunked, "5\r\nab").await;
        assert_eq!((reply.status, &*reply.error_code()), (408, "REQUEST_TIMEOUT"));
        let reply = front.request(&format!("POST {target}"), &chunked, "zz\r\n").await;
        assert_eq!((reply.status, &*reply.error_code()), (400, "VALIDATION_ERROR"));
    });
}

#[test]
fn a_body_that_is_refused_may_still_be_sent() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:write", &[]);
            let mut stream = front.connect().await;
            let head = format!(
                "POST /api/documents/jd_1/changes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
                 Content-Length: 10000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..5 {
                // A socket that was closed with bytes unread would be reset, and refuse the next ones.
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.write_all(&[b'x'; 10_000]).await.unwrap();
            }
            stream.shutdown().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            let reply = Reply::parse(&bytes).unwrap();
            assert_eq!((reply.status, &*reply.error_code()), (413, "MESSAGE_TOO_LARGE"));
        },
    );
}

#[test]
fn a_core_that_does_not_answer_is_not_waited_for_for_ever() {
    run_with_answers_within(
        Duration::from_millis(50),
        |_| {},
        async |front| {
            let token = front.token("document:write", &[]);
            let reply = post(&front, "/api/documents/jd_1/changes", &token, "", "{}").await;
            assert_eq!((reply.status, &*reply.error_code()), (503, "CAPACITY_EXCEEDED"));
            assert!(reply.json()["error"]["message"].as_str().unwrap().contains("Idempotency-Key"));
        },
    );
}

#[test]
fn a_client_is_told_to_go_on_only_with_a_body_that_is_wanted() {
    run(
        |config| config.http.body_bytes = 1024,
        async |front| {
            front.start_core();
            let token = front.token("document:write", &[]);
            let first_line = async |bytes: usize| {
                let mut stream = front.connect().await;
                let head = format!(
                    "POST /api/documents/jd_1/changes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
                     Expect: 100-continue\r\nContent-Length: {bytes}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).await.unwrap();
                String::from_utf8(answer.to_vec()).unwrap()
            };
            assert_eq!(first_line(2).await, "HTTP/1.1 100");
            assert_eq!(first_line(2000).await, "HTTP/1.1 413");
        },
    );
}

#[test]
fn a_busy_a_broken_and_a_stopping_server_say_so() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:write", &[]);
            front.fill_inbox();
            for reply in [
                get(&front, "/api/documents/jd_1/state", &token).await,
                post(&front, "/api/documents/jd_1/changes", &token, "", "{}").await,
            ] {
                assert_eq!((reply.status, reply.header("retry-after")), (503, Some("2")));
                assert_eq!(reply.error_code(), "CAPACITY_EXCEEDED");
            }
            front.start_core();
            let reply = get(&front, "/api/documents/gone_1/state", &token).await;
            assert_eq!((reply.status, &*reply.error_code()), (500, "INTERNAL_ERROR"));
            front.shared.draining.store(true, Ordering::SeqCst);
            let reply = get(&front, "/api/documents/jd_1/state", &token).await;
            assert_eq!((reply.status, &*reply.error_code()), (503, "SHUTTING_DOWN"));
            let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=5).contains(&seconds), "{seconds}");
        },
    );
}

/// Stores a document with as many versions as there are words, each inserted at its end.
async fn store_words(front: &Front, words: &[&str]) {
    let waker: jddb_storage::Waker = Box::new(|| {});
    let (handles, committer) = Committer::start(Arc::clone(&front.shared.store), vec![waker], 16).unwrap();
    let mut document = Document::new(DocumentId::new("jd_1").unwrap(), DocumentLimits::default());
    let mut records = Vec::new();
    let mut end = 0;
    for word in words {
        let change =
            SentChange { kind: ChangeKind::Insert, position: end, length: 0, content: (*word).into(), section: None };
        let submission = Submission {
            user_id: "user_1",
            client_id: None,
            correlation_id: None,
            base: None,
            encoding: PositionEncoding::Utf16,
            changes: &[change],
            reject_conflicts: false,
            tell_moves: false,
        };
        document.submit(UnixMillis(1_758_458_730_000), &submission).unwrap();
        end += word.len() as u64;
        records.push(front.shared.store.encode_change(document.id(), &document.history().last().unwrap().to_change()));
    }
    handles[0].submit(CommitBatch { sequence: 1, records }).unwrap();
    while handles[0].durable() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    committer.stop();
}

#[test]
fn earlier_versions_come_from_the_disk() {
    run(
        |_| {},
        async |front| {
            front.start_core();
            store_words(&front, &["one", " two", " three"]).await;
            let token = front.token("document:read", &[]);
            let at = async |target: &str| get(&front, &format!("/api/documents/{target}"), &token).await;
            let reply = at("jd_1/state?version=2").await;
            assert_eq!(reply.status, 200);
            let state = reply.json();
            assert_eq!(state["document_id"], "jd_1");
            assert_eq!(state["version"], 2);
            assert_eq!(state["content"]["sections"]["body"], "one two");
            assert_eq!(state["metadata"]["word_count"], 2);
            assert_eq!(state["metadata"]["last_modified_by"], "user_1");
            assert_eq!(state["active_editors"], serde_json::json!([]));
            assert_eq!(
                at("jd_1/state?version=3&include_metadata=false").await.json()["metadata"],
                serde_json::Value::Null
            );
            let empty = at("jd_1/state?version=0").await.json();
            assert_eq!((&empty["version"], &empty["content"]["sections"]), (&0.into(), &serde_json::json!({})));
            let unknown = at("jd_1/state?version=4").await;
            assert_eq!((unknown.status, &*unknown.error_code()), (409, "VERSION_UNKNOWN"));
            // One that is open and not yet stored has a version 0, one that does not exist has none.
            assert_eq!(at("unsaved/state?version=0").await.json()["version"], 0);
            assert_eq!(at("missing_1/state?version=0").await.error_code(), "DOCUMENT_NOT_FOUND");
        },
    );
}

//! What the front does of refreshing and revoking, with somebody else who decides.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::support::run;

#[test]
fn a_revocation_is_answered_when_whoever_came_by_it_is_closed() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:read", &[]);
            let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
            let is_answered = Cell::new(false);
            let asking = async {
                let reply = front.request("POST /api/auth/revoke", &headers, "").await;
                is_answered.set(true);
                reply
            };
            let deciding = async {
                while !front.login_queue.grant(7) {
                    tokio::task::yield_now().await;
                }
                for number in [0, 6, 7] {
                    // Long enough for an answer, had it been given.
                    assert_eq!(front.request("GET /healthz", "", "").await.status, 200);
                    assert!(!is_answered.get(), "closed up to {number}");
                    front.shared.logins.note_enforced(0, number);
                }
            };
            let (reply, ()) = tokio::join!(asking, deciding);
            assert_eq!(reply.status, 200);
        },
    );
}

#[test]
fn a_server_that_stops_decides_on_nothing_more() {
    run(
        |_| {},
        async |front| {
            let token = front.token("document:admin", &[]);
            let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
            front.shared.draining.store(true, Ordering::SeqCst);
            for line in [
                "POST /api/auth/refresh",
                "POST /api/auth/revoke",
                "GET /api/documents/jd_1/history",
                "GET /api/documents/jd_1/diff?from=0&to=1",
            ] {
                let reply = front.request(line, &headers, "").await;
                assert_eq!((reply.status, &*reply.error_code()), (503, "SHUTTING_DOWN"), "{line}");
            }
        },
    );
}

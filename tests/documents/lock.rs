//! Locks: the holder edits, who views stays, everybody else is kept out.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::socket::Socket;
use crate::support::{http, until};
use crate::{admin, ask, delete, insertion, put};

async fn lock(port: u16, token: &str, body: &Value) -> http::Answer {
    ask(port, "PUT", ("jd_1", "/lock"), token, "", Some(body)).await
}

async fn unlock(port: u16, token: &str) -> http::Answer {
    ask(port, "DELETE", ("jd_1", "/lock"), token, "", None).await
}

async fn post(port: u16, token: &str, headers: &str) -> http::Answer {
    ask(port, "POST", ("jd_1", "/changes"), token, headers, Some(&insertion("x"))).await
}

#[tokio::test]
async fn a_lock_keeps_out_all_editors_but_its_holder() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, editor, holder) = (server.port(), home.token("ada"), admin(&home, "root"));
    lock(port, &holder, &json!({})).await.error(404, "DOCUMENT_NOT_FOUND");
    put(port, "jd_1", &editor, "", "text").await;
    assert_eq!(post(port, &editor, "Idempotency-Key: k\r\n").await.ok()["new_version"], 2);
    let (mut editing, _) = Socket::joined(port, "jd_1", &editor).await;
    let (holding, _) = Socket::joined(port, "jd_1", &holder).await;
    let mut viewing = Socket::open(port, &format!("/ws/document/jd_1?token={editor}&mode=view")).await;
    viewing.next("document.state").await;
    lock(port, &editor, &json!({})).await.error(403, "FORBIDDEN");
    let locked = lock(port, &holder, &json!({"reason": "under review"})).await.ok();
    assert_eq!((&locked["locked"], &locked["editors_closed"]), (&json!(true), &json!(1)), "{locked}");
    assert_eq!((&locked["lock"]["holder"], &locked["lock"]["expires_at"]), (&json!("root"), &Value::Null), "{locked}");
    let (messages, code, reason) = editing.closed().await;
    assert_eq!((code, reason.as_str()), (4002, "DOCUMENT_LOCKED"));
    let told = &messages.last().expect("an error")["payload"];
    assert!(
        told["message"].as_str().is_some_and(|text| text.contains("root") && text.contains("under review")),
        "{told}"
    );

    // Whoever comes now is refused, who views is not, and the holder edits.
    let mut refused = Socket::document(port, "jd_1", &editor).await;
    assert_eq!(refused.closed().await.1, 4002);
    holding
        .send(&json!({"type": "document.change", "payload": {"operation": "insert", "position": 0, "content": "h"}}));
    assert_eq!(viewing.next("document.change").await["payload"]["content"], "h");
    let state = http::get(port, "/api/documents/jd_1/state", &editor).await.ok();
    assert_eq!(state["lock"]["reason"], "under review", "{state}");

    // Over HTTP too; what was taken before is acknowledged all the same.
    post(port, &editor, "").await.error(423, "DOCUMENT_LOCKED");
    put(port, "jd_1", &editor, "If-Match: *\r\n", "x").await.error(423, "DOCUMENT_LOCKED");
    let restore = ask(port, "POST", ("jd_1", "/restore"), &editor, "", Some(&json!({"version": 1}))).await;
    restore.error(423, "DOCUMENT_LOCKED");
    delete(port, "jd_1", &admin(&home, "other")).await.error(423, "DOCUMENT_LOCKED");
    assert_eq!(post(port, &editor, "Idempotency-Key: k\r\n").await.ok()["new_version"], 2);
    assert_eq!(post(port, &holder, "").await.ok()["new_version"], 4);

    server.kill_nine();
    let server = home.start().ready().await;
    let port = server.port();
    post(port, &editor, "").await.error(423, "DOCUMENT_LOCKED");
    unlock(port, &editor).await.error(403, "FORBIDDEN");
    for _ in 0..2 {
        assert_eq!(unlock(port, &holder).await.ok(), json!({"document_id": "jd_1", "locked": false}));
    }
    assert_eq!(post(port, &editor, "").await.ok()["new_version"], 5);
    server.kill_nine();
    let server = home.start().ready().await;
    Socket::joined(server.port(), "jd_1", &editor).await;
}

#[tokio::test]
async fn a_lock_ends_by_itself() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, editor, holder) = (server.port(), home.token("ada"), admin(&home, "root"));
    put(port, "jd_1", &editor, "", "text").await;
    assert!(lock(port, &holder, &json!({"expires_in": 2})).await.ok()["lock"]["expires_at"].is_string());
    post(port, &editor, "").await.error(423, "DOCUMENT_LOCKED");
    let made = until("the lock to end", async || {
        let answer = post(port, &editor, "").await;
        (answer.status != 423).then(|| answer.ok())
    });
    assert_eq!(made.await["new_version"], 2);
    assert!(http::get(port, "/api/documents/jd_1/state", &editor).await.ok()["lock"].is_null());
    Socket::joined(port, "jd_1", &editor).await;
    for (body, field) in [
        (json!({"expires_in": 0}), "expires_in"),
        (json!({"expires_in": "1"}), "expires_in"),
        (json!({"expires_in": 2_592_001}), "expires_in"),
        (json!({"reason": 5}), "reason"),
        (json!({"reason": "x".repeat(257)}), "reason"),
    ] {
        let refused = lock(port, &holder, &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"]["field"], field, "{refused}");
    }
}

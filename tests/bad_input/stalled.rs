//! A disk that stands still, and then goes on or fails: nobody is shown what it has not kept.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::home::{EDIT, Home};
use crate::support::server::Server;
use crate::support::stalled::Stalled;
use crate::support::{http, skipped};

/// How often it is looked whether other answers are given, while one should not be.
const LOOKS: usize = 20;

/// The documents of the sessions that are listed.
async fn listed(port: u16, query: &str, token: &str) -> BTreeSet<String> {
    let list = http::get(port, &format!("/api/sessions/active{query}"), token).await.ok();
    let sessions = list["sessions"].as_array().expect("a list").clone();
    sessions.iter().map(|session| session["document_id"].as_str().expect("an id").to_owned()).collect()
}

/// The same, asked while the disk stands still, and answered when it no longer does.
async fn listed_when(server: &Server, token: &str, query: &str, event: impl FnOnce()) -> BTreeSet<String> {
    let list = listed(server.port(), "", token);
    tokio::pin!(list);
    for _ in 0..LOOKS {
        tokio::select! {
            shown = &mut list => panic!("told before it is durable: {shown:?}"),
            // What is durable of another document is told all the while.
            other = listed(server.port(), query, token) => assert_eq!(other.len(), 1, "{other:?}"),
        }
    }
    event();
    list.await
}

#[tokio::test]
async fn sessions_are_listed_as_the_disk_keeps_them() {
    let home = Home::new();
    let stalled = match Stalled::compile(&home) {
        Ok(stalled) => stalled,
        Err(why) => return skipped("sessions_are_listed_as_the_disk_keeps_them", &why),
    };
    let server = stalled.load(home.start()).ready().await;
    let port = server.port();
    let token = home.token_with("ann", EDIT, &[]);
    let create = |document: &str| {
        let (token, body) = (token.clone(), json!({"document_id": document, "session_type": "collaborative_edit"}));
        tokio::spawn(async move { http::post(port, "/api/sessions", &token, &body).await })
    };
    let documents = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    for document in ["kept", "ended"] {
        assert_eq!(create(document).await.expect("an answer").status, 201);
    }

    stalled.begin();
    let created = create("late");
    stalled.holds_something().await;
    let list = listed_when(&server, &token, "?document_id=kept", || stalled.go_on()).await;
    assert_eq!(list, documents(&["ended", "kept", "late"]));
    assert_eq!(created.await.expect("an answer").status, 201);

    // One is ended and one begun, and neither comes to pass.
    stalled.begin();
    let sessions = http::get(port, "/api/sessions/active?document_id=ended", &token).await.ok();
    let path = format!("/api/sessions/{}", sessions["sessions"][0]["session_id"].as_str().expect("an id"));
    let delete = http::request("DELETE", &path, Some(&token), None);
    let ended = tokio::spawn(async move { http::exchange(port, &delete).await });
    stalled.holds_something().await;
    let created = create("lost");
    let list = listed_when(&server, &token, "?document_id=kept", || stalled.fail()).await;
    let kept = documents(&["ended", "kept", "late"]);
    assert_eq!(list, kept);
    for answer in [ended, created] {
        answer.await.expect("an answer").error(503, "STORAGE_UNAVAILABLE");
    }
    assert_eq!(listed(port, "", &token).await, kept);
}

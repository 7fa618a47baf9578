//! The end of documents: nobody is told of what is gone, and no number is used twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::client::{Client, Lost};
use crate::support::home::Home;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::{admin, ask, delete, insertion, put};

const TYPISTS: usize = 20;

/// Types until the connection ends; the highest version acknowledged, and how it ended.
async fn type_on(mut client: Client) -> (u64, Lost) {
    for turn in 0.. {
        client.editor().edit("body", turn % 3, 0, "x");
        client.push();
        if let Err(lost) = client.step().await {
            return (client.editor().acknowledged.values().copied().max().unwrap_or(0), lost);
        }
    }
    unreachable!("it types for ever")
}

#[tokio::test]
async fn a_document_goes_while_twenty_people_type() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, admin) = (server.port(), admin(&home, "root"));
    put(port, "jd_1", &admin, "", "some text").await;
    let mut typists = JoinSet::new();
    for number in 0..TYPISTS {
        let token = home.token(&format!("user_{number}"));
        typists.spawn(type_on(Client::joined("jd_1", &token, "c", port).await));
    }
    crate::support::until("everybody to type", async || {
        (http::state(port, "jd_1", &admin).await.0 > 200).then_some(())
    })
    .await;
    let gone = delete(port, "jd_1", &admin).await.ok();
    assert_eq!(gone["connections_closed"], TYPISTS, "{gone}");
    let last = gone["version"].as_u64().expect("a version");
    while let Some(ended) = typists.join_next().await {
        let (acknowledged, Lost { farewell, end }) = ended.expect("no promise was broken");
        assert!(acknowledged < last, "{acknowledged} of {last}");
        assert_eq!(end, Received::Closed(4004, "DOCUMENT_NOT_FOUND".to_owned()));
        assert_eq!(farewell.expect("a reason")["payload"]["error_code"], "DOCUMENT_NOT_FOUND");
    }
    check_gone(port, &admin, last).await;
    // Created again it goes on after the deletion, with nothing of before.
    let again = put(port, "jd_1", &admin, "", "anew").await;
    assert_eq!((again.status, &again.json()["version"]), (201, &json!(last + 1)));
    let old = http::get(port, "/api/documents/jd_1/state?version=1", &admin).await;
    old.error(409, "VERSION_UNKNOWN");
    let restore = ask(port, "POST", ("jd_1", "/restore"), &admin, "", Some(&json!({"version": 1}))).await;
    restore.error(409, "VERSION_UNKNOWN");
}

async fn check_gone(port: u16, admin: &str, version: u64) {
    http::get(port, "/api/documents/jd_1/state", admin).await.error(404, "DOCUMENT_NOT_FOUND");
    http::get(port, &format!("/api/documents/jd_1/state?version={version}"), admin)
        .await
        .error(404, "DOCUMENT_NOT_FOUND");
    delete(port, "jd_1", admin).await.error(404, "DOCUMENT_NOT_FOUND");
}

#[tokio::test]
async fn who_opens_it_again_begins_with_an_empty_one_and_an_empty_resend_table() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, admin) = (server.port(), admin(&home, "root"));
    let change = json!({
        "type": "document.change", "payload": {"operation": "insert", "position": 0, "content": "x"},
        "metadata": {"client_id": "c", "correlation_id": "1"},
    });
    for (before, made) in [(0, 1), (2, 3)] {
        let (mut socket, state) = Socket::joined(port, "jd_1", &admin).await;
        assert_eq!((&state["version"], &state["content"]["sections"]), (&json!(before), &json!({})));
        assert!(state["metadata"]["last_modified"].is_null(), "{state}");
        socket.send(&change);
        assert_eq!(socket.next("document.ack").await["payload"]["version"], made);
        assert_eq!(delete(port, "jd_1", &admin).await.ok()["version"], made + 1);
        assert_eq!(socket.closed().await.1, 4004);
    }
}

#[tokio::test]
async fn only_admins_delete_and_only_what_they_have_seen() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, editor, admin) = (server.port(), home.token("ada"), admin(&home, "root"));
    put(port, "jd_1", &editor, "", "x").await;
    delete(port, "jd_1", &editor).await.error(403, "FORBIDDEN");
    ask(port, "DELETE", ("jd_1", ""), &admin, "If-Match: \"7\"\r\n", None).await.error(409, "VERSION_CONFLICT");
    ask(port, "DELETE", ("jd_1", ""), &admin, "If-Match: \"1\"\r\n", None).await.ok();
    delete(port, "never", &admin).await.error(404, "DOCUMENT_NOT_FOUND");
    let opened = Socket::document(port, "opened", &editor).await;
    delete(port, "opened", &admin).await.error(404, "DOCUMENT_NOT_FOUND");
    drop(opened);
}

/// What a document has to be: its text, if it exists, and the greatest version anybody was told.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    text: Option<String>,
    version: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Put(String),
    Insert(String),
    Delete,
}

impl Model {
    fn after(&self, step: &Step) -> Self {
        let text = match (step, &self.text) {
            (Step::Put(text), _) => Some(text.clone()),
            (Step::Insert(text), before) => Some(format!("{text}{}", before.as_deref().unwrap_or_default())),
            (Step::Delete, _) => None,
        };
        // A deletion of what is not there is refused.
        let made = !matches!((step, &self.text), (Step::Delete, None));
        Self { text, version: self.version + u64::from(made) }
    }
}

async fn take(port: u16, admin: &str, step: &Step) -> std::io::Result<http::Answer> {
    let (method, more, body) = match step {
        Step::Put(text) => ("PUT", "", Some(json!({"sections": {"body": text}}))),
        Step::Insert(text) => ("POST", "/changes", Some(insertion(text))),
        Step::Delete => ("DELETE", "", None),
    };
    let path = format!("/api/documents/jd_1{more}");
    let send = async |headers| {
        http::try_exchange(port, &http::request_with(method, &path, Some(admin), headers, body.as_ref())).await
    };
    if !matches!(step, Step::Put(_)) {
        return send("").await;
    }
    // Instead of what there is, or else as the first.
    let replaced = send("If-Match: *\r\n").await?;
    if replaced.status == 404 { send("").await } else { Ok(replaced) }
}

async fn found(server: &Server, admin: &str, model: &Model) -> Model {
    let state = http::try_state(server.port(), "jd_1", admin).await;
    let text = |sections: &Value| sections["body"].as_str().unwrap_or_default().to_owned();
    match state {
        Some((version, sections)) => Model { text: Some(text(&sections)), version },
        None => Model { text: None, version: model.version },
    }
}

#[tokio::test]
async fn whatever_was_answered_survives_kill_nine() {
    let mut rng = Rng::from_environment("documents_kill_nine");
    let home = Home::new();
    let mut server = home.start().ready().await;
    let admin = admin(&home, "root");
    let mut model = Model { text: None, version: 0 };
    for round in 0..12 {
        for number in 0..rng.below(12) {
            let text = format!("{round}.{number} ");
            let step = match rng.below(4) {
                0 => Step::Delete,
                1 => Step::Put(text),
                _ => Step::Insert(text),
            };
            let answer =
                crate::support::within("an answer", take(server.port(), &admin, &step)).await.expect("an answer");
            let next = model.after(&step);
            if next.version == model.version {
                answer.error(404, "DOCUMENT_NOT_FOUND");
            } else {
                let told = answer.json();
                let version = told["version"].as_u64().or_else(|| told["new_version"].as_u64());
                assert_eq!(version, Some(next.version), "{step:?} after {model:?}: {told}");
            }
            model = next;
        }
        // One more is under way when it is killed: it was done, or it was not.
        let step = if rng.below(2) == 0 { Step::Delete } else { Step::Put(format!("{round} cut ")) };
        let port = server.port();
        let cut = tokio::spawn({
            let (admin, step) = (admin.clone(), step.clone());
            async move { take(port, &admin, &step).await.is_ok_and(|answer| answer.status < 300) }
        });
        for _ in 0..rng.below(40) {
            tokio::task::yield_now().await;
        }
        server.kill_nine();
        let was_told = cut.await.expect("no panic");
        server = home.start().ready().await;
        let next = model.after(&step);
        let seen = found(&server, &admin, &next).await;
        let versionless = |model: &Model| model.text.clone();
        if was_told || versionless(&seen) == versionless(&next) {
            assert_eq!(versionless(&seen), versionless(&next), "{step:?} after {model:?}");
            // Of a deletion that was not answered only the next version tells whether it was done.
            let version = next_version(&server, &admin, &seen, &model, &next).await;
            model = Model { text: next.text, version };
        } else {
            assert_eq!(versionless(&seen), versionless(&model), "{step:?} was done in part");
        }
        if let Some((version, _)) = http::try_state(server.port(), "jd_1", &admin).await {
            assert_eq!(version, model.version);
        }
    }
}

/// Which version the document is at: told by its state, or else by what the next change becomes, which is made and undone.
async fn next_version(server: &Server, admin: &str, seen: &Model, before: &Model, after: &Model) -> u64 {
    if seen.text.is_some() {
        return seen.version;
    }
    let probe = put(server.port(), "jd_1", admin, "", "probe").await.json();
    let made = probe["version"].as_u64().expect("a version");
    assert!(made == before.version + 1 || made == after.version + 1, "{made} after {before:?}");
    delete(server.port(), "jd_1", admin).await.ok()["version"].as_u64().expect("a version")
}

#[tokio::test]
async fn races_use_no_number_twice() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, admin) = (server.port(), admin(&home, "root"));
    let mut tasks = JoinSet::new();
    for racer in 0..6 {
        let admin = admin.clone();
        tasks.spawn(async move {
            let mut versions = Vec::new();
            for turn in 0..40 {
                let step = match (racer + turn) % 6 {
                    0 => Step::Delete,
                    1 | 2 => Step::Put(format!("{racer}.{turn}")),
                    _ => Step::Insert(format!("{racer}.{turn} ")),
                };
                let answer = take(port, &admin, &step).await.expect("an answer");
                match answer.status {
                    200 | 201 => {
                        let told = answer.json();
                        versions.push(
                            told["version"].as_u64().or_else(|| told["new_version"].as_u64()).expect("a version"),
                        );
                    }
                    404 | 409 => {}
                    other => panic!("{other}: {}", answer.json()),
                }
            }
            versions
        });
    }
    let mut seen = BTreeSet::new();
    while let Some(versions) = tasks.join_next().await {
        for version in versions.expect("no racer fails") {
            assert!(seen.insert(version), "version {version} was made twice");
        }
    }
    // Each was answered, so none is missing either.
    assert_eq!(seen.len() as u64, *seen.last().expect("some"), "{seen:?}");
}

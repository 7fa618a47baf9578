//! The list of documents, against one kept by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::socket::Socket;
use crate::{admin, ask, delete, insertion, put};

async fn page(port: u16, token: &str, query: &str) -> Value {
    http::get(port, &format!("/api/documents{query}"), token).await.ok()
}

/// All pages, each of `limit`, held against the documents that there have to be.
async fn check(port: u16, token: &str, limit: usize, expected: &BTreeMap<String, u64>) {
    let mut found = BTreeMap::new();
    let mut order = Vec::new();
    for number in 1..=expected.len().div_ceil(limit) + 1 {
        let listed = page(port, token, &format!("?page={number}&limit={limit}")).await;
        let pages = expected.len().div_ceil(limit);
        let pagination = json!({"total": expected.len(), "page": number, "pages": pages, "per_page": limit});
        assert_eq!(listed["pagination"], pagination);
        for document in listed["documents"].as_array().expect("a list") {
            let id = document["document_id"].as_str().expect("a name").to_owned();
            found.insert(id.clone(), document["version"].as_u64().expect("a version"));
            order.push(id);
        }
    }
    assert_eq!(&found, expected);
    assert!(order.is_sorted() && order.len() == expected.len(), "{order:?}");
}

#[tokio::test]
async fn it_holds_what_there_is_and_what_the_token_covers() {
    let mut rng = Rng::from_environment("documents_list");
    let home = Home::new();
    let mut server = home.start().ready().await;
    let admin = admin(&home, "root");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    assert_eq!(page(server.port(), &admin, "").await["documents"], json!([]));
    for round in 0..3 {
        for _ in 0..30 {
            let id = format!("{}_{}", ["jd", "test"][rng.below(2)], rng.below(12));
            let (port, version) = (server.port(), versions.entry(id.clone()).or_default());
            let status = match rng.below(3) {
                0 => delete(port, &id, &admin).await.status,
                1 => put(port, &id, &admin, "", "x").await.status,
                _ => ask(port, "POST", (&id, "/changes"), &admin, "", Some(&insertion("y"))).await.status,
            };
            let is_deletion = status == 200 && http::try_state(port, &id, &admin).await.is_none();
            *version += u64::from(matches!(status, 200 | 201));
            match status {
                200 if is_deletion => drop(expected.remove(&id)),
                200 | 201 => drop(expected.insert(id, *version)),
                404 | 409 => {}
                other => panic!("{other}"),
            }
        }
        for limit in [1, 5, 100] {
            check(server.port(), &admin, limit, &expected).await;
        }
        if round == 1 {
            server.kill_nine();
            server = home.start().ready().await;
        }
    }
    let only = |token: &'static str| home.token_with("eve", "document:read", &["--document", token]);
    for (pattern, covers) in [("jd_*", "jd_"), ("test_*", "test_"), ("other", "other")] {
        let covered = expected.iter().filter(|(id, _)| id.starts_with(covers));
        let covered = covered.map(|(id, version)| (id.clone(), *version)).collect();
        check(server.port(), &only(pattern), 5, &covered).await;
    }
}

#[tokio::test]
async fn what_nobody_changed_is_not_listed_and_metadata_is() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    let _opened = Socket::joined(port, "opened", &token).await;
    let body = json!({"sections": {"a": "x"}, "metadata": {"title": "T", "language": "fr"}});
    ask(port, "PUT", ("jd_1", ""), &token, "", Some(&body)).await;
    let mut listed = page(port, &token, "").await;
    assert!(listed["documents"][0]["metadata"]["last_modified"].take().is_string());
    let metadata = json!({
        "last_modified": null, "last_modified_by": "ada", "language": "fr", "translation_status": null, "title": "T",
    });
    assert_eq!(listed["documents"], json!([{"document_id": "jd_1", "version": 1, "metadata": metadata}]));
    for (query, field) in
        [("?page=0", "page"), ("?limit=101", "limit"), ("?limit=x", "limit"), ("?page=1&page=2", "page")]
    {
        let refused = http::get(port, &format!("/api/documents{query}"), &token).await.error(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"]["field"], field);
    }
    let nobody = home.token_with("eve", "presence:read", &[]);
    http::get(port, "/api/documents", &nobody).await.error(403, "FORBIDDEN");
    http::exchange(port, &http::request("GET", "/api/documents", None, None)).await.error(401, "UNAUTHENTICATED");
}

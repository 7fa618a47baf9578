//! What was done to a document, and what differs between its versions, against copies kept by hand.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::{admin, ask, delete, put};

const SECTIONS: [&str; 2] = ["a", "b"];
const ENCODINGS: [&str; 3] = ["utf-16", "utf-32", "utf-8"];

async fn get(port: u16, token: &str, more: &str) -> http::Answer {
    http::get(port, &format!("/api/documents/jd_1{more}"), token).await
}

/// A text in the units of an encoding.
fn units(text: &str, encoding: &str) -> Vec<u32> {
    match encoding {
        "utf-16" => text.encode_utf16().map(u32::from).collect(),
        "utf-32" => text.chars().map(u32::from).collect(),
        _ => text.bytes().map(u32::from).collect(),
    }
}

fn text_of(units: &[u32], encoding: &str) -> String {
    let wide = || units.iter().map(|unit| u16::try_from(*unit).expect("a unit of UTF-16")).collect::<Vec<_>>();
    let narrow = || units.iter().map(|unit| u8::try_from(*unit).expect("a byte")).collect();
    match encoding {
        "utf-16" => String::from_utf16(&wide()).expect("whole characters"),
        "utf-32" => units.iter().map(|unit| char::from_u32(*unit).expect("a character")).collect(),
        _ => String::from_utf8(narrow()).expect("whole characters"),
    }
}

/// The sections with the changes of a diff made, whose positions all count in the sections as they were.
fn applied(sections: &Value, diff: &Value, encoding: &str) -> Value {
    let mut sections = sections.clone();
    for change in diff["changes"].as_array().expect("changes").iter().rev() {
        let name = change["section"].as_str().expect("a name");
        let mut text = units(sections[name].as_str().unwrap_or_default(), encoding);
        let given = |key: &str| units(change[key].as_str().unwrap_or_default(), encoding);
        let (deleted, inserted) = (given("deleted"), given("content"));
        let number = |key: &str| usize::try_from(change[key].as_u64().expect("a number")).expect("a small one");
        let operation = match (deleted.is_empty(), inserted.is_empty()) {
            (true, _) => "insert",
            (false, true) => "delete",
            (false, false) => "replace",
        };
        assert_eq!(change["operation"], operation, "{change}");
        assert!(deleted.is_empty() || number("length") == deleted.len(), "{change}");
        let at = number("position");
        let removed: Vec<u32> = text.splice(at..at + deleted.len(), inserted).collect();
        assert_eq!(removed, deleted, "{change}");
        sections[name] = text_of(&text, encoding).into();
    }
    sections
}

/// The sections that have a text: a section is never taken away.
fn filled(sections: &Value) -> Value {
    let sections = sections.as_object().expect("an object").iter();
    sections.filter(|(_, text)| *text != "").map(|(name, text)| (name.clone(), text.clone())).collect()
}

fn bytes(sections: &Value) -> u64 {
    SECTIONS.iter().map(|name| sections[name].as_str().unwrap_or_default().len() as u64).sum()
}

/// A document that two people have written at random, and what they wrote.
struct Written {
    home: Home,
    server: Server,
    tokens: [String; 2],
    /// The sections at each version.
    copies: Vec<Value>,
    authors: Vec<&'static str>,
}

/// Makes `count` versions; the server is killed in between.
async fn written(rng: &mut Rng, count: usize) -> Written {
    let home = Home::new();
    let start = || home.start().env("JDDB_DOCUMENTS__SNAPSHOT_EVERY_VERSIONS", "7").ready();
    let mut server = start().await;
    let names = ["ada", "bob"];
    let tokens = names.map(|name| home.token(name));
    let (mut copies, mut authors) = (vec![json!({})], vec![""]);
    for version in 1..=count {
        let author = rng.below(2);
        let section = SECTIONS[rng.below(2)];
        let before = copies[version - 1][section].as_str().unwrap_or_default().chars().count();
        let content = ["x", "é😀", "longer text ", "", "漢字"][rng.below(5)];
        let change = match rng.below(4) {
            0 if before > 3 => {
                json!({"operation": "replace", "position": rng.below(before - 2), "length": 2, "content": content, "section": section})
            }
            _ => {
                json!({"operation": "insert", "position": rng.below(before + 1), "content": content, "section": section})
            }
        };
        let body = json!({"changes": [change], "base_version": version - 1});
        let more = ("jd_1", "/changes?position_encoding=utf-32");
        ask(server.port(), "POST", more, &tokens[author], "", Some(&body)).await.ok();
        copies.push(http::state(server.port(), "jd_1", &tokens[0]).await.1);
        authors.push(names[author]);
        if version == count / 2 {
            server.kill_nine();
            server = start().await;
        }
    }
    Written { home, server, tokens, copies, authors }
}

#[tokio::test]
async fn every_version_is_listed_with_its_author_and_its_size() {
    let mut rng = Rng::from_environment("documents_history");
    let Written { home: _home, server, tokens, copies, authors } = written(&mut rng, 40).await;
    for (page, limit) in [(1, 100), (1, 7), (4, 7), (6, 7), (7, 7), (1 << 40, 100)] {
        let answer = get(server.port(), &tokens[0], &format!("/history?page={page}&limit={limit}")).await;
        assert_eq!((answer.header("cache-control"), answer.header("etag")), (Some("no-store"), None));
        let listed = answer.ok();
        let pagination = json!({"total": 40, "page": page, "pages": 40_usize.div_ceil(limit), "per_page": limit});
        assert_eq!((&listed["document_id"], &listed["pagination"]), (&json!("jd_1"), &pagination));
        let versions = listed["versions"].as_array().expect("a list");
        let wanted: Vec<usize> = (1..=40).rev().skip((page - 1) * limit).take(limit).collect();
        assert_eq!(versions.len(), wanted.len());
        for (entry, version) in versions.iter().zip(wanted) {
            let size = bytes(&copies[version]);
            let number = |key: &str| entry[key].as_u64().expect("a number");
            assert_eq!(bytes(&copies[version - 1]) + number("inserted_bytes") - number("deleted_bytes"), size);
            assert_eq!((number("version"), number("size_bytes")), (version as u64, size), "{entry}");
            assert_eq!(entry["author"], authors[version]);
            assert!(entry["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{entry}");
            assert!(entry["save"].is_null());
        }
    }
}

#[tokio::test]
async fn any_two_versions_can_be_compared_and_the_one_made_of_the_other() {
    let mut rng = Rng::from_environment("documents_diff");
    let Written { home: _home, server, tokens, mut copies, .. } = written(&mut rng, 40).await;
    let port = server.port();
    for _ in 0..60 {
        let (from, to, encoding) = (rng.below(41), rng.below(41), ENCODINGS[rng.below(3)]);
        let more = format!("/diff?from={from}&to={to}&position_encoding={encoding}");
        let answer = get(port, &tokens[0], &more).await;
        assert_eq!((answer.header("cache-control"), answer.header("etag")), (Some("no-store"), None));
        let diff = answer.ok();
        assert_eq!((&diff["document_id"], &diff["from"], &diff["to"]), (&json!("jd_1"), &json!(from), &json!(to)));
        assert_eq!(filled(&applied(&copies[from], &diff, encoding)), filled(&copies[to]), "{from} to {to}: {diff}");
    }
    assert_eq!(get(port, &tokens[0], "/diff?from=40&to=40").await.ok()["changes"], json!([]));
    // What differs is a batch of changes as they are sent.
    for _ in 0..10 {
        let (from, to, encoding) = (copies.len() - 1, rng.below(41), ENCODINGS[rng.below(3)]);
        let more = format!("/diff?from={from}&to={to}&position_encoding={encoding}");
        let changes = get(port, &tokens[0], &more).await.ok()["changes"].take();
        if changes == json!([]) {
            continue;
        }
        let body = json!({"changes": changes, "base_version": from});
        let more = format!("/changes?position_encoding={encoding}");
        ask(port, "POST", ("jd_1", &more), &tokens[0], "", Some(&body)).await.ok();
        let sections = http::state(port, "jd_1", &tokens[0]).await.1;
        assert_eq!(filled(&sections), filled(&copies[to]), "{from} to {to}: {body}");
        copies.push(sections);
    }
}

#[tokio::test]
async fn sections_that_came_to_be_and_save_points_are_shown() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, token) = (server.port(), home.token("ada"));
    let body = json!({"sections": {"a": "one two", "b": ""}});
    ask(port, "PUT", ("jd_1", ""), &token, "", Some(&body)).await;
    let change = json!({"operation": "insert", "position": 0, "content": "x", "section": "c"});
    ask(port, "POST", ("jd_1", "/changes"), &token, "", Some(&json!({"changes": [change.clone()]}))).await.ok();
    let diff = |from, to| {
        let token = token.clone();
        async move { get(port, &token, &format!("/diff?from={from}&to={to}")).await.ok()["changes"].take() }
    };
    let created =
        |section: &str, text: &str| json!({"operation": "insert", "section": section, "position": 0, "content": text});
    assert_eq!(diff(0, 2).await, json!([created("a", "one two"), created("b", ""), created("c", "x")]));
    assert_eq!(diff(1, 2).await, json!([change]));
    let emptied = json!({"operation": "delete", "section": "c", "position": 0, "length": 1, "deleted": "x"});
    assert_eq!(diff(2, 1).await, json!([emptied]));
    let (mut socket, _) = Socket::joined(port, "jd_1", &token).await;
    socket.send(&json!({"type": "document.save", "payload": {}}));
    socket.next("document.save").await;
    let mut listed = get(port, &token, "/history").await.ok();
    let mut save = listed["versions"][0]["save"].take();
    assert!(save["timestamp"].take().is_string());
    assert_eq!(save, json!({"save_type": "manual", "saved_by": "ada", "timestamp": null}));
    assert!(listed["versions"][1]["save"].is_null());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let home = Home::new();
    let server = home.start().ready().await;
    let (port, admin) = (server.port(), admin(&home, "root"));
    for more in ["/history", "/diff?from=0&to=1", "/diff?from=0&to=0"] {
        get(port, &admin, more).await.error(404, "DOCUMENT_NOT_FOUND");
    }
    // It is there as long as somebody is in it, though nothing of it is on the disk.
    let (opened, _) = Socket::joined(port, "jd_1", &admin).await;
    assert_eq!(get(port, &admin, "/history").await.ok()["versions"], json!([]));
    assert_eq!(get(port, &admin, "/diff?from=0&to=0").await.ok()["changes"], json!([]));
    get(port, &admin, "/diff?from=0&to=1").await.error(409, "VERSION_UNKNOWN");
    drop(opened);
    put(port, "jd_1", &admin, "", "x").await;
    for (more, field) in [
        ("/history?page=0", "page"),
        ("/history?limit=101", "limit"),
        ("/diff", "from"),
        ("/diff?from=0", "to"),
        ("/diff?from=-1&to=1", "from"),
        ("/diff?from=0&to=x", "to"),
        ("/diff?from=0&to=1&to=1", "to"),
        ("/diff?from=0&to=1&position_encoding=latin-1", "position_encoding"),
    ] {
        let refused = get(port, &admin, more).await.error(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"]["field"], field, "{more}");
    }
    for (more, field) in [("/diff?from=0&to=2", "to"), ("/diff?from=9&to=1", "from"), ("/diff?from=9&to=9", "from")] {
        let refused = get(port, &admin, more).await.error(409, "VERSION_UNKNOWN");
        assert_eq!(refused["details"]["field"], field, "{more}");
    }
    let nobody = home.token_with("eve", "presence:read", &[]);
    let elsewhere = home.token_with("eve", "document:read", &["--document", "other"]);
    for more in ["/history", "/diff?from=0&to=1"] {
        get(port, &nobody, more).await.error(403, "FORBIDDEN");
        get(port, &elsewhere, more).await.error(403, "FORBIDDEN");
        let path = format!("/api/documents/jd_1{more}");
        http::exchange(port, &http::request("GET", &path, None, None)).await.error(401, "UNAUTHENTICATED");
    }
    // What was deleted is not told of any more.
    delete(port, "jd_1", &admin).await.ok();
    for more in ["/history", "/diff?from=0&to=1", "/diff?from=0&to=0"] {
        get(port, &admin, more).await.error(404, "DOCUMENT_NOT_FOUND");
    }
    put(port, "jd_1", &admin, "", "y").await;
    let listed = get(port, &admin, "/history").await.ok();
    assert_eq!((&listed["pagination"]["total"], &listed["versions"][0]["version"]), (&json!(1), &json!(3)));
    get(port, &admin, "/diff?from=1&to=3").await.error(409, "VERSION_UNKNOWN");
    for from in [0, 2] {
        let diff = get(port, &admin, &format!("/diff?from={from}&to=3")).await.ok();
        assert_eq!(diff["changes"][0]["content"], "y");
    }
}

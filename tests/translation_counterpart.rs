//! Translating a document from another one on the real server, with both on one core and on two.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http;
use support::rng::Rng;
use support::server::{Server, Start};
use support::socket::Socket;

const BOTH: &str = "document:read document:write translation:read translation:write";
const EN: &str = "The incumbent manages staff. Strategic planning.\nReports to the director.";
const FR: &str = "Le titulaire. La planification.\nRelève";
const OWN: &str = "jd-fr";

fn token(home: &Home, user: &str, scope: &str, documents: &[&str]) -> String {
    let mut more = vec!["--limits", UNLIMITED];
    documents.iter().for_each(|document| more.extend(["--document", document]));
    home.token_with(user, scope, &more)
}

fn two_cores(home: &Home) -> Start<'_> {
    home.start().env("JDDB_CORES", "2")
}

/// The core of a document, of two.
fn core_of(document: &str) -> u32 {
    crc32fast::hash(document.as_bytes()) % 4096 % 2
}

/// A name that leads to the core of the translation, or to the other one.
fn named(stem: &str, with_own: bool) -> String {
    let names = (0..).map(|number| format!("{stem}-{number}"));
    names.into_iter().find(|name| (core_of(name) == core_of(OWN)) == with_own).expect("there is always another name")
}

fn message(kind: &str, payload: &Value) -> Value {
    json!({"type": kind, "payload": payload, "metadata": {"client_id": "tab", "correlation_id": kind}})
}

fn subscribe(counterpart: &str) -> Value {
    let payload =
        json!({"source_language": "en", "target_language": "fr", "project_id": "hr", "counterpart": counterpart});
    message("translation.subscribe", &payload)
}

fn cursor(position: usize) -> Value {
    message("cursor.position", &json!({"section": "duties", "position": position}))
}

fn insert(position: usize, content: &str) -> Value {
    json!({"operation": "insert", "section": "duties", "position": position, "content": content})
}

async fn change(server: &Server, document: &str, token: &str, base: u64, change: Value) {
    let body = json!({"base_version": base, "changes": [change]});
    http::post(server.port(), &format!("/api/documents/{document}/changes"), token, &body).await.ok();
}

async fn translator(server: &Server, counterpart: &str, token: &str) -> Socket {
    let (mut socket, _) = Socket::joined(server.port(), OWN, token).await;
    socket.send(&subscribe(counterpart));
    let told = socket.next("translation.subscribed").await;
    assert_eq!(told["payload"]["counterpart"]["document_id"], counterpart, "{told}");
    assert_eq!(told["payload"]["sections"], json!([{"source": "duties", "target": "duties"}]), "{told}");
    socket
}

async fn suggestion(socket: &mut Socket) -> Value {
    socket.next("translation.suggestion").await["payload"].clone()
}

/// The text of a section in a version.
async fn text_of(server: &Server, document: &str, version: &Value, token: &str) -> String {
    let path = format!("/api/documents/{document}/state?version={version}");
    let state = http::get(server.port(), &path, token).await.ok();
    state["content"]["sections"]["duties"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn the_segment_of_another_document_is_suggested_for() {
    let home = Home::in_memory();
    let server = two_cores(&home).ready().await;
    let ada = token(&home, "ada", BOTH, &[]);
    change(&server, OWN, &ada, 0, insert(0, FR)).await;
    let pair = json!({"source_text": "Reports to the director.", "translated_text": "Relève du directeur.",
        "source_language": "en", "target_language": "fr", "project_id": "hr", "reviewed": true});
    http::post(server.port(), "/api/translation/submit", &ada, &pair).await.ok();
    for counterpart in [named("jd-en", true), named("jd-en", false)] {
        change(&server, &counterpart, &ada, 0, insert(0, EN)).await;
        let mut socket = translator(&server, &counterpart, &ada).await;
        socket.send(&cursor(FR.encode_utf16().count()));
        let told = suggestion(&mut socket).await;
        assert_eq!(told["suggestions"][0]["text"], "Relève du directeur.", "{told}");
        let source = json!({"document_id": counterpart, "version": 1, "section": "duties", "paragraph": 1, "sentence": 0,
            "start": 49, "end": 73});
        let target = json!({"section": "duties", "paragraph": 1, "sentence": 0, "start": 32, "end": 38});
        assert_eq!((&told["source"], &told["target"]), (&source, &target));
        assert_eq!((&told["document_id"], &told["version"]), (&json!(OWN), &json!(1)));
    }
}

/// The source changes in the other document; the translation is old, which is told by itself.
#[tokio::test]
async fn whose_source_changes_in_another_document_is_told_to_be_old() {
    let home = Home::in_memory();
    let server = two_cores(&home).ready().await;
    let ada = token(&home, "ada", BOTH, &[]);
    change(&server, OWN, &ada, 0, insert(0, FR)).await;
    for counterpart in [named("jd-en", true), named("jd-en", false)] {
        change(&server, &counterpart, &ada, 0, insert(0, EN)).await;
        let mut socket = translator(&server, &counterpart, &ada).await;
        let replacement = |position: usize, length: usize, content: &str| json!({"operation": "replace", "section": "duties", "position": position, "length": length, "content": content});
        change(&server, &counterpart, &ada, 1, replacement(64, 8, "manager")).await;
        let told = socket.next("translation.stale").await["payload"].clone();
        let segment = &told["segments"][0];
        let texts = ["previous_text", "source_text", "target_text"].map(|key| segment[key].as_str().unwrap_or("-"));
        assert_eq!(texts, ["Reports to the director.", "Reports to the manager.", "Relève"], "{told}");
        let source = json!({"document_id": counterpart, "version": 2, "section": "duties", "paragraph": 1, "sentence": 0,
            "start": 49, "end": 72});
        assert_eq!((&segment["source"], &told["document_id"], &told["version"]), (&source, &json!(OWN), &json!(1)));
        // What changed while nobody was there is told to who says what they know.
        drop(socket);
        change(&server, &counterpart, &ada, 2, replacement(0, 3, "This")).await;
        let (mut socket, _) = Socket::joined(server.port(), OWN, &ada).await;
        let mut again = subscribe(&counterpart);
        again["payload"]["last_known_version"] = json!(2);
        socket.send(&again);
        let told = socket.next("translation.stale").await["payload"].clone();
        assert_eq!(told["segments"][0]["source_text"], "This incumbent manages staff.", "{told}");
        assert_eq!(told["segments"].as_array().map(Vec::len), Some(1), "{told}");
    }
}

/// Somebody else edits the counterpart all the time; what is suggested is what it says in the version that is named.
#[tokio::test]
async fn what_is_suggested_is_true_while_others_edit() {
    let mut rng = Rng::from_environment("translation_counterpart");
    let home = Home::in_memory();
    let server = two_cores(&home).ready().await;
    let ada = token(&home, "ada", BOTH, &[]);
    change(&server, OWN, &ada, 0, insert(0, FR)).await;
    for counterpart in [named("jd-en", true), named("jd-en", false)] {
        change(&server, &counterpart, &ada, 0, insert(0, EN)).await;
        let mut socket = translator(&server, &counterpart, &ada).await;
        let (editor, _) = Socket::joined(server.port(), &counterpart, &ada).await;
        let places = [0, 20, 33];
        let mut place = 2;
        for round in 0..60 {
            for _ in 0..rng.below(4) {
                editor.send(&message("document.change", &insert(rng.below(10), ["x", "Y", ". A", " "][rng.below(4)])));
            }
            place = (place + 1 + rng.below(2)) % 3;
            socket.send(&cursor(places[place]));
            let told = suggestion(&mut socket).await;
            let source = &told["source"];
            let text = text_of(&server, &counterpart, &source["version"], &ada).await;
            let end = |key: &str| usize::try_from(source[key].as_u64().expect("a position")).expect("a small one");
            let expected = &text[end("start")..end("end")];
            assert_eq!(told["source_text"], expected, "{round}: {told} in {text:?}");
        }
    }
}

#[tokio::test]
async fn who_may_not_read_it_is_told_why() {
    let home = Home::in_memory();
    let server = two_cores(&home).ready().await;
    let ada = token(&home, "ada", &format!("{BOTH} document:admin"), &[]);
    let (near, far) = (named("jd-en", true), named("jd-en", false));
    for document in [OWN, &near, &far] {
        change(&server, document, &ada, 0, insert(0, EN)).await;
    }
    let own_only = token(&home, "ben", BOTH, &[OWN]);
    let (mut socket, _) = Socket::joined(server.port(), OWN, &own_only).await;
    let checked = |error: Value| {
        assert_eq!(error["details"]["field"], "payload.counterpart", "{error}");
        assert!(error["details"]["expected"].is_string(), "{error}");
    };
    for counterpart in [&near, &far] {
        socket.send(&subscribe(counterpart));
        checked(socket.error("FORBIDDEN").await);
        // Who may not read it does not learn whether there is such a document.
        socket.send(&subscribe("jd-nothing"));
        checked(socket.error("FORBIDDEN").await);
    }
    let (mut socket, _) = Socket::joined(server.port(), OWN, &ada).await;
    for missing in [named("jd-none", true), named("jd-none", false)] {
        for _ in 0..2 {
            socket.send(&subscribe(&missing));
            checked(socket.error("DOCUMENT_NOT_FOUND").await);
        }
        let state = http::get(server.port(), &format!("/api/documents/{missing}/state"), &ada).await;
        state.error(404, "DOCUMENT_NOT_FOUND");
    }
    for invalid in [OWN, "a!b", "-"] {
        socket.send(&subscribe(invalid));
        checked(socket.error("VALIDATION_ERROR").await);
    }
    // A session that is private keeps nobody from reading, as over HTTP.
    let settings = json!({"public_session": false});
    let session = json!({"document_id": far, "session_type": "collaborative_edit", "participants": ["ada"],
        "settings": settings});
    let other = token(&home, "eve", BOTH, &[]);
    assert_eq!(http::post(server.port(), "/api/sessions", &ada, &session).await.status, 201);
    assert_eq!(http::get(server.port(), &format!("/api/documents/{far}/state"), &other).await.status, 200);
    let mut eve = translator(&server, &far, &other).await;
    eve.send(&cursor(3));
    assert_eq!(suggestion(&mut eve).await["source"]["document_id"], *far);
}

#[tokio::test]
async fn it_ends_where_the_other_document_or_the_right_to_it_does() {
    let home = Home::in_memory();
    let server = two_cores(&home).ready().await;
    let admin = token(&home, "ada", &format!("{BOTH} document:admin"), &[]);
    change(&server, OWN, &admin, 0, insert(0, FR)).await;
    for counterpart in [named("jd-en", true), named("jd-en", false)] {
        change(&server, &counterpart, &admin, 0, insert(0, EN)).await;
        let mut socket = translator(&server, &counterpart, &admin).await;
        // A token that is good for less.
        let refresh = |token: &str| message("auth.refresh", &json!({"token": token}));
        socket.send(&refresh(&token(&home, "ada", BOTH, &[OWN, &counterpart])));
        socket.send(&cursor(3));
        assert_eq!(suggestion(&mut socket).await["source_text"], "The incumbent manages staff.");
        socket.send(&refresh(&token(&home, "ada", BOTH, &[OWN])));
        let told = socket.next("translation.unsubscribed").await;
        assert!(told["payload"]["reason"].as_str().is_some_and(|reason| reason.contains("documents")), "{told}");
        socket.send(&subscribe(&counterpart));
        socket.error("FORBIDDEN").await;
        socket.send(&refresh(&token(&home, "ada", EDIT, &[])));
        socket.next("auth.refreshed").await;
        // Deleted, it is gone; made anew, it is there again.
        let mut socket = translator(&server, &counterpart, &admin).await;
        let delete = http::request("DELETE", &format!("/api/documents/{counterpart}"), Some(&admin), None);
        http::exchange(server.port(), &delete).await.ok();
        socket.send(&cursor(33));
        let told = socket.next("translation.unsubscribed").await;
        assert!(told["payload"]["reason"].as_str().is_some_and(|reason| reason.contains("no such document")), "{told}");
        change(&server, &counterpart, &admin, 2, insert(0, "Again. There.")).await;
        socket.send(&subscribe(&counterpart));
        socket.next("translation.subscribed").await;
        socket.send(&cursor(3));
        assert_eq!(suggestion(&mut socket).await["source_text"], "Again.");
    }
}

/// Each core keeps one document: asking for one has the other forgotten.
#[tokio::test]
async fn it_is_read_again_when_it_was_unloaded_and_after_a_kill() {
    let home = Home::new();
    let start = || two_cores(&home).env("JDDB_DOCUMENTS__LOADED_DOCUMENTS_MAX", "2").ready();
    let mut server = start().await;
    let ada = token(&home, "ada", BOTH, &[]);
    let (counterpart, third) = (named("jd-en", false), named("jd-third", false));
    change(&server, OWN, &ada, 0, insert(0, FR)).await;
    change(&server, &counterpart, &ada, 0, insert(0, EN)).await;
    change(&server, &third, &ada, 0, insert(0, "x")).await;
    for round in 1..4_usize {
        let reports = format!("Reports to the director{}", ".".repeat(round));
        let mut socket = translator(&server, &counterpart, &ada).await;
        for (position, text) in [(33, &*reports), (0, "The incumbent manages staff."), (20, "Strategic planning.")] {
            http::state(server.port(), &third, &ada).await;
            socket.send(&cursor(position));
            let told = suggestion(&mut socket).await;
            assert_eq!((&told["source_text"], &told["source"]["version"]), (&json!(text), &json!(round)), "{told}");
        }
        change(
            &server,
            &counterpart,
            &ada,
            u64::try_from(round).expect("a small number"),
            insert(EN.len() + round - 1, "."),
        )
        .await;
        server.kill_nine();
        server = start().await;
    }
}

/// Fifty translate at once and move faster than anybody can answer; each is told of where they are in the end.
#[tokio::test]
async fn many_translate_from_one_document() {
    let home = Home::in_memory();
    let server = two_cores(&home).env("JDDB_LIMITS__DOCUMENT_EDITORS", "100").ready().await;
    let ada = token(&home, "ada", BOTH, &[]);
    let counterpart = named("jd-en", false);
    change(&server, OWN, &ada, 0, insert(0, FR)).await;
    change(&server, &counterpart, &ada, 0, insert(0, EN)).await;
    let mut sockets = Vec::new();
    for number in 0..50 {
        let user = token(&home, &format!("user{number}"), BOTH, &[]);
        sockets.push(translator(&server, &counterpart, &user).await);
    }
    for _ in 0..100 {
        for socket in &sockets {
            [0, 20, 33].iter().for_each(|position| socket.send(&cursor(*position)));
        }
    }
    for socket in &mut sockets {
        socket.send(&cursor(20));
        socket.send(&message("translation.request", &json!({"source_text": "The end."})));
    }
    for socket in &mut sockets {
        // Who has been answered the last request, and told of the last place, waits for nothing any more.
        let (mut is_answered, mut newest) = (false, Value::Null);
        while !is_answered || newest != "Strategic planning." {
            let told = suggestion(socket).await;
            match told["correlation_id"].as_str() {
                Some(_) => is_answered = true,
                None => newest = told["source_text"].clone(),
            }
        }
    }
}

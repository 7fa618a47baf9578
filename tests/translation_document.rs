//! Translating in a document on the real server: suggestions for the segment at the cursor, and what was translated and is old.

#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http;
use support::server::Server;
use support::socket::Socket;

const BOTH: &str = "document:read document:write translation:read translation:write";
const EN: &str = "The incumbent manages staff. Strategic planning.\nReports to the director.";

fn token(home: &Home, user: &str, scope: &str) -> String {
    home.token_with(user, scope, &["--limits", UNLIMITED])
}

fn message(kind: &str, payload: &Value) -> Value {
    json!({"type": kind, "payload": payload, "metadata": {"client_id": "tab", "correlation_id": kind}})
}

fn subscribe() -> Value {
    message("translation.subscribe", &json!({"source_language": "en", "target_language": "fr", "project_id": "hr"}))
}

fn insert(section: &str, position: usize, content: &str) -> Value {
    json!({"operation": "insert", "section": section, "position": position, "content": content})
}

/// Has a document with a section in English.
async fn written(server: &Server, document: &str, token: &str) {
    let body = json!({"base_version": 0, "changes": [insert("duties_en", 0, EN)]});
    http::post(server.port(), &format!("/api/documents/{document}/changes"), token, &body).await.ok();
}

/// Puts a translation into the memory of a project.
async fn remembered(server: &Server, token: &str, text: &str, translation: &str) {
    let body = json!({"source_text": text, "translated_text": translation, "source_language": "en",
        "target_language": "fr", "project_id": "hr", "reviewed": true});
    http::post(server.port(), "/api/translation/submit", token, &body).await.ok();
}

/// Somebody who translates a document.
async fn translator(server: &Server, document: &str, token: &str) -> Socket {
    let (mut socket, _) = Socket::joined(server.port(), document, token).await;
    socket.send(&subscribe());
    let told = socket.next("translation.subscribed").await;
    assert_eq!(told["payload"]["correlation_id"], "translation.subscribe", "{told}");
    socket
}

async fn suggestion(socket: &mut Socket) -> Value {
    socket.next("translation.suggestion").await["payload"].clone()
}

#[tokio::test]
async fn the_segment_at_the_cursor_is_suggested_for() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ada = token(&home, "ada", BOTH);
    for document in ["jd_1", "jd_2", "jd_3"] {
        written(&server, document, &ada).await;
    }
    remembered(&server, &ada, "The incumbent manages staff.", "Le titulaire gère le personnel.").await;
    remembered(&server, &ada, "Reports to the director.", "Relève du directeur.").await;
    let term =
        json!({"term": "incumbent", "translation": "titulaire", "source_language": "en", "target_language": "fr"});
    assert_eq!(http::post(server.port(), "/api/translation/glossary", &ada, &term).await.status, 201);
    // On whichever core they are.
    for document in ["jd_1", "jd_2", "jd_3"] {
        let mut socket = translator(&server, document, &ada).await;
        socket.send(&message("cursor.position", &json!({"section": "duties_en", "position": 5})));
        let told = suggestion(&mut socket).await;
        assert_eq!((&told["document_id"], &told["version"]), (&json!(document), &json!(1)), "{told}");
        assert_eq!(told["source_text"], "The incumbent manages staff.");
        let place = json!({"section": "duties_en", "paragraph": 0, "sentence": 0, "start": 0, "end": 28});
        assert_eq!((&told["source"], &told["target"]), (&place, &Value::Null));
        assert_eq!(told["suggestions"][0]["text"], "Le titulaire gère le personnel.");
        assert_eq!(told["glossary_terms"][0]["translation"], "titulaire");
        // What they write themselves leads there too: the third segment is the first of the second paragraph.
        let content = "Le titulaire gère le personnel.\nR";
        socket.send(&message("document.change", &insert("duties_fr", 0, content)));
        let told = suggestion(&mut socket).await;
        assert_eq!(told["source_text"], "Reports to the director.", "{told}");
        assert_eq!(told["suggestions"][0]["text"], "Relève du directeur.", "{told}");
        assert_eq!((&told["version"], &told["target"]["start"]), (&json!(2), &json!(32)), "{told}");
        // And all that is asked for in a project may be asked for here.
        socket.send(&message("translation.request", &json!({"source_text": "Reports to the director."})));
        let told = suggestion(&mut socket).await;
        assert_eq!((&told["correlation_id"], &told["source"]), (&json!("translation.request"), &Value::Null));
        assert_eq!(told["suggestions"][0]["text"], "Relève du directeur.", "{told}");
        let pair = json!({"source_text": format!("Only {document}"), "text": "Seul"});
        socket.send(&message("translation.submit", &pair));
        let id = socket.next("translation.submitted").await["payload"]["translation_id"].clone();
        let rating = json!({"translation_id": id, "quality_rating": 5});
        socket.send(&message("translation.feedback", &rating));
        assert_eq!(socket.next("translation.feedback").await["payload"]["translation_id"], id);
        let segments = json!({"segments": ["Reports to the director."]});
        socket.send(&message("translation.batch", &segments));
        let result = socket.next("translation.batch.result").await;
        assert_eq!(result["payload"]["suggestions"][0]["text"], "Relève du directeur.");
        socket.send(&message("translation.unsubscribe", &json!({})));
        socket.next("translation.unsubscribed").await;
        socket.send(&message("translation.request", &json!({"source_text": "a"})));
        socket.error("UNKNOWN_MESSAGE_TYPE").await;
    }
}

/// Whoever moves while something is looked up for them is told of where they are in the end, again and again.
#[tokio::test]
async fn who_moves_faster_than_is_looked_up_is_told_of_the_last_segment() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ada = token(&home, "ada", BOTH);
    written(&server, "jd_1", &ada).await;
    let mut socket = translator(&server, "jd_1", &ada).await;
    let (first, second, third) = (5, 35, 60);
    for (between, last, text) in [(third, second, "Strategic planning."), (second, third, "Reports to the director.")] {
        for position in [first, between].repeat(100).into_iter().chain([last]) {
            socket.send(&message("cursor.position", &json!({"section": "duties_en", "position": position})));
        }
        while suggestion(&mut socket).await["source_text"] != text {}
    }
}

#[tokio::test]
async fn who_may_not_translate_is_told_why_and_hears_nothing() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (ada, ben) = (token(&home, "ada", BOTH), token(&home, "ben", EDIT));
    written(&server, "jd_1", &ada).await;
    let (mut other, _) = Socket::joined(server.port(), "jd_1", &ben).await;
    other.send(&subscribe());
    let error = other.error("FORBIDDEN").await;
    assert!(error["message"].as_str().is_some_and(|text| text.contains("translation:read")), "{error}");
    let mut socket = translator(&server, "jd_1", &ada).await;
    socket.send(&message("cursor.position", &json!({"section": "duties_en", "position": 5})));
    suggestion(&mut socket).await;
    // Who may only read hands nothing in.
    let mut reader = translator(&server, "jd_1", &token(&home, "cy", "document:read translation:read")).await;
    reader.send(&message("translation.submit", &json!({"source_text": "a", "text": "b"})));
    reader.error("FORBIDDEN").await;
    // A token without the scope ends it, and the connection goes on.
    socket.send(&message("auth.refresh", &json!({"token": token(&home, "ada", EDIT)})));
    let told = socket.next("translation.unsubscribed").await;
    assert!(told["payload"]["reason"].is_string(), "{told}");
    socket.send(&message("cursor.position", &json!({"section": "duties_en", "position": 40})));
    socket.send(&message("document.change", &insert("duties_en", 0, "x")));
    assert_eq!(socket.message().await["type"], "document.ack");
    // A revoked one ends the connection.
    let mut revoked = translator(&server, "jd_1", &ada).await;
    http::post(server.port(), "/api/auth/revoke", &ada, &json!({"token": ada})).await.ok();
    let (messages, code, _) = revoked.closed().await;
    assert_eq!(code, 1008, "{messages:?}");
}

const FR: &str = "Le titulaire gère le personnel. Planification stratégique.\nRelève du directeur.";

async fn stale(socket: &mut Socket) -> Value {
    socket.next("translation.stale").await["payload"].clone()
}

/// The version, and of each segment what was there, what is there, and the translation.
fn brief(told: &Value) -> Value {
    let segments = told["segments"].as_array().into_iter().flatten();
    let texts = segments.map(|told| json!([told["previous_text"], told["source_text"], told["target_text"]]));
    json!([told["version"], texts.collect::<Vec<_>>()])
}

#[tokio::test]
async fn whose_source_changes_is_told_to_be_old() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (port, ada, ben) = (server.port(), token(&home, "ada", BOTH), token(&home, "ben", EDIT));
    // On whichever core they are.
    for document in ["jd_1", "jd_2", "jd_3"] {
        written(&server, document, &ada).await;
        let path = |end: &str| format!("/api/documents/{document}{end}");
        let body = json!({"base_version": 1, "changes": [insert("duties_fr", 0, FR)]});
        http::post(port, &path("/changes"), &ada, &body).await.ok();
        let mut socket = translator(&server, document, &ada).await;
        let (editor, _) = Socket::joined(port, document, &ben).await;
        let position = EN.find("director").expect("it is there");
        let replace = json!({"operation": "replace", "section": "duties_en", "position": position, "length": 8,
            "content": "deputy minister"});
        editor.send(&message("document.change", &replace));
        let told = stale(&mut socket).await;
        let place = |name: &str, text: &str, sentence: &str, before: usize| {
            let start = text[..text.find(sentence).expect("it is there")].chars().count();
            let end = start + sentence.chars().count();
            json!({"section": name, "paragraph": 1, "sentence": 0, "start": start, "end": end,
                "document_start": before + start, "document_end": before + end})
        };
        let (source, target) = ("Reports to the deputy minister.", "Relève du directeur.");
        let now = EN.replace("director", "deputy minister");
        let expected = json!({"document_id": document, "version": 3, "sections": [], "segments": [{
            "previous_text": "Reports to the director.", "source_text": source, "source": place("duties_en", &now, source, 0),
            "target_text": target, "target": place("duties_fr", FR, target, now.len())}]});
        assert_eq!(told, expected);
        // Another text for all of it: what has changed in that, and what is told already is not.
        let put = async |english: &str, french: &str, version: u64| {
            let body = json!({"sections": {"duties_en": english, "duties_fr": french}});
            let condition = format!("If-Match: \"{version}\"\r\n");
            http::exchange(port, &http::request_with("PUT", &path(""), Some(&ada), &condition, Some(&body))).await.ok();
        };
        put("The incumbent manages all staff. Strategic planning.\nReports to the deputy ministers.", FR, 3).await;
        let changed =
            ["The incumbent manages staff.", "The incumbent manages all staff.", "Le titulaire gère le personnel."];
        assert_eq!(brief(&stale(&mut socket).await), json!([4, [changed]]));
        // One that brings back an older version of both makes nothing old; it is new from then on.
        socket.send(&message("document.change", &insert("duties_fr", 12, " ne")));
        socket.next("document.ack").await;
        http::post(port, &path("/restore"), &ada, &json!({"version": 2})).await.ok();
        put(&EN.replace("staff", "people"), FR, 6).await;
        let changed =
            ["The incumbent manages staff.", "The incumbent manages people.", "Le titulaire gère le personnel."];
        assert_eq!(brief(&stale(&mut socket).await), json!([7, [changed]]));
        // Who was away is told when they come back.
        drop(socket);
        let body = json!({"base_version": 7, "changes": [insert("duties_en", 0, "Also: ")]});
        http::post(port, &path("/changes"), &ben, &body).await.ok();
        let (mut socket, state) = Socket::joined(port, document, &ada).await;
        assert_eq!(state["version"], 8, "{state}");
        let mut again = subscribe();
        again["payload"]["last_known_version"] = json!(6);
        socket.send(&again);
        let changed =
            ["The incumbent manages staff.", "Also: The incumbent manages people.", "Le titulaire gère le personnel."];
        assert_eq!(brief(&stale(&mut socket).await), json!([8, [changed]]));
    }
}

/// A connection to a project, on which everything is told from here on.
async fn project_socket(server: &Server, token: &str) -> Socket {
    let target = format!("/ws/translation/hr?source_lang=en&target_lang=fr&token={token}");
    let mut socket = Socket::open(server.port(), &target).await;
    beat(&mut socket).await;
    socket
}

/// All that is told before the answer to a heartbeat is nothing.
async fn beat(socket: &mut Socket) {
    socket.send(&json!({"type": "system.heartbeat", "payload": {}}));
    let told = socket.message().await;
    assert_eq!(told["type"], "system.heartbeat", "{told}");
}

#[tokio::test]
async fn what_others_change_in_the_memory_is_told_in_documents() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let (port, ada, ben) = (server.port(), token(&home, "ada", BOTH), token(&home, "ben", BOTH));
    let mut project = project_socket(&server, &ben).await;
    // On whichever core they are.
    for (number, document) in ["jd_1", "jd_2", "jd_3"].into_iter().enumerate() {
        written(&server, document, &ada).await;
        let (mut first, mut second) =
            (translator(&server, document, &ada).await, translator(&server, document, &ada).await);
        first.send(&message("cursor.position", &json!({"section": "duties_en", "position": 30})));
        let told = suggestion(&mut first).await;
        assert_eq!(told["source_text"], "Strategic planning.", "{told}");
        second.next("cursor.position").await;
        // A term over HTTP, of all projects; it is in the segment.
        let term = json!({"term": "planning", "translation": format!("planification {number}"),
            "domain": document, "source_language": "en", "target_language": "fr"});
        let put = http::post(port, "/api/translation/glossary", &ben, &term).await;
        assert_eq!(put.status, 201);
        for socket in [&mut first, &mut second] {
            let told = socket.next("glossary.update").await;
            assert_eq!(told["payload"]["translation"], term["translation"], "{told}");
            assert_eq!((&told["metadata"]["user_id"], &told["payload"]["domain"]), (&json!("ben"), &json!(document)));
        }
        project.next("glossary.update").await;
        let told = suggestion(&mut first).await;
        assert_eq!(told["source_text"], "Strategic planning.", "{told}");
        let terms = told["glossary_terms"].as_array().expect("terms");
        assert!(terms.iter().any(|known| known["translation"] == term["translation"]), "{told}");
        // One over the project's WebSocket, by who has it answered.
        project.send(&message(
            "glossary.update",
            &json!({"term": format!("director {number}"), "translation": "directeur"}),
        ));
        let answer = project.next("glossary.update").await;
        let id = &answer["payload"]["term_id"];
        for socket in [&mut first, &mut second] {
            assert_eq!(&socket.next("glossary.update").await["payload"]["term_id"], id);
        }
        // By who has subscribed: an answer, and told to the others.
        first.send(&message("glossary.remove", &json!({"term_id": id})));
        assert_eq!(first.next("glossary.remove").await["payload"]["correlation_id"], "glossary.remove");
        for socket in [&mut second, &mut project] {
            let told = socket.next("glossary.remove").await;
            assert_eq!((&told["payload"]["term_id"], &told["payload"]["correlation_id"]), (id, &Value::Null), "{told}");
        }
        beat(&mut first).await;
        // A better translation for the segment at the cursor, submitted elsewhere.
        let french = format!("Planification stratégique {number}.");
        project.send(&message("translation.submit", &json!({"source_text": "Strategic planning.", "text": french})));
        project.next("translation.submitted").await;
        for socket in [&mut first, &mut second] {
            let told = socket.next("translation.update").await;
            assert_eq!(told["payload"]["text"], french, "{told}");
        }
        let told = suggestion(&mut first).await;
        assert_eq!(told["source_text"], "Strategic planning.", "{told}");
        let found = told["suggestions"].as_array().expect("suggestions");
        assert!(found.iter().any(|found| found["text"] == *french), "{told}");
        // What is no better than that is told, and nothing is suggested again.
        project.send(&message("translation.submit", &json!({"source_text": "Nothing like it at all", "text": "Rien"})));
        first.next("translation.update").await;
        second.next("translation.update").await;
        beat(&mut first).await;
        // Who has unsubscribed hears nothing, whatever happens.
        first.send(&message("translation.unsubscribe", &json!({})));
        first.next("translation.unsubscribed").await;
        project.send(&message(
            "translation.submit",
            &json!({"source_text": "Strategic planning.", "text": format!("Mieux {number}")}),
        ));
        second.next("translation.update").await;
        beat(&mut first).await;
    }
}

#[tokio::test]
async fn what_is_imported_is_told_to_have_been_missed_in_documents() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ada = token(&home, "ada", BOTH);
    written(&server, "jd_1", &ada).await;
    let mut socket = translator(&server, "jd_1", &ada).await;
    socket.send(&message("cursor.position", &json!({"section": "duties_en", "position": 30})));
    assert_eq!(suggestion(&mut socket).await["glossary_terms"], Value::Null);
    let rows: String = (0..100).map(|number| format!("planning {number},planification,en,fr\n")).collect();
    let file = format!("term,translation,source_language,target_language\nplanning,planification,en,fr\n{rows}");
    let request = format!(
        "POST /api/translation/glossary/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ada}\r\n\
         Content-Type: text/csv\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{file}",
        file.len()
    );
    http::exchange(server.port(), request.as_bytes()).await.ok();
    socket.next("translation.missed").await;
    let told = suggestion(&mut socket).await;
    assert_eq!(told["glossary_terms"][0]["translation"], "planification", "{told}");
    beat(&mut socket).await;
}

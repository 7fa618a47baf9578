//! `/ws/translation/{project_id}` on the real server: what is asked is answered, what one changes the others hear.

mod early;
#[expect(dead_code, reason = "each test uses its own part of what they share")]
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http;
use support::rng::Rng;
use support::server::Server;
use support::socket::{Received, Socket, upgrade};

const BOTH: &str = "translation:read translation:write";
const LANGUAGES: &str = "source_lang=en&target_lang=fr";

fn token(home: &Home, user: &str, scope: &str) -> String {
    home.token_with(user, scope, &["--limits", UNLIMITED])
}

/// A connection to a project, on which everything is told from here on.
async fn open(server: &Server, project: &str, token: &str) -> Socket {
    let target = format!("/ws/translation/{project}?{LANGUAGES}&token={token}");
    let mut socket = Socket::open(server.port(), &target).await;
    socket.send(&json!({"type": "system.heartbeat", "payload": {}}));
    socket.next("system.heartbeat").await;
    socket
}

fn message(kind: &str, name: &str, payload: &Value) -> Value {
    json!({"type": kind, "payload": payload, "metadata": {"client_id": "tab", "correlation_id": name}})
}

fn request(name: &str, text: &str) -> Value {
    message("translation.request", name, &json!({"source_text": text}))
}

fn submit(name: &str, text: &str, translation: &str) -> Value {
    message("translation.submit", name, &json!({"source_text": text, "text": translation, "reviewed": true}))
}

/// Hands a translation in, and waits until it is on disk.
async fn submitted(socket: &mut Socket, text: &str, translation: &str) -> Value {
    socket.send(&submit("s", text, translation));
    socket.next("translation.submitted").await["payload"].clone()
}

/// The translations that are suggested for a text.
async fn suggested(socket: &mut Socket, text: &str) -> Vec<String> {
    socket.send(&request("look", text));
    let answer = socket.next("translation.suggestion").await;
    assert_eq!(answer["payload"]["correlation_id"], "look", "{answer}");
    let suggestions = answer["payload"]["suggestions"].as_array().expect("suggestions");
    suggestions.iter().map(|one| one["text"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn the_references_messages_work_as_they_stand() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "translator_456", BOTH);
    let text = "Strategic planning responsibility";
    let french = "Responsabilité de planification stratégique";
    let handed = json!({"source_text": text, "translated_text": french, "source_language": "en", "target_language": "fr",
        "quality_rating": 5, "reviewed": true});
    http::post(server.port(), "/api/translation/submit", &ann, &handed).await.ok();
    // As the load test connects: no languages, and the token in a header.
    let header = format!("Authorization: Bearer {ann}\r\n");
    let opened = Socket::try_open(server.port(), "/ws/translation/test_project", &header).await;
    let mut socket = opened.expect("a WebSocket");
    socket.send(&json!({
        "type": "translation.request",
        "payload": {"source_text": "Test text for translation", "source_language": "en", "target_language": "fr"},
    }));
    let first = socket.message().await;
    assert_eq!((&first["type"], &first["payload"]["suggestions"]), (&json!("translation.suggestion"), &json!([])));
    assert!(first["payload"].get("correlation_id").is_none(), "{first}");
    socket.send(&json!({
        "type": "translation.request",
        "payload": {
            "source_text": text,
            "source_language": "en",
            "target_language": "fr",
            "context": {"section": "general_accountability"},
        },
        "metadata": {"correlation_id": "corr_xyz789"},
    }));
    let answer = socket.message().await;
    assert_eq!(answer["payload"]["correlation_id"], "corr_xyz789", "{answer}");
    let best = &answer["payload"]["suggestions"][0];
    assert_eq!((&best["text"], &best["match_type"]), (&json!(french), &json!("exact")), "{answer}");
    assert!(best["confidence"].as_f64().is_some_and(|confidence| confidence > 0.8), "{answer}");
    socket.send(&request("r", "a"));
    let error = socket.error("VALIDATION_ERROR").await;
    assert_eq!(error["details"]["field"], "payload.source_language", "{error}");
}

#[tokio::test]
async fn who_works_in_a_project_hears_what_the_others_do() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, ben] = ["ann", "ben"].map(|user| token(&home, user, BOTH));
    let mut first = open(&server, "hr", &ann).await;
    let mut second = open(&server, "hr", &ben).await;
    // On another core, most likely one of them.
    let mut others = Vec::new();
    for project in ["other", "another", "third", "fourth"] {
        others.push(open(&server, project, &ben).await);
    }
    let back = format!("/ws/translation/hr?source_lang=fr&target_lang=en&token={ben}");
    let mut back = Socket::open(server.port(), &back).await;
    back.send(&json!({"type": "system.heartbeat", "payload": {}}));
    back.next("system.heartbeat").await;

    let answer = submitted(&mut first, "The incumbent manages staff.", "Le titulaire gère le personnel.").await;
    assert_eq!((&answer["status"], &answer["correlation_id"]), (&json!("accepted"), &json!("s")));
    let heard = second.message().await;
    assert_eq!(heard["type"], "translation.update", "{heard}");
    let origin = ["user_id", "client_id", "correlation_id"].map(|key| heard["metadata"][key].clone());
    assert_eq!(origin, ["ann", "tab", "s"].map(Value::from), "{heard}");
    let payload = &heard["payload"];
    assert_eq!((&payload["translation_id"], &payload["scope"]), (&answer["translation_id"], &json!("project")));
    assert_eq!((&payload["text"], &payload["status"]), (&json!("Le titulaire gère le personnel."), &json!("accepted")));
    assert_eq!(suggested(&mut second, "The incumbent manages staff.").await, ["Le titulaire gère le personnel."]);
    // What all share is told in each project; what a project has is not.
    let shared = json!({"source_text": "Planning", "translated_text": "Planification", "source_language": "en",
        "target_language": "fr"});
    http::post(server.port(), "/api/translation/submit", &ann, &shared).await.ok();
    for socket in others.iter_mut().chain([&mut first, &mut second]) {
        let heard = socket.message().await;
        assert_eq!(
            (&heard["type"], &heard["payload"]["source_text"]),
            (&json!("translation.update"), &json!("Planning"))
        );
        assert_eq!((&heard["payload"]["scope"], &heard["metadata"]["user_id"]), (&json!("shared"), &json!("ann")));
    }
    for socket in &mut others {
        assert_eq!(suggested(socket, "The incumbent manages staff.").await, Vec::<String>::new());
    }
    assert_eq!(suggested(&mut first, "planning").await, ["Planification"], "and nothing of one's own in between");
    back.send(&json!({"type": "system.heartbeat", "payload": {}}));
    assert_eq!(back.message().await["type"], "system.heartbeat", "in the other languages nothing has happened");
}

#[tokio::test]
async fn the_newest_request_wins_and_none_is_left_without_a_word() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__THREADS", "1").ready().await;
    let mut socket = open(&server, "hr", &token(&home, "ann", BOTH)).await;
    submitted(&mut socket, "The incumbent manages staff.", "Le titulaire gère le personnel.").await;
    let mut rng = Rng::from_environment("the_newest_request_wins_and_none_is_left_without_a_word");
    for _ in 0..40 {
        let count = 1 + rng.below(60);
        let requests: Vec<Value> =
            (0..count).map(|number| request(&format!("r{number}"), "The incumbent manages stuff.")).collect();
        // In one frame, or one by one while others are looked up.
        if rng.below(2) == 0 {
            socket.send(&json!(requests));
        } else {
            requests.iter().for_each(|request| socket.send(request));
        }
        let (mut answered, mut last) = (Vec::new(), Value::Null);
        while answered.len() < requests.len() {
            last = socket.message().await;
            let is_known = ["translation.cancelled", "translation.suggestion"].map(Value::from).contains(&last["type"]);
            assert!(is_known, "{last}");
            answered.push(last["payload"]["correlation_id"].as_str().expect("a name").to_owned());
        }
        let expected: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
        assert_eq!(answered, expected, "each once, in their order");
        assert_eq!(last["type"], "translation.suggestion", "the newest: {last}");
    }
}

#[tokio::test]
async fn whoever_may_not_is_told_why() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [reader, writer, editor] =
        ["translation:read", "translation:write", EDIT].map(|scope| token(&home, "ann", scope));
    let refused = async |target: String| {
        let mut socket = Socket::open(server.port(), &target).await;
        let (messages, code, _) = socket.closed().await;
        let payload = messages.last().expect("a reason")["payload"].clone();
        assert_eq!(payload["severity"], "critical", "{payload}");
        (code, payload["error_code"].as_str().expect("a code").to_owned(), payload["details"]["field"].clone())
    };
    for token in [&writer, &editor] {
        let (code, error, _) = refused(format!("/ws/translation/hr?token={token}")).await;
        assert_eq!((code, &*error), (4001, "FORBIDDEN"));
    }
    let (code, error, _) = refused("/ws/translation/hr?token=nonsense".to_owned()).await;
    assert_eq!((code, &*error), (1008, "UNAUTHENTICATED"));
    for project in ["", "_hr", "a%20b", "%ff", "a%2Fb", &"x".repeat(129)] {
        let (code, error, field) = refused(format!("/ws/translation/{project}?token={reader}")).await;
        assert_eq!((code, &*error, field), (4004, "VALIDATION_ERROR", json!("project_id")), "{project}");
    }
    for (query, parameter) in [
        ("source_lang=de", "source_lang"),
        ("source_lang=en&target_lang=en", "target_lang"),
        ("source_lang=en&target_lang=en-CA", "target_lang"),
        ("target_lang=", "target_lang"),
        ("source_lang=en&source_lang=fr", "source_lang"),
    ] {
        let (code, error, field) = refused(format!("/ws/translation/hr?{query}&token={reader}")).await;
        assert_eq!((code, &*error, field), (1008, "VALIDATION_ERROR", json!(parameter)), "{query}");
    }
    let mut socket = open(&server, "hr", &reader).await;
    socket.send(&submit("s", "a", "b"));
    assert!(socket.error("FORBIDDEN").await["message"].as_str().is_some_and(|text| text.contains("translation:write")));
    socket.send(&json!({"type": "auth.refresh", "payload": {"token": writer}}));
    socket.error("FORBIDDEN").await;
    socket.send(&json!({"type": "auth.refresh", "payload": {"token": token(&home, "ann", BOTH)}}));
    socket.next("auth.refreshed").await;
    assert_eq!(submitted(&mut socket, "a", "b").await["status"], "accepted");
}

#[tokio::test]
async fn hostile_messages_harm_nobody_and_end_the_connection() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    let mut other = open(&server, "hr", &token).await;
    let texts = ["", " \u{a0}\n", &"é".repeat(4_097), &"x".repeat(900_000)];
    for text in texts {
        for kind in ["translation.request", "translation.submit"] {
            let mut socket = open(&server, "hr", &token).await;
            socket.send(&message(kind, "m", &json!({"source_text": text, "text": "b"})));
            let error = socket.error("VALIDATION_ERROR").await;
            assert_eq!(error["details"]["field"], "payload.source_text", "{error}");
        }
    }
    let malformed = [
        json!({"type": "translation.everything", "payload": {}}),
        json!({"type": "document.change", "payload": {"operation": "insert", "position": 0, "content": "a"}}),
        json!({"type": "translation.request", "payload": {"source_text": "a", "source_language": "fr"}}),
        json!({"type": "translation.request", "payload": {"source_text": "a", "project_id": "other"}}),
        json!({"type": "translation.request", "payload": []}),
        json!([1]),
        json!({"type": "translation.submit", "payload": {"source_text": "a", "text": "b", "quality_rating": 0}}),
    ];
    let mut socket = open(&server, "hr", &token).await;
    malformed.iter().chain(&malformed).take(10).for_each(|message| socket.send(message));
    let (messages, code, _) = socket.closed().await;
    assert_eq!((messages.len(), code), (10, 4000), "{messages:?}");
    assert_eq!(suggested(&mut other, "a").await, Vec::<String>::new());
    // A document's connection has no use for them.
    let (mut document, _) = Socket::joined(server.port(), "doc", &home.token("ann")).await;
    document.send(&request("r", "a"));
    document.error("UNKNOWN_MESSAGE_TYPE").await;
}

#[tokio::test]
async fn a_token_that_ends_ends_the_connection() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_AUTH__LEEWAY_SECONDS", "0").ready().await;
    let short = home.token_with("ann", BOTH, &["--limits", UNLIMITED, "--expires-in", "3"]);
    let long = token(&home, "ben", BOTH);
    let mut expiring = open(&server, "hr", &short).await;
    let mut revoked = open(&server, "hr", &long).await;
    expiring.error("TOKEN_EXPIRING").await;
    http::post(server.port(), "/api/auth/revoke", &long, &json!({"token": long})).await.ok();
    for socket in [&mut revoked, &mut expiring] {
        let (messages, code, reason) = socket.closed().await;
        assert_eq!((code, &*reason), (1008, "UNAUTHENTICATED"), "{messages:?}");
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let home = Home::in_memory();
    let mut server = home.start().ready().await;
    let mut socket = open(&server, "hr", &token(&home, "ann", BOTH)).await;
    server.ask_to_stop();
    socket.error("SHUTTING_DOWN").await;
    let (_, code, reason) = socket.closed().await;
    assert_eq!(code, 1001);
    assert!(reason.starts_with("SHUTTING_DOWN retry_ms="), "{reason}");
    assert!(server.wait().await.success());
}

#[tokio::test]
async fn only_what_is_accepted_is_suggested_where_the_server_is_told_so() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__APPROVED_ONLY", "true").ready().await;
    let mut socket = open(&server, "hr", &token(&home, "ann", BOTH)).await;
    socket.send(&message("translation.submit", "s", &json!({"source_text": "Manages staff.", "text": "Gère."})));
    socket.next("translation.submitted").await;
    assert_eq!(suggested(&mut socket, "Manages staff.").await, Vec::<String>::new());
    submitted(&mut socket, "Reports to the director.", "Relève du directeur.").await;
    assert_eq!(suggested(&mut socket, "Reports to the director.").await, ["Relève du directeur."]);
}

#[tokio::test]
async fn a_better_suggestion_comes_by_itself() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, ben] = ["ann", "ben"].map(|user| token(&home, user, BOTH));
    let mut asker = open(&server, "hr", &ann).await;
    let mut other = open(&server, "hr", &ben).await;
    let text = "The incumbent manages three employees.";
    assert_eq!(suggested(&mut asker, text).await, Vec::<String>::new());
    let best = async |asker: &mut Socket| {
        let pushed = asker.next("translation.suggestion").await;
        assert_eq!(pushed["payload"]["correlation_id"], "look", "{pushed}");
        assert_eq!(pushed["metadata"]["correlation_id"], "look", "{pushed}");
        let best = &pushed["payload"]["suggestions"][0];
        (best["text"].as_str().expect("a text").to_owned(), best["match_type"].as_str().expect("a type").to_owned())
    };
    submitted(&mut other, "The incumbent manages these employees.", "Le titulaire gère ces employés.").await;
    assert_eq!(best(&mut asker).await, ("Le titulaire gère ces employés.".to_owned(), "fuzzy".to_owned()));
    let exact = submitted(&mut other, text, "Le titulaire gère trois employés.").await;
    assert_eq!(best(&mut asker).await, ("Le titulaire gère trois employés.".to_owned(), "exact".to_owned()));
    // What somebody finds good is better too; it is told to who asks, and to all.
    let feedback = json!({"translation_id": exact["translation_id"], "quality_rating": 5});
    other.send(&message("translation.feedback", "f", &feedback));
    let rated = other.next("translation.feedback").await["payload"].clone();
    assert_eq!((&rated["translation_id"], &rated["correlation_id"]), (&exact["translation_id"], &json!("f")));
    assert!(rated["confidence_score"].as_f64() > exact["confidence_score"].as_f64(), "{rated} after {exact}");
    assert_eq!(best(&mut asker).await.1, "exact");
    // What is not like it is not; the next that comes is the answer to the next request.
    submitted(&mut other, "Something else altogether", "Tout autre chose").await;
    submitted(&mut asker, text, "Le titulaire a trois employés.").await;
    asker.send(&request("next", "Something else altogether"));
    let next = asker.next("translation.suggestion").await;
    assert_eq!(next["payload"]["correlation_id"], "next", "{next}");
    other.send(&message("translation.feedback", "f", &json!({"translation_id": "trans_1", "quality_rating": 5})));
    other.error("NOT_FOUND").await;
}

#[tokio::test]
async fn a_batch_is_looked_up_while_others_are_answered() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__THREADS", "1").ready().await;
    let token = token(&home, "ann", BOTH);
    let mut socket = open(&server, "hr", &token).await;
    let texts: Vec<String> =
        (0..100).map(|number| format!("The incumbent manages team {number} of the office.")).collect();
    for text in texts.iter().step_by(4) {
        submitted(&mut socket, text, &text.to_uppercase()).await;
    }
    // In one frame: the request is there when the batch begins, however busy the machine is.
    socket.send(&json!([message("translation.batch", "b", &json!({"segments": texts})), request("live", &texts[0])]));
    let (mut results, mut statuses, mut live) = (0, Vec::new(), None);
    while statuses.last() != Some(&("completed".to_owned(), 100)) {
        let told = socket.message().await;
        let payload = &told["payload"];
        match told["type"].as_str().expect("a type") {
            "translation.suggestion" => live = Some(results),
            "translation.batch.status" => {
                let status = payload["status"].as_str().expect("a status").to_owned();
                statuses.push((status, payload["completed"].as_u64().expect("a number")));
            }
            "translation.batch.result" => {
                assert_eq!((&payload["index"], &payload["correlation_id"]), (&json!(results), &json!("b")), "in order");
                let found = payload["suggestions"].as_array().expect("suggestions");
                if results % 4 == 0 {
                    assert_eq!(found[0]["text"], texts[results].to_uppercase(), "{told}");
                }
                results += 1;
            }
            other => panic!("{other}: {told}"),
        }
    }
    assert_eq!((results, statuses.len()), (100, 11), "{statuses:?}");
    assert!(live.is_some_and(|before| before < 50), "who waits comes first: after {live:?} segments");
    // One at a time, and no more of one that is cancelled.
    socket.send(&json!([
        message("translation.batch", "b1", &json!({"segments": texts})),
        message("translation.batch", "b2", &json!({"segments": texts})),
        message("translation.batch.cancel", "c", &json!({})),
    ]));
    assert_eq!(socket.next("translation.batch.status").await["payload"]["status"], "running");
    socket.error("CAPACITY_EXCEEDED").await;
    assert_eq!(socket.next("translation.batch.status").await["payload"]["status"], "cancelled");
    assert!(!suggested(&mut socket, &texts[0]).await.is_empty());
    assert!(socket.peek().is_none(), "nothing of it");
}

/// One who reads nothing while others hand in far more than may wait for it, or than the kernel takes.
#[tokio::test]
async fn who_reads_late_is_told_that_it_missed_something() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_LIMITS__OUTBOUND_QUEUE_BYTES", "65536").ready().await;
    let token = token(&home, "ann", BOTH);
    let target = format!("/ws/translation/hr?{LANGUAGES}&token={token}");
    let (late, answer) = upgrade(server.port(), &target, "").await.expect("an upgrade");
    let mut reader = open(&server, "hr", &token).await;
    let (text, count) = ("\u{1f600}".repeat(4_000), 300);
    for number in 0..count {
        let body = json!({"source_text": format!("{number} {text}"), "translated_text": text, "project_id": "hr",
            "source_language": "en", "target_language": "fr"});
        http::post(server.port(), "/api/translation/submit", &token, &body).await.ok();
        let heard = reader.next("translation.update").await;
        assert!(heard["payload"]["source_text"].as_str().expect("a text").starts_with(&format!("{number} ")));
    }
    let mut late = Socket::start(late, answer.body);
    let mut heard = 0;
    loop {
        let message = late.message().await;
        if message["type"] == "translation.missed" {
            break;
        }
        assert_eq!(message["type"], "translation.update");
        heard += 1;
    }
    assert!(heard < count, "{heard}");
    assert_eq!(suggested(&mut late, &format!("7 {text}")).await.first(), Some(&text));
    submitted(&mut reader, "a", "b").await;
    assert_eq!(late.message().await["payload"]["text"], "b", "and hears again");
}

#[tokio::test]
async fn terms_reach_everybody_of_the_project() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, bob] = ["ann", "bob"].map(|user| token(&home, user, BOTH));
    let [mut first, mut second] = [open(&server, "hr", &ann).await, open(&server, "hr", &bob).await];
    let mut elsewhere = open(&server, "other", &bob).await;
    let term = json!({"term": "incumbent", "translation": "titulaire", "mandatory": true});
    first.send(&message("glossary.update", "t1", &term));
    let answer = first.message().await;
    assert_eq!((&answer["type"], &answer["payload"]["correlation_id"]), (&json!("glossary.update"), &json!("t1")));
    let id = answer["payload"]["term_id"].as_str().expect("a name").to_owned();
    let heard = second.message().await;
    assert_eq!((&heard["type"], &heard["payload"]["term_id"]), (&json!("glossary.update"), &json!(id)), "{heard}");
    assert_eq!((&heard["metadata"]["user_id"], &heard["payload"]["project_id"]), (&json!("ann"), &json!("hr")));
    assert!(heard["payload"].get("correlation_id").is_none(), "{heard}");

    // A term is there for the next request, and for what is handed in.
    second.send(&request("look", "The incumbent leads."));
    let found = second.next("translation.suggestion").await;
    assert_eq!(found["payload"]["glossary_terms"][0]["translation"], "titulaire", "{found}");
    let warned = submitted(&mut second, "The incumbent leads.", "Elle dirige.").await;
    assert_eq!(warned["warnings"][0]["term"], "incumbent", "{warned}");
    first.next("translation.update").await;

    // What all share reaches all projects, over HTTP too; what is another project's is not for this one.
    let shared = json!({"term": "lead", "translation": "diriger", "source_language": "en", "target_language": "fr"});
    http::post(server.port(), "/api/translation/glossary", &ann, &shared).await.json();
    for socket in [&mut first, &mut second, &mut elsewhere] {
        let heard = socket.message().await;
        assert_eq!((&heard["type"], &heard["payload"]["term"]), (&json!("glossary.update"), &json!("lead")), "{heard}");
    }
    elsewhere.send(&message("glossary.remove", "t2", &json!({"term_id": id})));
    let refused = elsewhere.message().await;
    assert_eq!((&refused["type"], &refused["payload"]["error_code"]), (&json!("system.error"), &json!("NOT_FOUND")));
    second.send(&message("glossary.remove", "t3", &json!({"term_id": id})));
    let gone = second.message().await;
    assert_eq!(
        (&gone["type"], &gone["payload"]["correlation_id"]),
        (&json!("glossary.remove"), &json!("t3")),
        "{gone}"
    );
    let heard = first.message().await;
    assert_eq!((&heard["type"], &heard["payload"]["term_id"]), (&json!("glossary.remove"), &json!(id)), "{heard}");
    second.send(&message("glossary.remove", "t4", &json!({"term_id": id})));
    let refused = second.message().await;
    assert_eq!((&refused["type"], &refused["payload"]["error_code"]), (&json!("system.error"), &json!("NOT_FOUND")));

    let mut reader = open(&server, "hr", &token(&home, "eve", "translation:read")).await;
    for (kind, payload) in [("glossary.update", &term), ("glossary.remove", &json!({"term_id": id}))] {
        reader.send(&message(kind, "t5", payload));
        let refused = reader.message().await;
        assert_eq!(
            (&refused["type"], &refused["payload"]["error_code"]),
            (&json!("system.error"), &json!("FORBIDDEN"))
        );
    }
    for (kind, payload, field) in [
        ("glossary.update", json!({"term": "a"}), "payload.translation"),
        ("glossary.update", json!({"term": "a", "translation": "b", "project_id": "other"}), "payload.project_id"),
        ("glossary.remove", json!({"term_id": "7"}), "payload.term_id"),
    ] {
        first.send(&message(kind, "t6", &payload));
        let refused = first.message().await;
        assert_eq!(
            (&refused["type"], &refused["payload"]["details"]["field"]),
            (&json!("system.error"), &json!(field))
        );
    }
}

#[tokio::test]
async fn a_file_that_is_imported_is_told_of() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "ann", BOTH);
    let mut socket = open(&server, "hr", &ann).await;
    let unit = r#"<tu><tuv xml:lang="en"><seg>incumbent</seg></tuv><tuv xml:lang="fr"><seg>titulaire</seg></tuv></tu>"#;
    let file = format!(
        r#"<tmx version="1.4"><header creationtool="a" creationtoolversion="1" segtype="sentence" o-tmf="a" adminlang="en"
        srclang="en" datatype="plaintext"/><body>{unit}</body></tmx>"#
    );
    let request = format!(
        "POST /api/translation/memory/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ann}\r\n\
         Content-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{file}",
        file.len()
    );
    assert_eq!(http::exchange(server.port(), request.as_bytes()).await.ok()["created"], 1);
    assert_eq!(socket.message().await["type"], "translation.missed");
    // Once more it says nothing new, and what is handed in is the next that is heard.
    assert_eq!(http::exchange(server.port(), request.as_bytes()).await.ok()["unchanged"], 1);
    http::post(
        server.port(),
        "/api/translation/submit",
        &ann,
        &json!({"source_text": "a", "text": "b",
        "source_language": "en", "target_language": "fr"}),
    )
    .await
    .ok();
    assert_eq!(socket.message().await["type"], "translation.update");
}

/// Of a few terms each is told, of many that something was.
#[tokio::test]
async fn terms_that_are_imported_are_told_of() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "ann", BOTH);
    let mut socket = open(&server, "hr", &ann).await;
    let import = async |terms: std::ops::Range<usize>| {
        let rows: String = terms.map(|number| format!("term {number:03},terme,en,fr\n")).collect();
        let file = format!("term,translation,source_language,target_language\n{rows}");
        let request = format!(
            "POST /api/translation/glossary/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ann}\r\n\
             Content-Type: text/csv\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{file}",
            file.len()
        );
        http::exchange(server.port(), request.as_bytes()).await.ok()["created"].as_u64()
    };
    assert_eq!(import(0..64).await, Some(64));
    for number in 0..64 {
        let told = socket.message().await;
        assert_eq!(
            (&told["type"], &told["payload"]["term"]),
            (&json!("glossary.update"), &json!(format!("term {number:03}")))
        );
    }
    // Those that were there say nothing.
    assert_eq!(import(0..65).await, Some(1));
    assert_eq!(socket.message().await["payload"]["term"], "term 064");
    assert_eq!(import(100..165).await, Some(65));
    assert_eq!(socket.message().await["type"], "translation.missed");
}

/// Many hand in at once, until the server is killed; whatever was answered is there afterwards.
#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let home = Home::new();
    let mut rng = Rng::from_environment("what_was_answered_survives_a_kill");
    let tokens: Vec<String> = (0..3).map(|user| token(&home, &format!("user_{user}"), BOTH)).collect();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..4 {
        let server = home.start().ready().await;
        let wanted = 5 + rng.below(60);
        let mut writers = tokio::task::JoinSet::new();
        for (user, token) in tokens.iter().enumerate() {
            let mut socket = open(&server, "hr", token).await;
            writers.spawn(async move {
                let mut answered = Vec::new();
                for number in 0..wanted {
                    let text = format!("Text {number} of user {user} in round {round}");
                    socket.send(&submit(&text, &text, &text.to_uppercase()));
                    loop {
                        match socket.receive_any().await {
                            Received::Message(message) if message["type"] == "translation.submitted" => break,
                            Received::Message(message) => assert_eq!(message["type"], "translation.update"),
                            Received::Closed(..) | Received::Lost => return answered,
                        }
                    }
                    answered.push(text);
                }
                answered
            });
        }
        let first = writers.join_next().await.expect("a writer").expect("no panic");
        server.kill_nine();
        answered.extend(first);
        while let Some(more) = writers.join_next().await {
            answered.extend(more.expect("no panic"));
        }
    }
    let server = home.start().ready().await;
    let mut socket = open(&server, "hr", &tokens[0]).await;
    for text in &answered {
        assert_eq!(suggested(&mut socket, text).await.first(), Some(&text.to_uppercase()), "{text}");
    }
    eprintln!("{} translations through 4 kills", answered.len());
}

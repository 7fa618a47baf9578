//! The translation memory on the real server: what is handed in is found, by all, at once and after any end of the server.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test uses its own part of what they share")]
mod support;

mod entries;
mod glossary;
mod searching;

use serde_json::{Value, json};
use support::home::{EDIT, Home, UNLIMITED};
use support::http;
use support::rng::Rng;
use support::server::Server;

const BOTH: &str = "translation:read translation:write";

fn token(home: &Home, user: &str, scope: &str) -> String {
    home.token_with(user, scope, &["--limits", UNLIMITED])
}

fn with(mut object: Value, more: &[(&str, Value)]) -> Value {
    more.iter().for_each(|(key, value)| object[*key] = value.clone());
    object
}

fn pair(source_text: &str, translated_text: &str, more: &[(&str, Value)]) -> Value {
    let languages = json!({"source_language": "en", "target_language": "fr"});
    let texts = [("source_text", json!(source_text)), ("translated_text", json!(translated_text))];
    with(with(languages, &texts), more)
}

async fn submit(server: &Server, token: &str, body: &Value) -> Value {
    http::post(server.port(), "/api/translation/submit", token, body).await.ok()
}

async fn suggestions(server: &Server, token: &str, text: &str, more: &[(&str, Value)]) -> Vec<Value> {
    let body = json!({"source_text": text, "source_language": "en-CA", "target_language": "fr", "min_confidence": 0.5});
    let answer = http::post(server.port(), "/api/translation/suggestions", token, &with(body, more)).await.ok();
    answer["suggestions"].as_array().expect("suggestions").clone()
}

async fn translations(server: &Server, token: &str, text: &str, more: &[(&str, Value)]) -> Vec<String> {
    let found = suggestions(server, token, text, more).await;
    found.iter().map(|one| one["translated_text"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn what_is_handed_in_is_found_by_all_at_once() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, bob] = ["ann", "bob"].map(|user| token(&home, user, BOTH));
    let text = "The incumbent manages 3 employees and reports to the director.";
    let french = "Le titulaire gère 3 employés et relève du directeur.";
    let first = submit(&server, &ann, &pair(text, french, &[("quality_rating", json!(3))])).await;
    let id = first["translation_id"].as_str().expect("a name");
    assert!(id.starts_with("trans_"), "{first}");
    assert_eq!((&first["status"], &first["requires_review"]), (&json!("pending"), &json!(true)));
    assert_eq!(first["added_to_memory"], true);
    // The same once more, by another: one entry, used once, and reviewed by now.
    let again = submit(&server, &bob, &pair(text, french, &[("reviewed", json!(true))])).await;
    assert_eq!((&again["translation_id"], &again["status"]), (&first["translation_id"], &json!("accepted")));
    assert!(again["confidence_score"].as_f64() > first["confidence_score"].as_f64(), "{again} after {first}");

    let exact =
        suggestions(&server, &bob, "the incumbent  manages 3 employees and reports to the Director.", &[]).await;
    assert_eq!(exact.len(), 1, "{exact:?}");
    let fields = ["translation_id", "translated_text", "match_type", "source", "usage_count"].map(|key| &exact[0][key]);
    assert_eq!(fields, [&json!(id), &json!(french), &json!("exact"), &json!("translation_memory"), &json!(1)]);
    assert_eq!(exact[0]["contributors"], json!(["ann", "bob"]));
    assert_eq!((&exact[0]["similarity"], &exact[0]["context_match"]), (&Value::Null, &Value::Null));
    assert!(exact[0]["last_used"].as_str().is_some_and(|time| time.ends_with('Z')), "{exact:?}");

    let numbers = suggestions(&server, &ann, &text.replace('3', "12"), &[]).await;
    assert_eq!(numbers[0]["translated_text"], french.replace('3', "12"));
    assert_eq!(numbers[0]["match_type"], "fuzzy");
    let fuzzy = suggestions(&server, &ann, &text.replace("director", "manager"), &[("explain", json!(true))]).await;
    assert_eq!((&fuzzy[0]["match_type"], &fuzzy[0]["translated_text"]), (&json!("fuzzy"), &json!(french)));
    let similarity = fuzzy[0]["similarity"].as_f64().expect("a number");
    assert!(similarity < 1.0 && fuzzy[0]["confidence"].as_f64().expect("a number") <= similarity, "{fuzzy:?}");
    assert!(fuzzy[0]["explanation"].is_object(), "{fuzzy:?}");
    assert_eq!(suggestions(&server, &ann, "Something else altogether", &[]).await, Vec::<Value>::new());
    let nothing_less = [("min_confidence", json!(1))];
    assert_eq!(
        suggestions(&server, &ann, &text.replace("director", "manager"), &nothing_less).await,
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn a_project_has_its_own_and_what_all_share() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    let of = |project: &str| [("project_id", json!(project)), ("reviewed", json!(true))];
    submit(&server, &token, &pair("incumbent", "titulaire", &[("reviewed", json!(true))])).await;
    submit(&server, &token, &pair("incumbent", "occupant", &of("hr"))).await;
    submit(&server, &token, &pair("incumbent", "responsable", &of("other"))).await;
    assert_eq!(translations(&server, &token, "incumbent", &[]).await, ["titulaire"]);
    let hr = [("project_id", json!("hr"))];
    assert_eq!(translations(&server, &token, "incumbent", &hr).await, ["occupant", "titulaire"]);
    let one = [("project_id", json!("hr")), ("max_suggestions", json!(1))];
    assert_eq!(translations(&server, &token, "incumbent", &one).await, ["occupant"]);
    // The other way round is another memory.
    let back = [("source_language", json!("fr")), ("target_language", json!("en"))];
    assert!(translations(&server, &token, "incumbent", &back).await.is_empty());
}

#[tokio::test]
async fn only_what_is_accepted_where_that_is_the_rule() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__APPROVED_ONLY", "true").ready().await;
    let token = token(&home, "ann", BOTH);
    let pending = submit(&server, &token, &pair("incumbent", "titulaire", &[])).await;
    assert_eq!(pending["status"], "pending");
    assert!(translations(&server, &token, "incumbent", &[]).await.is_empty());
    submit(&server, &token, &pair("incumbent", "titulaire", &[("quality_rating", json!(5))])).await;
    assert_eq!(translations(&server, &token, "incumbent", &[]).await, ["titulaire"]);
}

#[tokio::test]
async fn scopes_and_bad_input_are_told() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [reader, writer, editor] =
        ["translation:read", "translation:write", EDIT].map(|scope| token(&home, "ann", scope));
    let (look, hand_in) = ("/api/translation/suggestions", "/api/translation/submit");
    let asked = json!({"source_text": "a", "source_language": "en", "target_language": "fr"});
    let handed = pair("a", "b", &[]);
    for (path, token, body) in [(look, &writer, &asked), (look, &editor, &asked), (hand_in, &reader, &handed)] {
        http::post(server.port(), path, token, body).await.error(403, "FORBIDDEN");
    }
    http::post(server.port(), look, "nonsense", &asked).await.error(401, "UNAUTHENTICATED");
    let long = "é".repeat(4_097);
    for (field, value) in [
        ("source_text", json!("")),
        ("source_text", json!(" \n")),
        ("source_text", json!(long)),
        ("source_text", Value::Null),
        ("source_language", Value::Null),
        ("source_language", json!("de")),
        ("target_language", json!("en")),
        ("target_language", json!("english")),
        ("project_id", json!("a/b")),
        ("context", json!("here")),
    ] {
        for (path, token, body) in [(look, &reader, &asked), (hand_in, &writer, &handed)] {
            let body = with(body.clone(), &[(field, value.clone())]);
            let error = http::post(server.port(), path, token, &body).await.error(400, "VALIDATION_ERROR");
            assert_eq!(error["details"]["field"], field, "{value}: {error}");
            assert!(error["details"]["expected"].is_string(), "{value}: {error}");
        }
    }
    for (path, token, body, field, value) in [
        (look, &reader, &asked, "max_suggestions", json!(0)),
        (look, &reader, &asked, "min_confidence", json!(1.5)),
        (look, &reader, &asked, "mode", json!("slow")),
        (hand_in, &writer, &handed, "quality_rating", json!(6)),
        (hand_in, &writer, &handed, "translated_text", json!("")),
        (hand_in, &writer, &handed, "text", json!("c")),
    ] {
        let body = with(body.clone(), &[(field, value)]);
        let error = http::post(server.port(), path, token, &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
    // Nothing of it was remembered.
    assert!(translations(&server, &reader, "a", &[]).await.is_empty());
}

/// Many hand in at once, until the server is killed; whatever was answered is there afterwards, once.
#[tokio::test]
async fn what_was_answered_survives_any_end() {
    let home = Home::new();
    let mut rng = Rng::from_environment("what_was_answered_survives_any_end");
    let tokens: Vec<String> = (0..4).map(|user| token(&home, &format!("user_{user}"), BOTH)).collect();
    let mut answered: Vec<(String, String)> = Vec::new();
    for round in 0..6 {
        let server = home.start().ready().await;
        let wanted = 5 + rng.below(60);
        let port = server.port();
        let mut writers = tokio::task::JoinSet::new();
        for (user, token) in tokens.iter().cloned().enumerate() {
            writers.spawn(async move {
                let mut answered = Vec::new();
                for number in 0..wanted {
                    let text = format!("Text {number} of user {user} in round {round}");
                    let body = pair(&text, &text.to_uppercase(), &[]).to_string();
                    let request = format!(
                        "POST /api/translation/submit HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
                         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let Ok(answer) = http::try_exchange(port, request.as_bytes()).await else { break };
                    let id = answer.ok()["translation_id"].as_str().expect("a name").to_owned();
                    answered.push((text, id));
                }
                answered
            });
        }
        // The first is done, the others are in the middle of it.
        let first = writers.join_next().await.expect("a writer").expect("no panic");
        server.kill_nine();
        answered.extend(first);
        while let Some(more) = writers.join_next().await {
            answered.extend(more.expect("no panic"));
        }
    }
    let server = home.start().ready().await;
    for (text, id) in &answered {
        let found = suggestions(&server, &tokens[0], text, &[("min_confidence", json!(0))]).await;
        assert_eq!(found.first().map(|one| &one["translation_id"]), Some(&json!(id)), "{text}: {found:?}");
    }
    eprintln!("{} translations through 6 kills", answered.len());
}

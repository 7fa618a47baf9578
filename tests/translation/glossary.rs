//! The glossary on the real server: what is added holds for all, at once and after any end of the server.

use serde_json::{Value, json};

use super::support::home::{EDIT, Home};
use super::support::http::{self, Answer};
use super::support::rng::Rng;
use super::support::server::Server;
use super::{BOTH, token, with};

const GLOSSARY: &str = "/api/translation/glossary";

fn term(term: &str, translation: &str, more: &[(&str, Value)]) -> Value {
    let texts = json!({"term": term, "translation": translation, "source_language": "en", "target_language": "fr-CA"});
    with(texts, more)
}

/// Asks for something of the glossary.
async fn ask(server: &Server, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
    http::exchange(server.port(), &http::request(method, &format!("{GLOSSARY}{path}"), Some(token), body)).await
}

async fn add(server: &Server, token: &str, body: &Value) -> Value {
    let answer = ask(server, "POST", "", token, Some(body)).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let added = answer.json();
    let location = format!("{GLOSSARY}/{}", id(&added));
    assert_eq!(answer.header("location"), Some(location.as_str()));
    added
}

fn id(term: &Value) -> &str {
    term["term_id"].as_str().expect("a name")
}

async fn list(server: &Server, token: &str, query: &str) -> (Vec<String>, Value) {
    let answer = ask(server, "GET", query, token, None).await.ok();
    let terms = answer["terms"].as_array().expect("terms").iter();
    (terms.map(|term| term["term"].as_str().expect("a text").to_owned()).collect(), answer["pagination"].clone())
}

fn asked(text: &str, more: &[(&str, Value)]) -> Value {
    with(json!({"source_text": text, "source_language": "en", "target_language": "fr"}), more)
}

/// The terms that are found in a text, without their names.
async fn found(server: &Server, token: &str, text: &str, more: &[(&str, Value)]) -> Vec<Value> {
    let answer = http::post(server.port(), "/api/translation/suggestions", token, &asked(text, more)).await.ok();
    let mut terms = answer["glossary_terms"].as_array().expect("terms").clone();
    terms.iter_mut().for_each(|term| drop(term.as_object_mut().expect("an object").remove("term_id")));
    terms
}

async fn translations(server: &Server, token: &str, text: &str, more: &[(&str, Value)]) -> Vec<Value> {
    found(server, token, text, more).await.into_iter().map(|mut term| term["translation"].take()).collect()
}

async fn warnings(server: &Server, token: &str, texts: [&str; 2], more: &[(&str, Value)]) -> Value {
    let body = with(asked(texts[0], more), &[("translated_text", json!(texts[1]))]);
    http::post(server.port(), "/api/translation/submit", token, &body).await.ok()["warnings"].take()
}

#[tokio::test]
async fn what_is_added_holds_for_all_at_once() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, bob] = ["ann", "bob"].map(|user| token(&home, user, BOTH));
    let text = "The incumbent is responsible for strategic planning";
    assert_eq!(found(&server, &bob, text, &[]).await, Vec::<Value>::new());
    let domain = [("mandatory", json!(true)), ("domain", json!("government_hr"))];
    let added = add(&server, &ann, &term("incumbent", "titulaire", &domain)).await;
    // As the reference has it.
    let expected =
        json!({"term": "incumbent", "translation": "titulaire", "mandatory": true, "domain": "government_hr"});
    assert_eq!(found(&server, &bob, text, &[]).await, [expected]);
    assert_eq!((&added["created_by"], &added["target_language"]), (&json!("ann"), &json!("fr")));
    assert_eq!(added["project_id"], Value::Null);

    let path = format!("/{}", id(&added));
    assert_eq!(ask(&server, "GET", &path, &bob, None).await.ok(), added);
    // The same once more, by another: it is changed, and keeps its name.
    let more = [("domain", json!("government_hr")), ("accepted_translations", json!(["personne titulaire"]))];
    let again = ask(&server, "POST", "", &bob, Some(&term("Incumbent", "titulaire", &more))).await.ok();
    let fields = ["term_id", "created_by", "updated_by", "mandatory"].map(|key| &again[key]);
    assert_eq!(fields, [&added["term_id"], &json!("ann"), &json!("bob"), &json!(false)]);
    // In another domain it is another term.
    let other = add(&server, &ann, &term("incumbent", "fonctionnaire", &[])).await;
    assert_eq!(translations(&server, &bob, text, &[]).await, ["titulaire", "fonctionnaire"]);

    let body = json!({"term": "incumbent", "translation": "responsable", "note": "not the manager"});
    let changed = ask(&server, "PUT", &format!("/{}", id(&other)), &bob, Some(&body)).await.ok();
    assert_eq!((&changed["translation"], &changed["note"]), (&json!("responsable"), &json!("not the manager")));
    assert_eq!(translations(&server, &ann, text, &[]).await, ["titulaire", "responsable"]);
    let removed = ask(&server, "DELETE", &path, &bob, None).await.ok();
    assert_eq!(removed, json!({"term_id": id(&added), "removed": true}));
    assert_eq!(translations(&server, &ann, text, &[]).await, ["responsable"]);
    for method in ["GET", "DELETE"] {
        ask(&server, method, &path, &ann, None).await.error(404, "NOT_FOUND");
    }
    ask(&server, "PUT", &path, &ann, Some(&body)).await.error(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_project_has_its_own_and_what_all_share() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    let [hr, other] = ["hr", "other"].map(|project| [("project_id", json!(project))]);
    add(&server, &token, &term("incumbent", "titulaire", &[])).await;
    add(&server, &token, &term("order", "ordonnance", &[])).await;
    let own = add(&server, &token, &term("incumbent", "occupant", &hr)).await;
    assert_eq!(own["project_id"], "hr");
    let text = "Orders of the incumbent";
    assert_eq!(translations(&server, &token, text, &hr).await, ["occupant", "ordonnance"]);
    for elsewhere in [&other[..], &[]] {
        assert_eq!(translations(&server, &token, text, elsewhere).await, ["ordonnance", "titulaire"]);
    }
    let back = [("source_language", json!("fr")), ("target_language", json!("en"))];
    assert!(translations(&server, &token, text, &back).await.is_empty());
    assert_eq!(list(&server, &token, "").await.0, ["incumbent", "order"]);
    assert_eq!(list(&server, &token, "?project_id=hr").await.0, ["incumbent"]);
    assert!(list(&server, &token, "?project_id=other").await.0.is_empty());
    // A term stays where it is.
    let path = format!("/{}", id(&own));
    for (field, value) in [("project_id", "other"), ("source_language", "fr"), ("target_language", "en")] {
        let body = json!({"term": "incumbent", "translation": "occupant", field: value});
        let error = ask(&server, "PUT", &path, &token, Some(&body)).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
    let same = term("incumbent", "occupant", &hr);
    assert_eq!(ask(&server, "PUT", &path, &token, Some(&same)).await.ok()["term_id"], own["term_id"]);
}

#[tokio::test]
async fn terms_are_listed_page_by_page() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    for number in 10..35 {
        let domain = if number % 5 == 0 { "law" } else { "science" };
        add(&server, &token, &term(&format!("term {number}"), "terme", &[("domain", json!(domain))])).await;
    }
    let (terms, pagination) = list(&server, &token, "?page=3&limit=10").await;
    assert_eq!(terms, (30..35).map(|number| format!("term {number}")).collect::<Vec<_>>());
    assert_eq!(pagination, json!({"total": 25, "page": 3, "pages": 3, "per_page": 10}));
    assert_eq!(list(&server, &token, "?q=TERM%201&limit=100").await.0.len(), 10);
    let (terms, pagination) = list(&server, &token, "?domain=law&q=2").await;
    assert_eq!((terms, &pagination["total"]), (vec!["term 20".to_owned(), "term 25".to_owned()], &json!(2)));
    assert_eq!(list(&server, &token, "?source_language=en&target_language=fr&q=terme").await.1["total"], 25);
    assert_eq!(list(&server, &token, "?source_language=fr").await.1["total"], 0);
}

#[tokio::test]
async fn translations_are_warned_of_and_accepted() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    let wanted = [("mandatory", json!(true)), ("forbidden_translations", json!(["occupant"]))];
    let added = add(&server, &token, &term("incumbent", "titulaire", &wanted)).await;
    let source = "The incumbents plan";
    assert_eq!(warnings(&server, &token, [source, "Les titulaires planifient"], &[]).await, Value::Null);
    let missing = warnings(&server, &token, [source, "Les occupants planifient"], &[("reviewed", json!(true))]).await;
    let kinds: Vec<&Value> = missing.as_array().expect("warnings").iter().map(|warning| &warning["type"]).collect();
    assert_eq!(kinds, ["mandatory_term_missing", "forbidden_term"]);
    for warning in missing.as_array().expect("warnings") {
        let fields = ["term", "expected", "term_id"].map(|key| &warning[key]);
        assert_eq!(fields, [&json!("incumbent"), &json!("titulaire"), &added["term_id"]]);
    }
    assert_eq!(missing[1]["found"], "occupants");
    // It is remembered all the same, and reviewed.
    let answer = http::post(server.port(), "/api/translation/suggestions", &token, &asked(source, &[])).await.ok();
    let texts: Vec<&Value> =
        answer["suggestions"].as_array().expect("a list").iter().map(|one| &one["translated_text"]).collect();
    assert!(texts.contains(&&json!("Les occupants planifient")), "{answer}");
    assert_eq!(answer["glossary_terms"][0]["forbidden_translations"], json!(["occupant"]));
    // A project may see it otherwise.
    let hr = [("project_id", json!("hr"))];
    add(&server, &token, &term("incumbent", "occupant", &hr)).await;
    assert_eq!(warnings(&server, &token, [source, "Les occupants planifient"], &hr).await, Value::Null);
}

#[tokio::test]
async fn scopes_and_bad_input_are_told() {
    let home = Home::in_memory();
    let server = home.start().env("JDDB_TRANSLATION__TERMS", "4").ready().await;
    let [reader, writer, editor] =
        ["translation:read", "translation:write", EDIT].map(|scope| token(&home, "ann", scope));
    let handed = term("a", "b", &[]);
    let added = add(&server, &writer, &handed).await;
    let path = format!("/{}", id(&added));
    for token in [&reader, &editor] {
        ask(&server, "POST", "", token, Some(&handed)).await.error(403, "FORBIDDEN");
        ask(&server, "PUT", &path, token, Some(&handed)).await.error(403, "FORBIDDEN");
        ask(&server, "DELETE", &path, token, None).await.error(403, "FORBIDDEN");
    }
    for token in [&writer, &editor] {
        ask(&server, "GET", "", token, None).await.error(403, "FORBIDDEN");
        ask(&server, "GET", &path, token, None).await.error(403, "FORBIDDEN");
    }
    ask(&server, "POST", "", "nonsense", Some(&handed)).await.error(401, "UNAUTHENTICATED");
    let (long, many) = ("é".repeat(201), vec!["x"; 17]);
    for (field, value) in [
        ("term", json!("")),
        ("term", json!("--")),
        ("term", json!(long)),
        ("translation", Value::Null),
        ("translation", json!("a\u{7}")),
        ("variants", json!(many)),
        ("accepted_translations", json!(["x", long])),
        ("forbidden_translations", json!(["B"])),
        ("domain", json!("d".repeat(257))),
        ("note", json!("n".repeat(1_001))),
        ("mandatory", json!("yes")),
        ("source_language", Value::Null),
        ("source_language", json!("de")),
        ("target_language", json!("en")),
        ("project_id", json!("a/b")),
    ] {
        let body = with(handed.clone(), &[(field, value.clone())]);
        let error = ask(&server, "POST", "", &writer, Some(&body)).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{value}: {error}");
        assert!(error["details"]["expected"].is_string(), "{value}: {error}");
    }
    for (query, field) in [
        ("?limit=101", "limit"),
        ("?page=0", "page"),
        ("?q=", "q"),
        ("?domain=%00", "domain"),
        ("?project_id=a%2Fb", "project_id"),
        ("?source_language=de", "source_language"),
        ("?source_language=fr&target_language=fr", "target_language"),
    ] {
        let error = ask(&server, "GET", query, &reader, None).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{query}: {error}");
    }
    for unknown in ["/term_1", "/a", "/", "/term_01", "/trans_1"] {
        ask(&server, "GET", unknown, &reader, None).await.error(404, "NOT_FOUND");
    }
    // Another has that name, and there is room for four, variants counted.
    let other = add(&server, &writer, &term("b", "c", &[("variants", json!(["bee"]))])).await;
    let error = ask(&server, "PUT", &path, &writer, Some(&term("B", "c", &[]))).await.error(400, "VALIDATION_ERROR");
    assert_eq!(error["details"]["field"], "term");
    assert!(error["details"]["expected"].as_str().is_some_and(|expected| expected.contains(id(&other))), "{error}");
    let two = term("c", "d", &[("variants", json!(["see"]))]);
    ask(&server, "POST", "", &writer, Some(&two)).await.error(503, "CAPACITY_EXCEEDED");
    add(&server, &writer, &term("c", "d", &[])).await;
    assert_eq!(list(&server, &reader, "").await.0, ["a", "b", "c"]);
}

/// Many add, change and remove terms at once, until the server is killed; what was answered last holds afterwards.
#[tokio::test]
async fn what_was_answered_survives_any_end() {
    let home = Home::new();
    let mut rng = Rng::from_environment("what_was_answered_survives_any_end");
    let tokens: Vec<String> = (0..4).map(|user| token(&home, &format!("user_{user}"), BOTH)).collect();
    let mut answered: Vec<(String, Option<String>)> = Vec::new();
    let mut unanswered: Vec<String> = Vec::new();
    for round in 0..6 {
        let server = home.start().ready().await;
        let wanted = 5 + rng.below(60);
        let port = server.port();
        let mut writers = tokio::task::JoinSet::new();
        for (user, token) in tokens.iter().cloned().enumerate() {
            writers.spawn(async move {
                let mut answered = Vec::new();
                for number in 0..wanted {
                    let text = format!("term {number} of user {user} in round {round}");
                    let body = term(&text, "first", &[]);
                    let request = http::request("POST", GLOSSARY, Some(&token), Some(&body));
                    let Ok(answer) = http::try_exchange(port, &request).await else { return (answered, text) };
                    assert_eq!(answer.status, 201, "{text}");
                    let path = format!("{GLOSSARY}/{}", id(&answer.json()));
                    let (request, then) = match number % 3 {
                        0 => (http::request("DELETE", &path, Some(&token), None), None),
                        1 => {
                            let body = term(&text, "second", &[]);
                            (http::request("PUT", &path, Some(&token), Some(&body)), Some("second".to_owned()))
                        }
                        _ => {
                            answered.push((text, Some("first".to_owned())));
                            continue;
                        }
                    };
                    let Ok(answer) = http::try_exchange(port, &request).await else { return (answered, text) };
                    assert_eq!(answer.status, 200, "{text}");
                    answered.push((text, then));
                }
                (answered, String::new())
            });
        }
        // The first is done, the others are in the middle of it.
        let first = writers.join_next().await.expect("a writer").expect("no panic");
        server.kill_nine();
        let mut ended = vec![first];
        while let Some(more) = writers.join_next().await {
            ended.push(more.expect("no panic"));
        }
        for (more, last) in ended {
            answered.extend(more);
            unanswered.push(last);
        }
    }
    let server = home.start().ready().await;
    let mut there = 0;
    for (text, translation) in &answered {
        let expected: Vec<&str> = translation.iter().map(String::as_str).collect();
        assert_eq!(translations(&server, &tokens[0], text, &[]).await, expected, "{text}");
        there += expected.len();
    }
    let (_, pagination) = list(&server, &tokens[0], "").await;
    let total = pagination["total"].as_u64().expect("a count");
    let most = there + unanswered.iter().filter(|text| !text.is_empty()).count();
    assert!((there as u64..=most as u64).contains(&total), "{total} terms, {there} to {most} expected");
    eprintln!("{} terms through 6 kills", answered.len());
}

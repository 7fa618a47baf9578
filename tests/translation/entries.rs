//! Entries: shown, rewritten, accepted, rejected, rated and deleted, by those who may.

use serde_json::{Value, json};

use crate::support::home::{Home, UNLIMITED};
use crate::support::http::{self, Answer};
use crate::support::rng::Rng;
use crate::support::server::Server;
use crate::{BOTH, pair, submit, suggestions, token, translations};

async fn ask(server: &Server, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let path = format!("/api/translation/entries/{path}");
    http::exchange(server.port(), &http::request(method, &path, Some(token), body)).await
}

async fn get(server: &Server, token: &str, id: &str) -> Answer {
    ask(server, token, "GET", id, None).await
}

async fn revise(server: &Server, token: &str, id: &str, body: &Value) -> Answer {
    ask(server, token, "PATCH", id, Some(body)).await
}

async fn rate(server: &Server, token: &str, id: &str, body: &Value) -> Answer {
    ask(server, token, "POST", &format!("{id}/feedback"), Some(body)).await
}

fn name_of(submitted: &Value) -> String {
    submitted["translation_id"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn an_entry_is_shown_as_it_is() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "ann", BOTH);
    let context = json!({"section": "duties", "domain": "hr", "previous": "Before."});
    let more = [("context", context.clone()), ("project_id", json!("hr")), ("quality_rating", json!(4))];
    let id = name_of(&submit(&server, &ann, &pair("The incumbent", "Le titulaire", &more)).await);
    let mut shown = get(&server, &ann, &id).await.ok();
    for time in ["created_at", "last_used"] {
        assert!(shown[time].as_str().is_some_and(|time| time.ends_with('Z')), "{shown}");
        shown[time] = json!("now");
    }
    let expected = json!({
        "translation_id": id, "project_id": "hr", "source_language": "en", "target_language": "fr",
        "source_text": "The incumbent", "translated_text": "Le titulaire", "context": context, "status": "accepted",
        "reviewed": false, "requires_review": false, "confidence_score": 0.89, "quality_rating": 4.0,
        "rating_count": 1, "usage_count": 0, "created_at": "now", "last_used": "now", "contributors": ["ann"]
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn feedback_and_use_change_the_confidence() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, bob] = ["ann", "bob"].map(|user| token(&home, user, BOTH));
    let id = name_of(&submit(&server, &ann, &pair("The incumbent", "Le titulaire", &[])).await);
    let confidence = |entry: &Value| entry["confidence_score"].as_f64().expect("a number");
    let mut before = confidence(&get(&server, &ann, &id).await.ok());
    for (token, body, count, rating, uses, expected) in [
        (&bob, json!({"quality_rating": 4}), 1, 4.0, 0, 0.89),
        (&bob, json!({"quality_rating": 5}), 1, 5.0, 0, 0.93),
        (&ann, json!({"used": true}), 1, 5.0, 1, 0.93),
        (&ann, json!({"quality_rating": 5, "used": true}), 2, 5.0, 2, 0.94),
    ] {
        let rated = rate(&server, token, &id, &body).await.ok();
        let fields = ["rating_count", "quality_rating", "usage_count"].map(|key| &rated[key]);
        assert_eq!(fields, [&json!(count), &json!(rating), &json!(uses)], "{body}");
        assert_eq!(confidence(&rated), expected, "{body}: {rated} after {before}");
        before = confidence(&rated);
    }
    let found = suggestions(&server, &bob, "The incumbent", &[]).await;
    assert_eq!((&found[0]["usage_count"], &found[0]["confidence"]), (&json!(2), &json!(before)));
    let worse = rate(&server, &bob, &id, &json!({"quality_rating": 1})).await.ok();
    assert!(confidence(&worse) < before, "{worse}");
}

#[tokio::test]
async fn who_made_it_rewrites_it_and_all_review_it() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let [ann, bob] = ["ann", "bob"].map(|user| token(&home, user, BOTH));
    let admin = token(&home, "eve", &format!("{BOTH} document:admin"));
    let used = [("quality_rating", json!(5)), ("reviewed", json!(true))];
    let id = name_of(&submit(&server, &ann, &pair("The incumbent", "Le titulaire", &used)).await);
    let other = name_of(&submit(&server, &bob, &pair("The incumbent", "La titulaire", &used)).await);

    let better = json!({"translated_text": "L'occupant du poste"});
    revise(&server, &bob, &id, &better).await.error(403, "FORBIDDEN");
    let taken = revise(&server, &ann, &id, &json!({"text": "La titulaire"})).await.error(400, "VALIDATION_ERROR");
    assert!(taken["details"]["expected"].as_str().is_some_and(|text| text.contains(&other)), "{taken}");
    let rewritten = revise(&server, &ann, &id, &better).await.ok();
    let fields = ["translated_text", "status", "reviewed", "rating_count"].map(|key| &rewritten[key]);
    assert_eq!(fields, [&better["translated_text"], &json!("pending"), &json!(false), &json!(0)]);
    let accepted = revise(&server, &bob, &id, &json!({"status": "accepted"})).await.ok();
    assert_eq!((&accepted["status"], &accepted["reviewed"]), (&json!("accepted"), &json!(true)));
    revise(&server, &bob, &other, &json!({"status": "rejected"})).await.ok();
    assert_eq!(translations(&server, &ann, "The incumbent", &[]).await, ["L'occupant du poste"]);

    ask(&server, &bob, "DELETE", &id, None).await.error(403, "FORBIDDEN");
    let deleted = ask(&server, &admin, "DELETE", &id, None).await.ok();
    assert_eq!(deleted, json!({"translation_id": id, "deleted": true}));
    for answer in [
        get(&server, &ann, &id).await,
        ask(&server, &ann, "DELETE", &id, None).await,
        revise(&server, &ann, &id, &better).await,
        rate(&server, &ann, &id, &json!({"used": true})).await,
    ] {
        let error = answer.error(404, "NOT_FOUND");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(&id)), "{error}");
    }
    assert!(translations(&server, &ann, "The incumbent", &[]).await.is_empty());
}

#[tokio::test]
async fn bad_input_and_missing_scopes_change_nothing() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "ann", BOTH);
    let [reader, writer] = ["translation:read", "translation:write"].map(|scope| token(&home, "ann", scope));
    let id = name_of(&submit(&server, &ann, &pair("The incumbent", "Le titulaire", &[])).await);
    let before = get(&server, &reader, &id).await.ok();
    get(&server, &writer, &id).await.error(403, "FORBIDDEN");
    revise(&server, &reader, &id, &json!({"status": "accepted"})).await.error(403, "FORBIDDEN");
    rate(&server, &reader, &id, &json!({"used": true})).await.error(403, "FORBIDDEN");
    ask(&server, &reader, "DELETE", &id, None).await.error(403, "FORBIDDEN");
    for name in ["trans_1", "trans_", "98765", "trans_01", "%00", "%ff", "trans_99999999999999999999"] {
        get(&server, &reader, name).await.error(404, "NOT_FOUND");
    }
    for (body, field) in [
        (json!({}), "translated_text"),
        (json!({"status": "good"}), "status"),
        (json!({"translated_text": ""}), "translated_text"),
        (json!({"text": "é".repeat(4_097)}), "text"),
    ] {
        let error = revise(&server, &ann, &id, &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{body}: {error}");
    }
    for (body, field) in [
        (json!({}), "quality_rating"),
        (json!({"quality_rating": 6}), "quality_rating"),
        (json!({"used": "yes"}), "used"),
    ] {
        let error = rate(&server, &ann, &id, &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{body}: {error}");
    }
    assert_eq!(get(&server, &reader, &id).await.ok(), before);
}

/// Whatever was answered of ratings, decisions and deletions holds after `kill -9`, in whatever order it came.
#[tokio::test]
async fn what_was_said_survives_a_kill() {
    let home = Home::new();
    let mut rng = Rng::from_environment("what_was_said_survives_a_kill");
    let token = home.token_with("ann", BOTH, &["--limits", UNLIMITED]);
    let mut known: Vec<(String, Option<Value>)> = Vec::new();
    for round in 0..4 {
        let server = home.start().ready().await;
        for (id, entry) in &known {
            match entry {
                Some(entry) => assert_eq!(&get(&server, &token, id).await.ok(), entry),
                None => drop(get(&server, &token, id).await.error(404, "NOT_FOUND")),
            }
        }
        for number in 0..10 {
            let text = format!("Text {number} of round {round}");
            let id = name_of(&submit(&server, &token, &pair(&text, &text.to_uppercase(), &[])).await);
            known.push((id, Some(Value::Null)));
        }
        for (id, entry) in known.iter_mut().filter(|(_, entry)| entry.is_some()) {
            *entry = match rng.below(5) {
                0 => {
                    ask(&server, &token, "DELETE", id, None).await.ok();
                    None
                }
                1 => Some(rate(&server, &token, id, &json!({"quality_rating": 1 + rng.below(5)})).await.ok()),
                2 => Some(rate(&server, &token, id, &json!({"used": true})).await.ok()),
                3 => Some(revise(&server, &token, id, &json!({"status": "rejected"})).await.ok()),
                _ => Some(revise(&server, &token, id, &json!({"text": format!("Texte de {id}")})).await.ok()),
            };
        }
        server.kill_nine();
    }
}

//! Phrases that are searched for, and texts that are weighed.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http;
use crate::support::server::Server;
use crate::{BOTH, pair, submit, token, with};

async fn search(server: &Server, token: &str, query: &str) -> Value {
    let path = format!("/api/translation/search?source_language=en&target_language=fr&{query}");
    http::get(server.port(), &path, token).await.ok()
}

fn sources(found: &Value) -> Vec<&str> {
    let entries = found["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry["source_text"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn a_phrase_is_found_in_both_languages() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    for (source, target, project) in [
        ("Leads strategic planning.", "Dirige la planification stratégique.", Value::Null),
        ("Strategic\u{a0}PLANNING is led.", "L’équipe planifie.", json!("hr")),
        ("Manages the team.", "Gère l'équipe.", json!("hr")),
        ("Manages staff.", "Gère du personnel.", json!("other")),
    ] {
        submit(&server, &token, &pair(source, target, &[("project_id", project)])).await;
    }
    let phrase = "q=strategic%20planning";
    assert_eq!(sources(&search(&server, &token, phrase).await), ["Leads strategic planning."]);
    let of_project = search(&server, &token, &format!("{phrase}&project_id=hr")).await;
    assert_eq!(sources(&of_project), ["Strategic\u{a0}PLANNING is led.", "Leads strategic planning."]);
    assert_eq!(of_project["next"], Value::Null);
    let french = "q=L%27%C3%89QUIPE&project_id=hr";
    let both = ["Manages the team.", "Strategic\u{a0}PLANNING is led."];
    assert_eq!(sources(&search(&server, &token, french).await), both);
    assert_eq!(sources(&search(&server, &token, &format!("{french}&in=target")).await), both);
    assert!(sources(&search(&server, &token, &format!("{french}&in=source")).await).is_empty());
    assert!(sources(&search(&server, &token, &format!("{french}&status=accepted")).await).is_empty());
    for (query, field) in [
        ("q=", "q"),
        ("q=%20", "q"),
        ("a=b", "q"),
        ("q=a&in=all", "in"),
        ("q=a&status=good", "status"),
        ("q=a&before=7", "before"),
        ("q=a&limit=101", "limit"),
        ("q=a&project_id=a%2Fb", "project_id"),
        ("q=a&source_language=fr", "source_language"),
    ] {
        let path = format!("/api/translation/search?source_language=en&target_language=fr&{query}");
        let error = http::get(server.port(), &path, &token).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{query}: {error}");
    }
}

/// More entries than are looked at by one job, gone through a few at a time.
#[tokio::test]
async fn a_search_goes_on_where_it_ended() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let token = token(&home, "ann", BOTH);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (port, token) = (server.port(), token.clone());
        writers.spawn(async move {
            for number in (writer..2_500).step_by(8) {
                let text = format!("Text {number} {}", if number % 250 == 7 { "rare" } else { "common" });
                http::post(port, "/api/translation/submit", &token, &pair(&text, "x", &[])).await.ok();
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("no panic");
    }
    for (phrase, limit, expected) in [("rare", 3, 10), ("rare", 100, 10), ("common", 100, 2_490), ("text", 100, 2_500)]
    {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let found = search(&server, &token, &format!("q={phrase}&limit={limit}{before}")).await;
            let part: Vec<String> = sources(&found).into_iter().map(str::to_owned).collect();
            assert!(part.len() <= limit);
            all.extend(part);
            let Some(next) = found["next"].as_str() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(all.len(), expected, "{phrase}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), expected, "{phrase}");
    }
}

#[tokio::test]
async fn a_text_is_weighed_by_what_is_known_of_it() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let ann = token(&home, "ann", BOTH);
    let known = "The incumbent manages 3 employees and reports to the director.";
    submit(&server, &ann, &pair(known, "Le titulaire gère 3 employés et relève du directeur.", &[])).await;
    let text = format!(
        "{known} {}\n{}\r\nNothing of this has been translated by anybody. {}",
        known.replace('3', "14"),
        known.replace("director", "minister"),
        known.to_uppercase()
    );
    let body = json!({"source_text": text, "source_language": "en", "target_language": "fr"});
    let ask = |body: Value| {
        let (port, token) = (server.port(), ann.clone());
        async move { http::post(port, "/api/translation/analysis", &token, &body).await }
    };
    let weighed = ask(body.clone()).await.ok();
    assert_eq!((&weighed["segments"], &weighed["repeated"]["segments"]), (&json!(5), &json!(1)), "{weighed}");
    let bands = weighed["bands"].as_array().expect("bands").iter();
    let segments: Vec<(&str, u64)> =
        bands.map(|band| (band["band"].as_str().unwrap(), band["segments"].as_u64().unwrap())).collect();
    let similar = 1.0 - 6.0 / 62.0;
    assert!((0.85..0.95).contains(&similar));
    let expected = [("100", 2), ("95-99", 1), ("85-94", 1), ("75-84", 0), ("50-74", 0), ("new", 1)];
    assert_eq!(segments, expected, "{weighed}");
    let words = weighed["bands"].as_array().unwrap().iter().map(|band| band["words"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((words, &weighed["words"]), (48, &json!(48)));
    let of_segments = with(body.clone(), &[("source_text", Value::Null), ("segments", json!([known, known]))]);
    let of_segments = ask(of_segments).await.ok();
    assert_eq!((&of_segments["segments"], &of_segments["bands"][0]["segments"]), (&json!(2), &json!(2)));

    let writer = token(&home, "ann", "translation:write");
    http::post(server.port(), "/api/translation/analysis", &writer, &body).await.error(403, "FORBIDDEN");
    for (field, value) in [
        ("source_text", json!("")),
        ("segments", json!(["a"])),
        ("source_language", json!("de")),
        ("target_language", json!("en")),
        ("mode", json!("slow")),
        ("project_id", json!("")),
    ] {
        let error = ask(with(body.clone(), &[(field, value)])).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
}

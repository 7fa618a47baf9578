//! What is found at once is told before the rest.

use serde_json::json;

use super::support::home::Home;
use super::{BOTH, open, request, submitted, token};

#[tokio::test]
async fn what_is_known_exactly_waits_for_nothing_and_what_is_like_it_follows() {
    let home = Home::in_memory();
    let server = home.start().ready().await;
    let mut socket = open(&server, "hr", &token(&home, "ann", BOTH)).await;
    let text = "The incumbent manages three employees.";
    submitted(&mut socket, text, "Le titulaire gère trois employés.").await;
    for number in 0..20 {
        let like = format!("The incumbent manages three employees {}", "or".repeat(number % 5 + 1));
        submitted(&mut socket, &like, &format!("Le titulaire en gère {number}")).await;
    }
    for round in 0..50 {
        let name = format!("r{round}");
        let mut asked = request(&name, text);
        asked["payload"]["max_suggestions"] = json!(5);
        socket.send(&asked);
        let mut told = Vec::new();
        // The first of them, and after it more where it was not all.
        while told.len() < 5 {
            let answer = socket.next("translation.suggestion").await;
            assert_eq!(answer["payload"]["correlation_id"], *name, "{answer}");
            let suggestions = answer["payload"]["suggestions"].as_array().expect("suggestions");
            assert_eq!(suggestions[0]["match_type"], "exact", "{answer}");
            assert!(suggestions.len() > told.len(), "{answer} after {told:?}");
            told.clone_from(suggestions);
        }
        asked["payload"]["max_suggestions"] = json!(1);
        asked["metadata"]["correlation_id"] = json!("one");
        socket.send(&asked);
        let answer = socket.next("translation.suggestion").await;
        assert_eq!(answer["payload"]["correlation_id"], "one", "{answer}");
        assert_eq!(answer["payload"]["suggestions"].as_array().map(Vec::len), Some(1), "{answer}");
    }
}

//! What is found at once, while the rest is looked for.

use jddb_core::room::Work;
use jddb_core::translation::Suggestion;
use serde_json::json;

use super::{event, hear, message, read, request, requests, suggestion, told, translator};
use crate::support::START;

#[test]
fn what_is_equal_is_told_before_what_is_like_it() {
    let mut translator = translator();
    let long = message("translation.request", "r2", json!({"source_text": "a".repeat(18)}));
    hear(&mut translator, &json!([request("r1"), long]));
    told(&mut translator);
    let (equal, like) = (suggestion("a"), Suggestion { confidence: 0.8, ..suggestion("b") });
    translator.converse(START, |said| said.suggest_early(START, 1, (std::slice::from_ref(&equal), &[])));
    assert_eq!(told(&mut translator), Vec::<String>::new(), "it was cancelled");
    translator.converse(START, |said| said.suggest_early(START, 2, (std::slice::from_ref(&equal), &[])));
    assert_eq!(told(&mut translator), ["translation.suggestion r2"]);
    // What changes meanwhile is looked at when all is found.
    translator.take_work();
    translator.consider(&event(1, 18, None));
    assert_eq!(translator.take_work().len(), 0);
    translator.converse(START, |said| said.suggest(START, 2, Ok((&[equal.clone(), like], &[]))));
    let all = read(&mut translator).remove(0);
    assert_eq!(all["payload"]["suggestions"].as_array().unwrap().len(), 2, "{all}");
    assert!(matches!(translator.take_work()[..], [Work::LookAgain { request: 2, .. }]));
    // Where there is nothing else nothing more is said, whichever comes first.
    for early in [true, false] {
        hear(&mut translator, &request("r3"));
        let found: (&[_], &[_]) = (std::slice::from_ref(&equal), &[]);
        let request = requests(&translator.take_work())[0];
        if early {
            translator.converse(START, |said| said.suggest_early(START, request, found));
            translator.converse(START, |said| said.suggest(START, request, Ok(found)));
        } else {
            translator.converse(START, |said| said.suggest(START, request, Ok(found)));
            translator.converse(START, |said| said.suggest_early(START, request, found));
        }
        assert_eq!(told(&mut translator), ["translation.suggestion r3"]);
    }
}

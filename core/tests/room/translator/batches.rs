//! Batches: how far they are, and what ends them.

use jddb_core::protocol::InboundError;
use jddb_core::room::Work;
use serde_json::{Value, json};

use super::{BOTH, hear, message, project, read, suggestion, told, translator, translator_of};
use crate::support::START;

pub(super) fn batch(name: &str, count: usize) -> Value {
    let segment = |number: usize| match number % 2 {
        0 => json!(format!("text {number}")),
        _ => json!({"segment_id": format!("seg_{number}"), "source_text": format!("text {number}")}),
    };
    message("translation.batch", name, json!({"segments": (0..count).map(segment).collect::<Vec<_>>()}))
}

#[test]
fn a_batch_tells_how_far_it_is_and_what_was_found() {
    let mut translator = translator();
    hear(&mut translator, &batch("b", 25));
    let started = read(&mut translator).remove(0)["payload"].clone();
    let expected =
        json!({"batch_id": "batch_1", "status": "running", "completed": 0, "total": 25, "correlation_id": "b"});
    assert_eq!(started, expected);
    let work = translator.take_work();
    let [Work::Batch { number, requests, .. }] = work.as_slice() else { panic!("{work:?}") };
    assert!(requests.iter().all(|request| request.exhaustive && request.project_id == Some(project())));
    let texts: Vec<&str> = requests.iter().map(|request| &*request.source_text).collect();
    assert_eq!((texts.len(), texts[0], texts[24]), (25, "text 0", "text 24"));
    let mut statuses = Vec::new();
    for index in 0..25 {
        assert!(translator.is_open(*number));
        let error = InboundError::invalid("payload.source_text".to_owned(), "less");
        let found = [suggestion("a")];
        translator.converse(START, |said| {
            said.take_segment(START, *number, if index == 3 { Err(&error) } else { Ok(&found) })
        });
        let mut messages = read(&mut translator);
        let result = messages.remove(0)["payload"].clone();
        assert_eq!((&result["batch_id"], &result["index"]), (&json!("batch_1"), &json!(index)));
        let segment_id = if index % 2 == 0 { Value::Null } else { json!(format!("seg_{index}")) };
        assert_eq!(result["segment_id"], segment_id);
        assert_eq!(result["error"]["error_code"].is_string(), index == 3, "{result}");
        assert_eq!(result["suggestions"][0]["text"] == "a", index != 3, "{result}");
        let status = |message: &Value| (message["payload"]["status"].clone(), message["payload"]["completed"].clone());
        statuses.extend(messages.iter().map(status));
    }
    let expected = [("running", 10), ("running", 20), ("completed", 25)];
    assert_eq!(statuses, expected.map(|(status, completed)| (json!(status), json!(completed))));
    assert!(!translator.is_open(*number));
}

#[test]
fn a_connection_has_one_batch_at_a_time_and_may_cancel_it() {
    let mut translator = translator_of(BOTH, false);
    let cancel = message("translation.batch.cancel", "c", json!({}));
    hear(&mut translator, &cancel);
    assert_eq!(told(&mut translator), ["system.errorNOT_FOUND c"]);
    hear(&mut translator, &batch("b1", 2));
    hear(&mut translator, &batch("b2", 2));
    assert_eq!(told(&mut translator), ["translation.batch.status b1", "system.errorCAPACITY_EXCEEDED b2"]);
    assert_eq!(translator.take_work().len(), 1);
    translator.converse(START, |said| said.take_segment(START, 1, Ok(&[])));
    read(&mut translator);
    hear(&mut translator, &cancel);
    let status = read(&mut translator).remove(0)["payload"].clone();
    assert_eq!(
        (&status["status"], &status["completed"], &status["correlation_id"]),
        (&json!("cancelled"), &json!(1), &json!("b1"))
    );
    assert!(!translator.is_open(1));
    translator.converse(START, |said| said.take_segment(START, 1, Ok(&[])));
    assert_eq!(told(&mut translator), Vec::<String>::new());
    hear(&mut translator, &json!([batch("b3", 1), cancel]));
    assert_eq!(told(&mut translator), ["translation.batch.status b3", "translation.batch.status b3"]);
    assert!(translator.take_work().is_empty(), "what was cancelled at once is not begun");
    for (segments, field) in [
        (json!([]), "payload.segments"),
        (json!("a"), "payload.segments"),
        (json!(vec!["a"; 101]), "payload.segments"),
        (json!(["a", " "]), "payload.segments[1]"),
        (json!(["a", 7]), "payload.segments[1]"),
        (json!([{"source_text": "a", "segment_id": "x".repeat(129)}]), "payload.segments[0].segment_id"),
        (json!([{"source_text": ""}]), "payload.segments[0].source_text"),
        (json!([{"text": "a"}]), "payload.segments[0].source_text"),
        (json!([{"source_text": "a", "context": {"section": 7}}]), "payload.segments[0].context.section"),
    ] {
        let mut translator = translator_of(BOTH, false);
        hear(&mut translator, &message("translation.batch", "b4", json!({"segments": segments})));
        let error = read(&mut translator).remove(0)["payload"].clone();
        assert_eq!(error["details"]["field"], field, "{error}");
    }
}

#[test]
fn what_was_found_for_a_cancelled_batch_is_not_the_next_ones() {
    let mut translator = translator();
    hear(
        &mut translator,
        &json!([batch("b1", 2), message("translation.batch.cancel", "c", json!({})), batch("b2", 2)]),
    );
    let work = translator.take_work();
    let [Work::Batch { number: 2, .. }] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!([1, 2].map(|number| translator.is_open(number)), [false, true]);
    read(&mut translator);
    translator.converse(START, |said| said.take_segment(START, 1, Ok(&[suggestion("a")])));
    assert_eq!(told(&mut translator), Vec::<String>::new());
    translator.converse(START, |said| said.take_segment(START, 2, Ok(&[])));
    let result = read(&mut translator).remove(0)["payload"].clone();
    assert_eq!((&result["batch_id"], &result["index"]), (&json!("batch_2"), &json!(0)));
    // Whoever is not heard any more has nothing looked up.
    translator.relieve();
    assert!(!translator.is_open(2));
}

//! What translators change: translations, what they say of those, terms; in their project, if they may, and so much at a time.

use jddb_core::protocol::InboundError;
use jddb_core::room::{CHANGES_WAITING_MAX, MemoryChange, Translator, Work};
use jddb_core::translation::{EntryId, Language, Rating, Scope, TermChange, TermId};
use serde_json::{Value, json};

use super::batches::batch;
use super::{BOTH, entry, hear, message, project, read, submit, told, translator, translator_of};
use crate::support::START;

#[test]
fn so_many_submissions_wait_and_no_more() {
    let mut translator = translator();
    for number in 0..=CHANGES_WAITING_MAX {
        hear(&mut translator, &submit(&format!("s{number}")));
    }
    assert_eq!(told(&mut translator), [format!("system.errorCAPACITY_EXCEEDED s{CHANGES_WAITING_MAX}")]);
    assert_eq!(translator.take_work().len(), CHANGES_WAITING_MAX);
    translator.converse(START, |said| said.submitted(START, Some("s0"), Ok((&entry(1, Scope::Shared, 1), &[]))));
    hear(&mut translator, &submit("again"));
    assert_eq!(told(&mut translator), ["translation.submitted s0"]);
    assert_eq!(translator.take_work().len(), 1);
}

#[test]
fn feedback_is_asked_for_and_answered() {
    let mut translator = translator();
    let payload = json!({"translation_id": "trans_7", "quality_rating": 4, "used": true});
    hear(&mut translator, &message("translation.feedback", "f1", payload.clone()));
    let work = translator.take_work();
    let [Work::Revise { id, revision, origin }] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!((*id, revision.rating, revision.used), (EntryId(7), Rating::new(4), true));
    assert_eq!((&*revision.user_id, origin.correlation_id.as_deref()), ("ada", Some("f1")));
    translator.converse(START, |said| said.revised(START, Some("f1"), Ok(&entry(7, Scope::Shared, 1))));
    let answer = read(&mut translator).remove(0);
    assert_eq!(
        (&answer["type"], &answer["payload"]["translation_id"]),
        (&json!("translation.feedback"), &json!("trans_7"))
    );
    assert!(answer["payload"]["confidence_score"].is_number(), "{answer}");
    for (field, value) in [
        ("translation_id", json!("7")),
        ("translation_id", Value::Null),
        ("quality_rating", json!(0)),
        ("quality_rating", json!(6)),
        ("used", json!("yes")),
    ] {
        let mut wrong = payload.clone();
        wrong[field] = value;
        hear(&mut translator, &message("translation.feedback", "f2", wrong));
        let error = read(&mut translator).remove(0);
        assert_eq!(error["payload"]["details"]["field"], format!("payload.{field}"), "{error}");
    }
    hear(&mut translator, &message("translation.feedback", "f3", json!({"translation_id": "trans_7"})));
    assert_eq!(read(&mut translator)[0]["payload"]["details"]["field"], "payload.quality_rating");
    let mut reader = translator_of(BOTH, false);
    hear(&mut reader, &message("translation.feedback", "f4", payload));
    assert_eq!(told(&mut reader), ["system.errorFORBIDDEN f4"]);
}

fn term(name: &str) -> Value {
    message("glossary.update", name, json!({"term": "incumbent", "translation": "titulaire"}))
}

#[test]
fn each_message_is_for_the_project_of_its_connection() {
    let mut translator = translator();
    for message in [submit("m"), batch("m", 1), term("m")] {
        let named = |project: &str| {
            let mut message = message.clone();
            message["payload"]["project_id"] = json!(project);
            message
        };
        hear(&mut translator, &named("other"));
        let error = read(&mut translator).remove(0)["payload"].clone();
        assert_eq!(error["details"]["field"], "payload.project_id", "{error}");
        assert!(translator.take_work().is_empty(), "{message}");
        hear(&mut translator, &named("hr"));
        assert_eq!(translator.take_work().len(), 1, "{message}");
        read(&mut translator);
    }
}

#[test]
fn terms_are_put_and_removed_by_those_who_may_write() {
    let remove = message("glossary.remove", "t2", json!({"term_id": "term_7"}));
    let mut translator = translator();
    hear(&mut translator, &json!([term("t1"), remove]));
    let work = translator.take_work();
    let [Work::Term { change: put, origin, within }, Work::Term { change: removed, .. }] = work.as_slice() else {
        panic!("{work:?}")
    };
    let TermChange::Put(place, content) = &**put else { panic!("{put:?}") };
    assert_eq!(within.as_ref(), Some(&project()));
    assert_eq!((&place.scope, content.term()), (&Scope::Project(project()), "incumbent"));
    assert_eq!([place.pair.source(), place.pair.target()], [Language::ENGLISH, Language::FRENCH]);
    assert_eq!((&*origin.user_id, origin.correlation_id.as_deref()), ("ada", Some("t1")));
    assert!(matches!(**removed, TermChange::Remove(TermId(7))), "{removed:?}");
    let mut reader = translator_of(BOTH, false);
    hear(&mut reader, &json!([term("t1"), remove]));
    assert_eq!(told(&mut reader), ["system.errorFORBIDDEN t1", "system.errorFORBIDDEN t2"]);
    assert!(reader.take_work().is_empty());
}

/// Whatever it is that waits for the disk: it counts until it is answered, and what is refused does not.
#[test]
fn changes_of_all_kinds_count_together() {
    let feedback =
        |name: &str| message("translation.feedback", name, json!({"translation_id": "trans_7", "used": true}));
    let remove = |name: &str| message("glossary.remove", name, json!({"term_id": "term_7"}));
    let all = [submit, feedback, term, remove].map(|kind: fn(&str) -> Value| kind);
    let mut translator = translator();
    for number in 1..CHANGES_WAITING_MAX {
        hear(&mut translator, &all[number % all.len()]("m"));
    }
    let mut elsewhere = submit("m");
    elsewhere["payload"]["project_id"] = json!("other");
    hear(&mut translator, &elsewhere);
    assert_eq!(told(&mut translator), ["system.errorVALIDATION_ERROR m"]);
    hear(&mut translator, &submit("last"));
    assert_eq!(translator.take_work().len(), CHANGES_WAITING_MAX);
    let refused = || InboundError::invalid("payload.text".to_owned(), "more");
    let answers: [fn(&mut Translator, Option<InboundError>); 3] = [
        |translator, error| {
            let entry = entry(1, Scope::Shared, 1);
            translator.converse(START, |said| said.submitted(START, None, error.map_or(Ok((&*entry, &[])), Err)));
        },
        |translator, error| {
            let entry = entry(1, Scope::Shared, 1);
            translator.converse(START, |said| said.revised(START, None, error.map_or(Ok(&*entry), Err)));
        },
        |translator, error| {
            let removed = MemoryChange::EntryRemoved(entry(1, Scope::Shared, 1));
            translator.converse(START, |said| said.termed(START, None, error.map_or(Ok(&removed), Err)));
        },
    ];
    for kind in all {
        for answer in answers {
            for error in [None, Some(refused())] {
                hear(&mut translator, &kind("over"));
                assert_eq!(told(&mut translator), ["system.errorCAPACITY_EXCEEDED over"]);
                answer(&mut translator, error);
                hear(&mut translator, &kind("next"));
                assert_eq!(translator.take_work().len(), 1);
                assert_eq!(told(&mut translator).len(), 1, "the answer alone");
            }
        }
    }
}

//! Those who translate: each request is answered or told to be cancelled, and what others change comes in between, bounded.

mod batches;
mod changes;
mod early;

use std::rc::Rc;
use std::sync::Arc;

use jddb_core::ids::UnixMillis;
use jddb_core::limits::{GrantedLimits, LimitMode, RateLimits};
use jddb_core::protocol::{InboundError, Parser};
use jddb_core::room::{
    Counters, Expiry, Framing, MemoryChange, MemoryEvent, ObserverConfig, Origin, Renewal, RenewalRequest, Translating,
    TranslationRights, Translator, Watching, Work,
};
use jddb_core::translation::{
    Context, Entry, EntryId, Language, LanguagePair, ProjectId, Scope, Status, Submission, Suggestion,
};
use serde_json::{Value, json};

use crate::support::START;

const OUTBOUND_BYTES_MAX: usize = 4_000;
const BOTH: [Option<Language>; 2] = [Some(Language::ENGLISH), Some(Language::FRENCH)];

fn project() -> ProjectId {
    ProjectId::new("hr").unwrap()
}

fn translator_of(languages: [Option<Language>; 2], writes: bool) -> Translator {
    let watching = Watching {
        connection_id: "conn_1".into(),
        framing: Framing::default(),
        granted: GrantedLimits::default(),
        user_id: "ada".into(),
        expiry: Expiry::NEVER,
    };
    let config = ObserverConfig {
        outbound_bytes_max: OUTBOUND_BYTES_MAX,
        message_bytes_max: 100_000,
        mode: LimitMode::Enforce,
        rates: RateLimits::OFF,
        waiting_bytes: Rc::default(),
        deflater: Rc::default(),
        counters: Arc::new(Counters::default()),
    };
    Translator::new(START, watching, Translating { project: project(), languages, writes }, config)
}

fn translator() -> Translator {
    translator_of(BOTH, true)
}

fn hear(translator: &mut Translator, message: &Value) {
    translator.receive(START, message.to_string().as_bytes().to_vec().as_mut_slice(), &mut Parser::default());
}

/// A message called `name`.
fn message(kind: &str, name: &str, payload: Value) -> Value {
    json!({"type": kind, "payload": payload, "metadata": {"correlation_id": name}})
}

fn request(name: &str) -> Value {
    message("translation.request", name, json!({"source_text": "Strategic planning"}))
}

fn submit(name: &str) -> Value {
    message("translation.submit", name, json!({"source_text": "incumbent", "text": "titulaire"}))
}

/// All that has been queued, which is read by that.
fn read(translator: &mut Translator) -> Vec<Value> {
    let frames: Vec<Vec<u8>> = translator.observer().outbox().sendable(0).map(|frame| frame.to_vec()).collect();
    translator.observer_mut().sent(frames.iter().map(Vec::len).sum());
    let text = |frame: &Vec<u8>| frame.iter().position(|byte| *byte == b'{').map(|at| frame[at..].to_vec());
    frames.iter().filter_map(text).map(|json| serde_json::from_slice(&json).unwrap()).collect()
}

/// The types of what was queued, and how each is called.
fn told(translator: &mut Translator) -> Vec<String> {
    let name = |message: &Value| {
        let code = message["payload"]["error_code"].as_str().unwrap_or_default();
        let called = message["metadata"]["correlation_id"].as_str().unwrap_or("-");
        format!("{}{code} {called}", message["type"].as_str().unwrap())
    };
    read(translator).iter().map(name).collect()
}

fn suggestion(text: &str) -> Suggestion {
    Suggestion {
        translation_id: "trans_1".to_owned(),
        translated_text: text.to_owned(),
        confidence: 0.95,
        match_type: "exact",
        similarity: None,
        source: "translation_memory",
        usage_count: 15,
        last_used: START,
        contributors: vec!["translator_456".into()],
        context_match: false,
        explanation: None,
    }
}

fn requests(work: &[Work]) -> Vec<u64> {
    let number = |work: &Work| match work {
        Work::LookUp { request, .. } => Some(*request),
        Work::LookAgain { .. }
        | Work::Submit { .. }
        | Work::Revise { .. }
        | Work::Term { .. }
        | Work::Batch { .. }
        | Work::Read { .. }
        | Work::Follow { .. } => None,
    };
    work.iter().filter_map(number).collect()
}

fn entry(number: u64, scope: Scope, length: usize) -> Arc<Entry> {
    let submission = Submission {
        scope,
        pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
        source_text: "a".repeat(length).into(),
        translated_text: "b".into(),
        context: Context::default(),
        rating: None,
        reviewed: false,
        user_id: "ben".into(),
    };
    Arc::new(Entry::new(EntryId(number), submission, START))
}

fn event(number: u64, length: usize, connection_id: Option<&str>) -> MemoryEvent {
    let connection_id = connection_id.map(Into::into);
    let origin = Origin {
        user_id: "ben".into(),
        connection_id,
        client_id: Some("tab".into()),
        correlation_id: Some("m9".into()),
    };
    MemoryEvent::new(START, origin, MemoryChange::EntryPut(entry(number, Scope::Shared, length)))
}

#[test]
fn a_request_is_answered_as_the_reference_prints_it() {
    let mut translator = translator_of([None; 2], false);
    hear(
        &mut translator,
        &json!({
            "type": "translation.request",
            "payload": {
                "source_text": "Strategic planning responsibility",
                "source_language": "en",
                "target_language": "fr",
                "context": {"section": "general_accountability"},
            },
            "metadata": {"correlation_id": "corr_xyz789"},
        }),
    );
    let work = translator.take_work();
    let [Work::LookUp { request, pair, body }] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!([pair.source(), pair.target()], [Language::ENGLISH, Language::FRENCH]);
    assert_eq!(body.context.section.as_deref(), Some("general_accountability"));
    assert_eq!(body.project_id, Some(project()), "that of the connection");
    translator.converse(START, |said| {
        said.suggest(START, *request, Ok((&[suggestion("Responsabilité de planification stratégique")], &[])))
    });
    let answer = read(&mut translator).remove(0);
    assert_eq!(
        (&answer["type"], &answer["metadata"]["correlation_id"]),
        (&json!("translation.suggestion"), &json!("corr_xyz789"))
    );
    assert_eq!(answer["payload"]["correlation_id"], "corr_xyz789");
    let expected = [
        ("text", json!("Responsabilité de planification stratégique")),
        ("confidence", json!(0.95)),
        ("match_type", json!("exact")),
    ];
    for (field, value) in expected {
        assert_eq!(answer["payload"]["suggestions"][0][field], value, "{answer}");
    }
    assert!(answer["payload"]["suggestions"][0].get("translated_text").is_none(), "{answer}");
}

#[test]
fn the_newest_request_wins_and_the_others_are_told() {
    let mut translator = translator();
    hear(&mut translator, &json!([request("r1"), request("r2"), request("r3")]));
    assert_eq!(told(&mut translator), ["translation.cancelled r1", "translation.cancelled r2"]);
    assert_eq!(requests(&translator.take_work()), [3], "what nobody waits for is not begun");
    hear(&mut translator, &request("r4"));
    assert_eq!(requests(&translator.take_work()), [4]);
    translator.converse(START, |said| said.suggest(START, 3, Ok((&[suggestion("a")], &[]))));
    assert_eq!(told(&mut translator), ["translation.cancelled r3"], "it was told already");
    translator.converse(START, |said| said.suggest(START, 4, Ok((&[], &[]))));
    assert_eq!(told(&mut translator), ["translation.suggestion r4"]);
    // What is answered is not cancelled any more; what has no name is not told of.
    hear(&mut translator, &json!({"type": "translation.request", "payload": {"source_text": "a"}}));
    hear(&mut translator, &request("r6"));
    assert_eq!(told(&mut translator), Vec::<String>::new());
    let error = InboundError::invalid("payload.source_text".to_owned(), "less");
    translator.converse(START, |said| said.suggest(START, 6, Err(error)));
    assert_eq!(told(&mut translator), ["system.errorVALIDATION_ERROR r6"]);
    // A request that cannot be one cancels nothing.
    hear(&mut translator, &request("r7"));
    hear(&mut translator, &message("translation.request", "r8", json!({"source_text": ""})));
    assert_eq!(told(&mut translator), ["system.errorVALIDATION_ERROR r8"]);
    translator.converse(START, |said| said.suggest(START, 7, Ok((&[], &[]))));
    assert_eq!(told(&mut translator), ["translation.suggestion r7"]);
}

#[test]
fn languages_come_from_the_message_or_else_from_the_connection() {
    let check = |known: [Option<Language>; 2], given: Value, expected: Result<[&str; 2], &str>| {
        let mut translator = translator_of(known, true);
        let mut payload = json!({"source_text": "a"});
        given.as_object().unwrap().iter().for_each(|(key, value)| payload[key] = value.clone());
        hear(&mut translator, &message("translation.request", "r1", payload));
        let work = translator.take_work();
        let found = work.first().map(|work| match work {
            Work::LookUp { pair, .. } => [pair.source(), pair.target()].map(|language| language.to_string()),
            other => panic!("{other:?}"),
        });
        match expected {
            Ok(languages) => assert_eq!(found.unwrap(), languages, "{given}"),
            Err(field) => {
                let error = read(&mut translator).remove(0);
                assert_eq!(error["payload"]["details"]["field"], format!("payload.{field}"), "{error}");
            }
        }
    };
    check(BOTH, json!({}), Ok(["en", "fr"]));
    check(BOTH, json!({"source_language": "fr", "target_language": "en"}), Ok(["fr", "en"]));
    check(BOTH, json!({"source_language": "fr"}), Err("target_language"));
    check([None, Some(Language::FRENCH)], json!({"source_language": "en-CA"}), Ok(["en", "fr"]));
    check([None; 2], json!({"source_language": "en"}), Err("target_language"));
    check([None; 2], json!({"target_language": "fr"}), Err("source_language"));
    check(BOTH, json!({"source_language": "de"}), Err("source_language"));
    check(BOTH, json!({"project_id": "other"}), Err("project_id"));
    check(BOTH, json!({"project_id": "hr"}), Ok(["en", "fr"]));
}

#[test]
fn what_is_handed_in_goes_to_the_project_and_is_answered() {
    let mut translator = translator();
    hear(&mut translator, &submit("s1"));
    let work = translator.take_work();
    let [Work::Submit { submission, origin }] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!((&submission.scope, &*submission.user_id), (&Scope::Project(project()), "ada"));
    assert_eq!((origin.connection_id.as_deref(), origin.correlation_id.as_deref()), (Some("conn_1"), Some("s1")));
    assert_eq!(told(&mut translator), Vec::<String>::new(), "it is not on disk yet");
    translator.converse(START, |said| said.submitted(START, Some("s1"), Ok((&entry(98_765, Scope::Shared, 1), &[]))));
    let answer = read(&mut translator).remove(0);
    assert_eq!(answer["type"], "translation.submitted");
    let fields = ["translation_id", "status", "added_to_memory", "requires_review", "correlation_id"];
    let expected = [json!("trans_98765"), json!("pending"), json!(true), json!(true), json!("s1")];
    assert_eq!(fields.map(|field| answer["payload"][field].clone()), expected, "{answer}");
}

#[test]
fn who_may_only_read_hands_nothing_in_until_a_token_permits_it() {
    let mut translator = translator_of(BOTH, false);
    hear(&mut translator, &submit("s1"));
    assert_eq!(told(&mut translator), ["system.errorFORBIDDEN s1"]);
    let renew = |translator: &mut Translator, user_id: &str, edits: bool| {
        hear(translator, &json!({"type": "auth.refresh", "payload": {"token": "a.b.c"}}));
        let requests: Vec<RenewalRequest> = translator.observer_mut().take_renewals();
        let expiry = Expiry::NEVER;
        let granted = GrantedLimits::default();
        let renewal = Renewal {
            user_id: user_id.into(),
            expires_at: START,
            expiry,
            edits,
            is_admin: false,
            translates: TranslationRights::default(),
            granted,
        };
        let is_accepted = translator.renew(START, &requests[0], Ok(renewal));
        read(translator);
        is_accepted
    };
    assert!(!renew(&mut translator, "ben", true), "another's");
    hear(&mut translator, &submit("s2"));
    assert_eq!(told(&mut translator), ["system.errorFORBIDDEN s2"]);
    assert!(renew(&mut translator, "ada", true));
    hear(&mut translator, &submit("s3"));
    assert_eq!(translator.take_work().len(), 1);
    assert!(renew(&mut translator, "ada", false));
    hear(&mut translator, &submit("s4"));
    assert_eq!(told(&mut translator), ["system.errorFORBIDDEN s4"]);
}

#[test]
fn what_others_change_in_ones_languages_is_told() {
    let event = event(7, 3, Some("conn_2"));
    let french = [None, Some(Language::FRENCH)];
    let back = [Some(Language::FRENCH), Some(Language::ENGLISH)];
    let only = |source, target| [source, target].map(|is_english: bool| is_english.then_some(Language::ENGLISH));
    let (from, into) = (only(true, false), only(false, true));
    for (languages, expected) in
        [(BOTH, true), ([None; 2], true), (french, true), (back, false), (from, true), (into, false)]
    {
        assert_eq!(translator_of(languages, true).is_for(&event), expected, "{languages:?}");
    }
    let mut translator = translator();
    assert!(!translator.is_for(&self::event(7, 3, Some("conn_1"))), "one's own is answered");
    translator.tell(event.sent(), &event.message());
    let message = read(&mut translator).remove(0);
    assert_eq!((&message["type"], &message["metadata"]["user_id"]), (&json!("translation.update"), &json!("ben")));
    assert_eq!(
        (&message["metadata"]["client_id"], &message["metadata"]["correlation_id"]),
        (&json!("tab"), &json!("m9"))
    );
    let fields = ["translation_id", "scope", "source_text", "text", "source_language", "status"];
    let expected = ["trans_7", "shared", "aaa", "b", "en", "pending"].map(Value::from);
    assert_eq!(fields.map(|field| message["payload"][field].clone()), expected, "{message}");
}

#[test]
fn who_reads_too_slowly_keeps_its_answers_and_is_told_that_it_missed_something() {
    let mut translator = translator();
    hear(&mut translator, &request("r1"));
    translator.converse(START, |said| said.suggest(START, 1, Ok((&[suggestion("a")], &[]))));
    for number in 0..200 {
        let event = event(number, 200, None);
        translator.tell(event.sent(), &event.message());
        assert!(translator.observer().outbox().bytes() <= OUTBOUND_BYTES_MAX);
        assert!(!translator.catch_up(START), "there is something to read");
    }
    let mut messages = told(&mut translator);
    assert_eq!(messages.remove(0), "translation.suggestion r1");
    assert!((3..10).contains(&messages.len()), "{messages:?}");
    assert!(messages.iter().all(|told| told == "translation.update m9"), "{messages:?}");
    assert!(translator.catch_up(START));
    assert_eq!(told(&mut translator), ["translation.missed -"]);
    assert!(!translator.catch_up(START), "once");
    let event = event(1, 1, None);
    translator.tell(event.sent(), &event.message());
    assert_eq!(told(&mut translator), ["translation.update m9"]);
}

#[test]
fn who_takes_nothing_is_closed() {
    let mut translator = translator();
    hear(&mut translator, &request("r1"));
    translator.converse(START, |said| said.suggest(START, 1, Ok((&[suggestion("a")], &[]))));
    for second in 0..=10 {
        assert!(translator.observer().is_heard());
        translator.observer_mut().tick(UnixMillis(START.0 + second * 1_000));
    }
    assert!(!translator.observer().is_heard());
    let mut other = self::translator();
    hear(&mut other, &request("r1"));
    other.converse(START, |said| said.suggest(START, 1, Ok((&[suggestion("a")], &[]))));
    other.relieve();
    assert!(!other.observer().is_heard(), "where all together is too much");
}

#[test]
fn other_messages_are_refused_and_ten_malformed_ones_close() {
    let mut translator = translator();
    hear(&mut translator, &message("system.heartbeat", "h1", json!({"client_time": 5})));
    assert_eq!(told(&mut translator), ["system.heartbeat h1"]);
    let malformed = [
        message("document.save", "m", json!({})),
        message("translation.everything", "m", json!({})),
        message("translation.submit", "m", json!({"source_text": "a"})),
        message("translation.request", "m", json!({"source_text": "é".repeat(4_097)})),
        message("translation.request", "m", json!({"source_text": "a", "target_language": "en"})),
    ];
    for (number, message) in malformed.iter().chain(&malformed).enumerate() {
        assert!(translator.observer().is_heard(), "after {number}");
        hear(&mut translator, message);
    }
    let told = told(&mut translator);
    assert!(told.iter().all(|told| told.starts_with("system.error") && told.ends_with(" m")), "{told:?}");
    assert_eq!(told.len(), 10);
    assert!(!translator.observer().is_heard());
    assert!(translator.take_work().is_empty());
    hear(&mut translator, &request("r1"));
    assert!(translator.take_work().is_empty(), "nobody hears it");
}

/// Something that another connection has put there.
fn put(source_text: &str, translation: &str, scope: Scope, status: Status) -> MemoryEvent {
    let mut entry = Entry::clone(&entry(1, scope, 1));
    (entry.source_text, entry.translated_text, entry.status) = (source_text.into(), translation.into(), status);
    MemoryEvent::new(START, Origin::default(), MemoryChange::EntryPut(Arc::new(entry)))
}

/// The same from French into English.
fn back(event: &MemoryEvent) -> MemoryEvent {
    let MemoryChange::EntryPut(entry) = &event.change else { panic!("{event:?}") };
    let pair = LanguagePair::new(Language::FRENCH, Language::ENGLISH).unwrap();
    let entry = Entry { pair, ..Entry::clone(entry) };
    MemoryEvent::new(START, Origin::default(), MemoryChange::EntryPut(Arc::new(entry)))
}

/// Which requests are to be looked up again.
fn again(translator: &mut Translator) -> Vec<u64> {
    let number = |work: &Work| match work {
        Work::LookAgain { request, .. } => Some(*request),
        Work::LookUp { .. }
        | Work::Submit { .. }
        | Work::Revise { .. }
        | Work::Term { .. }
        | Work::Batch { .. }
        | Work::Read { .. }
        | Work::Follow { .. } => None,
    };
    translator.take_work().iter().filter_map(number).collect()
}

#[test]
fn only_what_may_make_an_answer_better_has_it_looked_up_again() {
    let text = "The incumbent manages three employees.";
    let near = "The incumbent manages these employees.";
    let removed = MemoryChange::EntryRemoved(entry(1, Scope::Shared, 1));
    let of = |project: &str| Scope::Project(ProjectId::new(project).unwrap());
    for (event, expected) in [
        (put(text, "a", Scope::Shared, Status::Pending), true),
        (put(near, "a", Scope::Shared, Status::Accepted), true),
        (put(&near.to_uppercase(), "a", of("hr"), Status::Accepted), true),
        (put(text, "a", of("other"), Status::Accepted), false),
        (put(text, "a", Scope::Shared, Status::Rejected), false),
        (back(&put(text, "a", Scope::Shared, Status::Accepted)), false),
        (put("The incumbent", "a", Scope::Shared, Status::Accepted), false),
        (put("Seventy-eight other letters, words 12.", "a", Scope::Shared, Status::Accepted), false),
        (MemoryEvent::new(START, Origin::default(), removed), false),
    ] {
        let mut translator = translator();
        translator.consider(&event);
        assert!(again(&mut translator).is_empty(), "nothing was asked");
        hear(&mut translator, &message("translation.request", "r1", json!({"source_text": text})));
        translator.take_work();
        translator.converse(START, |said| said.suggest(START, 1, Ok((&[], &[]))));
        translator.consider(&event);
        assert_eq!(!again(&mut translator).is_empty(), expected, "{event:?}");
    }
}

#[test]
fn what_is_equal_but_for_numbers_may_make_an_answer_better() {
    let request = json!({"source_text": "Pay 1234567890", "min_confidence": 0.8});
    for (text, expected) in [("pay 9", true), ("Pay nine", false), ("Pay 9 now", false)] {
        let mut translator = translator();
        hear(&mut translator, &message("translation.request", "r1", request.clone()));
        translator.take_work();
        translator.converse(START, |said| said.suggest(START, 1, Ok((&[], &[]))));
        translator.consider(&put(text, "a", Scope::Shared, Status::Accepted));
        assert_eq!(!again(&mut translator).is_empty(), expected, "{text}");
    }
}

#[test]
fn what_is_better_than_before_is_told_again() {
    let mut translator = translator();
    let better = |text: &str, confidence: f64| Suggestion { confidence, ..suggestion(text) };
    let event = put("Strategic planning", "a", Scope::Shared, Status::Accepted);
    hear(&mut translator, &request("r1"));
    translator.take_work();
    translator.consider(&event);
    assert!(again(&mut translator).is_empty(), "it is being looked up, and then once more");
    translator.converse(START, |said| said.suggest(START, 1, Ok((&[better("a", 0.8), better("b", 0.7)], &[]))));
    assert_eq!(told(&mut translator), ["translation.suggestion r1"]);
    assert_eq!(again(&mut translator), [1]);
    // However much changes meanwhile, it is looked up once at a time.
    (0..9).for_each(|_| translator.consider(&event));
    assert!(again(&mut translator).is_empty());
    translator.converse(START, |said| said.suggest(START, 1, Ok((&[better("a", 0.8), better("b", 0.7)], &[]))));
    assert_eq!(told(&mut translator), Vec::<String>::new(), "the same");
    assert_eq!(again(&mut translator), [1]);
    for (found, is_better) in [
        (vec![better("a", 0.8)], false),
        (vec![better("a", 0.79), better("b", 0.7)], false),
        (vec![better("a", 0.81), better("b", 0.7)], true),
        (vec![better("a", 0.81), better("c", 0.5)], true),
        (vec![], false),
    ] {
        translator.converse(START, |said| said.suggest(START, 1, Ok((&found, &[]))));
        assert_eq!(told(&mut translator).len(), usize::from(is_better), "{found:?}");
        assert!(again(&mut translator).is_empty(), "nothing has changed since");
        translator.consider(&event);
        assert_eq!(again(&mut translator), [1]);
    }
    translator.converse(START, |said| said.suggest(START, 1, Err(InboundError::invalid(String::new(), "less"))));
    assert_eq!(told(&mut translator), Vec::<String>::new(), "who has an answer is told of no failure");
    // A newer one takes its place.
    translator.consider(&event);
    hear(&mut translator, &request("r2"));
    assert!(again(&mut translator).is_empty());
    translator.converse(START, |said| said.suggest(START, 1, Ok((&[better("d", 1.0)], &[]))));
    assert_eq!(told(&mut translator), Vec::<String>::new());
}

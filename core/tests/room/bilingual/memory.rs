//! What happens to the memory, as those are told who translate in a document: what concerns them, once, and what is better for the
//! segment at their cursor.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::room::{Forms, MemberKey, MemoryChange, MemoryEvent, Origin, TranslationRights, Work};
use jddb_core::translation::{
    Context, Entry, EntryId, GlossaryTerm, Language, LanguagePair, ProjectId, Scope, Status, Submission, Suggestion,
    Term, TermContent, TermDraft, TermId, TermPlace,
};
use serde_json::{Value, json};

use super::{EN, cursor, found, subscribe, translator};
use crate::rng::{Rng, for_seeds};
use crate::support::{House, Plan, START, change, guest, message};

fn scope(project: Option<&str>) -> Scope {
    project.map_or(Scope::Shared, |project| Scope::Project(ProjectId::new(project).unwrap()))
}

fn pair(target: Language) -> LanguagePair {
    LanguagePair::new(Language::ENGLISH, target).unwrap()
}

fn entry(scope: Scope, target: Language, text: &str) -> Arc<Entry> {
    let submission = Submission {
        scope,
        pair: pair(target),
        source_text: text.into(),
        translated_text: "b".into(),
        context: Context::default(),
        rating: None,
        reviewed: false,
        user_id: "ben".into(),
    };
    Arc::new(Entry::new(EntryId(1), submission, START))
}

fn term(scope: Scope, target: Language) -> Arc<Term> {
    let draft = TermDraft { term: "staff", translation: "personnel", ..TermDraft::default() };
    let (content, by) = (TermContent::new(&draft).unwrap(), Box::from("ben"));
    let place = TermPlace { scope, pair: pair(target) };
    let (created_by, created_at, updated_at) = (Box::clone(&by), START, START);
    Arc::new(Term { id: TermId(7), place, content, created_by, created_at, updated_by: by, updated_at })
}

fn event(connection_id: Option<&str>, change: MemoryChange) -> MemoryEvent {
    let connection_id = connection_id.map(Into::into);
    MemoryEvent::new(START, Origin { user_id: "ben".into(), connection_id, ..Origin::default() }, change)
}

/// An entry for the sentence at the start of the document, by somebody else.
pub(crate) fn better() -> MemoryEvent {
    event(None, MemoryChange::EntryPut(entry(Scope::Shared, Language::FRENCH, "One is here.")))
}

fn term_put() -> MemoryEvent {
    event(None, MemoryChange::TermPut(term(scope(Some("hr")), Language::FRENCH)))
}

/// Ada's connection: a writer came before her.
const OWN: &str = "conn_2";

/// A document in which Ada translates for a project, and what is looked up for the segment at her cursor.
struct Desk {
    house: House,
    ada: MemberKey,
    open: Option<(u64, String, bool)>,
}

impl Desk {
    fn new() -> Self {
        Self::with(Plan::default())
    }

    fn with(plan: Plan) -> Self {
        let mut house = House::with(plan).filled(&[("a_en", EN), ("a_fr", "")]);
        let ada = translator(&mut house, json!({"project_id": "hr"}));
        Self { house, ada, open: None }
    }

    fn hear(&mut self, event: &MemoryEvent) -> bool {
        self.house.room.hear_of_memory(event, &OnceCell::<Forms>::new())
    }

    fn take(&mut self, work: impl IntoIterator<Item = Work>) {
        for work in work {
            let Work::Follow { number, body, again, .. } = work else { panic!("{work:?}") };
            let look_up = (number, body.source_text.into_string(), again);
            assert!(self.open.replace(look_up).is_none(), "one at a time");
        }
    }

    fn turn(&mut self) {
        let work = self.house.room.follow_translations(self.house.now);
        self.take(work.into_iter().flat_map(|(_, work)| work));
    }

    /// A look-up has come to its end, with that.
    fn find(&mut self, found: Option<(&[Suggestion], &[GlossaryTerm])>) {
        let (number, ..) = self.open.take().expect("something is looked up");
        let work = self.house.room.suggest_at_cursor(self.house.now, self.ada, number, found);
        self.take(work);
    }

    /// The types of what Ada reads.
    fn told(&mut self) -> Vec<String> {
        self.house.sync();
        let read = self.house.read(self.ada);
        read.iter().map(|told| told["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Her cursor is at the first sentence, for which she was told something.
    fn at_first(mut self) -> Self {
        self.house.say(self.ada, cursor("a_en", 1));
        self.turn();
        assert_eq!(self.open, Some((self.open.as_ref().unwrap().0, "One is here.".to_owned(), false)));
        self.find(Some((&[found("un")], &[])));
        assert_eq!(self.told(), ["translation.suggestion"]);
        self
    }
}

#[test]
fn who_is_concerned_is_told_what_others_do() {
    const FRENCH: Language = Language::FRENCH;
    let german = Language::of_tag("de").unwrap();
    let put = |scope, target| MemoryChange::EntryPut(entry(scope, target, "Anything else that there is."));
    let removed = |scope, target| MemoryChange::EntryRemoved(entry(scope, target, "Anything"));
    let term_put = |scope, target| MemoryChange::TermPut(term(scope, target));
    let term_removed = |scope, target| MemoryChange::TermRemoved(term(scope, target));
    let kinds: [(&str, &dyn Fn(Scope, Language) -> MemoryChange); 4] = [
        ("translation.update", &put),
        ("translation.remove", &removed),
        ("glossary.update", &term_put),
        ("glossary.remove", &term_removed),
    ];
    let mut desk = Desk::new();
    for (kind, change) in kinds {
        for (by, project, target, is_told) in [
            (None, None, FRENCH, true),
            (None, Some("hr"), FRENCH, true),
            (Some("conn_99"), Some("hr"), FRENCH, true),
            (None, Some("law"), FRENCH, false),
            (None, None, german, false),
            (Some(OWN), Some("hr"), FRENCH, false),
        ] {
            let event = event(by, change(scope(project), target));
            assert_eq!(desk.hear(&event), is_told, "{kind} {by:?} {project:?} {target}");
            let expected: &[&str] = if is_told { &[kind] } else { &[] };
            assert_eq!(desk.told(), expected, "{kind} {by:?} {project:?} {target}");
        }
    }
    // Who has ended it is told nothing, whether they said so or their token does.
    let shared = event(None, term_put(Scope::Shared, FRENCH));
    desk.house.say(desk.ada, message("translation.unsubscribe", json!({})));
    assert!(!desk.house.room.hears_of_memory() && !desk.hear(&shared));
    desk.house.say(desk.ada, subscribe(json!({})));
    assert!(desk.house.room.hears_of_memory() && desk.hear(&shared));
    desk.house.renew(desk.ada, TranslationRights::default());
    assert!(!desk.house.room.hears_of_memory() && !desk.hear(&shared));
    desk.house.renew(desk.ada, TranslationRights { reads: true, writes: false });
    desk.house.say(desk.ada, subscribe(json!({})));
    // Nor of a project that they no longer translate for.
    assert!(!desk.hear(&event(None, put(scope(Some("hr")), FRENCH))) && desk.hear(&shared));
    desk.house.leave(desk.ada);
    assert!(!desk.house.room.hears_of_memory() && !desk.hear(&shared));
}

#[test]
fn all_who_are_concerned_share_a_message_and_it_is_made_for_the_first() {
    let mut desk = Desk::new();
    let ben = translator(&mut desk.house, json!({"project_id": "law"}));
    let message = OnceCell::new();
    let law = event(None, MemoryChange::TermPut(term(scope(Some("sales")), Language::FRENCH)));
    assert!(!desk.house.room.hear_of_memory(&law, &message) && message.get().is_none());
    let shared = event(None, MemoryChange::TermPut(term(Scope::Shared, Language::FRENCH)));
    assert!(desk.house.room.hear_of_memory(&shared, &message));
    desk.house.sync();
    let frames = [desk.ada, ben].map(|key| desk.house.take(key).remove(0));
    assert_eq!(frames[0].as_ptr(), frames[1].as_ptr());
}

#[test]
fn the_segment_at_the_cursor_is_looked_up_again_and_told_if_it_is_better() {
    let mut desk = Desk::new().at_first();
    let (mut more, term) = (found("un"), GlossaryTerm::from(&*term(Scope::Shared, Language::FRENCH)));
    more.confidence = 0.96;
    let (more, terms) = ([more], [term]);
    let other = [found("une")];
    // What is found, and whether that is told.
    let cases: [(&[Suggestion], &[GlossaryTerm], bool); 8] = [
        (&[found("un")], &[], false),
        (&more, &[], true),
        (&more, &[], false),
        (&[found("un")], &[], false),
        (&[], &[], false),
        (&other, &[], true),
        (&other, &terms, true),
        (&other, &terms, false),
    ];
    for (found, terms, is_told) in cases {
        for event in [better(), term_put()] {
            assert!(desk.hear(&event));
            desk.told();
            desk.turn();
            let (_, text, again) = desk.open.clone().expect("it is looked up again");
            assert_eq!((text.as_str(), again), ("One is here.", true));
            desk.find(Some((found, terms)));
            let told = desk.told();
            assert_eq!(told.len() == 1, is_told && event.sent() == better().sent(), "{told:?}");
            assert_eq!(desk.open, None);
        }
    }
    // Where the terms have gone, that is told too.
    desk.hear(&term_put());
    desk.told();
    desk.turn();
    desk.find(Some((&other, &[])));
    assert_eq!(desk.told(), ["translation.suggestion"]);
}

#[test]
fn what_does_not_concern_the_segment_is_no_reason_to_look_it_up() {
    let mut desk = Desk::new().at_first();
    let put = |scope, target, text| event(None, MemoryChange::EntryPut(entry(scope, target, text)));
    let mut rejected = Entry::clone(&entry(Scope::Shared, Language::FRENCH, "One is here."));
    rejected.status = Status::Rejected;
    let own_kind = scope(Some("hr"));
    for event in [
        put(own_kind.clone(), Language::FRENCH, "Quite another sentence, and a long one."),
        put(scope(Some("law")), Language::FRENCH, "One is here."),
        put(own_kind.clone(), Language::of_tag("de").unwrap(), "One is here."),
        event(None, MemoryChange::EntryPut(Arc::new(rejected))),
        event(None, MemoryChange::EntryRemoved(entry(own_kind.clone(), Language::FRENCH, "One is here."))),
        event(None, MemoryChange::TermPut(term(scope(Some("law")), Language::FRENCH))),
    ] {
        desk.hear(&event);
        desk.turn();
        assert_eq!(desk.open, None, "{event:?}");
    }
    // Like it is enough, as far as the subscription wants what is so like it.
    desk.hear(&put(own_kind, Language::FRENCH, "One was here."));
    desk.turn();
    assert_eq!(desk.open.as_ref().map(|(_, text, again)| (text.as_str(), *again)), Some(("One is here.", true)));
}

#[test]
fn however_much_happens_one_look_up_is_under_way_and_another_segment_comes_first() {
    let mut desk = Desk::new().at_first();
    for _ in 0..3 {
        desk.hear(&better());
        desk.turn();
    }
    // What happened meanwhile is looked for when that is there.
    desk.find(Some((&[found("un")], &[])));
    assert!(desk.open.as_ref().is_some_and(|(_, _, again)| *again));
    desk.house.say(desk.ada, cursor("a_en", 14));
    desk.turn();
    desk.find(Some((&[found("better")], &[])));
    assert_eq!(desk.open.as_ref().map(|(_, text, again)| (text.as_str(), *again)), Some(("Two is there.", false)));
    desk.find(Some((&[], &[])));
    let told: Vec<String> = desk.told().into_iter().filter(|kind| kind == "translation.suggestion").collect();
    assert_eq!(told.len(), 1, "of the one before nothing is told");
    // One that could not be looked up again is tried again, a second later and not at once; nothing is told twice.
    desk.hear(&term_put());
    desk.told();
    desk.turn();
    desk.find(None);
    desk.turn();
    assert_eq!(desk.open, None);
    desk.house.wait(1_000);
    assert!(desk.house.room.translations_are_due());
    desk.turn();
    assert!(!desk.house.room.translations_are_due());
    desk.find(Some((&[], &[])));
    assert_eq!(desk.told(), [] as [&str; 0]);
}

#[test]
fn an_open_request_is_looked_up_again_too() {
    let mut desk = Desk::new();
    desk.house.say(desk.ada, message("translation.request", json!({"source_text": "One is here."})));
    let work = desk.house.room.follow_translations(desk.house.now).remove(0).1;
    let [Work::LookUp { request, .. }] = work.as_slice() else { panic!("{work:?}") };
    let un = [found("un")];
    desk.house.room.converse(desk.house.now, desk.ada, |said| said.suggest(START, *request, Ok((&un, &[]))));
    desk.told();
    assert!(desk.hear(&better()));
    let work = desk.house.room.follow_translations(desk.house.now).remove(0).1;
    assert!(matches!(work.as_slice(), [Work::LookAgain { .. }]), "{work:?}");
}

#[test]
fn who_reads_too_slowly_is_told_once_that_they_missed_something_and_nothing_in_between() {
    const BOUND: usize = 3_000;
    let mut desk =
        Desk::with(Plan { outbound_bytes_max: BOUND, auto_save: Duration::ZERO, ..Plan::default() }).at_first();
    let most = 40;
    for _ in 0..most {
        desk.hear(&term_put());
        desk.house.block_all();
        let member = desk.house.room.member(desk.ada).unwrap();
        assert!(member.outbox().bytes() <= BOUND && !member.outbox().is_closing());
    }
    desk.turn();
    desk.find(Some((&[found("un")], &[])));
    let told = desk.told();
    let updates = told.iter().filter(|kind| *kind == "glossary.update").count();
    assert!(updates > 3 && updates < most, "{told:?}");
    assert_eq!(told.iter().skip_while(|kind| *kind == "glossary.update").collect::<Vec<_>>(), ["translation.missed"]);
    // What they missed may be of use for their segment.
    assert!(desk.house.room.translations_are_due());
    desk.turn();
    assert!(desk.open.as_ref().is_some_and(|(_, _, again)| *again));
    desk.find(Some((&[found("better")], &[])));
    assert_eq!(desk.told(), ["translation.suggestion"]);
    desk.hear(&term_put());
    assert_eq!(desk.told(), ["glossary.update"], "they hear of everything again");
}

#[test]
fn what_the_core_has_missed_everybody_is_told_when_they_have_read() {
    let mut desk = Desk::new().at_first();
    let now = desk.house.now;
    desk.hear(&term_put());
    desk.house.block_all();
    assert!(!desk.house.room.miss_of_memory(now), "that waits for what was before it");
    desk.hear(&term_put());
    assert_eq!(desk.told(), ["glossary.update", "translation.missed"]);
    assert!(desk.house.room.miss_of_memory(now), "nothing is before it");
    assert_eq!(desk.told(), ["translation.missed"]);
    desk.house.room.miss_of_memory(now);
    desk.house.room.miss_of_memory(now);
    desk.house.say(desk.ada, subscribe(json!({"project_id": "law"})));
    let told = desk.told();
    assert_eq!(told.iter().filter(|kind| *kind == "translation.missed").count(), 2, "{told:?}");
}

/// What the memory has for the sentences: of what quality, which only grows.
#[derive(Default)]
struct Quality {
    first: u32,
    others: u32,
}

impl Quality {
    fn of(&self, text: &str) -> u32 {
        if text == "One is here." { self.first } else { self.others }
    }

    /// As it is found.
    fn found(quality: u32) -> Suggestion {
        Suggestion { confidence: 0.95 + f64::from(quality) / 10_000.0, ..found("un") }
    }
}

/// Events, moves, edits, look-ups that succeed or fail, and a reader who reads when they like: in the end they have been told the
/// best that the memory has for the segment at the cursor.
#[test]
fn in_the_end_the_best_is_told_for_the_segment_at_the_cursor() {
    for_seeds(400, |seed| {
        let mut rng = Rng(seed);
        let outbound_bytes_max = *rng.pick(&[2_500, 1 << 20]);
        let plan = Plan { outbound_bytes_max, auto_save: Duration::ZERO, ..Plan::default() };
        let mut desk = Desk::with(plan).at_first();
        let ben = desk.house.settle(guest("ben"));
        let (mut quality, mut at, mut read) = (Quality::default(), 1, Vec::<Value>::new());
        // What was to be found when it was begun to be looked up.
        let mut begun = 0;
        for _ in 0..rng.below(80) {
            match rng.below(8) {
                0 | 1 => {
                    quality.first += 1;
                    if rng.one_in(2) {
                        desk.hear(&better());
                    } else {
                        quality.others += 1;
                        let now = desk.house.now;
                        let _ =
                            if rng.one_in(4) { desk.house.room.miss_of_memory(now) } else { desk.hear(&term_put()) };
                    }
                }
                2 => {
                    at = *rng.pick(&[1, 5, 14, 30]);
                    desk.house.say(desk.ada, cursor("a_en", at));
                }
                3 => {
                    let insert = json!({"operation": "insert", "section": "a_fr", "position": 0, "content": "x"});
                    desk.house.say(ben, change(insert));
                    desk.house.read(ben);
                }
                4 => desk.house.wait(1_000),
                5 => {
                    desk.house.sync();
                    read.extend(desk.house.read_some(desk.ada, rng.below(600)));
                }
                _ if desk.open.is_some() => {
                    let found = [Quality::found(begun)];
                    desk.find((!rng.one_in(4)).then_some((&found, &[])));
                    begun = desk.open.as_ref().map_or(0, |(_, text, _)| quality.of(text));
                }
                _ => {}
            }
            let was_open = desk.open.is_some();
            desk.turn();
            if let Some((_, text, _)) = desk.open.as_ref().filter(|_| !was_open) {
                begun = quality.of(text);
            }
            desk.house.block_all();
        }
        // One that has failed for the first time is looked up when something happens.
        desk.house.say(desk.ada, cursor("a_en", at));
        for _ in 0..4 {
            while let Some((_, text, _)) = desk.open.clone() {
                desk.find(Some((&[Quality::found(begun)], &[])));
                begun = quality.of(desk.open.as_ref().map_or(&text, |(_, text, _)| text));
            }
            desk.house.sync();
            read.extend(desk.house.read(desk.ada));
            desk.house.wait(1_000);
            desk.turn();
            begun = desk.open.as_ref().map_or(0, |(_, text, _)| quality.of(text));
        }
        assert_eq!(desk.open, None, "all is told");
        let told = read.iter().rev().find(|told| told["type"] == "translation.suggestion");
        if read.iter().any(|told| told["type"] == "close") {
            // They read nothing for too long.
            return;
        }
        let text = ["One is here.", "Two is there.", "Three follows."][at / 14];
        let quality = quality.of(text);
        if let Some(told) = told {
            assert_eq!(told["payload"]["source_text"], text);
            let expected = Quality::found(quality).confidence;
            let confidence = told["payload"]["suggestions"][0]["confidence"].as_f64().unwrap();
            assert!((confidence - expected).abs() < 1e-6, "{expected}: {told}");
        } else {
            assert_eq!((text, quality), ("One is here.", 0), "that was told before");
        }
    });
}

//! What a memory knows, against a list that is gone through.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::translation::{Context, Language, Level, Rating};

fn pair() -> LanguagePair {
    LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap()
}

fn submission(scope: &Scope, source_text: &str, translated_text: &str) -> Submission {
    Submission {
        scope: scope.clone(),
        pair: pair(),
        source_text: source_text.into(),
        translated_text: translated_text.into(),
        context: Context::default(),
        rating: None,
        reviewed: false,
        user_id: "ann".into(),
    }
}

fn submit(memory: &mut Memory, submission: Submission) -> (Arc<Entry>, bool) {
    submit_at(memory, submission, 0)
}

fn submit_at(memory: &mut Memory, submission: Submission, now: u64) -> (Arc<Entry>, bool) {
    let (entry, is_new) = memory.prepare(submission, UnixMillis(now)).unwrap();
    (memory.put(entry).unwrap(), is_new)
}

fn project(name: &str) -> Option<ProjectId> {
    Some(ProjectId::new(name).unwrap())
}

fn look_up(memory: &Memory, project: Option<ProjectId>, text: &str) -> Vec<Candidate> {
    let wanted = Wanted { pair: pair(), project, mode: Mode::Exhaustive, min_similarity: 0.7, texts: 10 };
    let inquiry = memory.inquire(&wanted).unwrap();
    let found = inquiry.run(&Query::new(Folded::new(text).unwrap()), &mut Scratch::default());
    memory.resolve(&found)
}

fn translations(memory: &Memory, project: Option<ProjectId>, text: &str) -> Vec<String> {
    look_up(memory, project, text).iter().map(|found| found.entry.translated_text.to_string()).collect()
}

#[test]
fn a_text_has_several_translations_in_several_places() {
    let mut memory = Memory::new(1_000);
    let hr = Scope::Project(ProjectId::new("hr").unwrap());
    for (scope, text, translation) in [
        (&Scope::Shared, "The incumbent", "Le titulaire"),
        (&Scope::Shared, "The incumbent", "La titulaire"),
        (&hr, "the  incumbent", "Le ou la titulaire"),
    ] {
        assert!(submit(&mut memory, submission(scope, text, translation)).1);
    }
    let (again, is_new) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "La titulaire"));
    assert_eq!((is_new, again.usage_count, again.id, memory.len()), (false, 1, EntryId(1), 3));
    assert_eq!(translations(&memory, None, "THE INCUMBENT"), ["Le titulaire", "La titulaire"]);
    let all = ["Le ou la titulaire", "Le titulaire", "La titulaire"];
    assert_eq!(translations(&memory, project("hr"), "The incumbent"), all);
    assert_eq!(translations(&memory, project("other"), "The incumbents"), all[1..]);
    assert_eq!(look_up(&memory, None, "The incumbents")[0].found.level, Level::Fuzzy);
    let other_way = Wanted {
        pair: LanguagePair::new(Language::FRENCH, Language::ENGLISH).unwrap(),
        project: None,
        mode: Mode::Fast,
        min_similarity: 0.0,
        texts: 1_000,
    };
    let found = memory.inquire(&other_way).unwrap();
    let found = found.run(&Query::new(Folded::new("The incumbent").unwrap()), &mut Scratch::default());
    assert_eq!(memory.resolve(&found).len(), 0);
}

#[test]
fn what_is_rejected_or_gone_is_not_found() {
    let mut memory = Memory::new(1_000);
    let (first, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "Le titulaire"));
    let (second, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "La titulaire"));
    memory.put(Entry { status: Status::Rejected, ..Entry::clone(&first) }).unwrap();
    assert_eq!(translations(&memory, None, "The incumbent"), ["La titulaire"]);
    let wanted = Wanted { pair: pair(), project: None, mode: Mode::Fast, min_similarity: 0.7, texts: 1 };
    let inquiry = memory.inquire(&wanted).unwrap();
    assert!(memory.remove(second.id).is_some() && memory.remove(second.id).is_none());
    // Whoever was looking meanwhile is not told of it either.
    let found = inquiry.run(&Query::new(Folded::new("The incumbent").unwrap()), &mut Scratch::default());
    assert_eq!(memory.resolve(&found).len(), 0);
    memory.remove(first.id).unwrap();
    assert!(memory.is_empty() && memory.shelves.is_empty());
    // A number is not used again, after a restart neither.
    assert_eq!(submit(&mut memory, submission(&Scope::Shared, "a", "b")).0.id, EntryId(2));
    assert_eq!(submit_at(&mut memory, submission(&Scope::Shared, "b", "b"), 1_000).0.id, EntryId(1_000));
    assert_eq!(submit_at(&mut memory, submission(&Scope::Shared, "c", "b"), 900).0.id, EntryId(1_001));
}

#[test]
fn who_made_it_may_change_it() {
    let mut memory = Memory::new(1_000);
    let (first, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "Le titulaire"));
    let (second, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "La titulaire"));
    let (third, _) = submit(&mut memory, submission(&Scope::Shared, "the incumbent", "La titulaire"));
    let rewrite = |user: &str, text: &str| Revision { translated_text: Some(text.into()), ..Revision::by(user.into()) };
    let revise = |revision, is_admin| memory.revise(first.id, revision, is_admin, UnixMillis(0));
    assert_eq!(revise(rewrite("bob", "L'occupant"), false), Err(MemoryError::OfOthers));
    assert_eq!(&*revise(rewrite("bob", "L'occupant"), true).unwrap().translated_text, "L'occupant");
    assert_eq!(&*revise(rewrite("ann", "L'occupant"), false).unwrap().translated_text, "L'occupant");
    assert_eq!(revise(rewrite("bob", "Le titulaire"), false).unwrap(), *first);
    assert_eq!(revise(rewrite("ann", "La titulaire"), false), Err(MemoryError::Known(second.id)));
    // Written otherwise, the text is another one.
    let other = memory.revise(third.id, rewrite("ann", "Le titulaire"), false, UnixMillis(0));
    assert_eq!(&*other.unwrap().translated_text, "Le titulaire");
    let rejected = Revision { status: Some(Status::Rejected), ..Revision::by("bob".into()) };
    assert_eq!(revise(rejected.clone(), false).unwrap().status, Status::Rejected);
    let unknown = memory.revise(EntryId(9), rejected, true, UnixMillis(0));
    assert_eq!(unknown, Err(MemoryError::Unknown(EntryId(9))));
    let remove = |id, user, is_admin| memory.check_removal(id, user, is_admin);
    assert_eq!(remove(first.id, "bob", false), Err(MemoryError::OfOthers));
    assert_eq!((remove(first.id, "bob", true), remove(first.id, "ann", false)), (Ok(()), Ok(())));
    assert_eq!(remove(EntryId(9), "ann", true), Err(MemoryError::Unknown(EntryId(9))));
}

#[test]
fn translations_of_one_text_are_bounded() {
    let mut memory = Memory::new(1_000);
    for number in 0..TRANSLATIONS_MAX {
        submit(&mut memory, submission(&Scope::Shared, "a", &number.to_string()));
    }
    let more = memory.prepare(submission(&Scope::Shared, "A", "more"), UnixMillis(0));
    assert_eq!(more, Err(MemoryError::Translations));
    assert!(memory.prepare(submission(&Scope::Shared, "a", "7"), UnixMillis(0)).is_ok());
    memory.entries_max = memory.len();
    assert!(memory.prepare(submission(&Scope::Shared, "a", "7"), UnixMillis(0)).is_ok(), "it is there");
    assert_eq!(memory.prepare(submission(&Scope::Shared, "b", "7"), UnixMillis(0)), Err(MemoryError::Full));
    let empty = memory.prepare(submission(&Scope::Shared, " ", "7"), UnixMillis(0));
    assert_eq!(empty, Err(MemoryError::Text(TextError::Empty)));
}

#[derive(Clone, Debug)]
enum Step {
    Submit(u8, u8, u8),
    Remove(u8),
    Reject(u8),
    Tidy,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 0..12_u8, 0..3_u8).prop_map(|(scope, text, translation)| Step::Submit(scope, text, translation)),
        2 => (0..20_u8).prop_map(Step::Remove),
        1 => (0..20_u8).prop_map(Step::Reject),
        1 => Just(Step::Tidy),
        1 => Just(Step::Restart),
    ]
}

fn scope(number: u8) -> Scope {
    if number == 0 { Scope::Shared } else { Scope::Project(ProjectId::new(&format!("p{number}")).unwrap()) }
}

/// Texts of which some fold to the same.
fn text(number: u8) -> String {
    let text = format!("text {}", "ab".repeat(usize::from(number / 2)));
    if number.is_multiple_of(2) { text } else { text.to_uppercase() }
}

proptest! {
    /// A list of entries that is gone through knows the same of each text, whatever happens.
    #[test]
    fn it_knows_what_a_list_knows(steps in prop::collection::vec(step(), 1..60)) {
        let (mut memory, mut list) = (Memory::new(1_000), Vec::<Entry>::new());
        let mut used = HashSet::new();
        for (step, now) in steps.into_iter().zip(1..) {
            match step {
                Step::Submit(place, number, translation) => {
                    let handed = submission(&scope(place), &text(number), &translation.to_string());
                    let (entry, is_new) = submit_at(&mut memory, handed.clone(), now);
                    let known = list.iter_mut().find(|entry| entry.is_of(&handed));
                    prop_assert_eq!(known.is_none(), is_new);
                    match known {
                        Some(known) => known.submit_again(handed, UnixMillis(now)),
                        None => {
                            prop_assert!(used.insert(entry.id), "{} is used twice", entry.id);
                            list.push(Entry::clone(&entry));
                        }
                    }
                }
                Step::Remove(number) => {
                    let place = usize::from(number);
                    let id = if place < list.len() { list.remove(place).id } else { EntryId(u64::MAX) };
                    prop_assert_eq!(memory.remove(id).is_some(), id != EntryId(u64::MAX));
                }
                Step::Reject(number) => {
                    if let Some(entry) = list.get_mut(usize::from(number)) {
                        entry.status = Status::Rejected;
                        memory.put(entry.clone()).unwrap();
                    }
                }
                Step::Tidy => while let Some(upkeep) = memory.upkeep_due() {
                    memory.install(upkeep.run());
                },
                Step::Restart => {
                    let (loaded, left_out) = Memory::load(list.iter().cloned(), 1_000);
                    prop_assert_eq!(left_out, 0);
                    memory = loaded;
                }
            }
            prop_assert_eq!(memory.len(), list.len());
        }
        for place in 0..3 {
            for number in 0..12 {
                let project = scope(place).project().cloned();
                let folded = Folded::new(&text(number)).unwrap();
                let is_equal = |entry: &&Entry| {
                    Folded::new(&entry.source_text).unwrap() == folded
                        && entry.status != Status::Rejected
                        && (entry.scope == Scope::Shared || entry.scope == scope(place))
                };
                let mut expected: Vec<&Entry> = list.iter().filter(is_equal).collect();
                let wanted = Wanted { pair: pair(), project: project.clone(), mode: Mode::Fast, min_similarity: 1.0, texts: 1 };
                let equal = memory.equal_to(&folded, &wanted);
                let found = look_up(&memory, project, &text(number));
                let found = found.iter().filter(|found| found.found.level == Level::Folded);
                let mut found: Vec<&Entry> = found.map(|found| &*found.entry).collect();
                expected.sort_by_key(|entry| entry.id);
                found.sort_by_key(|entry| entry.id);
                prop_assert_eq!(found, &expected[..]);
                prop_assert!(equal.iter().all(|found| found.found.level == Level::Folded));
                prop_assert!(equal.iter().all(|found| found.found.hit.similarity() >= 1.0));
                let mut equal: Vec<&Entry> = equal.iter().map(|found| &*found.entry).collect();
                equal.sort_by_key(|entry| entry.id);
                prop_assert_eq!(equal, expected);
            }
        }
    }
}

#[test]
fn what_cannot_be_looked_for_is_left_out_at_the_start() {
    let entry = |number, text: &str| {
        let mut handed = submission(&Scope::Shared, text, "b");
        handed.rating = Rating::new(5);
        Entry::new(EntryId(number), handed, UnixMillis(0))
    };
    let (memory, left_out) = Memory::load([entry(3, "a"), entry(9, " ")], 1);
    assert_eq!((memory.len(), left_out, memory.next), (1, 1, 10));
    assert!(memory.entry(EntryId(3)).is_some() && memory.entry(EntryId(9)).is_none());
}

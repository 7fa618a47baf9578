//! What is said of an entry, and what becomes of it by that.

use super::*;
use crate::translation::Language;

fn submission(user_id: &str, rating: Option<u64>, reviewed: bool) -> Submission {
    Submission {
        scope: Scope::Project(ProjectId::new("hr").unwrap()),
        pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
        source_text: "The incumbent".into(),
        translated_text: "Le titulaire".into(),
        context: Context::default(),
        rating: rating.map(|stars| Rating::new(stars).unwrap()),
        reviewed,
        user_id: user_id.into(),
    }
}

fn entry(rating: Option<u64>, reviewed: bool) -> Entry {
    Entry::new(EntryId(7), submission("ann", rating, reviewed), UnixMillis(1_000))
}

#[test]
fn names_are_checked() {
    for name in ["hr", "9", "a.b_c-D", &"x".repeat(128)] {
        assert_eq!(ProjectId::new(name).unwrap().as_str(), name);
    }
    for name in ["", "_a", "a b", "a/b", "é", "a\n", &"x".repeat(129)] {
        assert!(ProjectId::new(name).is_err(), "{name:?}");
    }
    for number in [0, 1, 98_765, u64::MAX] {
        assert_eq!(EntryId::from_name(&EntryId(number).to_string()), Some(EntryId(number)));
    }
    for name in ["", "trans_", "98765", "trans_01", "trans_+1", "trans_1 ", "Trans_1", "trans_18446744073709551616"] {
        assert_eq!(EntryId::from_name(name), None, "{name:?}");
    }
    assert_eq!([0, 1, 5, 6, 256 + 1].map(|stars| Rating::new(stars).is_some()), [false, true, true, false, false]);
}

#[test]
fn what_is_reviewed_or_found_good_is_accepted() {
    for (rating, reviewed, expected) in [
        (None, false, Status::Pending),
        (Some(3), false, Status::Pending),
        (Some(4), false, Status::Accepted),
        (None, true, Status::Accepted),
        (Some(1), true, Status::Accepted),
    ] {
        let entry = entry(rating, reviewed);
        assert_eq!(entry.status, expected, "{rating:?} {reviewed}");
        assert_eq!(entry.requires_review(), expected == Status::Pending);
    }
    let mut entry = entry(Some(3), false);
    rate(&mut entry, "bob", 5);
    assert_eq!((entry.status, entry.ratings.mean()), (Status::Accepted, Some(4.0)));
    rate(&mut entry, "eve", 1);
    assert_eq!((entry.status, entry.ratings.mean()), (Status::Accepted, Some(3.0)));
}

fn rate(entry: &mut Entry, user_id: &str, stars: u64) {
    let rating = Some(Rating::new(stars).unwrap());
    entry.revise(Revision { rating, ..Revision::by(user_id.into()) }, UnixMillis(9_000));
}

#[test]
fn everybody_has_one_rating() {
    let mut entry = entry(Some(1), false);
    for stars in [2, 5, 3] {
        rate(&mut entry, "ann", stars);
        rate(&mut entry, "bob", stars);
    }
    assert_eq!((entry.ratings.count, entry.ratings.sum), (2, 6));
    for number in 0..100 {
        rate(&mut entry, &format!("user_{number}"), 5);
    }
    assert_eq!((entry.ratings.count, entry.ratings.sum, entry.ratings.last.len()), (102, 506, RATERS_MAX));
    // Whoever is forgotten counts once more, and what they said first counts on.
    rate(&mut entry, "ann", 1);
    assert_eq!((entry.ratings.count, entry.ratings.sum), (103, 507));
    let full = Ratings { count: u32::MAX, sum: u32::MAX, last: Vec::new() };
    let mut entry = Entry { ratings: full.clone(), ..entry };
    rate(&mut entry, "ann", 5);
    assert_eq!(entry.ratings, full);
}

#[test]
fn what_is_said_of_a_translation_does_not_hold_for_another() {
    let mut entry = entry(Some(5), true);
    let used = Revision { used: true, ..Revision::by("eve".into()) };
    entry.revise(used, UnixMillis(2_000));
    assert_eq!(
        (entry.usage_count, entry.last_used_at, &entry.contributors[..]),
        (1, UnixMillis(2_000), &["ann".into()][..])
    );
    let same = Revision { translated_text: Some("Le titulaire".into()), ..Revision::by("bob".into()) };
    let before = entry.clone();
    entry.revise(same.clone(), UnixMillis(3_000));
    assert_eq!(entry, before);
    entry.revise(Revision { translated_text: Some("La titulaire".into()), ..same }, UnixMillis(3_000));
    assert_eq!((entry.status, entry.reviewed, entry.usage_count), (Status::Pending, false, 0));
    assert_eq!((entry.ratings.count, &*entry.contributors[1], entry.last_used_at), (0, "bob", UnixMillis(2_000)));
}

#[test]
fn an_entry_is_changed_when_its_translation_or_its_status_is() {
    let mut entry = entry(None, false);
    let by = || Revision::by("bob".into());
    let same = || Some("Le titulaire".into());
    let unchanged = [
        Revision { rating: Rating::new(5), ..by() },
        Revision { used: true, ..by() },
        Revision { translated_text: same(), ..by() },
    ];
    for revision in unchanged {
        entry.revise(revision, UnixMillis(5_000));
        assert_eq!(entry.changed_at, UnixMillis(1_000));
    }
    entry.revise(Revision { status: Some(Status::Accepted), ..by() }, UnixMillis(5_000));
    assert_eq!(entry.changed_at, UnixMillis(5_000));
    entry.revise(Revision { translated_text: Some("La titulaire".into()), ..by() }, UnixMillis(6_000));
    assert_eq!((entry.changed_at, entry.created_at), (UnixMillis(6_000), UnixMillis(1_000)));
    // A clock that was set back takes nothing back.
    entry.revise(Revision { translated_text: same(), ..by() }, UnixMillis(2_000));
    assert_eq!(entry.changed_at, UnixMillis(6_000));
}

#[test]
fn a_new_translation_has_no_tags_and_its_text_keeps_its_own() {
    let markup = |source: Option<&str>, target: Option<&str>| {
        Some(Box::new(Markup { source: source.map(Into::into), target: target.map(Into::into) }))
    };
    let (source, target) = (Some("<hi>The</hi> incumbent"), Some("<hi>Le</hi> titulaire"));
    for (before, after) in [
        (markup(source, target), markup(source, None)),
        (markup(source, None), markup(source, None)),
        (markup(None, target), None),
        (None, None),
    ] {
        let mut entry = Entry { markup: before.clone(), ..entry(None, false) };
        let same = Revision { translated_text: Some("Le titulaire".into()), used: true, ..Revision::by("bob".into()) };
        entry.revise(same.clone(), UnixMillis(2_000));
        assert_eq!(entry.markup, before, "nothing is new");
        entry.revise(Revision { translated_text: Some("La titulaire".into()), ..same }, UnixMillis(2_000));
        assert_eq!(entry.markup, after);
    }
}

#[test]
fn what_somebody_decides_holds() {
    let mut entry = entry(None, false);
    for (status, reviewed) in [(Status::Accepted, true), (Status::Rejected, false), (Status::Pending, false)] {
        entry.revise(Revision { status: Some(status), ..Revision::by("bob".into()) }, UnixMillis(2_000));
        assert_eq!((entry.status, entry.reviewed), (status, reviewed));
        assert_eq!(Status::of_name(status.name()), Some(status));
    }
    assert_eq!(Status::of_name("Accepted"), None);
}

#[test]
fn what_is_handed_in_again_is_used_once_more() {
    let mut entry = entry(None, false);
    assert!(entry.is_of(&submission("bob", Some(5), true)));
    entry.submit_again(submission("bob", Some(5), false), UnixMillis(3_000));
    entry.submit_again(submission("ann", None, false), UnixMillis(2_000));
    assert_eq!((entry.usage_count, entry.created_at, entry.last_used_at), (2, UnixMillis(1_000), UnixMillis(3_000)));
    assert_eq!(entry.changed_at, UnixMillis(3_000));
    let elsewhere = Context { section: Some("duties".into()), ..Context::default() };
    entry.submit_again(Submission { context: elsewhere.clone(), ..submission("ann", None, false) }, UnixMillis(3_500));
    assert_eq!((entry.context, entry.changed_at), (elsewhere.into(), UnixMillis(3_500)), "where it stood last");
    entry.context = Context::default().into();
    assert_eq!(entry.contributors, ["ann".into(), "bob".into()] as [Box<str>; 2]);
    assert_eq!((entry.status, entry.ratings.count, entry.ratings.sum), (Status::Accepted, 1, 5));
    for number in 0..100 {
        entry.submit_again(submission(&format!("user_{number}"), None, false), UnixMillis(4_000));
    }
    assert_eq!((entry.contributors.len(), &*entry.contributors[0]), (CONTRIBUTORS_MAX, "ann"));
    entry.usage_count = u32::MAX;
    entry.submit_again(submission("ann", None, false), UnixMillis(4_000));
    assert_eq!(entry.usage_count, u32::MAX);
}

#[test]
fn what_was_rejected_is_looked_at_anew() {
    let mut rejected = Entry { status: Status::Rejected, ..entry(Some(5), false) };
    rate(&mut rejected, "eve", 5);
    assert_eq!(rejected.status, Status::Rejected);
    rejected.submit_again(submission("bob", None, true), UnixMillis(2_000));
    assert_eq!(rejected.status, Status::Accepted);
}

#[test]
fn another_text_is_another_entry() {
    let known = entry(None, false);
    let base = submission("ann", None, false);
    for other in [
        Submission { scope: Scope::Shared, ..base.clone() },
        Submission { pair: LanguagePair::new(Language::FRENCH, Language::ENGLISH).unwrap(), ..base.clone() },
        Submission { source_text: "the incumbent".into(), ..base.clone() },
        Submission { translated_text: "La titulaire".into(), ..base },
    ] {
        assert!(!known.is_of(&other), "{other:?}");
    }
}

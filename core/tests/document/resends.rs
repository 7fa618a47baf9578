//! Exactly once, whatever comes in between.

use std::collections::BTreeMap;

use jddb_core::document::{
    Change, ChangeRef, Document, DocumentLimits, RESEND_AGE_MAX_MS, RESENDS_PER_CLIENT, Rejection, SentChange,
    Submission, Submitted,
};
use jddb_core::ids::{PositionEncoding, UnixMillis, Version};
use proptest::prelude::*;

use super::support::{NOW, delete, document, empty, id, insert, refuse_all, submission, texts, within};

fn keyed<'a>(base: Option<u64>, key: (&'a str, &'a str), changes: &'a [SentChange<'a>]) -> Submission<'a> {
    Submission { client_id: Some(key.0), correlation_id: Some(key.1), ..submission(base, changes) }
}

#[test]
fn a_resend_is_acknowledged_with_its_first_version() {
    let mut document = document(&[("body", "abc")]);
    let changes = [insert(1, "X")];
    let sent = keyed(Some(1), ("c", "k"), &changes);
    document.submit(NOW, &sent).unwrap();
    document.submit(NOW, &submission(Some(2), &[delete(0, 1)])).unwrap();
    let again = document.submit(NOW, &sent).unwrap();
    assert_eq!(again, Submitted::Duplicate { version: Version(2), transformed: false });
    assert_eq!(document.resent(NOW, &sent), Some(Ok(again)));
    assert_eq!((texts(&document).as_str(), document.version()), ("Xbc", Version(3)));
}

#[test]
fn a_resend_says_whether_its_first_was_transformed() {
    let mut document = document(&[("body", "abc")]);
    document.submit(NOW, &submission(Some(1), &[insert(0, "-")])).unwrap();
    let changes = [insert(1, "X")];
    let sent = keyed(Some(1), ("c", "k"), &changes);
    document.submit(NOW, &sent).unwrap();
    let expected = Submitted::Duplicate { version: Version(3), transformed: true };
    assert_eq!(document.submit(NOW, &sent), Ok(expected));
}

#[test]
fn the_key_is_looked_at_before_base_position_and_size() {
    let mut document = Document::new(id(), DocumentLimits { document_bytes_max: 6, ..DocumentLimits::default() });
    let changes = [insert(0, "abc")];
    document.submit(NOW, &keyed(Some(0), ("c", "k"), &changes)).unwrap();
    // The same again, from a base that does not exist, and when the text no longer fits twice.
    for base in [None, Some(0), Some(1), Some(77)] {
        let again = document.submit(NOW, &keyed(base, ("c", "k"), &changes)).unwrap();
        assert_eq!(again, Submitted::Duplicate { version: Version(1), transformed: false });
    }
    let others = [insert(0, "abcd"), insert(1, "abc"), within("body", insert(0, "abc")), insert(99, "much more")];
    for other in others {
        for base in [Some(0), Some(77)] {
            let changes = [other.clone()];
            assert_eq!(refuse_all(&mut document, &keyed(base, ("c", "k"), &changes)), Rejection::KeyReused);
        }
    }
}

#[test]
fn every_part_of_the_content_counts_as_content() {
    let all: [&[SentChange<'_>]; 8] = [
        &[insert(0, "ab")],
        &[insert(0, "a"), insert(0, "b")],
        &[insert(0, "a"), insert(1, "b")],
        &[within("a", insert(0, "b"))],
        &[within("b", insert(0, "a"))],
        &[insert(1, "ab")],
        &[delete(0, 0)],
        &[delete(0, 1)],
    ];
    for first in all {
        let mut document = document(&[("a", "12345")]);
        document.submit(NOW, &keyed(Some(1), ("c", "k"), first)).unwrap();
        for second in all {
            let answer = document.submit(NOW, &keyed(Some(1), ("c", "k"), second));
            assert_eq!(answer.is_ok(), first == second, "{first:?} {second:?}");
        }
    }
}

#[test]
fn a_key_belongs_to_one_client_of_one_user_for_a_day() {
    let mut document = document(&[("body", "")]);
    let changes = [insert(0, "x")];
    let sent = keyed(None, ("c", "k"), &changes);
    document.submit(NOW, &sent).unwrap();
    let others = [
        keyed(None, ("d", "k"), &changes),
        keyed(None, ("c", "l"), &changes),
        // The same letters, cut at another place.
        keyed(None, ("ck", ""), &changes),
        Submission { user_id: "user_124", ..sent.clone() },
        Submission { client_id: None, ..sent.clone() },
        Submission { correlation_id: None, ..sent.clone() },
    ];
    for other in others {
        assert!(matches!(document.submit(NOW, &other), Ok(Submitted::Applied { .. })), "{other:?}");
    }
    assert_eq!(texts(&document), "x".repeat(7));
    let last_moment = NOW.plus(RESEND_AGE_MAX_MS);
    assert!(matches!(document.submit(last_moment, &sent), Ok(Submitted::Duplicate { .. })));
    assert!(matches!(document.submit(last_moment.plus(1), &sent), Ok(Submitted::Applied { .. })));
    // The second use counts from its own time on.
    assert!(matches!(document.submit(last_moment.plus(2), &sent), Ok(Submitted::Duplicate { .. })));
    // A clock that went back forgets nothing.
    assert!(matches!(document.submit(UnixMillis(0), &sent), Ok(Submitted::Duplicate { .. })));
}

#[test]
fn a_rejected_change_leaves_its_key_free() {
    let mut document = document(&[("body", "abc")]);
    refuse_all(&mut document, &keyed(Some(1), ("c", "k"), &[insert(4, "x")]));
    assert!(document.submit(NOW, &keyed(Some(1), ("c", "k"), &[insert(3, "x")])).is_ok());
}

/// A message that was sent once and may come again.
#[derive(Clone, Debug)]
struct Message {
    client: String,
    correlation: String,
    base: Version,
    position: u64,
    text: String,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Messages, resends, and restarts from a snapshot and the changes after it, in any order.
    #[test]
    fn every_message_is_applied_once_in_every_interleaving(words in prop::collection::vec(any::<u32>(), 1..60)) {
        let mut document = empty();
        let mut messages: Vec<Message> = Vec::new();
        let mut firsts: BTreeMap<usize, (Version, bool)> = BTreeMap::new();
        let mut stored: Vec<Change> = Vec::new();
        let mut snapshot = document.snapshot(NOW);
        for word in words {
            match word % 8 {
                0 => snapshot = document.snapshot(NOW),
                1 => {
                    let from = (word >> 8) as usize % (stored.len() + 1);
                    let kept = stored[from.min(usize::try_from(snapshot.version.0).unwrap())..].to_vec();
                    document = Document::restore(id(), snapshot.clone(), kept, DocumentLimits::default()).unwrap();
                }
                2..=4 => messages.push(Message {
                    client: format!("c{}", word >> 8 & 1),
                    correlation: format!("k{}", messages.len()),
                    base: document.version(),
                    position: u64::from(word >> 16) % (document.section_start(document.sections().len(), PositionEncoding::Utf16) as u64 + 1),
                    text: format!("<{}>", messages.len()),
                }),
                _ => {}
            }
            if messages.is_empty() {
                continue;
            }
            // An old one, or one that was lost so far.
            let index = (word >> 12) as usize % messages.len();
            let message = messages[index].clone();
            let changes = [insert(message.position, &message.text)];
            let sent = keyed(Some(message.base.0), (&message.client, &message.correlation), &changes);
            let Ok(answer) = document.submit(NOW, &sent) else {
                // After a restart without it, its base may be before all that is kept.
                prop_assert!(!firsts.contains_key(&index));
                continue;
            };
            match answer {
                Submitted::Applied { version, transformed, .. } => {
                    prop_assert_eq!(firsts.insert(index, (version, transformed)), None);
                    stored.push(document.history().last().unwrap().to_change());
                }
                Submitted::Duplicate { version, transformed } => {
                    prop_assert_eq!(firsts.get(&index), Some(&(version, transformed)));
                }
            }
        }
        let text = texts(&document);
        for index in 0..messages.len() {
            let count = text.matches(&format!("<{index}>")).count();
            let inside = firsts.contains_key(&index);
            // Others may have written into the middle of it, but never is it there twice.
            prop_assert!(count <= usize::from(inside));
        }
        let letters: usize = firsts.keys().map(|index| format!("<{index}>").len()).sum();
        prop_assert_eq!(text.len(), letters);
    }
}

/// What is hashed at once, and what is hashed by pieces, whatever the lengths are.
#[test]
fn a_resend_is_known_whatever_the_length_of_its_section_and_content() {
    for name in ["s".to_owned(), "s".repeat(64)] {
        for length in [0, 1, 127, 128, 129, 1_000] {
            let mut document = document(&[(&name, "abc")]);
            let content = "x".repeat(length);
            let changes = [within(&name, insert(1, &content))];
            let sent = keyed(Some(1), ("c", "k"), &changes);
            document.submit(NOW, &sent).unwrap();
            let again = document.submit(NOW, &sent).unwrap();
            assert_eq!(again, Submitted::Duplicate { version: Version(2), transformed: false });
        }
    }
}

#[test]
fn the_last_64_are_known_after_a_restart() {
    let mut document = empty();
    let keys: Vec<String> = (0..=RESENDS_PER_CLIENT).map(|key| key.to_string()).collect();
    let changes = [insert(0, "x")];
    for key in &keys {
        document.submit(NOW, &keyed(None, ("c", key), &changes)).unwrap();
    }
    // The past says again what the snapshot remembers, and nothing is remembered twice.
    let past = document.history().since(Version::ZERO).unwrap().map(ChangeRef::to_change).collect();
    let restore = |past| Document::restore(id(), document.snapshot(NOW), past, DocumentLimits::default()).unwrap();
    let restored = [restore(Vec::new()), restore(past)];
    assert_eq!(restored.each_ref().map(|restored| restored.snapshot(NOW)), [(); 2].map(|()| document.snapshot(NOW)));
    for mut document in restored.into_iter().chain([document]) {
        for key in &keys[1..] {
            let answer = document.submit(NOW, &keyed(None, ("c", key), &changes));
            assert!(matches!(answer, Ok(Submitted::Duplicate { .. })), "{key}");
        }
        let oldest = document.submit(NOW, &keyed(None, ("c", &keys[0]), &changes));
        assert!(matches!(oldest, Ok(Submitted::Applied { .. })));
    }
}

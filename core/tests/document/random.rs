//! Random histories of concurrent submissions, against the model.

use std::borrow::Cow;

use jddb_core::document::{ChangeKind, Document, Rejection, SentChange, Submission, Submitted};
use jddb_core::ids::{PositionEncoding, SectionName, Version};
use jddb_core::ot::Operation;
use jddb_core::text::Text;
use proptest::prelude::*;

use super::model::{Fault, Model, Moved, Outcome, text_of};
use super::support::{NOW, empty, section};

const NAMES: [&str; 4] = ["title", "general_accountability", "body", "x"];

/// A change before it is known what text it is for.
#[derive(Clone, Debug)]
pub(crate) struct RawChange {
    kind: ChangeKind,
    section: Option<usize>,
    from: usize,
    length: usize,
    content: String,
    /// Take the numbers as they are, fitting or not.
    wild: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RawSubmission {
    /// How many versions back the base is; `None` for a sender without base versions.
    back: Option<u64>,
    encoding: PositionEncoding,
    changes: Vec<RawChange>,
}

pub(crate) fn raw_change() -> impl Strategy<Value = RawChange> {
    let kind = prop_oneof![Just(ChangeKind::Insert), Just(ChangeKind::Delete), Just(ChangeKind::Replace)];
    let section = prop::option::weighted(0.5, 0..NAMES.len());
    let content = "[abé\u{301}\u{20AC}\u{1F600}]{0,4}";
    (kind, section, 0_usize..17, 0_usize..9, content, prop::bool::weighted(0.12)).prop_map(
        |(kind, section, from, length, content, wild)| RawChange { kind, section, from, length, content, wild },
    )
}

fn raw_submission() -> impl Strategy<Value = RawSubmission> {
    let changes = prop_oneof![
        3 => prop::collection::vec(raw_change(), 1..=1),
        2 => prop::collection::vec(raw_change(), 1..6),
    ];
    let encoding = prop::sample::select(PositionEncoding::ALL.to_vec());
    (prop::option::weighted(0.85, 0_u64..7), encoding, changes).prop_map(|(back, encoding, changes)| RawSubmission {
        back,
        encoding,
        changes,
    })
}

/// The number of units in the first `count` characters; past the end as many more as there are too few.
fn units_of(text: &str, count: usize, encoding: PositionEncoding) -> u64 {
    let prefix: String = text.chars().take(count).collect();
    encoding.length_of(&prefix) as u64
}

impl RawChange {
    /// What a client that sees `model` at `base` may send.
    fn sent(&self, model: &Model, base: u64, encoding: PositionEncoding) -> SentChange<'_> {
        let texts = model.texts(base);
        let name: Option<SectionName> = self.section.map(|index| section(NAMES[index]));
        let text = match &name {
            Some(name) => {
                let index = model.names.iter().position(|known| known == name.as_str());
                index.and_then(|index| texts.get(index)).map_or(String::new(), |units| text_of(units))
            }
            None => text_of(&texts.concat()),
        };
        let characters = text.chars().count();
        let (position, length) = if self.wild {
            (self.from as u64, self.length as u64)
        } else {
            let from = self.from % (characters + 1);
            let to = (from + self.length).min(characters);
            let position = units_of(&text, from, encoding);
            (position, units_of(&text, to, encoding) - position)
        };
        let (length, content) = match self.kind {
            ChangeKind::Insert => (0, self.content.as_str()),
            ChangeKind::Delete => (length, ""),
            ChangeKind::Replace => (length, self.content.as_str()),
        };
        SentChange { kind: self.kind, position, length, content: Cow::Borrowed(content), section: name }
    }
}

fn same_fault(rejection: &Rejection, faults: &[Fault]) -> bool {
    let fault = match rejection {
        Rejection::InvalidPosition { index, field, .. } => Fault::Position(*index, field),
        Rejection::UnknownSection { index, .. } => Fault::UnknownSection(*index),
        _ => return false,
    };
    faults.contains(&fault)
}

/// Whether the parts of the newest change make the new texts of the old ones, from the end to the start.
fn check_parts(document: &Document, model: &Model) {
    let change = document.history().last().unwrap().to_change();
    assert!(!change.sections.is_empty());
    assert!(change.sections.is_sorted_by(|one, next| one.section < next.section));
    let mut texts: Vec<String> = model.texts(change.version.0 - 1).iter().map(|units| text_of(units)).collect();
    texts.resize(document.sections().len(), String::new());
    for made in change.sections.iter().rev() {
        let mut text = Text::from(texts[usize::from(made.section)].as_str());
        for part in made.parts() {
            let mut deleted = String::new();
            text.splice(part.position as usize, part.deleted_units as usize, part.inserted, &mut deleted);
            assert_eq!(deleted, part.deleted);
        }
        texts[usize::from(made.section)] = text.to_string();
        let operation = &made.operation;
        assert_eq!(Operation::from_parts(operation.edits(), operation.text().to_owned()).as_ref(), Ok(operation));
    }
    for made in document.history().last().unwrap().sections() {
        assert_eq!(made.length as usize, document.sections()[usize::from(made.section)].text().len());
    }
    check_texts(document, model);
    let new: Vec<String> = model.now().iter().map(|units| text_of(units)).collect();
    assert_eq!(texts, new, "parts");
}

fn check_texts(document: &Document, model: &Model) {
    let names: Vec<&str> = document.sections().iter().map(|section| section.name().as_str()).collect();
    assert_eq!(names, model.names);
    let texts: Vec<String> = document.sections().iter().map(|section| section.text().to_string()).collect();
    let expected: Vec<String> = model.now().iter().map(|units| text_of(units)).collect();
    assert_eq!(texts, expected);
    assert_eq!(document.version(), Version(model.version()));
    let words: usize = expected.iter().map(|text| text.split_whitespace().count()).sum();
    assert_eq!(document.word_count(), words);
}

/// Submits to both, compares all that can be seen; whether it was taken.
pub(crate) fn submit_to_both(document: &mut Document, model: &mut Model, sent: &Submission<'_>) -> bool {
    let before = document.snapshot(NOW);
    match (document.submit(NOW, sent), model.submit(sent)) {
        (Ok(Submitted::Applied { version, transformed, moves }), Ok(outcome)) => {
            assert_eq!(version, Version(model.version()));
            let moves = moves.into_iter().map(|moved| Moved {
                original: moved.original_position,
                transformed: moved.transformed_position,
                in_section: moved.section.map(|(name, position)| (name.as_str().to_owned(), position)),
                reason: moved.reason,
            });
            assert_eq!(Outcome { transformed, moves: moves.collect() }, outcome);
            check_parts(document, model);
            true
        }
        (Err(rejection), Err(faults)) => {
            assert!(same_fault(&rejection, &faults), "{rejection:?} but {faults:?}");
            assert_eq!(document.snapshot(NOW), before);
            false
        }
        (Ok(taken), other) => panic!("{taken:?}, but {other:?}"),
        (Err(rejection), Ok(_)) => panic!("refused: {rejection:?}"),
    }
}

pub(crate) fn play(raw: &[RawSubmission]) -> (Document, Model) {
    let (mut document, mut model) = (empty(), Model::new());
    for raw in raw {
        let base = model.version().saturating_sub(raw.back.unwrap_or(0));
        let changes: Vec<SentChange<'_>> =
            raw.changes.iter().map(|change| change.sent(&model, base, raw.encoding)).collect();
        let sent = Submission {
            user_id: "user_123",
            client_id: None,
            correlation_id: None,
            base: raw.back.map(|_| Version(base)),
            encoding: raw.encoding,
            changes: &changes,
            reject_conflicts: false,
            tell_moves: true,
        };
        submit_to_both(&mut document, &mut model, &sent);
    }
    (document, model)
}

pub(crate) fn raw_history(length: usize) -> impl Strategy<Value = Vec<RawSubmission>> {
    prop::collection::vec(raw_submission(), 1..length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_document_equals_the_model(raw in raw_history(10)) {
        play(&raw);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_document_of_50_kilobytes_equals_the_model(
        paragraphs in prop::collection::vec("[a-zé \u{20AC}\u{1F600}]{500,900}", 40..=40),
        places in prop::collection::vec((0_usize..20_000, 0_usize..3000, raw_submission()), 10..20),
    ) {
        let text = paragraphs.concat();
        let (mut document, mut model) = (empty(), Model::new());
        for name in &NAMES[..2] {
            let changes = [SentChange {
                kind: ChangeKind::Insert,
                position: 0,
                length: 0,
                content: Cow::Borrowed(text.as_str()),
                section: Some(section(name)),
            }];
            submit_to_both(&mut document, &mut model, &super::support::submission(Some(0), &changes));
        }
        for (from, length, mut raw) in places {
            for (index, change) in raw.changes.iter_mut().enumerate() {
                (change.from, change.length) = (from + 700 * index, length / (index + 1));
            }
            let base = model.version().saturating_sub(raw.back.unwrap_or(0));
            let changes: Vec<SentChange<'_>> =
                raw.changes.iter().map(|change| change.sent(&model, base, raw.encoding)).collect();
            let sent = Submission {
                encoding: raw.encoding,
                base: raw.back.map(|_| Version(base)),
                ..super::support::submission(None, &changes)
            };
            submit_to_both(&mut document, &mut model, &sent);
        }
    }
}

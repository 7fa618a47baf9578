//! Limits hold exactly, and refuse nothing that keeps them.

use jddb_core::document::{Document, DocumentLimits, Rejection, SentChange, Submission, Submitted};
use jddb_core::ids::Version;

use super::support::{NOW, delete, empty, id, insert, refuse, replace, submission, submit, texts, within};

const LIMITS: DocumentLimits = DocumentLimits {
    sections_max: 3,
    section_bytes_max: 10,
    document_bytes_max: 15,
    history_versions_max: 4,
    history_bytes_max: 1 << 20,
};

fn limited(sections: &[(&str, &str)]) -> Document {
    let mut document = Document::new(id(), LIMITS);
    let changes: Vec<SentChange<'_>> = sections.iter().map(|(name, text)| within(name, insert(0, text))).collect();
    submit(&mut document, Some(0), &changes);
    document
}

const SECTION: Rejection = Rejection::TooLarge { what: "the section (bytes)", limit: 10 };
const DOCUMENT: Rejection = Rejection::TooLarge { what: "the document (bytes)", limit: 15 };

#[test]
fn a_section_may_reach_its_limit_and_not_pass_it() {
    let mut document = limited(&[("a", "12345678")]);
    for change in [insert(0, "xyz"), insert(0, "é\u{301}"), replace(0, 1, "\u{1F600}"), replace(8, 0, "xyz")] {
        assert_eq!(refuse(&mut document, Some(1), &[change]), SECTION);
    }
    for change in [insert(0, "xy"), insert(0, "é"), replace(0, 1, "\u{20AC}"), replace(0, 8, "1234567890")] {
        assert!(document.clone().submit(NOW, &submission(Some(1), &[change])).is_ok());
    }
    // What others deleted meanwhile makes no room twice.
    submit(&mut document, Some(1), &[delete(0, 4)]);
    assert_eq!(refuse(&mut document, Some(1), &[replace(0, 4, "1234567")]), SECTION);
    submit(&mut document, Some(1), &[replace(0, 4, "123456")]);
    assert_eq!(texts(&document), "1234565678");
}

#[test]
fn a_document_may_reach_its_limit_and_not_pass_it() {
    let mut document = limited(&[("a", "12345678"), ("b", "12345")]);
    assert_eq!(refuse(&mut document, Some(1), &[within("b", insert(0, "xyz"))]), DOCUMENT);
    assert_eq!(refuse(&mut document, Some(1), &[within("c", insert(0, "xyz"))]), DOCUMENT);
    assert_eq!(refuse(&mut document, Some(1), &[insert(0, "x"), within("b", insert(0, "xy"))]), DOCUMENT);
    // What one section gives up, another one may take.
    submit(&mut document, Some(1), &[within("a", delete(0, 4)), within("b", insert(0, "12345"))]);
    submit(&mut document, Some(2), &[within("c", insert(0, "1"))]);
    assert_eq!(texts(&document), "5678|1234512345|1");
    assert_eq!(refuse(&mut document, Some(3), &[within("c", insert(0, "1"))]), DOCUMENT);
}

#[test]
fn a_text_above_a_lowered_limit_may_shrink_and_not_grow() {
    let limits = DocumentLimits { section_bytes_max: 100, document_bytes_max: 100, ..LIMITS };
    let mut large = Document::new(id(), limits);
    submit(&mut large, Some(0), &[insert(0, &"x".repeat(40))]);
    let mut document = Document::restore(id(), large.snapshot(NOW), Vec::new(), LIMITS).unwrap();
    assert_eq!(refuse(&mut document, Some(1), &[insert(0, "y")]), SECTION);
    assert_eq!(refuse(&mut document, Some(1), &[replace(0, 1, "yy")]), SECTION);
    submit(&mut document, Some(1), &[replace(0, 2, "y")]);
    submit(&mut document, Some(2), &[replace(0, 1, "z")]);
    submit(&mut document, Some(3), &[delete(0, 1)]);
    assert_eq!(texts(&document), "x".repeat(38));
}

#[test]
fn sections_are_counted() {
    let mut document = limited(&[("a", ""), ("b", "")]);
    let refused = Rejection::TooLarge { what: "the number of sections", limit: 3 };
    assert_eq!(refuse(&mut document, Some(1), &[within("c", insert(0, "")), within("d", insert(0, ""))]), refused);
    submit(&mut document, Some(1), &[within("c", insert(0, "")), within("c", insert(0, ""))]);
    assert_eq!(refuse(&mut document, Some(2), &[within("d", insert(0, ""))]), refused);
}

#[test]
fn the_last_versions_are_bases_and_older_ones_are_not() {
    let mut document = limited(&[("a", "1234")]);
    for version in 1..6 {
        submit(&mut document, Some(version), &[insert(0, "")]);
    }
    assert_eq!(document.history().floor(), Version(2));
    let refused = refuse(&mut document, Some(1), &[insert(0, "x")]);
    assert_eq!(refused, Rejection::VersionTooOld { base: Version(1), oldest: Version(2) });
    submit(&mut document, Some(2), &[insert(4, "x")]);
    assert_eq!(texts(&document), "1234x");
}

#[test]
fn history_is_bounded_by_bytes_but_never_without_the_newest_change() {
    let limits = DocumentLimits { history_bytes_max: 5000, ..DocumentLimits::default() };
    let mut document = Document::new(id(), limits);
    submit(&mut document, Some(0), &[insert(0, &"x".repeat(10_000))]);
    assert_eq!(document.history().last().unwrap().version(), Version(1));
    submit(&mut document, Some(1), &[delete(0, 10_000)]);
    let last = document.history().last().unwrap();
    assert_eq!((last.version(), last.sections().next().unwrap().deleted.len()), (Version(2), 10_000));
    for version in 2..200 {
        submit(&mut document, Some(version), &[insert(0, "x")]);
        assert!(document.history().bytes() <= 5000);
    }
    // Many small places count too, not only their texts.
    submit(&mut document, None, &[insert(0, &"x".repeat(200))]);
    let places: Vec<SentChange<'_>> = (0..100).map(|place| delete(2 * place, 1)).collect();
    submit(&mut document, None, &places);
    assert!(document.history().bytes() > 100 * 16);
}

#[test]
fn too_much_to_transform_is_refused_with_the_oldest_base_that_would_do() {
    let mut document = empty();
    submit(&mut document, Some(0), &[insert(0, "x")]);
    for version in 1..=1500 {
        submit(&mut document, Some(version), &[insert(0, "")]);
    }
    let changes = vec![insert(1, "y"); 1000];
    let refused = refuse(&mut document, Some(500), &changes);
    assert_eq!(refused, Rejection::VersionTooOld { base: Version(500), oldest: Version(501) });
    // It is refused before anything is looked at.
    let mut wrong = changes.clone();
    wrong[0].position = 99;
    assert_eq!(refuse(&mut document, Some(500), &wrong), refused);
    let sent = Submission { reject_conflicts: true, ..submission(Some(501), &changes) };
    assert!(matches!(document.submit(NOW, &sent), Err(Rejection::VersionConflict { .. })));
    assert!(matches!(document.submit(NOW, &submission(Some(501), &changes)), Ok(Submitted::Applied { .. })));
}

//! Short ways to write documents and submissions down.

use std::borrow::Cow;

use jddb_core::document::{
    ChangeKind, ChangeRef, Document, DocumentLimits, Move, Rejection, SentChange, Submission, Submitted,
};
use jddb_core::ids::{DocumentId, PositionEncoding, SectionName, UnixMillis, Version};

pub(crate) const NOW: UnixMillis = UnixMillis(1_758_458_730_000);

pub(crate) fn id() -> DocumentId {
    DocumentId::new("jd_12345").unwrap()
}

pub(crate) fn section(name: &str) -> SectionName {
    SectionName::new(name).unwrap()
}

pub(crate) fn empty() -> Document {
    Document::new(id(), DocumentLimits::default())
}

pub(crate) fn insert(position: u64, content: &str) -> SentChange<'_> {
    SentChange { kind: ChangeKind::Insert, position, length: 0, content: Cow::Borrowed(content), section: None }
}

pub(crate) fn delete(position: u64, length: u64) -> SentChange<'static> {
    SentChange { kind: ChangeKind::Delete, position, length, content: Cow::Borrowed(""), section: None }
}

pub(crate) fn replace(position: u64, length: u64, content: &str) -> SentChange<'_> {
    SentChange { kind: ChangeKind::Replace, position, length, content: Cow::Borrowed(content), section: None }
}

pub(crate) fn within<'a>(name: &str, change: SentChange<'a>) -> SentChange<'a> {
    SentChange { section: Some(section(name)), ..change }
}

/// A submission of `changes` by nobody in particular; `base` in UTF-16, exact if given.
pub(crate) fn submission<'a>(base: Option<u64>, changes: &'a [SentChange<'a>]) -> Submission<'a> {
    Submission {
        user_id: "user_123",
        client_id: None,
        correlation_id: None,
        base: base.map(Version),
        encoding: PositionEncoding::Utf16,
        changes,
        reject_conflicts: false,
        tell_moves: true,
    }
}

pub(crate) fn submit(document: &mut Document, base: Option<u64>, changes: &[SentChange<'_>]) -> Submitted {
    document.submit(NOW, &submission(base, changes)).unwrap()
}

/// The same, where it has to be refused; the document has to stay as it was.
pub(crate) fn refuse(document: &mut Document, base: Option<u64>, changes: &[SentChange<'_>]) -> Rejection {
    refuse_all(document, &submission(base, changes))
}

pub(crate) fn refuse_all(document: &mut Document, sent: &Submission<'_>) -> Rejection {
    let (before, last) = (document.snapshot(NOW), document.history().last().map(ChangeRef::to_change));
    let rejection = document.submit(NOW, sent).unwrap_err();
    assert_eq!(document.snapshot(NOW), before);
    assert_eq!(document.history().last().map(ChangeRef::to_change), last);
    rejection
}

/// A document at version 1 with these sections.
pub(crate) fn document(sections: &[(&str, &str)]) -> Document {
    let mut document = empty();
    let changes: Vec<_> = sections.iter().map(|(name, text)| within(name, insert(0, text))).collect();
    submit(&mut document, Some(0), &changes);
    document
}

/// The texts of all sections, with `|` between them.
pub(crate) fn texts(document: &Document) -> String {
    let texts: Vec<String> = document.sections().iter().map(|section| section.text().to_string()).collect();
    texts.join("|")
}

pub(crate) fn moves(submitted: Submitted) -> Vec<Move> {
    match submitted {
        Submitted::Applied { moves, .. } => moves,
        Submitted::Duplicate { .. } => panic!("a duplicate"),
    }
}

pub(crate) fn transformed(submitted: &Submitted) -> bool {
    match submitted {
        Submitted::Applied { transformed, .. } | Submitted::Duplicate { transformed, .. } => *transformed,
    }
}

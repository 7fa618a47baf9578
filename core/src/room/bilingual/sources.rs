//! What has become of the sections of a document that another one is a translation of, since a version that one knows.

use super::budget::Budget;
use super::catching_up::{hunks_since, lines_before};
use super::changed::{ChangedSentence, SourceChange, source_change};
use super::hunks::Hunks;
use super::telling::STALE_TOLD_MAX;
use super::told::ends_of;
use crate::document::Document;
use crate::ids::{SectionName, Version};
use crate::room::member::{Dialect, Place};

/// Which sections, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesSought {
    /// What was told of changes up to this version is known.
    pub(super) since: Version,
    /// For each section of the translation the names that its source may have; the first that there is counts.
    pub(super) sections: Vec<Vec<SectionName>>,
    /// How places are told to whom it is for.
    pub(super) dialect: Dialect,
    /// The document is to be opened for it. What is not open has not changed, but for what came and went between two questions.
    pub(super) opens: bool,
}

/// What has become of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceRead {
    /// Which of those that were asked for.
    pub(super) index: usize,
    pub(super) section: SectionName,
    /// The sentences that are others; `None` where it cannot be said.
    pub(super) sentences: Option<Vec<SentenceRead>>,
}

/// A sentence that is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentenceRead {
    /// The numbers that it had.
    pub(super) paragraph: usize,
    pub(super) sentence: usize,
    pub(super) previous: Box<str>,
    /// What it is, if it was not deleted.
    pub(super) now: Option<SentenceNow>,
}

/// A sentence as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentenceNow {
    pub(super) paragraph: usize,
    pub(super) sentence: usize,
    pub(super) ends: (Place, Place),
    pub(super) text: Box<str>,
}

/// What has become of sections of a document. Sentences beyond [`STALE_TOLD_MAX`] are too many to be said.
pub(super) fn read_sources(document: &Document, sought: &ChangesSought) -> Vec<SourceRead> {
    if document.version() == sought.since {
        return Vec::new();
    }
    let index_of = |names: &Vec<SectionName>| names.iter().find_map(|name| document.section_index(name));
    let there: Vec<(usize, usize)> =
        sought.sections.iter().enumerate().filter_map(|(index, names)| Some((index, index_of(names)?))).collect();
    let changed = hunks_since(document, sought.since, |section| there.iter().any(|(_, other)| *other == section));
    let mut budget = Budget::default();
    let source = |(index, section): (usize, usize)| {
        let sentences = match &changed {
            // Nobody knows any more.
            None => None,
            Some(changed) => match change_since(document, section, changed.get(&section)?, &mut budget) {
                SourceChange::Sentences(changed) if changed.is_empty() => return None,
                SourceChange::Sentences(changed) if changed.len() <= STALE_TOLD_MAX => {
                    Some(changed.into_iter().map(|one| SentenceRead::new(document, one, sought.dialect)).collect())
                }
                SourceChange::Sentences(_) | SourceChange::Unknown => None,
            },
        };
        Some(SourceRead { index, section: document.sections()[section].name().clone(), sentences })
    };
    there.into_iter().filter_map(source).collect()
}

fn change_since(document: &Document, section: usize, hunks: &Hunks, budget: &mut Budget) -> SourceChange {
    let text = document.sections()[section].text();
    let Some(lines) = lines_before(text, hunks, budget) else { return SourceChange::Unknown };
    source_change(section, &lines, (hunks, &lines.blocks(hunks.as_slice())), text, budget)
}

impl SentenceRead {
    fn new(document: &Document, changed: ChangedSentence, dialect: Dialect) -> Self {
        let ChangedSentence { paragraph, sentence, previous, now, version: _ } = changed;
        let now = now.map(|(at, text)| SentenceNow {
            paragraph: at.paragraph,
            sentence: at.sentence,
            ends: ends_of(document, at.section, &at.range, dialect),
            text,
        });
        Self { paragraph, sentence, previous, now }
    }
}

//! A concept of a TBX file, and what is imported of it.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    ImportedTerm, Language, LanguagePair, NOTE_CHARS_MAX, ProjectId, Scope, TermContent, TermDraft, TermPlace,
};

use super::{FileEntry, TermDefaults, TermSkip};
use crate::values::{known_language as known, person};

/// The most terms of a concept, and the most languages.
pub const CONCEPT_TERMS_MAX: usize = 128;
/// The note on a term that says that its case matters.
pub const CASE_SENSITIVE: &str = "Case-sensitive";
/// What stands between a definition and a note.
const BETWEEN_NOTES: &str = "; ";

/// How good it is to use a term, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Preferred,
    #[default]
    Admitted,
    Deprecated,
}

impl Standing {
    /// That of an `administrativeStatus`, or a `normativeAuthorization`; of others nothing follows for us.
    pub(super) fn of_status(status: &str) -> Self {
        let status = status.trim();
        let status = status.strip_suffix("-admn-sts").unwrap_or(status);
        match status.strip_suffix("Term").unwrap_or(status) {
            "preferred" => Self::Preferred,
            "deprecated" | "superseded" | "obsolete" => Self::Deprecated,
            _ => Self::Admitted,
        }
    }

    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Preferred => "preferredTerm-admn-sts",
            Self::Admitted => "admittedTerm-admn-sts",
            Self::Deprecated => "deprecatedTerm-admn-sts",
        }
    }
}

/// A term of one language.
#[derive(Clone, Debug, Default)]
pub(super) struct ConceptTerm {
    pub(super) text: String,
    pub(super) standing: Standing,
    pub(super) is_case_sensitive: bool,
}

/// The terms of one language.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// The language's tag.
    pub(super) language: String,
    pub(super) terms: Vec<ConceptTerm>,
}

/// Something that somebody did to a concept.
#[derive(Clone, Debug, Default)]
pub(super) struct Transaction {
    pub(super) kind: String,
    pub(super) by: Option<Box<str>>,
    pub(super) at: Option<UnixMillis>,
}

/// A concept.
#[derive(Clone, Debug, Default)]
pub(super) struct Concept {
    line: u64,
    pub(super) domain: Option<String>,
    pub(super) project: Option<String>,
    pub(super) notes: Vec<String>,
    created: Transaction,
    updated: Transaction,
    pub(super) sections: Vec<Section>,
}

impl Concept {
    /// One of which nothing is known yet.
    pub(super) fn new(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    /// How many terms there are, and languages.
    pub(super) fn len(&self) -> usize {
        self.sections.iter().map(|section| 1 + section.terms.len()).sum()
    }

    /// The term that was begun last.
    pub(super) fn last_term(&mut self) -> Option<&mut ConceptTerm> {
        self.sections.last_mut()?.terms.last_mut()
    }

    /// Somebody did something: the first who made it and the last who changed it are kept.
    pub(super) fn transacted(&mut self, transaction: Transaction) {
        match transaction.kind.trim() {
            "origination" | "creation" => {
                let is_earlier = |at| self.created.at.is_none_or(|known| at < known);
                if self.created.kind.is_empty() || transaction.at.is_some_and(is_earlier) {
                    self.created = transaction;
                }
            }
            "modification" | "change" if transaction.at >= self.updated.at => self.updated = transaction,
            _ => {}
        }
    }

    /// What is to be imported of it.
    pub(super) fn imported(self, defaults: &TermDefaults) -> FileEntry {
        let pairs = self.pairs(defaults.pair);
        let mut entry = FileEntry { line: self.line, terms: Vec::new(), skipped: Vec::new() };
        if pairs.is_empty() {
            entry.skipped.push(TermSkip::Languages);
        }
        for pair in pairs {
            match self.term(pair, defaults) {
                Ok(term) => entry.terms.push(term),
                Err(skip) => entry.skipped.push(skip),
            }
        }
        entry
    }

    /// The languages that are wanted, if it has terms in them; else its first and each other that are translated.
    fn pairs(&self, wanted: Option<LanguagePair>) -> Vec<LanguagePair> {
        let mut languages: Vec<Language> = Vec::new();
        for section in &self.sections {
            let language = known(&section.language).filter(|_| !section.terms.is_empty());
            languages.extend(language.filter(|language| !languages.contains(language)));
        }
        match (wanted, languages.split_first()) {
            (Some(pair), _) => {
                let is_there = languages.contains(&pair.source()) && languages.contains(&pair.target());
                is_there.then_some(pair).into_iter().collect()
            }
            (None, Some((source, others))) => {
                others.iter().filter_map(|target| LanguagePair::new(*source, *target)).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    /// The terms of a language, the best first, else as they come.
    fn terms_in(&self, language: Language) -> Vec<&ConceptTerm> {
        let sections = self.sections.iter().filter(|section| known(&section.language) == Some(language));
        let mut terms: Vec<&ConceptTerm> = sections.flat_map(|section| &section.terms).collect();
        terms.sort_by_key(|term| term.standing);
        terms
    }

    fn term(&self, pair: LanguagePair, defaults: &TermDefaults) -> Result<ImportedTerm, TermSkip> {
        let (sources, targets) = (self.terms_in(pair.source()), self.terms_in(pair.target()));
        let is_usable = |term: &&&ConceptTerm| term.standing != Standing::Deprecated;
        let usable = targets.iter().take_while(is_usable).count();
        let (Some((term, variants)), Some((translation, accepted))) =
            (sources.split_first(), targets[..usable].split_first())
        else {
            return Err(TermSkip::NoTranslation);
        };
        fn texts<'a>(terms: &[&'a ConceptTerm]) -> Vec<&'a str> {
            terms.iter().map(|term| term.text.as_str()).collect()
        }
        let note = self.note();
        let draft = TermDraft {
            term: &term.text,
            variants: texts(variants),
            translation: &translation.text,
            accepted: texts(accepted),
            forbidden: texts(&targets[usable..]),
            domain: self.domain.as_deref().filter(|domain| !domain.trim().is_empty()),
            mandatory: translation.standing == Standing::Preferred,
            case_matters: sources.iter().any(|term| term.is_case_sensitive),
            note: note.as_deref(),
        };
        let content = TermContent::new(&draft).map_err(TermSkip::Content)?;
        let project = match (&defaults.project, self.project.as_deref().map(str::trim).filter(|name| !name.is_empty()))
        {
            (Some(project), _) => Some(project.clone()),
            (None, Some(named)) => Some(ProjectId::new(named).map_err(|_| TermSkip::Project)?),
            (None, None) => None,
        };
        let who = |transaction: &Transaction| transaction.by.as_deref().and_then(person);
        Ok(ImportedTerm {
            place: TermPlace { scope: project.map_or(Scope::Shared, Scope::Project), pair },
            content,
            created_by: who(&self.created),
            created_at: self.created.at,
            updated_by: who(&self.updated),
            updated_at: self.updated.at,
        })
    }

    /// All that is said of it, as far as there is room.
    fn note(&self) -> Option<String> {
        let words = |text: &String| {
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let notes: Vec<String> = self.notes.iter().map(words).filter(|text| !text.is_empty()).collect();
        let mut note = notes.join(BETWEEN_NOTES);
        if let Some((at, _)) = note.char_indices().nth(NOTE_CHARS_MAX) {
            let end = note[..at].char_indices().next_back().map_or(0, |(last, _)| last);
            note.truncate(end);
            note.push('…');
        }
        (!note.is_empty()).then_some(note)
    }
}

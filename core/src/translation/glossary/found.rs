//! The terms in a text, and what is wrong with its translation for them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::super::fold::TextError;
use super::Shelf;
use super::matcher::{Aligned, Inflection, Matcher, Sought};
use super::term::{Term, TermId};

/// The most terms that are named of one text, and whose translation is looked for.
pub const TERMS_FOUND_MAX: usize = 100;

/// What is looked in for terms: a glossary as it is now.
#[derive(Clone, Debug)]
pub struct TermInquiry {
    /// The project's before the shared one.
    pub(super) shelves: Vec<Shelf>,
}

/// A term in a text.
#[derive(Clone, Debug)]
pub struct TermFound {
    /// The term.
    pub term: Arc<Term>,
    /// How it is written there, with its ending.
    pub written: Box<str>,
    /// Where, in the order of the text: terms of one place have the same number.
    pub place: usize,
}

/// A place in the folded text.
struct Spot<'a> {
    start: usize,
    end: usize,
    /// Of which shelf, by its number.
    shelf: usize,
    term: &'a Arc<Term>,
}

impl TermInquiry {
    /// The terms in a text, as they follow one another. Of those that overlap the first one counts, of those that begin at one
    /// place the longest, and of those that are equal all, if they are not the project's: then those alone.
    ///
    /// # Errors
    /// The text is empty or too long.
    pub fn find(&self, text: &str) -> Result<Vec<TermFound>, TextError> {
        if self.shelves.is_empty() {
            return Ok(Vec::new());
        }
        let text = Aligned::new(text)?;
        let mut spots: Vec<Spot<'_>> = Vec::new();
        for (shelf, terms) in self.shelves.iter().enumerate() {
            spots.extend(terms.find_in(&text).map(|(start, end, term)| Spot { start, end, shelf, term }));
        }
        // Terms themselves, which lie anywhere, are looked at only where they are equal.
        let place = |spot: &Spot<'_>| (spot.start, Reverse(spot.end), spot.shelf);
        spots
            .sort_unstable_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.term.id.cmp(&other.term.id)));
        let (mut found, mut current, mut place) = (Vec::new(), None, 0);
        for Spot { start, end, shelf, term } in spots {
            let span = (start, end, shelf);
            if current != Some(span) {
                if current.is_some_and(|(_, end, _)| start < end) {
                    continue;
                }
                (current, place) = (Some(span), place + 1);
            }
            found.push(TermFound { term: Arc::clone(term), written: text.written_at(start, end).into(), place });
        }
        // Two wordings of one term may be found at one place.
        found.dedup_by_key(|found| (found.place, found.term.id));
        Ok(found)
    }
}

/// A term of a text, as it is told to whoever translates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GlossaryTerm {
    /// The term's name.
    pub term_id: String,
    /// The term.
    pub term: String,
    /// How it is to be translated.
    pub translation: String,
    /// Whether a translation without it is warned of.
    pub mandatory: bool,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How else it may be translated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_translations: Vec<String>,
    /// How it must not be translated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_translations: Vec<String>,
}

impl From<&Term> for GlossaryTerm {
    fn from(term: &Term) -> Self {
        let texts = |texts: &[&str]| texts.iter().copied().map(str::to_owned).collect();
        let draft = term.content.draft();
        Self {
            term_id: term.id.to_string(),
            term: draft.term.to_owned(),
            translation: draft.translation.to_owned(),
            mandatory: draft.mandatory,
            domain: draft.domain.map(str::to_owned),
            accepted_translations: texts(&draft.accepted),
            forbidden_translations: texts(&draft.forbidden),
        }
    }
}

/// Each term that was found, once: the project's before those that all share, else as they follow one another; at most
/// [`TERMS_FOUND_MAX`].
#[must_use]
pub fn glossary_terms(found: &[TermFound]) -> Vec<GlossaryTerm> {
    let mut seen = HashSet::new();
    let mut terms: Vec<&Arc<Term>> =
        found.iter().map(|found| &found.term).filter(|term| seen.insert(term.id)).collect();
    terms.sort_by_key(|term| term.place.scope.project().is_none());
    terms.into_iter().take(TERMS_FOUND_MAX).map(|term| GlossaryTerm::from(&**term)).collect()
}

/// What is wrong with the translation of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TermFault {
    /// It is mandatory, and missing.
    MandatoryTermMissing,
    /// It is one that is forbidden.
    ForbiddenTerm,
}

/// What to look at in a translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TermWarning {
    /// What is wrong.
    #[serde(rename = "type")]
    pub fault: TermFault,
    /// The term's name.
    pub term_id: String,
    /// The term.
    pub term: String,
    /// How it is to be translated.
    pub expected: String,
    /// What it is translated by instead, where that is forbidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The same in words.
    pub message: String,
}

impl TermWarning {
    fn new(term: &Term, found: Option<&str>) -> Self {
        let (written, expected) = (term.content.term(), term.content.translation());
        let (fault, message) = match found {
            None => (
                TermFault::MandatoryTermMissing,
                format!("\"{written}\" is to be translated by \"{expected}\", which is missing"),
            ),
            Some(found) => (
                TermFault::ForbiddenTerm,
                format!("\"{written}\" must not be translated by \"{found}\": use \"{expected}\""),
            ),
        };
        Self {
            fault,
            term_id: term.id.to_string(),
            term: written.to_owned(),
            expected: expected.to_owned(),
            found: found.map(str::to_owned),
            message,
        }
    }
}

/// What is wrong with a translation of a text in which these terms were found, in the order of the text. Of equal terms of
/// several domains the translation of one will do. At most [`TERMS_FOUND_MAX`] terms are looked for.
#[must_use]
pub fn check_terms(found: &[TermFound], translated_text: &str) -> Vec<TermWarning> {
    let Some(first) = found.first() else { return Vec::new() };
    let inflection = Inflection::of(first.term.place.pair.target());
    let text = Aligned::of(translated_text);
    let mut seen: HashSet<TermId> = HashSet::new();
    let mut warnings = Vec::new();
    for equal in found.chunk_by(|one, other| one.place == other.place) {
        if seen.len() >= TERMS_FOUND_MAX {
            break;
        }
        let before = seen.len();
        seen.extend(equal.iter().map(|found| found.term.id));
        if seen.len() == before {
            continue;
        }
        let used: Vec<Used> = equal.iter().map(|found| Used::new(&found.term, &text, inflection)).collect();
        let is_translated = used.iter().any(|used| used.wanted);
        let missing = equal.iter().find(|found| found.term.content.mandatory && !is_translated);
        warnings.extend(missing.map(|found| TermWarning::new(&found.term, None)));
        for (TermFound { term, .. }, used) in equal.iter().zip(&used) {
            warnings.extend(used.forbidden.iter().map(|written| TermWarning::new(term, Some(written))));
        }
    }
    warnings
}

/// What of a term is in a translation.
struct Used {
    /// A translation that is wanted or accepted.
    wanted: bool,
    /// Those that are forbidden, as they are written there.
    forbidden: Vec<Box<str>>,
}

impl Used {
    fn new(term: &Term, text: &Aligned, inflection: Inflection) -> Self {
        let wanted = term.content.translations();
        let texts: Vec<&str> = wanted.chain(term.content.forbidden().iter().map(|text| &**text)).collect();
        let first_forbidden = texts.len() - term.content.forbidden().len();
        let sought = texts.into_iter().map(|text| Sought { texts: vec![text], case_matters: false });
        let mut used = Self { wanted: false, forbidden: Vec::new() };
        // What cannot be looked for is not found; there are a few dozens at most.
        let Ok(matcher) = Matcher::new(sought, inflection) else { return used };
        let mut spots: Vec<(usize, usize, usize)> = matcher.find_in(text).collect();
        spots.sort_unstable_by_key(|&(start, end, number)| (start, Reverse(end), number));
        let mut after = 0;
        for (start, end, number) in spots {
            if start < after {
                continue;
            }
            after = end;
            if number < first_forbidden {
                used.wanted = true;
            } else {
                let written = text.written_at(start, end);
                if used.forbidden.iter().all(|other| **other != *written) {
                    used.forbidden.push(written.into());
                }
            }
        }
        used
    }
}

//! From entries that were found to what is suggested: the best first, and no more than is wanted.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use serde::Serialize;

use super::{Candidate, Confidence, Context, ContextMatch, Entry, Evidence, Level, Scope, Status, compare, substitute};
use crate::ids::UnixMillis;

/// What it costs a translation that it is everybody's, where a project is asked for.
const SHARED_PENALTY: f64 = 0.02;

/// What is suggested of what was found.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// The text that was looked up, as it is written.
    pub text: &'a str,
    /// Where it stands.
    pub context: &'a Context,
    /// A project was asked for, beside which what all share is less to the point.
    pub of_project: bool,
    /// What of it is wanted.
    pub choice: Choice,
}

/// How much is suggested, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Only what is accepted is suggested.
    pub approved_only: bool,
    /// The confidence below which nothing is suggested, 0 to 1.
    pub min_confidence: f64,
    /// The most suggestions.
    pub max: usize,
    /// What each confidence is made of is told too.
    pub explain: bool,
}

/// A translation that is suggested.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// The entry's name.
    pub translation_id: String,
    /// The translation, with the numbers of the text that was looked up.
    pub translated_text: String,
    /// How much it can be relied on, 0 to 1.
    pub confidence: f64,
    /// `exact` or `fuzzy`.
    pub match_type: &'static str,
    /// Of what is fuzzy: how similar both texts are, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// Where it comes from.
    pub source: &'static str,
    /// How often it was used.
    pub usage_count: u32,
    /// When it was used last.
    pub last_used: UnixMillis,
    /// Who has handed it in.
    pub contributors: Vec<Box<str>>,
    /// It stood in the same context.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub context_match: bool,
    /// What the confidence is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Confidence>,
}

/// The best of what was found: by level, then by confidence, then what was used last.
#[must_use]
pub fn suggest(candidates: impl IntoIterator<Item = Candidate>, ranking: &Ranking<'_>) -> Vec<Suggestion> {
    let is_wanted = |candidate: &Candidate| !ranking.choice.approved_only || candidate.entry.status == Status::Accepted;
    let mut ranked: Vec<Ranked> =
        candidates.into_iter().filter(is_wanted).map(|candidate| Ranked::new(candidate, ranking)).collect();
    ranked.retain(|ranked| ranked.confidence.value >= ranking.choice.min_confidence);
    ranked.sort_by(Ranked::before);
    // The same translation of texts that differ in what does not matter is suggested once.
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for ranked in ranked {
        if suggestions.len() == ranking.choice.max {
            break;
        }
        if suggestions.iter().all(|other| *other.translated_text != *ranked.text) {
            suggestions.push(ranked.into_suggestion(ranking.choice.explain));
        }
    }
    suggestions
}

/// An entry on its way to be suggested.
struct Ranked {
    evidence: Evidence,
    confidence: Confidence,
    text: Box<str>,
    entry: Arc<Entry>,
}

impl Ranked {
    fn new(Candidate { entry, found }: Candidate, ranking: &Ranking<'_>) -> Self {
        let mut level = found.level_of(ranking.text, &entry.source_text);
        let mut text = entry.translated_text.clone();
        if level == Level::Numbers {
            match substitute(&entry.source_text, ranking.text, &entry.translated_text) {
                Some(substituted) => text = substituted.into(),
                // A translator has to do it: the text is as any that is similar.
                None => level = Level::Fuzzy,
            }
        }
        let known = entry.evidence(level, found.hit.similarity());
        let is_elsewhere = ranking.of_project && entry.scope == Scope::Shared;
        let penalty = known.penalty + if is_elsewhere { SHARED_PENALTY } else { 0.0 };
        let evidence = Evidence { context: context_match(&entry.context, ranking.context), penalty, ..known };
        Self { evidence, confidence: Confidence::new(&evidence), text, entry }
    }

    fn before(&self, other: &Self) -> Ordering {
        let newest = |ranked: &Self| Reverse((ranked.entry.last_used_at, ranked.entry.id));
        compare(&self.evidence, &other.evidence).then_with(|| newest(self).cmp(&newest(other)))
    }

    fn into_suggestion(self, explain: bool) -> Suggestion {
        let Self { evidence, confidence, text, entry } = self;
        let is_exact = evidence.level <= Level::Folded;
        let of_document = entry.context.document_id.is_some();
        Suggestion {
            translation_id: entry.id.to_string(),
            translated_text: text.into(),
            confidence: confidence.value,
            match_type: if is_exact { "exact" } else { "fuzzy" },
            similarity: (!is_exact).then(|| rounded(evidence.similarity)),
            source: if of_document && !is_exact { "similar_document" } else { "translation_memory" },
            usage_count: entry.usage_count,
            last_used: entry.last_used_at,
            contributors: entry.contributors.clone(),
            context_match: evidence.context != ContextMatch::None,
            explanation: explain.then_some(confidence),
        }
    }
}

/// How well what is known of two contexts fits together.
fn context_match(known: &Context, asked: &Context) -> ContextMatch {
    let same = |one: &Option<Box<str>>, other: &Option<Box<str>>| one.is_some() && one == other;
    if same(&known.previous, &asked.previous) || same(&known.next, &asked.next) {
        ContextMatch::Neighbours
    } else if same(&known.section, &asked.section)
        && (same(&known.document_id, &asked.document_id) || same(&known.document_type, &asked.document_type))
    {
        ContextMatch::Section
    } else {
        ContextMatch::None
    }
}

/// To three places, downwards: what is not equal is not shown as if it were.
fn rounded(similarity: f64) -> f64 {
    (similarity * 1_000.0).floor() / 1_000.0
}

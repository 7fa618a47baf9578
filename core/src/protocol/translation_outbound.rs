//! What the server says of translations.

use serde::{Serialize, Serializer};

use super::bilingual_outbound::SegmentTold;
use super::error::ErrorCode;
use crate::ids::UnixMillis;
use crate::translation::{Confidence, Entry, GlossaryTerm, Language, Suggestion, Term, TermView, TermWarning};

/// `translation.suggestion`.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestions<'a> {
    /// The best first.
    pub suggestions: Vec<Suggested<'a>>,
    /// The terms of the glossary that are in the text.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub glossary_terms: &'a [GlossaryTerm],
    /// The segment, where it is the one at a cursor.
    #[serde(flatten)]
    pub at: Option<SegmentTold<'a>>,
    /// What the request was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// A suggestion as a message has it; what its fields say: see [`Suggestion`].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Suggested<'a> {
    text: &'a str,
    confidence: f64,
    match_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<f64>,
    translation_id: &'a str,
    source: &'static str,
    usage_count: u32,
    last_used: UnixMillis,
    contributors: &'a [Box<str>],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    context_match: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Confidence>,
}

impl<'a> From<&'a Suggestion> for Suggested<'a> {
    fn from(suggestion: &'a Suggestion) -> Self {
        let Suggestion {
            translation_id,
            translated_text,
            confidence,
            match_type,
            similarity,
            source,
            usage_count,
            last_used,
            contributors,
            context_match,
            explanation,
        } = suggestion;
        Self {
            text: translated_text,
            confidence: *confidence,
            match_type,
            similarity: *similarity,
            translation_id,
            source,
            usage_count: *usage_count,
            last_used: *last_used,
            contributors,
            context_match: *context_match,
            explanation: explanation.as_ref(),
        }
    }
}

/// `translation.cancelled`: a request that is not answered any more.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cancelled<'a> {
    /// What it was called.
    pub correlation_id: &'a str,
}

/// `translation.feedback`: an entry with what somebody has said of it.
#[derive(Clone, Debug, Serialize)]
pub struct Rated<'a> {
    /// The entry.
    pub translation_id: String,
    /// Whether it is to be used.
    pub status: &'static str,
    /// How much it can be relied on for its own text, now.
    pub confidence_score: f64,
    /// How often it was used.
    pub usage_count: u32,
    /// What the message was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

impl<'a> Rated<'a> {
    /// Of what has become of an entry.
    #[must_use]
    pub fn of(entry: &Entry, correlation_id: Option<&'a str>) -> Self {
        Self {
            translation_id: entry.id.to_string(),
            status: entry.status.name(),
            confidence_score: entry.confidence(),
            usage_count: entry.usage_count,
            correlation_id,
        }
    }
}

/// `glossary.update`: a term as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct TermTold<'a> {
    /// The term.
    #[serde(flatten)]
    pub term: TermView<'a>,
    /// What the message was called, for whoever sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// `glossary.remove`: a term that is no longer one.
#[derive(Clone, Debug, Serialize)]
pub struct TermGone<'a> {
    /// Its name.
    pub term_id: String,
    /// The term.
    pub term: &'a str,
    /// From which language.
    pub source_language: Language,
    /// Into which.
    pub target_language: Language,
    /// What the message was called, for whoever sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

impl<'a> TermGone<'a> {
    /// Of a term that there was.
    #[must_use]
    pub fn of(term: &'a Term, correlation_id: Option<&'a str>) -> Self {
        Self {
            term_id: term.id.to_string(),
            term: term.content.draft().term,
            source_language: term.place.pair.source(),
            target_language: term.place.pair.target(),
            correlation_id,
        }
    }
}

/// `translation.batch.status`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BatchStatus<'a> {
    /// The batch, as it is called on its connection.
    pub batch_id: &'a str,
    /// `running`, `completed` or `cancelled`.
    pub status: &'static str,
    /// How many segments are done.
    pub completed: usize,
    /// How many there are.
    pub total: usize,
    /// What the message was called that began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// `translation.batch.result`: one segment.
#[derive(Clone, Debug, Serialize)]
pub struct BatchResult<'a> {
    /// The batch.
    pub batch_id: &'a str,
    /// The place of the segment in it, from 0.
    pub index: usize,
    /// What the client called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<&'a str>,
    /// The best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<Vec<Suggested<'a>>>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<SegmentError<'a>>,
    /// What the message was called that began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// Why a segment was not looked up.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SegmentError<'a> {
    /// What kind of error.
    pub error_code: ErrorCode,
    /// What is wrong and what to do.
    pub message: &'a str,
}

/// `translation.submitted`, and the answer of `POST /api/translation/submit`: it is on disk.
#[derive(Clone, Debug, Serialize)]
pub struct Submitted<'a> {
    /// The entry.
    pub translation_id: String,
    /// Whether it is to be used.
    pub status: &'static str,
    /// Always true: it is found from now on.
    pub added_to_memory: bool,
    /// How much it can be relied on for its own text.
    pub confidence_score: f64,
    /// Somebody should look at it first.
    pub requires_review: bool,
    /// What to look at by the glossary.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub warnings: &'a [TermWarning],
    /// What the message was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

impl<'a> Submitted<'a> {
    /// Of what became of a submission that was called so.
    #[must_use]
    pub fn of(entry: &Entry, warnings: &'a [TermWarning], correlation_id: Option<&'a str>) -> Self {
        Self {
            translation_id: entry.id.to_string(),
            status: entry.status.name(),
            added_to_memory: true,
            confidence_score: entry.confidence(),
            requires_review: entry.requires_review(),
            warnings,
            correlation_id,
        }
    }
}

/// `translation.update`: an entry is new, or another one than before.
#[derive(Clone, Debug, Serialize)]
pub struct EntryTold<'a> {
    /// The entry.
    pub translation_id: String,
    /// `project` or `shared`: whether others than the project's find it too.
    pub scope: &'static str,
    /// The text.
    pub source_text: &'a str,
    /// Its translation.
    pub text: &'a str,
    /// The language of the text.
    pub source_language: Language,
    /// The language of the translation.
    pub target_language: Language,
    /// Whether it is to be used.
    pub status: &'static str,
    /// How much it can be relied on for its own text.
    pub confidence: f64,
    /// How often it was used.
    pub usage_count: u32,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
    /// When it was used or handed in last.
    pub last_used: UnixMillis,
}

/// `translation.remove`: an entry is no longer there.
#[derive(Clone, Debug, Serialize)]
pub struct EntryGone {
    /// The entry.
    pub translation_id: String,
    /// See [`EntryTold`].
    pub scope: &'static str,
    /// The language of its text.
    pub source_language: Language,
    /// The language of its translation.
    pub target_language: Language,
}

const fn scope_of(entry: &Entry) -> &'static str {
    if entry.scope.project().is_some() { "project" } else { "shared" }
}

impl<'a> From<&'a Entry> for EntryTold<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            translation_id: entry.id.to_string(),
            scope: scope_of(entry),
            source_text: &entry.source_text,
            text: &entry.translated_text,
            source_language: entry.pair.source(),
            target_language: entry.pair.target(),
            status: entry.status.name(),
            confidence: entry.confidence(),
            usage_count: entry.usage_count,
            reviewed: entry.reviewed,
            last_used: entry.last_used_at,
        }
    }
}

impl From<&Entry> for EntryGone {
    fn from(entry: &Entry) -> Self {
        Self {
            translation_id: entry.id.to_string(),
            scope: scope_of(entry),
            source_language: entry.pair.source(),
            target_language: entry.pair.target(),
        }
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `translation.missed`: something that would have been told was left out, since it was more than the connection took. What a
/// client keeps of the memory and of the terms it has to ask for again.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Missed {}

//! An entry as it is shown to clients.

use serde::{Serialize, Serializer};

use super::{Context, Entry, LanguagePair};
use crate::ids::UnixMillis;

/// See [`Entry`].
#[derive(Clone, Debug, Serialize)]
pub struct ShownEntry<'a> {
    translation_id: String,
    /// Left out of what all share.
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(flatten)]
    pair: Languages,
    source_text: &'a str,
    translated_text: &'a str,
    #[serde(serialize_with = "context")]
    context: &'a Context,
    status: &'static str,
    reviewed: bool,
    requires_review: bool,
    confidence_score: f64,
    /// Null while nobody has rated it.
    quality_rating: Option<f64>,
    rating_count: u32,
    usage_count: u32,
    created_at: UnixMillis,
    last_used: UnixMillis,
    contributors: &'a [Box<str>],
}

#[derive(Clone, Debug, Serialize)]
struct Languages {
    source_language: String,
    target_language: String,
}

impl<'a> ShownEntry<'a> {
    /// All that is told of it.
    #[must_use]
    pub fn of(entry: &'a Entry) -> Self {
        Self {
            translation_id: entry.id.to_string(),
            project_id: entry.scope.project().map(|project| project.as_str()),
            pair: Languages::of(entry.pair),
            source_text: &entry.source_text,
            translated_text: &entry.translated_text,
            context: &entry.context,
            status: entry.status.name(),
            reviewed: entry.reviewed,
            requires_review: entry.requires_review(),
            confidence_score: entry.confidence(),
            // As far as anybody cares.
            quality_rating: entry.ratings.mean().map(|mean| (mean * 100.0).round() / 100.0),
            rating_count: entry.ratings.count,
            usage_count: entry.usage_count,
            created_at: entry.created_at,
            last_used: entry.last_used_at,
            contributors: &entry.contributors,
        }
    }
}

impl Languages {
    fn of(pair: LanguagePair) -> Self {
        Self { source_language: pair.source().as_str().to_owned(), target_language: pair.target().as_str().to_owned() }
    }
}

/// What is known of it.
fn context<S: Serializer>(context: &Context, serializer: S) -> Result<S::Ok, S::Error> {
    let Context { document_id, document_type, section, domain, previous, next } = context;
    let fields = [
        ("document_id", document_id),
        ("document_type", document_type),
        ("section", section),
        ("domain", domain),
        ("previous", previous),
        ("next", next),
    ];
    serializer.collect_map(fields.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))))
}

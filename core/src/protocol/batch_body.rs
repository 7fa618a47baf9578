//! Reading many texts that are to be looked up.

use simd_json::Node;

use super::fields::{Fields, Value, elements};
use super::message::InboundError;
use super::translation_body::{
    SuggestionsBody, context_of, languages_of, max_suggestions_of, min_confidence_of, project_of, text_of,
};
use crate::translation::{Context, Language, ProjectId};

/// The most segments of a batch.
pub const BATCH_SEGMENTS_MAX: usize = 100;
/// The longest name of a segment, in bytes.
const SEGMENT_ID_BYTES_MAX: usize = 128;

/// Texts that are to be looked up thoroughly, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchBody {
    /// The texts, 1 to [`BATCH_SEGMENTS_MAX`].
    pub segments: Vec<SegmentBody>,
    /// As in [`SuggestionsBody`].
    pub languages: [Option<Language>; 2],
    /// As in [`SuggestionsBody`].
    pub project_id: Option<ProjectId>,
    /// Where the segments stand that do not say so themselves.
    pub context: Context,
    /// As in [`SuggestionsBody`].
    pub max_suggestions: usize,
    /// As in [`SuggestionsBody`].
    pub min_confidence: f64,
}

/// One text of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentBody {
    /// What the client calls it.
    pub segment_id: Option<Box<str>>,
    /// The text.
    pub source_text: Box<str>,
    /// Where it stands, if not where all do.
    pub context: Option<Context>,
}

impl BatchBody {
    /// The request that a segment is.
    #[must_use]
    pub fn request(&self, segment: SegmentBody) -> SuggestionsBody {
        SuggestionsBody {
            source_text: segment.source_text,
            languages: self.languages,
            project_id: self.project_id.clone(),
            context: segment.context.unwrap_or_else(|| self.context.clone()),
            max_suggestions: self.max_suggestions,
            min_confidence: self.min_confidence,
            exhaustive: true,
            explain: false,
        }
    }
}

/// Reads a payload.
pub(super) fn batch_of(payload: Fields<'_, '_>) -> Result<BatchBody, InboundError> {
    let wrong =
        || InboundError::invalid(payload.name("segments"), format!("an array of 1 to {BATCH_SEGMENTS_MAX} segments"));
    let (count, values) = payload.get("segments").and_then(elements).ok_or_else(wrong)?;
    if !(1..=BATCH_SEGMENTS_MAX).contains(&count) {
        return Err(wrong());
    }
    let segments = values.enumerate().map(|(index, value)| segment_of(payload, index, value));
    Ok(BatchBody {
        segments: segments.collect::<Result<_, _>>()?,
        languages: languages_of(payload)?,
        project_id: project_of(payload)?,
        context: context_of(payload)?,
        max_suggestions: max_suggestions_of(payload)?,
        min_confidence: min_confidence_of(payload)?,
    })
}

/// A text, or an object with one.
fn segment_of(payload: Fields<'_, '_>, index: usize, value: Value<'_, '_>) -> Result<SegmentBody, InboundError> {
    let path = payload.name(&format!("segments[{index}]"));
    if let [Node::String(text)] = value {
        let source_text = text_of(payload, &format!("segments[{index}]"), text)?;
        return Ok(SegmentBody { segment_id: None, source_text, context: None });
    }
    let fields = Fields::of(value, &path)?;
    let segment_id = fields.text("segment_id")?;
    if segment_id.is_some_and(|name| name.len() > SEGMENT_ID_BYTES_MAX) {
        let expected = format!("at most {SEGMENT_ID_BYTES_MAX} bytes");
        return Err(InboundError::invalid(fields.name("segment_id"), expected));
    }
    let text = fields.required("source_text", fields.text("source_text")?, "a text")?;
    Ok(SegmentBody {
        segment_id: segment_id.map(Into::into),
        source_text: text_of(fields, "source_text", text)?,
        context: fields.get("context").map(|_| context_of(fields)).transpose()?,
    })
}

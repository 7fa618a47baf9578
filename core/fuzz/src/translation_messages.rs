//! Messages about translations as a client would write them, for the checks of all messages.

use jddb_core::protocol::{SectionPair, SegmentBody, TranslationMessage};
use jddb_core::translation::{Context, Language, ProjectId, Rating};
use serde_json::{Map, Value, json};

/// The fields that mean something; a context may say nothing.
pub(crate) const FIELDS: [&str; 8] = [
    "source_text",
    "source_language",
    "target_language",
    "project_id",
    "max_suggestions",
    "min_confidence",
    "mode",
    "explain",
];
/// The same of what is handed in, but for the translation, which has two names.
pub(crate) const FIELDS_HANDED_IN: [&str; 6] =
    ["source_text", "source_language", "target_language", "project_id", "quality_rating", "reviewed"];

/// A message that was read, with all that was understood of it.
pub(crate) fn written(message: &TranslationMessage) -> (&'static str, Value) {
    match message {
        TranslationMessage::Request(body) => {
            let mode = if body.exhaustive { "exhaustive" } else { "fast" };
            let payload = object([
                ("source_text", Some((&*body.source_text).into())),
                ("source_language", language(body.languages[0])),
                ("target_language", language(body.languages[1])),
                ("project_id", body.project_id.as_ref().map(ProjectId::as_str).map(Value::from)),
                ("context", context(&body.context)),
                ("max_suggestions", Some(body.max_suggestions.into())),
                ("min_confidence", Some(body.min_confidence.into())),
                ("mode", Some(mode.into())),
                ("explain", Some(body.explain.into())),
            ]);
            ("translation.request", payload)
        }
        TranslationMessage::Submit(body) => {
            let payload = object([
                ("source_text", Some((&*body.source_text).into())),
                ("translated_text", Some((&*body.translated_text).into())),
                ("source_language", language(body.languages[0])),
                ("target_language", language(body.languages[1])),
                ("project_id", body.project_id.as_ref().map(ProjectId::as_str).map(Value::from)),
                ("context", context(&body.context)),
                ("quality_rating", body.rating.and_then(stars).map(Value::from)),
                ("reviewed", Some(body.reviewed.into())),
            ]);
            ("translation.submit", payload)
        }
        TranslationMessage::Feedback(id, body) => {
            let payload = object([
                ("translation_id", Some(id.to_string().into())),
                ("quality_rating", body.rating.and_then(stars).map(Value::from)),
                ("used", Some(body.used.into())),
            ]);
            ("translation.feedback", payload)
        }
        TranslationMessage::Batch(body) => {
            let segment = |segment: &SegmentBody| {
                object([
                    ("segment_id", segment.segment_id.as_deref().map(Value::from)),
                    ("source_text", Some((&*segment.source_text).into())),
                    ("context", segment.context.as_ref().map(|told| context(told).unwrap_or_else(|| json!({})))),
                ])
            };
            let payload = object([
                ("segments", Some(body.segments.iter().map(segment).collect())),
                ("source_language", language(body.languages[0])),
                ("target_language", language(body.languages[1])),
                ("project_id", body.project_id.as_ref().map(ProjectId::as_str).map(Value::from)),
                ("context", context(&body.context)),
                ("max_suggestions", Some(body.max_suggestions.into())),
                ("min_confidence", Some(body.min_confidence.into())),
            ]);
            ("translation.batch", payload)
        }
        TranslationMessage::CancelBatch => ("translation.batch.cancel", json!({})),
        TranslationMessage::PutTerm(body) => {
            let term = body.content.draft();
            let payload = object([
                ("term", Some(term.term.into())),
                ("translation", Some(term.translation.into())),
                ("source_language", language(body.languages[0])),
                ("target_language", language(body.languages[1])),
                ("project_id", body.project_id.as_ref().map(ProjectId::as_str).map(Value::from)),
                ("domain", term.domain.map(Value::from)),
                ("mandatory", Some(term.mandatory.into())),
                ("case_sensitive", Some(term.case_matters.into())),
                ("variants", Some(term.variants.into())),
                ("accepted_translations", Some(term.accepted.into())),
                ("forbidden_translations", Some(term.forbidden.into())),
                ("note", term.note.map(Value::from)),
            ]);
            ("glossary.update", payload)
        }
        TranslationMessage::RemoveTerm(id) => ("glossary.remove", json!({"term_id": id.to_string()})),
        TranslationMessage::Subscribe(body) => {
            let mode = if body.exhaustive { "exhaustive" } else { "fast" };
            let pair = |pair: &SectionPair| json!({"source": pair.source.as_str(), "target": pair.target.as_str()});
            let payload = object([
                ("project_id", body.project_id.as_ref().map(ProjectId::as_str).map(Value::from)),
                ("source_language", language(body.languages[0])),
                ("target_language", language(body.languages[1])),
                ("sections", body.sections.as_ref().map(|pairs| pairs.iter().map(pair).collect())),
                ("max_suggestions", Some(body.max_suggestions.into())),
                ("min_confidence", Some(body.min_confidence.into())),
                ("mode", Some(mode.into())),
                ("explain", Some(body.explain.into())),
            ]);
            ("translation.subscribe", payload)
        }
        TranslationMessage::Unsubscribe => ("translation.unsubscribe", json!({})),
    }
}

/// What was sent, with what it may leave out, and in the one way in which it is written here.
pub(crate) fn spelled_out(sent: &Value) -> Value {
    let mut sent = sent.clone();
    let defaults = match sent["type"].as_str() {
        Some("translation.request" | "translation.subscribe") => {
            json!({"max_suggestions": 5, "min_confidence": 0.7, "mode": "fast", "explain": false})
        }
        Some("translation.submit") => json!({"reviewed": false, "translated_text": sent["payload"]["text"]}),
        Some("translation.feedback") => json!({"used": false}),
        Some("translation.batch") => json!({"max_suggestions": 5, "min_confidence": 0.7}),
        Some("glossary.update") => json!({
            "mandatory": false, "case_sensitive": false, "variants": [], "accepted_translations": [],
            "forbidden_translations": []
        }),
        _ => return sent,
    };
    let Some(payload) = sent["payload"].as_object_mut() else { return sent };
    for (key, value) in defaults.as_object().into_iter().flatten() {
        let field = payload.entry(key).or_insert(Value::Null);
        if field.is_null() {
            field.clone_from(value);
        }
    }
    for segment in payload.get_mut("segments").and_then(Value::as_array_mut).into_iter().flatten() {
        if segment.is_string() {
            *segment = json!({"source_text": segment.clone()});
        }
    }
    for key in ["source_language", "target_language"] {
        let Some(Value::String(tag)) = payload.get_mut(key) else { continue };
        *tag = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    }
    sent
}

fn language(language: Option<Language>) -> Option<Value> {
    language.map(|language| language.as_str().into())
}

fn stars(rating: Rating) -> Option<u64> {
    (1..=5).find(|stars| Rating::new(*stars) == Some(rating))
}

fn context(context: &Context) -> Option<Value> {
    if *context == Context::default() {
        // One that says nothing is like none.
        return None;
    }
    let Context { document_id, document_type, section, domain, previous, next } = context;
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    let fields = object([
        ("document_id", text(document_id)),
        ("document_type", text(document_type)),
        ("section", text(section)),
        ("domain", text(domain)),
        ("previous", text(previous)),
        ("next", text(next)),
    ]);
    Some(fields)
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

//! Suggestions from the translation memory, and translations that are handed in.

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{
    ErrorCode, InboundError, Parser, read_analysis_body, read_submit_body, read_suggestions_body,
};
use jddb_core::translation::{
    Analysis, Choice, GlossaryError, GlossaryTerm, Language, LanguagePair, MemoryError, Mode, SIMILARITY_MIN,
    Scope as Place, Submission, Suggestion, TermWarning, Wanted,
};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::read_json;
use super::caller::{authenticate, pass};
use super::error::HttpError;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::translations::{Answer, Asked, Translated, TranslationError, Weighed};

/// How many texts are looked at for each suggestion: of those whose translation is better one may be less similar.
const TEXTS_PER_SUGGESTION: usize = 2;

/// The answer of `POST /api/translation/suggestions`.
#[derive(Serialize)]
struct Suggestions {
    suggestions: Vec<Suggestion>,
    glossary_terms: Vec<GlossaryTerm>,
}

/// The answer of `POST /api/translation/submit`.
#[derive(Serialize)]
struct Submitted {
    translation_id: String,
    status: &'static str,
    added_to_memory: bool,
    confidence_score: f64,
    requires_review: bool,
    /// What to look at by the glossary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<TermWarning>,
}

/// `POST /api/translation/suggestions`.
pub(super) async fn suggestions(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_suggestions_body(&mut Parser::default(), &mut body)?;
    check_open(site)?;
    let wanted = Wanted {
        pair: pair_of(body.languages)?,
        project: body.project_id,
        mode: mode_of(body.exhaustive),
        // What is not as similar is not as good either.
        min_similarity: body.min_confidence,
        texts: TEXTS_PER_SUGGESTION * body.max_suggestions,
    };
    let choice = Choice {
        approved_only: site.shared.config.translation.approved_only,
        min_confidence: body.min_confidence,
        max: body.max_suggestions,
        explain: body.explain,
    };
    let asked = Asked { text: body.source_text, context: body.context, wanted, choice };
    let answer = timeout(site.answer_timeout, site.shared.translations.look_up(asked)).await;
    let Answer { suggestions, glossary_terms } = answer.unwrap_or(Err(TranslationError::Busy))?;
    let mut body = Vec::new();
    write_json(&mut body, &Suggestions { suggestions, glossary_terms });
    Ok(json_of_now(StatusCode::OK, body))
}

/// `POST /api/translation/analysis`: segment by segment, as long as somebody waits for it.
pub(super) async fn analysis(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_analysis_body(&mut Parser::default(), &mut body)?;
    let wanted = Wanted {
        pair: pair_of(body.languages)?,
        project: body.project_id,
        mode: mode_of(body.exhaustive),
        min_similarity: SIMILARITY_MIN,
        texts: TEXTS_PER_SUGGESTION,
    };
    let approved_only = site.shared.config.translation.approved_only;
    let mut analysis = Analysis::default();
    for text in body.segments {
        check_open(site)?;
        if !analysis.repeat(&text) {
            let weighed = Weighed { text: text.clone(), wanted: wanted.clone(), approved_only };
            let band = timeout(site.answer_timeout, site.shared.translations.weigh(weighed)).await;
            analysis.add(&text, band.unwrap_or(Err(TranslationError::Busy))?);
        }
    }
    let mut answer = Vec::new();
    write_json(&mut answer, &analysis.shown());
    Ok(json_of_now(StatusCode::OK, answer))
}

const fn mode_of(exhaustive: bool) -> Mode {
    if exhaustive { Mode::Exhaustive } else { Mode::Fast }
}

/// `POST /api/translation/submit`.
pub(super) async fn submit(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::TranslationWrite)?;
    let pass = pass(site, request)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_submit_body(&mut Parser::default(), &mut body)?;
    check_open(site)?;
    let pair = pair_of(body.languages)?;
    let translated = Translated {
        project: body.project_id.clone(),
        pair,
        source_text: body.source_text.clone(),
        translated_text: body.translated_text.clone(),
    };
    let warnings = timeout(site.answer_timeout, site.shared.translations.check_terms(translated)).await;
    let warnings = warnings.unwrap_or(Err(TranslationError::Busy))?;
    let submission = Submission {
        scope: body.project_id.map_or(Place::Shared, Place::Project),
        pair,
        source_text: body.source_text,
        translated_text: body.translated_text,
        context: body.context,
        rating: body.rating,
        reviewed: body.reviewed,
        user_id: identity.user_id.as_str().into(),
    };
    let submitted = timeout(site.answer_timeout, site.shared.translations.submit(submission, pass)).await;
    let entry = submitted.unwrap_or(Err(TranslationError::Busy))?;
    let answer = Submitted {
        translation_id: entry.id.to_string(),
        status: entry.status.name(),
        added_to_memory: true,
        confidence_score: entry.confidence(),
        requires_review: entry.requires_review(),
        warnings,
    };
    let mut body = Vec::new();
    write_json(&mut body, &answer);
    Ok(json_of_now(StatusCode::OK, body))
}

/// The languages of a request, both of which have to be known.
pub(super) fn pair_of(languages: [Option<Language>; 2]) -> Result<LanguagePair, InboundError> {
    let [source, target] = languages;
    let named = |language: Option<Language>, field: &str| {
        let language = language.ok_or_else(|| InboundError::missing(field.to_owned(), supported_names()))?;
        check_supported(language, field)
    };
    let (source, target) = (named(source, "source_language")?, named(target, "target_language")?);
    let pair = LanguagePair::new(source, target);
    pair.ok_or_else(|| InboundError::invalid("target_language".to_owned(), "another language than source_language"))
}

/// A language that is translated from and into.
pub(super) fn check_supported(language: Language, field: &str) -> Result<Language, InboundError> {
    let wrong = || InboundError::invalid(field.to_owned(), supported_names());
    Some(language).filter(|language| Language::SUPPORTED.contains(language)).ok_or_else(wrong)
}

fn supported_names() -> String {
    let names: Vec<&str> = Language::SUPPORTED.iter().map(Language::as_str).collect();
    format!("one of {}", names.join(", "))
}

impl From<TranslationError> for HttpError {
    fn from(error: TranslationError) -> Self {
        let code = match error {
            TranslationError::Memory(MemoryError::Text(_)) | TranslationError::Text(_) => {
                return Self::invalid("source_text", error.to_string());
            }
            TranslationError::Token(refused) => return refused.into(),
            TranslationError::Memory(MemoryError::Unknown(_)) => ErrorCode::NotFound,
            TranslationError::Memory(MemoryError::OfOthers) => ErrorCode::Forbidden,
            TranslationError::Memory(MemoryError::Known(_)) => {
                return Self::invalid("translated_text", error.to_string());
            }
            TranslationError::Glossary(GlossaryError::Taken(_)) => return Self::invalid("term", error.to_string()),
            TranslationError::Glossary(GlossaryError::Unknown(_)) => ErrorCode::NotFound,
            TranslationError::Memory(_) | TranslationError::Glossary(GlossaryError::Full) | TranslationError::Busy => {
                ErrorCode::CapacityExceeded
            }
            TranslationError::Storage => ErrorCode::StorageUnavailable,
            TranslationError::Search(_) | TranslationError::Gone => return Self::internal(),
        };
        Self::new(code, error.to_string())
    }
}

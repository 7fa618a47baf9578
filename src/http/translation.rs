//! Suggestions from the translation memory, and translations that are handed in.

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::translation_outbound::Submitted;
use jddb_core::protocol::{
    ErrorCode, InboundError, Parser, language_pair, read_analysis_body, read_submit_body, read_suggestions_body,
};
use jddb_core::translation::{
    Analysis, GlossaryTerm, Language, SIMILARITY_MIN, Scope as Place, Submission, Suggestion, Wanted,
};
use serde::Serialize;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::read_json;
use super::caller::{authenticate, author};
use super::error::HttpError;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::translations::{Answer, Asked, TEXTS_PER_SUGGESTION, Translated, TranslationError, Weighed, mode_of};

/// The answer of `POST /api/translation/suggestions`.
#[derive(Serialize)]
struct Suggestions {
    suggestions: Vec<Suggestion>,
    glossary_terms: Vec<GlossaryTerm>,
}

/// `POST /api/translation/suggestions`.
pub(super) async fn suggestions(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_suggestions_body(&mut Parser::default(), &mut body)?;
    check_open(site)?;
    let pair = language_pair("", body.languages, [None; 2])?;
    let project = body.project_id.clone();
    let asked = Asked::new(body, pair, project, site.shared.config.translation.approved_only);
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
        pair: language_pair("", body.languages, [None; 2])?,
        project: body.project_id,
        mode: mode_of(body.exhaustive),
        min_similarity: SIMILARITY_MIN,
        texts: TEXTS_PER_SUGGESTION,
    };
    let approved_only = site.shared.config.translation.approved_only;
    let mut analysis = Analysis::default();
    for text in body.segments {
        check_open(site)?;
        if let Some(folded) = analysis.repeat(&text) {
            let weighed = Weighed { text: text.clone(), wanted: wanted.clone(), approved_only };
            let band = timeout(site.answer_timeout, site.shared.translations.weigh(weighed)).await;
            analysis.add(&text, folded, band.unwrap_or(Err(TranslationError::Busy))?);
        }
    }
    let mut answer = Vec::new();
    write_json(&mut answer, &analysis.shown());
    Ok(json_of_now(StatusCode::OK, answer))
}

/// `POST /api/translation/submit`.
pub(super) async fn submit(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::TranslationWrite)?;
    let author = author(site, request, &identity)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_submit_body(&mut Parser::default(), &mut body)?;
    check_open(site)?;
    let pair = language_pair("", body.languages, [None; 2])?;
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
    let submitted = timeout(site.answer_timeout, site.shared.translations.submit(submission, author)).await;
    let entry = submitted.unwrap_or(Err(TranslationError::Busy))?;
    let mut body = Vec::new();
    write_json(&mut body, &Submitted::of(&entry, &warnings, None));
    Ok(json_of_now(StatusCode::OK, body))
}

/// A language that is translated from and into.
pub(super) fn check_supported(language: Language, field: &str) -> Result<Language, InboundError> {
    let names: Vec<&str> = Language::SUPPORTED.iter().map(Language::as_str).collect();
    let wrong = || InboundError::invalid(field.to_owned(), format!("one of {}", names.join(", ")));
    Some(language).filter(|language| Language::SUPPORTED.contains(language)).ok_or_else(wrong)
}

impl From<TranslationError> for HttpError {
    fn from(error: TranslationError) -> Self {
        match error {
            TranslationError::Token(refused) => refused.into(),
            _ => match error.code() {
                ErrorCode::ValidationError => Self::invalid(error.field(), error.to_string()),
                ErrorCode::InternalError => Self::internal(),
                code => Self::new(code, error.to_string()),
            },
        }
    }
}

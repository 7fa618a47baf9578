//! The translation memory as a file: imported, and exported.

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use jddb_core::protocol::ErrorCode;
use jddb_core::protocol::outbound::write_json;
use jddb_core::translation::LanguagePair;
use jddb_exchange::tmx::Defaults;
use tokio::time::timeout;

use super::ask::check_open;
use super::body::too_slow;
use super::caller::{authenticate, pass};
use super::error::HttpError;
use super::query::Query;
use super::response::{AnswerBody, HttpResponse, json_of_now};
use super::site::Site;
use crate::auth::Scope;
use crate::clock;
use crate::exchange::{ImportError, Part, Selection, Upload, begin_export, begin_import};
use crate::progress::{Pace, Progress};
use crate::translations::TranslationError;

const TMX: HeaderValue = HeaderValue::from_static("application/x-tmx+xml");
const FILE_NAME: HeaderValue = HeaderValue::from_static("attachment; filename=\"memory.tmx\"");
/// The types by which a file may be sent.
const TYPES: [&str; 3] = ["application/x-tmx+xml", "application/xml", "text/xml"];

/// `POST /api/translation/memory/import`.
pub(super) async fn import(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationWrite)?;
    let query = Query::new(request.uri.query());
    let defaults = Defaults { project: query.project_id()?, reviewed: query.reviewed()? };
    check_type(&request.headers)?;
    let bytes_max = site.shared.config.translation.import_bytes;
    // Refused before the client is told to go on (RFC 9110, section 10.1.1).
    if body.size_hint().lower() > bytes_max {
        return Err(ImportError::TooLarge(bytes_max).into());
    }
    let Upload { parts, answer } = begin_import(&site.shared, defaults, pass(site, request)?)?;
    // Where the thread takes no more it says why.
    if send(site, body, &parts).await? {
        let _ = parts.send(Part::End).await;
    }
    drop(parts);
    let summary = answer.await.map_err(|_| HttpError::internal())??;
    let mut answer = Vec::new();
    write_json(&mut answer, &summary);
    Ok(json_of_now(StatusCode::OK, answer))
}

/// Passes a body on as it comes; false if no more of it is taken.
async fn send(site: &Site, mut body: Incoming, parts: &tokio::sync::mpsc::Sender<Part>) -> Result<bool, HttpError> {
    let config = &site.shared.config.http;
    let mut progress = Progress::begin(Pace::new(config), clock::monotonic());
    loop {
        let frame = match timeout(progress.left(clock::monotonic()), body.frame()).await {
            Err(_) => return Err(too_slow(config)),
            Ok(None) => return Ok(true),
            Ok(Some(Err(_))) => {
                return Err(HttpError::invalid("body", "a body that is complete and framed as its headers say"));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let bytes = data.len();
        if parts.send(Part::Bytes(data)).await.is_err() {
            return Ok(false);
        }
        progress.moved(bytes, clock::monotonic());
    }
}

/// `GET /api/translation/memory/export`.
pub(super) fn export(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let query = Query::new(request.uri.query());
    let selection = Selection { project: query.project_id()?, pair: pair_of(query)? };
    let mut response = Response::new(AnswerBody::default());
    response.headers_mut().insert(CONTENT_TYPE, TMX);
    response.headers_mut().insert(CONTENT_DISPOSITION, FILE_NAME);
    if request.method != Method::HEAD {
        let busy = || {
            HttpError::new(
                ErrorCode::CapacityExceeded,
                "as many exports are under way as may be: retry when one is over",
            )
        };
        *response.body_mut() = AnswerBody::Stream(begin_export(&site.shared, selection).ok_or_else(busy)?);
    }
    Ok(response)
}

/// The languages that are wanted: both, or none, which is all.
fn pair_of(query: Query<'_>) -> Result<Option<LanguagePair>, HttpError> {
    let languages = (query.language("source_language")?, query.language("target_language")?);
    let missing = |field| Err(HttpError::invalid(field, "both languages, or none for all"));
    match languages {
        (None, None) => Ok(None),
        (Some(_), None) => missing("target_language"),
        (None, Some(_)) => missing("source_language"),
        (Some(source), Some(target)) => LanguagePair::new(source, target)
            .map(Some)
            .ok_or_else(|| HttpError::invalid("target_language", "another language than source_language")),
    }
}

/// A body without a type is taken for what it has to be.
fn check_type(headers: &HeaderMap) -> Result<(), HttpError> {
    let refused = |what: String| Err(HttpError::new(ErrorCode::UnsupportedMediaType, what));
    let essence = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        text.trim().to_ascii_lowercase()
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(essence);
    if types.next().is_some_and(|kind| !TYPES.contains(&kind.as_str())) || types.next().is_some() {
        return refused(format!("the body is no TMX file by its Content-Type: send one of {}, once", TYPES.join(", ")));
    }
    let is_identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return refused("the body has a Content-Encoding: send it without".to_owned());
    }
    Ok(())
}

impl From<ImportError> for HttpError {
    fn from(error: ImportError) -> Self {
        let message = error.to_string();
        match error {
            ImportError::Busy => Self::new(ErrorCode::CapacityExceeded, message),
            ImportError::TooLarge(_) => Self::new(ErrorCode::MessageTooLarge, message),
            ImportError::Malformed(_) => Self::malformed("body", message, "a TMX 1.4b file, in UTF-8 or UTF-16"),
            ImportError::Io(error) => {
                tracing::error!(%error, "a file that was to be imported cannot be kept");
                Self::new(ErrorCode::StorageUnavailable, "the server cannot keep the file to read it: ask the operator")
            }
            ImportError::Partly { error: TranslationError::Token(refused), .. } => refused.into(),
            ImportError::Partly { error: TranslationError::Storage, .. } => {
                Self::new(ErrorCode::StorageUnavailable, message)
            }
            ImportError::Partly { .. } => Self::new(ErrorCode::CapacityExceeded, message),
            ImportError::Stopping => Self::shutting_down(),
        }
    }
}

//! Files of translations and terms: taken, and given.

use std::fs::File;
use std::io::BufWriter;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use jddb_core::protocol::ErrorCode;
use jddb_core::protocol::outbound::write_json;
use jddb_core::translation::LanguagePair;
use tokio::time::timeout;

use super::body::too_slow;
use super::error::HttpError;
use super::query::Query;
use super::response::{AnswerBody, HttpResponse, json_of_now};
use super::site::Site;
use crate::clock;
use crate::exchange::{ImportError, Outlet, Part, Summary, Upload, begin_export, begin_import};
use crate::progress::{Pace, Progress};
use crate::shared::Shared;
use crate::translations::TranslationError;

/// Takes the file that a body is, and answers what became of it.
pub(super) async fn upload(
    site: &Site,
    body: Incoming,
    import: impl FnOnce(&Shared, &mut File) -> Result<Summary, ImportError> + Send + 'static,
) -> Result<HttpResponse, HttpError> {
    let bytes_max = site.shared.config.translation.import_bytes;
    // Refused before the client is told to go on (RFC 9110, section 10.1.1).
    if body.size_hint().lower() > bytes_max {
        return Err(ImportError::TooLarge(bytes_max).into());
    }
    let Upload { parts, answer } = begin_import(&site.shared, import)?;
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

/// Answers with a file of that type and name, or with its head alone.
pub(super) fn download(
    site: &Site,
    request: &Parts,
    (kind, name): (HeaderValue, HeaderValue),
    export: impl FnOnce(&Shared, BufWriter<Outlet>) + Send + 'static,
) -> Result<HttpResponse, HttpError> {
    let mut response = Response::new(AnswerBody::default());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    if request.method != Method::HEAD {
        let busy = || {
            HttpError::new(
                ErrorCode::CapacityExceeded,
                "as many exports are under way as may be: retry when one is over",
            )
        };
        *response.body_mut() = AnswerBody::Stream(begin_export(&site.shared, export).ok_or_else(busy)?);
    }
    Ok(response)
}

/// The languages that are wanted: both, or none, which is all.
pub(super) fn pair_of(query: Query<'_>) -> Result<Option<LanguagePair>, HttpError> {
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

/// The type of a body in lower case, without parameters; `None` where it has none.
///
/// # Errors
/// It has more than one, or an encoding.
pub(super) fn type_of(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    let refused = |what: &str| Err(HttpError::new(ErrorCode::UnsupportedMediaType, what.to_owned()));
    let essence = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        text.trim().to_ascii_lowercase()
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(essence);
    let kind = types.next();
    if types.next().is_some() {
        return refused("the body has more than one Content-Type: send one");
    }
    let is_identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return refused("the body has a Content-Encoding: send it without");
    }
    Ok(kind)
}

impl From<ImportError> for HttpError {
    fn from(error: ImportError) -> Self {
        let message = error.to_string();
        match error {
            ImportError::Busy => Self::new(ErrorCode::CapacityExceeded, message),
            ImportError::TooLarge(_) => Self::new(ErrorCode::MessageTooLarge, message),
            ImportError::Malformed { expected, .. } => Self::malformed("body", message, expected),
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

//! The glossary as a file: imported, and exported.

use std::fs::File;

use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use jddb_core::protocol::ErrorCode;
use jddb_exchange::terms::{Format, TermDefaults};

use super::ask::check_open;
use super::caller::{authenticate, author};
use super::error::HttpError;
use super::files::{download, pair_of, type_of, upload};
use super::query::Query;
use super::response::HttpResponse;
use super::site::Site;
use super::translation::check_supported;
use crate::auth::Scope;
use crate::exchange::Selection;
use crate::exchange::terms::{export_online, import_online};
use crate::shared::Shared;

/// The types by which a file may be sent, and what each is.
const TYPES: [(&str, Format); 6] = [
    ("text/csv", Format::Csv),
    ("text/tab-separated-values", Format::Csv),
    ("application/x-tbx+xml", Format::Tbx),
    ("application/tbx+xml", Format::Tbx),
    ("application/xml", Format::Tbx),
    ("text/xml", Format::Tbx),
];

/// `POST /api/translation/glossary/import`.
pub(super) async fn import(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::TranslationWrite)?;
    let author = author(site, request, &identity)?;
    let query = Query::new(request.uri.query());
    let defaults = TermDefaults { project: query.project_id()?, pair: pair_of(query)? };
    if let Some(pair) = defaults.pair {
        check_supported(pair.source(), "source_language")?;
        check_supported(pair.target(), "target_language")?;
    }
    let format = format_of(query.format()?, &request.headers)?;
    let import = move |shared: &Shared, file: &mut File| import_online(shared, file, format, &defaults, &author);
    upload(site, body, import).await
}

/// `GET /api/translation/glossary/export`.
pub(super) fn export(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let query = Query::new(request.uri.query());
    let selection = Selection { project: query.project_id()?, pair: pair_of(query)? };
    let format = query.format()?.unwrap_or(Format::Csv);
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"glossary.csv\""),
        Format::Tbx => ("application/x-tbx+xml", "attachment; filename=\"glossary.tbx\""),
    };
    let [kind, name] = [kind, name].map(HeaderValue::from_static);
    download(site, request, (kind, name), move |shared, out| export_online(shared, &selection, format, out))
}

/// What is asked for holds, then the type of the body.
fn format_of(asked: Option<Format>, headers: &HeaderMap) -> Result<Format, HttpError> {
    let kind = type_of(headers)?;
    let of_type = TYPES.iter().find(|(name, _)| Some(*name) == kind.as_deref()).map(|(_, format)| *format);
    asked.or(of_type).ok_or_else(|| {
        let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
        let what = format!(
            "neither the Content-Type nor ?format= says what the body is: send one of {}, once, or format=csv or tbx",
            names.join(", ")
        );
        HttpError::new(ErrorCode::UnsupportedMediaType, what)
    })
}

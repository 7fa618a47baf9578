//! The translation memory as a file: imported, and exported.

use std::fs::File;

use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use jddb_core::protocol::ErrorCode;
use jddb_exchange::tmx::Defaults;

use super::ask::check_open;
use super::caller::{authenticate, pass};
use super::error::HttpError;
use super::files::{download, pair_of, type_of, upload};
use super::query::Query;
use super::response::HttpResponse;
use super::site::Site;
use crate::auth::Scope;
use crate::exchange::{Selection, export_memory, import_memory};
use crate::shared::Shared;

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
    let pass = pass(site, request)?;
    let import = move |shared: &Shared, file: &mut File| import_memory(shared, file, &defaults, pass);
    upload(site, body, import).await
}

/// `GET /api/translation/memory/export`.
pub(super) fn export(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    authenticate(site, request)?.has(Scope::TranslationRead)?;
    let query = Query::new(request.uri.query());
    let selection = Selection { project: query.project_id()?, pair: pair_of(query)? };
    download(site, request, (TMX, FILE_NAME), move |shared, out| export_memory(shared, &selection, out))
}

fn check_type(headers: &HeaderMap) -> Result<(), HttpError> {
    match type_of(headers)? {
        Some(kind) if !TYPES.contains(&kind.as_str()) => Err(HttpError::new(
            ErrorCode::UnsupportedMediaType,
            format!("the body is no TMX file by its Content-Type: send one of {}, once", TYPES.join(", ")),
        )),
        Some(_) | None => Ok(()),
    }
}

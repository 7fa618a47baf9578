//! `GET …/history`: what was done to a document, version by version, read from the disk.

use hyper::StatusCode;
use hyper::http::request::Parts;
use jddb_core::document::Save;
use jddb_core::ids::{DocumentId, UnixMillis};
use jddb_core::protocol::outbound::write_json;
use jddb_storage::{VersionEntry, Versions};
use serde::Serialize;

use super::ask::{check_open, check_there};
use super::caller::admit;
use super::error::HttpError;
use super::page::{Page, Pagination};
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::stored::{read_disk, unreadable};
use crate::auth::Scope;

#[derive(Serialize)]
struct History<'a> {
    document_id: &'a str,
    versions: Vec<ListedVersion<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct ListedVersion<'a> {
    version: u64,
    author: &'a str,
    timestamp: UnixMillis,
    size_bytes: usize,
    inserted_bytes: usize,
    deleted_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    save: Option<SavePoint<'a>>,
}

#[derive(Serialize)]
struct SavePoint<'a> {
    save_type: &'static str,
    saved_by: Option<&'a str>,
    timestamp: UnixMillis,
}

/// `GET /api/documents/{document_id}/history`.
pub(super) async fn list(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
    let page = Page::of(Query::new(request.uri.query()))?;
    let id = document_id.clone();
    let found =
        read_disk(site, move |store| store.versions(&id, page.skip(), page.limit).map_err(|error| unreadable(&error)));
    let found = found.await?;
    if found.total == 0 {
        check_there(site, request, &document_id).await?;
    }
    Ok(json_of_now(StatusCode::OK, write(&document_id, &found, page)))
}

fn write(document_id: &DocumentId, found: &Versions, page: Page) -> Vec<u8> {
    let versions = found.versions.iter().map(ListedVersion::of).collect();
    let pagination = page.of_total(found.total);
    let mut body = Vec::new();
    write_json(&mut body, &History { document_id: document_id.as_str(), versions, pagination });
    body
}

impl<'a> ListedVersion<'a> {
    fn of(entry: &'a VersionEntry) -> Self {
        let VersionEntry { version, at, user_id, inserted_bytes, deleted_bytes, size_bytes, save } = entry;
        Self {
            version: version.0,
            author: user_id,
            timestamp: *at,
            size_bytes: *size_bytes,
            inserted_bytes: *inserted_bytes,
            deleted_bytes: *deleted_bytes,
            save: save.as_ref().map(SavePoint::of),
        }
    }
}

impl<'a> SavePoint<'a> {
    fn of(save: &'a Save) -> Self {
        Self { save_type: save.save_type(), saved_by: save.saved_by.as_deref(), timestamp: save.at }
    }
}

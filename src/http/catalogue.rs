//! `GET /api/documents`: which documents there are.

use hyper::StatusCode;
use hyper::http::request::Parts;
use jddb_core::ids::UnixMillis;
use jddb_core::protocol::outbound::{LockState, PropertyFields, write_json};
use jddb_storage::{Listed, Listing};
use serde::Serialize;

use super::ask::check_open;
use super::caller::authenticate;
use super::error::HttpError;
use super::page::{Page, Pagination};
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::stored::{read_disk, unreadable};
use crate::auth::Scope;
use crate::cores::now;

#[derive(Serialize)]
struct Documents<'a> {
    documents: Vec<ListedDocument<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct ListedDocument<'a> {
    document_id: &'a str,
    version: u64,
    metadata: ListedMetadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockState<'a>>,
}

#[derive(Serialize)]
struct ListedMetadata<'a> {
    last_modified: Option<UnixMillis>,
    last_modified_by: Option<&'a str>,
    #[serde(flatten)]
    properties: PropertyFields<'a>,
}

/// Lists the documents that the caller's token covers, in the order of their names.
pub(super) async fn list(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::DocumentRead)?;
    let page = Page::of(Query::new(request.uri.query()))?;
    let body = read_disk(site, move |store| {
        let wanted = |id: &str| identity.covers(id);
        let listing = store.list(wanted, page.skip(), page.limit).map_err(|error| unreadable(&error))?;
        Ok(write(&listing, page))
    });
    Ok(json_of_now(StatusCode::OK, body.await?))
}

fn write(listing: &Listing, page: Page) -> Vec<u8> {
    let now = now();
    let documents = listing.documents.iter().map(|Listed { document_id, entry, version, modified }| ListedDocument {
        document_id: document_id.as_str(),
        version: version.0,
        metadata: ListedMetadata {
            last_modified: modified.as_ref().map(|(at, _)| *at),
            last_modified_by: modified.as_ref().map(|(_, user_id)| &**user_id),
            properties: PropertyFields(&entry.properties),
        },
        lock: entry.lock_in_force(now).map(LockState::of),
    });
    let mut body = Vec::new();
    write_json(&mut body, &Documents { documents: documents.collect(), pagination: page.of_total(listing.total) });
    body
}

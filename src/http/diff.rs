//! `GET …/diff`: what differs between two versions, as a batch of changes that makes the one of the other.

use hyper::StatusCode;
use hyper::http::request::Parts;
use jddb_core::document::{ComparisonBudget, Difference, differences};
use jddb_core::ids::{DocumentId, PositionEncoding, SectionName, Version};
use jddb_core::protocol::outbound::write_json;
use jddb_storage::Store;
use serde::Serialize;

use super::ask::{check_open, check_there};
use super::caller::admit;
use super::error::HttpError;
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::stored::{Texts, read_disk, texts_blocking};
use crate::auth::Scope;

#[derive(Serialize)]
struct Diff<'a> {
    document_id: &'a str,
    from: u64,
    to: u64,
    changes: Vec<DiffChange<'a>>,
}

/// A change as `POST …/changes` takes it, with what it takes away.
#[derive(Serialize)]
struct DiffChange<'a> {
    operation: &'static str,
    section: &'a str,
    position: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<&'a str>,
}

/// What two versions are compared by.
#[derive(Clone, Copy)]
struct Comparison {
    from: Version,
    to: Version,
    encoding: PositionEncoding,
}

/// What came of it.
struct Compared {
    /// Whether anything of the document is on the disk.
    is_stored: bool,
    /// The JSON of what differs; or else which of the versions there is not.
    outcome: Result<Vec<u8>, (&'static str, Version)>,
}

/// `GET /api/documents/{document_id}/diff`.
pub(super) async fn between(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
    let query = Query::new(request.uri.query());
    let (from, to) = (query.version_named("from")?, query.version_named("to")?);
    let comparison = Comparison { from, to, encoding: query.position_encoding()? };
    // It may be as large as two states.
    site.check_room()?;
    let id = document_id.clone();
    let compared = read_disk(site, move |store| compare(store, &id, comparison)).await?;
    if !compared.is_stored {
        check_there(site, request, &document_id).await?;
    }
    let body = compared.outcome.map_err(|(field, version)| HttpError::unknown_version(field, version))?;
    Ok(json_of_now(StatusCode::OK, body))
}

/// On a thread that may wait. Version 0 is the empty document, stored or not.
fn compare(store: &Store, document_id: &DocumentId, comparison: Comparison) -> Result<Compared, HttpError> {
    let Comparison { from, to, .. } = comparison;
    let texts = |version| texts_blocking(store, document_id, version);
    let (before, after) = (texts(from)?, texts(to)?);
    let is_stored = before.is_some() || after.is_some();
    let kept = |texts: Option<Texts>, field: &'static str, version: Version| {
        let empty = (version == Version::ZERO).then(Texts::new);
        texts.or(empty).ok_or((field, version))
    };
    let outcome = kept(before, "from", from)
        .and_then(|before| Ok((before, kept(after, "to", to)?)))
        .map(|(before, after)| write(document_id, comparison, &before, &after));
    Ok(Compared { is_stored, outcome })
}

fn write(document_id: &DocumentId, comparison: Comparison, before: &Texts, after: &Texts) -> Vec<u8> {
    let Comparison { from, to, encoding } = comparison;
    let (mut changes, mut budget) = (Vec::new(), ComparisonBudget::default());
    // Sections are never taken away and keep their order, so those of one version are the first ones of the other.
    for index in 0..before.len().max(after.len()) {
        match (before.get(index), after.get(index)) {
            (Some((name, before)), after) => {
                let after = after.map_or("", |(_, text)| &**text);
                add_changes(&mut changes, name, &differences(before, after, &mut budget), before, encoding);
            }
            (None, Some((name, after))) => changes.push(creation(name, after)),
            (None, None) => {}
        }
    }
    let mut body = Vec::new();
    write_json(&mut body, &Diff { document_id: document_id.as_str(), from: from.0, to: to.0, changes });
    body
}

fn creation<'a>(section: &'a SectionName, text: &'a str) -> DiffChange<'a> {
    let content = Some(text);
    DiffChange { operation: "insert", section: section.as_str(), position: 0, length: None, content, deleted: None }
}

fn add_changes<'a>(
    changes: &mut Vec<DiffChange<'a>>,
    section: &'a SectionName,
    differences: &[Difference<'a>],
    before: &'a str,
    encoding: PositionEncoding,
) {
    let (mut position, mut counted) = (0, 0);
    for &Difference { offset, deleted, inserted } in differences {
        position += encoding.length_of(&before[counted..offset]);
        counted = offset;
        let operation = match (deleted, inserted) {
            ("", _) => "insert",
            (_, "") => "delete",
            _ => "replace",
        };
        let named = |text: &'a str| (!text.is_empty()).then_some(text);
        changes.push(DiffChange {
            operation,
            section: section.as_str(),
            position,
            length: named(deleted).map(|deleted| encoding.length_of(deleted)),
            content: named(inserted),
            deleted: named(deleted),
        });
    }
}

//! What is read from the disk, on a thread that may wait for it: above all a document as it was at a version.

use std::sync::Arc;

use bytes::Bytes;
use jddb_core::document::{Document, DocumentLimits, Entry, Section};
use jddb_core::ids::{DocumentId, SectionName, Version};
use jddb_core::protocol::ErrorCode;
use jddb_core::protocol::outbound::{Content, DocumentState, write_json};
use jddb_core::room::metadata_of;
use jddb_storage::{LoadError, Store};
use tokio::time::timeout;

use super::error::HttpError;
use super::site::Site;

/// The texts of a document's sections, in their order.
pub(super) type Texts = Vec<(SectionName, Box<str>)>;

/// The JSON of the document at `version`; `None` if that version is not stored.
///
/// # Errors
/// Too many are being read, or its records cannot be.
pub(super) async fn read(
    site: &Site,
    document_id: &DocumentId,
    version: Version,
    with_metadata: bool,
) -> Result<Option<Bytes>, HttpError> {
    let document_id = document_id.clone();
    let written = move |document, entry| write(&document, &entry, with_metadata);
    read_disk(site, move |store| read_blocking(store, document_id, version, written)).await
}

/// The sections' texts at `version`; `None` if that version is not stored.
///
/// # Errors
/// As [`read`].
pub(super) async fn texts(site: &Site, document_id: &DocumentId, version: Version) -> Result<Option<Texts>, HttpError> {
    let document_id = document_id.clone();
    read_disk(site, move |store| texts_blocking(store, &document_id, version)).await
}

/// The same, on a thread that may wait.
///
/// # Errors
/// The records cannot be read.
pub(super) fn texts_blocking(
    store: &Store,
    document_id: &DocumentId,
    version: Version,
) -> Result<Option<Texts>, HttpError> {
    read_blocking(store, document_id.clone(), version, |document, _| {
        let text = |section: &Section| (section.name().clone(), section.text().to_string().into());
        document.sections().iter().map(text).collect()
    })
}

/// Reads from the disk on a thread that may wait for it, when it is the request's turn.
///
/// # Errors
/// Too many are being read, or what `read` says.
pub(super) async fn read_disk<T: Send + 'static>(
    site: &Site,
    read: impl FnOnce(&Store) -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    let permit = timeout(site.answer_timeout, Arc::clone(&site.version_reads).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else { return Err(HttpError::at_capacity()) };
    let store = Arc::clone(&site.shared.store);
    let reading = tokio::task::spawn_blocking(move || {
        let result = read(&store);
        // Given back when the disk is done, even if the client no longer waits.
        drop(permit);
        result
    });
    reading.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "reading from the disk panicked");
        Err(HttpError::internal())
    })
}

/// The JSON of a document that exists at a version that is not stored: only version 0 needs nothing to be stored.
///
/// # Errors
/// It is another version.
pub(super) fn unstored(document_id: &DocumentId, version: Version, with_metadata: bool) -> Result<Bytes, HttpError> {
    if version == Version::ZERO {
        let document = Document::new(document_id.clone(), limits());
        return Ok(write(&document, &Entry::default(), with_metadata));
    }
    Err(HttpError::unknown_version("version", version))
}

fn read_blocking<T>(
    store: &Store,
    document_id: DocumentId,
    version: Version,
    then: impl FnOnce(Document, Entry) -> T,
) -> Result<Option<T>, HttpError> {
    let Some(loaded) = store.load_at(&document_id, version).map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    match Document::restore(document_id.clone(), loaded.snapshot, loaded.changes, limits()) {
        Ok(document) => Ok(Some(then(document, loaded.entry))),
        Err(error) => {
            tracing::error!(%document_id, %error, "a stored version cannot be restored");
            Err(HttpError::internal())
        }
    }
}

/// The document is read once and forgotten: no change needs to be remembered, and what was stored is within its limits.
fn limits() -> DocumentLimits {
    DocumentLimits { history_versions_max: 1, history_bytes_max: 0, ..DocumentLimits::default() }
}

fn write(document: &Document, entry: &Entry, with_metadata: bool) -> Bytes {
    let state = DocumentState {
        document_id: document.id().as_str(),
        version: document.version(),
        content: Content { document, only: None },
        metadata: with_metadata.then(|| metadata_of(document, &entry.properties)),
        active_editors: Some(Vec::new()),
        // It says who may change the current version.
        lock: None,
        connection: None,
    };
    let mut body = Vec::new();
    write_json(&mut body, &state);
    body.into()
}

/// What a client is told of a disk that cannot be read.
pub(super) fn unreadable(error: &LoadError) -> HttpError {
    tracing::error!(%error, "an old version cannot be read");
    match error {
        LoadError::Unreadable { .. }
        | LoadError::Catalogue { .. }
        | LoadError::Logins { .. }
        | LoadError::Translations { .. } => {
            HttpError::new(ErrorCode::StorageUnavailable, "the server cannot read from its disk: retry later")
        }
        LoadError::Corrupt { .. } | LoadError::NewerFormat { .. } => HttpError::internal(),
    }
}

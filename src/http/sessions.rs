//! Sessions: created, listed over all cores, ended.

use std::cmp::Reverse;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::request::Parts;
use jddb_core::ids::{DocumentId, UnixMillis};
use jddb_core::protocol::outbound::write_json;
use jddb_core::protocol::{ErrorCode, Parser, read_session_body};
use jddb_core::room::{SessionFilter, session_unknown};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ask::{ask, check_open};
use super::body::read_json;
use super::caller::{authenticate, lines};
use super::error::HttpError;
use super::ids;
use super::page::{Page, Pagination};
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::stored::{read_disk, unreadable};
use super::upgrade::user;
use crate::auth::{Identity, Scope, percent_decode};
use crate::cores::{Ask, CoreMessage, EndSession, ListSessions, ListedSession, PostSession};

/// The answer of `GET /api/sessions/active`.
#[derive(Serialize)]
struct ActiveSessions<'a> {
    sessions: Vec<ActiveSession<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct ActiveSession<'a> {
    session_id: &'a str,
    document_id: &'a str,
    /// Null while nobody said.
    document_title: Option<&'a str>,
    participant_count: usize,
    started_at: UnixMillis,
    last_activity: UnixMillis,
    status: &'static str,
}

/// `POST /api/sessions`.
pub(super) async fn create(site: &Site, request: &Parts, body: Incoming) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::DocumentWrite)?;
    let mut body = read_json(&request.headers, body, site).await?;
    let body = read_session_body(&mut Parser::default(), &mut body)?;
    // Bodies take their time, and the document's core may stop meanwhile.
    check_open(site)?;
    let document_id = named_document(site, &body.document_id)?;
    identity.allows(Scope::DocumentWrite, document_id.as_str())?;
    let post = PostSession {
        websocket_url: websocket_url(site, request, &document_id),
        creator: user(identity),
        session_id: ids::session_id(),
        body,
    };
    Ok(json_of_now(StatusCode::CREATED, ask(site, request, &document_id, Ask::Session(Box::new(post))).await?.body))
}

/// `GET /api/sessions/active`.
pub(super) async fn active(site: &Site, request: &Parts) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::DocumentRead)?;
    let query = Query::new(request.uri.query());
    let document_id = query.document_id()?.map(|id| named_document(site, &id)).transpose()?;
    let page = Page::of(query)?;
    let user_id: Option<Box<str>> = query.user_id()?.map(Into::into);
    let is_admin = identity.has(Scope::DocumentAdmin).is_ok();
    if user_id.as_deref().is_some_and(|user_id| user_id != identity.user_id) && !is_admin {
        let message = "the sessions of another user are for document:admin: leave user_id out, or name yourself";
        return Err(HttpError::new(ErrorCode::Forbidden, message));
    }
    let for_user = (!is_admin).then(|| identity.user_id.as_str().into());
    let filter = SessionFilter { session_id: None, document_id, user_id, for_user };
    let mut sessions = gather(site, filter, &identity).await?;
    sessions.sort_by(|one, other| order(one).cmp(&order(other)));
    let pagination = page.of_total(sessions.len());
    let shown = sessions.into_iter().skip(page.skip()).take(page.limit).collect();
    let shown = with_titles(site, shown).await?;
    let answer = ActiveSessions { sessions: shown.iter().map(ActiveSession::of).collect(), pagination };
    let mut body = Vec::new();
    write_json(&mut body, &answer);
    Ok(json_of_now(StatusCode::OK, body))
}

/// `DELETE /api/sessions/{session_id}`. Each core is asked whether the session is its own.
pub(super) async fn end(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    identity.has(Scope::DocumentWrite)?;
    let session_id = percent_decode(segment).ok_or_else(session_unknown)?;
    let filter = SessionFilter { session_id: Some(session_id.as_str().into()), ..SessionFilter::default() };
    let found = gather(site, filter, &identity).await?.pop().ok_or_else(session_unknown)?;
    let document_id = found.summary.session.document_id;
    identity.allows(Scope::DocumentWrite, document_id.as_str())?;
    let end = EndSession {
        session_id: session_id.into(),
        is_admin: identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok(),
        user_id: identity.user_id.into(),
    };
    Ok(json_of_now(StatusCode::OK, ask(site, request, &document_id, Ask::EndSession(end)).await?.body))
}

/// Asks all cores which sessions they have, or the one that owns the document.
async fn gather(site: &Site, filter: SessionFilter, identity: &Identity) -> Result<Vec<ListedSession>, HttpError> {
    let permit = timeout(site.answer_timeout, site.session_lists.acquire()).await;
    let _permit = permit.map_err(|_| HttpError::at_capacity())?.map_err(|_| HttpError::internal())?;
    let shared = &site.shared;
    let cores = match &filter.document_id {
        Some(id) => shared.core_of(id)..=shared.core_of(id),
        None => 0..=shared.inboxes.len() - 1,
    };
    let mut answers = Vec::new();
    for core in cores {
        let (reply, answer) = oneshot::channel();
        let list = ListSessions { filter: filter.clone(), identity: identity.clone(), reply };
        let sent = shared.inboxes[core].send(CoreMessage::ListSessions(Box::new(list)));
        sent.map_err(|_| HttpError::at_capacity())?;
        answers.push(answer);
    }
    let mut sessions = Vec::new();
    for answer in answers {
        let answer = timeout(site.answer_timeout, answer).await.map_err(|_| HttpError::at_capacity())?;
        sessions.extend(answer.map_err(|_| HttpError::shutting_down())?);
    }
    Ok(sessions)
}

/// Gives the sessions whose documents are not open the titles that are on the disk.
async fn with_titles(site: &Site, mut sessions: Vec<ListedSession>) -> Result<Vec<ListedSession>, HttpError> {
    if sessions.iter().all(|listed| listed.is_open) {
        return Ok(sessions);
    }
    read_disk(site, move |store| {
        for listed in sessions.iter_mut().filter(|listed| !listed.is_open) {
            let entry = store.load_entry(&listed.summary.session.document_id).map_err(|error| unreadable(&error))?;
            listed.summary.document_title = entry.and_then(|entry| entry.properties.get("title").map(Into::into));
        }
        Ok(sessions)
    })
    .await
}

/// The newest first.
fn order(listed: &ListedSession) -> (Reverse<UnixMillis>, &str) {
    let session = &listed.summary.session;
    (Reverse(session.started_at), &session.session_id)
}

impl<'a> ActiveSession<'a> {
    fn of(listed: &'a ListedSession) -> Self {
        let ListedSession { summary, .. } = listed;
        let session = &summary.session;
        Self {
            session_id: &session.session_id,
            document_id: session.document_id.as_str(),
            document_title: summary.document_title.as_deref(),
            participant_count: summary.participant_count,
            started_at: session.started_at,
            last_activity: summary.last_activity,
            status: if summary.participant_count > 0 { "active" } else { "idle" },
        }
    }
}

fn named_document(site: &Site, name: &str) -> Result<DocumentId, HttpError> {
    let pattern = &site.id_pattern;
    let id = DocumentId::new(name).ok().filter(|_| pattern.matches(name));
    id.ok_or_else(|| HttpError::invalid_document_id(pattern.as_str()))
}

/// Where the document is edited: under the address that the operator has set, or else the one that the request was sent to.
fn websocket_url(site: &Site, request: &Parts, document_id: &DocumentId) -> String {
    let base = site.shared.config.public_url.as_ref().map(crate::config::PublicUrl::websocket);
    let base = base.unwrap_or_else(|| {
        let named = lines(&request.headers, &HOST).into_iter().next();
        let host = named.or_else(|| request.uri.authority().map(hyper::http::uri::Authority::as_str));
        let scheme = if site.shared.tls.is_some() { "wss" } else { "ws" };
        host.map_or_else(|| format!("{scheme}://{}", site.shared.config.listen), |host| format!("{scheme}://{host}"))
    });
    format!("{base}/ws/document/{}", segment(document_id.as_str()))
}

/// A name as it stands in a path (RFC 3986, section 3.3).
fn segment(name: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(encode).collect()
}

//! Who is in a document, asked and told without a WebSocket.

use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use jddb_core::ids::DocumentId;
use jddb_core::protocol::{Parser, PresenceUpdate, read_presence_body};
use jddb_core::room::{PresenceUpdated, User, palette_color};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::ask::{Replied, Reply, ask, check_open, send, wait};
use super::body::read_json;
use super::caller::{admit, authenticate};
use super::error::HttpError;
use super::query::Query;
use super::response::{HttpResponse, json_of_now};
use super::site::Site;
use super::upgrade::user;
use crate::auth::{Scope, percent_decode};
use crate::clock;
use crate::cores::{Ask, CoreMessage, EndVisit, PutPresence};
use crate::visits::Visit;

/// The longest user id, in bytes; a token's `sub` is no longer.
const USER_ID_BYTES_MAX: usize = 128;
/// The activity of an editor who only views.
const VIEWING: &str = "viewing";

/// `GET /api/documents/{document_id}/presence`.
pub(super) async fn of_document(site: &Site, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let (_, document_id) = admit(site, request, segment, Scope::PresenceRead)?;
    let encoding = Query::new(request.uri.query()).position_encoding()?;
    Ok(json_of_now(StatusCode::OK, ask(site, request, &document_id, Ask::Presence(encoding)).await?.body))
}

/// `PUT /api/presence/{user_id}`.
pub(super) async fn update(
    site: &Rc<Site>,
    request: &Parts,
    body: Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    check_open(site)?;
    let identity = authenticate(site, request)?;
    let user_id = user_id(segment)?;
    let is_caller = identity.user_id == user_id;
    let scope = if is_caller { Scope::PresenceWrite } else { Scope::DocumentAdmin };
    identity.has(scope)?;
    let encoding = Query::new(request.uri.query()).position_encoding()?;
    let mut body = read_json(&request.headers, body, site).await?;
    let update = read_presence_body(&mut Parser::default(), &mut body)?;
    // Bodies take their time, and the document's core may stop meanwhile.
    check_open(site)?;
    let visits = &site.shared.visits;
    // Whoever moves somebody else takes them out of where they are.
    if !is_caller && let Some(left) = visits.document_of(&user_id) {
        identity.allows(scope, left.as_str())?;
    }
    let Some(document_id) = document_of(site, &update)? else {
        return Ok(json_of_now(StatusCode::OK, leave(site, &user_id).await?.to_json()));
    };
    identity.allows(scope, document_id.as_str())?;
    let is_admin = identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok();
    let may_edit = identity.allows(Scope::DocumentWrite, document_id.as_str()).is_ok();
    if !visits.has_room_for(&user_id, clock::monotonic()) {
        return Err(HttpError::at_capacity());
    }
    let number = visits.next_number();
    let put = PutPresence {
        user: if is_caller { user(identity) } else { known_by_id(&user_id) },
        is_caller,
        is_admin,
        edits: may_edit && update.activity.as_deref() != Some(VIEWING),
        number,
        encoding,
        update,
    };
    let answer = send(site, request, &document_id, Ask::Visit(Box::new(put)))?;
    // A task of its own, since the visit takes place even if nobody waits for the answer any more.
    let entering = spawn_local(enter(Rc::clone(site), user_id, document_id.clone(), number, answer));
    let answer = wait(site, &document_id, async { entering.await.ok().flatten() }).await?;
    Ok(json_of_now(StatusCode::OK, answer.body))
}

/// Waits until a visit takes place, and notes it; the one before it ends.
async fn enter(site: Rc<Site>, user_id: String, document_id: DocumentId, number: u64, answer: Reply) -> Replied {
    let replied = answer.await.ok();
    if matches!(replied, Some(Ok(_))) {
        let lasts = Duration::from_secs(site.shared.config.presence.expire_seconds);
        let expires_at = clock::monotonic() + lasts;
        if let Some(over) = site.shared.visits.enter(&user_id, Visit { document_id, number, expires_at }) {
            // Where it cannot be told now it expires by itself.
            let _ = end(&site, &user_id, over);
        }
    }
    replied
}

/// The user named in a path.
fn user_id(segment: &str) -> Result<String, HttpError> {
    let fits = |name: &String| (1..=USER_ID_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    let expected = || format!("1 to {USER_ID_BYTES_MAX} bytes without control characters");
    percent_decode(segment).filter(fits).ok_or_else(|| HttpError::invalid("user_id", expected()))
}

fn document_of(site: &Site, update: &PresenceUpdate) -> Result<Option<DocumentId>, HttpError> {
    let Some(name) = &update.current_document else { return Ok(None) };
    let pattern = &site.id_pattern;
    let expected = || format!("string matching pattern {}", pattern.as_str());
    let id = DocumentId::new(name).ok().filter(|_| pattern.matches(name));
    id.map(Some).ok_or_else(|| HttpError::invalid("current_document", expected()))
}

/// Somebody of whom the caller knows no more than the name.
fn known_by_id(user_id: &str) -> User {
    User {
        user_id: user_id.into(),
        display_name: user_id.into(),
        avatar_url: None,
        color: palette_color(user_id).into(),
    }
}

/// A user is in no document by HTTP any more.
async fn leave(site: &Site, user_id: &str) -> Result<PresenceUpdated, HttpError> {
    let visits = &site.shared.visits;
    let Some(over) = visits.leave(user_id, visits.next_number()) else { return Ok(PresenceUpdated::NOWHERE) };
    let told = timeout(site.answer_timeout, end(site, user_id, over)?).await;
    let broadcast_sent = told.is_ok_and(|told| told.unwrap_or(false));
    Ok(PresenceUpdated { broadcast_sent, ..PresenceUpdated::NOWHERE })
}

/// Tells a document's core that a visit is over; whether anybody was told of that comes back.
fn end(site: &Site, user_id: &str, over: Visit) -> Result<oneshot::Receiver<bool>, HttpError> {
    let (reply, told) = oneshot::channel();
    let Visit { document_id, number, .. } = over;
    let end = EndVisit { document_id: document_id.clone(), user_id: user_id.into(), number, reply };
    let sent = site.shared.send(&document_id, CoreMessage::EndVisit(Box::new(end)));
    sent.map(|()| told).map_err(|_| HttpError::at_capacity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_those_of_tokens() {
        assert_eq!(user_id("user_123").unwrap(), "user_123");
        assert_eq!(user_id("a%2Fb%20%C3%A9").unwrap(), "a/b é");
        for bad in ["", "%00", "%7f", "%ff", "%", &"x".repeat(129)] {
            assert!(format!("{:?}", user_id(bad).unwrap_err()).contains("user_id"), "{bad:?}");
        }
    }
}

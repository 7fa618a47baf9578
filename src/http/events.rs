//! Event streams (Server-Sent Events): what a WebSocket of a viewer or watcher is told, for who reads HTTP.
//!
//! Unlike a WebSocket's, a refusal is an answer with a status: `EventSource` tries again on its own after a connection
//! is lost, and not after an error.

use std::rc::Rc;

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use jddb_core::room::{EventId, Framing};
use tokio::task::spawn_local;

use super::ask::{check_open, check_there};
use super::caller::{admit, lines};
use super::error::HttpError;
use super::query::Query;
use super::response::{self, HttpResponse};
use super::route::Endpoint;
use super::site::Site;
use super::upgrade::{Entrant, Entry, abandon, reserve, send_patiently};
use super::watch::Watcher;
use crate::auth::Scope;
use crate::connection::{Line, StreamSender, stream};
use crate::cores::{CoreMessage, FeedMessage, Watch};
use crate::jitter;

/// What a reader that was cut has seen last.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// `GET /api/documents/{document_id}/events`.
pub(super) async fn document(site: &Rc<Site>, request: &Parts, segment: &str) -> Result<HttpResponse, HttpError> {
    let seen = last_event_id(request)?;
    if request.method == Method::HEAD {
        check_open(site)?;
        let (_, document_id) = admit(site, request, segment, Scope::DocumentRead)?;
        Query::new(request.uri.query()).dialect()?;
        check_there(site, request, &document_id).await?;
        return Ok(answer_to_head());
    }
    let entrant = Entrant::admit(site, request, segment, Entry::Stream(seen))?;
    let (sender, body) = stream(first_words());
    // A task of its own: hyper drops this request when the client goes, and a reservation must not be dropped with it.
    let entered = spawn_local(enter(Rc::clone(site), entrant, sender)).await;
    entered.map_err(|_| HttpError::internal())??;
    Ok(response::events(body))
}

async fn enter(site: Rc<Site>, entrant: Entrant, sender: StreamSender) -> Result<(), HttpError> {
    let place = reserve(&site, entrant).await?;
    let reservation = place.reservation;
    if send_patiently(&site.shared, reservation.core, place.adopt(Line::Stream(sender))).await.is_err() {
        abandon(&site.shared, reservation).await;
        return Err(HttpError::at_capacity());
    }
    Ok(())
}

/// `GET /api/presence/events` and `GET /api/monitoring/events`.
pub(super) async fn feed(site: &Rc<Site>, request: &Parts, endpoint: Endpoint) -> Result<HttpResponse, HttpError> {
    if request.method == Method::HEAD {
        Watcher::check(site, request, endpoint, "")?;
        return Ok(answer_to_head());
    }
    let Watcher { watching, feed, seat, pass } = Watcher::admit(site, request, endpoint, "", Framing::Events)?;
    let (sender, body) = stream(first_words());
    let core = site.shared.core_for(&watching.connection_id);
    let watch = Box::new(Watch { watching, feed, line: Line::Stream(sender), seat, pass });
    let sent = send_patiently(&site.shared, core, CoreMessage::Feed(FeedMessage::Watch(watch))).await;
    sent.map_err(|_| HttpError::at_capacity())?;
    Ok(response::events(body))
}

/// What HEAD is told of a stream that it would be let in to: nobody comes in by that, and nothing is sent.
fn answer_to_head() -> HttpResponse {
    let (_, body) = stream(first_words());
    response::events(body)
}

/// When to come back after a loss: each client at another moment, so that a restart does not bring all at once.
fn first_words() -> Bytes {
    Bytes::from(format!("retry: {}\n\n", jitter::retry_ms()))
}

/// What the reader has seen last: as the header that `EventSource` sends when it comes back, or as the query's
/// `last_event_id` for the first time, which a page can set.
fn last_event_id(request: &Parts) -> Result<Option<EventId>, HttpError> {
    let expected = "the id of an event, such as 42 or 42.1, once";
    match lines(&request.headers, &hyper::header::HeaderName::from_static("last-event-id"))[..] {
        [] => Ok(Query::new(request.uri.query()).last_event_id()?),
        [text] => EventId::parse(text).map(Some).ok_or_else(|| HttpError::invalid(LAST_EVENT_ID, expected)),
        _ => Err(HttpError::invalid(LAST_EVENT_ID, expected)),
    }
}

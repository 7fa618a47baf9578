//! From a request to a WebSocket that watches the server, `/ws/presence` and `/ws/monitoring`, or on which somebody translates.

use std::rc::Rc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use jddb_core::room::{Framing, JoinRefusal, Translating, Watching};
use jddb_core::translation::ProjectId;
use tokio::task::spawn_local;

use super::caller::authenticate_socket;
use super::error::HttpError;
use super::handshake::Handshake;
use super::ids;
use super::query::Query;
use super::refusal;
use super::response::HttpResponse;
use super::route::Endpoint;
use super::site::Site;
use super::slots::Slot;
use super::upgrade::{send_patiently, take_apart};
use crate::auth::{Identity, Pass, Scope, percent_decode};
use crate::connection::{ArrivedLine, Line};
use crate::cores::{CoreMessage, Feed, FeedMessage, Watch};
use crate::occupancy::Seat;
use crate::transport::Transport;

/// Answers at once: whoever watches is sent everything first, so there is nothing that could be missed.
pub(super) fn feed(
    site: &Rc<Site>,
    slot: Rc<Slot>,
    mut request: Parts,
    body: &Incoming,
    endpoint: Endpoint,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let mut handshake = Handshake::check(&mut request, body)?;
    let compression = if site.shared.config.compression { handshake.take_compression() } else { None };
    let watcher = Watcher::admit(site, &request, endpoint, segment, Framing::WebSocket(compression));
    let (response, upgraded) = handshake.accept();
    spawn_local(enter(Rc::clone(site), slot, watcher, upgraded));
    Ok(response)
}

/// Somebody who may watch.
pub(super) struct Watcher {
    pub(super) watching: Watching,
    pub(super) feed: Feed,
    /// Their place among all connections.
    pub(super) seat: Seat,
    /// By what their token can be revoked.
    pub(super) pass: Pass,
}

impl Watcher {
    /// Who asks, and what they may watch there.
    pub(super) fn check(
        site: &Site,
        request: &Parts,
        endpoint: Endpoint,
        segment: &str,
    ) -> Result<(Identity, Feed), JoinRefusal> {
        if site.is_draining() {
            return Err(refusal::shutting_down());
        }
        let identity = authenticate_socket(site, request)?;
        let feed = feed_for(&identity, Query::new(request.uri.query()), endpoint, segment)?;
        Ok((identity, feed))
    }

    pub(super) fn admit(
        site: &Site,
        request: &Parts,
        endpoint: Endpoint,
        segment: &str,
        framing: Framing,
    ) -> Result<Self, JoinRefusal> {
        let (identity, feed) = Self::check(site, request, endpoint, segment)?;
        let (granted, expiry, pass) = (identity.limits.granted(), identity.expiry(), identity.pass);
        let seat = site.seat(&identity.user_id, &granted)?;
        let user_id = identity.user_id.into();
        let watching = Watching { connection_id: ids::connection_id(), framing, granted, user_id, expiry };
        Ok(Self { watching, feed, seat, pass })
    }
}

/// What the caller may watch at that endpoint; the path's segment names a project where there is one.
fn feed_for(identity: &Identity, query: Query<'_>, endpoint: Endpoint, segment: &str) -> Result<Feed, JoinRefusal> {
    if endpoint == Endpoint::TranslationSocket {
        identity.has(Scope::TranslationRead).map_err(refusal::forbidden)?;
        let name = percent_decode(segment).and_then(|name| ProjectId::new(&name).ok());
        let project = name.ok_or_else(refusal::invalid_project_id)?;
        let languages = query.languages().map_err(refusal::bad_parameter)?;
        let writes = identity.has(Scope::TranslationWrite).is_ok();
        return Ok(Feed::Translation(Box::new(Translating { project, languages, writes })));
    }
    if matches!(endpoint, Endpoint::MonitoringSocket | Endpoint::MonitoringEvents) {
        identity.has(Scope::DocumentAdmin).map_err(refusal::forbidden)?;
        let interval_seconds = query.interval_seconds().map_err(refusal::bad_parameter)?;
        return Ok(Feed::Monitoring { interval_seconds });
    }
    identity.has(Scope::PresenceRead).map_err(refusal::forbidden)?;
    Ok(Feed::Presence(Box::new(identity.clone())))
}

/// Leads a watcher in, or tells them why not.
async fn enter(site: Rc<Site>, slot: Rc<Slot>, watcher: Result<Watcher, JoinRefusal>, upgraded: OnUpgrade) {
    // The client may be gone.
    let socket = upgraded.await.ok().and_then(take_apart);
    if let Some((transport, read)) = socket {
        let refused = match watcher {
            Ok(watcher) => hand_over(&site, watcher, transport, read).await,
            Err(refused) => Some((transport, refused)),
        };
        if let Some((transport, refused)) = refused {
            refusal::refuse(&site, transport, &refused).await;
        }
    }
    drop(slot);
}

/// Gives the connection to the core that its name leads to, or its project's; it comes back if that has too much to do.
async fn hand_over(
    site: &Site,
    watcher: Watcher,
    transport: Transport,
    read: bytes::Bytes,
) -> Option<(Transport, JoinRefusal)> {
    let Watcher { watching, feed, seat, pass } = watcher;
    let parked = match transport.park() {
        Ok(parked) => parked,
        Err(error) => {
            tracing::warn!(%error, "a socket cannot leave its runtime");
            return None;
        }
    };
    let core = match &feed {
        Feed::Translation(translating) => site.shared.core_of_project(&translating.project),
        Feed::Presence(_) | Feed::Monitoring { .. } => site.shared.core_for(&watching.connection_id),
    };
    let watch = Box::new(Watch { watching, feed, line: Line::Socket(parked, read), seat, pass });
    match send_patiently(&site.shared, core, CoreMessage::Feed(FeedMessage::Watch(watch))).await {
        Err(CoreMessage::Feed(FeedMessage::Watch(watch))) => {
            let ArrivedLine::Socket(transport, _) = watch.line.arrive().ok()? else { return None };
            Some((transport, refusal::at_capacity()))
        }
        Ok(()) | Err(_) => None,
    }
}

//! From a request to a WebSocket in a room: a place is reserved, the request answered, the socket handed over.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jddb_core::ids::DocumentId;
use jddb_core::room::{EventId, Framing, Greeting, JoinRefusal, User, palette_color};
use jddb_core::websocket::Compression;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::caller::{authenticate_socket, document_id};
use super::error::HttpError;
use super::handshake::Handshake;
use super::ids;
use super::linger;
use super::query::{BadParameter, Query};
use super::refusal;
use super::response::HttpResponse;
use super::site::Site;
use super::slots::Slot;
use super::socket::Socket;
use crate::auth::{DocumentPattern, Identity, Pass, Scope};
use crate::connection::{ArrivedLine, Line};
use crate::cores::{Adopt, CoreMessage, Reservation, Reserve};
use crate::occupancy::Seat;
use crate::shared::Shared;
use crate::transport::Transport;

/// How often a message about a reservation is offered to a full inbox before it is given up.
const SEND_TRIES: u32 = 20;
/// The time between two tries.
const SEND_PAUSE: Duration = Duration::from_millis(50);

type Answer = oneshot::Receiver<Result<Reservation, JoinRefusal>>;

/// `GET /ws/document/{document_id}`. The answer waits until the caller has a place in the document's room, so that whoever
/// sees it misses nothing; or until it is clear that there is none, and why.
pub(super) async fn document(
    site: &Rc<Site>,
    slot: Rc<Slot>,
    mut request: Parts,
    body: &Incoming,
    segment: &str,
) -> Result<HttpResponse, HttpError> {
    let mut handshake = Handshake::check(&mut request, body)?;
    let compression = if site.shared.config.compression { handshake.take_compression() } else { None };
    let entrant = Entrant::admit(site, &request, segment, Entry::Socket(compression));
    let (response, upgraded) = handshake.accept();
    let (decided, decision) = oneshot::channel();
    // A task of its own: hyper drops this request when the client goes, and a reservation must not be dropped with it.
    spawn_local(enter(Rc::clone(site), slot, entrant, decided, upgraded));
    decision.await.map_err(|_| HttpError::internal())?;
    Ok(response)
}

/// How somebody comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// By a WebSocket, with what of compression was negotiated.
    Socket(Option<Compression>),
    /// As the reader of an event stream, which goes on after what it has seen.
    Stream(Option<EventId>),
}

/// Somebody who may enter a document.
pub(super) struct Entrant {
    reserve: Reserve,
    answer: Answer,
    /// Their place among all connections.
    seat: Seat,
    /// By what their token can be revoked.
    pass: Pass,
    /// The documents that it is limited to.
    documents: Option<Vec<DocumentPattern>>,
}

/// A place in a room that was made for somebody.
pub(super) struct Place {
    pub(super) reservation: Reservation,
    pub(super) seat: Seat,
    pub(super) pass: Pass,
    /// The documents that their token is limited to.
    documents: Option<Vec<DocumentPattern>>,
}

impl Place {
    /// What has the room's core take them in, once something leads to them.
    pub(super) fn adopt(self, line: Line) -> CoreMessage {
        let Self { reservation, seat, pass, documents } = self;
        CoreMessage::Adopt(Box::new(Adopt { reservation, line, seat, pass, documents }))
    }
}

impl Entrant {
    /// Decides all that needs no document.
    pub(super) fn admit(site: &Site, request: &Parts, segment: &str, entry: Entry) -> Result<Self, JoinRefusal> {
        if site.is_draining() {
            return Err(refusal::shutting_down());
        }
        let mut identity = authenticate_socket(site, request)?;
        let invalid_id = |_| refusal::invalid_document_id(site.id_pattern.as_str());
        let document_id = document_id(site, segment).map_err(invalid_id)?;
        let may_edit = identity.allows(Scope::DocumentWrite, document_id.as_str()).is_ok();
        let is_admin = identity.allows(Scope::DocumentAdmin, document_id.as_str()).is_ok();
        identity.allows(Scope::DocumentRead, document_id.as_str()).map_err(refusal::forbidden)?;
        let translates = identity.translates();
        let documents = identity.documents.take();
        let (reply, answer) = oneshot::channel();
        let setting = site.shared.config.greeting;
        let (granted, expiry, pass) = (identity.limits.granted(), identity.expiry(), identity.pass);
        let reserve = |query: Query<'_>| -> Result<Reserve, BadParameter> {
            let (edits, framing, greeting) = match entry {
                Entry::Socket(compression) => {
                    let edits = may_edit && !query.only_views()?;
                    (edits, Framing::WebSocket(compression), query.greeting(setting)?)
                }
                Entry::Stream(seen) => (false, Framing::Events, seen.map_or(Greeting::OnConnect, Greeting::Resume)),
            };
            Ok(Reserve {
                document_id,
                connection_id: ids::connection_id(),
                session_id: ids::session_id(),
                user: user(identity),
                edits,
                is_admin,
                translates,
                dialect: query.dialect()?,
                greeting,
                framing,
                granted,
                expiry,
                reply,
            })
        };
        let reserve = reserve(Query::new(request.uri.query())).map_err(refusal::bad_parameter)?;
        let seat = site.seat(&reserve.user.user_id, &granted)?;
        Ok(Self { reserve, answer, seat, pass, documents })
    }
}

/// A caller as the others in a room see them.
pub(super) fn user(identity: Identity) -> User {
    User {
        color: identity.color.unwrap_or_else(|| palette_color(&identity.user_id).to_owned()).into(),
        display_name: identity.display_name.unwrap_or_else(|| identity.user_id.clone()).into(),
        avatar_url: identity.avatar_url.map(Into::into),
        user_id: identity.user_id.into(),
    }
}

/// Leads an entrant in, or tells them why not.
async fn enter(
    site: Rc<Site>,
    slot: Rc<Slot>,
    entrant: Result<Entrant, JoinRefusal>,
    decided: oneshot::Sender<()>,
    upgraded: OnUpgrade,
) {
    let place = match entrant {
        Ok(entrant) => reserve(&site, entrant).await,
        Err(refused) => Err(refused),
    };
    let socket = match decided.send(()) {
        Ok(()) => upgraded.await.ok().and_then(take_apart),
        // The client is gone.
        Err(()) => None,
    };
    match (place, socket) {
        (Ok(place), Some((transport, read))) => hand_over(&site, place, transport, read).await,
        (Ok(Place { reservation, seat, .. }), None) => {
            drop(seat);
            abandon(&site.shared, reservation).await;
        }
        (Err(refused), Some((transport, _))) => refusal::refuse(&site, transport, &refused).await,
        (Err(_), None) => {}
    }
    drop(slot);
}

/// Asks the document's core for a place in its room.
pub(super) async fn reserve(site: &Site, entrant: Entrant) -> Result<Place, JoinRefusal> {
    let Entrant { reserve, mut answer, seat, pass, documents } = entrant;
    let document_id: DocumentId = reserve.document_id.clone();
    let message = CoreMessage::Reserve(Box::new(reserve));
    site.shared.send(&document_id, message).map_err(|_| refusal::at_capacity())?;
    let answered = timeout(site.answer_timeout, &mut answer).await;
    let answered = answered.unwrap_or_else(|_| {
        tracing::warn!(%document_id, timeout = ?site.answer_timeout, "a core did not answer in time");
        // Closed before it is looked at, so that a reservation is either seen here or fails to be told there.
        answer.close();
        answer.try_recv().map_or_else(|_| Ok(Err(refusal::at_capacity())), Ok)
    });
    match answered {
        Ok(reservation) => Ok(Place { reservation: reservation?, seat, pass, documents }),
        // A core that stops lets go of what it was asked.
        Err(_) if site.is_draining() => Err(refusal::shutting_down()),
        Err(_) => {
            tracing::error!(%document_id, "a core let go of a reservation without an answer");
            Err(refusal::internal())
        }
    }
}

/// A client's offer to speak something else on its connection, whatever that is.
pub(super) struct UpgradeOffer {
    upgraded: OnUpgrade,
    slot: Option<Rc<Slot>>,
}

impl UpgradeOffer {
    /// What a request offers.
    pub(super) fn of(request: &Parts, slot: Option<&Rc<Slot>>) -> Option<Self> {
        let upgraded = request.extensions.get::<OnUpgrade>()?.clone();
        Some(Self { upgraded, slot: slot.map(Rc::clone) })
    }

    /// It is not taken. When the connection is over hyper gives it away all the same, and whoever just drops it takes
    /// back the answer where some of the request's body is unread.
    pub(super) fn refuse(self) {
        let Self { upgraded, slot } = self;
        spawn_local(async move {
            // There is none where the connection has failed, or has made another offer since.
            if let Some((transport, _)) = upgraded.await.ok().and_then(take_apart) {
                linger::close(transport, &[]).await;
            }
            drop(slot);
        });
    }
}

/// What the connection speaks over, and what the client has sent right behind its request.
///
/// The bytes are copied: hyper's buffer, of which they are a part, is not to outlive its connection.
pub(super) fn take_apart(upgraded: Upgraded) -> Option<(Transport, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Socket>>().ok()?;
    Some((parts.io.into_inner().into_transport(), Bytes::copy_from_slice(&parts.read_buf)))
}

/// Gives the connection to the core that keeps the reservation. It leaves this core's runtime for good.
async fn hand_over(site: &Site, place: Place, transport: Transport, read: Bytes) {
    let (shared, reservation) = (&site.shared, place.reservation);
    let parked = match transport.park() {
        Ok(parked) => parked,
        Err(error) => {
            tracing::warn!(%error, "a socket cannot leave its runtime");
            drop(place);
            return abandon(shared, reservation).await;
        }
    };
    let sent = send_patiently(shared, reservation.core, place.adopt(Line::Socket(parked, read))).await;
    if let Err(CoreMessage::Adopt(adopt)) = sent {
        let Adopt { line, seat, .. } = *adopt;
        drop(seat);
        abandon(shared, reservation).await;
        if let Ok(ArrivedLine::Socket(transport, _)) = line.arrive() {
            refusal::refuse(site, transport, &refusal::at_capacity()).await;
        }
    }
}

/// Gives a reservation back.
pub(super) async fn abandon(shared: &Shared, reservation: Reservation) {
    if send_patiently(shared, reservation.core, CoreMessage::Abandon(reservation)).await.is_err() {
        // The core forgets by itself what nobody comes for.
        tracing::warn!(?reservation, "a reservation could not be given back: its core's inbox stays full");
    }
}

/// Sends what must arrive at a core if it can, for about a second.
pub(super) async fn send_patiently(shared: &Shared, core: usize, mut message: CoreMessage) -> Result<(), CoreMessage> {
    for _ in 1..SEND_TRIES {
        match shared.inboxes[core].send(message) {
            Ok(()) => return Ok(()),
            Err(returned) => message = returned,
        }
        sleep(SEND_PAUSE).await;
    }
    shared.inboxes[core].send(message)
}

//! One client's HTTP connection, from its first byte to its last, or to its hand-over. HTTP/1.1 is spoken here.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::answers::HeldAnswers;
use super::head_timer::{HeadTimer, ReadCount};
use super::http2;
use super::linger;
use super::quota::Peer;
use super::service::answer;
use super::site::Site;
use super::slots::Slot;
use super::socket::Socket;
use crate::config::Http;
use crate::progress::Pace;
use crate::transport::Transport;

/// How long a client may take to ask when the server is stopping already.
pub(super) const DISMISSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a connection until it ends or is upgraded. When the server stops, after the request in flight. Of one that is
/// accepted only then the first request is waited for, if it does not take long, since it is to be answered.
pub(super) async fn serve_connection(transport: Transport, site: Rc<Site>, slot: Rc<Slot>) {
    // It fails where the client is gone already.
    let Ok(address) = transport.peer_addr() else { return };
    let peer = Peer { rates: Arc::clone(&site.shared.request_rates), address: address.ip() };
    let comes_too_late = *site.drain.borrow();
    if transport.has_agreed_on_http2() {
        return Box::pin(http2::serve(transport, Bytes::new(), address.ip(), site, slot)).await;
    }
    let reads = ReadCount::default();
    let config = &site.shared.config.http;
    let answers = HeldAnswers::new(&site.answers);
    let socket = Socket::new(transport, reads.clone(), Pace::new(config), Arc::clone(&answers), peer);
    let mut drain = site.drain.clone();
    let mut builder = builder(config, reads.clone());
    if comes_too_late {
        builder.timer(HeadTimer::new(reads, DISMISSAL_TIMEOUT)).keep_alive(false);
    }
    let (service_site, service_slot) = (Rc::clone(&site), Rc::clone(&slot));
    let service = service_fn(move |request| {
        let slot = Some(Rc::clone(&service_slot));
        answer(Rc::clone(&service_site), slot, Arc::clone(&answers), address.ip(), request)
    });
    let mut connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    let mut is_last = comes_too_late;
    let result = loop {
        let ended = tokio::select! {
            result = &mut connection => Some(result),
            _ = drain.wait_for(|draining| *draining), if !is_last => None,
        };
        match ended {
            Some(result) => break result,
            None => {
                is_last = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    // Nothing is left of an upgraded one.
    let Some(parts) = connection.into_parts() else { return };
    let socket = parts.io.into_inner();
    if socket.is_given_up() {
        // The client does not take what it is sent, and the system would keep that for minutes.
        return socket.into_transport().reset();
    }
    if socket.speaks_http2() {
        let (transport, unread) = (socket.into_transport(), parts.read_buf);
        return Box::pin(http2::serve(transport, unread, address.ip(), site, slot)).await;
    }
    let last_words = result.err().and_then(|error| unanswered(&error, &socket, &parts.read_buf));
    let last_words = last_words.map(|status| socket.last_words(status));
    let last_words: Vec<&[u8]> = last_words.iter().map(|bytes| &**bytes).collect();
    linger::close(socket.into_transport(), &last_words).await;
    drop(slot);
}

/// Hyper's settings. At most 100 headers are hyper's own, which cost no allocation.
fn builder(config: &Http, reads: ReadCount) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::new(reads, Duration::from_secs(config.header_timeout_seconds)))
        .header_read_timeout(Duration::from_secs(config.keep_alive_seconds))
        .max_buf_size(config.header_bytes)
        .half_close(false);
    builder
}

/// The status for a client that sent something and has had no answer to it, not even from hyper.
fn unanswered(error: &hyper::Error, socket: &Socket, unread: &[u8]) -> Option<StatusCode> {
    if socket.has_answered_error() {
        None
    } else if error.is_timeout() {
        // An idle connection just ends.
        (!unread.is_empty() || socket.has_withheld()).then_some(StatusCode::REQUEST_TIMEOUT)
    } else {
        error.is_parse().then_some(StatusCode::BAD_REQUEST)
    }
}

//! One client's HTTP/2 connection, on which many requests run at once (RFC 9113).
//!
//! Hyper speaks it, and bounds most of what a client may do. What hyper does not look at is looked at here: `socket` finds
//! a client that does not finish a head, does not read, or floods (`frames`), and `stream` an answer that is not taken.

mod frames;
mod socket;
mod stream;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use self::socket::{SharedSocket, Socket};
use self::stream::{PiecedBody, STREAM, StreamExecutor, Streams};
use super::connection::DISMISSAL_TIMEOUT;
use super::linger;
use super::service::answer;
use super::site::Site;
use super::slots::Slot;
use crate::config::Http;
use crate::progress::Pace;
use crate::transport::Transport;

/// Streams that a client has opened and reset before they were looked at; with one more the connection ends.
const RESETS_UNSEEN_MAX: usize = 20;
/// Streams that were reset since the client broke the protocol on them; with one more the connection ends.
const RESETS_FOR_ERRORS_MAX: usize = 100;
/// What a client may send on one stream beyond what was read of it.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// What it may send so on all streams together.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;
/// The largest frame: the smallest bound that there may be.
const FRAME_BYTES_MAX: u32 = 16 << 10;
/// What of an answer waits for its turn in the connection's queue, which is taken from the answer's own memory where
/// that is there as a whole.
const QUEUED_BYTES_MAX: usize = 64 << 10;
/// Heads so many times as large as `http.header_bytes` are read, to be refused with an answer that says why.
const OVERSIZE_FACTOR: usize = 4;

/// Why a connection is not served any more.
enum End {
    /// It is to end when its requests are answered.
    Leaving,
    /// Nothing is left of it.
    Over,
    /// The client does not take what it is sent.
    GivenUp,
}

/// Serves a connection until it ends. `unread` is what was read of it. When the server stops, it ends after the requests
/// in flight; on one that is accepted only then these are those that arrive at once.
pub(super) async fn serve(transport: Transport, unread: Bytes, address: IpAddr, site: Rc<Site>, slot: Rc<Slot>) {
    let config = &site.shared.config.http;
    let socket = Rc::new(RefCell::new(Socket::new(transport, unread, config)));
    let streams = Streams::new(slot, site.answers.clone(), Pace::new(config));
    let io = TokioIo::new(SharedSocket(Rc::clone(&socket)));
    let service_site = Rc::clone(&site);
    let service = service_fn(move |request| answer_stream(Rc::clone(&service_site), address, request));
    let end = {
        let executor = StreamExecutor(Rc::clone(&streams));
        let mut connection = pin!(builder(config, executor).serve_connection(io, service));
        let end = tokio::select! {
            biased;
            _ = &mut connection => End::Over,
            () = streams.given_up() => End::GivenUp,
            () = until_it_has_to_leave(&streams, &site) => End::Leaving,
        };
        if matches!(end, End::Leaving) {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                _ = &mut connection => End::Over,
                () = streams.given_up() => End::GivenUp,
                // A client that does not confirm that it has heard of the end.
                () = streams.idle(DISMISSAL_TIMEOUT, DISMISSAL_TIMEOUT) => End::Over,
            }
        } else {
            end
        }
    };
    // Hyper has let go of it.
    let Some(socket) = Rc::into_inner(socket) else { return };
    let (transport, is_hopeless) = socket.into_inner().into_transport();
    if is_hopeless || matches!(end, End::GivenUp) {
        transport.reset();
    } else {
        linger::close(transport, &[]).await;
    }
}

/// Ready when nothing was asked for too long, or the server stops.
async fn until_it_has_to_leave(streams: &Streams, site: &Site) {
    let config = &site.shared.config.http;
    let [first, between] = [config.header_timeout_seconds, config.keep_alive_seconds].map(Duration::from_secs);
    let mut drain = site.drain.clone();
    tokio::select! {
        () = streams.idle(first, between) => {}
        // The sender is gone only if the server is.
        _ = drain.wait_for(|draining| *draining) => {}
    }
}

fn builder(config: &Http, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let header_list_bytes = u32::try_from(OVERSIZE_FACTOR * config.header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(executor);
    builder
        .max_concurrent_streams(config.streams)
        .max_pending_accept_reset_streams(RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(RESETS_FOR_ERRORS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(QUEUED_BYTES_MAX)
        .max_header_list_size(header_list_bytes);
    builder
}

/// Answers the request of the stream on which this runs.
async fn answer_stream(
    site: Rc<Site>,
    address: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<PiecedBody>, Infallible> {
    let stream = STREAM.with(Rc::clone);
    let is_head = request.method() == Method::HEAD;
    let answers = Arc::clone(stream.transfer.answers());
    let mut response = answer(site, stream.slot.clone(), answers, address, request).await?;
    if is_head {
        // With HTTP/1.1 hyper does so by itself.
        let body = std::mem::take(response.body_mut());
        if let Some(length) = body.size_hint().exact() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
    }
    Ok(response.map(|body| PiecedBody::new(body, &stream)))
}

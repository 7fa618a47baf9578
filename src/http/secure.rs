//! From a socket to a connection that is encrypted.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jddb_core::protocol::ErrorCode;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{DISMISSAL_TIMEOUT, serve_connection};
use super::error::HttpError;
use super::linger;
use super::quota::Peer;
use super::site::Site;
use super::slots::Slot;
use crate::transport::{ENCRYPTED_BYTES_MAX, Transport, Wire};

/// What a client may send until its handshake is made. A large one is of 4 KiB, and requests may follow it at once.
const HANDSHAKE_BYTES_MAX: usize = 32 << 10;
/// The first byte of all that a client of TLS sends first: a record of the handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// What a connection comes to that is to be encrypted.
enum Opening {
    Made(Transport),
    /// The client does not speak TLS.
    IsPlain(TcpStream),
    Failed(io::Error, Option<TcpStream>),
}

/// Makes the handshake, in the time that the head of a request may take, and serves what comes of it.
pub(super) async fn serve_encrypted(stream: TcpStream, acceptor: TlsAcceptor, site: Rc<Site>, slot: Slot) {
    let time = Duration::from_secs(site.shared.config.http.header_timeout_seconds);
    let mut drain = site.drain.clone();
    let opening = tokio::select! {
        opening = timeout(time, open(stream, &acceptor)) => opening.ok(),
        () = async {
            let _ = drain.wait_for(|draining| *draining).await;
            sleep(DISMISSAL_TIMEOUT).await;
        } => None,
    };
    match opening {
        Some(Opening::Made(transport)) => serve_connection(transport, site, Rc::new(slot)).await,
        Some(Opening::IsPlain(stream)) => turn_away(stream, &site).await,
        Some(Opening::Failed(error, stream)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            if let Some(stream) = stream {
                // For the client to read the alert that says why.
                linger::close(Transport::Plain(stream), &[]).await;
            }
        }
        None => tracing::debug!("a client did not finish its TLS handshake in time"),
    }
}

async fn open(stream: TcpStream, acceptor: &TlsAcceptor) -> Opening {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(0) => return Opening::Failed(io::ErrorKind::UnexpectedEof.into(), None),
        Ok(_) if first[0] != HANDSHAKE_RECORD => return Opening::IsPlain(stream),
        Ok(_) => {}
        Err(error) => return Opening::Failed(error, None),
    }
    let wire = Wire::bounded(stream, HANDSHAKE_BYTES_MAX);
    let accept = acceptor.accept_with(wire, |session| session.set_buffer_limit(Some(ENCRYPTED_BYTES_MAX)));
    match accept.into_fallible().await {
        Ok(mut session) => {
            session.get_mut().0.unbound();
            Opening::Made(Transport::Tls(Box::new(session)))
        }
        Err((error, mut wire)) => Opening::Failed(error, wire.detach().ok()),
    }
}

/// Says what to speak instead.
async fn turn_away(stream: TcpStream, site: &Site) {
    let Ok(address) = stream.peer_addr() else { return };
    let peer = Peer { rates: Arc::clone(&site.shared.request_rates), address: address.ip() };
    let message = "this server takes encrypted connections only: use https:// or wss://";
    let last_words = HttpError::new(ErrorCode::ValidationError, message).to_bytes(peer.count_malformed());
    linger::close(Transport::Plain(stream), &[&last_words]).await;
}

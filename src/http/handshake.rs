//! A request to become a WebSocket, checked, and the answer to it.

use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode, Version};
use jddb_core::protocol::ErrorCode;
use jddb_core::websocket::{Compression, HandshakeError, UpgradeHeaders, accept_upgrade, read_subprotocols};

use super::caller::lines;
use super::error::HttpError;
use super::response::{AnswerBody, HttpResponse};

const OVER_HTTP2: &str = "a WebSocket is opened over HTTP/1.1: connect anew without HTTP/2, over TLS by offering http/1.1 alone \
                          (ALPN), or read the event stream of the same data";

/// A request that can be upgraded.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The connection, once the request is answered.
    pub(super) upgraded: OnUpgrade,
    accept: HeaderValue,
    subprotocol: Option<&'static str>,
    /// What the client offers, as far as it can be taken.
    offered: Option<Compression>,
    /// What was taken of it.
    compression: Option<Compression>,
}

impl Handshake {
    /// Checks the request. Who asks is not looked at.
    ///
    /// # Errors
    /// The request cannot be upgraded.
    pub(super) fn check(request: &mut Parts, body: &Incoming) -> Result<Self, HttpError> {
        if request.version == Version::HTTP_2 {
            // Extended CONNECT (RFC 8441) is not offered, so a client that asks all the same has not looked.
            return Err(HttpError::new(ErrorCode::ValidationError, OVER_HTTP2));
        }
        let headers = &request.headers;
        let accept = accept_upgrade(&UpgradeHeaders {
            upgrade: &lines(headers, &UPGRADE),
            connection: &lines(headers, &CONNECTION),
            version: &lines(headers, &SEC_WEBSOCKET_VERSION),
            key: &lines(headers, &SEC_WEBSOCKET_KEY),
        })?;
        if request.version != Version::HTTP_11 || !body.is_end_stream() {
            return Err(HttpError::invalid("request", "an upgrade by HTTP/1.1, without a body"));
        }
        let offered = Compression::negotiate(&lines(headers, &SEC_WEBSOCKET_EXTENSIONS))?;
        let subprotocol = read_subprotocols(&lines(headers, &SEC_WEBSOCKET_PROTOCOL)).selected;
        let accept = HeaderValue::try_from(accept).map_err(|_| HandshakeError::Key)?;
        let upgraded = request.extensions.remove::<OnUpgrade>().ok_or(HandshakeError::Upgrade)?;
        Ok(Self { upgraded, accept, subprotocol, offered, compression: None })
    }

    /// Accepts messages that are compressed, if the client offers that; to be called where they can be read.
    pub(super) const fn take_compression(&mut self) -> Option<Compression> {
        self.compression = self.offered;
        self.compression
    }

    /// The answer after which the connection speaks WebSocket, and the connection.
    pub(super) fn accept(self) -> (HttpResponse, OnUpgrade) {
        let mut response = Response::new(AnswerBody::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        if let Some(Ok(extensions)) = self.compression.map(|taken| HeaderValue::try_from(taken.to_string())) {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        (response, self.upgraded)
    }
}

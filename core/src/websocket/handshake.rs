//! The opening handshake (RFC 6455 section 4.2): header values in, the answer's values out.
//!
//! Values come as the caller's HTTP library gives them, one `&str` for each line of a header, in
//! order. The method (GET) and the HTTP version are for the caller to check.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// The only protocol version there is (RFC 6455 section 4.1).
pub const VERSION: &str = "13";

/// The subprotocol this server speaks.
pub const SUBPROTOCOL: &str = "jddb.v1";

/// Beside [`SUBPROTOCOL`] a client may offer its token behind this prefix: a browser can set no
/// other header.
const BEARER_PREFIX: &str = "bearer.";

/// Appended to the client's key before it is hashed (RFC 6455 section 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY_BYTES: usize = 16;

/// Some clients draw 22 random characters instead of encoding 16 bytes; their last one has bits to
/// spare.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The lines of the headers that make a request a WebSocket upgrade; a header that is missing has
/// none.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpgradeHeaders<'a> {
    /// `Upgrade`, a list that holds `websocket`.
    pub upgrade: &'a [&'a str],
    /// `Connection`, a list that holds `Upgrade`.
    pub connection: &'a [&'a str],
    /// `Sec-WebSocket-Version`, which is [`VERSION`].
    pub version: &'a [&'a str],
    /// `Sec-WebSocket-Key`, 16 bytes in base64.
    pub key: &'a [&'a str],
}

/// A request that cannot be upgraded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// There is no `Upgrade: websocket`, so the request is not meant for a WebSocket.
    #[error("header Upgrade: expected \"websocket\"; connect with a WebSocket client")]
    Upgrade,
    /// `Connection` does not name `Upgrade`, often a proxy that dropped it.
    #[error("header Connection: expected \"Upgrade\"; a proxy in between must pass it on")]
    Connection,
    /// Another version, or none; the answer names [`VERSION`] in `Sec-WebSocket-Version`.
    #[error("header Sec-WebSocket-Version: expected \"13\", once")]
    Version,
    /// The key is missing, there are several, or it is not 16 bytes in base64.
    #[error("header Sec-WebSocket-Key: expected 16 random bytes in base64, once")]
    Key,
    /// `Sec-WebSocket-Extensions` is not a list as RFC 6455 section 9.1 has it.
    #[error("header Sec-WebSocket-Extensions: expected a list such as \"permessage-deflate; client_max_window_bits\"")]
    Extensions,
}

impl HandshakeError {
    /// The HTTP status to answer with: 426 for another version, else 400.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Version => 426,
            Self::Upgrade | Self::Connection | Self::Key | Self::Extensions => 400,
        }
    }
}

/// Checks an upgrade request (RFC 6455 section 4.2.1); returns the value of `Sec-WebSocket-Accept`.
///
/// # Errors
/// The first header that is not as it must be.
pub fn accept_upgrade(headers: &UpgradeHeaders<'_>) -> Result<String, HandshakeError> {
    if !has_token(headers.upgrade, "websocket") {
        return Err(HandshakeError::Upgrade);
    }
    if !has_token(headers.connection, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    if single(headers.version) != Some(VERSION) {
        return Err(HandshakeError::Version);
    }
    let key = single(headers.key).filter(|key| is_key(key)).ok_or(HandshakeError::Key)?;
    Ok(accept_key(key))
}

/// The value of `Sec-WebSocket-Accept` for that of `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
#[must_use]
pub fn accept_key(sec_websocket_key: &str) -> String {
    let digest = Sha1::new().chain_update(sec_websocket_key).chain_update(ACCEPT_GUID).finalize();
    KEY_BASE64.encode(digest)
}

/// What a client offered in `Sec-WebSocket-Protocol`, as far as it concerns this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubprotocolOffer<'a> {
    /// To be named in the answer; `None` if the client did not offer it, then the answer names
    /// none.
    pub selected: Option<&'static str>,
    /// The token from `bearer.<token>`, not yet checked. It is a secret and is never part of the
    /// answer.
    pub bearer: Option<&'a str>,
}

/// Reads the lines of `Sec-WebSocket-Protocol`. Names are case-sensitive; of several tokens the
/// first counts.
#[must_use]
pub fn read_subprotocols<'a>(lines: &[&'a str]) -> SubprotocolOffer<'a> {
    let mut offer = SubprotocolOffer::default();
    for name in list(lines) {
        if name == SUBPROTOCOL {
            offer.selected = Some(SUBPROTOCOL);
        } else if let Some(token) = name.strip_prefix(BEARER_PREFIX)
            && !token.is_empty()
        {
            offer.bearer.get_or_insert(token);
        }
    }
    offer
}

/// The members of a comma-separated header, over all its lines (RFC 9110 section 5.6.1).
fn list<'a>(lines: &[&'a str]) -> impl Iterator<Item = &'a str> {
    lines.iter().flat_map(|line| line.split(',')).map(trim).filter(|member| !member.is_empty())
}

fn has_token(lines: &[&str], token: &str) -> bool {
    list(lines).any(|member| member.eq_ignore_ascii_case(token))
}

/// The value of a header that must come once.
fn single<'a>(lines: &[&'a str]) -> Option<&'a str> {
    match lines {
        [line] => Some(trim(line)),
        _ => None,
    }
}

/// Optional white space in headers is spaces and tabs (RFC 9110 section 5.6.3).
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

fn is_key(key: &str) -> bool {
    KEY_BASE64.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

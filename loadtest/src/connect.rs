//! Opening a document's WebSocket, until its state has arrived, and reading messages from it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use fastwebsockets::{Frame, OpCode, WebSocket, WebSocketError};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::http::Head;
use crate::scan::{Kind, Scanner, ServerError, excerpt};
use crate::socket::{Socket, Stream};
use crate::target::Endpoint;

/// The longest wait for connection, upgrade and document state together.
const JOIN_WITHIN: Duration = Duration::from_secs(30);
/// Handshakes under way at once: enough to be quick, too few to overflow a listen queue.
const HANDSHAKES_MAX: usize = 32;
/// The sample key of RFC 6455 section 1.3 and its answer: the nonce protects from caches, of which there are none here,
/// and a fixed one costs no hashing.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header by which a client offers compression, as a browser does.
const EXTENSIONS: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// Why a connection could not be had, or ended. The text says what the server said and what it means.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// TCP failed.
    #[error("{0}; is the server running, and may it and this process open so many files?")]
    Io(#[from] io::Error),
    /// Something that is not this protocol.
    #[error("WebSocket protocol: {0}")]
    Protocol(String),
    /// Not upgraded.
    #[error("the upgrade was refused: {0}")]
    NotUpgraded(String),
    /// Closed by the server.
    #[error("closed by the server with {code} {reason:?} ({}){said}", advice(*.code))]
    Closed {
        /// The close code, 1005 if there was none.
        code: u16,
        /// The close reason.
        reason: String,
        /// The `system.error` before it, if any.
        said: String,
    },
    /// No state in time.
    #[error("no document.state within 30 s of connecting; an overloaded server, or one whose greeting is `on-join`")]
    Timeout,
    /// Not upgraded in time.
    #[error("no answer to the upgrade within 30 s; an overloaded server?")]
    NoAnswer,
}

/// What a close code means for whoever runs this.
fn advice(code: u16) -> &'static str {
    match code {
        1001 => "the server is shutting down",
        1008 => "token missing, invalid or expired: check --data or --token",
        1011 => "internal error or storage failure: see the server's log",
        1013 => "this client read too slowly: is the generator short of processor time?",
        4000 => "a limit: connections, messages or editors; fewer of them, or raise the server's limits",
        4001 => "the token lacks the scope or the document",
        4002 => "the document is locked",
        4004 => "no such document, or an id the server does not accept",
        _ => "see the server's log",
    }
}

/// What is to be heard on a WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Feed<'a> {
    /// The document with this id.
    Document(&'a str),
    /// What is translated in the project of this name.
    Translation(&'a str),
    /// How the server is doing.
    Monitoring,
}

/// Which WebSocket to open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The server.
    pub(crate) endpoint: &'a Endpoint,
    /// What is to be heard on it.
    pub(crate) feed: Feed<'a>,
    /// Further query parameters, each beginning with `&`.
    pub(crate) query: &'a str,
    /// The user's token.
    pub(crate) token: &'a str,
    /// The local address to come from, if it matters.
    pub(crate) source: Option<IpAddr>,
    /// Negotiate compression. What is sent is not compressed all the same.
    pub(crate) compression: bool,
    /// How much the kernel may take in before it is read, if not as it likes.
    pub(crate) receive_buffer: Option<u32>,
}

impl<'a> Request<'a> {
    /// An ordinary client's.
    pub(crate) const fn new(endpoint: &'a Endpoint, document: &'a str, token: &'a str) -> Self {
        let feed = Feed::Document(document);
        Self { endpoint, feed, query: "", token, source: None, compression: false, receive_buffer: None }
    }

    /// A translator's, who gives the languages in `query`.
    pub(crate) const fn translation(endpoint: &'a Endpoint, project: &'a str, query: &'a str, token: &'a str) -> Self {
        Self { feed: Feed::Translation(project), query, ..Self::new(endpoint, "", token) }
    }

    /// An administrator's, who asks how the server is doing.
    pub(crate) const fn monitoring(endpoint: &'a Endpoint, token: &'a str) -> Self {
        Self { feed: Feed::Monitoring, ..Self::new(endpoint, "", token) }
    }
}

/// A joined document.
pub(crate) struct Joined {
    /// The connection.
    pub(crate) socket: Socket,
    /// The document as it was.
    pub(crate) state: State,
}

/// The parts of `document.state` that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    /// The document's version.
    pub(crate) version: u64,
    /// Its texts.
    pub(crate) content: Content,
    /// The limits in force, where they are told.
    #[serde(default)]
    pub(crate) limits: serde_json::Value,
}

/// `content` of a document.
#[derive(Debug, Deserialize)]
pub(crate) struct Content {
    /// Text by section.
    pub(crate) sections: std::collections::BTreeMap<String, String>,
}

impl State {
    /// Reads a `document.state` message.
    pub(crate) fn from_message(message: &[u8]) -> Result<Self, ConnectionError> {
        #[derive(Deserialize)]
        struct Message {
            payload: State,
        }
        serde_json::from_slice(message)
            .map(|Message { payload }| payload)
            .map_err(|error| ConnectionError::Protocol(format!("document.state {}: {error}", excerpt(message))))
    }

    /// The text of `section`, empty if it does not exist.
    pub(crate) fn section(&self, section: &str) -> &str {
        self.content.sections.get(section).map_or("", String::as_str)
    }
}

/// Connects, upgrades, and waits for the document's state.
pub(crate) async fn join(request: Request<'_>, scanner: &Scanner) -> Result<Joined, ConnectionError> {
    let joining = async {
        let mut socket = open(request).await?;
        let state = first_state(&mut socket.reader, scanner).await?;
        Ok(Joined { socket, state })
    };
    tokio::time::timeout(JOIN_WITHIN, joining).await.unwrap_or(Err(ConnectionError::Timeout))
}

/// Makes the connections with these numbers, as many at once as a listen queue holds; hands over each when it stands.
pub(crate) async fn join_each<J>(
    mut numbers: Range<usize>,
    join: impl Fn(usize) -> J,
    mut take: impl FnMut(usize, Joined),
) -> Result<(), Failure>
where
    J: Future<Output = Result<Joined, ConnectionError>> + 'static,
{
    let mut joining = JoinSet::new();
    loop {
        while joining.len() < HANDSHAKES_MAX
            && let Some(number) = numbers.next()
        {
            let joined = join(number);
            joining.spawn_local(async move { (number, joined.await) });
        }
        let Some(joined) = joining.join_next().await else { return Ok(()) };
        let (number, joined) = joined.map_err(|error| Failure::run("connecting", error))?;
        take(number, joined.map_err(|error| Failure::run(format!("connecting client {number}"), error))?);
    }
}

/// Connects and upgrades; nothing is waited for after that.
pub(crate) async fn open_in_time(request: Request<'_>) -> Result<Socket, ConnectionError> {
    tokio::time::timeout(JOIN_WITHIN, open(request)).await.unwrap_or(Err(ConnectionError::NoAnswer))
}

async fn open(request: Request<'_>) -> Result<Socket, ConnectionError> {
    if let Some(encryption) = &request.endpoint.encryption {
        let request = Request { compression: false, ..request };
        let mut stream = encryption.connect(dial(request).await?).await?;
        let early = shake_hands(&mut stream, request).await?;
        return Ok(Socket::encrypted(stream, early));
    }
    let (tcp, early) = upgrade(request).await?;
    Ok(if request.compression { Socket::compressed(tcp, &early)? } else { Socket::new(tcp, early) })
}

/// Connects and upgrades, without encryption; the bare connection, and what was read behind the answer.
pub(crate) async fn upgrade(request: Request<'_>) -> Result<(TcpStream, Vec<u8>), ConnectionError> {
    let mut tcp = dial(request).await?;
    let early = shake_hands(&mut tcp, request).await?;
    Ok((tcp, early))
}

/// Upgrades; what was read behind the answer.
async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: Request<'_>,
) -> Result<Vec<u8>, ConnectionError> {
    let Request { endpoint, feed, query, token, source: _, compression, receive_buffer: _ } = request;
    let extensions = if compression { EXTENSIONS } else { "" };
    let path = match feed {
        Feed::Document(id) => format!("/ws/document/{id}"),
        Feed::Translation(project) => format!("/ws/translation/{project}"),
        Feed::Monitoring => "/ws/monitoring".to_owned(),
    };
    let upgrade = format!(
        "GET {path}?token={token}{query} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n",
        endpoint.host
    );
    stream.write_all(upgrade.as_bytes()).await?;
    stream.flush().await?;
    let head = Head::read(stream).await?;
    if head.status() != 101 {
        let answer = format!("{} {}", head.status_line(), excerpt(&head.rest));
        return Err(ConnectionError::NotUpgraded(answer));
    }
    if head.header("sec-websocket-accept") != Some(ACCEPT) {
        let wrong = "the answer's Sec-WebSocket-Accept does not match the key".to_owned();
        return Err(ConnectionError::NotUpgraded(wrong));
    }
    if compression && head.header("sec-websocket-extensions").is_none() {
        return Err(ConnectionError::NotUpgraded("the server did not take the compression it was offered".to_owned()));
    }
    Ok(head.rest)
}

async fn dial(request: Request<'_>) -> io::Result<TcpStream> {
    let Request { endpoint: Endpoint { address, .. }, source, receive_buffer, .. } = request;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let tcp = socket.connect(*address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Reads until `document.state`; an error on the way is told with the close that follows it.
async fn first_state(reader: &mut WebSocket<Stream>, scanner: &Scanner) -> Result<State, ConnectionError> {
    let mut errors = String::new();
    loop {
        match message(reader).await {
            Ok(frame) => match scanner.kind(&frame.payload) {
                Kind::State => return State::from_message(&frame.payload),
                Kind::Error => errors = format!(" after {}", ServerError::describe(&frame.payload)),
                Kind::Change | Kind::Ack | Kind::Sync | Kind::Other => {}
            },
            Err(ConnectionError::Closed { code, reason, said: _ }) => {
                return Err(ConnectionError::Closed { code, reason, said: errors });
            }
            Err(other) => return Err(other),
        }
    }
}

/// The next text message. Must be driven to its end: a dropped read loses bytes.
pub(crate) async fn message(reader: &mut WebSocket<Stream>) -> Result<Frame<'static>, ConnectionError> {
    loop {
        let frame: Frame<'static> = match reader.read_frame().await {
            Ok(frame) => frame,
            Err(WebSocketError::IoError(error)) => return Err(ConnectionError::Io(error)),
            Err(other) => return Err(ConnectionError::Protocol(other.to_string())),
        };
        match frame.opcode {
            OpCode::Text if frame.fin => return Ok(frame),
            OpCode::Close => return Err(closed(&frame.payload)),
            OpCode::Ping | OpCode::Pong => {}
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {
                let expected = "expected whole text messages, got a fragment or a binary frame";
                return Err(ConnectionError::Protocol(expected.to_owned()));
            }
        }
    }
}

fn closed(payload: &[u8]) -> ConnectionError {
    const NO_STATUS: u16 = 1005;
    let (code, reason) = match payload {
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), excerpt(reason)),
        _ => (NO_STATUS, String::new()),
    };
    ConnectionError::Closed { code, reason, said: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_tells_code_reason_and_advice() {
        let error = closed(b"\x0f\xa0connection limit");
        let text = error.to_string();
        assert!(text.contains("4000") && text.contains("connection limit"), "{text}");
        assert!(text.contains("a limit"), "{text}");
        assert!(closed(b"").to_string().contains("1005"));
    }

    #[test]
    fn a_state_with_a_section_called_version() {
        let message = br#"{"type":"document.state","payload":{"content":{"sections":{"version":"x"}},"version":7}}"#;
        let state = State::from_message(message).unwrap();
        assert_eq!((state.version, state.section("version")), (7, "x"));
        assert_eq!(state.section("body"), "");
        assert!(State::from_message(b"{}").is_err());
    }
}

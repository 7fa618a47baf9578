//! WebSocket connections: fastwebsockets reads, what is written may be anything.
//!
//! A task of its own reads each connection, so that no read is dropped half-way and the server is
//! never held up by a test that looks elsewhere. Answers to pings and closes go out in between.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use fastwebsockets::{FragmentCollector, Frame, OpCode, Role, WebSocket};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::http::{self, Answer};
use super::{described, within};

/// The largest message accepted: the largest document, JSON-escaped.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Received {
    /// A message.
    Message(Value),
    /// The server closed, with a code and a reason.
    Closed(u16, String),
    /// The connection ended without a close.
    Lost,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    incoming: mpsc::UnboundedReceiver<Received>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    seen_ahead: VecDeque<Received>,
}

impl Socket {
    /// Opens a connection to `target` (path and query), with more header lines if need be.
    ///
    /// # Errors
    /// The server cannot be reached, or answers something else than 101: `Err(Ok(answer))`.
    pub(crate) async fn try_open(port: u16, target: &str, headers: &str) -> Result<Self, io::Result<Answer>> {
        let (stream, answer) = upgrade(port, target, headers).await.map_err(Err)?;
        if answer.status != 101 {
            return Err(Ok(answer));
        }
        // RFC 6455, section 1.3: the answer to the key of its example.
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Ok(Self::start(stream, answer.body))
    }

    /// A connection that was upgraded, and what was read of it since.
    pub(crate) fn start<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S, early: Vec<u8>) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (outgoing, to_write) = mpsc::unbounded_channel();
        let (received, incoming) = mpsc::unbounded_channel();
        let stream = Stream { early, read, outgoing: outgoing.clone() };
        tokio::spawn(write_all(write, to_write));
        tokio::spawn(read_all(stream, received));
        Self { incoming, outgoing, seen_ahead: VecDeque::new() }
    }

    /// Opens a connection that has to be upgraded.
    pub(crate) async fn open(port: u16, target: &str) -> Self {
        let opened = within("an upgrade", Self::try_open(port, target, "")).await;
        opened.unwrap_or_else(|error| panic!("{target}: no WebSocket: {error:?}"))
    }

    /// Opens a document.
    pub(crate) async fn document(port: u16, document: &str, token: &str) -> Self {
        Self::open(port, &format!("/ws/document/{document}?token={token}")).await
    }

    /// Opens a document and reads its state.
    pub(crate) async fn joined(port: u16, document: &str, token: &str) -> (Self, Value) {
        let mut socket = Self::document(port, document, token).await;
        let state = socket.message().await;
        assert_eq!(state["type"], "document.state", "{state}");
        (socket, state["payload"].clone())
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: &Value) {
        self.send_text(&message.to_string());
    }

    /// Sends a text message of any content.
    pub(crate) fn send_text(&self, text: &str) {
        self.send_bytes(frame(0x81, Some(MASK), text.as_bytes()));
    }

    /// Sends any bytes, a frame or not.
    pub(crate) fn send_bytes(&self, bytes: Vec<u8>) {
        // If the connection has ended, the next read says so.
        let _ = self.outgoing.send(bytes);
    }

    /// What comes in next, however long it takes.
    ///
    /// It may be dropped before it is done; nothing is lost then.
    pub(crate) async fn receive_any(&mut self) -> Received {
        match self.seen_ahead.pop_front() {
            Some(received) => received,
            None => self.incoming.recv().await.unwrap_or(Received::Lost),
        }
    }

    /// What comes in next.
    pub(crate) async fn receive(&mut self) -> Received {
        within("a message", self.receive_any()).await
    }

    /// What has come in next already, if anything has; it stays the next.
    pub(crate) fn peek(&mut self) -> Option<&Received> {
        if self.seen_ahead.is_empty() {
            self.seen_ahead.extend(self.incoming.try_recv());
        }
        self.seen_ahead.front()
    }

    /// The next message; fails if there is none because the connection has ended.
    pub(crate) async fn message(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            ended => panic!("expected a message, the connection ended: {ended:?}"),
        }
    }

    /// The next message of that type; others before it are passed over.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The payload of the next `system.error`, which has to have this code; others are passed over.
    pub(crate) async fn error(&mut self, code: &str) -> Value {
        let error = self.next("system.error").await["payload"].clone();
        assert_eq!(error["error_code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        error
    }

    /// All messages until the end of the connection, and the code and reason of its close.
    pub(crate) async fn closed(&mut self) -> (Vec<Value>, u16, String) {
        let mut messages = Vec::new();
        loop {
            match self.receive().await {
                Received::Message(message) => messages.push(message),
                Received::Closed(code, reason) => return (messages, code, reason),
                Received::Lost => panic!("the connection ended without a close frame, after {messages:?}"),
            }
        }
    }
}

/// Asks for an upgrade; returns what was answered, and the bare connection.
///
/// # Errors
/// The server cannot be reached, or does not answer.
pub(crate) async fn upgrade(port: u16, target: &str, headers: &str) -> io::Result<(TcpStream, Answer)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&upgrade_request(port, target, headers)).await?;
    let answer = http::read_upgrade(&mut stream).await?;
    Ok((stream, answer))
}

/// The request for an upgrade.
pub(crate) fn upgrade_request(port: u16, target: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// Any mask would do.
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame (RFC 6455, section 5.2) with its first byte, mask and payload as given.
pub(crate) fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame_head(first, mask, u64::try_from(payload.len()).expect("a length fits"));
    let mask = mask.unwrap_or_default();
    bytes.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
    bytes
}

/// The head of a frame that announces `length` bytes.
pub(crate) fn frame_head(first: u8, mask: Option<[u8; 4]>, length: u64) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => bytes.push(masked | length),
        (_, Ok(length)) => {
            bytes.push(masked | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    bytes
}

/// Writes what is in the queue, up to an empty entry.
async fn write_all<S: AsyncWrite>(mut half: WriteHalf<S>, mut to_write: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = to_write.recv().await {
        if bytes.is_empty() || half.write_all(&bytes).await.is_err() || half.flush().await.is_err() {
            break;
        }
    }
    // If the connection has ended there is nothing to end.
    let _ = half.shutdown().await;
}

async fn read_all<S: AsyncRead + Send + 'static>(stream: Stream<S>, received: mpsc::UnboundedSender<Received>) {
    let outgoing = stream.outgoing.clone();
    let mut websocket = WebSocket::after_handshake(stream, Role::Client);
    websocket.set_max_message_size(MESSAGE_BYTES_MAX);
    let mut frames = FragmentCollector::new(websocket);
    let end = loop {
        match frames.read_frame().await {
            Ok(frame) if frame.opcode == OpCode::Text => {
                let message: Value = serde_json::from_slice(&frame.payload).expect("the server sends JSON");
                described::check_message(&message);
                if received.send(Received::Message(message)).is_err() {
                    return;
                }
            }
            Ok(frame) if frame.opcode == OpCode::Close => break closed(&frame),
            Ok(frame) if frame.opcode == OpCode::Binary => panic!("the server sent a binary message"),
            Ok(_) => {}
            Err(_) => break Received::Lost,
        }
    };
    // Nobody may be listening any more, and that is fine. Nothing is written after the answer to a close.
    let _ = received.send(end);
    let _ = outgoing.send(Vec::new());
}

fn closed(frame: &Frame<'_>) -> Received {
    match &*frame.payload {
        [high, low, reason @ ..] => {
            let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
            Received::Closed(u16::from_be_bytes([*high, *low]), reason)
        }
        // RFC 6455, section 7.1.5: no code was sent.
        _ => Received::Closed(1005, String::new()),
    }
}

/// Reads from the socket; writes, each of them a whole frame, into the queue of the task that writes.
struct Stream<S> {
    early: Vec<u8>,
    read: ReadHalf<S>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
}

impl<S: AsyncRead> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.read).poll_read(context, buffer);
        }
        let taken = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..taken]);
        self.early.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl<S> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.outgoing.send(bytes.to_vec());
        Poll::Ready(sent.map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

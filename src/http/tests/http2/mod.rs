//! HTTP/2 by its frames: clients that attack, and those that only do what is allowed.

mod floods;
mod requests;
mod slow;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Front, Reply};
use crate::http::preface::PREFACE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame's bytes.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header as HPACK writes it that uses no table, but for the names of the static one (RFC 7541, appendix A).
fn field(name: &str, value: &str) -> Vec<u8> {
    let number = |length: usize| {
        let Ok(short @ ..127) = u8::try_from(length) else {
            let mut rest = length - 127;
            let mut number = vec![127];
            while rest >= 128 {
                number.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            number.push(u8::try_from(rest).unwrap());
            return number;
        };
        vec![short]
    };
    [&[0][..], &number(name.len()), name.as_bytes(), &number(value.len()), value.as_bytes()].concat()
}

/// The header block of a request.
fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", target)];
    pseudo.iter().chain(headers).flat_map(|(name, value)| field(name, value)).collect()
}

/// A whole request without a body.
fn get(stream: u32, target: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", target, &[]))
}

/// What the server sent.
#[derive(Debug)]
struct Sent {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Sent {
    /// The error that a stream, or the connection, ends with.
    fn error(&self) -> Option<u32> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap()))
    }

    fn is(&self, kind: u8, stream: u32) -> bool {
        (self.kind, self.stream) == (kind, stream)
    }

    /// Whether it is the last frame of an answer.
    fn ends(&self, stream: u32) -> bool {
        self.stream == stream && (self.kind == RST_STREAM || self.flags & END_STREAM > 0)
    }
}

/// A client that writes frames as it likes.
struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
    is_reset: bool,
}

impl Raw {
    /// One that has said nothing yet.
    async fn silent(front: &Front) -> Self {
        Self { stream: front.connect().await, read: Vec::new(), is_reset: false }
    }

    /// One that has begun as it should, with these settings.
    async fn with(front: &Front, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::silent(front).await;
        let pairs = settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
        let pairs: Vec<u8> = pairs.collect();
        raw.write(&[PREFACE, &frame(SETTINGS, 0, 0, &pairs)].concat()).await;
        raw
    }

    async fn start(front: &Front) -> Self {
        Self::with(front, &[]).await
    }

    /// Writes what the server still takes.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame; none when the connection has ended.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(head) = self.read.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if self.read.len() >= 9 + length {
                    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                    let (kind, flags) = (head[3], head[4]);
                    let payload = self.read.drain(..9 + length).skip(9).collect();
                    return Some(Sent { kind, flags, stream, payload });
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(_) => {
                    self.is_reset = true;
                    return None;
                }
            }
        }
    }

    /// The next frame that is wanted.
    async fn next_that(&mut self, wanted: impl Fn(&Sent) -> bool) -> Sent {
        loop {
            let sent = self.next().await.expect("the connection goes on");
            if wanted(&sent) {
                return sent;
            }
        }
    }

    /// All frames until the connection ends.
    async fn rest(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(sent) = self.next().await {
            all.push(sent);
        }
        all
    }

    /// The body of an answer, whose connection goes on.
    async fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let sent = self.next_that(|sent| sent.stream == stream).await;
            assert_eq!(sent.error(), None, "{sent:?}");
            if sent.kind == DATA {
                body.extend_from_slice(&sent.payload);
            }
            if sent.ends(stream) {
                return body;
            }
        }
    }

    /// Whether the connection still serves.
    async fn serves(&mut self, stream: u32) -> bool {
        self.write(&get(stream, "/healthz")).await;
        self.body(stream).await == br#"{"status":"ok"}"#
    }
}

/// A client that knows what it does.
struct Client {
    send: h2::client::SendRequest<bytes::Bytes>,
}

impl Client {
    async fn connect(front: &Front) -> Self {
        let (send, connection) = h2::client::handshake(front.connect().await).await.unwrap();
        tokio::task::spawn_local(connection);
        Self { send: send.ready().await.unwrap() }
    }

    /// The answer to a request with these headers and this body.
    async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let uri = hyper::Uri::builder().scheme("http").authority("test").path_and_query(target).build().unwrap();
        let mut request = hyper::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.send.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(bytes::Bytes::from(body.to_owned()), true).unwrap();
        }
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        let mut text = format!("HTTP/2.0 {}", head.status.as_u16());
        for (name, value) in &head.headers {
            text += &format!("\n{name}: {}", value.to_str().unwrap());
        }
        Reply { status: head.status.as_u16(), head: text, body: bytes }
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], "").await
    }
}

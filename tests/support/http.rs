//! Just enough HTTP/1.1 to ask the server something, rightly or wrongly.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{described, within};

/// What the server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What came by another way than HTTP/1.1; names are in lower case.
    pub(crate) fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    /// Reads the head of an answer; what was read behind it is its `body` so far. `None` if it is cut off.
    fn parse_head(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pairs = lines.filter_map(|line| line.split_once(':'));
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    /// The header of that (lower case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {text:?}", self.status))
    }

    /// The body of an answer that has to be a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The `error` of an answer that has to be a failure in the reference's form.
    pub(crate) fn error(&self, status: u16, code: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        let error = self.json()["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["details"].is_object(), "{error}");
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{error}");
        assert!(error["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{error}");
        let time = error["timestamp"].as_str().unwrap_or_default();
        assert!(time.ends_with('Z') && time.as_bytes().get(10) == Some(&b'T'), "{error}");
        error
    }

    fn is_complete(&self) -> bool {
        match self.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => self.body.len() >= length,
            _ => self.status == 304,
        }
    }
}

/// Sends these bytes on a connection of their own, and reads one answer.
///
/// # Errors
/// The connection failed, or ended before a whole answer.
pub(crate) async fn try_exchange(port: u16, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // A server that refuses early may close before it has read all; what it answered still counts.
    let written = stream.write_all(request).await;
    let answer = read_answer(&mut stream).await;
    match &answer {
        Ok(answer) => described::check_answer(request, answer),
        Err(_) => written?,
    }
    answer
}

/// Reads one answer.
///
/// # Errors
/// The connection failed, or ended before a whole answer.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    read_until(stream, Answer::is_complete).await
}

/// Reads one answer, as far as it goes before the protocol is switched if it is (RFC 9110, section 15.2.2).
///
/// # Errors
/// The connection failed, or ended before a whole answer.
pub(crate) async fn read_upgrade(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    read_until(stream, |answer| answer.status == 101 || answer.is_complete()).await
}

/// Reads the head of an answer whose body may have no end; what was read of that is its `body`.
///
/// # Errors
/// The connection failed, or ended before a whole head.
pub(super) async fn read_head(stream: &mut TcpStream) -> io::Result<Answer> {
    read_until(stream, |answer| answer.status == 200 || answer.is_complete()).await
}

async fn read_until(
    stream: &mut (impl AsyncRead + Unpin),
    is_complete: impl Fn(&Answer) -> bool,
) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        let ended = match stream.read_buf(&mut bytes).await {
            Ok(count) => count == 0,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
            Err(error) => return Err(error),
        };
        let answer = Answer::parse_head(&bytes);
        match answer {
            Some(answer) if ended || is_complete(&answer) => return Ok(answer),
            None if ended => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Err(io::Error::other(format!("the connection ended before an answer: {text:?}")));
            }
            _ => {}
        }
    }
}

/// A GET without a token.
///
/// # Errors
/// There was no answer.
pub(crate) async fn try_get(port: u16, path: &str) -> io::Result<Answer> {
    try_exchange(port, request("GET", path, None, None).as_slice()).await
}

/// Sends these bytes and reads one answer.
pub(crate) async fn exchange(port: u16, bytes: &[u8]) -> Answer {
    within("an answer", try_exchange(port, bytes)).await.expect("an answer")
}

/// A GET.
pub(crate) async fn get(port: u16, path: &str, token: &str) -> Answer {
    exchange(port, &request("GET", path, Some(token), None)).await
}

/// A POST of JSON.
pub(crate) async fn post(port: u16, path: &str, token: &str, body: &Value) -> Answer {
    exchange(port, &request("POST", path, Some(token), Some(body))).await
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Vec<u8> {
    request_with(method, path, token, "", body)
}

/// The same with more header lines, each with its end.
pub(crate) fn request_with(
    method: &str,
    path: &str,
    token: Option<&str>,
    headers: &str,
    body: Option<&Value>,
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}");
    if let Some(token) = token {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body.as_bytes()].concat()
}

/// The text of a document's sections, one after the other, and its version.
pub(crate) async fn state(port: u16, document: &str, token: &str) -> (u64, Value) {
    try_state(port, document, token).await.unwrap_or_else(|| panic!("{document} is not there"))
}

/// The same; `None` if it is not there.
pub(crate) async fn try_state(port: u16, document: &str, token: &str) -> Option<(u64, Value)> {
    let answer = get(port, &format!("/api/documents/{document}/state"), token).await;
    if answer.status != 200 {
        return None;
    }
    let state = answer.json();
    Some((state["version"].as_u64().expect("a version"), state["content"]["sections"].clone()))
}

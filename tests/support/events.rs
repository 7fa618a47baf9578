//! A reader of event streams as the HTML standard has it, which may be cut at any byte.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::http::{Answer, read_head};
use super::{described, within};

/// Bytes of a receive buffer that is soon full, in which Linux keeps twice as many.
const SMALL_BUFFER_BYTES: u32 = 4_096;

/// What was dispatched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// The id that came with it.
    pub(crate) id: Option<String>,
    /// Its data.
    pub(crate) message: Value,
}

/// How to ask for a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask<'a> {
    /// Path and query.
    pub(crate) target: &'a str,
    /// The token.
    pub(crate) token: &'a str,
    /// The event that was seen last.
    pub(crate) last_event_id: Option<&'a str>,
    /// Whether the system is to keep little of what is not read.
    pub(crate) slowly: bool,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    stream: TcpStream,
    head: Answer,
    /// What was read and is not part of the body yet.
    raw: Vec<u8>,
    /// Bytes left of a chunk.
    chunk_left: usize,
    /// The body, up to its last whole line.
    body: Vec<u8>,
    /// Bytes of the body that are still read before the reader is cut.
    left: usize,
    dispatched: VecDeque<Event>,
    id: Option<String>,
    data: Option<String>,
    /// The fields `retry`.
    pub(crate) retries: Vec<u64>,
    /// The comments.
    pub(crate) comments: Vec<String>,
    /// The id of the last event that was dispatched with one.
    pub(crate) last_event_id: Option<String>,
    /// Whether the stream ended as it should.
    pub(crate) is_whole: bool,
}

impl EventStream {
    /// Asks for a stream; the answer if that is another one.
    pub(crate) async fn try_open(port: u16, ask: &Ask<'_>) -> Result<Self, Answer> {
        let opened = async {
            let socket = TcpSocket::new_v4().expect("a socket");
            if ask.slowly {
                socket.set_recv_buffer_size(SMALL_BUFFER_BYTES).expect("a buffer can be small");
            }
            let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("the server listens");
            let seen = ask.last_event_id.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n{seen}\r\n",
                ask.target, ask.token
            );
            stream.write_all(request.as_bytes()).await.expect("the server reads");
            let head = read_head(&mut stream).await.expect("an answer");
            (stream, head)
        };
        let (stream, head) = within("an answer", opened).await;
        if head.status != 200 {
            return Err(head);
        }
        Ok(Self {
            raw: head.body.clone(),
            stream,
            head,
            chunk_left: 0,
            body: Vec::new(),
            left: usize::MAX,
            dispatched: VecDeque::new(),
            id: None,
            data: None,
            retries: Vec::new(),
            comments: Vec::new(),
            last_event_id: None,
            is_whole: false,
        })
    }

    /// Asks for a stream that has to be given.
    pub(crate) async fn open(port: u16, ask: &Ask<'_>) -> Self {
        Self::try_open(port, ask).await.unwrap_or_else(|answer| panic!("{ask:?}: no stream: {answer:?}"))
    }

    /// Reads so many bytes more and no further.
    pub(crate) fn cut_after(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The next event; `None` once the stream has ended, or is cut.
    pub(crate) async fn next_any(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.dispatched.pop_front() {
                return Some(event);
            }
            if self.left == 0 || self.is_whole {
                return None;
            }
            if !self.take_chunk() && !self.read_on().await {
                return None;
            }
        }
    }

    /// Reads more of the connection; false if there is no more.
    async fn read_on(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.raw.extend_from_slice(&bytes[..count]);
                true
            }
        }
    }

    /// Reads on until there is one more comment; events that come before it are still the next.
    pub(crate) async fn next_comment(&mut self) {
        let before = self.comments.len();
        let reading = async {
            while self.comments.len() == before {
                assert!(self.take_chunk() || self.read_on().await, "the stream ended");
            }
        };
        within("a comment", reading).await;
    }

    /// The same, but not for long.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        within("an event", self.next_any()).await
    }

    /// The next message of that type.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event.message["type"] == kind {
                return event;
            }
        }
    }

    /// Takes what was read of a chunk into the body; false if more has to be read for that.
    fn take_chunk(&mut self) -> bool {
        if self.chunk_left == 0 {
            // The line end behind the last chunk, if there was one.
            let from = if self.raw.starts_with(b"\r\n") { 2 } else { 0 };
            let Some(end) = self.raw[from..].windows(2).position(|two| two == b"\r\n") else { return false };
            let length = std::str::from_utf8(&self.raw[from..from + end]).expect("a chunk's length is text");
            self.chunk_left = usize::from_str_radix(length, 16).expect("a chunk's length is hexadecimal");
            self.raw.drain(..from + end + 2);
            self.is_whole = self.chunk_left == 0;
            return true;
        }
        let count = self.chunk_left.min(self.raw.len()).min(self.left);
        if count == 0 {
            return false;
        }
        self.body.extend(self.raw.drain(..count));
        (self.chunk_left, self.left) = (self.chunk_left - count, self.left - count);
        while let Some(end) = self.body.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.body.drain(..=end).collect();
            self.take_line(std::str::from_utf8(&line[..end]).expect("an event stream is UTF-8"));
        }
        true
    }

    fn take_line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => self.dispatch(),
            "" => self.comments.push(value.to_owned()),
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                assert!(self.data.is_none(), "an event has one line of data");
                self.data = Some(value.to_owned());
            }
            "retry" => self.retries.push(value.parse().expect("retry is a number of milliseconds")),
            other => panic!("the field {other:?} is not one of ours"),
        }
    }

    fn dispatch(&mut self) {
        let id = self.id.take();
        if id.is_some() {
            self.last_event_id.clone_from(&id);
        }
        let Some(data) = self.data.take() else { return };
        let message: Value = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
        described::check_message(&message);
        self.dispatched.push_back(Event { id, message });
    }
}

//! One connection that is kept alive: a request, its whole answer, the next request.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock;
use crate::edit::Window;
use crate::failure::Failure;
use crate::histogram::Latencies;
use crate::scan::{digits, excerpt};
use crate::target::Endpoint;

/// Room for an answer, which grows as need be.
const ANSWER_BYTES: usize = 32 << 10;

/// What the connections of one thread count.
#[derive(Debug)]
pub(super) struct Tally {
    /// From a request to the end of its answer, of those that were answered in the measured time.
    pub(super) latencies: Latencies,
    /// All that were answered, those before included.
    pub(super) answered: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { latencies: Latencies::new()?, answered: 0 })
    }

    /// Adds another thread's counts.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), Failure> {
        self.answered += other.answered;
        self.latencies.merge(&other.latencies)
    }
}

/// A request as it is sent again and again: `GET`, or `POST` with a body.
pub(super) fn request(endpoint: &Endpoint, path: &str, token: &str, body: Option<&str>) -> Vec<u8> {
    let host = &endpoint.host;
    let method = if body.is_some() { "POST" } else { "GET" };
    let content = body.map_or_else(String::new, |body| {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    });
    let body = body.unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{content}\r\n{body}")
        .into_bytes()
}

/// A connection, and what was read from it.
pub(super) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = TcpStream::connect(endpoint.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(ANSWER_BYTES) })
    }

    /// Sends the request and reads its answer, which has to be a 200; its body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let body = loop {
            if let Some(end) = memchr::memmem::find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let end = body + content_length(&self.answer[..body])?;
        while self.answer.len() < end {
            self.read().await?;
        }
        if self.answer.len() > end || !self.answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("expected one answer, a 200; got {:?}", excerpt(&self.answer))));
        }
        Ok(&self.answer[body..])
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.answer).await? > 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("the connection ended instead of an answer, after {:?}", excerpt(&self.answer))))
    }

    /// Sends it again and again until the measured time is over.
    pub(super) async fn repeat(mut self, request: &[u8], window: Window, tally: Rc<RefCell<Tally>>) -> io::Result<()> {
        let mut sent = clock::now();
        while sent < window.to {
            self.exchange(request).await?;
            let answered = clock::now();
            let mut tally = tally.borrow_mut();
            tally.answered += 1;
            if window.contains(answered) {
                tally.latencies.record(answered.since(sent));
            }
            sent = answered;
        }
        Ok(())
    }
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let length = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| digits(value.trim_ascii())).flatten()
    });
    let length = length.and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| io::Error::other(format!("no Content-Length in {:?}", excerpt(head))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(answer: &'static [u8]) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint { address, host: address.to_string(), encryption: None };
        let request = request(&endpoint, "/x", "t", Some("{}"));
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; request.len()];
            stream.read_exact(&mut read).await.unwrap();
            assert!(read.starts_with(b"POST /x HTTP/1.1\r\n") && read.ends_with(b"Content-Length: 2\r\n\r\n{}"));
            // In two parts, as the network may.
            let (first, second) = answer.split_at(answer.len() / 2);
            stream.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(second).await.unwrap();
        };
        let ask = async { Connection::open(&endpoint).await?.exchange(&request).await.map(<[u8]>::to_vec) };
        let ((), body) = tokio::join!(serve, ask);
        body
    }

    #[track_caller]
    fn says(result: &io::Result<Vec<u8>>, expected: &str) {
        let said = result.as_ref().unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }

    #[tokio::test]
    async fn only_one_whole_good_answer_counts() {
        let good = answered(b"HTTP/1.1 200 OK\r\ncontent-LENGTH:  3\r\n\r\nabc").await;
        assert_eq!(good.unwrap(), b"abc");
        says(&answered(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}").await, "429");
        says(&answered(b"HTTP/1.1 200 OK\r\n\r\nabc").await, "no Content-Length");
        says(&answered(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd").await, "expected one answer");
        says(&answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await, "ended instead");
    }
}

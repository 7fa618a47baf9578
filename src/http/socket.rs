//! A client's socket under hyper: it puts a body into hyper's own errors, and gives up on a client that reads too slowly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::answers::HeldAnswers;
use super::head_timer::ReadCount;
use super::parse_error;
use super::quota::Peer;
use crate::clock;
use crate::progress::{Pace, Progress};
use crate::transport::Transport;

/// A client's socket while HTTP is spoken on it.
///
/// It reports no vectored writes, so that hyper hands over all it has as one slice: errors of its own are found there.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Transport,
    reads: ReadCount,
    pace: Pace,
    /// From a write that had to wait until all that was to be written is.
    waiting: Option<Waiting>,
    is_given_up: bool,
    answers: Arc<HeldAnswers>,
    peer: Peer,
    /// What is written in the place of hyper's own error; empty once it is.
    replacement: Option<Bytes>,
}

/// An answer that waits for its client.
#[derive(Debug)]
struct Waiting {
    progress: Progress,
    sleep: Pin<Box<Sleep>>,
}

impl Waiting {
    fn begin(pace: Pace) -> Self {
        let progress = Progress::begin(pace, clock::monotonic());
        let sleep = Box::pin(sleep(progress.left(clock::monotonic())));
        Self { progress, sleep }
    }

    /// Ready once the client has been too slow. The timer lags behind what was moved, and is set anew when it fires.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            let left = self.progress.left(clock::monotonic());
            if left.is_zero() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(Instant::now() + left);
        }
    }
}

impl Socket {
    /// Wraps a connection with `peer`; `reads` counts the reads that bring bytes, `pace` is that of a client that is
    /// waited for, and `answers` are what waits.
    pub(super) fn new(stream: Transport, reads: ReadCount, pace: Pace, answers: Arc<HeldAnswers>, peer: Peer) -> Self {
        Self { stream, reads, pace, waiting: None, is_given_up: false, answers, peer, replacement: None }
    }

    /// The answer to what is no request.
    pub(super) fn last_words(&self, status: StatusCode) -> Bytes {
        parse_error::error_for(status).to_bytes(self.peer.count_malformed())
    }

    /// What it speaks over.
    pub(super) fn into_transport(self) -> Transport {
        self.stream
    }

    /// Whether the client took what it was sent too slowly.
    pub(super) const fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// Whether hyper has answered something that was no request.
    pub(super) fn has_answered_error(&self) -> bool {
        self.replacement.is_some()
    }

    fn poll_replacing(&mut self, context: &mut Context<'_>, written: &[u8]) -> Poll<io::Result<usize>> {
        if self.replacement.is_none()
            && let Some((start, status)) = parse_error::find(written)
        {
            if start > 0 {
                return Pin::new(&mut self.stream).poll_write(context, &written[..start]);
            }
            self.replacement = Some(self.last_words(status));
        }
        if self.replacement.is_none() {
            return Pin::new(&mut self.stream).poll_write(context, written);
        }
        ready!(self.poll_replacement(context))?;
        Poll::Ready(Ok(written.len()))
    }

    /// Writes what is left of the replacement.
    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = &mut self.replacement else { return Poll::Ready(Ok(())) };
        while rest.has_remaining() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => rest.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Turns a write that waits for too long into an error.
    fn bounded(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            if let (Some(waiting), Ok(bytes)) = (&mut self.waiting, &result) {
                waiting.progress.moved(*bytes, clock::monotonic());
            }
            return Poll::Ready(result);
        }
        ready!(self.waiting.get_or_insert_with(|| Waiting::begin(self.pace)).poll_too_slow(context));
        self.is_given_up = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.reads.add_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, written: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.poll_replacing(context, written);
        self.bounded(context, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context).map_ok(|()| 0);
        ready!(self.bounded(context, flushed))?;
        // All that there was to write is written.
        self.waiting = None;
        self.answers.release();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_replacement(context).map_ok(|()| 0);
        ready!(self.bounded(context, written))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::Config;
    use crate::http::answers::AnswerBudget;
    use crate::request_rates::RequestRates;

    /// What a client reads when hyper writes `written`.
    async fn read(written: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let pace = Pace::new(&Config::default().http);
        let answers = HeldAnswers::new(&AnswerBudget::new(0));
        let (stream, address) = listener.accept().await.unwrap();
        let rates = Arc::new(RequestRates::new(&Config::default().limits));
        let peer = Peer { rates, address: address.ip() };
        let mut socket = Socket::new(Transport::Plain(stream), ReadCount::default(), pace, answers, peer);
        socket.write_all(written.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn only_an_error_of_hypers_own_is_replaced() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";
        let error = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(answer).await, answer);
        let alone = read(error).await;
        assert!(alone.starts_with("HTTP/1.1 400 Bad Request\r\nx-request-id: req_"), "{alone}");
        assert!(alone.ends_with("}}"), "{alone}");
        // A client that reads slowly gets both at once.
        let both = read(&format!("{answer}{error}")).await;
        let behind = both.strip_prefix(answer).unwrap();
        assert!(behind.starts_with("HTTP/1.1 400 Bad Request\r\nx-request-id: req_"), "{both}");
    }
}

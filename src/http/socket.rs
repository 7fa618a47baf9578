//! A client's socket under hyper: it puts a body into hyper's own errors, and gives up on a client that reads nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::head_timer::ReadCount;
use super::parse_error;

/// How long a client may take no byte of an answer that waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client's socket while HTTP is spoken on it.
///
/// It reports no vectored writes, so that hyper hands over all it has as one slice: errors of its own are found there.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    reads: ReadCount,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What is written in the place of hyper's own error; empty once it is.
    replacement: Option<Bytes>,
}

impl Socket {
    /// Wraps a connection; `reads` counts the reads that bring bytes.
    pub(super) fn new(stream: TcpStream, reads: ReadCount) -> Self {
        Self { stream, reads, stalled: None, replacement: None }
    }

    /// The bare socket.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
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
            self.replacement = Some(parse_error::error_for(status).to_bytes());
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
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(stalled.as_mut().poll(context));
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
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.poll_replacement(context);
        ready!(self.bounded(context, result))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a client reads when hyper writes `written`.
    async fn read(written: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::new(listener.accept().await.unwrap().0, ReadCount::default());
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
        assert!(alone.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"), "{alone}");
        assert!(alone.ends_with("}}"), "{alone}");
        // A client that reads slowly gets both at once.
        let both = read(&format!("{answer}{error}")).await;
        let behind = both.strip_prefix(answer).unwrap();
        assert!(behind.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"), "{both}");
    }
}

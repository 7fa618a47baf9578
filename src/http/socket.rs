//! A client's socket under hyper: it puts a body into hyper's own errors, and gives up on a client that reads too slowly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answers::HeldAnswers;
use super::head_timer::ReadCount;
use super::parse_error;
use super::patience::Patience;
use super::preface::Opening;
use super::quota::Peer;
use crate::progress::Pace;
use crate::transport::Transport;

/// A client's socket while HTTP is spoken on it.
///
/// It reports no vectored writes, so that hyper hands over all it has as one slice: errors of its own are found there.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Transport,
    reads: ReadCount,
    opening: Opening,
    patience: Patience,
    answers: Arc<HeldAnswers>,
    peer: Peer,
    /// What is written in the place of hyper's own error; empty once it is.
    replacement: Option<Bytes>,
}

impl Socket {
    /// Wraps a connection with `peer`; `reads` counts the reads that bring bytes, `pace` is that of a client that is
    /// waited for, and `answers` are what waits.
    pub(super) fn new(stream: Transport, reads: ReadCount, pace: Pace, answers: Arc<HeldAnswers>, peer: Peer) -> Self {
        let (opening, patience) = (Opening::new(), Patience::new(pace));
        Self { stream, reads, opening, patience, answers, peer, replacement: None }
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
        self.patience.is_over()
    }

    /// Whether it began as one of HTTP/2 does.
    pub(super) fn speaks_http2(&self) -> bool {
        self.opening == Opening::Http2
    }

    /// Whether something came of which hyper has not been told.
    pub(super) fn has_withheld(&self) -> bool {
        matches!(&self.opening, Opening::Undecided(begun) if !begun.is_empty())
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

    fn poll_read_counted(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.reads.add_one();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until it is clear what the client speaks. Of a part of the preface hyper would make an error, so it is
    /// shown no part.
    fn poll_opening(
        &mut self,
        begun: &[u8],
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // Hyper reads kilobytes at a time.
        buffer.put_slice(begun);
        loop {
            let known = buffer.filled().len();
            let polled = self.poll_read_counted(context, buffer)?;
            self.opening = Opening::of(&buffer.filled()[before..]);
            let is_decided = !matches!(self.opening, Opening::Undecided(_));
            match polled {
                Poll::Pending => {
                    buffer.set_filled(before);
                    return Poll::Pending;
                }
                Poll::Ready(()) if is_decided => return Poll::Ready(Ok(())),
                Poll::Ready(()) if buffer.filled().len() == known => {
                    // It ended before it was clear.
                    self.opening = Opening::Http1;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(()) => {}
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.opening {
            Opening::Undecided(begun) => {
                let begun = std::mem::take(begun);
                self.poll_opening(&begun, context, buffer)
            }
            Opening::Http1 | Opening::Http2 => self.poll_read_counted(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, written: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.poll_replacing(context, written);
        self.patience.bound(context, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context).map_ok(|()| 0);
        ready!(self.patience.bound(context, flushed))?;
        self.patience.rest();
        self.answers.release();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_replacement(context).map_ok(|()| 0);
        ready!(self.patience.bound(context, written))?;
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
    use crate::http::preface::PREFACE;
    use crate::request_rates::RequestRates;

    /// A client and its socket here.
    async fn connected() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let pace = Pace::new(&Config::default().http);
        let answers = HeldAnswers::new(&AnswerBudget::new(0));
        let (stream, address) = listener.accept().await.unwrap();
        let rates = Arc::new(RequestRates::new(&Config::default().limits));
        let peer = Peer { rates, address: address.ip() };
        (client, Socket::new(Transport::Plain(stream), ReadCount::default(), pace, answers, peer))
    }

    /// What a client reads when hyper writes `written`.
    async fn read(written: &str) -> String {
        let (mut client, mut socket) = connected().await;
        socket.write_all(written.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        read
    }

    /// What hyper is shown next; none where something came and it is shown nothing.
    async fn shown(socket: &mut Socket) -> Option<Vec<u8>> {
        let withheld = |socket: &Socket| match &socket.opening {
            Opening::Undecided(begun) => begun.len(),
            Opening::Http1 | Opening::Http2 => 0,
        };
        let before = withheld(socket);
        std::future::poll_fn(|context| {
            let mut bytes = [0; 1_024];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Ready(result) => Poll::Ready(result.map(|()| Some(buffer.filled().to_vec())).unwrap()),
                Poll::Pending if withheld(socket) > before => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    #[tokio::test]
    async fn hyper_is_shown_a_preface_as_a_whole() {
        let rest = b"behind it";
        for cut in 1..PREFACE.len() {
            let (mut client, mut socket) = connected().await;
            client.write_all(&PREFACE[..cut]).await.unwrap();
            assert_eq!(shown(&mut socket).await, None, "{cut}");
            client.write_all(&[&PREFACE[cut..], rest].concat()).await.unwrap();
            assert_eq!(shown(&mut socket).await, Some([PREFACE, rest].concat()), "{cut}");
            assert!(socket.speaks_http2());

            // It may go on as something else, or not at all.
            let (mut client, mut socket) = connected().await;
            client.write_all(&PREFACE[..cut]).await.unwrap();
            assert_eq!(shown(&mut socket).await, None, "{cut}");
            client.write_all(b"OST").await.unwrap();
            assert_eq!(shown(&mut socket).await, Some([&PREFACE[..cut], b"OST"].concat()), "{cut}");
            let (mut client, mut other) = connected().await;
            client.write_all(&PREFACE[..cut]).await.unwrap();
            client.shutdown().await.unwrap();
            let mut last = shown(&mut other).await;
            if last.is_none() {
                // The end came behind it.
                last = shown(&mut other).await;
            }
            assert_eq!(last, Some(PREFACE[..cut].to_vec()), "{cut}");
            assert_eq!(shown(&mut other).await, Some(Vec::new()), "{cut}");
            for one in [socket, other] {
                assert!(!one.speaks_http2() && !one.has_withheld(), "{cut}");
            }
        }
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

//! A client's socket under HTTP/2: it gives up on a client that is too slow, either way, and on one that floods.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::frames::Frames;
use crate::clock;
use crate::config::Http;
use crate::http::patience::Patience;
use crate::http::preface::PREFACE;
use crate::progress::Pace;
use crate::transport::Transport;

/// A client's socket while HTTP/2 is spoken on it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Transport,
    /// What was read before it was clear that it is HTTP/2.
    unread: Bytes,
    frames: Frames,
    /// How long a request's head, or any frame but a body's, may take.
    head_time: Duration,
    /// Runs while there is one under way.
    head_deadline: Option<Pin<Box<Sleep>>>,
    patience: Patience,
    is_flooded: bool,
}

impl Socket {
    pub(super) fn new(stream: Transport, unread: Bytes, config: &Http) -> Self {
        Self {
            stream,
            unread,
            frames: Frames::behind(PREFACE.len(), clock::monotonic()),
            head_time: Duration::from_secs(config.header_timeout_seconds),
            head_deadline: None,
            patience: Patience::new(Pace::new(config)),
            is_flooded: false,
        }
    }

    /// What it speaks over; with true where the client is not worth a word more.
    pub(super) fn into_transport(self) -> (Transport, bool) {
        (self.stream, self.is_flooded || self.patience.is_over())
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }

    fn look_at(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.read(bytes, clock::monotonic()).map_err(|_| {
            self.is_flooded = true;
            io::Error::other("the client sends more frames that bring nothing than anything could need")
        })
    }

    /// Ready where a frame, or a head, has been under way for too long.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(begun_at) = self.frames.begun_at() else {
                self.head_deadline = None;
                return Poll::Pending;
            };
            let left = (begun_at + self.head_time).saturating_sub(clock::monotonic());
            if left.is_zero() {
                return Poll::Ready(());
            }
            // It was set for one that began earlier, or for this one.
            ready!(self.head_deadline.get_or_insert_with(|| Box::pin(sleep(left))).as_mut().poll(context));
            self.head_deadline = None;
        }
    }

    fn poll_written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let bytes = ready!(self.patience.bound(context, written))?;
        self.frames.sent(bytes);
        Poll::Ready(Ok(bytes))
    }
}

/// A socket that hyper reads and writes, and that is still there when hyper is done with it.
#[derive(Clone, Debug)]
pub(super) struct SharedSocket(pub(super) Rc<RefCell<Socket>>);

impl AsyncRead for SharedSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.0.borrow_mut();
        let before = buffer.filled().len();
        match socket.poll_bytes(context, buffer) {
            Poll::Ready(read) => {
                read?;
                Poll::Ready(socket.look_at(&buffer.filled()[before..]))
            }
            Poll::Pending => {
                ready!(socket.poll_too_slow(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = &mut *self.0.borrow_mut();
        let written = Pin::new(&mut socket.stream).poll_write(context, bytes);
        socket.poll_written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut *self.0.borrow_mut();
        let written = Pin::new(&mut socket.stream).poll_write_vectored(context, slices);
        socket.poll_written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.0.borrow_mut();
        let flushed = Pin::new(&mut socket.stream).poll_flush(context).map_ok(|()| 0);
        ready!(socket.patience.bound(context, flushed))?;
        socket.patience.rest();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.0.borrow_mut();
        let ended = Pin::new(&mut socket.stream).poll_shutdown(context).map_ok(|()| 0);
        ready!(socket.patience.bound(context, ended))?;
        Poll::Ready(Ok(()))
    }
}

//! What leads to a connection's client: the socket that was handed over, or a stream to the core that has it.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::stream::{Stream, StreamSender};

/// Frames of one `writev`.
const FRAMES_PER_WRITE_MAX: usize = 64;

/// What leads to a client, on its way to the core where the connection belongs.
#[derive(Debug)]
pub enum Line {
    /// A socket, non-blocking and free of any runtime, and what the client sent right behind its request.
    Socket(std::net::TcpStream, Bytes),
    /// An event stream.
    Stream(StreamSender),
}

/// The same, on that core.
pub(crate) enum ArrivedLine {
    /// See [`Line::Socket`].
    Socket(TcpStream, Bytes),
    /// See [`Line::Stream`].
    Stream(StreamSender),
}

impl Line {
    /// Takes it over.
    ///
    /// # Errors
    /// The system does not let it.
    pub(crate) fn arrive(self) -> io::Result<ArrivedLine> {
        Ok(match self {
            Self::Socket(stream, read) => ArrivedLine::Socket(TcpStream::from_std(stream)?, read),
            Self::Stream(sender) => ArrivedLine::Stream(sender),
        })
    }
}

/// What leads to a client. On a stream it says nothing.
pub(super) enum Wire {
    Socket(OwnedWriteHalf),
    Stream(Stream),
}

impl Wire {
    /// Writes as much of `frames` as is taken without waiting; how many bytes.
    pub(super) fn try_write<'a>(&self, frames: impl Iterator<Item = &'a Bytes>) -> io::Result<usize> {
        let write = match self {
            Self::Stream(stream) => return stream.try_write(frames),
            Self::Socket(write) => write,
        };
        let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        write.try_write_vectored(&slices[..count])
    }

    /// Waits until something more is taken.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Socket(write) => write.writable().await,
            Self::Stream(stream) => stream.writable().await,
        }
    }

    /// All is written: nothing more is, nor read if the peer `has_closed`.
    pub(super) fn finish(&self, has_closed: bool) {
        match self {
            Self::Socket(write) => {
                let side = if has_closed { Shutdown::Both } else { Shutdown::Write };
                let _ = SockRef::from(write.as_ref()).shutdown(side);
            }
            Self::Stream(stream) => stream.end(),
        }
    }

    /// Whether the client can say nothing.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Waits until the client of a stream is gone. A socket's reader finds out by itself.
    pub(super) async fn over(&self) {
        if let Self::Stream(stream) = self {
            stream.over().await;
        }
    }

    /// Ends both directions. It fails where the peer was faster, which is as good.
    pub(super) fn cut(&self) {
        self.finish(true);
    }
}

//! What leads to a connection's client: the socket that was handed over, or a stream to the core that has it.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use bytes::Bytes;

use super::stream::{Stream, StreamSender};
use crate::transport::{Parked, Transport, Writer};

/// Frames of one `writev`.
const FRAMES_PER_WRITE_MAX: usize = 64;

/// What leads to a client, on its way to the core where the connection belongs.
#[derive(Debug)]
pub enum Line {
    /// A connection, free of any runtime, and what the client sent right behind its request.
    Socket(Parked, Bytes),
    /// An event stream.
    Stream(StreamSender),
}

/// The same, on that core.
pub(crate) enum ArrivedLine {
    /// See [`Line::Socket`].
    Socket(Transport, Bytes),
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
            Self::Socket(parked, read) => ArrivedLine::Socket(parked.resume()?, read),
            Self::Stream(sender) => ArrivedLine::Stream(sender),
        })
    }
}

/// What leads to a client. On a stream it says nothing.
pub(super) enum Wire {
    Socket(Writer),
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
                write.end(if has_closed { Shutdown::Both } else { Shutdown::Write });
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

    /// Ends both directions without a word.
    pub(super) fn cut(&self) {
        match self {
            Self::Socket(write) => write.cut(),
            Self::Stream(stream) => stream.end(),
        }
    }
}

//! The bytes of a client's connection: a TCP stream, or a session of TLS over one; and its way to another core.
//!
//! A socket of tokio's belongs to one runtime. So a connection that leaves is parked: the bare socket
//! and, beside it, the session, with all that it has read and not given out yet.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::tls;

/// A session of TLS over a socket.
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<Wire>;

/// What a session may hold of what was written, encrypted and not taken by the system: about a record.
pub(crate) const ENCRYPTED_BYTES_MAX: usize = 16 << 10;

/// A client's connection on the runtime of one core.
#[derive(Debug)]
pub(crate) enum Transport {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over it.
    Tls(Box<TlsStream>),
}

/// A client's connection between two runtimes.
#[derive(Debug)]
pub struct Parked {
    stream: std::net::TcpStream,
    session: Option<Box<TlsStream>>,
}

impl Transport {
    /// Leaves the runtime.
    pub(crate) fn park(self) -> io::Result<Parked> {
        match self {
            Self::Plain(stream) => Ok(Parked { stream: stream.into_std()?, session: None }),
            Self::Tls(mut session) => {
                let stream = session.get_mut().0.detach()?.into_std()?;
                Ok(Parked { stream, session: Some(session) })
            }
        }
    }

    /// The two directions, for a task that reads and for turns that write.
    pub(crate) fn split(self) -> (Reader, Writer) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.into_split();
                (Reader::Plain(read), Writer::Plain(write))
            }
            Self::Tls(session) => {
                let session = Rc::new(Session { stream: RefCell::new(session), owes_byte: Cell::new(false) });
                (Reader::Tls(Rc::clone(&session)), Writer::Tls(session))
            }
        }
    }

    /// The client's address.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr(),
            Self::Tls(session) => session.get_ref().0.stream()?.peer_addr(),
        }
    }

    /// Whether the handshake has settled that HTTP/2 is spoken.
    pub(crate) fn has_agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => session.get_ref().1.alpn_protocol() == Some(tls::HTTP2),
        }
    }

    /// Ends the connection such that the system forgets it at once, with all that the client has not taken.
    pub(crate) fn reset(self) {
        let linger = |stream: &TcpStream| SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        // It fails where the client was faster.
        let _ = match &self {
            Self::Plain(stream) => linger(stream),
            Self::Tls(session) => session.get_ref().0.stream().and_then(linger),
        };
    }
}

impl Parked {
    /// Enters the runtime of this thread.
    pub(crate) fn resume(self) -> io::Result<Transport> {
        let stream = TcpStream::from_std(self.stream)?;
        Ok(match self.session {
            None => Transport::Plain(stream),
            Some(mut session) => {
                session.get_mut().0.attach(stream);
                Transport::Tls(session)
            }
        })
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(session) => Pin::new(session).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(session) => Pin::new(session).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(session) => Pin::new(session).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(session) => Pin::new(session).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(session) => Pin::new(session).poll_shutdown(context),
        }
    }
}

/// The receiving direction.
pub(crate) enum Reader {
    Plain(OwnedReadHalf),
    Tls(Rc<Session>),
}

impl Reader {
    /// Reads what there is; nothing at the end of the stream.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(half) => Pin::new(half).poll_read(context, buffer),
            Self::Tls(session) => Pin::new(&mut **session.stream.borrow_mut()).poll_read(context, buffer),
        }
    }

    /// Waits until there is something to read, or the end of the stream.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.readable().await,
            Self::Tls(session) => session.readable().await,
        }
    }
}

/// The sending direction.
pub(crate) enum Writer {
    Plain(OwnedWriteHalf),
    Tls(Rc<Session>),
}

impl Writer {
    /// Writes as much as is taken at once.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is, and what has become of the connection.
    pub(crate) fn try_write_vectored(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(half) => half.try_write_vectored(frames),
            Self::Tls(session) => session.try_write_vectored(frames),
        }
    }

    /// Waits until something may be taken again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.writable().await,
            Self::Tls(session) => session.writable().await,
        }
    }

    /// Ends our direction, or both.
    pub(crate) fn end(&self, how: Shutdown) {
        if let Self::Tls(session) = self {
            session.say_goodbye();
        }
        self.shut_down(how);
    }

    /// Ends both directions without a word.
    pub(crate) fn cut(&self) {
        self.shut_down(Shutdown::Both);
    }

    fn shut_down(&self, how: Shutdown) {
        // It fails where the peer was faster, which is as good.
        let _ = match self {
            Self::Plain(half) => SockRef::from(half.as_ref()).shutdown(how),
            Self::Tls(session) => {
                let stream = session.stream.borrow();
                stream.get_ref().0.stream().and_then(|stream| SockRef::from(stream).shutdown(how))
            }
        };
    }
}

/// A session of which one task reads, and many write.
pub(crate) struct Session {
    stream: RefCell<Box<TlsStream>>,
    /// A byte that was encrypted has not been counted as taken yet.
    owes_byte: Cell<bool>,
}

impl Session {
    /// Takes a record's worth of what is to be sent whenever the system has all of the one before. Its last byte is
    /// counted when that is so: until then the connection is one that is waited for, as without TLS.
    fn try_write_vectored(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut stream = self.stream.borrow_mut();
        let (wire, session) = stream.get_mut();
        let socket = wire.stream()?;
        send_encrypted(session, socket)?;
        if self.owes_byte.take() {
            return Ok(1);
        }
        let taken = session.writer().write_vectored(frames)?;
        match send_encrypted(session, socket) {
            Ok(()) => Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.owes_byte.set(taken > 0);
                Ok(taken.saturating_sub(1))
            }
            Err(error) => Err(error),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let stream = self.stream.borrow();
            let (wire, session) = stream.get_ref();
            // What is decrypted already does not come by the socket.
            if session.wants_read() { wire.stream()?.poll_read_ready(context) } else { Poll::Ready(Ok(())) }
        })
        .await
    }

    async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| match self.stream.borrow().get_ref().0.stream() {
            Ok(stream) => stream.poll_write_ready(context),
            Err(error) => Poll::Ready(Err(error)),
        })
        .await
    }

    /// Says that nothing more will come, so that the peer can tell the end from a cut.
    fn say_goodbye(&self) {
        let mut stream = self.stream.borrow_mut();
        let (wire, session) = stream.get_mut();
        session.send_close_notify();
        // A peer that takes not even this is as good as gone.
        let _ = wire.stream().and_then(|socket| send_encrypted(session, socket));
    }
}

/// Hands the system all that is encrypted.
fn send_encrypted(session: &mut tokio_rustls::rustls::ServerConnection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut AtOnce(socket))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// A socket that takes what it can at once.
struct AtOnce<'a>(&'a TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket under a session. It can be taken out, so that the session moves with it to another runtime.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Option<TcpStream>,
    /// Bytes that may still be read.
    readable: usize,
}

impl Wire {
    /// A socket from which no more than so many bytes may be read until [`Wire::unbound`].
    pub(crate) const fn bounded(stream: TcpStream, readable: usize) -> Self {
        Self { stream: Some(stream), readable }
    }

    /// Bounds nothing any more.
    pub(crate) const fn unbound(&mut self) {
        self.readable = usize::MAX;
    }

    /// The socket alone.
    ///
    /// # Errors
    /// It was taken out before, which never happens to one that is read or written.
    pub(crate) fn detach(&mut self) -> io::Result<TcpStream> {
        self.stream.take().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn attach(&mut self, stream: TcpStream) {
        self.stream = Some(stream);
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        self.stream.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn pinned(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.readable == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake is too long")));
        }
        let before = buffer.filled().len();
        let result = self.pinned()?.poll_read(context, buffer);
        self.readable = self.readable.saturating_sub(buffer.filled().len() - before);
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pinned()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;

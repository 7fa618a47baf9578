//! One TCP connection that a reader and a sender share on one thread.
//!
//! fastwebsockets reads in bulk into a buffer of its own (8 KiB, many frames a system call) but must be the only one
//! to touch its stream, and a read must never be dropped half-way. So the reader's task owns the WebSocket, and writes
//! go through [`Writer`], which that task shares with whoever sends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use fastwebsockets::{Frame, Payload, Role, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::client::TlsStream;

use crate::inflate::Inflating;

/// Bytes the server has not taken yet. A client here has one change in flight, so more means the server stopped reading.
const PENDING_BYTES_MAX: usize = 4 << 20;
/// Largest message accepted: the largest document the server allows (16 MiB) and its envelope, JSON-escaped.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Bytes read at once where compressed messages may come.
const READ_BYTES: usize = 8 << 10;

/// A connection after its handshake. Lives on a `LocalSet`.
pub(crate) struct Socket {
    /// The reading side. It answers pings and closes by itself.
    pub(crate) reader: WebSocket<Stream>,
    /// The sending side.
    pub(crate) writer: Rc<Writer>,
}

impl Socket {
    /// Takes over `tcp` after the handshake; `early` is what was read behind the handshake's end.
    pub(crate) fn new(tcp: TcpStream, early: Vec<u8>) -> Self {
        let (read, write) = tcp.into_split();
        Self::over(Incoming::Plain(read), Outgoing::Plain(write), early, None)
    }

    /// The same, encrypted.
    pub(crate) fn encrypted(stream: TlsStream<TcpStream>, early: Vec<u8>) -> Self {
        let shared = Rc::new(RefCell::new(stream));
        Self::over(Incoming::Encrypted(Rc::clone(&shared)), Outgoing::Encrypted(shared), early, None)
    }

    /// The same, where the server may send compressed messages.
    pub(crate) fn compressed(tcp: TcpStream, early: &[u8]) -> io::Result<Self> {
        let (mut inflating, mut plain) = (Inflating::default(), Vec::new());
        inflating.push(early, &mut plain, MESSAGE_BYTES_MAX)?;
        let (read, write) = tcp.into_split();
        Ok(Self::over(Incoming::Plain(read), Outgoing::Plain(write), plain, Some(Box::new(inflating))))
    }

    fn over(read: Incoming, half: Outgoing, early: Vec<u8>, inflating: Option<Box<Inflating>>) -> Self {
        let writer = Rc::new(Writer { half, queue: RefCell::default() });
        let stream = Stream { early, inflating, read, writer: Rc::clone(&writer) };
        let mut reader = WebSocket::after_handshake(stream, Role::Client);
        reader.set_max_message_size(MESSAGE_BYTES_MAX);
        Self { reader, writer }
    }
}

/// What comes in. Nobody else on the thread is in the midst of it, since reads and writes never wait within.
#[derive(Debug)]
enum Incoming {
    Plain(OwnedReadHalf),
    Encrypted(Rc<RefCell<TlsStream<TcpStream>>>),
}

impl Incoming {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(half) => Pin::new(half).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(&mut *stream.borrow_mut()).poll_read(context, buffer),
        }
    }
}

/// What goes out.
#[derive(Debug)]
enum Outgoing {
    Plain(OwnedWriteHalf),
    Encrypted(Rc<RefCell<TlsStream<TcpStream>>>),
}

/// What became of bytes that were to be sent at once.
struct Taken {
    /// So many were accepted.
    bytes: usize,
    /// Some of them are encrypted and not with the system yet.
    is_held: bool,
}

impl Outgoing {
    /// As much as it takes now, possibly nothing.
    fn try_write(&self, bytes: &[u8]) -> io::Result<Taken> {
        match self {
            Self::Plain(half) => match half.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken { bytes: 0, is_held: false }),
                written => Ok(Taken { bytes: written?, is_held: false }),
            },
            Self::Encrypted(stream) => {
                let mut stream = stream.borrow_mut();
                let mut stream = Pin::new(&mut *stream);
                // Whoever has to wait does so in `ready`.
                let mut context = Context::from_waker(Waker::noop());
                let bytes = match stream.as_mut().poll_write(&mut context, bytes) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                let is_held = match stream.poll_flush(&mut context) {
                    Poll::Ready(flushed) => flushed.map(|()| false)?,
                    Poll::Pending => true,
                };
                Ok(Taken { bytes, is_held })
            }
        }
    }

    /// Waits until it takes more, and holds nothing.
    async fn ready(&self) -> io::Result<()> {
        match self {
            Self::Plain(half) => half.writable().await,
            Self::Encrypted(stream) => poll_fn(|context| Pin::new(&mut *stream.borrow_mut()).poll_flush(context)).await,
        }
    }
}

/// Sends without waiting: what the socket does not take at once is sent by a task of its own.
#[derive(Debug)]
pub(crate) struct Writer {
    half: Outgoing,
    queue: RefCell<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Bytes accepted but not yet taken by the socket.
    pending: Vec<u8>,
    /// A task is sending them, and what the socket holds.
    is_draining: bool,
    /// Where a frame is put together, kept from one to the next.
    frame: Vec<u8>,
}

impl Writer {
    /// Sends a text message. `text` is masked in place: its content is gone afterwards.
    pub(crate) fn send_text(self: &Rc<Self>, text: &mut [u8]) -> io::Result<()> {
        let mut frame = Frame::text(Payload::BorrowedMut(text));
        self.send_frame(&mut frame)
    }

    /// Sends a close frame with `code`.
    pub(crate) fn send_close(self: &Rc<Self>, code: u16) -> io::Result<()> {
        self.send_frame(&mut Frame::close(code, b""))
    }

    fn send_frame(self: &Rc<Self>, frame: &mut Frame<'_>) -> io::Result<()> {
        frame.mask();
        let mut buffer = std::mem::take(&mut self.queue.borrow_mut().frame);
        let sent = self.send(frame.write(&mut buffer));
        self.queue.borrow_mut().frame = buffer;
        sent
    }

    /// Hands `bytes` to the socket in order, keeping what it does not take.
    fn send(self: &Rc<Self>, bytes: &[u8]) -> io::Result<()> {
        let mut queue = self.queue.borrow_mut();
        let nothing = Taken { bytes: 0, is_held: true };
        let taken = if queue.is_draining { nothing } else { self.half.try_write(bytes)? };
        let rest = bytes.get(taken.bytes..).unwrap_or_default();
        if rest.is_empty() && !taken.is_held {
            return Ok(());
        }
        if queue.pending.len() + rest.len() > PENDING_BYTES_MAX {
            return Err(io::Error::other("the server does not read what it is sent"));
        }
        queue.pending.extend_from_slice(rest);
        if !queue.is_draining {
            queue.is_draining = true;
            tokio::task::spawn_local(Rc::clone(self).drain());
        }
        Ok(())
    }

    /// Sends what is pending. A failed write ends it quietly: the reader sees the same broken connection and reports it.
    async fn drain(self: Rc<Self>) {
        while self.half.ready().await.is_ok() {
            let mut queue = self.queue.borrow_mut();
            let Ok(taken) = self.half.try_write(&queue.pending) else {
                return;
            };
            queue.pending.drain(..taken.bytes);
            if queue.pending.is_empty() && !taken.is_held {
                queue.is_draining = false;
                return;
            }
        }
    }
}

/// The byte stream fastwebsockets reads from, and writes its pongs to.
#[derive(Debug)]
pub(crate) struct Stream {
    /// To be read before what comes from `read`.
    early: Vec<u8>,
    /// What makes plain messages of compressed ones, where there may be some.
    inflating: Option<Box<Inflating>>,
    read: Incoming,
    writer: Rc<Writer>,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.early.is_empty() {
            let Self { early, inflating, read, .. } = &mut *self;
            let Some(inflating) = inflating else { return read.poll_read(context, buffer) };
            let mut bytes = [0; READ_BYTES];
            let mut raw = ReadBuf::new(&mut bytes);
            ready!(read.poll_read(context, &mut raw))?;
            if raw.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            inflating.push(raw.filled(), early, MESSAGE_BYTES_MAX)?;
        }
        let taken = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..taken]);
        self.early.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writer.send(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastwebsockets::OpCode;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = tokio::join!(connect, listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn early_bytes_come_first_and_pings_are_answered() {
        LocalSet::new()
            .run_until(async {
                let (ours, theirs) = pair().await;
                // Half of the text frame "hi" came with the handshake.
                let mut socket = Socket::new(ours, vec![0x81, 2, b'h']);
                let mut server = WebSocket::after_handshake(theirs, Role::Server);
                let say = async {
                    let stream = server.read_frame();
                    stream.await
                };
                socket.writer.send_text(&mut b"up".to_vec()).unwrap();
                assert_eq!(&*say.await.unwrap().payload, b"up");
                let mut theirs = server.into_inner();
                tokio::io::AsyncWriteExt::write_all(&mut theirs, &[b'i', 0x89, 1, b'x', 0x81, 1, b'!']).await.unwrap();
                assert_eq!(&*socket.reader.read_frame().await.unwrap().payload, b"hi");
                assert_eq!(&*socket.reader.read_frame().await.unwrap().payload, b"!");
                let pong = WebSocket::after_handshake(theirs, Role::Server);
                let mut pong = pong;
                let frame = pong.read_frame().await.unwrap();
                assert_eq!(frame.opcode, OpCode::Pong);
                assert_eq!(&*frame.payload, b"x");
            })
            .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_does_not_fit_is_sent_later_in_order_and_is_bounded() {
        LocalSet::new()
            .run_until(async {
                let (ours, mut theirs) = pair().await;
                let socket = Socket::new(ours, Vec::new());
                let mut sent = 0_usize;
                let error = loop {
                    let letter = b'a' + u8::try_from(sent % 26).unwrap();
                    match socket.writer.send(&vec![letter; 65_536]) {
                        Ok(()) => sent += 1,
                        Err(error) => break error,
                    }
                };
                assert!(error.to_string().contains("does not read"), "{error}");
                let mut block = vec![0; 65_536];
                for index in 0..sent {
                    theirs.read_exact(&mut block).await.unwrap();
                    let letter = b'a' + u8::try_from(index % 26).unwrap();
                    assert!(block.iter().all(|&byte| byte == letter), "block {index}");
                }
            })
            .await;
    }
}

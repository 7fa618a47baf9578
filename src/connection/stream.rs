//! The way of an event stream from its document's core to the core that speaks HTTP with its client.
//!
//! A stream cannot move to its document as a WebSocket does: HTTP/2 has many on one connection. So its frames cross
//! over one by one, as shares of the bytes that all recipients have, cut into pieces, and through a queue that is
//! as short as a socket's. When it is full the connection's outbox waits, as it does for a socket.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

/// The most bytes that are passed on as one piece.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// Pieces on their way: beyond that the stream's client is slow.
const PIECES_MAX: usize = 8;

/// Where a stream's core puts what is to be sent; not yet on that core.
#[derive(Debug)]
pub struct StreamSender(mpsc::Sender<Bytes>);

impl StreamSender {
    /// Blocks until there is room for a piece; false once nobody is there to take it. For threads that no connection waits for.
    pub(crate) fn send_blocking(&self, piece: Bytes) -> bool {
        self.0.blocking_send(piece).is_ok()
    }
}

/// What is to be sent, as the body of an answer.
#[derive(Debug)]
pub(crate) struct StreamBody(mpsc::Receiver<Bytes>);

/// A stream that begins with `first`.
pub(crate) fn stream(first: Bytes) -> (StreamSender, StreamBody) {
    let (sender, body) = empty_stream();
    // There is room for the first piece.
    let _ = sender.0.try_send(first);
    (sender, body)
}

/// A stream of what is sent on it.
pub(crate) fn empty_stream() -> (StreamSender, StreamBody) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    (StreamSender(sender), StreamBody(receiver))
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A stream on its core.
pub(super) struct Stream {
    /// `None` once it has ended.
    sender: RefCell<Option<mpsc::Sender<Bytes>>>,
    ended: Notify,
}

impl Stream {
    pub(super) fn new(sender: StreamSender) -> Self {
        Self { sender: RefCell::new(Some(sender.0)), ended: Notify::new() }
    }

    fn sender(&self) -> Option<mpsc::Sender<Bytes>> {
        self.sender.borrow().clone()
    }

    /// Passes on what there is room for; how many bytes.
    pub(super) fn try_write<'a>(&self, frames: impl Iterator<Item = &'a Bytes>) -> io::Result<usize> {
        let sender = self.sender.borrow();
        let Some(sender) = &*sender else { return Err(ErrorKind::BrokenPipe.into()) };
        let mut taken = 0;
        for frame in frames {
            let mut from = 0;
            while from < frame.len() {
                let to = frame.len().min(from + PIECE_BYTES_MAX);
                match sender.try_send(frame.slice(from..to)) {
                    Ok(()) => (from, taken) = (to, taken + to - from),
                    Err(TrySendError::Full(_)) if taken == 0 => return Err(ErrorKind::WouldBlock.into()),
                    Err(TrySendError::Full(_)) => return Ok(taken),
                    Err(TrySendError::Closed(_)) => return Err(ErrorKind::BrokenPipe.into()),
                }
            }
        }
        Ok(taken)
    }

    /// Waits until there is room.
    pub(super) async fn writable(&self) -> io::Result<()> {
        let gone = || io::Error::from(ErrorKind::BrokenPipe);
        let sender = self.sender().ok_or_else(gone)?;
        tokio::select! {
            permit = sender.reserve() => permit.map(drop).map_err(|_| gone()),
            () = self.ended.notified() => Err(gone()),
        }
    }

    /// No more comes; what was passed on still arrives.
    pub(super) fn end(&self) {
        self.sender.borrow_mut().take();
        self.ended.notify_waiters();
    }

    /// Waits until the client is gone, or it has ended here.
    pub(super) async fn over(&self) {
        let Some(sender) = self.sender() else { return };
        tokio::select! {
            () = sender.closed() => {}
            () = self.ended.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    fn frames(count: usize, length: usize) -> Vec<Bytes> {
        (0..count).map(|number| Bytes::from(vec![u8::try_from(number).unwrap(); length])).collect()
    }

    #[tokio::test]
    async fn what_is_passed_on_is_bounded_and_arrives_in_order() {
        let (sender, mut body) = stream(Bytes::from_static(b"first"));
        let stream = Stream::new(sender);
        let all = frames(2, PIECE_BYTES_MAX * (PIECES_MAX - 2));
        let mut expected = all.concat();
        let taken = stream.try_write(all.iter()).unwrap();
        assert_eq!(taken, (PIECES_MAX - 1) * PIECE_BYTES_MAX, "besides the first piece");
        assert_eq!(stream.try_write(all.iter()).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.end();
        let mut read = Vec::new();
        while let Some(piece) = body.frame().await {
            read.extend_from_slice(&piece.unwrap().into_data().unwrap());
        }
        expected.truncate(taken);
        assert_eq!(read, [b"first", &*expected].concat());
        assert_eq!(stream.try_write(all.iter()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_there_is_some_and_when_it_ends() {
        let (sender, mut body) = stream(Bytes::new());
        let stream = std::rc::Rc::new(Stream::new(sender));
        LocalSet::new()
            .run_until(async {
                for reads in [true, false] {
                    stream.try_write(frames(PIECES_MAX, 1).iter()).unwrap();
                    let waiting = std::rc::Rc::clone(&stream);
                    let wait = spawn_local(async move { waiting.writable().await.is_ok() });
                    tokio::task::yield_now().await;
                    if reads {
                        body.frame().await.unwrap().unwrap();
                    } else {
                        stream.end();
                    }
                    assert_eq!(wait.await.unwrap(), reads);
                }
            })
            .await;
    }

    #[tokio::test]
    async fn it_is_over_when_the_client_is_gone() {
        let (sender, body) = stream(Bytes::new());
        let stream = Stream::new(sender);
        drop(body);
        stream.over().await;
        assert_eq!(stream.try_write(frames(1, 1).iter()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

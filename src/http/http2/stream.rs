//! One request's stream: what its answer holds, whether its client takes it, and its place among the connection's.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::http::answers::{AnswerBudget, HeldAnswers};
use crate::http::patience::Waiting;
use crate::http::response::AnswerBody;
use crate::http::slots::Slot;
use crate::progress::Pace;

/// The largest part of an answer that is handed over at once: the largest frame that every client takes.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// The smallest one, however slow a client may be.
const PIECE_BYTES_MIN: usize = 1 << 10;

tokio::task_local! {
    /// The stream on which a request came, while that is answered.
    pub(super) static STREAM: Rc<Stream>;
}

/// The streams of one connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    /// Whether there ever was one.
    any: Cell<bool>,
    /// There is a first one, or none any more.
    changed: Notify,
    given_up: Notify,
    /// The connection's own place.
    slot: Rc<Slot>,
    budget: AnswerBudget,
    pace: Pace,
}

impl Streams {
    pub(super) fn new(slot: Rc<Slot>, budget: AnswerBudget, pace: Pace) -> Rc<Self> {
        let (changed, given_up) = (Notify::new(), Notify::new());
        Rc::new(Self { open: Cell::new(0), any: Cell::new(false), changed, given_up, slot, budget, pace })
    }

    /// Ready when there has been none for that time, which is `first` until there has been any.
    pub(super) async fn idle(&self, first: Duration, between: Duration) {
        loop {
            let time = if self.any.get() { between } else { first };
            if self.open.get() > 0 {
                self.changed.notified().await;
                continue;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(time) => return,
            }
        }
    }

    /// Ready when a client does not take the end of an answer, which only the end of the connection can change.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

/// One request's stream.
#[derive(Debug)]
pub(super) struct Stream {
    streams: Rc<Streams>,
    pub(super) transfer: Arc<Transfer>,
    /// Its place; none where all are taken.
    pub(super) slot: Option<Rc<Slot>>,
}

impl Stream {
    fn open(streams: &Rc<Streams>) -> Rc<Self> {
        streams.any.set(true);
        if streams.open.replace(streams.open.get() + 1) == 0 {
            streams.changed.notify_one();
        }
        let transfer = Arc::new(Transfer::new(HeldAnswers::new(&streams.budget)));
        Rc::new(Self { streams: Rc::clone(streams), transfer, slot: streams.slot.another().map(Rc::new) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let left = self.streams.open.get() - 1;
        self.streams.open.set(left);
        if left == 0 {
            self.streams.changed.notify_one();
        }
    }
}

/// Runs the streams of one connection for hyper.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor(pub(super) Rc<Streams>);

impl<F: Future<Output = ()> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let stream = Stream::open(&self.0);
        spawn_local(STREAM.scope(Rc::clone(&stream), carry(future, stream)));
    }
}

/// Runs a request, and its answer until the client has it.
async fn carry(future: impl Future<Output = ()>, stream: Rc<Stream>) {
    let (transfer, pace) = (&stream.transfer, stream.streams.pace);
    let hyper_is_done = {
        let mut future = pin!(future);
        tokio::select! {
            biased;
            () = &mut future => true,
            // Hyper resets the stream of which the future is dropped.
            () = transfer.is_too_slow(pace) => false,
        }
    };
    if !hyper_is_done {
        return;
    }
    tokio::select! {
        biased;
        () = transfer.is_taken() => {}
        () = transfer.is_too_slow(pace) => stream.streams.given_up.notify_one(),
    }
}

/// What of an answer is on its way to the client: hyper has it, and the socket has not. Shared because bytes have to be
/// `Send`; it never leaves its core.
#[derive(Debug)]
pub(super) struct Transfer {
    answers: Arc<HeldAnswers>,
    under_way: AtomicUsize,
    taken: AtomicUsize,
    /// How often nothing was under way any more.
    rests: AtomicUsize,
    rested: Notify,
}

impl Transfer {
    fn new(answers: Arc<HeldAnswers>) -> Self {
        let (under_way, taken, rests) = Default::default();
        Self { answers, under_way, taken, rests, rested: Notify::new() }
    }

    /// What is counted of the answer, until the last of it is gone.
    pub(super) const fn answers(&self) -> &Arc<HeldAnswers> {
        &self.answers
    }

    fn is_resting(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    async fn is_taken(&self) {
        while !self.is_resting() {
            self.rested.notified().await;
        }
    }

    /// Ready when the client takes what is under way too slowly. To be polled whenever more may be under way.
    async fn is_too_slow(&self, pace: Pace) {
        let mut waiting = None;
        let (mut taken, mut rests) = (0, 0);
        poll_fn(|context| {
            let taken_before = std::mem::replace(&mut taken, self.taken.load(Ordering::Relaxed));
            let rests_before = std::mem::replace(&mut rests, self.rests.load(Ordering::Relaxed));
            if self.is_resting() || rests != rests_before {
                waiting = None;
            }
            if self.is_resting() {
                return Poll::Pending;
            }
            let waiting = waiting.get_or_insert_with(|| Waiting::begin(pace));
            waiting.moved(taken - taken_before);
            waiting.poll_too_slow(context)
        })
        .await;
    }
}

/// A part of an answer. It is dropped when the client's socket has it, or will never have it.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    transfer: Arc<Transfer>,
}

impl Piece {
    fn send(bytes: Bytes, transfer: &Arc<Transfer>) -> Bytes {
        transfer.under_way.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, transfer: Arc::clone(transfer) })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let Self { bytes, transfer } = self;
        transfer.taken.fetch_add(bytes.len(), Ordering::Relaxed);
        if transfer.under_way.fetch_sub(bytes.len(), Ordering::Relaxed) == bytes.len() {
            transfer.rests.fetch_add(1, Ordering::Relaxed);
            transfer.rested.notify_one();
        }
    }
}

/// The body of an answer in pieces, so that streams take turns, and each piece is seen to go.
#[derive(Debug)]
pub(super) struct PiecedBody {
    body: AnswerBody,
    /// What is left of what the body gave last.
    rest: Bytes,
    transfer: Arc<Transfer>,
    piece_bytes: usize,
}

impl PiecedBody {
    pub(super) fn new(body: AnswerBody, stream: &Stream) -> Self {
        let piece_bytes = stream.streams.pace.bytes().clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        Self { body, rest: Bytes::new(), transfer: Arc::clone(&stream.transfer), piece_bytes }
    }
}

impl Body for PiecedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.rest.is_empty() {
            let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            // No answer of ours has trailers.
            self.rest = frame.into_data().unwrap_or_default();
        }
        let bytes = self.piece_bytes.min(self.rest.len());
        let piece = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(Piece::send(piece, &self.transfer)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

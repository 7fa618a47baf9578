//! How long a client is waited for that takes what it is sent too slowly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep};

use crate::clock;
use crate::progress::{Pace, Progress};

/// Something that waits for its client.
#[derive(Debug)]
pub(super) struct Waiting {
    progress: Progress,
    sleep: Pin<Box<Sleep>>,
}

impl Waiting {
    pub(super) fn begin(pace: Pace) -> Self {
        let progress = Progress::begin(pace, clock::monotonic());
        let sleep = Box::pin(sleep(progress.left(clock::monotonic())));
        Self { progress, sleep }
    }

    /// The client took so many bytes.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.progress.moved(bytes, clock::monotonic());
    }

    /// Ready once the client has been too slow. The timer lags behind what was moved, and is set anew when it fires.
    pub(super) fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
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

/// The patience with which a socket is written to.
#[derive(Debug)]
pub(super) struct Patience {
    pace: Pace,
    /// From a write that had to wait until all that was to be written is.
    waiting: Option<Waiting>,
    is_over: bool,
}

impl Patience {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, waiting: None, is_over: false }
    }

    /// Whether the client took what it was sent too slowly.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// All that there was to write is written.
    pub(super) fn rest(&mut self) {
        self.waiting = None;
    }

    /// Turns a write that waits for too long into an error.
    pub(super) fn bound(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            if let (Some(waiting), Ok(bytes)) = (&mut self.waiting, &result) {
                waiting.moved(*bytes);
            }
            return Poll::Ready(result);
        }
        ready!(self.waiting.get_or_insert_with(|| Waiting::begin(self.pace)).poll_too_slow(context));
        self.is_over = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

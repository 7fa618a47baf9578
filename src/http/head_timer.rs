//! The two times that hyper knows as one: how long a connection may be idle, and how long a request's head may take.
//!
//! Hyper starts one timer when it begins to wait for a head, idle time included. This one runs for the idle time until the
//! first byte arrives, and from then on for the head's.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::time;

/// Reads that brought bytes on one connection. Shared because hyper's timers have to be `Send`; it never leaves its core.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadCount(Arc<AtomicUsize>);

impl ReadCount {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Hyper's timer for one connection. Only the wait for a head asks it.
#[derive(Debug)]
pub(super) struct HeadTimer {
    reads: ReadCount,
    head: Duration,
    /// Whether a head was waited for before: the first one does not get the idle time.
    waited_before: AtomicBool,
}

impl HeadTimer {
    /// A timer for a connection that counts in `reads`; `head` is how long a head may take. The idle time is what hyper
    /// is given as its `header_read_timeout`.
    pub(super) fn new(reads: ReadCount, head: Duration) -> Self {
        Self { reads, head, waited_before: AtomicBool::new(false) }
    }
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, idle_deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let has_begun = !self.waited_before.swap(true, Ordering::Relaxed);
        let deadline = if has_begun { time::Instant::now() + self.head } else { idle_deadline.into() };
        Box::pin(HeadDeadline {
            sleep: Box::pin(time::sleep_until(deadline)),
            reads: self.reads.clone(),
            reads_before: self.reads.get(),
            head: self.head,
            has_begun,
        })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }
}

/// Ends when the client has been idle, or has been writing a head, for too long. Hyper polls it after each read.
struct HeadDeadline {
    sleep: Pin<Box<time::Sleep>>,
    reads: ReadCount,
    reads_before: usize,
    head: Duration,
    has_begun: bool,
}

impl rt::Sleep for HeadDeadline {}

impl Future for HeadDeadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.reads.get() != self.reads_before {
            self.has_begun = true;
            let deadline = time::Instant::now() + self.head;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Timer as _;

    use super::*;

    const IDLE: Duration = Duration::from_millis(800);
    const HEAD: Duration = Duration::from_millis(100);

    fn wait(timer: &HeadTimer) -> Pin<Box<dyn rt::Sleep>> {
        timer.sleep_until(timer.now() + IDLE)
    }

    async fn time_of(future: impl Future<Output = ()>) -> Duration {
        let before = time::Instant::now();
        future.await;
        before.elapsed()
    }

    #[tokio::test]
    async fn the_first_head_has_its_own_time_and_later_ones_may_be_waited_for() {
        let timer = HeadTimer::new(ReadCount::default(), HEAD);
        assert!((HEAD..IDLE).contains(&time_of(wait(&timer)).await));
        assert!(time_of(wait(&timer)).await >= IDLE);
    }

    #[tokio::test]
    async fn bytes_end_the_idle_time_and_more_bytes_buy_none() {
        let reads = ReadCount::default();
        let timer = HeadTimer::new(reads.clone(), HEAD);
        drop(wait(&timer));
        let mut sleep = wait(&timer);
        let drip = async {
            loop {
                time::sleep(HEAD / 4).await;
                reads.add_one();
            }
        };
        let timed_out = async {
            tokio::pin!(drip);
            // Biased, so that the deadline is polled after each read, as hyper does.
            tokio::select! { biased; () = &mut drip => unreachable!(), () = &mut sleep => {} }
        };
        assert!((HEAD..IDLE).contains(&time_of(timed_out).await));
    }
}

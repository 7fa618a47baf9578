//! The clock: monotonic nanoseconds, and a timer of the same clock that is exact to microseconds.
//!
//! The runtime's own timer counts whole milliseconds, which would put up to a millisecond of the generator's making
//! into every latency; a `timerfd` does not.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A moment of the monotonic clock, in nanoseconds; comparable within this machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(pub(crate) u64);

impl Nanos {
    /// The moment `after` this one; stays at the end of time instead of wrapping.
    pub(crate) fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Nanoseconds from `earlier` to this moment, 0 if it is later.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time left from `now` until this moment, zero if it has passed.
    pub(crate) fn left(self, now: Self) -> Duration {
        Duration::from_nanos(self.since(now))
    }
}

/// Now, on the monotonic clock.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(whole(time.tv_sec) * NANOS_PER_SECOND + whole(time.tv_nsec))
}

/// Now, in seconds since 1970, for the `exp` of tokens.
pub(crate) fn unix_seconds() -> u64 {
    whole(clock_gettime(ClockId::Realtime).tv_sec)
}

/// The kernel's signed fields, which are never negative for these clocks.
fn whole(field: i64) -> u64 {
    u64::try_from(field).unwrap_or(0)
}

/// One alarm at a time, on the monotonic clock. At most one task waits for it.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// A timer that is not armed. Call it inside a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(unsafe_code, reason = "tokio's only other way is deprecated")]
        // SAFETY: the descriptor is open, and moves into the `AsyncFd`, whose `OwnedFd` never changes and is closed
        // only when the `AsyncFd` is dropped.
        let fd = unsafe { AsyncFd::register(fd)? };
        Ok(Self { fd })
    }

    /// Fires at `at`, at once if that has passed; replaces an earlier setting.
    pub(crate) fn arm(&self, at: Nanos) -> io::Result<()> {
        // A value of zero would disarm.
        let at = at.0.max(1);
        let value = Timespec {
            tv_sec: i64::try_from(at / NANOS_PER_SECOND).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at % NANOS_PER_SECOND).unwrap_or(0),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    /// Waits until the timer fires. Dropping the wait loses nothing.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        let mut expirations = [0; 8];
        loop {
            let mut ready = self.fd.readable().await?;
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut expirations)?));
            match read {
                Ok(read) => return read.map(drop),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_timer_fires_when_due_and_not_before() {
        let timer = Timer::new().unwrap();
        let due = now().plus(Duration::from_millis(20));
        timer.arm(due).unwrap();
        timer.fired().await.unwrap();
        assert!(now() >= due);
        assert!(now().since(due) < NANOS_PER_SECOND);
    }

    #[tokio::test]
    async fn a_moment_in_the_past_fires_at_once() {
        let timer = Timer::new().unwrap();
        timer.arm(Nanos(0)).unwrap();
        timer.fired().await.unwrap();
    }

    #[test]
    fn moments_never_wrap() {
        assert_eq!(Nanos(5).since(Nanos(9)), 0);
        assert_eq!(Nanos(u64::MAX).plus(Duration::from_secs(1)), Nanos(u64::MAX));
    }
}

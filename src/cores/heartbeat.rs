//! How often a core pings its peers: as configured, and more seldom while it has much to do.

use std::cell::Cell;
use std::time::Duration;

use tokio::runtime::Handle;

use super::core::Core;
use crate::config::Heartbeat;

/// A core that is busy for this part of its time pings as often as configured.
const BUSY_MIN: f64 = 0.5;
/// One that is busy for this part pings as seldom as it may.
const BUSY_MAX: f64 = 0.9;
/// In between the interval grows in so many steps, so that it is told anew seldom.
const STEPS: u64 = 4;
/// Seconds that a peer has to answer a ping before it has been silent for too long, where the interval is longer than configured.
const ANSWER_SECONDS: u64 = 15;
/// A second counts this much of what the load is taken to be: it has to last for some seconds to make a difference.
const SECOND_WEIGHT: f64 = 0.125;

/// How busy a core is, and what follows from that.
#[derive(Default)]
pub(super) struct Load {
    /// When it was looked last, and how long the core had been busy by then.
    looked: Cell<(Duration, Duration)>,
    /// The part of its time that it is busy, over the last seconds.
    busy: Cell<f64>,
}

impl Load {
    /// Since its start the core has been busy for `busy` at the moment `now`.
    fn look(&self, now: Duration, busy: Duration) {
        let (then, busy_then) = self.looked.replace((now, busy));
        let passed = now.saturating_sub(then);
        if then.is_zero() || passed.is_zero() {
            return;
        }
        let share = busy.saturating_sub(busy_then).as_secs_f64() / passed.as_secs_f64();
        self.busy.set(self.busy.get() + (share.min(1.0) - self.busy.get()) * SECOND_WEIGHT);
    }
}

/// Seconds between two pings of a core that is `busy` for that part of its time: at most twice what is configured, and such
/// that who answers pings alone is not silent for too long.
fn interval_seconds(config: &Heartbeat, busy: f64) -> u64 {
    let base = config.interval_seconds;
    let longest = (2 * base).min(config.silence_seconds.saturating_sub(ANSWER_SECONDS)).max(base);
    let reached = |step: &u64| busy >= BUSY_MIN + (BUSY_MAX - BUSY_MIN) * (*step as f64 / STEPS as f64);
    let steps = (1..=STEPS).take_while(reached).count() as u64;
    base + (longest - base) * steps / STEPS
}

impl Core {
    /// Seconds between two pings at the moment.
    pub(super) fn ping_interval_seconds(&self) -> u64 {
        interval_seconds(&self.shared.config.heartbeat, self.load.busy.get())
    }

    /// Looks how busy the core has been, and tells its rooms of the interval where that is another one now.
    pub(super) fn tend_load(&self, now: Duration) {
        self.load.look(now, Handle::current().metrics().worker_total_busy_duration(0));
        let told = self.room_config.borrow().limits.heartbeat_interval_seconds;
        if self.ping_interval_seconds() != told {
            self.configure_rooms();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_grows_with_the_load_and_is_safe_with_every_configuration() {
        let config = |interval_seconds, silence_seconds| Heartbeat { interval_seconds, silence_seconds };
        let intervals =
            |config: &Heartbeat| [0.0, 0.59, 0.61, 0.71, 0.81, 0.91, 1.0].map(|busy| interval_seconds(config, busy));
        assert_eq!(intervals(&config(30, 75)), [30, 30, 37, 45, 52, 60, 60]);
        assert_eq!(intervals(&config(1, 2)), [1; 7]);
        assert_eq!(intervals(&config(30, 31)), [30; 7]);
        assert_eq!(interval_seconds(&config(10, 28), 1.0), 13);
        for interval in 1..200 {
            for silence in interval + 1..400 {
                let longest = interval_seconds(&config(interval, silence), 1.0);
                assert!((interval..=2 * interval).contains(&longest), "{interval} {silence}");
                assert!(longest == interval || longest + ANSWER_SECONDS <= silence, "{interval} {silence}");
            }
        }
    }

    #[test]
    fn a_load_has_to_last() {
        let load = Load::default();
        let mut busy = Duration::ZERO;
        let mut second = 1;
        let mut pass = |seconds: u64, share: f64| {
            for _ in 0..seconds {
                busy += Duration::from_secs_f64(share);
                second += 1;
                load.look(Duration::from_secs(second), busy);
            }
            load.busy.get()
        };
        assert!(pass(100, 0.25) < 0.26);
        assert!(pass(1, 1.0) < BUSY_MIN);
        assert!(pass(30, 1.0) > BUSY_MAX);
        assert!(pass(30, 0.0) < BUSY_MIN);
    }
}

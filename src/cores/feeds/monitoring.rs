//! `/ws/monitoring`: how the server is doing, every so many seconds.
//!
//! A core with watchers takes a sample of all cores' figures each second. Whoever asked for every tenth second gets
//! the difference to the sample of ten seconds ago. While the last message is unread the next one waits, and is
//! then made of the newest sample.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use jddb_core::room::{Forms, Sent};
use tokio::task::{spawn_blocking, spawn_local};

use crate::clock;
use crate::connection::{Connection, Home};
use crate::cores::core::{Core, now};
use crate::metrics::{Figure, Process, Sample, write_metrics};

/// The shortest time between two messages.
pub const INTERVAL_SECONDS_MIN: usize = 1;
/// The longest.
pub const INTERVAL_SECONDS_MAX: usize = 60;

/// The watchers of a core, and the samples they need.
#[derive(Default)]
pub(super) struct MonitoringFeed {
    /// By the number of their connection.
    watchers: HashMap<usize, Watcher>,
    /// The last samples, the newest last: one more than the longest interval has seconds.
    samples: VecDeque<Sample>,
    /// A sample is being taken.
    is_sampling: bool,
}

struct Watcher {
    connection: Rc<Connection>,
    interval_seconds: usize,
    /// Seconds until the next message.
    due_in: usize,
}

impl MonitoringFeed {
    pub(super) fn forget(&mut self, number: usize) -> bool {
        let was_here = self.watchers.remove(&number).is_some();
        if self.watchers.is_empty() {
            self.samples.clear();
        }
        was_here
    }

    /// Takes in a sample, and sends what is due.
    fn take(&mut self, sample: Sample) {
        if self.samples.len() > INTERVAL_SECONDS_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        let mut made: HashMap<usize, Forms> = HashMap::new();
        for watcher in self.watchers.values_mut() {
            let Home::Observer(observer) = &watcher.connection.home else { continue };
            watcher.due_in = watcher.due_in.saturating_sub(1);
            if watcher.due_in == 0 {
                observer.borrow_mut().expect_picture();
                watcher.due_in = watcher.interval_seconds;
            }
            if !observer.borrow().wants_picture() {
                continue;
            }
            let Some(frame) = report(&self.samples, watcher.interval_seconds, &mut made) else { continue };
            observer.borrow_mut().show_picture(Sent::Metrics, frame);
            watcher.connection.flush_now();
        }
    }
}

/// The message for the last `seconds`, or for as many as there are samples of; made once for all who get it.
fn report<'a>(samples: &VecDeque<Sample>, seconds: usize, made: &'a mut HashMap<usize, Forms>) -> Option<&'a Forms> {
    let newest = samples.back()?;
    let back = seconds.min(samples.len() - 1);
    if back == 0 {
        return None;
    }
    let earlier = &samples[samples.len() - 1 - back];
    Some(made.entry(back).or_insert_with(|| Forms::new(write_metrics(now(), earlier, newest))))
}

impl Core {
    /// Somebody watches how the server is doing.
    pub(super) fn watch_server(self: &Rc<Self>, connection: &Rc<Connection>, interval_seconds: usize) {
        // The first message comes with the next sample, whatever the interval.
        let watcher = Watcher { connection: Rc::clone(connection), interval_seconds, due_in: 1 };
        let is_first = self.feeds.monitoring.borrow().watchers.is_empty();
        self.feeds.monitoring.borrow_mut().watchers.insert(connection.number(), watcher);
        self.metrics().of(Figure::MonitoringConnections).add(1);
        self.metrics().of(Figure::MonitoringConnectionsOpened).add(1);
        if is_first {
            self.take_sample();
        }
    }

    pub(super) fn tick_monitoring(self: &Rc<Self>) {
        if !self.feeds.monitoring.borrow().watchers.is_empty() {
            self.take_sample();
        }
    }

    /// Takes a sample, and tells the watchers; what the kernel has to be asked for is asked by a thread that may wait.
    fn take_sample(self: &Rc<Self>) {
        if std::mem::replace(&mut self.feeds.monitoring.borrow_mut().is_sampling, true) {
            return;
        }
        let core = Rc::clone(self);
        spawn_local(async move {
            let shared = Arc::clone(&core.shared);
            let process = spawn_blocking(move || Process::read(&shared.config.data)).await.unwrap_or_default();
            let commits = core.batch.borrow().commit_figures();
            let cores = core.shared.metrics.iter().map(|metrics| &**metrics);
            let sample = Sample::take(clock::monotonic(), cores, &process, &commits);
            let mut feed = core.feeds.monitoring.borrow_mut();
            feed.is_sampling = false;
            feed.take(sample);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use jddb_core::room::Framing;
    use jddb_storage::CommitFigures;

    use super::*;
    use crate::metrics::CoreMetrics;

    fn samples(count: u64) -> VecDeque<Sample> {
        let core = CoreMetrics::default();
        let sample = |second| {
            let cores = std::iter::once(&core);
            Sample::take(Duration::from_secs(second), cores, &Process::default(), &CommitFigures::default())
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn a_report_is_of_as_many_seconds_as_were_asked_for_if_there_are_so_many() {
        let check = |count: u64, seconds: usize, expected: Option<&str>| {
            let mut made = HashMap::new();
            let message = report(&samples(count), seconds, &mut made);
            let frame = message.map(|message| message.form(Framing::default(), &RefCell::default()));
            let text = frame.map(|frame| String::from_utf8_lossy(&frame).into_owned());
            let found = text.as_deref().map(|text| {
                let from = text.find("interval_seconds").unwrap();
                text[from..].split([':', ',']).nth(1).unwrap()
            });
            assert_eq!(found, expected, "{count} samples, every {seconds} seconds");
            assert_eq!(made.len(), usize::from(expected.is_some()));
        };
        check(0, 1, None);
        check(1, 1, None);
        check(2, 1, Some("1.0"));
        check(2, 60, Some("1.0"));
        check(10, 3, Some("3.0"));
        check(61, 60, Some("60.0"));
    }

    #[test]
    fn samples_are_kept_for_the_longest_interval() {
        let mut feed = MonitoringFeed::default();
        samples(100).into_iter().for_each(|sample| feed.take(sample));
        assert_eq!(feed.samples.len(), INTERVAL_SECONDS_MAX + 1);
        assert_eq!(feed.samples.back().map(|sample| sample.at), Some(Duration::from_secs(99)));
    }
}

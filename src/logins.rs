//! Which refresh tokens are good, and what was revoked, for all cores.
//!
//! One thread decides, in the order in which it is asked, and answers when what it has decided is on disk: after a crash a
//! token that was taken is still known to be. What was revoked it publishes as a whole, so that looking takes no lock, and
//! wakes the cores, which close whoever came with it; no message is ever held against it.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::{oneshot, watch};

use crate::auth::{AuthError, Fingerprint, LoginRefusal, LoginTable, Pass, Revocation, Revoked, Rotation};
use crate::clock;
use crate::cores::Inbox;
use crate::durable::{Unwritten, WaitingLane};
use crate::panics::LOGIN_THREAD;
use crate::shared::Shared;

/// What waits for the thread, and what it decides at most before it waits for the disk.
const JOBS_MAX: usize = 1_024;
/// How often what has expired is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What all threads see of logins.
#[derive(Debug)]
pub struct Logins {
    work: Sender<Work>,
    published: ArcSwap<Published>,
    /// For each core the number of what was published last of that what it has closed.
    enforced: Vec<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Published {
    revoked: Revoked,
    number: u64,
}

/// What waits for the thread.
#[derive(Debug)]
pub struct LoginQueue(Receiver<Work>);

#[cfg(test)]
impl LoginQueue {
    /// Grants what waits longest, as published by that number; whether there was anything.
    pub(crate) fn grant(&self, number: u64) -> bool {
        match self.0.try_recv() {
            Ok(Work::Job(job)) => job.reply.send(Ok(number)).is_ok(),
            Ok(Work::Stop) | Err(_) => false,
        }
    }
}

#[derive(Debug)]
enum Work {
    Job(Job),
    Stop,
}

#[derive(Debug)]
struct Job {
    ask: Ask,
    /// Where it goes what was decided, with the number of what is published by then.
    reply: oneshot::Sender<Result<u64, LoginError>>,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Rotate(Rotation),
    Revoke(Revocation),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] LoginRefusal),
    /// Too much waits already.
    #[error("the server has too much to do: retry in a moment")]
    Busy,
    /// Nothing can be written.
    #[error("the server cannot write to its disk: what was asked for may hold or not until it is restarted")]
    Storage,
    /// The thread is gone.
    #[error("the server does not decide on tokens any more")]
    Gone,
}

impl Logins {
    /// What is known at the start of a server with so many cores.
    #[must_use]
    pub fn new(cores: usize, revoked: Revoked) -> (Self, LoginQueue) {
        let (work, queue) = bounded(JOBS_MAX);
        let published = ArcSwap::from_pointee(Published { revoked, number: 0 });
        let enforced = (0..cores).map(|_| watch::Sender::default()).collect();
        (Self { work, published, enforced }, LoginQueue(queue))
    }

    /// Whether a token was revoked.
    #[must_use]
    pub fn refuses(&self, pass: &Pass) -> bool {
        self.published.load().revoked.refuses(pass)
    }

    /// Refuses a token that was revoked.
    ///
    /// # Errors
    /// It was.
    pub fn check(&self, pass: &Pass) -> Result<(), AuthError> {
        if self.refuses(pass) { Err(AuthError::Revoked) } else { Ok(()) }
    }

    /// Takes a refresh token, if it is its family's newest: from here on it is not.
    ///
    /// # Errors
    /// It is not, or that cannot be told or kept.
    pub async fn rotate(&self, rotation: Rotation) -> Result<(), LoginError> {
        self.ask(Ask::Rotate(rotation)).await.map(|_| ())
    }

    /// Revokes tokens. Each core still has to close who came with them; see [`Self::enforced`], which takes what this returns.
    ///
    /// # Errors
    /// That cannot be kept.
    pub async fn revoke(&self, revocation: Revocation) -> Result<u64, LoginError> {
        self.ask(Ask::Revoke(revocation)).await
    }

    /// Waits until every core has closed whoever came with what was published by that number.
    pub async fn enforced(&self, number: u64) {
        for core in &self.enforced {
            // The sender is our own.
            let _ = core.subscribe().wait_for(|enforced| *enforced >= number).await;
        }
    }

    /// The number of what is published.
    pub(crate) fn number(&self) -> u64 {
        self.published.load().number
    }

    /// A core has closed whoever came with what was published by that number.
    pub(crate) fn note_enforced(&self, core: usize, number: u64) {
        self.enforced[core].send_replace(number);
    }

    async fn ask(&self, ask: Ask) -> Result<u64, LoginError> {
        let (reply, answer) = oneshot::channel();
        self.work.try_send(Work::Job(Job { ask, reply })).map_err(|error| match error {
            TrySendError::Full(_) => LoginError::Busy,
            TrySendError::Disconnected(_) => LoginError::Gone,
        })?;
        answer.await.unwrap_or(Err(LoginError::Gone))
    }
}

/// The thread that decides.
#[derive(Debug)]
pub struct LoginThread {
    thread: JoinHandle<()>,
    work: Sender<Work>,
}

impl LoginThread {
    /// Starts it. `lane` is its way to the disk.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        queue: LoginQueue,
        table: LoginTable,
        shared: Arc<Shared>,
        lane: WaitingLane,
    ) -> io::Result<Self> {
        let work = shared.logins.work.clone();
        let desk = Desk { table, shared, lane, sweep_interval: SWEEP_INTERVAL };
        let thread = Builder::new().name(LOGIN_THREAD.to_owned()).spawn(move || desk.run(&queue.0))?;
        Ok(Self { thread, work })
    }

    /// Decides what waits, and ends it. Before the commit thread is.
    pub fn stop(self) {
        // A full queue empties; one that nobody reads is one whose thread is gone.
        let _ = self.work.send(Work::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that decides on tokens panicked");
        }
    }
}

/// What the thread owns.
struct Desk {
    table: LoginTable,
    shared: Arc<Shared>,
    lane: WaitingLane,
    sweep_interval: Duration,
}

impl Desk {
    fn run(mut self, queue: &Receiver<Work>) {
        let mut swept_at = clock::monotonic();
        loop {
            match queue.recv_timeout(self.sweep_interval) {
                Ok(Work::Job(job)) => {
                    if self.serve(job, queue) {
                        return;
                    }
                }
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if clock::monotonic().saturating_sub(swept_at) >= self.sweep_interval {
                swept_at = clock::monotonic();
                self.sweep();
            }
        }
    }

    /// Decides on this and on what else waits, makes it durable at once, and answers. Whether it is to stop then.
    fn serve(&mut self, first: Job, queue: &Receiver<Work>) -> bool {
        let (mut jobs, mut stops) = (vec![first], false);
        for work in queue.try_iter().take(JOBS_MAX) {
            match work {
                Work::Job(job) => jobs.push(job),
                Work::Stop => stops = true,
            }
        }
        let decided = jobs.iter().map(|job| self.decide(job)).collect::<Vec<_>>();
        let stored = self.store();
        if stored.is_ok() && self.table.take_revoked_changed() {
            self.publish();
        }
        let number = self.shared.logins.number();
        for (job, decided) in jobs.into_iter().zip(decided) {
            let answer = match &stored {
                Ok(()) => decided.map(|()| number).map_err(LoginError::Refused),
                Err(Unwritten) => Err(LoginError::Storage),
            };
            // Whoever no longer waits is not told; what was decided holds.
            let _ = job.reply.send(answer);
        }
        stops
    }

    fn decide(&mut self, job: &Job) -> Result<(), LoginRefusal> {
        match &job.ask {
            // Nobody would get the next token, and the next try would be taken for a theft.
            Ask::Rotate(_) if job.reply.is_closed() => Ok(()),
            Ask::Rotate(rotation) => self.table.rotate(rotation),
            Ask::Revoke(revocation) => self.table.revoke(*revocation, clock::now_unix_seconds()),
        }
    }

    /// Makes durable what was decided.
    fn store(&mut self) -> Result<(), Unwritten> {
        let store = &self.shared.store;
        let encode = |(login, entry): (Fingerprint, Option<_>)| match entry {
            Some(entry) => store.encode_login(login.0, entry),
            None => store.encode_login_end(login.0),
        };
        let records = self.table.take_changes().into_iter().map(encode).collect();
        // Each is by itself.
        self.lane.write_in_parts(records)
    }

    /// Lets all cores see what was revoked, and has them close who came with it.
    fn publish(&self) {
        let logins = &self.shared.logins;
        let number = logins.number() + 1;
        logins.published.store(Arc::new(Published { revoked: self.table.revoked().clone(), number }));
        self.shared.inboxes.iter().for_each(Inbox::notify_revoked);
    }

    fn sweep(&mut self) {
        self.table.sweep(clock::now_unix_seconds());
        // What is not stored as forgotten is known again after the next start, and forgotten then.
        if self.store().is_ok() && self.table.take_revoked_changed() {
            self.publish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use crossbeam::sync::Parker;
    use jddb_storage::{Committer, LoginEntry};

    use super::*;
    use crate::durable;
    use crate::http::tests::support::shared;

    /// Longer than anything here takes, but for what has gone wrong.
    const PATIENCE: Duration = Duration::from_secs(20);
    const LOGIN: Fingerprint = Fingerprint([1; 16]);

    fn rotation(exp: u64) -> Rotation {
        let pass = Pass { login: LOGIN, user: Fingerprint([2; 16]), issued_at: 1 };
        Rotation { pass, generation: 0, exp, logins_max: 4 }
    }

    fn job(ask: Ask) -> (Work, oneshot::Receiver<Result<u64, LoginError>>) {
        let (reply, answer) = oneshot::channel();
        (Work::Job(Job { ask, reply }), answer)
    }

    /// Runs the thread's work with this in its queue until it is told to stop, by a table that knows `entry`; what is on the
    /// disk then, and whether the login is refused by what was published.
    fn run(work: Vec<Work>, entry: Option<LoginEntry>, sweep_interval: Duration) -> (Vec<LoginEntry>, bool) {
        let data = tempfile::tempdir().unwrap();
        let shared = Arc::new(shared(&data, |_| {}).0);
        let parker = Parker::new();
        let wakers = vec![durable::waker(&parker)];
        let (mut commits, committer) = Committer::start(Arc::clone(&shared.store), wakers, 4).unwrap();
        let table = LoginTable::restore(entry.map(|entry| (LOGIN, entry)));
        let lane = WaitingLane::new(commits.remove(0), parker);
        let mut desk = Desk { table, shared: Arc::clone(&shared), lane, sweep_interval };
        if let Some(entry) = entry {
            desk.lane.write(vec![shared.store.encode_login(LOGIN.0, entry)]).unwrap_or_else(|Unwritten| panic!());
            desk.publish();
        }
        let (sender, queue) = bounded(JOBS_MAX);
        let is_told = work.iter().any(|work| matches!(work, Work::Stop));
        work.into_iter().for_each(|work| sender.send(work).unwrap());
        // Whoever is not told to stop ends when there is nobody any more who could.
        let sender = is_told.then_some(sender);
        let (end, ended) = bounded(1);
        std::thread::spawn(move || {
            desk.run(&queue);
            end.send(())
        });
        ended.recv_timeout(PATIENCE).expect("it ends");
        drop(sender);
        committer.stop();
        let stored = shared.store.load_logins().unwrap().into_iter().map(|(_, entry)| entry).collect();
        (stored, shared.logins.refuses(&rotation(0).pass))
    }

    #[test]
    fn who_asks_is_answered_before_the_end_and_who_is_gone_loses_nothing() {
        let rotate = Ask::Rotate(rotation(u64::MAX));
        let ((gone, answer), (second, mut answered)) = (job(rotate), job(rotate));
        drop(answer);
        let (stored, _) = run(vec![gone, second, Work::Stop], None, SWEEP_INTERVAL);
        assert_eq!(stored, [LoginEntry::Family { generation: 1, ends_at: u64::MAX }]);
        assert_eq!(answered.try_recv(), Ok(Ok(0)), "the one before it has not taken the token");
    }

    #[test]
    fn what_has_expired_is_forgotten_in_time_and_on_the_disk_too() {
        for entry in [LoginEntry::Family { generation: 3, ends_at: 1 }, LoginEntry::Revoked { ends_at: 1 }] {
            for (sweep_interval, known) in [(Duration::ZERO, 0), (SWEEP_INTERVAL, 1)] {
                // Of somebody who is gone, so that nothing else is done.
                let (work, _) = job(Ask::Rotate(rotation(u64::MAX)));
                let (stored, refused) = run(vec![work], Some(entry), sweep_interval);
                assert_eq!(stored.len(), known, "{stored:?}");
                assert_eq!(refused, known == 1 && matches!(entry, LoginEntry::Revoked { .. }));
            }
        }
    }

    #[test]
    fn so_much_waits_and_no_more() {
        let (logins, queue) = Logins::new(1, Revoked::default());
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..=JOBS_MAX).map(|_| Box::pin(logins.rotate(rotation(9)))).collect();
        let polled: Vec<_> = waiting.iter_mut().map(|asked| asked.as_mut().poll(&mut context)).collect();
        assert!(polled[..JOBS_MAX].iter().all(Poll::is_pending));
        assert_eq!(polled[JOBS_MAX], Poll::Ready(Err(LoginError::Busy)));
        drop(queue);
        let mut late = Box::pin(logins.rotate(rotation(9)));
        assert_eq!(late.as_mut().poll(&mut context), Poll::Ready(Err(LoginError::Gone)));
    }

    #[test]
    fn it_is_enforced_when_every_core_has_said_so() {
        let (logins, _queue) = Logins::new(2, Revoked::default());
        let mut context = Context::from_waker(Waker::noop());
        let mut enforced = Box::pin(logins.enforced(2));
        for (core, number, expected) in [(0, 2, false), (1, 1, false), (1, 2, true)] {
            logins.note_enforced(core, number);
            assert_eq!(enforced.as_mut().poll(&mut context).is_ready(), expected, "core {core}, {number}");
        }
    }
}

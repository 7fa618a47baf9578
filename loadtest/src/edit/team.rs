//! The threads that carry the clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::meters::Tally;
use super::worker::{self, Plan, Setup};
use crate::failure::Failure;

const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What a worker tells before the run is planned.
enum News {
    Ready,
    /// The worker with this number ended, which before the plan means that it failed.
    Ended(usize),
}

/// All workers.
pub(crate) struct Team {
    workers: Vec<Worker>,
    news: mpsc::Receiver<News>,
}

struct Worker {
    thread: JoinHandle<Result<Tally, Failure>>,
    /// Taken when the plan is told; dropped untold, it sends the worker home.
    plan: Option<oneshot::Sender<Plan>>,
    progress: Arc<AtomicU64>,
}

impl Team {
    /// Starts the threads, which begin to connect.
    pub(crate) fn start(setup: &Arc<Setup>) -> Result<Self, Failure> {
        let (tell, news) = mpsc::channel();
        let workers = (0..setup.workers)
            .map(|number| Worker::start(number, Arc::clone(setup), tell.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self { workers, news })
    }

    /// Waits until all are connected and their documents seeded, telling how far they are.
    pub(crate) fn connected(self, setup: &Setup) -> Result<Self, Failure> {
        let all = setup.documents * setup.editors;
        let mut ready = 0;
        while ready < self.workers.len() {
            match self.news.recv_timeout(PROGRESS_EVERY) {
                Ok(News::Ready) => ready += 1,
                Ok(News::Ended(number)) => return Err(self.give_up(number)),
                Err(RecvTimeoutError::Timeout) => {
                    let connected = setup.connected.load(Ordering::Relaxed);
                    eprintln!("connected {connected} of {all} editors");
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.give_up(0)),
            }
        }
        eprintln!("connected {all} editors");
        Ok(self)
    }

    /// Ends all workers; the failure is that of the worker `first`.
    fn give_up(self, first: usize) -> Failure {
        let mut failure = Failure::Run("a worker ended before its time".into());
        let threads: Vec<_> = self
            .workers
            .into_iter()
            .map(|worker| {
                drop(worker.plan);
                worker.thread
            })
            .collect();
        for (number, thread) in threads.into_iter().enumerate() {
            if let Err(error) = join(thread)
                && number == first
            {
                failure = error;
            }
        }
        failure
    }

    /// Tells all when the run happens.
    pub(crate) fn tell(&mut self, plan: Plan) {
        for worker in &mut self.workers {
            if let Some(sender) = worker.plan.take() {
                // A worker that is gone by now says why when it is joined.
                let _ = sender.send(plan);
            }
        }
    }

    /// Deliveries so far within the window.
    pub(crate) fn deliveries(&self) -> u64 {
        let seen = |worker: &Worker| worker.progress.load(Ordering::Relaxed);
        self.workers.iter().map(seen).sum()
    }

    /// Waits for all and adds up what they counted.
    pub(crate) fn finish(self) -> Result<Tally, Failure> {
        let mut tally = Tally::new()?;
        for worker in self.workers {
            tally.merge(join(worker.thread)?)?;
        }
        Ok(tally)
    }
}

impl Worker {
    fn start(number: usize, setup: Arc<Setup>, tell: mpsc::Sender<News>) -> Result<Self, Failure> {
        let (plan, receiver) = oneshot::channel();
        let progress = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&progress);
        let work = move || {
            // Once the run is planned or given up nobody listens any more, which is fine.
            let ready = || drop(tell.send(News::Ready));
            let result = worker::run(number, &setup, ready, receiver, counted);
            drop(tell.send(News::Ended(number)));
            result
        };
        let thread = std::thread::Builder::new()
            .name(format!("clients-{number}"))
            .spawn(work)
            .map_err(|error| Failure::run("starting a thread", error))?;
        Ok(Self { thread, plan: Some(plan), progress })
    }
}

fn join(thread: JoinHandle<Result<Tally, Failure>>) -> Result<Tally, Failure> {
    thread.join().unwrap_or_else(|_panic| Err(Failure::Run("a worker panicked: see above".into())))
}

//! A core's thread.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use jddb_storage::CommitHandle;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::core::Core;
use super::limits::LimitsInForce;
use super::machine;
use crate::http;
use crate::listen::Listeners;
use crate::shared::Shared;

/// How the names of the cores' threads begin.
pub(crate) const CORE_THREAD_PREFIX: &str = "core-";
/// Threads of one core that wait for the disk on its behalf.
const BLOCKING_THREADS_MAX: usize = 4;
/// How long such a thread may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// A core's thread, from start to end.
#[derive(Debug)]
pub struct Worker {
    thread: JoinHandle<bool>,
}

/// Why a core could not be started.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit on processes (ulimit -u)")]
    Thread(std::io::Error),
    /// The system gives no event queue.
    #[error("cannot start a runtime: {0}; raise the limit on open files (ulimit -n)")]
    Runtime(std::io::Error),
}

/// What a core is made of.
pub struct Parts {
    /// Its number, from 0.
    pub index: usize,
    /// What all threads see.
    pub shared: Arc<Shared>,
    /// Its way to the disk.
    pub commit: CommitHandle,
    /// What it accepts connections on; the kernel deals them out among all cores.
    pub listeners: Listeners,
    /// Turns true when no more connections are to be accepted.
    pub drain: watch::Receiver<bool>,
    /// The processors there are.
    pub processors: Arc<[usize]>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a core's thread, pinned to a processor of its own where each core has one.
    ///
    /// # Errors
    /// The system does not give what it takes.
    pub fn start(parts: Parts) -> Result<Self, WorkerError> {
        let name = format!("{CORE_THREAD_PREFIX}{}", parts.index);
        let (started, report) = sync_channel(1);
        let run = move || match runtime(&parts.processors) {
            Ok(runtime) => {
                let _ = started.send(Ok(()));
                let is_durable = runtime.block_on(run(parts));
                // What is still at a socket ends with the runtime.
                runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
                is_durable
            }
            Err(error) => {
                let _ = started.send(Err(WorkerError::Runtime(error)));
                false
            }
        };
        let thread = Builder::new().name(name).spawn(run).map_err(WorkerError::Thread)?;
        match report.recv() {
            Ok(Ok(())) => Ok(Self { thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(WorkerError::Thread(std::io::Error::other("it ended at once"))),
        }
    }

    /// Waits for the thread's end; true if everything that anybody was told of is on disk.
    #[must_use]
    pub fn join(self) -> bool {
        self.thread.join().unwrap_or(false)
    }
}

fn runtime(processors: &Arc<[usize]>) -> std::io::Result<LocalRuntime> {
    let processors = Arc::clone(processors);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .on_thread_start(move || {
            // Threads that wait for the disk inherit the core's processor, and would keep it from its work.
            let _ = machine::release(&processors);
        })
        .build_local(LocalOptions::default())
}

/// Serves until the server stops, and then until everybody has gone and everything is durable, but no
/// longer than the drain time. Whether everything that anybody was told of is on disk.
async fn run(parts: Parts) -> bool {
    let Parts { index, shared, commit, listeners, drain, processors } = parts;
    let drain_time = Duration::from_secs(shared.config.drain_seconds);
    pin(index, &shared, &processors);
    let limits = Rc::new(LimitsInForce::new(shared.config.limits.clone()));
    let core = Rc::new(Core::new(index, Arc::clone(&shared), commit, Rc::clone(&limits)));
    core.recall_sessions();
    let (turns, commits) = (Rc::clone(&core), Rc::clone(&core));
    let (ticks, looks, revocations) = (Rc::clone(&core), Rc::clone(&core), Rc::clone(&core));
    let memory = Rc::clone(&core);
    spawn_local(async move { turns.run_turns().await });
    spawn_local(async move { commits.run_commits().await });
    spawn_local(async move { ticks.run_ticks().await });
    spawn_local(async move { looks.run_looks().await });
    spawn_local(async move { revocations.run_revocations().await });
    spawn_local(async move { memory.run_memory_events().await });
    let front = spawn_local(http::serve(listeners, shared, index, drain, limits));
    core.run_inbox().await;
    let settled = async {
        core.settled().await;
        // Answers that were waiting for the disk have been given by now; they still have to be written.
        let _ = front.await;
        core.shared.fronts.fetch_sub(1, Ordering::AcqRel);
        core.fronts_closed().await;
        core.settled().await;
    };
    if tokio::time::timeout(drain_time, settled).await.is_err() {
        tracing::warn!(core = index, "some clients did not go within the drain time and are cut off");
    }
    core.is_durable()
}

/// One processor for each core, where each has one. With fewer processors than cores some would compete for
/// theirs; with fewer cores than processors and no word from the operator a quota is in force, and which
/// processors are ours the kernel decides.
fn pin(index: usize, shared: &Shared, processors: &[usize]) {
    let cores = shared.inboxes.len();
    let each_has_one = cores == processors.len() || (shared.config.cores.is_some() && cores < processors.len());
    let Some(&processor) = processors.get(index).filter(|_| each_has_one) else { return };
    if let Err(error) = machine::pin(processor) {
        tracing::warn!(core = index, processor, %error, "the core is not pinned; it runs all the same");
    }
}

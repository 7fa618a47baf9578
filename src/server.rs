//! The server from start to end: what is opened in which order, and closed in the reverse one.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::sync::Parker;
use crossbeam::utils::CachePadded;
use jddb_core::document::{Document, DocumentLimits};
use jddb_core::translation::Glossary;
use jddb_storage::{
    CommitHandle, Committer, DataDirectory, LoadError, LockError, OpenError, Snapshotter, Store, StoreOptions, Waker,
};
use rustix::process::{Resource, Rlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::auth::{Authority, Fingerprint, KeyError, LoginTable};
use crate::config::{self, Config, Sources};
use crate::cores::{self, CoreMessage, Inbox, Parts, Worker, WorkerError};
use crate::durable::{self, WaitingLane};
use crate::listen::{self, ListenError, Listeners};
use crate::logging::FilterHandle;
use crate::logins::{LoginThread, Logins};
use crate::occupancy::Occupancy;
use crate::panics;
use crate::reload::Reloader;
use crate::request_rates::RequestRates;
use crate::shared::Shared;
use crate::tls::{Tls, TlsError};
use crate::translations::{self, TranslationThreads, Translations};
use crate::unfinished::Unfinished;
use crate::visits::Visits;
use crate::welcome;

/// Documents that wait for a snapshot.
const SNAPSHOT_QUEUE_DOCUMENTS: usize = 1024;

/// Why the server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another server has the data directory, or it cannot be made.
    #[error(transparent)]
    DataDirectory(#[from] LockError),
    /// The documents cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// It is not known which tokens are good, or what was translated.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no certificate where there should be one.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is nothing to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A thread could not be started.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Something else that the system refused.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// The drain time was over before everything was on disk.
    #[error(
        "stopped before all changes under way were on disk; everything acknowledged is, and clients resend the rest"
    )]
    Unsettled,
}

/// Runs the server until SIGTERM or SIGINT. `config` was read from `sources`; at SIGHUP they are read again.
///
/// # Errors
/// It cannot start, or a part of it failed.
pub fn run(config: Config, sources: Sources, log: FilterHandle) -> Result<(), ServeError> {
    serve(config, sources, log, false)
}

/// The same, but every message of a WebSocket is sent back as it came. For conformance suites: the way there and back
/// is the server's own.
///
/// # Errors
/// It cannot start, or a part of it failed.
pub fn echo(config: Config, sources: Sources, log: FilterHandle) -> Result<(), ServeError> {
    serve(config, sources, log, true)
}

fn serve(config: Config, sources: Sources, log: FilterHandle, echoes: bool) -> Result<(), ServeError> {
    let handed_over = listen::take_handed_over()?;
    panics::end_the_process_where_it_decides();
    raise_file_limit(&config);
    // The lock comes first, so that a second server on the same directory touches nothing of it.
    let directory = DataDirectory::lock(&config.data)?;
    // Heard from here on, so that a signal during recovery, or right behind the first answer, ends well too.
    let mut signals = Signals::listen().map_err(|error| ServeError::System { what: "listen to signals", error })?;
    let authority = Authority::open(&config)?;
    let tls = Tls::open(&config.tls)?;
    let core_count = config.cores.unwrap_or_else(cores::cores_granted);
    let (address, listeners) = listen::listen(&config, handed_over, core_count)?;
    let store = Store::open(&directory, store_options(&config), store_durability(&config))?;
    let logins = LoginTable::restore(store.load_logins()?.into_iter().map(|(key, entry)| (Fingerprint(key), entry)));
    let (known_logins, login_queue) = Logins::new(core_count, logins.revoked().clone());
    let memory = translations::load(&store, config.translation.entries, core_count)?;
    let terms = load_terms(&store, config.translation.terms)?;
    let (translations, translation_queues) = Translations::new(memory, terms, core_count);
    let snapshotter = start_snapshots(&store, &config)?;
    let queue_batches = config.storage.commit_queue_batches;
    let mut reloader = Reloader::new(config.clone(), sources, log, listeners.iter().any(Listeners::is_reached));
    let shared = Arc::new(Shared {
        request_rates: Arc::new(RequestRates::new(&config.limits)),
        config,
        tls,
        authority: ArcSwap::from_pointee(authority),
        logins: known_logins,
        translations,
        store: Arc::clone(&store),
        snapshots: snapshotter.requests(),
        inboxes: (0..core_count).map(|_| Inbox::default()).collect(),
        occupancy: Arc::new(Occupancy::default()),
        visits: Visits::default(),
        metrics: (0..core_count).map(|_| CachePadded::default()).collect(),
        unfinished: Unfinished::default(),
        echoes,
        leaving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        fronts: AtomicUsize::new(core_count),
    });
    // The last two lanes are those of logins and of translations.
    let parkers = [Parker::new(), Parker::new()];
    let wakers = wakers(&shared).into_iter().chain(parkers.iter().map(durable::waker)).collect();
    let (mut handles, committer) = Committer::start(Arc::clone(&store), wakers, queue_batches)
        .map_err(|error| ServeError::System { what: "start the commit thread", error })?;
    let [login_parker, translation_parker] = parkers;
    let translation_lane = WaitingLane::new(handles.remove(core_count + 1), translation_parker);
    let login_lane = WaitingLane::new(handles.remove(core_count), login_parker);
    let logins = LoginThread::start(login_queue, logins, Arc::clone(&shared), login_lane)
        .map_err(|error| ServeError::System { what: "start the thread of logins", error })?;
    let translation_threads = TranslationThreads::start(translation_queues, &shared, translation_lane)
        .map_err(|error| ServeError::System { what: "start the threads of the translation memory", error })?;
    let (drain, draining) = watch::channel(false);
    let workers = start_cores(&shared, listeners, handles, &draining)?;
    tracing::info!(%address, cores = core_count, keys = %shared.authority.load().keys(), "serving");
    welcome::print(&shared, address);

    signals.wait(|| reloader.reload(&shared));
    shared.leaving.store(true, Ordering::Release);
    // For whoever sends requests here to notice. A second signal means: now.
    signals.wait_at_most(Duration::from_secs(shared.config.drain_notice_seconds), || reloader.reload(&shared));
    tracing::info!("stopping: no new connections, telling clients, finishing what is under way");
    shared.draining.store(true, Ordering::Release);
    let _ = drain.send(true);
    shared.tell_cores(|| CoreMessage::ShutDown);
    let unsettled = workers.into_iter().map(Worker::join).filter(|is_durable| !is_durable).count();
    logins.stop();
    translation_threads.stop();
    committer.stop();
    snapshotter.stop();
    if unsettled > 0 {
        return Err(ServeError::Unsettled);
    }
    // Only now: in fast durability others may have seen what is not on disk, and versions have to be skipped then.
    if let Err(error) = store.close_clean() {
        tracing::error!(%error, "the store could not be closed; what was acknowledged is on disk");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Every connection is an open file; the soft limit is often 1,024.
fn raise_file_limit(config: &Config) {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let needed = config.limits.connections as u64 + 1_024;
    let granted = rustix::process::getrlimit(Resource::Nofile).current;
    if granted.is_some_and(|granted| granted < needed) {
        tracing::warn!(
            granted,
            needed,
            "too few open files for limits.connections: raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        );
    }
}

pub(crate) fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        wal_bytes: config.storage.wal_bytes as u64,
        block_cache_bytes: config.storage.block_cache_bytes,
        write_buffer_bytes: config.storage.write_buffer_bytes,
    }
}

const fn store_durability(config: &Config) -> jddb_storage::Durability {
    match config.durability {
        config::Durability::Strict => jddb_storage::Durability::Strict,
        config::Durability::Fast => jddb_storage::Durability::Fast,
    }
}

fn start_snapshots(store: &Arc<Store>, config: &Config) -> Result<Snapshotter, ServeError> {
    // A snapshot is of what is stored, whatever the limits are by now.
    let limits = DocumentLimits {
        history_versions_max: usize::try_from(config.documents.base_versions).unwrap_or(usize::MAX),
        ..DocumentLimits::default()
    };
    let make = Box::new(move |document_id: &jddb_core::ids::DocumentId, loaded: jddb_storage::Loaded| {
        let document = Document::restore(document_id.clone(), loaded.snapshot, loaded.changes, limits).ok()?;
        Some(document.snapshot(cores::now()))
    });
    Snapshotter::start(Arc::clone(store), make, SNAPSHOT_QUEUE_DOCUMENTS)
        .map_err(|error| ServeError::System { what: "start the snapshot thread", error })
}

/// The glossary, as it is on disk.
fn load_terms(store: &Store, terms_max: usize) -> Result<Glossary, LoadError> {
    let mut terms = Vec::new();
    let unreadable = store.load_terms(|term| terms.push(term))?;
    let (glossary, left_out) = Glossary::load(terms, terms_max);
    if unreadable + left_out > 0 {
        tracing::error!(unreadable, left_out, "terms of the glossary are not used; they stay on disk");
    }
    Ok(glossary)
}

/// What wakes each core when something it submitted is durable.
fn wakers(shared: &Arc<Shared>) -> Vec<Waker> {
    let waker = |core: usize| -> Waker {
        let shared = Arc::clone(shared);
        Box::new(move || shared.inboxes[core].notify_committed())
    };
    (0..shared.inboxes.len()).map(waker).collect()
}

fn start_cores(
    shared: &Arc<Shared>,
    listeners: Vec<Listeners>,
    handles: Vec<CommitHandle>,
    drain: &watch::Receiver<bool>,
) -> Result<Vec<Worker>, ServeError> {
    let processors: Arc<[usize]> = cores::available_processors().into();
    let mut workers = Vec::new();
    for (index, (listeners, commit)) in listeners.into_iter().zip(handles).enumerate() {
        let parts = Parts {
            index,
            shared: Arc::clone(shared),
            commit,
            listeners,
            drain: drain.clone(),
            processors: Arc::clone(&processors),
        };
        workers.push(Worker::start(parts)?);
    }
    Ok(workers)
}

/// SIGTERM, SIGINT and SIGHUP, heard since [`Signals::listen`].
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// It was started by somebody at a terminal.
    at_terminal: bool,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hang_up = signal(SignalKind::hangup())?;
        drop(context);
        Ok(Self { runtime, terminate, interrupt, hang_up, at_terminal: std::io::stdin().is_terminal() })
    }

    /// Waits until the server is told to stop, doing `reload` each time it is told to. The same signal comes when the
    /// terminal is closed that it was started at: then nobody is left who could stop it.
    fn wait(&mut self, reload: impl FnMut()) {
        self.wait_at_most(Duration::MAX, reload);
    }

    /// The same, but not for longer than that.
    fn wait_at_most(&mut self, time: Duration, mut reload: impl FnMut()) {
        let Self { runtime, terminate, interrupt, hang_up, at_terminal } = self;
        runtime.block_on(async {
            let over = tokio::time::sleep(time);
            tokio::pin!(over);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hang_up.recv() => {
                        if *at_terminal && !std::io::stdin().is_terminal() {
                            return;
                        }
                        reload();
                    }
                    () = &mut over => return,
                }
            }
        });
    }
}

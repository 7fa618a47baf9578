//! The server from start to end: what is opened in which order, and closed in the reverse one.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;
use jddb_core::document::{Document, DocumentLimits};
use jddb_storage::{
    CommitHandle, Committer, DataDirectory, LockError, OpenError, Snapshotter, Store, StoreOptions, Waker,
};
use rustix::process::{Resource, Rlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::auth::{Authority, KeyError};
use crate::config::{self, Config};
use crate::cores::{self, CORE_THREAD_PREFIX, CoreMessage, Inbox, Parts, Worker, WorkerError};
use crate::shared::Shared;
use crate::welcome;

/// Connections that wait to be accepted, for each listener. The system cuts it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
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
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address is taken.
    #[error("{0} is in use by another program: stop that one, or choose another address with --listen")]
    AddressInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
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

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start, or a part of it failed.
pub fn run(config: Config) -> Result<(), ServeError> {
    abort_on_panic();
    raise_file_limit(&config);
    // The lock comes first, so that a second server on the same directory touches nothing of it.
    let directory = DataDirectory::lock(&config.data)?;
    // Heard from here on, so that a signal during recovery, or right behind the first answer, ends well too.
    let signals = Signals::listen().map_err(|error| ServeError::System { what: "listen to signals", error })?;
    let authority = Authority::open(&config)?;
    let core_count = config.cores.unwrap_or_else(cores::cores_granted);
    let (address, listeners) = listen(config.listen, core_count)?;
    let store = Store::open(&directory, store_options(&config), store_durability(&config))?;
    let snapshotter = start_snapshots(&store, &config)?;
    let queue_batches = config.storage.commit_queue_batches;
    let shared = Arc::new(Shared {
        config,
        authority,
        store: Arc::clone(&store),
        snapshots: snapshotter.requests(),
        inboxes: (0..core_count).map(|_| Inbox::default()).collect(),
        metrics: (0..core_count).map(|_| CachePadded::default()).collect(),
        connections: AtomicUsize::new(0),
        unfinished_bytes: AtomicUsize::new(0),
        draining: AtomicBool::new(false),
        fronts: AtomicUsize::new(core_count),
    });
    let (handles, committer) = Committer::start(Arc::clone(&store), wakers(&shared), queue_batches)
        .map_err(|error| ServeError::System { what: "start the commit thread", error })?;
    let (drain, draining) = watch::channel(false);
    let workers = start_cores(&shared, listeners, handles, &draining)?;
    tracing::info!(%address, cores = core_count, "serving");
    welcome::print(&shared, address);

    signals.wait();
    tracing::info!("stopping: no new connections, telling clients, finishing what is under way");
    shared.draining.store(true, Ordering::Release);
    let _ = drain.send(true);
    for inbox in &shared.inboxes {
        // A full inbox empties: its core is running.
        let mut message = CoreMessage::ShutDown;
        while let Err(refused) = inbox.send(message) {
            message = refused;
            std::thread::yield_now();
        }
    }
    let unsettled = workers.into_iter().map(Worker::join).filter(|is_durable| !is_durable).count();
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

/// A core that panics has documents in memory that may contradict the disk. Everything acknowledged is
/// on disk, so the safe thing is to stop at once and be started again. On other threads a panic is one
/// document's that is being read, or poisons the store, and is caught there.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        if std::thread::current().name().is_some_and(|name| name.starts_with(CORE_THREAD_PREFIX)) {
            tracing::error!("internal error, stopping at once: {info}");
            std::process::abort();
        }
        tracing::error!("internal error: {info}");
    }));
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

/// One listener a core on the same address. First it is bound alone, so that a port in use is an error
/// and not half of the connections.
fn listen(address: SocketAddr, cores: usize) -> Result<(SocketAddr, Vec<TcpListener>), ServeError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::Listen { address, error },
    };
    drop(bind(address, false).map_err(failed)?);
    let first = bind(address, true).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..cores {
        listeners.push(bind(bound, true).map_err(failed)?);
    }
    Ok((bound, listeners))
}

fn bind(address: SocketAddr, shared: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn store_options(config: &Config) -> StoreOptions {
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
    listeners: Vec<TcpListener>,
    handles: Vec<CommitHandle>,
    drain: &watch::Receiver<bool>,
) -> Result<Vec<Worker>, ServeError> {
    let processors: Arc<[usize]> = cores::available_processors().into();
    let mut workers = Vec::new();
    for (index, (listener, commit)) in listeners.into_iter().zip(handles).enumerate() {
        let parts = Parts {
            index,
            shared: Arc::clone(shared),
            commit,
            listener,
            drain: drain.clone(),
            processors: Arc::clone(&processors),
        };
        workers.push(Worker::start(parts)?);
    }
    Ok(workers)
}

/// SIGTERM and SIGINT, heard since [`Signals::listen`].
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(context);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits until the server is told to stop.
    fn wait(self) {
        let Self { runtime, mut terminate, mut interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
    }
}

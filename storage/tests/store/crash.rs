//! A server that is killed at any moment has what it acknowledged.
//!
//! The server is this test binary once more, with a directory in its environment: it commits changes of
//! two documents from two cores, and says on its standard output what is durable as soon as it knows.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use jddb_storage::{
    CommitBatch, CommitHandle, Committer, DataDirectory, Durability, OpenError, RefusalReason, Refused, Store, Waker,
};

use crate::support::{EVERYTHING, SMALL, change, id, versions};

const CHILD_DIRECTORY: &str = "JDDB_STORAGE_TEST_DIRECTORY";
const CORES: usize = 2;
/// Batches that wait for their sync at a time, of each core.
const IN_FLIGHT: u64 = 8;
/// The child ends by itself after so many, should nobody kill it.
const VERSIONS_MAX: u64 = 20_000;
/// And after this long, whatever happens: a test that hangs says less than one that fails.
const LIFETIME: Duration = Duration::from_secs(30);

fn document(core: usize) -> jddb_core::ids::DocumentId {
    id(&format!("doc{core}"))
}

/// Whole lines only, past the test harness' capture.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Not a test by itself: what the others start and kill.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD_DIRECTORY) else { return };
    thread::spawn(|| {
        thread::sleep(LIFETIME);
        std::process::abort()
    });
    let directory = match DataDirectory::lock(Path::new(&path)) {
        Ok(directory) => directory,
        Err(error) => return say(&format!("not-locked {error}")),
    };
    let store = match Store::open(&directory, SMALL, Durability::Strict) {
        Ok(store) => store,
        Err(error) => return say(&format!("not-opened {} {error}", matches!(error, OpenError::NoSpace { .. }))),
    };
    let start = |core: usize| match store.load(&document(core), 1, 0) {
        Ok(loaded) => loaded.map_or(0, |loaded| loaded.version().0),
        Err(error) => panic!("{error}"),
    };
    let starts: Vec<u64> = (0..CORES).map(start).collect();
    // Outlives the scope: it stops once the cores have ended.
    let mut committer = None;
    thread::scope(|scope| {
        let (mut inboxes, mut wakers) = (Vec::new(), Vec::<Waker>::new());
        for (core, &start) in starts.iter().enumerate() {
            let (inbox, handle) = mpsc::channel();
            let store = &store;
            let spawned = scope.spawn(move || run_core(store, &handle.recv().unwrap(), core, start));
            let core_thread = spawned.thread().clone();
            wakers.push(Box::new(move || core_thread.unpark()));
            inboxes.push(inbox);
        }
        let (handles, started) = Committer::start(Arc::clone(&store), wakers, 64).unwrap();
        committer = Some(started);
        for (inbox, handle) in inboxes.into_iter().zip(handles) {
            inbox.send(handle).unwrap();
        }
    });
    drop(committer);
    say(&format!("closed-clean {}", store.close_clean().is_ok()));
}

/// Submits one version after the other, and says what has become durable.
fn run_core(store: &Store, handle: &CommitHandle, core: usize, start: u64) {
    let document = document(core);
    let (mut sequence, mut said) = (0, 0);
    while sequence < VERSIONS_MAX {
        let durable = handle.durable();
        for acknowledged in said + 1..=durable {
            say(&format!("ack {core} {}", start + acknowledged));
        }
        said = durable;
        if handle.poisoned() {
            break;
        }
        if sequence - durable >= IN_FLIGHT {
            thread::park();
            continue;
        }
        sequence += 1;
        let records = vec![store.encode_change(&document, &change(&document, start + sequence))];
        if handle.submit(CommitBatch { sequence, records }).is_err() {
            break;
        }
    }
    // Poisoned: what failed must not be seen, and nothing is taken any more.
    let visible = store.load(&document, 1, 0).unwrap().map_or(0, |loaded| loaded.version().0);
    say(&format!("stopped {core} visible {visible} durable {}", start + handle.durable()));
    let refused = handle.submit(CommitBatch { sequence: sequence + 1, records: Vec::new() });
    say(&format!("refused {}", matches!(refused, Err(Refused { reason: RefusalReason::Poisoned, .. }))));
}

/// A child that is killed at the latest when it is dropped.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Everything it said.
    pub(crate) said: Vec<String>,
}

impl Server {
    pub(crate) fn start(directory: &Path, environment: &[(&str, String)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIRECTORY, directory)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: Vec::new() }
    }

    /// Reads on until so many versions were acknowledged in all, or it has ended.
    pub(crate) fn wait_for_acks(&mut self, count: usize) {
        let mut acks = 0;
        let mut line = String::new();
        while acks < count && self.out.read_line(&mut line).unwrap() > 0 {
            acks += usize::from(line.starts_with("ack"));
            self.said.push(std::mem::take(&mut line));
        }
    }

    /// Kills it as `kill -9` does, and returns the highest version acknowledged of each core.
    pub(crate) fn kill(&mut self) -> BTreeMap<usize, u64> {
        self.child.kill().unwrap();
        self.wait_for_acks(usize::MAX);
        self.child.wait().unwrap();
        acknowledged(&self.said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What was acknowledged, in order; a last line that was cut off counts for nothing.
fn acknowledged(said: &[String]) -> BTreeMap<usize, u64> {
    let mut highest = BTreeMap::new();
    for line in said.iter().filter(|line| line.ends_with('\n')) {
        if let ["ack", core, version] = line.split_whitespace().collect::<Vec<_>>()[..] {
            let (core, version): (usize, u64) = (core.parse().unwrap(), version.parse().unwrap());
            let before = highest.insert(core, version);
            assert!(before.is_none_or(|before| before + 1 == version), "acknowledged out of order");
        }
    }
    highest
}

/// Opens the store and looks for everything acknowledged: what is wrong, if anything is.
pub(crate) fn check(directory: &Path, acknowledged: &BTreeMap<usize, u64>) -> Result<(), String> {
    let lock = DataDirectory::lock(directory).map_err(|error| error.to_string())?;
    let store = Store::open(&lock, SMALL, Durability::Strict).map_err(|error| error.to_string())?;
    for (&core, &version) in acknowledged {
        let document = document(core);
        let loaded = store.load(&document, EVERYTHING.0, EVERYTHING.1).map_err(|error| error.to_string())?;
        let changes = loaded.map(|loaded| loaded.changes).unwrap_or_default();
        if (changes.len() as u64) < version {
            return Err(format!("{document}: {} versions, acknowledged {version}", changes.len()));
        }
        if versions(&changes) != (1..=changes.len() as u64).collect::<Vec<_>>() {
            return Err(format!("{document}: versions are not in order"));
        }
        if let Some(wrong) = changes.iter().find(|found| **found != change(&document, found.version.0)) {
            return Err(format!("{document}: version {} is another change", wrong.version));
        }
    }
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_by_thirty_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    let mut moment = 7_usize;
    for round in 0..30 {
        let mut server = Server::start(directory.path(), &[]);
        moment = moment.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        // In some rounds before it has opened the store, in most of them under load.
        server.wait_for_acks(if round % 6 == 5 { 0 } else { (moment >> 8) % 250 });
        expected.extend(server.kill());
        check(directory.path(), &expected).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(expected.len() == CORES && expected.values().all(|version| *version > 100), "{expected:?}");
}

/// The check itself is checked: it finds what is not there.
#[test]
fn a_lost_version_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    server.wait_for_acks(50);
    let mut expected = server.kill();
    check(directory.path(), &expected).unwrap();
    // Any core's: on a busy machine one of them may have made all of them.
    *expected.values_mut().next().unwrap() += IN_FLIGHT + 64 + 1;
    assert!(check(directory.path(), &expected).unwrap_err().contains("acknowledged"));
}

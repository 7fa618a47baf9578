//! A place of its own for one test: a data directory, its tokens, the logs of its servers.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::server::Start;

/// Both scopes that editing needs.
pub(crate) const EDIT: &str = "document:read document:write";
/// A `limits` claim under which no rate limit is met.
pub(crate) const UNLIMITED: &str = r#"{"connections": 1000, "messages_per_minute": 100000000, "burst_per_second": 10000000, "requests_per_minute": 100000000}"#;

/// A directory that goes when the test ends; servers come and go on it.
#[derive(Debug)]
pub(crate) struct Home {
    root: TempDir,
    starts: Cell<usize>,
}

impl Home {
    /// A new, empty one.
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary directory"), starts: Cell::new(0) }
    }

    /// One in memory where the machine has a file system for that: for tests that are not about disks.
    pub(crate) fn in_memory() -> Self {
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { root: root.expect("a temporary directory"), starts: Cell::new(0) }
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A log file for the next server.
    pub(super) fn next_log(&self) -> PathBuf {
        self.starts.set(self.starts.get() + 1);
        self.path(&format!("server-{}.log", self.starts.get()))
    }

    /// Prepares a server on the data directory.
    pub(crate) fn start(&self) -> Start<'_> {
        Start::new(self)
    }

    /// A token for `user` from the command line, with `more` arguments.
    pub(crate) fn token_with(&self, user: &str, scope: &str, more: &[&str]) -> String {
        let data = self.data();
        let mut command = program(self.root.path());
        command.args(["token", "--sub", user, "--scope", scope, "--data"]).arg(data).args(more);
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no token for {user}: {stderr}");
        String::from_utf8(output.stdout).expect("a token is text").trim().to_owned()
    }

    /// A token for an editor whom no rate limit stops.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_with(user, EDIT, &["--limits", UNLIMITED])
    }
}

/// The product's program, run in `directory` with no settings but those that are given to it.
pub(crate) fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jddb-realtime"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JDDB_") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory);
    command
}

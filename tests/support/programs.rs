//! Clients in other languages, as processes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::home::Home;
use super::until;

/// A client of ours in another language.
pub(crate) fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// The Python of the environment that `make test` makes.
pub(crate) fn python() -> Result<Command, &'static str> {
    let missing = "JDDB_TEST_PYTHON names no Python with websockets and pytest; `make test` makes one";
    let path = std::env::var_os("JDDB_TEST_PYTHON").map(PathBuf::from).filter(|path| path.exists()).ok_or(missing)?;
    let mut command = Command::new(path);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    Ok(command)
}

/// Node, with the packages that `make test` installs.
pub(crate) fn node() -> Result<Command, &'static str> {
    let missing = "JDDB_TEST_NODE_PATH names no directory with the package ws; `make test` makes one";
    let path = std::env::var_os("JDDB_TEST_NODE_PATH").map(PathBuf::from).ok_or(missing)?;
    if !path.join("ws").exists() {
        return Err(missing);
    }
    Ok(Command::new("node"))
}

/// A client as a process, which says each thing that happens to it in a line of its own.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    errors: PathBuf,
}

impl Process {
    pub(crate) fn start(home: &Home, name: &'static str, mut command: Command) -> Self {
        let errors = home.path(&format!("{name}.log"));
        let log = File::create(&errors).expect("a log file");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        Self { name, child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")), errors }
    }

    /// Waits for the end, which has to be a good one; returns what it said.
    pub(crate) async fn said(mut self) -> String {
        let output = self.child.stdout.take().expect("its output is ours");
        // Read while it runs, so that a full pipe does not stop it.
        let reader = std::thread::spawn(move || std::io::read_to_string(output).expect("its output is text"));
        let child = &mut self.child;
        let status = until(self.name, async || child.try_wait().expect("a child can be waited for")).await;
        let said = reader.join().expect("the output can be read");
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        assert!(status.success(), "{}: {status}\n{said}\n{errors}", self.name);
        said
    }

    /// Waits for its first line.
    pub(crate) fn first_line(&mut self) -> String {
        let output = self.child.stdout.as_mut().expect("its output is ours");
        let mut line = String::new();
        BufReader::with_capacity(1, output).read_line(&mut line).expect("its output is text");
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        assert!(!line.is_empty(), "{}: said nothing\n{errors}", self.name);
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

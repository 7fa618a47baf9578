//! Starting a server of one's own, and stopping it as an operator would.

use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tempfile::{NamedTempFile, TempDir};

use crate::clock;
use crate::failure::Failure;
use crate::http;
use crate::target::Endpoint;
use crate::tls::Encryption;

/// The longest wait for `GET /readyz` to say yes.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The longest wait for the process to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// So much of the server's last output is shown when it fails.
const LOG_LINES_SHOWN: usize = 20;

/// How to start it.
#[derive(Debug)]
pub(crate) struct StartOptions<'a> {
    /// The server's binary.
    pub(crate) binary: &'a Path,
    /// Its arguments, with `{data}`, `{listen}` and `{cores}` to fill in.
    pub(crate) template: &'a str,
    /// Arguments after those.
    pub(crate) extra: &'a [String],
    /// Settings by the names of their variables, which those of our own environment go before.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// Cores it uses.
    pub(crate) cores: usize,
    /// The one core its threads may run on, if confined.
    pub(crate) pin_core: Option<usize>,
    /// Its data directory; a temporary one if none is given.
    pub(crate) data: Option<&'a Path>,
    /// What connections to it are encrypted with, if it is told to take such.
    pub(crate) encryption: Option<&'a Encryption>,
}

/// A running server. Dropping it kills it; [`ServerProcess::stop`] is the clean way.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: OwnChild,
    pid: Pid,
    endpoint: Endpoint,
    data: PathBuf,
    log: NamedTempFile,
    /// Removed with the server, after it.
    _temporary: Option<TempDir>,
}

impl ServerProcess {
    /// Starts the server and waits until it is ready.
    pub(crate) fn start(options: &StartOptions<'_>) -> Result<Self, Failure> {
        let doing = format!("starting {}", options.binary.display());
        let fail = |error: io::Error| Failure::run(&doing, error);
        let temporary = match options.data {
            Some(_) => None,
            None => Some(TempDir::with_prefix("jddb-loadtest-").map_err(fail)?),
        };
        let data = match (options.data, &temporary) {
            (Some(data), _) => data.to_owned(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(Failure::run(&doing, "no data directory")),
        };
        std::fs::create_dir_all(&data).map_err(fail)?;
        let listen = free_address().map_err(fail)?;
        let encryption = options.encryption.cloned();
        let endpoint = Endpoint { encryption, ..Endpoint::parse(&format!("ws://{listen}"))? };
        let log = NamedTempFile::with_prefix("jddb-loadtest-server-").map_err(fail)?;
        let mut command = Command::new(options.binary);
        command
            .args(arguments(options, &data, &listen))
            .args(options.extra)
            .envs(options.settings.iter().copied().filter(|(name, _)| std::env::var_os(name).is_none()))
            .stdin(Stdio::null())
            .stdout(log.reopen().map_err(fail)?)
            .stderr(log.reopen().map_err(fail)?);
        let child = spawn_on(&mut command, options.pin_core).map_err(fail)?;
        let pid = Pid::from_child(&child);
        let mut server = Self { child: OwnChild(child), pid, endpoint, data, log, _temporary: temporary };
        server.wait_until_ready(&doing)?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    fn wait_until_ready(&mut self, doing: &str) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::run(doing, error))?;
        let deadline = clock::now().plus(READY_WITHIN);
        loop {
            let answer = runtime.block_on(http::get(&self.endpoint, "/readyz", None));
            let Err(answer) = answer else {
                return Ok(());
            };
            if let Ok(Some(status)) = self.child.0.try_wait() {
                let said = self.last_lines();
                return Err(Failure::run(doing, format!("it ended with {status}:\n{said}")));
            }
            if clock::now() > deadline {
                let said = self.last_lines();
                return Err(Failure::run(doing, format!("not ready within 60 s ({answer}):\n{said}")));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Has it read its configuration again (SIGHUP).
    pub(crate) fn hang_up(&self) -> Result<(), Failure> {
        kill_process(self.pid, Signal::HUP)
            .map_err(|error| Failure::run("having the server read its files again", error))
    }

    /// All that it has written to its log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap_or_default()).into_owned()
    }

    /// Asks it to end (SIGTERM) and waits; one that has not ended after 30 s is killed, which is an error.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let doing = "stopping the server";
        kill_process(self.pid, Signal::TERM).map_err(|error| Failure::run(doing, error))?;
        let deadline = clock::now().plus(STOP_WITHIN);
        while clock::now() < deadline {
            match self.child.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    let said = self.last_lines();
                    return Err(Failure::run(doing, format!("it ended with {status}:\n{said}")));
                }
                Ok(None) => std::thread::sleep(POLL),
                Err(error) => return Err(Failure::run(doing, error)),
            }
        }
        Err(Failure::run(doing, "it did not end within 30 s of SIGTERM"))
    }

    fn last_lines(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines[shown..].join("\n")
    }
}

/// A process started here, which must not outlive the run.
#[derive(Debug)]
pub(crate) struct OwnChild(pub(crate) Child);

impl OwnChild {
    /// Starts it, confined to `core` if that is said, and waits for the first line that it prints.
    pub(crate) fn start(command: &mut Command, core: Option<usize>) -> io::Result<(Self, String)> {
        let mut child = Self(spawn_on(command.stdout(Stdio::piped()), core)?);
        let mut line = String::new();
        if let Some(output) = child.0.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        Ok((child, line.trim().to_owned()))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for OwnChild {
    /// One that is stopped can be killed as well. Errors mean that it has ended already.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address nobody listens on. Another process could take it before the server does; the server then says so.
fn free_address() -> io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The template's words, filled in after splitting, so that a path may hold spaces.
fn arguments(options: &StartOptions<'_>, data: &Path, listen: &str) -> Vec<String> {
    let fill = |word: &str| {
        word.replace("{data}", &data.to_string_lossy())
            .replace("{listen}", listen)
            .replace("{cores}", &options.cores.to_string())
    };
    options.template.split_ascii_whitespace().map(fill).collect()
}

/// Spawns with this thread's affinity set to `core`, which a child inherits, and sets it back.
fn spawn_on(command: &mut Command, core: Option<usize>) -> io::Result<Child> {
    let Some(core) = core else {
        return command.spawn();
    };
    let before = sched_getaffinity(None)?;
    pin_this_thread(core)?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child
}

/// Confines the calling thread, and the threads it starts from now on, to `core`.
pub(crate) fn pin_this_thread(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("there is no core {core}")));
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("no permission for, or no such core {core}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options<'a>(binary: &'a str, template: &'a str) -> StartOptions<'a> {
        StartOptions {
            binary: Path::new(binary),
            template,
            extra: &[],
            settings: &[],
            cores: 2,
            pin_core: None,
            data: None,
            encryption: None,
        }
    }

    #[test]
    fn the_template_is_filled_in_and_paths_may_hold_spaces() {
        let options = options("x", "serve --data {data} --listen={listen} --cores {cores}");
        let words = arguments(&options, Path::new("/a b"), "127.0.0.1:9");
        let expected = ["serve", "--data", "/a b", "--listen=127.0.0.1:9", "--cores", "2"];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_server_that_ends_at_once_is_shown_with_its_output() {
        let error = ServerProcess::start(&options("/bin/ls", "/no-such-place")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no-such-place") && text.contains("exit status"), "{text}");
    }

    #[test]
    fn a_missing_binary_is_named() {
        let error = ServerProcess::start(&options("/no/such/server", "")).unwrap_err();
        assert!(error.to_string().contains("/no/such/server"), "{error}");
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        let error = std::thread::spawn(|| pin_this_thread(1023).unwrap_err());
        assert!(error.join().unwrap().to_string().contains("1023"));
        assert!(pin_this_thread(usize::MAX).is_err());
    }
}

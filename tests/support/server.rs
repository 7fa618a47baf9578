//! Servers as processes: started, waited for, stopped politely or not.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use super::home::{Home, program};
use super::tls::Pair;
use super::{http, until};

/// How much of a server's log is shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;
/// How often another port is tried if somebody else took the one that had just been free.
const PORTS_TRIED: usize = 5;

/// A server about to be started.
pub(crate) struct Start<'h> {
    home: &'h Home,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    prelude: Option<&'static str>,
    terminal: Option<OwnedFd>,
    is_encrypted: bool,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
    is_encrypted: bool,
}

/// How a server ended that was expected to.
#[derive(Debug)]
pub(crate) struct Exit {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// All that it wrote to stderr.
    pub(crate) stderr: String,
}

impl<'h> Start<'h> {
    pub(super) fn new(home: &'h Home) -> Self {
        Self {
            home,
            arguments: Vec::new(),
            environment: Vec::new(),
            prelude: None,
            terminal: None,
            is_encrypted: false,
        }
    }

    /// Adds arguments to the command line.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has it take encrypted connections only.
    pub(crate) fn encrypted(mut self, pair: &Pair) -> Self {
        self.is_encrypted = true;
        let [certificate, key] = [&pair.certificate, &pair.key].map(|path| path.to_str().expect("a path in UTF-8"));
        self.env("JDDB_TLS__CERTIFICATE", certificate).env("JDDB_TLS__KEY", key)
    }

    /// Runs lines of a shell first, in the process that becomes the server.
    pub(crate) fn after(mut self, prelude: &'static str) -> Self {
        self.prelude = Some(prelude);
        self
    }

    /// Starts it at a terminal; the other end of which is given.
    pub(crate) fn at_terminal(mut self) -> (Self, OwnedFd) {
        // No other child is to keep it open.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = openpt(flags).expect("a terminal");
        unlockpt(&end).expect("a terminal can be unlocked");
        self.terminal = Some(ioctl_tiocgptpeer(&end, flags).expect("a terminal has two ends"));
        (self, end)
    }

    fn command(&self, log: &Path) -> Command {
        let mut command = program(&self.home.path("."));
        command.arg("serve").arg("--data").arg(self.home.data()).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(prelude) = self.prelude {
            command = behind(prelude, &command);
        }
        let log = File::create(log).expect("a log file");
        let terminal = self.terminal.as_ref().map(|end| end.try_clone().expect("a terminal may be open twice"));
        command.stdin(terminal.map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::null()).stderr(log);
        command
    }

    /// Starts it on a free port of this machine, and waits until it says that it is ready.
    pub(crate) async fn ready(self) -> Server {
        self.try_ready().await.unwrap_or_else(|refusals| panic!("the server does not start on a free port: {refusals}"))
    }

    /// The same, of one that may not be able to start.
    ///
    /// # Errors
    /// It did not; this is what it said.
    pub(crate) async fn try_ready(self) -> Result<Server, String> {
        let mut refusals = String::new();
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            let log = self.home.next_log();
            let mut command = self.command(&log);
            command.args(["--listen", &format!("127.0.0.1:{port}"), "--cores", "2"]);
            let child = command.spawn().expect("the server starts");
            let mut server = Server { child, port, log, is_encrypted: self.is_encrypted };
            match server.wait_until_ready().await {
                Ok(()) => return Ok(server),
                Err(status) => refusals = format!("{status}: {}", server.log()),
            }
        }
        Err(refusals)
    }

    /// Prepares it as a service manager does that hands a descriptor over, said to be so many sockets.
    fn handed_over(self, count: &str) -> Self {
        let start = self.env("LISTEN_FDS", count).env("LISTEN_FDNAMES", "web");
        start.after("exec 3<&0 </dev/null; export LISTEN_PID=$$")
    }

    /// Starts it with a listening socket that is handed over, and waits until it says that it is ready.
    pub(crate) async fn ready_on(self, listener: TcpListener) -> Server {
        let port = listener.local_addr().expect("a bound address").port();
        let log = self.home.next_log();
        let mut command = self.handed_over("1").command(&log);
        let child = command.args(["--cores", "2"]).stdin(OwnedFd::from(listener)).spawn().expect("the server starts");
        let mut server = Server { child, port, log, is_encrypted: false };
        if let Err(status) = server.wait_until_ready().await {
            panic!("the server does not start on a socket that is handed over: {status}: {}", server.log());
        }
        server
    }

    /// Runs it with something handed over, said to be so many sockets, and waits for it to end by itself.
    pub(crate) async fn exit_on(self, descriptor: OwnedFd, count: &str) -> Exit {
        let log = self.home.next_log();
        let mut command = self.handed_over(count).command(&log);
        command.stdin(descriptor);
        run_to_the_end(command, log).await
    }

    /// Runs it with the given arguments only, and waits for it to end by itself.
    pub(crate) async fn exit(self) -> Exit {
        let log = self.home.next_log();
        run_to_the_end(self.command(&log), log).await
    }
}

async fn run_to_the_end(mut command: Command, log: PathBuf) -> Exit {
    let child = command.spawn().expect("the server starts");
    let mut server = Server { child, port: 0, log, is_encrypted: false };
    let status = server.wait().await;
    Exit { code: status.code(), stderr: server.log() }
}

/// The same command behind lines of a shell: they set what is inherited, which safe code cannot.
fn behind(prelude: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prelude}\nexec \"$0\" \"$@\"")]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().expect("a directory"));
    shell
}

impl Server {
    /// The port it listens on, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written to stderr.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn wait_until_ready(&mut self) -> Result<(), ExitStatus> {
        let (port, is_encrypted) = (self.port, self.is_encrypted);
        let child = &mut self.child;
        until("the server to be ready", async || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return Some(Err(status));
            }
            let answer = http::try_get(port, "/readyz").await.ok()?;
            // One that takes encrypted connections only says so, as soon as it takes any.
            (answer.status == if is_encrypted { 400 } else { 200 }).then_some(Ok(()))
        })
        .await
    }

    /// Waits for it to end by itself.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the server to exit", async || child.try_wait().expect("a child can be waited for")).await
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Tells it that its terminal was closed, until it has ended. Once may be too early: a child that another test is
    /// starting has a copy of the terminal's other end for a moment.
    pub(crate) async fn hang_up_until_it_ends(&mut self) -> ExitStatus {
        until("the server to exit", async || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            if ended.is_none() {
                self.hang_up();
            }
            ended
        })
        .await
    }

    /// Ends it at once, in whatever it is doing.
    pub(crate) fn kill_nine(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a killed child can be waited for");
    }

    fn process(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("the server can be signalled");
    }

    /// Has it open no file whose descriptor would be that number, or above; all that are open stay so. What it could before.
    pub(crate) fn limit_files(&self, number: u64) -> u64 {
        let limit = |new| prlimit(Some(self.process()), Resource::Nofile, new).expect("the server can be limited");
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        limit(Rlimit { current: Some(number), maximum }).current.expect("a limit")
    }

    /// The lowest descriptor that it has not in use.
    pub(crate) fn next_file(&self) -> u64 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("its files");
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        let open: std::collections::BTreeSet<u64> = open.filter_map(|entry| name(entry.ok()?)?.parse().ok()).collect();
        (0..).find(|number| !open.contains(number)).expect("there are many numbers")
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- the server's stderr ({})\n{}\n---", self.log.display(), shown.join("\n"));
        }
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

//! The scenario `idle`: many connections that only answer pings, and what the server keeps for each.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::process::Pid;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::cli::file_limit;
use crate::clock;
use crate::connect::{self, Request};
use crate::errors::Errors;
use crate::failure::Failure;
use crate::procfs::{self, CpuSeconds, Memory};
use crate::report::{Figures, Report, Table, check_goal, float, grouped, mebibytes};
use crate::scan::Scanner;
use crate::stage;
use crate::stamp::RunTag;
use crate::target::{Endpoint, Target, TargetArgs};
use crate::token::LimitsClaim;

/// Connections from one loopback address; the kernel's usual range has 28,232 ports, some of them in use.
const CONNECTIONS_PER_ADDRESS: u32 = 20_000;
/// Files this process needs besides its connections.
const OTHER_FILES: u64 = 64;
/// After so many failures the run is given up.
const FAILURES_MAX: u64 = 100;
/// How long the server is left alone after the connections are closed, before its memory is read again.
const AFTER_CLOSE: Duration = Duration::from_secs(3);
/// The server's default limit on connections of one user.
const DEFAULT_USER_CONNECTIONS: u32 = 10;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Options of `idle`.
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// Connections
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    connections: u32,
    /// Documents they are spread over; the server's default allows 50 editors of each
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "M")]
    documents: u32,
    /// Users they belong to, instead of one each; above 10 connections of each, the server's default, the tokens claim
    /// as many as it takes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "U")]
    users: Option<u32>,
    /// Handshakes under way at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096), value_name = "N")]
    concurrency: u32,
    /// Seconds between the last connection and the measurement
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=86_400), value_name = "S")]
    settle: u64,
    /// Negotiate compression (permessage-deflate) on each connection
    #[arg(long)]
    compression: bool,
    /// Encrypt each connection (TLS), without compression; needs --server-bin
    #[arg(long, conflicts_with = "compression")]
    tls: bool,
    /// Fail (exit code 1) if a connection costs the server more resident memory than this
    #[arg(long, value_name = "BYTES")]
    max_bytes_per_connection: Option<f64>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What is read at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
struct Reading {
    /// The server's memory, if its process is known.
    server: Option<Memory>,
    /// The kernel's memory for TCP buffers of the whole machine, both ends of loopback connections.
    tcp_buffer_bytes: u64,
}

impl Reading {
    fn take(server: Option<Pid>) -> Result<Self, Failure> {
        Ok(Self { server: server.map(Memory::of).transpose()?, tcp_buffer_bytes: procfs::tcp_buffer_bytes() })
    }
}

/// The figures of `idle`.
#[derive(Debug, Serialize)]
pub(crate) struct IdleFigures {
    connections: u32,
    connected: u32,
    documents: u32,
    connect_seconds: f64,
    before: Reading,
    connected_and_settled: Reading,
    closed: Reading,
    /// Growth of resident memory for each connection, its share of the documents included.
    rss_bytes_per_connection: Option<f64>,
    rss_anon_bytes_per_connection: Option<f64>,
    /// Processor time the server used a second while it settled.
    idle_cores_busy: Option<f64>,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &IdleArgs) -> Result<Report<IdleFigures>, Failure> {
    let needed = u64::from(args.connections) + OTHER_FILES;
    if needed > file_limit() {
        return Err(Failure::Usage(format!(
            "--connections {}: this process may open {} files; raise the hard limit (ulimit -Hn) or connect fewer",
            args.connections,
            file_limit()
        )));
    }
    let target = if args.tls { Target::open_encrypted(&args.target) } else { Target::open(&args.target) }?;
    let before = Reading::take(target.pid)?;
    let crowd = Rc::new(Crowd::new(args, &target)?);
    // Closes all connections at its end.
    let observed = stage::on_this_thread(observe(args, &target, &crowd))?;
    std::thread::sleep(AFTER_CLOSE);
    let closed = Reading::take(target.pid)?;
    let mut report = report(args, &crowd, before, &observed, closed);
    target.close(&mut report.complaints);
    Ok(report)
}

/// What the connections share.
struct Crowd {
    endpoint: Endpoint,
    run: RunTag,
    tokens: Vec<String>,
    scanner: Scanner,
    gate: Semaphore,
    compression: bool,
    /// Tried so far.
    tried: Cell<u32>,
    /// Connected now.
    connected: Cell<u32>,
    errors: RefCell<Errors>,
}

impl Crowd {
    fn new(args: &IdleArgs, target: &Target) -> Result<Self, Failure> {
        let users = args.users.unwrap_or(args.connections).min(args.connections);
        let needs_more = args.connections.div_ceil(users) > DEFAULT_USER_CONNECTIONS;
        let limits = needs_more.then_some(LimitsClaim::RAISED);
        let token = |number| target.tokens.user(&format!("user_{number}"), limits);
        Ok(Self {
            endpoint: target.endpoint.clone(),
            run: RunTag::random().map_err(|error| Failure::run("random run tag", error))?,
            tokens: (0..users).map(token).collect::<Result<_, _>>()?,
            scanner: Scanner::new(),
            gate: Semaphore::new(usize::try_from(args.concurrency).unwrap_or(1)),
            compression: args.compression,
            tried: Cell::new(0),
            connected: Cell::new(0),
            errors: RefCell::default(),
        })
    }

    /// Connection `number` in the document `document`: joins, then reads until the end.
    async fn sit(self: Rc<Self>, number: u32, document: u32) {
        let joined = {
            // Never closed, so the permit is always had.
            let _permit = self.gate.acquire().await;
            if self.errors.borrow().total() >= FAILURES_MAX {
                return;
            }
            let user = usize::try_from(number).unwrap_or(0) % self.tokens.len();
            let document = format!("idle_{}_{document}", self.run.as_str());
            let request = Request {
                source: source(self.endpoint.address.ip(), number),
                compression: self.compression,
                ..Request::new(&self.endpoint, &document, &self.tokens[user])
            };
            connect::join(request, &self.scanner).await
        };
        self.tried.update(|tried| tried + 1);
        let mut reader = match joined {
            Ok(joined) => joined.socket.reader,
            Err(error) => return self.errors.borrow_mut().add(format!("connecting: {error}")),
        };
        self.connected.update(|connected| connected + 1);
        let error = loop {
            if let Err(error) = connect::message(&mut reader).await {
                break error;
            }
        };
        self.connected.update(|connected| connected - 1);
        let text = format!("an idle connection ended: {error}");
        self.errors.borrow_mut().add(text);
    }
}

/// The loopback address to come from where one has too few ports: the next one for every 20,000 connections.
fn source(server: IpAddr, number: u32) -> Option<IpAddr> {
    let further = u8::try_from(number / CONNECTIONS_PER_ADDRESS).ok()?;
    match server {
        IpAddr::V4(address) if address.is_loopback() && further > 0 => {
            Some(Ipv4Addr::new(127, 0, 0, 1_u8.checked_add(further)?).into())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// What was seen while all were connected.
struct Observed {
    connect_seconds: f64,
    connected: u32,
    settled: Reading,
    idle_cores_busy: Option<f64>,
}

async fn observe(args: &IdleArgs, target: &Target, crowd: &Rc<Crowd>) -> Result<Observed, Failure> {
    let start = clock::now();
    for number in 0..args.connections {
        let document = number % args.documents;
        tokio::task::spawn_local(Rc::clone(crowd).sit(number, document));
    }
    let mut told = start;
    while crowd.tried.get() < args.connections && crowd.errors.borrow().total() < FAILURES_MAX {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if clock::now() > told.plus(PROGRESS_EVERY) {
            told = clock::now();
            eprintln!("connected {} of {}", crowd.connected.get(), args.connections);
        }
    }
    let connect_seconds = float(clock::now().since(start)) / 1e9;
    let settle = args.settle;
    eprintln!("connected {}; settling for {settle} s", crowd.connected.get());
    let cpu = || target.pid.map(CpuSeconds::of).transpose();
    let cpu_before = cpu()?;
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let cpu_after = cpu()?;
    let spent = cpu_after.zip(cpu_before).map(|(after, before)| after.since(before).total());
    Ok(Observed {
        connect_seconds,
        connected: crowd.connected.get(),
        settled: Reading::take(target.pid)?,
        idle_cores_busy: spent.filter(|_| settle > 0).map(|spent| spent / float(settle)),
    })
}

fn report(
    args: &IdleArgs,
    crowd: &Crowd,
    before: Reading,
    observed: &Observed,
    closed: Reading,
) -> Report<IdleFigures> {
    let each = |bytes: fn(&Memory) -> u64| {
        let (before, after) = (before.server?, observed.settled.server?);
        let grown = float(bytes(&after)) - float(bytes(&before));
        Some(grown / f64::from(observed.connected.max(1)))
    };
    let rss = each(|memory| memory.rss);
    let mut complaints = crowd.errors.borrow().lines();
    if observed.connected < args.connections {
        let (connected, asked) = (observed.connected, args.connections);
        complaints.push(format!("{connected} of {asked} connections stood when memory was read"));
    }
    let goal = args.max_bytes_per_connection;
    check_goal(&mut complaints, "resident bytes a connection", rss, goal);
    let figures = IdleFigures {
        connections: args.connections,
        connected: observed.connected,
        documents: args.documents,
        connect_seconds: observed.connect_seconds,
        before,
        connected_and_settled: observed.settled,
        closed,
        rss_bytes_per_connection: rss,
        rss_anon_bytes_per_connection: each(|memory| memory.rss_anon),
        idle_cores_busy: observed.idle_cores_busy,
    };
    Report::new(figures, complaints)
}

impl Figures for IdleFigures {
    const SCENARIO: &'static str = "idle";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let (connections, documents) = (self.connections.into(), self.documents.into());
        let (connections, documents) = (grouped(connections), grouped(documents));
        table.heading(&format!("idle: {connections} connections in {documents} documents"));
        table.row("connected", grouped(self.connected.into()));
        table.row("connecting took", format_args!("{:.1} s", self.connect_seconds));
        let moments = [
            ("before", &self.before),
            ("connected and settled", &self.connected_and_settled),
            ("3 s after closing", &self.closed),
        ];
        for (moment, reading) in moments {
            table.heading(moment);
            if let Some(server) = reading.server {
                table.row("server resident", mebibytes(server.rss));
                table.row("server resident, anonymous", mebibytes(server.rss_anon));
            }
            table.row("kernel TCP buffers (both ends)", mebibytes(reading.tcp_buffer_bytes));
        }
        table.heading("cost of one connection");
        let bytes = |value: Option<f64>| {
            value.map_or_else(|| "not measured: give --server-pid".to_owned(), |value| format!("{value:.0} B"))
        };
        table.row("server resident", bytes(self.rss_bytes_per_connection));
        table.row("server resident, anonymous", bytes(self.rss_anon_bytes_per_connection));
        if let Some(cores) = self.idle_cores_busy {
            table.row("all of them: server cores busy", format_args!("{cores:.3}"));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Fault};
    use crate::report::render;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        idle: IdleArgs,
    }

    fn against(fault: Fault, more: &str) -> Report<IdleFigures> {
        let fake = Fake::start(fault);
        let own = std::process::id();
        let line = format!(
            "idle --url ws://{} --token t --server-pid {own} --connections 300 --documents 6 --settle 1 {more}",
            fake.address
        );
        run(&Line::parse_from(line.split_whitespace()).idle).unwrap()
    }

    #[test]
    fn all_connect_and_are_measured() {
        let report = against(Fault::None, "");
        assert_eq!(report.complaints, Vec::<String>::new());
        assert_eq!(report.figures.connected, 300);
        assert!(report.figures.rss_bytes_per_connection.is_some());
        assert!(report.figures.idle_cores_busy.is_some());
        assert!(render(&report, false).unwrap().contains("cost of one connection"));
    }

    #[test]
    fn a_goal_that_cannot_be_met_fails() {
        let report = against(Fault::None, "--max-bytes-per-connection=-1e9");
        assert!(report.complaints.iter().any(|text| text.contains("goal")), "{report:?}");
    }

    #[test]
    fn refused_connections_are_counted_and_told_once() {
        let report = against(Fault::RefuseJoin, "");
        assert_eq!(report.figures.connected, 0);
        assert!(report.complaints[0].contains("× connecting: closed by the server with 1008"));
        assert_eq!(report.complaints.len(), 2, "{report:?}");
    }

    #[test]
    fn a_server_that_takes_no_compression_is_told_of() {
        let report = against(Fault::None, "--compression");
        assert_eq!(report.figures.connected, 0);
        assert!(report.complaints[0].contains("did not take the compression"), "{report:?}");
    }

    #[test]
    fn encryption_needs_a_server_of_its_own() {
        let line = "idle --url ws://127.0.0.1:1 --token t --tls";
        let refused = run(&Line::parse_from(line.split_whitespace()).idle);
        assert!(matches!(refused, Err(Failure::Usage(text)) if text.contains("--server-bin")));
    }

    #[test]
    fn more_connections_than_files_is_a_usage_error() {
        let line = "idle --token t --connections 1000000";
        let error = run(&Line::parse_from(line.split_whitespace()).idle).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("ulimit"), "{error}");
    }

    #[track_caller]
    fn check_source(server: &str, number: u32, expected: Option<&str>) {
        let source = source(server.parse().unwrap(), number);
        assert_eq!(source.map(|address| address.to_string()).as_deref(), expected);
    }

    #[test]
    fn further_loopback_addresses_when_ports_run_out() {
        check_source("127.0.0.1", 19_999, None);
        check_source("127.0.0.1", 20_000, Some("127.0.0.2"));
        check_source("127.0.0.1", 999_999, Some("127.0.0.50"));
        check_source("10.0.0.1", 20_000, None);
        check_source("::1", 20_000, None);
    }
}

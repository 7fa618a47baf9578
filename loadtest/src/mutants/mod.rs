//! The scenario `mutants`: damaged messages and frames by the million, from a seed, while others edit.

mod mutate;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::process::Pid;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinSet, LocalSet};

use self::mutate::{Chance, Templates};
use crate::bystander::Bystanders;
use crate::clock;
use crate::connect::Request;
use crate::errors::Errors;
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::http;
use crate::procfs::Memory;
use crate::raw::{End, Ends, Raw, TEXT, frame};
use crate::report::{Report, Table, check_goal, float, grouped, mebibytes};
use crate::stamp::RunTag;
use crate::target::{Target, TargetArgs};
use crate::token::LimitsClaim;

/// Messages sent before an answer is waited for. Fewer than the ten malformed ones in a row after which the server closes.
const BATCH: u64 = 8;
/// Of so many batches, one ends in a damaged frame, and with it the connection.
const BATCHES_PER_FRAME: usize = 2;
/// Documents that the mutants go to.
const DOCUMENTS: u64 = 4;
/// The longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Loopback addresses that connections come from: one alone would run out of ports.
const SOURCES: u64 = 16;
/// A code that says that the server failed.
const INTERNAL_ERROR: u16 = 1011;
/// When memory is read for the first time: by then all that is there only once is there.
const WARM_AFTER: f64 = 0.2;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Options of `mutants`.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// Damaged messages and frames
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..), value_name = "N")]
    mutants: u64,
    /// Connections that send them
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=160), value_name = "N")]
    connections: u64,
    /// Seed of the damages, to repeat a run; the interleaving is the machine's
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Fail (exit code 1) if the server's resident memory grows by more than this after the first fifth
    #[arg(long, default_value_t = 48.0, value_name = "MIB")]
    max_growth_mib: f64,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The report of `mutants`.
#[derive(Debug, Serialize)]
pub(crate) struct MutantsReport {
    scenario: &'static str,
    seed: u64,
    mutants: u64,
    seconds: f64,
    /// How connections ended that sent whole frames.
    #[serde(flatten)]
    ends: Ends,
    /// Connections that a damaged frame ended.
    broken_frames: u64,
    /// Versions that mutants made, in all documents: what was whole enough to be a change.
    versions: u64,
    /// The server's resident memory after the first fifth.
    warm_bytes: Option<u64>,
    /// By how much it grew from then on, at most.
    growth_bytes: Option<u64>,
    bystanders: LatencySummary,
    complaints: Vec<String>,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &MutantsArgs) -> Result<MutantsReport, Failure> {
    eprintln!("mutants: --seed {}", args.seed);
    let target = Target::open(&args.target)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run("starting the clients", error))?;
    let mut report = LocalSet::new().block_on(&runtime, send_all(args, &target))?;
    target.close(&mut report.complaints);
    Ok(report)
}

/// What those who send share.
struct Swarm {
    endpoint: crate::target::Endpoint,
    run: RunTag,
    tokens: Vec<String>,
    templates: Templates,
    seed: u64,
    mutants: u64,
    sent: Cell<u64>,
    broken_frames: Cell<u64>,
    ends: RefCell<Ends>,
    errors: RefCell<Errors>,
    memory: RefCell<MemoryWatch>,
}

/// The server's memory once it is warm, and the most of it.
#[derive(Debug, Default)]
struct MemoryWatch {
    pid: Option<Pid>,
    warm: Option<u64>,
    most: u64,
}

impl MemoryWatch {
    fn look(&mut self, is_warm: bool) -> Result<(), Failure> {
        let Some(pid) = self.pid.filter(|_| is_warm) else { return Ok(()) };
        let rss = Memory::of(pid)?.rss;
        self.warm.get_or_insert(rss);
        self.most = self.most.max(rss);
        Ok(())
    }

    fn growth(&self) -> Option<u64> {
        self.warm.map(|warm| self.most - warm)
    }
}

/// Why a connection is not used any more.
enum Stop {
    /// The server ended it.
    Ended(End),
    /// A damaged frame ended it.
    Broken,
    /// There is no more to send.
    Done,
}

impl Swarm {
    /// Sends until all are sent, on one connection after the other.
    async fn send(self: Rc<Self>, number: u64) {
        let mut chance = Chance::new(self.seed, number);
        for connection in 0.. {
            let raw = match self.connect(number, connection).await {
                Ok(raw) => raw,
                Err(error) => return self.errors.borrow_mut().add(error),
            };
            match tokio::time::timeout(ANSWER_WITHIN * 10, self.work(raw, &mut chance)).await {
                Ok(Stop::Ended(end)) => self.ends.borrow_mut().add(end),
                Ok(Stop::Broken) => self.broken_frames.update(|count| count + 1),
                Ok(Stop::Done) => return,
                Err(_elapsed) => return self.errors.borrow_mut().add("a connection hangs".to_owned()),
            }
        }
    }

    async fn connect(&self, number: u64, connection: u64) -> Result<Raw, String> {
        let document = self.document(number % DOCUMENTS);
        let source = match self.endpoint.address.ip() {
            IpAddr::V4(address) if address.is_loopback() => {
                let last = 2 + u8::try_from((number + connection) % SOURCES).unwrap_or(0);
                Some(Ipv4Addr::new(127, 0, 0, last).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        let token = &self.tokens[usize::try_from(number).unwrap_or(0)];
        let opened = Raw::open(Request {
            endpoint: &self.endpoint,
            document: &document,
            query: "",
            token,
            source,
            compression: false,
            receive_buffer: None,
        });
        let opened = tokio::time::timeout(ANSWER_WITHIN, opened).await;
        let opened = opened.map_err(|_elapsed| "connecting took more than 30 s".to_owned())?;
        opened.map_err(|error| format!("connecting: {error}"))
    }

    fn document(&self, number: u64) -> String {
        format!("mutant_{}_{number}", self.run.as_str())
    }

    async fn work(&self, mut raw: Raw, chance: &mut Chance) -> Stop {
        for beat in 0.. {
            if self.sent.get() >= self.mutants {
                return Stop::Done;
            }
            let mut batch = Vec::new();
            for _ in 0..BATCH {
                batch.extend(self.templates.message(chance));
            }
            self.sent.update(|sent| sent + BATCH);
            // Whole, and so the end of the malformed ones in a row; its answer says that all before it was read.
            let marker = format!("beat-{beat}");
            let heartbeat = serde_json::json!({"type": "system.heartbeat", "payload": {"client_time": marker}});
            batch.extend(frame(TEXT, heartbeat.to_string().as_bytes()));
            let (_, answered) = tokio::join!(raw.writer.write_all(&batch), answer(&mut raw.reader, &marker));
            if let Err(end) = answered {
                return Stop::Ended(end);
            }
            if chance.below(BATCHES_PER_FRAME) == 0 {
                raw.write(&self.templates.frame(chance)).await;
                self.sent.update(|sent| sent + 1);
                // It may wait for more; this is all.
                let _ = raw.writer.shutdown().await;
                raw.reader.end().await;
                return Stop::Broken;
            }
        }
        Stop::Done
    }

    /// Looks at the memory, and says how far it is, until everything is sent.
    async fn watch(&self) -> Result<(), Failure> {
        let mut told = clock::now();
        while self.sent.get() < self.mutants {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let is_warm = float(self.sent.get()) >= float(self.mutants) * WARM_AFTER;
            self.memory.borrow_mut().look(is_warm)?;
            if clock::now() > told.plus(PROGRESS_EVERY) {
                told = clock::now();
                eprintln!("sent {} of {}", grouped(self.sent.get()), grouped(self.mutants));
            }
            if self.errors.borrow().total() > 0 {
                return Ok(());
            }
        }
        self.memory.borrow_mut().look(true)
    }
}

/// Reads until the heartbeat's answer.
async fn answer(reader: &mut crate::raw::Reader, marker: &str) -> Result<(), End> {
    let marker = memchr::memmem::Finder::new(marker.as_bytes());
    while marker.find(&reader.message().await?).is_none() {}
    Ok(())
}

async fn send_all(args: &MutantsArgs, target: &Target) -> Result<MutantsReport, Failure> {
    let started = clock::now();
    // What mutants may do is held against no rate: they are to be read, all of them.
    let token = |number| target.tokens.user(&format!("mutant_{number}"), Some(LimitsClaim::RAISED));
    let swarm = Rc::new(Swarm {
        endpoint: target.endpoint.clone(),
        run: RunTag::random().map_err(|error| Failure::run("random run tag", error))?,
        tokens: (0..args.connections).map(token).collect::<Result<_, _>>()?,
        templates: Templates::new(),
        seed: args.seed,
        mutants: args.mutants,
        sent: Cell::new(0),
        broken_frames: Cell::new(0),
        ends: RefCell::default(),
        errors: RefCell::default(),
        memory: RefCell::new(MemoryWatch { pid: target.pid, ..MemoryWatch::default() }),
    });
    let bystanders = Bystanders::begin(target, &swarm.run, 4).await?;
    let mut clients = JoinSet::new();
    for number in 0..args.connections {
        clients.spawn_local(Rc::clone(&swarm).send(number));
    }
    swarm.watch().await?;
    clients.join_all().await;
    let mut complaints = swarm.errors.borrow().lines();
    let bystanders = bystanders.end(&mut complaints);
    let versions = versions(target, &swarm, &mut complaints).await;
    let ends = swarm.ends.take();
    if ends.lost > 0 {
        complaints.push(format!("{} connections ended without a close frame", ends.lost));
    }
    if ends.closed.contains_key(&INTERNAL_ERROR) {
        complaints.push(format!("the server failed: closed with {INTERNAL_ERROR}, see its log"));
    }
    let growth_bytes = swarm.memory.borrow().growth();
    let growth_mib = growth_bytes.map(|bytes| float(bytes) / float(1 << 20));
    check_goal(&mut complaints, "growth of the server's memory in MiB", growth_mib, Some(args.max_growth_mib));
    Ok(MutantsReport {
        scenario: "mutants",
        seed: args.seed,
        mutants: swarm.sent.get(),
        seconds: float(clock::now().since(started)) / 1e9,
        ends,
        broken_frames: swarm.broken_frames.get(),
        versions,
        warm_bytes: swarm.memory.borrow().warm,
        growth_bytes,
        bystanders,
        complaints,
    })
}

/// The documents can still be read; their versions added up.
async fn versions(target: &Target, swarm: &Swarm, complaints: &mut Vec<String>) -> u64 {
    #[derive(serde::Deserialize)]
    struct State {
        version: u64,
    }
    let mut versions = 0;
    for number in 0..DOCUMENTS {
        let path = format!("/api/documents/{}/state", swarm.document(number));
        let body = http::get(&target.endpoint, &path, swarm.tokens.first().map(String::as_str)).await;
        let state = body.map(|body| serde_json::from_slice::<State>(&body));
        match state {
            Ok(Ok(state)) => versions += state.version,
            Ok(Err(error)) => complaints.push(format!("{path}: {error}")),
            Err(failure) => complaints.push(failure.to_string()),
        }
    }
    if versions == 0 {
        complaints.push("no mutant was whole enough to change anything".to_owned());
    }
    versions
}

impl Report for MutantsReport {
    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("mutants: {} with --seed {}", grouped(self.mutants), self.seed));
        table.row("seconds", format_args!("{:.1}", self.seconds));
        table.row("closed with", self.ends.text());
        table.row("damaged frames", grouped(self.broken_frames));
        table.row("versions made", grouped(self.versions));
        let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "not measured".to_owned(), mebibytes);
        table.row("server resident, warm", bytes(self.warm_bytes));
        table.row("server grew by", bytes(self.growth_bytes));
        table.heading("four bystanders");
        table.latency("change to ack", &self.bystanders);
        table
    }

    fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

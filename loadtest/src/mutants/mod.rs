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
use tokio::task::JoinSet;

use self::mutate::{Chance, Templates};
use crate::bystander::Bystanders;
use crate::clock;
use crate::connect::{Request, State};
use crate::edit::widen;
use crate::errors::Errors;
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::http;
use crate::raw::{End, Ends, Raw, TEXT, frame};
use crate::report::{Figures, Report, Table, check_goal, float, grouped, mebibytes};
use crate::resident::{self, Resident, in_mib};
use crate::stage;
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
/// How often memory is read on the way; the second half of these says whether it is flat.
const READINGS: u64 = 10;
/// What a server that is started for it keeps, so little that all of it is full long before half of the mutants are sent:
/// the rest of what is read is what mutants cost.
const SETTINGS: [(&str, &str); 5] = [
    ("JDDB_STORAGE__WRITE_BUFFER_BYTES", "1048576"),
    ("JDDB_STORAGE__BLOCK_CACHE_BYTES", "1048576"),
    ("JDDB_STORAGE__WAL_BYTES", "4194304"),
    ("JDDB_DOCUMENTS__BASE_VERSIONS", "1000"),
    ("JDDB_DOCUMENTS__HISTORY_BYTES", "1048576"),
];

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
    /// Fail (exit code 1) if the server's resident memory grows by more than this in the second half
    #[arg(long, default_value_t = 8.0, value_name = "MIB")]
    max_growth_mib: f64,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The figures of `mutants`.
#[derive(Debug, Serialize)]
pub(crate) struct MutantsFigures {
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
    /// How it went.
    readings: Vec<Reading>,
    /// By how much the server's resident memory grew in the second half, at most.
    growth_bytes: Option<u64>,
    bystanders: LatencySummary,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &MutantsArgs) -> Result<Report<MutantsFigures>, Failure> {
    eprintln!("mutants: --seed {}", args.seed);
    stage::play_with(&args.target, &SETTINGS, async |target| send_all(args, target).await)
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
    pid: Option<Pid>,
}

/// What there is after so many mutants.
#[derive(Debug, Clone, Copy, Serialize)]
struct Reading {
    sent: u64,
    /// Versions that they made, and that are stored; all documents together.
    versions: u64,
    /// Bytes of the documents' texts.
    text_bytes: u64,
    /// The server's resident memory, if its process is known.
    resident_bytes: Option<u64>,
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
        let request = Request { source, ..Request::new(&self.endpoint, &document, token) };
        let opened = tokio::time::timeout(ANSWER_WITHIN, Raw::open(request)).await;
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

    /// Reads how it is, again and again, until everything is sent; and the memory of the second half.
    async fn watch(&self) -> Result<(Vec<Reading>, Resident), Failure> {
        let mut readings = Vec::new();
        let mut second_half = Resident::begin(self.pid)?;
        let mut due = 1;
        while due <= READINGS && self.errors.borrow().total() == 0 {
            if self.sent.get() < self.mutants * due / READINGS {
                tokio::time::sleep(Duration::from_millis(50)).await;
                second_half.look()?;
                continue;
            }
            let reading = self.read().await?;
            eprintln!("sent {} of {}", grouped(reading.sent), grouped(self.mutants));
            readings.push(reading);
            if due == READINGS / 2 {
                second_half = Resident::begin(self.pid)?;
            }
            due += 1;
        }
        Ok((readings, second_half))
    }

    /// Reads all documents, which can be read whatever they were sent.
    async fn read(&self) -> Result<Reading, Failure> {
        let sent = self.sent.get();
        let (mut versions, mut text_bytes) = (0, 0);
        for number in 0..DOCUMENTS {
            let path = format!("/api/documents/{}/state", self.document(number));
            let body = http::get(&self.endpoint, &path, self.tokens.first().map(String::as_str)).await?;
            let state = serde_json::from_slice::<State>(&body).map_err(|error| Failure::run(&path, error))?;
            versions += state.version;
            text_bytes += state.content.sections.values().map(|text| widen(text.len())).sum::<u64>();
        }
        Ok(Reading { sent, versions, text_bytes, resident_bytes: resident::read(self.pid)? })
    }
}

/// Reads until the heartbeat's answer.
async fn answer(reader: &mut crate::raw::Reader, marker: &str) -> Result<(), End> {
    let marker = memchr::memmem::Finder::new(marker.as_bytes());
    while marker.find(&reader.message().await?).is_none() {}
    Ok(())
}

async fn send_all(args: &MutantsArgs, target: &Target) -> Result<Report<MutantsFigures>, Failure> {
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
        pid: target.pid,
    });
    let bystanders = Bystanders::begin(target, &swarm.run, 4).await?;
    let mut clients = JoinSet::new();
    for number in 0..args.connections {
        clients.spawn_local(Rc::clone(&swarm).send(number));
    }
    let (readings, second_half) = swarm.watch().await?;
    clients.join_all().await;
    let mut complaints = swarm.errors.borrow().lines();
    let bystanders = bystanders.end(&mut complaints);
    let versions = swarm.read().await?.versions;
    if versions == 0 {
        complaints.push("no mutant was whole enough to change anything".to_owned());
    }
    let ends = swarm.ends.take();
    if ends.lost > 0 {
        complaints.push(format!("{} connections ended without a close frame", ends.lost));
    }
    if ends.closed.contains_key(&INTERNAL_ERROR) {
        complaints.push(format!("the server failed: closed with {INTERNAL_ERROR}, see its log"));
    }
    let growth_bytes = second_half.growth();
    let name = "growth of the server's memory in the second half (MiB)";
    check_goal(&mut complaints, name, growth_bytes.map(in_mib), Some(args.max_growth_mib));
    let figures = MutantsFigures {
        seed: args.seed,
        mutants: swarm.sent.get(),
        seconds: float(clock::now().since(started)) / 1e9,
        ends,
        broken_frames: swarm.broken_frames.get(),
        versions,
        readings,
        growth_bytes,
        bystanders,
    };
    Ok(Report::new(figures, complaints))
}

impl Figures for MutantsFigures {
    const SCENARIO: &'static str = "mutants";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("mutants: {} with --seed {}", grouped(self.mutants), self.seed));
        table.row("seconds", format_args!("{:.1}", self.seconds));
        table.row("closed with", self.ends.text());
        table.row("damaged frames", grouped(self.broken_frames));
        table.row("versions made", grouped(self.versions));
        let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "not measured".to_owned(), mebibytes);
        for Reading { sent, versions, text_bytes, resident_bytes } in &self.readings {
            let label = format!("server resident after {}", grouped(*sent));
            let (resident, versions) = (bytes(*resident_bytes), grouped(*versions));
            let text = format!("{resident}, {versions} versions stored, {} of text", mebibytes(*text_bytes));
            table.row(&label, text);
        }
        table.row("server grew in the second half by", bytes(self.growth_bytes));
        table.heading("four bystanders");
        table.latency("change to ack", &self.bystanders);
        table
    }
}

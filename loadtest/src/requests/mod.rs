//! The scenario `http`: requests for documents' states, and durable changes, as fast as they are answered; and the same
//! from a bare hyper server, in the same run.
//!
//! In reading order: `client` is one connection, `anchor` the bare server, `figures` what is told; this file plans the
//! phases, which go to either server by turns, so that what the machine does besides falls on both.

mod anchor;
mod client;
mod figures;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, getpid};
use tokio::task::JoinSet;

use self::anchor::Anchor;
pub(crate) use self::anchor::{AnchorArgs, serve as serve_anchor};
use self::client::{Connection, Tally, request};
use self::figures::{HttpFigures, Kind, Side};
use crate::clock;
use crate::disk;
use crate::edit::{Window, sleep_until};
use crate::failure::Failure;
use crate::procfs::CpuSeconds;
use crate::report::{Report, float};
use crate::scan::excerpt;
use crate::server::pin_this_thread;
use crate::stage;
use crate::stamp::RunTag;
use crate::target::{Endpoint, Target, TargetArgs};
use crate::token::LimitsClaim;

/// From the first connection to the measured part of a phase.
const WARMUP: Duration = Duration::from_secs(1);
/// Characters that a change replaces, by as many others: the documents keep their size.
const CHANGED_CHARACTERS: usize = 20;
const DISK_ROUNDS: u32 = 500;

/// Options of `http`.
#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    connections: u32,
    /// Documents that they read and change
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "D")]
    documents: u32,
    /// Characters in each of them
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000), value_name = "N")]
    text_length: u32,
    /// Times that all is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "N")]
    rounds: u32,
    /// Seconds measured of each phase, of which a round has four
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "S")]
    seconds: u64,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256), value_name = "N")]
    threads: u32,
    /// Confine the generator's threads to this core and, one each, those after it
    #[arg(long, value_name = "CORE")]
    pin_core: Option<usize>,
    /// Fail (exit code 1) if fewer states a second are had than this share of the bare server's answers
    #[arg(long, value_name = "SHARE")]
    min_state_ratio: Option<f64>,
    /// The same of durable changes
    #[arg(long, value_name = "SHARE")]
    min_change_ratio: Option<f64>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &HttpArgs) -> Result<Report<HttpFigures>, Failure> {
    let target = Target::open(&args.target)?;
    let disk = target.data.as_deref();
    let disk = disk.map(|data| disk::measure(data, DISK_ROUNDS)).transpose()?;
    let work = Work::new(args, &target)?;
    let anchor = Anchor::start(args.target.cores, work.answer_bytes, args.target.server_pin_core)?;
    let mut kinds = [Kind::new("GET state")?, Kind::new("POST changes, durable")?];
    for round in 0..args.rounds {
        for (kind, requests) in kinds.iter_mut().zip([&work.reads, &work.changes]) {
            let against_server = |side: &mut Side| side.add(phase(args, &target.endpoint, target.pid, requests)?);
            let against_anchor =
                |side: &mut Side| side.add(phase(args, &anchor.endpoint, Some(anchor.pid()), requests)?);
            // By turns, so that neither always comes second.
            if round % 2 == 0 {
                against_anchor(&mut kind.anchor)?;
                against_server(&mut kind.server)?;
            } else {
                against_server(&mut kind.server)?;
                against_anchor(&mut kind.anchor)?;
            }
        }
        eprintln!("measured {} of {} rounds", round + 1, args.rounds);
    }
    let mut complaints = Vec::new();
    work.check(&kinds[1], &mut complaints)?;
    let mut report = HttpFigures::report(args, disk, kinds, complaints);
    target.close(&mut report.complaints);
    Ok(report)
}

/// What is asked of the servers.
struct Work {
    endpoint: Endpoint,
    documents: Vec<String>,
    token: String,
    /// Of each connection: its request for a state, and its change.
    reads: Vec<Vec<u8>>,
    changes: Vec<Vec<u8>>,
    /// The body's length of an answer to either.
    answer_bytes: [usize; 2],
}

impl Work {
    /// Makes the documents, and looks how they are answered.
    fn new(args: &HttpArgs, target: &Target) -> Result<Self, Failure> {
        let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
        let endpoint = target.endpoint.clone();
        let token = |user: String| target.tokens.user(&user, Some(LimitsClaim::RAISED));
        let documents: Vec<String> =
            (0..args.documents).map(|number| format!("http_{}_{number}", run.as_str())).collect();
        let (mut reads, mut changes) = (Vec::new(), Vec::new());
        let replaced =
            change("replace", CHANGED_CHARACTERS, &"changed ".repeat(CHANGED_CHARACTERS)[..CHANGED_CHARACTERS]);
        for (number, document) in (0..args.connections).zip(documents.iter().cycle()) {
            let token = token(format!("http_{number}"))?;
            let [state, post] = ["state", "changes"].map(|what| format!("/api/documents/{document}/{what}"));
            reads.push(request(&endpoint, &state, &token, None));
            changes.push(request(&endpoint, &post, &token, Some(&replaced)));
        }
        let token = token("http_author".to_owned())?;
        let answer_bytes = stage::on_this_thread(async {
            let words = "the incumbent is responsible for strategic planning and ".chars();
            let length = usize::try_from(args.text_length).unwrap_or(usize::MAX);
            let text: String = words.cycle().take(length).collect();
            for document in &documents {
                let body = change("insert", 0, &text);
                ask(&endpoint, &request(&endpoint, &format!("/api/documents/{document}/changes"), &token, Some(&body)))
                    .await?;
            }
            Ok([ask(&endpoint, &reads[0]).await?.len(), ask(&endpoint, &changes[0]).await?.len()])
        })?;
        Ok(Self { endpoint, documents, token, reads, changes, answer_bytes })
    }

    /// Each change that was answered is a version, and nothing else is.
    fn check(&self, changes: &Kind, complaints: &mut Vec<String>) -> Result<(), Failure> {
        #[derive(serde::Deserialize)]
        struct State {
            version: u64,
        }
        let versions = stage::on_this_thread(async {
            let mut versions = 0;
            for document in &self.documents {
                let path = format!("/api/documents/{document}/state");
                let body = ask(&self.endpoint, &request(&self.endpoint, &path, &self.token, None)).await?;
                let state = serde_json::from_slice::<State>(&body);
                versions += state.map_err(|error| Failure::run(format!("{path} {}", excerpt(&body)), error))?.version;
            }
            Ok(versions)
        })?;
        // Each document was begun by one, and one was tried.
        let expected = changes.server.answered() + u64::try_from(self.documents.len()).unwrap_or(0) + 1;
        if versions != expected {
            complaints.push(format!("{versions} versions were made by {expected} changes that were acknowledged"));
        }
        Ok(())
    }
}

/// The body of a request with one change at the start of a text.
fn change(operation: &str, length: usize, content: &str) -> String {
    let change = serde_json::json!({"operation": operation, "position": 0, "length": length, "content": content, "section": "body"});
    serde_json::json!({ "changes": [change] }).to_string()
}

/// One request on a connection of its own; the answer's body.
async fn ask(endpoint: &Endpoint, request: &[u8]) -> Result<Vec<u8>, Failure> {
    let asking = async { Connection::open(endpoint).await?.exchange(request).await.map(<[u8]>::to_vec) };
    asking.await.map_err(|error| Failure::run(format!("asking http://{}", endpoint.host), error))
}

/// What came of one phase.
struct Phase {
    tally: Tally,
    seconds: f64,
    /// Processor time of the server, if its process is known, and of the generator.
    server: Option<f64>,
    generator: f64,
}

/// Has all connections send their requests again and again.
fn phase(args: &HttpArgs, endpoint: &Endpoint, pid: Option<Pid>, requests: &[Vec<u8>]) -> Result<Phase, Failure> {
    let from = clock::now().plus(WARMUP);
    let window = Window { from, to: from.plus(Duration::from_secs(args.seconds)) };
    let threads = usize::try_from(args.threads).unwrap_or(1);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..threads)
            .map(|thread| {
                let own: Vec<&[u8]> = requests.iter().skip(thread).step_by(threads).map(Vec::as_slice).collect();
                let core = args.pin_core.map(|core| core + thread);
                scope.spawn(move || send(core, endpoint, own, window))
            })
            .collect();
        let spent = || Ok((pid.map(CpuSeconds::of).transpose()?, CpuSeconds::of(getpid())?));
        sleep_until(window.from);
        let (server_before, generator_before) = spent()?;
        sleep_until(window.to);
        let (server, generator) = spent()?;
        let mut tally = Tally::new()?;
        for sender in senders {
            let counted = sender.join().map_err(|_panic| Failure::Run("a sender panicked: see above".to_owned()))?;
            tally.merge(&counted?)?;
        }
        Ok(Phase {
            tally,
            seconds: float(args.seconds),
            server: server.zip(server_before).map(|(after, before)| after.since(before).total()),
            generator: generator.since(generator_before).total(),
        })
    })
}

/// One thread's connections.
fn send(core: Option<usize>, endpoint: &Endpoint, requests: Vec<&[u8]>, window: Window) -> Result<Tally, Failure> {
    if let Some(core) = core {
        pin_this_thread(core).map_err(|error| Failure::run("--pin-core", error))?;
    }
    stage::on_this_thread(async {
        let tally = Rc::new(RefCell::new(Tally::new()?));
        let mut connections = JoinSet::new();
        for request in requests {
            let (tally, request, endpoint) = (Rc::clone(&tally), request.to_vec(), endpoint.clone());
            connections
                .spawn_local(async move { Connection::open(&endpoint).await?.repeat(&request, window, tally).await });
        }
        while let Some(ended) = connections.join_next().await {
            let ended = ended.map_err(|error| Failure::run("a connection", error))?;
            ended.map_err(|error| Failure::run(format!("a connection to {}", endpoint.host), error))?;
        }
        Ok(tally.replace(Tally::new()?))
    })
}

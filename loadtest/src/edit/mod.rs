//! The scenario `edit`: many editors in many documents, each change delivered to everyone else in its document.
//!
//! In reading order: `editor` is one client, `worker` one thread of them, `team` all threads, `meters` what they count,
//! `figures` what is told of it; this file plans the run and watches the processes.

mod editor;
mod figures;
mod meters;
mod team;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::process::{Pid, getpid};

pub(crate) use self::editor::SECTION;
pub(crate) use self::editor::widen;
pub(crate) use self::figures::Counts;
use self::figures::EditFigures;
pub(crate) use self::meters::{Tally, Window};
pub(crate) use self::team::Team;
use self::worker::Plan;
pub(crate) use self::worker::Setup;
use crate::clock::{self, Nanos};
use crate::disk;
use crate::failure::Failure;
use crate::procfs::{CpuSeconds, Memory};
use crate::report::{Report, float, grouped};
use crate::stamp::RunTag;
use crate::target::{Endpoint, Target, TargetArgs};
use crate::token::LimitsClaim;

/// Between the plan and the first change.
const START_DELAY: Duration = Duration::from_millis(200);
/// What is under way when the window ends may take this long.
const DRAIN: Duration = Duration::from_secs(15);
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// The server's default limits a connection.
const DEFAULT_PER_MINUTE: f64 = 100.0;
const DEFAULT_PER_SECOND: f64 = 10.0;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
const DISK_ROUNDS: u32 = 500;

/// Options of `edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    /// Documents
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "D")]
    documents: u32,
    /// Editors of each document; the server's default allows 50
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "E")]
    editors: u32,
    /// Changes each editor makes a minute, at times fixed beforehand (open loop)
    #[arg(long, default_value_t = 100.0, value_parser = parse_rate, value_name = "R")]
    rate: f64,
    /// Seconds measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "S")]
    seconds: u64,
    /// Seconds of the same load before that, not measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3_600), value_name = "S")]
    warmup: u64,
    /// Characters in each document before the first change
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=9_000), value_name = "N")]
    text_length: u64,
    /// Threads of the generator; documents are dealt out among them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256), value_name = "N")]
    threads: u32,
    /// Confine the generator's threads to this core and, one each, those after it
    #[arg(long, value_name = "CORE")]
    pin_core: Option<usize>,
    /// What the tokens say about rate limits
    #[arg(long, value_enum, default_value_t = Limits::Auto)]
    limits: Limits,
    /// Fail (exit code 1) if the 99th percentile of delivery latency is above this
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
    /// Fail if the server spends more user time than this on one delivery
    #[arg(long, value_name = "MICROSECONDS")]
    max_user_us_per_delivery: Option<f64>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Which `limits` the tokens claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Limits {
    /// Raised if the schedule itself comes near the server's defaults, and the report says so.
    Auto,
    /// The server's own, whatever the schedule: beyond them changes are refused.
    Server,
    /// Always raised: an editor may then also catch up quickly after a stall.
    Raised,
}

/// Reads changes a minute.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.01..=60_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("expected changes a minute from 0.01 to 60000".into())
    }
}

impl EditArgs {
    fn load(&self) -> Load {
        let Self { documents, editors, rate, text_length, threads, pin_core, .. } = *self;
        Load { documents, editors, rate, text_length, threads, pin_core, keeps_copies: false }
    }

    /// What the tokens claim, if anything.
    fn limits_claim(&self) -> Option<LimitsClaim> {
        // Jitter and the first text can add two to any minute or second.
        let seconds = float(self.warmup + self.seconds).min(60.0);
        let per_minute = self.rate * seconds / 60.0 + 2.0;
        let per_second = self.rate / 60.0 + 2.0;
        let near = per_minute > DEFAULT_PER_MINUTE || per_second > DEFAULT_PER_SECOND;
        let raise = match self.limits {
            Limits::Auto => near,
            Limits::Server => false,
            Limits::Raised => true,
        };
        raise.then_some(LimitsClaim::RAISED)
    }
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &EditArgs) -> Result<Report<EditFigures>, Failure> {
    let target = Target::open(&args.target)?;
    let disk = target.data.as_deref();
    let disk = disk.map(|data| disk::measure(data, DISK_ROUNDS)).transpose()?;
    let limits = args.limits_claim();
    let token = |number| target.tokens.user(&format!("user_{number}"), limits);
    let setup = Arc::new(setup(&args.load(), &target.endpoint, token)?);
    let mut team = Team::start(&setup)?.connected(&setup)?;
    let window = plan(args.warmup, args.seconds, &mut team);
    let spent = watch(target.pid, window, &team)?;
    let tally = team.finish()?;
    let mut report = EditFigures::report(args, &setup, disk, &spent, &tally);
    target.close(&mut report.complaints);
    Ok(report)
}

/// Who types where, and how much.
pub(crate) struct Load {
    /// Documents.
    pub(crate) documents: u32,
    /// Editors of each.
    pub(crate) editors: u32,
    /// Changes of each a minute.
    pub(crate) rate: f64,
    /// Characters in each document before the first change.
    pub(crate) text_length: u64,
    /// Threads of the generator.
    pub(crate) threads: u32,
    /// The core of the first of them.
    pub(crate) pin_core: Option<usize>,
    /// Whether each editor keeps a copy of the text.
    pub(crate) keeps_copies: bool,
}

/// What the threads are told: where to connect, and with which token as the editor of which number.
pub(crate) fn setup(
    load: &Load,
    endpoint: &Endpoint,
    token: impl FnMut(usize) -> Result<String, Failure>,
) -> Result<Setup, Failure> {
    let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (documents, editors) = (size(load.documents), size(load.editors));
    let words = "the incumbent is responsible for strategic planning and ".chars();
    let length = usize::try_from(load.text_length).unwrap_or(0);
    Ok(Setup {
        endpoint: endpoint.clone(),
        run,
        documents,
        editors,
        tokens: (0..documents * editors).map(token).collect::<Result<_, _>>()?,
        seed: words.cycle().take(length).collect(),
        interval: Duration::from_secs_f64(60.0 / load.rate),
        workers: size(load.threads).min(documents),
        pin_core: load.pin_core,
        keeps_copies: load.keeps_copies,
        connected: AtomicUsize::new(0),
    })
}

/// Tells the team when to do what: so many seconds of warm-up, and so many that are measured.
pub(crate) fn plan(warmup: u64, seconds: u64, team: &mut Team) -> Window {
    let start = clock::now().plus(START_DELAY);
    let from = start.plus(Duration::from_secs(warmup));
    let to = from.plus(Duration::from_secs(seconds));
    let window = Window { from, to };
    team.tell(Plan { start, window, drain_until: to.plus(DRAIN) });
    window
}

/// What the processes used during the window.
#[derive(Debug, Default)]
struct Spent {
    /// The server's processor time and its memory at the end, if its process is known.
    server: Option<(CpuSeconds, Memory)>,
    /// The generator's own processor time.
    generator: CpuSeconds,
    /// The seconds between the two readings.
    seconds: f64,
}

/// Reads the processes' counters at both ends of the window, and tells how far the run is in between.
fn watch(server: Option<Pid>, window: Window, team: &Team) -> Result<Spent, Failure> {
    let read_server = || server.map(CpuSeconds::of).transpose();
    sleep_until(window.from);
    let (server_before, own_before) = (read_server()?, CpuSeconds::of(getpid())?);
    let mut next = window.from;
    while next < window.to {
        next = next.plus(PROGRESS_EVERY).min(window.to);
        sleep_until(next);
        let passed = next.since(window.from) / NANOS_PER_SECOND;
        eprintln!("{passed} s: {} deliveries", grouped(team.deliveries()));
    }
    let (server_after, generator) = (read_server()?, CpuSeconds::of(getpid())?.since(own_before));
    let memory = server.map(Memory::of).transpose()?;
    let cpu = server_after.zip(server_before);
    Ok(Spent {
        server: cpu.map(|(after, before)| after.since(before)).zip(memory),
        generator,
        seconds: float(window.to.since(window.from)) / float(NANOS_PER_SECOND),
    })
}

/// Blocks the thread until then.
pub(crate) fn sleep_until(moment: Nanos) {
    std::thread::sleep(moment.left(clock::now()));
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
        edit: EditArgs,
    }

    fn args(line: &str) -> EditArgs {
        Line::parse_from(format!("edit {line}").split_whitespace()).edit
    }

    /// Three documents of four editors for a second, against a server with `fault`.
    fn against(fault: Fault, more: &str) -> Report<EditFigures> {
        let fake = Fake::start(fault);
        let line = format!(
            "--url ws://{} --token t --documents 3 --editors 4 --rate 600 --seconds 1 --warmup 0 {more}",
            fake.address
        );
        run(&args(&line)).unwrap()
    }

    #[test]
    fn a_good_server_delivers_everything() {
        let report = against(Fault::None, "--threads 2 --json");
        assert_eq!(report.complaints, Vec::<String>::new());
        assert!((110..=130).contains(&report.figures.counts.scheduled), "{report:?}");
        assert_eq!(report.figures.counts.acked, report.figures.counts.scheduled);
        assert_eq!(report.figures.delivery.count, report.figures.counts.acked * 3);
        assert_eq!(report.figures.counts.lost, 0);
        let json: serde_json::Value = serde_json::from_str(&render(&report, true).unwrap()).unwrap();
        assert_eq!(json["scenario"], "edit");
        assert_eq!(json["counts"]["lost"], 0);
        assert!(render(&report, false).unwrap().contains("delivery latency"));
    }

    /// The fake refuses positions outside of the text, so this shows that there are none even where texts are short.
    #[test]
    fn positions_are_valid_in_short_texts_too() {
        for length in [0, 1, 5] {
            let report = against(Fault::None, &format!("--text-length {length}"));
            assert_eq!(report.complaints, Vec::<String>::new());
        }
    }

    #[track_caller]
    fn check(fault: Fault, more: &str, complaint: &str) {
        let report = against(fault, more);
        let said = report.complaints.join("\n");
        assert!(said.contains(complaint), "{said}");
    }

    #[test]
    fn a_lost_broadcast_is_found() {
        check(Fault::DropBroadcast(40), "", "deliveries lost");
        check(Fault::DropBroadcast(40), "", "versions skipped");
    }

    #[test]
    fn a_missing_ack_is_found() {
        check(Fault::NoAck(40), "", "neither acknowledged nor refused");
    }

    #[test]
    fn a_refused_change_is_told_with_the_servers_words() {
        check(Fault::Refuse(40), "", "RATE_LIMIT_EXCEEDED: too fast");
    }

    #[test]
    fn a_closed_connection_is_told_with_code_and_reason() {
        check(Fault::Close(40), "", "1013 \"too slow\"");
    }

    #[test]
    fn goals_that_are_not_met_or_not_measured_fail() {
        check(Fault::None, "--max-p99-ms 0.0001", "goal is at most");
        check(Fault::None, "--max-user-us-per-delivery 9", "was not measured");
    }

    /// A server that stalls for 400 ms must be charged for the changes that came due meanwhile: no coordinated omission.
    #[test]
    fn a_stall_is_charged_to_every_change_due_in_it() {
        let report = against(Fault::Stall(60, Duration::from_millis(400)), "");
        assert_eq!(report.complaints, Vec::<String>::new());
        // 4 of 10 changes came due while it stalled, so the 90th percentile shows it, not only the maximum.
        assert!(report.figures.delivery.p90_ms > 150.0, "{:?}", report.figures.delivery);
        assert!(report.figures.ack.max_ms >= 350.0, "{:?}", report.figures.ack);
    }

    #[test]
    fn a_refused_connection_ends_the_run_with_the_reason() {
        let fake = Fake::start(Fault::RefuseJoin);
        let line = format!("--url ws://{} --token t --documents 2 --editors 2 --threads 2", fake.address);
        let text = run(&args(&line)).unwrap_err().to_string();
        assert!(text.contains("1008") && text.contains("UNAUTHENTICATED"), "{text}");
    }

    #[test]
    fn without_tokens_it_is_a_usage_error() {
        assert_eq!(run(&args("")).unwrap_err().exit_code(), 2);
    }

    #[track_caller]
    fn check_limits(line: &str, raised: bool) {
        assert_eq!(args(line).limits_claim().is_some(), raised, "{line}");
    }

    #[test]
    fn limits_are_raised_when_the_schedule_needs_it() {
        check_limits("", false);
        check_limits("--seconds 60", true);
        check_limits("--seconds 60 --limits server", false);
        check_limits("--limits raised", true);
        check_limits("--rate 1000 --seconds 1", true);
        check_limits("--rate 60 --seconds 600", false);
    }
}

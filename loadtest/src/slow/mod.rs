//! The scenario `slow`: a part of the clients hardly reads, while changes go out to all; what that costs the server
//! and the others.
//!
//! First everybody reads; then the slow ones stop. In reading order: `crowd` is the clients, `figures` what is told of
//! them; this file plans the run.

mod crowd;
mod figures;

use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::task::LocalSet;

use self::crowd::Crowd;
use self::figures::{Ladder, Round, SlowFigures};
use crate::clock::{self, Nanos};
use crate::edit::Window;
use crate::failure::Failure;
use crate::report::Report;
use crate::resident::Resident;
use crate::stage;
use crate::target::{Target, TargetArgs};

/// Between the plan and the first change.
const START_DELAY: Duration = Duration::from_millis(200);
/// Before the first latency counts.
const WARMUP: Duration = Duration::from_secs(3);
/// How often the server's memory is read.
const MEMORY_EVERY: Duration = Duration::from_millis(200);
/// What is under way when the changes end may take this long, and whoever reads slowly to read the rest.
const DRAIN: Duration = Duration::from_secs(15);

/// Options of `slow`.
#[derive(Debug, Args)]
pub(crate) struct SlowArgs {
    /// Connections in all
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=100_000), value_name = "N")]
    connections: u32,
    /// Of these, those that read slowly
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "S")]
    slow: u32,
    /// How the slow ones read; one round of clients for each, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Pace::ALL)]
    pace: Vec<Pace>,
    /// Documents they are spread over
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "D")]
    documents: u32,
    /// Changes a second, in all documents together; a cursor goes with each
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "R")]
    changes: u32,
    /// Bytes of each change
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "B")]
    change_bytes: u32,
    /// Seconds measured while everybody reads
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "S")]
    undisturbed_seconds: u64,
    /// Seconds measured while the slow ones do not
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "S")]
    slow_seconds: u64,
    /// Fail (exit code 1) if the server's resident memory grows by more than this while they do not
    #[arg(long, value_name = "MIB")]
    max_growth_mib: Option<f64>,
    /// Fail if the others' 99th percentile of delivery latency is more than so many times the undisturbed one
    #[arg(long, value_name = "TIMES")]
    max_p99_ratio: Option<f64>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// How a slow client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Pace {
    /// Not at all.
    Never,
    /// A byte a second.
    Trickle,
    /// 10,000 bytes a second: too slow for the changes, and enough not to be given up.
    Laggard,
}

impl Pace {
    const ALL: [Self; 3] = [Self::Never, Self::Trickle, Self::Laggard];
}

/// When everything happens.
#[derive(Debug, Clone, Copy)]
struct Plan {
    start: Nanos,
    /// Everybody reads.
    undisturbed: Window,
    /// The slow ones do not.
    disturbed: Window,
}

impl Plan {
    fn new(args: &SlowArgs) -> Self {
        let start = clock::now().plus(START_DELAY);
        let from = start.plus(WARMUP);
        let slow_from = from.plus(Duration::from_secs(args.undisturbed_seconds));
        let end = slow_from.plus(Duration::from_secs(args.slow_seconds));
        let undisturbed = Window { from, to: slow_from };
        Self { start, undisturbed, disturbed: Window { from: slow_from, to: end } }
    }
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &SlowArgs) -> Result<Report<SlowFigures>, Failure> {
    if args.slow >= args.connections || args.connections < args.documents {
        let wrong = "--slow must be less than --connections, and --documents not more";
        return Err(Failure::Usage(wrong.to_owned()));
    }
    stage::play(&args.target, async |target| {
        let (mut rounds, mut complaints) = (Vec::new(), Vec::new());
        for pace in &args.pace {
            // At its end all of the round's clients are closed.
            let round = LocalSet::new().run_until(play(args, *pace, target, &mut complaints)).await?;
            round.judge(args, &mut complaints);
            rounds.push(round);
        }
        Ok(Report::new(SlowFigures::new(args, rounds), complaints))
    })
}

/// One round: those clients that read slowly all do so at this pace.
async fn play(args: &SlowArgs, pace: Pace, target: &Target, complaints: &mut Vec<String>) -> Result<Round, Failure> {
    let ladder_before = Ladder::read(target).await?;
    let crowd = Rc::new(Crowd::new(args, pace, target)?);
    crowd.connect_all().await?;
    let plan = Plan::new(args);
    crowd.begin(plan);
    sleep_until(plan.disturbed.from).await;
    eprintln!("{} clients read at the pace {pace:?} from now on", args.slow);
    crowd.stop_reading();
    let resident = Resident::begin(target.pid)?;
    resident.while_playing(MEMORY_EVERY, sleep_until(plan.disturbed.to)).await?;
    crowd.settle(DRAIN).await;
    let ladder = Ladder::read(target).await?.zip(ladder_before).map(|(after, before)| after.since(before));
    complaints.extend(crowd.errors.borrow().lines());
    Ok(Round::new(pace, &crowd, &resident, ladder))
}

async fn sleep_until(moment: Nanos) {
    tokio::time::sleep(moment.left(clock::now())).await;
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
        slow: SlowArgs,
    }

    fn against(more: &str) -> Result<Report<SlowFigures>, Failure> {
        let fake = Fake::start(Fault::None);
        let line = format!(
            "slow --url ws://{} --token t --connections 12 --documents 2 --changes 40 --change-bytes 100 \
             --undisturbed-seconds 1 --slow-seconds 1 {more}",
            fake.address
        );
        run(&Line::parse_from(line.split_whitespace()).slow)
    }

    /// The fake gives nobody up, and that has to be found.
    #[test]
    fn a_server_without_a_ladder_is_found() {
        let report = against("--slow 3 --pace never,trickle").unwrap();
        let said = report.complaints.join("\n");
        assert!(said.contains("never given up"), "{said}");
        assert!(!said.contains("×"), "no other errors: {said}");
        let table = render(&report, false).unwrap();
        assert!(table.contains("others, undisturbed") && table.contains("others, disturbed"), "{table}");
    }

    #[test]
    fn whoever_reads_slowly_but_surely_comes_to_the_end() {
        let report = against("--slow 3 --pace laggard").unwrap();
        assert_eq!(report.complaints, Vec::<String>::new());
    }

    #[test]
    fn goals_that_cannot_be_met_fail() {
        let report = against("--slow 3 --pace laggard --max-p99-ratio 0.0001 --max-growth-mib 1").unwrap();
        let said = report.complaints.join("\n");
        assert!(said.contains("p99") && said.contains("memory"), "{said}");
    }

    #[test]
    fn somebody_has_to_read() {
        assert_eq!(against("--slow 12").unwrap_err().exit_code(), 2);
    }
}

//! The scenario `reload`: many editors type on encrypted connections, and meanwhile the server's certificate, the keys of
//! tokens and a setting change again and again, by SIGHUP, with mistakes in between.
//!
//! Nobody may be dropped, no change lost, and all copies must end equal. In reading order: `files` is what changes,
//! `operator` who changes it and looks what new connections meet; the editors are those of `edit`, with copies.

mod files;
mod operator;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use self::operator::{Done, Operator};
use crate::edit::{self, Counts, Load, SECTION, Setup, Tally, Team, parse_rate};
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::report::{Figures, Report, Table, grouped};
use crate::target::TargetArgs;

/// Characters in each document before the first change.
const TEXT_LENGTH: u64 = 2_000;

/// Options of `reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// Documents
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "D")]
    documents: u32,
    /// Editors of each document
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "E")]
    editors: u32,
    /// Changes each editor makes a minute, at times fixed beforehand
    #[arg(long, default_value_t = 100.0, value_parser = parse_rate, value_name = "R")]
    rate: f64,
    /// Seconds in which they type
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "S")]
    seconds: u64,
    /// Seconds from one renewal to the next, at least
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3_600), value_name = "S")]
    every: u64,
    /// Threads of the generator; documents are dealt out among them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256), value_name = "N")]
    threads: u32,
    /// Confine the generator's threads to this core and, one each, those after it
    #[arg(long, value_name = "CORE")]
    pin_core: Option<usize>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The figures of `reload`.
#[derive(Debug, Serialize)]
pub(crate) struct ReloadFigures {
    editors: u64,
    seconds: u64,
    /// Signals, from each to the server's word that it has read its files.
    read: LatencySummary,
    renewals: u64,
    keys_removed: u64,
    mistakes: u64,
    /// New connections and requests that were looked at.
    looked_at: u64,
    /// From the intended send time to the receiver.
    delivery: LatencySummary,
    /// From the intended send time to the acknowledgement.
    ack: LatencySummary,
    counts: Counts,
    /// Versions of all documents in the end, their first texts not counted.
    versions: u64,
    /// Copies that are equal to the server's text.
    equal_copies: u64,
}

/// Runs the scenario against a server that is started for it.
pub(crate) fn run(args: &ReloadArgs) -> Result<Report<ReloadFigures>, Failure> {
    let mut operator = Operator::start(&args.target)?;
    let ReloadArgs { documents, editors, rate, threads, pin_core, .. } = *args;
    let load = Load { documents, editors, rate, text_length: TEXT_LENGTH, threads, pin_core, keeps_copies: true };
    let token = |number| operator.token(&format!("user_{number}"));
    let setup = Arc::new(edit::setup(&load, operator.server().endpoint(), token)?);
    let mut team = Team::start(&setup)?.connected(&setup)?;
    let window = edit::plan(0, args.seconds, &mut team);
    operator.work(window.to, Duration::from_secs(args.every))?;
    let tally = team.finish()?;
    let compared = compare(&operator, &setup, &tally)?;
    Ok(report(args, &tally, compared, operator.stop()))
}

/// What the editors have in the end, beside what the server has.
struct Compared {
    versions: u64,
    equal_copies: u64,
    complaints: Vec<String>,
}

fn compare(operator: &Operator, setup: &Setup, tally: &Tally) -> Result<Compared, Failure> {
    let mut compared = Compared { versions: 0, equal_copies: 0, complaints: Vec::new() };
    for number in 0..setup.documents {
        let id = setup.document_id(number);
        let state = operator.state(&id)?;
        // Its first text is a version too.
        compared.versions += state.version.saturating_sub(1);
        let copies = tally.copies.iter().filter(|copy| copy.document == number);
        let is_equal = |version: u64, text: &str| version == state.version && text == state.section(SECTION);
        let (equal, other): (Vec<_>, Vec<_>) = copies.partition(|copy| is_equal(copy.version, &copy.text));
        compared.equal_copies += equal.len() as u64;
        if !other.is_empty() {
            compared.complaints.push(format!("{} copies of {id} are not what the server has", other.len()));
        }
    }
    Ok(compared)
}

fn report(args: &ReloadArgs, tally: &Tally, compared: Compared, done: Done) -> Report<ReloadFigures> {
    let editors = u64::from(args.documents) * u64::from(args.editors);
    let Compared { versions, equal_copies, complaints: different } = compared;
    let counts = Counts::of(tally);
    let mut complaints: Vec<String> = tally.errors.lines();
    complaints.extend(counts.complaints());
    complaints.extend(different);
    if equal_copies != editors {
        complaints.push(format!("{} of {} copies are equal", grouped(equal_copies), grouped(editors)));
    }
    if versions != tally.acked {
        let acked = grouped(tally.acked);
        complaints.push(format!("{acked} changes were acknowledged, and {} versions made", grouped(versions)));
    }
    let Done { read, mistakes, renewals, keys_removed, looked_at, complaints: seen } = done;
    complaints.extend(seen);
    let figures = ReloadFigures {
        editors,
        seconds: args.seconds,
        read: read.summary(),
        renewals,
        keys_removed,
        mistakes,
        looked_at,
        delivery: tally.delivery.summary(),
        ack: tally.ack.summary(),
        counts,
        versions,
        equal_copies,
    };
    Report::new(figures, complaints)
}

impl Figures for ReloadFigures {
    const SCENARIO: &'static str = "reload";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let editors = grouped(self.editors);
        table.heading(&format!("reload: {editors} editors on encrypted connections, {} s", self.seconds));
        table.row("certificates, keys and settings renewed", self.renewals);
        table.row("keys taken away", self.keys_removed);
        table.row("mistakes refused", self.mistakes);
        table.row("connections looked at", self.looked_at);
        table.latency("read after SIGHUP", &self.read);
        table.latency("delivery latency", &self.delivery);
        table.latency("ack latency", &self.ack);
        self.counts.rows(&mut table);
        table.row("versions", grouped(self.versions));
        table.row("equal copies", format_args!("{} of {editors}", grouped(self.equal_copies)));
        table
    }
}

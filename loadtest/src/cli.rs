//! The command line.

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;

use crate::disk::{self, DiskReport};
use crate::edit::{self, EditArgs};
use crate::failure::Failure;
use crate::hostile::{self, HostileArgs};
use crate::idle::{self, IdleArgs};
use crate::mutants::{self, MutantsArgs};
use crate::reload::{self, ReloadArgs};
use crate::report::{Figures, Report, Table, render};
use crate::requests::{self, AnchorArgs, HttpArgs};
use crate::slow::{self, SlowArgs};
use crate::smoke::{self, SmokeArgs};
use crate::stopped::{self, HoldArgs, StoppedArgs};
use crate::translate::{self, TranslateArgs};

const EXAMPLES: &str = "\
Examples:
  Is the server right?  (start it, 8 clients × 25 changes, compare every copy of the text)
    jddb-loadtest smoke --server-bin target/release/jddb-realtime

  How fast is it?  (1,000 editors; the server has core 0, the generator core 1)
    jddb-loadtest edit --server-bin target/release/jddb-realtime --server-pin-core 0 --pin-core 1

  The same on a server that runs already
    jddb-loadtest edit --url ws://127.0.0.1:8000 --data /var/lib/jddb --server-pid $(pgrep -o jddb-realtime)

  What of a bare hyper server's speed is left over HTTP?  (two cores; states, and durable changes)
    jddb-loadtest http --server-bin target/release/jddb-realtime --cores 2

  How long does a translator wait?  (a million sentences, 50 look-ups a second, each answer checked)
    jddb-loadtest translate --server-bin target/release/jddb-realtime --entries 1000000 --max-exact-p99-ms 2

  What do those who edit documents notice of it?  (20 documents × 50 editors, with look-ups and without)
    jddb-loadtest translate --server-bin target/release/jddb-realtime --cores 2 --editors 20x50 --max-editors-ratio 1.2

  How long does a translator wait with another mix, on the memory that the first of these lines made
    jddb-loadtest translate --server-bin target/release/jddb-realtime --data /tmp/memory --entries 1000000
    jddb-loadtest translate --server-bin target/release/jddb-realtime --data /tmp/memory --entries 1000000 --filled --exact 0 --new 0

  What does an idle connection cost?  (10,000 of them)
    jddb-loadtest idle --server-bin target/release/jddb-realtime

  What do slow readers cost the server and the others?  (100 of 1,000, at three paces)
    jddb-loadtest slow --server-bin target/release/jddb-realtime --max-growth-mib 150 --max-p99-ratio 2

  When are clients gone that are stopped in their tracks?  (500 of them)
    jddb-loadtest stopped --server-bin target/release/jddb-realtime

  May certificates, keys and settings change under 1,000 editors?
    jddb-loadtest reload --server-bin target/release/jddb-realtime

  Is it unbreakable?  (256 MiB that never end, bombs; a million damaged messages)
    jddb-loadtest hostile --server-bin target/release/jddb-realtime
    jddb-loadtest mutants --server-bin target/release/jddb-realtime --seed 17

  In CI: fail when a goal is missed, keep the figures
    jddb-loadtest edit --server-bin … --max-p99-ms 50 --json > edit.json

Figures go to standard output, progress and errors to standard error.
Exit codes: 0 all well; 1 errors, losses or a goal missed; 2 wrong usage.
What each figure means, and how not to be fooled by it: loadtest/README.md";

/// Clients at scale for the JDDB real-time server: honest latencies, cost a delivery, memory a connection
#[derive(Debug, Parser)]
#[command(version, about, after_long_help = EXAMPLES, after_help = "More with --help.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many editors type; measures deliveries, latencies and the server's processor time
    Edit(EditArgs),
    /// Many connections do nothing; measures the server's memory for each
    Idle(IdleArgs),
    /// A part of the clients hardly reads; measures the server's memory, and what the others notice
    Slow(SlowArgs),
    /// Many clients are stopped in their tracks; measures when they are gone from presence
    Stopped(StoppedArgs),
    /// The clients that `stopped` stops, in a process of their own
    #[command(hide = true)]
    Hold(HoldArgs),
    /// A few clients type at once; checks that every copy of the text ends equal
    Smoke(SmokeArgs),
    /// Certificates, keys and settings change while many editors type; checks that nobody notices
    Reload(ReloadArgs),
    /// Measures only the disk: how long a small durable append takes
    Disk(DiskArgs),
    /// Many connections announce, begin and never end; measures what the server keeps for them
    Hostile(HostileArgs),
    /// States and durable changes over HTTP, as fast as they are answered, beside a bare hyper server
    Http(HttpArgs),
    /// The bare hyper server of `http`, in a process of its own
    #[command(hide = true)]
    Anchor(AnchorArgs),
    /// Translators look texts up on WebSockets in a memory of any size; measures latencies, checks the answers
    Translate(TranslateArgs),
    /// Damaged messages and frames by the million; checks that nobody else notices
    Mutants(MutantsArgs),
}

/// Options of `disk`.
#[derive(Debug, Args)]
struct DiskArgs {
    /// Directory on the disk in question; a probe file is written there and removed
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Appends measured
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    rounds: u32,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
}

impl Figures for DiskReport {
    const SCENARIO: &'static str = "disk";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("disk: {}", self.directory));
        table.latency("256 B append + fdatasync", &self.fdatasync);
        if self.looks_like_ram {
            table.heading("note: this is memory, not a disk: durability costs nothing here");
        }
        table
    }
}

/// Runs the command and prints its report. False if anything failed that the report tells.
pub(crate) fn run(cli: &Cli) -> Result<bool, Failure> {
    raise_file_limit()?;
    match &cli.command {
        Command::Edit(args) => publish(&edit::run(args)?, args.json),
        Command::Idle(args) => publish(&idle::run(args)?, args.json),
        Command::Slow(args) => publish(&slow::run(args)?, args.json),
        Command::Stopped(args) => publish(&stopped::run(args)?, args.json),
        Command::Hold(args) => stopped::hold(args).map(|()| true),
        Command::Smoke(args) => publish(&smoke::run(args)?, args.json),
        Command::Reload(args) => publish(&reload::run(args)?, args.json),
        Command::Disk(args) => publish(&measure_disk(args)?, args.json),
        Command::Hostile(args) => publish(&hostile::run(args)?, args.json),
        Command::Http(args) => publish(&requests::run(args)?, args.json),
        Command::Anchor(args) => requests::serve_anchor(args).map(|()| true),
        Command::Translate(args) => publish(&translate::run(args)?, args.json),
        Command::Mutants(args) => publish(&mutants::run(args)?, args.json),
    }
}

fn measure_disk(args: &DiskArgs) -> Result<Report<DiskReport>, Failure> {
    Ok(Report::new(disk::measure(&args.data, args.rounds)?, Vec::new()))
}

fn publish<F: Figures>(report: &Report<F>, json: bool) -> Result<bool, Failure> {
    let text = render(report, json).map_err(|error| Failure::run("writing JSON", error))?;
    print!("{text}");
    Ok(report.complaints.is_empty())
}

/// Each connection is an open file; a server started here inherits the limit.
fn raise_file_limit() -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, all).map_err(|error| Failure::run("raising the limit of open files", error))
}

/// Open files this process may have.
pub(crate) fn file_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_teaches() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains("Exit codes"));
    }

    #[track_caller]
    fn check(line: &str, valid: bool) {
        let parsed = Cli::try_parse_from(line.split_whitespace());
        assert_eq!(parsed.is_ok(), valid, "{line}");
    }

    #[test]
    fn lines() {
        check("x edit", true);
        check("x edit --server-bin a -- --durability fast", true);
        check("x edit --rate 0", false);
        check("x edit --documents 0", false);
        check("x edit --token t --data d", false);
        check("x edit --server-bin a --server-pid 5", false);
        check("x idle --connections 5 --documents 1", true);
        check("x idle --compression", true);
        check("x slow --connections 30 --slow 5 --pace never,laggard", true);
        check("x slow --pace fast", false);
        check("x stopped --connections 5", true);
        check("x smoke --clients 3 --changes 4", true);
        check("x hostile --connections 40 --mebibytes 48", true);
        check("x mutants --mutants 10000 --seed 17", true);
        check("x mutants --mutants 0", false);
        check("x http --connections 8 --rounds 1 --min-state-ratio 0.6", true);
        check("x http --rounds 0", false);
        check("x translate --entries 1000 --rate 200 --exact 1 --fuzzy 0 --new 0 --filled", true);
        check("x translate --editors 2x3 --rounds 1 --max-editors-ratio 1.2", true);
        check("x translate --editors 2", false);
        check("x translate --max-editors-ratio 1.2", false);
        check("x translate --entries 0", false);
        check("x translate --rate 0", false);
        check("x reload --documents 2 --editors 3 --every 0", true);
        check("x reload --rate 0", false);
        check("x disk", false);
        check("x disk --data .", true);
        check("x", false);
    }

    #[test]
    fn the_file_limit_is_raised_to_the_hard_one() {
        raise_file_limit().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(file_limit() > 0);
    }

    #[test]
    fn the_disk_is_told_in_both_forms() {
        let directory = tempfile::tempdir().unwrap();
        let args = DiskArgs { data: directory.path().to_owned(), rounds: 3, json: false };
        let report = measure_disk(&args).unwrap();
        assert!(render(&report, false).unwrap().contains("fdatasync"));
        assert!(render(&report, true).unwrap().contains("\"p99_ms\""));
    }
}

//! What `edit` tells: throughput, latencies, cost, and whether any of it can be believed.

use serde::Serialize;

use super::meters::Tally;
use super::worker::Setup;
use super::{EditArgs, Spent};
use crate::disk::DiskReport;
use crate::histogram::LatencySummary;
use crate::procfs::Memory;
use crate::report::{Figures, Report, Table, check_goal, float, grouped, mebibytes};

/// Above this share of its threads' time the generator's own queueing shows in the latencies.
const GENERATOR_BUSY: f64 = 0.85;
/// Sending later than this, at the 99th percentile, is worth a word.
const LATE_P99_MS: f64 = 5.0;
const MICROS_PER_SECOND: f64 = 1e6;

/// The figures of `edit`.
#[derive(Debug, Serialize)]
pub(crate) struct EditFigures {
    documents: usize,
    editors_per_document: usize,
    rate_per_minute: f64,
    seconds: f64,
    threads: usize,
    /// Whether the tokens raised the server's rate limits.
    limits_raised: bool,
    disk: Option<DiskReport>,
    /// What the schedule amounts to: changes × (editors − 1).
    target_deliveries_per_second: f64,
    deliveries_per_second: f64,
    changes_per_second: f64,
    /// From the intended send time to the receiver.
    pub(super) delivery: LatencySummary,
    /// From the intended send time to the acknowledgement.
    pub(super) ack: LatencySummary,
    /// How late the generator itself sent.
    lag: LatencySummary,
    pub(super) counts: Counts,
    server: Option<ServerCost>,
    generator: GeneratorCost,
    notes: Vec<String>,
}

/// Measured changes and what became of them.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    pub(super) scheduled: u64,
    sent: u64,
    pub(super) acked: u64,
    refused: u64,
    unfinished: u64,
    expected_deliveries: u64,
    pub(super) lost: u64,
    gaps: u64,
    disorder: u64,
    resyncs: u64,
    editors_behind: u64,
}

/// What the server used during the window.
#[derive(Debug, Serialize)]
struct ServerCost {
    user_us_per_delivery: f64,
    system_us_per_delivery: f64,
    /// Cores' worth of processor time.
    cores_busy: f64,
    memory: Memory,
}

/// What the generator used during the window.
#[derive(Debug, Serialize)]
struct GeneratorCost {
    user_us_per_delivery: f64,
    system_us_per_delivery: f64,
    cores_busy: f64,
}

impl EditFigures {
    /// Works the figures out.
    pub(super) fn report(
        args: &EditArgs,
        setup: &Setup,
        disk: Option<DiskReport>,
        spent: &Spent,
        tally: &Tally,
    ) -> Report<Self> {
        let editors = f64::from(args.documents) * f64::from(args.editors);
        let per_delivery = MICROS_PER_SECOND / float(tally.received.max(1));
        let mut figures = Self {
            documents: setup.documents,
            editors_per_document: setup.editors,
            rate_per_minute: args.rate,
            seconds: spent.seconds,
            threads: setup.workers,
            limits_raised: args.limits_claim().is_some(),
            disk,
            target_deliveries_per_second: editors * args.rate / 60.0 * f64::from(args.editors - 1),
            deliveries_per_second: float(tally.received) / spent.seconds,
            changes_per_second: float(tally.acked) / spent.seconds,
            delivery: tally.delivery.summary(),
            ack: tally.ack.summary(),
            lag: tally.lag.summary(),
            counts: Counts::of(tally),
            server: spent.server.map(|(cpu, memory)| ServerCost {
                user_us_per_delivery: cpu.user * per_delivery,
                system_us_per_delivery: cpu.system * per_delivery,
                cores_busy: cpu.total() / spent.seconds,
                memory,
            }),
            generator: GeneratorCost {
                user_us_per_delivery: spent.generator.user * per_delivery,
                system_us_per_delivery: spent.generator.system * per_delivery,
                cores_busy: spent.generator.total() / spent.seconds,
            },
            notes: Vec::new(),
        };
        figures.take_notes();
        let complaints = figures.complaints(args, tally);
        Report::new(figures, complaints)
    }

    /// What a reader of the figures must know.
    fn take_notes(&mut self) {
        let busy = self.generator.cores_busy / float(self.threads.try_into().unwrap_or(u64::MAX));
        if busy > GENERATOR_BUSY {
            self.notes.push(format!(
                "the generator was {:.0} % busy: latencies include its own queueing; use --threads or another machine",
                busy * 100.0
            ));
        }
        if self.lag.p99_ms > LATE_P99_MS {
            self.notes.push(format!(
                "the generator itself sent late (p99 {:.1} ms): something else had its core, and latencies include that",
                self.lag.p99_ms
            ));
        }
        if self.disk.as_ref().is_some_and(|disk| disk.looks_like_ram) {
            let note = "fdatasync costs nothing here: the data directory is in memory, so durability is not measured";
            self.notes.push(note.into());
        }
        if self.disk.is_none() {
            self.notes.push("the disk was not measured: give --data".into());
        }
        if self.server.is_none() {
            let note = "the server's processor time was not measured: give --server-pid or --server-bin";
            self.notes.push(note.into());
        }
        if self.limits_raised {
            self.notes.push("the tokens raise the server's rate limits".into());
        }
    }

    fn complaints(&self, args: &EditArgs, tally: &Tally) -> Vec<String> {
        let mut complaints: Vec<String> = tally.errors.lines();
        complaints.extend(self.counts.complaints());
        let p99 = (self.delivery.count > 0).then_some(self.delivery.p99_ms);
        let user = self.server.as_ref().map(|server| server.user_us_per_delivery);
        check_goal(&mut complaints, "delivery p99 (ms)", p99, args.max_p99_ms);
        let goal = args.max_user_us_per_delivery;
        check_goal(&mut complaints, "the server's user time (µs) a delivery", user, goal);
        complaints
    }
}

impl Counts {
    /// What should not be.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        let must_be_zero = [
            (self.unfinished, "changes neither acknowledged nor refused in time"),
            (self.lost, "deliveries lost"),
            (self.gaps, "versions skipped on a connection"),
            (self.disorder, "versions out of order on a connection"),
            (self.resyncs, "times a connection was too slow and got the whole state instead"),
            (self.editors_behind, "editors without their document's last version"),
        ];
        must_be_zero
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(count)))
    }

    /// What is in the tally.
    pub(crate) fn of(tally: &Tally) -> Self {
        Self {
            scheduled: tally.scheduled,
            sent: tally.sent,
            acked: tally.acked,
            refused: tally.refused,
            unfinished: tally.unfinished(),
            expected_deliveries: tally.expected,
            lost: tally.lost(),
            gaps: tally.gaps,
            disorder: tally.disorder,
            resyncs: tally.resyncs,
            editors_behind: tally.behind,
        }
    }
}

impl Figures for EditFigures {
    const SCENARIO: &'static str = "edit";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!(
            "edit: {} documents × {} editors × {} changes a minute, {:.0} s, {} thread(s)",
            self.documents, self.editors_per_document, self.rate_per_minute, self.seconds, self.threads
        ));
        table.row("deliveries/s", format_args!("{:.0}", self.deliveries_per_second));
        table.row("  of scheduled", format_args!("{:.0}", self.target_deliveries_per_second));
        table.row("changes/s", format_args!("{:.1}", self.changes_per_second));
        table.latency("delivery latency", &self.delivery);
        table.latency("ack latency", &self.ack);
        self.cost_rows(&mut table);
        self.counts.rows(&mut table);
        for note in &self.notes {
            table.heading(&format!("note: {note}"));
        }
        table
    }
}

impl EditFigures {
    fn cost_rows(&self, table: &mut Table) {
        if let Some(server) = &self.server {
            table.heading("server");
            table.row("user µs/delivery", format_args!("{:.2}", server.user_us_per_delivery));
            table.row("system µs/delivery", format_args!("{:.2}", server.system_us_per_delivery));
            table.row("cores busy", format_args!("{:.2}", server.cores_busy));
            table.row("resident", mebibytes(server.memory.rss));
            table.row("resident, anonymous", mebibytes(server.memory.rss_anon));
        }
        table.heading("generator");
        table.row("user µs/delivery", format_args!("{:.2}", self.generator.user_us_per_delivery));
        table.row("system µs/delivery", format_args!("{:.2}", self.generator.system_us_per_delivery));
        table.row("cores busy", format_args!("{:.2}", self.generator.cores_busy));
        table.latency("late sending", &self.lag);
        if let Some(disk) = &self.disk {
            table.heading(&format!("disk: {}", disk.directory));
            table.latency("256 B append + fdatasync", &disk.fdatasync);
        }
    }
}

impl Counts {
    /// They, under a heading.
    pub(crate) fn rows(&self, table: &mut Table) {
        let Self {
            scheduled,
            sent,
            acked,
            refused,
            unfinished,
            expected_deliveries,
            lost,
            gaps: _,
            disorder: _,
            resyncs,
            editors_behind: _,
        } = self;
        table.heading("changes meant to be sent in these seconds");
        let changes = [
            ("scheduled", scheduled),
            ("sent", sent),
            ("acknowledged", acked),
            ("refused", refused),
            ("unfinished", unfinished),
            ("deliveries expected", expected_deliveries),
            ("deliveries lost", lost),
            ("resyncs", resyncs),
        ];
        for (label, count) in changes {
            table.row(label, grouped(*count));
        }
    }
}

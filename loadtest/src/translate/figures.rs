//! What `translate` tells.

use serde::Serialize;

use super::beside::{self, Beside};
use super::corpus::Kind;
use super::fill::Filled;
use super::seeker::{Fate, Tally};
use super::{Measured, TranslateArgs};
use crate::histogram::LatencySummary;
use crate::procfs::Memory;
use crate::report::{Figures, Report, Table, check_goal, float, grouped, mebibytes};

/// Above this share of a core the generator's own queueing shows in the latencies.
const GENERATOR_BUSY: f64 = 0.85;
/// Sending later than this, at the 99th percentile, is worth a word.
const LATE_P99_MS: f64 = 0.5;
/// Of the texts with mistaken letters, at least this share has to be recognised.
const FOUND_MIN: f64 = 0.9;
/// Where a larger share was superseded, the latencies leave out too many of the slow ones.
const SUPERSEDED_MAX: f64 = 0.01;

/// The figures of `translate`.
#[derive(Debug, Serialize)]
pub(crate) struct TranslateFigures {
    entries: u64,
    seed: u64,
    connections: u32,
    rate: f64,
    seconds: f64,
    /// What became of the import, if there was one.
    filled: Option<Filled>,
    kinds: Vec<Told>,
    /// Better suggestions that came for what was answered before.
    pushed: u64,
    /// The anchor: what heartbeats took at the same rate.
    heartbeats: LatencySummary,
    /// How late the generator itself sent.
    lag: LatencySummary,
    /// What those who edit noticed of it, where somebody does.
    editing: Option<beside::Told>,
    server: Option<Cost>,
    generator_cores_busy: f64,
    notes: Vec<String>,
}

/// What became of the look-ups of a kind.
#[derive(Debug, Serialize)]
struct Told {
    kind: Kind,
    sent: u64,
    answered: u64,
    superseded: u64,
    refused: u64,
    unanswered: u64,
    /// Answered with the translation that belongs to the text.
    found: u64,
    /// From the moment they should have been sent to the reading of the answer.
    latency: LatencySummary,
}

/// What the server used during the window.
#[derive(Debug, Serialize)]
struct Cost {
    cores_busy: f64,
    memory: Memory,
}

impl Told {
    fn new(kind: Kind, fate: &Fate) -> Self {
        let Fate { sent, superseded, refused, found, latency } = fate;
        let answered = latency.count();
        let unanswered = sent.saturating_sub(answered + superseded + refused);
        let (sent, superseded, refused, found) = (*sent, *superseded, *refused, *found);
        Self { kind, sent, answered, superseded, refused, unanswered, found, latency: latency.summary() }
    }

    fn rows(&self, table: &mut Table) {
        let Self { kind, sent, answered, superseded, refused, unanswered, found, latency } = self;
        table.heading(kind.name());
        table.latency("latency", latency);
        let [sent, answered, superseded, refused, unanswered, found] =
            [sent, answered, superseded, refused, unanswered, found].map(|count| grouped(*count));
        table.row("sent", sent);
        table.row(
            "answered",
            format_args!("{answered}  (superseded {superseded}, refused {refused}, never {unanswered})"),
        );
        if *kind != Kind::New {
            table.row("translation found", found);
        }
    }

    fn complaints(&self, goal: Option<f64>, complaints: &mut Vec<String>) {
        let Self { kind, answered, unanswered, found, latency, .. } = self;
        let name = kind.name();
        if *unanswered > 0 {
            complaints.push(format!("{} {name} look-ups were neither answered nor superseded", grouped(*unanswered)));
        }
        if *kind == Kind::Fuzzy && float(*found) < FOUND_MIN * float(*answered) {
            complaints.push(format!(
                "only {} of {} texts with mistaken letters brought the translation of the text they were",
                grouped(*found),
                grouped(*answered)
            ));
        }
        if goal.is_some() && *answered == 0 {
            complaints.push(format!("{name} p99 has a goal, but none was answered"));
        } else {
            check_goal(complaints, &format!("{name} p99 (ms)"), Some(latency.p99_ms), goal);
        }
    }
}

impl TranslateFigures {
    /// Works the figures out.
    pub(super) fn report(
        args: &TranslateArgs,
        filled: Option<Filled>,
        measured: &Measured,
        beside: Option<Beside>,
    ) -> Report<Self> {
        let Measured { tally, server, generator, seconds } = measured;
        let Tally { fates, lag, heartbeats, pushed, errors } = tally;
        let kinds: Vec<Told> = Kind::ALL.into_iter().zip(fates).map(|(kind, fate)| Told::new(kind, fate)).collect();
        let mut complaints = errors.lines();
        let goals = [args.max_exact_p99_ms, args.max_fuzzy_p99_ms, None];
        kinds.iter().zip(goals).for_each(|(told, goal)| told.complaints(goal, &mut complaints));
        let editing = beside.map(|beside| beside.told(args.max_editors_ratio, &mut complaints));
        let mut figures = Self {
            entries: args.entries,
            seed: args.seed,
            connections: args.connections,
            rate: args.rate,
            seconds: *seconds,
            filled,
            kinds,
            pushed: *pushed,
            heartbeats: heartbeats.summary(),
            lag: lag.summary(),
            editing,
            server: server.map(|(cpu, memory)| Cost { cores_busy: cpu.total() / seconds, memory }),
            generator_cores_busy: generator.total() / seconds,
            notes: Vec::new(),
        };
        figures.take_notes();
        Report::new(figures, complaints)
    }

    /// What a reader of the figures must know.
    fn take_notes(&mut self) {
        if self.generator_cores_busy > GENERATOR_BUSY {
            self.notes.push(format!(
                "the generator was {:.0} % busy: latencies include its own queueing",
                self.generator_cores_busy * 100.0
            ));
        }
        if self.lag.p99_ms > LATE_P99_MS {
            self.notes.push(format!(
                "the generator itself sent late (p99 {:.2} ms): something else had its core, and latencies \
                 include that, those of heartbeats too",
                self.lag.p99_ms
            ));
        }
        let count = |of: fn(&Told) -> u64| self.kinds.iter().map(of).sum::<u64>();
        let (sent, superseded) = (count(|told| told.sent), count(|told| told.superseded));
        if float(superseded) > SUPERSEDED_MAX * float(sent) {
            self.notes.push(format!(
                "{} look-ups were superseded, which were slow and are in no latency: use more --connections",
                grouped(superseded)
            ));
        }
        if self.server.is_none() {
            let note = "the server's processor time was not measured: give --server-pid or --server-bin";
            self.notes.push(note.to_owned());
        }
    }
}

impl Figures for TranslateFigures {
    const SCENARIO: &'static str = "translate";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let Self { entries, connections, rate, seconds, .. } = self;
        table.heading(&format!(
            "translate: {} entries, {connections} connections, {rate} look-ups/s, {seconds:.0} s",
            grouped(*entries)
        ));
        if let Some(filled) = &self.filled {
            table.row("imported", filled.line());
        }
        self.kinds.iter().filter(|told| told.sent > 0).for_each(|told| told.rows(&mut table));
        table.heading("heartbeats at the same rate, the anchor");
        table.latency("latency", &self.heartbeats);
        for told in self.kinds.iter().filter(|told| told.latency.p99_ms > 0.0 && self.heartbeats.p99_ms > 0.0) {
            let ratio = told.latency.p99_ms / self.heartbeats.p99_ms;
            table.row(&format!("p99 of {} over theirs", told.kind.name()), format_args!("{ratio:.2}"));
        }
        if self.pushed > 0 {
            table.row("better suggestions pushed", grouped(self.pushed));
        }
        self.editing.iter().for_each(|editing| editing.rows(&mut table));
        if let Some(Cost { cores_busy, memory }) = &self.server {
            table.heading("server");
            table.row("cores busy", format_args!("{cores_busy:.2}"));
            table.row("resident", mebibytes(memory.rss));
            table.row("resident, anonymous", mebibytes(memory.rss_anon));
        }
        table.heading("generator");
        table.row("cores busy", format_args!("{:.2}", self.generator_cores_busy));
        table.latency("late sending", &self.lag);
        for note in &self.notes {
            table.heading(&format!("note: {note}"));
        }
        table
    }
}

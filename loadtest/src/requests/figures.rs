//! What `http` tells.

use serde::Serialize;

use super::client::Tally;
use super::{HttpArgs, Phase};
use crate::disk::DiskReport;
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::report::{Figures, Report, Table, float, median};

/// Above this share of its threads' time the generator is what is measured.
const GENERATOR_BUSY: f64 = 0.85;

/// The figures of `http`.
#[derive(Debug, Serialize)]
pub(crate) struct HttpFigures {
    connections: u32,
    documents: u32,
    text_length: u32,
    cores: usize,
    threads: u32,
    rounds: u32,
    seconds: u64,
    disk: Option<DiskReport>,
    requests: Vec<Compared>,
    notes: Vec<String>,
}

/// One kind of request, and what either server made of it.
#[derive(Debug)]
pub(super) struct Kind {
    name: &'static str,
    pub(super) server: Side,
    pub(super) anchor: Side,
}

/// What one server made of one kind of request, phase by phase.
#[derive(Debug)]
pub(super) struct Side {
    tally: Tally,
    per_second: Vec<f64>,
    cores_busy: Vec<f64>,
    generator_cores_busy: Vec<f64>,
}

impl Kind {
    /// Nothing measured yet.
    pub(super) fn new(name: &'static str) -> Result<Self, Failure> {
        Ok(Self { name, server: Side::new()?, anchor: Side::new()? })
    }
}

impl Side {
    fn new() -> Result<Self, Failure> {
        let [per_second, cores_busy, generator_cores_busy] = [const { Vec::new() }; 3];
        Ok(Self { tally: Tally::new()?, per_second, cores_busy, generator_cores_busy })
    }

    /// Adds a phase.
    pub(super) fn add(&mut self, phase: Phase) -> Result<(), Failure> {
        let Phase { tally, seconds, server, generator } = phase;
        self.per_second.push(float(tally.latencies.count()) / seconds);
        self.cores_busy.extend(server.map(|spent| spent / seconds));
        self.generator_cores_busy.push(generator / seconds);
        self.tally.merge(&tally)
    }

    /// All requests that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.tally.answered
    }
}

/// The same, as it is told.
#[derive(Debug, Serialize)]
struct Compared {
    request: &'static str,
    /// Requests a second, over those of the bare server: the median of all rounds, and each of them.
    ratio: f64,
    ratios: Vec<f64>,
    server: Told,
    bare: Told,
}

#[derive(Debug, Serialize)]
struct Told {
    /// The medians of all rounds.
    per_second: f64,
    cores_busy: Option<f64>,
    generator_cores_busy: f64,
    latency: LatencySummary,
}

impl Compared {
    fn new(kind: &Kind) -> Self {
        let ratios: Vec<f64> =
            kind.server.per_second.iter().zip(&kind.anchor.per_second).map(|(own, bare)| own / bare.max(1.0)).collect();
        let (server, bare) = (Told::new(&kind.server), Told::new(&kind.anchor));
        Self { request: kind.name, ratio: median(&ratios).unwrap_or(0.0), ratios, server, bare }
    }
}

impl Told {
    fn new(side: &Side) -> Self {
        Self {
            per_second: median(&side.per_second).unwrap_or(0.0),
            cores_busy: median(&side.cores_busy),
            generator_cores_busy: median(&side.generator_cores_busy).unwrap_or(0.0),
            latency: side.tally.latencies.summary(),
        }
    }

    fn rows(&self, who: &str, table: &mut Table) {
        let Self { per_second, cores_busy, generator_cores_busy, latency } = self;
        let cores = cores_busy.map_or_else(String::new, |cores| format!("{cores:.2} cores, "));
        table.row(
            &format!("{who}: requests/s"),
            format_args!("{per_second:.0}  ({cores}the generator {generator_cores_busy:.2})"),
        );
        table.latency(&format!("{who}: latency"), latency);
    }
}

impl HttpFigures {
    /// Works the figures out.
    pub(super) fn report(
        args: &HttpArgs,
        disk: Option<DiskReport>,
        kinds: [Kind; 2],
        mut complaints: Vec<String>,
    ) -> Report<Self> {
        let requests: Vec<Compared> = kinds.iter().map(Compared::new).collect();
        for (compared, goal) in requests.iter().zip([args.min_state_ratio, args.min_change_ratio]) {
            if let Some(goal) = goal.filter(|goal| compared.ratio < *goal) {
                let Compared { request, ratio, .. } = compared;
                complaints.push(format!("{request}: {ratio:.2} of the bare server's, the goal is at least {goal:.2}"));
            }
        }
        let figures = Self {
            connections: args.connections,
            documents: args.documents,
            text_length: args.text_length,
            cores: args.target.cores,
            threads: args.threads,
            rounds: args.rounds,
            seconds: args.seconds,
            notes: notes(args, &requests, disk.as_ref()),
            disk,
            requests,
        };
        Report::new(figures, complaints)
    }
}

/// What a reader of the figures must know.
fn notes(args: &HttpArgs, requests: &[Compared], disk: Option<&DiskReport>) -> Vec<String> {
    let mut notes = Vec::new();
    for Compared { request, server, bare, .. } in requests {
        for (who, told) in [("the server", server), ("the bare server", bare)] {
            let busy = told.generator_cores_busy / f64::from(args.threads);
            if busy > GENERATOR_BUSY {
                let percent = busy * 100.0;
                notes.push(format!(
                    "{request}: the generator was {percent:.0} % busy against {who}, which could do more"
                ));
            }
        }
    }
    if disk.is_some_and(|disk| disk.looks_like_ram) {
        notes.push("the data directory is in memory, so durability is not measured".to_owned());
    }
    notes
}

impl Figures for HttpFigures {
    const SCENARIO: &'static str = "http";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let Self { connections, documents, text_length, cores, threads, rounds, seconds, .. } = self;
        table.heading(&format!(
            "http: {connections} connections, {documents} documents of {text_length} characters, {cores} core(s), \
             {threads} thread(s) of the generator, {rounds} rounds of {seconds} s each"
        ));
        for compared in &self.requests {
            table.heading(compared.request);
            compared.server.rows("the server", &mut table);
            compared.bare.rows("bare hyper", &mut table);
            let all: Vec<String> = compared.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
            table.row("ratio, median", format_args!("{:.2}  of {}", compared.ratio, all.join(" ")));
        }
        if let Some(disk) = &self.disk {
            table.heading(&format!("disk: {}", disk.directory));
            table.latency("256 B append + fdatasync", &disk.fdatasync);
        }
        for note in &self.notes {
            table.heading(&format!("note: {note}"));
        }
        table
    }
}

//! What `slow` tells.

use serde::Serialize;

use super::crowd::{Crowd, Slow};
use super::{Pace, Resident, SlowArgs};
use crate::histogram::LatencySummary;
use crate::report::{Report, Table, check_goal, float};

const MIB: f64 = 1_048_576.0;

/// The report of `slow`.
#[derive(Debug, Serialize)]
pub(crate) struct SlowReport {
    scenario: &'static str,
    connections: u32,
    slow: u32,
    pace: Pace,
    documents: u32,
    changes_per_second: u32,
    change_bytes: u32,
    /// Of those who read, while everybody does.
    undisturbed: LatencySummary,
    /// Of those who read, while the slow ones do not.
    disturbed: LatencySummary,
    p99_ratio: f64,
    /// By how much the server's resident memory grew at most while they did not.
    growth_mib: Option<f64>,
    fate: Slow,
    /// What the server's log says of its ladder, if the server was started here.
    ladder: Option<Ladder>,
    pub(super) complaints: Vec<String>,
}

/// The server's own counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Ladder {
    conflated: u64,
    replaced: u64,
    states: u64,
    closed: u64,
}

impl Ladder {
    /// The sums over all cores: of each core the last line that tells of it.
    fn from_log(log: &str) -> Self {
        let mut cores = std::collections::BTreeMap::new();
        for line in log.lines().filter(|line| line.contains("clients read too slowly, in all")) {
            let field = |name: &str| {
                let value = line.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                value.and_then(|value| value.parse::<u64>().ok())
            };
            let [conflated, replaced, states, closed] =
                ["conflated", "replaced", "states", "closed"].map(|name| field(name).unwrap_or(0));
            cores.insert(field("core"), Self { conflated, replaced, states, closed });
        }
        cores.values().fold(Self::default(), |sum, core| Self {
            conflated: sum.conflated + core.conflated,
            replaced: sum.replaced + core.replaced,
            states: sum.states + core.states,
            closed: sum.closed + core.closed,
        })
    }
}

impl SlowReport {
    /// Works the figures out.
    pub(super) fn new(args: &SlowArgs, crowd: &Crowd, resident: Option<Resident>, log: Option<&str>) -> Self {
        let (undisturbed, disturbed) = (crowd.undisturbed.borrow().summary(), crowd.disturbed.borrow().summary());
        let mut report = Self {
            scenario: "slow",
            connections: args.connections,
            slow: args.slow,
            pace: args.pace,
            documents: args.documents,
            changes_per_second: args.changes,
            change_bytes: args.change_bytes,
            p99_ratio: disturbed.p99_ms / undisturbed.p99_ms.max(f64::MIN_POSITIVE),
            undisturbed,
            disturbed,
            growth_mib: resident.map(|Resident { before, most }| float(most.saturating_sub(before)) / MIB),
            fate: crowd.fate.get(),
            ladder: log.map(Ladder::from_log),
            complaints: crowd.errors.borrow().lines(),
        };
        report.complain(args);
        report
    }

    fn complain(&mut self, args: &SlowArgs) {
        let Slow { stuck, given_up, laggards, caught_up, states: _ } = self.fate;
        let mut complaints = std::mem::take(&mut self.complaints);
        if given_up < stuck {
            complaints.push(format!("{} of {stuck} clients that read nothing were never given up", stuck - given_up));
        }
        if caught_up < laggards {
            let lost = laggards - caught_up;
            complaints.push(format!("{lost} of {laggards} clients that read slowly did not come to the last version"));
        }
        if let Some(Ladder { conflated, replaced, states, closed }) = self.ladder {
            let steps = [
                ("a cursor left out", conflated, true),
                ("a backlog replaced", replaced, true),
                ("a state sent instead", states, laggards > 0),
                ("a connection closed", closed, stuck > 0),
            ];
            let unseen = steps.into_iter().filter(|(_, count, is_expected)| *is_expected && *count == 0);
            complaints.extend(unseen.map(|(step, ..)| format!("a step of the ladder was not seen: {step}")));
        }
        let ratio = (self.undisturbed.count > 0 && self.disturbed.count > 0).then_some(self.p99_ratio);
        check_goal(&mut complaints, "delivery p99 (times the undisturbed one)", ratio, args.max_p99_ratio);
        let goal = args.max_growth_mib;
        check_goal(&mut complaints, "growth of the server's resident memory (MiB)", self.growth_mib, goal);
        self.complaints = complaints;
    }
}

impl Report for SlowReport {
    fn table(&self) -> Table {
        let mut table = Table::default();
        let Self { connections, slow, documents, changes_per_second, change_bytes, .. } = self;
        table.heading(&format!(
            "slow: {slow} of {connections} clients in {documents} documents, {changes_per_second} changes/s of {change_bytes} bytes"
        ));
        table.latency("others, undisturbed", &self.undisturbed);
        table.latency("others, disturbed", &self.disturbed);
        table.row("p99, times the undisturbed", format_args!("{:.2}", self.p99_ratio));
        let growth = self.growth_mib.map(|growth| format!("{growth:.1} MiB"));
        table.row("server's memory grew by", growth.unwrap_or_else(|| "not measured: give --server-pid".to_owned()));
        let Slow { stuck, given_up, laggards, caught_up, states } = self.fate;
        table.row("read nothing, or a byte a second", format_args!("{stuck}, of whom given up {given_up}"));
        table.row("read too slowly", format_args!("{laggards}, of whom caught up {caught_up}, by {states} states"));
        if let Some(Ladder { conflated, replaced, states, closed }) = self.ladder {
            table.heading("the server's ladder");
            table.row("cursors left out", conflated);
            table.row("backlogs replaced", replaced);
            table.row("states sent instead", states);
            table.row("closed with 1013", closed);
        }
        table
    }

    fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_each_core_counts() {
        let log = "INFO x: clients read too slowly, in all core=0 conflated=1 replaced=2 states=3 closed=4\n\
                   INFO x: something else core=0 closed=900\n\
                   INFO x: clients read too slowly, in all core=1 conflated=10 replaced=20 states=30 closed=40\n\
                   INFO x: clients read too slowly, in all core=0 conflated=2 replaced=3 states=4 closed=5\n";
        let expected = Ladder { conflated: 12, replaced: 23, states: 34, closed: 45 };
        assert_eq!(Ladder::from_log(log), expected);
        assert_eq!(Ladder::from_log(""), Ladder::default());
    }
}

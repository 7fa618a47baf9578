//! What `slow` tells.

use serde::Serialize;
use serde_json::Value;

use super::crowd::{Crowd, Slow};
use super::{Pace, SlowArgs};
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::monitor;
use crate::report::{Figures, Table, check_goal};
use crate::resident::{Resident, in_mib};
use crate::target::Target;

/// The figures of `slow`.
#[derive(Debug, Serialize)]
pub(crate) struct SlowFigures {
    connections: u32,
    slow: u32,
    documents: u32,
    changes_per_second: u32,
    change_bytes: u32,
    rounds: Vec<Round>,
}

/// What came of one pace.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pace: Pace,
    /// Of those who read, while everybody does.
    undisturbed: LatencySummary,
    /// Of those who read, while the slow ones do not.
    disturbed: LatencySummary,
    p99_ratio: f64,
    /// By how much the server's resident memory grew at most while they did not.
    growth_mib: Option<f64>,
    fate: Slow,
    /// What the server says of its ladder, to those it lets ask.
    ladder: Option<Ladder>,
}

/// The server's own counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Ladder {
    conflated: u64,
    replaced: u64,
    states: u64,
    closed: u64,
}

impl Ladder {
    /// As it is now, if the server may be asked.
    pub(super) async fn read(target: &Target) -> Result<Option<Self>, Failure> {
        let Some(figures) = monitor::figures(target).await? else { return Ok(None) };
        let ladder = Self::from_figures(&figures);
        ladder.map(Some).ok_or_else(|| Failure::run("the server's figures do not tell of slow readers", figures))
    }

    fn from_figures(figures: &Value) -> Option<Self> {
        let steps = figures.pointer("/errors/slow_readers")?;
        let step = |name: &str| steps[name]["total"].as_u64();
        Some(Self {
            conflated: step("cursor_left_out")?,
            replaced: step("backlog_replaced")?,
            states: step("state_sent")?,
            closed: step("closed")?,
        })
    }

    /// What was done since `earlier`.
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self {
            conflated: self.conflated - earlier.conflated,
            replaced: self.replaced - earlier.replaced,
            states: self.states - earlier.states,
            closed: self.closed - earlier.closed,
        }
    }
}

impl SlowFigures {
    /// Of these rounds.
    pub(super) fn new(args: &SlowArgs, rounds: Vec<Round>) -> Self {
        Self {
            connections: args.connections,
            slow: args.slow,
            documents: args.documents,
            changes_per_second: args.changes,
            change_bytes: args.change_bytes,
            rounds,
        }
    }
}

impl Round {
    /// Works the figures out.
    pub(super) fn new(pace: Pace, crowd: &Crowd, resident: &Resident, ladder: Option<Ladder>) -> Self {
        let (undisturbed, disturbed) = (crowd.undisturbed.borrow().summary(), crowd.disturbed.borrow().summary());
        Self {
            pace,
            p99_ratio: disturbed.p99_ms / undisturbed.p99_ms.max(f64::MIN_POSITIVE),
            undisturbed,
            disturbed,
            growth_mib: resident.growth().map(in_mib),
            fate: crowd.fate.get(),
            ladder,
        }
    }

    /// Complains of what should not be, and of the goals that are missed.
    pub(super) fn judge(&self, args: &SlowArgs, complaints: &mut Vec<String>) {
        let Slow { stuck, given_up, laggards, caught_up, states: _ } = self.fate;
        let pace = format!("{:?}", self.pace);
        if given_up < stuck {
            complaints.push(format!("{pace}: {} of {stuck} clients were never given up", stuck - given_up));
        }
        if caught_up < laggards {
            let lost = laggards - caught_up;
            complaints.push(format!("{pace}: {lost} of {laggards} clients did not come to the last version"));
        }
        if let Some(Ladder { conflated, replaced, states, closed }) = self.ladder {
            let steps = [
                ("a cursor left out", conflated, true),
                ("a backlog replaced", replaced, true),
                ("a state sent instead", states, laggards > 0),
                ("a connection closed", closed, stuck > 0),
            ];
            let unseen = steps.into_iter().filter(|(_, count, is_expected)| *is_expected && *count == 0);
            complaints.extend(unseen.map(|(step, ..)| format!("{pace}: a step of the ladder was not seen: {step}")));
        }
        let ratio = (self.undisturbed.count > 0 && self.disturbed.count > 0).then_some(self.p99_ratio);
        let name = format!("{pace}: delivery p99 (times the undisturbed one)");
        check_goal(complaints, &name, ratio, args.max_p99_ratio);
        let name = format!("{pace}: growth of the server's resident memory (MiB)");
        check_goal(complaints, &name, self.growth_mib, args.max_growth_mib);
    }

    fn rows(&self, table: &mut Table) {
        let what = match self.pace {
            Pace::Never => "they read nothing",
            Pace::Trickle => "they read a byte a second",
            Pace::Laggard => "they read too slowly, but they read",
        };
        table.heading(what);
        table.latency("others, undisturbed", &self.undisturbed);
        table.latency("others, disturbed", &self.disturbed);
        table.row("p99, times the undisturbed", format_args!("{:.2}", self.p99_ratio));
        let growth = self.growth_mib.map(|growth| format!("{growth:.1} MiB"));
        table.row("server's memory grew by", growth.unwrap_or_else(|| "not measured: give --server-pid".to_owned()));
        let Slow { stuck, given_up, laggards, caught_up, states } = self.fate;
        match self.pace {
            Pace::Never | Pace::Trickle => table.row("given up", format_args!("{given_up} of {stuck}")),
            Pace::Laggard => {
                table.row("caught up", format_args!("{caught_up} of {laggards}, by {states} states"));
            }
        }
        if let Some(Ladder { conflated, replaced, states, closed }) = self.ladder {
            table.row("the ladder: cursors left out", conflated);
            table.row("the ladder: backlogs replaced", replaced);
            table.row("the ladder: states sent instead", states);
            table.row("the ladder: closed with 1013", closed);
        }
    }
}

impl Figures for SlowFigures {
    const SCENARIO: &'static str = "slow";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let Self { connections, slow, documents, changes_per_second, change_bytes, rounds } = self;
        table.heading(&format!(
            "slow: {slow} of {connections} clients in {documents} documents, {changes_per_second} changes/s of {change_bytes} bytes"
        ));
        rounds.iter().for_each(|round| round.rows(&mut table));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_ladder_is_what_came_between() {
        let figures = |conflated, closed| {
            let step = |total: u64| json!({"total": total, "per_second": 0.0});
            let steps = json!({"cursor_left_out": step(conflated), "backlog_replaced": step(3), "state_sent": step(4),
                               "closed": step(closed)});
            Ladder::from_figures(&json!({"errors": {"slow_readers": steps}})).unwrap()
        };
        let expected = Ladder { conflated: 7, replaced: 0, states: 0, closed: 2 };
        assert_eq!(figures(9, 5).since(figures(2, 3)), expected);
        assert_eq!(Ladder::from_figures(&json!({"errors": {}})), None);
    }
}

//! Editors who type while translators look texts up, and while nobody does: what look-ups cost those who edit documents.

use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::TranslateArgs;
use crate::edit::{Counts, Load, Tally, Team, setup};
use crate::failure::Failure;
use crate::histogram::{Latencies, LatencySummary};
use crate::report::{Table, check_goal, median};
use crate::target::Target;
use crate::token::LimitsClaim;

/// Characters in each document before the first change, as `edit` has them.
const TEXT_LENGTH: u64 = 2_000;

/// How many editors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Editors {
    documents: u32,
    each: u32,
}

impl FromStr for Editors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected documents x editors of each, as 20x50, with two of the latter or more".to_owned();
        let (documents, each) = text.split_once(['x', '×']).ok_or_else(expected)?;
        let number = |digits: &str| digits.parse().ok().filter(|number| (1..=100_000).contains(number));
        let (documents, each) = number(documents).zip(number(each)).ok_or_else(expected)?;
        // Whoever is alone in a document hears of nothing.
        if each < 2 { Err(expected()) } else { Ok(Self { documents, each }) }
    }
}

impl Editors {
    /// Connects them, in documents of their own.
    pub(super) fn sit_down(self, args: &TranslateArgs, target: &Target) -> Result<Team, Failure> {
        let load = Load {
            documents: self.documents,
            editors: self.each,
            rate: args.typing_rate,
            text_length: TEXT_LENGTH,
            threads: 1,
            pin_core: args.pin_core,
            keeps_copies: false,
        };
        let token = |number| target.tokens.user(&format!("editor_{number}"), Some(LimitsClaim::RAISED));
        let setup = Arc::new(setup(&load, &target.endpoint, token)?);
        Team::start(&setup)?.connected(&setup)
    }
}

/// How long deliveries took, phase by phase.
#[derive(Debug)]
pub(super) struct Beside {
    editors: Editors,
    without: Phases,
    with: Phases,
    complaints: Vec<String>,
}

#[derive(Debug)]
struct Phases {
    all: Latencies,
    p99_ms: Vec<f64>,
}

impl Beside {
    /// Nothing measured yet.
    pub(super) fn new(editors: Editors) -> Result<Self, Failure> {
        let phases = || Ok(Phases { all: Latencies::new()?, p99_ms: Vec::new() });
        Ok(Self { editors, without: phases()?, with: phases()?, complaints: Vec::new() })
    }

    /// Who edits.
    pub(super) const fn editors(&self) -> Editors {
        self.editors
    }

    /// Adds a phase, in which texts were looked up or not.
    pub(super) fn add(&mut self, tally: &Tally, has_look_ups: bool) -> Result<(), Failure> {
        let counts = Counts::of(tally);
        let wrong = tally.errors.lines().into_iter().chain(counts.complaints());
        self.complaints.extend(wrong.map(|what| format!("editors: {what}")));
        let phases = if has_look_ups { &mut self.with } else { &mut self.without };
        phases.p99_ms.push(tally.delivery.summary().p99_ms);
        phases.all.merge(&tally.delivery)
    }

    /// What is told of it.
    pub(super) fn told(self, goal: Option<f64>, complaints: &mut Vec<String>) -> Told {
        let Self { editors, without, with, complaints: own } = self;
        complaints.extend(own);
        // A phase without deliveries has no ratio, and has been complained of.
        let pairs = without.p99_ms.iter().zip(&with.p99_ms).filter(|(without, _)| **without > 0.0);
        let ratios: Vec<f64> = pairs.map(|(without, with)| with / without).collect();
        let ratio = median(&ratios);
        if ratio.is_none() {
            complaints.push("editors: nothing was delivered, so there is no ratio".to_owned());
        } else {
            check_goal(complaints, "the editors' p99 with look-ups over that without", ratio, goal);
        }
        Told { editors, without: without.all.summary(), with: with.all.summary(), ratio, ratios }
    }
}

/// The figures.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    editors: Editors,
    /// Delivery latencies of all phases together.
    without: LatencySummary,
    with: LatencySummary,
    /// The 99th percentile with look-ups over that without: the median of the rounds, and each of them.
    ratio: Option<f64>,
    ratios: Vec<f64>,
}

impl Told {
    pub(super) fn rows(&self, table: &mut Table) {
        let Self { editors: Editors { documents, each }, without, with, ratio, ratios } = self;
        table.heading(&format!("editors: {documents} documents × {each} editors"));
        table.latency("delivery, without look-ups", without);
        table.latency("delivery, with look-ups", with);
        let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        if let Some(ratio) = ratio {
            table.row("ratio of p99, median", format_args!("{ratio:.2}  of {}", all.join(" ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_editors_are_read() {
        assert_eq!("20x50".parse(), Ok(Editors { documents: 20, each: 50 }));
        assert_eq!("1×2".parse(), Ok(Editors { documents: 1, each: 2 }));
        for bad in ["", "20", "x", "0x5", "5x0", "5x1", "-1x5", "1x2x3", "20 x 50"] {
            assert!(bad.parse::<Editors>().is_err(), "{bad}");
        }
    }

    /// A phase of so many deliveries that took so many milliseconds each.
    fn phase(deliveries: u64, millis: u64) -> Tally {
        let mut tally = Tally::new().unwrap();
        tally.expected = deliveries;
        (0..deliveries).for_each(|_| tally.delivery.record(millis * 1_000_000));
        tally
    }

    #[test]
    fn the_ratio_is_the_rounds_median() {
        let mut beside = Beside::new(Editors { documents: 1, each: 2 }).unwrap();
        for (without, with) in [(10, 11), (10, 30), (20, 24)] {
            beside.add(&phase(100, with), true).unwrap();
            beside.add(&phase(100, without), false).unwrap();
        }
        let mut complaints = Vec::new();
        let told = beside.told(Some(1.1), &mut complaints);
        assert!(told.ratio.is_some_and(|ratio| (1.19..1.21).contains(&ratio)), "{told:?}");
        assert!(complaints[0].contains("goal is at most 1.10"), "{complaints:?}");
        let mut table = Table::default();
        told.rows(&mut table);
        assert!(table.to_string().contains("1.20  of 1.10 3.00 1.20"), "{table}");
    }

    #[test]
    fn nothing_delivered_is_no_good_ratio() {
        let mut beside = Beside::new(Editors { documents: 1, each: 2 }).unwrap();
        let lost = Tally { expected: 5, ..Tally::new().unwrap() };
        beside.add(&lost, false).unwrap();
        beside.add(&lost, true).unwrap();
        let mut complaints = Vec::new();
        beside.told(None, &mut complaints);
        assert!(complaints[0].contains("5 deliveries lost"), "{complaints:?}");
        assert!(complaints[2].contains("no ratio"), "{complaints:?}");
    }
}

//! What became of a file.

use std::fmt;

use jddb_core::translation::Became;
use jddb_exchange::terms::TermSkip;
use jddb_exchange::tmx::SkipReason;
use serde::Serialize;

/// How many lines are named on which something was skipped for one reason.
const LINES_MAX: usize = 10;

/// Why something is not taken, for people as it is shown.
pub trait Reason: fmt::Display {
    /// The same for programs.
    fn name(&self) -> &'static str;
}

impl Reason for SkipReason {
    fn name(&self) -> &'static str {
        (*self).name()
    }
}

impl Reason for TermSkip {
    fn name(&self) -> &'static str {
        self.name()
    }
}

/// What became of a file's units: of translations, or of terms (rows, or concepts). A unit of more than two languages may be
/// several of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The units of the file.
    pub units: u64,
    /// What is new.
    pub created: u64,
    /// Those of which more is known now.
    pub updated: u64,
    /// Those that were known, with all that is said of them.
    pub unchanged: u64,
    /// What was not taken, by the reason.
    pub skipped: Vec<SkippedFor>,
    /// The columns of the file that say nothing to us.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_columns: Vec<String>,
}

/// What was not taken for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedFor {
    /// The reason's name.
    pub reason: &'static str,
    /// The same for people.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The lines on which the first of them begin.
    pub lines: Vec<u64>,
}

impl Summary {
    /// Something of the unit on that line was looked at.
    pub fn count<R: Reason>(&mut self, became: Result<Became, R>, line: u64) {
        match became {
            Ok(Became::Created) => self.created += 1,
            Ok(Became::Updated) => self.updated += 1,
            Ok(Became::Unchanged) => self.unchanged += 1,
            Err(reason) => self.skip(&reason, line),
        }
    }

    /// Something of the unit on that line was not taken.
    pub fn skip(&mut self, reason: &impl Reason, line: u64) {
        let (name, message) = (reason.name(), reason.to_string());
        let known = self.skipped.iter().position(|skipped| skipped.reason == name && skipped.message == message);
        let known = known.unwrap_or_else(|| {
            self.skipped.push(SkippedFor { reason: name, message, count: 0, lines: Vec::new() });
            self.skipped.len() - 1
        });
        let skipped = &mut self.skipped[known];
        skipped.count += 1;
        if skipped.lines.len() < LINES_MAX && skipped.lines.last() != Some(&line) {
            skipped.lines.push(line);
        }
    }

    /// How many are there, whether they were before or not.
    pub(super) const fn done(&self) -> u64 {
        self.created + self.updated + self.unchanged
    }

    fn skipped_count(&self) -> u64 {
        self.skipped.iter().map(|skipped| skipped.count).sum()
    }
}

impl fmt::Display for Summary {
    /// A line with all counts, and one for each reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, created, updated, unchanged, skipped, unknown_columns } = self;
        let skips = self.skipped_count();
        write!(f, "{units} units: {created} created, {updated} updated, {unchanged} unchanged, {skips} skipped")?;
        for SkippedFor { message, count, lines, .. } in skipped {
            let named: Vec<String> = lines.iter().map(u64::to_string).collect();
            let more = if *count > lines.len() as u64 { ", …" } else { "" };
            write!(f, "\n  skipped {count}: {message} (line {}{more})", named.join(", "))?;
        }
        if !unknown_columns.is_empty() {
            write!(f, "\n  passed over: columns that say nothing here ({})", unknown_columns.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_each_reason_are_named() {
        let mut summary = Summary { units: 30, created: 5, ..Summary::default() };
        summary.skip(&SkipReason::Empty, 7);
        (10..30).for_each(|line| summary.skip(&SkipReason::NoTarget, line));
        let text = summary.to_string();
        assert!(text.starts_with("30 units: 5 created, 0 updated, 0 unchanged, 21 skipped\n"), "{text}");
        assert!(text.contains("skipped 1: a text is empty (line 7)"), "{text}");
        assert!(text.contains("(line 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …)"), "{text}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["skipped"][1]["reason"], "no_target");
        assert_eq!(json["skipped"][1]["count"], 20);
    }
}

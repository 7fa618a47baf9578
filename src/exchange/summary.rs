//! What became of a file.

use std::fmt;

use jddb_core::translation::{Became, ImportRefusal};
use jddb_exchange::tmx::SkipReason;
use serde::Serialize;

/// How many lines are named on which something was skipped for one reason.
const LINES_MAX: usize = 10;

/// What became of a file's units. A unit of more than two languages may be several translations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The units of the file.
    pub units: u64,
    /// Translations that are new.
    pub created: u64,
    /// Those of which more is known now.
    pub updated: u64,
    /// Those that were known, with all that is said of them.
    pub unchanged: u64,
    /// What was not taken, by the reason.
    pub skipped: Vec<SkippedFor>,
}

/// What was not taken for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedFor {
    /// The reason's name.
    #[serde(serialize_with = "name_of")]
    pub reason: SkipReason,
    /// The same for people.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The lines on which the first of them begin.
    pub lines: Vec<u64>,
}

fn name_of<S: serde::Serializer>(reason: &SkipReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.name())
}

impl Summary {
    /// A translation of the unit on that line was looked at.
    pub fn count(&mut self, became: Result<Became, ImportRefusal>, line: u64) {
        match became {
            Ok(Became::Created) => self.created += 1,
            Ok(Became::Updated) => self.updated += 1,
            Ok(Became::Unchanged) => self.unchanged += 1,
            Err(refusal) => self.skip(refusal.into(), line),
        }
    }

    /// Something of the unit on that line was not taken.
    pub fn skip(&mut self, reason: SkipReason, line: u64) {
        let known = self.skipped.iter().position(|skipped| skipped.reason == reason);
        let known = known.unwrap_or_else(|| {
            self.skipped.push(SkippedFor { reason, message: reason.to_string(), count: 0, lines: Vec::new() });
            self.skipped.len() - 1
        });
        let skipped = &mut self.skipped[known];
        skipped.count += 1;
        if skipped.lines.len() < LINES_MAX && skipped.lines.last() != Some(&line) {
            skipped.lines.push(line);
        }
    }

    fn skipped_count(&self) -> u64 {
        self.skipped.iter().map(|skipped| skipped.count).sum()
    }
}

impl fmt::Display for Summary {
    /// A line with all counts, and one for each reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, created, updated, unchanged, skipped } = self;
        let skips = self.skipped_count();
        write!(f, "{units} units: {created} created, {updated} updated, {unchanged} unchanged, {skips} skipped")?;
        for SkippedFor { message, count, lines, .. } in skipped {
            let named: Vec<String> = lines.iter().map(u64::to_string).collect();
            let more = if *count > lines.len() as u64 { ", …" } else { "" };
            write!(f, "\n  skipped {count}: {message} (line {}{more})", named.join(", "))?;
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
        summary.skip(SkipReason::Empty, 7);
        (10..30).for_each(|line| summary.skip(SkipReason::NoTarget, line));
        let text = summary.to_string();
        assert!(text.starts_with("30 units: 5 created, 0 updated, 0 unchanged, 21 skipped\n"), "{text}");
        assert!(text.contains("skipped 1: a text is empty (line 7)"), "{text}");
        assert!(text.contains("(line 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …)"), "{text}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["skipped"][1]["reason"], "no_target");
        assert_eq!(json["skipped"][1]["count"], 20);
    }
}

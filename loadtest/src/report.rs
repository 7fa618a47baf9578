//! Figures as a table for people or as JSON for machines, and whether they met the goals.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

use crate::histogram::LatencySummary;

/// What a scenario measures.
pub(crate) trait Figures: Serialize {
    /// The scenario's name.
    const SCENARIO: &'static str;
    /// The figures for people.
    fn table(&self) -> Table;
}

/// What a scenario found.
#[derive(Debug, Serialize)]
pub(crate) struct Report<F> {
    scenario: &'static str,
    /// What it measured.
    #[serde(flatten)]
    pub(crate) figures: F,
    /// What went wrong or missed a goal; none means exit code 0.
    pub(crate) complaints: Vec<String>,
}

impl<F: Figures> Report<F> {
    /// A report of these figures.
    pub(crate) fn new(figures: F, complaints: Vec<String>) -> Self {
        Self { scenario: F::SCENARIO, figures, complaints }
    }
}

/// Rows of a label and a value under headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    /// Begins a group of rows.
    pub(crate) fn heading(&mut self, text: &str) {
        self.rows.push((text.to_owned(), String::new()));
    }

    /// One figure.
    pub(crate) fn row(&mut self, label: &str, value: impl Display) {
        self.rows.push((format!("  {label}"), value.to_string()));
    }

    /// One row of percentiles.
    pub(crate) fn latency(&mut self, label: &str, summary: &LatencySummary) {
        let LatencySummary { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = summary;
        self.row(
            label,
            format_args!(
                "p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2} ms  (n = {})",
                grouped(*count)
            ),
        );
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.rows.iter().filter(|(_, value)| !value.is_empty());
        let width = labels.map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, value) in &self.rows {
            if value.is_empty() {
                writeln!(formatter, "{label}")?;
            } else {
                writeln!(formatter, "{label:<width$}  {value}")?;
            }
        }
        Ok(())
    }
}

/// The report as it is printed: complaints last in the table, where they are seen.
pub(crate) fn render<F: Figures>(report: &Report<F>, json: bool) -> Result<String, serde_json::Error> {
    if json {
        return Ok(serde_json::to_string_pretty(report)? + "\n");
    }
    let mut text = report.figures.table().to_string();
    for complaint in &report.complaints {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "FAILED: {complaint}");
    }
    Ok(text)
}

/// Complains if `actual` is above the goal or was not measured.
pub(crate) fn check_goal(complaints: &mut Vec<String>, name: &str, actual: Option<f64>, goal: Option<f64>) {
    match (actual, goal) {
        (Some(actual), Some(goal)) if actual > goal => {
            complaints.push(format!("{name} is {actual:.2}, the goal is at most {goal:.2}"));
        }
        (None, Some(_)) => {
            complaints.push(format!("{name} has a goal but was not measured: give --server-pid or --server-bin"))
        }
        _ => {}
    }
}

/// `81667` as `81,667`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as mebibytes.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", float(bytes) / (1024.0 * 1024.0))
}

/// The middle one, or that between the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts of messages and bytes stay below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Sample {
        latency: LatencySummary,
    }

    impl Figures for Sample {
        const SCENARIO: &'static str = "sample";

        fn table(&self) -> Table {
            let mut table = Table::default();
            table.heading("sample");
            table.row("short", grouped(1_234_567));
            table.latency("a longer label", &self.latency);
            table
        }
    }

    fn sample() -> Report<Sample> {
        let latency = LatencySummary { count: 2, p50_ms: 1.5, p90_ms: 2.0, p99_ms: 3.0, p999_ms: 4.0, max_ms: 5.25 };
        Report::new(Sample { latency }, vec!["too slow".into()])
    }

    #[test]
    fn a_table_is_aligned_and_ends_with_the_complaints() {
        let expected = "sample\n  short           1,234,567\n  a longer label  p50 1.50  p90 2.00  p99 3.00  p99.9 4.00  \
                        max 5.25 ms  (n = 2)\nFAILED: too slow\n";
        assert_eq!(render(&sample(), false).unwrap(), expected);
    }

    #[test]
    fn json_holds_the_same_figures() {
        let value: serde_json::Value = serde_json::from_str(&render(&sample(), true).unwrap()).unwrap();
        assert_eq!(value["scenario"], "sample");
        assert_eq!(value["latency"]["max_ms"], 5.25);
        assert_eq!(value["complaints"][0], "too slow");
    }

    #[track_caller]
    fn check(actual: Option<f64>, goal: Option<f64>, missed: bool) {
        let mut complaints = Vec::new();
        check_goal(&mut complaints, "p99", actual, goal);
        assert_eq!(!complaints.is_empty(), missed, "{complaints:?}");
    }

    #[test]
    fn goals() {
        check(Some(5.0), Some(5.0), false);
        check(Some(5.1), Some(5.0), true);
        check(None, Some(5.0), true);
        check(None, None, false);
        check(Some(9.0), None, false);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(81_667), "81,667");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}

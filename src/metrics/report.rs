//! `monitoring.metrics`: what has happened between two samples.

use jddb_core::ids::UnixMillis;
use jddb_core::protocol::outbound::Metadata;
use jddb_core::room::frame;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::figure::{Group, Kind};
use super::histogram::Distribution;
use super::sample::{Family, Sample, Value};

/// The shares of all times of which it is said how long they take at most.
const QUANTILES: [(&str, f64); 4] = [("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("max_ms", 1.0)];

/// The frame of `monitoring.metrics` for the time from `earlier` to `sample`.
#[must_use]
pub fn write_metrics(now: UnixMillis, earlier: &Sample, sample: &Sample) -> bytes::Bytes {
    let seconds = sample.at.saturating_sub(earlier.at).as_secs_f64();
    frame("monitoring.metrics", &Report { earlier, sample, seconds }, &Metadata::of_server(now, None))
}

/// A group by its name each, and in it a family by its name each.
struct Report<'a> {
    earlier: &'a Sample,
    sample: &'a Sample,
    seconds: f64,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_map(None)?;
        report.serialize_entry("interval_seconds", &self.seconds)?;
        for group in Group::ALL {
            report.serialize_entry(group.name(), &Shown { report: self, group })?;
        }
        report.end()
    }
}

struct Shown<'a> {
    report: &'a Report<'a>,
    group: Group,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { earlier, sample, seconds } = *self.report;
        let mut group = serializer.serialize_map(None)?;
        let families = sample.families.iter().zip(&earlier.families);
        for (family, earlier) in families.filter(|(family, _)| family.info.group == self.group) {
            group.serialize_entry(family.info.name, &ShownFamily { family, earlier, seconds })?;
        }
        group.end()
    }
}

/// A figure, or an object of figures by their labels.
struct ShownFamily<'a> {
    family: &'a Family,
    earlier: &'a Family,
    seconds: f64,
}

impl Serialize for ShownFamily<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { family, earlier, seconds } = *self;
        let kind = family.info.kind;
        let shown = |value, earlier| ShownValue { kind, value, earlier, seconds };
        if let ([(_, value)], [(_, earlier)], "") = (&*family.series, &*earlier.series, family.info.label) {
            return shown(value, earlier).serialize(serializer);
        }
        let mut labels = serializer.serialize_map(Some(family.series.len()))?;
        for ((label, value), (_, earlier)) in family.series.iter().zip(&earlier.series) {
            labels.serialize_entry(label, &shown(value, earlier))?;
        }
        labels.end()
    }
}

struct ShownValue<'a> {
    kind: Kind,
    value: &'a Value,
    earlier: &'a Value,
    seconds: f64,
}

impl Serialize for ShownValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.kind, self.value, self.earlier) {
            (Kind::Counter, Value::Number(now), Value::Number(then)) => {
                let mut counter = serializer.serialize_struct("Counter", 2)?;
                counter.serialize_field("total", &Plain(*now))?;
                let rate = if self.seconds > 0.0 { (now - then) / self.seconds } else { 0.0 };
                counter.serialize_field("per_second", &Plain(rate))?;
                counter.end()
            }
            (_, Value::Number(now), _) => Plain(*now).serialize(serializer),
            (_, Value::Times(now), Value::Times(then)) => ShownTimes(now.since(then)).serialize(serializer),
            (_, Value::Times(now), Value::Number(_)) => ShownTimes(now.clone()).serialize(serializer),
        }
    }
}

/// A whole number without a point.
struct Plain(f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "below 2^53, and whole")]
        if self.0.fract() == 0.0 && self.0.abs() < WHOLE_MAX {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// `count`, and milliseconds; null of none.
struct ShownTimes(Distribution);

impl Serialize for ShownTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |us: Option<u64>| us.map(|us| Plain(us as f64 / 1e3));
        let count = self.0.count();
        let mut times = serializer.serialize_map(Some(QUANTILES.len() + 2))?;
        times.serialize_entry("count", &count)?;
        times.serialize_entry("mean_ms", &ms(self.0.sum_us().checked_div(count)))?;
        for (name, share) in QUANTILES {
            times.serialize_entry(name, &ms(self.0.quantile_us(share).filter(|_| count > 0)))?;
        }
        times.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jddb_core::room::Sent;
    use jddb_storage::CommitFigures;
    use serde_json::{Value as Json, json};

    use super::super::{CoreMetrics, Figure, Process};
    use super::*;

    fn payload(frame: &[u8]) -> Json {
        let start = frame.iter().position(|byte| *byte == b'{').unwrap();
        let message: Json = serde_json::from_slice(&frame[start..]).unwrap();
        assert_eq!(message["type"], "monitoring.metrics");
        message["payload"].clone()
    }

    #[test]
    fn totals_are_since_the_start_and_rates_since_the_last_sample() {
        let core = CoreMetrics::default();
        let take = |seconds: u64, cpu_seconds: f64| {
            let process = Process { cpu_seconds, ..Process::default() };
            Sample::take(Duration::from_secs(seconds), std::iter::once(&core), &process, &CommitFigures::default())
        };
        core.messages.sent[Sent::Ack as usize].add(100);
        core.acknowledged.record(Duration::from_secs(3), 1);
        let earlier = take(10, 1.5);
        core.messages.sent[Sent::Ack as usize].add(30);
        core.of(Figure::DocumentConnections).set(2);
        core.acknowledged.record(Duration::from_millis(8), 4);
        let report = payload(&write_metrics(UnixMillis(0), &earlier, &take(12, 2.25)));
        assert_eq!(report["interval_seconds"], 2.0);
        assert_eq!(report["throughput"]["sent"]["document.ack"], json!({"total": 130, "per_second": 15}));
        assert_eq!(report["connections"]["open"]["document"], 2);
        assert_eq!(report["resources"]["cpu_seconds"], json!({"total": 2.25, "per_second": 0.375}));
        let acknowledged = &report["latency"]["acknowledged"];
        assert_eq!((&acknowledged["count"], &acknowledged["mean_ms"]), (&json!(4), &json!(8)));
        assert!((8.0..=9.0).contains(&acknowledged["p99_ms"].as_f64().unwrap()), "{acknowledged}");
        assert_eq!(report["latency"]["turn"]["p50_ms"], Json::Null);
        let groups: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(groups, ["connections", "errors", "interval_seconds", "latency", "resources", "throughput"]);
    }
}

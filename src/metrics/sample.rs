//! All figures at one moment: the one list from which everything that shows them is made.

use std::time::Duration;

use jddb_core::protocol::{ErrorCode, Message};
use jddb_core::room::{Counter, Sent};
use jddb_storage::CommitFigures;

use super::CoreMetrics;
use super::figure::{Figure, Group, Info, Kind};
use super::histogram::{Distribution, Histogram};
use super::process::Process;

/// The value of a figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of many times.
    Times(Distribution),
}

/// Figures that differ in one label, or a single one without.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What they are.
    pub info: Info,
    /// Each with its label.
    pub series: Vec<(&'static str, Value)>,
}

/// All figures at one moment; those of different cores may be of slightly different moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// The figures; every sample has the same ones in the same order.
    pub families: Vec<Family>,
}

impl Sample {
    /// Adds up what all cores have counted.
    #[must_use]
    pub fn take<'a>(
        at: Duration,
        cores: impl Iterator<Item = &'a CoreMetrics> + Clone,
        process: &Process,
        commits: &CommitFigures,
    ) -> Self {
        let mut families = figures(cores.clone());
        families.extend(messages(cores.clone()));
        families.push(times(cores.clone(), ACKNOWLEDGED, |core| &core.acknowledged));
        families.push(times(cores, TURNS, |core| &core.turns));
        families.extend(machine(process, commits));
        Self { at, families }
    }
}

fn figures<'a>(cores: impl Iterator<Item = &'a CoreMetrics> + Clone) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for figure in Figure::ALL {
        let (info, label) = figure.info();
        let value = sum(cores.clone().map(|core| core.of(figure)));
        match families.last_mut().filter(|family| family.info == info) {
            Some(family) => family.series.push((label, value)),
            None => families.push(Family { info, series: vec![(label, value)] }),
        }
    }
    families
}

fn messages<'a>(cores: impl Iterator<Item = &'a CoreMetrics> + Clone) -> [Family; 4] {
    let info = |group, name, label, help| Info { group, name, kind: Kind::Counter, label, help };
    let received = Message::TYPES.into_iter().chain(["invalid"]).enumerate();
    let received = received.map(|(index, name)| (name, sum(cores.clone().map(|core| &core.messages.received[index]))));
    let sent = Sent::ALL.map(|sent| (sent.name(), sum(cores.clone().map(|core| &core.messages.sent[sent as usize]))));
    let by_code = |of: fn(&CoreMetrics) -> &[Counter; ErrorCode::ALL.len()]| {
        ErrorCode::ALL.map(|code| (code.name(), sum(cores.clone().map(|core| &of(core)[code as usize])))).to_vec()
    };
    [
        Family {
            info: info(Group::Throughput, "received", "type", "messages that came in by WebSocket"),
            series: received.collect(),
        },
        Family {
            info: info(Group::Throughput, "sent", "type", "messages that were queued for a WebSocket, once for each"),
            series: sent.to_vec(),
        },
        Family {
            info: info(Group::Errors, "messages_refused", "code", "messages that were answered with an error"),
            series: by_code(|core| &core.messages.errors),
        },
        Family {
            info: info(Group::Errors, "connections_refused", "code", "WebSockets that were refused"),
            series: by_code(|core| &core.refused),
        },
    ]
}

const ACKNOWLEDGED: Info = Info {
    group: Group::Latency,
    name: "acknowledged",
    kind: Kind::Times,
    label: "",
    help: "for each change: from reading the oldest change of its turn until its acknowledgement was written",
};
const TURNS: Info = Info {
    group: Group::Latency,
    name: "turn",
    kind: Kind::Times,
    label: "",
    help: "for each turn of a room: from reading its oldest message until all that need not wait for the disk was written",
};

fn times<'a>(
    cores: impl Iterator<Item = &'a CoreMetrics>,
    info: Info,
    histogram: fn(&CoreMetrics) -> &Histogram,
) -> Family {
    let mut all = Distribution::default();
    cores.for_each(|core| all.add(histogram(core)));
    Family { info, series: vec![("", Value::Times(all))] }
}

fn machine(process: &Process, commits: &CommitFigures) -> [Family; 9] {
    let one = |group, name, kind, help, value: f64| Family {
        info: Info { group, name, kind, label: "", help },
        series: vec![("", Value::Number(value))],
    };
    let used = |name, help, value: u64| one(Group::Resources, name, Kind::Gauge, help, value as f64);
    let counted = |name, help, value: u64| one(Group::Resources, name, Kind::Counter, help, value as f64);
    let sync_seconds = commits.sync_us_sum as f64 / 1e6;
    [
        one(Group::Errors, "commits_failed", Kind::Counter, "writes that failed", commits.failures as f64),
        one(Group::Resources, "cpu_seconds", Kind::Counter, "processor time of all threads", process.cpu_seconds),
        used("memory_resident_bytes", "memory that is resident", process.resident_bytes),
        used("open_files", "open file descriptors", process.open_files),
        used("threads", "threads of the process", process.threads),
        used("disk_free_bytes", "bytes free where the data is", process.disk_free_bytes),
        counted("disk_commits", "synced writes, each of many changes", commits.commits),
        counted("disk_bytes", "bytes of records that were written and synced", commits.bytes),
        one(Group::Resources, "disk_sync_seconds", Kind::Counter, "time of the synced writes", sync_seconds),
    ]
}

fn sum<'a>(counters: impl Iterator<Item = &'a Counter>) -> Value {
    Value::Number(counters.map(Counter::get).sum::<u64>() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_cores_count_is_added_up() {
        let cores = [CoreMetrics::default(), CoreMetrics::default()];
        cores[0].of(Figure::Editors).set(3);
        cores[1].of(Figure::Editors).set(4);
        cores[0].count_refusal(ErrorCode::Forbidden);
        cores[1].messages.sent[Sent::Ack as usize].add(5);
        cores[1].turns.record(Duration::from_millis(1), 2);
        let sample = Sample::take(Duration::ZERO, cores.iter(), &Process::default(), &CommitFigures::default());
        let find = |name: &str, label: &str| {
            let family = sample.families.iter().find(|family| family.info.name == name).unwrap();
            family.series.iter().find(|(other, _)| *other == label).unwrap().1.clone()
        };
        assert_eq!(find("people", "editor"), Value::Number(7.0));
        assert_eq!(find("connections_refused", "FORBIDDEN"), Value::Number(1.0));
        assert_eq!(find("sent", "document.ack"), Value::Number(5.0));
        let Value::Times(turns) = find("turn", "") else { panic!("no distribution") };
        assert_eq!(turns.count(), 2);
    }

    #[test]
    fn every_family_is_described_and_has_a_name_of_its_own() {
        let core = CoreMetrics::default();
        let cores = std::iter::once(&core);
        let sample = Sample::take(Duration::ZERO, cores, &Process::default(), &CommitFigures::default());
        let mut names: Vec<_> =
            sample.families.iter().map(|family| (family.info.group.name(), family.info.name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for Family { info, series } in &sample.families {
            assert!(!info.help.is_empty() && !series.is_empty(), "{info:?}");
            assert!(series.iter().all(|(label, _)| label.is_empty() == info.label.is_empty()), "{info:?}");
        }
    }
}

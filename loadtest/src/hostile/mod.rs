//! The scenario `hostile`: many connections that announce, begin and never end, and what the server keeps for them.
//! `attack` is what they do.

mod attack;

use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;

use self::attack::{Attack, Load};
use crate::bystander::Bystanders;
use crate::clock;
use crate::connect::Request;
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::raw::{Ends, Raw};
use crate::report::{Figures, Report, Table, float, mebibytes};
use crate::resident::{MIB, Resident, in_mib};
use crate::stage;
use crate::stamp::RunTag;
use crate::target::{Target, TargetArgs};

/// Connections to one document.
const CONNECTIONS_PER_DOCUMENT: u32 = 40;
/// How often the server's memory is read.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a connection may take to be opened.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// Options of `hostile`.
#[derive(Debug, Args)]
pub(crate) struct HostileArgs {
    /// Connections of each attack
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    connections: u32,
    /// What all of them together send or announce
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65_536), value_name = "MIB")]
    mebibytes: u64,
    /// What each decompression bomb becomes
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(2..=4_096), value_name = "MIB")]
    bomb_mebibytes: u64,
    /// Seconds for which those are held that the server does not close
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "S")]
    hold: u64,
    /// Fail (exit code 1) if the server's resident memory grows by more than this in any attack
    #[arg(long, default_value_t = 32.0, value_name = "MIB")]
    max_growth_mib: f64,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The figures of `hostile`.
#[derive(Debug, Serialize)]
pub(crate) struct HostileFigures {
    connections: u32,
    mebibytes: u64,
    bomb_mebibytes: u64,
    attacks: Vec<AttackReport>,
    bystanders: LatencySummary,
}

/// What came of one attack.
#[derive(Debug, Serialize)]
struct AttackReport {
    attack: &'static str,
    #[serde(flatten)]
    ends: Ends,
    /// How long it took.
    seconds: f64,
    /// Connections that were still open after the time for which they are held.
    held: u64,
    /// By how much the server's resident memory grew at most.
    growth_bytes: Option<u64>,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &HostileArgs) -> Result<Report<HostileFigures>, Failure> {
    stage::play(&args.target, async |target| attack_all(args, target).await)
}

async fn attack_all(args: &HostileArgs, target: &Target) -> Result<Report<HostileFigures>, Failure> {
    let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
    let load = Load::new(args.mebibytes, args.connections, args.bomb_mebibytes);
    let load = Rc::new(load.map_err(|error| Failure::run("making a bomb", error))?);
    let bystanders = Bystanders::begin(target, &run, 4).await?;
    let (mut attacks, mut complaints) = (Vec::new(), Vec::new());
    for attack in Attack::ALL {
        let report = carry_out(attack, args, target, &run, &load).await?;
        report.judge(attack, args, &mut complaints);
        attacks.push(report);
    }
    let bystanders = bystanders.end(&mut complaints);
    let &HostileArgs { connections, mebibytes, bomb_mebibytes, .. } = args;
    Ok(Report::new(HostileFigures { connections, mebibytes, bomb_mebibytes, attacks, bystanders }, complaints))
}

async fn carry_out(
    attack: Attack,
    args: &HostileArgs,
    target: &Target,
    run: &RunTag,
    load: &Rc<Load>,
) -> Result<AttackReport, Failure> {
    let hold = Duration::from_secs(args.hold);
    let mut opened = Vec::new();
    for number in 0..args.connections {
        let token = target.tokens.user(&format!("hostile_{number}"), None)?;
        let document = format!("hostile_{}_{}", run.as_str(), number / CONNECTIONS_PER_DOCUMENT);
        let request =
            Request { compression: attack.is_compressed(), ..Request::new(&target.endpoint, &document, &token) };
        let open = tokio::time::timeout(OPEN_WITHIN, Raw::open(request)).await;
        let open = open.map_err(|elapsed| Failure::run("connecting", elapsed))?;
        opened.push(open.map_err(|error| Failure::run("connecting", error))?);
    }
    let resident = Resident::begin(target.pid)?;
    let begun = clock::now();
    let mut clients = JoinSet::new();
    for Raw { mut reader, mut writer } in opened {
        let load = Rc::clone(load);
        clients.spawn_local(async move {
            let attack = async {
                // What the server does not take it has closed before.
                let _ = attack.send(&mut writer, &load, MIB).await;
                std::future::pending().await
            };
            let ended = async {
                tokio::select! {
                    end = reader.end() => end,
                    end = attack => end,
                }
            };
            tokio::time::timeout(hold, ended).await.ok()
        });
    }
    let ended = async {
        let (mut ends, mut held) = (Ends::default(), 0);
        while let Some(end) = clients.join_next().await {
            match end.ok().flatten() {
                Some(end) => ends.add(end),
                None => held += 1,
            }
        }
        (ends, held)
    };
    let (ends, held) = resident.while_playing(LOOK_EVERY, ended).await?;
    let seconds = float(clock::now().since(begun)) / 1e9;
    Ok(AttackReport { attack: attack.name(), ends, held, seconds, growth_bytes: resident.growth() })
}

impl AttackReport {
    fn judge(&self, attack: Attack, args: &HostileArgs, complaints: &mut Vec<String>) {
        let name = self.attack;
        let wrong = self.ends.closed.keys().find(|code| !attack.codes().contains(code));
        if let Some(code) = wrong {
            complaints.push(format!("{name}: closed with {code}, expected one of {:?}", attack.codes()));
        }
        if self.ends.lost > 0 {
            complaints.push(format!("{name}: {} connections ended without a close frame", self.ends.lost));
        }
        if self.held > 0 && !attack.may_be_held() {
            complaints.push(format!("{name}: {} connections were not closed within {} s", self.held, args.hold));
        }
        match self.growth_bytes.map(in_mib) {
            Some(mib) if mib > args.max_growth_mib => {
                let goal = args.max_growth_mib;
                complaints.push(format!("{name}: the server grew by {mib:.1} MiB, the goal is at most {goal:.1}"));
            }
            Some(_) => {}
            None => {
                complaints.push("the server's memory was not measured: give --server-pid or --server-bin".to_owned())
            }
        }
    }
}

impl Figures for HostileFigures {
    const SCENARIO: &'static str = "hostile";

    fn table(&self) -> Table {
        let mut table = Table::default();
        let Self { mebibytes: all, connections, bomb_mebibytes: each, .. } = self;
        table
            .heading(&format!("hostile: {all} MiB on {connections} connections, and as many bombs of {each} MiB each"));
        for AttackReport { attack, ends, held, seconds, growth_bytes } in &self.attacks {
            table.heading(attack);
            table.row("closed with", ends.text());
            table.row("still open", held);
            table.row("seconds", format_args!("{seconds:.1}"));
            table.row("server grew by", growth_bytes.map_or_else(|| "not measured".to_owned(), mebibytes));
        }
        table.heading("four bystanders");
        table.latency("change to ack", &self.bystanders);
        table
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::raw::End;
    use crate::report::render;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hostile: HostileArgs,
    }

    fn judged(attack: Attack, ends: &[End], held: u64, growth_bytes: Option<u64>) -> String {
        let args = Line::parse_from(["hostile", "--token", "t"]).hostile;
        let mut report =
            AttackReport { attack: attack.name(), ends: Ends::default(), held, seconds: 1.0, growth_bytes };
        ends.iter().for_each(|end| report.ends.add(*end));
        let mut complaints = Vec::new();
        report.judge(attack, &args, &mut complaints);
        complaints.join("; ")
    }

    #[test]
    fn each_attack_has_its_codes_and_its_memory() {
        let well = Some(32 * MIB);
        assert_eq!(judged(Attack::Fragments, &[End::Closed(1009), End::Closed(1013)], 0, well), "");
        assert_eq!(judged(Attack::HeldBack, &[End::Closed(1013)], 7, well), "");
        assert!(judged(Attack::Fragments, &[End::Closed(1011)], 0, well).contains("1011"));
        assert!(judged(Attack::EmptyFragments, &[End::Closed(1009)], 0, well).contains("1009"));
        assert!(judged(Attack::NotUtf8, &[End::Lost], 0, well).contains("without a close"));
        assert!(judged(Attack::Fragments, &[], 1, well).contains("not closed"));
        assert!(judged(Attack::Announced, &[], 0, Some(33 * MIB)).contains("33.0 MiB"));
        assert!(judged(Attack::Announced, &[], 0, None).contains("--server-pid"));
    }

    #[test]
    fn the_report_names_the_attacks() {
        let ends = Ends { closed: [(1009, 200)].into(), lost: 0 };
        let attack =
            AttackReport { attack: Attack::Fragments.name(), ends, held: 0, seconds: 1.0, growth_bytes: Some(MIB) };
        let bystanders = crate::histogram::Latencies::new().unwrap().summary();
        let attacks = vec![attack];
        let figures = HostileFigures { connections: 200, mebibytes: 256, bomb_mebibytes: 256, attacks, bystanders };
        let report = Report::new(figures, Vec::new());
        let text = render(&report, false).unwrap();
        assert!(
            text.contains("fragments without end") && text.contains("1009 × 200") && text.contains("1.0 MiB"),
            "{text}"
        );
        assert!(render(&report, true).unwrap().contains("\"1009\": 200"));
    }
}

//! The scenario `hostile`: many connections that announce, begin and never end, and what the server keeps for them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::{JoinSet, LocalSet};

use crate::bystander::Bystanders;
use crate::connect::Request;
use crate::failure::Failure;
use crate::histogram::LatencySummary;
use crate::procfs::Memory;
use crate::raw::{CONTINUATION, Ends, Raw, TEXT, TEXT_BEGIN, frame, head};
use crate::report::{Report, Table, float, mebibytes};
use crate::stamp::RunTag;
use crate::target::{Target, TargetArgs};

const MIB: u64 = 1 << 20;
/// A fragment's payload.
const FRAGMENT_BYTES: usize = 64 << 10;
/// Fragments without payload that one connection sends.
const EMPTY_FRAGMENTS: usize = 10_000;
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
    /// Seconds for which those are held that the server does not close
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600), value_name = "S")]
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

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// Sends its share in fragments, and no end.
    Fragments,
    /// Sends all of a message but its end.
    HeldBack,
    /// Announces more than a message may have.
    AnnouncedTooLarge,
    /// Announces the largest message, and sends a byte of it.
    Announced,
    /// Sends fragments without payload.
    EmptyFragments,
    /// Sends fragments that are no UTF-8 in the end.
    NotUtf8,
}

impl Attack {
    const ALL: [Self; 6] = [
        Self::Fragments,
        Self::HeldBack,
        Self::AnnouncedTooLarge,
        Self::Announced,
        Self::EmptyFragments,
        Self::NotUtf8,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Fragments => "fragments without end",
            Self::HeldBack => "messages but for their end",
            Self::AnnouncedTooLarge => "announced too large",
            Self::Announced => "announced and not sent",
            Self::EmptyFragments => "empty fragments",
            Self::NotUtf8 => "no UTF-8",
        }
    }

    /// The codes with which the server may close.
    const fn codes(self) -> &'static [u16] {
        match self {
            Self::Fragments => &[1009, 1013],
            Self::HeldBack | Self::Announced => &[1013],
            Self::AnnouncedTooLarge => &[1009],
            Self::EmptyFragments => &[1002],
            Self::NotUtf8 => &[1007, 1013],
        }
    }

    /// Whether the server may leave it alone.
    const fn may_be_held(self) -> bool {
        matches!(self, Self::HeldBack | Self::Announced)
    }

    /// Sends its part, `share` bytes of what all send, to a server that takes messages up to `message_max`.
    async fn send(self, writer: &mut OwnedWriteHalf, share: u64, message_max: u64) -> std::io::Result<()> {
        match self {
            Self::Fragments => fragments(writer, share.max(message_max + 1)).await,
            Self::HeldBack => fragments(writer, share.min(message_max - 1)).await,
            Self::AnnouncedTooLarge => writer.write_all(&head(TEXT, share.max(message_max + 1))).await,
            Self::Announced => {
                writer.write_all(&head(TEXT, message_max)).await?;
                writer.write_all(b"{").await
            }
            Self::EmptyFragments => {
                writer.write_all(&frame(TEXT_BEGIN, b"{")).await?;
                writer.write_all(&frame(CONTINUATION, b"").repeat(EMPTY_FRAGMENTS)).await
            }
            Self::NotUtf8 => {
                fragments(writer, share.min(message_max / 2)).await?;
                writer.write_all(&frame(CONTINUATION, b"\xff")).await
            }
        }
    }
}

/// Begins a text message of so many bytes.
async fn fragments(writer: &mut OwnedWriteHalf, bytes: u64) -> std::io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut first = TEXT_BEGIN;
    let mut left = bytes;
    while left > 0 {
        let length = left.min(FRAGMENT_BYTES);
        writer.write_all(&frame(first, &vec![b'a'; length])).await?;
        (first, left) = (CONTINUATION, left - length);
    }
    Ok(())
}

/// The report of `hostile`.
#[derive(Debug, Serialize)]
pub(crate) struct HostileReport {
    scenario: &'static str,
    connections: u32,
    mebibytes: u64,
    attacks: Vec<AttackReport>,
    bystanders: LatencySummary,
    complaints: Vec<String>,
}

/// What came of one attack.
#[derive(Debug, Serialize)]
struct AttackReport {
    attack: &'static str,
    #[serde(flatten)]
    ends: Ends,
    /// Connections that were still open after the time for which they are held.
    held: u64,
    /// By how much the server's resident memory grew at most.
    growth_bytes: Option<u64>,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &HostileArgs) -> Result<HostileReport, Failure> {
    let target = Target::open(&args.target)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run("starting the clients", error))?;
    let mut report = LocalSet::new().block_on(&runtime, attack_all(args, &target))?;
    target.close(&mut report.complaints);
    Ok(report)
}

async fn attack_all(args: &HostileArgs, target: &Target) -> Result<HostileReport, Failure> {
    let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
    let bystanders = Bystanders::begin(target, &run, 4).await?;
    let (mut attacks, mut complaints) = (Vec::new(), Vec::new());
    for attack in Attack::ALL {
        let report = carry_out(attack, args, target, &run).await?;
        report.judge(attack, args, &mut complaints);
        attacks.push(report);
    }
    let bystanders = bystanders.end(&mut complaints);
    let (connections, mebibytes) = (args.connections, args.mebibytes);
    Ok(HostileReport { scenario: "hostile", connections, mebibytes, attacks, bystanders, complaints })
}

/// The server's largest growth while something goes on.
struct Watch {
    before: Option<u64>,
    most: Cell<u64>,
}

impl Watch {
    fn begin(target: &Target) -> Result<Self, Failure> {
        let before = target.pid.map(Memory::of).transpose()?.map(|memory| memory.rss);
        Ok(Self { before, most: Cell::new(before.unwrap_or(0)) })
    }

    async fn look(&self, target: &Target) -> Failure {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            match target.pid.map(Memory::of).transpose() {
                Ok(memory) => self.most.set(self.most.get().max(memory.map_or(0, |memory| memory.rss))),
                Err(failure) => return failure,
            }
        }
    }

    fn growth(&self) -> Option<u64> {
        self.before.map(|before| self.most.get() - before)
    }
}

async fn carry_out(attack: Attack, args: &HostileArgs, target: &Target, run: &RunTag) -> Result<AttackReport, Failure> {
    let share = args.mebibytes * MIB / u64::from(args.connections);
    let hold = Duration::from_secs(args.hold);
    let mut opened = Vec::new();
    for number in 0..args.connections {
        let token = target.tokens.user(&format!("hostile_{number}"), None)?;
        let document = format!("hostile_{}_{}", run.as_str(), number / CONNECTIONS_PER_DOCUMENT);
        let (endpoint, query) = (&target.endpoint, "&mode=edit");
        let open = Raw::open(Request {
            endpoint,
            document: &document,
            query,
            token: &token,
            source: None,
            compression: false,
            receive_buffer: None,
        });
        let open = tokio::time::timeout(OPEN_WITHIN, open).await;
        let open = open.map_err(|elapsed| Failure::run("connecting", elapsed))?;
        opened.push(open.map_err(|error| Failure::run("connecting", error))?);
    }
    let watch = Rc::new(Watch::begin(target)?);
    let mut clients = JoinSet::new();
    for Raw { mut reader, mut writer } in opened {
        clients.spawn_local(async move {
            let attack = async {
                // What the server does not take it has closed before.
                let _ = attack.send(&mut writer, share, MIB).await;
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
    let (ends, held) = tokio::select! {
        ended = ended => ended,
        failure = watch.look(target) => return Err(failure),
    };
    let growth_bytes = watch.growth();
    Ok(AttackReport { attack: attack.name(), ends, held, growth_bytes })
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
        match self.growth_bytes.map(|bytes| float(bytes) / float(MIB)) {
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

impl Report for HostileReport {
    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("hostile: {} MiB on {} connections", self.mebibytes, self.connections));
        for AttackReport { attack, ends, held, growth_bytes } in &self.attacks {
            table.heading(attack);
            table.row("closed with", ends.text());
            table.row("still open", held);
            table.row("server grew by", growth_bytes.map_or_else(|| "not measured".to_owned(), mebibytes));
        }
        table.heading("four bystanders");
        table.latency("change to ack", &self.bystanders);
        table
    }

    fn complaints(&self) -> &[String] {
        &self.complaints
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
        let mut report = AttackReport { attack: attack.name(), ends: Ends::default(), held, growth_bytes };
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
        let attack = AttackReport { attack: Attack::Fragments.name(), ends, held: 0, growth_bytes: Some(MIB) };
        let bystanders = crate::histogram::Latencies::new().unwrap().summary();
        let attacks = vec![attack];
        let (connections, mebibytes) = (200, 256);
        let report =
            HostileReport { scenario: "hostile", connections, mebibytes, attacks, bystanders, complaints: Vec::new() };
        let text = render(&report, false).unwrap();
        assert!(
            text.contains("fragments without end") && text.contains("1009 × 200") && text.contains("1.0 MiB"),
            "{text}"
        );
        assert!(render(&report, true).unwrap().contains("\"1009\": 200"));
    }
}

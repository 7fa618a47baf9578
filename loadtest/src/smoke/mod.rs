//! The scenario `smoke`: a few clients type at once, and every copy of the text must end equal to the server's.
//!
//! Editors keep a copy and move their own change in flight through what they receive; viewers apply what they are sent
//! and nothing else, the second of them from the middle of the run on. All of them must agree with
//! `GET /api/documents/{id}/state`.

mod client;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::client::{Copy, Room};
use crate::clock;
use crate::connect::State;
use crate::failure::Failure;
use crate::http;
use crate::report::{Figures, Report, Table, float};
use crate::scan::{Scanner, excerpt};
use crate::stage;
use crate::stamp::RunTag;
use crate::target::{Target, TargetArgs};
use crate::token::LimitsClaim;

/// The section everybody edits.
const SECTION: &str = "body";
/// Options of `smoke`.
#[derive(Debug, Args)]
pub(crate) struct SmokeArgs {
    /// Editors; two viewers come on top
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "K")]
    clients: u32,
    /// Changes each editor makes
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "M")]
    changes: u32,
    /// Seed of the changes' places and texts, to repeat a run
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Seconds after which the run has failed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "S")]
    timeout: u64,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// The figures of `smoke`.
#[derive(Debug, Serialize)]
pub(crate) struct SmokeFigures {
    document_id: String,
    editors: u32,
    changes: u64,
    /// What the server says; nothing if it could not be asked.
    version: Option<u64>,
    text_units: Option<u64>,
    /// Copies that are equal to the server's text, of editors and viewers.
    equal_copies: usize,
    seconds: f64,
    seed: u64,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &SmokeArgs) -> Result<Report<SmokeFigures>, Failure> {
    stage::play(&args.target, async |target| converge(args, target).await)
}

async fn converge(args: &SmokeArgs, target: &Target) -> Result<Report<SmokeFigures>, Failure> {
    let started = clock::now();
    let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
    let room = Rc::new(Room {
        endpoint: target.endpoint.clone(),
        document: format!("smoke_{}", run.as_str()),
        run,
        scanner: Scanner::new(),
        seed: args.seed,
        changes: args.changes,
        last_version: u64::from(args.clients) * u64::from(args.changes),
        present: Cell::new(0),
        expected: args.clients + 1,
        all_present: Notify::new(),
        halfway: Notify::new(),
    });
    let mut clients = JoinSet::new();
    for number in 0..args.clients {
        let token = token(target, &format!("editor_{number}"))?;
        clients.spawn_local(Rc::clone(&room).edit(number, token));
    }
    for (number, late) in [false, true].into_iter().enumerate() {
        let token = token(target, &format!("viewer_{number}"))?;
        clients.spawn_local(Rc::clone(&room).view(number, token, late));
    }
    let timeout = Duration::from_secs(args.timeout);
    let (copies, mut complaints) = gather(clients, timeout).await;
    let mut figures = SmokeFigures {
        document_id: room.document.clone(),
        editors: args.clients,
        changes: room.last_version,
        version: None,
        text_units: None,
        equal_copies: 0,
        seconds: float(clock::now().since(started)) / 1e9,
        seed: args.seed,
    };
    match server_state(target, &room).await {
        Ok(state) => figures.compare(&state, &copies, &mut complaints),
        Err(failure) => complaints.push(failure.to_string()),
    }
    Ok(Report::new(figures, complaints))
}

/// The document as the server tells it over HTTP.
async fn server_state(target: &Target, room: &Room) -> Result<State, Failure> {
    let token = token(target, "editor_0")?;
    let path = format!("/api/documents/{}/state", room.document);
    let body = http::get(&room.endpoint, &path, Some(&token)).await?;
    serde_json::from_slice(&body).map_err(|error| Failure::run(format!("GET {path} {}", excerpt(&body)), error))
}

/// Changes follow each other as fast as they are acknowledged, which the default limits do not allow.
fn token(target: &Target, user: &str) -> Result<String, Failure> {
    target.tokens.user(user, Some(LimitsClaim::RAISED))
}

async fn gather(mut clients: JoinSet<Result<Copy, String>>, timeout: Duration) -> (Vec<Copy>, Vec<String>) {
    let deadline = tokio::time::Instant::now() + timeout;
    let (mut copies, mut complaints) = (Vec::new(), Vec::new());
    while !clients.is_empty() {
        match tokio::time::timeout_at(deadline, clients.join_next()).await {
            Ok(Some(Ok(Ok(copy)))) => copies.push(copy),
            // One failure keeps the others from ever being done, so it ends the run.
            Ok(Some(Ok(Err(complaint)))) => {
                complaints.push(complaint);
                break;
            }
            Ok(Some(Err(error))) => complaints.push(format!("a client panicked: {error}")),
            Ok(None) => break,
            Err(_elapsed) => {
                let (count, seconds) = (clients.len(), timeout.as_secs());
                complaints.push(format!("{count} clients were not done within {seconds} s"));
                break;
            }
        }
    }
    (copies, complaints)
}

impl SmokeFigures {
    /// Notes the server's state, and complains of every copy that differs from it.
    fn compare(&mut self, state: &State, copies: &[Copy], complaints: &mut Vec<String>) {
        let text = state.section(SECTION);
        self.version = Some(state.version);
        self.text_units = u64::try_from(text.encode_utf16().count()).ok();
        if state.version != self.changes {
            let (actual, expected) = (state.version, self.changes);
            complaints.push(format!("the server is at version {actual}, expected {expected}: one a change"));
        }
        for copy in copies {
            let own = copy.replica.text();
            if own == text {
                self.equal_copies += 1;
                continue;
            }
            let at = own.chars().zip(text.chars()).take_while(|(a, b)| a == b).count();
            complaints.push(format!(
                "{} has another text than the server, from character {at} on: {:?} instead of {:?} (repeat with --seed {})",
                copy.who,
                excerpt_from(&own, at),
                excerpt_from(text, at),
                self.seed
            ));
        }
    }
}

fn excerpt_from(text: &str, at: usize) -> String {
    text.chars().skip(at).take(20).collect()
}

impl Figures for SmokeFigures {
    const SCENARIO: &'static str = "smoke";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("smoke: {} editors, 2 viewers, document {}", self.editors, self.document_id));
        table.row("changes", self.changes);
        let told = |value: Option<u64>| value.map_or_else(|| "not told".to_owned(), |value| value.to_string());
        table.row("version", told(self.version));
        table.row("text (UTF-16 units)", told(self.text_units));
        table.row("equal copies", format_args!("{} of {}", self.equal_copies, self.editors + 2));
        table.row("seconds", format_args!("{:.1}", self.seconds));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Fault};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        smoke: SmokeArgs,
    }

    fn against(fault: Fault, more: &str) -> Report<SmokeFigures> {
        let fake = Fake::start(fault);
        let line = format!("smoke --url ws://{} --token t {more}", fake.address);
        run(&Line::parse_from(line.split_whitespace()).smoke).unwrap()
    }

    #[test]
    fn a_right_server_converges() {
        for seed in 1..4 {
            let report = against(Fault::None, &format!("--clients 6 --changes 40 --seed {seed}"));
            assert_eq!(report.complaints, Vec::<String>::new());
            assert_eq!((report.figures.version, report.figures.equal_copies), (Some(240), 8));
            assert!(report.figures.text_units > Some(0));
        }
    }

    #[track_caller]
    fn check(fault: Fault, complaint: &str) {
        let report = against(fault, "--clients 4 --changes 20 --timeout 5");
        let said = report.complaints.join("\n");
        assert!(said.contains(complaint), "{said}");
    }

    /// Which copy or position gives it away depends on timing; that something does, does not.
    #[test]
    fn a_server_that_does_not_transform_is_found() {
        let report = against(Fault::NoTransform, "--clients 4 --changes 20");
        assert!(!report.complaints.is_empty());
    }

    #[test]
    fn a_lost_broadcast_is_found() {
        check(Fault::DropBroadcast(20), "came after");
    }

    #[test]
    fn a_wrong_state_is_found() {
        check(Fault::WrongState, "another text than the server");
    }

    #[test]
    fn clients_that_are_not_admitted_say_why() {
        check(Fault::RefuseJoin, "1008");
    }

    #[test]
    fn a_refusal_is_told() {
        check(Fault::Refuse(20), "RATE_LIMIT_EXCEEDED");
    }

    #[test]
    fn a_missing_ack_is_found_by_the_next_version_or_by_the_clock() {
        check(Fault::NoAck(20), "came after");
        check(Fault::NoAck(79), "not done within 5 s");
    }
}

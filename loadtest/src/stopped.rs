//! The scenario `stopped`: many clients are stopped in their tracks (SIGSTOP), as by a lid that is closed; measured is
//! when the others are told that they have left.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::process::{Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::task::{JoinSet, spawn_local};

use crate::clock::{self, Nanos};
use crate::connect::{self, Request};
use crate::failure::Failure;
use crate::report::{Figures, Report, Table, check_goal, float};
use crate::scan::Scanner;
use crate::server::OwnChild;
use crate::stage;
use crate::stamp::RunTag;
use crate::target::{Target, TargetArgs};

/// Whoever is told of as present after that long is a ghost.
const WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
const USER_PREFIX: &str = "held_";

/// Options of `stopped`.
#[derive(Debug, Args)]
pub(crate) struct StoppedArgs {
    /// Clients that are stopped
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    connections: u32,
    /// Documents they are spread over; the server's default allows 50 editors of each, and one observes
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "D")]
    documents: u32,
    /// Fail (exit code 1) if the last of them is told of as gone after more than so many seconds
    #[arg(long, default_value_t = 90.0, value_name = "S")]
    max_seconds: f64,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Options of `hold`, the process that is stopped.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Clients
    #[arg(long, value_name = "N")]
    connections: u32,
    /// Documents they are spread over
    #[arg(long, value_name = "D")]
    documents: u32,
    /// How the run's documents are named
    #[arg(long, value_name = "TAG")]
    run: String,
    #[command(flatten)]
    target: TargetArgs,
}

/// The figures of `stopped`.
#[derive(Debug, Serialize)]
pub(crate) struct StoppedFigures {
    connections: u32,
    documents: u32,
    /// Clients that the others were told of.
    joined: usize,
    /// Of these, those that they were told have left.
    left: usize,
    /// After how many seconds the first and the last of them had left.
    first_seconds: Option<f64>,
    last_seconds: Option<f64>,
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &StoppedArgs) -> Result<Report<StoppedFigures>, Failure> {
    stage::play(&args.target, async |target| watch(args, target).await)
}

/// Who is where, as the observers are told.
#[derive(Debug, Default)]
struct Presence {
    joined: RefCell<HashMap<String, Option<Nanos>>>,
    left: Cell<usize>,
    lost: RefCell<Vec<String>>,
}

impl Presence {
    fn take(&self, message: &[u8]) {
        #[derive(Deserialize)]
        struct Message {
            #[serde(rename = "type")]
            kind: String,
            payload: Payload,
        }
        #[derive(Deserialize)]
        struct Payload {
            user_id: Option<String>,
            status: Option<String>,
        }
        let Ok(Message { kind, payload }) = serde_json::from_slice(message) else { return };
        let (Some(user), Some(status)) = (payload.user_id, payload.status) else { return };
        if kind != "user.presence" || !user.starts_with(USER_PREFIX) {
            return;
        }
        match status.as_str() {
            "joined" => drop(self.joined.borrow_mut().insert(user, None)),
            "left" => {
                self.joined.borrow_mut().insert(user, Some(clock::now()));
                self.left.update(|left| left + 1);
            }
            _ => {}
        }
    }
}

async fn watch(args: &StoppedArgs, target: &Target) -> Result<Report<StoppedFigures>, Failure> {
    let run = RunTag::random().map_err(|error| Failure::run("random run tag", error))?;
    let presence = Rc::new(Presence::default());
    let scanner = Scanner::new();
    for document in 0..args.documents {
        let token = target.tokens.user(&format!("observer_{document}"), None)?;
        let document = document_id(run.as_str(), document);
        let joined = connect::join(Request::new(&target.endpoint, &document, &token), &scanner).await;
        let mut socket = joined.map_err(|error| Failure::run("connecting an observer", error))?.socket;
        let presence = Rc::clone(&presence);
        spawn_local(async move {
            loop {
                match connect::message(&mut socket.reader).await {
                    Ok(frame) => presence.take(&frame.payload),
                    Err(error) => return presence.lost.borrow_mut().push(error.to_string()),
                }
            }
        });
    }
    let held = Held::start(args, target, run.as_str())?;
    let all = usize::try_from(args.connections).unwrap_or(usize::MAX);
    wait_until(|| presence.joined.borrow().len() >= all).await;
    held.stop_in_its_tracks()?;
    let stopped = clock::now();
    eprintln!("{} clients are stopped", args.connections);
    wait_until(|| presence.left.get() >= all).await;
    Ok(StoppedFigures::report(args, &presence, stopped))
}

/// Waits for something, but not for ever.
async fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = clock::now().plus(WITHIN);
    while !is_so() && clock::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
}

fn document_id(run: &str, number: u32) -> String {
    format!("stopped_{run}_{number}")
}

/// The process with the clients.
struct Held {
    child: OwnChild,
}

impl Held {
    /// Starts it, and waits until all of its clients have joined.
    fn start(args: &StoppedArgs, target: &Target, run: &str) -> Result<Self, Failure> {
        let doing = "starting the clients that are to be stopped";
        let fail = |error: std::io::Error| Failure::run(doing, error);
        let data: PathBuf = target.data.clone().ok_or_else(|| {
            Failure::Usage("the clients need tokens of their own: give --data DIR, or --server-bin PATH".to_owned())
        })?;
        let mut command = Command::new(std::env::current_exe().map_err(fail)?);
        command.arg("hold").args(["--run", run]).arg("--data").arg(data);
        command.args(["--connections".to_owned(), args.connections.to_string()]);
        command.args(["--documents".to_owned(), args.documents.to_string()]);
        command.args(["--url".to_owned(), format!("ws://{}", target.endpoint.host)]);
        let (child, line) = OwnChild::start(command.stdin(Stdio::null()), None).map_err(fail)?;
        if line == READY { Ok(Self { child }) } else { Err(Failure::run(doing, "they did not all join: see above")) }
    }

    fn stop_in_its_tracks(&self) -> Result<(), Failure> {
        kill_process(self.child.pid(), Signal::STOP).map_err(|error| Failure::run("stopping the clients", error))
    }
}

/// What `hold` says when all of its clients have joined.
const READY: &str = "ready";

/// Holds the clients of `stopped`, which read and answer pings, until the process ends.
pub(crate) fn hold(args: &HoldArgs) -> Result<(), Failure> {
    let target = Target::open(&args.target)?;
    stage::on_this_thread(async {
        let token = |number| target.tokens.user(&format!("{USER_PREFIX}{number}"), None);
        let tokens: Rc<[String]> = (0..args.connections).map(token).collect::<Result<_, _>>()?;
        let (endpoint, scanner) = (Rc::new(target.endpoint.clone()), Rc::new(Scanner::new()));
        let (run, documents) = (args.run.clone(), args.documents.max(1));
        let join = |number: usize| {
            let (tokens, endpoint, scanner) = (Rc::clone(&tokens), Rc::clone(&endpoint), Rc::clone(&scanner));
            let document = document_id(&run, u32::try_from(number).unwrap_or(0) % documents);
            async move { connect::join(Request::new(&endpoint, &document, &tokens[number]), &scanner).await }
        };
        let mut reading = JoinSet::new();
        connect::join_each(0..tokens.len(), join, |_number, mut joined| {
            reading.spawn_local(async move { while connect::message(&mut joined.socket.reader).await.is_ok() {} });
        })
        .await?;
        println!("{READY}");
        std::io::stdout().flush().map_err(|error| Failure::run("saying that all have joined", error))?;
        while reading.join_next().await.is_some() {}
        Ok(())
    })
}

impl StoppedFigures {
    fn report(args: &StoppedArgs, presence: &Presence, stopped: Nanos) -> Report<Self> {
        let joined = presence.joined.borrow();
        let mut left: Vec<f64> = joined.values().flatten().map(|at| float(at.since(stopped)) / 1e9).collect();
        left.sort_by(f64::total_cmp);
        let mut complaints = presence.lost.borrow().clone();
        let all = usize::try_from(args.connections).unwrap_or(usize::MAX);
        if joined.len() < all {
            complaints.push(format!("the others were told of {} of {all} clients", joined.len()));
        }
        if left.len() < joined.len() {
            let ghosts = joined.len() - left.len();
            complaints.push(format!("{ghosts} clients are told of as present, and are not"));
        }
        let last = left.last().copied();
        let goal = Some(args.max_seconds);
        check_goal(&mut complaints, "seconds until the last stopped client was gone", last, goal);
        let figures = Self {
            connections: args.connections,
            documents: args.documents,
            joined: joined.len(),
            left: left.len(),
            first_seconds: left.first().copied(),
            last_seconds: last,
        };
        Report::new(figures, complaints)
    }
}

impl Figures for StoppedFigures {
    const SCENARIO: &'static str = "stopped";

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.heading(&format!("stopped: {} clients in {} documents", self.connections, self.documents));
        table.row("joined, as the others were told", self.joined);
        table.row("left, as the others were told", self.left);
        let told =
            |seconds: Option<f64>| seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds:.1} s"));
        table.row("the first after", told(self.first_seconds));
        table.row("the last after", told(self.last_seconds));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::render;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        stopped: StoppedArgs,
    }

    fn presence(messages: &[(&str, &str)]) -> Presence {
        let presence = Presence::default();
        for (user, status) in messages {
            let text = format!(
                r#"{{"type":"user.presence","payload":{{"user_id":"{user}","status":"{status}"}},"metadata":{{}}}}"#
            );
            presence.take(text.as_bytes());
        }
        presence
    }

    #[track_caller]
    fn check(messages: &[(&str, &str)], complaint: Option<&str>) {
        let args = Line::parse_from(["stopped", "--connections", "2"]).stopped;
        let report = StoppedFigures::report(&args, &presence(messages), clock::now());
        let said = report.complaints.join("\n");
        assert_eq!(complaint.is_none(), said.is_empty(), "{said}");
        assert!(said.contains(complaint.unwrap_or_default()), "{said}");
        assert!(render(&report, false).unwrap().contains("the last after"));
    }

    #[test]
    fn a_ghost_is_found() {
        let joined = [("held_0", "joined"), ("held_1", "joined")];
        let both_left = [("held_0", "left"), ("observer_1", "left"), ("held_1", "left")];
        check(&[&joined[..], &both_left].concat(), None);
        check(&[&joined[..], &both_left[..2]].concat(), Some("1 clients are told of as present"));
        check(&[&joined[..], &both_left, &joined[1..]].concat(), Some("1 clients are told of as present"));
        check(&[&joined[..1], &both_left[..1]].concat(), Some("told of 1 of 2"));
        check(&joined, Some("was not measured"));
    }

    #[test]
    fn tokens_of_ones_own_are_needed() {
        let error = run(&Line::parse_from(["stopped"]).stopped).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}

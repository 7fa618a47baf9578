//! The scenario `translate`: translators look texts up on WebSockets, at times that are fixed beforehand, while the memory is
//! as large as you like.
//!
//! In reading order: `corpus` is what is in the memory and what is asked about, `fill` puts it there, `seeker` asks, `answer`
//! says whether an answer is right, `pulse` is what its latency is held against, `beside` are editors meanwhile, `figures` what is told; this file plans the run.

mod answer;
mod beside;
mod corpus;
mod figures;
mod fill;
mod pulse;
mod seeker;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, getpid};

use self::beside::{Beside, Editors};
use self::corpus::{Corpus, ENTRIES_MAX, Kind};
use self::figures::TranslateFigures;
use self::fill::{Filled, fill};
use self::pulse::Pulse;
use self::seeker::{Desk, Seeker, Tally, write_request};
use crate::clock::{self, Nanos, Timer};
use crate::connect::{self, Request};
use crate::edit::{Team, Window, parse_rate as parse_typing_rate, plan, sleep_until};
use crate::failure::Failure;
use crate::procfs::{CpuSeconds, Memory};
use crate::report::Report;
use crate::scan::Scanner;
use crate::schedule::{Cadence, mix};
use crate::server::pin_this_thread;
use crate::socket::Socket;
use crate::stage;
use crate::target::{Target, TargetArgs};
use crate::token::LimitsClaim;

/// From the last connection to the first request.
const START_DELAY: Duration = Duration::from_millis(100);
/// What was not answered by the end of the measured time may take this long.
const DRAIN: Duration = Duration::from_secs(15);
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// What a connection gives for messages that name no languages.
const LANGUAGES: &str = "&source_lang=en&target_lang=fr";
/// The most of one kind, of which the mix is made.
const SHARE_MAX: i64 = 1_000;

/// Options of `translate`.
#[derive(Debug, Args)]
pub(crate) struct TranslateArgs {
    /// Sentences in the memory, made from --seed and imported before anything is measured
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=ENTRIES_MAX / 2), value_name = "N")]
    entries: u64,
    /// What the sentences, and what is asked about them, are made from
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// The sentences are there already: an earlier run put them into --data, with the same seed and number
    #[arg(long)]
    filled: bool,
    /// Project whose memory they are in, and in which is asked
    #[arg(long, default_value = "loadtest", value_name = "NAME")]
    project: String,
    /// Connections, which ask by turns. One that asks again before it was answered is answered the newer only
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    connections: u32,
    /// Look-ups a second in all, at times fixed beforehand (open loop)
    #[arg(long, default_value_t = 50.0, value_parser = parse_rate, value_name = "R")]
    rate: f64,
    /// So many of all are for texts that are in the memory, to the parts of --fuzzy and --new
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=SHARE_MAX), value_name = "PARTS")]
    exact: u32,
    /// So many are for texts of the memory in which three letters were mistaken
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(0..=SHARE_MAX), value_name = "PARTS")]
    fuzzy: u32,
    /// So many are for texts like which there is none
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(0..=SHARE_MAX), value_name = "PARTS")]
    new: u32,
    /// Seconds measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400), value_name = "S")]
    seconds: u64,
    /// Seconds of the same load before that, not measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=3_600), value_name = "S")]
    warmup: u64,
    /// Editors of documents beside, D documents with E editors each: their deliveries are measured with look-ups and without
    #[arg(long, value_name = "DxE")]
    editors: Option<Editors>,
    /// Changes each of them makes a minute
    #[arg(long, default_value_t = 100.0, value_parser = parse_typing_rate, value_name = "R")]
    typing_rate: f64,
    /// Times that both are measured, by turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "N")]
    rounds: u32,
    /// Confine the generator to this core
    #[arg(long, value_name = "CORE")]
    pin_core: Option<usize>,
    /// Fail (exit code 1) if the 99th percentile of exact look-ups is above this
    #[arg(long, value_name = "MS")]
    max_exact_p99_ms: Option<f64>,
    /// The same of fuzzy ones
    #[arg(long, value_name = "MS")]
    max_fuzzy_p99_ms: Option<f64>,
    /// Fail if the editors' 99th percentile with look-ups is above so many times that without
    #[arg(long, value_name = "RATIO", requires = "editors")]
    max_editors_ratio: Option<f64>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Reads look-ups a second.
fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.01..=1_000_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("expected look-ups a second from 0.01 to 1000000".into())
    }
}

impl TranslateArgs {
    fn corpus(&self) -> Corpus {
        Corpus { seed: self.seed, entries: self.entries }
    }

    /// Which kind the look-up of such a chance is; `None` where there is to be none of any kind.
    fn kind(&self, chance: u64) -> Option<Kind> {
        let parts = [self.exact, self.fuzzy, self.new].map(u64::from);
        let mut part = chance.checked_rem(parts.iter().sum())?;
        Kind::ALL.into_iter().zip(parts).find_map(|(kind, parts)| {
            let is_it = part < parts;
            part = part.saturating_sub(parts);
            is_it.then_some(kind)
        })
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

/// Runs the scenario against the server the arguments name.
pub(crate) fn run(args: &TranslateArgs) -> Result<Report<TranslateFigures>, Failure> {
    if args.kind(0).is_none() {
        return Err(Failure::Usage("--exact, --fuzzy, --new: expected one of them above 0".to_owned()));
    }
    if let Some(core) = args.pin_core {
        pin_this_thread(core).map_err(|error| Failure::run("--pin-core", error))?;
    }
    let target = Target::open(&args.target)?;
    let filled = fill_memory(args, &target)?;
    let mut beside = args.editors.map(Beside::new).transpose()?;
    let measured = match &mut beside {
        None => stage::on_this_thread(look_up(args, &target, None))?,
        Some(beside) => by_turns(args, &target, beside)?,
    };
    let mut report = TranslateFigures::report(args, filled, &measured, beside);
    target.close(&mut report.complaints);
    Ok(report)
}

fn fill_memory(args: &TranslateArgs, target: &Target) -> Result<Option<Filled>, Failure> {
    if args.filled {
        return Ok(None);
    }
    let token = target.tokens.translator("loadtest_importer", LimitsClaim::RAISED)?;
    let filled = stage::on_this_thread(fill(&target.endpoint, &args.project, &token, &args.corpus()))?;
    eprintln!("the memory is filled: {}", filled.line());
    Ok(Some(filled))
}

/// Has editors type while texts are looked up, and while none are; neither always comes second.
fn by_turns(args: &TranslateArgs, target: &Target, beside: &mut Beside) -> Result<Measured, Failure> {
    let mut measured = Measured::nothing()?;
    for round in 0..args.rounds {
        for has_look_ups in [round % 2 == 0, round % 2 != 0] {
            let mut team = beside.editors().sit_down(args, target)?;
            if has_look_ups {
                measured.add(stage::on_this_thread(look_up(args, target, Some(&mut team)))?)?;
            } else {
                sleep_until(plan(args.warmup, args.seconds, &mut team).to);
            }
            beside.add(&team.finish()?, has_look_ups)?;
        }
        eprintln!("measured {} of {} rounds", round + 1, args.rounds);
    }
    Ok(measured)
}

/// What came of the look-ups, and what they cost.
#[derive(Debug)]
struct Measured {
    tally: Tally,
    /// The server's processor time in the measured seconds and its memory after them, if its process is known.
    server: Option<(CpuSeconds, Memory)>,
    generator: CpuSeconds,
    seconds: f64,
}

impl Measured {
    fn nothing() -> Result<Self, Failure> {
        Ok(Self { tally: Tally::new()?, server: None, generator: CpuSeconds::default(), seconds: 0.0 })
    }

    /// Adds a later phase.
    fn add(&mut self, later: Self) -> Result<(), Failure> {
        let Self { tally, server, generator, seconds } = later;
        self.tally.merge(tally)?;
        let before = self.server.map_or_else(CpuSeconds::default, |(cpu, _)| cpu);
        self.server = server.map(|(cpu, memory)| (cpu.plus(before), memory));
        self.generator = self.generator.plus(generator);
        self.seconds += seconds;
        Ok(())
    }
}

/// Connects, asks until the measured time is over, and waits for what is still to be answered. Editors begin at the same time.
async fn look_up(args: &TranslateArgs, target: &Target, team: Option<&mut Team>) -> Result<Measured, Failure> {
    let (sockets, anchor) = (open_all(args, target).await?, open(args, target, "heartbeat").await?);
    let start = clock::now().plus(START_DELAY);
    let window = team.map_or_else(
        || {
            let from = start.plus(Duration::from_secs(args.warmup));
            Window { from, to: from.plus(Duration::from_secs(args.seconds)) }
        },
        |team| plan(args.warmup, args.seconds, team),
    );
    let tally = RefCell::new(Tally::new()?);
    let desk = Rc::new(Desk { scanner: Scanner::new(), window, tally, closing: Cell::new(false) });
    let begin = |socket: Socket| {
        let seeker = Rc::new(Seeker::new(Rc::clone(&socket.writer)));
        tokio::task::spawn_local(Rc::clone(&seeker).read(Rc::clone(&desk), socket));
        seeker
    };
    let seekers: Vec<Rc<Seeker>> = sockets.into_iter().map(begin).collect();
    let pulse = Rc::new(Pulse::new(Rc::clone(&anchor.writer)));
    tokio::task::spawn_local(Rc::clone(&pulse).read(Rc::clone(&desk), anchor));
    let beating = tokio::task::spawn_local(Rc::clone(&pulse).beat(Rc::clone(&desk), start, args.interval()));
    let watching = tokio::task::spawn_local(watch(target.pid, window));
    ask_along(args, &desk, &seekers, start).await?;
    beating.await.map_err(|error| Failure::run("sending heartbeats", error))??;
    drain(&seekers, &pulse, window).await;
    desk.closing.set(true);
    let spent = watching.await.map_err(|error| Failure::run("reading the processes' counters", error))??;
    let tally = desk.tally.replace(Tally::new()?);
    let Spent { server, generator, seconds } = spent;
    Ok(Measured { tally, server, generator, seconds })
}

/// Each connection is another user's.
async fn open_all(args: &TranslateArgs, target: &Target) -> Result<Vec<Socket>, Failure> {
    let mut sockets = Vec::new();
    for number in 0..args.connections {
        sockets.push(open(args, target, &format!("translator_{number}")).await?);
    }
    Ok(sockets)
}

async fn open(args: &TranslateArgs, target: &Target, user: &str) -> Result<Socket, Failure> {
    let token = target.tokens.translator(user, LimitsClaim::RAISED)?;
    let request = Request::translation(&target.endpoint, &args.project, LANGUAGES, &token);
    connect::open_in_time(request).await.map_err(|error| Failure::run(format!("connecting {user}"), error))
}

/// Asks when it is due, whatever was answered: one look-up after the other, the connections by turns.
async fn ask_along(args: &TranslateArgs, desk: &Desk, seekers: &[Rc<Seeker>], start: Nanos) -> Result<(), Failure> {
    let fail = |error| Failure::run("the timer", error);
    let (timer, corpus) = (Timer::new().map_err(fail)?, args.corpus());
    let cadence = Cadence::new(start, args.interval(), 0, 1);
    let mut message = Vec::new();
    for (number, seeker) in (0..).zip(seekers.iter().cycle()) {
        let due = cadence.due(number);
        if due >= desk.window.to {
            break;
        }
        // All of the work is done before it is due.
        let chance = mix(args.seed ^ mix(number));
        let Some(kind) = args.kind(chance >> 32) else { break };
        let question = corpus.question(kind, chance);
        write_request(&mut message, number, &question.text);
        if clock::now() < due {
            timer.arm(due).map_err(fail)?;
            timer.fired().await.map_err(fail)?;
        } else {
            // Late: answers are read all the same.
            tokio::task::yield_now().await;
        }
        seeker.ask(desk, number, due, question, &mut message);
    }
    tokio::time::sleep(desk.window.to.left(clock::now())).await;
    Ok(())
}

/// Waits until all is answered, but not for ever.
async fn drain(seekers: &[Rc<Seeker>], pulse: &Pulse, window: Window) {
    let until = window.to.plus(DRAIN);
    let is_waiting = || pulse.waiting() > 0 || seekers.iter().any(|seeker| seeker.waiting() > 0);
    while is_waiting() && clock::now() < until {
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

/// What the processes used in the measured time.
struct Spent {
    server: Option<(CpuSeconds, Memory)>,
    generator: CpuSeconds,
    seconds: f64,
}

async fn watch(server: Option<Pid>, window: Window) -> Result<Spent, Failure> {
    let read = || Ok((server.map(CpuSeconds::of).transpose()?, CpuSeconds::of(getpid())?));
    tokio::time::sleep(window.from.left(clock::now())).await;
    let (server_before, own_before) = read()?;
    let began = clock::now();
    tokio::time::sleep(window.to.left(began)).await;
    let (server_after, own_after) = read()?;
    let seconds = Duration::from_nanos(clock::now().since(began)).as_secs_f64();
    let cpu = server_after.zip(server_before).map(|(after, before)| after.since(before));
    let memory = server.map(Memory::of).transpose()?;
    Ok(Spent { server: cpu.zip(memory), generator: own_after.since(own_before), seconds })
}

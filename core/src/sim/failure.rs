//! A schedule that fails, and the least of it that does so still.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::checked::Broken;
use super::schedule::{Member, Schedule};
use super::socket::Network;
use super::tally::Tally;
use super::world::World;
use crate::ids::PositionEncoding;
use crate::room::Dialect;

/// A schedule is run so many times at most to make it smaller.
const SHRINKING_RUNS_MAX: usize = 4_000;

/// What a seed has led to.
#[derive(Debug)]
pub struct Failure {
    seed: u64,
    first: String,
    broken: String,
    schedule: Schedule,
    story: Vec<String>,
}

impl Failure {
    /// The seed, which leads to it again.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How many events are left of the schedule.
    #[must_use]
    pub fn events(&self) -> usize {
        self.schedule.events.len()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.first)?;
        writeln!(f, "of its events {} are enough for: {}", self.schedule.events.len(), self.broken)?;
        writeln!(f, "{:#?}", self.schedule.setup)?;
        self.story.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "{}", self.broken)
    }
}

/// Runs the schedule of a seed.
///
/// # Errors
/// A check failed, or something panicked: the schedule, made as small as it gets.
pub fn check(seed: u64) -> Result<Tally, Box<Failure>> {
    let schedule = Schedule::draw(seed);
    let (Broken(first), _) = match attempt(&schedule, false) {
        Ok(tally) => return Ok(tally),
        Err(broken) => broken,
    };
    let schedule = shrink(schedule);
    let (broken, story) = match attempt(&schedule, true) {
        Ok(_) => ("nothing, when it was run again".to_owned(), Vec::new()),
        Err((Broken(broken), story)) => (broken, story),
    };
    Err(Box::new(Failure { seed, first, broken, schedule, story }))
}

/// Runs a schedule; a panic is what is wrong, too.
fn attempt(schedule: &Schedule, with_story: bool) -> Result<Tally, (Broken, Vec<String>)> {
    let mut world = World::new(&schedule.setup, with_story).map_err(|broken| (broken, Vec::new()))?;
    let ran = catch_unwind(AssertUnwindSafe(|| world.run(schedule)));
    let broken = match ran {
        Ok(Ok(())) => return Ok(world.tally),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Broken(format!("a panic: {}", text.unwrap_or("without words")))
        }
    };
    Err((broken, world.story.unwrap_or_default()))
}

/// Leaves out what is not needed for a failure: runs of events, then choices within them, then what makes the
/// cast special.
fn shrink(mut schedule: Schedule) -> Schedule {
    let mut runs = 0;
    let mut take = |schedule: &mut Schedule, simpler: Schedule| {
        runs += 1;
        let fails = runs <= SHRINKING_RUNS_MAX && attempt(&simpler, false).is_err();
        if fails {
            *schedule = simpler;
        }
        fails
    };
    loop {
        let size = measure(&schedule);
        let mut length = schedule.events.len();
        while length > 0 {
            let mut at = schedule.events.len();
            while at > 0 {
                let mut simpler = schedule.clone();
                simpler.events.drain(at.saturating_sub(length)..at);
                take(&mut schedule, simpler);
                at = at.saturating_sub(length).min(schedule.events.len());
            }
            length /= 2;
        }
        for at in 0..schedule.events.len() {
            for dice in simpler_dice(schedule.events[at].dice) {
                let mut simpler = schedule.clone();
                simpler.events[at].dice = dice;
                if take(&mut schedule, simpler) {
                    break;
                }
            }
        }
        for simpler in simpler_setups(&schedule) {
            let mut with_setup = schedule.clone();
            simpler(&mut with_setup);
            take(&mut schedule, with_setup);
        }
        if measure(&schedule) >= size {
            return schedule;
        }
    }
}

/// Smaller numbers, the smallest ones first.
fn simpler_dice(dice: u64) -> impl Iterator<Item = u64> {
    let halves = (1..8).rev().map(move |eighth| dice >> (8 * eighth));
    (0..16).chain(halves).filter(move |simpler| *simpler < dice)
}

fn simpler_setups(schedule: &Schedule) -> Vec<Box<dyn Fn(&mut Schedule)>> {
    let mut simpler: Vec<Box<dyn Fn(&mut Schedule)>> = vec![
        Box::new(|schedule| schedule.setup.dice = 0),
        Box::new(|schedule| schedule.setup.is_warm = false),
        Box::new(|schedule| schedule.setup.is_fast = false),
        Box::new(|schedule| schedule.setup.history_versions_max = 10_000),
        Box::new(|schedule| schedule.setup.outbound_bytes_max = 1 << 20),
        Box::new(|schedule| schedule.setup.sections = 1),
    ];
    for who in (0..schedule.setup.members.len()).rev() {
        simpler.push(Box::new(move |schedule| {
            if (1..schedule.setup.members.len()).contains(&who.max(1)) {
                schedule.setup.members.remove(who);
                // What is nobody's in particular happens all the same.
                schedule.events.iter_mut().filter(|event| event.who == who).for_each(|event| event.who = 0);
                schedule.events.iter_mut().filter(|event| event.who > who).for_each(|event| event.who -= 1);
            }
        }));
        simpler.push(Box::new(move |schedule| {
            let dialect = Dialect { encoding: PositionEncoding::Utf16, over_document: false };
            let member = schedule.setup.members.get_mut(who);
            member
                .into_iter()
                .for_each(|member| *member = Member { dialect, is_flat: false, network: Network::WIDE, ..*member });
        }));
    }
    simpler
}

/// How large a schedule is; it shrinks while this becomes less.
fn measure(schedule: &Schedule) -> (usize, u64, usize) {
    let dice = schedule.events.iter().fold(0_u64, |sum, event| sum.saturating_add(event.dice));
    (schedule.events.len(), dice, schedule.setup.members.len())
}

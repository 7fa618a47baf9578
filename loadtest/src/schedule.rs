//! When each editor types: an open-loop schedule, fixed before the run and blind to how fast the server answers.
//!
//! A latency is counted from the moment the schedule names. A server that stalls for a second is therefore charged for
//! every change that should have been sent in that second, not only for the one it was sitting on.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::Duration;

use crate::clock::{self, Nanos, Timer};

/// A change comes up to this part of an interval after its even place, so that editors do not march in step.
const JITTER_DIVISOR: u64 = 4;

/// The moments at which one editor means to type: evenly spaced, each a little late by its own amount.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cadence {
    first: Nanos,
    interval_ns: u64,
    seed: u64,
}

impl Cadence {
    /// The cadence of editor `place` of `of`, typing every `interval` from `start` on. The editors' first changes are
    /// spread evenly over one interval.
    pub(crate) fn new(start: Nanos, interval: Duration, place: u64, of: u64) -> Self {
        let phase = interval.as_nanos() * u128::from(place) / u128::from(of.max(1));
        Self {
            first: start.plus(Duration::from_nanos(u64::try_from(phase).unwrap_or(u64::MAX))),
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1),
            seed: place,
        }
    }

    /// When the change number `turn`, from 0, is due. Strictly increasing: jitter < interval.
    pub(crate) fn due(&self, turn: u64) -> Nanos {
        let even = self.first.0.saturating_add(turn.saturating_mul(self.interval_ns));
        let spread = (self.interval_ns / JITTER_DIVISOR).max(1);
        let jitter = mix(self.seed.rotate_left(32) ^ turn) % spread;
        Nanos(even.saturating_add(jitter))
    }

    /// How many changes are due in `from..to`.
    pub(crate) fn count(&self, from: Nanos, to: Nanos) -> u64 {
        let mut turn = from.since(self.first) / self.interval_ns;
        turn = turn.saturating_sub(1);
        let mut count = 0;
        while self.due(turn) < to {
            count += u64::from(self.due(turn) >= from);
            turn += 1;
        }
        count
    }
}

/// A well-mixed number from a counter (SplitMix64's finaliser).
pub(crate) fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What is due when: at most one entry an editor, and one timer for them all.
#[derive(Debug)]
pub(crate) struct Agenda {
    entries: RefCell<BinaryHeap<Reverse<(Nanos, usize)>>>,
    timer: Timer,
}

impl Agenda {
    /// An empty agenda with room for `editors` entries. Call it inside a runtime.
    pub(crate) fn new(editors: usize) -> io::Result<Self> {
        Ok(Self { entries: RefCell::new(BinaryHeap::with_capacity(editors)), timer: Timer::new()? })
    }

    /// Notes that `editor` is due `at`, and wakes earlier if nothing else comes before.
    pub(crate) fn add(&self, at: Nanos, editor: usize) -> io::Result<()> {
        let mut entries = self.entries.borrow_mut();
        let earliest = entries.peek().is_none_or(|Reverse((first, _))| at < *first);
        entries.push(Reverse((at, editor)));
        if earliest { self.timer.arm(at) } else { Ok(()) }
    }

    /// The next editor, once it is due. Dropping the wait loses nothing.
    pub(crate) async fn next(&self) -> io::Result<usize> {
        loop {
            if let Some(editor) = self.take_due(clock::now())? {
                return Ok(editor);
            }
            self.timer.fired().await?;
        }
    }

    /// Takes the first entry if it is due; otherwise sets the timer for it.
    fn take_due(&self, now: Nanos) -> io::Result<Option<usize>> {
        let mut entries = self.entries.borrow_mut();
        match entries.peek() {
            Some(Reverse((at, editor))) if *at <= now => {
                let editor = *editor;
                entries.pop();
                Ok(Some(editor))
            }
            Some(Reverse((at, _))) => self.timer.arm(*at).map(|()| None),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos(1_000_000_000_000);
    const INTERVAL: Duration = Duration::from_millis(600);

    #[test]
    fn every_editor_types_once_an_interval_in_order() {
        for place in [0, 1, 499, 999] {
            let cadence = Cadence::new(START, INTERVAL, place, 1_000);
            let phase = Duration::from_micros(600 * place);
            for turn in 0..200_u32 {
                let even = START.plus(phase + INTERVAL * turn);
                let late = cadence.due(turn.into()).since(even);
                assert!(cadence.due(turn.into()) >= even && late < 150_000_000);
                assert!(cadence.due(turn.into()) < cadence.due(u64::from(turn) + 1));
            }
        }
    }

    #[test]
    fn load_is_even_over_an_interval() {
        let mut tenths = [0; 10];
        for place in 0..1_000 {
            let due = Cadence::new(START, INTERVAL, place, 1_000).due(20);
            let tenth = due.since(START) % 600_000_000 / 60_000_000;
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|&count| (70..=130).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn the_count_of_a_window_is_what_a_plain_walk_finds() {
        let cadence = Cadence::new(START, INTERVAL, 321, 1_000);
        let from = START.plus(Duration::from_secs(5));
        let to = from.plus(Duration::from_secs(30));
        let walked = (0..1_000).map(|turn| cadence.due(turn)).filter(|due| (from..to).contains(due)).count();
        assert_eq!(cadence.count(from, to), u64::try_from(walked).unwrap());
        assert!((49..=51).contains(&walked));
    }

    #[tokio::test]
    async fn an_agenda_gives_editors_in_the_order_of_their_times() {
        let agenda = Agenda::new(3).unwrap();
        let soon = clock::now();
        agenda.add(soon.plus(Duration::from_millis(20)), 2).unwrap();
        agenda.add(soon.plus(Duration::from_millis(5)), 1).unwrap();
        agenda.add(soon, 0).unwrap();
        for expected in 0..3 {
            assert_eq!(agenda.next().await.unwrap(), expected);
        }
        assert!(clock::now() >= soon.plus(Duration::from_millis(20)));
    }

    #[tokio::test]
    async fn an_entry_added_while_waiting_comes_first() {
        let agenda = Agenda::new(2).unwrap();
        let start = clock::now();
        agenda.add(start.plus(Duration::from_secs(60)), 7).unwrap();
        let add = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            agenda.add(clock::now(), 3).unwrap();
        };
        let (editor, ()) = tokio::join!(agenda.next(), add);
        assert_eq!(editor.unwrap(), 3);
    }
}

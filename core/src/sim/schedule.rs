//! What happens, drawn from a seed: a cast, and a list of events that can be cut down afterwards.

use std::fmt;

use super::chance::Rng;
use super::socket::Network;
use crate::ids::PositionEncoding;
use crate::room::Dialect;

/// What kind of thing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A user types.
    Type,
    /// The server reads messages of a client; whoever is not connected is, first.
    Hear,
    /// The server hands its records to the disk, and writes what may leave.
    Turn,
    /// The disk has written a batch.
    Commit,
    /// A client reads some of what has come.
    Read,
    /// A connection breaks; the server may still hear some of what was sent on it.
    Cut,
    /// The server hears the rest of broken connections, and finds their end.
    Reap,
    /// A client asks anew for what it has.
    Resync,
    /// A client sends again what it has sent.
    Repeat,
    /// A client shows its cursor or a selection.
    Point,
    /// All clients compare checksums.
    Beat,
    /// A client saves.
    Save,
    /// Somebody who may only view sends a change.
    Intrude,
    /// A client without a replica sends something, right or wrong.
    Blurt,
    /// Somebody changes the document over HTTP, or repeats a request that was not answered.
    Post,
    /// Somebody reads the document over HTTP.
    Peek,
    /// A snapshot is taken.
    Snapshot,
    /// The document is forgotten, and read from the disk again.
    Evict,
    /// Power is lost.
    Crash,
    /// The disk fails.
    Fail,
    /// The server stops in order.
    Stop,
    /// Time passes.
    Wait,
    /// Too much waits for all connections together.
    Squeeze,
}

/// How often each of them happens beside the others. Those that are left out of some schedules come last.
const WEIGHTS: [(Act, u64); 23] = [
    (Act::Type, 100),
    (Act::Hear, 100),
    (Act::Turn, 60),
    (Act::Commit, 40),
    (Act::Read, 80),
    (Act::Cut, 8),
    (Act::Reap, 10),
    (Act::Resync, 8),
    (Act::Repeat, 18),
    (Act::Point, 20),
    (Act::Beat, 4),
    (Act::Save, 3),
    (Act::Intrude, 3),
    (Act::Blurt, 12),
    (Act::Post, 14),
    (Act::Peek, 3),
    (Act::Snapshot, 6),
    (Act::Evict, 1),
    (Act::Crash, 1),
    (Act::Fail, 1),
    (Act::Stop, 1),
    (Act::Wait, 6),
    (Act::Squeeze, 3),
];
/// So many of [`WEIGHTS`] are in every schedule.
const ALWAYS: usize = 5;

/// One thing that happens: what, to which client, and the choices in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) act: Act,
    pub(super) who: usize,
    pub(super) dice: u64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {:#x}", self.act, self.who, self.dice)
    }
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) edits: bool,
    pub(super) dialect: Dialect,
    /// It knows the document as one text only.
    pub(super) is_flat: bool,
    pub(super) network: Network,
}

/// What a schedule begins with.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// Everybody is there already.
    pub(super) is_warm: bool,
    pub(super) is_fast: bool,
    pub(super) outbound_bytes_max: usize,
    pub(super) history_versions_max: usize,
    /// How many names of sections there are; with one, it is `body`.
    pub(super) sections: usize,
    pub(super) members: Vec<Member>,
    /// The choice of what the document is read from in the end.
    pub(super) dice: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) setup: Setup,
    pub(super) events: Vec<Event>,
}

impl Setup {
    fn draw(rng: &mut Rng) -> Self {
        let sections = rng.pick(&[1, 1, 2, 2, 3, 4]);
        let editors = if rng.one_in(8) { 5 + rng.below(8) } else { 2 + rng.below(3) };
        let viewers = rng.pick(&[0, 0, 1, 2]);
        let slow = rng.one_in(3);
        let all_utf16 = rng.one_in(3);
        let mut member = |edits: bool| {
            let encoding = if all_utf16 { PositionEncoding::Utf16 } else { rng.pick(&PositionEncoding::ALL) };
            let over_document = rng.one_in(5);
            // With several sections a change at the seam of two of them belongs to one, which a client that knows
            // of none cannot tell: such a client may edit where there is one section, and view everywhere.
            let is_flat = over_document && rng.one_in(2) && (sections == 1 || !edits);
            let bytes_max =
                if slow && rng.one_in(2) { 200 + usize::try_from(rng.below(800)).unwrap_or(0) } else { 1 << 20 };
            let network = Network { bytes_max, is_encrypted: rng.one_in(2) };
            Member { edits, dialect: Dialect { encoding, over_document }, is_flat, network }
        };
        let mut members: Vec<Member> = (0..editors).map(|_| member(true)).collect();
        members.extend((0..viewers).map(|_| member(false)));
        Self {
            is_warm: !rng.one_in(8),
            is_fast: rng.one_in(3),
            outbound_bytes_max: if slow { 600 + usize::try_from(rng.below(1_500)).unwrap_or(0) } else { 1 << 20 },
            history_versions_max: rng.pick(&[2, 3, 5, 8, 10_000, 10_000, 10_000]),
            sections,
            members,
            dice: rng.next(),
        }
    }
}

impl Schedule {
    /// The schedule of a seed.
    pub(super) fn draw(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let setup = Setup::draw(&mut rng);
        let mut weights = WEIGHTS;
        for (_, weight) in &mut weights[ALWAYS..] {
            *weight *= rng.pick(&[0, 1, 1, 2]);
        }
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let count = match rng.below(100) {
            0 => 200 + rng.below(300),
            1..8 => 90 + rng.below(90),
            _ => 25 + rng.below(65),
        };
        let event = |_| {
            let mut left = rng.below(total);
            let drawn = weights.iter().find(|(_, weight)| {
                let found = left < *weight;
                left = left.saturating_sub(*weight);
                found
            });
            let act = drawn.map_or(Act::Type, |(act, _)| *act);
            let who = usize::try_from(rng.below(setup.members.len() as u64)).unwrap_or(0);
            Event { act, who, dice: rng.next() }
        };
        let events = (0..count).map(event).collect();
        Self { setup, events }
    }
}

//! All of it together: what happens to whom, in the order of a schedule.

mod endings;
mod outcome;

use std::collections::{BTreeMap, VecDeque};

use crate::room::{Durability, Greeting, LadderCounts, MemberKey};
use crate::sim::chance::Dice;
use crate::sim::checked::{Broken, Checked, ensure};
use crate::sim::editor::{Editor, Role};
use crate::sim::heard::Heard;
use crate::sim::mirror::Mirror;
use crate::sim::outsiders::Poster;
use crate::sim::people::People;
use crate::sim::say::{Client, Say};
use crate::sim::schedule::{Act, Event, Schedule, Setup};
use crate::sim::server::{Guest, Plan, Server};
use crate::sim::tally::{Situation, Tally};
use crate::sim::texts::Name;

const NAMES: [&str; 4] = ["body", "scope", "Z.9", "a_b-c"];
/// So many rounds bring everything to an end; more means that somebody waits for ever.
const SETTLING_ROUNDS_MAX: usize = 200;

/// A connection that its client has given up, while the server still hears what was sent on it.
#[derive(Debug)]
struct Ghost {
    key: MemberKey,
    outgoing: VecDeque<Say>,
}

/// The server, its model, and everybody around it.
#[derive(Debug)]
pub(in crate::sim) struct World {
    setup: Setup,
    server: Server,
    mirror: Mirror,
    people: People,
    editors: Vec<Editor>,
    ghosts: Vec<Ghost>,
    poster: Poster,
    /// The connection of the client that says anything at all, and how often it has.
    blurter: Option<MemberKey>,
    blurted: u64,
    /// How many requests were made over HTTP, and what those that wait are of: the version, where that is known.
    requests: u64,
    expected: BTreeMap<u64, Option<u64>>,
    pub(in crate::sim) tally: Tally,
    /// What has happened, where somebody wants to read it.
    pub(in crate::sim) story: Option<Vec<String>>,
}

impl World {
    pub(in crate::sim) fn new(setup: &Setup, with_story: bool) -> Checked<Self> {
        let durability = if setup.is_fast { Durability::Fast } else { Durability::Strict };
        let Setup { outbound_bytes_max, history_versions_max, .. } = *setup;
        let plan = Plan { durability, outbound_bytes_max, history_versions_max };
        let editor = |(index, member): (usize, &crate::sim::schedule::Member)| {
            // Two clients of one user, and clients of one name of two users.
            let client = Client {
                user_id: format!("user_{}", index / 2).into(),
                client_id: format!("client_{}", index % 2).into(),
            };
            Editor::new(Role {
                client,
                edits: member.edits,
                dialect: member.dialect,
                is_flat: member.is_flat,
                is_fast: setup.is_fast,
                names: names(setup),
            })
        };
        Ok(Self {
            server: Server::new(plan)?,
            mirror: Mirror::new(history_versions_max),
            people: People::default(),
            editors: setup.members.iter().enumerate().map(editor).collect(),
            setup: setup.clone(),
            ghosts: Vec::new(),
            poster: Poster::new(),
            blurter: None,
            blurted: 0,
            requests: 0,
            expected: BTreeMap::new(),
            tally: Tally::default(),
            story: with_story.then(Vec::new),
        })
    }

    /// Runs a schedule, brings everything to an end, and checks all there is to check.
    pub(in crate::sim) fn run(&mut self, schedule: &Schedule) -> Checked {
        self.tally.meet(Situation::Schedule);
        if self.setup.is_warm {
            self.settle()?;
        }
        for event in &schedule.events {
            self.tell(|| format!("-- {event}"));
            self.happen(*event)?;
        }
        self.tell(|| "-- everything comes to an end".to_owned());
        self.settle()?;
        self.check()?;
        self.tell(|| "-- the document is read again, and everything sent again".to_owned());
        let mut dice = Dice(schedule.setup.dice);
        self.everybody_leaves(&mut dice)?;
        self.reopen_somehow(&mut dice)?;
        self.settle()?;
        self.resend_all()?;
        self.settle()?;
        self.check()
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    fn happen(&mut self, Event { act, who, dice }: Event) -> Checked {
        let mut dice = Dice(dice);
        let who = who % self.editors.len();
        match act {
            Act::Type => self.editors[who].type_something(dice),
            Act::Hear => {
                let chosen = self.chosen(who, &mut dice);
                chosen.into_iter().try_for_each(|who| self.hear_from(who, dice))?;
            }
            Act::Turn => self.turn()?,
            Act::Commit => {
                let is_behind = dice.one_in(3);
                while self.server.commit() && !is_behind {}
                if dice.one_in(2) {
                    self.turn()?;
                }
            }
            Act::Read => {
                let count = if dice.one_in(3) { 1 + dice.below(3) } else { usize::MAX };
                let chosen = self.chosen(who, &mut dice);
                chosen.into_iter().try_for_each(|who| self.read(who, count))?;
            }
            Act::Cut => self.cut(who, dice),
            Act::Reap => self.reap()?,
            Act::Resync => self.editors[who].resync(dice),
            Act::Repeat => self.editors[who].repeat(dice),
            Act::Point => (0..=dice.below(3)).for_each(|_| self.editors[who].point(dice.other())),
            Act::Beat => self.editors.iter_mut().for_each(Editor::beat),
            Act::Save => self.editors[who].save(),
            Act::Intrude => self.editors.iter_mut().for_each(Editor::intrude),
            Act::Blurt => self.blurt(dice)?,
            Act::Post => self.post(dice)?,
            Act::Peek => self.peek(),
            Act::Snapshot => {
                let snapshot = self.server.room.document().snapshot(self.server.now);
                self.server.disk.take_records(&mut self.server.room);
                self.server.disk.take_snapshot(snapshot);
                self.tally.meet(Situation::Snapshot);
            }
            Act::Evict => self.evict(dice)?,
            Act::Crash => self.crash(dice)?,
            Act::Fail => self.disk_fails(dice)?,
            Act::Stop => self.stop(dice)?,
            Act::Wait => self.wait(dice),
            Act::Squeeze => drop(self.server.room.relieve(dice.below(2_000))),
        }
        self.server.now = self.server.now.plus(1);
        self.meet_ladder();
        Ok(())
    }

    fn meet_ladder(&mut self) {
        let LadderCounts { conflated, replaced, states, closed } = self.server.room.take_ladder_counts();
        let steps = [
            (Situation::Conflated, conflated),
            (Situation::Replaced, replaced),
            (Situation::MadeUp, states),
            (Situation::TooSlow, closed),
        ];
        steps.into_iter().for_each(|(situation, count)| self.tally.meet_often(situation, count));
    }

    /// Whom an event concerns: one client, or all of them.
    fn chosen(&self, who: usize, dice: &mut Dice) -> std::ops::Range<usize> {
        if dice.one_in(3) { 0..self.editors.len() } else { who..who + 1 }
    }

    fn hear_from(&mut self, who: usize, mut dice: Dice) -> Checked {
        if self.editors[who].connection().is_none() {
            self.connect(who, &mut dice)?;
        }
        for _ in 0..=dice.below(2) {
            let Some((key, say)) = self.editors[who].next_message() else { break };
            self.hear(key, &say)?;
        }
        Ok(())
    }

    fn connect(&mut self, who: usize, dice: &mut Dice) -> Checked {
        let editor = &self.editors[who];
        let greeting = editor.choose_greeting(Dice(dice.below(3) as u64));
        let Role { client, edits, dialect, .. } = editor.role.clone();
        let network = self.setup.members[who].network;
        let key = self.join(&Guest { client, edits, dialect, greeting, network })?;
        let editor = &mut self.editors[who];
        editor.connected(key, greeting, Dice(dice.below(100) as u64));
        self.tell(|| format!("{who} connects, greeted {greeting:?}"));
        Ok(())
    }

    fn join(&mut self, guest: &Guest) -> Checked<MemberKey> {
        let key = self.server.join(guest)?;
        self.people.come(self.server.now, key, &guest.client.user_id, guest.greeting == Greeting::OnConnect);
        Ok(key)
    }

    fn leave(&mut self, key: MemberKey) {
        self.server.leave(key);
        self.people.go(key);
    }

    /// Time passes, and the server notices.
    fn wait(&mut self, mut dice: Dice) {
        let most = dice.pick(&[600_000, 12_000, 12_000]);
        self.server.wait(dice.below(most) as u64);
        for _ in 0..self.people.tick(self.server.now) {
            self.tally.meet(Situation::Idle);
        }
    }

    fn turn(&mut self) -> Checked {
        self.server.turn(&self.mirror)?;
        self.take_answers()
    }

    /// Those who wait for answers get those that may be given.
    fn take_answers(&mut self) -> Checked {
        for (request, version) in self.server.take_answers(&self.mirror)? {
            let expected = self.expected.remove(&request);
            ensure!(expected.is_some(), "request {request} was answered, and nobody waits");
            let is_right = expected.flatten().is_none_or(|expected| expected == version);
            ensure!(is_right, "request {request} was answered with {version}, not {expected:?}");
            self.tally.meet(Situation::Answer);
            if self.poster.request == Some(request) {
                self.poster.done.extend(self.poster.in_flight.take());
                self.poster.request = None;
            }
        }
        Ok(())
    }

    /// A client reads at most `count` messages.
    fn read(&mut self, who: usize, count: usize) -> Checked {
        for _ in 0..count {
            let Some(key) = self.editors[who].connection() else { break };
            let Some(message) = self.server.read(key, &self.mirror)? else { break };
            self.tell(|| format!("{who} reads {message:?}"));
            self.meet(&message);
            if let Heard::Presence { user_id, status } = &message {
                self.people.check_told(key, user_id, status, self.server.is_slow(key))?;
            }
            let blame = |Broken(what)| Broken(format!("{what}; for client {who}"));
            self.editors[who].take(message, &self.mirror).map_err(blame)?;
            if self.editors[who].connection().is_none() {
                self.leave(key);
            }
        }
        Ok(())
    }

    fn meet(&mut self, message: &Heard) {
        let situation = match message {
            Heard::Full { .. } => Situation::FullState,
            Heard::List { .. } => Situation::List,
            Heard::Part(part) if part.parts.is_some() => Situation::Part,
            Heard::Ack { .. } => Situation::Ack,
            Heard::Pointer { .. } => Situation::Cursor,
            Heard::Presence { status, .. } if status == "active" => Situation::Back,
            Heard::Close { .. } => Situation::Closed,
            Heard::Error { field: Some(field), .. } if field == "metadata.correlation_id" => Situation::KeyReused,
            _ => return,
        };
        self.tally.meet(situation);
    }

    fn cut(&mut self, who: usize, mut dice: Dice) {
        let Some((key, mut outgoing)) = self.editors[who].disconnect() else { return };
        self.tally.meet(Situation::Cut);
        // The simplest is that all of it arrives.
        outgoing.truncate(outgoing.len() - dice.below(outgoing.len() + 1));
        self.ghosts.push(Ghost { key, outgoing });
    }

    /// The server hears what was sent on broken connections, and then finds their end.
    fn reap(&mut self) -> Checked {
        for Ghost { key, outgoing } in std::mem::take(&mut self.ghosts) {
            outgoing.iter().try_for_each(|say| self.hear(key, say))?;
            self.leave(key);
        }
        Ok(())
    }
}

fn names(setup: &Setup) -> Vec<Name> {
    NAMES[..setup.sections.clamp(1, NAMES.len())].iter().map(|name| Name::from(*name)).collect()
}

//! All of it together: what happens to whom, in the order of a schedule.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::chance::Dice;
use super::checked::{Broken, Checked, ensure};
use super::editor::{Editor, Role};
use super::heard::Heard;
use super::mirror::{Mirror, Prediction, State};
use super::outsiders::{Poster, blurt};
use super::say::{Client, Say, Sent};
use super::schedule::{Act, Event, Schedule, Setup};
use super::server::{Guest, Plan, Server};
use super::tally::{Situation, Tally};
use super::texts::Name;
use crate::ids::PositionEncoding;
use crate::room::{Dialect, Durability, Greeting, MemberKey};

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
pub(super) struct World {
    setup: Setup,
    server: Server,
    mirror: Mirror,
    editors: Vec<Editor>,
    ghosts: Vec<Ghost>,
    poster: Poster,
    /// The connection of the client that says anything at all, and how often it has.
    blurter: Option<MemberKey>,
    blurted: u64,
    /// How many requests were made over HTTP, and what those that wait are of: the version, where that is known.
    requests: u64,
    expected: BTreeMap<u64, Option<u64>>,
    pub(super) tally: Tally,
    /// What has happened, where somebody wants to read it.
    pub(super) story: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(setup: &Setup, with_story: bool) -> Checked<Self> {
        let durability = if setup.is_fast { Durability::Fast } else { Durability::Strict };
        let Setup { outbound_bytes_max, history_versions_max, .. } = *setup;
        let plan = Plan { durability, outbound_bytes_max, history_versions_max };
        let editor = |(index, member): (usize, &super::schedule::Member)| {
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
    pub(super) fn run(&mut self, schedule: &Schedule) -> Checked {
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
        let snapshot = schedule.events.len() % (self.server.disk.snapshots.len() + 1);
        self.everybody_leaves(&mut Dice(0))?;
        self.reopen(snapshot, schedule.events.len() % 5)?;
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
            Act::Point => self.editors[who].point(dice),
            Act::Beat => self.editors[who].beat(),
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
            Act::Wait => self.server.now = self.server.now.plus(dice.below(600_000) as u64),
        }
        self.server.now = self.server.now.plus(1);
        Ok(())
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
        let editor = &mut self.editors[who];
        let greeting = editor.choose_greeting(Dice(dice.below(3) as u64));
        let Role { client, edits, dialect, .. } = editor.role.clone();
        let bytes_max = self.setup.members[who].bytes_max;
        let key = self.server.join(&Guest { client, edits, dialect, greeting, bytes_max })?;
        editor.connected(key, greeting, Dice(dice.below(100) as u64));
        self.tell(|| format!("{who} connects, greeted {greeting:?}"));
        Ok(())
    }

    /// The server hears a message, and does with it what it has to.
    fn hear(&mut self, key: MemberKey, say: &Say) -> Checked {
        let json = say.to_json();
        self.tell(|| format!("the server hears from {}: {json}", key.index()));
        if let Say::Point(pointer) = say
            && self.server.room.is_heard(key)
        {
            self.mirror.point(pointer)?;
        }
        let Say::Change(sent) = say else {
            self.server.hear(key, &json);
            return Ok(());
        };
        if !self.server.room.is_heard(key) {
            self.server.hear(key, &json);
            return self.server.check(&self.mirror);
        }
        let is_viewer = self.editors.iter().any(|editor| !editor.role.edits && editor.role.client == sent.client);
        let prediction = if is_viewer {
            self.tally.meet(Situation::Forbidden);
            Prediction::Refused(&["FORBIDDEN"])
        } else {
            self.mirror.predict(sent, self.server.next_version())
        };
        // An array of envelopes is the same as each of them.
        let json = if json.len().is_multiple_of(8) { format!("[{json}]") } else { json };
        self.server.hear(key, &json);
        self.check_outcome(prediction, None)
    }

    /// Whether what was predicted has come true; `refusal` is the code of one that is known at once.
    fn check_outcome(&mut self, prediction: Prediction, refusal: Option<Option<&str>>) -> Checked {
        let has_grown = self.server.version() != self.mirror.head().version;
        let expects = |what: &[&str]| match refusal {
            None => true,
            Some(code) => code.map_or(what.is_empty(), |code| what.contains(&code)),
        };
        match prediction {
            Prediction::Applied(state) => {
                ensure!(has_grown && expects(&[]), "version {} was refused: {refusal:?}", state.version);
                self.push(state);
            }
            Prediction::AppliedOr(state, code) => {
                if has_grown {
                    self.push(state);
                } else {
                    ensure!(expects(&[code]), "refused with {refusal:?}, not {code}");
                    self.tally.meet(Situation::RefusedBase);
                }
            }
            Prediction::Known => {
                ensure!(!has_grown && expects(&[]), "it was taken before, and now {refusal:?}");
                self.tally.meet(Situation::Resend);
            }
            Prediction::Refused(codes) => {
                ensure!(!has_grown, "version {} should have been refused: {codes:?}", self.server.version());
                ensure!(expects(codes), "refused with {refusal:?}, not {codes:?}");
                self.tally.meet(Situation::Refused);
            }
        }
        self.server.check(&self.mirror)
    }

    fn push(&mut self, state: State) {
        self.tally.meet(Situation::Version);
        if state.transformed {
            self.tally.meet(Situation::Transformed);
        }
        if state.sent.as_ref().is_some_and(|sent| sent.edits.len() > 1) {
            self.tally.meet(Situation::Batch);
        }
        if state.texts.sections.len() > self.mirror.head().texts.sections.len() {
            self.tally.meet(Situation::Section);
        }
        self.tell_version(&state);
        self.mirror.push(state);
    }

    fn tell_version(&mut self, state: &State) {
        let plain = |(name, text): &(Name, Rc<Vec<u16>>)| format!("{name} {:?}", super::texts::string_of(text));
        self.tell(|| {
            let texts: Vec<String> = state.texts.sections.iter().map(plain).collect();
            format!("   version {}: {}", state.version, texts.join(", "))
        });
    }

    fn turn(&mut self) -> Checked {
        self.server.turn(&self.mirror)?;
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
            let dice = Dice(self.server.now.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
            let blame = |Broken(what)| Broken(format!("{what}; for client {who}"));
            self.editors[who].take(message, &self.mirror, dice).map_err(blame)?;
            if self.editors[who].connection().is_none() {
                self.server.leave(key);
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
            self.server.leave(key);
        }
        Ok(())
    }

    fn blurt(&mut self, dice: Dice) -> Checked {
        // It connects anew for every third message, in another encoding.
        let encoding = PositionEncoding::ALL[usize::try_from(self.blurted / 3 % 3).unwrap_or(0)];
        let key = match self.blurter {
            Some(key) => key,
            None => {
                let client = Client { user_id: "user_0".into(), client_id: "blurter".into() };
                let dialect = Dialect { encoding, over_document: false };
                let guest = Guest { client, edits: true, dialect, greeting: Greeting::OnJoin, bytes_max: 1 << 30 };
                *self.blurter.insert(self.server.join(&guest)?)
            }
        };
        let sent = Rc::new(blurt(&self.mirror, &names(&self.setup), self.blurted, encoding, dice));
        self.hear(key, &Say::Change(sent))?;
        if self.blurted % 3 == 2 {
            self.server.leave(key);
            self.blurter = None;
        }
        self.blurted += 1;
        Ok(())
    }

    fn post(&mut self, dice: Dice) -> Checked {
        if self.poster.request.is_some() {
            return Ok(());
        }
        let durable = if self.setup.is_fast { u64::MAX } else { self.server.disk.version() };
        let sent = self.poster.next_request(durable, &self.mirror, &names(&self.setup), dice);
        self.request(&sent, self.poster.with_names)
    }

    fn request(&mut self, sent: &Rc<Sent>, with_names: bool) -> Checked {
        self.tell(|| format!("somebody posts {:?}: {}", sent.key, sent.body(with_names)));
        let prediction = self.mirror.predict(sent, self.server.next_version());
        self.requests += 1;
        let refused = self.server.post(self.requests, sent, with_names).err();
        if refused.is_none() {
            let known = sent.key.as_ref().and_then(|key| self.mirror.answer(&sent.client, key));
            let version = known.map_or_else(|| self.server.version(), |answer| answer.version);
            self.expected.insert(self.requests, Some(version));
            self.poster.request = Some(self.requests);
        } else {
            self.poster.in_flight = None;
        }
        self.check_outcome(prediction, Some(refused.as_ref().map(|error| error.code.name())))
    }

    fn peek(&mut self) {
        self.requests += 1;
        self.server.ask_state(self.requests);
        self.expected.insert(self.requests, None);
    }

    /// All connections end; some of what was on its way to the clients is read.
    fn everybody_leaves(&mut self, dice: &mut Dice) -> Checked {
        for who in 0..self.editors.len() {
            let Some(key) = self.editors[who].connection() else { continue };
            let readable = self.server.readable(key);
            self.read(who, readable - dice.below(readable + 1))?;
            if let Some((key, _)) = self.editors[who].disconnect() {
                self.server.leave(key);
            }
        }
        for ghost in std::mem::take(&mut self.ghosts) {
            self.server.leave(ghost.key);
        }
        if let Some(key) = self.blurter.take() {
            self.server.leave(key);
        }
        Ok(())
    }

    fn reopen(&mut self, snapshot: usize, before_max: usize) -> Checked {
        self.expected.clear();
        self.poster.request = None;
        let before = self.mirror.head().version;
        self.server.reopen(snapshot, before_max, &mut self.mirror)?;
        if self.mirror.head().version != before {
            self.tally.meet(Situation::Lost);
        }
        self.tell(|| format!("the document is read from snapshot {snapshot} and {before_max} changes before it"));
        Ok(())
    }

    fn reopen_somehow(&mut self, dice: &mut Dice) -> Checked {
        let snapshots = self.server.disk.snapshots.len();
        // The newest one is the simplest.
        let snapshot = snapshots - dice.below(snapshots + 1);
        let before_max = dice.pick(&[usize::MAX, 0, 1, 3]);
        self.reopen(snapshot, before_max)
    }

    fn evict(&mut self, mut dice: Dice) -> Checked {
        self.everybody_leaves(&mut dice)?;
        self.everything_is_durable()?;
        ensure!(self.server.room.is_idle(), "nobody is here, and the room is in use");
        self.tally.meet(Situation::Evicted);
        self.reopen_somehow(&mut dice)
    }

    fn crash(&mut self, mut dice: Dice) -> Checked {
        self.lose_power(&mut dice)?;
        self.tally.meet(Situation::Crash);
        self.reopen_somehow(&mut dice)
    }

    fn lose_power(&mut self, dice: &mut Dice) -> Checked {
        self.everybody_leaves(dice)?;
        let surviving = dice.below(self.server.disk.batches_under_way() + 1);
        self.server.disk.crash(surviving, self.setup.is_fast);
        Ok(())
    }

    fn disk_fails(&mut self, mut dice: Dice) -> Checked {
        self.server.room.storage_failed(self.server.now).for_each(drop);
        for who in 0..self.editors.len() {
            if let Some(key) = self.editors[who].connection() {
                self.server.write(key, &self.mirror)?;
            }
        }
        self.tally.meet(Situation::DiskFailure);
        self.lose_power(&mut dice)?;
        self.reopen_somehow(&mut dice)
    }

    fn stop(&mut self, mut dice: Dice) -> Checked {
        self.server.room.shut_down(self.server.now, || 1_000);
        self.everything_is_durable()?;
        self.everybody_leaves(&mut dice)?;
        self.tally.meet(Situation::Stop);
        self.reopen_somehow(&mut dice)
    }

    fn everything_is_durable(&mut self) -> Checked {
        self.turn()?;
        while self.server.commit() {}
        self.turn()
    }

    /// Everything works, until nobody has anything left to do.
    fn settle(&mut self) -> Checked {
        for _ in 0..SETTLING_ROUNDS_MAX {
            self.reap()?;
            for who in 0..self.editors.len() {
                self.hear_from(who, Dice(1))?;
            }
            if self.poster.in_flight.is_some() {
                self.post(Dice(0))?;
            }
            self.everything_is_durable()?;
            for who in 0..self.editors.len() {
                self.read(who, usize::MAX)?;
            }
            if self.poster.in_flight.is_none() && self.editors.iter().all(Editor::is_done) {
                return Ok(());
            }
        }
        let waiting = self.editors.iter().position(|editor| !editor.is_done());
        Err(Broken(format!("client {waiting:?} is never done")))
    }

    /// What was acknowledged is acknowledged again, and not made again.
    fn resend_all(&mut self) -> Checked {
        let before = self.server.version();
        for who in 0..self.editors.len() {
            let Some(key) = self.editors[who].connection() else { continue };
            let done = &self.editors[who].done;
            let acknowledged = done[done.len().saturating_sub(10)..].iter().filter(|done| done.is_acknowledged);
            let again: Vec<Say> = acknowledged.map(|done| Say::Change(Rc::clone(&done.sent))).collect();
            again.iter().try_for_each(|say| self.hear(key, say))?;
        }
        let posted: Vec<Rc<Sent>> = self.poster.done.iter().rev().take(3).cloned().collect();
        for sent in posted {
            self.request(&sent, &*sent.client.client_id == "poster")?;
        }
        ensure!(self.server.version() == before, "what was done is done again");
        Ok(())
    }

    /// Everybody has what the server has, and the disk has it all, each change once.
    fn check(&self) -> Checked {
        for (who, editor) in self.editors.iter().enumerate() {
            editor.check(&self.mirror).map_err(|Broken(what)| Broken(format!("{what}; client {who} has diverged")))?;
            for done in editor.done.iter().filter(|done| done.is_acknowledged) {
                self.check_made_once(&done.sent, Some(done.version))?;
            }
        }
        self.poster.done.iter().try_for_each(|sent| self.check_made_once(sent, None))?;
        self.server.check(&self.mirror)?;
        self.server.check_disk(&self.mirror)
    }

    fn check_made_once(&self, sent: &Sent, version: Option<u64>) -> Checked {
        let journal = self.server.disk.versions_of(sent);
        let is_right = journal.len() == 1 && version.is_none_or(|version| journal == [version]);
        ensure!(is_right, "{:?} of {:?} was {version:?}, and is {journal:?}", sent.key, sent.client);
        Ok(())
    }
}

fn names(setup: &Setup) -> Vec<Name> {
    NAMES[..setup.sections.clamp(1, NAMES.len())].iter().map(|name| Name::from(*name)).collect()
}

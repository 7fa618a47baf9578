//! A client as the protocol wants it: one change in flight, further ones in a buffer, each moved over what comes
//! from the others; a resend and a `sync.request` after a connection was lost. One that only views is the same
//! without changes of its own.

mod take;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::room::{Dialect, Greeting, MemberKey};
use crate::sim::chance::Dice;
use crate::sim::checked::{Checked, ensure};
use crate::sim::delta::Delta;
use crate::sim::heard::Heard;
use crate::sim::mirror::Mirror;
use crate::sim::replica::Replica;
use crate::sim::say::{Client, Pointer, Say, Sent};
use crate::sim::texts::{Name, Texts, boundaries};
use crate::sim::typing::{Deltas, Hand, type_something};

/// A user does not type on while so many changes wait.
const PENDING_MAX: usize = 4;

/// What a client is.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Role {
    pub(in crate::sim) client: Client,
    pub(in crate::sim) edits: bool,
    pub(in crate::sim) dialect: Dialect,
    /// It knows the document as one text only.
    pub(in crate::sim) is_flat: bool,
    /// It may forget its place: what it sees in a list need not be durable.
    pub(in crate::sim) is_fast: bool,
    pub(in crate::sim) names: Vec<Name>,
}

/// A change of one's own that has not come back.
#[derive(Clone, Debug)]
struct Pending {
    key: Rc<str>,
    /// As it was sent first; a resend is the same message.
    sent: Option<Rc<Sent>>,
    /// What it does to the text after the server's and the pending ones before it.
    deltas: Deltas,
    /// The choice of how it is written.
    dice: Dice,
}

/// A change that is part of the document.
#[derive(Debug)]
pub(in crate::sim) struct Done {
    pub(in crate::sim) sent: Rc<Sent>,
    pub(in crate::sim) version: u64,
    pub(in crate::sim) is_acknowledged: bool,
}

/// How far a client is since it has connected.
#[derive(Debug)]
enum Phase {
    /// For its state or list; what else comes is in that already.
    Waiting,
    /// For the list that it asked for, to learn what became of its change among those that were left out; a state
    /// that comes unasked is of no use for that.
    Asking,
    /// It has a state, of which it does not know whether the change in flight is part of it.
    Doubting {
        version: u64,
        texts: Texts,
        later: Vec<Heard>,
    },
    Live,
}

#[derive(Debug)]
struct Link {
    key: MemberKey,
    outgoing: VecDeque<Say>,
    phase: Phase,
    /// Whether the change in flight was sent on this connection.
    was_sent: bool,
    /// The version that the change in flight has become, learnt before the state.
    landed: Option<u64>,
    /// The names of what it has asked for.
    asked: Vec<Rc<str>>,
}

/// What a client has by the end of a version; it goes back to that when a connection ends amidst the parts.
type Checkpoint = (Replica, VecDeque<Pending>);

#[derive(Debug)]
pub(in crate::sim) struct Editor {
    pub(in crate::sim) role: Role,
    pub(in crate::sim) done: Vec<Done>,
    replica: Replica,
    pending: VecDeque<Pending>,
    link: Option<Link>,
    checkpoint: Option<Checkpoint>,
    has_state: bool,
    made: usize,
    /// Names of changes that were refused, or that were used for something else on purpose.
    refused: Vec<Rc<str>>,
    abused: Vec<Rc<str>>,
    forbidden: Vec<Rc<str>>,
}

impl Editor {
    pub(in crate::sim) fn new(role: Role) -> Self {
        Self {
            replica: Replica::new(role.dialect, role.is_flat),
            role,
            done: Vec::new(),
            pending: VecDeque::new(),
            link: None,
            checkpoint: None,
            has_state: false,
            made: 0,
            refused: Vec::new(),
            abused: Vec::new(),
            forbidden: Vec::new(),
        }
    }

    pub(in crate::sim) fn connection(&self) -> Option<MemberKey> {
        self.link.as_ref().map(|link| link.key)
    }

    fn is_live(&self) -> bool {
        self.checkpoint.is_none() && self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Live))
    }

    /// Whether it has nothing left to do.
    pub(in crate::sim) fn is_done(&self) -> bool {
        let nothing_to_say = self.link.as_ref().is_some_and(|link| link.outgoing.is_empty());
        self.is_live() && self.pending.is_empty() && nothing_to_say
    }

    fn hand(&self) -> Hand {
        Hand { encoding: self.role.dialect.encoding, is_flat: self.role.is_flat }
    }

    fn name_change(&mut self) -> Rc<str> {
        self.made += 1;
        format!("c{}", self.made).into()
    }

    /// What its user sees.
    fn local(&self) -> Texts {
        let mut local = self.replica.texts.clone();
        for (name, delta) in self.pending.iter().flat_map(|pending| &pending.deltas) {
            local.apply(name, delta);
        }
        local
    }

    /// Its user types.
    pub(in crate::sim) fn type_something(&mut self, mut dice: Dice) {
        if !self.role.edits || self.pending.len() >= PENDING_MAX || !self.has_state {
            return;
        }
        let written = dice.other();
        let body = [Name::from("body")];
        // Which section a change without one belongs to is open until there is one.
        let names = if self.role.is_flat || self.has_unplaced() { &body[..] } else { &self.role.names };
        let deltas = type_something(&self.local(), names, &mut dice);
        let key = self.name_change();
        self.pending.push_back(Pending { key, sent: None, deltas, dice: written });
        self.send_next();
    }

    /// Whether the change in flight names no section in a document that had none.
    fn has_unplaced(&self) -> bool {
        let names_none = |sent: &Sent| sent.edits.iter().all(|edit| edit.section.is_none());
        let sent = self.pending.front().and_then(|front| front.sent.as_ref());
        self.replica.texts.sections.is_empty() && sent.is_some_and(|sent| names_none(sent))
    }

    /// Sends the next change, if none is in flight; and once more what is in flight from the last connection.
    fn send_next(&mut self) {
        if !self.is_live() {
            return;
        }
        let (hand, client) = (self.hand(), self.role.client.clone());
        let only_body = |pending: &Pending| pending.deltas.iter().all(|(name, _)| &**name == "body");
        let may_be_unplaced = self.replica.texts.sections.is_empty() && self.pending.iter().all(only_body);
        let (Some(front), Some(link)) = (self.pending.front_mut(), self.link.as_mut()) else { return };
        if link.was_sent {
            return;
        }
        let (texts, base) = (&self.replica.texts, Some(self.replica.version));
        let mut dice = front.dice;
        let sent = front.sent.get_or_insert_with(|| {
            let mut edits = hand.write(&front.deltas, texts, &mut dice);
            if may_be_unplaced && dice.one_in(2) {
                edits.iter_mut().for_each(|edit| edit.section = None);
            }
            let is_batch = edits.len() > 1 || dice.one_in(4);
            let key = Some(Rc::clone(&front.key));
            Rc::new(Sent { client, key, base, encoding: hand.encoding, edits, is_batch, rejects_conflicts: false })
        });
        link.outgoing.push_back(Say::Change(Rc::clone(sent)));
        link.was_sent = true;
    }

    fn in_flight(&self) -> Option<Rc<Sent>> {
        self.pending.front().and_then(|front| front.sent.clone())
    }

    /// How it wants to be greeted when it connects: who has something in flight has to learn what became of it,
    /// which a state alone does not tell.
    pub(in crate::sim) fn choose_greeting(&self, mut dice: Dice) -> Greeting {
        if !self.has_state || dice.one_in(3) { Greeting::OnConnect } else { Greeting::OnJoin }
    }

    /// It is connected.
    pub(in crate::sim) fn connected(&mut self, key: MemberKey, greeting: Greeting, mut dice: Dice) {
        let mut link = Link {
            key,
            outgoing: VecDeque::new(),
            phase: Phase::Waiting,
            was_sent: false,
            landed: None,
            asked: Vec::new(),
        };
        if greeting == Greeting::OnJoin {
            // The resend may come before the question or after its answer.
            if !dice.one_in(3) {
                let resend = self.in_flight();
                link.was_sent = resend.is_some();
                link.outgoing.extend(resend.map(Say::Change));
            }
            let full = dice.pick(&[None, Some(false), Some(true)]);
            self.link = Some(link);
            return if dice.one_in(6) { self.say(Say::Join) } else { self.ask(self.replica.version, full) };
        }
        self.link = Some(link);
    }

    /// It asks what came after `last`.
    fn ask(&mut self, last: u64, full: Option<bool>) {
        let key = self.name_change();
        self.link.iter_mut().for_each(|link| link.asked.push(Rc::clone(&key)));
        self.say(Say::Sync { key, last, full });
    }

    /// The connection is gone, with what was not read on it; what it had sent is returned.
    pub(in crate::sim) fn disconnect(&mut self) -> Option<(MemberKey, VecDeque<Say>)> {
        let link = self.link.take()?;
        if let Some((replica, pending)) = self.checkpoint.take() {
            (self.replica, self.pending) = (replica, pending);
        }
        Some((link.key, link.outgoing))
    }

    /// The next message that the server reads.
    pub(in crate::sim) fn next_message(&mut self) -> Option<(MemberKey, Say)> {
        let link = self.link.as_mut()?;
        Some((link.key, link.outgoing.pop_front()?))
    }

    fn say(&mut self, say: Say) {
        self.link.iter_mut().for_each(|link| link.outgoing.push_back(say.clone()));
    }

    /// It asks anew for what it has; so nothing may be in flight.
    pub(in crate::sim) fn resync(&mut self, mut dice: Dice) {
        if !self.is_live() || self.in_flight().is_some() {
            return;
        }
        let full = dice.pick(&[None, Some(false), Some(true)]);
        self.ask(self.replica.version, full);
        self.link.iter_mut().for_each(|link| link.phase = Phase::Waiting);
    }

    /// It sends again what it has sent: what is in flight, or what is done long since, and that perhaps with
    /// other content.
    pub(in crate::sim) fn repeat(&mut self, mut dice: Dice) {
        if !self.is_live() {
            return;
        }
        let is_altered = dice.one_in(3);
        let of_the_last = self.done.len().saturating_sub(40);
        let old: Vec<_> = self.done[of_the_last..].iter().filter(|done| done.is_acknowledged).collect();
        let in_flight = self.in_flight().filter(|_| self.link.as_ref().is_some_and(|link| link.was_sent));
        let sent = match (old.len(), in_flight) {
            (0, None) => return,
            (0, Some(sent)) if !is_altered => sent,
            (0, Some(_)) => return,
            (_, Some(sent)) if !is_altered && dice.one_in(2) => sent,
            (count, _) => Rc::clone(&old[count - 1 - dice.below(count)].sent),
        };
        if !is_altered {
            return self.say(Say::Change(sent));
        }
        let mut other = Sent::clone(&sent);
        other.edits[0].position += 1;
        self.abused.extend(other.key.clone());
        self.say(Say::Change(Rc::new(other)));
    }

    /// A change although it may make none.
    pub(in crate::sim) fn intrude(&mut self) {
        if self.role.edits || !self.is_live() {
            return;
        }
        let deltas = [(Name::from("body"), Delta::of_marks(&[], &[vec![u16::from(b'!')]]))];
        let edits = self.hand().write(&deltas, &Texts::default(), &mut Dice(0));
        let key = self.name_change();
        self.forbidden.push(Rc::clone(&key));
        let (client, encoding) = (self.role.client.clone(), self.role.dialect.encoding);
        let base = Some(self.replica.version);
        self.say(Say::Change(Rc::new(Sent {
            client,
            key: Some(key),
            base,
            encoding,
            edits,
            is_batch: false,
            rejects_conflicts: false,
        })));
    }

    /// It shows where its cursor is, in the text as the server knows it.
    pub(in crate::sim) fn point(&mut self, mut dice: Dice) {
        let sections = &self.replica.texts.sections;
        if !self.is_live() || sections.is_empty() || self.role.is_flat {
            return;
        }
        let (name, text) = sections[dice.below(sections.len())].clone();
        let (encoding, client) = (self.role.dialect.encoding, self.role.client.clone());
        let places = boundaries(&text);
        let from = dice.below(places.len());
        let to = (from + dice.below(3)).min(places.len() - 1);
        let place = |at: usize| crate::sim::mirror::encoded(&text, places[at], encoding);
        let (start, end, base) = (place(from), place(to), self.replica.version);
        let key = self.name_change();
        self.say(Say::Point(Rc::new(Pointer { client, key, section: name, start, end, base, encoding })));
    }

    /// A heartbeat with the checksum of what it has.
    pub(in crate::sim) fn beat(&mut self) {
        if self.is_live() && !self.role.is_flat {
            let (version, checksum) = (self.replica.version, self.replica.texts.checksum());
            self.say(Say::Beat { version, checksum });
        }
    }

    pub(in crate::sim) fn save(&mut self) {
        if self.is_live() && self.role.edits {
            self.say(Say::Save);
        }
    }

    /// Whether it has what the server has.
    pub(in crate::sim) fn check(&self, mirror: &Mirror) -> Checked {
        let version = mirror.head().version;
        ensure!(self.replica.version == version, "it is at version {}, not at {version}", self.replica.version);
        self.replica.check(mirror)
    }
}

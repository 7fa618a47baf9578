//! A client as the protocol wants it: one change in flight, further ones in a buffer, each moved over what comes
//! from the others; a resend and a `sync.request` after a connection was lost. One that only views is the same
//! without changes of its own.

use std::collections::VecDeque;
use std::rc::Rc;

use super::chance::Dice;
use super::checked::{Broken, Checked, ensure, there};
use super::delta::Delta;
use super::heard::{Heard, Part};
use super::mirror::Mirror;
use super::replica::Replica;
use super::say::{Client, Pointer, Say, Sent};
use super::texts::{Name, Texts, boundaries};
use super::typing::{Deltas, Hand, type_something};
use crate::room::{Dialect, Greeting, MemberKey};

/// A user does not type on while so many changes wait.
const PENDING_MAX: usize = 4;

/// What a client is.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) client: Client,
    pub(super) edits: bool,
    pub(super) dialect: Dialect,
    /// It knows the document as one text only.
    pub(super) is_flat: bool,
    /// It may forget its place: what it sees in a list need not be durable.
    pub(super) is_fast: bool,
    pub(super) names: Vec<Name>,
}

/// A change of one's own that has not come back.
#[derive(Clone, Debug)]
struct Pending {
    key: Rc<str>,
    /// As it was sent first; a resend is the same message.
    sent: Option<Rc<Sent>>,
    /// What it does to the text after the server's and the pending ones before it.
    deltas: Deltas,
}

/// A change that is part of the document.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) sent: Rc<Sent>,
    pub(super) version: u64,
    pub(super) is_acknowledged: bool,
}

/// How far a client is since it has connected.
#[derive(Debug)]
enum Phase {
    /// For its state or list; what else comes is in that already.
    Waiting,
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
}

/// What a client has by the end of a version; it goes back to that when a connection ends amidst the parts.
type Checkpoint = (Replica, VecDeque<Pending>);

#[derive(Debug)]
pub(super) struct Editor {
    pub(super) role: Role,
    pub(super) done: Vec<Done>,
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
    pub(super) fn new(role: Role) -> Self {
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

    pub(super) fn connection(&self) -> Option<MemberKey> {
        self.link.as_ref().map(|link| link.key)
    }

    fn is_live(&self) -> bool {
        self.checkpoint.is_none() && self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Live))
    }

    /// Whether it has nothing left to do.
    pub(super) fn is_done(&self) -> bool {
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
    pub(super) fn type_something(&mut self, mut dice: Dice) {
        if !self.role.edits || self.pending.len() >= PENDING_MAX || !self.has_state {
            return;
        }
        let body = [Name::from("body")];
        // Which section a change without one belongs to is open until there is one.
        let names = if self.has_unplaced() { &body[..] } else { &self.role.names };
        let deltas = type_something(&self.local(), names, &mut dice);
        let key = self.name_change();
        self.pending.push_back(Pending { key, sent: None, deltas });
        self.send_next(dice);
    }

    /// Whether the change in flight names no section in a document that had none.
    fn has_unplaced(&self) -> bool {
        let names_none = |sent: &Sent| sent.edits.iter().all(|edit| edit.section.is_none());
        let sent = self.pending.front().and_then(|front| front.sent.as_ref());
        self.replica.texts.sections.is_empty() && sent.is_some_and(|sent| names_none(sent))
    }

    /// Sends the next change, if none is in flight; and once more what is in flight from the last connection.
    fn send_next(&mut self, mut dice: Dice) {
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
        let sent = front.sent.get_or_insert_with(|| {
            let mut edits = hand.write(&front.deltas, texts, &mut dice);
            if may_be_unplaced && dice.one_in(2) {
                edits.iter_mut().for_each(|edit| edit.section = None);
            }
            let is_batch = edits.len() > 1 || dice.one_in(4);
            let key = Some(Rc::clone(&front.key));
            Rc::new(Sent { client, key, base, encoding: hand.encoding, edits, is_batch })
        });
        link.outgoing.push_back(Say::Change(Rc::clone(sent)));
        link.was_sent = true;
    }

    fn in_flight(&self) -> Option<Rc<Sent>> {
        self.pending.front().and_then(|front| front.sent.clone())
    }

    /// How it wants to be greeted when it connects: who has something in flight has to learn what became of it,
    /// which a state alone does not tell.
    pub(super) fn choose_greeting(&self, mut dice: Dice) -> Greeting {
        if !self.has_state || dice.one_in(3) { Greeting::OnConnect } else { Greeting::OnJoin }
    }

    /// It is connected.
    pub(super) fn connected(&mut self, key: MemberKey, greeting: Greeting, mut dice: Dice) {
        let mut link = Link { key, outgoing: VecDeque::new(), phase: Phase::Waiting, was_sent: false, landed: None };
        if greeting == Greeting::OnJoin {
            // The resend may come before the question or after its answer.
            if !dice.one_in(3) {
                let resend = self.in_flight();
                link.was_sent = resend.is_some();
                link.outgoing.extend(resend.map(Say::Change));
            }
            let full = dice.pick(&[None, Some(false), Some(true)]);
            let sync = Say::Sync { last: self.replica.version, full };
            link.outgoing.push_back(if dice.one_in(6) { Say::Join } else { sync });
        }
        self.link = Some(link);
    }

    /// The connection is gone, with what was not read on it; what it had sent is returned.
    pub(super) fn disconnect(&mut self) -> Option<(MemberKey, VecDeque<Say>)> {
        let link = self.link.take()?;
        if let Some((replica, pending)) = self.checkpoint.take() {
            (self.replica, self.pending) = (replica, pending);
        }
        Some((link.key, link.outgoing))
    }

    /// The next message that the server reads.
    pub(super) fn next_message(&mut self) -> Option<(MemberKey, Say)> {
        let link = self.link.as_mut()?;
        Some((link.key, link.outgoing.pop_front()?))
    }

    fn say(&mut self, say: Say) {
        self.link.iter_mut().for_each(|link| link.outgoing.push_back(say.clone()));
    }

    /// It asks anew for what it has; so nothing may be in flight.
    pub(super) fn resync(&mut self, mut dice: Dice) {
        if !self.is_live() || self.in_flight().is_some() {
            return;
        }
        let full = dice.pick(&[None, Some(false), Some(true)]);
        self.say(Say::Sync { last: self.replica.version, full });
        self.link.iter_mut().for_each(|link| link.phase = Phase::Waiting);
    }

    /// It sends again what it has sent: what is in flight, or what is done long since, and that perhaps with
    /// other content.
    pub(super) fn repeat(&mut self, mut dice: Dice) {
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
    pub(super) fn intrude(&mut self) {
        if self.role.edits || !self.is_live() {
            return;
        }
        let deltas = [(Name::from("body"), Delta::of_marks(&[], &[vec![u16::from(b'!')]]))];
        let edits = self.hand().write(&deltas, &Texts::default(), &mut Dice(0));
        let key = self.name_change();
        self.forbidden.push(Rc::clone(&key));
        let (client, encoding) = (self.role.client.clone(), self.role.dialect.encoding);
        let base = Some(self.replica.version);
        self.say(Say::Change(Rc::new(Sent { client, key: Some(key), base, encoding, edits, is_batch: false })));
    }

    /// It shows where its cursor is, in the text as the server knows it.
    pub(super) fn point(&mut self, mut dice: Dice) {
        let sections = &self.replica.texts.sections;
        if !self.is_live() || sections.is_empty() || self.role.is_flat {
            return;
        }
        let (name, text) = sections[dice.below(sections.len())].clone();
        let (encoding, client) = (self.role.dialect.encoding, self.role.client.clone());
        let places = boundaries(&text);
        let from = dice.below(places.len());
        let to = (from + dice.below(3)).min(places.len() - 1);
        let place = |at: usize| super::mirror::encoded(&text, places[at], encoding);
        let (start, end, base) = (place(from), place(to), self.replica.version);
        let key = self.name_change();
        self.say(Say::Point(Rc::new(Pointer { client, key, section: name, start, end, base, encoding })));
    }

    /// A heartbeat with the checksum of what it has.
    pub(super) fn beat(&mut self) {
        if self.is_live() && !self.role.is_flat {
            let (version, checksum) = (self.replica.version, self.replica.texts.checksum());
            self.say(Say::Beat { version, checksum });
        }
    }

    pub(super) fn save(&mut self) {
        if self.is_live() && self.role.edits {
            self.say(Say::Save);
        }
    }

    /// Takes in one message.
    pub(super) fn take(&mut self, message: Heard, mirror: &Mirror, dice: Dice) -> Checked {
        if let Heard::Ack { key, version, .. } = &message {
            self.take_ack(key, *version, mirror)?;
        } else if let Heard::Error { code, field, key } = &message {
            self.take_error(code, field.as_deref(), key.as_deref(), mirror)?;
        } else if matches!(message, Heard::Close { .. }) {
            self.disconnect();
        } else if let Some(Link { phase: Phase::Doubting { later, .. }, .. }) = &mut self.link {
            later.push(message);
        } else {
            self.take_news(message, mirror)?;
        }
        self.send_next(dice);
        Ok(())
    }

    fn take_news(&mut self, message: Heard, mirror: &Mirror) -> Checked {
        let waits = self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Waiting));
        match message {
            Heard::Full { version, texts } => self.take_full(version, texts, mirror),
            Heard::List { current, parts } if waits => {
                for part in &parts {
                    self.take_part(part, mirror)?;
                }
                let version = self.replica.version;
                ensure!(version == current, "the list ends at {version}, not at {current}");
                let link = there(self.link.as_mut(), "a connection")?;
                link.phase = Phase::Live;
                ensure!(link.landed.is_none(), "version {:?} is not in the list", link.landed);
                self.has_state = true;
                Ok(())
            }
            Heard::List { .. } => Err(Broken("a list that was not asked for".to_owned())),
            Heard::Part(part) if !waits => self.take_part(&part, mirror),
            _ => Ok(()),
        }
    }

    /// One part of a version: of somebody else's, or of one's own that was made by way of an earlier connection.
    fn take_part(&mut self, part: &Part, mirror: &Mirror) -> Checked {
        let (number, count) = part.number();
        if number == 1 {
            mirror.check_follows(part.version, self.replica.version)?;
            if count > 1 {
                self.checkpoint = Some((self.replica.clone(), self.pending.clone()));
            }
        }
        if self.is_own(part) {
            if number == count {
                self.checkpoint = None;
                let is_acknowledged = self.link.as_ref().is_some_and(|link| link.landed.is_some());
                self.land(part.version, self.role.is_fast && !is_acknowledged)?;
                self.replica.check(mirror)?;
            }
            return Ok(());
        }
        self.place_unplaced(&part.section);
        let (name, mut delta) = self.replica.take_part(part)?;
        let pending = self.pending.iter_mut().flat_map(|pending| &mut pending.deltas);
        for (_, own) in pending.filter(|(other, _)| *other == name) {
            let over_own = delta.over(own, true);
            *own = own.over(&delta, false);
            delta = over_own;
        }
        if number == count {
            self.checkpoint = None;
            self.replica.check(mirror)?;
        }
        Ok(())
    }

    fn is_own(&self, part: &Part) -> bool {
        let Client { user_id, client_id } = &self.role.client;
        let Some(sent) = self.in_flight() else { return false };
        let names = (part.user_id.as_deref(), part.client_id.as_deref(), part.correlation_id.as_deref());
        names == (Some(&**user_id), Some(&**client_id), sent.key.as_deref())
    }

    /// A change without a section belongs to the first one that somebody has created meanwhile.
    fn place_unplaced(&mut self, first: &str) {
        if self.has_unplaced() && !self.role.is_flat {
            let deltas = self.pending.iter_mut().flat_map(|pending| &mut pending.deltas);
            deltas.for_each(|(name, _)| *name = first.into());
        }
    }

    /// The change in flight is that version.
    fn land(&mut self, version: u64, is_doubtful: bool) -> Checked {
        let Pending { sent, deltas, .. } = there(self.pending.pop_front(), "what is acknowledged")?;
        deltas.iter().for_each(|(name, delta)| self.replica.texts.apply(name, delta));
        self.replica.version = version;
        self.done.push(Done { sent: there(sent, "its message")?, version, is_acknowledged: !is_doubtful });
        if let Some(link) = &mut self.link {
            (link.was_sent, link.landed) = (false, None);
        }
        Ok(())
    }

    fn is_front(&self, key: &str) -> bool {
        self.pending.front().is_some_and(|front| front.sent.is_some() && *front.key == *key)
    }

    fn take_ack(&mut self, key: &str, version: u64, mirror: &Mirror) -> Checked {
        if !self.is_front(key) {
            let done = self.done.iter_mut().find(|done| done.sent.key.as_deref() == Some(key));
            let done = there(done, "the change that is acknowledged again")?;
            let first = done.version;
            // What a crash took back was made anew.
            ensure!(version == first || !done.is_acknowledged, "{key} was version {first}, not {version}");
            (done.version, done.is_acknowledged) = (version, true);
            return Ok(());
        }
        let link = there(self.link.as_mut(), "a connection")?;
        match std::mem::replace(&mut link.phase, Phase::Waiting) {
            Phase::Waiting => {
                link.landed = Some(version);
                Ok(())
            }
            Phase::Live => {
                link.phase = Phase::Live;
                mirror.check_follows(version, self.replica.version)?;
                self.land(version, false)?;
                self.replica.check(mirror)
            }
            Phase::Doubting { version: seen, texts, later } if version <= seen => {
                self.land(version, false)?;
                self.become_state(seen, &texts, mirror)?;
                self.catch_up(later, mirror)
            }
            // What it has become on the way is not to be found out from outside.
            Phase::Doubting { .. } => {
                self.land(version, false)?;
                self.has_state = false;
                self.say(Say::Sync { last: 0, full: Some(true) });
                Ok(())
            }
        }
    }

    fn catch_up(&mut self, later: Vec<Heard>, mirror: &Mirror) -> Checked {
        later.into_iter().try_for_each(|message| self.take_news(message, mirror))
    }

    fn take_full(&mut self, version: u64, texts: Texts, mirror: &Mirror) -> Checked {
        let in_flight = self.in_flight();
        let link = there(self.link.as_mut(), "a connection")?;
        match (in_flight, link.landed) {
            (None, _) => self.become_state(version, &texts, mirror),
            (Some(_), Some(landed)) => {
                ensure!(landed <= version, "the state of {version} came after the acknowledgement of {landed}");
                self.land(landed, false)?;
                self.become_state(version, &texts, mirror)
            }
            (Some(sent), None) => {
                if !link.was_sent {
                    link.outgoing.push_back(Say::Change(sent));
                    link.was_sent = true;
                }
                link.phase = Phase::Doubting { version, texts, later: Vec::new() };
                Ok(())
            }
        }
    }

    /// The server's document as a whole. What is pending is moved over the difference.
    fn become_state(&mut self, version: u64, texts: &Texts, mirror: &Mirror) -> Checked {
        self.checkpoint = None;
        let before = self.replica.become_state(version, texts);
        let gone = before.sections.iter().filter(|(name, _)| self.replica.texts.index(name).is_none());
        let empty = Rc::default();
        let gone = gone.map(|(name, _)| (name, &empty));
        for (name, after) in self.replica.texts.sections.iter().map(|(name, text)| (name, text)).chain(gone) {
            let mut difference = Delta::between(before.get(name).map_or(&[], |text| &***text), after);
            let pending = self.pending.iter_mut().flat_map(|pending| &mut pending.deltas);
            for (_, own) in pending.filter(|(other, _)| other == name) {
                let over_own = difference.over(own, true);
                *own = own.over(&difference, false);
                difference = over_own;
            }
        }
        self.has_state = true;
        self.link.iter_mut().for_each(|link| link.phase = Phase::Live);
        self.replica.check(mirror)
    }

    /// A correct client meets few errors: its base was lost with a crash, or is too old by now.
    fn take_error(&mut self, code: &str, field: Option<&str>, key: Option<&str>, mirror: &Mirror) -> Checked {
        if ["STORAGE_UNAVAILABLE", "SHUTTING_DOWN"].contains(&code) {
            return Ok(());
        }
        let key = there(key, "the name of what was refused")?;
        let is_known_as = |names: &[Rc<str>]| names.iter().any(|name| **name == *key);
        if self.is_front(key) {
            let is_base = ["VERSION_UNKNOWN", "VERSION_TOO_OLD"].contains(&code);
            ensure!(is_base && field == Some("payload.base_version"), "{key} was refused: {code} {field:?}");
            return self.rename_front(mirror);
        }
        let expected = match code {
            "VALIDATION_ERROR" => field == Some("metadata.correlation_id") && is_known_as(&self.abused),
            "FORBIDDEN" => is_known_as(&self.forbidden),
            "VERSION_UNKNOWN" | "VERSION_TOO_OLD" => is_known_as(&self.refused),
            _ => false,
        };
        ensure!(expected, "{key} was refused: {code} {field:?}");
        Ok(())
    }

    /// It was refused, so it is not there: it is another change from now on.
    fn rename_front(&mut self, mirror: &Mirror) -> Checked {
        let key = self.name_change();
        let front = there(self.pending.front_mut(), "what was refused")?;
        front.sent = None;
        self.refused.push(std::mem::replace(&mut front.key, key));
        let link = there(self.link.as_mut(), "a connection")?;
        link.was_sent = false;
        if let Phase::Doubting { .. } = link.phase
            && let Phase::Doubting { version, texts, later } = std::mem::replace(&mut link.phase, Phase::Waiting)
        {
            self.become_state(version, &texts, mirror)?;
            return self.catch_up(later, mirror);
        }
        Ok(())
    }

    /// Whether it has what the server has.
    pub(super) fn check(&self, mirror: &Mirror) -> Checked {
        let version = mirror.head().version;
        ensure!(self.replica.version == version, "it is at version {}, not at {version}", self.replica.version);
        self.replica.check(mirror)
    }
}

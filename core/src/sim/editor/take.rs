//! What a client makes of the messages that it reads.

use std::rc::Rc;

use super::{Done, Editor, Link, Pending, Phase};
use crate::sim::checked::{Checked, ensure, there};
use crate::sim::delta::Delta;
use crate::sim::heard::{Heard, Part};
use crate::sim::mirror::Mirror;
use crate::sim::say::{Client, Say};
use crate::sim::texts::Texts;

impl Editor {
    /// Takes in one message.
    pub(in crate::sim) fn take(&mut self, message: Heard, mirror: &Mirror) -> Checked {
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
        self.send_next();
        Ok(())
    }

    fn take_news(&mut self, message: Heard, mirror: &Mirror) -> Checked {
        let asks = self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Asking));
        let waits = asks || self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Waiting));
        match message {
            Heard::Full { key: None, .. } if asks => Ok(()),
            Heard::Full { version, texts, key } => self.take_full(version, texts, key.is_some(), mirror),
            Heard::List { current, parts, .. } if waits => {
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
            // A state came before it, unasked, and brought it to a version in between.
            Heard::List { key, .. } => {
                let asked = self.link.as_ref().map_or(&[][..], |link| &link.asked);
                let is_asked = asked.iter().any(|asked| Some(&**asked) == key.as_deref());
                ensure!(is_asked, "a list that was not asked for");
                Ok(())
            }
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
            phase @ (Phase::Waiting | Phase::Asking) => {
                (link.phase, link.landed) = (phase, Some(version));
                Ok(())
            }
            Phase::Live if mirror.before(version)? > self.replica.version => {
                // Others' changes before it were left out. It waits for the state that makes up for them, or asks.
                link.landed = Some(version);
                if version.is_multiple_of(2) {
                    link.phase = Phase::Asking;
                    self.ask(self.replica.version, Some(false));
                }
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
                self.ask(0, Some(true));
                Ok(())
            }
        }
    }

    fn catch_up(&mut self, later: Vec<Heard>, mirror: &Mirror) -> Checked {
        later.into_iter().try_for_each(|message| self.take_news(message, mirror))
    }

    fn take_full(&mut self, version: u64, texts: Texts, was_asked_for: bool, mirror: &Mirror) -> Checked {
        let in_flight = self.in_flight();
        if in_flight.is_some() && !was_asked_for && self.is_live() && version.is_multiple_of(2) {
            // Where its change in flight is among the others only a list can tell.
            self.link.iter_mut().for_each(|link| link.phase = Phase::Asking);
            self.ask(self.replica.version, Some(false));
            return Ok(());
        }
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
}

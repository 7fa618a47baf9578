//! What the server is told, and whether it does what it has to.

use std::rc::Rc;

use super::{World, names};
use crate::ids::PositionEncoding;
use crate::room::{Dialect, Greeting, MemberKey};
use crate::sim::chance::Dice;
use crate::sim::checked::{Checked, ensure};
use crate::sim::mirror::{Prediction, State};
use crate::sim::outsiders::blurt;
use crate::sim::say::{Client, Say, Sent};
use crate::sim::server::Guest;
use crate::sim::socket::{Codes, Network};
use crate::sim::tally::Situation;
use crate::sim::texts::Name;

impl World {
    /// The server hears a message, and does with it what it has to.
    pub(super) fn hear(&mut self, key: MemberKey, say: &Say) -> Checked {
        let json = say.to_json();
        self.tell(|| format!("the server hears from {}: {json}", key.index()));
        if self.server.room.is_heard(key) {
            self.notice(key, say);
        }
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
        let before = self.server.version();
        self.server.hear(key, &json);
        let codes = self.check_outcome(prediction, None)?;
        if let Some(name) = &sent.key {
            self.server.expect(key, name, codes, self.server.version() != before);
        }
        Ok(())
    }

    /// A message is more than itself: its user is there, and may want to be told of the others.
    fn notice(&mut self, key: MemberKey, say: &Say) {
        if !matches!(say, Say::Beat { .. } | Say::Sync { .. }) {
            self.people.act(self.server.now, key);
        }
        if matches!(say, Say::Join) {
            self.people.listens(key);
        }
    }

    /// Whether what was predicted has come true; `refusal` is the code of one that is known at once. The codes of
    /// which one refuses the message are returned, none if it was taken.
    pub(super) fn check_outcome(&mut self, prediction: Prediction, refusal: Option<Option<&str>>) -> Checked<Codes> {
        let has_grown = self.server.version() != self.mirror.head().version;
        let expects = |what: &[&str]| match refusal {
            None => true,
            Some(code) => code.map_or(what.is_empty(), |code| what.contains(&code)),
        };
        let codes: Codes = match prediction {
            Prediction::Applied(state) => {
                ensure!(has_grown && expects(&[]), "version {} was refused: {refusal:?}", state.version);
                self.push(state);
                &[]
            }
            Prediction::AppliedOr(state, _) if has_grown => {
                self.push(state);
                &[]
            }
            Prediction::AppliedOr(_, codes) => {
                ensure!(expects(codes), "refused with {refusal:?}, not {codes:?}");
                self.tally.meet(Situation::RefusedBase);
                codes
            }
            Prediction::Known => {
                ensure!(!has_grown && expects(&[]), "it was taken before, and now {refusal:?}");
                self.tally.meet(Situation::Resend);
                &[]
            }
            Prediction::Refused(codes) => {
                ensure!(!has_grown, "version {} should have been refused: {codes:?}", self.server.version());
                ensure!(expects(codes), "refused with {refusal:?}, not {codes:?}");
                self.tally.meet(Situation::Refused);
                codes
            }
        };
        self.server.check(&self.mirror)?;
        Ok(codes)
    }

    pub(super) fn push(&mut self, state: State) {
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

    pub(super) fn tell_version(&mut self, state: &State) {
        let plain = |(name, text): &(Name, Rc<Vec<u16>>)| format!("{name} {:?}", crate::sim::texts::string_of(text));
        self.tell(|| {
            let texts: Vec<String> = state.texts.sections.iter().map(plain).collect();
            format!("   version {}: {}", state.version, texts.join(", "))
        });
    }

    pub(super) fn blurt(&mut self, dice: Dice) -> Checked {
        // It connects anew for every third message, in another encoding.
        let encoding = PositionEncoding::ALL[usize::try_from(self.blurted / 3 % 3).unwrap_or(0)];
        let key = match self.blurter {
            Some(key) => key,
            None => {
                let client = Client { user_id: "user_0".into(), client_id: "blurter".into() };
                let dialect = Dialect { encoding, over_document: false };
                let guest = Guest { client, edits: true, dialect, greeting: Greeting::OnJoin, network: Network::WIDE };
                let key = self.join(&guest)?;
                *self.blurter.insert(key)
            }
        };
        let sent = Rc::new(blurt(&self.mirror, &names(&self.setup), self.blurted, encoding, dice));
        self.hear(key, &Say::Change(sent))?;
        if self.blurted % 3 == 2 {
            self.leave(key);
            self.blurter = None;
        }
        self.blurted += 1;
        Ok(())
    }

    pub(super) fn post(&mut self, dice: Dice) -> Checked {
        if self.poster.request.is_some() {
            return Ok(());
        }
        let durable = if self.setup.is_fast { u64::MAX } else { self.server.disk.version() };
        let sent = self.poster.next_request(durable, &self.mirror, &names(&self.setup), dice);
        self.request(&sent, self.poster.with_names)
    }

    pub(super) fn request(&mut self, sent: &Rc<Sent>, with_names: bool) -> Checked {
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
        self.check_outcome(prediction, Some(refused.as_ref().map(|error| error.code.name())))?;
        Ok(())
    }

    pub(super) fn peek(&mut self) {
        self.requests += 1;
        self.server.ask_state(self.requests);
        self.expected.insert(self.requests, None);
    }
}

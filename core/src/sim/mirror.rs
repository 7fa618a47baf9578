//! What the server has to do, done the slow way: every version with its whole text, and for each message what
//! has to become of it. It knows nothing of the product's texts, operations, transformation or history.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::checked::{Broken, Checked, ensure, there};
use super::delta::Delta;
use super::resolve::{Refusal, Resolved, View};
use super::say::{Client, Pointer, Sent};
use super::socket::Codes;
use super::texts::{Name, Texts, length_in};
use crate::ids::PositionEncoding;

/// One version.
#[derive(Debug)]
pub(super) struct State {
    pub(super) version: u64,
    /// The state before it, by its number; the empty document has none.
    pub(super) parent: Option<usize>,
    pub(super) texts: Texts,
    /// What it did to the sections, in their order.
    pub(super) deltas: Vec<(usize, Delta)>,
    /// The message that made it.
    pub(super) sent: Option<Rc<Sent>>,
    /// Whether what it did is not what was sent.
    pub(super) transformed: bool,
}

/// What became of a message that was taken.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) version: u64,
    pub(super) transformed: bool,
    state: usize,
    sent: Rc<Sent>,
}

/// What has to become of a message.
#[derive(Debug)]
pub(super) enum Prediction {
    /// It is the next version.
    Applied(State),
    /// The same, or a refusal with one of these codes.
    AppliedOr(State, Codes),
    /// It was taken before: the acknowledgement of then.
    Known,
    /// A refusal with one of these codes.
    Refused(Codes),
}

/// Where a cursor has to be shown: the version, the section, and its ends in UTF-16 code units.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    version: u64,
    section: Name,
    start: usize,
    end: usize,
}

/// All versions there ever were, those that a crash took back included.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) states: Vec<State>,
    /// The newest version in memory.
    pub(super) head: usize,
    answers: BTreeMap<(Client, Rc<str>), Answer>,
    /// Where cursors have to be shown, as far as that is certain.
    shown: BTreeMap<(Client, Rc<str>), Option<Shown>>,
    /// So many versions before the newest one have to be accepted as a base.
    kept: usize,
    kept_max: usize,
}

impl Mirror {
    /// The empty document; as many versions are kept as possible bases.
    pub(super) fn new(kept_max: usize) -> Self {
        let empty = State {
            version: 0,
            parent: None,
            texts: Texts::default(),
            deltas: Vec::new(),
            sent: None,
            transformed: false,
        };
        Self { states: vec![empty], head: 0, answers: BTreeMap::new(), shown: BTreeMap::new(), kept: 0, kept_max }
    }

    pub(super) fn head(&self) -> &State {
        &self.states[self.head]
    }

    /// A version that somebody has seen. Lost ones are not numbered again where they can be seen.
    pub(super) fn at(&self, version: u64) -> Checked<&State> {
        let found = self.states.iter().rev().find(|state| state.version == version);
        found.ok_or_else(|| Broken(format!("there is no version {version}")))
    }

    /// The version that one follows at once.
    pub(super) fn before(&self, version: u64) -> Checked<u64> {
        let parent = there(self.at(version)?.parent, "a version before it")?;
        Ok(self.states[parent].version)
    }

    /// Whether one version follows another at once.
    pub(super) fn check_follows(&self, version: u64, previous: u64) -> Checked {
        let parent = self.before(version)?;
        ensure!(parent == previous, "version {version}, which follows {parent}, came after {previous}");
        Ok(())
    }

    /// Whether there is nothing between two versions but what that client has made.
    pub(super) fn leads_to(&self, from: u64, version: u64, client: &Client) -> Checked<bool> {
        let mut state = self.at(version)?;
        loop {
            state = match state.parent {
                Some(parent) => &self.states[parent],
                None => return Ok(false),
            };
            if state.version <= from {
                return Ok(state.version == from);
            }
            if state.sent.as_ref().is_none_or(|sent| sent.client != *client) {
                return Ok(false);
            }
        }
    }

    /// The states after `base` up to the newest one, in order; none, if it is no version of these.
    pub(super) fn since(&self, base: u64) -> Option<(&State, Vec<&State>)> {
        let mut later = Vec::new();
        let mut state = self.head();
        while state.version != base {
            later.push(state);
            state = &self.states[state.parent?];
        }
        later.reverse();
        Some((state, later))
    }

    /// The answer to a message that was taken.
    pub(super) fn answer(&self, client: &Client, key: &str) -> Option<&Answer> {
        self.answers.get(&(client.clone(), key.into()))
    }

    /// What has to become of a message now, the next version being numbered so.
    pub(super) fn predict(&self, sent: &Rc<Sent>, next_version: u64) -> Prediction {
        let known = sent.key.as_ref().and_then(|key| self.answer(&sent.client, key));
        if let Some(known) = known {
            let same = known.sent.edits == sent.edits;
            return if same { Prediction::Known } else { Prediction::Refused(&["VALIDATION_ERROR"]) };
        }
        let base = sent.base.unwrap_or_else(|| self.head().version);
        let Some((base, later)) = self.since(base) else {
            return Prediction::Refused(&["VERSION_UNKNOWN", "VERSION_TOO_OLD"]);
        };
        let view = View {
            base: &base.texts,
            now: &self.head().texts,
            is_exact: sent.base.is_some(),
            is_current: later.is_empty(),
        };
        let may_be_too_old = later.len() > self.kept;
        if sent.rejects_conflicts && !later.is_empty() {
            return Prediction::Refused(if may_be_too_old {
                &["VERSION_CONFLICT", "VERSION_TOO_OLD"]
            } else {
                &["VERSION_CONFLICT"]
            });
        }
        let resolved = match view.resolve(sent) {
            Ok(resolved) => resolved,
            Err(_) if may_be_too_old => return Prediction::Refused(&["VERSION_TOO_OLD", "INVALID_POSITION"]),
            Err(Refusal::InvalidPosition) => return Prediction::Refused(&["INVALID_POSITION"]),
            Err(Refusal::UnknownSection) => return Prediction::Refused(&["VALIDATION_ERROR", "INVALID_POSITION"]),
        };
        let splits = resolved.splits;
        let next = self.next(sent, next_version, resolved, base, &later);
        match (may_be_too_old, splits) {
            (true, true) => Prediction::AppliedOr(next, &["VERSION_TOO_OLD", "INVALID_POSITION"]),
            (true, false) => Prediction::AppliedOr(next, &["VERSION_TOO_OLD"]),
            (false, true) => Prediction::AppliedOr(next, &["INVALID_POSITION"]),
            (false, false) => Prediction::Applied(next),
        }
    }

    fn next(&self, sent: &Rc<Sent>, version: u64, resolved: Resolved, base: &State, later: &[&State]) -> State {
        let mut transformed = resolved.clamped;
        let mut texts = self.head().texts.clone();
        let mut drafts = resolved.drafts;
        drafts.sort_by_key(|draft| draft.section);
        let mut deltas = Vec::new();
        for draft in drafts {
            let made = draft.delta();
            let others = later.iter().flat_map(|state| &state.deltas);
            let moved = others
                .filter(|(section, _)| *section == draft.section)
                .fold(made.clone(), |moved, (_, other)| moved.over(other, false));
            transformed |= !moved.does_as(&made);
            let name = draft.created.unwrap_or_else(|| Name::clone(&texts.sections[draft.section].0));
            texts.apply(&name, &moved);
            deltas.push((draft.section, moved));
        }
        let now = &self.head().texts;
        let start_moved = |section: &usize| {
            let before = (*section).min(base.texts.sections.len());
            base.texts.start(before, sent.encoding) != now.start(before, sent.encoding)
        };
        transformed |= resolved.starts.iter().any(start_moved);
        State { version, parent: Some(self.head), texts, deltas, sent: Some(Rc::clone(sent)), transformed }
    }

    /// A message was taken as predicted.
    pub(super) fn push(&mut self, state: State) {
        let number = self.states.len();
        if let Some((sent, key)) = state.sent.as_ref().and_then(|sent| Some((sent, sent.key.clone()?))) {
            let answer =
                Answer { version: state.version, transformed: state.transformed, state: number, sent: Rc::clone(sent) };
            self.answers.insert((sent.client.clone(), key), answer);
        }
        self.states.push(state);
        self.head = number;
        self.kept = (self.kept + 1).min(self.kept_max);
    }

    /// What came after `version` never was; `kept` versions before it are known to the server still.
    pub(super) fn rewind(&mut self, version: u64, kept: usize) -> Checked {
        while self.head().version != version {
            self.head = there(self.head().parent, "the durable version in memory")?;
        }
        self.kept = kept.min(self.kept_max);
        let mut lives = vec![false; self.states.len()];
        let mut at = Some(self.head);
        while let Some(state) = at {
            lives[state] = true;
            at = self.states[state].parent;
        }
        self.answers.retain(|_, answer| lives[answer.state]);
        Ok(())
    }

    /// A cursor is shown.
    pub(super) fn point(&mut self, pointer: &Pointer) -> Checked {
        let shown = self.show(pointer)?;
        self.shown.insert((pointer.client.clone(), Rc::clone(&pointer.key)), shown);
        Ok(())
    }

    /// Checks a cursor as somebody is shown it.
    pub(super) fn check_pointer(
        &self,
        client: Client,
        key: &str,
        (version, section): (u64, &str),
        (start, end): (u64, u64),
        encoding: PositionEncoding,
    ) -> Checked {
        let expected = there(self.shown.get(&(client, key.into())), "the cursor that is shown")?;
        let Some(expected) = expected else { return Ok(()) };
        let text = there(self.at(version)?.texts.get(section), "the section of a cursor")?;
        let encode = |place| encoded(text, place, encoding);
        let same = version == expected.version && *section == *expected.section;
        let same = same && (start, end) == (encode(expected.start), encode(expected.end));
        ensure!(same, "a cursor at {start} to {end} of {section} at {version}, not {expected:?}");
        Ok(())
    }

    /// Where a cursor has to be shown; `None` if its base is too old for that to be certain.
    fn show(&self, pointer: &Pointer) -> Checked<Option<Shown>> {
        let Some((base, later)) = self.since(pointer.base).filter(|(_, later)| later.len() <= self.kept) else {
            return Ok(None);
        };
        let section = there(base.texts.index(&pointer.section), "the section of a cursor")?;
        let text = &base.texts.sections[section].1;
        let place = |place| {
            super::texts::place_of(text, place, pointer.encoding)
                .map_err(|misplaced| Broken(format!("a cursor at {place}: {misplaced:?}")))
        };
        let (mut start, mut end) = (place(pointer.start)?, place(pointer.end)?);
        for state in later {
            let is_own = state.sent.as_ref().is_some_and(|sent| sent.client == pointer.client);
            for (_, delta) in state.deltas.iter().filter(|(other, _)| *other == section) {
                // A selection does not grow at its edges; a cursor goes along with what its own client puts in.
                let is_cursor = start == end;
                let before = start;
                start = delta.map(before, is_own || !is_cursor);
                end = if is_cursor { start } else { delta.map(end, false).max(start) };
            }
        }
        Ok(Some(Shown { version: self.head().version, section: Name::clone(&pointer.section), start, end }))
    }
}

/// A place of a text in UTF-16 code units, in an encoding.
pub(super) fn encoded(text: &[u16], place: usize, encoding: PositionEncoding) -> u64 {
    length_in(&text[..place.min(text.len())], encoding)
}

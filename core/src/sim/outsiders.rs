//! Those who change the document without keeping it: over HTTP, and clients without base versions.

use std::rc::Rc;

use super::chance::Dice;
use super::mirror::{Mirror, State};
use super::say::{Client, Edit, Kind, Sent};
use super::texts::{Name, length_in};
use super::typing::{Hand, type_something};
use crate::ids::PositionEncoding;

/// Somebody who posts changes, one request at a time, and repeats one that was not answered.
#[derive(Debug)]
pub(super) struct Poster {
    pub(super) in_flight: Option<Rc<Sent>>,
    /// Whether the request names itself in its body, and not by `Idempotency-Key`.
    pub(super) with_names: bool,
    /// The number of the request that waits for its answer.
    pub(super) request: Option<u64>,
    pub(super) done: Vec<Rc<Sent>>,
    made: u64,
}

impl Poster {
    pub(super) const fn new() -> Self {
        Self { in_flight: None, with_names: false, request: None, done: Vec::new(), made: 0 }
    }

    /// The next request: what is in flight, or something new, made for one of the last versions that may be known.
    pub(super) fn next_request(&mut self, durable: u64, mirror: &Mirror, names: &[Name], mut dice: Dice) -> Rc<Sent> {
        if let Some(sent) = &self.in_flight {
            return Rc::clone(sent);
        }
        self.made += 1;
        self.with_names = dice.one_in(2);
        let base = base_before(mirror, durable, &mut dice);
        let encoding = dice.pick(&PositionEncoding::ALL);
        let deltas = type_something(&base.texts, names, &mut dice);
        let edits = Hand { encoding, is_flat: false }.write(&deltas, &base.texts, &mut dice);
        let client_id = if self.with_names { "poster" } else { "idempotency-key" };
        let client = Client { user_id: "user_0".into(), client_id: client_id.into() };
        let key = Some(format!("c{}", self.made).into());
        let (base, rejects_conflicts) = (Some(base.version), dice.one_in(6));
        let sent = Rc::new(Sent { client, key, base, encoding, edits, is_batch: true, rejects_conflicts });
        self.in_flight = Some(Rc::clone(&sent));
        sent
    }
}

/// One of the last versions up to `durable`, or of all, if that is not yet in memory.
fn base_before<'a>(mirror: &'a Mirror, durable: u64, dice: &mut Dice) -> &'a State {
    let mut state = mirror.head();
    let mut back = dice.below(4);
    while let Some(parent) = state.parent.filter(|_| state.version > durable || back > 0) {
        back -= usize::from(state.version <= durable);
        state = &mirror.states[parent];
    }
    state
}

/// Anything at all: with a base or without, known by name or not, in the text or beyond it.
pub(super) fn blurt(mirror: &Mirror, names: &[Name], made: u64, encoding: PositionEncoding, mut dice: Dice) -> Sent {
    let base = match dice.below(4) {
        0 | 1 => None,
        2 => Some(base_before(mirror, u64::MAX, &mut dice).version),
        _ => Some(mirror.head().version + 1 + dice.below(3) as u64),
    };
    let texts = &mirror.head().texts;
    let count = 1 + dice.below(3);
    let edit = |_| {
        let section = dice.one_in(2).then(|| dice.pick(names));
        let text = match &section {
            Some(name) => texts.get(name).map(|text| text.to_vec()).unwrap_or_default(),
            None => texts.joined(),
        };
        let length = usize::try_from(length_in(&text, encoding)).unwrap_or(0);
        Edit {
            kind: dice.pick(&[Kind::Insert, Kind::Delete, Kind::Replace]),
            position: dice.below(length + 3) as u64,
            length: dice.below(6) as u64,
            content: dice.text(2),
            section,
        }
    };
    let edits: Vec<Edit> = (0..count).map(edit).map(plain).collect();
    let client = Client { user_id: "user_0".into(), client_id: "blurter".into() };
    let key = (!made.is_multiple_of(3)).then(|| format!("c{made}").into());
    let is_batch = edits.len() > 1;
    Sent { client, key, base, encoding, edits, is_batch, rejects_conflicts: false }
}

/// Without what is of no meaning.
fn plain(edit: Edit) -> Edit {
    match edit.kind {
        Kind::Insert => Edit { length: 0, ..edit },
        Kind::Delete => Edit { content: String::new(), ..edit },
        Kind::Replace => edit,
    }
}

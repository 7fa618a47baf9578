//! What a user types, and how a client puts it on the wire: the same change has many forms, and the server has
//! to take them all for the same.

use super::chance::Dice;
use super::delta::{Delta, Piece};
use super::mirror::encoded;
use super::say::{Edit, Kind};
use super::texts::{Name, Texts, boundaries, string_of, units_of};
use crate::ids::PositionEncoding;

/// What a change does to each of the sections it concerns.
pub(super) type Deltas = Vec<(Name, Delta)>;

/// A text longer than this many units is made shorter.
const UNITS_MAX: usize = 24;

/// One or two sections of those, changed in one to three places each; a section that is not there is created.
pub(super) fn type_something(local: &Texts, names: &[Name], dice: &mut Dice) -> Deltas {
    let mut deltas = Deltas::new();
    for _ in 0..=usize::from(names.len() > 1 && dice.one_in(4)) {
        let name = dice.pick(names);
        if deltas.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let delta = match local.get(&name) {
            Some(text) => change(text, dice),
            None => Delta::of_marks(&[], &[units_of(&dice.text(2))]),
        };
        deltas.push((name, delta));
    }
    deltas
}

fn change(text: &[u16], dice: &mut Dice) -> Delta {
    let places = boundaries(text);
    let mut marks = (vec![false; text.len()], vec![Vec::new(); text.len() + 1]);
    for _ in 0..=dice.below(3).saturating_sub(usize::from(dice.one_in(2))) {
        let from = dice.below(places.len());
        let to = (from + dice.below(4)).min(places.len() - 1);
        let inserted = dice.text(if text.len() > UNITS_MAX { 0 } else { 2 });
        marks.1[places[from]].extend(units_of(&inserted));
        if inserted.is_empty() || dice.one_in(3) {
            marks.0[places[from]..places[to]].fill(true);
        }
    }
    Delta::of_marks(&marks.0, &marks.1)
}

/// How a client writes its changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hand {
    pub(super) encoding: PositionEncoding,
    /// It knows of no sections, so it names none.
    pub(super) is_flat: bool,
}

/// A change on the wire, and where it begins: what may not be put in another order.
struct Written {
    edit: Edit,
    place: Option<(usize, usize)>,
}

impl Hand {
    /// The deltas, made for `texts`, as changes of one message.
    pub(super) fn write(self, deltas: &[(Name, Delta)], texts: &Texts, dice: &mut Dice) -> Vec<Edit> {
        let mut written: Vec<Written> = Vec::new();
        for (name, delta) in deltas {
            match texts.index(name) {
                Some(section) => {
                    for piece in delta.pieces() {
                        self.write_piece(&mut written, texts, section, &piece, dice);
                    }
                }
                None => {
                    let content = string_of(&delta.apply(&[]));
                    let section = (!self.is_flat).then(|| Name::clone(name));
                    let edit = Edit { kind: Kind::Insert, position: 0, length: 0, content, section };
                    written.push(Written { edit, place: None });
                }
            }
        }
        merge_over_seams(&mut written, dice);
        for at in 1..written.len() {
            if dice.one_in(3) && may_change_places(&written[at - 1], &written[at]) {
                written.swap(at - 1, at);
            }
        }
        if written.is_empty() {
            // The others have done it all by now; it is a version all the same.
            let section = texts.sections.first().filter(|_| !self.is_flat).map(|(name, _)| Name::clone(name));
            return vec![Edit { kind: Kind::Delete, position: 0, length: 0, content: String::new(), section }];
        }
        written.into_iter().map(|written| written.edit).collect()
    }

    fn write_piece(self, written: &mut Vec<Written>, texts: &Texts, section: usize, piece: &Piece, dice: &mut Dice) {
        let (name, text) = &texts.sections[section];
        let end = piece.position + piece.deleted;
        let mut write = |kind: Kind, from: usize, inserted: &[u16], dice: &mut Dice| {
            let position = encoded(text, from, self.encoding);
            let length = if kind == Kind::Insert { 0 } else { encoded(text, end, self.encoding) - position };
            // At a seam text would go to the section before.
            let is_certain = length > 0 || section == 0 || from > 0;
            let names_none = self.is_flat || (is_certain && dice.one_in(3));
            let start = if names_none { texts.start(section, self.encoding) } else { 0 };
            let edit = Edit {
                kind,
                position: start + position,
                length,
                content: string_of(inserted),
                section: (!names_none).then(|| Name::clone(name)),
            };
            written.push(Written { edit, place: Some((section, from)) });
        };
        match (piece.deleted, &*piece.inserted) {
            (0, inserted) => write(Kind::Insert, piece.position, inserted, dice),
            (_, []) => {}
            (_, inserted) if dice.one_in(3) => {
                write(Kind::Insert, piece.position, inserted, dice);
                write(Kind::Delete, piece.position, &[], dice);
            }
            (_, inserted) => write(Kind::Replace, piece.position, inserted, dice),
        }
        if piece.deleted > 0 && piece.inserted.is_empty() {
            write(Kind::Delete, piece.position, &[], dice);
        }
        // What is deleted twice counts once.
        let inner: Vec<usize> =
            boundaries(text).into_iter().filter(|at| (piece.position + 1..end).contains(at)).collect();
        if !inner.is_empty() && dice.one_in(4) {
            let from = dice.pick(&inner);
            write(Kind::Delete, from, &[], dice);
        }
    }
}

/// Two deletions of which the second begins where the first ends may be one, over the seam of two sections.
fn merge_over_seams(written: &mut Vec<Written>, dice: &mut Dice) {
    let is_plain = |written: &Written| written.edit.kind == Kind::Delete && written.edit.section.is_none();
    for at in (1..written.len()).rev() {
        let (first, second) = (&written[at - 1], &written[at]);
        let touch = first.edit.position + first.edit.length == second.edit.position;
        if is_plain(first) && is_plain(second) && touch && !dice.one_in(3) {
            written[at - 1].edit.length += second.edit.length;
            written.remove(at);
        }
    }
}

/// Texts at one place keep their order, and so do sections that are created.
fn may_change_places(one: &Written, other: &Written) -> bool {
    let puts_text = |written: &Written| !written.edit.inserted().is_empty();
    match (one.place, other.place) {
        (Some(one_place), Some(other_place)) => one_place != other_place || !(puts_text(one) && puts_text(other)),
        (None, Some(_)) | (Some(_), None) => true,
        (None, None) => false,
    }
}

//! Where positions, cursors and selections are after an operation.

use super::operation::Edit;
use super::transform::Order;

/// Where a position in the text before an operation with those `edits` is in the text after it; `order`
/// says on which side of an insert at that very position it comes to stand ([`Order::First`]: left of it).
/// In UTF-16 code units.
#[must_use]
pub fn map_position(position: u32, edits: &[Edit], order: Order) -> u32 {
    match edits {
        [edit] => map_over(position, *edit, order == Order::First),
        _ => {
            let mut walk = Walk::over(edits);
            walk.advance(position, order);
            walk.after
        }
    }
}

/// [`map_position`] for several positions, in ascending order; in one walk over the operation.
pub(crate) fn map_positions<'a>(positions: impl Iterator<Item = &'a mut u32>, edits: &[Edit], order: Order) {
    if let [edit] = edits {
        return positions.for_each(|position| *position = map_over(*position, *edit, order == Order::First));
    }
    let mut walk = Walk::over(edits);
    for position in positions {
        walk.advance(*position, order);
        *position = walk.after;
    }
}

/// [`map_position`] over one edit. On which side of it a position is cannot be predicted, so both answers
/// are computed and one is taken.
#[inline]
pub(super) fn map_over(position: u32, edit: Edit, stays_left_of_insert: bool) -> u32 {
    let stays = (position < edit.position) | ((position == edit.position) & stays_left_of_insert);
    let behind = position.max(edit.end()).wrapping_add(edit.inserted).wrapping_sub(edit.deleted);
    std::hint::select_unpredictable(stays, position, behind)
}

/// A cursor, where `start` and `end` are one place, or a selection; in UTF-16 code units of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Where it begins.
    pub start: u32,
    /// Where it ends; not left of `start`.
    pub end: u32,
}

impl Selection {
    /// Where it is after an operation with those `edits`; `own` if whose cursor it is made them.
    ///
    /// One's own inserts at a cursor move it right, others' leave it left of them. A selection does not grow
    /// at its edges; one whose whole text was deleted is a cursor from then on.
    #[must_use]
    pub fn after(self, edits: &[Edit], own: bool) -> Self {
        let is_cursor = self.start == self.end;
        let start_order = if own || !is_cursor { Order::Second } else { Order::First };
        let start = map_position(self.start, edits, start_order);
        let end = if is_cursor { start } else { map_position(self.end, edits, Order::First) };
        Self { start, end }
    }
}

/// A place in the text before an operation, and the same place in the text after it.
pub(super) struct Walk<'a> {
    edits: &'a [Edit],
    /// Whether the inserted text of `edits[0]` lies behind already.
    insert_passed: bool,
    before: u32,
    after: u32,
}

impl<'a> Walk<'a> {
    pub(super) const fn over(edits: &'a [Edit]) -> Self {
        Self { edits, insert_passed: false, before: 0, after: 0 }
    }

    /// The place in the text after the operation.
    pub(super) const fn after(&self) -> u32 {
        self.after
    }

    /// Goes to `to` (not left of here); past an insert at exactly `to` only for [`Order::Second`].
    pub(super) fn advance(&mut self, to: u32, order: Order) {
        while let [edit, rest @ ..] = self.edits {
            if !self.insert_passed {
                if edit.position > to || (edit.position == to && order == Order::First) {
                    break;
                }
                self.keep_to(edit.position);
                self.pass_insert(*edit);
            }
            if edit.end() > to {
                // Inside what the edit deletes: every place there is the same place afterwards.
                self.before = to;
                return;
            }
            self.before = edit.end();
            self.edits = rest;
            self.insert_passed = false;
        }
        self.keep_to(to);
    }

    /// Goes to `to` and reports the units on the way that the operation keeps, as ranges in the text
    /// after it, cut where the operation inserts.
    pub(super) fn delete_to(&mut self, to: u32, mut kept: impl FnMut(u32, u32)) {
        while self.before < to {
            let Some(&edit) = self.edits.first() else {
                kept(self.after, to - self.before);
                self.keep_to(to);
                return;
            };
            if !self.insert_passed && edit.position > self.before {
                let stop = edit.position.min(to);
                kept(self.after, stop - self.before);
                self.keep_to(stop);
            } else {
                if !self.insert_passed {
                    self.pass_insert(edit);
                }
                self.before = edit.end().min(to);
                if self.before == edit.end() {
                    self.edits = &self.edits[1..];
                    self.insert_passed = false;
                }
            }
        }
    }

    const fn keep_to(&mut self, to: u32) {
        self.after += to - self.before;
        self.before = to;
    }

    const fn pass_insert(&mut self, edit: Edit) {
        self.after += edit.inserted;
        self.insert_passed = true;
    }
}

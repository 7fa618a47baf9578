//! Moving an operation over another one.

use std::hint::select_unpredictable;

use smallvec::SmallVec;

use super::operation::{Edit, EditList, Operation, OperationRef, length_delta};
use super::position::{Walk, map_over};

/// Which of two concurrent operations the server ordered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The operation that is being moved came first: its inserts stay left at equal positions.
    First,
    /// The operation that is being moved came second: its inserts go right at equal positions.
    Second,
}

/// Moves `moved` over `other`: the result does to the text after `other` what `moved` meant to do to
/// the text that both were made against.
///
/// For all `a`, `b` on one text, `a` then `transform(b, a, Second)` gives the same text as `b` then
/// `transform(a, b, First)` (TP1).
#[must_use]
pub fn transform(moved: &Operation, other: &Operation, order: Order) -> Operation {
    transform_through(moved, [other], order)
}

/// [`transform`] over several operations, of which each was made against the text after those before it:
/// what a late change goes through, one by one.
#[must_use]
pub fn transform_through<'a, O: Into<OperationRef<'a>>>(
    moved: &Operation,
    others: impl IntoIterator<Item = O>,
    order: Order,
) -> Operation {
    let mut moved = moved.clone();
    move_through(&mut moved, others.into_iter().map(|other| other.into().edits()), order);
    moved
}

/// [`transform_through`] in place: a submission may have to go over 10,000 operations, and its text, which
/// may be long, is the same after each of them.
#[inline]
pub(crate) fn move_through<'a>(moved: &mut Operation, others: impl IntoIterator<Item = &'a [Edit]>, order: Order) {
    let mut others = others.into_iter();
    // Most changes are one edit: it stays in registers as long as it is one and meets one at a time.
    while let [first] = moved.edits_mut().as_mut_slice() {
        let mut edit = *first;
        let stopped_at = loop {
            match others.next() {
                Some([other]) if move_edit(&mut edit, *other, order) => {}
                stopped_at => break stopped_at,
            }
        };
        *first = edit;
        if edit.is_empty() {
            moved.edits_mut().clear();
            return;
        }
        let Some(other) = stopped_at else { return };
        move_edits_over(moved, other, order);
    }
    others.for_each(|other| move_edits_over(moved, other, order));
}

/// [`transform`] in place.
#[inline]
pub(crate) fn move_over(moved: &mut Operation, other: &[Edit], order: Order) {
    move_through(moved, [other], order);
}

/// Moves one edit over one other, in place; whether it could: where the result would be two edits, nothing
/// has changed. An edit of which nothing is left is empty, and stays so over all others.
#[inline]
pub(crate) fn move_edit(edit: &mut Edit, other: Edit, order: Order) -> bool {
    // Nearly all pairs lie apart, but which of the two is right of the other cannot be predicted: no branch on it.
    let is_right = edit.position > other.position;
    let left_end = select_unpredictable(is_right, other.end(), edit.end());
    if edit.position != other.position && edit.position.max(other.position) >= left_end {
        let shift = other.inserted.wrapping_sub(other.deleted);
        edit.position = edit.position.wrapping_add(select_unpredictable(is_right, shift, 0));
        return true;
    }
    moved_touching(*edit, other, order).map(|moved| *edit = moved).is_some()
}

/// [`move_edit`] where the two overlap or begin at one position (and everywhere else); by value, so that
/// the shortcut can keep the edit in registers.
#[inline]
fn moved_touching(edit: Edit, other: Edit, order: Order) -> Option<Edit> {
    let (end, other_end) = (edit.end(), other.end());
    // A deletion at the position of the other's insert is behind it, whoever came first.
    let stays_left_of_insert = order == Order::First && edit.inserted > 0;
    let begins_left = edit.position < other.position || (edit.position == other.position && stays_left_of_insert);
    if begins_left && end > other_end && other.inserted > 0 {
        return None;
    }
    let deleted_by_both = end.min(other_end).saturating_sub(edit.position.max(other.position));
    let position = map_over(edit.position, other, stays_left_of_insert);
    Some(Edit { position, deleted: edit.deleted - deleted_by_both, ..edit })
}

/// [`move_over`] for any number of edits.
fn move_edits_over(moved: &mut Operation, other: &[Edit], order: Order) {
    let ([first, ..], [.., last]) = (other, other) else { return };
    let text_len = u32::try_from(moved.text().len()).unwrap_or(u32::MAX);
    let edits = moved.edits_mut();
    // What ends before `other` begins stays; what begins behind its end moves as a whole.
    let touched_from = edits.partition_point(|edit| edit.end() < first.position);
    let touched_to = edits.partition_point(|edit| edit.position <= last.end());
    let text_end = edits.get(touched_to).map_or(text_len, |edit| edit.text_start);
    let delta = length_delta(other);
    for edit in &mut edits[touched_to..] {
        edit.position = u32::try_from(i64::from(edit.position) + delta).unwrap_or(u32::MAX);
    }
    if touched_from == touched_to {
        return;
    }
    let touched = transform_edits(&edits[touched_from..touched_to], text_end, other, order);
    if touched.len() == touched_to - touched_from {
        edits[touched_from..touched_to].copy_from_slice(&touched);
    } else {
        edits.drain(touched_from..touched_to);
        edits.insert_many(touched_from, touched);
    }
}

/// Moves edits whose texts end at `text_end` over `other`.
fn transform_edits(moved: &[Edit], text_end: u32, other: &[Edit], order: Order) -> SmallVec<[Edit; 1]> {
    let mut walk = Walk::over(other);
    let mut list = EditList::default();
    for (index, edit) in moved.iter().enumerate() {
        walk.advance(edit.position, order);
        if edit.inserted > 0 {
            list.insert(walk.after(), edit.inserted, edit.text_start);
        }
        if edit.deleted > 0 {
            // Behind the other's text at this place, whoever came first.
            let text_end = moved.get(index + 1).map_or(text_end, |next| next.text_start);
            walk.delete_to(edit.end(), |position, count| list.delete(position, count, text_end));
        }
    }
    list.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::map_positions;
    use crate::ot::position::map_position;

    /// Every edit on a text of 5 units that inserts 0 to 2.
    fn all_edits() -> impl Iterator<Item = Edit> {
        let ranges = (0_u32..=5).flat_map(|position| (0..=5 - position).map(move |deleted| (position, deleted)));
        let edits = ranges.flat_map(|(position, deleted)| {
            (0..3).map(move |inserted| Edit { position, deleted, inserted, text_start: 0 })
        });
        edits.filter(|edit| !edit.is_empty())
    }

    fn text_of(edit: Edit) -> String {
        "xy"[..edit.inserted as usize].to_owned()
    }

    #[test]
    fn one_edit_is_moved_over_one_as_lists_are() {
        for (edit, other) in all_edits().flat_map(|edit| all_edits().map(move |other| (edit, other))) {
            for order in [Order::First, Order::Second] {
                let expected = transform_edits(&[edit], edit.inserted, &[other], order);
                let mut moved = edit;
                let could = move_edit(&mut moved, other, order);
                assert_eq!(could, expected.len() < 2, "{edit:?} {other:?}");
                assert_eq!(moved_touching(edit, other, order), could.then_some(moved), "the shortcut changes nothing");
                match expected.as_slice() {
                    [] => assert!(moved.is_empty()),
                    [one] => assert_eq!(moved, *one),
                    _ => assert_eq!(moved, edit, "what could not be moved is as it was"),
                }
                let mut operation = Operation::from_parts(&[edit], text_of(edit)).unwrap();
                let mut general = operation.clone();
                move_over(&mut operation, &[other], order);
                move_edits_over(&mut general, &[other], order);
                assert_eq!(operation, general);
                assert_eq!(operation.edits(), expected.as_slice());
            }
        }
    }

    #[test]
    fn what_is_empty_stays_empty() {
        for other in all_edits() {
            for order in [Order::First, Order::Second] {
                let mut edit = Edit { position: 3, ..Edit::default() };
                assert!(move_edit(&mut edit, other, order));
                assert!(edit.is_empty());
            }
        }
    }

    #[test]
    fn positions_are_mapped_one_by_one_as_together() {
        for (edit, second) in all_edits().flat_map(|edit| all_edits().map(move |second| (edit, second))) {
            let second = Edit { position: second.position + edit.end() + 1, text_start: edit.inserted, ..second };
            for order in [Order::First, Order::Second] {
                for edits in [&[edit][..], &[edit, second]] {
                    let expected: Vec<u32> = (0..15).map(|at| map_position(at, edits, order)).collect();
                    let mut mapped: Vec<u32> = (0..15).collect();
                    map_positions(mapped.iter_mut(), edits, order);
                    assert_eq!(mapped, expected);
                }
            }
        }
    }
}

//! Moving an operation over another one.

use smallvec::SmallVec;

use super::operation::{Edit, EditList, Operation, length_delta};

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
    let mut moved = moved.clone();
    move_over(&mut moved, other.edits(), order);
    moved
}

/// [`transform`] in place: a submission may have to go over 10,000 operations, and its text, which
/// may be long, is the same after each of them.
pub(crate) fn move_over(moved: &mut Operation, other: &[Edit], order: Order) {
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
    let mut cursor = Cursor::over(other);
    let mut list = EditList::default();
    for (index, edit) in moved.iter().enumerate() {
        if edit.inserted > 0 {
            cursor.advance(edit.position, order);
            list.insert(cursor.after, edit.inserted, edit.text_start);
        }
        if edit.deleted > 0 {
            let text_end = moved.get(index + 1).map_or(text_end, |next| next.text_start);
            cursor.advance(edit.position, Order::Second);
            cursor.delete_to(edit.end(), |position, count| list.delete(position, count, text_end));
        }
    }
    list.finish()
}

/// Where a position in the text before an operation with those `edits` is in the text after it; `order` says on which side
/// of an insert at that very position it comes to stand ([`Order::First`]: left of it).
#[must_use]
pub fn map_position(position: u32, edits: &[Edit], order: Order) -> u32 {
    let mut cursor = Cursor::over(edits);
    cursor.advance(position, order);
    cursor.after
}

/// [`map_position`] for several positions, in ascending order; in one walk over the operation.
pub(crate) fn map_positions<'a>(positions: impl Iterator<Item = &'a mut u32>, edits: &[Edit], order: Order) {
    let mut cursor = Cursor::over(edits);
    for position in positions {
        cursor.advance(*position, order);
        *position = cursor.after;
    }
}

/// A place in the text before an operation, and the same place in the text after it.
struct Cursor<'a> {
    edits: &'a [Edit],
    /// Whether the inserted text of `edits[0]` lies behind already.
    insert_passed: bool,
    before: u32,
    after: u32,
}

impl<'a> Cursor<'a> {
    fn over(edits: &'a [Edit]) -> Self {
        Self { edits, insert_passed: false, before: 0, after: 0 }
    }

    /// Goes to `to` (not left of here); past an insert at exactly `to` only for [`Order::Second`].
    fn advance(&mut self, to: u32, order: Order) {
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
    fn delete_to(&mut self, to: u32, mut kept: impl FnMut(u32, u32)) {
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

    fn keep_to(&mut self, to: u32) {
        self.after += to - self.before;
        self.before = to;
    }

    fn pass_insert(&mut self, edit: Edit) {
        self.after += edit.inserted;
        self.insert_passed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::OperationBuilder;
    use crate::text::Text;
    use proptest::prelude::*;

    /// Positions, lengths and texts, in order, as an operation.
    fn operation(edits: &[(u32, u32, &str)]) -> Operation {
        let mut builder = OperationBuilder::default();
        for &(position, deleted, text) in edits {
            builder.insert(position, text);
            builder.delete(position, deleted);
        }
        builder.finish()
    }

    fn apply(text: &str, operations: &[&Operation]) -> String {
        let mut text = Text::from(text);
        for operation in operations {
            operation.apply(&mut text);
        }
        text.to_string()
    }

    /// `first` and `second` were made against "abcdefgh"; both ways round must give `expected`.
    fn check(first: &[(u32, u32, &str)], second: &[(u32, u32, &str)], expected: &str) {
        let (first, second) = (operation(first), operation(second));
        let server = apply("abcdefgh", &[&first, &transform(&second, &first, Order::Second)]);
        let client = apply("abcdefgh", &[&second, &transform(&first, &second, Order::First)]);
        assert_eq!((server.as_str(), client.as_str()), (expected, expected));
    }

    #[test]
    fn inserts_at_one_position_keep_the_order_of_the_server() {
        check(&[(2, 0, "X")], &[(2, 0, "Y")], "abXYcdefgh");
    }

    #[test]
    fn insert_at_the_start_inside_and_at_the_end_of_a_concurrent_delete() {
        check(&[(2, 3, "")], &[(2, 0, "Y")], "abYfgh");
        check(&[(2, 3, "")], &[(3, 0, "Y")], "abYfgh");
        check(&[(2, 3, "")], &[(5, 0, "Y")], "abYfgh");
        check(&[(3, 0, "X")], &[(2, 3, "")], "abXfgh");
    }

    #[test]
    fn edits_at_the_start_of_a_concurrent_replace() {
        check(&[(2, 3, "X")], &[(2, 0, "Y")], "abXYfgh");
        check(&[(2, 0, "X")], &[(2, 3, "Y")], "abXYfgh");
        check(&[(2, 3, "X")], &[(2, 1, "")], "abXfgh");
        check(&[(2, 1, "")], &[(2, 3, "Y")], "abYfgh");
    }

    #[test]
    fn deletes_overlapping_nested_identical_and_touching() {
        check(&[(1, 4, "")], &[(3, 4, "")], "ah");
        check(&[(1, 6, "")], &[(3, 2, "")], "ah");
        check(&[(3, 2, "")], &[(3, 2, "")], "abcfgh");
        check(&[(1, 2, "")], &[(3, 2, "")], "afgh");
    }

    #[test]
    fn replace_against_replace() {
        check(&[(2, 3, "X")], &[(2, 3, "Y")], "abXYfgh");
        check(&[(1, 4, "X")], &[(3, 4, "Y")], "aXYh");
        check(&[(3, 4, "X")], &[(1, 4, "Y")], "aYXh");
    }

    #[test]
    fn a_batch_keeps_an_insert_strictly_inside_its_own_deletion() {
        check(&[(1, 2, ""), (3, 2, "X")], &[(2, 0, "Y")], "aYXfgh");
        check(&[(1, 2, ""), (3, 2, "X")], &[(4, 0, "Y")], "aXYfgh");
    }

    /// One unit of the naive model: a unit of the base text, or one that was inserted at a gap.
    fn naive_merge(base: &str, first: &Operation, second: &Operation) -> String {
        let base: Vec<char> = base.chars().collect();
        let mut merged = String::new();
        for gap in 0..=u32::try_from(base.len()).unwrap() {
            for operation in [first, second] {
                merged.extend(operation.iter().filter(|(edit, _)| edit.position == gap).map(|(_, text)| text));
            }
            let deletes = |o: &Operation| o.edits().iter().any(|e| (e.position..e.end()).contains(&gap));
            if let Some(unit) = base.get(gap as usize)
                && !deletes(first)
                && !deletes(second)
            {
                merged.push(*unit);
            }
        }
        merged
    }

    /// A canonical operation on a text of `length` units, dense with edges.
    fn any_operation(length: u32) -> impl Strategy<Value = Operation> {
        let gap = (prop::option::weighted(0.3, "[A-C]{1,2}"), prop::bool::weighted(0.35));
        prop::collection::vec(gap, length as usize + 1).prop_map(move |gaps| {
            let mut builder = OperationBuilder::default();
            for (position, (text, delete)) in (0..).zip(gaps) {
                builder.insert(position, &text.unwrap_or_default());
                builder.delete(position, u32::from(delete && position < length));
            }
            builder.finish()
        })
    }

    fn any_pair() -> impl Strategy<Value = (String, Operation, Operation)> {
        (0_u32..9).prop_flat_map(|length| {
            let base: String = ('a'..='z').take(length as usize).collect();
            (Just(base), any_operation(length), any_operation(length))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn transform_equals_the_naive_merge((base, first, second) in any_pair()) {
            let expected = naive_merge(&base, &first, &second);
            let server = apply(&base, &[&first, &transform(&second, &first, Order::Second)]);
            let client = apply(&base, &[&second, &transform(&first, &second, Order::First)]);
            prop_assert_eq!(&server, &expected);
            prop_assert_eq!(&client, &expected);
        }

        #[test]
        fn a_moved_operation_is_canonical((_, first, second) in any_pair()) {
            for order in [Order::First, Order::Second] {
                let moved = transform(&second, &first, order);
                let parts = Operation::from_parts(moved.edits(), moved.text().to_owned());
                prop_assert_eq!(parts, Ok(moved));
            }
        }

        #[test]
        fn many_positions_are_mapped_as_each_of_them(
            (base, operation, _) in any_pair(),
            mut positions in prop::collection::vec(0_u32..9, 0..9),
        ) {
            let length = u32::try_from(base.len()).unwrap();
            positions.iter_mut().for_each(|position| *position = (*position).min(length));
            positions.sort_unstable();
            for order in [Order::First, Order::Second] {
                let expected: Vec<u32> = positions.iter().map(|&p| map_position(p, operation.edits(), order)).collect();
                let mut mapped = positions.clone();
                map_positions(mapped.iter_mut(), operation.edits(), order);
                prop_assert_eq!(mapped, expected);
            }
        }

        #[test]
        fn the_parts_of_an_operation_from_right_to_left_equal_the_whole((base, first, second) in any_pair()) {
            // A client with `second` pending receives `first` as parts, from the end of the text on.
            let mut pending = second.clone();
            let mut text = Text::from(base.as_str());
            second.apply(&mut text);
            for (edit, inserted) in first.iter().rev() {
                let part = operation(&[(edit.position, edit.deleted, inserted)]);
                transform(&part, &pending, Order::First).apply(&mut text);
                pending = transform(&pending, &part, Order::Second);
            }
            prop_assert_eq!(text.to_string(), naive_merge(&base, &first, &second));
            let server = apply(&base, &[&first, &pending]);
            prop_assert_eq!(server, naive_merge(&base, &first, &second));
        }

        #[test]
        fn invert_takes_back((base, operation, _) in any_pair()) {
            let mut text = Text::from(base.as_str());
            let deleted = operation.apply(&mut text);
            operation.invert(&deleted).apply(&mut text);
            prop_assert_eq!(text.to_string(), base);
        }
    }
}

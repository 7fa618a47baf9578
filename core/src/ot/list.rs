//! Moving lists of operations over one another.

use smallvec::SmallVec;

use super::operation::{Edit, Operation};
use super::transform::{Order, move_over};

/// Moves two lists over one another, operation by operation: what a client does with its list of pending
/// changes and the server's newer ones.
///
/// Both lists begin at one text, and each operation in them was made against the text after those before
/// it; `first` is the one the server ordered first. Returned are `first`, to be applied after all of
/// `second`, and `second`, to be applied after all of `first`; both ways lead to the same text.
#[must_use]
pub fn transform_lists(first: &[Operation], second: &[Operation]) -> (Vec<Operation>, Vec<Operation>) {
    let mut second_moved = second.to_vec();
    let first_moved = first.iter().map(|operation| {
        let mut operation = operation.clone();
        for other in &mut second_moved {
            let edits: SmallVec<[Edit; 1]> = operation.edits().into();
            move_over(&mut operation, other.edits(), Order::First);
            move_over(other, &edits, Order::Second);
        }
        operation
    });
    let first_moved = first_moved.collect();
    (first_moved, second_moved)
}

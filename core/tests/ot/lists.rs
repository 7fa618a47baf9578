//! Lists of operations against one another.

use jddb_core::ot::{Operation, Order, compose_all, transform, transform_lists, transform_through};

use super::draft::{Case, Draft, Shape};
use super::model::{Units, applied, characters, fits, is_canonical, merged, units};
use super::search::{check, same};

/// Drafts in turn from `base` on.
fn in_turn(base: &[char], drafts: &[Draft]) -> (Units, Vec<Operation>) {
    let mut text = units(base);
    let operations = drafts.iter().map(|draft| {
        let operation = draft.on(&characters(&text));
        text = applied(&text, &operation);
        operation
    });
    let operations = operations.collect();
    (text, operations)
}

fn apply_all(text: &Units, operations: &[Operation]) -> Result<Units, String> {
    operations.iter().try_fold(text.clone(), |text, operation| {
        is_canonical(operation)?;
        fits(operation, &text)?;
        Ok(applied(&text, operation))
    })
}

/// A client with the second list pending receives the first one operation by operation.
fn step_by_step(first: &[Operation], second: &[Operation]) -> (Vec<Operation>, Vec<Operation>) {
    let mut pending = second.to_vec();
    let mut received = Vec::new();
    for operation in first {
        let mut operation = operation.clone();
        for mine in &mut pending {
            let moved = transform(&operation, mine, Order::First);
            *mine = transform(mine, &operation, Order::Second);
            operation = moved;
        }
        received.push(operation);
    }
    (received, pending)
}

#[test]
fn both_ways_round_two_lists_lead_to_one_text() {
    let property = |case: &Case| {
        let (firsts, seconds) = case.drafts.split_at(case.base.len() % (case.drafts.len() + 1));
        let (after_first, first) = in_turn(&case.base, firsts);
        let (after_second, second) = in_turn(&case.base, seconds);
        let (first_moved, second_moved) = transform_lists(&first, &second);
        same("both ways", apply_all(&after_first, &second_moved)?, apply_all(&after_second, &first_moved)?)?;
        same("step by step", &(first_moved, second_moved.clone()), &step_by_step(&first, &second))?;
        if let ([first], [second]) = (first.as_slice(), second.as_slice()) {
            let expected = merged(&units(&case.base), &[first, second]);
            same("one against one", apply_all(&after_first, &second_moved)?, expected)?;
        }
        let Some((alone, _)) = second.split_first() else { return Ok(()) };
        let through = transform_through(alone, &first, Order::Second);
        same("one through all", &through, &second_moved[0])
    };
    check(100_000, Shape::dense(5), property);
    check(50_000, Shape::dense(2), property);
    check(100, Shape::large(9), property);
}

#[test]
fn a_list_composed_first_gives_another_text() {
    // Somebody replaces "bc" in two steps, another one writes between the two letters.
    let base: Vec<char> = "abcd".chars().collect();
    let entry = |gap, text, deletes| Draft { entries: vec![super::draft::Entry { gap, text, deletes }] };
    let other = entry(2, "y", 0).on(&base);
    let (after, steps) = in_turn(&base, &[entry(1, "", 2), entry(1, "x", 0)]);
    let composed = compose_all(&steps);
    for (order, one_by_one, as_one) in [(Order::First, "ayxd", "axyd"), (Order::Second, "axyd", "axyd")] {
        let moved = transform_through(&other, &steps, order);
        assert_eq!(applied(&after, &moved), units(&one_by_one.chars().collect::<Vec<_>>()));
        let moved = transform(&other, &composed, order);
        assert_eq!(applied(&after, &moved), units(&as_one.chars().collect::<Vec<_>>()));
    }
}

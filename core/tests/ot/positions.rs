//! Positions, cursors and selections.

use jddb_core::ot::{Order, Selection, map_position};

use super::draft::{Case, Shape};
use super::model::{mapped, units};
use super::search::{check, same};

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap()
}

#[test]
fn every_position_is_where_the_model_has_it() {
    check(200_000, Shape::dense(1), |case| {
        let (base, operation) = (units(&case.base), case.drafts[0].on(&case.base));
        (0..=base.len()).try_for_each(|position| {
            for (order, left) in [(Order::First, true), (Order::Second, false)] {
                let found = map_position(number(position), operation.edits(), order);
                same("mapped", found, number(mapped(&base, &operation, position, left)))?;
            }
            Ok(())
        })
    });
}

#[test]
fn every_cursor_and_selection_is_where_the_model_has_it() {
    check(50_000, Shape::dense(1), |case| {
        let (base, operation) = (units(&case.base), case.drafts[0].on(&case.base));
        let place = |position, left| number(mapped(&base, &operation, position, left));
        let ranges = (0..=base.len()).flat_map(|start| (start..=base.len()).map(move |end| (start, end)));
        ranges.clone().try_for_each(|(start, end)| {
            for own in [false, true] {
                let found = Selection { start: number(start), end: number(end) }.after(operation.edits(), own);
                let expected = match start == end {
                    true => Selection { start: place(start, !own), end: place(start, !own) },
                    false => Selection { start: place(start, false), end: place(end, true) },
                };
                same("selection", found, expected)?;
                if found.start > found.end {
                    return Err(format!("the wrong way round: {found:?}"));
                }
            }
            Ok(())
        })
    });
}

#[test]
fn positions_in_a_large_text() {
    check(100, Shape::large(1), |case: &Case| {
        let (base, operation) = (units(&case.base), case.drafts[0].on(&case.base));
        let edges = operation.edits().iter().flat_map(|edit| [edit.position, edit.end()]);
        let near = edges.flat_map(|edge| edge.saturating_sub(1)..=edge + 1);
        near.filter(|&position| position as usize <= base.len()).try_for_each(|position| {
            let found = map_position(position, operation.edits(), Order::Second);
            same("mapped", found, number(mapped(&base, &operation, position as usize, false)))
        })
    });
}

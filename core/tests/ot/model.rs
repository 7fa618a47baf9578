//! What operations mean, unit by unit: slow, and plain to see.

use jddb_core::ot::{Operation, OperationBuilder};
use jddb_core::text::Text;

/// A text in UTF-16 code units.
pub(crate) type Units = Vec<u16>;

pub(crate) fn units(text: &[char]) -> Units {
    String::from_iter(text).encode_utf16().collect()
}

pub(crate) fn characters(text: &[u16]) -> Vec<char> {
    String::from_utf16(text).expect("no lone surrogate").chars().collect()
}

/// What an operation puts before each unit, and before the end, and whether it deletes the unit.
fn by_gap(operation: &Operation, length: usize) -> Vec<(Units, bool)> {
    let mut gaps = vec![(Units::new(), false); length + 1];
    for (edit, text) in operation.iter() {
        gaps[edit.position as usize].0.extend(text.encode_utf16());
        gaps[edit.position as usize..edit.end() as usize].iter_mut().for_each(|gap| gap.1 = true);
    }
    gaps
}

/// The text after operations that were all made against `base`, in the server's order.
pub(crate) fn merged(base: &[u16], operations: &[&Operation]) -> Units {
    let operations: Vec<_> = operations.iter().map(|operation| by_gap(operation, base.len())).collect();
    let mut merged = Units::new();
    for gap in 0..=base.len() {
        operations.iter().for_each(|gaps| merged.extend(&gaps[gap].0));
        if gap < base.len() && operations.iter().all(|gaps| !gaps[gap].1) {
            merged.push(base[gap]);
        }
    }
    merged
}

/// The text after one operation.
pub(crate) fn applied(base: &[u16], operation: &Operation) -> Units {
    let mut after = Units::with_capacity(base.len() + operation.text().len());
    let mut at = 0;
    for (edit, text) in operation.iter() {
        after.extend(&base[at..edit.position as usize]);
        after.extend(text.encode_utf16());
        at = edit.end() as usize;
    }
    after.extend(&base[at..]);
    after
}

/// Where a place among the units of `base` is after the operation; left or right of an insert at that very place.
pub(crate) fn mapped(base: &[u16], operation: &Operation, position: usize, left: bool) -> usize {
    let gaps = by_gap(operation, base.len());
    let inserted = gaps.iter().take(position + usize::from(!left)).map(|gap| gap.0.len()).sum::<usize>();
    inserted + gaps.iter().take(position).filter(|gap| !gap.1).count()
}

/// A unit of the text before two operations, or one that they inserted.
struct Item {
    unit: u16,
    is_base: bool,
    deleted: bool,
}

/// The two operations as one, by the rule: a text of the second stands directly after the unit to its left.
pub(crate) fn composed(base: &[u16], first: &Operation, second: &Operation) -> Operation {
    let mut items: Vec<Item> = Vec::new();
    for (gap, (text, deleted)) in by_gap(first, base.len()).into_iter().enumerate() {
        items.extend(text.into_iter().map(|unit| Item { unit, is_base: false, deleted: false }));
        items.extend(base.get(gap).map(|&unit| Item { unit, is_base: true, deleted }));
    }
    let between: Vec<usize> = (0..items.len()).filter(|&index| !items[index].deleted).collect();
    let mut texts: Vec<Units> = vec![Units::new(); items.len() + 1];
    for (gap, (text, deleted)) in by_gap(second, between.len()).into_iter().enumerate() {
        let place = gap.checked_sub(1).map_or(0, |left| between[left] + 1);
        texts[place].extend(text);
        if deleted {
            items[between[gap]].deleted = true;
        }
    }
    // What stands before each unit of the base (and the end), and whether that is deleted.
    let mut builder = OperationBuilder::default();
    let (mut position, mut text) = (0, Units::new());
    for (place, between) in texts.into_iter().enumerate() {
        text.extend(between);
        match items.get(place) {
            Some(item) if item.is_base => {
                builder.insert(position, &String::from_utf16(&text).unwrap());
                builder.delete(position, u32::from(item.deleted));
                (position, text) = (position + 1, Units::new());
            }
            Some(item) => text.extend((!item.deleted).then_some(item.unit)),
            None => builder.insert(position, &String::from_utf16(&text).unwrap()),
        }
    }
    builder.finish()
}

/// Whether an operation is as `from_parts` requires; storage keeps its parts and gets the same one back.
pub(crate) fn is_canonical(operation: &Operation) -> Result<(), String> {
    match Operation::from_parts(operation.edits(), operation.text().to_owned()) {
        Ok(made) if made == *operation => Ok(()),
        made => Err(format!("not canonical: {operation:?}, {made:?}")),
    }
}

/// Whether an operation lies within a text and splits none of its characters.
pub(crate) fn fits(operation: &Operation, text: &[u16]) -> Result<(), String> {
    let fits = operation.fits(&Text::from(String::from_utf16(text).unwrap().as_str()));
    if fits { Ok(()) } else { Err(format!("{operation:?} does not fit {text:?}")) }
}

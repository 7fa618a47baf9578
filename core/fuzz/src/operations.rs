//! Operations from arbitrary parts: what is accepted is canonical, and holds every law of the engine.

use jddb_core::ot::{Edit, Operation, OperationBuilder, Order, map_position, transform};
use jddb_core::text::Text;

use super::bytes::Bytes;
use super::naive::{Naive, NaiveEdit, text_of};

use Order::{First, Second};

/// Numbers at the end of what 32 bits hold, where sums go wrong.
const LARGE: [u32; 4] = [u32::MAX, u32::MAX - 1, 1 << 31, 1 << 16];

/// The naive model takes each unit of a text for each of its gaps, so texts stay short.
const REPEATS_MAX: usize = 24;

/// An operation decoded from parts as a damaged record might hold them, or two operations on one text.
///
/// # Panics
/// Something that must hold does not.
pub fn operations(data: &[u8]) {
    let mut bytes = Bytes::new(data, REPEATS_MAX);
    if bytes.next() & 1 == 0 { from_parts(&mut bytes) } else { pair(&mut bytes) }
}

fn from_parts(bytes: &mut Bytes<'_>) {
    let text: String = (0..bytes.below(8)).map(|_| bytes.text()).collect();
    let mut edits = Vec::new();
    while !bytes.is_empty() {
        let [position, deleted, inserted, text_start] = [(); 4].map(|()| number(bytes));
        edits.push(Edit { position, deleted, inserted, text_start });
    }
    let expected = is_canonical(&edits, &text);
    let Ok(operation) = Operation::from_parts(&edits, text.clone()) else {
        return assert!(!expected, "{edits:?} with {text:?} was refused");
    };
    assert!(expected, "{edits:?} with {text:?} was accepted");
    assert_eq!((operation.edits(), operation.text()), (edits.as_slice(), text.as_str()));
    let joined: String = operation.iter().map(|(_, inserted)| inserted).collect();
    assert_eq!(joined, text);
    assert_eq!(operation.view().to_operation(), operation);
    let end = edits.last().map_or(0, |last| last.end());
    if end < 4096 {
        let base: String = "0123456789".chars().cycle().take(end as usize).collect();
        check_pair(&base, &operation, &operation);
    }
}

/// Small, now and then at the end of all numbers.
fn number(bytes: &mut Bytes<'_>) -> u32 {
    let byte = bytes.next();
    if byte < 0xF0 { byte.into() } else { LARGE[usize::from(byte & 3)] }
}

/// The definition of a canonical operation, edit by edit.
fn is_canonical(edits: &[Edit], text: &str) -> bool {
    let mut at = 0;
    let mut before: Option<Edit> = None;
    for (index, edit) in edits.iter().enumerate() {
        let text_end = edits.get(index + 1).map_or(text.len(), |next| next.text_start as usize);
        let begins_right = edit.text_start as usize == at;
        let inserted = text.get(at..text_end).map(|text| text.encode_utf16().count());
        let behind = before.is_none_or(|before| {
            let end = u64::from(before.position) + u64::from(before.deleted);
            let touching = end == u64::from(edit.position) && before.deleted > 0 && edit.inserted > 0;
            end < u64::from(edit.position) || touching
        });
        let fits = u64::from(edit.position) + u64::from(edit.deleted) <= u64::from(u32::MAX);
        let empty = edit.deleted == 0 && edit.inserted == 0;
        if !begins_right || inserted != Some(edit.inserted as usize) || !behind || !fits || empty {
            return false;
        }
        (at, before) = (text_end, Some(*edit));
    }
    at == text.len()
}

fn pair(bytes: &mut Bytes<'_>) {
    if bytes.next() < 0xF0 {
        bytes.repeat(0);
    }
    let base: String = (0..bytes.below(8)).map(|_| bytes.text()).collect();
    let first = built(bytes);
    let second = built(bytes);
    check_pair(&base, &first, &second);
}

/// An operation from left to right; it may lie outside of the text, or split a character.
fn built(bytes: &mut Bytes<'_>) -> Operation {
    let mut builder = OperationBuilder::default();
    let mut position = 0;
    for _ in 0..bytes.below(6) {
        position += u32::from(bytes.next() % 4);
        builder.insert(position, &bytes.text());
        let deleted = u32::from(bytes.next() % 6);
        builder.delete(position, deleted);
        position += deleted;
    }
    builder.finish()
}

/// All that must hold of two operations made on one text.
fn check_pair(base: &str, first: &Operation, second: &Operation) {
    let units: Vec<u16> = base.encode_utf16().collect();
    let text = Text::from(base);
    let (Some(naive_first), Some(naive_second)) = (fitting(&text, &units, first), fitting(&text, &units, second))
    else {
        return;
    };
    for (operation, naive) in [(first, &naive_first), (second, &naive_second)] {
        check_alone(base, &units, operation, naive);
    }
    let server = check_moved(&transform(second, first, Second), &naive_second.over(&naive_first, false));
    let client = check_moved(&transform(first, second, First), &naive_first.over(&naive_second, true));
    let (by_server, by_client) = (applied(base, &[first, &server]), applied(base, &[second, &client]));
    assert_eq!(by_server, by_client, "TP1");
    assert_eq!(by_server, text_of(&naive_second.over(&naive_first, false).apply(&naive_first.apply(&units))));
    assert_eq!(by_parts(base, first, second), by_server, "a version's parts, applied one by one");
}

/// The operation unit by unit, if the engine and the naive model agree that it fits the text.
fn fitting(text: &Text, units: &[u16], operation: &Operation) -> Option<Naive> {
    let naive = Naive::new(units.len(), naive_edits(operation)).filter(|naive| naive.splits_nothing(units));
    assert_eq!(operation.fits(text), naive.is_some(), "{operation:?} on {text}");
    naive
}

fn naive_edits(operation: &Operation) -> Vec<NaiveEdit> {
    let edit =
        |(edit, text): (Edit, &str)| (edit.position as usize, edit.deleted as usize, text.encode_utf16().collect());
    operation.iter().map(edit).collect()
}

fn check_alone(base: &str, units: &[u16], operation: &Operation, naive: &Naive) {
    assert_eq!(naive_edits(operation), naive.edits(), "canonical");
    let mut text = Text::from(base);
    let deleted = operation.apply(&mut text);
    assert_eq!(text.to_string(), text_of(&naive.apply(units)));
    assert_eq!(deleted, text_of(&naive.cut(units)));
    let grown = i64::try_from(naive.apply(units).len()).ok().zip(i64::try_from(units.len()).ok());
    assert_eq!(grown.map(|(after, before)| after - before), Some(operation.length_delta()));
    let inverse = operation.invert(&deleted);
    assert_eq!(naive_edits(&inverse), naive.inverse(units).edits(), "inverse");
    assert_eq!(inverse.apply(&mut text), operation.text());
    assert_eq!(text.to_string(), base);
    for position in 0..=u32::try_from(units.len()).unwrap_or(u32::MAX) {
        for (order, right) in [(First, false), (Second, true)] {
            let mapped = map_position(position, operation.edits(), order) as usize;
            assert_eq!(mapped, naive.map_gap(position as usize, right), "{position} {order:?}");
        }
    }
}

/// A moved operation is what the naive model says, canonical, and the same when it is read back.
fn check_moved(moved: &Operation, naive: &Naive) -> Operation {
    assert_eq!(naive_edits(moved), naive.edits(), "transform");
    let read = Operation::from_parts(moved.edits(), moved.text().to_owned());
    assert_eq!(read.as_ref(), Ok(moved));
    moved.clone()
}

fn applied(base: &str, operations: &[&Operation]) -> String {
    let mut text = Text::from(base);
    for operation in operations {
        assert!(operation.fits(&text), "{operation:?} on {text}");
        operation.apply(&mut text);
    }
    text.to_string()
}

/// What a client with `pending` has when it is sent `version` in parts, from the end of the text on.
fn by_parts(base: &str, version: &Operation, pending: &Operation) -> String {
    let mut pending = pending.clone();
    let mut text = Text::from(applied(base, &[&pending]).as_str());
    for (edit, inserted) in version.iter().rev() {
        let mut builder = OperationBuilder::default();
        builder.insert(edit.position, inserted);
        builder.delete(edit.position, edit.deleted);
        let part = builder.finish();
        transform(&part, &pending, First).apply(&mut text);
        pending = transform(&pending, &part, Second);
    }
    assert_eq!(applied(base, &[version, &pending]), text.to_string(), "the pending change follows");
    text.to_string()
}

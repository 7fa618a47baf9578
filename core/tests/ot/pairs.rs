//! Two operations on one text.

use jddb_core::ot::{Edit, Operation, OperationBuilder, Order, transform};
use jddb_core::text::Text;

use super::draft::{Case, Shape};
use super::model::{Units, applied, fits, is_canonical, merged, units};
use super::search::{Random, check, same};

/// Both ways round give the text in which every unit and every text is where the rules put it (TP1).
fn converges(base: &Units, first: &Operation, second: &Operation) -> Result<(), String> {
    let expected = merged(base, &[first, second]);
    let second_moved = transform(second, first, Order::Second);
    let first_moved = transform(first, second, Order::First);
    is_canonical(&second_moved)?;
    is_canonical(&first_moved)?;
    same("at the server", &applied(&applied(base, first), &second_moved), &expected)?;
    same("at the client", &applied(&applied(base, second), &first_moved), &expected)
}

fn pair(case: &Case) -> (Units, Operation, Operation) {
    (units(&case.base), case.drafts[0].on(&case.base), case.drafts[1].on(&case.base))
}

#[test]
fn both_ways_lead_to_the_merged_text() {
    check(1_000_000, Shape::dense(2), |case| {
        let (base, first, second) = pair(case);
        converges(&base, &first, &second)
    });
}

#[test]
fn both_ways_lead_to_the_merged_text_of_50_kb() {
    check(500, Shape::large(2), |case| {
        let (base, first, second) = pair(case);
        converges(&base, &first, &second)
    });
}

/// All operations on a text of `length` units that put `text` or nothing at each gap.
fn all_operations(length: u32, text: &str) -> Vec<Operation> {
    let all = (0_u32..1 << (2 * length + 1)).map(|choice| {
        let mut builder = OperationBuilder::default();
        for position in 0..=length {
            let here = choice >> (2 * position);
            builder.insert(position, if here & 1 == 1 { text } else { "" });
            builder.delete(position, (here >> 1) & 1);
        }
        builder.finish()
    });
    all.collect()
}

#[test]
fn every_pair_of_operations_on_up_to_4_units_converges() {
    for length in 0..=4 {
        let base: Units = (0..length).map(|unit| u16::from(b'a') + unit).collect();
        let length = u32::from(length);
        let (firsts, seconds) = (all_operations(length, "XX"), all_operations(length, "Y"));
        for (first, second) in firsts.iter().flat_map(|first| seconds.iter().map(move |second| (first, second))) {
            if let Err(why) = converges(&base, first, second) {
                panic!("{first:?}\n{second:?}\n{why}");
            }
        }
    }
}

#[test]
fn apply_does_what_the_model_does_and_invert_takes_it_back() {
    let property = |case: &Case| {
        let (base, operation, _) = pair(case);
        let after = applied(&base, &operation);
        let mut text = Text::from(String::from_iter(&case.base).as_str());
        let deleted = operation.apply(&mut text);
        same("applied", text.to_string(), String::from_utf16(&after).unwrap())?;
        same("merged alone", merged(&base, &[&operation]), after.clone())?;
        same("the length", operation.length_delta(), after.len() as i64 - base.len() as i64)?;
        let inverse = operation.invert(&deleted);
        is_canonical(&inverse)?;
        fits(&inverse, &after)?;
        let inserted = inverse.apply(&mut text);
        same("taken back", text.to_string(), String::from_iter(&case.base))?;
        same("what the inverse deletes", inserted.as_str(), operation.text())?;
        // An insert that touches a deletion on its left is one with it when both are taken back.
        let touches = operation.edits().windows(2).any(|pair| pair[0].end() == pair[1].position);
        if touches { Ok(()) } else { same("taken back twice", &inverse.invert(&inserted), &operation) }
    };
    check(200_000, Shape::dense(2), property);
    check(200, Shape::large(2), property);
}

#[test]
fn what_is_made_of_whole_characters_stays_so() {
    let property = |case: &Case| {
        let (base, first, second) = pair(case);
        fits(&first, &base)?;
        fits(&transform(&second, &first, Order::Second), &applied(&base, &first))?;
        fits(&transform(&first, &second, Order::First), &applied(&base, &second))
    };
    check(200_000, Shape::dense(2), property);
    check(200, Shape::large(2), property);
}

#[test]
fn the_parts_of_an_operation_from_right_to_left_equal_the_whole() {
    check(200_000, Shape::dense(2), |case| {
        let (base, first, mut pending) = pair(case);
        let expected = merged(&base, &[&first, &pending]);
        // A client with `second` pending receives `first` as parts, from the end of the text on.
        let mut client = applied(&base, &pending);
        for (edit, inserted) in first.iter().rev() {
            let mut part = OperationBuilder::default();
            part.insert(edit.position, inserted);
            part.delete(edit.position, edit.deleted);
            let part = part.finish();
            client = applied(&client, &transform(&part, &pending, Order::First));
            pending = transform(&pending, &part, Order::Second);
        }
        same("at the client", &client, &expected)?;
        same("at the server", applied(&applied(&base, &first), &pending), expected)
    });
}

/// Whether edits are canonical, by the words of [`Operation`].
fn is_valid(edits: &[Edit], text: &str) -> bool {
    let mut position = None;
    let mut starts = 0;
    for (index, edit) in edits.iter().enumerate() {
        let end = edits.get(index + 1).map_or(text.len(), |next| next.text_start as usize);
        let Some(inserted) = text.get(starts..end) else { return false };
        let lengths_agree =
            edit.text_start as usize == starts && inserted.encode_utf16().count() == edit.inserted as usize;
        let empty = edit.deleted == 0 && edit.inserted == 0;
        let begin = u64::from(edit.position);
        let in_order = position
            .is_none_or(|(before, deleted)| before < begin || (before == begin && deleted > 0 && edit.inserted > 0));
        let end_position = begin + u64::from(edit.deleted);
        if !lengths_agree || empty || !in_order || end_position > u64::from(u32::MAX) {
            return false;
        }
        position = Some((end_position, edit.deleted));
        starts = end;
    }
    starts == text.len()
}

#[test]
fn from_parts_takes_canonical_operations_and_nothing_else() {
    let mut random = Random::new(1);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..500_000 {
        let text: String = (0..random.below(4)).map(|_| ['x', 'é', '\u{1F600}'][random.below(3)]).collect();
        let (mut position, mut text_start) = (0, 0);
        let edits: Vec<Edit> = (0..random.below(4))
            .map(|_| {
                position += random.below(3);
                let far = if random.chance(2) { u32::MAX - 1 } else { 0 };
                let (deleted, inserted) = (random.below(3), random.below(3));
                let mut number = |value: usize| u32::try_from(value).unwrap() + u32::from(random.chance(2));
                let edit = Edit {
                    position: number(position).saturating_add(far),
                    deleted: number(deleted),
                    inserted: number(inserted),
                    text_start: number(text_start),
                };
                position += deleted;
                let rest = text.get(text_start..).unwrap_or_default();
                text_start += rest.chars().take(inserted).map(char::len_utf8).sum::<usize>();
                edit
            })
            .collect();
        let made = Operation::from_parts(&edits, text.clone());
        assert_eq!(made.is_ok(), is_valid(&edits, &text), "{edits:?} {text:?}");
        *(if made.is_ok() { &mut taken } else { &mut refused }) += 1;
        if let Ok(operation) = made {
            assert_eq!((operation.edits(), operation.text()), (edits.as_slice(), text.as_str()));
        }
    }
    assert!(taken > 10_000 && refused > 10_000, "both happen: {taken} {refused}");
}

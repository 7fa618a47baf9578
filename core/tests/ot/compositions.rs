//! Several operations as one.

use jddb_core::ot::{Operation, compose, compose_all};
use jddb_core::text::Text;

use super::draft::{Case, Draft, Shape};
use super::model::{Units, applied, characters, composed, fits, is_canonical, units};
use super::search::{Random, check, same};

/// The drafts of a case as operations in turn, with the text before each and after all.
fn in_turn(case: &Case) -> (Vec<Units>, Vec<Operation>) {
    let mut texts = vec![units(&case.base)];
    let mut operations = Vec::new();
    let mut text = case.base.clone();
    for draft in &case.drafts {
        let operation = draft.on(&text);
        let after = applied(texts.last().unwrap(), &operation);
        text = characters(&after);
        texts.push(after);
        operations.push(operation);
    }
    (texts, operations)
}

#[test]
fn two_as_one_do_what_both_do_in_turn_by_the_rule() {
    let property = |case: &Case| {
        let (texts, operations) = in_turn(case);
        let whole = compose(&operations[0], &operations[1]);
        is_canonical(&whole)?;
        fits(&whole, &texts[0])?;
        same("composed", &whole, &composed(&texts[0], &operations[0], &operations[1]))?;
        same("applied", &applied(&texts[0], &whole), &texts[2])
    };
    check(300_000, Shape::dense(2), property);
    check(200, Shape::large(2), property);
}

#[test]
fn composing_is_associative() {
    check(300_000, Shape::dense(3), |case| {
        let (_, operations) = in_turn(case);
        let [a, b, c] = operations.as_slice() else { unreachable!("three drafts") };
        let (left, right) = (compose(&compose(a, b), c), compose(a, &compose(b, c)));
        same("(a b) c and a (b c)", &left, &right)?;
        same("all at once", compose_all([a, b, c]), left)
    });
}

#[test]
fn many_as_one_do_what_all_do_in_turn() {
    let property = |case: &Case| {
        let (texts, operations) = in_turn(case);
        let whole = compose_all(&operations);
        is_canonical(&whole)?;
        same("applied", &applied(&texts[0], &whole), &texts[operations.len()])?;
        let from_left = operations.iter().fold(Operation::default(), |whole, next| compose(&whole, next));
        same("one by one from the left", &from_left, &whole)?;
        let from_right = operations.iter().rev().fold(Operation::default(), |whole, next| compose(next, &whole));
        same("one by one from the right", &from_right, &whole)
    };
    check(10_000, Shape::dense(25), property);
    check(100, Shape::large(25), property);
}

#[test]
fn an_operation_and_its_inverse_leave_the_text_as_it_is() {
    check(200_000, Shape::dense(1), |case| {
        let (texts, operations) = in_turn(case);
        let mut text = Text::from(String::from_iter(&case.base).as_str());
        let deleted = operations[0].apply(&mut text);
        let inverse = operations[0].invert(&deleted);
        same("there and back", &applied(&texts[0], &compose(&operations[0], &inverse)), &texts[0])?;
        same("back and there", &applied(&texts[1], &compose(&inverse, &operations[0])), &texts[1])
    });
}

#[test]
fn nothing_is_neutral() {
    check(10_000, Shape::dense(1), |case| {
        let operation = case.drafts[0].on(&case.base);
        same("on the left", &compose(&Operation::default(), &operation), &operation)?;
        same("on the right", &compose(&operation, &Operation::default()), &operation)
    });
}

#[test]
fn ten_thousand_typed_and_random_edits_are_one() {
    for typing in [true, false] {
        let mut random = Random::new(7);
        let mut text: Vec<char> = "Gérer des équipes \u{1F600}. ".repeat(100).chars().collect();
        let base = units(&text);
        let mut gap = 0;
        let mut operations = Vec::new();
        for _ in 0..10_000 {
            if !typing || random.chance(2) {
                gap = random.below(text.len() + 1);
            }
            let draft = match random.below(10) {
                0 if gap > 0 => Draft { entries: vec![super::draft::Entry { gap: gap - 1, text: "", deletes: 1 }] },
                1 => Draft { entries: vec![super::draft::Entry { gap, text: "é", deletes: 1 }] },
                _ => Draft { entries: vec![super::draft::Entry { gap, text: "\u{1F600}", deletes: 0 }] },
            };
            let operation = draft.on(&text);
            let entry = draft.entries[0];
            let end = (entry.gap + entry.deletes).min(text.len());
            text.splice(entry.gap..end, entry.text.chars());
            gap = entry.gap + entry.text.chars().count();
            operations.push(operation);
        }
        let whole = compose_all(&operations);
        is_canonical(&whole).unwrap();
        assert_eq!(String::from_utf16(&applied(&base, &whole)).unwrap(), String::from_iter(&text));
    }
}

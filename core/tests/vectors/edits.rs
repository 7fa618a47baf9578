//! `transform.jsonl` and `invert.jsonl`: operations on one text.

use jddb_core::ot::{Operation, Order, transform};
use jddb_core::text::Text;
use serde_json::{Value, json};

use crate::cases::{for_each, naive, naive_shown, operation, shown, text, units};
use crate::naive::text_of;

fn applied(text: &str, operations: [&Operation; 2]) -> String {
    let mut text = Text::from(text);
    for operation in operations {
        assert!(operation.fits(&text), "{operation:?} on {text}");
        operation.apply(&mut text);
    }
    text.to_string()
}

fn check_transform(case: &Value) {
    let base = text(case, "text");
    let result = text(case, "result");
    let [first, second] = ["first", "second"].map(|key| operation(case, key));
    let (after_first, after_second) =
        (transform(&second, &first, Order::Second), transform(&first, &second, Order::First));
    assert_eq!(shown(&after_first), case["second_after_first"]);
    assert_eq!(shown(&after_second), case["first_after_second"]);
    assert_eq!(applied(base, [&first, &after_first]), result);
    assert_eq!(applied(base, [&second, &after_second]), result);

    let base = units(base);
    let [first, second] = ["first", "second"].map(|key| naive(case, key, base.len()));
    let (after_first, after_second) = (second.over(&first, false), first.over(&second, true));
    assert_eq!(naive_shown(&after_first), case["second_after_first"], "naive");
    assert_eq!(naive_shown(&after_second), case["first_after_second"], "naive");
    assert_eq!(text_of(&after_first.apply(&first.apply(&base))), result, "naive");
    assert_eq!(text_of(&after_second.apply(&second.apply(&base))), result, "naive");
}

fn check_invert(case: &Value) {
    let base = text(case, "text");
    let after = text(case, "after");
    let deleted: Vec<&str> = case["deleted"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let made = operation(case, "operation");
    let mut document = Text::from(base);
    assert_eq!(made.apply(&mut document), deleted.concat());
    assert_eq!(document.to_string(), after);
    let inverse = made.invert(&deleted.concat());
    assert_eq!(shown(&inverse), case["inverse"]);
    inverse.apply(&mut document);
    assert_eq!(document.to_string(), base);

    let base = units(base);
    let made = naive(case, "operation", base.len());
    assert_eq!(text_of(&made.apply(&base)), after, "naive");
    let cut = made.edits().into_iter().map(|(from, count, _)| text_of(&base[from..from + count]));
    assert_eq!(cut.collect::<Vec<_>>(), deleted, "naive");
    let inverse = naive(case, "inverse", units(after).len());
    assert_eq!(naive_shown(&made.inverse(&base)), case["inverse"], "naive");
    assert_eq!(inverse.apply(&units(after)), base, "naive");
}

#[test]
fn transform_cases() {
    for_each("transform.jsonl", 250, check_transform);
}

#[test]
fn invert_cases() {
    for_each("invert.jsonl", 100, check_invert);
}

#[test]
#[should_panic(expected = "tests/vectors/transform.jsonl:1: inserts at one position")]
fn a_case_that_does_not_hold_is_named() {
    for_each("transform.jsonl", 250, |case| assert_ne!(case["name"], json!("inserts at one position")));
}

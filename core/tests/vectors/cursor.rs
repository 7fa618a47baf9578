//! `cursor.jsonl`: where a cursor or a selection is after an operation.

use serde_json::{Value, json};

use crate::cases::{edits, for_each, naive, text, units};
use crate::house::House;

fn check(case: &Value) {
    let place = |key: &str, index: usize| usize::try_from(case[key][index].as_u64().unwrap()).unwrap();
    let (start, end) = (place("range", 0), place("range", 1));
    let by_self = match text(case, "by") {
        "self" => true,
        "other" => false,
        by => panic!("by {by}"),
    };

    let made = naive(case, "operation", units(text(case, "text")).len());
    let moved = if start == end {
        let moved = made.map_gap(start, by_self);
        [moved, moved]
    } else {
        [made.map_gap(start, true), made.map_gap(end, false)]
    };
    assert_eq!(json!(moved), case["moved"], "naive");

    let mut house = House::new();
    let [author, other] = ["author", "other"].map(|name| house.join(name, "utf-16", false));
    house.change(
        other,
        &json!({"operation": "insert", "position": 0, "content": text(case, "text"), "section": "body"}),
    );
    if start == end {
        house.say(author, "cursor.position", &json!({"position": start}));
    } else {
        house.say(author, "selection.change", &json!({"start": start, "end": end}));
    }
    let changes: Vec<Value> = edits(case, "operation").into_iter().map(change_of).collect();
    if !changes.is_empty() {
        let by = if by_self { author } else { other };
        house.change(by, &json!({"changes": changes, "base_version": 1}));
    }
    let viewer = house.join("viewer", "utf-16", false);
    let state = house.read(viewer).remove(0);
    let editors = state["payload"]["active_editors"].as_array().unwrap();
    let author = editors.iter().find(|editor| editor["user_id"] == "author").unwrap();
    if start == end {
        assert_eq!(author["cursor_position"], case["moved"][0]);
    } else {
        assert_eq!(json!([author["selection"]["start"], author["selection"]["end"]]), case["moved"]);
    }
}

/// One edit as a client would send it.
fn change_of((position, deleted, inserted): (u32, u32, &str)) -> Value {
    match (deleted, inserted) {
        (0, _) => json!({"operation": "insert", "position": position, "content": inserted}),
        (_, "") => json!({"operation": "delete", "position": position, "length": deleted}),
        _ => json!({"operation": "replace", "position": position, "length": deleted, "content": inserted}),
    }
}

#[test]
fn cursor_cases() {
    for_each("cursor.jsonl", 150, check);
}

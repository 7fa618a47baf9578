//! Reading the files, and saying which line of them does not hold.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use jddb_core::ot::{Edit, Operation, OperationBuilder};
use serde_json::{Value, json};

use crate::naive::{Naive, NaiveEdit};

/// Runs every case of a file, of which there have to be `cases_min`; names all that fail, with their lines.
pub(crate) fn for_each(file: &str, cases_min: usize, check: impl Fn(&Value)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    let lines = fs::read_to_string(&path).unwrap_or_else(|error| panic!("tests/vectors/{file}: {error}"));
    let mut failed = Vec::new();
    let mut names = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let place = format!("tests/vectors/{file}:{number}");
        let case: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{place}: {error}"));
        let name = case["name"].as_str().unwrap_or_else(|| panic!("{place}: a case has a name"));
        assert!(case["why"].is_string(), "{place}: a case says why");
        if catch_unwind(AssertUnwindSafe(|| check(&case))).is_err() {
            failed.push(format!("{place}: {name}"));
        }
        names.push(name.to_owned());
    }
    assert!(failed.is_empty(), "{} cases do not hold:\n{}", failed.len(), failed.join("\n"));
    assert!(names.len() >= cases_min, "tests/vectors/{file}: {} cases, {cases_min} expected", names.len());
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "tests/vectors/{file}: names differ");
}

pub(crate) fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} is a text"))
}

pub(crate) fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// `[position, deleted, "inserted"]`, one after the other.
pub(crate) fn edits<'a>(case: &'a Value, key: &str) -> Vec<(u32, u32, &'a str)> {
    let list = case[key].as_array().unwrap_or_else(|| panic!("{key} is a list of edits"));
    let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).unwrap();
    let edit = |edit: &'a Value| match edit.as_array().map(Vec::as_slice) {
        Some([position, deleted, inserted]) => (number(position), number(deleted), inserted.as_str().expect("a text")),
        _ => panic!("{edit} is no edit"),
    };
    list.iter().map(edit).collect()
}

/// The engine's operation with exactly these edits.
pub(crate) fn operation(case: &Value, key: &str) -> Operation {
    let mut builder = OperationBuilder::default();
    for (position, deleted, inserted) in edits(case, key) {
        builder.insert(position, inserted);
        builder.delete(position, deleted);
    }
    let operation = builder.finish();
    assert_eq!(shown(&operation), case[key], "{key} is canonical");
    operation
}

/// The naive model's operation with exactly these edits, on a text of that length.
pub(crate) fn naive(case: &Value, key: &str, length: usize) -> Naive {
    let edit = |(position, deleted, inserted): (u32, u32, &str)| -> NaiveEdit {
        (position as usize, deleted as usize, units(inserted))
    };
    let naive = Naive::new(length, edits(case, key).into_iter().map(edit)).expect("the edits lie within the text");
    assert_eq!(naive_shown(&naive), case[key], "{key} is canonical");
    naive
}

pub(crate) fn shown(operation: &Operation) -> Value {
    let edit = |(edit, inserted): (Edit, &str)| json!([edit.position, edit.deleted, inserted]);
    operation.iter().map(edit).collect()
}

pub(crate) fn naive_shown(naive: &Naive) -> Value {
    let edit = |(position, deleted, inserted): NaiveEdit| json!([position, deleted, crate::naive::text_of(&inserted)]);
    naive.edits().into_iter().map(edit).collect()
}

//! An index that changes against one that is built anew.

use proptest::prelude::*;

use super::text;
use crate::translation::index::PARTS_MAX;
use crate::translation::{Folded, Hit, Index, IndexError, Merged, Mode, Query, Scratch, Search, SourceId};

#[derive(Clone, Debug)]
enum Step {
    Insert(String),
    /// Takes out one of those that are in.
    Remove(prop::sample::Index),
    /// Keeps what a look-up would hold.
    Hold,
    /// Begins a merge, if one is due.
    Merge,
    /// Installs the oldest that has begun.
    Install,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => text().prop_map(Step::Insert),
        4 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => Just(Step::Hold),
        1 => Just(Step::Merge),
        1 => Just(Step::Install),
    ];
    prop::collection::vec(step, 1..400)
}

/// The texts in an index and what is said of them, by looking each up.
fn check(index: &Index, model: &[(SourceId, Folded)], gone: &[Folded]) -> Result<(), TestCaseError> {
    prop_assert_eq!(index.len(), model.len());
    prop_assert_eq!(index.is_empty(), model.is_empty());
    for (source, text) in model {
        prop_assert_eq!(index.find(text), Some(*source));
    }
    for text in gone.iter().filter(|text| model.iter().all(|(_, present)| present != *text)) {
        prop_assert_eq!(index.find(text), None);
    }
    let rebuilt = Index::build(model.iter().map(|(source, text)| (*source, text))).unwrap();
    let similarities = |index: &Index, asked: &Folded, mode: Mode| {
        let search = Search::new(mode, 0.5, 9).unwrap();
        let hits = index.search(&Query::new(asked.clone()), &search, &mut Scratch::default());
        hits.iter().map(Hit::similarity).collect::<Vec<f64>>()
    };
    for asked in gone.iter().chain(model.iter().map(|(_, text)| text)).step_by(9) {
        let found = similarities(index, asked, Mode::Exhaustive);
        prop_assert_eq!(found, similarities(&rebuilt, asked, Mode::Exhaustive));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_life_of_an_index(steps in steps()) {
        let (mut index, mut model, mut gone) = (Index::default(), Vec::new(), Vec::new());
        let mut held: Vec<(Index, Vec<(SourceId, Folded)>)> = Vec::new();
        let mut merged: Vec<Merged> = Vec::new();
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Insert(text) => {
                    let Ok(text) = Folded::new(&text) else { continue };
                    let present = model.iter().find(|(_, present)| *present == text);
                    let expected = present.map_or(Ok(()), |(source, _)| Err(IndexError::Present(*source)));
                    prop_assert_eq!(index.insert(SourceId(number), &text), expected);
                    if expected.is_ok() {
                        model.push((SourceId(number), text));
                    }
                }
                Step::Remove(which) if !model.is_empty() => {
                    let (source, text) = model.swap_remove(which.index(model.len()));
                    prop_assert_eq!(index.remove(&text), Some(source));
                    prop_assert_eq!(index.remove(&text), None);
                    gone.push(text);
                }
                Step::Hold => held.push((index.clone(), model.clone())),
                Step::Merge => merged.extend(index.merge_due().map(|merge| merge.run())),
                Step::Install if !merged.is_empty() => {
                    index.install(merged.remove(0));
                }
                Step::Remove(_) | Step::Install => {}
            }
            prop_assert!(index.parts().len() <= PARTS_MAX + 1);
        }
        check(&index, &model, &gone)?;
        while let Some(merge) = index.merge_due() {
            prop_assert!(index.install(merge.run()));
        }
        check(&index, &model, &gone)?;
        // Whoever held the index as it was has seen no change.
        for (index, model) in held.iter().take(4) {
            check(index, model, &[])?;
        }
    }
}

fn numbered(number: u32) -> Folded {
    Folded::new(&format!("text of number {number}")).unwrap()
}

/// A merge in the middle of whose run texts are taken out, added, and merged by another.
#[test]
fn a_merge_that_is_overtaken() {
    let mut index = Index::default();
    for number in 0..63 {
        index.insert(SourceId(number), &numbered(number)).unwrap();
    }
    let before = index.len();
    let due = loop {
        if let Some(due) = index.merge_due() {
            break due;
        }
        let number = u32::try_from(index.len()).unwrap();
        index.insert(SourceId(number), &numbered(number)).unwrap();
    };
    assert!(due.texts() >= before / 2);
    let twin = due.clone();
    assert_eq!(index.remove(&numbered(0)), Some(SourceId(0)));
    assert!(index.install(due.run()));
    assert_eq!(index.find(&numbered(0)), None);
    assert_eq!(index.find(&numbered(1)), Some(SourceId(1)));
    // Its parts are gone.
    assert!(!index.install(twin.run()));
    assert_eq!(index.find(&numbered(0)), None);
}

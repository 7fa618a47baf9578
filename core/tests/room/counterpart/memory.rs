//! What happens to the memory concerns the segment of the other document.

use std::cell::OnceCell;

use jddb_core::translation::Suggestion;

use super::{EN, FR, Houses};
use crate::bilingual::found;
use crate::bilingual::memory::better;

/// The segment is looked up again without a question, and that has come to its end; whether Ada was told.
fn is_told(houses: &mut Houses, confidence: f64) -> bool {
    assert!(houses.own.room.hear_of_memory(&better(), &OnceCell::new()));
    houses.told();
    houses.turn();
    assert!(houses.questions.is_empty(), "the other document says what it said");
    let (number, text) = houses.look_ups.pop_front().expect("it is looked up again");
    assert_eq!((text.as_str(), houses.look_ups.len()), ("One is here.", 0));
    let found = [Suggestion { confidence, ..found(&text) }];
    let work = houses.own.room.suggest_at_cursor(houses.own.now, houses.ada, number, Some((&found, &[])));
    houses.take(work);
    let told = houses.suggested();
    told.iter().for_each(|told| assert_eq!(told["source"]["document_id"], super::OTHER, "{told}"));
    told.len() == 1
}

#[test]
fn what_is_better_for_the_segment_of_the_other_document_is_told_once() {
    let mut houses = Houses::holding(&[("a", FR)], &[("a", EN)]).translating();
    houses.check("a", 3, Some(("One is here.", "a")));
    let told = [0.95, 0.96, 0.96, 0.9, 0.97].map(|confidence| is_told(&mut houses, confidence));
    assert_eq!(told, [false, true, false, false, true]);
    // While the other document is asked that waits, and the place that is newer comes first.
    houses.own.say(houses.ada, crate::bilingual::cursor("a", 14));
    houses.turn();
    assert!(houses.own.room.hear_of_memory(&better(), &OnceCell::new()));
    houses.told();
    houses.turn();
    assert_eq!((houses.questions.len(), houses.look_ups.len()), (1, 0));
    houses.answer();
    assert_eq!(houses.look_ups.front().map(|(_, text)| text.as_str()), Some("Two is there."));
    houses.find();
    assert_eq!((houses.suggested().len(), houses.look_ups.len(), houses.questions.len()), (1, 0, 0));
}

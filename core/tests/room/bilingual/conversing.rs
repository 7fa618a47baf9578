//! What somebody asks for in a document beside what is at their cursor, and when they read what they are told.

use jddb_core::room::{MemberKey, Work};
use serde_json::{Value, json};

use super::{answer, cursor, followed, found, subscribe, translator};
use crate::support::{House, change, guest, message};

/// What is to be done in a turn.
fn work(house: &mut House) -> Vec<Work> {
    house.room.follow_translations(house.now).into_iter().flat_map(|(_, work)| work).collect()
}

/// The types of what a member reads about translations.
fn kinds(house: &mut House, key: MemberKey) -> Vec<String> {
    let kinds = house.read(key).into_iter().map(|told| told["type"].as_str().unwrap().to_owned());
    kinds.filter(|kind| kind.starts_with("translation.")).collect()
}

#[test]
fn nothing_is_told_of_a_version_before_it_is_durable() {
    let mut house = House::holding(&[("a_en", "One."), ("a_fr", "Un.")]);
    let (key, ben) = (translator(&mut house, json!({})), house.settle(guest("ben")));
    let insert =
        |section: &str| change(json!({"operation": "insert", "section": section, "position": 0, "content": "x"}));
    let after = |house: &mut House, expected: &[&str]| {
        house.turn();
        assert_eq!(kinds(house, key), [""; 0], "it is not on the disk");
        house.sync();
        assert_eq!(kinds(house, key), expected);
    };
    house.say(ben, insert("a_fr"));
    house.say(key, cursor("a_en", 0));
    let look_up = followed(&mut house).remove(0);
    answer(&mut house, key, &look_up);
    after(&mut house, &["translation.suggestion"]);
    house.say(ben, insert("a_en"));
    followed(&mut house);
    after(&mut house, &["translation.stale"]);
    house.say(ben, insert("a_fr"));
    house.say(key, subscribe(json!({})));
    after(&mut house, &["translation.subscribed"]);
}

#[test]
fn a_batch_goes_on_until_it_is_cancelled_or_nobody_hears_of_it() {
    let mut house = House::holding(&[("a_en", "One.")]);
    let (ada, ben) = (translator(&mut house, json!({})), translator(&mut house, json!({})));
    let begin = |house: &mut House, key: MemberKey| {
        house.say(key, message("translation.batch", json!({"segments": ["One.", "Two."]})));
        let work = work(house);
        let [Work::Batch { number, .. }] = work.as_slice() else { panic!("{work:?}") };
        assert!(house.room.is_batch_open(key, *number));
        *number
    };
    let number = begin(&mut house, ada);
    begin(&mut house, ben);
    house.say(ada, message("translation.batch.cancel", json!({})));
    assert!(!house.room.is_batch_open(ada, number));
    let next = begin(&mut house, ada);
    assert!(!house.room.is_batch_open(ada, number), "the one before is another one");
    house.leave(ada);
    assert!(!house.room.is_batch_open(ada, next));
}

#[test]
fn what_was_asked_before_subscribing_again_is_answered() {
    let mut house = House::holding(&[("a_en", "One.")]);
    let key = translator(&mut house, json!({}));
    house.say(key, message("translation.request", json!({"source_text": "One."})));
    let asked = work(&mut house);
    let [Work::LookUp { request, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    house.say(key, subscribe(json!({"project_id": "law"})));
    let now = house.now;
    house.room.converse(now, key, |conversation| conversation.suggest(now, *request, Ok((&[found("One.")], &[]))));
    house.sync();
    let told: Vec<Value> = house.read(key);
    assert_eq!(told.last().unwrap()["payload"]["suggestions"][0]["text"], "ONE.", "{told:?}");
}

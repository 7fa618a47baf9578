//! The translation memory: there after a start, but for what is damaged, which stays where it is.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Context, Entry, EntryId, Language, LanguagePair, ProjectId, Rating, Revision, Scope, Status, Submission,
};
use jddb_storage::Durability::Strict;
use jddb_storage::{Family, Store};

use crate::support::{commit, damage, open};

fn entry(number: u64) -> Entry {
    let project = ProjectId::new(if number == 3 { "law" } else { "hr" }).unwrap();
    let submission = Submission {
        scope: if number.is_multiple_of(2) { Scope::Shared } else { Scope::Project(project) },
        pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
        source_text: format!("Text number {number}").into(),
        translated_text: "Texte numéro « un »".into(),
        context: Context { section: Some("body".into()), ..Context::default() },
        rating: Rating::new(5),
        reviewed: false,
        user_id: "ann".into(),
    };
    Entry::new(EntryId(number), submission, UnixMillis(1_758_458_730_123))
}

fn loaded(store: &Store) -> (Vec<Entry>, u64) {
    let mut entries = Vec::new();
    let unreadable = store.load_translations(|entry| entries.push(entry)).unwrap();
    (entries, unreadable)
}

#[test]
fn the_newest_of_each_is_there_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut changed = entry(1);
    changed.status = Status::Rejected;
    let used = Revision { used: true, rating: Rating::new(5), ..Revision::by("eve".into()) };
    changed.revise(used, UnixMillis(1_758_458_740_000));
    {
        let store = open(directory.path(), Strict);
        assert_eq!(loaded(&store), (Vec::new(), 0));
        commit(&store, [300, 1, 2, 3].map(|number| store.encode_translation(&entry(number))).to_vec());
        commit(&store, vec![store.encode_translation(&changed), store.encode_translation_end(EntryId(2))]);
    }
    let store = open(directory.path(), Strict);
    assert_eq!(loaded(&store), (vec![changed, entry(3), entry(300)], 0));
}

#[test]
fn what_is_damaged_is_counted_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = open(directory.path(), Strict);
        commit(&store, [1, 2, 3].map(|number| store.encode_translation(&entry(number))).to_vec());
    }
    damage(directory.path(), Family::Translations);
    for _ in 0..2 {
        let store = open(directory.path(), Strict);
        assert_eq!(loaded(&store), (vec![entry(1), entry(3)], 2));
    }
}

//! The glossary: there after a start, but for what is damaged, which stays where it is.

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{
    Language, LanguagePair, ProjectId, Scope, Term, TermContent, TermDraft, TermId, TermPlace,
};
use jddb_storage::Durability::Strict;
use jddb_storage::{Family, Store};

use crate::support::{commit, damage, open};

fn term(number: u64) -> Term {
    let project = ProjectId::new("hr").unwrap();
    let draft = TermDraft {
        term: &format!("term {number}"),
        variants: vec!["a variant"],
        translation: "terme « un »",
        ..TermDraft::default()
    };
    Term {
        id: TermId(number),
        place: TermPlace {
            scope: if number.is_multiple_of(2) { Scope::Shared } else { Scope::Project(project) },
            pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
        },
        content: TermContent::new(&draft).unwrap(),
        created_by: "ann".into(),
        created_at: UnixMillis(1_758_458_730_123),
        updated_by: "bob".into(),
        updated_at: UnixMillis(1_758_458_740_000),
    }
}

fn loaded(store: &Store) -> (Vec<Term>, u64) {
    let mut terms = Vec::new();
    let unreadable = store.load_terms(|term| terms.push(term)).unwrap();
    (terms, unreadable)
}

#[test]
fn the_newest_of_each_is_there_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let changed = Term { updated_by: "eve".into(), ..term(1) };
    {
        let store = open(directory.path(), Strict);
        assert_eq!(loaded(&store), (Vec::new(), 0));
        commit(&store, [300, 1, 2, 3].map(|number| store.encode_term(&term(number))).to_vec());
        commit(&store, vec![store.encode_term(&changed), store.encode_term_end(TermId(2))]);
    }
    let store = open(directory.path(), Strict);
    assert_eq!(loaded(&store), (vec![changed, term(3), term(300)], 0));
}

#[test]
fn what_is_damaged_is_counted_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = open(directory.path(), Strict);
        commit(&store, [1, 2, 3].map(|number| store.encode_term(&term(number))).to_vec());
    }
    damage(directory.path(), Family::Glossary);
    for _ in 0..2 {
        let store = open(directory.path(), Strict);
        assert_eq!(loaded(&store), (vec![term(1), term(3)], 2));
    }
}

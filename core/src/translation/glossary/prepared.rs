//! Automata that are made before their terms become part of the glossary.
//!
//! To make one takes far longer than to decide on what it is of. So whoever has many terms to import makes it, of what is there
//! and of what is to come, and whoever changes the glossary takes it if that is what there will be: if nobody has changed that
//! place meanwhile, and nothing was refused.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::matcher::{Inflection, Matcher, Sought, TooMany};
use super::term::{Term, TermContent, TermName, TermPlace};
use super::{Glossary, ImportedTerm, Part, RECENT_MAX, Shelf};

/// An automaton of the terms of a place.
#[derive(Debug)]
pub struct PreparedTerms {
    place: TermPlace,
    /// Its terms, in their order.
    wordings: Vec<Wordings>,
    matcher: Matcher,
}

/// What is looked for of a term.
#[derive(Debug)]
struct Wordings {
    texts: Vec<Box<str>>,
    case_matters: bool,
}

impl Wordings {
    fn of(content: &TermContent) -> Self {
        let Sought { texts, case_matters } = content.sought();
        Self { texts: texts.into_iter().map(Box::from).collect(), case_matters }
    }

    fn sought(&self) -> Sought<'_> {
        Sought { texts: self.texts.iter().map(|text| &**text).collect(), case_matters: self.case_matters }
    }

    fn are_of(&self, content: &TermContent) -> bool {
        let Sought { texts, case_matters } = content.sought();
        case_matters == self.case_matters && texts.iter().copied().eq(self.texts.iter().map(|text| &**text))
    }
}

impl Glossary {
    /// All terms of a place, in their order.
    #[must_use]
    pub fn at(&self, place: &TermPlace) -> Vec<Arc<Term>> {
        self.of_place(place).map(|(_, term)| Arc::clone(term)).collect()
    }
}

impl PreparedTerms {
    /// An automaton of the terms that are at a place `before`, and of what a batch brings there; `None` where it brings so little
    /// that none is needed, or there would be more terms than one can have.
    #[must_use]
    pub fn new(place: &TermPlace, before: &[Arc<Term>], batch: &[ImportedTerm]) -> Option<Self> {
        let mut terms: BTreeMap<TermName, &TermContent> = BTreeMap::new();
        for imported in batch.iter().filter(|imported| imported.place == *place) {
            // Of several the first holds.
            terms.entry(imported.content.name()).or_insert(&imported.content);
        }
        let mut brought = terms.len();
        for term in before {
            match terms.entry(term.content.name()) {
                Entry::Vacant(place) => drop(place.insert(&term.content)),
                Entry::Occupied(imported) => brought -= usize::from(**imported.get() == term.content),
            }
        }
        if brought <= RECENT_MAX {
            return None;
        }
        let wordings: Vec<Wordings> = terms.into_values().map(Wordings::of).collect();
        let sought = wordings.iter().map(Wordings::sought);
        let matcher = Matcher::new(sought, Inflection::of(place.pair.source()));
        match matcher {
            Ok(matcher) => Some(Self { place: place.clone(), wordings, matcher }),
            Err(TooMany) => None,
        }
    }

    /// Whether it is of just those terms.
    pub(super) fn fits(&self, place: &TermPlace, terms: &[Arc<Term>]) -> bool {
        self.place == *place
            && self.wordings.len() == terms.len()
            && self.wordings.iter().zip(terms).all(|(wordings, term)| wordings.are_of(&term.content))
    }

    /// The same with the terms, which it fits.
    pub(super) fn shelf(self, terms: Vec<Arc<Term>>) -> Shelf {
        Shelf { all: Arc::new(Part { terms, matcher: self.matcher }), recent: None, outdated: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::{TermDraft, TermRefusal};
    use super::*;
    use crate::ids::UnixMillis;
    use crate::translation::{Language, LanguagePair, ProjectId, Scope};

    fn place() -> TermPlace {
        TermPlace { scope: Scope::Shared, pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap() }
    }

    fn imported((term, variant, case_matters): &(String, Option<String>, bool)) -> ImportedTerm {
        let variants = variant.iter().map(String::as_str).collect();
        let draft = TermDraft { term, variants, translation: "x", case_matters: *case_matters, ..TermDraft::default() };
        ImportedTerm {
            place: place(),
            content: TermContent::new(&draft).unwrap(),
            created_by: None,
            created_at: None,
            updated_by: None,
            updated_at: None,
        }
    }

    fn terms(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<ImportedTerm>> {
        let term = ("[a-cA]{1,2}", prop::option::of("[a-d]"), any::<bool>());
        prop::collection::vec(term.prop_map(|term| imported(&term)), count)
    }

    /// Imports a batch; whether there was no room for something of it.
    fn import(glossary: &mut Glossary, batch: Vec<ImportedTerm>, prepared: Vec<PreparedTerms>) -> bool {
        let (staged, became) =
            glossary.stage_imports(batch, prepared, &mut HashSet::new(), "ann", UnixMillis(0)).unwrap();
        glossary.install(&staged);
        became.contains(&Err(TermRefusal::Full))
    }

    fn found(glossary: &Glossary, text: &str) -> Vec<(u64, String, usize)> {
        let found = glossary.inquire(None, place().pair).find(text).unwrap();
        found.into_iter().map(|found| (found.term.id.0, found.written.into(), found.place)).collect()
    }

    proptest! {
        /// Whatever was prepared, and whatever has changed since: what is found is what is found where all is made anew.
        #[test]
        fn what_was_prepared_is_taken_where_it_is_still_true(
            before in terms(0..8),
            batch in terms(0..12),
            meanwhile in prop::option::of(terms(1..3)),
            room in 4..40_usize,
            text in "[a-dA ]{0,30}",
        ) {
            let mut glossary = Glossary::new(room);
            import(&mut glossary, before, Vec::new());
            let [prepared, same] = [(); 2].map(|()| PreparedTerms::new(&place(), &glossary.at(&place()), &batch));
            let is_alone = meanwhile.is_none();
            meanwhile.map(|more| import(&mut glossary, more, Vec::new()));
            let is_full = import(&mut glossary, batch, prepared.into_iter().collect());
            let all = glossary.at(&place());
            if let Some(same) = same && is_alone && !is_full {
                prop_assert!(same.fits(&place(), &all));
                let elsewhere = TermPlace { scope: Scope::Project(ProjectId::new("hr").unwrap()), ..place() };
                prop_assert!(!same.fits(&elsewhere, &all) && !same.fits(&place(), &all[1..]));
            }
            let (anew, _) = Glossary::load(all.iter().map(|term| Term::clone(term)), room);
            let text = format!("a {text}");
            prop_assert_eq!(found(&glossary, &text), found(&anew, &text));
        }
    }

    #[test]
    fn nothing_is_prepared_for_what_says_little_that_is_new() {
        let batch: Vec<ImportedTerm> =
            ["a", "b", "c", "d"].map(|term| imported(&(term.to_owned(), None, false))).to_vec();
        let mut glossary = Glossary::new(9);
        assert!(PreparedTerms::new(&place(), &[], &batch[..RECENT_MAX]).is_none());
        assert!(PreparedTerms::new(&place(), &[], &batch).is_some());
        import(&mut glossary, batch[..1].to_vec(), Vec::new());
        assert!(PreparedTerms::new(&place(), &glossary.at(&place()), &batch).is_none());
        let others = ["a", "b", "c", "e", "f"].map(|term| imported(&(term.to_owned(), None, false)));
        assert!(PreparedTerms::new(&place(), &glossary.at(&place()), &others).is_some());
    }
    #[test]
    fn what_is_looked_for_otherwise_by_now_does_not_fit() {
        let batch = |case_matters: bool, variant: Option<&str>| {
            let first = imported(&("a".to_owned(), variant.map(str::to_owned), case_matters));
            let others = ["b", "c", "d"].map(|term| imported(&(term.to_owned(), None, false)));
            [vec![first], others.to_vec()].concat()
        };
        let prepared = PreparedTerms::new(&place(), &[], &batch(false, None)).unwrap();
        for (case_matters, variant, fits) in [(false, None, true), (true, None, false), (false, Some("e"), false)] {
            let mut glossary = Glossary::new(9);
            import(&mut glossary, batch(case_matters, variant), Vec::new());
            assert_eq!(prepared.fits(&place(), &glossary.at(&place())), fits, "{case_matters} {variant:?}");
        }
    }
}

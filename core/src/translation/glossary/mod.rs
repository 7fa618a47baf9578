//! The glossary: terms, how they are to be translated, and where they are in a text.
//!
//! All terms of one place (whose they are, and of which languages) are looked for in one pass. One thread changes a glossary:
//! it [stages](Glossary::stage) what is to be changed, writes that to its disk, and [installs](Glossary::install) it. Whoever
//! looks something up takes an [inquiry](Glossary::inquire), which shares the automata as they are, and waits for nobody.
//!
//! An automaton of many terms takes long to make: some microseconds for each. So what has changed since is in a second one,
//! which is small.

mod found;
mod imported;
mod matcher;
mod prepared;
mod term;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::entry::{ProjectId, Scope};
use super::language::{Language, LanguagePair};
use crate::ids::UnixMillis;
pub use found::{
    GlossaryTerm, TERMS_FOUND_MAX, TermFault, TermFound, TermInquiry, TermWarning, check_terms, glossary_terms,
};
pub use imported::{ImportedTerm, TermRefusal, TermsBecame};
use matcher::{Aligned, Inflection, Matcher, TooMany};
pub use prepared::PreparedTerms;
pub use term::{
    DOMAIN_BYTES_MAX, NOTE_CHARS_MAX, TERM_CHARS_MAX, TERM_VARIANTS_MAX, Term, TermContent, TermDraft, TermError,
    TermId, TermPlace, TermView,
};
use term::{TermName, fold};

/// How many terms of a place may have changed until the automaton of all is made anew.
const RECENT_MAX: usize = if cfg!(test) { 3 } else { 256 };

/// Why a glossary cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlossaryError {
    /// There are as many terms as are wanted.
    #[error("the glossary is full: remove terms, or ask the operator to raise translation.terms")]
    Full,
    /// There is no such term.
    #[error("there is no term {0}: it may have been removed")]
    Unknown(TermId),
    /// Another term has that name.
    #[error("{0} is this term in this domain already: change that one, or remove it first")]
    Taken(TermId),
}

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermChange {
    /// There is such a term. If it is there already, in the same domain, that is changed.
    Put(TermPlace, TermContent),
    /// The term of that number is this from now on.
    Replace(TermId, TermContent),
    /// There is no such term any more.
    Remove(TermId),
}

/// What a glossary will be.
#[derive(Debug)]
pub struct Staged {
    terms: BTreeMap<Key, Option<Arc<Term>>>,
    shelves: Vec<(TermPlace, Option<Shelf>)>,
    wordings: usize,
    next: u64,
    /// The terms that are new, or changed.
    pub put: Vec<Arc<Term>>,
    /// How many of those are new.
    pub created: usize,
    /// The terms that are gone.
    pub removed: Vec<Arc<Term>>,
}

/// Where a term stands in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    place: TermPlace,
    name: TermName,
}

impl Key {
    fn of(place: &TermPlace, content: &TermContent) -> Self {
        Self { place: place.clone(), name: content.name() }
    }
}

/// All terms of a server.
#[derive(Debug)]
pub struct Glossary {
    terms: BTreeMap<Key, Arc<Term>>,
    ids: HashMap<TermId, Arc<Term>>,
    shelves: HashMap<TermPlace, Shelf>,
    /// How many terms and variants there are.
    wordings: usize,
    wordings_max: usize,
    /// The number of the next term, unless the time is later: as that of entries.
    next: u64,
}

/// Terms that are looked for together.
#[derive(Debug)]
struct Part {
    terms: Vec<Arc<Term>>,
    matcher: Matcher,
}

impl Part {
    fn new(terms: Vec<Arc<Term>>, pair: LanguagePair) -> Result<Arc<Self>, TooMany> {
        let sought = terms.iter().map(|term| term.content.sought());
        let matcher = Matcher::new(sought, Inflection::of(pair.source()))?;
        Ok(Arc::new(Self { terms, matcher }))
    }
}

/// The terms of one place. Clones share everything.
#[derive(Clone, Debug)]
struct Shelf {
    all: Arc<Part>,
    /// Those that were put since `all` was made.
    recent: Option<Arc<Part>>,
    /// What is in `all` and no longer true.
    outdated: Arc<HashSet<TermId>>,
}

impl Shelf {
    fn new(terms: Vec<Arc<Term>>, pair: LanguagePair) -> Result<Self, TooMany> {
        Ok(Self { all: Part::new(terms, pair)?, recent: None, outdated: Arc::default() })
    }

    /// The same, after some terms were put and some removed; `None` if so much has changed that it is to be made anew.
    fn changed(&self, put: &[Arc<Term>], removed: &[TermId], pair: LanguagePair) -> Result<Option<Self>, TooMany> {
        let touched: HashSet<TermId> = put.iter().map(|term| term.id).chain(removed.iter().copied()).collect();
        let before = self.recent.iter().flat_map(|part| &part.terms).filter(|term| !touched.contains(&term.id));
        let recent: Vec<Arc<Term>> = before.chain(put).map(Arc::clone).collect();
        let outdated: HashSet<TermId> = self.outdated.union(&touched).copied().collect();
        if recent.len() + outdated.len() > RECENT_MAX {
            return Ok(None);
        }
        let recent = if recent.is_empty() { None } else { Some(Part::new(recent, pair)?) };
        Ok(Some(Self { all: Arc::clone(&self.all), recent, outdated: Arc::new(outdated) }))
    }

    fn find_in<'a>(&'a self, text: &'a Aligned) -> impl Iterator<Item = (usize, usize, &'a Arc<Term>)> {
        let all = self.all.matcher.find_in(text).map(|(start, end, term)| (start, end, &self.all.terms[term]));
        let recent = self
            .recent
            .iter()
            .flat_map(|part| part.matcher.find_in(text).map(|(start, end, term)| (start, end, &part.terms[term])));
        all.filter(|(.., term)| self.outdated.is_empty() || !self.outdated.contains(&term.id)).chain(recent)
    }
}

/// Which terms are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermFilter {
    /// Whose.
    pub scope: Scope,
    /// The languages, each if it is told.
    pub languages: [Option<Language>; 2],
    /// Those of a domain.
    pub domain: Option<Box<str>>,
    /// What is in the term, or a variant or a translation.
    pub text: Option<Box<str>>,
}

impl TermFilter {
    /// The terms that are wanted, of those of the scope.
    #[must_use]
    pub fn choose(&self, terms: impl IntoIterator<Item = Arc<Term>>) -> Vec<Arc<Term>> {
        let text = self.text.as_deref().map(fold);
        let is_of = |wanted: Option<Language>, language| wanted.is_none_or(|wanted| wanted == language);
        let is_wanted = |term: &Arc<Term>| {
            let (pair, [source, target]) = (term.place.pair, self.languages);
            is_of(source, pair.source())
                && is_of(target, pair.target())
                && (self.domain.is_none() || term.content.domain() == self.domain.as_deref())
                && text.as_ref().is_none_or(|text| term.content.contains(text))
        };
        terms.into_iter().filter(is_wanted).collect()
    }
}

impl Glossary {
    /// A glossary of nothing, for so many terms, variants counted too.
    #[must_use]
    pub fn new(wordings_max: usize) -> Self {
        Self {
            terms: BTreeMap::new(),
            ids: HashMap::new(),
            shelves: HashMap::new(),
            wordings: 0,
            wordings_max,
            next: 0,
        }
    }

    /// What a server starts with, whose bound holds for what comes later. How many were left out, because another has their
    /// name, or they are too many to be looked for.
    #[must_use]
    pub fn load(terms: impl IntoIterator<Item = Term>, wordings_max: usize) -> (Self, u64) {
        let mut glossary = Self::new(wordings_max);
        let mut left_out = 0;
        for term in terms {
            glossary.next = glossary.next.max(term.id.0.saturating_add(1));
            let (key, term) = (Key::of(&term.place, &term.content), Arc::new(term));
            if glossary.terms.contains_key(&key) {
                left_out += 1;
                continue;
            }
            glossary.wordings += term.content.wordings();
            glossary.ids.insert(term.id, Arc::clone(&term));
            glossary.terms.insert(key, term);
        }
        let places: HashSet<TermPlace> = glossary.terms.keys().map(|key| key.place.clone()).collect();
        for place in places {
            let terms: Vec<Arc<Term>> = glossary.of_place(&place).map(|(_, term)| Arc::clone(term)).collect();
            let count = terms.len() as u64;
            match Shelf::new(terms, place.pair) {
                Ok(shelf) => drop(glossary.shelves.insert(place, shelf)),
                Err(TooMany) => left_out += count,
            }
        }
        (glossary, left_out)
    }

    /// How many terms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The term of that number.
    #[must_use]
    pub fn term(&self, id: TermId) -> Option<&Arc<Term>> {
        self.ids.get(&id)
    }

    /// All terms: by whose they are, by their languages, then by the alphabet.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Term>> {
        self.terms.values()
    }

    /// All terms of a scope: by their languages, then by the alphabet.
    #[must_use]
    pub fn of_scope(&self, scope: &Scope) -> Vec<Arc<Term>> {
        let mut places: Vec<&TermPlace> = self.shelves.keys().filter(|place| place.scope == *scope).collect();
        places.sort_unstable();
        places.into_iter().flat_map(|place| self.of_place(place)).map(|(_, term)| Arc::clone(term)).collect()
    }

    /// What to look in for the terms of a text.
    #[must_use]
    pub fn inquire(&self, project: Option<&ProjectId>, pair: LanguagePair) -> TermInquiry {
        let scopes = project.cloned().map(Scope::Project).into_iter().chain([Scope::Shared]);
        let shelves = scopes.filter_map(|scope| self.shelves.get(&TermPlace { scope, pair }).cloned());
        TermInquiry { shelves: shelves.collect() }
    }

    /// What the glossary will be when somebody has changed that, all of it, in this order. Nothing is changed yet.
    ///
    /// # Errors
    /// One of them cannot be changed.
    pub fn stage(
        &self,
        changes: impl IntoIterator<Item = TermChange>,
        user_id: &str,
        now: UnixMillis,
    ) -> Result<Staged, GlossaryError> {
        let mut staging = Staging { glossary: self, terms: BTreeMap::new(), next: self.next.max(now.0), user_id, now };
        changes.into_iter().try_for_each(|change| staging.apply(change))?;
        staging.finish(Vec::new())
    }

    /// Changes what was staged last.
    pub fn install(&mut self, staged: &Staged) {
        for term in &staged.removed {
            self.ids.remove(&term.id);
        }
        for (key, term) in &staged.terms {
            match term {
                Some(term) => {
                    self.ids.insert(term.id, Arc::clone(term));
                    self.terms.insert(key.clone(), Arc::clone(term));
                }
                None => drop(self.terms.remove(key)),
            }
        }
        for (place, shelf) in &staged.shelves {
            match shelf {
                Some(shelf) => drop(self.shelves.insert(place.clone(), shelf.clone())),
                None => drop(self.shelves.remove(place)),
            }
        }
        (self.wordings, self.next) = (staged.wordings, staged.next);
    }

    fn of_place(&self, place: &TermPlace) -> impl Iterator<Item = (&Key, &Arc<Term>)> {
        let first = Key { place: place.clone(), name: TermName::default() };
        self.terms.range(first..).take_while(|(key, _)| key.place == *place)
    }
}

/// Changes under way.
struct Staging<'a> {
    glossary: &'a Glossary,
    /// What differs from the glossary.
    terms: BTreeMap<Key, Option<Arc<Term>>>,
    next: u64,
    user_id: &'a str,
    now: UnixMillis,
}

impl Staging<'_> {
    fn at(&self, key: &Key) -> Option<&Arc<Term>> {
        self.terms.get(key).map_or_else(|| self.glossary.terms.get(key), Option::as_ref)
    }

    /// The term of that number, and where it stands.
    fn known(&self, id: TermId) -> Result<(Key, Arc<Term>), GlossaryError> {
        let term = self.glossary.term(id).ok_or(GlossaryError::Unknown(id))?;
        let key = Key::of(&term.place, &term.content);
        let known = self.at(&key).filter(|known| known.id == id).cloned();
        known.map(|term| (key, term)).ok_or(GlossaryError::Unknown(id))
    }

    fn apply(&mut self, change: TermChange) -> Result<(), GlossaryError> {
        match change {
            TermChange::Put(place, content) => {
                let key = Key::of(&place, &content);
                let known = self.at(&key).cloned();
                let term = match known {
                    Some(known) => self.changed(&known, content),
                    None => self.new_term(place, content),
                };
                self.terms.insert(key, Some(Arc::new(term)));
            }
            TermChange::Replace(id, content) => {
                let (before, known) = self.known(id)?;
                let after = Key::of(&known.place, &content);
                if let Some(other) = self.at(&after).filter(|other| other.id != id) {
                    return Err(GlossaryError::Taken(other.id));
                }
                let term = self.changed(&known, content);
                self.terms.insert(before, None);
                self.terms.insert(after, Some(Arc::new(term)));
            }
            TermChange::Remove(id) => {
                let (key, _) = self.known(id)?;
                self.terms.insert(key, None);
            }
        }
        Ok(())
    }

    fn new_term(&mut self, place: TermPlace, content: TermContent) -> Term {
        let id = TermId(self.next);
        self.next += 1;
        let (created_by, now): (Box<str>, _) = (self.user_id.into(), self.now);
        Term { id, place, content, updated_by: created_by.clone(), created_by, created_at: now, updated_at: now }
    }

    fn changed(&self, known: &Term, content: TermContent) -> Term {
        let updated_at = known.updated_at.max(self.now);
        Term { content, updated_by: self.user_id.into(), updated_at, ..known.clone() }
    }

    fn finish(self, prepared: Vec<PreparedTerms>) -> Result<Staged, GlossaryError> {
        let put: Vec<Arc<Term>> = self.terms.values().flatten().cloned().collect();
        let stays: HashSet<TermId> = put.iter().map(|term| term.id).collect();
        let before = self.terms.keys().filter_map(|key| self.glossary.terms.get(key));
        let removed: Vec<Arc<Term>> = before.clone().filter(|term| !stays.contains(&term.id)).cloned().collect();
        let count =
            |terms: &mut dyn Iterator<Item = &Arc<Term>>| -> usize { terms.map(|term| term.content.wordings()).sum() };
        let (gone, come) = (count(&mut before.into_iter()), count(&mut put.iter()));
        let wordings = self.glossary.wordings + come - gone;
        // What becomes less is never refused, nor what stays as it was.
        if come > gone && wordings > self.glossary.wordings_max {
            return Err(GlossaryError::Full);
        }
        let shelves = self.shelves(&removed, prepared).map_err(|TooMany| GlossaryError::Full)?;
        let created = put.iter().filter(|term| !self.glossary.ids.contains_key(&term.id)).count();
        Ok(Staged { terms: self.terms, shelves, wordings, next: self.next, put, created, removed })
    }

    /// The shelves of all places at which something has changed.
    fn shelves(
        &self,
        removed: &[Arc<Term>],
        mut prepared: Vec<PreparedTerms>,
    ) -> Result<Vec<(TermPlace, Option<Shelf>)>, TooMany> {
        let mut places: Vec<&TermPlace> = self.terms.keys().map(|key| &key.place).collect();
        places.dedup();
        let shelf_of = |place: &TermPlace| {
            let removed: Vec<TermId> = removed.iter().filter(|term| term.place == *place).map(|term| term.id).collect();
            Ok((place.clone(), self.shelf(place, &removed, &mut prepared)?))
        };
        places.into_iter().map(shelf_of).collect()
    }

    /// That of a place, if any terms are left.
    fn shelf(
        &self,
        place: &TermPlace,
        removed: &[TermId],
        prepared: &mut Vec<PreparedTerms>,
    ) -> Result<Option<Shelf>, TooMany> {
        let staged = || self.terms.iter().filter(|(key, _)| key.place == *place);
        let put = || staged().filter_map(|(key, term)| Some((key, term.as_ref()?)));
        let stay = || self.glossary.of_place(place).filter(|(key, _)| !self.terms.contains_key(key));
        if stay().chain(put()).next().is_none() {
            return Ok(None);
        }
        if let Some(before) = self.glossary.shelves.get(place) {
            let put: Vec<Arc<Term>> = put().map(|(_, term)| Arc::clone(term)).collect();
            let changed = before.changed(&put, removed, place.pair)?;
            if changed.is_some() {
                return Ok(changed);
            }
        }
        let mut terms: Vec<(&Key, &Arc<Term>)> = stay().chain(put()).collect();
        terms.sort_unstable_by_key(|(key, _)| *key);
        let terms: Vec<Arc<Term>> = terms.into_iter().map(|(_, term)| Arc::clone(term)).collect();
        let fitting = prepared.iter().position(|prepared| prepared.fits(place, &terms));
        Ok(Some(match fitting {
            Some(fitting) => prepared.swap_remove(fitting).shelf(terms),
            None => Shelf::new(terms, place.pair)?,
        }))
    }
}

//! All entries of a server, by their texts: what there is for a text, and what is new.
//!
//! One thread changes it, an entry at a time, when that is on disk. Whoever looks something up takes an [`Inquiry`] first, which
//! shares the indices as they are, looks in those for as long as it takes, and then has what was found
//! [resolved](Memory::resolve); so that neither waits for the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::entry::{Entry, EntryId, ProjectId, Revision, Scope, Status, Submission};
use super::{Folded, HITS_MAX, Index, IndexError, LanguagePair, Match, Merge, Merged, Mode, Query};
use super::{SEGMENTS_MAX, SIMILARITY_MIN, Scratch, Search, SearchError, SourceId, TextError, one_by_one};
use crate::ids::UnixMillis;

mod import;
mod loading;
mod sources;
#[cfg(test)]
mod tests;

pub use import::Imports;
pub use loading::{Loadable, Loading};
use sources::Sources;

/// The most translations of one text in one place; most texts have one.
pub const TRANSLATIONS_MAX: usize = 64;

/// Why something cannot be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The text is none that can be looked for.
    #[error(transparent)]
    Text(#[from] TextError),
    /// There is no room for another text.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// There are as many entries as are wanted.
    #[error("the translation memory is full: ask the operator to raise translation.entries")]
    Full,
    /// There are [`TRANSLATIONS_MAX`] translations of it.
    #[error("there are {TRANSLATIONS_MAX} translations of this text, which is all that is kept: use one of them")]
    Translations,
    /// There is no such entry.
    #[error("there is no translation {0}")]
    Unknown(EntryId),
    /// The new translation is that of another entry.
    #[error("{0} has this translation of the text already: use that one")]
    Known(EntryId),
    /// What others made is not for everybody to change.
    #[error("only who has handed a translation in may rewrite or delete it, or somebody with document:admin")]
    OfOthers,
}

/// What is remembered.
#[derive(Debug)]
pub struct Memory {
    shelves: HashMap<(Scope, LanguagePair), Shelf>,
    entries: BTreeMap<EntryId, Arc<Entry>>,
    /// The number of the next entry, unless the time is later: so none is used again after a restart either, whose entry is
    /// gone.
    next: u64,
    /// The most entries.
    entries_max: usize,
}

/// The entries of one scope and one pair of languages.
#[derive(Debug, Default)]
struct Shelf {
    index: Index,
    sources: Sources,
    next: u32,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// From which language into which.
    pub pair: LanguagePair,
    /// The project whose entries are looked at besides those that are shared.
    pub project: Option<ProjectId>,
    /// How thoroughly.
    pub mode: Mode,
    /// The least similarity of a text to be found.
    pub min_similarity: f64,
    /// How many texts at most are wanted of each scope.
    pub texts: usize,
}

/// A text that is looked for, and the indices as they are now.
#[derive(Debug)]
pub struct Inquiry {
    pair: LanguagePair,
    search: Search,
    places: Vec<(Scope, Index)>,
}

/// The texts that were found in one scope.
#[derive(Debug)]
struct InScope {
    scope: Scope,
    matches: Vec<Match>,
}

/// The texts that were found.
#[derive(Debug)]
pub struct Found {
    pair: LanguagePair,
    scopes: Vec<InScope>,
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The entry.
    pub entry: Arc<Entry>,
    /// How its text is like the one that was looked for.
    pub found: Match,
}

/// A large part of an index that is to be made anew; see [`Index::merge_due`].
#[derive(Debug)]
pub struct Upkeep {
    place: (Scope, LanguagePair),
    merge: Merge,
}

/// What was made anew.
#[derive(Debug)]
pub struct Kept {
    place: (Scope, LanguagePair),
    merged: Merged,
}

impl Shelf {
    /// Adds the entries of a text that was found, but for those that are rejected.
    fn collect(&self, found: Match, candidates: &mut Vec<Candidate>) {
        let usable = self.sources.get(found.hit.source).iter().filter(|entry| entry.status != Status::Rejected);
        candidates.extend(usable.map(|entry| Candidate { entry: Arc::clone(entry), found }));
    }
}

impl Inquiry {
    /// Looks for the text in all of them.
    #[must_use]
    pub fn run(&self, query: &Query, scratch: &mut Scratch) -> Found {
        let look = |(scope, index): &(Scope, Index)| InScope {
            scope: scope.clone(),
            matches: index.look_up(query, &self.search, scratch),
        };
        Found { pair: self.pair, scopes: self.places.iter().map(look).collect() }
    }
}

impl Upkeep {
    /// Makes it, which may take a second.
    #[must_use]
    pub fn run(self) -> Kept {
        Kept { place: self.place, merged: self.merge.run() }
    }
}

impl Memory {
    /// A memory of nothing, for so many entries at most, and no more than [`SEGMENTS_MAX`]: so there is room in the index for
    /// whatever was [prepared](Self::prepare).
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { shelves: HashMap::new(), entries: BTreeMap::new(), next: 0, entries_max: entries_max.min(SEGMENTS_MAX) }
    }

    /// What a server starts with, whose bound holds for what comes later. Entries whose text cannot be looked for are left out,
    /// and counted.
    #[must_use]
    pub fn load(entries: impl IntoIterator<Item = Entry>, entries_max: usize) -> (Self, u64) {
        let mut loading = Loading::new(entries_max);
        entries.into_iter().for_each(|entry| loading.add(Loadable::new(entry)));
        loading.finish(one_by_one)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of that number.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<&Arc<Entry>> {
        self.entries.get(&id)
    }

    /// So many entries at most, the newest first, of those with a smaller number than `before`.
    #[must_use]
    pub fn older_than(&self, before: Option<EntryId>, max: usize) -> Vec<Arc<Entry>> {
        let older = self.entries.range(..before.unwrap_or(EntryId(u64::MAX))).rev();
        older.take(max).map(|(_, entry)| Arc::clone(entry)).collect()
    }

    /// What an entry will be when this is handed in, and whether it is new. Nothing is changed yet.
    ///
    /// # Errors
    /// It cannot be remembered.
    pub fn prepare(&self, submission: Submission, now: UnixMillis) -> Result<(Entry, bool), MemoryError> {
        let text = Folded::new(&submission.source_text)?;
        let known = self.of_text(&submission.scope, submission.pair, &text);
        if let Some(entry) = known.iter().find(|entry| entry.is_of(&submission)) {
            let mut entry = Entry::clone(entry);
            entry.submit_again(submission, now);
            return Ok((entry, false));
        }
        if known.len() >= TRANSLATIONS_MAX {
            return Err(MemoryError::Translations);
        }
        if self.entries.len() >= self.entries_max {
            return Err(MemoryError::Full);
        }
        Ok((Entry::new(EntryId(self.next.max(now.0)), submission, now), true))
    }

    /// What an entry will be when this is said of it. Nothing is changed yet.
    ///
    /// # Errors
    /// There is no such entry, or it is not for its author to say.
    pub fn revise(
        &self,
        id: EntryId,
        revision: Revision,
        is_admin: bool,
        now: UnixMillis,
    ) -> Result<Entry, MemoryError> {
        let entry = self.entry(id).ok_or(MemoryError::Unknown(id))?;
        if let Some(text) = revision.translated_text.as_ref().filter(|text| **text != entry.translated_text) {
            check_maker(entry, &revision.user_id, is_admin)?;
            let known = self.of_text(&entry.scope, entry.pair, &Folded::new(&entry.source_text)?);
            let is_same =
                |other: &&Arc<Entry>| other.source_text == entry.source_text && other.translated_text == *text;
            if let Some(other) = known.iter().find(is_same) {
                return Err(MemoryError::Known(other.id));
            }
        }
        let mut entry = Entry::clone(entry);
        entry.revise(revision, now);
        Ok(entry)
    }

    /// Whether somebody may have an entry forgotten. Nothing is changed yet.
    ///
    /// # Errors
    /// There is no such entry, or it is not for them to say.
    pub fn check_removal(&self, id: EntryId, user_id: &str, is_admin: bool) -> Result<(), MemoryError> {
        let entry = self.entry(id).ok_or(MemoryError::Unknown(id))?;
        check_maker(entry, user_id, is_admin)
    }

    fn of_text(&self, scope: &Scope, pair: LanguagePair, text: &Folded) -> &[Arc<Entry>] {
        let shelf = self.shelves.get(&(scope.clone(), pair));
        shelf.and_then(|shelf| Some(shelf.sources.get(shelf.index.find(text)?))).unwrap_or_default()
    }

    /// Remembers an entry, instead of the one with its number.
    ///
    /// # Errors
    /// There is no room for another text. Nothing has changed.
    pub fn put(&mut self, entry: Entry) -> Result<Arc<Entry>, MemoryError> {
        let text = Folded::new(&entry.source_text)?;
        let shelf = self.shelves.entry((entry.scope.clone(), entry.pair)).or_default();
        let source = match shelf.index.find(&text) {
            Some(source) => source,
            None => {
                shelf.index.insert(SourceId(shelf.next), &text)?;
                shelf.next += 1;
                SourceId(shelf.next - 1)
            }
        };
        let entry = Arc::new(entry);
        let entries = shelf.sources.get_mut(source);
        match entries.iter_mut().find(|other| other.id == entry.id) {
            Some(other) => *other = Arc::clone(&entry),
            None => entries.push(Arc::clone(&entry)),
        }
        self.next = self.next.max(entry.id.0.saturating_add(1));
        self.entries.insert(entry.id, Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets an entry.
    pub fn remove(&mut self, id: EntryId) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(&id)?;
        let place = (entry.scope.clone(), entry.pair);
        let text = Folded::new(&entry.source_text).ok();
        if let Some((shelf, text)) = self.shelves.get_mut(&place).zip(text)
            && let Some(source) = shelf.index.find(&text)
        {
            shelf.sources.remove(source, id);
            if shelf.sources.get(source).is_empty() {
                shelf.index.remove(&text);
            }
            if shelf.index.is_empty() {
                self.shelves.remove(&place);
            }
        }
        Some(entry)
    }

    /// What to look in for that.
    ///
    /// # Errors
    /// A number is out of range.
    pub fn inquire(&self, wanted: &Wanted) -> Result<Inquiry, SearchError> {
        let min_similarity = wanted.min_similarity.max(SIMILARITY_MIN);
        let search = Search::new(wanted.mode, min_similarity, wanted.texts.min(HITS_MAX))?;
        let places = scopes(wanted.project.as_ref()).filter_map(|scope| {
            let shelf = self.shelves.get(&(scope.clone(), wanted.pair))?;
            Some((scope, shelf.index.clone()))
        });
        Ok(Inquiry { pair: wanted.pair, search, places: places.collect() })
    }

    /// The entries of the texts that are equal to one once folded, as [`Inquiry::run`] and [`Self::resolve`] find them among
    /// others: by a table, however many there are.
    #[must_use]
    pub fn equal_to(&self, text: &Folded, wanted: &Wanted) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for scope in scopes(wanted.project.as_ref()) {
            let Some(shelf) = self.shelves.get(&(scope, wanted.pair)) else { continue };
            if let Some(source) = shelf.index.find(text) {
                shelf.collect(Match::equal(source, text), &mut candidates);
            }
        }
        candidates
    }

    /// The entries of the texts that were found, as far as they are still there, and not rejected.
    #[must_use]
    pub fn resolve(&self, found: &Found) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for InScope { scope, matches } in &found.scopes {
            let Some(shelf) = self.shelves.get(&(scope.clone(), found.pair)) else { continue };
            for found in matches {
                shelf.collect(*found, &mut candidates);
            }
        }
        candidates
    }

    /// An index that should be tidied up, by whoever has the time.
    #[must_use]
    pub fn upkeep_due(&self) -> Option<Upkeep> {
        let mut due = self
            .shelves
            .iter()
            .filter_map(|(place, shelf)| shelf.index.merge_due().map(|merge| Upkeep { place: place.clone(), merge }));
        due.next()
    }

    /// Takes what was tidied up, if nothing has happened to it meanwhile.
    pub fn install(&mut self, kept: Kept) {
        if let Some(shelf) = self.shelves.get_mut(&kept.place) {
            shelf.index.install(kept.merged);
        }
    }
}

/// Where is looked for a project, or for nobody in particular.
fn scopes(project: Option<&ProjectId>) -> impl Iterator<Item = Scope> {
    project.cloned().map(Scope::Project).into_iter().chain([Scope::Shared])
}

fn check_maker(entry: &Entry, user_id: &str, is_admin: bool) -> Result<(), MemoryError> {
    let is_maker = entry.contributors.iter().any(|contributor| **contributor == *user_id);
    if is_maker || is_admin { Ok(()) } else { Err(MemoryError::OfOthers) }
}

//! All entries of a server, by their texts: what there is for a text, and what is new.
//!
//! One thread changes it, an entry at a time, when that is on disk. Whoever looks something up takes an [`Inquiry`] first, which
//! shares the indices as they are, looks in those for as long as it takes, and then has what was found
//! [resolved](Memory::resolve); so that neither waits for the other.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{Entry, EntryId, ProjectId, Scope, Status, Submission};
use super::{Folded, HITS_MAX, Index, IndexError, LanguagePair, Match, Merge, Merged, Mode, Query};
use super::{SEGMENTS_MAX, SIMILARITY_MIN, Scratch, Search, SearchError, SourceId, TextError};
use crate::ids::UnixMillis;

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
}

/// What is remembered.
#[derive(Debug)]
pub struct Memory {
    shelves: HashMap<(Scope, LanguagePair), Shelf>,
    entries: HashMap<EntryId, Arc<Entry>>,
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
    sources: HashMap<SourceId, Vec<Arc<Entry>>>,
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
        Self { shelves: HashMap::new(), entries: HashMap::new(), next: 0, entries_max: entries_max.min(SEGMENTS_MAX) }
    }

    /// What a server starts with, whose bound holds for what comes later. Entries whose text cannot be looked for are left out,
    /// and counted.
    #[must_use]
    pub fn load(entries: impl IntoIterator<Item = Entry>, entries_max: usize) -> (Self, u64) {
        let mut memory = Self::new(entries_max);
        let mut texts: HashMap<(Scope, LanguagePair), HashMap<Folded, Vec<Arc<Entry>>>> = HashMap::new();
        let mut left_out = 0;
        for entry in entries {
            memory.next = memory.next.max(entry.id.0.saturating_add(1));
            let Ok(text) = Folded::new(&entry.source_text) else {
                left_out += 1;
                continue;
            };
            let entry = Arc::new(entry);
            memory.entries.insert(entry.id, Arc::clone(&entry));
            texts.entry((entry.scope.clone(), entry.pair)).or_default().entry(text).or_default().push(entry);
        }
        for (place, texts) in texts {
            let (mut shelf, mut folded) = (Shelf::default(), Vec::with_capacity(texts.len()));
            for (text, entries) in texts {
                folded.push((SourceId(shelf.next), text));
                shelf.sources.insert(SourceId(shelf.next), entries);
                shelf.next += 1;
            }
            // Each text is there once, and an index holds more than there are numbers of entries in any memory.
            shelf.index = Index::build(folded.iter().map(|(source, text)| (*source, text))).unwrap_or_default();
            memory.shelves.insert(place, shelf);
        }
        (memory, left_out)
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

    fn of_text(&self, scope: &Scope, pair: LanguagePair, text: &Folded) -> &[Arc<Entry>] {
        let shelf = self.shelves.get(&(scope.clone(), pair));
        let entries = shelf.and_then(|shelf| shelf.sources.get(&shelf.index.find(text)?));
        entries.map_or(&[], Vec::as_slice)
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
        let entries = shelf.sources.entry(source).or_default();
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
            && let Some(entries) = shelf.sources.get_mut(&source)
        {
            entries.retain(|other| other.id != id);
            if entries.is_empty() {
                shelf.sources.remove(&source);
                shelf.index.remove(&text);
            }
            if shelf.sources.is_empty() {
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
        let project = wanted.project.clone().map(Scope::Project);
        let scopes = project.into_iter().chain([Scope::Shared]);
        let places = scopes.filter_map(|scope| {
            let shelf = self.shelves.get(&(scope.clone(), wanted.pair))?;
            Some((scope, shelf.index.clone()))
        });
        Ok(Inquiry { pair: wanted.pair, search, places: places.collect() })
    }

    /// The entries of the texts that were found, as far as they are still there, and not rejected.
    #[must_use]
    pub fn resolve(&self, found: &Found) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for InScope { scope, matches } in &found.scopes {
            let Some(shelf) = self.shelves.get(&(scope.clone(), found.pair)) else { continue };
            for found in matches {
                let entries = shelf.sources.get(&found.hit.source).into_iter().flatten();
                let usable = entries.filter(|entry| entry.status != Status::Rejected);
                candidates.extend(usable.map(|entry| Candidate { entry: Arc::clone(entry), found: *found }));
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::translation::{Context, Language, Level, Rating};

    fn pair() -> LanguagePair {
        LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap()
    }

    fn submission(scope: &Scope, source_text: &str, translated_text: &str) -> Submission {
        Submission {
            scope: scope.clone(),
            pair: pair(),
            source_text: source_text.into(),
            translated_text: translated_text.into(),
            context: Context::default(),
            rating: None,
            reviewed: false,
            user_id: "ann".into(),
        }
    }

    fn submit(memory: &mut Memory, submission: Submission) -> (Arc<Entry>, bool) {
        submit_at(memory, submission, 0)
    }

    fn submit_at(memory: &mut Memory, submission: Submission, now: u64) -> (Arc<Entry>, bool) {
        let (entry, is_new) = memory.prepare(submission, UnixMillis(now)).unwrap();
        (memory.put(entry).unwrap(), is_new)
    }

    fn project(name: &str) -> Option<ProjectId> {
        Some(ProjectId::new(name).unwrap())
    }

    fn look_up(memory: &Memory, project: Option<ProjectId>, text: &str) -> Vec<Candidate> {
        let wanted = Wanted { pair: pair(), project, mode: Mode::Exhaustive, min_similarity: 0.7, texts: 10 };
        let inquiry = memory.inquire(&wanted).unwrap();
        let found = inquiry.run(&Query::new(Folded::new(text).unwrap()), &mut Scratch::default());
        memory.resolve(&found)
    }

    fn translations(memory: &Memory, project: Option<ProjectId>, text: &str) -> Vec<String> {
        look_up(memory, project, text).iter().map(|found| found.entry.translated_text.to_string()).collect()
    }

    #[test]
    fn a_text_has_several_translations_in_several_places() {
        let mut memory = Memory::new(1_000);
        let hr = Scope::Project(ProjectId::new("hr").unwrap());
        for (scope, text, translation) in [
            (&Scope::Shared, "The incumbent", "Le titulaire"),
            (&Scope::Shared, "The incumbent", "La titulaire"),
            (&hr, "the  incumbent", "Le ou la titulaire"),
        ] {
            assert!(submit(&mut memory, submission(scope, text, translation)).1);
        }
        let (again, is_new) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "La titulaire"));
        assert_eq!((is_new, again.usage_count, again.id, memory.len()), (false, 1, EntryId(1), 3));
        assert_eq!(translations(&memory, None, "THE INCUMBENT"), ["Le titulaire", "La titulaire"]);
        let all = ["Le ou la titulaire", "Le titulaire", "La titulaire"];
        assert_eq!(translations(&memory, project("hr"), "The incumbent"), all);
        assert_eq!(translations(&memory, project("other"), "The incumbents"), all[1..]);
        assert_eq!(look_up(&memory, None, "The incumbents")[0].found.level, Level::Fuzzy);
        let other_way = Wanted {
            pair: LanguagePair::new(Language::FRENCH, Language::ENGLISH).unwrap(),
            project: None,
            mode: Mode::Fast,
            min_similarity: 0.0,
            texts: 1_000,
        };
        let found = memory.inquire(&other_way).unwrap();
        let found = found.run(&Query::new(Folded::new("The incumbent").unwrap()), &mut Scratch::default());
        assert_eq!(memory.resolve(&found).len(), 0);
    }

    #[test]
    fn what_is_rejected_or_gone_is_not_found() {
        let mut memory = Memory::new(1_000);
        let (first, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "Le titulaire"));
        let (second, _) = submit(&mut memory, submission(&Scope::Shared, "The incumbent", "La titulaire"));
        memory.put(Entry { status: Status::Rejected, ..Entry::clone(&first) }).unwrap();
        assert_eq!(translations(&memory, None, "The incumbent"), ["La titulaire"]);
        let wanted = Wanted { pair: pair(), project: None, mode: Mode::Fast, min_similarity: 0.7, texts: 1 };
        let inquiry = memory.inquire(&wanted).unwrap();
        assert!(memory.remove(second.id).is_some() && memory.remove(second.id).is_none());
        // Whoever was looking meanwhile is not told of it either.
        let found = inquiry.run(&Query::new(Folded::new("The incumbent").unwrap()), &mut Scratch::default());
        assert_eq!(memory.resolve(&found).len(), 0);
        memory.remove(first.id).unwrap();
        assert!(memory.is_empty() && memory.shelves.is_empty());
        // A number is not used again, after a restart neither.
        assert_eq!(submit(&mut memory, submission(&Scope::Shared, "a", "b")).0.id, EntryId(2));
        assert_eq!(submit_at(&mut memory, submission(&Scope::Shared, "b", "b"), 1_000).0.id, EntryId(1_000));
        assert_eq!(submit_at(&mut memory, submission(&Scope::Shared, "c", "b"), 900).0.id, EntryId(1_001));
    }

    #[test]
    fn translations_of_one_text_are_bounded() {
        let mut memory = Memory::new(1_000);
        for number in 0..TRANSLATIONS_MAX {
            submit(&mut memory, submission(&Scope::Shared, "a", &number.to_string()));
        }
        let more = memory.prepare(submission(&Scope::Shared, "A", "more"), UnixMillis(0));
        assert_eq!(more, Err(MemoryError::Translations));
        assert!(memory.prepare(submission(&Scope::Shared, "a", "7"), UnixMillis(0)).is_ok());
        memory.entries_max = memory.len();
        assert!(memory.prepare(submission(&Scope::Shared, "a", "7"), UnixMillis(0)).is_ok(), "it is there");
        assert_eq!(memory.prepare(submission(&Scope::Shared, "b", "7"), UnixMillis(0)), Err(MemoryError::Full));
        let empty = memory.prepare(submission(&Scope::Shared, " ", "7"), UnixMillis(0));
        assert_eq!(empty, Err(MemoryError::Text(TextError::Empty)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Submit(u8, u8, u8),
        Remove(u8),
        Reject(u8),
        Tidy,
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3_u8, 0..12_u8, 0..3_u8).prop_map(|(scope, text, translation)| Step::Submit(scope, text, translation)),
            2 => (0..20_u8).prop_map(Step::Remove),
            1 => (0..20_u8).prop_map(Step::Reject),
            1 => Just(Step::Tidy),
            1 => Just(Step::Restart),
        ]
    }

    fn scope(number: u8) -> Scope {
        if number == 0 { Scope::Shared } else { Scope::Project(ProjectId::new(&format!("p{number}")).unwrap()) }
    }

    /// Texts of which some fold to the same.
    fn text(number: u8) -> String {
        let text = format!("text {}", "ab".repeat(usize::from(number / 2)));
        if number.is_multiple_of(2) { text } else { text.to_uppercase() }
    }

    proptest! {
        /// A list of entries that is gone through knows the same of each text, whatever happens.
        #[test]
        fn it_knows_what_a_list_knows(steps in prop::collection::vec(step(), 1..60)) {
            let (mut memory, mut list) = (Memory::new(1_000), Vec::<Entry>::new());
            let mut used = HashSet::new();
            for (step, now) in steps.into_iter().zip(1..) {
                match step {
                    Step::Submit(place, number, translation) => {
                        let handed = submission(&scope(place), &text(number), &translation.to_string());
                        let (entry, is_new) = submit_at(&mut memory, handed.clone(), now);
                        let known = list.iter_mut().find(|entry| entry.is_of(&handed));
                        prop_assert_eq!(known.is_none(), is_new);
                        match known {
                            Some(known) => known.submit_again(handed, UnixMillis(now)),
                            None => {
                                prop_assert!(used.insert(entry.id), "{} is used twice", entry.id);
                                list.push(Entry::clone(&entry));
                            }
                        }
                    }
                    Step::Remove(number) => {
                        let place = usize::from(number);
                        let id = if place < list.len() { list.remove(place).id } else { EntryId(u64::MAX) };
                        prop_assert_eq!(memory.remove(id).is_some(), id != EntryId(u64::MAX));
                    }
                    Step::Reject(number) => {
                        if let Some(entry) = list.get_mut(usize::from(number)) {
                            entry.status = Status::Rejected;
                            memory.put(entry.clone()).unwrap();
                        }
                    }
                    Step::Tidy => while let Some(upkeep) = memory.upkeep_due() {
                        memory.install(upkeep.run());
                    },
                    Step::Restart => {
                        let (loaded, left_out) = Memory::load(list.iter().cloned(), 1_000);
                        prop_assert_eq!(left_out, 0);
                        memory = loaded;
                    }
                }
                prop_assert_eq!(memory.len(), list.len());
            }
            for place in 0..3 {
                for number in 0..12 {
                    let project = scope(place).project().cloned();
                    let folded = Folded::new(&text(number)).unwrap();
                    let is_equal = |entry: &&Entry| {
                        Folded::new(&entry.source_text).unwrap() == folded
                            && entry.status != Status::Rejected
                            && (entry.scope == Scope::Shared || entry.scope == scope(place))
                    };
                    let mut expected: Vec<&Entry> = list.iter().filter(is_equal).collect();
                    let found = look_up(&memory, project, &text(number));
                    let found = found.iter().filter(|found| found.found.level == Level::Folded);
                    let mut found: Vec<&Entry> = found.map(|found| &*found.entry).collect();
                    expected.sort_by_key(|entry| entry.id);
                    found.sort_by_key(|entry| entry.id);
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_left_out_at_the_start() {
        let entry = |number, text: &str| {
            let mut handed = submission(&Scope::Shared, text, "b");
            handed.rating = Rating::new(5);
            Entry::new(EntryId(number), handed, UnixMillis(0))
        };
        let (memory, left_out) = Memory::load([entry(3, "a"), entry(9, " ")], 1);
        assert_eq!((memory.len(), left_out, memory.next), (1, 1, 10));
        assert!(memory.entry(EntryId(3)).is_some() && memory.entry(EntryId(9)).is_none());
    }
}

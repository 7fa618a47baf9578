//! A memory on its way from the disk, whose indices are made when all of it is there.
//!
//! Of each text only its length and a hash are kept on the way: it is folded once more when it is indexed, which costs less than
//! to have another copy of all texts.

use std::sync::Arc;

use hashbrown::hash_table::Entry as Place;
use hashbrown::{HashMap, HashTable};
use xxhash_rust::xxh3::xxh3_64;

use super::sources::{Sources, Translations};
use super::{Memory, Shelf};
use crate::translation::fold::fold;
use crate::translation::sealed::narrow;
use crate::translation::sealing::Sealing;
use crate::translation::{Entry, EntryId, Folded, Index, Job, LanguagePair, Scope, SourceId, TextError};

/// What a server starts with, entry by entry.
#[derive(Debug)]
pub struct Loading {
    memory: Memory,
    /// Those of the memory: put into order all at once, they take half of the room.
    entries: Vec<(EntryId, Arc<Entry>)>,
    drafts: HashMap<(Scope, LanguagePair), Draft>,
    left_out: u64,
}

/// An entry that is to be loaded, with what is known of its text: any thread may prepare it.
#[derive(Debug)]
pub struct Loadable {
    entry: Arc<Entry>,
    text: Result<Sketch, TextError>,
}

/// What is known of a folded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sketch {
    hash: u64,
    chars: usize,
}

impl Loadable {
    /// Folds its text.
    #[must_use]
    pub fn new(entry: Entry) -> Self {
        let text = Folded::new(&entry.source_text);
        let text = text.map(|text| Sketch { hash: xxh3_64(text.as_str().as_bytes()), chars: text.chars() });
        Self { entry: Arc::new(entry), text }
    }
}

/// A shelf without its index.
#[derive(Debug, Default)]
struct Draft {
    /// By the number of their source.
    texts: Vec<Sketch>,
    sources: Vec<Translations>,
    /// Numbers of sources, by the hash of their text.
    by_text: HashTable<u32>,
}

impl Draft {
    fn add(&mut self, text: Sketch, entry: Arc<Entry>) {
        let Self { texts, sources, by_text } = self;
        let is_it = |&source: &u32| {
            let source = source as usize;
            texts[source] == text && fold(&sources[source][0].source_text) == fold(&entry.source_text)
        };
        match by_text.entry(text.hash, is_it, |&source| texts[source as usize].hash) {
            Place::Occupied(source) => sources[*source.get() as usize].push(entry),
            Place::Vacant(place) => {
                place.insert(narrow(texts.len()));
                texts.push(text);
                sources.push(Translations::from_buf([entry]));
            }
        }
    }

    fn finish(self, run: impl FnOnce(Vec<Job<'_>>)) -> Shelf {
        let Self { texts, sources, by_text } = self;
        drop(by_text);
        let next = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        let sealing = Sealing::new(texts.iter().map(|text| text.chars).zip((0..next).map(SourceId)));
        drop(texts);
        let text_of = |number: usize| &*sources[number][0].source_text;
        // Each text is there once, and an index holds more than there are numbers of entries in any memory.
        let index = Index::of(sealing.finish(&text_of, &fold, run)).unwrap_or_default();
        Shelf { index, sources: Sources::loaded(sources), next }
    }
}

impl Loading {
    /// Nothing yet, for so many entries at most later on; see [`Memory::new`].
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { memory: Memory::new(entries_max), entries: Vec::new(), drafts: HashMap::new(), left_out: 0 }
    }

    /// Takes an entry. One whose text cannot be looked for is left out, and counted.
    pub fn add(&mut self, Loadable { entry, text }: Loadable) {
        self.memory.next = self.memory.next.max(entry.id.0.saturating_add(1));
        let Ok(text) = text else {
            self.left_out += 1;
            return;
        };
        self.entries.push((entry.id, Arc::clone(&entry)));
        self.drafts.entry((entry.scope.clone(), entry.pair)).or_default().add(text, entry);
    }

    /// The memory, and how many were left out. `run` does all jobs that it is given to their end, in as many threads as it has.
    #[must_use]
    pub fn finish(mut self, run: impl Fn(Vec<Job<'_>>)) -> (Memory, u64) {
        self.memory.entries = self.entries.into_iter().collect();
        let shelves = self.drafts.into_iter().map(|(place, draft)| (place, draft.finish(&run)));
        self.memory.shelves = shelves.collect();
        (self.memory, self.left_out)
    }
}

//! A memory on its way from the disk, whose indices are made when all of it is there.

use std::sync::Arc;

use hashbrown::hash_table::Entry as Place;
use hashbrown::{HashMap, HashTable};
use xxhash_rust::xxh3::xxh3_64;

use super::{Memory, Shelf, Translations};
use crate::translation::{Entry, Folded, Index, LanguagePair, Scope, SourceId};

/// What a server starts with, entry by entry.
#[derive(Debug)]
pub struct Loading {
    memory: Memory,
    drafts: HashMap<(Scope, LanguagePair), Draft>,
    left_out: u64,
}

/// A shelf without its index.
#[derive(Debug, Default)]
struct Draft {
    /// By the number of their source.
    texts: Vec<Folded>,
    sources: Vec<Translations>,
    /// Numbers of sources, by the hash of their text.
    by_text: HashTable<usize>,
}

impl Draft {
    fn add(&mut self, text: Folded, entry: Arc<Entry>) {
        let Self { texts, sources, by_text } = self;
        let hash = |text: &Folded| xxh3_64(text.as_str().as_bytes());
        match by_text.entry(hash(&text), |&source| texts[source] == text, |&source| hash(&texts[source])) {
            Place::Occupied(source) => sources[*source.get()].push(entry),
            Place::Vacant(place) => {
                place.insert(texts.len());
                texts.push(text);
                sources.push(Translations::from_buf([entry]));
            }
        }
    }

    fn finish(self) -> Shelf {
        let Self { texts, sources, by_text } = self;
        drop(by_text);
        // Each text is there once, and an index holds more than there are numbers of entries in any memory.
        let index = Index::build((0..).map(SourceId).zip(&texts)).unwrap_or_default();
        drop(texts);
        let next = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        Shelf { index, sources: (0..).map(SourceId).zip(sources).collect(), next }
    }
}

impl Loading {
    /// Nothing yet, for so many entries at most later on; see [`Memory::new`].
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { memory: Memory::new(entries_max), drafts: HashMap::new(), left_out: 0 }
    }

    /// Takes an entry. One whose text cannot be looked for is left out, and counted.
    pub fn add(&mut self, entry: Entry) {
        self.memory.next = self.memory.next.max(entry.id.0.saturating_add(1));
        let Ok(text) = Folded::new(&entry.source_text) else {
            self.left_out += 1;
            return;
        };
        let entry = Arc::new(entry);
        self.memory.entries.insert(entry.id, Arc::clone(&entry));
        self.drafts.entry((entry.scope.clone(), entry.pair)).or_default().add(text, entry);
    }

    /// The memory, and how many were left out.
    #[must_use]
    pub fn finish(mut self) -> (Memory, u64) {
        self.memory.shelves = self.drafts.into_iter().map(|(place, draft)| (place, draft.finish())).collect();
        (self.memory, self.left_out)
    }
}

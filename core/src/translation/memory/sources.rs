//! The entries of each text of a shelf.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::translation::{Entry, EntryId, SourceId};

/// The entries of one text; most texts have one.
pub(super) type Translations = SmallVec<[Arc<Entry>; 1]>;

/// The entries of each text. What was there at the start has the first numbers, and is found without a table; a place of it that
/// has become empty stays, so there are never more such places than at the start.
#[derive(Debug, Default)]
pub(super) struct Sources {
    loaded: Vec<Translations>,
    later: HashMap<SourceId, Translations>,
}

impl Sources {
    /// Those of a start, by the numbers of their texts.
    pub(super) fn loaded(loaded: Vec<Translations>) -> Self {
        Self { loaded, later: HashMap::new() }
    }

    /// The entries of that text.
    pub(super) fn get(&self, source: SourceId) -> &[Arc<Entry>] {
        let entries = self.loaded.get(source.0 as usize).or_else(|| self.later.get(&source));
        entries.map_or(&[], SmallVec::as_slice)
    }

    /// The same to be changed, none at first.
    pub(super) fn get_mut(&mut self, source: SourceId) -> &mut Translations {
        match self.loaded.get_mut(source.0 as usize) {
            Some(entries) => entries,
            None => self.later.entry(source).or_default(),
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, source: SourceId, id: EntryId) {
        let entries = self.get_mut(source);
        entries.retain(|entry| entry.id != id);
        if entries.is_empty() {
            self.later.remove(&source);
        }
    }
}

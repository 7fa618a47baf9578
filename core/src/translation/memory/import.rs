//! What comes from elsewhere, many at a time.

use std::collections::BTreeMap;

use super::super::imported::{Became, ImportRefusal, Imported, Outcome, Room};
use super::{Entry, EntryId, Folded, Memory};
use crate::ids::UnixMillis;

/// What becomes of a batch that is imported. Nothing has changed yet.
#[derive(Debug, Default)]
pub struct Imports {
    /// The entries that are new or changed, each as it will be.
    pub entries: BTreeMap<EntryId, Entry>,
    /// What becomes of each, in the order of the batch.
    pub became: Vec<Result<Became, ImportRefusal>>,
    /// The texts of those that are new.
    created: Vec<(Folded, EntryId)>,
}

impl Memory {
    /// What becomes of each, where those before it in the batch are known. Nothing is changed yet.
    #[must_use]
    pub fn prepare_imports(&self, batch: Vec<Imported>, now: UnixMillis) -> Imports {
        let mut imports = Imports::default();
        for imported in batch {
            let became = self.prepare_import(imported, now, &mut imports);
            imports.became.push(became);
        }
        imports
    }

    fn prepare_import(
        &self,
        imported: Imported,
        now: UnixMillis,
        imports: &mut Imports,
    ) -> Result<Became, ImportRefusal> {
        let text = Folded::new(&imported.source_text)?;
        let known = self.of_text(&imported.scope, imported.pair, &text);
        let of_batch = || {
            let new = imports.created.iter().filter(|(other, _)| *other == text);
            let new = new.filter_map(|(_, id)| imports.entries.get(id));
            new.filter(|entry| (&entry.scope, entry.pair) == (&imported.scope, imported.pair))
        };
        let room = Room {
            translations: known.len() + of_batch().count(),
            entries: self.entries_max.saturating_sub(self.entries.len() + imports.created.len()),
            next: EntryId(self.next.max(now.0).saturating_add(imports.created.len() as u64)),
        };
        let here = known.iter().find(|entry| imported.is_of(entry));
        let here = here.map(|entry| imports.entries.get(&entry.id).unwrap_or(entry));
        let here = here.or_else(|| of_batch().find(|entry| imported.is_of(entry))).cloned();
        Ok(match imported.decide(here, room, now)? {
            Outcome::Created(entry) => {
                imports.created.push((text, entry.id));
                imports.entries.insert(entry.id, entry);
                Became::Created
            }
            Outcome::Updated(entry) => {
                imports.entries.insert(entry.id, entry);
                Became::Updated
            }
            Outcome::Unchanged => Became::Unchanged,
        })
    }
}

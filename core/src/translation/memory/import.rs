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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::imported::tests::imported;
    use super::super::{Scope, TRANSLATIONS_MAX};
    use super::*;
    use crate::translation::ProjectId;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn of(scope: Scope, source_text: &str, translated_text: &str) -> Imported {
        let (source_text, translated_text) = (source_text.into(), translated_text.into());
        Imported { scope, source_text, translated_text, ..imported() }
    }

    fn shared(source_text: &str, translated_text: &str) -> Imported {
        of(Scope::Shared, source_text, translated_text)
    }

    fn hr() -> Scope {
        Scope::Project(ProjectId::new("hr").unwrap())
    }

    /// Imports a batch, as whoever writes it to disk does.
    fn import(memory: &mut Memory, batch: Vec<Imported>) -> Vec<Result<Became, ImportRefusal>> {
        let before = memory.len();
        let Imports { entries, became, .. } = memory.prepare_imports(batch, NOW);
        assert_eq!(memory.len(), before, "nothing has changed yet");
        for (id, entry) in entries {
            assert_eq!(id, entry.id);
            memory.put(entry).unwrap();
        }
        became
    }

    fn entries(memory: &Memory) -> Vec<Entry> {
        memory.entries.values().map(|entry| Entry::clone(entry)).collect()
    }

    #[test]
    fn numbers_are_new_whatever_the_clock_says() {
        let mut memory = Memory::new(100);
        import(&mut memory, vec![shared("a", "1"), shared("a", "2"), shared("b", "1")]);
        let numbers = |memory: &Memory| memory.entries.keys().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(numbers(&memory), [1_000, 1_001, 1_002], "as of what is handed in at that time");
        import(&mut memory, vec![shared("c", "1"), shared("d", "1")]);
        assert_eq!(numbers(&memory), [1_000, 1_001, 1_002, 1_003, 1_004]);
    }

    #[test]
    fn what_is_in_a_batch_twice_is_one_entry() {
        let mut memory = Memory::new(100);
        let used = |usage_count| Imported { usage_count, ..shared("a", "1") };
        let by = |person: &str| Imported { contributors: vec![person.into()], ..shared("a", "1") };
        let became = import(&mut memory, vec![used(3), used(5), by("ann"), used(2), of(hr(), "a", "1")]);
        let [created, updated, unchanged] = [Became::Created, Became::Updated, Became::Unchanged].map(Ok);
        assert_eq!(became, [created, updated, updated, unchanged, created]);
        // So is what was there before: each learns from those before it.
        assert_eq!(import(&mut memory, vec![used(9), by("bob"), used(9)]), [updated, updated, unchanged]);
        let [known, of_project] = entries(&memory).try_into().unwrap();
        assert_eq!((known.usage_count, known.contributors), (9, vec!["ann".into(), "bob".into()]));
        assert_eq!((of_project.scope, of_project.usage_count), (hr(), 0));
    }

    #[test]
    fn there_is_as_much_room_as_is_left_by_those_before() {
        let mut memory = Memory::new(100);
        let many = (0..TRANSLATIONS_MAX).map(|number| of(hr(), "a", &number.to_string()));
        let batch = many.chain([of(hr(), "A ", "x"), shared("a", "x"), of(hr(), "b", "x")]).collect();
        let became = import(&mut memory, batch);
        let last = [Err(ImportRefusal::Translations), Ok(Became::Created), Ok(Became::Created)];
        assert_eq!(became[TRANSLATIONS_MAX..], last);
        assert!(became[..TRANSLATIONS_MAX].iter().all(|became| *became == Ok(Became::Created)));
        assert_eq!(import(&mut memory, vec![of(hr(), "a", "y")]), [Err(ImportRefusal::Translations)]);
        let mut memory = Memory::new(2);
        let batch = || ["a", "b", "c", "a"].map(|text| shared(text, "1")).to_vec();
        let (created, full, known) = (Ok(Became::Created), Err(ImportRefusal::Full), Ok(Became::Unchanged));
        assert_eq!(import(&mut memory, batch()), [created, created, full, known]);
        assert_eq!(import(&mut memory, batch()), [known, known, full, known]);
    }

    fn any_imported() -> impl Strategy<Value = Imported> {
        let scope = prop::sample::select(vec![Scope::Shared, hr()]);
        (scope, "[ab]", "[12]", 0..3_u32, prop::collection::vec("[a-c]".prop_map(Box::<str>::from), 0..2)).prop_map(
            |(scope, source_text, translated_text, usage_count, contributors)| Imported {
                usage_count,
                contributors,
                ..of(scope, &source_text, &translated_text)
            },
        )
    }

    proptest! {
        /// However a file is cut into batches, it becomes the same.
        #[test]
        fn a_batch_is_as_one_after_the_other(
            file in prop::collection::vec(any_imported(), 0..20),
            batches in 1..20_usize,
            entries_max in 1..10_usize,
        ) {
            let [mut by_batches, mut one_by_one] = [(); 2].map(|()| Memory::new(entries_max));
            let became: Vec<_> = file.chunks(batches).flat_map(|batch| import(&mut by_batches, batch.to_vec())).collect();
            let expected: Vec<_> = file.chunks(1).flat_map(|one| import(&mut one_by_one, one.to_vec())).collect();
            prop_assert_eq!(became, expected);
            prop_assert_eq!(entries(&by_batches), entries(&one_by_one));
        }
    }
}

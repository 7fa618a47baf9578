//! The thread that makes large parts of indices one. With a million texts that takes seconds, for which nobody waits: what is found
//! is found in the parts as they were, and what is changed meanwhile is changed in both.

use crossbeam::channel::Receiver;

use super::Translations;

/// Tidies up whenever somebody says that there may be something to do, until nobody can any more.
pub(super) fn tidy(translations: &Translations, wake: &Receiver<()>) {
    for () in wake {
        loop {
            let due = translations.memory.read().upkeep_due();
            let Some(upkeep) = due else { break };
            let kept = upkeep.run();
            translations.memory.write().install(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam::channel::bounded;
    use jddb_core::ids::UnixMillis;
    use jddb_core::translation::{
        Context, EntryId, Folded, Glossary, Language, LanguagePair, Memory, Mode, Scope, Submission, Wanted,
    };

    use super::*;

    /// Enough for a merge of large parts.
    const ENTRIES: usize = 34_000;

    fn text(number: usize) -> String {
        format!("Sentence {number} of a memory.")
    }

    fn put(translations: &Translations, pair: LanguagePair, number: usize) -> EntryId {
        let submission = Submission {
            scope: Scope::Shared,
            pair,
            source_text: text(number).into(),
            translated_text: "Phrase.".into(),
            context: Context::default(),
            rating: None,
            reviewed: true,
            user_id: "anna".into(),
        };
        let (entry, _) = translations.memory.read().prepare(submission, UnixMillis(1)).unwrap();
        translations.memory.write().put(entry).unwrap().id
    }

    /// Entries come and go while parts become one.
    #[test]
    fn nothing_is_lost_while_it_is_tidied_up() {
        let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap();
        let (translations, _queues) = Translations::new(Memory::new(ENTRIES), Glossary::new(1), 1);
        let (wake, woken) = bounded(1);
        thread::scope(|scope| {
            scope.spawn(|| tidy(&translations, &woken));
            let ids: Vec<EntryId> = (0..ENTRIES).map(|number| put(&translations, pair, number)).collect();
            assert!(translations.memory.read().upkeep_due().is_some(), "there is something to tidy up");
            wake.send(()).unwrap();
            for id in ids.iter().step_by(7) {
                assert!(translations.memory.write().remove(*id).is_some());
            }
            // As after every change: parts that have become smaller may be due again.
            wake.send(()).unwrap();
            drop(wake);
        });
        let memory = translations.memory.read();
        assert!(memory.upkeep_due().is_none());
        let wanted = Wanted { pair, project: None, mode: Mode::Fast, min_similarity: 1.0, texts: 1 };
        for number in 0..ENTRIES {
            let found = memory.equal_to(&Folded::new(&text(number)).unwrap(), &wanted);
            assert_eq!(found.len(), usize::from(number % 7 != 0), "{number}");
        }
    }
}

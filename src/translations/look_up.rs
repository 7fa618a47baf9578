//! The threads that look texts up. They share the indices as they are, and wait for nobody but for what is found in the end.

use std::sync::Arc;

use crossbeam::channel::{Receiver, select_biased};
use jddb_core::translation::{Band, Candidate, Folded, Query, Scratch, Wanted, glossary_terms, suggest};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Answer, Answered, Asked, Equal, LookUp, Reply, TranslationError, Translations, send};
use crate::panics::is_survived;

/// The newest text that somebody wants looked up, as far as it was not begun: whether there is one that is equal, and then all that
/// is like it. However fast they ask, they have one place among those that wait for each.
#[derive(Debug, Default)]
pub struct NewestLookUp {
    equal: Mutex<Option<Waiting>>,
    similar: Mutex<Option<(Asked, Answer, Reply<Answer>)>>,
}

/// A text that waits.
#[derive(Debug)]
struct Waiting {
    asked: Asked,
    /// What is equal, where it is not all that is wanted.
    early: oneshot::Sender<Answer>,
    reply: Reply<Answer>,
}

impl NewestLookUp {
    /// Puts a text there; what is found of it early and in the end, and whether it has the place of one before it.
    pub(super) fn put(&self, asked: Asked) -> (oneshot::Receiver<Answer>, Answered<Answer>, bool) {
        let ((early, first), (reply, answer)) = (oneshot::channel(), oneshot::channel());
        let before = self.equal.lock().replace(Waiting { asked, early, reply });
        (first, answer, before.is_some())
    }

    /// Nobody waits for it any more.
    pub fn forget(&self) {
        self.equal.lock().take();
        self.similar.lock().take();
    }
}

/// Finds what is equal to the texts that wait, until it is told to stop, and hands them on to those that look for what is like them.
/// It takes some microseconds each, so nobody waits for a search who has a translation to the letter.
pub(super) fn find_equal(translations: &Translations, queue: &Receiver<Equal>) {
    while let Ok(Equal::Newest(newest)) = queue.recv() {
        is_survived(|| find_equal_to_newest(translations, &newest));
    }
}

fn find_equal_to_newest(translations: &Translations, newest: &Arc<NewestLookUp>) {
    let waiting = newest.equal.lock().take();
    let Some(Waiting { asked, early, reply }) = waiting else { return };
    match equal(translations, &asked) {
        Ok(answer) if answer.suggestions.len() < asked.choice.max => {
            if !answer.suggestions.is_empty() {
                let _ = early.send(answer.clone());
            }
            let has_place = newest.similar.lock().replace((asked, answer, reply)).is_some();
            if !has_place
                && let Err(error) = send(&translations.look_ups, LookUp::Newest(Arc::clone(newest)))
                && let Some((.., reply)) = newest.similar.lock().take()
            {
                let _ = reply.send(Err(error));
            }
        }
        // Nothing that is less like it comes before these.
        found => drop(reply.send(found)),
    }
}

/// The next that waits, what is `patient` last; `None` when nobody can ask any more.
fn next(queue: &Receiver<LookUp>, patient: &Receiver<LookUp>) -> Option<LookUp> {
    select_biased! {
        recv(queue) -> look_up => look_up.ok(),
        recv(patient) -> look_up => look_up.ok(),
    }
}

/// Looks up what waits, until it is told to stop. Who looks for long does that `pause` now and then, for those to go first who have
/// little to do: the cores, above all. The system would let them a millisecond later.
pub(super) fn look_up(translations: &Translations, queue: &Receiver<LookUp>, patient: &Receiver<LookUp>, pause: fn()) {
    let mut scratch = Scratch::with_pauses(pause);
    while let Some(look_up) = next(queue, patient) {
        if matches!(look_up, LookUp::Stop) {
            return;
        }
        if !is_survived(|| do_look_up(translations, look_up, &mut scratch)) {
            scratch = Scratch::with_pauses(pause);
        }
    }
}

fn do_look_up(translations: &Translations, look_up: LookUp, scratch: &mut Scratch) {
    match look_up {
        // Nobody waits for it any more.
        LookUp::Find(_, reply) if reply.is_closed() => {}
        LookUp::Weigh(_, reply) if reply.is_closed() => {}
        LookUp::Search(_, reply) if reply.is_closed() => {}
        LookUp::Check(_, reply) if reply.is_closed() => {}
        LookUp::Find(asked, reply) => {
            let _ = reply.send(find(translations, &asked, scratch));
        }
        LookUp::Newest(newest) => {
            let waiting = newest.similar.lock().take();
            if let Some((asked, equal, reply)) = waiting {
                let _ = reply.send(find_similar(translations, &asked, equal, scratch));
            }
        }
        LookUp::Weigh(weighed, reply) => {
            let found = candidates(translations, &weighed.text, &weighed.wanted, scratch);
            let band = |found: Vec<_>| Band::of(&weighed.text, &found, weighed.approved_only);
            let _ = reply.send(found.map(band));
        }
        LookUp::Search(part, reply) => drop(reply.send(Ok(part.search(translations)))),
        LookUp::Check(translated, reply) => {
            let _ = reply.send(translations.check(&translated));
        }
        LookUp::Stop => {}
    }
}

/// All that is suggested for a text.
fn find(translations: &Translations, asked: &Asked, scratch: &mut Scratch) -> Result<Answer, TranslationError> {
    let equal = equal(translations, asked)?;
    if equal.suggestions.len() < asked.choice.max {
        find_similar(translations, asked, equal, scratch)
    } else {
        Ok(equal)
    }
}

/// The same where it is known what is equal.
fn find_similar(
    translations: &Translations,
    asked: &Asked,
    equal: Answer,
    scratch: &mut Scratch,
) -> Result<Answer, TranslationError> {
    let candidates = candidates(translations, &asked.text, &asked.wanted, scratch)?;
    Ok(Answer { suggestions: suggest(candidates, &asked.ranking()), ..equal })
}

/// What is suggested of what is equal to a text.
fn equal(translations: &Translations, asked: &Asked) -> Result<Answer, TranslationError> {
    let candidates = translations.memory.read().equal_to(&Folded::new(&asked.text)?, &asked.wanted);
    let terms = translations.glossary.read().inquire(asked.wanted.project.as_ref(), asked.wanted.pair);
    Ok(Answer {
        suggestions: suggest(candidates, &asked.ranking()),
        glossary_terms: glossary_terms(&terms.find(&asked.text)?),
    })
}

/// The entries of texts that are equal or similar to `text`.
fn candidates(
    translations: &Translations,
    text: &str,
    wanted: &Wanted,
    scratch: &mut Scratch,
) -> Result<Vec<Candidate>, TranslationError> {
    let query = Query::new(Folded::new(text)?);
    let inquiry = translations.memory.read().inquire(wanted)?;
    let found = inquiry.run(&query, scratch);
    Ok(translations.memory.read().resolve(&found))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use jddb_core::ids::UnixMillis;
    use jddb_core::translation::{
        Choice, Context, Entry, EntryId, Glossary, Language, LanguagePair, Memory, Mode, Scope, Submission,
    };

    use super::*;

    /// A memory of as many texts as a look-up pauses in.
    fn memory() -> Memory {
        let mut memory = Memory::new(10_000);
        for number in 0..4_000 {
            let submission = Submission {
                scope: Scope::Shared,
                pair: LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap(),
                source_text: format!("text number {number}").into(),
                translated_text: "texte".into(),
                context: Context::default(),
                rating: None,
                reviewed: false,
                user_id: "ann".into(),
            };
            memory.put(Entry::new(EntryId(number), submission, UnixMillis(0))).unwrap();
        }
        memory
    }

    fn asked(text: &str) -> Asked {
        let pair = LanguagePair::new(Language::ENGLISH, Language::FRENCH).unwrap();
        let wanted = Wanted { pair, project: None, mode: Mode::Exhaustive, min_similarity: 0.5, texts: 5 };
        let choice = Choice { approved_only: false, min_confidence: 0.5, max: 5, explain: false };
        Asked { text: text.into(), context: Context::default(), wanted, choice }
    }

    #[tokio::test]
    async fn a_look_up_that_panics_is_answered_and_the_next_ones_are_found() {
        static IS_FIRST: AtomicBool = AtomicBool::new(true);
        let (translations, queues) = Translations::new(memory(), Glossary::new(1), 1);
        let translations = Arc::new(translations);
        let of_thread = Arc::clone(&translations);
        let looking = thread::spawn(move || {
            let pause = || assert!(!IS_FIRST.swap(false, Ordering::AcqRel), "as wanted");
            look_up(&of_thread, &queues.look_ups, &queues.patient, pause);
        });
        let first = translations.look_up(asked("text numbre 7")).await;
        assert_eq!(first.err(), Some(TranslationError::Gone));
        let second = translations.look_up(asked("text numbre 7")).await.unwrap();
        assert_eq!(second.suggestions[0].translated_text, "texte");
        translations.look_ups.send(LookUp::Stop).unwrap();
        looking.join().unwrap();
    }
}

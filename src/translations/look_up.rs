//! The threads that look texts up. They share the indices as they are, and wait for nobody but for what is found in the end.

use std::sync::Arc;

use crossbeam::channel::{Receiver, select_biased};
use jddb_core::translation::{Band, Candidate, Folded, Query, Scratch, Wanted, glossary_terms, suggest};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Answer, Answered, Asked, Equal, LookUp, Reply, TranslationError, Translations};

/// The newest text that somebody wants looked up, as far as it was not begun: what is equal to it, and all that is like it.
/// However fast they ask, they have one place among those that wait for each.
#[derive(Debug, Default)]
pub struct NewestLookUp {
    pub(super) equal: Place,
    pub(super) similar: Place,
}

impl NewestLookUp {
    /// Nobody waits for it any more.
    pub fn forget(&self) {
        self.equal.take();
        self.similar.take();
    }
}

/// What is looked up next.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Option<(Arc<Asked>, Reply<Answer>)>>);

impl Place {
    /// Puts a text there; what is found of it, and whether it has the place of one before it.
    pub(super) fn put(&self, asked: Arc<Asked>) -> (Answered<Answer>, bool) {
        let (reply, answer) = oneshot::channel();
        let before = self.0.lock().replace((asked, reply));
        (answer, before.is_some())
    }

    /// What is there is no longer.
    pub(super) fn take(&self) -> Option<(Arc<Asked>, Reply<Answer>)> {
        self.0.lock().take()
    }
}

/// Finds what is equal to the texts that wait, until nobody can ask any more. It takes some microseconds each, so no search is
/// ever waited for.
pub(super) fn find_equal(translations: &Translations, queue: &Receiver<Equal>) {
    while let Ok(Equal::Newest(newest)) = queue.recv() {
        if let Some((asked, reply)) = newest.equal.take()
            && let Ok(answer) = equal(translations, &asked)
        {
            let _ = reply.send(Ok(answer));
        }
    }
}

/// The next that waits, what is `patient` last; `None` when nobody can ask any more.
fn next(queue: &Receiver<LookUp>, patient: &Receiver<LookUp>) -> Option<LookUp> {
    select_biased! {
        recv(queue) -> look_up => look_up.ok(),
        recv(patient) -> look_up => look_up.ok(),
    }
}

/// Looks up what waits, until it is told to stop.
pub(super) fn look_up(translations: &Translations, queue: &Receiver<LookUp>, patient: &Receiver<LookUp>) {
    let mut scratch = Scratch::default();
    while let Some(look_up) = next(queue, patient) {
        match look_up {
            // Nobody waits for it any more.
            LookUp::Find(_, reply) if reply.is_closed() => {}
            LookUp::Weigh(_, reply) if reply.is_closed() => {}
            LookUp::Search(_, reply) if reply.is_closed() => {}
            LookUp::Find(asked, reply) => {
                let _ = reply.send(find(translations, &asked, &mut scratch));
            }
            LookUp::Newest(newest) => {
                if let Some((asked, reply)) = newest.similar.take() {
                    let _ = reply.send(find(translations, &asked, &mut scratch));
                }
            }
            LookUp::Weigh(weighed, reply) => {
                let found = candidates(translations, &weighed.text, &weighed.wanted, &mut scratch);
                let band = |found: Vec<_>| Band::of(&weighed.text, &found, weighed.approved_only);
                let _ = reply.send(found.map(band));
            }
            LookUp::Search(part, reply) => drop(reply.send(Ok(part.search(translations)))),
            LookUp::Check(_, reply) if reply.is_closed() => {}
            LookUp::Check(translated, reply) => {
                let _ = reply.send(translations.check(&translated));
            }
            LookUp::Stop => return,
        }
    }
}

/// All that is suggested for a text.
fn find(translations: &Translations, asked: &Asked, scratch: &mut Scratch) -> Result<Answer, TranslationError> {
    let equal = equal(translations, asked)?;
    // Nothing that is less like it comes before these.
    if equal.suggestions.len() >= asked.choice.max {
        return Ok(equal);
    }
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

//! The threads that look texts up. They share the indices as they are, and wait for nobody but for what is found in the end.

use crossbeam::channel::{Receiver, select_biased};
use jddb_core::translation::{Band, Candidate, Folded, Query, Ranking, Scratch, Wanted, glossary_terms, suggest};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Answer, Answered, Asked, LookUp, Reply, TranslationError, Translations};

/// The newest text that somebody wants looked up, if it was not begun. However fast they ask, they have one place among those
/// that wait.
#[derive(Debug, Default)]
pub struct NewestLookUp(Mutex<Option<(Asked, Reply<Answer>)>>);

impl NewestLookUp {
    /// Puts a text there; what is found of it, and whether it has the place of one before it.
    pub(super) fn put(&self, asked: Asked) -> (Answered<Answer>, bool) {
        let (reply, answer) = oneshot::channel();
        let before = self.0.lock().replace((asked, reply));
        (answer, before.is_some())
    }

    /// Nobody waits for it any more.
    pub fn forget(&self) {
        self.0.lock().take();
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
                let waiting = newest.0.lock().take();
                if let Some((asked, reply)) = waiting {
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

fn find(translations: &Translations, asked: &Asked, scratch: &mut Scratch) -> Result<Answer, TranslationError> {
    let candidates = candidates(translations, &asked.text, &asked.wanted, scratch)?;
    let of_project = asked.wanted.project.is_some();
    let ranking = Ranking { text: &asked.text, context: &asked.context, of_project, choice: asked.choice };
    let terms = translations.glossary.read().inquire(asked.wanted.project.as_ref(), asked.wanted.pair);
    Ok(Answer { suggestions: suggest(candidates, &ranking), glossary_terms: glossary_terms(&terms.find(&asked.text)?) })
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

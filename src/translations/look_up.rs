//! The threads that look texts up. They share the indices as they are, and wait for nobody but for what is found in the end.

use crossbeam::channel::Receiver;
use jddb_core::translation::{Folded, Query, Ranking, Scratch, Suggestion, suggest};

use super::{Asked, LookUp, TranslationError, Translations};

/// Looks up what waits, until it is told to stop.
pub(super) fn look_up(translations: &Translations, queue: &Receiver<LookUp>) {
    let mut scratch = Scratch::default();
    for look_up in queue {
        match look_up {
            // Nobody waits for it any more.
            LookUp::Find(_, reply) if reply.is_closed() => {}
            LookUp::Find(asked, reply) => {
                let _ = reply.send(find(translations, &asked, &mut scratch));
            }
            LookUp::Stop => return,
        }
    }
}

fn find(
    translations: &Translations,
    asked: &Asked,
    scratch: &mut Scratch,
) -> Result<Vec<Suggestion>, TranslationError> {
    let query = Query::new(Folded::new(&asked.text)?);
    let inquiry = translations.memory.read().inquire(&asked.wanted)?;
    let found = inquiry.run(&query, scratch);
    let candidates = translations.memory.read().resolve(&found);
    let of_project = asked.wanted.project.is_some();
    let ranking = Ranking { text: &asked.text, context: &asked.context, of_project, choice: asked.choice };
    Ok(suggest(candidates, &ranking))
}

//! The glossary for all threads: changed by the one that changes the translation memory, read by everybody.

use std::sync::Arc;

use jddb_core::ids::UnixMillis;
use jddb_core::room::MemoryChange;
use jddb_core::translation::{
    Glossary, GlossaryError, LanguagePair, ProjectId, Scope, Staged, Term, TermChange, TermId, TermWarning, check_terms,
};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::{Author, Change, LookUp, TranslationError, Translations, send};
use crate::clock;
use crate::durable::Unwritten;

/// A translation that is looked at.
#[derive(Clone, Debug)]
pub struct Translated {
    /// The project whose terms hold, before those that all share.
    pub project: Option<ProjectId>,
    /// From which language into which.
    pub pair: LanguagePair,
    /// The text.
    pub source_text: Box<str>,
    /// Its translation.
    pub translated_text: Box<str>,
}

impl Translations {
    /// Changes terms, for somebody who came with that: those of other projects are none of theirs where they work `within` one. It
    /// is on disk, and holds for everybody, when this returns.
    ///
    /// # Errors
    /// One of them cannot be changed, or not be kept.
    pub async fn change_terms(
        &self,
        changes: Vec<TermChange>,
        within: Option<ProjectId>,
        author: Author,
    ) -> Result<Staged, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.changes, Change::Terms(changes, within, author, reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// What to look at in a translation: terms that are missing, or forbidden.
    ///
    /// # Errors
    /// It cannot be looked at, or not now.
    pub async fn check_terms(&self, translated: Translated) -> Result<Vec<TermWarning>, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.look_ups, LookUp::Check(Box::new(translated), reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// The term of that number.
    #[must_use]
    pub fn term(&self, id: TermId) -> Option<Arc<Term>> {
        self.glossary.read().term(id).cloned()
    }

    /// All terms of a scope, in the order of their languages and the alphabet.
    #[must_use]
    pub fn terms_of(&self, scope: &Scope) -> Vec<Arc<Term>> {
        self.glossary.read().of_scope(scope)
    }

    /// Does what [`Self::check_terms`] asks for.
    pub(super) fn check(&self, translated: &Translated) -> Result<Vec<TermWarning>, TranslationError> {
        let terms = self.glossary.read().inquire(translated.project.as_ref(), translated.pair);
        Ok(check_terms(&terms.find(&translated.source_text)?, &translated.translated_text))
    }
}

impl Desk {
    /// Does what [`Translations::change_terms`] asks for. Whoever looks something up goes on with the automata as they were,
    /// until those that are made here are on disk too.
    pub(super) fn change_terms(
        &mut self,
        changes: Vec<TermChange>,
        within: Option<&ProjectId>,
        author: &Author,
    ) -> Result<Staged, TranslationError> {
        let now = UnixMillis(clock::now_unix_ms());
        let (store, glossary) = (&self.shared.store, &self.shared.translations.glossary);
        if let Some(project) = within {
            check_within(&glossary.read(), &changes, project)?;
        }
        let staged = glossary.read().stage(changes, &author.origin.user_id, now)?;
        let put = staged.put.iter().map(|term| store.encode_term(term));
        let removed = staged.removed.iter().map(|term| store.encode_term_end(term.id));
        self.lane.write(put.chain(removed).collect()).map_err(|Unwritten| TranslationError::Storage)?;
        glossary.write().install(&staged);
        for change in told(&staged) {
            self.tell(now, author.origin.clone(), change);
        }
        Ok(staged)
    }
}

/// Whether what is changed is of that project, or of all.
fn check_within(glossary: &Glossary, changes: &[TermChange], project: &ProjectId) -> Result<(), GlossaryError> {
    let is_elsewhere = |id: &TermId| {
        let owner = glossary.term(*id).and_then(|term| term.place.scope.project());
        owner.is_some_and(|owner| owner != project)
    };
    let changed = changes.iter().filter_map(|change| match change {
        TermChange::Remove(id) | TermChange::Replace(id, _) => Some(id),
        TermChange::Put(..) => None,
    });
    changed.into_iter().find(|id| is_elsewhere(id)).map_or(Ok(()), |id| Err(GlossaryError::Unknown(*id)))
}

/// What others are told of it.
pub(crate) fn told(staged: &Staged) -> impl Iterator<Item = MemoryChange> {
    let put = staged.put.iter().map(|term| MemoryChange::TermPut(Arc::clone(term)));
    put.chain(staged.removed.iter().map(|term| MemoryChange::TermRemoved(Arc::clone(term))))
}

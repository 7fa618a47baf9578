//! The glossary for all threads: changed by the one that changes the translation memory, read by everybody.

use std::collections::HashSet;
use std::sync::Arc;

use jddb_core::ids::UnixMillis;
use jddb_core::room::MemoryChange;
use jddb_core::translation::{
    Glossary, GlossaryError, ImportedTerm, LanguagePair, PreparedTerms, ProjectId, Scope, Staged, Term, TermChange,
    TermId, TermPlace, TermWarning, TermsBecame, check_terms,
};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::{Author, Change, LookUp, MemoryEvents, TranslationError, Translations, send};
use crate::clock;
use crate::durable::Unwritten;

/// The most terms of a batch that is imported of which translators are told one by one.
const TERMS_TOLD_MAX: usize = 64;

/// A batch of a file of terms.
#[derive(Debug)]
pub(super) struct TermsBatch {
    terms: Vec<ImportedTerm>,
    /// What they are looked for by, if nobody changes their places meanwhile.
    prepared: Vec<PreparedTerms>,
    /// The terms of the batches before.
    taken: HashSet<TermId>,
}

/// What became of a batch of terms, and the terms of the file so far.
pub(super) type ImportedTerms = (TermsBecame, HashSet<TermId>);

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

    /// Imports a batch of a file, of which those terms are taken already, and blocks until it is on disk. What takes long, to
    /// make what the terms are looked for by, is done here, while others change what they want to.
    ///
    /// # Errors
    /// It cannot be kept; nothing of it is then, as far as is known.
    pub(crate) fn import_terms(
        &self,
        terms: Vec<ImportedTerm>,
        taken: HashSet<TermId>,
        author: Author,
    ) -> Result<ImportedTerms, TranslationError> {
        let places: HashSet<&TermPlace> = terms.iter().map(|term| &term.place).collect();
        let prepare = |place| {
            let before = self.glossary.read().at(place);
            PreparedTerms::new(place, &before, &terms)
        };
        let prepared = places.into_iter().filter_map(prepare).collect();
        let batch = TermsBatch { terms, prepared, taken };
        let (reply, answer) = oneshot::channel();
        // It waits for its turn where others are refused: an import has the time.
        self.changes.send(Change::ImportTerms(batch, author, reply)).map_err(|_| TranslationError::Gone)?;
        answer.blocking_recv().unwrap_or(Err(TranslationError::Gone))
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

    /// The terms that are wanted, by whose they are, their languages and the alphabet.
    pub(crate) fn terms(&self, is_wanted: impl Fn(&Term) -> bool) -> Vec<Arc<Term>> {
        self.glossary.read().all().filter(|term| is_wanted(term)).cloned().collect()
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
        let glossary = &self.shared.translations.glossary;
        if let Some(project) = within {
            check_within(&glossary.read(), &changes, project)?;
        }
        let staged = glossary.read().stage(changes, &author.origin.user_id, now)?;
        self.keep_terms(&staged)?;
        self.tell_terms(&staged, now, author);
        Ok(staged)
    }

    /// Does what [`Translations::import_terms`] asks for.
    pub(super) fn import_terms(
        &mut self,
        batch: TermsBatch,
        author: &Author,
    ) -> Result<ImportedTerms, TranslationError> {
        let TermsBatch { terms, prepared, mut taken } = batch;
        let now = UnixMillis(clock::now_unix_ms());
        let translations = &self.shared.translations;
        let user_id = &author.origin.user_id;
        let staged = translations.glossary.read().stage_imports(terms, prepared, &mut taken, user_id, now);
        let (staged, became) = staged?;
        self.keep_terms(&staged)?;
        match staged.put.len() {
            0..=TERMS_TOLD_MAX => self.tell_terms(&staged, now, author),
            _ => self.shared.translations.events.iter().for_each(MemoryEvents::push_missed),
        }
        Ok((became, taken))
    }

    /// Writes what was staged, and lets it be found when it is on disk.
    fn keep_terms(&mut self, staged: &Staged) -> Result<(), TranslationError> {
        let store = &self.shared.store;
        let put = staged.put.iter().map(|term| store.encode_term(term));
        let removed = staged.removed.iter().map(|term| store.encode_term_end(term.id));
        self.lane.write(put.chain(removed).collect()).map_err(|Unwritten| TranslationError::Storage)?;
        self.shared.translations.glossary.write().install(staged);
        Ok(())
    }

    fn tell_terms(&self, staged: &Staged, now: UnixMillis, author: &Author) {
        for change in told(staged) {
            self.tell(now, author.origin.clone(), change);
        }
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

//! The newest request of a connection: answered once, and again when something better is there.

use std::cell::OnceCell;

use crate::protocol::SuggestionsBody;
use crate::room::MemoryEvent;
use crate::translation::{Folded, LanguagePair, ProjectId, Query, Suggestion};

/// The newest request.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) correlation_id: Option<Box<str>>,
    pub(super) pair: LanguagePair,
    pub(super) body: SuggestionsBody,
    /// What it was answered with: the translations and how much each can be relied on.
    told: Option<Vec<(Box<str>, f64)>>,
    /// It is being looked up again, or for the first time.
    is_looked_up: bool,
    /// Something has changed since that was begun.
    is_stale: bool,
    /// The text, once it has to be compared; `None` if it cannot be.
    query: OnceCell<Option<Query>>,
}

impl Open {
    pub(super) const fn new(
        number: u64,
        correlation_id: Option<Box<str>>,
        pair: LanguagePair,
        body: SuggestionsBody,
    ) -> Self {
        let (is_looked_up, is_stale) = (true, false);
        Self { number, correlation_id, pair, body, told: None, is_looked_up, is_stale, query: OnceCell::new() }
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.told.is_some()
    }

    /// It was looked up; whether there is something to tell, for the first time or since it is better than before.
    pub(super) fn take(&mut self, found: &[Suggestion]) -> bool {
        self.is_looked_up = false;
        self.take_early(found)
    }

    /// The same of what was found already, while the rest is looked for.
    pub(super) fn take_early(&mut self, found: &[Suggestion]) -> bool {
        let is_better = |told: &Vec<(Box<str>, f64)>| {
            found.iter().any(|new| {
                let known = told.iter().find(|(text, _)| **text == *new.translated_text);
                known.is_none_or(|(_, confidence)| new.confidence > *confidence)
            })
        };
        let is_news = self.told.as_ref().is_none_or(is_better);
        if is_news {
            self.told = Some(found.iter().map(|new| (new.translated_text.as_str().into(), new.confidence)).collect());
        }
        is_news
    }

    /// It could not be looked up; whether that is told: somebody waits for it.
    pub(super) fn fail(&mut self) -> bool {
        self.is_looked_up = false;
        self.told.replace(Vec::new()).is_none()
    }

    /// Something has happened in the project: whether it may be of use for this text.
    pub(super) fn may_gain(&self, project: Option<&ProjectId>, event: &MemoryEvent) -> bool {
        let Some(entry) = event.entry_put() else { return false };
        let is_found = entry.pair == self.pair && entry.scope.project().is_none_or(|of| Some(of) == project);
        is_found && event.folded().is_some_and(|text| self.is_like(text))
    }

    fn is_like(&self, text: &Folded) -> bool {
        let query = self.query.get_or_init(|| Folded::new(&self.body.source_text).ok().map(Query::new));
        query.as_ref().is_some_and(|query| query.may_be_like(text, self.body.min_confidence))
    }

    /// It is to be looked up again. However much changes, that is done once at a time.
    pub(super) const fn note_change(&mut self) {
        self.is_stale = true;
    }

    /// Whether to look it up again now.
    pub(super) fn begin_again(&mut self) -> bool {
        let begins = self.is_stale && !self.is_looked_up;
        if begins {
            (self.is_stale, self.is_looked_up) = (false, true);
        }
        begins
    }
}

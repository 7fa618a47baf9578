//! What somebody was told of a text, and whether there may be, or is, something to add.

use std::cell::OnceCell;

use crate::room::MemoryEvent;
use crate::translation::{Folded, LanguagePair, ProjectId, Query, Suggestion};

/// What somebody was told of a text.
#[derive(Debug, Default)]
pub(in crate::room) struct Known {
    /// The translations and how much each can be relied on, if they were told anything.
    told: Option<Vec<(Box<str>, f64)>>,
    /// The text, once it has to be compared; `None` if it cannot be.
    query: OnceCell<Option<Query>>,
}

/// A text, and where it is looked up.
#[derive(Clone, Copy)]
pub(in crate::room) struct Sought<'a> {
    pub(in crate::room) text: &'a str,
    pub(in crate::room) pair: LanguagePair,
    pub(in crate::room) project: Option<&'a ProjectId>,
    pub(in crate::room) min_confidence: f64,
}

impl Known {
    pub(in crate::room) const fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// That was found; whether it is news, since nothing was told yet or it is better.
    pub(in crate::room) fn take(&mut self, found: &[Suggestion]) -> bool {
        let is_better = |told: &Vec<(Box<str>, f64)>| {
            found.iter().any(|new| {
                let known = told.iter().find(|(text, _)| **text == *new.translated_text);
                known.is_none_or(|(_, confidence)| new.confidence > *confidence)
            })
        };
        let is_news = self.told.as_ref().is_none_or(is_better);
        if is_news {
            self.set(found);
        }
        is_news
    }

    /// They are told that.
    pub(in crate::room) fn set(&mut self, found: &[Suggestion]) {
        self.told = Some(found.iter().map(|new| (new.translated_text.as_str().into(), new.confidence)).collect());
    }

    /// Something has happened to the memory: whether what is found for the text, which is the same each time, may be better by
    /// that.
    pub(in crate::room) fn may_gain(&self, sought: Sought<'_>, event: &MemoryEvent) -> bool {
        let Sought { text, pair, project, min_confidence } = sought;
        let Some(entry) = event.entry_put() else { return false };
        let is_found = entry.pair == pair && entry.scope.project().is_none_or(|of| Some(of) == project);
        let is_like = |of_entry: &Folded| {
            let query = self.query.get_or_init(|| Folded::new(text).ok().map(Query::new));
            query.as_ref().is_some_and(|query| query.may_be_like(of_entry, min_confidence))
        };
        is_found && event.folded().is_some_and(is_like)
    }
}

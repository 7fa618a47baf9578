//! The newest request of a connection: answered once, and again when something better is there.

use super::known::{Known, Sought};
use crate::protocol::SuggestionsBody;
use crate::room::MemoryEvent;
use crate::translation::{LanguagePair, ProjectId, Suggestion};

/// The newest request.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) correlation_id: Option<Box<str>>,
    pub(super) pair: LanguagePair,
    pub(super) body: SuggestionsBody,
    /// What it was answered with.
    known: Known,
    /// It is being looked up again, or for the first time.
    is_looked_up: bool,
    /// Something has changed since that was begun.
    is_stale: bool,
}

impl Open {
    pub(super) fn new(
        number: u64,
        correlation_id: Option<Box<str>>,
        pair: LanguagePair,
        body: SuggestionsBody,
    ) -> Self {
        let (is_looked_up, is_stale) = (true, false);
        Self { number, correlation_id, pair, body, known: Known::default(), is_looked_up, is_stale }
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.known.is_told()
    }

    /// It was looked up; whether there is something to tell, for the first time or since it is better than before.
    pub(super) fn take(&mut self, found: &[Suggestion]) -> bool {
        self.is_looked_up = false;
        self.take_early(found)
    }

    /// The same of what was found already, while the rest is looked for.
    pub(super) fn take_early(&mut self, found: &[Suggestion]) -> bool {
        self.known.take(found)
    }

    /// It could not be looked up; whether that is told: somebody waits for it.
    pub(super) fn fail(&mut self) -> bool {
        self.is_looked_up = false;
        let is_first = !self.known.is_told();
        self.known.set(&[]);
        is_first
    }

    /// Something has happened in the project: whether it may be of use for this text.
    pub(super) fn may_gain(&self, project: Option<&ProjectId>, event: &MemoryEvent) -> bool {
        let (text, min_confidence) = (&*self.body.source_text, self.body.min_confidence);
        self.known.may_gain(Sought { text, pair: self.pair, project, min_confidence }, event)
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

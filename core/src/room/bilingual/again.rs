//! Whether the segment at a cursor is to be looked up again, and whether what is found then is news.

use crate::room::MemoryEvent;
use crate::room::translator::{Known, Sought};
use crate::translation::{GlossaryTerm, Suggestion};

/// What is known of the answer for the segment at a cursor. Another segment begins anew.
#[derive(Debug, Default)]
pub(super) struct Again {
    known: Known,
    terms: Vec<GlossaryTerm>,
    /// Something has happened since it was begun to be looked up.
    is_stale: bool,
    /// The number of the look-up, where it is not the first one.
    looks_up: Option<u64>,
    /// It could not be looked up again, and is to be tried later.
    rests: bool,
}

impl Again {
    /// Whether it is to be looked up again, as soon as nothing else is.
    pub(super) const fn is_due(&self) -> bool {
        self.is_stale && !self.rests
    }

    /// It is looked up, for the first time or `again`.
    pub(super) fn begin(&mut self, number: u64, again: bool) {
        if again {
            (self.is_stale, self.looks_up) = (false, Some(number));
        } else {
            *self = Self::default();
        }
    }

    /// It was looked up; whether that is told: for the first time, since it is better than before, or with other terms.
    pub(super) fn take(&mut self, number: u64, found: &[Suggestion], terms: &[GlossaryTerm]) -> bool {
        self.looks_up.take_if(|under_way| *under_way == number);
        let is_news = self.known.take(found) || self.terms != terms;
        if is_news {
            self.known.set(found);
            self.terms = terms.to_vec();
        }
        is_news
    }

    /// It could not be looked up; whether it was not the first time. However much waits to be looked up, that is tried later then.
    pub(super) fn fail(&mut self, number: u64) -> bool {
        let fails = self.looks_up.take_if(|under_way| *under_way == number).is_some();
        (self.is_stale, self.rests) = (self.is_stale || fails, self.rests || fails);
        fails
    }

    /// Some time has passed; whether it is to be tried again.
    pub(super) fn retry(&mut self) -> bool {
        std::mem::take(&mut self.rests)
    }

    /// Something has happened that may make more of it. However much does, it is looked up once at a time.
    pub(super) const fn note_change(&mut self) {
        self.is_stale = true;
    }

    /// Whether that is so of what has happened, for the text it is of.
    pub(super) fn may_gain(&self, sought: Sought<'_>, event: &MemoryEvent) -> bool {
        event.is_of_term() || self.known.may_gain(sought, event)
    }
}

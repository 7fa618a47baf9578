//! Somebody who translates in a project: asks the memory, hands in translations, and is told what others change.
//!
//! A translator is an [`Observer`] of the project who may say more. Looking up and writing are for others: what was asked is
//! [taken](Translator::take_work), and what came of it is told back. Each request is answered, or told to be cancelled when a
//! newer one comes before its answer; so whoever waits for one never waits for nothing.
//!
//! `open` is the newest request, `batch` what is looked up one after the other, `conversation` what was said so far.

mod batch;
mod conversation;
mod open;

use super::Forms;
use super::counters::Sent;
use super::frame;
use super::memory_event::{MemoryChange, MemoryEvent, Origin, missed_message};
use super::observer::{Observer, ObserverConfig, Watching};
use super::tokens::{Renewal, RenewalRequest};
use crate::ids::UnixMillis;
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{Rated, Submitted, Suggested, Suggestions};
use crate::protocol::{InboundError, Parser, SuggestionsBody};
use crate::translation::{
    Entry, EntryId, GlossaryTerm, Language, LanguagePair, ProjectId, Revision, Submission, Suggestion, TermChange,
    TermWarning,
};
use conversation::Conversation;

/// The most that one connection hands in, or says of entries, that waits for the disk.
pub const CHANGES_WAITING_MAX: usize = 16;

/// Where somebody translates, and what.
#[derive(Clone, Debug)]
pub struct Translating {
    /// The project.
    pub project: ProjectId,
    /// The languages of messages that name none, as far as the connection gave them.
    pub languages: [Option<Language>; 2],
    /// Whether their token permits to hand something in.
    pub writes: bool,
}

/// What is to be done for a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A text is to be looked up. The one before, if it still is, need not be.
    LookUp {
        /// The number of the request.
        request: u64,
        /// From which language into which.
        pair: LanguagePair,
        /// What is wanted.
        body: Box<SuggestionsBody>,
    },
    /// The same text is to be looked up again, when there is time: something may be better now.
    LookAgain {
        /// The number of the request.
        request: u64,
        /// From which language into which.
        pair: LanguagePair,
        /// What is wanted.
        body: Box<SuggestionsBody>,
    },
    /// A translation is to be remembered.
    Submit {
        /// The translation.
        submission: Box<Submission>,
        /// By which message it came.
        origin: Origin,
    },
    /// Something is said of an entry.
    Revise {
        /// The entry.
        id: EntryId,
        /// What is said.
        revision: Box<Revision>,
        /// By which message it came.
        origin: Origin,
    },
    /// A term of the glossary is to be put or removed.
    Term {
        /// What becomes of it.
        change: Box<TermChange>,
        /// By which message it came.
        origin: Origin,
    },
    /// Texts are to be looked up one after the other, when there is time, as long as the batch is open.
    Batch {
        /// The number of the batch.
        number: u64,
        /// From which language into which.
        pair: LanguagePair,
        /// What is wanted for each.
        requests: Vec<SuggestionsBody>,
    },
}

/// One connection of somebody who translates.
#[derive(Debug)]
pub struct Translator {
    observer: Observer,
    conversation: Conversation,
}

impl Translator {
    /// Somebody who has just come.
    #[must_use]
    pub fn new(now: UnixMillis, watching: Watching, translating: Translating, config: ObserverConfig) -> Self {
        let observer = Observer::of_events(now, watching, config);
        Self { observer, conversation: Conversation::new(translating) }
    }

    /// What it is like all who watch.
    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The same, to change it.
    pub const fn observer_mut(&mut self) -> &mut Observer {
        &mut self.observer
    }

    /// The project it works in.
    #[must_use]
    pub const fn project(&self) -> &ProjectId {
        &self.conversation.translating.project
    }

    /// Takes one message, an envelope or an array of them; the bytes are garbled by reading.
    pub fn receive(&mut self, now: UnixMillis, bytes: &mut [u8], parser: &mut Parser) {
        let Self { observer, conversation } = self;
        observer.receive_with(now, bytes, parser, |observer, inbound| {
            let correlation_id = inbound.correlation_id;
            let handled = conversation.handle(now, observer, inbound);
            handled.map_err(|error| InboundError { correlation_id: correlation_id.map(str::to_owned), ..error })
        });
    }

    /// What is to be done since this was asked last, in the order in which it was asked for.
    pub fn take_work(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.conversation.work)
    }

    /// What was found for a request. It is told if no newer one has come, and once more when it is better than before.
    pub fn suggest(
        &mut self,
        now: UnixMillis,
        request: u64,
        found: Result<(&[Suggestion], &[GlossaryTerm]), InboundError>,
    ) {
        let Some(open) = self.conversation.newest.as_mut().filter(|open| open.number == request) else { return };
        let is_told = match found {
            Ok((found, _)) => open.take(found),
            Err(_) => open.fail(),
        };
        if is_told {
            let correlation_id = open.correlation_id.as_deref();
            let answer = found.map(|(found, glossary_terms)| {
                let suggestions = found.iter().map(Suggested::from).collect();
                let metadata = Metadata::of_server(now, correlation_id);
                frame(Sent::Suggestion.name(), &Suggestions { suggestions, glossary_terms, correlation_id }, &metadata)
            });
            self.observer.answer_or_refuse(now, Sent::Suggestion, answer, correlation_id);
        }
        self.conversation.look_again();
    }

    /// What became of a submission, and what to look at in it by the glossary.
    pub fn submitted(
        &mut self,
        now: UnixMillis,
        correlation_id: Option<&str>,
        submitted: Result<(&Entry, &[TermWarning]), InboundError>,
    ) {
        self.conversation.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let answer = submitted.map(|(entry, warnings)| {
            frame(Sent::Submitted.name(), &Submitted::of(entry, warnings, correlation_id), &metadata)
        });
        self.observer.answer_or_refuse(now, Sent::Submitted, answer, correlation_id);
    }

    /// What became of an entry by what was said of it.
    pub fn revised(&mut self, now: UnixMillis, correlation_id: Option<&str>, entry: Result<&Entry, InboundError>) {
        self.conversation.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let answer = entry.map(|entry| frame(Sent::Rated.name(), &Rated::of(entry, correlation_id), &metadata));
        self.observer.answer_or_refuse(now, Sent::Rated, answer, correlation_id);
    }

    /// What became of a term.
    pub fn termed(
        &mut self,
        now: UnixMillis,
        correlation_id: Option<&str>,
        changed: Result<&MemoryChange, InboundError>,
    ) {
        self.conversation.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let sent = changed.as_ref().map_or(Sent::TermUpdate, |change| change.sent());
        let answer = changed.map(|change| change.frame(correlation_id, &metadata));
        self.observer.answer_or_refuse(now, sent, answer, correlation_id);
    }

    /// Whether a batch is still to be gone on with.
    #[must_use]
    pub fn is_open(&self, batch: u64) -> bool {
        self.observer.is_heard() && self.conversation.batch.as_ref().is_some_and(|open| open.number == batch)
    }

    /// What was found for a batch's next segment.
    pub fn take_segment(&mut self, now: UnixMillis, batch: u64, found: Result<&[Suggestion], &InboundError>) {
        let Some(open) = self.conversation.batch.as_mut().filter(|open| open.number == batch) else { return };
        let result = open.result_frame(now, found);
        open.completed += 1;
        let is_done = open.is_done();
        let status =
            open.is_status_due().then(|| open.status_frame(now, if is_done { "completed" } else { "running" }));
        self.observer.answer(Sent::BatchResult, result);
        status.into_iter().for_each(|status| self.observer.answer(Sent::BatchStatus, status));
        if is_done {
            self.conversation.batch = None;
        }
    }

    /// Whether it is to be told of that: it is about its languages, and another's doing.
    #[must_use]
    pub fn is_for(&self, event: &MemoryEvent) -> bool {
        let [source, target] = self.conversation.translating.languages;
        let pair = event.pair();
        source.is_none_or(|language| language == pair.source())
            && target.is_none_or(|language| language == pair.target())
            && event.origin.connection_id.as_deref() != Some(self.observer.connection_id())
    }

    /// Something has happened. One that takes too little is told instead, when it has read what waits, that it missed
    /// something; its answers stay.
    pub fn tell(&mut self, sent: Sent, event: &Forms) {
        if self.observer.has_room_for(event) {
            self.observer.show_change(sent, event);
        } else {
            self.observer.expect_picture();
        }
    }

    /// The same event may make the answer to the newest request a better one, which is then looked up again.
    pub fn consider(&mut self, event: &MemoryEvent) {
        self.conversation.consider(event);
    }

    /// It was left out of something.
    pub const fn miss(&mut self) {
        self.observer.expect_picture();
    }

    /// All that waited has been taken: whether something more is to be sent now.
    pub fn catch_up(&mut self, now: UnixMillis) -> bool {
        let is_due = self.observer.wants_picture();
        if is_due {
            self.observer.show_picture(Sent::Missed, &missed_message(now));
        }
        is_due
    }

    /// Too much waits for all connections together, and nothing of what waits for this one can be left out: it has to come
    /// back.
    pub fn relieve(&mut self) {
        if self.observer.is_heard() {
            self.observer.give_up();
        }
    }

    /// Its new token was checked; whether it is good, and of the same user.
    pub fn renew(&mut self, now: UnixMillis, request: &RenewalRequest, renewal: Result<Renewal, InboundError>) -> bool {
        let writes = renewal.as_ref().is_ok_and(|renewal| renewal.edits);
        let is_accepted = self.observer.renew(now, request, renewal);
        if is_accepted {
            self.conversation.translating.writes = writes;
        }
        is_accepted
    }
}

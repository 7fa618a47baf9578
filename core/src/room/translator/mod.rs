//! Somebody who translates in a project: asks the memory, hands in translations, and is told what others change.
//!
//! A translator is an [`Observer`] of the project who may say more. Looking up and writing are for others: what was asked is
//! [taken](Translator::take_work), and what came of it is told back. Each request is answered, or told to be cancelled when a
//! newer one comes before its answer; so whoever waits for one never waits for nothing.
//!
//! `open` is the newest request, `known` what somebody was told of a text, `batch` what is looked up one after the other,
//! `conversation` what was said so far.

mod batch;
mod conversation;
mod known;
mod open;

use super::Forms;
use super::bilingual::Reading;
use super::counters::Sent;
use super::memory_event::{MemoryEvent, Origin, missed_message};
use super::observer::{Observer, ObserverConfig, Watching};
use super::tokens::{Renewal, RenewalRequest};
use crate::ids::{DocumentId, UnixMillis};
use crate::protocol::{ErrorCode, InboundError, Message, Parser, SuggestionsBody};
use crate::translation::{EntryId, Language, LanguagePair, ProjectId, Revision, Submission, TermChange};
pub use conversation::Conversation;
pub(super) use conversation::Said;
pub(super) use known::{Known, Sought};

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
        /// What is wanted, of which project.
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
        /// The project that it has to belong to.
        within: Option<ProjectId>,
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
    /// Another document, of which the connection's own one is a translation, is to be asked.
    Read {
        /// The number of the question.
        number: u64,
        /// The other document.
        document_id: DocumentId,
        /// What it is asked.
        reading: Reading,
    },
    /// The segment at its cursor in a document is to be looked up.
    Follow {
        /// The number of the look-up.
        number: u64,
        /// From which language into which.
        pair: LanguagePair,
        /// What is wanted.
        body: Box<SuggestionsBody>,
        /// It was looked up before, and something may be better now: that is done when there is time.
        again: bool,
    },
}

/// One connection of somebody who translates.
#[derive(Debug)]
pub struct Translator {
    observer: Observer,
    project: ProjectId,
    conversation: Conversation,
}

impl Translator {
    /// Somebody who has just come.
    #[must_use]
    pub fn new(now: UnixMillis, watching: Watching, translating: Translating, config: ObserverConfig) -> Self {
        let Translating { project, languages, writes } = translating;
        let observer = Observer::of_events(now, watching, config);
        Self { observer, conversation: Conversation::new(Some(project.clone()), languages, writes), project }
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
        &self.project
    }

    /// Takes one message, an envelope or an array of them; the bytes are garbled by reading.
    pub fn receive(&mut self, now: UnixMillis, bytes: &mut [u8], parser: &mut Parser) {
        let Self { observer, conversation, .. } = self;
        observer.receive_with(now, bytes, parser, |observer, inbound| {
            let correlation_id = inbound.correlation_id;
            let handled = match inbound.message {
                Message::Translation(message) => {
                    let (user_id, connection_id) = (observer.user_id(), observer.connection_id());
                    let origin = Origin::of(user_id, connection_id, inbound.client_id, correlation_id);
                    conversation.handle(now, *message, origin)
                }
                _ => Err(not_here()),
            };
            conversation.take_answers().into_iter().for_each(|said| observer.tell(now, said));
            handled.map_err(|error| InboundError { correlation_id: correlation_id.map(str::to_owned), ..error })
        });
    }

    /// What is to be done since this was asked last, in the order in which it was asked for.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.conversation.take_work()
    }

    /// Does something with what it has said so far, and says what comes of it.
    pub fn converse(&mut self, now: UnixMillis, then: impl FnOnce(&mut Conversation)) {
        then(&mut self.conversation);
        self.say(now);
    }

    /// Says what there is to say.
    fn say(&mut self, now: UnixMillis) {
        let said = self.conversation.take_answers();
        said.into_iter().for_each(|said| self.observer.tell(now, said));
    }

    /// Whether a batch is still to be gone on with.
    #[must_use]
    pub fn is_open(&self, batch: u64) -> bool {
        self.observer.is_heard() && self.conversation.is_open(batch)
    }

    /// Whether it is to be told of that: it is about its languages, and another's doing.
    #[must_use]
    pub fn is_for(&self, event: &MemoryEvent) -> bool {
        let [source, target] = self.conversation.languages();
        let pair = event.pair();
        source.is_none_or(|language| language == pair.source())
            && target.is_none_or(|language| language == pair.target())
            && !event.is_by(self.observer.connection_id())
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
            self.conversation.permit_writing(writes);
        }
        is_accepted
    }
}

/// A message that has its place in documents.
fn not_here() -> InboundError {
    InboundError {
        code: ErrorCode::UnknownMessageType,
        message: "this connection is for translations: send document messages to /ws/document/{document_id}".to_owned(),
        field: Some("type".to_owned()),
        expected: Some("a message about translations, system.heartbeat or auth.refresh".to_owned()),
        correlation_id: None,
    }
}

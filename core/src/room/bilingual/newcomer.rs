//! Who wants to translate a document as another one's translation, and waits for that one to say that it is there.

use super::reading::{CounterpartRead, Reading};
use super::subscription::Subscription;
use crate::ids::{DocumentId, SectionName, UnixMillis};
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::Cancelled;
use crate::protocol::{ErrorCode, InboundError, SubscribeBody};
use crate::room::counters::Sent;
use crate::room::translator::Work;
use crate::room::{MemberKey, Room, frame};
use crate::translation::LanguagePair;

const FIELD: &str = "payload.counterpart";

/// Somebody whose `translation.subscribe` waits for its answer.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) key: MemberKey,
    number: u64,
    document_id: DocumentId,
    languages: LanguagePair,
    body: SubscribeBody,
    correlation_id: Option<Box<str>>,
    is_asked: bool,
}

impl Newcomer {
    /// What is to be asked for them, once.
    pub(super) fn take_work(&mut self) -> Option<Work> {
        let is_asked = std::mem::replace(&mut self.is_asked, true);
        let (number, document_id) = (self.number, self.document_id.clone());
        (!is_asked).then_some(Work::Read { number, document_id, reading: Reading::Sections })
    }
}

impl Room {
    /// Somebody translates this document from another one, which is asked first. A newer message takes the place of one that
    /// waits.
    pub(super) fn await_counterpart(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        languages: LanguagePair,
        body: &SubscribeBody,
        document_id: &DocumentId,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        if document_id == self.document.id() {
            let expected = "another document than this one; leave it out where sections of one document are translated";
            return Err(InboundError::invalid(FIELD.to_owned(), expected));
        }
        self.cancel_newcomer(now, key);
        let bilingual = self.bilingual();
        bilingual.look_ups += 1;
        bilingual.newcomers.push(Newcomer {
            key,
            number: bilingual.look_ups,
            document_id: document_id.clone(),
            languages,
            body: body.clone(),
            correlation_id: correlation_id.map(Into::into),
            is_asked: false,
        });
        Ok(())
    }

    /// What somebody waits for is not answered any more, which they are told. Whether they did.
    pub(super) fn cancel_newcomer(&mut self, now: UnixMillis, key: MemberKey) -> bool {
        let Some(newcomer) = self.take_newcomer(|newcomer| newcomer.key == key) else { return false };
        if let Some(correlation_id) = newcomer.correlation_id {
            let told = Cancelled { correlation_id: &correlation_id };
            let metadata = Metadata::of_server(now, Some(&correlation_id));
            self.members.send(key, 0, frame(Sent::Cancelled.name(), &told, &metadata));
            self.config.counters.count_sent(Sent::Cancelled, 1);
        }
        true
    }

    fn take_newcomer(&mut self, which: impl Fn(&Newcomer) -> bool) -> Option<Newcomer> {
        let newcomers = &mut self.bilingual.as_mut()?.newcomers;
        newcomers.iter().position(which).map(|index| newcomers.remove(index))
    }

    /// What another document has said, which was asked for a member as `number`, or why it has not. What is to be done then.
    pub fn take_counterpart(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        number: u64,
        read: Result<CounterpartRead, InboundError>,
    ) -> Vec<Work> {
        self.read_changes(now);
        match self.take_newcomer(|newcomer| newcomer.key == key && newcomer.number == number) {
            Some(newcomer) => {
                let correlation_id = newcomer.correlation_id.clone();
                if let Err(error) = read.and_then(|read| self.settle(now, newcomer, &read)) {
                    self.forget_unused_lines();
                    let correlation_id = correlation_id.map(String::from);
                    self.refuse(now, key, &InboundError { correlation_id, ..error });
                }
            }
            None => self.read_across(now, key, number, read),
        }
        let document = &self.document;
        let Some(bilingual) = &mut self.bilingual else { return Vec::new() };
        bilingual.look(document);
        bilingual.find(key).map(|subscription| subscription.conversation.take_work()).unwrap_or_default()
    }

    /// The other document is there: who waited for it is told of it from now on.
    fn settle(&mut self, now: UnixMillis, newcomer: Newcomer, read: &CounterpartRead) -> Result<(), InboundError> {
        let Newcomer { key, document_id, languages, body, correlation_id, .. } = newcomer;
        let named = body.sections.iter().flatten().enumerate();
        for (index, pair) in named {
            if !read.sections.contains(&pair.source) {
                let field = format!("payload.sections[{index}].source");
                return Err(InboundError::invalid(field, "the name of a section that the counterpart has"));
            }
        }
        self.begin_translating(now, key, languages, &body, correlation_id.as_deref(), Some((document_id, read)));
        Ok(())
    }

    /// The same for who translates already.
    fn read_across(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        number: u64,
        read: Result<CounterpartRead, InboundError>,
    ) {
        let Some(bilingual) = &mut self.bilingual else { return };
        let next = bilingual.look_ups + 1;
        let Some(subscription) = bilingual.subscriptions.iter_mut().find(|one| one.key == key) else { return };
        match read {
            Ok(read) if subscription.awaits_changes(number) => {
                if let Some(own) = subscription.take_changes(number, &read) {
                    self.tell_stale_across(now, key, &own, &read);
                }
            }
            Ok(read) => {
                if subscription.take_segment(number, read, next) {
                    bilingual.look_ups = next;
                }
            }
            Err(error)
                if (subscription.awaits(number) || subscription.awaits_changes(number)) && is_final(error.code) =>
            {
                self.end_translating(key);
                self.tell_unsubscribed(now, key, Some(&error.message), None);
            }
            Err(_) => subscription.fail(number),
        }
    }

    /// A member's new token is for those documents: who may no longer read the one that they translate from does so no more.
    pub fn limit_counterpart(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        may_read: impl Fn(&DocumentId) -> bool,
        refused: impl Fn() -> InboundError,
    ) {
        if let Some(newcomer) = self.take_newcomer(|one| one.key == key && !may_read(&one.document_id)) {
            self.forget_unused_lines();
            let correlation_id = newcomer.correlation_id.map(String::from);
            self.refuse(now, key, &InboundError { correlation_id, ..refused() });
        }
        let subscription = self.bilingual.as_mut().and_then(|bilingual| bilingual.find(key));
        let counterpart = subscription.and_then(|subscription| subscription.counterpart.as_ref());
        if counterpart.is_some_and(|counterpart| !may_read(&counterpart.document_id)) {
            self.end_translating(key);
            self.tell_unsubscribed(now, key, Some(&refused().message), None);
        }
    }
}

/// Whether trying again would be of no use.
const fn is_final(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DocumentNotFound | ErrorCode::Forbidden | ErrorCode::Unauthenticated)
}

impl InboundError {
    /// The same about the document that somebody translates from, where it says nothing of a field.
    #[must_use]
    pub fn of_counterpart(self) -> Self {
        let expected = match self.code {
            ErrorCode::DocumentNotFound => Some("the id of a document that exists"),
            ErrorCode::Forbidden => Some("the id of a document that the token permits to read"),
            _ => None,
        };
        Self {
            field: self.field.or_else(|| Some(FIELD.to_owned())),
            expected: self.expected.or_else(|| expected.map(str::to_owned)),
            ..self
        }
    }
}

impl Subscription {
    fn awaits(&self, number: u64) -> bool {
        self.counterpart.as_ref().is_some_and(|counterpart| counterpart.awaits(number))
    }

    fn awaits_changes(&self, number: u64) -> bool {
        self.counterpart.as_ref().is_some_and(|counterpart| counterpart.awaits_changes(number))
    }

    /// The other document has said what has become of it; for which sections that was asked.
    fn take_changes(&mut self, number: u64, read: &CounterpartRead) -> Option<Vec<SectionName>> {
        let own = self.counterpart.as_mut()?.take_changes(number, read);
        self.look_again();
        own
    }

    /// What the other document has said. Whether that is to be looked up, as number `next`.
    fn take_segment(&mut self, number: u64, read: CounterpartRead, next: u64) -> bool {
        let Some(counterpart) = &mut self.counterpart else { return false };
        let document_id = counterpart.document_id.clone();
        let Some(segment) = counterpart.take(number, read, next) else { return false };
        let (text, context) = (segment.text().into(), segment.context(&document_id));
        self.look_up(next, text, context, false);
        true
    }
}

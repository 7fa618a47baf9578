//! What a connection has said so far, and what is still to be answered.

use bytes::Bytes;

use super::batch::Batch;
use super::open::Open;
use super::{CHANGES_WAITING_MAX, Translating, Work};
use crate::ids::UnixMillis;
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::Cancelled;
use crate::protocol::{
    BatchBody, ErrorCode, FeedbackBody, Inbound, InboundError, Message, SubmitBody, SuggestionsBody, TermBody,
    TranslationMessage, language_pair,
};
use crate::room::counters::Sent;
use crate::room::frame;
use crate::room::memory_event::{MemoryEvent, Origin};
use crate::room::observer::Observer;
use crate::translation::{EntryId, ProjectId, Revision, Scope, Submission, TermChange, TermPlace};

/// See the module.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) translating: Translating,
    pub(super) work: Vec<Work>,
    /// How many requests there were.
    requests: u64,
    pub(super) newest: Option<Open>,
    /// What waits for the disk.
    changes_waiting: usize,
    /// How many batches there were.
    batches: u64,
    pub(super) batch: Option<Batch>,
}

impl Conversation {
    pub(super) const fn new(translating: Translating) -> Self {
        let work = Vec::new();
        Self { translating, work, requests: 0, newest: None, changes_waiting: 0, batches: 0, batch: None }
    }

    pub(super) fn handle(
        &mut self,
        now: UnixMillis,
        observer: &mut Observer,
        inbound: Inbound<'_>,
    ) -> Result<(), InboundError> {
        let Inbound { message, client_id, correlation_id } = inbound;
        let Message::Translation(message) = message else { return Err(not_here()) };
        let origin = |observer: &Observer| Origin {
            user_id: observer.user_id().into(),
            connection_id: Some(observer.connection_id().into()),
            client_id: client_id.map(Into::into),
            correlation_id: correlation_id.map(Into::into),
        };
        match *message {
            TranslationMessage::Request(body) => self.request(now, observer, body, correlation_id),
            TranslationMessage::Submit(body) => self.submit(body, origin(observer)),
            TranslationMessage::Feedback(id, body) => self.rate(id, body, origin(observer)),
            TranslationMessage::Batch(body) => self.begin_batch(now, observer, body, correlation_id),
            TranslationMessage::CancelBatch => self.cancel_batch(now, observer),
            TranslationMessage::PutTerm(body) => self.put_term(body, origin(observer)),
            TranslationMessage::RemoveTerm(id) => self.change_term(TermChange::Remove(id), origin(observer)),
        }
    }

    /// The newest request is what somebody waits for: the one before is told that it is not answered any more.
    fn request(
        &mut self,
        now: UnixMillis,
        observer: &mut Observer,
        body: SuggestionsBody,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        self.check_project(body.project_id.as_ref())?;
        let pair = language_pair("payload.", body.languages, self.translating.languages)?;
        self.requests += 1;
        let newest = Open::new(self.requests, correlation_id.map(Into::into), pair, body.clone());
        let before = self.newest.replace(newest).filter(|open| !open.is_answered());
        if let Some(correlation_id) = before.and_then(|open| open.correlation_id) {
            observer.answer(Sent::Cancelled, cancelled_frame(now, &correlation_id));
        }
        // What nobody waits for any more need not be begun.
        self.work.retain(|work| !matches!(work, Work::LookUp { .. } | Work::LookAgain { .. }));
        self.work.push(Work::LookUp { request: self.requests, pair, body: Box::new(body) });
        Ok(())
    }

    /// Something has happened that the newest request may gain by.
    pub(super) fn consider(&mut self, event: &MemoryEvent) {
        let project = &self.translating.project;
        if let Some(open) = self.newest.as_mut().filter(|open| open.may_gain(project, event)) {
            open.note_change();
            self.look_again();
        }
    }

    /// Has the newest request looked up again, where something has changed since that was done last.
    pub(super) fn look_again(&mut self) {
        let Some(open) = self.newest.as_mut() else { return };
        if open.begin_again() {
            let (request, pair, body) = (open.number, open.pair, Box::new(open.body.clone()));
            self.work.push(Work::LookAgain { request, pair, body });
        }
    }

    fn submit(&mut self, body: SubmitBody, origin: Origin) -> Result<(), InboundError> {
        self.check_writes()?;
        self.check_project(body.project_id.as_ref())?;
        let pair = language_pair("payload.", body.languages, self.translating.languages)?;
        self.count_change()?;
        let submission = Submission {
            scope: Scope::Project(self.translating.project.clone()),
            pair,
            source_text: body.source_text,
            translated_text: body.translated_text,
            context: body.context,
            rating: body.rating,
            reviewed: body.reviewed,
            user_id: origin.user_id.clone(),
        };
        self.work.push(Work::Submit { submission: Box::new(submission), origin });
        Ok(())
    }

    fn rate(&mut self, id: EntryId, body: FeedbackBody, origin: Origin) -> Result<(), InboundError> {
        self.check_writes()?;
        self.count_change()?;
        let said = Revision { rating: body.rating, used: body.used, ..Revision::by(origin.user_id.clone()) };
        self.work.push(Work::Revise { id, revision: Box::new(said), origin });
        Ok(())
    }

    fn put_term(&mut self, body: TermBody, origin: Origin) -> Result<(), InboundError> {
        self.check_project(body.project_id.as_ref())?;
        let pair = language_pair("payload.", body.languages, self.translating.languages)?;
        let place = TermPlace { scope: Scope::Project(self.translating.project.clone()), pair };
        self.change_term(TermChange::Put(place, body.content), origin)
    }

    fn change_term(&mut self, change: TermChange, origin: Origin) -> Result<(), InboundError> {
        self.check_writes()?;
        self.count_change()?;
        self.work.push(Work::Term { change: Box::new(change), origin });
        Ok(())
    }

    fn count_change(&mut self) -> Result<(), InboundError> {
        if self.changes_waiting >= CHANGES_WAITING_MAX {
            return Err(too_many_changes());
        }
        self.changes_waiting += 1;
        Ok(())
    }

    /// One of those that waited for the disk does no longer.
    pub(super) const fn change_is_done(&mut self) {
        self.changes_waiting = self.changes_waiting.saturating_sub(1);
    }

    fn begin_batch(
        &mut self,
        now: UnixMillis,
        observer: &mut Observer,
        mut body: BatchBody,
        correlation_id: Option<&str>,
    ) -> Result<(), InboundError> {
        self.check_project(body.project_id.as_ref())?;
        let pair = language_pair("payload.", body.languages, self.translating.languages)?;
        if let Some(open) = &self.batch {
            let message = format!(
                "{} of this connection is not done yet: wait for it, or send translation.batch.cancel",
                open.id()
            );
            return Err(refused(ErrorCode::CapacityExceeded, message));
        }
        self.batches += 1;
        let segments = std::mem::take(&mut body.segments);
        let names = segments.iter().map(|segment| segment.segment_id.clone()).collect();
        let batch = Batch {
            number: self.batches,
            correlation_id: correlation_id.map(Into::into),
            segments: names,
            completed: 0,
        };
        observer.answer(Sent::BatchStatus, batch.status_frame(now, "running"));
        self.batch = Some(batch);
        let requests = segments.into_iter().map(|segment| body.request(segment)).collect();
        self.work.push(Work::Batch { number: self.batches, pair, requests });
        Ok(())
    }

    fn cancel_batch(&mut self, now: UnixMillis, observer: &mut Observer) -> Result<(), InboundError> {
        let Some(batch) = self.batch.take() else {
            let message = "no batch of this connection is open: it is done, or was cancelled".to_owned();
            return Err(refused(ErrorCode::NotFound, message));
        };
        self.work.retain(|work| !matches!(work, Work::Batch { .. }));
        observer.answer(Sent::BatchStatus, batch.status_frame(now, "cancelled"));
        Ok(())
    }

    fn check_writes(&self) -> Result<(), InboundError> {
        if self.translating.writes {
            return Ok(());
        }
        Err(InboundError {
            code: ErrorCode::Forbidden,
            message:
                "the token lacks the scope `translation:write`: send auth.refresh with one that has it, or reconnect"
                    .to_owned(),
            field: Some("type".to_owned()),
            expected: Some("translation.request, translation.batch, system.heartbeat or auth.refresh".to_owned()),
            correlation_id: None,
        })
    }

    /// A message may name the project it is for, which is that of its connection.
    fn check_project(&self, named: Option<&ProjectId>) -> Result<(), InboundError> {
        let own = &self.translating.project;
        if named.is_none_or(|named| named == own) {
            return Ok(());
        }
        let expected = format!("{}, the project of this connection, or nothing", own.as_str());
        Err(InboundError::invalid("payload.project_id".to_owned(), expected))
    }
}

fn cancelled_frame(now: UnixMillis, correlation_id: &str) -> Bytes {
    frame(Sent::Cancelled.name(), &Cancelled { correlation_id }, &Metadata::of_server(now, Some(correlation_id)))
}

fn refused(code: ErrorCode, message: String) -> InboundError {
    InboundError { code, message, field: None, expected: None, correlation_id: None }
}

fn too_many_changes() -> InboundError {
    let message = format!(
        "{CHANGES_WAITING_MAX} messages of this connection wait for the disk: wait for the answer to one, then send this again"
    );
    refused(ErrorCode::CapacityExceeded, message)
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

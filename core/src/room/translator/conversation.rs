//! What a connection has said of translations so far, and what is still to be answered.

use bytes::Bytes;

use super::batch::Batch;
use super::open::Open;
use super::{CHANGES_WAITING_MAX, Work};
use crate::ids::UnixMillis;
use crate::protocol::outbound::Metadata;
use crate::protocol::translation_outbound::{Cancelled, Rated, Submitted, Suggested, Suggestions};
use crate::protocol::{
    BatchBody, ErrorCode, FeedbackBody, InboundError, SubmitBody, SuggestionsBody, TermBody, TranslationMessage,
    language_pair,
};
use crate::room::counters::Sent;
use crate::room::frame;
use crate::room::memory_event::{MemoryChange, MemoryEvent, Origin};
use crate::translation::{
    Entry, EntryId, GlossaryTerm, Language, ProjectId, Revision, Scope, Submission, Suggestion, TermChange, TermPlace,
    TermWarning,
};

/// What one connection asks of the memory, hands in and says, and what it is answered. Whoever keeps it has the
/// work done, tells it what came of that, and sends the answers.
#[derive(Debug)]
pub struct Conversation {
    /// Whose memory it is besides the shared one.
    project: Option<ProjectId>,
    /// The languages of messages that name none.
    languages: [Option<Language>; 2],
    /// Whether their token permits to hand something in.
    writes: bool,
    work: Vec<Work>,
    answers: Vec<Said>,
    /// How many requests there were.
    requests: u64,
    newest: Option<Open>,
    /// What waits for the disk.
    changes_waiting: usize,
    /// How many batches there were.
    batches: u64,
    batch: Option<Batch>,
}

/// What is said to a connection: a message of that type, or why there is none.
#[derive(Debug)]
pub(in crate::room) struct Said {
    pub(in crate::room) sent: Sent,
    pub(in crate::room) answer: Result<Bytes, InboundError>,
}

impl Conversation {
    pub(in crate::room) const fn new(
        project: Option<ProjectId>,
        languages: [Option<Language>; 2],
        writes: bool,
    ) -> Self {
        Self {
            project,
            languages,
            writes,
            work: Vec::new(),
            answers: Vec::new(),
            requests: 0,
            newest: None,
            changes_waiting: 0,
            batches: 0,
            batch: None,
        }
    }

    /// Goes on as another one, and is still told what comes of what was asked before.
    pub(in crate::room) fn continued(self, other: Self) -> Self {
        let Self { project, languages, writes, .. } = other;
        Self { project, languages, writes, ..self }
    }

    /// Takes a message that came from there.
    pub(in crate::room) fn handle(
        &mut self,
        now: UnixMillis,
        message: TranslationMessage,
        origin: Origin,
    ) -> Result<(), InboundError> {
        match message {
            TranslationMessage::Request(body) => self.request(now, body, origin.correlation_id),
            TranslationMessage::Submit(body) => self.submit(body, origin),
            TranslationMessage::Feedback(id, body) => self.rate(id, body, origin),
            TranslationMessage::Batch(body) => self.begin_batch(now, body, origin.correlation_id),
            TranslationMessage::CancelBatch => self.cancel_batch(now),
            TranslationMessage::PutTerm(body) => self.put_term(body, origin),
            TranslationMessage::RemoveTerm(id) => self.change_term(TermChange::Remove(id), origin),
            TranslationMessage::Subscribe(_) | TranslationMessage::Unsubscribe => Err(only_in_documents()),
        }
    }

    /// What is to be done since this was asked last, in the order in which it was asked for.
    pub(in crate::room) fn take_work(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.work)
    }

    /// What is to be said since this was asked last.
    pub(in crate::room) fn take_answers(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.answers)
    }

    /// Somebody may hand in translations from now on, or no longer.
    pub(in crate::room) const fn permit_writing(&mut self, writes: bool) {
        self.writes = writes;
    }

    /// The languages of messages that name none.
    pub(in crate::room) const fn languages(&self) -> [Option<Language>; 2] {
        self.languages
    }

    /// Something else is to be done for it.
    pub(in crate::room) fn ask_for(&mut self, work: Work) {
        self.work.push(work);
    }

    fn say(&mut self, sent: Sent, frame: Bytes) {
        self.answers.push(Said { sent, answer: Ok(frame) });
    }

    /// Says what became of the message of that name.
    fn answer(&mut self, sent: Sent, answer: Result<Bytes, InboundError>, correlation_id: Option<&str>) {
        let named = |error| InboundError { correlation_id: correlation_id.map(str::to_owned), ..error };
        self.answers.push(Said { sent, answer: answer.map_err(named) });
    }

    /// What was found for a request. It is told if no newer one has come, and once more when it is better than before.
    pub fn suggest(
        &mut self,
        now: UnixMillis,
        request: u64,
        found: Result<(&[Suggestion], &[GlossaryTerm]), InboundError>,
    ) {
        let Some(open) = self.open(request) else { return };
        let is_told = match found {
            Ok((found, _)) => open.take(found),
            Err(_) => open.fail(),
        };
        if is_told {
            self.answer_newest(now, found);
        }
        self.look_again();
    }

    /// What is equal to the text of a request, while others like it are looked for: who has a translation to the letter need not
    /// wait for these.
    pub fn suggest_early(&mut self, now: UnixMillis, request: u64, found: (&[Suggestion], &[GlossaryTerm])) {
        if self.open(request).is_some_and(|open| open.take_early(found.0)) {
            self.answer_newest(now, Ok(found));
        }
    }

    /// The request of that number, if it is the newest.
    fn open(&mut self, request: u64) -> Option<&mut Open> {
        self.newest.as_mut().filter(|open| open.number == request)
    }

    fn answer_newest(&mut self, now: UnixMillis, found: Result<(&[Suggestion], &[GlossaryTerm]), InboundError>) {
        let correlation_id = self.newest.as_ref().and_then(|open| open.correlation_id.clone());
        let correlation_id = correlation_id.as_deref();
        let answer = found.map(|(found, glossary_terms)| {
            let suggestions = found.iter().map(Suggested::from).collect();
            let metadata = Metadata::of_server(now, correlation_id);
            let told = Suggestions { suggestions, glossary_terms, at: None, correlation_id };
            frame(Sent::Suggestion.name(), &told, &metadata)
        });
        self.answer(Sent::Suggestion, answer, correlation_id);
    }

    /// What became of a submission, and what to look at in it by the glossary.
    pub fn submitted(
        &mut self,
        now: UnixMillis,
        correlation_id: Option<&str>,
        submitted: Result<(&Entry, &[TermWarning]), InboundError>,
    ) {
        self.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let answer = submitted.map(|(entry, warnings)| {
            frame(Sent::Submitted.name(), &Submitted::of(entry, warnings, correlation_id), &metadata)
        });
        self.answer(Sent::Submitted, answer, correlation_id);
    }

    /// What became of an entry by what was said of it.
    pub fn revised(&mut self, now: UnixMillis, correlation_id: Option<&str>, entry: Result<&Entry, InboundError>) {
        self.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let answer = entry.map(|entry| frame(Sent::Rated.name(), &Rated::of(entry, correlation_id), &metadata));
        self.answer(Sent::Rated, answer, correlation_id);
    }

    /// What became of a term.
    pub fn termed(
        &mut self,
        now: UnixMillis,
        correlation_id: Option<&str>,
        changed: Result<&MemoryChange, InboundError>,
    ) {
        self.change_is_done();
        let metadata = Metadata::of_server(now, correlation_id);
        let sent = changed.as_ref().map_or(Sent::TermUpdate, |change| change.sent());
        let answer = changed.map(|change| change.frame(correlation_id, &metadata));
        self.answer(sent, answer, correlation_id);
    }

    /// Whether a batch is still to be gone on with.
    #[must_use]
    pub fn is_open(&self, batch: u64) -> bool {
        self.batch.as_ref().is_some_and(|open| open.number == batch)
    }

    /// What was found for a batch's next segment.
    pub fn take_segment(&mut self, now: UnixMillis, batch: u64, found: Result<&[Suggestion], &InboundError>) {
        let Some(open) = self.batch.as_mut().filter(|open| open.number == batch) else { return };
        let result = open.result_frame(now, found);
        open.completed += 1;
        let is_done = open.is_done();
        let status =
            open.is_status_due().then(|| open.status_frame(now, if is_done { "completed" } else { "running" }));
        self.say(Sent::BatchResult, result);
        status.into_iter().for_each(|status| self.say(Sent::BatchStatus, status));
        if is_done {
            self.batch = None;
        }
    }

    /// The newest request is what somebody waits for: the one before is told that it is not answered any more.
    fn request(
        &mut self,
        now: UnixMillis,
        mut body: SuggestionsBody,
        correlation_id: Option<Box<str>>,
    ) -> Result<(), InboundError> {
        self.check_project(body.project_id.as_ref())?;
        body.project_id.clone_from(&self.project);
        let pair = language_pair("payload.", body.languages, self.languages)?;
        self.requests += 1;
        let newest = Open::new(self.requests, correlation_id, pair, body.clone());
        let before = self.newest.replace(newest).filter(|open| !open.is_answered());
        if let Some(correlation_id) = before.and_then(|open| open.correlation_id) {
            self.say(Sent::Cancelled, cancelled_frame(now, &correlation_id));
        }
        // What nobody waits for any more need not be begun.
        self.work.retain(|work| !matches!(work, Work::LookUp { .. } | Work::LookAgain { .. }));
        self.work.push(Work::LookUp { request: self.requests, pair, body: Box::new(body) });
        Ok(())
    }

    /// Something has happened; whether the newest request may gain by it.
    pub(in crate::room) fn consider(&mut self, event: &MemoryEvent) -> bool {
        let project = self.project.as_ref();
        if let Some(open) = self.newest.as_mut().filter(|open| open.may_gain(project, event)) {
            open.note_change();
            self.look_again();
            return true;
        }
        false
    }

    /// Has the newest request looked up again, where something has changed since that was done last.
    fn look_again(&mut self) {
        let Some(open) = self.newest.as_mut() else { return };
        if open.begin_again() {
            let (request, pair, body) = (open.number, open.pair, Box::new(open.body.clone()));
            self.work.push(Work::LookAgain { request, pair, body });
        }
    }

    fn submit(&mut self, body: SubmitBody, origin: Origin) -> Result<(), InboundError> {
        self.check_writes()?;
        self.check_project(body.project_id.as_ref())?;
        let pair = language_pair("payload.", body.languages, self.languages)?;
        self.count_change()?;
        let submission = Submission {
            scope: self.scope(),
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
        let pair = language_pair("payload.", body.languages, self.languages)?;
        let place = TermPlace { scope: self.scope(), pair };
        self.change_term(TermChange::Put(place, body.content), origin)
    }

    fn change_term(&mut self, change: TermChange, origin: Origin) -> Result<(), InboundError> {
        self.check_writes()?;
        self.count_change()?;
        let within = self.project.clone();
        self.work.push(Work::Term { change: Box::new(change), within, origin });
        Ok(())
    }

    /// Whose what it hands in is.
    fn scope(&self) -> Scope {
        self.project.clone().map_or(Scope::Shared, Scope::Project)
    }

    fn count_change(&mut self) -> Result<(), InboundError> {
        if self.changes_waiting >= CHANGES_WAITING_MAX {
            return Err(too_many_changes());
        }
        self.changes_waiting += 1;
        Ok(())
    }

    /// One of those that waited for the disk does no longer.
    const fn change_is_done(&mut self) {
        self.changes_waiting = self.changes_waiting.saturating_sub(1);
    }

    fn begin_batch(
        &mut self,
        now: UnixMillis,
        mut body: BatchBody,
        correlation_id: Option<Box<str>>,
    ) -> Result<(), InboundError> {
        self.check_project(body.project_id.as_ref())?;
        body.project_id.clone_from(&self.project);
        let pair = language_pair("payload.", body.languages, self.languages)?;
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
        let batch = Batch { number: self.batches, correlation_id, segments: names, completed: 0 };
        self.say(Sent::BatchStatus, batch.status_frame(now, "running"));
        self.batch = Some(batch);
        let requests = segments.into_iter().map(|segment| body.request(segment)).collect();
        self.work.push(Work::Batch { number: self.batches, pair, requests });
        Ok(())
    }

    fn cancel_batch(&mut self, now: UnixMillis) -> Result<(), InboundError> {
        let Some(batch) = self.batch.take() else {
            let message = "no batch of this connection is open: it is done, or was cancelled".to_owned();
            return Err(refused(ErrorCode::NotFound, message));
        };
        self.work.retain(|work| !matches!(work, Work::Batch { .. }));
        self.say(Sent::BatchStatus, batch.status_frame(now, "cancelled"));
        Ok(())
    }

    fn check_writes(&self) -> Result<(), InboundError> {
        if self.writes {
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
        let own = self.project.as_ref();
        if named.is_none() || named == own {
            return Ok(());
        }
        let expected = match own {
            Some(own) => format!("{}, the project of this connection, or nothing", own.as_str()),
            None => "nothing, or first translation.subscribe with that project".to_owned(),
        };
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

/// A message for whoever translates in a document.
fn only_in_documents() -> InboundError {
    InboundError {
        code: ErrorCode::UnknownMessageType,
        message: "this connection is told of its project as it is: send translation.subscribe to \
                  /ws/document/{document_id}, for what is translated there"
            .to_owned(),
        field: Some("type".to_owned()),
        expected: Some("another message about translations, system.heartbeat or auth.refresh".to_owned()),
        correlation_id: None,
    }
}

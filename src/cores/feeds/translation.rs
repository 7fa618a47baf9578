//! `/ws/translation/{project_id}`: all who translate in a project are on the core that its name leads to, so what one of them
//! changes is told to the others without another core. Who translates in a document is told on the document's core.
//!
//! What a connection asks for is done by the translation memory's threads. A task waits for each answer, and only the newest
//! request of a connection has a place among those that wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jddb_core::protocol::{InboundError, SuggestionsBody};
use jddb_core::room::{Conversation, MemoryEvent, Origin, Room, Translator, Work};
use jddb_core::translation::{Entry, EntryId, LanguagePair, ProjectId, Revision, Submission, TermChange, TermWarning};
use tokio::task::coop::consume_budget;
use tokio::task::{spawn_local, yield_now};

use super::translated::{Told, TranslatedRooms, tell_room};
use crate::connection::{Connection, Home};
use crate::cores::RoomCell;
use crate::cores::core::{Core, now};
use crate::metrics::Figure;
use crate::shared::Shared;
use crate::translations::{Answer, Asked, Author, Heard, MemoryEvents, Translated, TranslationError, told};

/// So many events are told before what they made is written, and others have their turn.
const EVENTS_PER_TURN_MAX: usize = 64;

/// Whom a core tells of the translation memory.
#[derive(Default)]
pub(super) struct TranslationFeed {
    /// The translators, by project and by the number of their connection. A project without any is not there.
    projects: RefCell<HashMap<ProjectId, HashMap<usize, Rc<Connection>>>>,
    rooms: Rc<TranslatedRooms>,
}

impl TranslationFeed {
    /// Whom an event may concern.
    fn concerned(&self, event: &MemoryEvent) -> Vec<Rc<Connection>> {
        let projects = self.projects.borrow();
        match event.scope().project() {
            Some(project) => projects.get(project).into_iter().flat_map(HashMap::values).map(Rc::clone).collect(),
            None => projects.values().flat_map(HashMap::values).map(Rc::clone).collect(),
        }
    }

    fn all(&self) -> Vec<Rc<Connection>> {
        self.projects.borrow().values().flat_map(HashMap::values).map(Rc::clone).collect()
    }
}

impl Core {
    /// Somebody translates in a project.
    pub(super) fn seat_translator(&self, connection: &Rc<Connection>, project: ProjectId) {
        let mut projects = self.feeds.translation.projects.borrow_mut();
        projects.entry(project).or_default().insert(connection.number(), Rc::clone(connection));
        self.memory_events().listen();
        self.metrics().of(Figure::TranslationConnections).add(1);
        self.metrics().of(Figure::TranslationConnectionsOpened).add(1);
    }

    /// A translator has gone: nobody waits for what they have asked.
    pub(in crate::cores) fn forget_translator(&self, number: usize, translator: &RefCell<Translator>) {
        let mut projects = self.feeds.translation.projects.borrow_mut();
        let translator = translator.borrow();
        let Some(project) = projects.get_mut(translator.project()) else { return };
        if project.remove(&number).is_none() {
            return;
        }
        if project.is_empty() {
            projects.remove(translator.project());
        }
        self.memory_events().stop_listening();
        self.metrics().of(Figure::TranslationConnections).subtract(1);
    }

    /// Has done what a translator asks for, in a project or a document; what comes of it is told when it is there.
    pub(crate) fn translate(&self, connection: &Rc<Connection>, work: Vec<Work>) {
        let (shared, rooms) = (Arc::clone(&self.shared), Rc::clone(&self.feeds.translation.rooms));
        Clerk { shared, core: self.index, rooms, connection: Rc::clone(connection) }.begin(work);
    }

    fn memory_events(&self) -> &MemoryEvents {
        self.shared.translations.events(self.index)
    }

    /// Follows a document for those who translate in it, in its turn; without any that is all.
    pub(in crate::cores) fn follow_translations(&self, cell: &Rc<RoomCell>, room: &mut Room) {
        self.feeds.translation.rooms.note(cell, room, self.memory_events());
        if !room.is_translated() {
            return;
        }
        for (member, work) in room.follow_translations(now()) {
            // Whose socket has not come has asked for nothing.
            if let Some(connection) = cell.connection(member) {
                self.translate(&connection, work);
            }
        }
    }

    /// Tells the translators, and those who translate in documents, what happens to the memory.
    pub(in crate::cores) async fn run_memory_events(&self) {
        let shared = Arc::clone(&self.shared);
        let events = shared.translations.events(self.index);
        loop {
            events.arrived().await;
            let mut told: Vec<Told> = Vec::new();
            loop {
                told.extend(std::iter::from_fn(|| events.pop()).take(EVENTS_PER_TURN_MAX).map(Told::from));
                if told.is_empty() {
                    break;
                }
                self.tell_translators(&told);
                consume_budget().await;
                for cell in self.feeds.translation.rooms.all() {
                    if tell_room(&cell, &told) {
                        self.touch(&cell);
                        // That room has its turn, and so have others, before the next one is told.
                        yield_now().await;
                    } else {
                        consume_budget().await;
                    }
                }
                told.clear();
            }
        }
    }

    fn tell_translators(&self, heard: &[Told]) {
        // Each is written to once, however much it is told.
        let mut told: HashMap<usize, Rc<Connection>> = HashMap::new();
        for Told { heard, message } in heard {
            match heard {
                Heard::Event(event) => {
                    let concerned = self.feeds.translation.concerned(event);
                    for connection in concerned {
                        let Home::Translator(translator) = &connection.home else { continue };
                        let mut translator = translator.borrow_mut();
                        if translator.is_for(event) {
                            translator.tell(event.sent(), message.get_or_init(|| event.message()));
                            translator.consider(event);
                            told.insert(connection.number(), Rc::clone(&connection));
                        }
                    }
                }
                Heard::Missed => {
                    for connection in self.feeds.translation.all() {
                        let Home::Translator(translator) = &connection.home else { continue };
                        translator.borrow_mut().miss();
                        told.insert(connection.number(), connection);
                    }
                }
            }
        }
        for connection in told.values() {
            connection.flush_now();
            if let Home::Translator(translator) = &connection.home {
                let work = translator.borrow_mut().take_work();
                self.translate(connection, work);
            }
        }
    }
}

/// Who has things done for a connection, and tells them what came of it.
#[derive(Clone)]
pub(super) struct Clerk {
    pub(super) shared: Arc<Shared>,
    core: usize,
    rooms: Rc<TranslatedRooms>,
    pub(super) connection: Rc<Connection>,
}

impl Clerk {
    pub(super) fn begin(&self, work: Vec<Work>) {
        for work in work {
            let clerk = self.clone();
            match work {
                Work::LookUp { request, pair, body } => {
                    spawn_local(async move { clerk.look_up(request, pair, *body).await });
                }
                Work::LookAgain { request, pair, body } => {
                    spawn_local(async move { clerk.look_again(request, pair, *body).await });
                }
                Work::Submit { submission, origin } => {
                    spawn_local(async move { clerk.submit(*submission, origin).await });
                }
                Work::Revise { id, revision, origin } => {
                    spawn_local(async move { clerk.revise(id, *revision, origin).await });
                }
                Work::Term { change, within, origin } => {
                    spawn_local(async move { clerk.change_term(*change, within, origin).await });
                }
                Work::Batch { number, pair, requests } => {
                    spawn_local(async move { clerk.look_up_all(number, pair, requests).await });
                }
                Work::Read { number, document_id, reading } => {
                    spawn_local(async move { clerk.read_counterpart(number, document_id, reading).await });
                }
                Work::Follow { number, pair, body, again } => {
                    spawn_local(async move { clerk.look_up_at_cursor(number, pair, *body, again).await });
                }
            }
        }
    }

    /// Tells the translator something; by that there may be something to do again.
    fn tell(&self, then: impl FnOnce(&mut Conversation)) {
        let work = self.connection.home.converse(now(), then);
        self.connection.flush_now();
        self.begin(work);
    }

    /// What was told to a room may have begun or ended a subscription.
    pub(super) fn note_subscriptions(&self, cell: &Rc<RoomCell>) {
        self.rooms.note(cell, &cell.room.borrow(), self.shared.translations.events(self.core));
    }

    fn asked(&self, pair: LanguagePair, body: SuggestionsBody) -> Asked {
        let project = body.project_id.clone();
        Asked::new(body, pair, project, self.shared.config.translation.approved_only)
    }

    async fn look_up(self, request: u64, pair: LanguagePair, body: SuggestionsBody) {
        let asked = self.asked(pair, body);
        let early = |answer: Answer| {
            let found = (&*answer.suggestions, &*answer.glossary_terms);
            self.tell(|conversation| conversation.suggest_early(now(), request, found));
        };
        let found = self.shared.translations.look_up_newest(self.connection.newest_look_up(), asked, early).await;
        self.suggest(request, &found);
    }

    async fn look_again(self, request: u64, pair: LanguagePair, body: SuggestionsBody) {
        let found = self.shared.translations.look_up_patiently(self.asked(pair, body)).await;
        self.suggest(request, &found);
    }

    fn suggest(&self, request: u64, found: &Result<Answer, TranslationError>) {
        let found = match found {
            Ok(answer) => Ok((&*answer.suggestions, &*answer.glossary_terms)),
            Err(error) => Err(error.clone().into()),
        };
        self.tell(|conversation| conversation.suggest(now(), request, found));
    }

    /// Looks up the segment at a member's cursor. One look-up at a time, so it needs no place of its own among those that wait.
    async fn look_up_at_cursor(self, number: u64, pair: LanguagePair, body: SuggestionsBody, again: bool) {
        let (translations, asked) = (&self.shared.translations, self.asked(pair, body));
        let found =
            if again { translations.look_up_patiently(asked).await } else { translations.look_up(asked).await }.ok();
        let found = found.as_ref().map(|answer| (&*answer.suggestions, &*answer.glossary_terms));
        let Home::Member { cell, key } = &self.connection.home else { return };
        let work = cell.room.borrow_mut().suggest_at_cursor(now(), *key, number, found);
        self.connection.flush_now();
        self.begin(work);
    }

    async fn submit(self, submission: Submission, origin: Origin) {
        let correlation_id = origin.correlation_id.clone();
        let submitted = self.check_and_submit(submission, origin).await;
        let submitted = match &submitted {
            Ok((entry, warnings)) => Ok((&**entry, &**warnings)),
            Err(error) => Err(error.clone().into()),
        };
        self.tell(|conversation| conversation.submitted(now(), correlation_id.as_deref(), submitted));
    }

    async fn check_and_submit(
        &self,
        submission: Submission,
        origin: Origin,
    ) -> Result<(Arc<Entry>, Vec<TermWarning>), TranslationError> {
        let translations = &self.shared.translations;
        let translated = Translated {
            project: submission.scope.project().cloned(),
            pair: submission.pair,
            source_text: submission.source_text.clone(),
            translated_text: submission.translated_text.clone(),
        };
        let warnings = translations.check_terms(translated).await?;
        Ok((translations.submit(submission, self.author(origin)).await?, warnings))
    }

    async fn revise(self, id: EntryId, revision: Revision, origin: Origin) {
        let correlation_id = origin.correlation_id.clone();
        let revised = self.shared.translations.revise(id, revision, self.author(origin)).await;
        let revised = revised.as_deref().map_err(|error| error.clone().into());
        self.tell(|conversation| conversation.revised(now(), correlation_id.as_deref(), revised));
    }

    async fn change_term(self, change: TermChange, within: Option<ProjectId>, origin: Origin) {
        let correlation_id = origin.correlation_id.clone();
        let changed = self.shared.translations.change_terms(vec![change], within, self.author(origin)).await;
        let changed = changed.and_then(|staged| told(&staged).next().ok_or(TranslationError::Gone));
        let changed = changed.as_ref().map_err(|error| error.clone().into());
        self.tell(|conversation| conversation.termed(now(), correlation_id.as_deref(), changed));
    }

    /// Looks up one text after the other, as fast as the client takes what is found.
    async fn look_up_all(self, batch: u64, pair: LanguagePair, requests: Vec<SuggestionsBody>) {
        for request in requests {
            self.connection.room_to_answer().await;
            if !self.connection.home.is_batch_open(batch) {
                return;
            }
            let found = self.shared.translations.look_up_patiently(self.asked(pair, request)).await;
            let found = found.map_err(InboundError::from);
            let found = found.as_ref().map(|answer| &*answer.suggestions);
            self.tell(|conversation| conversation.take_segment(now(), batch, found));
        }
    }

    fn author(&self, origin: Origin) -> Author {
        Author { origin, pass: self.connection.pass(), is_admin: false }
    }
}

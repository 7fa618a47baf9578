//! The translation memory for all cores: looked up by threads of its own, changed by one.
//!
//! That one decides in the order in which it is asked, and answers when what it has decided is on disk; only then does anybody
//! find it. Whoever looks something up shares the indices as they are, and waits for nobody but for what is found in the end.

mod concordance;
mod desk;
mod error;
mod events;
mod glossary;
mod loading;
mod look_up;
mod upkeep;

use std::io;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded, never};
use jddb_core::protocol::SuggestionsBody;
use jddb_core::room::{MemoryEvent, Origin};
use jddb_core::translation::{
    Band, Became, Choice, Context, Entry, EntryId, Glossary, GlossaryTerm, ImportRefusal, Imported, LanguagePair,
    Memory, Mode, ProjectId, Ranking, Revision, Staged, Submission, Suggestion, TermChange, TermWarning, Wanted,
};
use parking_lot::RwLock;
use tokio::sync::oneshot;

pub use concordance::{Concordance, Wanted as WantedPhrase};
use desk::Desk;
pub use error::TranslationError;
#[cfg(test)]
pub(crate) use events::tests::event;
pub use events::{Heard, MemoryEvents};
pub use glossary::Translated;
pub(crate) use glossary::told;
use glossary::{ImportedTerms, TermsBatch};
pub(crate) use loading::load;
pub use look_up::NewestLookUp;

use crate::auth::Pass;
use crate::durable::WaitingLane;
use crate::exchange::Exchange;
use crate::panics::{TRANSLATION_THREAD, UPKEEP_THREAD};
use crate::shared::{Shared, core_of_name};

/// What waits to be changed.
const CHANGES_MAX: usize = 1_024;
/// What waits to be looked up.
const LOOK_UPS_MAX: usize = 1_024;

/// The translation memory, as all threads see it.
#[derive(Debug)]
pub struct Translations {
    memory: RwLock<Memory>,
    glossary: RwLock<Glossary>,
    changes: Sender<Change>,
    look_ups: Sender<LookUp>,
    /// What is looked up when nobody waits for their newest.
    patient: Sender<LookUp>,
    /// Whose newest may be equal to what is known.
    equals: Sender<Equal>,
    /// What waits to be told, core by core.
    events: Vec<MemoryEvents>,
    /// What is imported and exported now.
    pub(crate) exchange: Exchange,
}

/// What waits for the threads.
#[derive(Debug)]
pub struct TranslationQueues {
    changes: Receiver<Change>,
    look_ups: Receiver<LookUp>,
    patient: Receiver<LookUp>,
    equals: Receiver<Equal>,
}

/// What waits for the one thread that changes.
#[derive(Debug)]
enum Change {
    Submit(Box<Submission>, Author, Reply<Arc<Entry>>),
    Revise(EntryId, Box<Revision>, Author, Reply<Arc<Entry>>),
    Remove(EntryId, Author, Reply<Arc<Entry>>),
    Terms(Vec<TermChange>, Option<ProjectId>, Author, Reply<Staged>),
    Import(Vec<Imported>, Pass, Reply<Vec<Result<Became, ImportRefusal>>>),
    ImportTerms(TermsBatch, Author, Reply<ImportedTerms>),
    Stop,
}

/// By what somebody may change what is there.
#[derive(Clone, Debug)]
pub struct Author {
    /// Who, and by which message.
    pub origin: Origin,
    /// What they came with.
    pub pass: Pass,
    /// They may change what others made.
    pub is_admin: bool,
}

/// What waits for those that look up.
#[derive(Debug)]
enum LookUp {
    Find(Box<Asked>, Reply<Answer>),
    /// Whatever is the newest there by then.
    Newest(Arc<NewestLookUp>),
    Weigh(Box<Weighed>, Reply<Band>),
    Search(concordance::Part, Reply<Concordance>),
    Check(Box<Translated>, Reply<Vec<TermWarning>>),
    Stop,
}

/// What waits for the one that finds what is equal.
#[derive(Debug)]
enum Equal {
    /// To whatever is the newest there by then.
    Newest(Arc<NewestLookUp>),
    Stop,
}

type Reply<T> = oneshot::Sender<Result<T, TranslationError>>;
/// What is answered in time.
type Answered<T> = oneshot::Receiver<Result<T, TranslationError>>;

/// How many texts are looked at for each suggestion: of those whose translation is better one may be less similar.
pub(crate) const TEXTS_PER_SUGGESTION: usize = 2;

/// A text that is looked up.
#[derive(Debug)]
pub struct Asked {
    /// The text.
    pub text: Box<str>,
    /// Where it stands.
    pub context: Context,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// What is suggested of what is found.
    pub choice: Choice,
}

/// A segment of which is asked how well it is known.
#[derive(Debug)]
pub struct Weighed {
    /// The segment.
    pub text: Box<str>,
    /// Where it is looked for.
    pub wanted: Wanted,
    /// Only what is accepted counts.
    pub approved_only: bool,
}

/// What is known for a text.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is suggested for it, the best first.
    pub suggestions: Vec<Suggestion>,
    /// The terms of the glossary that are in it.
    pub glossary_terms: Vec<GlossaryTerm>,
}

/// How thoroughly is looked for similar texts.
pub(crate) const fn mode_of(exhaustive: bool) -> Mode {
    if exhaustive { Mode::Exhaustive } else { Mode::Fast }
}

impl Asked {
    /// What a request wants, of which project.
    #[must_use]
    pub fn new(body: SuggestionsBody, pair: LanguagePair, project: Option<ProjectId>, approved_only: bool) -> Self {
        let wanted = Wanted {
            pair,
            project,
            mode: mode_of(body.exhaustive),
            // What is not as similar is not as good either.
            min_similarity: body.min_confidence,
            texts: TEXTS_PER_SUGGESTION * body.max_suggestions,
        };
        let choice = Choice {
            approved_only,
            min_confidence: body.min_confidence,
            max: body.max_suggestions,
            explain: body.explain,
        };
        Self { text: body.source_text, context: body.context, wanted, choice }
    }

    const fn ranking(&self) -> Ranking<'_> {
        let of_project = self.wanted.project.is_some();
        Ranking { text: &self.text, context: &self.context, of_project, choice: self.choice }
    }
}

impl Translations {
    /// What is known at the start of a server with so many cores.
    #[must_use]
    pub fn new(memory: Memory, glossary: Glossary, cores: usize) -> (Self, TranslationQueues) {
        let (changes, changing) = bounded(CHANGES_MAX);
        let (look_ups, looking) = bounded(LOOK_UPS_MAX);
        let (patient, waiting) = bounded(LOOK_UPS_MAX);
        let (equals, equal) = bounded(LOOK_UPS_MAX);
        let queues = TranslationQueues { changes: changing, look_ups: looking, patient: waiting, equals: equal };
        let events = (0..cores).map(|_| MemoryEvents::default()).collect();
        let (memory, glossary) = (RwLock::new(memory), RwLock::new(glossary));
        let exchange = Exchange::default();
        (Self { memory, glossary, changes, look_ups, patient, equals, events, exchange }, queues)
    }

    /// Remembers a translation of that author. It is on disk, and found by everybody, when this returns.
    ///
    /// # Errors
    /// It cannot be remembered, or not be kept.
    pub async fn submit(&self, submission: Submission, author: Author) -> Result<Arc<Entry>, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.changes, Change::Submit(Box::new(submission), author, reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// Somebody has something to say of an entry. It is on disk, and known to everybody, when this returns.
    ///
    /// # Errors
    /// There is no such entry, it is not for them to say, or it cannot be kept.
    pub async fn revise(
        &self,
        id: EntryId,
        revision: Revision,
        author: Author,
    ) -> Result<Arc<Entry>, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.changes, Change::Revise(id, Box::new(revision), author, reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// Forgets an entry, for its author: it is gone from the disk, and found by nobody, when this returns.
    ///
    /// # Errors
    /// There is no such entry, it is not for them to say, or the disk takes no writes.
    pub async fn remove(&self, id: EntryId, author: Author) -> Result<Arc<Entry>, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.changes, Change::Remove(id, author, reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// Imports a batch, of somebody who came with that, and blocks until it is on disk. What becomes of each.
    ///
    /// # Errors
    /// It cannot be kept; nothing of it is then, as far as is known.
    pub(crate) fn import(
        &self,
        batch: Vec<Imported>,
        pass: Pass,
    ) -> Result<Vec<Result<Became, ImportRefusal>>, TranslationError> {
        let (reply, answer) = oneshot::channel();
        // It waits for its turn where others are refused: an import has the time.
        self.changes.send(Change::Import(batch, pass, reply)).map_err(|_| TranslationError::Gone)?;
        answer.blocking_recv().unwrap_or(Err(TranslationError::Gone))
    }

    /// The entry of that number.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        self.memory.read().entry(id).cloned()
    }

    /// What is suggested for a text, by what is known of those that are like it, and the terms that are in it. Whoever stops
    /// waiting before it was begun has it left out.
    ///
    /// # Errors
    /// It cannot be looked up, or not now.
    pub async fn look_up(&self, asked: Asked) -> Result<Answer, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.look_ups, LookUp::Find(Box::new(asked), reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// The same when there is time: whatever else is looked up comes first.
    ///
    /// # Errors
    /// It cannot be looked up, or not now.
    pub async fn look_up_patiently(&self, asked: Asked) -> Result<Answer, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.patient, LookUp::Find(Box::new(asked), reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// The same of somebody who waits for their newest alone. One before it that was not begun yet gives its place to it, and is
    /// never looked up. What is equal to the text is told `early`, where it is found before all that is like it.
    ///
    /// # Errors
    /// It cannot be looked up, or not now.
    pub async fn look_up_newest(
        &self,
        newest: &Arc<NewestLookUp>,
        asked: Asked,
        early: impl FnOnce(Answer),
    ) -> Result<Answer, TranslationError> {
        let (first, mut answer, has_place) = newest.put(asked);
        if !has_place && let Err(error) = send(&self.equals, Equal::Newest(Arc::clone(newest))) {
            newest.forget();
            return Err(error);
        }
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            Ok(equal) = first => {
                early(equal);
                answer.await
            }
        };
        answer.unwrap_or(Err(TranslationError::Gone))
    }

    /// How well a segment is known. Those of a text are asked for one by one, so that whoever waits for a suggestion waits for
    /// one segment at most.
    ///
    /// # Errors
    /// It cannot be looked up, or not now.
    pub async fn weigh(&self, weighed: Weighed) -> Result<Band, TranslationError> {
        let (reply, answer) = oneshot::channel();
        send(&self.patient, LookUp::Weigh(Box::new(weighed), reply))?;
        answer.await.unwrap_or(Err(TranslationError::Gone))
    }

    /// What waits to be told by that core.
    #[must_use]
    pub fn events(&self, core: usize) -> &MemoryEvents {
        &self.events[core]
    }

    /// Tells whom it concerns of what has happened: those of its project, who are on one core, or all.
    fn tell(&self, event: MemoryEvent) {
        let cores = match event.scope().project() {
            Some(project) => {
                let core = core_of_name(project.as_str(), self.events.len());
                core..core + 1
            }
            None => 0..self.events.len(),
        };
        let event = Arc::new(event);
        cores.for_each(|core| self.events[core].push(&event));
    }
}

fn send<T>(queue: &Sender<T>, job: T) -> Result<(), TranslationError> {
    queue.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => TranslationError::Busy,
        TrySendError::Disconnected(_) => TranslationError::Gone,
    })
}

/// The threads.
#[derive(Debug)]
pub struct TranslationThreads {
    changing: JoinHandle<()>,
    /// Ends when the one that changes has.
    upkeep: JoinHandle<()>,
    looking: Vec<JoinHandle<()>>,
    equal: JoinHandle<()>,
    changes: Sender<Change>,
    look_ups: Sender<LookUp>,
    equals: Sender<Equal>,
}

impl TranslationThreads {
    /// Starts one that changes, whose way to the disk is `lane`, and those that look up.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(queues: TranslationQueues, shared: &Arc<Shared>, lane: WaitingLane) -> io::Result<Self> {
        // One that is woken needs not be woken again.
        let (wake, woken) = bounded(1);
        let desk = Desk { shared: Arc::clone(shared), lane, wake };
        // The threads alone receive: whoever sends to one that is gone is told so, and waits for nobody.
        let TranslationQueues { changes, look_ups, patient, equals } = queues;
        let changing = Builder::new().name(TRANSLATION_THREAD.to_owned()).spawn(move || desk.run(&changes))?;
        let of_upkeep = Arc::clone(shared);
        let upkeep = Builder::new()
            .name(UPKEEP_THREAD.to_owned())
            .spawn(move || upkeep::tidy(&of_upkeep.translations, &woken))?;
        let of_equal = Arc::clone(shared);
        let equal = Builder::new()
            .name("look-up-equal".to_owned())
            .spawn(move || look_up::find_equal(&of_equal.translations, &equals))?;
        let threads = shared.config.translation.threads;
        let look = |number: usize| {
            let (shared, look_ups) = (Arc::clone(shared), look_ups.clone());
            // Where there are several, one of them is always free for whoever waits.
            let patient = if number == 0 && threads > 1 { never() } else { patient.clone() };
            Builder::new()
                .name(format!("look-up-{number}"))
                .spawn(move || look_up::look_up(&shared.translations, &look_ups, &patient, thread::yield_now))
        };
        Ok(Self {
            changing,
            looking: (0..threads).map(look).collect::<io::Result<_>>()?,
            changes: shared.translations.changes.clone(),
            upkeep,
            equal,
            look_ups: shared.translations.look_ups.clone(),
            equals: shared.translations.equals.clone(),
        })
    }

    /// Does what waits, and ends them. Before the commit thread is.
    pub fn stop(self) {
        // Full queues empty; one that nobody reads is one whose threads are gone.
        let _ = self.changes.send(Change::Stop);
        self.looking.iter().for_each(|_| drop(self.look_ups.send(LookUp::Stop)));
        let _ = self.equals.send(Equal::Stop);
        let panicked = [self.changing, self.upkeep, self.equal]
            .into_iter()
            .chain(self.looking)
            .filter_map(|thread| thread.join().err())
            .count();
        if panicked > 0 {
            tracing::error!(panicked, "threads of the translation memory panicked");
        }
    }
}

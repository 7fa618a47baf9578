//! One thread of the generator: its documents with all of their editors, so that threads share nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::editor::{Document, Editor, Field, widen};
use super::meters::{Copied, Tally, Window};
use crate::clock::{self, Nanos};
use crate::connect::{self, Joined, Request};
use crate::failure::Failure;
use crate::scan::Scanner;
use crate::schedule::{Agenda, Cadence};
use crate::server::pin_this_thread;
use crate::stamp::RunTag;
use crate::target::Endpoint;

/// The longest wait for the seed texts to be acknowledged and delivered.
const SEEDED_WITHIN: Duration = Duration::from_secs(30);
const SETTLE_POLL: Duration = Duration::from_millis(10);

/// What all workers are told before they connect.
pub(crate) struct Setup {
    /// The server.
    pub(crate) endpoint: Endpoint,
    /// Tells this run's changes, documents and users from others'.
    pub(crate) run: RunTag,
    /// Documents in all.
    pub(crate) documents: usize,
    /// Editors of each.
    pub(crate) editors: usize,
    /// The token of each editor, by number.
    pub(crate) tokens: Vec<String>,
    /// The text each document starts with, ASCII.
    pub(crate) seed: String,
    /// The time between two changes of an editor.
    pub(crate) interval: Duration,
    /// Threads in all.
    pub(crate) workers: usize,
    /// The core of the first worker, the next worker's being the next one.
    pub(crate) pin_core: Option<usize>,
    /// Whether each editor keeps a copy of the text.
    pub(crate) keeps_copies: bool,
    /// Editors connected so far, of all workers.
    pub(crate) connected: AtomicUsize,
}

impl Setup {
    /// The id of the document `number` of this run: new in each run, so that each starts empty.
    pub(crate) fn document_id(&self, number: usize) -> String {
        format!("loadtest_{}_{number}", self.run.as_str())
    }
}

/// When the run happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Editors begin to type.
    pub(crate) start: Nanos,
    /// The measured part; typing ends with it.
    pub(crate) window: Window,
    /// What has not arrived by then is given up.
    pub(crate) drain_until: Nanos,
}

/// Connects, says so on `ready`, waits for the plan, carries it out.
pub(crate) fn run(
    worker: usize,
    setup: &Setup,
    ready: impl FnOnce(),
    plan: oneshot::Receiver<Plan>,
    progress: Arc<AtomicU64>,
) -> Result<Tally, Failure> {
    if let Some(core) = setup.pin_core {
        pin_this_thread(core + worker).map_err(|error| Failure::run("--pin-core", error))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run("starting a worker", error))?;
    LocalSet::new().block_on(&runtime, async {
        let room = setup.documents.div_ceil(setup.workers) * setup.editors;
        let field = Rc::new(Field {
            run: setup.run.clone(),
            scanner: Scanner::new(),
            agenda: Agenda::new(room).map_err(|error| Failure::run("timer", error))?,
            window: Cell::new(Window::NEVER),
            tally: RefCell::new(Tally::new()?),
            progress,
            closing: Cell::new(false),
        });
        let editors = connect_all(worker, setup, &field).await?;
        seed(setup, &field, &editors).await?;
        ready();
        let plan = plan.await.map_err(|_dropped| Failure::Run("given up, as another worker failed".into()))?;
        type_along(setup, &field, &editors, plan).await;
        finish(setup, &field, &editors)
    })
}

/// All editors of this worker's documents: those whose number leaves the worker's as remainder.
async fn connect_all(worker: usize, setup: &Setup, field: &Rc<Field>) -> Result<Vec<Rc<Editor>>, Failure> {
    let seats: Vec<Seat> =
        (worker..setup.documents).step_by(setup.workers).flat_map(|number| seats(setup, number)).collect();
    let seats: Rc<[Seat]> = seats.into();
    let join = |index: usize| {
        let (field, seats) = (Rc::clone(field), Rc::clone(&seats));
        async move {
            let Seat { endpoint, id, token, .. } = &seats[index];
            connect::join(Request::new(endpoint, id, token), &field.scanner).await
        }
    };
    let mut editors: Vec<Rc<Editor>> = Vec::new();
    connect::join_each(0..seats.len(), join, |index, Joined { socket, state }| {
        let Seat { number, document, .. } = &seats[index];
        let writer = Rc::clone(&socket.writer);
        let editor = Editor::new(editors.len(), *number, Rc::clone(document), state.version, writer);
        let editor = Rc::new(if setup.keeps_copies { editor.with_copy() } else { editor });
        tokio::task::spawn_local(Rc::clone(&editor).read(Rc::clone(field), socket));
        editors.push(editor);
        setup.connected.fetch_add(1, Ordering::Relaxed);
    })
    .await?;
    Ok(editors)
}

/// Where an editor is to sit.
struct Seat {
    endpoint: Endpoint,
    /// The document's id.
    id: String,
    token: String,
    /// The editor's number: those of one document are spread over the interval, hence documents first.
    number: usize,
    document: Rc<Document>,
}

fn seats(setup: &Setup, number: usize) -> impl Iterator<Item = Seat> {
    let document = Rc::new(Document { seed_length: widen(setup.seed.len()), ..Document::default() });
    (0..setup.editors).map(move |place| Seat {
        endpoint: setup.endpoint.clone(),
        id: setup.document_id(number),
        token: setup.tokens[number * setup.editors + place].clone(),
        number: place * setup.documents + number,
        document: Rc::clone(&document),
    })
}

/// Gives each document its first text and waits until all of its editors have it.
async fn seed(setup: &Setup, field: &Field, editors: &[Rc<Editor>]) -> Result<(), Failure> {
    let first_places = editors.iter().filter(|editor| editor.number < setup.documents);
    first_places.for_each(|editor| editor.seed(field, &setup.seed));
    let deadline = clock::now().plus(SEEDED_WITHIN);
    if settle(field, editors, deadline).await && field.tally.borrow().errors.total() == 0 {
        return Ok(());
    }
    let errors = field.tally.borrow().errors.lines().join("; ");
    Err(Failure::run("the documents' first texts were not acknowledged and delivered within 30 s", errors))
}

/// Waits until everything sent has arrived everywhere; false if that took longer than until `deadline`.
async fn settle(field: &Field, editors: &[Rc<Editor>], deadline: Nanos) -> bool {
    while !editors.iter().all(|editor| editor.settled(field)) {
        if clock::now() > deadline {
            return false;
        }
        tokio::time::sleep(SETTLE_POLL).await;
    }
    true
}

/// Types until the window ends, then waits for what is under way.
async fn type_along(setup: &Setup, field: &Rc<Field>, editors: &[Rc<Editor>], plan: Plan) {
    field.window.set(plan.window);
    let all = setup.documents * setup.editors;
    for editor in editors {
        let cadence = Cadence::new(plan.start, setup.interval, widen(editor.number), widen(all));
        editor.start(field, cadence);
    }
    let pacing = tokio::task::spawn_local(pace(Rc::clone(field), editors.to_vec()));
    tokio::time::sleep(plan.window.to.left(clock::now())).await;
    settle(field, editors, plan.drain_until).await;
    pacing.abort();
}

/// Hands out turns as they come due.
async fn pace(field: Rc<Field>, editors: Vec<Rc<Editor>>) {
    loop {
        match field.agenda.next().await {
            Ok(index) => editors[index].due(&field),
            Err(error) => {
                let text = format!("waiting for the timer: {error}");
                field.tally.borrow_mut().errors.add(text);
                return;
            }
        }
    }
}

/// Takes the counts out. The connections are closed by the end of their `LocalSet`.
fn finish(setup: &Setup, field: &Field, editors: &[Rc<Editor>]) -> Result<Tally, Failure> {
    field.closing.set(true);
    let mut tally = field.tally.replace(Tally::new()?);
    let window = field.window.get();
    tally.scheduled = editors.iter().map(|editor| editor.scheduled(window)).sum();
    let copied = |editor: &Rc<Editor>| {
        let (version, text) = editor.copy()?;
        Some(Copied { document: editor.number % setup.documents, version, text })
    };
    tally.copies = editors.iter().filter_map(copied).collect();
    tally.behind = widen(editors.iter().filter(|editor| editor.behind()).count());
    Ok(tally)
}

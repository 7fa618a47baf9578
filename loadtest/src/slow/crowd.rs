//! The clients of `slow`: a writer in each document, others who read, and some who stop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use fastwebsockets::WebSocket;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::{Pace, Plan, SlowArgs};
use crate::clock;
use crate::connect::{self, ConnectionError, Joined, Request};
use crate::edit::Window;
use crate::errors::Errors;
use crate::failure::Failure;
use crate::histogram::Latencies;
use crate::scan::{Kind, Scanner, ServerError};
use crate::schedule::Cadence;
use crate::socket::{Stream, Writer};
use crate::stamp::RunTag;
use crate::target::{Endpoint, Target};
use crate::token::LimitsClaim;

/// What a laggard reads a second, in bytes.
const LAGGARD_BYTES: usize = 10_000;
/// The receive buffer of the slow ones: what the kernel takes for them is not what is measured.
const SLOW_RECEIVE_BUFFER: u32 = 4_096;
const SETTLE_POLL: Duration = Duration::from_millis(50);

/// What the clients of one document know together.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Changes sent by its writer.
    sent: Cell<u64>,
    /// The newest version that its writer was told of.
    acknowledged: Cell<u64>,
    /// Wakes the writer, which has one change in flight.
    landed: Notify,
}

/// What became of the slow clients.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Slow {
    /// Those that never read or read a byte a second.
    pub(super) stuck: u32,
    /// Of these, those whose connection the server has ended.
    pub(super) given_up: u32,
    /// Those that read slowly but surely.
    pub(super) laggards: u32,
    /// Of these, those that were not closed and came to the last version.
    pub(super) caught_up: u32,
    /// Full states that they were sent instead of changes.
    pub(super) states: u32,
}

/// All clients.
pub(super) struct Crowd {
    endpoint: Endpoint,
    run: RunTag,
    tokens: Vec<String>,
    scanner: Scanner,
    change_bytes: usize,
    changes_per_second: f64,
    slow: u32,
    pace: Pace,
    documents: Vec<Rc<Document>>,
    plan: Cell<Option<Plan>>,
    /// The slow ones read slowly.
    is_slow: Cell<bool>,
    /// The changes are over, and everybody reads what is left.
    is_over: Cell<bool>,
    over: Notify,
    begun: Notify,
    /// Slow clients that have not come to their end.
    under_way: Cell<u32>,
    pub(super) undisturbed: RefCell<Latencies>,
    pub(super) disturbed: RefCell<Latencies>,
    pub(super) fate: Cell<Slow>,
    pub(super) errors: RefCell<Errors>,
}

impl Crowd {
    pub(super) fn new(args: &SlowArgs, pace: Pace, target: &Target) -> Result<Self, Failure> {
        let limits = LimitsClaim::RAISED;
        let token = |number| target.tokens.user(&format!("user_{number}"), Some(limits));
        Ok(Self {
            endpoint: target.endpoint.clone(),
            run: RunTag::random().map_err(|error| Failure::run("random run tag", error))?,
            tokens: (0..args.connections).map(token).collect::<Result<_, _>>()?,
            scanner: Scanner::new(),
            change_bytes: usize::try_from(args.change_bytes).unwrap_or(1),
            changes_per_second: f64::from(args.changes) / f64::from(args.documents),
            slow: args.slow,
            pace,
            documents: (0..args.documents).map(|_| Rc::default()).collect(),
            plan: Cell::new(None),
            is_slow: Cell::new(false),
            is_over: Cell::new(false),
            over: Notify::new(),
            begun: Notify::new(),
            under_way: Cell::new(0),
            undisturbed: RefCell::new(Latencies::new()?),
            disturbed: RefCell::new(Latencies::new()?),
            fate: Cell::default(),
            errors: RefCell::default(),
        })
    }

    /// Connects everybody; they wait for the beginning. The first of each document writes, and the last ones of all
    /// are the slow ones.
    pub(super) async fn connect_all(self: &Rc<Self>) -> Result<(), Failure> {
        let join = |number| {
            let crowd = Rc::clone(self);
            async move { crowd.join(number).await }
        };
        let live = |number, joined| drop(spawn_local(Rc::clone(self).live(number, joined)));
        // Whoever writes makes the document that others view.
        connect::join_each(0..self.documents.len(), join, live).await?;
        connect::join_each(self.documents.len()..self.tokens.len(), join, live).await?;
        eprintln!("connected {} clients", self.tokens.len());
        Ok(())
    }

    /// The number of the first client that will read slowly.
    fn first_slow(&self) -> usize {
        self.tokens.len() - usize::try_from(self.slow).unwrap_or(0)
    }

    async fn join(&self, number: usize) -> Result<Joined, ConnectionError> {
        let document = format!("slow_{}_{}", self.run.as_str(), number % self.documents.len());
        let query = if number < self.documents.len() { "" } else { "&mode=view" };
        let request = Request {
            query,
            receive_buffer: (number >= self.first_slow()).then_some(SLOW_RECEIVE_BUFFER),
            ..Request::new(&self.endpoint, &document, &self.tokens[number])
        };
        connect::join(request, &self.scanner).await
    }

    /// One client, from the beginning to the end.
    async fn live(self: Rc<Self>, number: usize, joined: Joined) {
        let document = Rc::clone(&self.documents[number % self.documents.len()]);
        let first_slow = self.first_slow();
        let mut reader = joined.socket.reader;
        if number < self.documents.len() {
            spawn_local(Rc::clone(&self).write(number, Rc::clone(&document), joined.socket.writer));
        }
        if number < first_slow {
            return self.read(&document, &mut reader, || false).await;
        }
        self.under_way.update(|count| count + 1);
        self.read(&document, &mut reader, || self.is_slow.get()).await;
        match self.pace {
            Pace::Laggard => self.lag(&document, &mut reader).await,
            Pace::Never | Pace::Trickle => self.be_stuck(reader).await,
        }
        self.under_way.update(|count| count - 1);
    }

    /// Everybody begins.
    pub(super) fn begin(&self, plan: Plan) {
        self.plan.set(Some(plan));
        self.begun.notify_waiters();
    }

    /// The slow ones read slowly from now on.
    pub(super) fn stop_reading(&self) {
        self.is_slow.set(true);
    }

    /// The changes are over: waits for what is under way, but no longer than that.
    pub(super) async fn settle(&self, longest: Duration) {
        self.is_over.set(true);
        self.over.notify_waiters();
        let deadline = clock::now().plus(longest);
        while self.under_way.get() > 0 && clock::now() < deadline {
            tokio::time::sleep(SETTLE_POLL).await;
        }
    }

    /// Replaces the document's text at times fixed beforehand, and shows a cursor each time.
    async fn write(self: Rc<Self>, number: usize, document: Rc<Document>, writer: Rc<Writer>) {
        let plan = loop {
            let begun = self.begun.notified();
            if let Some(plan) = self.plan.get() {
                break plan;
            }
            begun.await;
        };
        let interval = Duration::from_secs_f64(1.0 / self.changes_per_second);
        let (place, of) = (crate::edit::widen(number), crate::edit::widen(self.documents.len()));
        let cadence = Cadence::new(plan.start, interval, place, of);
        for turn in 0.. {
            let due = cadence.due(turn);
            if due >= plan.disturbed.to {
                return;
            }
            tokio::time::sleep(due.left(clock::now())).await;
            while document.acknowledged.get() < document.sent.get() {
                document.landed.notified().await;
            }
            let letter = char::from(b'a' + u8::try_from(turn % 26).unwrap_or(0));
            let content = letter.to_string().repeat(self.change_bytes);
            let what = if turn == 0 {
                r#""insert""#.to_owned()
            } else {
                format!(r#""replace","length":{}"#, self.change_bytes)
            };
            let change = format!(
                r#"{{"type":"document.change","payload":{{"operation":{what},"position":0,"content":"{content}","section":"body","base_version":{}}},"metadata":{{"client_id":"slow_{number}","correlation_id":"{}"}}}}"#,
                document.acknowledged.get(),
                self.run.stamp(number, due),
            );
            let cursor =
                format!(r#"{{"type":"cursor.position","payload":{{"position":{},"section":"body"}}}}"#, turn % 100);
            for message in [change, cursor] {
                if let Err(error) = writer.send_text(&mut message.into_bytes()) {
                    self.errors.borrow_mut().add(format!("sending: {error}"));
                }
            }
            document.sent.update(|sent| sent + 1);
        }
    }

    /// Reads all that comes, until `is_enough` or the end.
    async fn read(&self, document: &Document, reader: &mut WebSocket<Stream>, is_enough: impl Fn() -> bool) {
        while !is_enough() {
            match connect::message(reader).await {
                Ok(frame) => self.take(document, &frame.payload),
                Err(error) => {
                    if !self.is_over.get() {
                        self.errors.borrow_mut().add(format!("a client that reads lost its connection: {error}"));
                    }
                    return;
                }
            }
        }
    }

    fn take(&self, document: &Document, message: &[u8]) {
        match self.scanner.kind(message) {
            Kind::Change => {
                let stamp = self.scanner.correlation_id(message);
                let Some((intended, plan)) = stamp.and_then(|stamp| self.run.intended(stamp)).zip(self.plan.get())
                else {
                    return;
                };
                let contains = |window: Window| window.contains(intended);
                if contains(plan.undisturbed) {
                    self.undisturbed.borrow_mut().record(clock::now().since(intended));
                } else if contains(plan.disturbed) {
                    self.disturbed.borrow_mut().record(clock::now().since(intended));
                }
            }
            Kind::Ack => {
                let version = self.scanner.version(message).unwrap_or(0);
                document.acknowledged.update(|newest| newest.max(version));
                document.landed.notify_one();
            }
            Kind::Error => self.errors.borrow_mut().add(ServerError::describe(message)),
            Kind::Sync => self.errors.borrow_mut().add("a client that reads was sent a full state".to_owned()),
            Kind::State | Kind::Other => {}
        }
    }

    /// Reads too slowly for the changes, and all there is once these are over.
    async fn lag(&self, document: &Document, reader: &mut WebSocket<Stream>) {
        self.change_fate(|fate| fate.laggards += 1);
        let mut version = 0;
        loop {
            let Ok(frame) = connect::message(reader).await else { return };
            match self.scanner.kind(&frame.payload) {
                Kind::Change => version = self.scanner.version(&frame.payload).unwrap_or(version),
                Kind::Sync => {
                    self.change_fate(|fate| fate.states += 1);
                    version = current_version(&frame.payload).unwrap_or(version);
                }
                Kind::Ack | Kind::State | Kind::Error | Kind::Other => {}
            }
            let is_last = document.acknowledged.get() == document.sent.get() && version >= document.sent.get();
            if self.is_over.get() && is_last {
                return self.change_fate(|fate| fate.caught_up += 1);
            }
            if !self.is_over.get() {
                let bytes = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
                let pause = Duration::from_secs(1) * bytes / u32::try_from(LAGGARD_BYTES).unwrap_or(1);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.over.notified() => {}
                }
            }
        }
    }

    /// Reads nothing, or a byte a second; and in the end what there is.
    async fn be_stuck(&self, reader: WebSocket<Stream>) {
        self.change_fate(|fate| fate.stuck += 1);
        let mut stream = reader.into_inner();
        while !self.is_over.get() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = self.over.notified() => {}
            }
            if self.pace == Pace::Trickle && !self.is_over.get() && !matches!(stream.read(&mut [0]).await, Ok(1)) {
                return self.change_fate(|fate| fate.given_up += 1);
            }
        }
        let mut buffer = vec![0; 64 << 10];
        while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        self.change_fate(|fate| fate.given_up += 1);
    }

    fn change_fate(&self, change: impl FnOnce(&mut Slow)) {
        let mut fate = self.fate.get();
        change(&mut fate);
        self.fate.set(fate);
    }
}

/// `current_version` of a `sync.response`.
fn current_version(message: &[u8]) -> Option<u64> {
    const KEY: &[u8] = br#""current_version":"#;
    let at = memchr::memmem::find(message, KEY)?;
    crate::scan::digits(message.get(at + KEY.len()..)?.trim_ascii_start())
}

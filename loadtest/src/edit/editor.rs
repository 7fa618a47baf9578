//! One editor: types when due, one change in flight, and measures what it is sent.
//!
//! Its positions are valid at any version without knowing the text: the document starts with a seed text, and every
//! editor alternates between inserting n units and deleting n units at places within the seed's length. A deletion
//! that overlaps another removes less than n, never more, so at every version
//! `length ≥ seed + units this editor inserted and has not yet deleted`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::meters::{Tally, Window};
use crate::clock::{self, Nanos};
use crate::connect;
use crate::follower::Follower;
use crate::replica::Edit;
use crate::scan::{Kind, Scanner, ServerError, digits, excerpt};
use crate::schedule::{Agenda, Cadence, mix};
use crate::socket::{Socket, Writer};
use crate::stamp::RunTag;

/// The section everybody edits.
pub(crate) const SECTION: &str = "body";
/// Most units inserted at once: a few keystrokes.
const INSERT_UNITS_MAX: u64 = 8;
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// What all editors of a worker share.
pub(crate) struct Field {
    /// Tells this run's changes from others.
    pub(crate) run: RunTag,
    /// Finds fields in messages.
    pub(crate) scanner: Scanner,
    /// Who is due when.
    pub(crate) agenda: Agenda,
    /// The measured part of the run.
    pub(crate) window: Cell<Window>,
    /// The counts.
    pub(crate) tally: RefCell<Tally>,
    /// Deliveries so far, for progress lines.
    pub(crate) progress: Arc<AtomicU64>,
    /// Set when connections end because the run does.
    pub(crate) closing: Cell<bool>,
}

/// A document under test, as its editors see it together.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The length of the text it was given first, in UTF-16 units (all of it is ASCII).
    pub(crate) seed_length: u64,
    /// Editors connected.
    pub(crate) editors: Cell<u64>,
    /// The newest version acknowledged to any of them.
    pub(crate) latest: Cell<u64>,
}

/// The change an editor waits for.
#[derive(Debug, Clone, Copy)]
struct Flight {
    intended: Nanos,
    typing: Typing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typing {
    /// The document's first text.
    Seed,
    Insert {
        units: u64,
    },
    Delete,
}

/// One editor on one connection.
pub(crate) struct Editor {
    /// Its place in the agenda.
    pub(crate) index: usize,
    /// Its number among all editors of the run.
    pub(crate) number: usize,
    /// What it edits.
    pub(crate) document: Rc<Document>,
    writer: Rc<Writer>,
    cadence: Cell<Option<Cadence>>,
    /// The newest version it was sent.
    seen: Cell<u64>,
    /// The next change of its cadence.
    turn: Cell<u64>,
    flight: Cell<Option<Flight>>,
    /// A change came due while one was in flight; it is sent when that one is answered.
    overdue: Cell<bool>,
    /// Units inserted and to be deleted next.
    owed: Cell<u64>,
    /// No longer connected.
    gone: Cell<bool>,
    /// Its copy of the text, where it keeps one.
    copy: Option<RefCell<Follower>>,
}

impl Editor {
    /// An editor of `document`, which had `version` when it joined.
    pub(crate) fn new(index: usize, number: usize, document: Rc<Document>, version: u64, writer: Rc<Writer>) -> Self {
        document.editors.update(|editors| editors + 1);
        document.latest.update(|latest| latest.max(version));
        Self {
            index,
            number,
            document,
            writer,
            cadence: Cell::new(None),
            seen: Cell::new(version),
            turn: Cell::new(0),
            flight: Cell::new(None),
            overdue: Cell::new(false),
            owed: Cell::new(0),
            gone: Cell::new(false),
            copy: None,
        }
    }

    /// The same, keeping a copy of the text, which has been empty until now.
    pub(crate) fn with_copy(self) -> Self {
        let copy = Follower::new(SECTION, "", self.seen.get());
        Self { copy: Some(RefCell::new(copy)), ..self }
    }

    /// Its copy: the version, and the text.
    pub(crate) fn copy(&self) -> Option<(u64, String)> {
        let copy = self.copy.as_ref()?.borrow();
        Some((copy.version(), copy.replica().text()))
    }

    /// Nothing in flight, overdue or due before the end of the window, even if the agenda has not come to it yet, and
    /// everything acknowledged to anyone has arrived; or gone.
    pub(crate) fn settled(&self, field: &Field) -> bool {
        let done = self.cadence.get().is_none_or(|cadence| cadence.due(self.turn.get()) >= field.window.get().to);
        let idle = self.flight.get().is_none() && !self.overdue.get();
        self.gone.get() || (done && idle && !self.behind())
    }

    /// Whether a change acknowledged to somebody has not arrived here, or not all of it.
    pub(crate) fn behind(&self) -> bool {
        let is_whole = self.copy.as_ref().is_none_or(|copy| copy.borrow().is_whole());
        self.seen.get() < self.document.latest.get() || !is_whole
    }

    /// Gives the document its first text.
    pub(crate) fn seed(&self, field: &Field, text: &str) {
        self.send(field, clock::now(), Typing::Seed, 0, text);
    }

    /// Starts typing by `cadence`.
    pub(crate) fn start(&self, field: &Field, cadence: Cadence) {
        self.cadence.set(Some(cadence));
        self.schedule(field, cadence);
    }

    /// Called when the agenda says so: types, or notes that it should have.
    pub(crate) fn due(&self, field: &Field) {
        if self.flight.get().is_some() {
            self.overdue.set(true);
            return;
        }
        if let Some(cadence) = self.cadence.get() {
            let late = clock::now().since(cadence.due(self.turn.get()));
            field.tally.borrow_mut().lag.record(late);
            self.type_next(field, cadence);
        }
    }

    /// Sends the next change of the cadence, and has the one after it scheduled.
    fn type_next(&self, field: &Field, cadence: Cadence) {
        let turn = self.turn.get();
        let intended = cadence.due(turn);
        if field.window.get().contains(intended) {
            field.tally.borrow_mut().sent += 1;
        }
        let chance = mix((widen(self.number) << 32) ^ turn);
        let position = chance % (self.document.seed_length + 1);
        match self.owed.get() {
            0 => {
                let units = 1 + (chance >> 40) % INSERT_UNITS_MAX;
                let text = usize::try_from(units).ok().and_then(|units| LETTERS.get(..units));
                let text = text.unwrap_or(LETTERS);
                self.send(field, intended, Typing::Insert { units }, position, text);
            }
            _owed => self.send(field, intended, Typing::Delete, position, ""),
        }
        self.turn.set(turn + 1);
        self.schedule(field, cadence);
    }

    /// Enters the next change into the agenda, unless the run is over by then.
    fn schedule(&self, field: &Field, cadence: Cadence) {
        let at = cadence.due(self.turn.get());
        if at < field.window.get().to
            && let Err(error) = field.agenda.add(at, self.index)
        {
            field.tally.borrow_mut().errors.add(format!("setting the timer: {error}"));
        }
    }

    fn send(&self, field: &Field, intended: Nanos, typing: Typing, position: u64, text: &str) {
        let what = match typing {
            Typing::Seed | Typing::Insert { .. } => {
                format!(r#""operation":"insert","position":{position},"content":"{text}""#)
            }
            Typing::Delete => {
                let length = self.owed.get();
                format!(r#""operation":"delete","position":{position},"length":{length}"#)
            }
        };
        let stamp = field.run.stamp(self.number, intended);
        let mut message = format!(
            r#"{{"type":"document.change","payload":{{{what},"section":"{SECTION}","base_version":{}}},"metadata":{{"client_id":"loadtest_{}","correlation_id":"{stamp}"}}}}"#,
            self.seen.get(),
            self.number,
        )
        .into_bytes();
        if let Some(copy) = &self.copy {
            let removed = if typing == Typing::Delete { self.owed.get() } else { 0 };
            let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let inserted = text.encode_utf16().collect();
            copy.borrow_mut().sent(stamp, &Edit { position: size(position), removed: size(removed), inserted });
        }
        self.flight.set(Some(Flight { intended, typing }));
        if let Err(error) = self.writer.send_text(&mut message) {
            let text = format!("sending a change: {error}");
            field.tally.borrow_mut().errors.add(text);
        }
    }

    /// Reads until the connection ends.
    pub(crate) async fn read(self: Rc<Self>, field: Rc<Field>, mut socket: Socket) {
        loop {
            match connect::message(&mut socket.reader).await {
                Ok(frame) => self.receive(&field, &frame.payload),
                Err(error) => {
                    self.gone.set(true);
                    self.document.editors.update(|editors| editors - 1);
                    if !field.closing.get() {
                        let text = format!("an editor lost its connection: {error}");
                        field.tally.borrow_mut().errors.add(text);
                    }
                    return;
                }
            }
        }
    }

    /// Measures one message.
    fn receive(&self, field: &Field, message: &[u8]) {
        match field.scanner.kind(message) {
            Kind::Change => {
                self.keep_up(field, |copy| copy.changed(message));
                self.delivered(field, message);
            }
            Kind::Ack => {
                self.keep_up(field, |copy| copy.acknowledged(message));
                self.acknowledged(field, message);
            }
            Kind::Error => self.refused(field, message),
            Kind::Sync => self.resynced(field, message),
            Kind::State | Kind::Other => {}
        }
    }

    fn keep_up(&self, field: &Field, take: impl FnOnce(&mut Follower) -> Result<(), String>) {
        if let Some(copy) = &self.copy
            && let Err(error) = take(&mut copy.borrow_mut())
        {
            field.tally.borrow_mut().errors.add(format!("an editor's copy: {error}"));
        }
    }

    /// Somebody else's change. Its further parts, which have the same version, are not deliveries of their own.
    fn delivered(&self, field: &Field, message: &[u8]) {
        let now = clock::now();
        let mut tally = field.tally.borrow_mut();
        if !self.advance(&mut tally, field.scanner.version(message)) {
            return;
        }
        if field.window.get().contains(now) {
            tally.received += 1;
            field.progress.store(tally.received, Ordering::Relaxed);
        }
        let stamp = field.scanner.correlation_id(message);
        if let Some(intended) = stamp.and_then(|stamp| field.run.intended(stamp))
            && field.window.get().contains(intended)
        {
            tally.delivery.record(now.since(intended));
        }
    }

    /// Whether `version` is news. Every version must come, in order: a change, or the ack of one's own.
    fn advance(&self, tally: &mut Tally, version: Option<u64>) -> bool {
        let Some(version) = version else {
            let text = "a change or an ack without payload.version".to_owned();
            tally.errors.add(text);
            return false;
        };
        let seen = self.seen.get();
        if version < seen {
            tally.disorder += 1;
        } else if version > seen + 1 {
            tally.gaps += 1;
        }
        self.seen.set(version.max(seen));
        version > seen
    }

    fn acknowledged(&self, field: &Field, message: &[u8]) {
        let now = clock::now();
        let Some(flight) = self.landed(field, message) else {
            let text = format!("an ack for a change not in flight: {}", excerpt(message));
            field.tally.borrow_mut().errors.add(text);
            return;
        };
        let mut tally = field.tally.borrow_mut();
        self.advance(&mut tally, field.scanner.version(message));
        let document = &self.document;
        document.latest.update(|latest| latest.max(self.seen.get()));
        if field.window.get().contains(flight.intended) {
            tally.ack.record(now.since(flight.intended));
            tally.acked += 1;
            tally.expected += document.editors.get().saturating_sub(1);
        }
        drop(tally);
        match flight.typing {
            Typing::Insert { units } => self.owed.set(units),
            Typing::Delete => self.owed.set(0),
            Typing::Seed => {}
        }
        self.catch_up(field);
    }

    /// A `system.error`: the change in flight was not applied, if it is about that one.
    fn refused(&self, field: &Field, message: &[u8]) {
        let flight = self.landed(field, message);
        let mut tally = field.tally.borrow_mut();
        tally.errors.add(ServerError::describe(message));
        if let Some(flight) = flight {
            tally.refused += u64::from(field.window.get().contains(flight.intended));
            drop(tally);
            self.catch_up(field);
        }
    }

    /// Takes the change in flight if `message` answers it.
    fn landed(&self, field: &Field, message: &[u8]) -> Option<Flight> {
        let stamp = field.scanner.correlation_id(message)?;
        let intended = field.run.intended(stamp)?;
        let flight = self.flight.get().filter(|flight| flight.intended == intended)?;
        self.flight.set(None);
        Some(flight)
    }

    /// Sends what came due while a change was in flight, late as it is.
    fn catch_up(&self, field: &Field) {
        if self.overdue.take()
            && let Some(cadence) = self.cadence.get()
        {
            self.type_next(field, cadence);
        }
    }

    /// Changes were replaced by the whole state: this connection read too slowly.
    fn resynced(&self, field: &Field, message: &[u8]) {
        const KEY: &[u8] = br#""current_version":"#;
        field.tally.borrow_mut().resyncs += 1;
        let version = memchr::memmem::find(message, KEY)
            .and_then(|at| message.get(at + KEY.len()..))
            .and_then(|value| digits(value.trim_ascii_start()));
        self.seen.update(|seen| seen.max(version.unwrap_or(0)));
    }

    /// How many changes of its cadence fall into the window.
    pub(crate) fn scheduled(&self, window: Window) -> u64 {
        self.cadence.get().map_or(0, |cadence| cadence.count(window.from, window.to))
    }
}

/// A number of editors as a number to calculate with.
pub(crate) fn widen(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

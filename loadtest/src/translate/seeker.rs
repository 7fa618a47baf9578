//! Translators who ask when it is due, and what becomes of what they ask.
//!
//! On one connection requests are answered, or told to be superseded, in their order; so whoever asks keeps a queue, and looks
//! only at its front.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Write as _;
use std::rc::Rc;

use super::answer::{describe, judge};
use super::corpus::{Kind, Question};
use crate::clock::{self, Nanos};
use crate::connect;
use crate::edit::Window;
use crate::errors::Errors;
use crate::failure::Failure;
use crate::histogram::Latencies;
use crate::scan::{Scanner, ServerError, digits, excerpt};
use crate::socket::{Socket, Writer};

/// What became of look-ups of one kind that were due in the measured time.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) sent: u64,
    /// Told to be answered no more, since the connection asked for something else before they were.
    pub(super) superseded: u64,
    /// Answered with an error.
    pub(super) refused: u64,
    /// Answered with the translation of the text, or of that which it was before somebody mistook letters.
    pub(super) found: u64,
    /// From the moment they were due, of those that were answered.
    pub(super) latency: Latencies,
}

/// What the connections count together.
#[derive(Debug)]
pub(super) struct Tally {
    /// By kind, in the order of [`Kind::ALL`].
    pub(super) fates: [Fate; 3],
    /// How late they were sent.
    pub(super) lag: Latencies,
    /// How long heartbeats took, from when they were due.
    pub(super) heartbeats: Latencies,
    /// Suggestions for what was answered before: the memory has something better by now.
    pub(super) pushed: u64,
    pub(super) errors: Errors,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn new() -> Result<Self, Failure> {
        let fate = || Ok(Fate { sent: 0, superseded: 0, refused: 0, found: 0, latency: Latencies::new()? });
        let fates = [fate()?, fate()?, fate()?];
        let (lag, heartbeats) = (Latencies::new()?, Latencies::new()?);
        Ok(Self { fates, lag, heartbeats, pushed: 0, errors: Errors::default() })
    }

    /// Adds what was counted in another phase.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), Failure> {
        let Self { fates, lag, heartbeats, pushed, errors } = other;
        for (own, Fate { sent, superseded, refused, found, latency }) in self.fates.iter_mut().zip(fates) {
            own.sent += sent;
            own.superseded += superseded;
            own.refused += refused;
            own.found += found;
            own.latency.merge(&latency)?;
        }
        self.lag.merge(&lag)?;
        self.heartbeats.merge(&heartbeats)?;
        self.pushed += pushed;
        self.errors.merge(errors);
        Ok(())
    }

    fn of(&mut self, kind: Kind) -> &mut Fate {
        let [exact, fuzzy, new] = &mut self.fates;
        match kind {
            Kind::Exact => exact,
            Kind::Fuzzy => fuzzy,
            Kind::New => new,
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) scanner: Scanner,
    pub(super) window: Window,
    pub(super) tally: RefCell<Tally>,
    /// Set when connections end because the run does.
    pub(super) closing: Cell<bool>,
}

/// What was asked and is to be answered.
#[derive(Debug)]
struct Asked {
    number: u64,
    due: Nanos,
    question: Question,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seeker {
    writer: Rc<Writer>,
    waiting: RefCell<VecDeque<Asked>>,
    /// What was answered last.
    last: Cell<Option<u64>>,
}

impl Seeker {
    pub(super) fn new(writer: Rc<Writer>) -> Self {
        Self { writer, waiting: RefCell::default(), last: Cell::new(None) }
    }

    /// How many of its requests nobody has answered.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Sends a message that [`write_request`] wrote.
    pub(super) fn ask(&self, desk: &Desk, number: u64, due: Nanos, question: Question, message: &mut [u8]) {
        let mut tally = desk.tally.borrow_mut();
        if desk.window.contains(due) {
            tally.of(question.kind).sent += 1;
            tally.lag.record(clock::now().since(due));
        }
        self.waiting.borrow_mut().push_back(Asked { number, due, question });
        if let Err(error) = self.writer.send_text(message) {
            tally.errors.add(format!("sending a request: {error}"));
        }
    }

    /// Reads until the connection ends.
    pub(super) async fn read(self: Rc<Self>, desk: Rc<Desk>, mut socket: Socket) {
        loop {
            match connect::message(&mut socket.reader).await {
                Ok(frame) => self.receive(&desk, &frame.payload, clock::now()),
                Err(error) => {
                    if !desk.closing.get() {
                        desk.tally.borrow_mut().errors.add(format!("a translator lost its connection: {error}"));
                    }
                    return;
                }
            }
        }
    }

    fn receive(&self, desk: &Desk, message: &[u8], now: Nanos) {
        let mut tally = desk.tally.borrow_mut();
        match desk.scanner.type_name(message) {
            Some(b"translation.suggestion") => match self.taken(desk, message) {
                Some(asked) => self.answered(desk, &mut tally, &asked, message, now),
                None if self.last.get() == number(desk, message) => tally.pushed += 1,
                None => tally.errors.add(unasked(message)),
            },
            Some(b"translation.cancelled") => match self.taken(desk, message) {
                Some(asked) if desk.window.contains(asked.due) => tally.of(asked.question.kind).superseded += 1,
                Some(_) => {}
                None => tally.errors.add(unasked(message)),
            },
            Some(b"system.error") => {
                tally.errors.add(ServerError::describe(message));
                if let Some(asked) = self.taken(desk, message).filter(|asked| desk.window.contains(asked.due)) {
                    tally.of(asked.question.kind).refused += 1;
                }
            }
            _ => {}
        }
    }

    fn answered(&self, desk: &Desk, tally: &mut Tally, asked: &Asked, message: &[u8], now: Nanos) {
        self.last.set(Some(asked.number));
        let is_found = judge(&asked.question, message).unwrap_or_else(|wrong| {
            if tally.errors.total() == 0 {
                eprintln!("the first error: {}", describe(&asked.question, message));
            }
            tally.errors.add(wrong);
            false
        });
        if desk.window.contains(asked.due) {
            let fate = tally.of(asked.question.kind);
            fate.latency.record(now.since(asked.due));
            fate.found += u64::from(is_found);
        }
    }

    /// Takes what `message` answers, if that is what comes next.
    fn taken(&self, desk: &Desk, message: &[u8]) -> Option<Asked> {
        let number = number(desk, message)?;
        self.waiting.borrow_mut().pop_front_if(|asked| asked.number == number)
    }
}

fn number(desk: &Desk, message: &[u8]) -> Option<u64> {
    digits(desk.scanner.correlation_id(message)?)
}

fn unasked(message: &[u8]) -> String {
    format!("an answer to nothing that was asked, or out of order: {}", excerpt(message))
}

/// Writes a request into `message`, in place of what was there.
pub(super) fn write_request(message: &mut Vec<u8>, number: u64, text: &str) {
    message.clear();
    message.extend_from_slice(br#"{"type":"translation.request","payload":{"source_text":"#);
    // Neither can fail: a String is JSON, and a Vec takes all.
    let _ = serde_json::to_writer(&mut *message, text);
    let _ = write!(message, r#"}},"metadata":{{"client_id":"loadtest","correlation_id":"{number}"}}}}"#);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;
    use tokio::net::{TcpListener, TcpStream};

    use crate::stage;

    const MILLISECOND: u64 = 1_000_000;

    /// A connection to somebody who says nothing, and a desk where all is measured.
    pub(in crate::translate) async fn seat() -> (Socket, Rc<Desk>, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let window = Window { from: Nanos(0), to: Nanos(u64::MAX) };
        let tally = RefCell::new(Tally::new().unwrap());
        let desk = Desk { scanner: Scanner::new(), window, tally, closing: Cell::new(false) };
        (Socket::new(stream, Vec::new()), Rc::new(desk), listener)
    }

    fn ask(seeker: &Seeker, desk: &Desk, number: u64, due: Nanos) {
        let question = Question { kind: Kind::Exact, text: "a".to_owned(), translation: Some("b".to_owned()) };
        let mut message = Vec::new();
        write_request(&mut message, number, &question.text);
        seeker.ask(desk, number, due, question, &mut message);
    }

    fn said(kind: &str, number: u64) -> Vec<u8> {
        let suggestions = [json!({"text": "b", "match_type": "exact"})];
        let payload = json!({"suggestions": suggestions, "correlation_id": number.to_string()});
        json!({"type": format!("translation.{kind}"), "payload": payload}).to_string().into_bytes()
    }

    #[test]
    fn a_request_is_json_whatever_the_text() {
        let mut message = b"what was there".to_vec();
        write_request(&mut message, 7, "a \"b\"\\\n");
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert_eq!(message["payload"]["source_text"], "a \"b\"\\\n");
        assert_eq!(message["metadata"]["correlation_id"], "7");
    }

    #[test]
    fn latencies_count_from_when_a_request_was_due() {
        let played = stage::on_this_thread(async {
            let (socket, desk, _listener) = seat().await;
            let seeker = Seeker::new(socket.writer);
            // The generator was held up for 400 ms, and the answer took 100 more.
            let now = clock::now();
            let due = Nanos(now.0 - 400 * MILLISECOND);
            ask(&seeker, &desk, 1, due);
            seeker.receive(&desk, &said("suggestion", 1), now.plus(std::time::Duration::from_millis(100)));
            let tally = desk.tally.borrow();
            let [exact, ..] = &tally.fates;
            let latency = exact.latency.summary();
            assert!((499.0..501.0).contains(&latency.max_ms), "{latency:?}");
            assert!(tally.lag.summary().max_ms >= 400.0);
            assert_eq!((exact.sent, exact.found, seeker.waiting(), tally.errors.total()), (1, 1, 0, 0));
            Ok(())
        });
        played.unwrap();
    }

    #[test]
    fn answers_come_once_and_in_order() {
        let played = stage::on_this_thread(async {
            let (socket, desk, _listener) = seat().await;
            let seeker = Seeker::new(socket.writer);
            let now = clock::now();
            let errors = || desk.tally.borrow().errors.total();
            (1..=4).for_each(|number| ask(&seeker, &desk, number, now));
            seeker.receive(&desk, &said("cancelled", 1), now);
            seeker.receive(&desk, &said("suggestion", 2), now);
            assert_eq!((errors(), desk.tally.borrow().fates[0].superseded), (0, 1));
            // What is better for what was answered last is no answer.
            seeker.receive(&desk, &said("suggestion", 2), now);
            assert_eq!((errors(), desk.tally.borrow().pushed), (0, 1));
            for (kind, number) in [("suggestion", 4), ("cancelled", 2), ("suggestion", 1)] {
                let before = errors();
                seeker.receive(&desk, &said(kind, number), now);
                assert_eq!(errors(), before + 1, "{kind} {number}");
            }
            assert_eq!((seeker.waiting(), desk.tally.borrow().fates[0].latency.count()), (2, 1));
            let refused = br#"{"type":"system.error","payload":{"error_code":"X"},"metadata":{"correlation_id":"3"}}"#;
            seeker.receive(&desk, refused, now);
            assert_eq!((seeker.waiting(), desk.tally.borrow().fates[0].refused), (1, 1));
            Ok(())
        });
        played.unwrap();
    }
}

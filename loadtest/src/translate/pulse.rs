//! The anchor: heartbeats at the same rate as look-ups, which the same core answers at once. What holds these up, the machine or the
//! generator, holds look-ups up too; so a look-up's latency is told beside theirs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::seeker::Desk;
use crate::clock::{self, Nanos, Timer};
use crate::connect;
use crate::failure::Failure;
use crate::scan::{ServerError, excerpt};
use crate::schedule::Cadence;
use crate::socket::{Socket, Writer};

const HEARTBEAT: &[u8] = br#"{"type":"system.heartbeat","payload":{},"metadata":{"client_id":"loadtest"}}"#;

/// A translator's connection on which nothing is looked up.
#[derive(Debug)]
pub(super) struct Pulse {
    writer: Rc<Writer>,
    /// When those were due that are not answered, in their order.
    waiting: RefCell<VecDeque<Nanos>>,
}

impl Pulse {
    pub(super) fn new(writer: Rc<Writer>) -> Self {
        Self { writer, waiting: RefCell::default() }
    }

    /// Beats until the measured time is over, in the midst between two look-ups.
    pub(super) async fn beat(self: Rc<Self>, desk: Rc<Desk>, start: Nanos, interval: Duration) -> Result<(), Failure> {
        let fail = |error| Failure::run("the timer", error);
        let (timer, cadence) = (Timer::new().map_err(fail)?, Cadence::new(start, interval, 1, 2));
        let mut message = Vec::new();
        for due in (0..).map(|number| cadence.due(number)).take_while(|due| *due < desk.window.to) {
            message.clear();
            message.extend_from_slice(HEARTBEAT);
            if clock::now() < due {
                timer.arm(due).map_err(fail)?;
                timer.fired().await.map_err(fail)?;
            } else {
                tokio::task::yield_now().await;
            }
            self.waiting.borrow_mut().push_back(due);
            if let Err(error) = self.writer.send_text(&mut message) {
                desk.tally.borrow_mut().errors.add(format!("sending a heartbeat: {error}"));
            }
        }
        Ok(())
    }

    /// How many nobody has answered.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Reads until the connection ends.
    pub(super) async fn read(self: Rc<Self>, desk: Rc<Desk>, mut socket: Socket) {
        loop {
            match connect::message(&mut socket.reader).await {
                Ok(frame) => self.receive(&desk, &frame.payload, clock::now()),
                Err(_) if desk.closing.get() => return,
                Err(error) => {
                    return desk.tally.borrow_mut().errors.add(format!("the heartbeats' connection was lost: {error}"));
                }
            }
        }
    }

    fn receive(&self, desk: &Desk, message: &[u8], now: Nanos) {
        let mut tally = desk.tally.borrow_mut();
        match desk.scanner.type_name(message) {
            Some(b"system.heartbeat") => match self.waiting.borrow_mut().pop_front() {
                Some(due) if desk.window.contains(due) => tally.heartbeats.record(now.since(due)),
                Some(_) => {}
                None => tally.errors.add(format!("a heartbeat nobody asked for: {}", excerpt(message))),
            },
            Some(b"system.error") => tally.errors.add(ServerError::describe(message)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seeker::tests::seat;
    use super::*;
    use crate::stage;

    #[test]
    fn heartbeats_count_from_when_they_were_due() {
        let played = stage::on_this_thread(async {
            let (socket, desk, _listener) = seat().await;
            let pulse = Pulse::new(socket.writer);
            let now = clock::now();
            pulse.waiting.borrow_mut().extend([Nanos(now.0 - 300_000_000), now]);
            let answer = br#"{"type":"system.heartbeat","payload":{},"metadata":{}}"#;
            (0..3).for_each(|_| pulse.receive(&desk, answer, now.plus(Duration::from_millis(100))));
            let tally = desk.tally.borrow();
            let latency = tally.heartbeats.summary();
            assert!((399.0..401.0).contains(&latency.max_ms), "{latency:?}");
            // The third answered nothing.
            assert_eq!((tally.heartbeats.count(), tally.errors.total(), pulse.waiting()), (2, 1, 0));
            Ok(())
        });
        played.unwrap();
    }
}

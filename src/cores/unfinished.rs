//! The large unfinished messages of a core's connections, and what becomes of them where all cores hold too much.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use jddb_core::websocket::CloseCode;

use super::core::Core;
use crate::clock;
use crate::progress::{Pace, Progress};
use crate::unfinished::{BYTES_SMALL, Unfinished};

/// What a connection is told that holds a part of a message, and makes too little progress while others wait.
const TOO_MUCH: &str = "too many unfinished messages on this server: retry later";

/// The connections of a core with more than [`BYTES_SMALL`] of an unfinished message, by their numbers.
#[derive(Default)]
pub(super) struct LargeMessages {
    growing: RefCell<HashMap<usize, Growing>>,
    /// Who of them has the turn; see [`crate::unfinished`].
    has_turn: Cell<Option<usize>>,
}

struct Growing {
    bytes: usize,
    progress: Progress,
    /// The connection was told to go; what it holds is as good as free.
    is_closing: bool,
}

impl LargeMessages {
    fn count(&self, unfinished: &Unfinished, number: usize, before: usize, after: usize, pace: impl FnOnce() -> Pace) {
        // It shrinks when a message has ended, which need not be a large one: who may hold no more has the turn at any size.
        if after < before && self.has_turn.get() == Some(number) {
            self.has_turn.set(None);
            unfinished.give_back_turn();
        }
        if before > BYTES_SMALL || after > BYTES_SMALL {
            self.note(number, before, after, pace);
        }
    }

    fn note(&self, number: usize, before: usize, after: usize, pace: impl FnOnce() -> Pace) {
        let mut growing = self.growing.borrow_mut();
        if after <= BYTES_SMALL {
            growing.remove(&number);
            return;
        }
        let now = clock::monotonic();
        let begin = || Growing { bytes: after, progress: Progress::begin(pace(), now), is_closing: false };
        let message = growing.entry(number).or_insert_with(begin);
        message.bytes = after;
        message.progress.moved(after.saturating_sub(before), now);
    }

    fn take_turn(&self, unfinished: &Unfinished, number: usize) {
        if unfinished.take_turn() {
            self.has_turn.set(Some(number));
        }
    }
}

impl Core {
    /// The connection of that number holds `after` bytes of an unfinished message where it held `before`.
    pub(crate) fn count_unfinished(&self, number: usize, before: usize, after: usize) {
        let unfinished = &self.shared.unfinished;
        unfinished.count(before, after, self.limits.get().unfinished_message_bytes);
        self.large_messages.count(unfinished, number, before, after, || Pace::new(&self.shared.config.http));
    }

    /// How much may be read of a connection that holds `held` bytes of an unfinished message.
    pub(crate) fn room_to_read(&self, number: usize, held: usize) -> usize {
        let room = self.shared.unfinished.room(held, self.limits.get().unfinished_message_bytes);
        if room == 0 && self.large_messages.has_turn.get() == Some(number) { usize::MAX } else { room }
    }

    /// Gives a connection without room the turn, if nobody has it.
    pub(crate) fn take_turn(&self, number: usize) {
        self.large_messages.take_turn(&self.shared.unfinished, number);
    }

    /// While somebody waits for room: of those who have made no progress in their time the largest are closed, until there is
    /// some. Where nobody waits they may take their time.
    pub(super) fn tend_unfinished(&self, now: Duration) {
        if !self.shared.unfinished.is_awaited() {
            return;
        }
        let mut growing = self.large_messages.growing.borrow_mut();
        let leaving: usize = growing.values().filter(|message| message.is_closing).map(|message| message.bytes).sum();
        let mut held = self.shared.unfinished.bytes().saturating_sub(leaving);
        let goal = self.limits.get().unfinished_message_bytes / 2;
        let is_stuck = |message: &Growing| !message.is_closing && message.progress.left(now).is_zero();
        let mut stuck: Vec<(&usize, &mut Growing)> =
            growing.iter_mut().filter(|(_, message)| is_stuck(message)).collect();
        stuck.sort_by_key(|(_, message)| Reverse(message.bytes));
        let mut closed = Vec::new();
        for (number, message) in stuck {
            if held <= goal {
                break;
            }
            message.is_closing = true;
            held = held.saturating_sub(message.bytes);
            closed.push(*number);
        }
        drop(growing);
        for number in closed {
            let connection = self.connections.borrow().get(number).cloned();
            connection.into_iter().for_each(|connection| connection.close(self, CloseCode::TRY_AGAIN_LATER, TOO_MUCH));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const READER: usize = 3;

    #[test]
    fn the_turn_is_given_back_when_its_message_ends_however_small_it_is() {
        let pace = || Pace::new(&Config::default().http);
        for held in [1, BYTES_SMALL - 1, BYTES_SMALL, BYTES_SMALL + 1, 4 * BYTES_SMALL] {
            let (large, unfinished) = (LargeMessages::default(), Unfinished::default());
            large.count(&unfinished, READER, 0, held, pace);
            large.take_turn(&unfinished, READER);
            // Not because of another connection, nor while it grows.
            large.count(&unfinished, READER + 1, held, 0, pace);
            large.count(&unfinished, READER, held, held + 1, pace);
            assert!(!unfinished.take_turn(), "{held}");
            large.count(&unfinished, READER, held + 1, 0, pace);
            large.take_turn(&unfinished, READER);
            assert_eq!(large.has_turn.get(), Some(READER), "{held}");
            large.count(&unfinished, READER, held, 0, pace);
            assert!(unfinished.take_turn() && large.has_turn.get().is_none(), "{held}");
            assert!(large.growing.borrow().is_empty());
        }
    }
}

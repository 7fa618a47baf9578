//! What all cores hold of messages and bodies of which the rest has not come, and whose turn it is where that is too much.
//!
//! A connection may hold as much of a message as is free beside all that is held, and [`BYTES_SMALL`] in any case. So where
//! little is free those that hold the most are not read on, while small messages come through; and room that becomes free is
//! for the smaller ones first. They could all come to a stand, each with a part. So one of them, whichever asks first, has the
//! *turn*: it is read to the end of its message.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

/// What any connection may hold of an unfinished message, however much the others hold: whoever fills
/// `limits.unfinished_message_bytes` does not stop those whose messages come in two reads.
pub const BYTES_SMALL: usize = 16 << 10;

/// What is held of unfinished messages and bodies, over all cores.
#[derive(Debug, Default)]
pub struct Unfinished {
    bytes: CachePadded<AtomicUsize>,
    /// More than half of what may be held is: only then it has to be looked, before a read, how much may be read. It is
    /// seldom written, so looking costs next to nothing.
    is_tight: AtomicBool,
    /// Connections that have something to be read, and no room for it.
    waiting: AtomicUsize,
    /// Somebody has the turn.
    is_turn_taken: AtomicBool,
}

impl Unfinished {
    /// Notes that a connection holds `after` bytes of an unfinished message or body where it held `before`; all may hold
    /// `bytes_max`. Most connections hold none before and after, and pay nothing.
    pub fn count(&self, before: usize, after: usize, bytes_max: usize) {
        let held = if after > before {
            let grown = after - before;
            self.bytes.fetch_add(grown, Ordering::AcqRel) + grown
        } else if before > after {
            let freed = before - after;
            self.bytes.fetch_sub(freed, Ordering::AcqRel) - freed
        } else {
            return;
        };
        // Two cores may pass each other here; then the next one that holds more puts it right.
        let is_tight = held > bytes_max / 2;
        if self.is_tight.load(Ordering::Relaxed) != is_tight {
            self.is_tight.store(is_tight, Ordering::Relaxed);
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// How much more may be read by a connection that holds `held` bytes, where all may hold `bytes_max`.
    #[must_use]
    pub fn room(&self, held: usize, bytes_max: usize) -> usize {
        if !self.is_tight.load(Ordering::Relaxed) {
            return usize::MAX;
        }
        let free = bytes_max.saturating_sub(self.bytes());
        free.max(BYTES_SMALL).saturating_sub(held)
    }

    /// Whether a body of which `held` bytes have come may be kept: it is not left waiting, since its client can be answered.
    #[must_use]
    pub fn may_keep(&self, held: usize, bytes_max: usize) -> bool {
        held <= BYTES_SMALL || self.bytes() <= bytes_max
    }

    /// Takes the turn, if nobody has it. It has to be given back.
    #[must_use]
    pub fn take_turn(&self) -> bool {
        !self.is_turn_taken.load(Ordering::Relaxed) && !self.is_turn_taken.swap(true, Ordering::AcqRel)
    }

    /// The turn is free again.
    pub fn give_back_turn(&self) {
        self.is_turn_taken.store(false, Ordering::Release);
    }

    /// A connection waits for room, until what is returned is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(self)
    }

    /// Whether so much is held that somebody waits for room.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

/// See [`Unfinished::wait`].
#[derive(Debug)]
pub struct Waiting<'a>(&'a Unfinished);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    #[test]
    fn the_largest_find_no_room_and_the_smaller_ones_do() {
        let check = |others: usize, held: usize, expected: usize| {
            let unfinished = Unfinished::default();
            unfinished.count(0, others, MAX);
            unfinished.count(0, held, MAX);
            assert_eq!(unfinished.room(held, MAX), expected, "{held} beside {others}");
        };
        check(0, 0, usize::MAX);
        check(0, MAX / 2, usize::MAX);
        check(MAX - 200_000, 90_000, 20_000);
        check(MAX - 200_000, 100_000, 0);
        check(MAX - 200_000, 150_000, 0);
        check(MAX - 20_000, 0, 20_000);
        check(MAX + 100_000, 0, BYTES_SMALL);
        check(MAX + 100_000, 10_000, BYTES_SMALL - 10_000);
        check(MAX + 100_000, BYTES_SMALL, 0);
    }

    #[test]
    fn room_that_becomes_free_is_given() {
        let unfinished = Unfinished::default();
        unfinished.count(0, 600_000, MAX);
        unfinished.count(0, 450_000, MAX);
        assert_eq!(unfinished.room(450_000, MAX), 0);
        unfinished.count(600_000, 100_000, MAX);
        assert_eq!((unfinished.room(450_000, MAX), unfinished.room(100_000, MAX)), (48_576, 398_576));
        unfinished.count(450_000, 0, MAX);
        assert_eq!((unfinished.room(100_000, MAX), unfinished.bytes()), (usize::MAX, 100_000));
    }

    #[test]
    fn bodies_are_kept_until_there_are_too_many_and_small_ones_always() {
        let unfinished = Unfinished::default();
        unfinished.count(0, MAX, MAX);
        assert!(unfinished.may_keep(MAX, MAX));
        unfinished.count(0, 1, MAX);
        assert!(!unfinished.may_keep(BYTES_SMALL + 1, MAX) && unfinished.may_keep(BYTES_SMALL, MAX));
    }

    #[test]
    fn one_has_the_turn_until_it_is_given_back() {
        let unfinished = Unfinished::default();
        assert!(unfinished.take_turn() && !unfinished.take_turn());
        unfinished.give_back_turn();
        assert!(unfinished.take_turn());
    }

    #[test]
    fn who_waits_is_counted_as_long_as_they_do() {
        let unfinished = Unfinished::default();
        let waiting = [unfinished.wait(), unfinished.wait()];
        assert!(unfinished.is_awaited());
        drop(waiting);
        assert!(!unfinished.is_awaited());
    }
}

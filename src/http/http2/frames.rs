//! What a client sends on HTTP/2, looked at frame by frame, as far as it takes to tell one that is slow, or that keeps the
//! server busy with nothing. What frames mean is not looked at.

use std::time::Duration;

/// Bytes of a frame's head (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;
/// Frames that bring neither a request nor a part of its body, which may come at once.
const IDLE_FRAMES_MAX: u32 = 1_000;
/// How many more of them may come in a second.
const IDLE_FRAMES_PER_SECOND: u32 = 100;
/// A client may send one more for each so many bytes that it is sent: it has to say that it has room for more.
const BYTES_PER_IDLE_FRAME: usize = 64;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A client sends more frames than anything could need.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// The frames of one client, as they arrive.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that are no head: the rest of a frame, or of the preface.
    rest: usize,
    /// What has come of the next head.
    head: [u8; HEAD_BYTES],
    head_filled: usize,
    /// A request's head has begun, and more of it is to come in a frame of its own.
    block_is_open: bool,
    /// Since when a frame has not been whole, or a request's head.
    begun_at: Option<Duration>,
    allowance: Allowance,
}

impl Frames {
    /// Those behind so many bytes of a preface; the time is `now`.
    pub(super) const fn behind(preface_bytes: usize, now: Duration) -> Self {
        Self {
            rest: preface_bytes,
            head: [0; HEAD_BYTES],
            head_filled: 0,
            block_is_open: false,
            begun_at: None,
            allowance: Allowance { frames: IDLE_FRAMES_MAX, since: now, sent: 0 },
        }
    }

    /// The client sent `bytes`, which were read at `now`.
    ///
    /// # Errors
    /// With them it has sent too many frames.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                (self.rest, bytes) = (self.rest - passed, &bytes[passed..]);
            } else {
                self.begun_at.get_or_insert(now);
                let taken = (HEAD_BYTES - self.head_filled).min(bytes.len());
                self.head[self.head_filled..][..taken].copy_from_slice(&bytes[..taken]);
                (self.head_filled, bytes) = (self.head_filled + taken, &bytes[taken..]);
                if self.head_filled == HEAD_BYTES {
                    self.head_filled = 0;
                    self.take_head(now)?;
                }
            }
            let is_whole = self.rest == 0 && self.head_filled == 0 && !self.block_is_open;
            // Whoever reads a body sees for itself how fast that comes.
            let is_data = self.rest > 0 && self.head[3] == DATA;
            if is_whole || is_data {
                self.begun_at = None;
            }
        }
        Ok(())
    }

    fn take_head(&mut self, now: Duration) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.rest = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block_is_open = flags & END_HEADERS == 0;
        }
        if matches!(kind, DATA | HEADERS) { Ok(()) } else { self.allowance.take(now) }
    }

    /// The client was sent so many bytes.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.allowance.sent += bytes;
    }

    /// Since when something has been under way that has to come at once.
    pub(super) const fn begun_at(&self) -> Option<Duration> {
        self.begun_at
    }
}

/// Frames that a client may still send which bring nothing.
#[derive(Debug)]
struct Allowance {
    frames: u32,
    since: Duration,
    /// Bytes that were sent and have allowed nothing yet.
    sent: usize,
}

impl Allowance {
    fn take(&mut self, now: Duration) -> Result<(), Flood> {
        if self.frames == 0 {
            self.refill(now);
        }
        self.frames = self.frames.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    fn refill(&mut self, now: Duration) {
        let by_time = now.saturating_sub(self.since).as_millis() * u128::from(IDLE_FRAMES_PER_SECOND) / 1_000;
        let by_bytes = (self.sent / BYTES_PER_IDLE_FRAME) as u128;
        self.frames = u32::try_from(by_time + by_bytes).unwrap_or(u32::MAX).min(IDLE_FRAMES_MAX);
        if by_time > 0 {
            self.since = now;
        }
        self.sent %= BYTES_PER_IDLE_FRAME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD_BYTES + payload, 0xff);
        frame
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let whole = [
            vec![0; 24],
            frame(4, 0, 18),
            frame(HEADERS, 0, 300),
            frame(CONTINUATION, END_HEADERS, 7),
            frame(DATA, 0, 16_384),
            frame(DATA, 1, 0),
            frame(PING, 0, 8),
        ]
        .concat();
        for size in [1, 2, 3, 8, 9, 10, 64, 4_096, whole.len()] {
            let mut frames = Frames::behind(24, at(0));
            for piece in whole.chunks(size) {
                frames.read(piece, at(1)).unwrap();
            }
            assert_eq!(frames.begun_at(), None, "{size}");
            // The settings, the rest of a head, and the ping.
            assert_eq!(frames.allowance.frames, IDLE_FRAMES_MAX - 3, "{size}");
        }
    }

    #[test]
    fn what_has_begun_is_known_until_it_is_whole() {
        let check = |bytes: &[u8], more: &[u8], expected: Option<u64>| {
            let mut frames = Frames::behind(0, at(0));
            frames.read(bytes, at(7)).unwrap();
            frames.read(more, at(8)).unwrap();
            assert_eq!(frames.begun_at(), expected.map(at), "{bytes:?} {more:?}");
        };
        let headers = frame(HEADERS, END_HEADERS, 20);
        for cut in 1..headers.len() {
            check(&headers[..cut], b"", Some(7));
            check(&headers[..cut], &headers[cut..], None);
        }
        check(&frame(HEADERS, 0, 20), b"", Some(7));
        check(&frame(HEADERS, 0, 20), &frame(CONTINUATION, 0, 20), Some(7));
        check(&frame(HEADERS, 0, 20), &frame(CONTINUATION, END_HEADERS, 0), None);
        check(b"", &[0], Some(8));
        // A body may come as slowly as its reader lets it; the head of its frame may not.
        check(&frame(DATA, 0, 100)[..8], b"", Some(7));
        check(&frame(DATA, 0, 100)[..9], b"", None);
        check(&frame(DATA, 0, 100)[..9], &[0xff; 99], None);
        check(&frame(DATA, 0, 100), b"", None);
    }

    #[test]
    fn a_flood_is_known_of_whatever_brings_nothing() {
        for kind in [2, 3, 4, PING, 7, 8, CONTINUATION, 0x42] {
            let mut frames = Frames::behind(0, at(0));
            let taken = (0..).find(|_| frames.read(&frame(kind, 0, 8), at(0)).is_err());
            assert_eq!(taken, Some(IDLE_FRAMES_MAX), "{kind}");
        }
        let mut frames = Frames::behind(0, at(0));
        for _ in 0..10 * IDLE_FRAMES_MAX {
            frames.read(&frame(HEADERS, END_HEADERS, 1), at(0)).unwrap();
            frames.read(&frame(DATA, 0, 1), at(0)).unwrap();
        }
    }

    #[test]
    fn whoever_is_sent_much_may_answer_much_and_a_little_is_allowed_for_ever() {
        let may_come = |frames: &mut Frames, now| (0..).find(|_| frames.allowance.take(now).is_err()).unwrap();
        let mut frames = Frames::behind(0, at(0));
        assert_eq!(may_come(&mut frames, at(0)), IDLE_FRAMES_MAX);
        assert_eq!(may_come(&mut frames, at(1)), IDLE_FRAMES_PER_SECOND);
        frames.sent(BYTES_PER_IDLE_FRAME * 40);
        assert_eq!(may_come(&mut frames, at(1)), 40);
        frames.sent(1 << 30);
        assert_eq!(may_come(&mut frames, at(500)), IDLE_FRAMES_MAX);
        // Time that is not enough for a frame is not lost.
        let millisecond = |number| at(500) + Duration::from_millis(number);
        assert_eq!((1..=1_000).filter(|number| frames.allowance.take(millisecond(*number)).is_ok()).count(), 100);
        for tick in 0..100_000 {
            frames.allowance.take(at(600) + 10 * Duration::from_millis(tick)).unwrap();
        }
    }
}

//! The server's end of a connection, and what is on its way to the client: bytes in order, as many as the
//! network takes.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use super::checked::{Broken, Checked, ensure, there};
use super::heard::Heard;
use super::mirror::Mirror;
use super::say::Client;
use crate::ids::PositionEncoding;
use crate::room::Durability;

/// The way to a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    /// How many bytes it takes before the client reads.
    pub(super) bytes_max: usize,
    /// As a session of TLS may, it ends with the first byte of a frame, and says that it has taken that one when it
    /// takes more.
    pub(super) is_encrypted: bool,
}

impl Network {
    /// It is never full.
    pub(super) const WIDE: Self = Self { bytes_max: 1 << 30, is_encrypted: false };
}

/// A connection as the server has it.
#[derive(Debug)]
pub(super) struct Socket {
    client: Client,
    encoding: PositionEncoding,
    /// Bytes of a frame of which the rest has not left.
    unfinished: Vec<u8>,
    /// Bytes beyond the bound that waited for the client to read, the last time that the server wrote.
    waiting: Option<usize>,
    /// What the client has not read, with its size on the wire.
    pipe: VecDeque<(usize, Heard)>,
    bytes_in_pipe: usize,
    /// The network once took less than there was.
    is_slow: bool,
    network: Network,
    /// The byte that the network took without saying so.
    owed: Option<u8>,
    /// It takes nothing before the client has read.
    is_full: bool,
    /// The version of which not all parts have left, with the number of the last one that has.
    parts: Option<(u64, usize)>,
    /// The version it was told of last.
    version: u64,
    /// Its own change that left before others that were left out: a state has to come before any other change.
    gap: Option<u64>,
    /// The messages that are to be answered, each with the codes of which one refuses it; none, if it is taken.
    awaited: Vec<(Rc<str>, Codes)>,
    /// The changes that were made by way of this connection.
    made: Vec<Rc<str>>,
}

/// Codes of errors.
pub(super) type Codes = &'static [&'static str];

/// What may be seen by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visible {
    pub(super) durability: Durability,
    pub(super) durable_version: u64,
}

impl Socket {
    /// A connection that was made at that version.
    pub(super) const fn new(client: Client, encoding: PositionEncoding, network: Network, version: u64) -> Self {
        Self {
            client,
            encoding,
            unfinished: Vec::new(),
            waiting: None,
            pipe: VecDeque::new(),
            bytes_in_pipe: 0,
            is_slow: false,
            network,
            owed: None,
            is_full: false,
            parts: None,
            version,
            gap: None,
            awaited: Vec::new(),
            made: Vec::new(),
        }
    }

    /// A message is to be answered so; whether it made a version.
    pub(super) fn expect(&mut self, key: &Rc<str>, codes: Codes, made_version: bool) {
        self.awaited.push((Rc::clone(key), codes));
        self.made.extend(made_version.then(|| Rc::clone(key)));
    }

    /// The message that was not answered.
    pub(super) fn unanswered(&self) -> Option<&str> {
        self.awaited.first().map(|(key, _)| &**key)
    }

    /// Whether an answer is the right one: the oldest message of its name is taken, or refused with that code.
    fn check_answer(&mut self, key: &str, code: Option<&str>) -> Checked {
        let oldest = self.awaited.iter().position(|(awaited, _)| **awaited == *key);
        let oldest = there(oldest, "the message that is answered")?;
        let (_, codes) = self.awaited.remove(oldest);
        let is_right = code.map_or(codes.is_empty(), |code| codes.contains(&code));
        ensure!(is_right, "{key} is answered with {code:?}, not with one of {codes:?}");
        Ok(())
    }

    /// How many messages the client could read.
    pub(super) fn readable(&self) -> usize {
        self.pipe.len()
    }

    /// The client reads a message.
    pub(super) fn read(&mut self) -> Option<Heard> {
        let (size, message) = self.pipe.pop_front()?;
        self.bytes_in_pipe -= size;
        self.is_full = false;
        Some(message)
    }

    /// Whether the network ever took less than there was.
    pub(super) const fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// How many bytes the network takes.
    pub(super) fn room(&self) -> usize {
        let bytes_max = if self.is_full { 0 } else { self.network.bytes_max };
        bytes_max.saturating_sub(self.bytes_in_pipe + self.unfinished.len())
    }

    /// The network takes as much of the frames as it can; how many bytes it says it has taken.
    pub(super) fn take<'a>(&mut self, frames: impl Iterator<Item = &'a Bytes>) -> Checked<usize> {
        let room = self.room();
        if room == 0 {
            return Ok(0);
        }
        let mut frames = frames.peekable();
        if let Some(owed) = self.owed.take() {
            let next = frames.peek().and_then(|frame| frame.first()).copied();
            ensure!(next == Some(owed), "{owed:#x} has left, and {next:x?} is to follow what was before it");
            return Ok(1);
        }
        let mut left = room;
        for frame in frames {
            let mut part = left.min(frame.len());
            self.is_slow |= part < frame.len();
            if self.network.is_encrypted && (1..frame.len()).contains(&part) && left < room {
                (part, self.is_full, self.owed) = (1, true, frame.first().copied());
            }
            self.unfinished.extend_from_slice(&frame[..part]);
            left -= part;
            if self.is_full {
                break;
            }
        }
        Ok(room - left - usize::from(self.owed.is_some()))
    }

    /// So many bytes, which are too many, wait for the client to read; what was queued while the disk stood still may
    /// be, but it does not become more.
    pub(super) fn wait(&mut self, bytes: Option<usize>) -> Checked {
        let grows = self.waiting.zip(bytes).is_some_and(|(before, now)| now > before);
        ensure!(!grows, "{bytes:?} bytes wait for a slow reader, after {:?}", self.waiting);
        self.waiting = bytes;
        Ok(())
    }

    /// Each message is checked as it leaves. Whether the network takes more now.
    pub(super) fn pass(&mut self, visible: Visible, mirror: &Mirror) -> Checked<bool> {
        let mut at = 0;
        while let Some((message, size)) = first_frame(&self.unfinished[at..])? {
            at += size;
            self.check(&message, visible, mirror)?;
            self.bytes_in_pipe += size;
            self.pipe.push_back((size, message));
        }
        self.unfinished.drain(..at);
        // A frame that the network cannot hold whole is read as it comes.
        let is_too_large = self.pipe.is_empty() && !self.unfinished.is_empty() && self.room() == 0;
        self.network.bytes_max += if is_too_large { 1024 } else { 0 };
        Ok(is_too_large)
    }

    fn check(&mut self, message: &Heard, visible: Visible, mirror: &Mirror) -> Checked {
        let always = matches!(message, Heard::Ack { .. } | Heard::Saved { .. });
        let gated = always || visible.durability == Durability::Strict;
        if let Some(version) = message.version().filter(|_| gated) {
            let durable = visible.durable_version;
            ensure!(version <= durable, "{message:?} left when version {durable} was durable");
        }
        self.check_parts(message, mirror)?;
        match message {
            Heard::Ack { key, version, transformed } => {
                let answer = mirror.answer(&self.client, key);
                let answer = answer.ok_or_else(|| Broken(format!("{message:?} of what was not taken")))?;
                let expected = (answer.version, answer.transformed);
                ensure!((*version, *transformed) == expected, "{message:?} instead of {expected:?}");
                self.check_answer(key, None)?;
                if *version > self.version && self.made.iter().any(|made| **made == **key) {
                    let misses_some = !mirror.leads_to(self.version, *version, &self.client)?;
                    self.gap = if misses_some { Some(*version) } else { self.gap };
                    self.version = *version;
                }
            }
            Heard::Error { code, key: Some(key), .. } => self.check_answer(key, Some(code))?,
            Heard::Full { version, texts, .. } => {
                let state = mirror.at(*version)?;
                ensure!(*texts == state.texts, "{message:?} instead of {:?}", state.texts);
                self.be_told(*version)?;
            }
            Heard::List { current, .. } => self.be_told(*current)?,
            Heard::Pointer { user_id, client_id, key, section, start, end, version } => {
                ensure!(self.gap.is_none(), "{message:?} after a gap before {:?}", self.gap);
                let client = Client { user_id: user_id.as_str().into(), client_id: client_id.as_str().into() };
                mirror.check_pointer(client, key, (*version, section), (*start, *end), self.encoding)?;
            }
            Heard::Close { code } => {
                ensure!([1001, 1011, 1013, 4000].contains(code), "closed with {code}");
            }
            Heard::Beat { compared: Some((version, matches)) } => ensure!(*matches, "version {version} is the same"),
            _ => {}
        }
        Ok(())
    }

    /// It is told of all there is up to a version.
    fn be_told(&mut self, version: u64) -> Checked {
        ensure!(version >= self.version, "all up to {version} after version {}", self.version);
        (self.version, self.gap) = (version, None);
        Ok(())
    }

    /// Versions come in order, their parts complete, and nothing between these.
    fn check_parts(&mut self, message: &Heard, mirror: &Mirror) -> Checked {
        let Heard::Part(part) = message else {
            // A slow reader is given up in the middle of it all.
            if matches!(message, Heard::Close { .. }) {
                self.parts = None;
            }
            ensure!(self.parts.is_none(), "{message:?} between the parts of {:?}", self.parts);
            return Ok(());
        };
        let Client { user_id, client_id } = &self.client;
        let is_own = part.user_id.as_deref() == Some(user_id) && part.client_id.as_deref() == Some(client_id);
        let is_made_here = |key: &str| self.made.iter().any(|made| **made == *key);
        let is_copy = is_own && part.correlation_id.as_deref().is_some_and(is_made_here);
        ensure!(!is_copy, "who made a change gets no copy: {part:?}");
        let (number, count) = part.number();
        let expected = self.parts.map_or(1, |(_, last)| last + 1);
        ensure!(number == expected && number <= count, "{part:?} when part {expected} had to come");
        ensure!(part.part.is_some() == (count > 1), "one part alone has no number: {part:?}");
        if number == 1 {
            ensure!(part.version > self.version, "{part:?} after version {}", self.version);
            let is_next = self.gap.is_none() && mirror.leads_to(self.version, part.version, &self.client)?;
            ensure!(is_next, "{part:?} after version {}, and something before it was left out", self.version);
        } else {
            ensure!(part.version == self.version, "{part:?} within version {}", self.version);
        }
        self.version = part.version;
        self.parts = (number < count).then_some((part.version, number));
        Ok(())
    }
}

/// The first frame, if it is whole, and its size.
fn first_frame(bytes: &[u8]) -> Checked<Option<(Heard, usize)>> {
    let Some((&[first, length], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let number =
        |digits: usize| rest.get(..digits).map(|digits| digits.iter().fold(0, |n, digit| n << 8 | usize::from(*digit)));
    let (header, length) = match length {
        126 => (2, number(2)),
        127 => (8, number(8)),
        short => (0, Some(usize::from(short))),
    };
    let payload = length.and_then(|length| rest.get(header..header + length));
    let Some(payload) = payload else { return Ok(None) };
    let message = match first {
        0x81 => Heard::of_json(payload)?,
        0x88 => {
            let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
            Heard::Close { code }
        }
        other => return Err(Broken(format!("a frame that begins with {other:#x}"))),
    };
    Ok(Some((message, 2 + header + payload.len())))
}

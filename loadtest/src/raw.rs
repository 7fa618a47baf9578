//! WebSocket connections on which anything may be written: what hostile clients do.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::connect::{self, ConnectionError, Request};

/// The first byte of a text message in one frame.
pub(crate) const TEXT: u8 = 0x81;
/// The first byte of a text message's first fragment.
pub(crate) const TEXT_BEGIN: u8 = 0x01;
/// Added to the first byte of a message, that it is compressed.
pub(crate) const COMPRESSED: u8 = 0x40;
/// The first byte of a message's last fragment.
pub(crate) const CONTINUATION_END: u8 = 0x80;
/// The first byte of a fragment in the middle.
pub(crate) const CONTINUATION: u8 = 0x00;
const OPCODE_BITS: u8 = 0x0f;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_CLOSE: u8 = 0x8;
/// Any mask would do, and this one leaves the payload readable in a capture.
const MASK: [u8; 4] = [0; 4];
const MASKED: u8 = 0x80;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server closed with this code, 1005 if there was none.
    Closed(u16),
    /// It ended without a close frame.
    Lost,
}

/// Ends, counted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ends {
    /// By close code.
    pub(crate) closed: BTreeMap<u16, u64>,
    /// Without a close frame.
    pub(crate) lost: u64,
}

impl Ends {
    /// Counts one.
    pub(crate) fn add(&mut self, end: End) {
        match end {
            End::Closed(code) => *self.closed.entry(code).or_default() += 1,
            End::Lost => self.lost += 1,
        }
    }

    /// `1002 × 3, 1009 × 197`
    pub(crate) fn text(&self) -> String {
        let closed = self.closed.iter().map(|(code, count)| format!("{code} × {count}"));
        let lost = (self.lost > 0).then(|| format!("no close × {}", self.lost));
        closed.chain(lost).collect::<Vec<_>>().join(", ")
    }
}

/// A connection after its handshake.
pub(crate) struct Raw {
    pub(crate) reader: Reader,
    pub(crate) writer: OwnedWriteHalf,
}

/// Its reading half. A read may be dropped; nothing is lost then.
pub(crate) struct Reader {
    half: OwnedReadHalf,
    unread: Vec<u8>,
}

impl Raw {
    /// Connects and upgrades.
    pub(crate) async fn open(request: Request<'_>) -> Result<Self, ConnectionError> {
        let (tcp, unread) = connect::upgrade(request).await?;
        let (half, writer) = tcp.into_split();
        Ok(Self { reader: Reader { half, unread }, writer })
    }

    /// Writes, as far as the server takes it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // A server that has closed says why in what is read next.
        let _ = self.writer.write_all(bytes).await;
    }
}

impl Reader {
    /// The next text message, whole in one frame as this server sends them.
    pub(crate) async fn message(&mut self) -> Result<Vec<u8>, End> {
        loop {
            let (opcode, payload) = self.frame().await?;
            match opcode {
                OPCODE_TEXT => return Ok(payload),
                OPCODE_CLOSE => return Err(End::Closed(close_code(&payload))),
                _ => {}
            }
        }
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.message().await {
                return end;
            }
        }
    }

    async fn frame(&mut self) -> Result<(u8, Vec<u8>), End> {
        loop {
            if let Some((head, length)) = head_of(&self.unread)
                && self.unread.len() - head >= length
            {
                let opcode = self.unread[0] & OPCODE_BITS;
                let payload = self.unread[head..head + length].to_vec();
                self.unread.drain(..head + length);
                return Ok((opcode, payload));
            }
            match self.half.read_buf(&mut self.unread).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return Err(End::Lost),
            }
        }
    }
}

fn close_code(payload: &[u8]) -> u16 {
    const NO_STATUS: u16 = 1005;
    payload.first_chunk().map_or(NO_STATUS, |code| u16::from_be_bytes(*code))
}

/// The length of a frame's head, and that of its payload; `None` if more is to be read.
fn head_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = match *bytes.get(1)? {
        126 => u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        127 => u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?),
        short => u64::from(short),
    };
    let head = match bytes[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    Some((head, usize::try_from(length).unwrap_or(usize::MAX)))
}

/// A masked frame with that first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, u64::try_from(payload.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a masked frame that announces so many bytes.
pub(crate) fn head(first: u8, announced: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(announced), u16::try_from(announced)) {
        (Ok(length), _) if length < 126 => bytes.push(MASKED | length),
        (_, Ok(length)) => {
            bytes.push(MASKED | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 127);
            bytes.extend(announced.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_what_they_announce() {
        for announced in [0, 125, 126, 65_535, 65_536, 1 << 40] {
            let mut bytes = head(TEXT, announced);
            bytes[1] &= !MASKED;
            let expected = (bytes.len() - MASK.len(), usize::try_from(announced).unwrap());
            assert_eq!(head_of(&bytes), Some(expected), "{announced}");
            assert_eq!(head_of(&bytes[..1]), None);
        }
        assert_eq!(frame(TEXT, b"hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    }

    #[test]
    fn ends_are_told_by_code() {
        let mut ends = Ends::default();
        for end in [End::Closed(1009), End::Lost, End::Closed(close_code(b"\x03\xea")), End::Closed(1009)] {
            ends.add(end);
        }
        assert_eq!(ends.text(), "1002 × 1, 1009 × 2, no close × 1");
        assert_eq!(close_code(b""), 1005);
    }
}

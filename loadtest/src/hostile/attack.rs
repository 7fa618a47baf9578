//! What hostile connections send.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Semaphore;

use crate::raw::{COMPRESSED, CONTINUATION, CONTINUATION_END, TEXT, TEXT_BEGIN, frame, head};
use crate::resident::MIB;

/// A fragment's payload.
const FRAGMENT_BYTES: usize = 64 << 10;
/// Fragments without payload that one connection sends.
const EMPTY_FRAGMENTS: usize = 10_000;
/// Bombs of 256 MiB, a quarter of a mebibyte as they are sent, that take less than half of what a server keeps unfinished.
const BOMBS_AT_ONCE: usize = 24;
/// What the end of a compressed message leaves out.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What there is to send.
#[derive(Debug)]
pub(super) struct Load {
    /// A connection's part of what all send, in bytes.
    share: u64,
    /// A compressed message.
    bomb: Vec<u8>,
    /// So many are under way at once that the server has room for all of them, and none is turned away unread.
    bombs_at_once: Semaphore,
}

impl Load {
    /// `mebibytes` in all, on so many connections; and a bomb that becomes `bomb_mebibytes`.
    pub(super) fn new(mebibytes: u64, connections: u32, bomb_mebibytes: u64) -> io::Result<Self> {
        Ok(Self {
            share: mebibytes * MIB / u64::from(connections),
            bomb: bomb(bomb_mebibytes * MIB)?,
            bombs_at_once: Semaphore::new(BOMBS_AT_ONCE),
        })
    }
}

/// A compressed message of so many spaces, as small as it gets.
fn bomb(bytes: u64) -> io::Result<Vec<u8>> {
    let mut state = Compress::new(Compression::best(), false);
    let block = vec![b' '; FRAGMENT_BYTES];
    let mut message = Vec::new();
    while state.total_in() < bytes {
        let left = usize::try_from(bytes - state.total_in()).unwrap_or(usize::MAX);
        deflate(&mut state, &block[..left.min(FRAGMENT_BYTES)], &mut message, FlushCompress::None)?;
    }
    while !message.ends_with(&TAIL) {
        deflate(&mut state, &[], &mut message, FlushCompress::Sync)?;
    }
    message.truncate(message.len() - TAIL.len());
    Ok(message)
}

fn deflate(state: &mut Compress, input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> io::Result<()> {
    out.reserve(FRAGMENT_BYTES);
    match state.compress_vec(input, out, flush) {
        Ok(Status::Ok | Status::StreamEnd) => Ok(()),
        Ok(Status::BufError) => Err(io::Error::other("the bomb does not become smaller")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// Sends its share in fragments, and no end.
    Fragments,
    /// Sends all of a message but its end.
    HeldBack,
    /// Announces more than a message may have.
    AnnouncedTooLarge,
    /// Announces the largest message, and sends a byte of it.
    Announced,
    /// Sends fragments without payload.
    EmptyFragments,
    /// Sends fragments that are no UTF-8 in the end.
    NotUtf8,
    /// Sends a compressed message that is small and becomes large, a few of them at a time.
    Bomb,
    /// The same in fragments, all of them at once.
    BombInFragments,
}

impl Attack {
    pub(super) const ALL: [Self; 8] = [
        Self::Fragments,
        Self::HeldBack,
        Self::AnnouncedTooLarge,
        Self::Announced,
        Self::EmptyFragments,
        Self::NotUtf8,
        Self::Bomb,
        Self::BombInFragments,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fragments => "fragments without end",
            Self::HeldBack => "messages but for their end",
            Self::AnnouncedTooLarge => "announced too large",
            Self::Announced => "announced and not sent",
            Self::EmptyFragments => "empty fragments",
            Self::NotUtf8 => "no UTF-8",
            Self::Bomb => "decompression bombs",
            Self::BombInFragments => "decompression bombs in fragments, all at once",
        }
    }

    /// The codes with which the server may close.
    pub(super) const fn codes(self) -> &'static [u16] {
        match self {
            Self::Fragments | Self::BombInFragments => &[1009, 1013],
            Self::HeldBack | Self::Announced => &[1013],
            Self::AnnouncedTooLarge | Self::Bomb => &[1009],
            Self::EmptyFragments => &[1002],
            Self::NotUtf8 => &[1007, 1013],
        }
    }

    /// Whether the server may leave it alone.
    pub(super) const fn may_be_held(self) -> bool {
        matches!(self, Self::HeldBack | Self::Announced)
    }

    /// Whether it needs a connection with compression.
    pub(super) const fn is_compressed(self) -> bool {
        matches!(self, Self::Bomb | Self::BombInFragments)
    }

    /// Sends its part to a server that takes messages up to `message_max`.
    pub(super) async fn send(self, writer: &mut OwnedWriteHalf, load: &Load, message_max: u64) -> io::Result<()> {
        let share = load.share;
        match self {
            Self::Bomb => {
                // Never closed, so the permit is always had; it is held until the server has ended this connection.
                let _permit = load.bombs_at_once.acquire().await;
                writer.write_all(&frame(TEXT | COMPRESSED, &load.bomb)).await?;
                std::future::pending().await
            }
            Self::BombInFragments => {
                let mut first = TEXT_BEGIN | COMPRESSED;
                for part in load.bomb.chunks(FRAGMENT_BYTES) {
                    writer.write_all(&frame(first, part)).await?;
                    first = CONTINUATION;
                }
                writer.write_all(&frame(CONTINUATION_END, b"")).await
            }
            Self::Fragments => fragments(writer, share.max(message_max + 1)).await,
            Self::HeldBack => fragments(writer, share.min(message_max - 1)).await,
            Self::AnnouncedTooLarge => writer.write_all(&head(TEXT, share.max(message_max + 1))).await,
            Self::Announced => {
                writer.write_all(&head(TEXT, message_max)).await?;
                writer.write_all(b"{").await
            }
            Self::EmptyFragments => {
                writer.write_all(&frame(TEXT_BEGIN, b"{")).await?;
                writer.write_all(&frame(CONTINUATION, b"").repeat(EMPTY_FRAGMENTS)).await
            }
            Self::NotUtf8 => {
                fragments(writer, share.min(message_max / 2)).await?;
                writer.write_all(&frame(CONTINUATION, b"\xff")).await
            }
        }
    }
}

/// Begins a text message of so many bytes.
async fn fragments(writer: &mut OwnedWriteHalf, bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut first = TEXT_BEGIN;
    let mut left = bytes;
    while left > 0 {
        let length = left.min(FRAGMENT_BYTES);
        writer.write_all(&frame(first, &vec![b'a'; length])).await?;
        (first, left) = (CONTINUATION, left - length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    #[test]
    fn a_bomb_is_small_and_becomes_as_large_as_asked() {
        let mut packed = bomb(5 * MIB + 17).unwrap();
        assert!(packed.len() < 8 << 10, "{}", packed.len());
        packed.extend(TAIL);
        let mut plain = Vec::with_capacity(8 << 20);
        Decompress::new(false).decompress_vec(&packed, &mut plain, FlushDecompress::Sync).unwrap();
        assert_eq!(plain.len(), (5 << 20) + 17);
    }
}

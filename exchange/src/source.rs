//! Bytes in UTF-8 or UTF-16 as UTF-8, a bounded number at a time, with their lines counted.

use std::io::{self, BufRead, Chain, Cursor, Read};

/// The bytes by which an encoding is known.
const HEAD_BYTES: usize = 4;
/// UTF-16 that is decoded at once, in bytes.
const DECODED_AT_ONCE: usize = 8 << 10;

/// How characters are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16LittleEndian,
    Utf16BigEndian,
}

/// Bytes as UTF-8. Invalid UTF-8 goes through as it is, for whoever reads it to find.
#[derive(Debug)]
pub(crate) struct Source<R> {
    inner: Chain<Cursor<Vec<u8>>, R>,
    encoding: Encoding,
    /// What is decoded, if that was necessary, and what of it is consumed.
    decoded: String,
    consumed: usize,
    line: u64,
    left: usize,
    is_exhausted: bool,
}

impl<R: BufRead> Source<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// They cannot be read, or are of something else; that is `InvalidData`.
    pub(crate) fn new(mut reader: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        let (encoding, mark) = encoding_of(&head).map_err(invalid)?;
        head.drain(..mark);
        Ok(Self {
            inner: Cursor::new(head).chain(reader),
            encoding,
            decoded: String::new(),
            consumed: 0,
            line: 1,
            left: 0,
            is_exhausted: false,
        })
    }

    pub(crate) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The line of the next byte, from 1.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// From now on so many bytes may be read, and then no more.
    pub(crate) const fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// Whether more was wanted than is allowed.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Decodes some more. A reader may give less than a character at a time.
    fn decode(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(DECODED_AT_ONCE);
        self.inner.by_ref().take(DECODED_AT_ONCE as u64).read_to_end(&mut bytes)?;
        let unit = |pair: &[u8]| match self.encoding {
            Encoding::Utf16BigEndian => u16::from_be_bytes([pair[0], pair[1]]),
            Encoding::Utf16LittleEndian | Encoding::Utf8 => u16::from_le_bytes([pair[0], pair[1]]),
        };
        // A character may have begun, of which the rest follows.
        if bytes.len() == DECODED_AT_ONCE && matches!(unit(&bytes[DECODED_AT_ONCE - 2..]), 0xD800..=0xDBFF) {
            self.inner.by_ref().take(2).read_to_end(&mut bytes)?;
        }
        if bytes.len() % 2 == 1 {
            return Err(invalid("it ends within a character of UTF-16"));
        }
        self.decoded.clear();
        self.consumed = 0;
        for character in char::decode_utf16(bytes.chunks_exact(2).map(unit)) {
            self.decoded.push(character.map_err(|_| invalid("half a surrogate pair, which is no UTF-16"))?);
        }
        Ok(())
    }

    /// What there is, without regard to what is allowed.
    fn available(&mut self) -> io::Result<&[u8]> {
        if self.encoding == Encoding::Utf8 {
            return self.inner.fill_buf();
        }
        if self.consumed == self.decoded.len() {
            self.decode()?;
        }
        Ok(&self.decoded.as_bytes()[self.consumed..])
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left;
        let is_over = self.available()?.is_empty();
        if left == 0 && !is_over {
            self.is_exhausted = true;
            return Err(invalid("more than is read at once"));
        }
        let available = self.available()?;
        Ok(&available[..available.len().min(left)])
    }

    fn consume(&mut self, bytes: usize) {
        let lines = self.available().map_or(0, |available| memchr::memchr_iter(b'\n', &available[..bytes]).count());
        self.line += lines as u64;
        self.left -= bytes;
        match self.encoding {
            Encoding::Utf8 => self.inner.consume(bytes),
            Encoding::Utf16LittleEndian | Encoding::Utf16BigEndian => self.consumed += bytes,
        }
    }
}

/// The encoding of what begins so, and how many bytes say so (XML 1.0, appendix F).
fn encoding_of(head: &[u8]) -> Result<(Encoding, usize), &'static str> {
    match head {
        [0xFF, 0xFE, 0, 0] | [0, 0, 0xFE, 0xFF] | [0, 0, 0, b'<'] | [b'<', 0, 0, 0] => {
            Err("it is in UTF-32: expected UTF-8 or UTF-16")
        }
        [0xEF, 0xBB, 0xBF, ..] => Ok((Encoding::Utf8, 3)),
        [0xFF, 0xFE, ..] => Ok((Encoding::Utf16LittleEndian, 2)),
        [0xFE, 0xFF, ..] => Ok((Encoding::Utf16BigEndian, 2)),
        [b'<', 0, ..] => Ok((Encoding::Utf16LittleEndian, 0)),
        [0, b'<', ..] => Ok((Encoding::Utf16BigEndian, 0)),
        [0x1F, 0x8B, ..] => Err("it is compressed (gzip): unpack it first"),
        [b'P', b'K', 3, 4] => Err("it is an archive (zip): unpack it first"),
        [] => Err("it is empty"),
        _ => Ok((Encoding::Utf8, 0)),
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// What is read where each read gives so many bytes at most.
    fn read(bytes: &[u8], at_once: usize) -> io::Result<(String, u64)> {
        let mut source = Source::new(BufReader::with_capacity(at_once, bytes))?;
        source.allow(1 << 20);
        let mut text = String::new();
        source.read_to_string(&mut text)?;
        Ok((text, source.line()))
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn all_encodings_give_the_same_text() {
        let text = format!("<a>é\n😀{}\r\n</a>", "ab😀\n".repeat(DECODED_AT_ONCE));
        let lines = text.matches('\n').count() as u64 + 1;
        let marked = [&b"\xEF\xBB\xBF"[..], text.as_bytes()].concat();
        let (little, big) = (utf_16(&text, u16::to_le_bytes), utf_16(&text, u16::to_be_bytes));
        for bytes in [text.as_bytes(), &marked, &little, &big, &little[2..], &big[2..]] {
            for at_once in [1, 3, 4_096] {
                assert_eq!(read(bytes, at_once).unwrap(), (text.clone(), lines));
            }
        }
    }

    #[test]
    fn what_is_something_else_is_named() {
        let check = |bytes: &[u8], expected: &str| {
            let error = read(bytes, 64).unwrap_err();
            assert!(error.to_string().contains(expected), "{bytes:?}: {error}");
        };
        check(b"", "empty");
        check(b"\x1F\x8B\x08\x00", "gzip");
        check(b"PK\x03\x04", "zip");
        check(b"\xFF\xFE\0\0", "UTF-32");
        check(b"\0\0\0<", "UTF-32");
        check(b"\xFF\xFE<\0a", "ends within");
        check(b"\xFE\xFF\0<\xD8\0\0a", "surrogate");
        check(b"\xFE\xFF\0<\xDC\0", "surrogate");
    }

    #[test]
    fn no_more_is_read_than_is_allowed() {
        for bytes in [b"<abcdef".to_vec(), utf_16("<abcdef", u16::to_le_bytes)] {
            let mut source = Source::new(&bytes[..]).unwrap();
            source.allow(3);
            let mut text = String::new();
            assert!(source.read_to_string(&mut text).is_err() && source.is_exhausted());
            source.allow(4);
            let mut rest = [0; 4];
            source.read_exact(&mut rest).unwrap();
            assert_eq!(&rest, b"cdef");
            // At the end nothing is left to be refused.
            source.allow(0);
            assert_eq!(source.read(&mut rest).unwrap(), 0);
        }
    }
}

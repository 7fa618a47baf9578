//! Names and numbers that must not be mixed up, each with a type of its own.

use std::fmt;

/// The version of a document: the number of changes (or atomic batches) it has taken since it began.
///
/// Version 0 is the empty document. A number is never used twice for one document id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The empty document.
    pub const ZERO: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment, in milliseconds since the Unix epoch (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The moment `milliseconds` later, at the end of time at the latest.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; 0 if the clock went back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As HTTP says it (RFC 9110, section 5.6.7): `Sun, 21 Sep 2025 12:45:30 GMT`.
    #[must_use]
    pub fn to_http_date(self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        // It fails for years of more than four digits only, and there are none.
        printer.timestamp_to_rfc9110_string(&self.timestamp()).unwrap_or_default()
    }

    fn timestamp(self) -> jiff::Timestamp {
        let moment = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        moment.unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2025-09-21T12:45:30.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl serde::Serialize for UnixMillis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a name was refused: what a name of this kind looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name matching {expected}")]
pub struct InvalidName {
    /// The pattern the name has to match, for the error's `details.expected`.
    pub expected: &'static str,
}

/// The name of a document: 1 to 128 bytes of visible ASCII without `/`.
///
/// This is what storage and URLs can bear. The pattern in force (`documents.id_pattern`) is narrower
/// and is checked where a name enters the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(Box<str>);

impl DocumentId {
    /// The longest document id, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Takes a document id.
    ///
    /// # Errors
    /// The name is empty, longer than [`Self::BYTES_MAX`], or has a character that is not visible ASCII.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let fits = (1..=Self::BYTES_MAX).contains(&name.len());
        if fits && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName { expected: "^[!-.0-~]{1,128}$" })
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a section: `^[A-Za-z][A-Za-z0-9_.-]{0,63}$`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionName(Box<str>);

impl SectionName {
    /// The pattern of a section's name.
    pub const PATTERN: &'static str = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$";

    /// Takes a section name.
    ///
    /// # Errors
    /// The name does not match [`Self::PATTERN`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let first_is_letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if first_is_letter && name.len() <= 64 && name.bytes().all(inner) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName { expected: Self::PATTERN })
        }
    }

    /// The section that a document without sections gets by its first section-less insert.
    #[must_use]
    pub fn body() -> Self {
        Self("body".into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unit in which a client counts positions and lengths; the names are LSP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionEncoding {
    /// UTF-16 code units, as JavaScript strings count. The default, and what the server keeps.
    #[default]
    Utf16,
    /// Unicode code points, as Python strings count.
    Utf32,
    /// Bytes of UTF-8.
    Utf8,
}

impl PositionEncoding {
    /// All encodings, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Utf16, Self::Utf32, Self::Utf8];

    /// The name used in `?position_encoding=` and in `document.state`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf16 => "utf-16",
            Self::Utf32 => "utf-32",
            Self::Utf8 => "utf-8",
        }
    }

    /// The encoding of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// The length of `text` in units of this encoding.
    #[must_use]
    pub fn length_of(self, text: &str) -> usize {
        match self {
            Self::Utf16 => utf16_len(text),
            Self::Utf32 => text.chars().count(),
            Self::Utf8 => text.len(),
        }
    }
}

/// The length of `text` in UTF-16 code units.
#[must_use]
pub fn utf16_len(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    // Every character has one unit, and those of four UTF-8 bytes a second one.
    text.bytes().map(|b| usize::from(b & 0xC0 != 0x80) + usize::from(b >= 0xF0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["jd_12345", "jd_test", "test_doc_17", "A.b-c", "x"] {
            assert_eq!(DocumentId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "é", "a\0", &"x".repeat(129)] {
            assert!(DocumentId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["body", "general_accountability", "A.b-9", &"x".repeat(64)] {
            assert!(SectionName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "9a", "_a", "a b", "é", &"x".repeat(65)] {
            assert!(SectionName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn time_is_written_as_rfc_3339() {
        assert_eq!(UnixMillis(1_758_458_730_123).to_string(), "2025-09-21T12:45:30.123Z");
        assert_eq!(UnixMillis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert!(UnixMillis(u64::MAX).to_string().starts_with("9999-12-3"));
    }

    #[test]
    fn lengths_differ_by_encoding() {
        let text = "aé\u{20AC}\u{1F600}";
        assert_eq!(PositionEncoding::Utf16.length_of(text), 5);
        assert_eq!(PositionEncoding::Utf32.length_of(text), 4);
        assert_eq!(PositionEncoding::Utf8.length_of(text), 10);
        assert_eq!(utf16_len(text), text.encode_utf16().count());
    }
}

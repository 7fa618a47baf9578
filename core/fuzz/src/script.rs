//! Changes as an input describes them, before it is known what text they are for.

use std::borrow::Cow;

use jddb_core::document::{ChangeKind, SentChange};
use jddb_core::ids::{PositionEncoding, SectionName};

use super::bytes::Bytes;
use super::model::{Model, text_of};

/// The sections there may be.
pub(crate) const NAMES: [&str; 5] = ["title", "body", "x", "general_accountability", "A.b-9"];
/// Positions that no text has.
const LARGE: [u64; 4] = [u64::MAX, 1 << 53, 1 << 32, i64::MAX as u64];

/// A byte for a length is a small one below this.
const LENGTH_LARGE: usize = 0xF0;

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    kind: ChangeKind,
    section: Option<&'static str>,
    from: usize,
    length: usize,
    content: String,
    /// Take the numbers as they are, fitting or not.
    wild: bool,
}

impl Draft {
    /// Reads one; `grows`: the texts may still get long.
    pub(crate) fn read(bytes: &mut Bytes<'_>, grows: bool) -> Self {
        let flags = bytes.next();
        let kind = [ChangeKind::Insert, ChangeKind::Delete, ChangeKind::Replace][usize::from(flags & 15) % 3];
        let section = NAMES.get(usize::from(flags >> 4) & 7).copied();
        let (from, length) = (usize::from(bytes.next()), usize::from(bytes.next()));
        let length = if length < LENGTH_LARGE { length % 6 } else { length };
        let content = if kind == ChangeKind::Delete { String::new() } else { bytes.text() };
        let content = if grows { content } else { content.chars().take(3).collect() };
        Self { kind, section, from, length, content, wild: flags & 0x80 != 0 }
    }

    /// A typed key, or the one before taken back: the text stays short.
    pub(crate) fn typed(index: usize) -> Self {
        let (kind, content) =
            if index.is_multiple_of(2) { (ChangeKind::Insert, "k") } else { (ChangeKind::Delete, "") };
        Self { kind, section: Some(NAMES[0]), from: 0, length: 1, content: content.to_owned(), wild: false }
    }

    /// What a client that sees `model` at `base` sends.
    pub(crate) fn sent(&self, model: &Model, base: u64, encoding: PositionEncoding) -> SentChange<'static> {
        let (position, length) = if self.wild { self.wild_range() } else { self.range(model, base, encoding) };
        SentChange {
            kind: self.kind,
            position,
            length: if self.kind == ChangeKind::Insert { 0 } else { length },
            content: Cow::Owned(self.content.clone()),
            section: self.section.map(|name| SectionName::new(name).expect("a name of a section")),
        }
    }

    fn wild_range(&self) -> (u64, u64) {
        let large = |number: usize| LARGE[number % LARGE.len()];
        let position = if self.from > 0xF8 { large(self.from) } else { self.from as u64 % 24 };
        (position, if self.length > LENGTH_LARGE { large(self.length) } else { self.length as u64 })
    }

    /// A range of whole characters.
    fn range(&self, model: &Model, base: u64, encoding: PositionEncoding) -> (u64, u64) {
        let texts = model.texts(base);
        let text = match self.section {
            Some(name) => {
                let index = model.names.iter().position(|known| known == name);
                index.and_then(|index| texts.get(index)).map_or(String::new(), |units| text_of(units))
            }
            None => text_of(&texts.concat()),
        };
        let characters = text.chars().count();
        let from = if self.from > 0xF0 { characters } else { self.from % (characters + 1) };
        let before: String = text.chars().take(from).collect();
        let inside: String = text.chars().skip(from).take(self.length).collect();
        (encoding.length_of(&before) as u64, encoding.length_of(&inside) as u64)
    }
}

//! A version as the others are told of it: one part or several, in each dialect.

use smallvec::SmallVec;

use super::member::Dialect;
use crate::document::{Change, Document, Part, SectionChange};
use crate::ids::{PositionEncoding, Version};
use crate::protocol::outbound::ChangePart;

/// Where each section begins in the whole document, one version before a change, in one encoding.
pub(super) struct Starts {
    lengths: SmallVec<[i64; 8]>,
    encoding: PositionEncoding,
}

impl Starts {
    /// Of the document as it is now.
    pub(super) fn now(document: &Document, encoding: PositionEncoding) -> Self {
        let lengths = document.sections().iter().map(|section| section.text().len_in(encoding) as i64);
        Self { lengths: lengths.collect(), encoding }
    }

    /// Goes back over `change`, which is the last one not yet gone back over.
    pub(super) fn step_back(&mut self, change: &Change) {
        for made in &change.sections {
            let grown = match self.encoding {
                PositionEncoding::Utf16 => made.operation.length_delta(),
                encoding @ (PositionEncoding::Utf32 | PositionEncoding::Utf8) => {
                    encoding.length_of(made.operation.text()) as i64 - encoding.length_of(&made.deleted) as i64
                }
            };
            self.lengths[usize::from(made.section)] -= grown;
        }
    }

    fn of(&self, section: u16) -> u64 {
        let before = &self.lengths[..usize::from(section)];
        u64::try_from(before.iter().sum::<i64>()).unwrap_or(0)
    }
}

/// The parts of `change`, from the end of the text to its start, as a client with `dialect` is told.
///
/// In an encoding other than UTF-16 the change must be the document's newest one, since its places are
/// found in the text as it is now.
pub(super) fn parts<'a>(
    document: &'a Document,
    change: &'a Change,
    dialect: Dialect,
    starts: &Starts,
) -> SmallVec<[ChangePart<'a>; 1]> {
    let mut parts: SmallVec<[ChangePart<'a>; 1]> = SmallVec::new();
    for made in change.sections.iter().rev() {
        section_parts(&mut parts, document, made, dialect, starts, change.version);
    }
    if parts.is_empty()
        && let Some(made) = change.sections.first()
    {
        // Others made it empty; it takes its version all the same.
        let nothing = Part { position: 0, deleted_units: 0, deleted: "", inserted: "" };
        parts.push(wire_part(document, made, &nothing, 0, dialect, starts, change.version));
    }
    let count = parts.len();
    if count > 1 {
        for (index, part) in parts.iter_mut().enumerate() {
            (part.part, part.parts) = (Some(index + 1), Some(count));
        }
    }
    parts
}

fn section_parts<'a>(
    parts: &mut SmallVec<[ChangePart<'a>; 1]>,
    document: &'a Document,
    made: &'a SectionChange,
    dialect: Dialect,
    starts: &Starts,
    version: Version,
) {
    let text = document.sections()[usize::from(made.section)].text();
    let encoding = dialect.encoding;
    // By how much the edits left of a part, which are sent after it, have moved it in today's text.
    let mut grown: i64 = made.operation.length_delta();
    let mut grown_in: i64 = match encoding {
        PositionEncoding::Utf16 => grown,
        _ => encoding.length_of(made.operation.text()) as i64 - encoding.length_of(&made.deleted) as i64,
    };
    let before = parts.len();
    for part in made.parts() {
        let position = match encoding {
            PositionEncoding::Utf16 => u64::from(part.position),
            PositionEncoding::Utf32 | PositionEncoding::Utf8 => {
                grown -= crate::ids::utf16_len(part.inserted) as i64 - i64::from(part.deleted_units);
                grown_in -= encoding.length_of(part.inserted) as i64 - encoding.length_of(part.deleted) as i64;
                let now = usize::try_from(i64::from(part.position) + grown).unwrap_or(0);
                u64::try_from(text.position_in(now, encoding) as i64 - grown_in).unwrap_or(0)
            }
        };
        parts.push(wire_part(document, made, &part, position, dialect, starts, version));
    }
    if parts.len() == before && made.created.is_some() {
        // An insert of "" has made the section, and the others have to learn of it.
        let nothing = Part { position: 0, deleted_units: 0, deleted: "", inserted: "" };
        let mut part = wire_part(document, made, &nothing, 0, dialect, starts, version);
        (part.operation, part.content, part.length) = ("insert", Some(""), None);
        parts.push(part);
    }
}

fn wire_part<'a>(
    document: &'a Document,
    made: &SectionChange,
    part: &Part<'a>,
    position: u64,
    dialect: Dialect,
    starts: &Starts,
    version: Version,
) -> ChangePart<'a> {
    let length = match dialect.encoding {
        PositionEncoding::Utf16 => u64::from(part.deleted_units),
        encoding @ (PositionEncoding::Utf32 | PositionEncoding::Utf8) => encoding.length_of(part.deleted) as u64,
    };
    let in_document = starts.of(made.section) + position;
    let (operation, content, length) = match (part.deleted_units, part.inserted) {
        (_, "") => ("delete", None, Some(length)),
        (0, inserted) => ("insert", Some(inserted), None),
        (_, inserted) => ("replace", Some(inserted), Some(length)),
    };
    ChangePart {
        operation,
        position: if dialect.over_document { in_document } else { position },
        content,
        length,
        section: document.sections()[usize::from(made.section)].name().as_str(),
        version,
        document_position: (!dialect.over_document && document.sections().len() > 1).then_some(in_document),
        section_position: dialect.over_document.then_some(position),
        part: None,
        parts: None,
    }
}

//! Where a segment is, as connections are told.

use std::ops::Range;

use super::place::SegmentAt;
use crate::document::Document;
use crate::protocol::bilingual_outbound::PlaceTold;
use crate::room::member::{Dialect, Place};

/// Where a range of a section begins and ends, as a connection with that dialect counts.
pub(super) fn ends_of(document: &Document, section: usize, range: &Range<u32>, dialect: Dialect) -> (Place, Place) {
    let text = document.sections()[section].text();
    let offset = document.section_start(section, dialect.encoding) as u64;
    let place = |position: u32| {
        let in_section = text.position_in(position as usize, dialect.encoding) as u64;
        dialect.place(in_section, offset, document.sections().len())
    };
    (place(range.start), place(range.end))
}

/// The place of sentence n of paragraph n.
pub(super) fn place_between(
    section: &str,
    paragraph: usize,
    sentence: usize,
    (start, end): (Place, Place),
) -> PlaceTold<'_> {
    PlaceTold {
        counterpart: None,
        section,
        paragraph,
        sentence,
        start: start.position,
        end: end.position,
        document_start: start.document_position,
        document_end: end.document_position,
        section_start: start.section_position,
        section_end: end.section_position,
    }
}

/// A segment's place as a connection with that dialect is told of it.
pub(super) fn place_told<'a>(document: &'a Document, at: &SegmentAt, dialect: Dialect) -> PlaceTold<'a> {
    let ends = ends_of(document, at.section, &at.range, dialect);
    place_between(document.sections()[at.section].name().as_str(), at.paragraph, at.sentence, ends)
}

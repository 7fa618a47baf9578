//! A version as the others are told of it: one part or several, in each dialect.

use smallvec::SmallVec;

use super::counters::Sent;
use super::member::{Dialect, Place};
use super::members::Frames;
use super::outbox::Class;
use super::{MemberKey, Room, frame, session_id};
use crate::document::{ChangeRef, Document, Part, SectionRef};
use crate::ids::{PositionEncoding, Version};
use crate::protocol::outbound::{ChangePart, Metadata};

impl Room {
    /// Counts the document's newest change as a record, moves the cursors through it, and tells it to all
    /// but its sender.
    pub(super) fn publish_newest(&mut self, sender: Option<MemberKey>) {
        let Some(change) = self.document.history().last() else { return };
        self.records += 1;
        if !self.entry.exists {
            self.entry.exists = true;
            self.entry_is_new = true;
        }
        let gate = self.version_gate();
        self.members.move_cursors(change, sender);
        if let Some(bilingual) = &mut self.bilingual {
            bilingual.go_along(change, sender);
        }
        let (document, session_id) = (&self.document, session_id(self.session.as_ref()));
        // Nobody gets the state before it any more.
        self.full_state = None;
        let told = self.members.broadcast(
            gate,
            Class::Change { version: change.version(), continues: false },
            |member| Some(member.key) != sender,
            |dialect| frames(document, change, dialect, session_id),
        );
        self.config.counters.count_sent(Sent::Change, told);
        self.unrecorded.push(change.to_change());
    }
}

/// The frames of the document's newest version in one dialect.
fn frames(document: &Document, change: ChangeRef<'_>, dialect: Dialect, session_id: &str) -> Frames {
    let mut starts = Starts::now(document, dialect.encoding);
    starts.step_back(change);
    encode(change, &parts(document, change, dialect, &starts), session_id)
}

/// The parts of consecutive changes, up to the document's newest one, as a client with `dialect` is told.
pub(super) fn parts_of_each<'a>(
    document: &'a Document,
    changes: &[ChangeRef<'a>],
    dialect: Dialect,
) -> Vec<SmallVec<[ChangePart<'a>; 1]>> {
    let mut starts = Starts::now(document, dialect.encoding);
    let mut newest_first = Vec::new();
    for &change in changes.iter().rev() {
        starts.step_back(change);
        newest_first.push(parts(document, change, dialect, &starts));
    }
    newest_first.reverse();
    newest_first
}

/// The frames of a version's parts.
pub(super) fn encode(change: ChangeRef<'_>, parts: &[ChangePart<'_>], session_id: &str) -> Frames {
    let (client_id, correlation_id) = (change.client_id(), change.correlation_id());
    let metadata = Metadata::of_user(change.at(), change.user_id(), session_id).relaying(client_id, correlation_id);
    parts.iter().map(|part| frame("document.change", part, &metadata)).collect()
}

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
    pub(super) fn step_back(&mut self, change: ChangeRef<'_>) {
        for made in change.sections() {
            self.lengths[usize::from(made.section)] -= grown_in_encoding(&made, self.encoding);
        }
    }

    /// Where a section begins.
    fn of(&self, section: usize) -> u64 {
        u64::try_from(self.lengths[..section].iter().sum::<i64>()).unwrap_or(0)
    }

    /// The length of a section.
    pub(super) fn length(&self, section: usize) -> u64 {
        u64::try_from(self.lengths[section]).unwrap_or(0)
    }

    /// The section that a position of the whole document lies in, the earliest one at a seam and the last
    /// one beyond the end, and where it begins; `None` if there is none at all.
    pub(super) fn section_at(&self, position: u64) -> Option<(usize, u64)> {
        let last = self.lengths.len().checked_sub(1)?;
        let section = (0..last).find(|&section| position <= self.of(section) + self.length(section)).unwrap_or(last);
        Some((section, self.of(section)))
    }
}

/// The parts of `change` as a client with `dialect` is told: sections it creates, in order, so that
/// everybody has them in the same order; then what it does to the others, from the end of the text to its
/// start. Each position refers to the text that the parts before it have made.
///
/// In an encoding other than UTF-16 the change must be the document's newest one, since its places are
/// found in the text as it is now. `starts` are those one version before.
pub(super) fn parts<'a>(
    document: &'a Document,
    change: ChangeRef<'a>,
    dialect: Dialect,
    starts: &Starts,
) -> SmallVec<[ChangePart<'a>; 1]> {
    let mut parts: SmallVec<[ChangePart<'a>; 1]> = SmallVec::new();
    let sections: SmallVec<[SectionRef<'a>; 1]> = change.sections().collect();
    let created_from = sections.partition_point(|made| made.created.is_none());
    let (changed, created) = sections.split_at(created_from);
    let mut created_length = 0;
    for made in created {
        let inserted = made.operation.text();
        let part = Part { position: 0, deleted_units: 0, deleted: "", inserted };
        let offset = starts.of(usize::from(made.section)) + created_length;
        let told = wire_part(document, made, &part, 0, offset, dialect, change.version());
        parts.push(ChangePart { operation: "insert", content: Some(inserted), length: None, ..told });
        created_length += dialect.encoding.length_of(inserted) as u64;
    }
    for made in changed.iter().rev() {
        section_parts(&mut parts, document, made, dialect, starts, change.version());
    }
    if parts.is_empty()
        && let Some(made) = changed.first()
    {
        // Others made it empty; it takes its version all the same.
        let nothing = Part { position: 0, deleted_units: 0, deleted: "", inserted: "" };
        let offset = starts.of(usize::from(made.section));
        parts.push(wire_part(document, made, &nothing, 0, offset, dialect, change.version()));
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
    made: &SectionRef<'a>,
    dialect: Dialect,
    starts: &Starts,
    version: Version,
) {
    let text = document.sections()[usize::from(made.section)].text();
    let offset = starts.of(usize::from(made.section));
    let encoding = dialect.encoding;
    // By how much the edits left of a part, which are sent after it, have moved it in today's text.
    let mut grown: i64 = made.operation.length_delta();
    let mut grown_in: i64 = grown_in_encoding(made, encoding);
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
        parts.push(wire_part(document, made, &part, position, offset, dialect, version));
    }
}

/// By how much a change makes its section longer, in units of `encoding`.
fn grown_in_encoding(made: &SectionRef<'_>, encoding: PositionEncoding) -> i64 {
    match encoding {
        PositionEncoding::Utf16 => made.operation.length_delta(),
        PositionEncoding::Utf32 | PositionEncoding::Utf8 => {
            encoding.length_of(made.operation.text()) as i64 - encoding.length_of(made.deleted) as i64
        }
    }
}

fn wire_part<'a>(
    document: &'a Document,
    made: &SectionRef<'_>,
    part: &Part<'a>,
    position: u64,
    offset: u64,
    dialect: Dialect,
    version: Version,
) -> ChangePart<'a> {
    let length = match dialect.encoding {
        PositionEncoding::Utf16 => u64::from(part.deleted_units),
        encoding @ (PositionEncoding::Utf32 | PositionEncoding::Utf8) => encoding.length_of(part.deleted) as u64,
    };
    let sections = document.sections();
    let place = dialect.place(position, offset, sections.len());
    let Place { position, document_position, section_position } = place;
    let (operation, content, length) = match (part.deleted_units, part.inserted) {
        (_, "") => ("delete", None, Some(length)),
        (0, inserted) => ("insert", Some(inserted), None),
        (_, inserted) => ("replace", Some(inserted), Some(length)),
    };
    ChangePart {
        operation,
        position,
        content,
        length,
        section: sections[usize::from(made.section)].name().as_str(),
        version,
        document_position,
        section_position,
        part: None,
        parts: None,
    }
}

//! Where people are in the text: kept for each connection, and moved through every later change.

use super::member::{Dialect, Marked, Member};
use super::{MemberKey, Room, frame};
use crate::document::SectionChange;
use crate::ids::{SectionName, UnixMillis, Version};
use crate::ot::{Order, map_position};
use crate::protocol::InboundError;
use crate::protocol::outbound::{ActiveEditor, CursorMoved, Metadata, Selection, SelectionMoved};
use crate::text::PositionError;

impl Marked {
    /// Where it is after `change`, which its own connection made or another one. One's own inserts move
    /// a cursor right, others' leave it left of them; a selection does not grow at its edges.
    fn after(self, change: &SectionChange, own: bool) -> Self {
        if usize::from(change.section) != self.section {
            return self;
        }
        let is_cursor = self.start == self.end;
        let start_order = if own || !is_cursor { Order::Second } else { Order::First };
        let start = map_position(self.start, &change.operation, start_order);
        if is_cursor {
            return Self { start, end: start, ..self };
        }
        let end = map_position(self.end, &change.operation, Order::First);
        Self { start, end: end.max(start), ..self }
    }
}

impl Room {
    /// Moves everybody's cursor through the document's newest change.
    pub(super) fn move_cursors(&mut self, sender: Option<MemberKey>) {
        let Some(change) = self.document.history().last() else { return };
        for (index, member) in &mut self.members {
            let own = sender == Some(MemberKey(index));
            for marked in [&mut member.cursor, &mut member.selection].into_iter().flatten() {
                *marked = change.sections.iter().fold(*marked, |marked, made| marked.after(made, own));
            }
        }
    }

    /// Notes where a connection's cursor or selection is, and tells the others.
    pub(super) fn move_cursor(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        range: (u64, u64),
        section: Option<&SectionName>,
        base: Option<Version>,
        is_selection: bool,
    ) -> Result<(), InboundError> {
        let dialect = self.members[key.0].dialect;
        let Some(mut marked) = self.find_range(range, section, dialect)? else { return Ok(()) };
        // A cursor is a hint: with a base that is no longer known it is taken against the current version.
        let since = base.and_then(|base| self.document.history().since(base).ok());
        for change in since.into_iter().flatten() {
            marked = change.sections.iter().fold(marked, |marked, made| marked.after(made, false));
        }
        let text = self.document.sections()[marked.section].text();
        let within = |position: u32| {
            let position = (position as usize).min(text.len());
            let boundary = if text.is_boundary(position) { position } else { position - 1 };
            u32::try_from(boundary).unwrap_or(u32::MAX)
        };
        (marked.start, marked.end) = (within(marked.start), within(marked.end));
        let member = &mut self.members[key.0];
        *(if is_selection { &mut member.selection } else { &mut member.cursor }) = Some(marked);
        self.show_cursor(now, key, marked, is_selection);
        Ok(())
    }

    /// The range in UTF-16 code units of its section; `None` where the document has no text yet.
    fn find_range(
        &self,
        (start, end): (u64, u64),
        section: Option<&SectionName>,
        dialect: Dialect,
    ) -> Result<Option<Marked>, InboundError> {
        let sections = self.document.sections();
        let (index, offset) = match section {
            Some(name) => {
                let unknown = || InboundError::invalid("payload.section".to_owned(), "the name of a section that exists");
                (self.document.section_index(name).ok_or_else(unknown)?, 0)
            }
            None => {
                let starts = (0..sections.len()).map(|index| self.document.section_start(index, dialect.encoding) as u64);
                let ends = starts.zip(sections).map(|(at, section)| (at, at + section.text().len_in(dialect.encoding) as u64));
                let found = ends.enumerate().find(|(index, (_, end))| start <= *end || index + 1 == sections.len());
                let Some((index, (offset, _))) = found else { return Ok(None) };
                (index, offset)
            }
        };
        let text = sections[index].text();
        let place = |position: u64| {
            let sought = usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX);
            let utf16 = match text.utf16_position(sought, dialect.encoding) {
                Ok(position) | Err(PositionError::InsideCharacter { boundary: position }) => position,
                Err(PositionError::BeyondEnd { .. }) => text.len(),
            };
            u32::try_from(utf16).unwrap_or(u32::MAX)
        };
        Ok(Some(Marked { section: index, start: place(start), end: place(end) }))
    }

    fn show_cursor(&mut self, now: UnixMillis, key: MemberKey, marked: Marked, is_selection: bool) {
        let gate = self.version_gate();
        let member = &self.members[key.0];
        let section = &self.document.sections()[marked.section];
        let metadata = Metadata::of_user(now, &member.user.user_id, self.session_id());
        let (name, version) = (section.name().as_str(), self.document.version());
        let encode = |dialect: Dialect| {
            let offset = if dialect.over_document { self.document.section_start(marked.section, dialect.encoding) } else { 0 };
            let place = |position: u32| (offset + section.text().position_in(position as usize, dialect.encoding)) as u64;
            let (start, end) = (place(marked.start), place(marked.end));
            if is_selection {
                frame("selection.change", &SelectionMoved { start, end, section: name, version }, &metadata)
            } else {
                frame("cursor.position", &CursorMoved { position: start, section: name, version }, &metadata)
            }
        };
        let frames: Vec<_> = self
            .members
            .iter()
            .filter(|(index, member)| *index != key.0 && member.greeted && !member.outbox.is_closing())
            .map(|(index, member)| (MemberKey(index), member.dialect))
            .collect();
        let mut encoded: [Option<bytes::Bytes>; Dialect::COUNT] = Default::default();
        for (_, dialect) in &frames {
            encoded[dialect.index()].get_or_insert_with(|| encode(*dialect));
        }
        for (recipient, dialect) in frames {
            if let Some(frame) = &encoded[dialect.index()] {
                self.send(recipient, gate, bytes::Bytes::clone(frame));
            }
        }
    }

    /// A member as an entry of `active_editors`; positions count over the whole document.
    pub(super) fn active_editor<'a>(&'a self, member: &'a Member, dialect: Dialect) -> ActiveEditor<'a> {
        let in_section = |marked: Marked, position: u32| {
            let text = self.document.sections()[marked.section].text();
            text.position_in(position as usize, dialect.encoding) as u64
        };
        let in_document = |marked: Marked, position: u32| {
            self.document.section_start(marked.section, dialect.encoding) as u64 + in_section(marked, position)
        };
        ActiveEditor {
            user_id: &member.user.user_id,
            display_name: &member.user.display_name,
            color: &member.user.color,
            cursor_position: member.cursor.map(|marked| in_document(marked, marked.start)),
            selection: member.selection.map(|marked| Selection {
                start: in_document(marked, marked.start),
                end: in_document(marked, marked.end),
            }),
            section: member.cursor.map(|marked| self.document.sections()[marked.section].name().as_str()),
            section_position: member.cursor.map(|marked| in_section(marked, marked.start)),
            last_activity: member.active_at,
        }
    }
}

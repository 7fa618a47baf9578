//! Where people are in the text: kept for each connection, and moved through every later change.

use std::rc::Rc;

use super::counters::Sent;
use super::member::{Dialect, Marked, Place};
use super::members::Members;
use super::outbox::Class;
use super::pointers::PointerKey;
use super::relay::Starts;
use super::{Member, MemberKey, Room, frame};
use crate::document::{ChangeRef, SectionRef};
use crate::ids::{PositionEncoding, SectionName, UnixMillis, Version};
use crate::ot::Selection;
use crate::protocol::outbound::{CursorMoved, Metadata, SelectionMoved};
use crate::protocol::{Inbound, InboundError};
use crate::text::{PositionError, Text};

impl Marked {
    /// Where it is after `change`, which its own connection made or another one.
    pub(super) fn after(self, change: ChangeRef<'_>, own: bool) -> Self {
        change.sections().fold(self, |marked, made| marked.after_section(made, own))
    }

    fn after_section(self, change: SectionRef<'_>, own: bool) -> Self {
        if usize::from(change.section) != self.section {
            return self;
        }
        let Selection { start, end } =
            Selection { start: self.start, end: self.end }.after(change.operation.edits(), own);
        Self { start, end, ..self }
    }

    /// The nearest range of whole characters in `text`.
    fn within(self, text: &Text) -> Self {
        let place = |position: u32| {
            let position = (position as usize).min(text.len());
            let boundary = if text.is_boundary(position) { position } else { position - 1 };
            u32::try_from(boundary).unwrap_or(u32::MAX)
        };
        Self { start: place(self.start), end: place(self.end), ..self }
    }
}

impl Members {
    /// Moves everybody's cursor through the document's newest change.
    pub(super) fn move_cursors(&mut self, change: ChangeRef<'_>, sender: Option<MemberKey>) {
        for member in self.iter_mut() {
            let own = sender == Some(member.key);
            for marked in [&mut member.cursor, &mut member.selection].into_iter().flatten() {
                *marked = marked.after(change, own);
            }
        }
        if self.people.visits() > 0 {
            for (_, person) in self.people.iter_mut() {
                let own = sender.is_none() && *change.user_id() == *person.user.user_id;
                person.visit.iter_mut().for_each(|visit| visit.follow(change, own));
            }
        }
    }
}

/// Whose cursor or selection is shown.
struct Shower<'a> {
    user_id: &'a str,
    client_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    /// The connection that showed it, which is not told.
    key: Option<MemberKey>,
    pointer: PointerKey,
    is_selection: bool,
}

impl Room {
    /// Notes where a connection's cursor or selection is, and tells the others.
    pub(super) fn move_cursor(
        &mut self,
        now: UnixMillis,
        key: MemberKey,
        inbound: &Inbound<'_>,
        range: (u64, u64),
        section: Option<&SectionName>,
        base: Option<Version>,
        is_selection: bool,
    ) -> Result<(), InboundError> {
        let Some(member) = self.members.get(key) else { return Ok(()) };
        let is_own = |change: ChangeRef<'_>| {
            inbound.client_id.is_some()
                && change.client_id() == inbound.client_id
                && *change.user_id() == *member.user.user_id
        };
        let Some(marked) = self.find_range(range, section, base, member.dialect, is_own)? else { return Ok(()) };
        if let Some(member) = self.members.get_mut(key) {
            *(if is_selection { &mut member.selection } else { &mut member.cursor }) = Some(marked);
        }
        if !is_selection && let Some(bilingual) = &mut self.bilingual {
            bilingual.point(key, marked);
        }
        let Some(member) = self.members.get(key) else { return Ok(()) };
        let user = Rc::clone(&member.user);
        let shower = Shower {
            user_id: &user.user_id,
            client_id: inbound.client_id,
            correlation_id: inbound.correlation_id,
            key: Some(key),
            pointer: key.pointer(is_selection),
            is_selection,
        };
        self.show_cursor(now, &shower, marked);
        Ok(())
    }

    /// Tells where a visitor's cursor or selection is, who is called `number` among all that are shown.
    pub(super) fn show_visit(
        &mut self,
        now: UnixMillis,
        user_id: &str,
        number: u64,
        marked: Marked,
        is_selection: bool,
    ) {
        let pointer = PointerKey::shown(number, is_selection);
        let shower = Shower { user_id, client_id: None, correlation_id: None, key: None, pointer, is_selection };
        self.presence.told += self.show_cursor(now, &shower, marked);
    }

    /// Where a range, sent for version `base`, is now; `None` where the document has no text yet. It is a
    /// hint, so what does not exist is moved to where something does, and a base that is no longer known
    /// counts as the current version.
    pub(super) fn find_range(
        &self,
        (start, end): (u64, u64),
        section: Option<&SectionName>,
        base: Option<Version>,
        dialect: Dialect,
        is_own: impl Fn(ChangeRef<'_>) -> bool,
    ) -> Result<Option<Marked>, InboundError> {
        let sections = self.document.sections();
        let base = base.unwrap_or_else(|| self.document.version());
        let since = self.document.history().since(base).into_iter().flatten();
        let mut starts = Starts::now(&self.document, dialect.encoding);
        since.clone().rev().for_each(|change| starts.step_back(change));
        let (index, offset) = match section {
            Some(name) => {
                let unknown =
                    || InboundError::invalid("payload.section".to_owned(), "the name of a section that exists");
                (self.document.section_index(name).ok_or_else(unknown)?, 0)
            }
            None => match starts.section_at(start) {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let changes = since.clone().flat_map(ChangeRef::sections);
        let place = places(sections[index].text(), index, changes, starts.length(index), dialect.encoding);
        let at_base = Marked {
            section: index,
            start: place(start.saturating_sub(offset)),
            end: place(end.saturating_sub(offset)),
        };
        let moved = since.fold(at_base, |marked, change| marked.after(change, is_own(change)));
        Ok(Some(moved.within(sections[index].text())))
    }

    /// Tells the others, and how many they are.
    fn show_cursor(&mut self, now: UnixMillis, shower: &Shower<'_>, marked: Marked) -> usize {
        let Shower { user_id, client_id, correlation_id, key, pointer, is_selection } = *shower;
        let gate = self.version_gate();
        let metadata = Metadata::of_user(now, user_id, super::session_id(self.session.as_ref()))
            .relaying(client_id, correlation_id);
        let document = &self.document;
        let section = &document.sections()[marked.section];
        let (name, version) = (section.name().as_str(), document.version());
        let encode = |dialect: Dialect| {
            let offset = document.section_start(marked.section, dialect.encoding) as u64;
            let place = |position: u32| {
                let in_section = section.text().position_in(position as usize, dialect.encoding) as u64;
                dialect.place(in_section, offset, document.sections().len())
            };
            let (start, end) = (place(marked.start), place(marked.end));
            let frame = if is_selection {
                let moved = SelectionMoved {
                    start: start.position,
                    end: end.position,
                    section: name,
                    version,
                    document_start: start.document_position,
                    document_end: end.document_position,
                    section_start: start.section_position,
                    section_end: end.section_position,
                };
                frame("selection.change", &moved, &metadata)
            } else {
                let Place { position, document_position, section_position } = start;
                let moved = CursorMoved { position, section: name, version, document_position, section_position };
                frame("cursor.position", &moved, &metadata)
            };
            [frame].into()
        };
        let wanted = |member: &Member| member.greeted && Some(member.key) != key;
        let told = self.members.broadcast(gate, Class::Pointer(pointer), wanted, encode);
        let sent = if is_selection { Sent::Selection } else { Sent::Cursor };
        self.config.counters.count_sent(sent, told);
        told
    }
}

/// Finds positions, counted in `encoding`, in a section as it was before the changes `since`, in UTF-16
/// code units; what is beyond its `length` or inside a character is moved to the left.
fn places<'a>(
    now: &Text,
    section: usize,
    since: impl DoubleEndedIterator<Item = SectionRef<'a>>,
    length: u64,
    encoding: PositionEncoding,
) -> impl Fn(u64) -> u32 {
    // Only positions that are not counted in UTF-16 have to be looked up in the text of that time.
    let text = (encoding != PositionEncoding::Utf16).then(|| {
        let mut text = now.clone();
        let here = since.rev().filter(|made| usize::from(made.section) == section);
        here.for_each(|made| {
            made.operation.invert(made.deleted).apply(&mut text);
        });
        text
    });
    move |position| {
        let sought = usize::try_from(position.min(length)).unwrap_or(usize::MAX);
        let utf16 = match text.as_ref().map(|text| text.utf16_position(sought, encoding)) {
            None => sought,
            Some(Ok(position) | Err(PositionError::InsideCharacter { boundary: position })) => position,
            Some(Err(PositionError::BeyondEnd { length })) => length,
        };
        u32::try_from(utf16).unwrap_or(u32::MAX)
    }
}

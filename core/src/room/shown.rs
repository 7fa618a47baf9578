//! What each user shows of themselves: the place of the connection or visit that they used last.

use std::cmp::Reverse;
use std::rc::Rc;

use super::member::{Dialect, Marked, Member};
use super::people::Person;
use super::presence::LISTED_MAX;
use super::request::Answer;
use super::{Room, User};
use crate::ids::{PositionEncoding, UnixMillis};
use crate::protocol::outbound::{ActiveEditor, ActiveUser, DocumentPresence, Selection, write_json};

/// One of the ways in which a user is here.
#[derive(Clone, Copy)]
struct Shown<'a> {
    user: &'a Rc<User>,
    edits: bool,
    active_at: UnixMillis,
    cursor: Option<Marked>,
    selection: Option<Marked>,
    activity: Option<&'a str>,
}

impl Room {
    /// `GET …/presence`: answered as `request`, when the version that the positions are in is durable.
    pub fn answer_presence(&mut self, request: u64, encoding: PositionEncoding) {
        let dialect = Dialect { encoding, over_document: true };
        let counts = self.presence_counts();
        let mut body = Vec::new();
        write_json(
            &mut body,
            &DocumentPresence {
                document_id: self.document.id().as_str(),
                active_users: self.active_users(dialect),
                total_viewers: counts.total_viewers,
                total_editors: counts.total_editors,
            },
        );
        self.answers
            .push_back((self.version_gate(), Answer { request, body: Ok(body.into()), version: None, created: false }));
    }

    /// The people who are editing, each once.
    pub(super) fn active_editors(&self, dialect: Dialect) -> Vec<ActiveEditor<'_>> {
        let mut editors = newest_of_each(self.shown().filter(|shown| shown.edits));
        editors.truncate(LISTED_MAX);
        editors.into_iter().map(|shown| self.active_editor(shown, dialect)).collect()
    }

    /// The people who are told of by name, each once, those who edit first.
    fn active_users(&self, dialect: Dialect) -> Vec<ActiveUser<'_>> {
        let shown = newest_of_each(self.shown());
        let listed = self.listed().into_iter().filter_map(|person| {
            let found = shown.binary_search_by_key(&&*person.user.user_id, |shown| &*shown.user.user_id);
            Some((person, shown[found.ok()?]))
        });
        listed.map(|(person, shown)| self.active_user(person, shown, dialect)).collect()
    }

    /// Every connection and every visit.
    fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        let connections = self.members.iter().map(Shown::of_member);
        connections.chain(self.members.people.iter().filter_map(Shown::of_visitor))
    }

    fn active_user<'a>(&'a self, person: &'a Person, shown: Shown<'a>, dialect: Dialect) -> ActiveUser<'a> {
        let user = &person.user;
        // As their newest connection describes them, which may be another than the one used last.
        let shown = Shown { user, ..shown };
        ActiveUser {
            user: self.active_editor(shown, dialect),
            avatar_url: user.avatar_url.as_deref(),
            status: person.status().name(),
            role: person.role(),
            activity: shown.activity,
        }
    }

    /// Somebody as an entry of `active_editors`; positions count over the whole document.
    fn active_editor<'a>(&'a self, shown: Shown<'a>, dialect: Dialect) -> ActiveEditor<'a> {
        let Shown { user, cursor, selection, active_at, .. } = shown;
        let in_section = |marked: Marked, position: u32| {
            let text = self.document.sections()[marked.section].text();
            text.position_in(position as usize, dialect.encoding) as u64
        };
        let in_document = |marked: Marked, position: u32| {
            self.document.section_start(marked.section, dialect.encoding) as u64 + in_section(marked, position)
        };
        ActiveEditor {
            user_id: &user.user_id,
            display_name: &user.display_name,
            color: &user.color,
            cursor_position: cursor.map(|marked| in_document(marked, marked.start)),
            selection: selection.map(|marked| Selection {
                start: in_document(marked, marked.start),
                end: in_document(marked, marked.end),
            }),
            section: cursor.map(|marked| self.document.sections()[marked.section].name().as_str()),
            section_position: cursor.map(|marked| in_section(marked, marked.start)),
            last_activity: active_at,
        }
    }
}

impl<'a> Shown<'a> {
    fn of_member(member: &'a Member) -> Self {
        Self {
            user: &member.user,
            edits: member.edits,
            active_at: member.active_at,
            cursor: member.cursor,
            selection: member.selection,
            activity: None,
        }
    }

    fn of_visitor(person: &'a Person) -> Option<Self> {
        let visit = person.visit.as_deref()?;
        Some(Self {
            user: &person.user,
            edits: visit.edits,
            active_at: visit.active_at,
            cursor: visit.cursor,
            selection: visit.selection,
            activity: visit.activity.as_deref(),
        })
    }
}

/// Of each user what they used last, in the order of their names.
fn newest_of_each<'a>(shown: impl Iterator<Item = Shown<'a>>) -> Vec<Shown<'a>> {
    let mut shown: Vec<Shown<'a>> = shown.collect();
    shown.sort_by_key(|shown| (&*shown.user.user_id, Reverse(shown.active_at)));
    shown.dedup_by_key(|shown| &*shown.user.user_id);
    shown
}

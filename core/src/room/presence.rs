//! Who is here, as the others see it.

use std::cmp::Reverse;

use super::member::{Dialect, Marked, Member};
use super::outbox::Class;
use super::{MemberKey, Room, User, frame};
use crate::ids::UnixMillis;
use crate::protocol::outbound::{ActiveEditor, Metadata, Presence, Selection};

/// The most entries of `active_editors`.
const EDITORS_LISTED_MAX: usize = 200;

impl Room {
    /// Tells the others that somebody came or went.
    pub(super) fn announce(&mut self, now: UnixMillis, user: &User, status: &'static str, except: Option<MemberKey>) {
        let presence = Presence {
            user_id: &user.user_id,
            status,
            display_name: &user.display_name,
            avatar_url: user.avatar_url.as_deref(),
            color: &user.color,
        };
        let frame = frame("user.presence", &presence, &Metadata::of_user(now, &user.user_id, self.session_id()));
        self.members.broadcast(
            0,
            Class::Answer,
            |member| member.greeted && Some(member.key) != except,
            |_| [frame.clone()].into(),
        );
    }

    /// The people who are editing, each once, with the place of their most recently active connection.
    pub(super) fn active_editors(&self, dialect: Dialect) -> Vec<ActiveEditor<'_>> {
        let mut editors: Vec<&Member> = self.members.iter().filter(|member| member.edits).collect();
        editors.sort_by_key(|member| (&*member.user.user_id, Reverse(member.active_at)));
        editors.dedup_by_key(|member| &*member.user.user_id);
        editors.truncate(EDITORS_LISTED_MAX);
        editors.into_iter().map(|member| self.active_editor(member, dialect)).collect()
    }

    /// A member as an entry of `active_editors`; positions count over the whole document.
    fn active_editor<'a>(&'a self, member: &'a Member, dialect: Dialect) -> ActiveEditor<'a> {
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

/// A colour for a user without one: fixed by the user id, each readable on white and on black.
#[must_use]
pub fn palette_color(user_id: &str) -> &'static str {
    const COLORS: [&str; 12] = [
        "#c92a2a", "#a61e4d", "#862e9c", "#5f3dc4", "#364fc7", "#1864ab", "#0b7285", "#087f5b", "#2b8a3e", "#5c940d",
        "#e67700", "#d9480f",
    ];
    COLORS[crc32fast::hash(user_id.as_bytes()) as usize % COLORS.len()]
}

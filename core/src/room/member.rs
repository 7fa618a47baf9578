//! One connection in a room.

use std::rc::Rc;

use super::outbox::Outbox;
use crate::ids::{PositionEncoding, UnixMillis, Version};

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The token's `sub`.
    pub user_id: Box<str>,
    /// The name to show, ≤ 128 bytes.
    pub display_name: Box<str>,
    /// A picture to show, an `https` address of ≤ 512 bytes.
    pub avatar_url: Option<Box<str>>,
    /// The colour to show; see [`super::palette_color`].
    pub color: Box<str>,
}

/// When a connection gets `document.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Greeting {
    /// At once.
    #[default]
    OnConnect,
    /// When it says `document.join`; until then it gets others' changes, its acks and its errors only.
    OnJoin,
}

/// How a connection wants positions: the unit they are counted in, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// The unit.
    pub encoding: PositionEncoding,
    /// `position` counts over the whole document and not within the section.
    pub over_document: bool,
}

impl Dialect {
    /// How many dialects there are.
    pub(super) const COUNT: usize = PositionEncoding::ALL.len() * 2;

    /// A number below [`Self::COUNT`].
    pub(super) const fn index(self) -> usize {
        self.encoding as usize * 2 + self.over_document as usize
    }
}

/// Somebody at the door.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The connection's name, `conn_…`.
    pub connection_id: Box<str>,
    /// Who.
    pub user: Rc<User>,
    /// Whether they may change the document; viewers may not.
    pub edits: bool,
    /// How they count.
    pub dialect: Dialect,
    /// When they want the state.
    pub greeting: Greeting,
    /// The name of the document's session, should it need one: `sess_…`.
    pub session_id: Box<str>,
}

/// A place or range that one connection shows to the others, in UTF-16 code units of one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) section: usize,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// One connection in a room.
#[derive(Debug)]
pub struct Member {
    pub(super) connection_id: Box<str>,
    pub(super) user: Rc<User>,
    pub(super) edits: bool,
    pub(super) dialect: Dialect,
    /// Whether it has been sent a state, and so gets presence too.
    pub(super) greeted: bool,
    /// The version it joined at: it is not sent this one or an older one.
    pub(super) since: Version,
    pub(super) cursor: Option<Marked>,
    pub(super) selection: Option<Marked>,
    pub(super) active_at: UnixMillis,
    /// Refused messages in a row.
    pub(super) refused_in_row: u32,
    /// Whether it is on the room's list of members to be flushed.
    pub(super) dirty: bool,
    pub(super) outbox: Outbox,
}

impl Member {
    /// What waits to be sent to it.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What waits to be sent to it.
    pub const fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

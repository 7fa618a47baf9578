//! One connection in a room.

use std::rc::Rc;
use std::time::Duration;

use super::bilingual::TranslationRights;
use super::framing::{EventId, Framing};
use super::ladder::Lag;
use super::members::MemberKey;
use super::outbox::Outbox;
use super::tokens::Expiry;
use crate::ids::{PositionEncoding, UnixMillis};
use crate::limits::{GrantedLimits, Rates};

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
    /// Not at all, if what it missed since then can be told; else at once.
    Resume(EventId),
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

    /// A position in a section that begins at `offset` of a document with that many sections, as a
    /// connection is told of it.
    pub(super) fn place(self, in_section: u64, offset: u64, sections: usize) -> Place {
        let in_document = offset + in_section;
        if self.over_document {
            Place { position: in_document, document_position: None, section_position: Some(in_section) }
        } else {
            let document_position = (sections > 1).then_some(in_document);
            Place { position: in_section, document_position, section_position: None }
        }
    }
}

/// A position with the other way to count it, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: u64,
    pub(super) document_position: Option<u64>,
    pub(super) section_position: Option<u64>,
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
    /// Whether they have `document:admin`: no session keeps them out.
    pub is_admin: bool,
    /// What they may do with translations.
    pub translates: TranslationRights,
    /// How they count.
    pub dialect: Dialect,
    /// When they want the state.
    pub greeting: Greeting,
    /// What their messages are wrapped in.
    pub framing: Framing,
    /// The name of the document's session, should it need one: `sess_…`.
    pub session_id: Box<str>,
    /// What their token grants instead of the server's limits.
    pub granted: GrantedLimits,
    /// Until when their token is good.
    pub expiry: Expiry,
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
    pub(super) key: MemberKey,
    pub(super) connection_id: Box<str>,
    pub(super) user: Rc<User>,
    /// The number of its user among the people here.
    pub(super) person: usize,
    pub(super) edits: bool,
    pub(super) is_admin: bool,
    pub(super) translates: TranslationRights,
    pub(super) dialect: Dialect,
    pub(super) framing: Framing,
    /// Whether it has been sent a state, and so gets presence too.
    pub(super) greeted: bool,
    pub(super) cursor: Option<Marked>,
    pub(super) selection: Option<Marked>,
    /// When its user last did something: a heartbeat is the client's doing, not theirs.
    pub(super) active_at: UnixMillis,
    /// Malformed messages in a row.
    pub(super) malformed_in_row: u32,
    pub(super) granted: GrantedLimits,
    pub(super) expiry: Expiry,
    pub(super) rates: Rates,
    /// Whether it is on the room's list of members to be flushed.
    pub(super) dirty: bool,
    pub(super) outbox: Outbox,
    /// What has become of it on the ladder for slow readers, if it ever was on it.
    pub(super) lag: Option<Box<Lag>>,
    /// When it was last sent the document because its text was another one, by the room's time.
    pub(super) healed_at: Option<Duration>,
}

impl Member {
    /// Somebody who has just come in.
    pub(super) fn new(key: MemberKey, person: usize, now: UnixMillis, joining: Joining) -> Self {
        Self {
            key,
            connection_id: joining.connection_id,
            user: joining.user,
            person,
            edits: joining.edits,
            is_admin: joining.is_admin,
            translates: joining.translates,
            dialect: joining.dialect,
            framing: joining.framing,
            greeted: false,
            cursor: None,
            selection: None,
            active_at: now,
            malformed_in_row: 0,
            granted: joining.granted,
            expiry: joining.expiry,
            rates: Rates::default(),
            dirty: false,
            outbox: Outbox::default(),
            lag: None,
            healed_at: None,
        }
    }

    /// What its messages are wrapped in.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// What waits to be sent to it.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

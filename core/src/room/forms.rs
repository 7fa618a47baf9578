//! One message in the forms that its recipients want: as a frame, compressed, and as an event.

use std::cell::{OnceCell, RefCell};

use bytes::Bytes;

use super::framing::{EventId, Framing, event_of};
use crate::websocket::Deflater;

/// A whole message's frame. Each other form is made when the first recipient who wants it comes, and then for all.
#[derive(Debug)]
pub struct Forms {
    plain: Bytes,
    deflated: OnceCell<Bytes>,
    event: OnceCell<Bytes>,
    id: Option<EventId>,
}

impl Forms {
    /// Of a frame that is not compressed, and brings nobody to a version.
    #[must_use]
    pub const fn new(plain: Bytes) -> Self {
        Self { plain, deflated: OnceCell::new(), event: OnceCell::new(), id: None }
    }

    /// The same, of what brings its reader that far.
    pub(super) const fn reaching(plain: Bytes, id: EventId) -> Self {
        Self { plain, deflated: OnceCell::new(), event: OnceCell::new(), id: Some(id) }
    }

    /// What a recipient with that framing is sent.
    #[must_use]
    pub fn form(&self, framing: Framing, deflater: &RefCell<Deflater>) -> Bytes {
        let form = match framing {
            Framing::Events => self.event.get_or_init(|| event_of(&self.plain, self.id)),
            Framing::WebSocket(Some(compression)) if compression.covers(self.plain.len()) => {
                self.deflated.get_or_init(|| deflater.borrow_mut().deflate(&self.plain))
            }
            Framing::WebSocket(_) => &self.plain,
        };
        Bytes::clone(form)
    }
}
